//! What a search version is.

use crate::{Counters, SearchParams};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer};

/// A way of walking a graph.
///
/// Generic over the SIMD level and the scorer: [`Composed::new`](crate::Composed::new) compiles the
/// loop for one codec without a call in it, [`Composed::over`](crate::Composed::over) compiles it once
/// for all codecs, with a virtual call per batch of distances. Mark implementations
/// `#[inline(always)]`.
///
/// ```
/// use crinoid_graph::Graph;
/// use crinoid_quant::{Isa, Scorer, key};
/// use crinoid_search::{Counters, Search, SearchParams};
///
/// /// Goes to the closest neighbour until there is none closer.
/// struct Greedy;
///
/// /// What it writes to, kept from query to query.
/// #[derive(Default)]
/// struct Memory {
///     keys: Vec<u32>,
/// }
///
/// impl Search for Greedy {
///     type Memory = Memory;
///
///     fn version(&self) -> &'static str {
///         "greedy@1"
///     }
///
///     #[inline(always)]
///     fn search<I: Isa, S: Scorer>(
///         &self,
///         _isa: I,
///         graph: &Graph,
///         scorer: S,
///         _params: &SearchParams,
///         Memory { keys }: &mut Memory,
///         found: &mut Vec<u64>,
///     ) -> Counters {
///         let mut counters = Counters::default();
///         let Some(entry) = graph.entry_node() else { return counters };
///         let mut here = key::pack(scorer.key(entry), entry);
///         counters.measured(1);
///         loop {
///             let near = graph.neighbors(key::unpack(here).1);
///             keys.resize(near.len(), 0);
///             scorer.keys(near, keys);
///             counters.expanded(near.len());
///             match keys.iter().zip(near).map(|(&key, &id)| key::pack(key, id)).min() {
///                 Some(closer) if closer < here => here = closer,
///                 _ => break,
///             }
///         }
///         found.push(here);
///         counters
///     }
/// }
/// ```
pub trait Search: Send + Sync + 'static {
    /// What a search writes to. One thread keeps one for all searches of this type.
    type Memory: Default + Send + 'static;

    /// The version, `name@number`.
    fn version(&self) -> &'static str;

    /// Leaves the best candidates for the scorer's query in `found`, which is empty: packed
    /// `(key, id)` ([`crinoid_quant::key`]), ascending, at most
    /// [`beam_width`](SearchParams::beam_width)`(graph.len())` of them. The scorer knows all nodes of the graph.
    ///
    /// The answer depends on the arguments alone, not on what `memory` was used for before, and the
    /// call allocates nothing once `memory` and `found` have served a search of this size.
    fn search<I: Isa, S: Scorer>(
        &self,
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        memory: &mut Self::Memory,
        found: &mut Vec<u64>,
    ) -> Counters;
}
