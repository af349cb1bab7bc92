//! `embed` and `ask`, with a model of two layers whose weights are a hash: it means nothing, and gives the
//! same vectors as `transformers` does.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crinoid")).args(words).current_dir(folder).output().unwrap()
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../refine/tests/models")
}

#[cfg(not(feature = "candle"))]
#[test]
fn a_build_without_models_says_how_to_get_one_with_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("texts.txt"), "a text\n").unwrap();
    let model = models().join("bert").display().to_string();
    let embed = ["embed", "texts.txt", "--model", &model];
    let ask = ["ask", ".", "what", "--model", &model];
    for words in [&embed[..], &ask[..]] {
        let output = run(folder.path(), words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("--features candle"), "{said}");
    }
    let output = run(folder.path(), &["ask", ".", "what"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not indexed yet: --model FOLDER"), "{said}");
}

#[cfg(feature = "candle")]
mod with_models {
    use super::*;
    use safetensors::{Dtype, serialize_to_file, tensor::TensorView};
    use serde_json::{Value, json};
    use std::{
        collections::BTreeMap,
        io::{BufRead, BufReader, Write},
        process::Stdio,
    };

    fn golden() -> Value {
        serde_json::from_str(&fs::read_to_string(models().join("golden.json")).unwrap()).unwrap()
    }

    /// As `hashed` in golden.py.
    fn hashed(name: &str, count: usize) -> Vec<u8> {
        let byte = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let start = name.bytes().fold(0xcbf2_9ce4_8422_2325, byte);
        let scale = if name.ends_with("orm.weight") { 1.0 } else { 0.0 };
        let value = |i: u64| {
            let z = start.wrapping_add(i);
            let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ z >> 31) >> 40) as f32 / (1u64 << 25) as f32 - 0.25 + scale
        };
        (0..count as u64).flat_map(|i| value(i).to_le_bytes()).collect()
    }

    /// The folder of a model of `shapes`.
    fn model(at: &Path, shapes: &Value) {
        fs::create_dir_all(at).unwrap();
        for file in ["config.json", "tokenizer.json"] {
            fs::copy(models().join("bert").join(file), at.join(file)).unwrap();
        }
        let shapes: BTreeMap<String, Vec<usize>> = serde_json::from_value(shapes.clone()).unwrap();
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
            .into_iter()
            .map(|(name, shape)| {
                let values = hashed(&name, shape.iter().product());
                (name, shape, values)
            })
            .collect();
        let tensors = bytes.iter().map(|(name, shape, values)| {
            (name, TensorView::new(Dtype::F32, shape.clone(), values).unwrap())
        });
        serialize_to_file(tensors, None, &at.join("model.safetensors")).unwrap();
    }

    struct Room(tempfile::TempDir);

    impl Room {
        fn new() -> Self {
            let room = Self(tempfile::tempdir().unwrap());
            let golden = golden();
            model(&room.0.path().join("model"), &golden["embedder"]["tensors"]);
            model(&room.0.path().join("judge"), &golden["cross-encoders"]["bert"]["tensors"]);
            room
        }

        fn ok(&self, words: &[&str]) -> String {
            let output = run(self.0.path(), words);
            let (out, err) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
            assert!(output.status.success(), "{words:?}: {}", err.unwrap());
            out.unwrap()
        }

        fn bad(&self, words: &[&str], says: &str) {
            let output = run(self.0.path(), words);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
            assert!(said.contains(says) && said.lines().count() == 1, "{words:?}: {said}");
        }

        fn put(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn close(got: &Value, want: &Value) -> bool {
        let rows: (Vec<f32>, Vec<f32>) = (
            serde_json::from_value(got.clone()).unwrap(),
            serde_json::from_value(want.clone()).unwrap(),
        );
        rows.0.len() == rows.1.len()
            && rows.0.iter().zip(&rows.1).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn texts_become_the_vectors_of_the_reference() {
        let (room, golden) = (Room::new(), golden());
        let texts = &golden["texts"];
        // The second is longer than the reference read.
        let short = [0, 2, 3, 4];
        let strings: Vec<String> = short.iter().map(|&at| texts[at].to_string()).collect();
        room.put("strings.jsonl", &strings.join("\n"));
        let lines = room.ok(&["embed", "strings.jsonl", "--model", "model"]);
        assert_eq!(lines.lines().count(), 4);
        for (line, at) in lines.lines().zip(short) {
            let row: Value = serde_json::from_str(line).unwrap();
            assert!(close(&row, &golden["embedder"]["vectors"][at]), "{at}");
        }
        let plain = room.ok(&["embed", "strings.jsonl", "--model", "model", "--plain"]);
        assert_eq!(plain.lines().count(), 4);
        let objects: Vec<String> = short
            .iter()
            .map(|&at| json!({ "key": format!("k{at}"), "said": texts[at] }).to_string())
            .collect();
        room.put("objects.jsonl", &objects.join("\n"));
        let words =
            ["embed", "objects.jsonl", "--model", "model", "--text", "said", "--ids", "key"];
        let named = room.ok(&words);
        let first: Value = serde_json::from_str(named.lines().next().unwrap()).unwrap();
        assert_eq!(first["id"], json!("k0"));
        assert!(close(&first["vector"], &golden["embedder"]["vectors"][0]));
        // A file of them is what an index is built of.
        room.ok(&[&words[..], &["--out", "rows.jsonl"]].concat());
        room.ok(&[
            "build",
            "rows.jsonl",
            "--ids",
            "id",
            "--metric",
            "cosine",
            "--out",
            "x.crinoid",
        ]);
        let found =
            room.ok(&["search", "x.crinoid", "--queries", "rows.jsonl", "-k", "1", "--json"]);
        for (line, at) in found.lines().zip(short) {
            let answer: Value = serde_json::from_str(line).unwrap();
            assert_eq!(answer["ids"], json!([format!("k{at}")]));
        }

        room.bad(&["embed", "absent.txt", "--model", "model"], "absent.txt");
        room.bad(&["embed", "strings.jsonl", "--model", "absent"], "absent");
        room.bad(&["embed", "objects.jsonl", "--model", "model"], "name the one that is by --text");
        room.bad(&["embed", "strings.jsonl", "--model", "model", "--ids", "key"], "line 1");
        room.put("broken.jsonl", "{\"text\": \n");
        room.bad(&["embed", "broken.jsonl", "--model", "model"], "line 1: no JSON: --plain");
        room.put("empty.txt", "\n");
        room.bad(&["embed", "empty.txt", "--model", "model", "--out", "y.npy"], "no texts in it");
    }

    #[test]
    fn a_text_on_a_pipe_is_answered_when_it_comes() {
        let room = Room::new();
        let mut child = Command::new(env!("CARGO_BIN_EXE_crinoid"))
            .args(["embed", "-", "--model", "model"])
            .current_dir(room.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for text in ["open a file", "read the bytes", "x"] {
            writeln!(input, "{text}").unwrap();
            input.flush().unwrap();
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            let row: Vec<f32> = serde_json::from_str(&line).unwrap();
            assert_eq!(row.len(), 32);
        }
        drop(input);
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_folder_is_asked_and_what_changes_is_read_again() {
        let room = Room::new();
        let rest = "x x x x x x x x x x x x x x x x x x x x x x x x\n";
        room.put("tree/a.md", &format!("open a file\n{rest}"));
        room.put(
            "tree/deep/b.rs",
            &format!("fn close() {{\n    // {rest}}}\n\nfn socket() {{\n    // {rest}}}\n"),
        );
        room.put("tree/c.bin", "no text");
        let asked = |more: &[&str]| -> Value {
            let words = [&["ask", "tree", "open a file", "-k", "3", "--json"], more].concat();
            serde_json::from_str(&room.ok(&words)).unwrap()
        };
        room.bad(&["ask", "tree", "what"], "not indexed yet");
        room.bad(&["ask", "absent", "what", "--model", "model"], "no such folder");
        let first = asked(&["--model", "model", "--stages"]);
        let hits = first["hits"].as_array().unwrap();
        let places: Vec<String> =
            hits.iter().map(|hit| format!("{}:{}", hit["file"], hit["line"])).collect();
        assert_eq!(hits.len(), 3, "{first}");
        for place in ["\"tree/a.md\":1", "\"tree/deep/b.rs\":1", "\"tree/deep/b.rs\":4"] {
            assert!(places.iter().any(|one| one == place), "{places:?}");
        }
        assert!(first["stages"].as_str().unwrap().contains("float@1"), "{first}");
        // The model is known now, and nothing is written while nothing changes.
        let index = room.0.path().join("tree/.crinoid/index.crinoid");
        let before = fs::metadata(&index).unwrap().modified().unwrap();
        assert_eq!(asked(&[])["hits"], first["hits"]);
        assert_eq!(fs::metadata(&index).unwrap().modified().unwrap(), before);
        // A file goes, another comes.
        fs::remove_file(room.0.path().join("tree/a.md")).unwrap();
        room.put("tree/d.md", &format!("write what was read to a socket\n{rest}"));
        let again = asked(&[]);
        let files: Vec<&str> = again["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["file"].as_str().unwrap())
            .collect();
        assert!(files.contains(&"tree/d.md") && !files.contains(&"tree/a.md"), "{files:?}");
        // A cross-encoder puts them in order.
        let judged = asked(&["--rerank", "judge"]);
        let scores: Vec<f64> = judged["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["score"].as_f64().unwrap())
            .collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        let words = room.ok(&["ask", "tree", "open a file", "-k", "1"]);
        assert!(words.contains("tree/") && words.lines().count() == 1, "{words}");
        fs::create_dir(room.0.path().join("empty")).unwrap();
        room.bad(&["ask", "empty", "what", "--model", "model"], "no sources and no texts");
    }
}
