//! Lists of ids, taken several at a time.
//!
//! Plain loops over a trait with constant generics rather than closures: a closure is a function
//! of its own without target features, and when the compiler chooses not to inline it, every
//! instruction of the kernel below it becomes a call.

use crate::codes::Scorer;

/// A scorer that measures several rows per kernel call.
pub(super) trait Batched: Scorer {
    /// The keys of `ids`. Must be `#[inline(always)]`.
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N];
}

/// The methods of [`Scorer`] that follow from [`Batched`]: lists are measured `$batch` rows at a time.
macro_rules! keys_in_batches {
    ($batch:expr) => {
        #[inline(always)]
        fn key(&self, id: u32) -> u32 {
            let [key] = self.measure([id]);
            key
        }

        #[inline(always)]
        fn keys(&self, ids: &[u32], keys: &mut [u32]) {
            $crate::codec::batch::in_batches::<{ $batch }>(self, ids, keys);
        }
    };
}

/// The methods of [`Scorer`] whose keys are those of floats.
macro_rules! float_keys {
    () => {
        #[inline(always)]
        fn distance(&self, key: u32) -> f32 {
            $crate::key::to_f32(key)
        }

        #[inline(always)]
        fn key_of(&self, distance: f32) -> u32 {
            $crate::key::from_f32(distance)
        }
    };
}

pub(super) use {float_keys, keys_in_batches};

/// Fills `keys[i]` for `ids[i]`, `N` at a time. A rest of more than half a batch is filled up by
/// repeating its last id, which costs less than measuring one at a time.
///
/// # Panics
/// When the lengths differ.
#[inline(always)]
pub(super) fn in_batches<const N: usize>(scorer: &impl Batched, ids: &[u32], keys: &mut [u32]) {
    assert_eq!(ids.len(), keys.len(), "ids and keys differ in length");
    let (id_groups, id_rest) = ids.as_chunks::<N>();
    let (key_groups, key_rest) = keys.as_chunks_mut::<N>();
    for (ids, keys) in id_groups.iter().zip(key_groups) {
        *keys = scorer.measure(*ids);
    }
    match id_rest.last() {
        Some(&last) if id_rest.len() > N / 2 => {
            let mut group = [last; N];
            group[..id_rest.len()].copy_from_slice(id_rest);
            key_rest.copy_from_slice(&scorer.measure(group)[..id_rest.len()]);
        }
        _ => {
            for (&id, key) in id_rest.iter().zip(key_rest) {
                [*key] = scorer.measure([id]);
            }
        }
    }
}

/// As [`in_batches`], with whole rows prefetched one batch ahead of their use.
#[inline(always)]
pub(super) fn in_batches_ahead<const N: usize>(
    scorer: &impl Batched,
    ids: &[u32],
    keys: &mut [u32],
) {
    assert_eq!(ids.len(), keys.len(), "ids and keys differ in length");
    for &id in ids.iter().take(N) {
        scorer.prefetch(id, scorer.lines());
    }
    for (group, keys) in keys.chunks_mut(N).enumerate() {
        let start = group * N;
        for &id in ids[start..].iter().skip(N).take(N) {
            scorer.prefetch(id, scorer.lines());
        }
        in_batches::<N>(scorer, &ids[start..start + keys.len()], keys);
    }
}
