//! What a search costs besides its distances: many threads, small sets, wide beams.
//!
//! `costs BASE.fbin QUERIES.fbin l2|cosine FOLDER [--m M] [--rounds N] [--graph VERSION]`
//!
//! Prints the time of a row that has to come from memory, the throughput of a batch on one thread and on two,
//! and from how many rows on the graph is faster than a scan of everything. Codes are `u8-exact@1` where the data is integer, else `sq8@1`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks")]

mod support;

use crinoid_graph::versions::CHAMPION;
use crinoid_quant::{
    Codes, Isa, Level, Metric, Scorer, Vectors,
    codec::{Int4, Rabitq, Sq8, U8Exact},
    isa::{OnIsa, dispatch},
};
use crinoid_search::{Composed, Engine, Exact, Pipelined, Scratch, SearchParams, search_all};
use std::{path::Path, sync::Arc, time::Instant};
use support::{Result, floats, graph, option};

const K: usize = 10;

/// Passes over the queries per timing of a batch.
const REPEATS: usize = 20;

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let m = option(&mut args, "--m")?.unwrap_or(16);
    let rounds = option(&mut args, "--rounds")?.unwrap_or(20);
    let version = option(&mut args, "--graph")?.unwrap_or_else(|| CHAMPION.to_owned());
    let [base, queries, metric, folder] = &args[..] else {
        println!("costs BASE.fbin QUERIES.fbin l2|cosine FOLDER");
        return Ok(());
    };
    let metric: Metric = metric.parse()?;
    let (base, queries) = (floats(Path::new(base), metric)?, floats(Path::new(queries), metric)?);
    let task = Task { base, queries, folder: Path::new(folder), version, m, rounds };
    match U8Exact::applies(&task.base) {
        true => task.run::<U8Exact>(),
        false => task.run::<Sq8>(),
    }
}

/// Measures `ids` window by window, the rows of later windows being on their way.
struct Rows<'a, C: Codes> {
    codes: &'a C,
    query: &'a C::Query,
    ids: &'a [u32],
    ahead: usize,
}

impl<C: Codes> OnIsa for Rows<'_, C> {
    type Output = u32;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> u32 {
        let scorer = self.codes.scorer(isa, self.query);
        let (lines, windows) = (scorer.lines(), self.ids.as_chunks::<16>().0);
        let (mut keys, mut best) = ([0; 16], u32::MAX);
        for (at, window) in windows.iter().enumerate() {
            if self.ahead > 0
                && let Some(later) = windows.get(at + self.ahead)
            {
                for &id in later {
                    scorer.prefetch(id, lines);
                }
            }
            scorer.keys(window, &mut keys);
            best = keys.iter().fold(best, |best, &key| best.min(key));
        }
        std::hint::black_box(best)
    }
}

struct Task<'a> {
    base: Vectors,
    queries: Vectors,
    folder: &'a Path,
    version: String,
    m: usize,
    rounds: usize,
}

