//! Several searches over one graph, in turns within one process: the quick loop in which a search is
//! tuned. (`cargo xtask ab` decides whether it ships.)
//!
//! `race BASE.fbin QUERIES.fbin TRUTH.ibin l2|cosine FOLDER CONTENDER... [--rounds N] [--k K] [--graph VERSION]`
//!
//! A contender is `m/codes/search[/rescore[/pool]]`, e.g. `24/int4@1/pipelined@2/u8-exact@1`; the first
//! one is what the others are compared with. Graphs are built on byte codes, once, and kept in `FOLDER`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks")]

mod support;

use crinoid_graph::{Graph, versions::CHAMPION};
use crinoid_quant::{
    Codes, Isa, Level, Metric, Neighbor, Scorer, Vectors,
    codec::{Float, Half, Sq8, U8Exact},
    isa::{OnIsa, dispatch},
    key,
    versions::{CodecVisitor, with_codec},
};
use crinoid_search::{
    Composed, Counters, Engine, Pipelined, Scratch, SearchParams, exact, versions,
};
use std::{path::Path, sync::Arc, time::Instant};
use support::{Result, floats, graph, option, values};

const RECALLS: [f64; 4] = [0.90, 0.95, 0.99, 0.999];

/// Efforts that are tried, up to the first that finds everything.
const EFFORTS: [usize; 28] = [
    10, 11, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 200, 256, 320, 400,
    512, 720, 1024, 1600, 2400, 4000,
];

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let rounds = option(&mut args, "--rounds")?.unwrap_or(9);
    let k = option(&mut args, "--k")?.unwrap_or(10);
    let only = option(&mut args, "--ef")?;
    let version = option(&mut args, "--graph")?.unwrap_or_else(|| CHAMPION.to_owned());
    let [base, queries, truth, metric, folder, contenders @ ..] = &args[..] else {
        println!(
            "race BASE.fbin QUERIES.fbin TRUTH.ibin l2|cosine FOLDER m/codes/search[/rescore[/pool]]..."
        );
        return Ok(());
    };
    let metric: Metric = metric.parse()?;
    let (base, queries) = (floats(Path::new(base), metric)?, floats(Path::new(queries), metric)?);
    let (columns, truth) = values(Path::new(truth))?;
    let limits: Vec<f32> = match k <= columns {
        true => limits(&base, &queries, &truth, columns, k),
        // The file does not reach so far.
        false => exact::nearest_all(&base, Metric::L2, &queries, k)
            .iter()
            .map(|nearest| nearest.last().map_or(0.0, |last| last.distance * 1.001))
            .collect(),
    };
    let folder = Path::new(folder);
    let mut graphs: Vec<(usize, Arc<Graph>)> = Vec::new();
    let mut racers = Vec::new();
    for spec in contenders {
        let parts: Vec<&str> = spec.split('/').collect();
        let [m, codes, search, rest @ ..] = &parts[..] else {
            return Err(format!("`{spec}` is no contender").into());
        };
        let m: usize = m.parse()?;
        if !graphs.iter().any(|&(known, _)| known == m) {
            graphs.push((m, Arc::new(graph(folder, &base, &version, m)?)));
        }
        let graph = graphs.iter().find(|&&(known, _)| known == m).map(|(_, graph)| graph.clone());
        let engine = engine(codes, search, graph.ok_or("no graph")?, &base)?;
        let rescorer = rest.first().map(|name| rescorer(name, &base)).transpose()?;
        let pool = rest.get(1).map(|text| text.parse()).transpose()?.unwrap_or(k + 16);
        racers.push(Racer { spec, engine, rescorer, pool, curve: Vec::new() });
    }
    race(&mut racers, &base, &queries, &limits, k, rounds, only);
    let first: Vec<Option<f64>> = RECALLS.map(|recall| racers[0].qps(recall)).into();
    println!("{:34} QPS at 0.90 / 0.95 / 0.99 / 0.999, and over the first", "");
    for racer in &racers {
        let mut line = format!("{:34}", racer.spec);
        for (recall, first) in RECALLS.into_iter().zip(&first) {
            match (racer.qps(recall), first) {
                (Some(qps), Some(first)) => line += &format!(" {qps:9.0} {:5.3}", qps / first),
                _ => line += "         -     -",
            }
        }
        println!("{line}");
    }
    Ok(())
}

