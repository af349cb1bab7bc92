//! A recipe of Crinoid as a subject.

use super::{
    Asked, Built, Found, Hello, Parameters, Refusal, RefusalKind, System, Work, integer, only,
};
use crinoid_pipeline::{BuildOptions, Index, Recipe, SearchOptions, ZeroRows};
use crinoid_quant::{Level, Metric, Vectors, random::hash};
use std::{path::Path, time::Instant};

/// Damage done on purpose, so that the gate can be tested.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sabotage {
    /// Time burnt after searching, as a share of the time it took.
    pub burn: f64,
    /// Share of answers replaced by rows that are none.
    pub drop: f64,
}

impl Sabotage {
    /// Burns its share of the time since `start`.
    fn burn(&self, start: Instant) {
        if self.burn > 0.0 {
            let until = start.elapsed().mul_f64(1.0 + self.burn);
            while start.elapsed() < until {
                std::hint::spin_loop();
            }
        }
    }
}

/// Serves a recipe.
pub struct Ours {
    recipe: Recipe,
    sabotage: Sabotage,
    base: Option<(Vectors, Metric)>,
    index: Option<Index>,
}

const BUILD: &[&str] = &["m", "ef_construction", "alpha", "backfill", "truncate"];
const SEARCH: &[&str] = &["ef", "pool"];

impl Ours {
    /// Serves `recipe`, as well as it can where `sabotage` is the default.
    pub fn new(recipe: Recipe, sabotage: Sabotage) -> Self {
        Self { recipe, sabotage, base: None, index: None }
    }

    fn options(
        &self,
        metric: Metric,
        params: &Parameters,
        seed: u64,
    ) -> Result<BuildOptions, Refusal> {
        only(params, BUILD)?;
        let mut options = BuildOptions::default()
            .recipe(self.recipe.clone())
            .metric(metric)
            // What is named may be as bad as it likes; what is left open is what users get.
            .unchecked(!self.recipe.is_auto())
            .zero_rows(ZeroRows::Keep);
        let graph = &mut options.graph;
        graph.seed = seed;
        graph.m = integer(params, "m", graph.m)?;
        graph.ef_construction = integer(params, "ef_construction", graph.ef_construction)?;
        let refuse = |name: &str, kind: &str| {
            Refusal::new(RefusalKind::Params, format!("{name} is no {kind}"))
        };
        if let Some(alpha) = params.get("alpha") {
            graph.alpha = alpha.as_f64().ok_or_else(|| refuse("alpha", "number"))? as f32;
        }
        if let Some(backfill) = params.get("backfill") {
            graph.backfill = backfill.as_bool().ok_or_else(|| refuse("backfill", "boolean"))?;
        }
        if params.contains_key("truncate") {
            options.truncate = Some(integer(params, "truncate", 0)?);
        }
        Ok(options)
    }

    /// Serves `index` from now on.
    fn take(&mut self, index: Index) -> Built {
        let bytes = index.bytes();
        let parts = [("graph", bytes.graph), ("codes", bytes.codes), ("refine", bytes.refine)];
        let parts = parts.map(|(name, bytes)| (name.to_owned(), bytes as u64)).into();
        let digest = Some(format!("{:016x}", index.digest()));
        let chose = self.recipe.is_auto().then(|| index.options().recipe.to_string());
        self.index = Some(index);
        Built { bytes: bytes.total() as u64, parts, digest, chose }
    }
}

impl System for Ours {
    fn hello(&self) -> Hello {
        Hello {
            protocol: super::PROTOCOL,
            name: format!("crinoid {}", self.recipe),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            isa: format!("{:?}", Level::current()).to_lowercase(),
            // The same build may choose other codes next time.
            deterministic: true,
            counters: true,
            latencies: true,
            stores: true,
        }
    }

    fn load(&mut self, base: Vectors, metric: Metric) -> Result<(), Refusal> {
        self.index = None;
        self.base = Some((base, metric));
        Ok(())
    }

    fn build(&mut self, params: &Parameters, threads: usize, seed: u64) -> Result<Built, Refusal> {
        let (base, metric) = self
            .base
            .as_ref()
            .ok_or_else(|| Refusal::new(RefusalKind::Order, "load comes first"))?;
        let options = self.options(*metric, params, seed)?;
        let refuse = |error: &dyn std::fmt::Display| Refusal::new(RefusalKind::Build, error);
        // A pool of its own, which is gone when the searches begin.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| refuse(&error))?;
        let index = pool.install(|| Index::build(base, &options, &()));
        let index = index.map_err(|error| refuse(&error))?;
        Ok(self.take(index))
    }

    fn save(&self, path: &Path) -> Result<(), Refusal> {
        let index = self.index.as_ref();
        let index = index.ok_or_else(|| Refusal::new(RefusalKind::Order, "build comes first"))?;
        index.save(path).map_err(|error| Refusal::new(RefusalKind::Store, error))
    }

    fn open(&mut self, path: &Path) -> Result<Built, Refusal> {
        let index = Index::load(path);
        Ok(self.take(index.map_err(|error| Refusal::new(RefusalKind::Store, error))?))
    }

