//! Search among some of the rows only.
//!
//! Where few rows are admitted, all of them are measured: exact. Else the engine's own search runs with a beam
//! that is wider by as much as the filter is narrow, and what the filter refuses is dropped from what it
//! found. A filter that is narrower around the query than on the whole shows in the rank of the `k`-th
//! admitted candidate; then the search is repeated with a beam that fits, or the scan takes over.
//!
//! Lost against this: looking through refused neighbours to theirs, as ACORN does (Patel et al. 2024).
//! At every share of 100,000 rows it was 5 to 20 times slower than the better of the two (docs/tried.md).

use crate::{Bitmap, Composed, Counters, Engine, Scratch, SearchParams, exact};
use crinoid_quant::{Neighbor, key};

/// How many rows are scanned in the time in which a walk serves one place of its beam, measured
/// (docs/tried.md, "Search"): the node there is expanded, and its unseen neighbours are measured in random order.
const ROWS_PER_PLACE: usize = 16;

/// How much deeper than expected the `k`-th admitted candidate may lie before the beam counts as too narrow.
const DEEPER: usize = 2;

/// Whether measuring `admitted` rows is cheaper than a walk with a beam of `width`.
pub fn scan_is_cheaper(admitted: usize, width: usize) -> bool {
    admitted <= width.saturating_mul(ROWS_PER_PLACE)
}

/// `size` among the admitted, as a size among all rows where one in `rarity` is admitted.
fn widened(size: usize, rarity: f64) -> usize {
    (size as f64 * rarity).ceil() as usize
}

impl Composed {
    /// [`Engine::search_filtered`], by a scan where that is the cheaper way.
    pub(crate) fn filtered(
        &self,
        query: &[f32],
        params: &SearchParams,
        admitted: &Bitmap,
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters {
        assert_eq!(query.len(), self.dim(), "dimension of the query");
        assert_eq!(admitted.len(), self.len(), "length of the filter");
        out.clear();
        let (n, k) = (self.len(), params.k.min(admitted.count()));
        let mut counters = Counters::default();
        if k == 0 {
            return counters;
        }
        let Scratch { queries, memories, found } = scratch;
        let query = self.codes.encode(query, queries);
        let mut rarity = n as f64 / admitted.count() as f64;
        loop {
            let wide = SearchParams::new(widened(k, rarity), widened(params.ef, rarity));
            if scan_is_cheaper(admitted.count(), wide.beam_width(n)) {
                let scorer = self.codes.scorer(self.level, query);
                let memory = memories.get::<exact::Memory>();
                counters += exact::scan(scorer, admitted.ids(), k, memory, found);
                break;
            }
            counters += self.walk(query, &wide, memories, found);
            let is_admitted = |packed: &u64| admitted.contains(key::unpack(*packed).1);
            let ranks = found.iter().zip(1..).filter(|(packed, _)| is_admitted(packed));
            match ranks.map(|(_, rank)| rank).nth(k - 1) {
                Some(rank) if rank <= DEEPER * wide.k => {
                    found.retain(is_admitted);
                    found.truncate(k);
                    break;
                }
                Some(rank) => rarity = rank as f64 / k as f64,
                None => rarity *= 4.0,
            }
        }
        self.codes.answer(query, found, out);
        counters
    }
}
