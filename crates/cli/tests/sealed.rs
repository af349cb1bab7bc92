//! Sealed collections by the command.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid::{Vectors, shards::MANIFEST};
use crinoid_files::{Ids, read_vectors, write, write_vectors};
use crinoid_quant::random::Random;
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn run(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crinoid"));
    command.args(line.split_whitespace()).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn scatter(rows: usize, seed: u64) -> Vectors {
    let mut random = Random::new(seed);
    let values: Vec<f32> = (0..rows * 8).map(|_| random.normal()).collect();
    Vectors::new(values, 8).unwrap()
}

/// The nearest rows by squared L2, in `f64`.
fn nearest(base: &Vectors, query: &[f32], k: usize) -> Vec<u32> {
    let far = |row: &[f32]| -> f64 {
        row.iter().zip(query).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
    };
    let mut all: Vec<(f64, u32)> = base.rows().map(far).zip(0..).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.into_iter().take(k).map(|pair| pair.1).collect()
}

/// Rows in shards answer as one index does, by the same commands.
#[test]
fn a_sealed_collection_is_built_searched_checked_and_swept() {
    let room = tempfile::tempdir().unwrap();
    let at = |name: &str| room.path().join(name);
    let run = |line: &str| run(room.path(), line);
    let ok = |line: &str| {
        let output = run(line);
        assert!(output.status.success(), "crinoid {line}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let json = |line: &str| -> Value { serde_json::from_str(&ok(line)).unwrap() };
    let (base, queries) = (scatter(500, 1), scatter(20, 2));
    write_vectors(&at("x.npy"), &base).unwrap();
    write_vectors(&at("q.npy"), &queries).unwrap();
    let ids: Vec<u64> = (0..500).map(|row| 9_000 - row).collect();
    write(&at("x.parquet"), &base, Some(&Ids::Numbers(ids))).unwrap();
    let said = json("build x.parquet --ids id --out s --shards 4 --routed --copies 2 --json");
    assert_eq!((&said["rows"], &said["rows_in_shards"]), (&json!(500), &json!(1000)));
    let want: Vec<Value> = queries
        .rows()
        .map(|query| nearest(&base, query, 10).iter().map(|id| 9_000 - u64::from(*id)).collect())
        .collect();
    let lines = ok("search s --queries q.npy -k 10 --ef 500 --json");
    let answers: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["ids"].clone())
        .collect();
    assert_eq!(answers, want);
    fs::write(at("some.txt"), "8999\n8990\n").unwrap();
    let line = ok("search s --queries q.npy -k 3 --filter some.txt --json");
    let first: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(first["ids"].as_array().unwrap().len(), 2);
    ok("search s --queries q.npy -k 3 --shards 1");
    assert!(ok("info s").contains("sealed collection"));
    assert_eq!(json("verify s --json")["whole"], json!(true));
    ok("export s --out back.parquet");
    assert_eq!(read_vectors(&at("back.parquet")).unwrap().len(), 500);

    fs::write(at("s/0000000000000000.cri"), "left over").unwrap();
    assert_eq!(json("sweep s --json")["deleted"], json!([]));
    let swept = json("sweep s --older-than 0 --json");
    assert_eq!(swept["deleted"], json!(["0000000000000000.cri"]));

    let manifest: Value =
        serde_json::from_slice(&fs::read(at("s").join(MANIFEST)).unwrap()).unwrap();
    fs::remove_file(at("s").join(manifest["shards"][2]["file"].as_str().unwrap())).unwrap();
    let output = run("verify s");
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("shard 2: its file"), "{}", text(&output.stderr));
    assert!(text(&run("search s --queries q.npy").stderr).contains("shard 2"));
    let output = run("search s --queries q.npy -k 3 --partial");
    assert!(output.status.success() && text(&output.stderr).contains("shards [2] are missing"));

    for (line, told) in [
        ("search s --queries q.npy --where a=1", "attributes"),
        ("build x.npy --out s.cri --shards 0", "--shards"),
        ("build x.npy --out x.npy --shards 2", "is a folder"),
        ("build x.npy --out t --copies 2", "--routed"),
        ("search nothing --queries q.npy --partial", "there is no such index"),
        (
            "build x.npy --out t --shards 2 --recipe sq8@2/crinoid@1/pipelined@4/none@1",
            "across shards",
        ),
    ] {
        let output = run(line);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(told), "{line}: {error}");
    }
    ok("build x.npy --out y.cri");
    assert!(
        text(&run("search y.cri --queries q.npy --shards 2").stderr)
            .contains("only a sealed collection")
    );
}
