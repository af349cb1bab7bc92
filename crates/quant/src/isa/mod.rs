//! Architecture tokens: which instructions a piece of code may use.
//!
//! A token (`Portable`, `Avx2`, `Avx512`, ...) is a zero-sized proof that the CPU has a level; it
//! can only be made where that is true. Code that is generic over [`Isa`] and run through
//! [`dispatch`] is compiled once per level, with the whole call tree inlined into a function that
//! has the level's target features, so a search loop pays for dispatch once per query and never
//! per distance.
//!
//! Kernels are `#[target_feature]` functions: where the code around them is inlined into the
//! dispatched function, so are they; where a closure stays a function of its own, a call per batch of rows
//! is all that it costs.
//!
//! `CRINOID_ISA=portable|avx2|avx512|neon` forces a lower level than the best available, for tests
//! and comparisons. A level that the CPU lacks, or an unknown name, is ignored.

#![allow(
    unsafe_code,
    reason = "vector instructions: calls that rest on a token, and loads whose bounds each kernel checks"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod token;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
use half::f16;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use portable::Portable;
use std::{fmt, str::FromStr, sync::OnceLock};

/// How many codes lie side by side for [`Isa::scan_block`].
pub const BLOCK: usize = 32;

/// How many rows lie side by side in a panel, for [`Isa::dot_panels`].
pub const PANEL: usize = 16;

/// Bytes that four values of each row of a panel take.
pub const PANEL_BYTES: usize = 4 * PANEL;

/// Bytes that one group of 4 bits takes: in a block's codes, and in the tables.
const GROUP: usize = 16;

/// Partial sums of a float kernel.
const SUMS: usize = 32;

/// A SIMD level, in ascending order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Plain Rust, vectorised as far as the compiler sees fit.
    Portable,
    /// aarch64 NEON with dot products.
    Neon,
    /// x86-64 AVX2 and FMA.
    Avx2,
    /// x86-64 AVX-512 F, BW, VL, DQ, CD with VNNI, VPOPCNTDQ, BITALG and VBMI.
    Avx512,
}

