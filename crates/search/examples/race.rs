//! Several searches over one graph, in turns within one process: the quick loop in which a search is
//! tuned. (`cargo xtask ab` decides whether it ships.)
//!
//! `race BASE.fbin QUERIES.fbin TRUTH.ibin l2|cosine FOLDER CONTENDER... [--rounds N] [--k K]`
//!
//! A contender is `m/codes/search[/rescore[/pool]]`, e.g. `24/int4@1/flat@1/u8-exact@1`; the first
//! one is what the others are compared with. Graphs are `crinoid@1` on byte codes, built once and kept in
//! `FOLDER`. An `.fbin` or `.ibin` file is two little-endian `u32` (rows, columns), then values.
#![allow(clippy::print_stdout, reason = "an example talks")]

use crinoid_graph::{Graph, Params, adjacency::GraphMeta, builder};
use crinoid_quant::{
    Buffer, Codes, Isa, Level, Metric, Neighbor, Preparation, Scorer, Vectors,
    codec::{Float, Half, Int4, Sq8, U8Exact},
    codes::Arrays,
    isa::{OnIsa, dispatch},
    key,
};
use crinoid_search::{Composed, Counters, Engine, Flat, Flat2, Scratch, SearchParams};
use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const RECALLS: [f64; 4] = [0.90, 0.95, 0.99, 0.999];

