//! How much faster rows come in by batches than one by one: `cargo run --release -p crinoid --example bulk -- [ROWS] [DIM]`
//!
//! Every write is durable when it returns, so a row by itself costs a sync of the disk, and a batch costs one for all its
//! rows. Exits with 1 where batches are less than five times as fast.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use crinoid::{
    Batch, BuildOptions, Collection, CollectionOptions, Metric, Row, attributes::Attributes,
};
use std::{error::Error, process::ExitCode, time::Instant};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut given = std::env::args().skip(1).map(|word| word.parse::<usize>());
    let rows = given.next().transpose()?.unwrap_or(20_000);
    let dim = given.next().transpose()?.unwrap_or(384);
    let value = |at: usize| ((at as f32 * 12.9898).sin() * 43_758.547).fract();
    let row = |at: usize| {
        let vector: Vec<f32> = (0..dim).map(|i| value(at * dim + i)).collect();
        let lang = ["rust", "c", "python"][at % 3];
        let attributes = [("lang".to_owned(), lang.into()), ("n".to_owned(), (at as i64).into())];
        Row::new(vector)
            .attributes(Attributes::from(attributes))
            .text(format!("row {at} in {lang}"))
    };
    let folder = std::env::temp_dir().join(format!("crinoid-bulk-{}", std::process::id()));
    let build = BuildOptions::default().metric(Metric::Cosine);
    // Sealing happens beside the writes, and is measured by itself.
    let options = CollectionOptions::default().build(build).seal_rows(usize::MAX / 4);
    let mut rates = Vec::new();
    for block in [1, 10, 100, 1_000, 10_000] {
        // A second or so is enough to tell.
        let some = rows.min(block * 400);
        let collection = Collection::create(&folder, dim, &options)?;
        let started = Instant::now();
        for first in (0..some).step_by(block) {
            let mut batch = Batch::new();
            for at in first..some.min(first + block) {
                batch.upsert_row(at as u64, row(at));
            }
            collection.write(&batch)?;
        }
        let rate = some as f64 / started.elapsed().as_secs_f64();
        println!("{block:6} rows a batch: {rate:9.0} rows/s");
        rates.push(rate);
        drop(collection);
        std::fs::remove_dir_all(&folder)?;
    }
    let ratio = rates.iter().copied().fold(0.0, f64::max) / rates[0];
    println!("batches are {ratio:.0} times as fast as single rows");
    Ok(ExitCode::from(u8::from(ratio < 5.0)))
}
