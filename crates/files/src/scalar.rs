//! The number types of files, and the way from their bytes to `f32` and to row numbers.

use half::{bf16, f16};

/// A number type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the types")]
pub enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    /// One byte that is 0 or 1.
    Bit,
}

/// How one number lies in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Its type.
    pub kind: Kind,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

/// A number that has no place in the result.
#[derive(Debug, PartialEq)]
pub(crate) struct Misfit {
    /// Its index among the numbers that were converted.
    pub(crate) index: usize,
    pub(crate) value: String,
    pub(crate) reason: &'static str,
}

pub(crate) const NOT_FINITE: &str =
    "not a finite number: drop the row, or put a number in its place";
pub(crate) const TOO_LARGE: &str = "beyond the range of f32 (3.4e38): scale the vectors down";
pub(crate) const INEXACT: &str =
    "an integer that no f32 holds exactly: scale the vectors down, or store them as floats";
const NO_BIT: &str = "not a bit, 0 or 1";
const NO_ROW: &str = "which names no row: neighbours are row numbers from 0 on (-1: none)";

/// `value` as an `f32`, rounded to the nearest.
pub(crate) fn narrow(value: f64) -> Result<f32, &'static str> {
    let float = value as f32;
    match (value.is_finite(), float.is_finite()) {
        (true, true) => Ok(float),
        (true, false) => Err(TOO_LARGE),
        _ => Err(NOT_FINITE),
    }
}

/// A number that `f32` may hold.
trait Number: Copy {
    fn float(self) -> Result<f32, &'static str>;
    /// As an integer; what is none has no row.
    fn integer(self) -> i128;
    fn text(self) -> String;
}

macro_rules! floats {
    ($($type:ident)*) => {$(
        impl Number for $type {
            fn float(self) -> Result<f32, &'static str> {
                narrow(f64::from(self))
            }
            fn integer(self) -> i128 {
                i128::MIN
            }
            fn text(self) -> String {
                format!("{self:?}")
            }
        }
    )*};
}
floats!(f16 bf16 f32 f64);

macro_rules! integers {
    ($($type:ident)*) => {$(
        impl Number for $type {
            fn float(self) -> Result<f32, &'static str> {
                let float = self as f32;
                // An f32 that is a whole number converts to i128 without loss.
                if float as i128 == i128::from(self) { Ok(float) } else { Err(INEXACT) }
            }
            fn integer(self) -> i128 {
                self.into()
            }
            fn text(self) -> String {
                self.to_string()
            }
        }
    )*};
}
integers!(i8 u8 i16 u16 i32 u32 i64 u64);

#[derive(Clone, Copy)]
struct Bit(u8);

impl Number for Bit {
    fn float(self) -> Result<f32, &'static str> {
        if self.0 < 2 { Ok(self.0.into()) } else { Err(NO_BIT) }
    }
    fn integer(self) -> i128 {
        i128::MIN
    }
    fn text(self) -> String {
        self.0.to_string()
    }
}

impl Scalar {
    /// A little-endian number.
    pub const fn little(kind: Kind) -> Self {
        Self { kind, big_endian: false }
    }

