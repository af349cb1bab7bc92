//! What every codec makes of clustered vectors: `cargo run --release -p crinoid-quant --example codes`.

#![allow(clippy::print_stdout, reason = "an example shows something")]

use crinoid_quant::{
    Metric, VectorError, Vectors,
    random::unit,
    survey::{self, Subject},
};

fn main() -> Result<(), VectorError> {
    let (n, dim, k) = (5_000, 96, 10);
    let cluster = |row: u64, i: u64| unit(1, (row % 50) << 32 | i) as f32;
    let values = |count: u64, seed| -> Vec<f32> {
        let at = |i: u64| cluster(i / dim, i % dim) + 0.5 * unit(seed, i) as f32;
        (0..count * dim).map(at).collect()
    };
    let base = Vectors::new(values(n, 2).as_slice(), dim as usize)?;
    let queries = Vectors::new(values(50, 3).as_slice(), dim as usize)?;
    let truth: Vec<u32> = queries.rows().flat_map(|query| nearest(&base, query, k)).collect();

    let subject = Subject { base: &base, queries: &queries, truth: &truth, k, metric: Metric::L2 };
    println!("{:16} {:>6} {:>9} {:>9}", "codec", "bytes", "in 10", "in 100");
    survey::all(&subject, |version, row| match row {
        Ok(row) => {
            let [best, _, wide] = row.recall;
            let name = format!("{version}{}", if row.blocks { " x32" } else { "" });
            println!("{name:16} {:>6.0} {best:>9.3} {wide:>9.3}", row.bytes);
        }
        Err(reason) => println!("{version:16} does not apply: {reason}"),
    });
    Ok(())
}

fn nearest(base: &Vectors, query: &[f32], k: usize) -> Vec<u32> {
    let distance = |x: &[f32]| x.iter().zip(query).map(|(x, q)| (x - q) * (x - q)).sum::<f32>();
    let mut all: Vec<(f32, u32)> = base.rows().map(distance).zip(0..).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    all.into_iter().take(k).map(|(_, id)| id).collect()
}
