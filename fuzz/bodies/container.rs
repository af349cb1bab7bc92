//! Index files that somebody changed, who then repaired every checksum.

use super::script::{Script, change as change_bytes, path, scratch};
use crinoid_pipeline::{
    BuildOptions, Index, Placement, SearchOptions,
    container::{Container, Sections},
};
use crinoid_quant::{Metric, Vectors};
use std::{fs, sync::OnceLock};

type Parts = Vec<(String, Vec<u8>)>;

const DIM: usize = 10;

fn value(counter: usize) -> f32 {
    let mixed = (counter as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29) % 2_000) as f32 / 1_000.0 - 1.0
}

/// Sound files of every kind, by section.
fn seeds() -> &'static [Parts] {
    static SEEDS: OnceLock<Vec<Parts>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let seed = |(n, recipe, metric, copies): (usize, &str, Metric, bool)| {
            let row = |at: usize| if copies { at / DIM % 20 * DIM + at % DIM } else { at };
            let values: Vec<f32> = (0..n * DIM).map(|at| value(row(at))).collect();
            let mut options = BuildOptions::default().metric(metric).unchecked(true);
            options.recipe = recipe.parse().unwrap();
            (options.graph.m, options.graph.ef_construction) = (2, 20);
            let vectors = Vectors::new(values.as_slice(), DIM).unwrap();
            let path = scratch().join("seed");
            Index::build(&vectors, &options, &()).unwrap().save(&path).unwrap();
            let container = Container::open(&path).unwrap();
            let bytes = |name: &str| container.get(name).unwrap().to_vec();
            container.sections().iter().map(|s| (s.name().to_owned(), bytes(s.name()))).collect()
        };
        [
            (40, "float@1/hnsw@1/pool@1/float@1", Metric::InnerProduct, false),
            (40, "sq8@2/crinoid@1/flat@2/int8@1+float@1", Metric::Cosine, false),
            (40, "sq8@1+int4@1/hnsw@1/flat@2/half@1", Metric::L2, true),
            (40, "rabitq1@1/hnsw@1/flat@2/float@1", Metric::L2, false),
            (40, "sign@1/hnsw@1/pool@1/none@1", Metric::L2, false),
            (0, "float@1/crinoid@1/flat@2/none@1", Metric::L2, false),
        ]
        .map(seed)
        .into()
    })
}

/// Changes a section, or which sections there are.
fn change(script: &mut Script<'_>, parts: &mut Parts) {
    let victim = script.below(parts.len());
    match script.byte() % 8 {
        0 => {
            let other = script.below(parts.len());
            parts[victim].1 = parts[other].1.clone();
        }
        1 => match script.byte() % 2 {
            0 => drop(parts.remove(victim)),
            _ => parts[victim].0 = "meta".to_owned(),
        },
        _ => change_bytes(script, &mut parts[victim].1),
    }
}

/// Changes a sound file as the bytes say and opens it: a typed error, or an index whose answers make
/// sense.
pub fn run(data: &[u8]) -> bool {
    let mut script = Script(data);
    let mut parts = seeds()[script.below(seeds().len())].clone();
    let mut rounds = 0;
    while !script.is_over() && rounds < 8 && !parts.is_empty() {
        change(&mut script, &mut parts);
        rounds += 1;
    }
    let mut file = Sections::new();
    for (name, bytes) in parts {
        file.push(name, bytes);
    }
    let Ok(bytes) = file.to_bytes() else { return false };
    let path = path("index");
    fs::write(&path, bytes).unwrap();
    let mut sound = false;
    for placement in [Placement::Memory, Placement::RowsOnDisk] {
        match Index::load_to(&path, placement) {
            Ok(index) => {
                ask(&index);
                sound = true;
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    sound
}

fn ask(index: &Index) {
    let (mut session, mut answers) = (index.session(), Vec::new());
    let query: Vec<f32> = (0..index.dim()).map(value).collect();
    for (k, ef) in [(1, 1), (5, 20), (usize::MAX, usize::MAX)] {
        let asked = session.search(&query, &SearchOptions::new(k, ef), &mut answers);
        if asked.is_err() {
            assert!(answers.is_empty(), "half an answer");
            continue;
        }
        assert!(answers.len() <= k.min(index.len()));
        assert!(answers.iter().all(|near| (near.id as usize) < index.len()));
        assert!(answers.iter().all(|near| !near.distance.is_nan()), "{answers:?}");
        let mut ids: Vec<u32> = answers.iter().map(|near| near.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), answers.len(), "an id twice: {answers:?}");
    }
    assert!(session.search(&query[1..], &SearchOptions::new(1, 1), &mut answers).is_err());
    let _ = (index.digest(), index.bytes(), index.fingerprint().to_owned());
}
