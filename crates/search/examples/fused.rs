//! The fused layout of SymphonyQG (Gou et al., SIGMOD 2025) as a prototype, in turns with the champion: each node's
//! row holds 1- or 2-bit codes of its 32 neighbours around its own vector, packed for FastScan, their factors and ids.
//!
//! `fused BASE.fbin QUERIES.fbin TRUTH.ibin l2|cosine FOLDER [--bits 1|2] [--codes sq8@1|int4@1] [--rounds N] [--graph VERSION]`
//!
//! Both walk the same graph of 32 links and rescore 26 candidates in floats.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks")]

mod support;

use crinoid_graph::{Graph, versions::CHAMPION};
use crinoid_quant::{
    Buffer, Codes, Isa, Level, Metric, Neighbor, Scorer, Vectors,
    blocks::{BlockQuery, Factors},
    codec::{Float, FloatQuery, Frame, Int4, Sq8, Sq8Query},
    isa::{self, OnIsa, dispatch},
    key,
};
use crinoid_search::{
    Composed, Counters, Engine, Pipelined, Scratch, SearchParams, Visited, linear_pool::LinearPool,
};
use std::{path::Path, sync::Arc, time::Instant};
use support::{Result, floats, graph, option, values};

const LINKS: usize = 32;
const K: usize = 10;
const RESCORED: usize = 26;
const EFFORTS: [usize; 12] = [10, 16, 24, 32, 48, 64, 100, 160, 256, 400, 640, 1000];

/// A node's neighbours: packed codes, factors, ids.
struct Rows {
    stride: usize,
    codes: usize,
    bytes: Buffer<u8>,
}

impl Rows {
    fn new<const B: u32>(frame: &Frame, graph: &Graph, base: &Vectors) -> Self {
        let codes = frame.block_bytes::<B>();
        let stride = (codes + size_of::<Factors>() + 4 * LINKS).next_multiple_of(64);
        let mut bytes = Buffer::<u8>::zeroed(stride * graph.len());
        let mut placed = vec![0.0; base.len() * base.dim()];
        for (row, out) in base.rows().zip(placed.chunks_exact_mut(base.dim())) {
            frame.place(row, out);
        }
        let placed = |node: u32| &placed[node as usize * base.dim()..][..base.dim()];
        for (node, out) in bytes.make_mut().chunks_exact_mut(stride).enumerate() {
            let links = graph.neighbors(node as u32);
            let near: Vec<&[f32]> = links.iter().map(|&link| placed(link)).collect();
            let mut factors = [[0.0; LINKS]; 2];
            let (packed, rest) = out.split_at_mut(codes);
            frame.encode_block::<B>(placed(node as u32), &near, packed, &mut factors);
            for (out, value) in rest.as_chunks_mut().0.iter_mut().zip(factors.as_flattened()) {
                *out = value.to_le_bytes();
            }
            let ids = &mut rest[size_of::<Factors>()..];
            let padded = links.iter().copied().chain(std::iter::repeat(node as u32));
            for (out, link) in ids.as_chunks_mut().0.iter_mut().take(LINKS).zip(padded) {
                *out = link.to_le_bytes();
            }
        }
        Self { stride, codes, bytes }
    }

    #[inline(always)]
    fn prefetch(&self, node: u32) {
        for line in 0..self.stride / 64 {
            isa::prefetch(&self.bytes, node as usize * self.stride + 64 * line);
        }
    }

    #[inline(always)]
    fn get(&self, node: u32) -> (&[u8], Factors, [u32; LINKS]) {
        let row = &self.bytes[node as usize * self.stride..][..self.stride];
        let (codes, rest) = row.split_at(self.codes);
        let (mut factors, mut ids) = ([[0.0; LINKS]; 2], [0; LINKS]);
        let words = rest.as_chunks().0;
        for (out, &word) in factors.as_flattened_mut().iter_mut().zip(words) {
            *out = f32::from_le_bytes(word);
        }
        for (out, &word) in ids.iter_mut().zip(&words[2 * LINKS..]) {
            *out = u32::from_le_bytes(word);
        }
        (codes, factors, ids)
    }
}

