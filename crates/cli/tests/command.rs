//! The command itself, on generated files.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid::{BuildOptions, Index, SearchOptions, Vectors};
use crinoid_files::{Ids, read_ids, read_vectors, write, write_vectors};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

const DIM: usize = 8;

/// A folder with 500 rows and 20 queries.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        write_vectors(&room.at("x.npy"), &scatter(500, 1)).unwrap();
        write_vectors(&room.at("q.npy"), &scatter(20, 2)).unwrap();
        room
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, line: &str) -> Output {
        let words = line.split_whitespace();
        command().args(words).current_dir(self.0.path()).output().unwrap()
    }

    /// What a command that must succeed prints.
    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "crinoid {line}: {err}");
        // Nobody watches, so no bar is drawn.
        assert_eq!(err, "", "crinoid {line}");
        out
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line)).unwrap()
    }
}

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_crinoid"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Numbers between -1 and 1 that are the same everywhere.
fn scatter(rows: usize, seed: u64) -> Vectors {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..rows * DIM).map(|_| next()).collect();
    Vectors::new(values.as_slice(), DIM).unwrap()
}

/// The nearest rows by squared L2, ties by row.
fn nearest(base: &Vectors, query: &[f32], k: usize) -> Vec<u32> {
    let far = |row: &[f32]| -> f64 {
        row.iter().zip(query).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum()
    };
    let mut all: Vec<(f64, u32)> = base.rows().map(far).zip(0..).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.into_iter().take(k).map(|pair| pair.1).collect()
}

fn exact(k: usize) -> Vec<Vec<u32>> {
    let base = scatter(500, 1);
    scatter(20, 2).rows().map(|query| nearest(&base, query, k)).collect()
}

#[test]
fn an_index_is_built_and_gives_exact_answers() {
    let room = Room::new();
    let said = room.ok("build x.npy --out x.crinoid");
    assert!(said.contains("500") && said.contains("l2"), "{said}");
    room.ok("search x.crinoid --queries q.npy -k 10 --ef 500 --out a.npy --distances d.npy");
    let (ids, far) = (read_ids(&room.at("a.npy"), None).unwrap(), read_vectors(&room.at("d.npy")));
    let rows: Vec<&[u32]> = ids.values.chunks_exact(10).collect();
    assert_eq!(rows, exact(10));
    let (base, queries, far) = (scatter(500, 1), scatter(20, 2), far.unwrap());
    for (query, ids) in rows.iter().enumerate() {
        for (rank, &id) in ids.iter().enumerate() {
            let pairs = base.row(id as usize).iter().zip(queries.row(query));
            let exact: f32 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
            assert!((far.row(query)[rank] - exact).abs() <= 1e-5 * (1.0 + exact));
        }
    }
    // The other forms say the same.
    room.ok("search x.crinoid --queries q.npy -k 10 --ef 500 --out a.ivecs");
    assert_eq!(read_ids(&room.at("a.ivecs"), None).unwrap(), ids);
    room.ok("search x.crinoid --queries q.npy -k 10 --ef 500 --out a.jsonl");
    let lines = fs::read_to_string(room.at("a.jsonl")).unwrap();
    for (line, want) in lines.lines().zip(exact(10)) {
        let answer: Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["ids"], json!(want));
    }
    room.ok("search x.crinoid --queries q.npy -k 10 --ef 500 --out a.csv");
    let csv = fs::read_to_string(room.at("a.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 20 * 10);
    assert!(csv.lines().nth(1).unwrap().starts_with(&format!("0,0,{},", exact(1)[0][0])));
    let tabs = room.ok("search x.crinoid --queries q.npy -k 10 --ef 500");
    assert_eq!(tabs.replace('\t', ","), csv);
}

#[test]
fn the_index_is_the_one_that_a_program_builds() {
    let room = Room::new();
    let recipe = BuildOptions::default().recipe;
    let facts = room.json(&format!(
        "build x.npy --out x.crinoid --metric cosine -m 8 --ef-construction 60 --recipe {recipe} --json"
    ));
    assert_eq!((&facts["rows"], &facts["metric"]), (&json!(500), &json!("cosine")));
    let index = Index::load(room.at("x.crinoid")).unwrap();
    assert_eq!((index.options().graph.m, index.options().graph.ef_construction), (8, 60));
    let info = room.json("info x.crinoid --json");
    assert_eq!(info["digest"], json!(format!("{:016x}", index.digest())));
    let line = room.ok("search x.crinoid --vector 1,0,0,0,0,0,0,-0.5 -k 3 --json");
    let answer: Value = serde_json::from_str(&line).unwrap();
    let query = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.5];
    let found = index.search_with(&query, &SearchOptions::for_k(3)).unwrap();
    assert_eq!(answer["ids"], json!(found.iter().map(|near| near.id).collect::<Vec<_>>()));
}

