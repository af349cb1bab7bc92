//! The test rig: an index of int8 codes whose builder, search and refiner can each be exchanged,
//! served as a subject.
//!
//! Champion and candidate are measured in the same rig, so that they differ in the one module
//! that is at stake. Parameters name published versions for the places that no candidate takes
//! (`graph` and `refine` when it is built, `search` when it is searched); left alone it is the
//! composition `sq8@1/hnsw@1/pool@1/float@1`, the starting point that GLASS is for the paper
//! (section 3.5).
//!
//! | file | what is in it |
//! |---|---|
//! | `published.rs` | published searches and refiners by name |
//! | `stored.rs` | an index as a file, for processes that start with one |

mod published;
mod stored;

pub use published::searches;

use crate::module::Module;
use crinoid_eval::subject::{
    Asked, Built, Found, Hello, Parameters, Refusal, RefusalKind, System, Work, integer, only,
    serve,
};
use crinoid_graph::{Builder, Graph, Params};
use crinoid_quant::codec::Sq8;
use crinoid_quant::{Codes, Level, Metric, Neighbor, Preparation, Vectors};
use crinoid_refine::{Refiner, RefinerQuery};
use crinoid_search::{Composed, Counters, Engine, Search, SearchParams};
use std::path::Path;
use std::sync::Arc;

/// Makes an engine; search knobs come in the parameters.
type Compose = dyn Fn(&Arc<Graph>, &Arc<Sq8>, &Parameters) -> Result<Box<dyn Engine>, Refusal>;

/// Makes a refiner over the vectors in full.
type Refine = dyn Fn(&Vectors, Metric) -> Box<dyn Refiner>;

/// An exchangeable index, not yet loaded.
pub struct Rig {
    builder: Option<Box<dyn Builder>>,
    compose: Box<Compose>,
    refine: Option<Box<Refine>>,
    loaded: Option<Loaded>,
}

/// Vectors and what was made of them.
struct Loaded {
    /// As the caller gave it; the vectors are prepared.
    metric: Metric,
    preparation: Preparation,
    base: Vectors,
    codes: Arc<Sq8>,
    index: Option<Made>,
}

/// What a build adds.
struct Made {
    graph: Arc<Graph>,
    /// The name of the published refiner, if it is one.
    refine: String,
    refiner: Box<dyn Refiner>,
}

/// Search parameters that are nobody's knobs.
const PLAIN: [&str; 2] = ["ef", "pool"];

impl Default for Rig {
    fn default() -> Self {
        Self::new()
    }
}

impl Rig {
    /// The rig with published versions in it.
    pub fn new() -> Self {
        Self { builder: None, compose: Box::new(published::engine), refine: None, loaded: None }
    }

    /// The same rig with another builder.
    #[must_use]
    pub fn with_builder(mut self, builder: impl Builder + 'static) -> Self {
        self.builder = Some(Box::new(builder));
        self
    }

    /// The same rig with another search.
    #[must_use]
    pub fn with_search<V: Search + Copy>(mut self, search: V) -> Self {
        self.compose = Box::new(move |graph, codes, params| {
            only(params, &PLAIN)?;
            compose(graph, codes, search)
        });
        self
    }

