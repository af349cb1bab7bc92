//! Files of vectors that somebody changed or made up: every reader of crinoid-files.

use super::script::{Script, change, path};
use crinoid_files::{FileError, Options, Reader, Rows, Table, open, read_ids};
use std::{fs, path::Path, sync::OnceLock};

/// A sound file: its name, what holds its vectors, ids and attributes, and its bytes.
struct Seed {
    name: &'static str,
    vectors: Option<&'static str>,
    columns: bool,
    bytes: Vec<u8>,
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn seeds() -> &'static [Seed] {
    static SEEDS: OnceLock<Vec<Seed>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let plain = |name, bytes: &[u8]| Seed {
            name,
            vectors: None,
            columns: false,
            bytes: bytes.to_vec(),
        };
        let named =
            |name, vectors, bytes: &[u8]| Seed { vectors: Some(vectors), ..plain(name, bytes) };
        let columns = |name, bytes: &[u8]| Seed { columns: true, ..plain(name, bytes) };
        let lines = "{\"id\":1,\"vector\":[0.5,1],\"name\":\"a\",\"price\":2}\n\
                     {\"id\":2,\"vector\":[3,-1e3],\"name\":null,\"price\":4.5}\n";
        macro_rules! committed {
            ($name:literal) => {
                include_bytes!(concat!("../../crates/files/tests/data/", $name))
            };
        }
        vec![
            plain("a.fbin", &words(&[2, 2, 0x3f80_0000, 0, 0x4000_0000, 7])),
            plain("a.u8bin", &[words(&[3, 2]), (0..6).collect()].concat()),
            plain("a.i8bin", &[words(&[2, 3]), (250..=255).collect()].concat()),
            plain("a.ibin", &words(&[2, 3, 0, 1, 2, 2, u32::MAX, u32::MAX])),
            plain("a.fvecs", &words(&[2, 0, 0x3f80_0000, 2, 7, 0x4000_0000])),
            plain("a.bvecs", &[words(&[3]), vec![1, 2, 3], words(&[3]), vec![4, 5, 6]].concat()),
            plain("a.ivecs", &words(&[2, 1, 0, 2, 1, u32::MAX])),
            plain("a.jsonl", b"[1, 2.5, -3]\n\n[4e-5, 5, 6]\n"),
            columns("b.jsonl", lines.as_bytes()),
            plain("a.npy", committed!("big-endian.npy")),
            plain("b.npy", committed!("fortran-double.npy")),
            plain("c.npy", committed!("half.npy")),
            plain("d.npy", committed!("shorts.npy")),
            named("a.npz", "vectors", committed!("several.npz")),
            plain("b.npz", committed!("packed.npz")),
            plain("a.safetensors", committed!("half.safetensors")),
            named("a.hdf5", "embeddings", committed!("any.hdf5")),
            plain("b.hdf5", include_bytes!("../../crates/eval/tests/data/chunked.hdf5")),
            plain("c.hdf5", include_bytes!("../../crates/eval/tests/data/sparse.hdf5")),
            columns("a.parquet", committed!("lists.parquet")),
            plain("b.parquet", committed!("doubles.parquet")),
            columns("c.parquet", committed!("ragged.parquet")),
            plain("a.feather", committed!("fixed.feather")),
            plain("a.arrow", committed!("stream.arrow")),
        ]
    })
}

/// Reads a sound file that was changed as the bytes say, or (first byte from 192 on) the bytes themselves
/// under the name of some format: typed errors that name the file, or tables of finite numbers.
pub fn run(data: &[u8]) -> bool {
    let mut script = Script(data);
    let kind = usize::from(script.byte());
    let seed = &seeds()[kind % seeds().len()];
    let asked = script.byte();
    let mut options = Options {
        vectors: seed.vectors.map(str::to_owned),
        queries: asked & 1 != 0,
        ..Options::default()
    };
    if seed.columns && asked & 2 != 0 {
        options.ids = Some("id".to_owned());
    }
    if seed.columns && asked & 4 != 0 {
        options.attributes = vec!["price".to_owned(), "name".to_owned()];
    }
    if asked & 24 == 24 {
        options.vectors = Some("x".to_owned());
    }
    let bytes = match kind {
        192.. => script.rest().to_vec(),
        _ => {
            let mut bytes = seed.bytes.clone();
            for _ in 0..8 {
                if script.is_over() {
                    break;
                }
                change(&mut script, &mut bytes);
            }
            bytes
        }
    };
    let path = path(seed.name);
    fs::write(&path, &bytes).unwrap();
    let (ids, rows) = (read_ids(&path, None), open(&path, &options));
    if let Err(error) = &ids {
        check_error(error, &path);
    }
    if let Ok(Rows { dim, values }) = &ids {
        assert!(*dim > 0 && values.len().is_multiple_of(*dim));
    }
    match rows {
        Ok(reader) => check(reader, &path, &options),
        Err(error) => {
            check_error(&error, &path);
            false
        }
    }
}

fn check_error(error: &FileError, path: &Path) {
    let text = error.to_string();
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(text.contains(&*name), "the file is not named: {text}");
}

/// Reads the first blocks: a small file may stand for very many rows, such as an HDF5 data set of which nothing
/// was ever written.
fn check(mut reader: Reader, path: &Path, options: &Options) -> bool {
    let dim = reader.dim();
    assert!(dim > 0);
    let mut rows = 0;
    for _ in 0..4 {
        match reader.next() {
            Some(Ok(Table { vectors, ids, attributes })) => {
                assert_eq!(vectors.dim(), dim);
                assert!(vectors.as_slice().iter().all(|value| value.is_finite()));
                assert_eq!(
                    ids.as_ref().map(|ids| ids.len()),
                    options.ids.as_ref().map(|_| vectors.len())
                );
                assert_eq!(attributes.len(), options.attributes.len());
                rows += vectors.len() as u64;
            }
            Some(Err(error)) => {
                check_error(&error, path);
                assert!(reader.next().is_none(), "something after an error");
                return false;
            }
            None => {
                assert!(reader.rows().is_none_or(|said| said == rows), "{rows} rows");
                return true;
            }
        }
    }
    assert!(reader.rows().is_none_or(|said| said >= rows), "{rows} rows");
    true
}
