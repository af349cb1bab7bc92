//! Build, search, save, load: `cargo run --release -p crinoid --example quickstart`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use crinoid::{Index, Metric};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: Vec<[f32; 3]> = (0..5_000)
        .map(|i| [(i as f32 * 0.37).sin(), (i as f32 * 0.11).cos(), (i % 50) as f32 / 50.0])
        .collect();
    let index = Index::builder().metric(Metric::Cosine).build(&rows)?;
    println!("{index:?}");

    let path = std::env::temp_dir().join(format!("quickstart-{}.crinoid", std::process::id()));
    index.save(&path)?;
    let loaded = Index::load(&path)?;
    for near in loaded.search(&rows[4_242], 5)? {
        println!("{:5} at {:.6}", near.id, near.distance);
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