    /// The same rig with another refiner, made from the vectors as the refiner sees them (of unit
    /// length under the cosine) and the metric.
    #[must_use]
    pub fn with_refiner<R: Refiner + 'static>(
        mut self,
        refine: impl Fn(&Vectors, Metric) -> R + 'static,
    ) -> Self {
        self.refine = Some(Box::new(move |full, metric| Box::new(refine(full, metric))));
        self
    }

    /// Serves the rig on stdin and stdout until `stop`.
    ///
    /// # Errors
    /// When a stream breaks.
    pub fn run(mut self) -> std::io::Result<()> {
        serve(&mut self, std::io::stdin().lock(), std::io::stdout().lock())
    }

    fn refiner(&self, name: &str, loaded: &Loaded) -> Result<Box<dyn Refiner>, Refusal> {
        let metric = loaded.preparation.prepared_metric();
        match &self.refine {
            Some(refine) => Ok(refine(&loaded.base, metric)),
            None => published::refiner(name, &loaded.base, metric),
        }
    }

    /// Takes a graph over what is loaded.
    fn take(&mut self, graph: Graph, refine: String) -> Result<Built, Refusal> {
        let loaded = self.loaded.as_ref().ok_or_else(unloaded)?;
        if graph.len() != loaded.base.len() {
            return Err(refusal(RefusalKind::Build, "the graph has another number of nodes"));
        }
        let refiner = self.refiner(&refine, loaded)?;
        let parts = [
            ("graph", graph.bytes()),
            ("codes", loaded.base.len() * loaded.codes.bytes_per_vector()),
            ("refine", refiner.bytes()),
        ];
        let built = Built {
            bytes: parts.iter().map(|(_, bytes)| *bytes as u64).sum(),
            parts: parts.map(|(name, bytes)| (name.to_owned(), bytes as u64)).into(),
            digest: Some(format!("{:016x}", graph.digest())),
            chose: None,
        };
        if let Some(loaded) = &mut self.loaded {
            loaded.index = Some(Made { graph: Arc::new(graph), refine, refiner });
        }
        Ok(built)
    }
}

impl Loaded {
    /// `base` is prepared already.
    fn new(metric: Metric, preparation: Preparation, base: Vectors) -> Self {
        Self {
            metric,
            codes: Arc::new(Sq8::train(&base, preparation.prepared_metric())),
            preparation,
            base,
            index: None,
        }
    }
}

fn compose<V: Search>(
    graph: &Arc<Graph>,
    codes: &Arc<Sq8>,
    search: V,
) -> Result<Box<dyn Engine>, Refusal> {
    let engine = Composed::new(Arc::clone(graph), Arc::clone(codes), search);
    engine.map(|engine| Box::new(engine) as _).map_err(|error| refusal(RefusalKind::Build, error))
}

fn refusal(kind: RefusalKind, why: impl ToString) -> Refusal {
    Refusal::new(kind, why)
}

impl System for Rig {
    fn hello(&self) -> Hello {
        Hello {
            protocol: 1,
            name: "crinoid rig".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            isa: format!("{:?}", Level::current()).to_lowercase(),
            deterministic: true,
            counters: true,
            latencies: false,
            stores: true,
        }
    }

    fn load(&mut self, base: Vectors, metric: Metric) -> Result<(), Refusal> {
        let preparation = Preparation::new(metric, base.dim());
        let base =
            preparation.apply_all(&base).map_err(|error| refusal(RefusalKind::Load, error))?;
        self.loaded = Some(Loaded::new(metric, preparation, base));
        Ok(())
    }