impl Task<'_> {
    fn run<C: Codes>(&self) -> Result<()> {
        println!(
            "ns per random row in windows of 16, by how many windows its lines are asked for ahead"
        );
        self.rows::<C>();
        self.rows::<Int4>();
        self.rows::<Rabitq<1>>();
        self.threads::<C>()?;
        self.sizes::<C>()
    }

    /// The codes and the search of the first `n` rows.
    fn engine<C: Codes>(&self, n: usize) -> Result<(Arc<C>, Composed)> {
        let rows = &self.base.as_slice()[..n * self.base.dim()];
        let rows = Vectors::new(rows, self.base.dim())?;
        let codes = Arc::new(C::train(&rows, Metric::L2));
        let graph = Arc::new(graph(self.folder, &rows, &self.version, self.m)?);
        Ok((codes.clone(), Composed::new(graph, codes, Pipelined::NEAREST)?))
    }

    /// Nothing but distances of random rows: what a walk would take if all else were free.
    fn rows<C: Codes>(&self) {
        let codes = C::train(&self.base, Metric::L2);
        let mut query = C::Query::default();
        codes.encode_query(self.queries.row(0), &mut query);
        let mut state = 1u64;
        let ids: Vec<u32> = (0..1 << 20)
            .map(|_| {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                ((state >> 33) % codes.len() as u64) as u32
            })
            .collect();
        let mut line = format!("{:12} {:4} bytes |", C::VERSION, codes.bytes_per_vector());
        for ahead in [0, 1, 2, 4] {
            let mut best = f64::INFINITY;
            for _ in 0..5 {
                let start = Instant::now();
                dispatch(Level::current(), Rows { codes: &codes, query: &query, ids: &ids, ahead });
                best = best.min(start.elapsed().as_secs_f64());
            }
            line += &format!(" {ahead}: {:.1}", 1e9 * best / ids.len() as f64);
        }
        println!("{line}");
    }

    /// A batch on one thread and on two, in turns.
    fn threads<C: Codes>(&self) -> Result<()> {
        let (_, engine) = self.engine::<C>(self.base.len())?;
        let values = self.queries.as_slice().repeat(REPEATS);
        let many = Vectors::new(values.as_slice(), self.queries.dim())?;
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pools = [pool(1)?, pool(2)?];
        println!(
            "  ef | QPS of a batch on 1 thread | on 2 | ratio, its quartiles over {} rounds",
            self.rounds
        );
        for ef in [10, 20, 50, 100, 400] {
            let params = SearchParams::new(K, ef);
            let (mut ratios, mut best) = (Vec::new(), [f64::INFINITY; 2]);
            for round in 0..=self.rounds {
                let mut times = [0.0; 2];
                for turn in [round % 2, 1 - round % 2] {
                    let start = Instant::now();
                    pools[turn].install(|| search_all(&engine, &many, &params));
                    times[turn] = start.elapsed().as_secs_f64();
                }
                if round > 0 {
                    ratios.push(times[0] / times[1]);
                    best = [best[0].min(times[0]), best[1].min(times[1])];
                }
            }
            ratios.sort_by(f64::total_cmp);
            let at = |share: f64| ratios[((ratios.len() - 1) as f64 * share) as usize];
            let [one, two] = best.map(|time| many.len() as f64 / time);
            println!(
                "{ef:4} | {one:9.0} | {two:9.0} | {:.3} [{:.3}, {:.3}]",
                at(0.5),
                at(0.25),
                at(0.75)
            );
        }
        Ok(())
    }

    /// A scan of everything against the graph, over the number of rows.
    fn sizes<C: Codes>(&self) -> Result<()> {
        println!("     n | scan QPS | graph QPS (recall) at ef 10, 20, 50, 100");
        for n in [500, 1000, 2000, 4000, 8000, 16_000, 32_000] {
            let (codes, engine) = self.engine::<C>(n.min(self.base.len()))?;
            let exact = Exact::new(codes);
            let truth = search_all(&exact, &self.queries, &SearchParams::new(K, 0));
            let mut line = format!("{n:6} | {:8.0} |", self.qps(&exact, 0));
            for ef in [10, 20, 50, 100] {
                let found = search_all(&engine, &self.queries, &SearchParams::new(K, ef));
                let hits: usize = found
                    .rows()
                    .zip(truth.rows())
                    .map(|(found, truth)| {
                        let kth = truth.last().map_or(0.0, |n| n.distance);
                        found.iter().filter(|n| n.distance <= kth).count()
                    })
                    .sum();
                let recall = hits as f64 / (K * self.queries.len()) as f64;
                line += &format!(" {:8.0} ({recall:.3})", self.qps(&engine, ef));
            }
            println!("{line}");
        }
        Ok(())
    }

    /// Queries per second of single calls, in the least disturbed of five passes.
    fn qps(&self, engine: &dyn Engine, ef: usize) -> f64 {
        let (mut scratch, mut found) = (Scratch::default(), Vec::new());
        let pass = |_| {
            let start = Instant::now();
            for query in self.queries.rows() {
                engine.search(query, &SearchParams::new(K, ef), &mut scratch, &mut found);
            }
            start.elapsed().as_secs_f64()
        };
        self.queries.len() as f64 / (0..5).map(pass).fold(f64::INFINITY, f64::min)
    }
}
