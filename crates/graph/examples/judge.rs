//! Judges graphs by what a search on them costs, whatever the machine: hops and distance
//! evaluations per query at fixed recall@10.
//!
//! `judge BASE.fbin QUERIES.fbin TRUTH.ibin l2|cosine VERSION[,VERSION...] [m [ef [alpha]]]`
//!
//! `VERSION+repair` links what the entry does not reach. A version `@FILE` is a graph that another system built (see `foreign`). `TRUTH` may be `-`: then graphs are only built. An `.fbin` or `.ibin` file is two little-endian `u32` (rows, columns), then the values. Graphs
//! are built on `sq8@1` codes and searched with exact distances; the search starts at the graph's
//! entry and its layers are counted like everything else.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use crinoid_graph::{Graph, Layer, NONE, Params, VERSIONS, builder, diagnose, repair};
use crinoid_quant::{
    Buffer, Codes, Isa, Level, Metric, Preparation, Scorer, Vectors,
    codec::{Float, Sq8},
    isa::{OnIsa, dispatch},
    key,
};
use rayon::prelude::*;
use std::{error::Error, fs, path::Path, time::Instant};

const K: usize = 10;
const RECALLS: [f64; 4] = [0.90, 0.95, 0.99, 0.999];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [base, queries, truth, metric, versions, rest @ ..] = &args[..] else {
        println!(
            "judge BASE.fbin QUERIES.fbin TRUTH.ibin l2|cosine VERSION[,...] [m [ef [alpha]]]"
        );
        println!("versions: {}", VERSIONS.iter().map(|v| v.to_string() + " ").collect::<String>());
        return Ok(());
    };
    let mut params = Params::default();
    for (place, value) in rest.iter().enumerate() {
        match place {
            0 => params.m = value.parse()?,
            1 => params.ef_construction = value.parse()?,
            _ => params.alpha = value.parse()?,
        }
    }
    let metric: Metric = metric.parse()?;
    let base = floats(Path::new(base), metric)?;
    let queries = floats(Path::new(queries), metric)?;
    let (columns, truth) = if truth == "-" { (0, Vec::new()) } else { values(Path::new(truth))? };
    let exact = Float::train(&base, Metric::L2);
    let codes = Sq8::train(&base, Metric::L2);
    let queries: Vec<_> = queries
        .rows()
        .map(|row| {
            let mut query = Default::default();
            exact.encode_query(row, &mut query);
            query
        })
        .collect();
    for version in versions.split(',') {
        let start = Instant::now();
        let graph = match version.strip_prefix('@') {
            Some(file) => foreign(Path::new(file))?,
            None => {
                let (name, repaired) =
                    version.strip_suffix("+repair").map_or((version, false), |name| (name, true));
                let graph = builder(name)?.build(&*codes.space(), &params, &())?;
                if repaired { repair(&graph, &*codes.space())? } else { graph }
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        let report = diagnose(&graph);
        let flat = &report.levels[0];
        println!(
            "{version} m {} ef {} alpha {}: built in {seconds:.1} s, degree {:.1} (max {}), \
             {} unreachable, digest {:016x}",
            params.m,
            params.ef_construction,
            params.alpha,
            flat.mean_degree(),
            graph.degree(),
            flat.unreachable,
            graph.digest(),
        );
        if truth.is_empty() {
            continue;
        }
        let judge =
            Judge { graph: &graph, exact: &exact, queries: &queries, truth: &truth, columns };
        println!("{}", judge.line());
    }
    Ok(())
}

/// A graph and the queries it is judged by.
struct Judge<'a> {
    graph: &'a Graph,
    exact: &'a Float,
    queries: &'a [<Float as Codes>::Query],
    truth: &'a [u32],
    columns: usize,
}

/// What one pass over all queries measured, per query.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    recall: f64,
    hops: f64,
    evaluations: f64,
}

impl Judge<'_> {
    /// Hops/evaluations at each recall, interpolated between the two nearest `ef`.
    fn line(&self) -> String {
        let mut line = String::from("   ");
        let (mut low, mut low_point) = (K, self.pass(K));
        for wanted in RECALLS {
            let (mut high, mut high_point) = (low, low_point);
            while high_point.recall < wanted && high < 6000 {
                (low, low_point) = (high, high_point);
                high = high * 3 / 2;
                high_point = self.pass(high);
            }
            while high - low > (low / 50).max(1) {
                let middle = (low + high) / 2;
                let point = self.pass(middle);
                if point.recall < wanted {
                    (low, low_point) = (middle, point);
                } else {
                    (high, high_point) = (middle, point);
                }
            }
            if high_point.recall < wanted {
                line += &format!(" {wanted}: never (best {:.4})", high_point.recall);
                break;
            }
            let span = high_point.recall - low_point.recall;
            let share =
                if span > 0.0 { ((wanted - low_point.recall) / span).max(0.0) } else { 1.0 };
            let between = |a: f64, b: f64| a + share * (b - a);
            line += &format!(
                " {wanted}: {:.1}/{:.0} (ef {high})",
                between(low_point.hops, high_point.hops),
                between(low_point.evaluations, high_point.evaluations)
            );
        }
        line
    }

    fn pass(&self, ef: usize) -> Point {
        let level = Level::current();
        let points: Vec<Point> = (0..self.queries.len())
            .into_par_iter()
            .map_init(Beam::default, |beam, query| {
                dispatch(level, Search { judge: self, query, ef, beam })
            })
            .collect();
        let mean = |value: fn(&Point) -> f64| {
            points.iter().map(value).sum::<f64>() / points.len().max(1) as f64
        };
        Point {
            recall: mean(|p| p.recall),
            hops: mean(|p| p.hops),
            evaluations: mean(|p| p.evaluations),
        }
    }
}