    fn search(&mut self, asked: &Asked<'_>, found: &mut Found) -> Result<(), Refusal> {
        only(asked.params, SEARCH)?;
        let index = self
            .index
            .as_ref()
            .ok_or_else(|| Refusal::new(RefusalKind::Order, "build comes first"))?;
        let ef = integer(asked.params, "ef", asked.k)?.max(asked.k);
        let mut options = SearchOptions::new(asked.k, ef);
        if asked.params.contains_key("pool") {
            options = options.pool(integer(asked.params, "pool", 0)?);
        }
        let mut session = index.session();
        let mut answers = Vec::with_capacity(ef);
        let mut work = Work::default();
        let began = Instant::now();
        for query in asked.queries.rows() {
            let start = asked.latencies.then(Instant::now);
            let report = session
                .search(query, &options, &mut answers)
                .map_err(|error| Refusal::new(RefusalKind::Search, error))?;
            if let Some(start) = start {
                self.sabotage.burn(start);
                found.latencies.push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
            }
            work.hops += report.counters.hops;
            work.distances += report.counters.distances;
            found.push(asked.k, answers.iter().map(|neighbor| neighbor.id));
        }
        // Once for all queries where they are not timed one by one: reading a clock for each would
        // cost a per cent of its own.
        if !asked.latencies {
            self.sabotage.burn(began);
        }
        if self.sabotage.drop > 0.0 {
            let rows = index.len() as u32;
            for (query, ids) in asked.queries.rows().zip(found.ids.chunks_exact_mut(asked.k)) {
                drop_some(query, ids, rows, self.sabotage.drop);
            }
        }
        found.work = Some(work);
        Ok(())
    }
}

/// Replaces about a share of `ids` by other rows, chosen by the query's bits alone.
fn drop_some(query: &[f32], ids: &mut [u32], rows: u32, share: f64) {
    let seed = query.iter().fold(0, |seed, value| hash(seed, u64::from(value.to_bits())));
    for place in 0..ids.len() {
        let chance = hash(seed, place as u64);
        if (chance >> 11) as f64 * (1.0 / (1u64 << 53) as f64) >= share {
            continue;
        }
        let start = (hash(chance, 0) % u64::from(rows)) as u32;
        let other = (0..rows).map(|step| (start + step) % rows).find(|row| !ids.contains(row));
        ids[place] = other.unwrap_or(super::NO_ANSWER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_the_right_share_is_dropped_and_nothing_is_repeated() {
        let mut dropped = 0;
        for query in 0..1000 {
            let mut ids: Vec<u32> = (0..100).collect();
            drop_some(&[query as f32], &mut ids, 5000, 0.01);
            let mut again: Vec<u32> = (0..100).collect();
            drop_some(&[query as f32], &mut again, 5000, 0.01);
            assert_eq!(ids, again);
            dropped += ids.iter().enumerate().filter(|(place, id)| **id != *place as u32).count();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), 100);
        }
        assert!((900..1100).contains(&dropped), "{dropped}");
    }

    #[test]
    fn what_is_left_open_is_built_as_users_get_it() {
        // More rows than those among which nothing is left aside, so that the search is a choice.
        let values: Vec<f32> =
            (0..8 * 21_000).map(|at| (hash(7, at) % 1000) as f32 / 1000.0 + 0.0001).collect();
        let base = Vectors::new(values.as_slice(), 8).unwrap();
        let users = Index::build(&base, &BuildOptions::default(), &()).unwrap();
        assert!(users.report().efforts.searches.len() > 1, "{}", users.report());
        let mut ours = Ours::new(Recipe::auto(), Sabotage::default());
        ours.load(base, Metric::L2).unwrap();
        let seed = BuildOptions::default().graph.seed;
        let built = ours.build(&Parameters::new(), 1, seed).unwrap();
        assert_eq!(built.chose, Some(users.options().recipe.to_string()));
    }

    #[test]
    fn requests_out_of_order_and_unknown_parameters_are_refused() {
        let mut ours = Ours::new(Recipe::default(), Sabotage::default());
        let kind = |refusal: Refusal| refusal.kind;
        assert_eq!(ours.build(&Parameters::new(), 1, 1).map_err(kind), Err(RefusalKind::Order));
        let base = Vectors::new(&[0.0, 1.0, 3.0, 7.0][..], 1).unwrap();
        ours.load(base.clone(), Metric::L2).unwrap();
        let params = Parameters::new();
        let asked = Asked { queries: &base, k: 2, params: &params, latencies: false };
        let searched = ours.search(&asked, &mut Found::default());
        assert_eq!(searched.map_err(kind), Err(RefusalKind::Order));
        let odd = Parameters::from([("efc".to_owned(), 3.into())]);
        assert_eq!(ours.build(&odd, 1, 1).map_err(kind), Err(RefusalKind::Params));
        let odd = Parameters::from([("m".to_owned(), "many".into())]);
        assert_eq!(ours.build(&odd, 1, 1).map_err(kind), Err(RefusalKind::Params));
        let built = ours.build(&params, 1, 1).unwrap();
        assert_eq!(built.bytes, built.parts.values().sum::<u64>());
        let mut found = Found::default();
        ours.search(&asked, &mut found).unwrap();
        assert_eq!(found.ids, [0, 1, 1, 0, 2, 1, 3, 2]);
    }
}