/// A search, its rescoring, and what has been measured of it.
struct Racer<'a> {
    spec: &'a str,
    engine: Box<dyn Engine>,
    rescorer: Option<Box<dyn Rescorer>>,
    pool: usize,
    /// Recall and queries per second.
    curve: Vec<(f64, f64)>,
}

impl Racer<'_> {
    /// Queries per second at `recall`: between the two efforts around it, on a logarithmic scale.
    fn qps(&self, recall: f64) -> Option<f64> {
        let above = self.curve.iter().position(|point| point.0 >= recall)?;
        let (high, qps) = self.curve[above];
        let Some(&(low, faster)) = above.checked_sub(1).and_then(|below| self.curve.get(below))
        else {
            return Some(qps);
        };
        let share = (recall - low) / (high - low);
        Some((faster.ln() + share * (qps.ln() - faster.ln())).exp())
    }
}

/// Measures every racer at every effort, in turns; the least disturbed pass counts.
fn race(
    racers: &mut [Racer<'_>],
    base: &Vectors,
    queries: &Vectors,
    limits: &[f32],
    k: usize,
    rounds: usize,
    only: Option<usize>,
) {
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    for ef in EFFORTS.into_iter().filter(|&ef| ef >= k && only.is_none_or(|only| ef == only)) {
        let mut times = vec![Vec::new(); racers.len()];
        let done = |racer: &Racer<'_>| racer.curve.last().is_some_and(|point| point.0 >= 0.9995);
        let done: Vec<bool> = racers.iter().map(done).collect();
        for round in 0..=rounds {
            for turn in 0..racers.len() {
                let place = if round % 2 == 0 { turn } else { racers.len() - 1 - turn };
                let racer = &mut racers[place];
                if done[place] {
                    continue;
                }
                let (mut hits, mut work) = (0, Counters::default());
                let start = Instant::now();
                for (place, query) in queries.rows().enumerate() {
                    let wanted = if racer.rescorer.is_some() { racer.pool.min(ef) } else { k };
                    let params = SearchParams::new(wanted, ef);
                    work += racer.engine.search(query, &params, &mut scratch, &mut found);
                    if let Some(rescorer) = &mut racer.rescorer {
                        rescorer.rescore(query, k, &mut found);
                    }
                    if round == 0 {
                        let near = |n: &&Neighbor| distance(base, n.id, query) <= limits[place];
                        hits += found.iter().filter(near).count();
                    }
                }
                if round > 0 {
                    times[place].push(start.elapsed().as_secs_f64());
                    continue;
                }
                let n = queries.len() as f64;
                racer.curve.push((hits as f64 / (n * k as f64), 0.0));
                let (hops, measured) = (work.hops as f64 / n, work.distances as f64 / n);
                let (spec, recall) = (racer.spec, hits as f64 / (n * k as f64));
                println!(
                    "{spec:34} ef {ef:4} recall {recall:.4} hops {hops:6.1} distances {measured:7.1}"
                );
            }
        }
        for (racer, times) in racers.iter_mut().zip(&mut times) {
            times.sort_by(f64::total_cmp);
            if let (Some(point), Some(time)) = (racer.curve.last_mut(), times.first()) {
                point.1 = queries.len() as f64 / time;
            }
        }
    }
}

fn distance(base: &Vectors, id: u32, query: &[f32]) -> f32 {
    base.row(id as usize).iter().zip(query).map(|(x, q)| (x - q) * (x - q)).sum()
}

/// How far an answer may be from each query.
fn limits(base: &Vectors, queries: &Vectors, truth: &[u32], columns: usize, k: usize) -> Vec<f32> {
    let kth = |(place, query)| distance(base, truth[place * columns + k - 1], query) * 1.001;
    queries.rows().enumerate().map(kth).collect()
}

/// The search called `search` over codes called `codes`.
fn engine(codes: &str, search: &str, graph: Arc<Graph>, base: &Vectors) -> Result<Box<dyn Engine>> {
    with_codec(codes, Racing { search, graph, base })?
}

struct Racing<'a> {
    search: &'a str,
    graph: Arc<Graph>,
    base: &'a Vectors,
}