#[derive(Default)]
struct Working {
    tables: BlockQuery,
    sq8: Sq8Query,
    pool: LinearPool,
    visited: Visited,
    exact: Vec<u64>,
}

struct Search<'a> {
    rows: &'a Rows,
    sq8: &'a Sq8,
    ef: usize,
    graph: &'a Graph,
    working: &'a mut Working,
}

impl OnIsa for Search<'_> {
    type Output = Counters;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> Counters {
        let Self { rows, sq8, ef, graph, working } = self;
        let Working { tables, sq8: query, pool, visited, exact } = working;
        let (scorer, blocks) = (sq8.scorer(isa, query), tables.scorer(isa));
        let mut counters = Counters::default();
        exact.clear();
        pool.reset(ef);
        visited.begin(graph);
        // The closest of 64 spread rows, as `pipelined@2` starts.
        let (mut ids, mut keys) = ([0; 64], [0; 64]);
        for (place, id) in (0u64..).zip(&mut ids) {
            *id = (place * sq8.len() as u64 / 64) as u32;
            scorer.prefetch(*id, scorer.lines());
        }
        scorer.keys(&ids, &mut keys);
        let best = keys.iter().zip(&ids).min().map_or(graph.entry(), |(_, &id)| id);
        let mut listed = Some(best);
        rows.prefetch(best);
        visited.insert(best);
        while let Some(node) = listed {
            // The next row is on its way while this one is read.
            let mut next = || {
                while let Some(node) = pool.pop() {
                    if visited.insert(node) {
                        rows.prefetch(node);
                        scorer.prefetch(node, scorer.lines());
                        return Some(node);
                    }
                }
                None
            };
            let chosen = next();
            let own = scorer.key(node);
            exact.push(key::pack(own, node));
            let (codes, factors, ids) = rows.get(node);
            let keys = blocks.keys(codes, &factors, scorer.distance(own));
            counters.expanded(LINKS);
            for (&key, &id) in keys.iter().zip(&ids) {
                if !visited.contains(id) {
                    pool.insert(key, id);
                }
            }
            listed = match chosen {
                Some(node) => Some(node),
                None => {
                    let mut next = || {
                        while let Some(node) = pool.pop() {
                            if visited.insert(node) {
                                return Some(node);
                            }
                        }
                        None
                    };
                    next()
                }
            };
        }
        exact.sort_unstable();
        exact.truncate(RESCORED);
        counters
    }
}

/// Reads rows in random order, the next one being on its way: what a walk would take if all else were free.
struct Stream<'a>(&'a Rows, &'a BlockQuery, &'a [u32]);

impl OnIsa for Stream<'_> {
    type Output = u32;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> u32 {
        let Self(rows, tables, nodes) = self;
        let (blocks, mut best) = (tables.scorer(isa), u32::MAX);
        for pair in nodes.windows(2) {
            rows.prefetch(pair[1]);
            let (codes, factors, ids) = rows.get(pair[0]);
            let keys = blocks.keys(codes, &factors, 1.0);
            best = keys.iter().zip(&ids).fold(best, |best, (&key, &id)| best.min(key ^ id));
        }
        std::hint::black_box(best)
    }
}

/// The nearest by floats.
struct Rescore<'a>(&'a Float, &'a FloatQuery, &'a [u32], &'a mut [u32]);

