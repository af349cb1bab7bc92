//! What a rung finds: counted, not timed.

use super::ladder::{Rung, Setup};
use crate::bar::Bar;
use anyhow::{Context, Result};
use crinoid_eval::{
    Dataset, Truth,
    metrics::{Answers, RecallMetric, mean, mrr, ndcg},
};
use crinoid_files::{Rows, bin};
use crinoid_pipeline::{Index, SearchOptions};
use crinoid_refine::Pool;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

/// The depths of the tables.
pub(super) const DEPTHS: [usize; 6] = [10, 50, 100, 200, 500, 1000];

/// What was counted, per query where it will be compared.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Quality {
    /// By name: shares per query. A depth that the rung does not deliver is absent.
    pub(super) shares: BTreeMap<String, Vec<f64>>,
    /// Nodes expanded per query.
    pub(super) hops: f64,
    /// Distances evaluated per query.
    pub(super) distances: f64,
    /// Final recall@10 at each beam of a sweep.
    pub(super) sweep: Vec<(usize, f64)>,
    /// Seconds that the build took, where it was built now.
    pub(super) build_seconds: f64,
}

/// Indexes and counts, kept in a folder so that an interrupted run goes on.
pub(super) struct Workshop<'a> {
    pub(super) folder: PathBuf,
    pub(super) data: &'a Dataset,
    pub(super) truth: &'a Truth,
    /// Names the data set in file names.
    pub(super) key: String,
}

