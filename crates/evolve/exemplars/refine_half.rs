use crinoid_quant::codec::Half;
use crinoid_quant::isa::{self, Isa, OnIsa};
use crinoid_quant::{Codes, Level, Metric, Neighbor, Scorer, Vectors, key};
use crinoid_refine::{Refiner, RefinerQuery, Scratch, StageReport};

/// Rows of f16, over a pool cut by coarse distances.
pub struct Candidate(Exact);

type Exact = Half;

/// How far beyond the last answer to look, in spreads of the answers' coarse distances.
const SLACK: f32 = 0.25;

impl Candidate {
    /// `full`: the vectors, of unit length under the cosine. `metric`: `L2` or `InnerProduct`.
    pub fn new(full: &Vectors, metric: Metric) -> Self {
        Self(Exact::train(full, metric))
    }
}

/// Working memory, kept from query to query.
#[derive(Default)]
struct State {
    query: <Exact as Codes>::Query,
    ids: Vec<u32>,
    keys: Vec<u32>,
    order: Vec<u64>,
}

struct Measure<'a> {
    codes: &'a Exact,
    state: &'a mut State,
    keep: usize,
    out: &'a mut Vec<Neighbor>,
}

impl OnIsa for Measure<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let Self { codes, state: State { query, ids, keys, order }, keep, out } = self;
        let scorer = codes.scorer(isa, query);
        // All rows are asked for before the first is measured.
        let lines = scorer.lines();
        for &id in ids.iter() {
            scorer.prefetch(id, lines);
        }
        keys.clear();
        keys.resize(ids.len(), 0);
        scorer.keys(ids, keys);
        order.clear();
        order.extend(keys.iter().zip(ids.iter()).map(|(&key, &id)| key::pack(key, id)));
        if keep < order.len() {
            order.select_nth_unstable(keep);
            order.truncate(keep);
        }
        order.sort_unstable();
        out.clear();
        out.extend(order.iter().map(|&packed| {
            let (key, id) = key::unpack(packed);
            Neighbor::new(id, scorer.distance(key))
        }));
    }
}

impl Refiner for Candidate {
    fn version(&self) -> &'static str {
        "candidate@0"
    }

    fn refine(
        &self,
        query: &RefinerQuery<'_>,
        keep: usize,
        scratch: &mut Scratch,
        candidates: &mut Vec<Neighbor>,
    ) -> StageReport {
        let entered = candidates.len();
        let state: &mut State = scratch.state();
        self.0.encode_query(query.full, &mut state.query);
        // In order of coarse distance: what lies SLACK spreads of the answers beyond the last of
        // them cannot come back.
        let seen = match candidates.get(keep.wrapping_sub(1)) {
            Some(last) if entered > keep => {
                let spread = last.distance - candidates[0].distance;
                let limit = last.distance + SLACK * spread.max(0.0);
                keep + candidates[keep..].partition_point(|other| other.distance <= limit)
            }
            _ => entered,
        };
        state.ids.clear();
        state.ids.extend(candidates[..seen].iter().map(|candidate| candidate.id));
        let measure = Measure { codes: &self.0, state, keep, out: candidates };
        isa::dispatch(Level::current(), measure);
        StageReport {
            name: "candidate@0",
            entered,
            left: candidates.len(),
            ..StageReport::default()
        }
    }

    fn bytes(&self) -> usize {
        self.0.parts().1.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}
