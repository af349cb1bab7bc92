//! From how many rows on does a walk through the graph cost less than measuring all rows?
//!
//! ```sh
//! cargo run --release -p crinoid-pipeline --example few_rows
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use crinoid_pipeline::{BuildOptions, Index, SearchOptions};
use crinoid_quant::{Vectors, random::Random};
use std::time::Instant;

/// Directions that generated rows are mixed of: their intrinsic dimension.
const DIRECTIONS: usize = 20;

/// The effort of the walk.
const EF: usize = 100;

/// Rows and queries of the same kind.
fn rows(dim: usize, count: usize, random: &mut Random, directions: &[f32]) -> Vec<f32> {
    let mut values = Vec::with_capacity(count * dim);
    for _ in 0..count {
        let weights: Vec<f32> = (0..DIRECTIONS).map(|_| random.normal()).collect();
        for at in 0..dim {
            let mixed = weights.iter().zip(directions.chunks(dim)).map(|(w, to)| w * to[at]);
            values.push(mixed.sum::<f32>() + 0.3 * random.normal());
        }
    }
    values
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{:>4} {:>6} {:>12} {:>12} {:>12}  recipe",
        "dim", "rows", "evaluations", "walk", "scan"
    );
    for dim in [16, 64, 128, 384, 768] {
        for count in [400, 800, 1_600, 2_400, 3_200, 6_400] {
            let mut random = Random::new(7);
            let directions: Vec<f32> = (0..DIRECTIONS * dim).map(|_| random.normal()).collect();
            let base = Vectors::new(rows(dim, count, &mut random, &directions), dim)?;
            let queries = rows(dim, 500, &mut random, &directions);
            let index = Index::build(&base, &BuildOptions::default(), &())?;
            // The recipe that was chosen, but with a search that was named: it walks.
            let recipe = index.options().recipe.clone();
            let index = index.with_recipe(&recipe)?;
            let (options, mut session) = (SearchOptions::new(10, EF), index.session());
            let (mut best, mut evaluations, mut out) = ([f64::MAX; 2], 0, Vec::new());
            for _ in 0..7 {
                let started = Instant::now();
                evaluations = 0;
                for query in queries.chunks(dim) {
                    evaluations += session.search(query, &options, &mut out)?.counters.distances;
                }
                best[0] = best[0].min(started.elapsed().as_secs_f64());
                let started = Instant::now();
                for query in queries.chunks(dim) {
                    // As many as the refiner would see.
                    session.scan_codes(query, 26, &mut out)?;
                }
                best[1] = best[1].min(started.elapsed().as_secs_f64());
            }
            let asked = (queries.len() / dim) as f64;
            let [walk, scan] = best.map(|seconds| seconds * 1e6 / asked);
            let evaluations = evaluations as f64 / asked;
            println!("{dim:4} {count:6} {evaluations:12.0} {walk:9.1} us {scan:9.1} us  {recipe}");
        }
    }
    Ok(())
}