impl Workshop<'_> {
    /// The file of an index that can take on every recipe with this rung's codes and graph.
    pub(super) fn index(&self, setup: &Setup) -> Result<(PathBuf, f64)> {
        let mut options = setup.build.clone();
        options.recipe = options.recipe.with("search", "pool@1")?;
        options.recipe = options.recipe.with("refine", "int8@1+float@1")?;
        let path = self.file(&format!("{options:?}"), "cri");
        let clock = path.with_extension("seconds");
        if !path.exists() {
            let started = std::time::Instant::now();
            let bar = Bar::new(&format!("building {}", setup.build.recipe));
            let index = Index::build(&self.data.base, &options, &bar)?;
            std::fs::write(&clock, started.elapsed().as_secs_f64().to_string())?;
            index.save(&path)?;
        }
        let seconds = std::fs::read_to_string(clock).ok().and_then(|text| text.parse().ok());
        Ok((path, seconds.unwrap_or(0.0)))
    }

    fn file(&self, what: &str, extension: &str) -> PathBuf {
        let name = xxhash_rust::xxh3::xxh3_64(format!("{} {what}", self.key).as_bytes());
        self.folder.join(format!("{name:016x}.{extension}"))
    }

    /// Counts, or reads what was counted before.
    pub(super) fn quality(&self, rung: &Rung, sweep: bool) -> Result<Quality> {
        let Setup { build, search, .. } = &rung.setup;
        let path = self.file(&format!("{build:?} {search:?} {sweep}"), "json");
        if let Ok(text) = std::fs::read_to_string(&path) {
            return serde_json::from_str(&text)
                .with_context(|| format!("{}: delete it to count again", path.display()));
        }
        let (file, build_seconds) = self.index(&rung.setup)?;
        let index = Index::load(&file).context("a kept index; delete it to build it again")?;
        let index = index.with_recipe(&build.recipe)?;
        let mut quality =
            if sweep { self.swept(&index, search)? } else { self.counted(&index, rung)? };
        quality.build_seconds = build_seconds;
        std::fs::write(path, serde_json::to_string(&quality)?)?;
        Ok(quality)
    }

    /// Beams, each a quarter wider than the one before, until next to nothing is missed or three in a row
    /// gain nothing.
    fn swept(&self, index: &Index, search: &SearchOptions) -> Result<Quality> {
        let judge = RecallMetric::new(self.data, self.truth)?;
        let mut quality = Quality::default();
        let mut ef = search.k.max(8);
        while ef <= 2_000.min(index.len()) {
            let (answers, _) = self.ask(index, &search.ef(ef))?;
            let recall = mean(&judge.recall(&answers, search.k)?);
            quality.sweep.push((ef, recall));
            let before = quality.sweep.iter().rev().nth(3).map_or(0.0, |&(_, recall)| recall);
            if recall > 0.9993 || (recall > 0.5 && recall - before < 1e-4) {
                break;
            }
            ef += (ef / 4).max(1);
        }
        Ok(quality)
    }

    fn counted(&self, index: &Index, rung: &Rung) -> Result<Quality> {
        let search = &rung.setup.search;
        let width = match search.pool {
            Pool::Fixed(size) => size.max(search.k),
            _ => search.ef.max(search.k),
        };
        let width = width.min(index.len());
        let first = SearchOptions::new(width, search.ef).refiners(0);
        let (stage1, _) = self.ask(index, &first)?;
        let (last, (hops, distances)) = self.ask(index, search)?;
        let exact = self.on_codes(index, &rung.setup, width)?;
        let judge = RecallMetric::new(self.data, self.truth)?;
        let mut shares = BTreeMap::new();
        for k in DEPTHS.into_iter().filter(|&k| k <= width && k <= self.truth.k()) {
            shares.insert(format!("recall@{k}"), judge.recall(&stage1, k)?);
            shares.insert(format!("fidelity@{k}"), overlap(&stage1, &exact, k));
        }
        for k in [10, 50].into_iter().filter(|&k| k <= search.k && k <= self.truth.k()) {
            shares.insert(format!("final recall@{k}"), judge.recall(&last, k)?);
        }
        if let Some(relevance) = &self.data.relevance {
            let values = |pairs: Vec<(usize, f64)>| pairs.into_iter().map(|(_, v)| v).collect();
            let rows = self.data.base.len();
            shares.insert("MRR@10".to_owned(), values(mrr(relevance, &last, rows, 10)?));
            shares.insert("nDCG@10".to_owned(), values(ndcg(relevance, &last, rows, 10)?));
        }
        Ok(Quality { shares, hops, distances, ..Quality::default() })
    }

    /// All queries, and the mean work.
    fn ask(&self, index: &Index, options: &SearchOptions) -> Result<(Answers, (f64, f64))> {
        let queries = &self.data.queries;
        let mut all = Answers::with_capacity(queries.len(), options.k);
        let (mut session, mut answers) = (index.session(), Vec::new());
        let (mut hops, mut distances) = (0, 0);
        for query in queries.rows() {
            let report = session.search(query, options, &mut answers)?;
            hops += report.counters.hops;
            distances += report.counters.distances;
            all.push(answers.iter().map(|answer| answer.id));
        }
        let per_query = |count: u64| count as f64 / queries.len().max(1) as f64;
        Ok((all, (per_query(hops), per_query(distances))))
    }

    /// The nearest `width` by the codes alone. They do not depend on the graph, so they are kept.
    fn on_codes(&self, index: &Index, setup: &Setup, width: usize) -> Result<Answers> {
        let (codes, cut) = (setup.build.recipe.quant(), setup.build.truncate);
        let path = self.file(&format!("exact on {codes} {cut:?} {width}"), "ibin");
        if !path.exists() {
            let (mut session, mut answers) = (index.session(), Vec::new());
            let mut ids = Vec::with_capacity(self.data.queries.len() * width);
            for query in self.data.queries.rows() {
                session.scan_codes(query, width, &mut answers)?;
                ids.extend(answers.iter().map(|answer| answer.id));
            }
            bin::write(&path, &Rows { dim: width, values: ids.as_slice().into() })?;
        }
        Ok(Answers::from_padded(&bin::read::<u32>(&path)?.values, width)?)
    }
}

/// The share of the first `k` of `exact` that are among the first `k` of `found`, per query.
fn overlap(found: &Answers, exact: &Answers, k: usize) -> Vec<f64> {
    let share = |(found, exact): (&[u32], &[u32])| {
        let found: HashSet<_> = found.iter().take(k).collect();
        exact.iter().take(k).filter(|id| found.contains(id)).count() as f64 / k as f64
    };
    found.iter().zip(exact.iter()).map(share).collect()
}
