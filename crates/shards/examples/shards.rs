//! The same rows in 1 to 16 shards: what a query costs and finds, and what that makes of a billion rows.
//!
//! ```sh
//! cargo run --release -p crinoid-shards --example shards -- 200000 96
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use crinoid_quant::{Vectors, random::Random};
use crinoid_shards::{Answer, Effort, SealOptions, Sealed, Store};
use std::time::Instant;

/// Rows around 64 centres that lie in a space of 24 dimensions, whatever the dimension they are given in.
fn vectors(dim: usize, count: usize, seed: u64) -> Result<Vectors, crinoid_quant::VectorError> {
    const WITHIN: usize = 24;
    let mut fixed = Random::new(1);
    let directions: Vec<f32> = (0..WITHIN * dim).map(|_| fixed.normal()).collect();
    let centres: Vec<f32> = (0..64 * WITHIN).map(|_| 1.5 * fixed.normal()).collect();
    let mut random = Random::new(seed);
    let mut values = Vec::with_capacity(count * dim);
    for _ in 0..count {
        let centre = random.below(64) as usize * WITHIN;
        let weights: [f32; WITHIN] =
            std::array::from_fn(|at| centres[centre + at] + random.normal());
        for at in 0..dim {
            let mixed = weights.iter().enumerate().map(|(w, x)| x * directions[w * dim + at]);
            values.push(mixed.sum::<f32>() + 0.2 * random.normal());
        }
    }
    Vectors::new(values, dim)
}

/// The share of what was wanted that was found.
fn recall(answers: &[Answer], want: &[Vec<u64>]) -> f64 {
    let hits = answers
        .iter()
        .zip(want)
        .map(|(answer, want)| answer.found.iter().filter(|one| want.contains(&one.id)).count());
    hits.sum::<usize>() as f64 / want.iter().map(Vec::len).sum::<usize>() as f64
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mut number = |default: usize| words.next().map_or(Ok(default), |word| word.parse());
    let (count, dim) = (number(50_000)?, number(96)?);
    let (rows, queries) = (vectors(dim, count, 2)?, vectors(dim, 400, 3)?);
    let effort = Effort::for_k(10);
    println!("{count} rows x {dim}, {} queries for 10, ef {}", queries.len(), effort.search.ef);
    println!("shards  routed  build s  bytes/row  searched  recall   batch us  single us");
    let mut exact: Option<Vec<Vec<u64>>> = None;
    for (shards, routed) in [(1, false), (4, false), (16, false), (4, true), (16, true)] {
        let folder = tempfile::tempdir()?;
        let options = SealOptions::new(shards);
        let options = if routed { options.routed(1) } else { options };
        let started = Instant::now();
        let sealed = Sealed::build(Store::folder(folder.path())?, &rows, None, &options, &())?;
        sealed.verify()?;
        let built = started.elapsed().as_secs_f64();
        let want = match &exact {
            Some(want) => want,
            None => {
                let scan = |query| -> Result<Vec<u64>, crinoid_shards::ShardError> {
                    let found = sealed.search_exact(query, 10)?.found;
                    Ok(found.iter().map(|one| one.id).collect())
                };
                exact.insert(queries.rows().map(scan).collect::<Result<_, _>>()?)
            }
        };
        let (mut batch, mut single) = (f64::MAX, f64::MAX);
        let mut answers = Vec::new();
        for _ in 0..5 {
            let started = Instant::now();
            answers = sealed.search_batch(&queries, &effort, None)?;
            batch = batch.min(started.elapsed().as_secs_f64());
            let started = Instant::now();
            for query in queries.rows() {
                sealed.search(query, &effort)?;
            }
            single = single.min(started.elapsed().as_secs_f64());
        }
        let asked = queries.len() as f64;
        let searched: usize = answers.iter().map(|answer| answer.searched).sum();
        let bytes: u64 = sealed.manifest().shards.iter().map(|entry| entry.bytes).sum();
        println!(
            "{shards:6}  {:6}  {built:7.1}  {:9.0}  {:8.1}  {:6.4}  {:9.1}  {:9.1}",
            if routed { "yes" } else { "no" },
            bytes as f64 / count as f64,
            searched as f64 / asked,
            recall(&answers, want),
            batch * 1e6 / asked,
            single * 1e6 / asked,
        );
        // Fewer shards, those that lie closest: recall for work.
        for most in [1, 2, 4, 8].into_iter().filter(|&most| routed && most < shards) {
            let started = Instant::now();
            let answers = sealed.search_batch(&queries, &effort.shards(most), None)?;
            let took = started.elapsed().as_secs_f64() * 1e6 / asked;
            let found = recall(&answers, want);
            println!(
                "{:>6}  the {most} closest {:14}  {most:8.1}  {found:6.4}  {took:9.1}",
                "", ""
            );
        }
    }
    Ok(())
}