    fn build(&mut self, params: &Parameters, threads: usize, seed: u64) -> Result<Built, Refusal> {
        let loaded = self.loaded.as_ref().ok_or_else(unloaded)?;
        let mut params = params.clone();
        let mut named = |place: &str, default: &str| {
            let named = params.remove(place);
            named.as_ref().and_then(|name| name.as_str()).unwrap_or(default).to_owned()
        };
        let (graph, refine) = (named("graph", "hnsw@1"), named("refine", "float@1"));
        let published = match &self.builder {
            Some(_) => None,
            None => Some(
                crinoid_graph::versions::builder(&graph)
                    .map_err(|error| refusal(RefusalKind::Params, error))?,
            ),
        };
        only(&params, &["m", "ef_construction", "alpha", "backfill"])?;
        let mut graph_params = Params { seed, ..Params::default() };
        graph_params.m = integer(&params, "m", graph_params.m)?;
        graph_params.ef_construction =
            integer(&params, "ef_construction", graph_params.ef_construction)?;
        if let Some(alpha) = params.get("alpha").and_then(|alpha| alpha.as_f64()) {
            graph_params.alpha = alpha as f32;
        }
        if let Some(backfill) = params.get("backfill").and_then(|backfill| backfill.as_bool()) {
            graph_params.backfill = backfill;
        }
        let builder = self.builder.as_ref().or(published.as_ref());
        let builder = builder.ok_or_else(|| refusal(RefusalKind::Internal, "no builder"))?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| refusal(RefusalKind::Build, error))?;
        let codes = &loaded.codes;
        let graph = pool
            .install(|| builder.build(&*codes.space(), &graph_params, &()))
            .map_err(|error| refusal(RefusalKind::Build, error))?;
        self.take(graph, refine)
    }

    fn search(&mut self, asked: &Asked<'_>, found: &mut Found) -> Result<(), Refusal> {
        let loaded = self.loaded.as_ref().ok_or_else(unloaded)?;
        let Made { graph, refiner, .. } = loaded.index.as_ref().ok_or_else(unloaded)?;
        let engine = (self.compose)(graph, &loaded.codes, asked.params)?;
        let ef = integer(asked.params, "ef", 64)?.max(asked.k);
        let pool = integer(asked.params, "pool", (2 * asked.k).max(asked.k + 16))?;
        let params = SearchParams::new(pool.clamp(asked.k, ef), ef);
        let mut total = Counters::default();
        // New for every request: what a candidate keeps there it has lost when the same queries come
        // again.
        let (mut scratch, mut fine) = Default::default();
        let (mut query, mut candidates) = (Vec::new(), Vec::new());
        for (row, raw) in asked.queries.rows().enumerate() {
            let prepared = loaded.preparation.apply(row, raw, &mut query);
            prepared.map_err(|error| refusal(RefusalKind::Search, error))?;
            total += engine.search(&query, &params, &mut scratch, &mut candidates);
            let both = RefinerQuery { full: &query, prepared: &query };
            refiner.refine(&both, asked.k, &mut fine, &mut candidates);
            found.push(asked.k, candidates.iter().map(|neighbor: &Neighbor| neighbor.id));
        }
        found.work = Some(Work { hops: total.hops, distances: total.distances });
        Ok(())
    }

    fn save(&self, path: &Path) -> Result<(), Refusal> {
        let loaded = self.loaded.as_ref().ok_or_else(unloaded)?;
        let Made { graph, refine, .. } = loaded.index.as_ref().ok_or_else(unloaded)?;
        stored::write(path, loaded.metric, &loaded.base, graph, refine)
            .map_err(|error| refusal(RefusalKind::Store, error))
    }

    fn open(&mut self, path: &Path) -> Result<Built, Refusal> {
        let stored = stored::read(path).map_err(|error| refusal(RefusalKind::Store, error))?;
        let preparation = Preparation::new(stored.metric, stored.base.dim());
        self.loaded = Some(Loaded::new(stored.metric, preparation, stored.base));
        self.take(stored.graph, stored.refine)
    }
}

fn unloaded() -> Refusal {
    refusal(RefusalKind::Order, "load and build come first")
}