/// Working memory of a thread.
#[derive(Default)]
struct Beam {
    seen: Vec<bool>,
    pool: Vec<(u64, bool)>,
    todo: Vec<u32>,
    keys: Vec<u32>,
}

/// One query's search, compiled per SIMD level.
struct Search<'a> {
    judge: &'a Judge<'a>,
    query: usize,
    ef: usize,
    beam: &'a mut Beam,
}

impl OnIsa for Search<'_> {
    type Output = Point;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> Point {
        let Self { judge, query, ef, beam: Beam { seen, pool, todo, keys } } = self;
        let scorer = judge.exact.scorer(isa, &judge.queries[query]);
        let (mut hops, mut evaluations) = (0, 1);
        let mut at = judge.graph.entry();
        for layer in judge.graph.layers().iter().rev() {
            let mut best = scorer.key(layer.nodes[at as usize]);
            loop {
                let here = at;
                for &next in layer.neighbors(here) {
                    let key = scorer.key(layer.nodes[next as usize]);
                    evaluations += 1;
                    if key < best {
                        (best, at) = (key, next);
                    }
                }
                hops += 1;
                if at == here {
                    break;
                }
            }
            at = layer.below[at as usize];
        }
        seen.clear();
        seen.resize(judge.graph.len(), false);
        seen[at as usize] = true;
        pool.clear();
        pool.push((key::pack(scorer.key(at), at), false));
        let mut cursor = 0;
        while cursor < pool.len() {
            if std::mem::replace(&mut pool[cursor].1, true) {
                cursor += 1;
                continue;
            }
            let (_, node) = key::unpack(pool[cursor].0);
            todo.clear();
            let list = judge.graph.neighbors(node).iter();
            todo.extend(list.filter(|&&id| !std::mem::replace(&mut seen[id as usize], true)));
            keys.resize(todo.len(), 0);
            scorer.keys(todo, keys);
            hops += 1;
            evaluations += todo.len();
            for (&id, &key) in todo.iter().zip(keys.iter()) {
                let found = key::pack(key, id);
                if pool.len() == ef && pool[ef - 1].0 < found {
                    continue;
                }
                pool.truncate(ef - 1);
                let place = pool.partition_point(|other| other.0 < found);
                pool.insert(place, (found, false));
                cursor = cursor.min(place);
            }
        }
        // An answer counts when it is as near as the true k-th (ann-benchmarks' definition).
        let last = judge.truth[query * judge.columns + K - 1];
        let limit = scorer.distance(scorer.key(last)) * (1.0 + 2e-3) + 1e-9;
        let answers = pool.iter().take(K).map(|&(found, _)| scorer.distance(key::unpack(found).0));
        let hits = answers.filter(|&distance| distance <= limit).count();
        Point {
            recall: hits as f64 / K as f64,
            hops: f64::from(hops),
            evaluations: evaluations as f64,
        }
    }
}

/// A graph from little-endian `u32`: nodes, degree, entry, number of upper layers; nodes x degree
/// links (unused ones `u32::MAX`); then per layer its nodes, its degree, the ascending node ids,
/// nodes x degree slots, and each slot's place one layer below.
fn foreign(path: &Path) -> Result<Graph, Box<dyn Error>> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut words =
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let mut take = |count: usize| words.by_ref().take(count).collect::<Vec<u32>>();
    let head = take(4);
    let [nodes, degree, entry, layers] = head[..] else {
        return Err(format!("{}: too short", path.display()).into());
    };
    let (nodes, degree) = (nodes as usize, degree as usize);
    let links = take(nodes * degree);
    let used = |list: &[u32]| list.iter().copied().filter(|&id| id != NONE).collect::<Vec<u32>>();
    let lists: Vec<Vec<u32>> = links.chunks(degree).map(used).collect();
    let layers = (0..layers).map(|_| {
        let head = take(2);
        let (nodes, degree) = (head[0] as usize, head[1] as usize);
        let [ids, links, below] =
            [nodes, nodes * degree, nodes].map(|count| take(count)[..].into());
        Layer { nodes: ids, links, below, degree }
    });
    let layers = layers.collect();
    Ok(Graph::from_lists(&lists, degree, entry, layers)?)
}

/// The 4-byte values of a file, and its number of columns.
fn values(path: &Path) -> Result<(usize, Vec<u32>), Box<dyn Error>> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let words: Vec<u32> = bytes
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    match words[..] {
        [rows, columns, ref rest @ ..] if rest.len() == rows as usize * columns as usize => {
            Ok((columns as usize, rest.to_vec()))
        }
        _ => Err(format!("{}: not as long as its header says", path.display()).into()),
    }
}

fn floats(path: &Path, metric: Metric) -> Result<Vectors, Box<dyn Error>> {
    let (columns, words) = values(path)?;
    let floats: Buffer<f32> = words.into_iter().map(f32::from_bits).collect();
    Ok(Preparation::new(metric, columns).apply_all(&Vectors::new(floats, columns)?)?)
}