/// The proof that a SIMD level may be used, and its kernels.
///
/// All slices of one call must have equal length; kernels panic otherwise, never truncate.
/// All kernels return the same bits on every level: integer kernels the exact value, float kernels what
/// comes of one order of summation, within `d * 2^-23` of the sum of the absolute terms:
///
/// * There are 32 partial sums, +0 at first. Element `i` of the whole sixteens goes to number `i % 32` by
///   one fused multiply-add (of `x - y` with itself, or of `x` and `y`); what is left, filled up with
///   zeroes to sixteen, goes to the first sixteen in the same way.
/// * `s[i] + s[i + 16]` makes sixteen of them; then `s[i] + s[i + 8]`, `s[i] + s[i + 4]`,
///   `s[i] + s[i + 2]` and `s[0] + s[1]`.
///
/// The `*_rows` forms measure one query against `N` rows, which shares the loads of the query and
/// overlaps the reductions; they return exactly what `N` single calls return.
///
/// Unsafe code trusts [`LEVEL`](Isa::LEVEL): where it says AVX-512, the CPU has AVX-512. So the trait is
/// sealed: the tokens of this module are all there are, and none can be made where it would be a lie.
///
/// ```compile_fail,E0277
/// use crinoid_quant::{Isa, Level, isa::{BLOCK, PANEL, PANEL_BYTES, Portable}};
/// use half::f16;
///
/// #[derive(Clone, Copy, Debug)]
/// struct Liar;
///
/// impl Isa for Liar {
///     const LEVEL: Level = Level::Avx512;
///     fn run<R>(self, work: impl FnOnce() -> R) -> R { work() }
///     fn l2_f32_rows<const N: usize>(self, r: [&[f32]; N], q: &[f32]) -> [f32; N] { Portable.l2_f32_rows(r, q) }
///     fn dot_f32_rows<const N: usize>(self, r: [&[f32]; N], q: &[f32]) -> [f32; N] { Portable.dot_f32_rows(r, q) }
///     fn l2_f16_rows<const N: usize>(self, r: [&[f16]; N], q: &[f32]) -> [f32; N] { Portable.l2_f16_rows(r, q) }
///     fn dot_f16_rows<const N: usize>(self, r: [&[f16]; N], q: &[f32]) -> [f32; N] { Portable.dot_f16_rows(r, q) }
///     fn dot_u8_i8_rows<const N: usize>(self, r: [&[u8]; N], q: &[i8]) -> [i32; N] { Portable.dot_u8_i8_rows(r, q) }
///     fn dot_u4_i8_rows<const N: usize>(self, r: [&[u8]; N], q: &[i8]) -> [i32; N] { Portable.dot_u4_i8_rows(r, q) }
///     fn hamming_rows<const N: usize>(self, r: [&[u64]; N], q: &[u64]) -> [u32; N] { Portable.hamming_rows(r, q) }
///     fn bit_dot_rows<const N: usize>(self, r: [&[u64]; N], q: &[u64]) -> [i32; N] { Portable.bit_dot_rows(r, q) }
///     fn scan_block(self, c: &[u8], t: &[u8]) -> [u32; BLOCK] { Portable.scan_block(c, t) }
///     fn dot_panels(self, l: &[[i8; PANEL_BYTES]], r: &[[u8; PANEL_BYTES]]) -> [[i32; PANEL]; PANEL] { Portable.dot_panels(l, r) }
///     fn below(self, v: &[u32; PANEL], limit: u32) -> u32 { Portable.below(v, limit) }
///     fn prefetch<T>(self, _: &[T], _: usize) {}
/// }
/// ```
///
/// Nor can a token be had without asking the CPU:
///
/// ```compile_fail,E0423
/// # #[cfg(target_arch = "x86_64")]
/// let claimed = crinoid_quant::isa::Avx512(());
/// # #[cfg(not(target_arch = "x86_64"))]
/// # let claimed = crinoid_quant::isa::Neon(());
/// ```
pub trait Isa: sealed::Sealed + Copy + Send + Sync + fmt::Debug + 'static {
    /// Which level this is.
    const LEVEL: Level;

    /// Runs `work` compiled for this level. `work` should be `#[inline(always)]` all the way down.
    fn run<R>(self, work: impl FnOnce() -> R) -> R;

    /// Squared L2 distances of `query` and each row.
    fn l2_f32_rows<const N: usize>(self, rows: [&[f32]; N], query: &[f32]) -> [f32; N];

    /// Inner products of `query` and each row.
    fn dot_f32_rows<const N: usize>(self, rows: [&[f32]; N], query: &[f32]) -> [f32; N];

    /// Squared L2 distances of `query` and each `f16` row, widened exactly.
    fn l2_f16_rows<const N: usize>(self, rows: [&[f16]; N], query: &[f32]) -> [f32; N];

    /// Inner products of `query` and each `f16` row, widened exactly.
    fn dot_f16_rows<const N: usize>(self, rows: [&[f16]; N], query: &[f32]) -> [f32; N];

    /// Inner products of `u8` rows with an `i8` query. Exact modulo 2^32 always, and
    /// exact while `len <= 65_793` (`255 * 128 * 65_793 < 2^31`).
    fn dot_u8_i8_rows<const N: usize>(self, rows: [&[u8]; N], query: &[i8]) -> [i32; N];

    /// Inner products of rows of 4-bit codes with an `i8` query of twice a row's length:
    /// `sum (row_j & 15) query_j + (row_j >> 4) query_{len + j}`. Exact while a row has at most
    /// 559,240 bytes (`2 * 15 * 128 * 559_240 < 2^31`).
    fn dot_u4_i8_rows<const N: usize>(self, rows: [&[u8]; N], query: &[i8]) -> [i32; N];

    /// Numbers of differing bits. Exact while a row has fewer than 2^26 words (`64 * 2^26 = 2^32`).
    fn hamming_rows<const N: usize>(self, rows: [&[u64]; N], query: &[u64]) -> [u32; N];

    /// Inner products of rows of bits with an integer query by bit planes, lowest first:
    /// `sum_j w_j popcount(row & plane_j)`. The query holds 1 to 8 planes, each as long as a row; the
    /// weights are those of two's complement, `w_j = 2^j` but for the last, which is `-2^j`. Exact
    /// while a row has at most 262,144 words (`128 * 64 * 262_144 = 2^31`, and the other weights have
    /// the other sign).
    ///
    /// # Panics
    /// When the query is not 1 to 8 times as long as each row (rows of no words apart).
    fn bit_dot_rows<const N: usize>(self, rows: [&[u64]; N], planes: &[u64]) -> [i32; N];

    /// Sums of table entries for 32 codes that lie side by side (FastScan; André, Kermarrec and Le
    /// Scouarnec, VLDB 2015): `sum_g tables[16 g + code(g)]` for each. Group `g` of a code is 4 bits;
    /// the groups `g` of all 32 are 16 bytes, of which byte `j` holds code `j` in its low nibble and code
    /// `16 + j` in its high one. Exact while there are at most 16,843,009 groups (`255 g < 2^32`).
    ///
    /// # Panics
    /// When `codes` and `tables` differ in length, or are no whole number of groups of 16 bytes.
    fn scan_block(self, codes: &[u8], tables: &[u8]) -> [u32; BLOCK];

    /// Inner products of each of sixteen rows with each of sixteen others: `products[i][j]` is that of row `i` of
    /// `left` with row `j` of `right`. Element `q` of a panel holds values `4 q .. 4 q + 4` of all its rows, row after
    /// row, so that a register takes the same four values of sixteen rows and four of one row stand against all of
    /// them: a product of matrices. Exact modulo 2^32 always, and exact while there are at most 16,448 elements
    /// (`4 * 255 * 128 * 16_448 < 2^31`).
    ///
    /// # Panics
    /// When the panels differ in length.
    fn dot_panels(
        self,
        left: &[[i8; PANEL_BYTES]],
        right: &[[u8; PANEL_BYTES]],
    ) -> [[i32; PANEL]; PANEL];

    /// Which of `values` are below `limit`: bit `i` stands for `values[i]`.
    fn below(self, values: &[u32; PANEL], limit: u32) -> u32;

    /// Sums of table entries, `sum_m tables[256 m + row[m]]`: asymmetric distances of product codes.
    /// Exact while a row has at most 65,537 bytes (`65,535 m < 2^32`). The same scalar code on every
    /// level: two loads per byte, of which CPUs do two or more per cycle.
    ///
    /// # Panics
    /// When the tables do not have 256 entries for each byte of a row.
    #[inline(always)]
    fn look_up_rows<const N: usize>(self, rows: [&[u8]; N], tables: &[u16]) -> [u32; N] {
        portable::look_up(rows, tables)
    }

    /// Asks for the cache line at `slice[index]`; an index out of range is harmless. Does nothing
    /// at the portable level.
    fn prefetch<T>(self, slice: &[T], index: usize);

    /// Squared L2 distance.
    #[inline(always)]
    fn l2_f32(self, a: &[f32], b: &[f32]) -> f32 {
        let [distance] = self.l2_f32_rows([a], b);
        distance
    }

    /// Inner product.
    #[inline(always)]
    fn dot_f32(self, a: &[f32], b: &[f32]) -> f32 {
        let [product] = self.dot_f32_rows([a], b);
        product
    }

    /// Inner product of unsigned with signed bytes.
    #[inline(always)]
    fn dot_u8_i8(self, a: &[u8], b: &[i8]) -> i32 {
        let [product] = self.dot_u8_i8_rows([a], b);
        product
    }

    /// Inner product of 4-bit codes with signed bytes; see [`dot_u4_i8_rows`](Isa::dot_u4_i8_rows).
    #[inline(always)]
    fn dot_u4_i8(self, a: &[u8], b: &[i8]) -> i32 {
        let [product] = self.dot_u4_i8_rows([a], b);
        product
    }

    /// Inner product of bits with an integer query by planes; see [`bit_dot_rows`](Isa::bit_dot_rows).
    #[inline(always)]
    fn bit_dot(self, a: &[u64], planes: &[u64]) -> i32 {
        let [product] = self.bit_dot_rows([a], planes);
        product
    }

    /// Number of differing bits.
    #[inline(always)]
    fn hamming(self, a: &[u64], b: &[u64]) -> u32 {
        let [bits] = self.hamming_rows([a], b);
        bits
    }
}

