//! Lists of ids, taken several at a time.

/// Fills `keys[i]` for `ids[i]`: `batch` for groups of `N`, then `single` for the rest.
///
/// # Panics
/// When the lengths differ.
#[inline(always)]
pub(super) fn in_batches<const N: usize>(
    ids: &[u32],
    keys: &mut [u32],
    batch: impl Fn([u32; N]) -> [u32; N],
    single: impl Fn(u32) -> u32,
) {
    assert_eq!(ids.len(), keys.len(), "ids and keys differ in length");
    let (id_groups, id_rest) = ids.as_chunks::<N>();
    let (key_groups, key_rest) = keys.as_chunks_mut::<N>();
    for (ids, keys) in id_groups.iter().zip(key_groups) {
        *keys = batch(*ids);
    }
    for (&id, key) in id_rest.iter().zip(key_rest) {
        *key = single(id);
    }
}

/// As [`in_batches`], with `prefetch` called for every id one batch ahead of its use.
#[inline(always)]
pub(super) fn in_batches_ahead<const N: usize>(
    ids: &[u32],
    keys: &mut [u32],
    prefetch: impl Fn(u32),
    batch: impl Fn([u32; N]) -> [u32; N],
    single: impl Fn(u32) -> u32,
) {
    assert_eq!(ids.len(), keys.len(), "ids and keys differ in length");
    for &id in ids.iter().take(N) {
        prefetch(id);
    }
    for (group, keys) in keys.chunks_mut(N).enumerate() {
        let start = group * N;
        for &id in ids[start..].iter().skip(N).take(N) {
            prefetch(id);
        }
        in_batches(&ids[start..start + keys.len()], keys, &batch, &single);
    }
}
