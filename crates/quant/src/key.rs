//! Order-preserving `u32` images of distances.
//!
//! Every search structure compares keys, never distances: one integer type serves float and
//! integer codecs alike, a `(key, id)` pair packs into one `u64` whose order is "closer first, then
//! lower id", and ties break the same way everywhere.

/// The key of an `f32` distance: `a < b` implies `key(a) < key(b)`; `-0.0` and `0.0` share a key.
#[inline(always)]
pub fn from_f32(distance: f32) -> u32 {
    let bits = (distance + 0.0).to_bits();
    bits ^ (((bits as i32 >> 31) as u32) | 0x8000_0000)
}

/// The distance of a key made by [`from_f32`].
#[inline(always)]
pub fn to_f32(key: u32) -> f32 {
    f32::from_bits(key ^ (((!key as i32 >> 31) as u32) | 0x8000_0000))
}

/// The key of an `i32` distance.
#[inline(always)]
pub fn from_i32(distance: i32) -> u32 {
    distance as u32 ^ 0x8000_0000
}

/// The distance of a key made by [`from_i32`].
#[inline(always)]
pub fn to_i32(key: u32) -> i32 {
    (key ^ 0x8000_0000) as i32
}

/// A key and an id as one `u64` that sorts by key, then by id.
#[inline(always)]
pub fn pack(key: u32, id: u32) -> u64 {
    u64::from(key) << 32 | u64::from(id)
}

/// The key and the id of a packed pair.
#[inline(always)]
pub fn unpack(packed: u64) -> (u32, u32) {
    ((packed >> 32) as u32, packed as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn float_keys_keep_order_and_round_trip(a in proptest::num::f32::NORMAL | proptest::num::f32::ZERO | proptest::num::f32::INFINITE, b in proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO) {
            prop_assert_eq!(a.partial_cmp(&b).unwrap(), from_f32(a).cmp(&from_f32(b)));
            prop_assert_eq!(to_f32(from_f32(a)), a);
        }

        #[test]
        fn integer_keys_keep_order_and_round_trip(a: i32, b: i32) {
            prop_assert_eq!(a.cmp(&b), from_i32(a).cmp(&from_i32(b)));
            prop_assert_eq!(to_i32(from_i32(a)), a);
        }

        #[test]
        fn packed_pairs_sort_by_key_then_id(a: (u32, u32), b: (u32, u32)) {
            prop_assert_eq!(a.cmp(&b), pack(a.0, a.1).cmp(&pack(b.0, b.1)));
            prop_assert_eq!(unpack(pack(a.0, a.1)), a);
        }
    }
}