    /// Bytes per number.
    pub const fn width(self) -> usize {
        match self.kind {
            Kind::I8 | Kind::U8 | Kind::Bit => 1,
            Kind::F16 | Kind::Bf16 | Kind::I16 | Kind::U16 => 2,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::F64 | Kind::I64 | Kind::U64 => 8,
        }
    }

    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self.kind {
            Kind::F16 => "f16",
            Kind::Bf16 => "bf16",
            Kind::F32 => "f32",
            Kind::F64 => "f64",
            Kind::I8 => "i8",
            Kind::U8 => "u8",
            Kind::I16 => "i16",
            Kind::U16 => "u16",
            Kind::I32 => "i32",
            Kind::U32 => "u32",
            Kind::I64 => "i64",
            Kind::U64 => "u64",
            Kind::Bit => "bit",
        }
    }

    /// Whether it counts rather than measures.
    pub const fn is_integer(self) -> bool {
        !matches!(self.kind, Kind::F16 | Kind::Bf16 | Kind::F32 | Kind::F64 | Kind::Bit)
    }

    /// Converts `bytes` into `out`, which has as many places as there are numbers. Every value of
    /// `out` is finite afterwards.
    pub(crate) fn floats(self, bytes: &[u8], out: &mut [f32]) -> Result<(), Misfit> {
        if self == Self::little(Kind::F32)
            && let Ok(values) = bytemuck::try_cast_slice::<u8, f32>(bytes)
        {
            out.copy_from_slice(values);
            return finite(out);
        }
        macro_rules! convert {
            ($type:ident) => {
                convert!($type, std::convert::identity)
            };
            ($type:ident, $number:expr) => {
                self.walk::<{ size_of::<$type>() }>(bytes, |index, raw| {
                    let number = $number($type::from_le_bytes(raw));
                    out[index] = number.float().map_err(|reason| (number.text(), reason))?;
                    Ok(())
                })
            };
        }
        match self.kind {
            Kind::F16 => convert!(f16),
            Kind::Bf16 => convert!(bf16),
            Kind::F32 => convert!(f32),
            Kind::F64 => convert!(f64),
            Kind::I8 => convert!(i8),
            Kind::U8 => convert!(u8),
            Kind::I16 => convert!(i16),
            Kind::U16 => convert!(u16),
            Kind::I32 => convert!(i32),
            Kind::U32 => convert!(u32),
            Kind::I64 => convert!(i64),
            Kind::U64 => convert!(u64),
            Kind::Bit => convert!(u8, Bit),
        }
    }

    /// Converts `bytes` into row numbers; -1 becomes `u32::MAX`, which stands for no row.
    pub(crate) fn ids(self, bytes: &[u8], out: &mut [u32]) -> Result<(), Misfit> {
        macro_rules! convert {
            ($type:ident) => {
                self.walk::<{ size_of::<$type>() }>(bytes, |index, raw| {
                    let number = $type::from_le_bytes(raw);
                    out[index] = match number.integer() {
                        -1 => u32::MAX,
                        id => u32::try_from(id).map_err(|_| (number.text(), NO_ROW))?,
                    };
                    Ok(())
                })
            };
        }
        match self.kind {
            Kind::I8 => convert!(i8),
            Kind::U8 => convert!(u8),
            Kind::I16 => convert!(i16),
            Kind::U16 => convert!(u16),
            Kind::I32 => convert!(i32),
            Kind::U32 => convert!(u32),
            Kind::I64 => convert!(i64),
            Kind::U64 => convert!(u64),
            Kind::F16 | Kind::Bf16 | Kind::F32 | Kind::F64 | Kind::Bit => {
                let value = self.name().to_owned();
                Err(Misfit { index: 0, value, reason: NO_ROW })
            }
        }
    }

    /// Visits the numbers as little-endian bytes.
    fn walk<const N: usize>(
        self,
        bytes: &[u8],
        mut visit: impl FnMut(usize, [u8; N]) -> Result<(), (String, &'static str)>,
    ) -> Result<(), Misfit> {
        let (numbers, _) = bytes.as_chunks::<N>();
        for (index, &(mut raw)) in numbers.iter().enumerate() {
            if self.big_endian {
                raw.reverse();
            }
            visit(index, raw).map_err(|(value, reason)| Misfit { index, value, reason })?;
        }
        Ok(())
    }
}