#[test]
fn rows_are_called_by_their_ids() {
    let room = Room::new();
    let base = scatter(500, 1);
    let texts = Ids::Texts((0..500).map(|row| format!("row {row}")).collect());
    write(&room.at("x.jsonl"), &base, Some(&texts)).unwrap();
    room.ok("build x.jsonl --ids id --out x.crinoid");
    let line = room.ok("search x.crinoid --queries q.npy -k 3 --ef 500 --json");
    let first: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    let want: Vec<String> = exact(3)[0].iter().map(|row| format!("row {row}")).collect();
    assert_eq!(first["ids"], json!(want));
    // Texts have no place in an array, numbers have.
    let refused = room.run("search x.crinoid --queries q.npy -k 3 --out a.npy");
    assert!(text(&refused.stderr).contains("jsonl or csv"));
    let numbers = Ids::Numbers((0..500).map(|row| (1 << 40) + row).collect());
    write(&room.at("n.jsonl"), &base, Some(&numbers)).unwrap();
    room.ok("build n.jsonl --ids id --out x.crinoid");
    let line = room.ok("search x.crinoid --queries q.npy -k 1 --ef 500 --json");
    let first: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(first["ids"][0], json!((1u64 << 40) + u64::from(exact(1)[0][0])));
    // The ids come back with the vectors.
    room.ok("export x.crinoid --out back.jsonl");
    let back = fs::read_to_string(room.at("back.jsonl")).unwrap();
    assert!(back.starts_with(&format!("{{\"id\":{},", 1u64 << 40)), "{}", &back[..60]);
    // An index without ids leaves none of an earlier one behind.
    room.ok("build x.npy --out x.crinoid");
    assert!(!room.at("x.crinoid.ids").exists());
}

#[test]
fn a_recall_is_wanted_instead_of_an_effort() {
    let room = Room::new();
    let base = scatter(6000, 7);
    write_vectors(&room.at("many.npy"), &base).unwrap();
    let facts = room.json("build many.npy --out x.crinoid --target-recall 0.95 --json");
    let ef = facts["ef_for_the_target"].as_u64().unwrap();
    assert!((1..=1024).contains(&ef), "{facts}");
    let mut shares = Vec::new();
    for recall in ["0.7", "0.99"] {
        let found =
            room.ok(&format!("search x.crinoid --queries q.npy -k 10 --recall {recall} --json"));
        let mut hits = 0;
        for (line, query) in found.lines().zip(scatter(20, 2).rows()) {
            let answer: Value = serde_json::from_str(line).unwrap();
            let ids: Vec<u32> = serde_json::from_value(answer["ids"].clone()).unwrap();
            let want = nearest(&base, query, 10);
            hits += ids.iter().filter(|id| want.contains(id)).count();
        }
        shares.push(hits as f64 / 200.0);
    }
    assert!(shares[1] > 0.95 && shares[0] <= shares[1], "{shares:?}");
}

