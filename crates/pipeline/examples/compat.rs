//! Writes the small index files that every later version must be able to read:
//! `cargo run --release -p crinoid-pipeline --example compat -- tests/compat`
//!
//! Run it once per format, when the format is new; the files are then kept for good.

use crinoid_graph::Params;
use crinoid_pipeline::{BuildOptions, Index, SearchOptions, container::FORMAT};
use crinoid_quant::{Metric, Vectors};
use std::{fs, path::PathBuf};

/// Name, recipe, metric, truncation, distinct vectors.
const FILES: [(&str, &str, Metric, Option<usize>, usize); 5] = [
    ("default", "sq8@1/hnsw@1/pool@1/float@1", Metric::L2, None, 150),
    ("record", "sign@1/hnsw-closest@1/heap@1/int8@1+float@1", Metric::Cosine, Some(24), 150),
    ("product", "int4@1/hnsw@1/pool@1/none@1", Metric::InnerProduct, None, 150),
    ("bytes", "u8-exact@1/hnsw@1/pool@1/none@1", Metric::L2, None, 150),
    ("copies", "sq8@1/crinoid@1/pool@1/float@1", Metric::L2, None, 60),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    fs::create_dir_all(&folder)?;
    for (name, recipe, metric, truncate, distinct) in FILES {
        let options = BuildOptions {
            recipe: recipe.parse()?,
            metric,
            truncate,
            graph: Params { m: 4, ef_construction: 40, ..Params::default() },
            provider: "compat".to_owned(),
            model: name.to_owned(),
            // Small sets of baselines.
            unchecked: true,
            ..BuildOptions::default()
        };
        let index = Index::build(&vectors(150, distinct, 32, 1)?, &options, &())?;
        let stem = folder.join(format!("format{FORMAT}-{name}"));
        index.save(stem.with_extension("cri"))?;

        let (mut session, mut answers) = (index.session(), Vec::new());
        let mut expected = Vec::new();
        for query in vectors(6, 6, 32, 2)?.rows() {
            session.search(query, &SearchOptions::new(5, 60), &mut answers)?;
            let answers: Vec<(u32, f32)> = answers.iter().map(|a| (a.id, a.distance)).collect();
            expected.push(serde_json::json!({ "query": query, "answers": answers }));
        }
        let expected = serde_json::json!({
            "recipe": recipe,
            "digest": format!("{:016x}", index.digest()),
            "k": 5,
            "ef": 60,
            "queries": expected,
        });
        fs::write(stem.with_extension("json"), serde_json::to_string_pretty(&expected)?)?;
    }
    Ok(())
}

/// Integers 0..=255, in clusters, so that every codec can take them; `distinct` of them, in turns.
fn vectors(
    n: usize,
    distinct: usize,
    dim: usize,
    seed: u64,
) -> Result<Vectors, crinoid_quant::VectorError> {
    let hash = |x: u64| (x ^ x >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let value = |row: usize, i: usize| {
        let center = hash((row % 7 * dim + i) as u64 + 1) % 160;
        (center + hash((row * dim + i) as u64 + seed * 100_003) % 96) as f32
    };
    let values: Vec<f32> = (0..n * dim).map(|at| value(at / dim % distinct, at % dim)).collect();
    Vectors::new(values.as_slice(), dim)
}