/// The `main.rs` of the program that serves candidates for `modules`.
pub fn main(modules: &[Module]) -> String {
    let parts: String = modules
        .iter()
        .map(|module| match module {
            Module::Graph => ".with_builder(candidate_graph::Candidate::default())",
            Module::Search => ".with_search(candidate_search::Candidate::default())",
            Module::Refine => ".with_refiner(candidate_refine::Candidate::new)",
            // There is no place for another codec in the rig; see `Lab::judge`.
            Module::Quant => "",
        })
        .collect();
    format!(
        "use crinoid_evolve::rig::Rig;\n\nfn main() -> std::io::Result<()> {{\n    \
         Rig::new(){parts}.run()\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::tuned::Tuned;

    fn vectors(n: u64, dim: u64, seed: u64) -> Vectors {
        let stream = Stream::new(seed);
        let values: Vec<f32> = (0..n * dim).map(|i| stream.normal(i) as f32).collect();
        Vectors::new(values.as_slice(), dim as usize).unwrap()
    }

    fn ask(rig: &mut Rig, queries: &Vectors, params: &[(&str, serde_json::Value)]) -> Found {
        let params: Parameters =
            params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let asked = Asked { queries, k: 10, params: &params, latencies: false };
        let mut found = Found::default();
        rig.search(&asked, &mut found).unwrap();
        found
    }

    #[test]
    fn with_current_knobs_the_walk_is_that_of_the_published_search() {
        let (base, queries) = (vectors(3000, 24, 1), vectors(60, 24, 2));
        let mut tuned = Rig::new();
        let mut plain = Rig::new().with_search(crinoid_search::BestFirst::POOL);
        for rig in [&mut tuned, &mut plain] {
            rig.load(base.clone(), Metric::L2).unwrap();
            rig.build(&Parameters::new(), 2, 42).unwrap();
        }
        for ef in [10, 40, 200] {
            let a = ask(&mut tuned, &queries, &[("ef", ef.into())]);
            let b = ask(&mut plain, &queries, &[("ef", ef.into())]);
            assert_eq!((a.ids, a.work), (b.ids, b.work));
        }
    }

    #[test]
    fn an_index_answers_the_same_after_a_journey_through_a_file() {
        let (base, queries) = (vectors(800, 12, 5), vectors(20, 12, 6));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
            let mut rig = Rig::new();
            assert_eq!(rig.save(&path).unwrap_err().kind, RefusalKind::Order);
            rig.load(base.clone(), metric).unwrap();
            let params = Parameters::from([("refine".to_owned(), "int8@1".into())]);
            let built = rig.build(&params, 1, 3).unwrap();
            rig.save(&path).unwrap();
            let mut other = Rig::new();
            assert_eq!(other.open(&path).unwrap(), built);
            for search in searches() {
                let params = [("ef", 20.into()), ("search", search.as_str().into())];
                let a = ask(&mut rig, &queries, &params);
                let b = ask(&mut other, &queries, &params);
                assert_eq!((a.ids, a.work), (b.ids, b.work), "{search}");
            }
        }
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 1, 40, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(Rig::new().open(&path).unwrap_err().kind, RefusalKind::Store, "{cut}");
        }
    }

    /// Counts its queries in the working memory.
    struct Keeper;

    impl Refiner for Keeper {
        fn version(&self) -> &'static str {
            "keeper@0"
        }

        fn refine(
            &self,
            _: &RefinerQuery<'_>,
            keep: usize,
            scratch: &mut crinoid_refine::Scratch,
            candidates: &mut Vec<Neighbor>,
        ) -> crinoid_refine::StageReport {
            let asked: &mut usize = scratch.state();
            *asked += 1;
            assert!(*asked <= 20, "remembers the request before");
            candidates.truncate(keep);
            crinoid_refine::NoRefiner.refine(
                &RefinerQuery { full: &[], prepared: &[] },
                keep,
                &mut crinoid_refine::Scratch::default(),
                candidates,
            )
        }

        fn bytes(&self) -> usize {
            0
        }
    }

    #[test]
    fn nothing_is_kept_from_request_to_request() {
        let mut rig = Rig::new().with_refiner(|_, _| Keeper);
        rig.load(vectors(100, 8, 1), Metric::L2).unwrap();
        rig.build(&Parameters::new(), 1, 1).unwrap();
        let queries = vectors(20, 8, 2);
        for _ in 0..3 {
            ask(&mut rig, &queries, &[]);
        }
    }

    #[test]
    fn every_value_of_every_knob_gives_valid_answers() {
        let (base, queries) = (vectors(2000, 16, 3), vectors(20, 16, 4));
        let mut rig = Rig::new();
        rig.load(base, Metric::Cosine).unwrap();
        rig.build(&Parameters::new(), 2, 1).unwrap();
        for knob in Tuned::knobs() {
            for value in &knob.values {
                let value = serde_json::to_value(value).unwrap();
                let params = [("ef", 64.into()), (knob.name.as_str(), value)];
                let first = ask(&mut rig, &queries, &params);
                assert!(first.ids.iter().all(|&id| id < 2000), "{params:?}");
                assert_eq!(first.ids, ask(&mut rig, &queries, &params).ids);
            }
        }
        let wrong = Parameters::from([("gamma".to_owned(), serde_json::json!("x"))]);
        let asked = Asked { queries: &queries, k: 1, params: &wrong, latencies: false };
        assert_eq!(
            rig.search(&asked, &mut Found::default()).unwrap_err().kind,
            RefusalKind::Params
        );
    }
}