#[test]
fn only_the_rows_of_a_list_are_returned() {
    let room = Room::new();
    let base = scatter(500, 1);
    room.ok("build x.npy --out x.crinoid");
    let allowed: Vec<u32> = (0..500).step_by(7).collect();
    let lines: Vec<String> = allowed.iter().map(u32::to_string).collect();
    fs::write(room.at("allowed.txt"), lines.join("\n")).unwrap();
    crinoid_files::npy::write_rows(&room.at("allowed.npy"), &allowed, 1).unwrap();
    // The oracle: the nearest of all, those that are not allowed left out.
    let want: Vec<Vec<u32>> = scatter(20, 2)
        .rows()
        .map(|query| {
            nearest(&base, query, 500).into_iter().filter(|row| row % 7 == 0).take(4).collect()
        })
        .collect();
    for file in ["allowed.txt", "allowed.npy"] {
        let found = room
            .ok(&format!("search x.crinoid --queries q.npy -k 4 --ef 500 --json --filter {file}"));
        for (line, want) in found.lines().zip(&want) {
            let answer: Value = serde_json::from_str(line).unwrap();
            assert_eq!(answer["ids"], json!(want), "{file}");
        }
    }
    // By names, where the rows have names.
    let names = Ids::Texts((0..500).map(|row| format!("row {row}")).collect());
    write(&room.at("x.jsonl"), &base, Some(&names)).unwrap();
    room.ok("build x.jsonl --ids id --out named.crinoid");
    fs::write(room.at("named.txt"), "row 3\r\n\nrow 400\n").unwrap();
    let found = room.ok("search named.crinoid --queries q.npy -k 4 --json --filter named.txt");
    for line in found.lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let mut ids: Vec<String> = serde_json::from_value(answer["ids"].clone()).unwrap();
        ids.sort();
        assert_eq!(ids, ["row 3", "row 400"]);
    }
}

#[cfg(feature = "arrow")]
#[test]
fn a_file_of_pyarrow_becomes_an_index() {
    let room = Room::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../files/tests/data/lists.parquet");
    fs::copy(data, room.at("lists.parquet")).unwrap();
    room.ok("build lists.parquet --ids name --vector embedding --out p.crinoid");
    let line = room.ok("search p.crinoid --queries lists.parquet -k 1 --json");
    for (row, line) in line.lines().enumerate() {
        let answer: Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["ids"], json!([format!("doc {row}")]));
    }
    room.ok("export p.crinoid --out back.parquet");
    let info = room.json("info back.parquet --json");
    assert_eq!((&info["rows"], &info["dimension"]), (&json!(9), &json!(5)));
}

