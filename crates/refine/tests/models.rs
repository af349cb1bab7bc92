//! Transformers against `transformers`: the same weights, the same texts, the scores of
//! `tests/models/golden.py`.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]
#![cfg(feature = "candle")]

use candle_core::{Device, Tensor};
use crinoid_refine::{
    Reranker,
    models::{CrossEncoder, Embedder, ModelError, ModelOptions},
    rerank::checked_scores,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

#[derive(Deserialize)]
struct Golden {
    query: String,
    texts: Vec<String>,
    #[serde(rename = "cross-encoders")]
    cross_encoders: BTreeMap<String, Model>,
    embedder: Model,
    minilm: MiniLm,
}

#[derive(Deserialize)]
struct Model {
    limit: usize,
    tensors: BTreeMap<String, Vec<usize>>,
    #[serde(default)]
    scores: Vec<f32>,
    #[serde(default)]
    vectors: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct MiniLm {
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

fn golden() -> Golden {
    serde_json::from_str(&fs::read_to_string(here().join("golden.json")).unwrap()).unwrap()
}

/// As `hashed` in golden.py.
fn hashed(name: &str, count: usize) -> Vec<f32> {
    let byte = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let start = name.bytes().fold(0xcbf2_9ce4_8422_2325, byte);
    let scale = if name.ends_with("orm.weight") { 1.0 } else { 0.0 };
    let value = |i: u64| {
        let z = start.wrapping_add(i);
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 40) as f32 / (1u64 << 25) as f32 - 0.25 + scale
    };
    (0..count as u64).map(value).collect()
}

/// The folder `name` with weights.
fn folder(name: &str, model: &Model) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json"] {
        fs::copy(here().join(name).join(file), folder.path().join(file)).unwrap();
    }
    let tensor = |(name, shape): (&String, &Vec<usize>)| {
        let values = hashed(name, shape.iter().product());
        (name.clone(), Tensor::from_vec(values, shape.as_slice(), &Device::Cpu).unwrap())
    };
    let tensors: HashMap<String, Tensor> = model.tensors.iter().map(tensor).collect();
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    folder
}

fn limited(max_tokens: usize, batch: usize) -> ModelOptions {
    ModelOptions { batch, max_tokens: Some(max_tokens) }
}

#[test]
fn cross_encoders_score_as_their_reference() {
    let golden = golden();
    let texts: Vec<&str> = golden.texts.iter().map(String::as_str).collect();
    for (name, model) in &golden.cross_encoders {
        let folder = folder(name, model);
        for batch in [16, 2] {
            let encoder = CrossEncoder::load(folder.path(), limited(model.limit, batch)).unwrap();
            let mut scores = Vec::new();
            checked_scores(&encoder, &golden.query, &texts, &mut scores).unwrap();
            for (score, expected) in scores.iter().zip(&model.scores) {
                assert!((score - expected).abs() < 1e-5, "{name}: {scores:?} {:?}", model.scores);
            }
            assert_eq!(encoder.truncated(), 1, "{name}: the long text was cut, and counted");
            assert_eq!(encoder.max_tokens(), model.limit);
            let mut again = Vec::new();
            encoder.score(&golden.query, &texts, &mut again).unwrap();
            assert_eq!(again, scores);
        }
    }
}

#[test]
fn embeddings_are_those_of_the_reference_and_of_unit_length() {
    let golden = golden();
    let folder = folder("bert", &golden.embedder);
    for batch in [16, 1] {
        let embedder =
            Embedder::load(folder.path(), limited(golden.embedder.limit, batch)).unwrap();
        let vectors = embedder.embed(&golden.texts).unwrap();
        assert_eq!((vectors.len(), vectors.dim()), (golden.texts.len(), embedder.dim()));
        close(vectors.rows(), &golden.embedder.vectors, 1e-5);
        assert_eq!(embedder.truncated(), 1);
        assert_eq!(embedder.embed::<&str>(&[]).unwrap().len(), 0);
    }
}

