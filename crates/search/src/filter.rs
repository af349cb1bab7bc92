//! Search among some of the rows only.
//!
//! A walk that drops what the filter refuses starves when the filter is narrow. As in ACORN (Patel et
//! al. 2024) only admitted nodes enter the pool here, and a refused neighbour is looked through: its
//! own admitted neighbours take its place. Below an estimated number of admitted rows measuring all
//! of them is cheaper than any walk, and exact.

use crate::{
    Bitmap, Composed, Counters, Engine, Scratch, Search, SearchParams, beam::Beam, entry, exact,
};
use crinoid_graph::Graph;
use crinoid_quant::{
    Codes, Isa, Neighbor, Scorer,
    isa::{self, OnIsa},
    key,
};

/// How many admitted rows, evenly spread, a walk starts from.
const STARTS: usize = 64;

/// Whether measuring `admitted` rows is cheaper than a walk, which expands about `width` nodes of
/// `degree` neighbours each.
pub fn scan_is_cheaper(admitted: usize, width: usize, degree: usize) -> bool {
    admitted <= width.saturating_mul(degree)
}

struct Filtered<'a, C: Codes> {
    graph: &'a Graph,
    codes: &'a C,
    query: &'a C::Query,
    params: &'a SearchParams,
    admitted: &'a Bitmap,
    beam: &'a mut Beam,
    out: &'a mut Vec<Neighbor>,
}

impl<C: Codes> OnIsa for Filtered<'_, C> {
    type Output = Counters;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> Counters {
        let Self { graph, codes, query, params, admitted, beam, out } = self;
        let scorer = codes.scorer(isa, query);
        let width = params.beam_width(graph.len()).min(admitted.count());
        let counters = if scan_is_cheaper(admitted.count(), width, graph.degree()) {
            let Beam { found, lists, smallest, .. } = beam;
            smallest.reset(width);
            let counters = exact::scan(scorer, admitted.ids(), lists, smallest);
            found.clear();
            found.extend_from_slice(smallest.sorted());
            counters
        } else {
            walk(graph, scorer, width, admitted, beam)
        };
        for &packed in beam.found.iter().take(params.k) {
            let (key, id) = key::unpack(packed);
            out.push(Neighbor::new(id, scorer.distance(key)));
        }
        counters
    }
}

/// The two-hop walk; leaves at most `width` admitted nodes in [`Beam::found`].
#[inline(always)]
fn walk<S: Scorer>(
    graph: &Graph,
    scorer: S,
    width: usize,
    admitted: &Bitmap,
    beam: &mut Beam,
) -> Counters {
    let mut counters = Counters::default();
    let Beam { found, visited, lists, pool, .. } = beam;
    let (base, degree, lines) = (graph.base(), graph.degree(), scorer.lines());
    visited.begin(graph.len());
    // A row of refused neighbours is looked through until a list is full: one list more at most.
    lists.reserve(entry::widest_row(graph).max(STARTS) * 2);
    pool.reset(width);
    let step = admitted.count().div_ceil(STARTS).max(1);
    lists.ids.clear();
    for id in admitted.ids().step_by(step) {
        visited.insert(id);
        lists.ids.push(id);
    }
    lists.measure(scorer);
    counters.measured(lists.ids.len());
    for (key, id) in lists.pairs() {
        pool.insert(key, id);
    }
    while let Some(node) = pool.pop() {
        lists.ids.clear();
        for &near in base.neighbors(node) {
            if admitted.contains(near) && visited.insert(near) {
                scorer.prefetch(near, lines);
                lists.ids.push(near);
            }
        }
        for &near in base.neighbors(node) {
            if lists.ids.len() >= degree {
                break;
            }
            if !admitted.contains(near) && visited.insert(near) {
                counters.hops += 1;
                for &far in base.neighbors(near) {
                    if admitted.contains(far) && visited.insert(far) {
                        scorer.prefetch(far, lines);
                        lists.ids.push(far);
                    }
                }
            }
        }
        lists.measure(scorer);
        counters.expanded(lists.ids.len());
        for (key, id) in lists.pairs() {
            pool.insert(key, id);
        }
    }
    found.clear();
    found.extend(pool.packed());
    counters
}

impl<C: Codes, V: Search> Composed<C, V> {
    /// As [`Engine::search`], among the rows in `admitted` only; exact where so few are admitted
    /// that measuring them all is cheaper than a walk.
    ///
    /// # Panics
    /// When the query has another dimension than the codes, or `admitted` another length than
    /// the set.
    pub fn search_filtered(
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
        if params.k == 0 || admitted.is_empty() {
            return Counters::default();
        }
        let (encoded, beam) = scratch.parts::<C::Query>();
        self.codes.encode_query(query, encoded);
        let (graph, codes) = (&*self.graph, &*self.codes);
        let work = Filtered { graph, codes, query: encoded, params, admitted, beam, out };
        isa::dispatch(self.level, work)
    }
}
