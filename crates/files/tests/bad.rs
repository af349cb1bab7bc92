//! Bad inputs, one of each kind: what is said about them, and what to do.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_files::{Options, read, read_ids};
use std::path::{Path, PathBuf};

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn npy(header: &str, values: &[u8]) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}

fn array(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    npy(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"), values)
}

fn committed(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

struct Bad {
    file: &'static str,
    bytes: Vec<u8>,
    options: Options,
    /// What the message must hold: the place, and the remedy.
    says: &'static [&'static str],
}

fn bad(file: &'static str, bytes: impl Into<Vec<u8>>, says: &'static [&'static str]) -> Bad {
    Bad { file, bytes: bytes.into(), options: Options::default(), says }
}

fn with(mut bad: Bad, options: Options) -> Bad {
    bad.options = options;
    bad
}

fn column(vectors: &str) -> Options {
    Options { vectors: Some(vectors.into()), ..Options::default() }
}

fn named(ids: &str) -> Options {
    Options { ids: Some(ids.into()), ..Options::default() }
}

fn inputs() -> Vec<Bad> {
    let doubles = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let mut inputs = vec![
        // Sizes and headers.
        bad("cut.fbin", words(&[2, 3, 0, 0]), &["asks for 32 bytes", "has 16", "cut short"]),
        bad("long.fbin", [words(&[1, 1, 0]), vec![0]].concat(), &["bytes follow"]),
        bad("short.fbin", [1, 2, 3], &["asks for 8 bytes", "has 3"]),
        bad("huge.fbin", words(&[u32::MAX - 1, u32::MAX]), &["cut short"]),
        bad("many.fbin", words(&[u32::MAX, 1]), &["rows is 4294967295", "32-bit ids"]),
        bad("flat.fbin", words(&[5, 0]), &["dimension is 0", "at least one value"]),
        bad("bytes.fbin", [words(&[2, 3]), vec![9; 6]].concat(), &["one byte", "u8bin"]),
        bad("vecs.fbin", words(&[3, 1 << 30, 2, 3, 3, 4, 5, 6]), &["is it fvecs?"]),
        bad(
            "order.fbin",
            [2u32.to_be_bytes(), 1u32.to_be_bytes(), [0; 4], [0; 4]].concat(),
            &["big-endian"],
        ),
        bad("bin.fvecs", words(&[2, 2, 0, 0, 0, 0, 0]), &["cut short"]),
        bad("ragged.fvecs", words(&[2, 0, 0, 3, 0, 0]), &["row 1: dimension is 3", "row 0 has 2"]),
        bad("zero.fvecs", words(&[0, 0, 0]), &["dimension of row 0 is 0"]),
        bad("empty.fvecs", [], &["asks for 4 bytes"]),
        // Values.
        bad(
            "nan.fbin",
            words(&[1, 2, 0, f32::NAN.to_bits()]),
            &["row 0: dimension 1 is NaN", "drop the row"],
        ),
        bad("inf.fvecs", words(&[1, f32::INFINITY.to_bits()]), &["row 0: dimension 0 is inf"]),
        bad(
            "wide.npy",
            array("<f8", "(2, 2)", &doubles(&[0.0, 1.0, 1e300, 2.0])),
            &["row 1: dimension 0 is 1e300", "beyond the range of f32", "scale"],
        ),
        bad(
            "exact.npy",
            array("<i4", "(1, 1)", &16_777_217i32.to_le_bytes()),
            &["row 0", "16777217", "no f32 holds exactly"],
        ),
        // NumPy.
        bad("cut.npy", array("<f4", "(4, 2)", &[0; 20]), &["cut short"]),
        bad("cube.npy", array("<f4", "(1, 1, 1)", &[0; 4]), &["[1, 1, 1]", "reshape"]),
        bad("text.npy", array("<U3", "(1, 1)", &[0; 12]), &["<U3", "astype"]),
        bad("flat.npy", array("<f4", "(4, 0)", &[]), &["dimension is 0"]),
        bad("list.npy", array("|O", "(1, 1)", b"\x80\x04K\x01."), &["|O"]),
        bad("no.npy", "not an array", &["header", "numpy.save"]),
        bad("one.npz", b"PK\x03\x04 and no more".to_vec(), &["one.npz"]),
        bad("many.npz", committed("several.npz"), &["number of arrays is 3", "ids, vectors, more"]),
        with(
            bad("none.npz", committed("several.npz"), &["array is `x`", "not there"]),
            column("x"),
        ),
        // Foreign files, whatever they are called.
        bad("packed.npy", b"\x1f\x8b\x08rest".to_vec(), &["gzip", "gunzip"]),
        bad("pickle.pkl", b"\x80\x04\x95rest".to_vec(), &["pickle", "numpy.save"]),
        bad("index.crinoid", b"CRINO\x1a\r\n....".to_vec(), &["index of Crinoid already"]),
        bad("what.xyz", "what", &["neither", "fbin"]),
        bad("ground.ibin", words(&[1, 1, 0]), &["neighbours of queries, not vectors"]),
        with(
            bad("plain.fbin", words(&[1, 1, 0]), &["column `id` is missing", "Parquet"]),
            named("id"),
        ),
        with(bad("unnamed.fbin", words(&[1, 1, 0]), &["one matrix, unnamed"]), column("x")),
        // JSON lines.
        bad("empty.jsonl", "\n\n", &["number of rows is 0"]),
        bad("ragged.jsonl", "[1,2]\n[1]\n", &["line 2", "is 1", "before have 2"]),
        bad("nan.jsonl", "[1,2]\n[NaN,1]\n", &["line 2", "no NaN", "drop the row"]),
        bad("huge.jsonl", "[1]\n[1e300]\n", &["line 2: dimension 0 is 1e300", "range of f32"]),
        bad("text.jsonl", "{\"vector\":[1,\"two\"]}", &["line 1: dimension 1 is \"two\""]),
        bad("field.jsonl", "{\"data\":[1]}", &["field `vector` is missing", "data"]),
        bad("whole.jsonl", "[[1,2],[3,4]]", &["one row", "jq"]),
        bad(
            "latin.jsonl",
            b"{\"vector\":[1]}\n{\"vector\":[2],\"n\":\"G\xf6\"}".to_vec(),
            &["line 2", "0xf6", "iconv"],
        ),
        bad("wide.jsonl", b"\xff\xfe[\0".to_vec(), &["UTF-16", "iconv"]),
        with(
            bad(
                "ids.jsonl",
                "{\"vector\":[1],\"id\":1}\n{\"vector\":[1]}",
                &["row 1", "id column `id` is null", "every row needs an id"],
            ),
            named("id"),
        ),
        with(bad("minus.jsonl", "{\"vector\":[1],\"id\":-1}", &["-1", "from 0 on"]), named("id")),
        with(bad("arrays.jsonl", "[1]", &["field `id` is missing", "write objects"]), named("id")),
        // safetensors.
        bad("cut.safetensors", &committed("half.safetensors")[..100], &["cut short"]),
        with(
            bad("flat.safetensors", committed("half.safetensors"), &["[9]", "reshape"]),
            column("norms"),
        ),
        with(
            bad("none.safetensors", committed("half.safetensors"), &["tensor is `x`", "vectors"]),
            column("x"),
        ),
    ];
    if cfg!(feature = "hdf5") {
        inputs.extend([
            bad("any.hdf5", committed("any.hdf5"), &["data set `train` is missing", "embeddings"]),
            bad("cut.hdf5", &committed("any.hdf5")[..5000], &["cut short"]),
            with(
                bad("foreign.fbin", committed("any.hdf5"), &["data set `x` is missing"]),
                column("x"),
            ),
        ]);
    }
    if cfg!(feature = "arrow") {
        inputs.extend([
            bad(
                "huge.parquet",
                committed("huge.parquet"),
                &["row 6: row group 1, column `v` dimension 2 is 1e300", "range of f32"],
            ),
            bad(
                "null.parquet",
                committed("null.parquet"),
                &["row 6: row group 1, column `v` dimension 2 is null", "drop the row"],
            ),
            bad(
                "ragged.parquet",
                committed("ragged.parquet"),
                &["row 6: row group 1", "number of values is 2", "have 5"],
            ),
            bad("cut.parquet", &committed("lists.parquet")[..2000], &["cut.parquet"]),
            with(
                bad(
                    "name.parquet",
                    committed("lists.parquet"),
                    &["type of column `name`", "embedding"],
                ),
                column("name"),
            ),
            with(
                bad(
                    "none.parquet",
                    committed("lists.parquet"),
                    &["column is `key`", "id, name, price"],
                ),
                named("key"),
            ),
            with(
                bad("price.parquet", committed("lists.parquet"), &["ids are integers or texts"]),
                named("price"),
            ),
            bad("old.feather", b"FEA1....".to_vec(), &["Feather version 1", "version 2"]),
        ]);
    }
    inputs
}

#[test]
fn every_bad_input_is_told_its_place_and_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs();
    assert!(inputs.len() >= 25);
    let mut wrong = Vec::new();
    for input in inputs {
        let path = folder.path().join(input.file);
        std::fs::write(&path, &input.bytes).unwrap();
        let message = match read(&path, &input.options) {
            Ok(table) => format!("{} gave {} rows", input.file, table.vectors.len()),
            Err(error) => error.to_string(),
        };
        let whole = message.contains(input.file) && !message.contains('\n');
        if !whole || !input.says.iter().all(|part| message.contains(part)) {
            wrong.push(format!("{:?} is not in: {message}", input.says));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let absent = read(Path::new("absent.fbin"), &Options::default()).unwrap_err().to_string();
    assert!(absent.contains("absent.fbin"), "{absent}");
    assert!(read(folder.path(), &Options::default()).unwrap_err().to_string().contains("a folder"));
}

#[test]
fn neighbours_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let floats = array("<f4", "(1, 2)", &words(&[1f32.to_bits(), 2f32.to_bits()]));
    let long = array("<i8", "(1, 1)", &(1i64 << 40).to_le_bytes());
    let below = array("<i4", "(2, 1)", &words(&[0, -7i32 as u32]));
    let cases: &[(&str, &[u8], &[&str])] = &[
        ("floats.npy", &floats, &["is f32", "file of distances?"]),
        ("long.npy", &long, &["row 0: dimension 0 is 1099511627776", "names no row"]),
        ("below.npy", &below, &["row 1: dimension 0 is -7"]),
        ("vectors.fbin", &words(&[1, 1, 0]), &["format is fbin", "row numbers are expected"]),
        ("cut.ibin", &words(&[2, 2, 0, 1, 2]), &["cut short"]),
        ("ragged.ivecs", &words(&[1, 0, 2, 5]), &["row 1"]),
    ];
    for (name, bytes, says) in cases {
        let path: PathBuf = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let message = read_ids(&path, None).unwrap_err().to_string();
        assert!(says.iter().all(|part| message.contains(part)), "{message}");
    }
    let padded = folder.path().join("padded.ivecs");
    std::fs::write(&padded, words(&[2, 3, u32::MAX])).unwrap();
    assert_eq!(read_ids(&padded, None).unwrap().values.as_slice(), [3, u32::MAX]);
}