/// Traits that only this crate implements.
mod sealed {
    /// What [`Isa`](super::Isa) and [`Element`](super::Element) demand and nobody outside can have.
    pub trait Sealed {}

    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for super::Portable {}
    #[cfg(target_arch = "x86_64")]
    impl Sealed for super::Avx2 {}
    #[cfg(target_arch = "x86_64")]
    impl Sealed for super::Avx512 {}
    #[cfg(target_arch = "aarch64")]
    impl Sealed for super::Neon {}
}

/// An element of float rows: `f32` or `f16`. Sealed: kernels tell the two apart by their size.
pub trait Element: sealed::Sealed + bytemuck::Pod + Send + Sync + fmt::Debug {
    /// The largest finite value.
    const MAX: f32;

    /// The nearest element.
    fn of(value: f32) -> Self;

    /// The value, exactly.
    fn widen(self) -> f32;

    /// Squared L2 distances by the kernel of this element.
    fn l2<I: Isa, const N: usize>(isa: I, rows: [&[Self]; N], query: &[f32]) -> [f32; N];

    /// Inner products by the kernel of this element.
    fn dots<I: Isa, const N: usize>(isa: I, rows: [&[Self]; N], query: &[f32]) -> [f32; N];
}

impl Element for f32 {
    const MAX: f32 = f32::MAX;