#[test]
fn questions_on_a_pipe_are_answered_as_they_come() {
    let room = Room::new();
    let mut child = command()
        .args(["build", "-", "--out"])
        .arg(room.at("x.crinoid"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for row in scatter(500, 1).rows() {
        writeln!(input, "{}", serde_json::to_string(row).unwrap()).unwrap();
    }
    drop(input);
    assert!(child.wait().unwrap().success());

    let mut child = command()
        .arg("search")
        .arg(room.at("x.crinoid"))
        .args(["--queries", "-", "--json", "-k", "2", "--ef", "500"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    // The next question is asked when the last one was answered.
    for (query, want) in scatter(20, 2).rows().zip(exact(2)) {
        writeln!(input, "{}", serde_json::to_string(query).unwrap()).unwrap();
        input.flush().unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["ids"], json!(want));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_collection_is_kept() {
    let room = Room::new();
    let texts = Ids::Texts((0..500).map(|row| format!("r{row}")).collect());
    write(&room.at("x.jsonl"), &scatter(500, 1), Some(&texts)).unwrap();
    let facts = room.json("add shop x.jsonl --ids id --json");
    assert_eq!((&facts["inserted"], &facts["rows"]), (&json!(500), &json!(500)));
    let facts = room.json("add shop x.jsonl --ids id --json");
    assert_eq!((&facts["inserted"], &facts["updated"]), (&json!(0), &json!(500)));
    let line = room.ok("search shop --queries q.npy -k 3 --ef 500 --json");
    let first: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    let want: Vec<String> = exact(3)[0].iter().map(|row| format!("r{row}")).collect();
    assert_eq!(first["ids"], json!(want));

    let facts = room.json(&format!("delete shop {} nobody --json", want[0]));
    assert_eq!((&facts["deleted"], &facts["not_there"]), (&json!(1), &json!(1)));
    let line = room.ok("search shop --queries q.npy -k 2 --ef 500 --json");
    let first: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(first["ids"], json!(want[1..]));
    room.ok("compact shop");
    let info = room.json("info shop --json");
    assert_eq!(
        (&info["rows"], &info["segments"], &info["dead_rows"]),
        (&json!(499), &json!(1), &json!(0))
    );
    assert_eq!(room.ok("list shop").lines().count(), 499);
    let got: Value = serde_json::from_str(&room.ok("get shop r7")).unwrap();
    let vector: Vec<f32> = serde_json::from_value(got["vector"].clone()).unwrap();
    assert_eq!(vector, scatter(500, 1).row(7));
    fs::write(room.at("tenth.jsonl"), "[0.1]").unwrap();
    room.ok("add tenth tenth.jsonl");
    assert_eq!(room.ok("get tenth 0"), "{\"id\":0,\"vector\":[0.1]}\n");
    room.ok("export shop --out out.jsonl");
    assert_eq!(fs::read_to_string(room.at("out.jsonl")).unwrap().lines().count(), 499);
    room.ok("verify shop");
}

#[test]
fn rows_with_attributes_are_filtered_updated_copied_and_repaired() {
    let room = Room::new();
    let vectors = scatter(60, 1);
    let lines: String = vectors
        .rows()
        .enumerate()
        .map(|(n, row)| {
            let lang = ["rust", "c", "zig"][n % 3];
            format!(
                "{}\n",
                json!({ "id": n, "vector": row, "n": n, "lang": lang, "half": n as f64 / 2.0 })
            )
        })
        .collect();
    fs::write(room.at("rows.jsonl"), lines).unwrap();
    room.ok("add shop rows.jsonl --ids id --attributes n,lang,half --schema n=int,lang=text,half=float,at=time,tags=list");
    let list = |filter: &str| {
        let output = command()
            .current_dir(room.at(""))
            .args(["list", "shop", "--where", filter])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(list("lang = \"rust\" AND n < 7"), ["0", "3", "6"]);
    assert_eq!(list("half >= 29.5 OR n IN (1, 2)"), ["1", "2", "59"]);
    let facts =
        room.json("update shop 5 nobody --set at=2026-11-30 --set tags=[\"new\"] --unset n --json");
    assert_eq!((&facts["updated"], &facts["not_there"]), (&json!(1), &json!(1)));
    assert_eq!(list("tags CONTAINS \"new\" AND at > \"2026-11-29T23:00:00-02:00\""), [""; 0]);
    assert_eq!(list("tags CONTAINS \"new\" AND at > \"2026-11-29\" AND n IS NULL"), ["5"]);
    let got: Value = serde_json::from_str(&room.ok("get shop 5")).unwrap();
    let want = json!({ "lang": "zig", "half": 2.5, "at": "2026-11-30T00:00:00Z", "tags": ["new"] });
    assert_eq!(got["attributes"], want);
    let facts = room.json("add shop rows.jsonl --ids id --keep --json");
    assert_eq!((&facts["inserted"], &facts["kept"]), (&json!(0), &json!(60)));
    assert_eq!(room.ok("list shop --after 56 --limit 2"), "57\n58\n");
    assert_eq!(room.ok("list shop --count"), "60\n");
    let answers = room.ok("search shop --queries q.npy -k 60 --ef 500 --json --where half<2");
    for line in answers.lines() {
        let mut ids: Vec<u64> = serde_json::from_str::<Value>(line).unwrap()["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2, 3]);
    }

    // Out and in again: what is read as a time or a list was one.
    room.ok("export shop --out out.jsonl");
    room.ok("add again out.jsonl --ids id --attributes n,lang,half,at --schema n=int,lang=text,half=float,at=time");
    let again: Value = serde_json::from_str(&room.ok("get again 5")).unwrap();
    assert_eq!(
        again["attributes"],
        json!({ "lang": "zig", "half": 2.5, "at": "2026-11-30T00:00:00Z" })
    );
    assert_eq!(again["vector"], got["vector"]);

    room.ok("backup shop copy");
    assert_eq!(room.json("verify copy --json")["rows"], json!(60));
    // One value of one vector, wherever it lies.
    let mut store = fs::read(room.at("copy/rows.redb")).unwrap();
    let bytes: Vec<u8> = vectors.row(7).iter().flat_map(|x| x.to_le_bytes()).collect();
    let places: Vec<usize> =
        (0..store.len() - bytes.len()).filter(|&at| store[at..].starts_with(&bytes)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|&at| store[at] ^= 1);
    fs::write(room.at("copy/rows.redb"), store).unwrap();
    assert_eq!(room.run("verify copy").status.code(), Some(3));
    let repaired = room.json("repair copy --json");
    assert_eq!((&repaired["rows"], repaired["lost"].as_array().unwrap().len()), (&json!(59), 1));
    assert_eq!(room.json("verify copy --json")["rows"], json!(59));
}

#[test]
fn an_index_is_measured() {
    let room = Room::new();
    room.ok("build x.npy --out x.crinoid");
    let by_base = room.json(
        "bench x.crinoid --queries q.npy --base x.npy -k 5 --ef 5,500 --html page.html --json",
    );
    let last = &by_base["curve"][1];
    assert_eq!((&last["ef"], last["recall"].as_f64()), (&json!(500), Some(1.0)));
    assert!(last["queries_per_second"].as_f64().unwrap() > 0.0);
    let page = fs::read_to_string(room.at("page.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("recall@5"));
    room.ok("search x.crinoid --queries q.npy -k 5 --ef 500 --out truth.ivecs");
    let by_id =
        room.json("bench x.crinoid --queries q.npy --truth truth.ivecs -k 5 --ef 5,500 --json");
    assert_eq!(by_id["curve"][1]["recall"], json!(1.0));
    assert_eq!((&by_base["recall_by"], &by_id["recall_by"]), (&json!("distance"), &json!("id")));
    let table = room.ok("bench x.crinoid --queries q.npy --truth truth.ivecs -k 5 --ef 5");
    assert!(table.contains("recall@5") && table.contains("queries/s"), "{table}");
}

#[test]
fn shells_and_manuals_are_served() {
    let room = Room::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = room.ok(&format!("completions {shell}"));
        assert!(script.contains("search"), "{shell}");
        // What an option may be is offered as well.
        assert!(script.contains("cosine"), "{shell}");
    }
    assert!(room.ok("man").contains(".TH crinoid 1"));
    assert!(room.ok("man search").contains(".TH crinoid-search 1"));
    let help = room.ok("--help");
    assert!(help.contains("Exit codes:\n  0  done"), "{help}");
}

#[test]
fn damage_has_an_exit_code_of_its_own() {
    let room = Room::new();
    room.ok("build x.npy --out x.crinoid");
    assert!(room.ok("verify x.crinoid").contains("true"));
    let mut bytes = fs::read(room.at("x.crinoid")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(room.at("x.crinoid"), bytes).unwrap();
    let output = room.run("verify x.crinoid --json");
    assert_eq!(output.status.code(), Some(3));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["whole"], json!(false));
}

#[test]
fn texts_are_kept_and_found_by_their_words() {
    let room = Room::new();
    let vectors = scatter(60, 1);
    let line = |(n, row): (usize, &[f32])| {
        // Every fourth row has no text.
        let said = (n % 4 > 0).then(|| format!("row {n} is {}", ["red", "green"][n % 2]));
        format!("{}\n", json!({ "id": n, "vector": row, "n": n, "said": said }))
    };
    let lines: String = vectors.rows().enumerate().map(line).collect();
    fs::write(room.at("rows.jsonl"), lines).unwrap();
    room.ok("add shop rows.jsonl --ids id --attributes n --text said");
    let got: Value = serde_json::from_str(&room.ok("get shop 7")).unwrap();
    assert_eq!((&got["text"], &got["attributes"]), (&json!("row 7 is green"), &json!({ "n": 7 })));
    assert!(!room.ok("get shop 8").contains("text"));

    let answers = |words: &[&str]| {
        let mut search = command();
        search.current_dir(room.at("")).args(["search", "shop", "--json"]).args(words);
        let output = search.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines = text(&output.stdout);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let found = answers(&["--text", "RED 42", "--text", "nothing of it", "-k", "3"]);
    // 42 has both words; the others are equals, in the order of their ids.
    assert_eq!((&found[0]["ids"], &found[1]["ids"]), (&json!([42, 2, 6]), &json!([])));
    assert!(found[0]["scores"][0].as_f64() > found[0]["scores"][1].as_f64());
    let found = answers(&["--text", "red", "--where", "n > 50", "-k", "9"]);
    assert_eq!(found[0]["ids"], json!([54, 58]));
    let near: Vec<String> = vectors.row(9).iter().map(f32::to_string).collect();
    let near = near.join(",");
    for fuse in ["rrf", "0.6"] {
        let asked = ["--text", "green 9", "--vector", &near, "--fuse", fuse, "-k", "1"];
        assert_eq!(answers(&asked)[0]["ids"], json!([9]), "{fuse}");
    }
    let table = room.ok("search shop --text 42 -k 1");
    assert!(table.starts_with("query\trank\tid\tscore\n0\t0\t42\t"), "{table}");
    let words = text(&room.run("search x.npy --text red").stderr);
    assert!(!words.is_empty());
    for refused in
        ["add shop rows.jsonl --ids id --text n", "add shop rows.jsonl --text n --attributes n"]
    {
        let output = room.run(refused);
        assert!(!output.status.success() && text(&output.stderr).contains("--text n"), "{refused}");
    }

    for (file, copy) in [("out.jsonl", "lines"), ("out.parquet", "columns"), ("out.arrow", "arrow")]
    {
        room.ok(&format!("export shop --out {file}"));
        room.ok(&format!("add {copy} {file} --ids id --text text --attributes n"));
        assert_eq!(
            room.ok(&format!("search {copy} --text green -k 60")),
            room.ok("search shop --text green -k 60")
        );
        assert_eq!(room.ok(&format!("get {copy} 7 8")), room.ok("get shop 7 8"));
    }

    let output = room.run("compact shop --events --json");
    let event: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&event["event"], &event["rows"]), (&json!("built"), &json!(60)));
}

#[test]
fn a_damaged_collection_is_found_out() {
    let room = Room::new();
    room.ok("add shop x.npy");
    room.ok("compact shop");
    let facts = room.json("verify shop --json");
    assert_eq!((&facts["whole"], &facts["rows"]), (&json!(true), &json!(500)));
    // A row that is stored, one bit of it.
    let (path, row) = (room.at("shop/rows.redb"), scatter(500, 1).row(123).to_vec());
    let needle: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut bytes = fs::read(&path).unwrap();
    let places: Vec<usize> =
        bytes.windows(needle.len()).enumerate().filter(|w| w.1 == needle).map(|w| w.0).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|&at| bytes[at] ^= 1);
    fs::write(&path, bytes).unwrap();
    let output = room.run("verify shop --json");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["whole"], json!(false));
}

#[test]
fn rows_without_ids_never_replace_others() {
    let room = Room::new();
    fs::write(room.at("three.jsonl"), "[1]\n[2]\n[3]\n").unwrap();
    fs::write(room.at("one.jsonl"), "[4]\n").unwrap();
    room.ok("add shop three.jsonl");
    room.ok("delete shop 0");
    let facts = room.json("add shop one.jsonl --json");
    assert_eq!((&facts["inserted"], &facts["rows"]), (&json!(1), &json!(3)));
    assert_eq!(room.ok("list shop"), "1\n2\n3\n");
    fs::write(room.at("last.jsonl"), format!("{{\"id\":{},\"vector\":[5]}}", u64::MAX)).unwrap();
    room.ok("add shop last.jsonl --ids id");
    let output = room.run("add shop one.jsonl --json");
    let said: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(said["error"].as_str().unwrap().contains("no numbers are left"), "{said}");
}

/// What is typed, the exit code, and what is said: the place, and the remedy.
const BAD: &[(&str, i32, &[&str])] = &[
    ("build absent.npy --out y", 1, &["absent.npy", "No such file"]),
    ("build . --out y", 1, &["is a folder"]),
    ("build cut.npy --out y", 1, &["cut.npy", "cut short"]),
    ("build strange.xyz --out y", 1, &["strange.xyz", "known formats"]),
    ("build packed.npy --out y", 1, &["gzip", "gunzip"]),
    ("build nan.jsonl --out y", 1, &["line 2", "drop the row"]),
    ("build ragged.jsonl --out y", 1, &["line 2", "before have 2"]),
    ("build huge.jsonl --out y", 1, &["line 1: dimension 1 is 1e300", "scale"]),
    ("build empty.jsonl --out y", 1, &["number of rows is 0"]),
    ("build zero.jsonl --out y --metric cosine", 1, &["zero.jsonl", "row 1", "--keep-zero-rows"]),
    ("build twice.jsonl --ids id --out y", 1, &["row 1: id `a`", "ids must differ"]),
    ("build twice.jsonl --ids key --out y", 1, &["row 0", "`key` is null"]),
    ("build x.npy --ids id --out y", 1, &["column `id` is missing", "Parquet"]),
    ("build x.npy --vector v --out y", 1, &["one matrix, unnamed"]),
    ("build x.npy --out absent/y", 1, &["absent/", "No such file"]),
    ("build x.npy --out y -m 0", 1, &["m"]),
    ("build x.npy --out y --truncate 9", 1, &["9"]),
    ("build x.npy --out y --queries narrow.jsonl", 1, &["queries have 2 dimensions, the rows 8"]),
    ("build x.npy --out y --target-recall 1.5", 2, &["1.5", "such as 0.95"]),
    ("build narrow.jsonl --out y --target-recall 0.9", 1, &["among 1 rows", "--target-recall"]),
    ("build x.npy --out y --metric manhattan", 2, &["manhattan", "cosine"]),
    ("build x.npy --out y --recipe nonsense", 2, &["nonsense"]),
    ("build x.npy", 2, &["--out"]),
    ("search absent.crinoid --queries q.npy", 1, &["absent.crinoid", "crinoid build"]),
    ("search x.npy --queries q.npy", 1, &["x.npy", "not a Crinoid file"]),
    ("search x.crinoid --queries narrow.jsonl", 1, &["2 dimensions, and the index has 8"]),
    ("search x.crinoid --vector 1,2", 1, &["2 dimensions, and the index has 8"]),
    ("search x.crinoid --vector 1,two", 1, &["`two` at place 1 is no number"]),
    (
        "search x.crinoid --queries q.npy --out a.txt",
        1,
        &["a.txt", "npy, ivecs, jsonl, csv or tsv"],
    ),
    (
        "search x.crinoid --queries q.npy --out a.csv --distances d.npy",
        1,
        &["--distances d.npy", "leave it out"],
    ),
    ("search x.crinoid --queries q.npy -k 10001", 1, &["-k 10001", "500 rows"]),
    ("search x.crinoid --queries q.npy --threads 0", 2, &["threads from 1 to 4096"]),
    ("man frobnicate", 1, &["frobnicate", "search"]),
    ("search x.crinoid --queries q.npy --filter absent.txt", 1, &["absent.txt", "No such file"]),
    (
        "search x.crinoid --queries q.npy --filter beyond.txt",
        1,
        &["line 2: id is `500`", "leave the line"],
    ),
    (
        "search x.crinoid --queries q.npy --filter empty.jsonl",
        1,
        &["number of ids is 0", "one a line"],
    ),
    ("search shop --queries narrow.jsonl --filter beyond.txt", 1, &["collection", "--where"]),
    ("search x.crinoid --queries q.npy --where a=1", 1, &["--where", "search a collection"]),
    ("search shop --queries narrow.jsonl --where a=", 2, &["--where", "at byte 2", "a number"]),
    ("update shop 1 --set a", 1, &["--set a", "name=value"]),
    ("update shop 1", 1, &["--set or --unset"]),
    ("add new narrow.jsonl --schema a", 1, &["--schema a", "name=type"]),
    ("add new narrow.jsonl --schema a=number", 1, &["--schema a=number", "bool, int"]),
    ("backup shop shop", 1, &["shop", "already"]),
    ("repair absent", 1, &["absent", "no such folder"]),
    ("search x.crinoid --queries q.npy --recall 2", 1, &["recall of 2", "up to 1"]),
    ("search x.crinoid --queries q.npy --recall 0.9 --ef 9", 2, &["--ef"]),
    ("search x.crinoid --queries q.npy -k 0", 2, &["-k"]),
    ("search x.crinoid", 2, &["--queries"]),
    ("bench x.crinoid --queries q.npy", 1, &["--truth FILE", "--base FILE"]),
    ("bench x.crinoid --queries q.npy --base q.npy", 1, &["20 rows", "500", "other vectors"]),
    ("bench x.crinoid --queries q.npy --truth floats.npy", 1, &["f32", "file of distances?"]),
    ("bench x.crinoid --queries q.npy --truth few.npy", 1, &["neighbours of 1 of 20 queries"]),
    ("bench x.crinoid --queries q.npy --base x.npy -k 501", 1, &["-k 501", "500 rows"]),
    ("verify absent.crinoid", 1, &["absent.crinoid"]),
    ("verify x.npy", 3, &["not a Crinoid file"]),
    ("info strange.xyz", 1, &["known formats"]),
    ("get absent a", 1, &["absent", "crinoid add"]),
    ("get shop nobody", 1, &["shop", "nobody"]),
    ("add shop x.npy", 1, &["8"]),
    ("add shop narrow.jsonl --metric ip", 1, &["metric is l2, not ip", "leave --metric out"]),
    ("export absent --out y.npy", 1, &["absent"]),
    ("export x.crinoid --out y.xyz", 1, &["extension"]),
    ("frobnicate", 2, &["frobnicate"]),
];

#[test]
fn every_bad_input_is_told_its_place_and_its_remedy() {
    let room = Room::new();
    room.ok("build x.npy --out x.crinoid");
    let good = fs::read(room.at("x.npy")).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(room.at(name), bytes).unwrap();
    put("cut.npy", &good[..good.len() - 1]);
    put("strange.xyz", b"what");
    put("packed.npy", b"\x1f\x8b\x08");
    put("nan.jsonl", b"[1,2]\n[NaN,1]\n");
    put("ragged.jsonl", b"[1,2]\n[1]\n");
    put("huge.jsonl", b"[1,1e300]\n");
    put("empty.jsonl", b"\n");
    put("zero.jsonl", b"[1,1]\n[0,0]\n");
    put("twice.jsonl", b"{\"id\":\"a\",\"vector\":[1]}\n{\"id\":\"a\",\"vector\":[2]}\n");
    put("narrow.jsonl", b"[1,2]\n");
    put("beyond.txt", b"3\n500\n");
    room.ok("add shop narrow.jsonl");
    write_vectors(&room.at("floats.npy"), &scatter(20, 3)).unwrap();
    crinoid_files::npy::write_rows(&room.at("few.npy"), &[0u32; 10], 10).unwrap();

    let mut wrong = Vec::new();
    for (line, code, says) in BAD {
        let output = room.run(line);
        let said = text(&output.stderr);
        // One line, unless the command line itself is wrong: then usage follows.
        let short = *code == 2 || said.lines().count() == 1;
        let all = says.iter().all(|part| said.contains(part));
        if output.status.code() != Some(*code) || !short || !all {
            wrong.push(format!(
                "crinoid {line}: {:?}: {said}(wanted {code}: {says:?})",
                output.status
            ));
        }
        assert!(!room.at("y").exists(), "crinoid {line} wrote a file");
    }
    assert!(BAD.len() >= 25 && wrong.is_empty(), "{}", wrong.join("\n"));
}
