//! Where a layer's nodes lie in the space.

use crinoid_quant::Space;

/// A space seen through one layer: links are the layer's *slots*, distances are the space's.
#[derive(Clone, Copy)]
pub(crate) struct LayerSpace<'a> {
    pub(crate) space: &'a dyn Space,
    /// The point at each slot; `None` where slots are points (the base layer).
    pub(crate) nodes: Option<&'a [u32]>,
}

impl<'a> LayerSpace<'a> {
    /// The point at `slot`.
    #[inline]
    pub(crate) fn point(self, slot: u32) -> u32 {
        self.nodes.map_or(slot, |nodes| nodes[slot as usize])
    }

    /// The keys of the distances from the point `from` to each of `slots`.
    pub(crate) fn keys(self, from: u32, slots: &[u32], keys: &mut [u32]) {
        let Some(nodes) = self.nodes else {
            return self.space.keys(from, slots, keys);
        };
        let mut points = [0; 64];
        for (slots, keys) in slots.chunks(64).zip(keys.chunks_mut(64)) {
            let points = &mut points[..slots.len()];
            for (point, &slot) in points.iter_mut().zip(slots) {
                *point = nodes[slot as usize];
            }
            self.space.keys(from, points, keys);
        }
    }
}
