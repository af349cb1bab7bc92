//! Builds the same generated points with every published builder and says how sound each graph is.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use crinoid_graph::{Params, VERSIONS, builder, diagnose, random::hash};
use crinoid_quant::{Codes, Metric, Vectors, codec::Sq8};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (n, dim, clusters) = (10_000usize, 32usize, 50usize);
    let uniform = |seed, counter: usize| (hash(seed, counter as u64) >> 40) as f32 / 16_777_216.0;
    let value = |i: usize| {
        let (row, column) = (i / dim, i % dim);
        uniform(1, row % clusters * dim + column) + 0.3 * uniform(2, i)
    };
    let values: Vec<f32> = (0..n * dim).map(value).collect();
    let codes = Sq8::train(&Vectors::new(&values[..], dim)?, Metric::L2);
    let params = Params { ef_construction: 100, ..Params::default() };
    for version in VERSIONS {
        let start = Instant::now();
        let graph = builder(&version.to_string())?.build(&*codes.space(), &params, &())?;
        println!("{version}: {}", version.summary);
        println!("built in {:.2?}, digest {:016x}", start.elapsed(), graph.digest());
        println!("{}", diagnose(&graph));
    }
    Ok(())
}