    #[inline(always)]
    fn of(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    #[inline(always)]
    fn l2<I: Isa, const N: usize>(isa: I, rows: [&[Self]; N], query: &[f32]) -> [f32; N] {
        isa.l2_f32_rows(rows, query)
    }

    #[inline(always)]
    fn dots<I: Isa, const N: usize>(isa: I, rows: [&[Self]; N], query: &[f32]) -> [f32; N] {
        isa.dot_f32_rows(rows, query)
    }
}

impl Element for f16 {
    const MAX: f32 = 65_504.0;

    #[inline(always)]
    fn of(value: f32) -> Self {
        f16::from_f32(value)
    }

    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }

    #[inline(always)]
    fn l2<I: Isa, const N: usize>(isa: I, rows: [&[Self]; N], query: &[f32]) -> [f32; N] {
        isa.l2_f16_rows(rows, query)
    }

    #[inline(always)]
    fn dots<I: Isa, const N: usize>(isa: I, rows: [&[Self]; N], query: &[f32]) -> [f32; N] {
        isa.dot_f16_rows(rows, query)
    }
}

/// Work that is compiled once per level; see [`dispatch`].
pub trait OnIsa {
    /// What the work returns.
    type Output;

    /// Does the work with the kernels of `isa`. Mark it `#[inline(always)]`.
    fn on<I: Isa>(self, isa: I) -> Self::Output;
}

/// Does `work` at `level`, or at the best level below it that the CPU has.
#[inline]
pub fn dispatch<W: OnIsa>(level: Level, work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if level >= Level::Avx512
            && let Some(isa) = Avx512::new()
        {
            return isa.dispatch(work);
        }
        if level >= Level::Avx2
            && let Some(isa) = Avx2::new()
        {
            return isa.dispatch(work);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if level >= Level::Neon
        && let Some(isa) = Neon::new()
    {
        return isa.dispatch(work);
    }
    let _ = level;
    work.on(Portable)
}

/// The number of planes in a query of `query` words for rows of `len` words.
///
/// # Panics
/// When it is not a whole number from 1 to 8.
#[inline(always)]
fn planes(len: usize, query: usize) -> usize {
    let count = query.checked_div(len).unwrap_or(1);
    assert!(
        (1..=8).contains(&count) && count * len == query,
        "query of {query} words for rows of {len}"
    );
    count
}

/// Checks the operands of [`Isa::scan_block`].
///
/// # Panics
/// When they differ in length or are no whole number of groups.
#[inline(always)]
fn groups(codes: &[u8], tables: &[u8]) {
    assert_eq!(codes.len(), tables.len(), "kernel operands differ in length");
    assert!(codes.len().is_multiple_of(GROUP), "{} bytes are no whole groups", codes.len());
}

/// Asks for the cache line at `slice[index]` where no token is at hand; an index out of range is
/// harmless. Does nothing where the architecture has no stable prefetch.
#[inline(always)]
pub fn prefetch<T>(slice: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint: it does not fault, whatever the address. Every x86-64 has SSE.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(slice.as_ptr().wrapping_add(index).cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch is a hint: it does not fault, whatever the address.
    unsafe {
        let at = slice.as_ptr().wrapping_add(index);
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) at,
            options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = (slice, index);
}

/// The length that all slices of a kernel call share.
///
/// # Panics
/// When a row is not as long as the query.
#[inline(always)]
fn lengths<T, const N: usize>(rows: &[&[T]; N], len: usize) -> usize {
    for row in rows {
        assert_eq!(row.len(), len, "kernel operands differ in length");
    }
    len
}

impl Level {
    /// The names that `CRINOID_ISA` and reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Neon => "neon",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// The level to use: the best that the CPU has, lowered by `CRINOID_ISA`. Detected once.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Level> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let available = Self::available();
            let forced = std::env::var("CRINOID_ISA").ok().and_then(|name| name.parse().ok());
            match forced {
                Some(level) if available.contains(&level) => level,
                _ => available.last().copied().unwrap_or(Level::Portable),
            }
        })
    }

    /// Every level this CPU has, ascending.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            levels.extend(Avx2::new().map(|_| Level::Avx2));
            levels.extend(Avx512::new().map(|_| Level::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        levels.extend(Neon::new().map(|_| Level::Neon));
        levels
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Level::Portable, Level::Neon, Level::Avx2, Level::Avx512]
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| format!("unknown SIMD level `{text}` (portable, neon, avx2, avx512)"))
    }
}
