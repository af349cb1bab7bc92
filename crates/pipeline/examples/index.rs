//! Build, search, save, load: `cargo run --release -p crinoid-pipeline --example index`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use crinoid_pipeline::{BuildOptions, Index, SearchOptions};
use crinoid_quant::{Metric, Vectors};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const DIM: usize = 64;
    let mut state = 7u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let centers: Vec<f32> = (0..100 * DIM).map(|_| random()).collect();
    let values: Vec<f32> =
        (0..10_000 * DIM).map(|at| centers[at % centers.len()] + 0.3 * random()).collect();
    let vectors = Vectors::new(values.as_slice(), DIM)?;

    let options = BuildOptions::default().metric(Metric::Cosine);
    let started = Instant::now();
    let index = Index::build(&vectors, &options, &())?;
    println!("{index:?} built in {:.2?}, {:?}", started.elapsed(), index.bytes());

    let path = std::env::temp_dir().join(format!("crinoid-example-{}.cri", std::process::id()));
    index.save(&path)?;
    let started = Instant::now();
    let loaded = Index::load(&path)?;
    println!("loaded from {} in {:.2?}", path.display(), started.elapsed());

    let (mut session, mut answers) = (loaded.session(), Vec::new());
    let report = session.search(vectors.row(4_242), &SearchOptions::new(5, 64), &mut answers)?;
    for answer in &answers {
        println!("  {:5} at {:.4}", answer.id, answer.distance);
    }
    println!("  {:?}", report.counters);
    for stage in report.stages.iter() {
        println!(
            "  {:8} {:4} -> {:3}  {:6} ns",
            stage.name, stage.entered, stage.left, stage.nanos
        );
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
