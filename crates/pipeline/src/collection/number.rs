//! Integers and floats in one order, without rounding.

use std::cmp::Ordering;

/// A finite number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    /// An integer, however it was written.
    Int(i64),
    /// A number that no `i64` equals.
    Float(f64),
}

/// One past the largest `i64`; its negative is the smallest.
const END: f64 = 9_223_372_036_854_775_808.0;

impl Number {
    /// `None` where `float` is not finite.
    pub(super) fn of(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        let is_int = float.fract() == 0.0 && (-END..END).contains(&float);
        Some(if is_int { Number::Int(float as i64) } else { Number::Float(float) })
    }
}

/// `int` against a float that equals none.
fn compare(int: i64, float: f64) -> Ordering {
    if float >= END {
        Ordering::Less
    } else if float < -END || int > float.floor() as i64 {
        Ordering::Greater
    } else {
        Ordering::Less
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(b),
            (Number::Int(int), Number::Float(float)) => compare(*int, *float),
            (Number::Float(float), Number::Int(int)) => compare(*int, *float).reverse(),
            (Number::Float(a), Number::Float(b)) => a.total_cmp(b),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_that_a_float_cannot_tell_apart_are_told_apart() {
        let big = 1i64 << 53;
        assert!(Number::Int(big + 1) > Number::of(big as f64).unwrap());
        assert_eq!(Number::of(-0.0), Some(Number::Int(0)));
        assert!(Number::Int(i64::MAX) < Number::of(END).unwrap());
        assert_eq!(Number::of(-END), Some(Number::Int(i64::MIN)));
        assert!(Number::Int(i64::MIN) > Number::of(-1e300).unwrap());
        assert!(Number::Int(-1) < Number::of(-0.5).unwrap());
        assert!(Number::Int(0) > Number::of(-0.5).unwrap());
        assert_eq!((Number::of(f64::NAN), Number::of(f64::INFINITY)), (None, None));
    }

    fn number() -> impl Strategy<Value = Number> {
        let near = (-4i64..4, prop_oneof![Just(0.0), Just(0.5), Just(-0.25)]);
        prop_oneof![
            any::<i64>().prop_map(Number::Int),
            any::<f64>().prop_filter_map("finite", Number::of),
            near.prop_map(|(int, part)| Number::of(int as f64 + part).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn the_order_is_total(mut some in proptest::collection::vec(number(), 3)) {
            some.sort();
            prop_assert!(some[0] <= some[1] && some[1] <= some[2] && some[0] <= some[2]);
            for (a, b) in some.iter().zip(&some[1..]) {
                prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
            }
        }

        #[test]
        fn small_numbers_compare_as_floats_do(a in -1e6..1e6f64, b in -1_000_000i64..1_000_000) {
            prop_assert_eq!(Number::of(a).unwrap().cmp(&Number::Int(b)), a.total_cmp(&(b as f64)));
        }
    }
}
