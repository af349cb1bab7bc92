//! Every number that can be typed, at its extremes: an answer, or one line that says which is wrong.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid::Vectors;
use crinoid_files::write_vectors;
use std::{path::Path, process::Command};

const N: usize = 40;
const DIM: usize = 4;

/// 0, 1, one around `n`, what no memory could hold, and what no word could.
fn extremes(n: usize) -> Vec<String> {
    let numbers =
        [0, 1, n - 1, n, n + 1, u32::MAX as usize, usize::MAX / 4, usize::MAX - 1, usize::MAX];
    let words = ["18446744073709551616", "-1", "1.5", "1e3", "x"].map(str::to_owned);
    numbers.iter().map(usize::to_string).chain(words).collect()
}

const SHARES: [&str; 10] = ["0", "-0.0", "1", "0.5", "1.0000001", "-1", "1e300", "nan", "inf", "x"];

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn run(folder: &Path, line: &str) -> Said {
    let words = line.split_whitespace();
    let program = env!("CARGO_BIN_EXE_crinoid");
    let output = Command::new(program).args(words).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    // No code: a signal ended it. 101: a panic.
    let code = output.status.code().unwrap_or(-1);
    assert!((0..=2).contains(&code), "crinoid {line}: {}: {err}", output.status);
    assert!(!err.contains("panicked"), "crinoid {line}: {err}");
    assert_eq!(code == 0, err.is_empty(), "crinoid {line}: {code}: {err}");
    assert!(code != 1 || err.lines().count() == 1, "crinoid {line}: {err}");
    Said { code, out, err }
}

#[test]
fn every_option_takes_any_number_or_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: Vec<f32> = (0..N * DIM).map(|at| ((at * 37 + 11) % 101) as f32 - 50.0).collect();
    write_vectors(&folder.join("x.npy"), &Vectors::new(rows.as_slice(), DIM).unwrap()).unwrap();
    write_vectors(&folder.join("q.npy"), &Vectors::new(&rows[..3 * DIM], DIM).unwrap()).unwrap();
    assert_eq!(run(folder, "build x.npy --out x.crinoid").code, 0);
    assert_eq!(run(folder, "add shop x.npy").code, 0);
    for number in extremes(N) {
        let as_number: Option<usize> = number.parse().ok();
        let may = |what: bool| if what { 0 } else { 1 };
        for target in ["x.crinoid", "shop"] {
            let said = run(folder, &format!("search {target} --queries q.npy -k={number}"));
            let k = as_number.filter(|&k| k > 0);
            let wanted = k.map_or(2, |k| may(k <= 10_000));
            assert_eq!(said.code, wanted, "{target}, -k {number}: {}", said.err);
            if said.code == 0 {
                assert_eq!(
                    said.out.lines().count(),
                    1 + 3 * k.unwrap().min(N),
                    "{target}, {number}"
                );
            }
            let said = run(folder, &format!("search {target} --queries q.npy --ef={number}"));
            assert_eq!(said.code == 0, as_number.is_some_and(|ef| ef > 0), "--ef {number}");
            assert!(said.code != 0 || said.out.lines().count() == 31);
        }
        for array in ["npy", "ivecs"] {
            let said = run(
                folder,
                &format!("search x.crinoid --queries q.npy -k={number} --out a.{array}"),
            );
            assert_eq!(
                said.code == 0,
                as_number.is_some_and(|k| (1..=10_000).contains(&k)),
                "{number}"
            );
        }
        let threads = run(folder, &format!("info x.npy --threads={number}"));
        assert!(threads.code == 0 || threads.err.contains("threads"), "{}", threads.err);
        run(folder, &format!("bench x.crinoid --queries q.npy --base x.npy -k={number} --ef 40"));
        run(folder, &format!("bench x.crinoid --queries q.npy --base x.npy -k 1 --ef={number}"));
        for option in ["-m", "--ef-construction", "--truncate"] {
            let said = run(folder, &format!("build x.npy --out y.crinoid {option}={number}"));
            assert_eq!(said.code == 0, folder.join("y.crinoid").exists(), "{option} {number}");
            let _ = std::fs::remove_file(folder.join("y.crinoid"));
        }
    }
    for share in SHARES {
        let said = run(folder, &format!("search x.crinoid --queries q.npy --recall={share}"));
        assert_eq!(said.code == 0, ["1", "0.5"].contains(&share), "--recall {share}: {}", said.err);
        let said = run(folder, &format!("build x.npy --out y.crinoid --target-recall={share}"));
        assert!(said.code != 0 && !folder.join("y.crinoid").exists(), "{share}");
        let said = run(folder, &format!("search x.crinoid --vector={share},0,0,0"));
        let finite = ["0", "-0.0", "1", "0.5", "1.0000001", "-1"].contains(&share);
        assert_eq!(said.code == 0, finite, "--vector {share}: {}", said.err);
    }
}
