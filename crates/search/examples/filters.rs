//! Search among some rows: recall against the exact answer, and time by a scan and by a walk, over how
//! much is admitted.
//!
//! `filters BASE.fbin QUERIES.fbin l2|cosine FOLDER [--m M] [--codes u8-exact@1|sq8@1] [--k K] [--ef EF] [--rounds N]`
//!
//! With `--serve` it answers the requests of crates/eval/peers/filters/run.py instead.
//!
//! Two kinds of filter: rows drawn at random, and rows in a half space (neighbours share their fate).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks")]

mod support;

use crinoid_graph::{Graph, versions::CHAMPION};
use crinoid_quant::{
    Codes, Metric, Neighbor, Vectors,
    codec::{Sq8, U8Exact},
    random::unit,
};
use crinoid_search::{Bitmap, Composed, Counters, Engine, Exact, Pipelined, Scratch, SearchParams};
use std::{fs, path::Path, sync::Arc, time::Instant};
use support::{Result, floats, graph, option};

const SHARES: [f64; 12] = [0.9, 0.7, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0.01, 0.001];

/// Walks with a wider beam are not timed.
const WIDEST: usize = 4000;

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let m = option(&mut args, "--m")?.unwrap_or(16);
    let k = option(&mut args, "--k")?.unwrap_or(10);
    let ef = option(&mut args, "--ef")?.unwrap_or(100);
    let rounds = option(&mut args, "--rounds")?.unwrap_or(5);
    let codes = option(&mut args, "--codes")?.unwrap_or_else(|| "sq8@1".to_owned());
    let serves =
        args.iter().position(|arg| arg == "--serve").map(|place| args.remove(place)).is_some();
    let version = option(&mut args, "--graph")?.unwrap_or_else(|| CHAMPION.to_owned());
    let [base, queries, metric, folder] = &args[..] else {
        println!("filters BASE.fbin QUERIES.fbin l2|cosine FOLDER");
        return Ok(());
    };
    let metric: Metric = metric.parse()?;
    let (base, queries) = (floats(Path::new(base), metric)?, floats(Path::new(queries), metric)?);
    let graph = Arc::new(graph(Path::new(folder), &base, &version, m)?);
    let params = SearchParams::new(k, ef);
    match (codes.as_str(), serves) {
        ("u8-exact@1", true) => serve::<U8Exact>(graph, &base, &queries, k),
        ("sq8@1", true) => serve::<Sq8>(graph, &base, &queries, k),
        ("u8-exact@1", false) => table::<U8Exact>(graph, &base, &queries, &params, rounds),
        ("sq8@1", false) => table::<Sq8>(graph, &base, &queries, &params, rounds),
        _ => Err(format!("no filter is tried on `{codes}`").into()),
    }
}

/// Answers requests until the end of the input.
fn serve<C: Codes>(graph: Arc<Graph>, base: &Vectors, queries: &Vectors, k: usize) -> Result<()> {
    let engine = Composed::new(graph, Arc::new(C::train(base, Metric::L2)), Pipelined::NEAREST)?;
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    let mut admitted = Bitmap::new(base.len());
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["filter", path] => {
                let mask = fs::read(path)?;
                admitted = Bitmap::from_fn(base.len(), |id| mask[id as usize] != 0);
            }
            ["search", ef, path] => {
                let params = SearchParams::new(k, ef.parse()?);
                let mut answers = vec![queries.len() as u32, k as u32];
                for query in queries.rows() {
                    engine.search_filtered(query, &params, &admitted, &mut scratch, &mut found);
                    let ids = found.iter().map(|n| n.id).chain(std::iter::repeat(u32::MAX));
                    answers.extend(ids.take(k));
                }
                let bytes: Vec<u8> = answers.iter().flat_map(|word| word.to_le_bytes()).collect();
                fs::write(path, bytes)?;
            }
            _ => return Err(format!("no request: `{line}`").into()),
        }
        println!("ok");
    }
    Ok(())
}

/// The rows that a filter of this kind admits.
fn admitted(base: &Vectors, kind: &str, share: f64) -> Bitmap {
    let score: Vec<f64> = match kind {
        "random" => (0..base.len() as u64).map(|id| unit(0, id)).collect(),
        _ => {
            let along = |row: &[f32]| row.iter().take(8).map(|&x| f64::from(x)).sum::<f64>();
            base.rows().zip(0u64..).map(|(row, id)| along(row) + 1e-6 * unit(0, id)).collect()
        }
    };
    let mut order = score.clone();
    order.sort_by(f64::total_cmp);
    let limit = order[((base.len() as f64 * share) as usize).min(base.len() - 1)];
    Bitmap::from_fn(base.len(), |id| score[id as usize] < limit)
}

fn table<C: Codes>(
    graph: Arc<Graph>,
    base: &Vectors,
    queries: &Vectors,
    params: &SearchParams,
    rounds: usize,
) -> Result<()> {
    let codes = Arc::new(C::train(base, Metric::L2));
    let exact = Exact::new(codes.clone());
    let engine = Composed::new(graph, codes, Pipelined::NEAREST)?;
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    println!("kind    share   admitted | recall  distances |       QPS | of a walk | of a scan");
    for kind in ["random", "half"] {
        for share in SHARES {
            let admitted = admitted(base, kind, share);
            let mut limits = Vec::new();
            for query in queries.rows() {
                exact.search_filtered(query, params, &admitted, &mut scratch, &mut found);
                limits.push(found.last().map(|n| n.distance));
            }
            let rarity = base.len() as f64 / admitted.count().max(1) as f64;
            let widened = |size: usize| (size as f64 * rarity).ceil() as usize;
            let wide = SearchParams::new(widened(params.k), widened(params.ef));
            let mut best = [f64::INFINITY; 3];
            let (mut hits, mut work) = (0, Counters::default());
            for round in 0..=rounds {
                for (way, time) in best.iter_mut().enumerate() {
                    if way == 1 && wide.ef > WIDEST {
                        continue;
                    }
                    let start = Instant::now();
                    for (query, limit) in queries.rows().zip(&limits) {
                        match way {
                            1 => {
                                engine.search(query, &wide, &mut scratch, &mut found);
                                found.retain(|n| admitted.contains(n.id));
                                continue;
                            }
                            2 => {
                                let found = &mut found;
                                exact.search_filtered(
                                    query,
                                    params,
                                    &admitted,
                                    &mut scratch,
                                    found,
                                );
                                continue;
                            }
                            _ => {}
                        }
                        let found = &mut found;
                        let counters =
                            engine.search_filtered(query, params, &admitted, &mut scratch, found);
                        if round == 0 {
                            work += counters;
                            let near = |n: &&Neighbor| limit.is_some_and(|at| n.distance <= at);
                            hits += found.iter().filter(near).count();
                        }
                    }
                    if round > 0 {
                        *time = time.min(start.elapsed().as_secs_f64());
                    }
                }
            }
            let n = queries.len() as f64;
            let wanted = params.k.min(admitted.count()) as f64 * n;
            let [filtered, walk, scan] = best.map(|time| n / time);
            println!(
                "{kind:7} {share:5.3} {:9} | {:.4} {:10.1} | {filtered:9.0} | {walk:9.0} | {scan:9.0}",
                admitted.count(),
                hits as f64 / wanted,
                work.distances as f64 / n,
            );
        }
    }
    Ok(())
}
