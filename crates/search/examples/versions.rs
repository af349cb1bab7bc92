//! Every published search on a generated set: answers, work and time side by side.
#![allow(clippy::print_stdout, reason = "an example talks")]

use crinoid_graph::Graph;
use crinoid_quant::{Codes, Metric, Vectors, codec::Sq8};
use crinoid_search::{Counters, Engine, Exact, Scratch, SearchParams, exact, versions};
use std::{error::Error, sync::Arc, time::Instant};

const DIM: usize = 32;

fn points(n: usize, seed: u64) -> Result<Vectors, Box<dyn Error>> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let values: Vec<f32> = (0..n * DIM).map(|_| next() * next()).collect();
    Ok(Vectors::new(values.as_slice(), DIM)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (base, queries) = (points(5_000, 1)?, points(200, 2)?);
    // The graph of the 24 nearest and a successor; builders of real graphs live in crinoid-graph.
    let lists: Vec<Vec<u32>> = exact::nearest_all(&base, Metric::L2, &base, 25)
        .into_iter()
        .zip(0u32..)
        .map(|(near, own)| {
            let mut list: Vec<u32> = near.iter().map(|n| n.id).filter(|&id| id != own).collect();
            list.push((own + 1) % base.len() as u32);
            list
        })
        .collect();
    let graph = Arc::new(Graph::from_lists(&lists, 26, 0, Vec::new())?);
    let codes = Arc::new(Sq8::train(&base, Metric::L2));
    let truth = exact::nearest_all(&base, Metric::L2, &queries, 10);

    let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(Exact::new(codes.clone()))];
    for version in versions::PUBLISHED {
        engines.push(Box::new(version.compose(graph.clone(), codes.clone())?));
    }
    println!(
        "{:12} {:>4} {:>9} {:>6} {:>9} {:>8}",
        "search", "ef", "recall@10", "hops", "distances", "us/query"
    );
    for engine in &engines {
        for ef in [10, 40, 160] {
            let (mut scratch, mut found) = (Scratch::default(), Vec::new());
            let (mut hits, mut work) = (0, Counters::default());
            let start = Instant::now();
            for (query, truth) in queries.rows().zip(&truth) {
                work += engine.search(query, &SearchParams::new(10, ef), &mut scratch, &mut found);
                hits += truth.iter().filter(|t| found.iter().any(|f| f.id == t.id)).count();
            }
            let (n, micros) = (queries.len() as f64, start.elapsed().as_secs_f64() * 1e6);
            let (hops, distances) = (work.hops as f64 / n, work.distances as f64 / n);
            let (name, recall) = (engine.version(), hits as f64 / (10.0 * n));
            println!("{name:12} {ef:4} {recall:9.4} {hops:6.1} {distances:9.1} {:8.1}", micros / n);
        }
    }
    Ok(())
}