/// Efforts that are tried, up to the first that finds everything.
const EFFORTS: [usize; 26] = [
    10, 11, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 200, 256, 320, 400,
    512, 720, 1024, 1600,
];

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let rounds = option(&mut args, "--rounds")?.unwrap_or(9);
    let k = option(&mut args, "--k")?.unwrap_or(10);
    let only = option(&mut args, "--ef")?;
    let [base, queries, truth, metric, folder, contenders @ ..] = &args[..] else {
        println!(
            "race BASE.fbin QUERIES.fbin TRUTH.ibin l2|cosine FOLDER m/codes/search[/rescore[/pool]]..."
        );
        return Ok(());
    };
    let metric: Metric = metric.parse()?;
    let (base, queries) = (floats(Path::new(base), metric)?, floats(Path::new(queries), metric)?);
    let (columns, truth) = values(Path::new(truth))?;
    let limits = limits(&base, &queries, &truth, columns, k);
    let folder = PathBuf::from(folder);
    let mut graphs: Vec<(usize, Arc<Graph>)> = Vec::new();
    let mut racers = Vec::new();
    for spec in contenders {
        let parts: Vec<&str> = spec.split('/').collect();
        let [m, codes, search, rest @ ..] = &parts[..] else {
            return Err(format!("`{spec}` is no contender").into());
        };
        let m: usize = m.parse()?;
        if !graphs.iter().any(|&(known, _)| known == m) {
            graphs.push((m, Arc::new(graph(&folder, &base, m)?)));
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

fn option(args: &mut Vec<String>, name: &str) -> Result<Option<usize>> {
    let Some(place) = args.iter().position(|arg| arg == name) else { return Ok(None) };
    let value = args.get(place + 1).ok_or("an option without a value")?.parse()?;
    args.drain(place..place + 2);
    Ok(Some(value))
}

fn distance(base: &Vectors, id: u32, query: &[f32]) -> f32 {
    base.row(id as usize).iter().zip(query).map(|(x, q)| (x - q) * (x - q)).sum()
}

/// How far an answer may be from each query.
fn limits(base: &Vectors, queries: &Vectors, truth: &[u32], columns: usize, k: usize) -> Vec<f32> {
    let kth = |(place, query)| distance(base, truth[place * columns + k - 1], query) * 1.001;
    queries.rows().enumerate().map(kth).collect()
}

/// The graph of `m` over the bytes of `base`, from `folder` if it has been built before.
fn graph(folder: &Path, base: &Vectors, m: usize) -> Result<Graph> {
    let digest = base.as_slice().iter().fold(m as u64, |hash, value| {
        (hash ^ u64::from(value.to_bits())).wrapping_mul(0x5851_F42D_4C95_7F2D).rotate_left(17)
    });
    let path = folder.join(format!("{digest:016x}-{m}.graph"));
    if let Ok(file) = fs::File::open(&path) {
        let (mut file, mut line) = (BufReader::new(file), String::new());
        file.read_line(&mut line)?;
        let (meta, sizes): (GraphMeta, Vec<(String, usize)>) = serde_json::from_str(&line)?;
        let mut arrays = Vec::new();
        for (name, size) in sizes {
            let mut bytes = Buffer::<u8>::zeroed(size);
            file.read_exact(bytes.make_mut())?;
            arrays.push((name, bytes));
        }
        let mut lookup = |wanted: &str| {
            arrays.iter().find(|(name, _)| name == wanted).map(|(_, bytes)| bytes.clone())
        };
        return Ok(Graph::from_parts(&meta, &mut Arrays::new(&mut lookup))?);
    }
    let start = Instant::now();
    let params = Params { m, ..Params::default() };
    let builder = builder("crinoid@1")?;
    let graph = match U8Exact::applies(base) {
        true => builder.build(&*U8Exact::train(base, Metric::L2).space(), &params, &())?,
        false => builder.build(&*Sq8::train(base, Metric::L2).space(), &params, &())?,
    };
    println!("built m {m} in {:.1} s", start.elapsed().as_secs_f64());
    let (meta, arrays) = graph.parts();
    let sizes: Vec<_> = arrays.iter().map(|(name, bytes)| (name, bytes.len())).collect();
    let mut file = fs::File::create(&path)?;
    writeln!(file, "{}", serde_json::to_string(&(meta, sizes))?)?;
    arrays.iter().try_for_each(|(_, bytes)| file.write_all(bytes))?;
    Ok(graph)
}

/// The search called `search` over codes called `codes`.
fn engine(codes: &str, search: &str, graph: Arc<Graph>, base: &Vectors) -> Result<Box<dyn Engine>> {
    match codes {
        "u8-exact@1" => composed::<U8Exact>(search, graph, base),
        "int4@1" => composed::<Int4>(search, graph, base),
        "sq8@1" => composed::<Sq8>(search, graph, base),
        _ => Err(format!("codes `{codes}` do not race").into()),
    }
}

fn composed<C: Codes>(search: &str, graph: Arc<Graph>, base: &Vectors) -> Result<Box<dyn Engine>> {
    let codes = Arc::new(C::train(base, Metric::L2));
    Ok(match search {
        "flat@1" => Box::new(Composed::new(graph, codes, Flat::default())?),
        "flat@2" => Box::new(Composed::new(graph, codes, Flat2::default())?),
        _ => match search.strip_prefix("flat@2:").map(str::parse) {
            Some(Ok(slack)) => {
                Box::new(Composed::new(graph, codes, Flat2 { slack, ..Flat2::default() })?)
            }
            _ => return Err(format!("search `{search}` does not race").into()),
        },
    })
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

/// The rows of an `.fbin` file, prepared for `metric`.
fn floats(path: &Path, metric: Metric) -> Result<Vectors> {
    let (dim, bits) = values(path)?;
    let floats: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
    Ok(Preparation::new(metric, dim).apply_all(&Vectors::new(floats.as_slice(), dim)?)?)
}

/// Columns and words of a file of 4-byte values.
fn values(path: &Path) -> Result<(usize, Vec<u32>)> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let words: Vec<u32> =
        bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
    let [rows, columns, values @ ..] = &words[..] else {
        return Err(format!("{}: no header", path.display()).into());
    };
    match values.len() == *rows as usize * *columns as usize {
        true => Ok((*columns as usize, values.to_vec())),
        false => Err(format!("{}: {} values", path.display(), values.len()).into()),
    }
}