impl OnIsa for Rescore<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let Self(float, query, ids, keys) = self;
        let scorer = float.scorer(isa, query);
        for &id in ids {
            scorer.prefetch(id, scorer.lines());
        }
        scorer.keys(ids, keys);
    }
}

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let bits = option(&mut args, "--bits")?.unwrap_or(1);
    let rounds = option(&mut args, "--rounds")?.unwrap_or(5);
    let codes = option(&mut args, "--codes")?.unwrap_or_else(|| "int4@1".to_owned());
    let version = option(&mut args, "--graph")?.unwrap_or_else(|| CHAMPION.to_owned());
    let [base, queries, truth, metric, folder] = &args[..] else {
        println!("fused BASE.fbin QUERIES.fbin TRUTH.ibin l2|cosine FOLDER");
        return Ok(());
    };
    let metric: Metric = metric.parse()?;
    let (base, queries) = (floats(Path::new(base), metric)?, floats(Path::new(queries), metric)?);
    let (columns, truth) = values(Path::new(truth))?;
    let graph = Arc::new(graph(Path::new(folder), &base, &version, LINKS / 2)?);
    let mut mean = vec![0.0; base.dim()];
    for row in base.rows() {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / base.len() as f32);
    }
    let frame = Frame::new(&mean, Metric::L2, 42);
    let rows = match bits {
        1 => Rows::new::<1>(&frame, &graph, &base),
        _ => Rows::new::<2>(&frame, &graph, &base),
    };
    let (sq8, float) = (Sq8::train(&base, Metric::L2), Float::train(&base, Metric::L2));
    let champion: Box<dyn Engine> = match codes.as_str() {
        "int4@1" => Box::new(Composed::new(
            graph.clone(),
            Arc::new(Int4::train(&base, Metric::L2)),
            Pipelined::NEAREST,
        )?),
        _ => Box::new(Composed::new(
            graph.clone(),
            Arc::new(Sq8::train(&base, Metric::L2)),
            Pipelined::NEAREST,
        )?),
    };
    let (mut working, mut scratch) = (Working::default(), Scratch::default());
    frame.encode_block_query(queries.row(0), &mut working.tables);
    let step = 0.618_034 * base.len() as f64;
    let nodes: Vec<u32> =
        (0..200_000).map(|i| ((f64::from(i) * step) % base.len() as f64) as u32).collect();
    let pass = |_| {
        let begun = Instant::now();
        dispatch(Level::current(), Stream(&rows, &working.tables, &nodes));
        begun.elapsed().as_secs_f64()
    };
    let stream = (0..5).map(pass).fold(f64::INFINITY, f64::min) / nodes.len() as f64;
    println!(
        "a fused row has {} cache lines and takes {:.0} ns by itself",
        rows.stride / 64,
        1e9 * stream
    );
    let (mut found, mut exact, mut keys) = (Vec::new(), FloatQuery::default(), [0; RESCORED]);
    for ef in EFFORTS {
        let mut best = [f64::INFINITY; 2];
        let (mut hits, mut work) = ([0; 2], [Counters::default(); 2]);
        for round in 0..=rounds {
            for way in [round % 2, 1 - round % 2] {
                let begun = Instant::now();
                for (place, query) in queries.rows().enumerate() {
                    let ids: Vec<u32> = if way == 0 {
                        frame.encode_block_query(query, &mut working.tables);
                        sq8.encode_query(query, &mut working.sq8);
                        let (graph, working) = (&*graph, &mut working);
                        let search = Search { rows: &rows, sq8: &sq8, ef, graph, working };
                        work[0] += dispatch(Level::current(), search);
                        working.exact.iter().map(|&packed| key::unpack(packed).1).collect()
                    } else {
                        let params = SearchParams::new(RESCORED.min(ef), ef);
                        work[1] += champion.search(query, &params, &mut scratch, &mut found);
                        found.iter().map(|near| near.id).collect()
                    };
                    float.encode_query(query, &mut exact);
                    let keys = &mut keys[..ids.len()];
                    dispatch(Level::current(), Rescore(&float, &exact, &ids, keys));
                    let mut order: Vec<Neighbor> = keys
                        .iter()
                        .zip(&ids)
                        .map(|(&key, &id)| Neighbor::new(id, key::to_f32(key)))
                        .collect();
                    order.sort_unstable();
                    if round == 0 {
                        let truth = &truth[place * columns..][..K];
                        hits[way] += order.iter().take(K).filter(|n| truth.contains(&n.id)).count();
                    }
                }
                if round > 0 {
                    best[way] = best[way].min(begun.elapsed().as_secs_f64());
                }
            }
        }
        let n = queries.len() as f64;
        let mut line = format!("ef {ef:4}");
        for (way, name) in ["fused", "pipelined@2"].into_iter().enumerate() {
            let calls = n * (rounds + 1) as f64;
            line += &format!(
                " | {name} recall {:.4} hops {:6.1} distances {:7.1} QPS {:7.0}",
                hits[way] as f64 / (n * K as f64),
                work[way].hops as f64 / calls,
                work[way].distances as f64 / calls,
                n / best[way],
            );
        }
        println!("{line}");
    }
    Ok(())
}