/// Refuses NaN and infinities.
pub(crate) fn finite(values: &[f32]) -> Result<(), Misfit> {
    // Blocks vectorise; only one with an offender is searched.
    const BLOCK: usize = 1024;
    for (block, values) in values.chunks(BLOCK).enumerate() {
        if values.iter().all(|value| value.is_finite()) {
            continue;
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let value = values[at].to_string();
            return Err(Misfit { index: block * BLOCK + at, value, reason: NOT_FINITE });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(kind: Kind, big_endian: bool, bytes: &[u8]) -> Result<Vec<f32>, Misfit> {
        let scalar = Scalar { kind, big_endian };
        let mut out = vec![0.0; bytes.len() / scalar.width()];
        scalar.floats(bytes, &mut out).map(|()| out)
    }

    #[test]
    fn every_type_converts_in_both_orders() {
        macro_rules! check {
            ($($kind:ident $type:ident [$($value:expr),*];)*) => {$(
                let values: &[$type] = &[$($value),*];
                let little: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
                let want: Vec<f32> = values.iter().map(|&v| v.float().unwrap()).collect();
                assert_eq!(floats(Kind::$kind, false, &little).unwrap(), want);
                assert_eq!(floats(Kind::$kind, true, &big).unwrap(), want);
            )*};
        }
        check! {
            F16 f16 [f16::from_f32(1.5), f16::MAX, f16::from_f32(-0.1)];
            Bf16 bf16 [bf16::from_f32(1.5), bf16::MAX];
            F32 f32 [1.0e-30, -7.25, f32::MAX];
            F64 f64 [0.1, -1e38];
            I8 i8 [i8::MIN, 0, 127];
            U8 u8 [0, 255];
            I16 i16 [i16::MIN, 12];
            U16 u16 [u16::MAX];
            I32 i32 [-16_777_216, i32::MIN];
            U32 u32 [16_777_216, 1 << 31];
            I64 i64 [i64::MIN, -3, 1 << 40];
            U64 u64 [1 << 63, 3];
        }
        assert_eq!(floats(Kind::Bit, false, &[0, 1, 1]).unwrap(), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |kind, bytes: &[u8]| floats(kind, false, bytes).unwrap_err();
        let huge: Vec<u8> = [1.0f64, 1e300].iter().flat_map(|v| v.to_le_bytes()).collect();
        let misfit = refused(Kind::F64, &huge);
        assert_eq!((misfit.index, misfit.value.as_str()), (1, "1e300"));
        assert_eq!(misfit.reason, TOO_LARGE);
        assert_eq!(refused(Kind::F64, &f64::NAN.to_le_bytes()).reason, NOT_FINITE);
        assert_eq!(refused(Kind::F16, &f16::INFINITY.to_le_bytes()).reason, NOT_FINITE);
        assert_eq!(refused(Kind::I32, &16_777_217i32.to_le_bytes()).reason, INEXACT);
        assert_eq!(refused(Kind::I64, &i64::MAX.to_le_bytes()).reason, INEXACT);
        assert_eq!(refused(Kind::U64, &u64::MAX.to_le_bytes()).reason, INEXACT);
        assert_eq!(refused(Kind::Bit, &[0, 2]).index, 1);
        let mut long = vec![0.0f32; 3000];
        long[2999] = f32::NEG_INFINITY;
        assert_eq!(finite(&long).unwrap_err().index, 2999);
    }

    #[test]
    fn row_numbers_are_exact_or_refused() {
        let ids = |kind, bytes: &[u8]| {
            let scalar = Scalar::little(kind);
            let mut out = vec![0; bytes.len() / scalar.width()];
            scalar.ids(bytes, &mut out).map(|()| out)
        };
        assert_eq!(ids(Kind::I64, &(-1i64).to_le_bytes()).unwrap(), [u32::MAX]);
        assert_eq!(ids(Kind::U64, &7u64.to_le_bytes()).unwrap(), [7]);
        assert_eq!(ids(Kind::I64, &(1i64 << 40).to_le_bytes()).unwrap_err().value, "1099511627776");
        assert_eq!(ids(Kind::I32, &(-4i32).to_le_bytes()).unwrap_err().value, "-4");
        assert!(ids(Kind::F32, &1.0f32.to_le_bytes()).is_err());
    }
}