/// The real model, where it is: its folder in `CRINOID_MINILM`.
#[test]
fn all_minilm_gives_the_vectors_of_sentence_transformers() {
    let Some(folder) = std::env::var_os("CRINOID_MINILM") else {
        println!("skipped: CRINOID_MINILM names no folder of all-MiniLM-L6-v2");
        return;
    };
    let MiniLm { texts, vectors } = golden().minilm;
    let embedder = Embedder::load(folder, ModelOptions::default()).unwrap();
    assert_eq!(embedder.max_tokens(), 256);
    close(embedder.embed(&texts).unwrap().rows(), &vectors, 1e-4);
}

fn close<'a>(rows: impl Iterator<Item = &'a [f32]>, expected: &[Vec<f32>], within: f32) {
    for (row, expected) in rows.zip(expected) {
        assert_eq!(row.len(), expected.len());
        let far = row.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(far < within, "{far}");
        let norm: f32 = row.iter().map(|x| x * x).sum();
        assert!((norm - 1.0).abs() < 1e-5);
    }
}

#[test]
fn folders_that_hold_no_such_model_are_typed_errors_that_name_the_file() {
    let golden = golden();
    let model = &golden.cross_encoders["bert"];
    type Damage = (&'static str, fn(&str) -> String, fn(&ModelError) -> bool);
    let damages: [Damage; 8] = [
        ("config.json", |_| "{".into(), |e| matches!(e, ModelError::Config { .. })),
        (
            "config.json",
            |t| t.replace("\"bert\"", "\"gpt2\""),
            |e| matches!(e, ModelError::Config { field, .. } if field == "model_type"),
        ),
        (
            "config.json",
            |t| t.replace("\"hidden_size\": 32", "\"hidden_size\": 64"),
            |e| matches!(e, ModelError::Weights { .. }),
        ),
        (
            "config.json",
            |t| t.replace("hidden_size", "hidden"),
            |e| matches!(e, ModelError::Config { field, .. } if field == "hidden_size"),
        ),
        (
            "config.json",
            |t| t.replace("\"0\": \"LABEL_0\"", "\"0\": \"no\", \"1\": \"yes\""),
            |e| matches!(e, ModelError::Config { field, .. } if field == "id2label"),
        ),
        ("tokenizer.json", |_| "[]".into(), |e| matches!(e, ModelError::Config { .. })),
        ("model.safetensors", |_| "short".into(), |e| matches!(e, ModelError::Weights { .. })),
        (
            "config.json",
            |t| t.replace("\"max_position_embeddings\": 16", "\"max_position_embeddings\": 4"),
            |e| {
                matches!(
                    e,
                    ModelError::Option { option: "max_tokens", .. } | ModelError::Weights { .. }
                )
            },
        ),
    ];
    for (file, damage, expected) in damages {
        let folder = folder("bert", model);
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, damage(&text)).unwrap();
        let error = CrossEncoder::load(folder.path(), ModelOptions::default()).unwrap_err();
        assert!(expected(&error), "{file}: {error:?}");
        fs::remove_file(&path).unwrap();
        let error = CrossEncoder::load(folder.path(), ModelOptions::default()).unwrap_err();
        assert!(matches!(&error, ModelError::Io { path, .. } if path.ends_with(file)), "{error}");
    }
    let whole = folder("bert", model);
    for options in [limited(4, 8), limited(16, 0)] {
        let error = CrossEncoder::load(whole.path(), options).unwrap_err();
        assert!(matches!(error, ModelError::Option { .. }), "{error}");
    }
    fs::create_dir(whole.path().join("1_Pooling")).unwrap();
    fs::write(whole.path().join("1_Pooling/config.json"), r#"{"pooling_mode_cls_token": true}"#)
        .unwrap();
    let error = Embedder::load(whole.path(), ModelOptions::default()).unwrap_err();
    assert!(error.to_string().contains("pooling_mode_cls_token"), "{error}");
}
