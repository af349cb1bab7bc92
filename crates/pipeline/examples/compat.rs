//! Writes the small index files that every later version must be able to read:
//! `cargo run --release -p crinoid-pipeline --example compat -- tests/compat`
//!
//! Run it once per format, when the format is new; the files are then kept for good.

use crinoid_graph::Params;
use crinoid_pipeline::{BuildOptions, Index, SearchOptions, ZeroRows, container::FORMAT};
use crinoid_quant::{Metric, Vectors};
use std::{fs, path::PathBuf};

/// What a file is made of.
struct File {
    name: &'static str,
    recipe: &'static str,
    metric: Metric,
    truncate: Option<usize>,
    /// How many of the 150 rows differ.
    distinct: usize,
    /// All values are multiplied by two to this power.
    exponent: i32,
    /// Rows of zeros, which are kept.
    zeros: &'static [usize],
}

const PLAIN: File = File {
    name: "default",
    recipe: "sq8@1/hnsw@1/pool@1/float@1",
    metric: Metric::L2,
    truncate: None,
    distinct: 150,
    exponent: 0,
    zeros: &[],
};

const FILES: [File; 9] = [
    PLAIN,
    File {
        name: "record",
        recipe: "sign@1/hnsw-closest@1/heap@1/int8@1+float@1",
        metric: Metric::Cosine,
        truncate: Some(24),
        ..PLAIN
    },
    File {
        name: "product",
        recipe: "int4@1/hnsw@1/pool@1/none@1",
        metric: Metric::InnerProduct,
        ..PLAIN
    },
    File { name: "bytes", recipe: "u8-exact@1/hnsw@1/pool@1/none@1", ..PLAIN },
    File { name: "copies", recipe: "sq8@1/crinoid@1/pool@1/float@1", distinct: 60, ..PLAIN },
    File { name: "lean", recipe: "sq8@2+lean@1/crinoid@1/pipelined@4/float@1", ..PLAIN },
    // What the report says is needed to read these: a wider pool, a scale, rows of zeros.
    File { name: "auto", recipe: "auto", ..PLAIN },
    File { name: "scaled", recipe: "sq8@2/crinoid@1/pipelined@4/float@1", exponent: 43, ..PLAIN },
    File {
        name: "zeros",
        recipe: "half@1/crinoid@1/pipelined@2/half@1",
        metric: Metric::Cosine,
        zeros: &[0, 77],
        ..PLAIN
    },
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    fs::create_dir_all(&folder)?;
    for File { name, recipe, metric, truncate, distinct, exponent, zeros } in FILES {
        let mut options = BuildOptions::default()
            .recipe(recipe.parse()?)
            .metric(metric)
            .truncate(truncate)
            .graph(Params { m: 4, ef_construction: 40, ..Params::default() })
            .embedding("compat", name)
            // Small sets of baselines.
            .unchecked(true);
        if !zeros.is_empty() {
            options = options.zero_rows(ZeroRows::Keep);
        }
        let base = vectors((150, distinct), exponent, zeros, 1)?;
        let index = Index::build(&base, &options, &())?;
        let stem = folder.join(format!("format{FORMAT}-{name}"));
        index.save(stem.with_extension("cri"))?;

        let (mut session, mut answers) = (index.session(), Vec::new());
        let mut expected = Vec::new();
        for query in vectors((6, 6), exponent, &[], 2)?.rows() {
            session.search(query, &SearchOptions::new(5, 60), &mut answers)?;
            let answers: Vec<(u32, f32)> = answers.iter().map(|a| (a.id, a.distance)).collect();
            expected.push(serde_json::json!({ "query": query, "answers": answers }));
        }
        let expected = serde_json::json!({
            "recipe": index.options().recipe.to_string(),
            "digest": format!("{:016x}", index.digest()),
            "k": 5,
            "ef": 60,
            "queries": expected,
        });
        fs::write(stem.with_extension("json"), serde_json::to_string_pretty(&expected)?)?;
    }
    Ok(())
}

/// `n` rows of integers 0..=255 times a power of two, in clusters, so that every codec can take them;
/// `distinct` of them, in turns.
fn vectors(
    (n, distinct): (usize, usize),
    exponent: i32,
    zeros: &[usize],
    seed: u64,
) -> Result<Vectors, crinoid_quant::VectorError> {
    const DIM: usize = 32;
    let hash = |x: u64| (x ^ x >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let factor = f32::powi(2.0, exponent);
    let value = |row: usize, i: usize| {
        if zeros.contains(&row) {
            return 0.0;
        }
        let row = row % distinct;
        let center = hash((row % 7 * DIM + i) as u64 + 1) % 160;
        factor * (center + hash((row * DIM + i) as u64 + seed * 100_003) % 96) as f32
    };
    let values: Vec<f32> = (0..n * DIM).map(|at| value(at / DIM, at % DIM)).collect();
    Vectors::new(values.as_slice(), DIM)
}