impl CodecVisitor for Racing<'_> {
    type Output = Result<Box<dyn Engine>>;

    fn visit<C: Codes>(self) -> Self::Output {
        C::check(self.base, Metric::L2)?;
        composed::<C>(self.search, self.graph, self.base)
    }
}

/// A published search, or `pipelined:SLACK:SAMPLES:STARTS`, some left empty.
fn composed<C: Codes>(search: &str, graph: Arc<Graph>, base: &Vectors) -> Result<Box<dyn Engine>> {
    let codes = Arc::new(C::train(base, Metric::L2));
    let Some(options) = search.strip_prefix("pipelined:") else {
        return Ok(Box::new(versions::find(search)?.compose(graph, codes)?));
    };
    let mut row = Pipelined::NEAREST;
    for (place, text) in options.split(':').enumerate().filter(|(_, text)| !text.is_empty()) {
        match place {
            0 => row.slack = text.parse()?,
            1 => row.samples = text.parse()?,
            _ => row.starts = text.parse()?,
        }
    }
    Ok(Box::new(Composed::new(graph, codes, row)?))
}

/// Puts candidates into the order of finer codes.
trait Rescorer {
    fn rescore(&mut self, query: &[f32], k: usize, candidates: &mut Vec<Neighbor>);
}

fn rescorer(name: &str, base: &Vectors) -> Result<Box<dyn Rescorer>> {
    Ok(match name {
        "u8-exact@1" => Box::new(Finer::<U8Exact>::new(base)),
        "sq8@1" => Box::new(Finer::<Sq8>::new(base)),
        "half@1" => Box::new(Finer::<Half>::new(base)),
        "float@1" => Box::new(Finer::<Float>::new(base)),
        _ => return Err(format!("`{name}` does not rescore").into()),
    })
}

struct Finer<C: Codes> {
    codes: C,
    query: C::Query,
    ids: Vec<u32>,
    keys: Vec<u32>,
    order: Vec<u64>,
}

impl<C: Codes> Finer<C> {
    fn new(base: &Vectors) -> Self {
        let (query, ids, keys, order) = Default::default();
        Self { codes: C::train(base, Metric::L2), query, ids, keys, order }
    }
}

struct Measure<'a, C: Codes>(&'a C, &'a C::Query, &'a [u32], &'a mut [u32]);

impl<C: Codes> OnIsa for Measure<'_, C> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let Self(codes, query, ids, keys) = self;
        let scorer = codes.scorer(isa, query);
        let lines = scorer.lines();
        for &id in ids {
            scorer.prefetch(id, lines);
        }
        scorer.keys(ids, keys);
    }
}

impl<C: Codes> Rescorer for Finer<C> {
    fn rescore(&mut self, query: &[f32], k: usize, candidates: &mut Vec<Neighbor>) {
        self.codes.encode_query(query, &mut self.query);
        self.ids.clear();
        self.ids.extend(candidates.iter().map(|n| n.id));
        self.keys.resize(self.ids.len(), 0);
        dispatch(Level::current(), Measure(&self.codes, &self.query, &self.ids, &mut self.keys));
        let keys = self.keys.iter().zip(&self.ids);
        self.order.clear();
        self.order.extend(keys.map(|(&key, &id)| key::pack(key, id)));
        self.order.sort_unstable();
        candidates.clear();
        let nearest = self.order.iter().take(k).map(|&packed| key::unpack(packed));
        candidates.extend(nearest.map(|(_, id)| Neighbor::new(id, 0.0)));
    }
}
