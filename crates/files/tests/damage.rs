//! Damaged files of every format.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_files::{Options, read};
use std::path::{Path, PathBuf};

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn named(vectors: &str) -> Options {
    Options { vectors: Some(vectors.into()), ..Options::default() }
}

/// Whatever happens to the bytes, a reader answers or says what is wrong; it never panics and never hands
/// out numbers that are not finite.
#[test]
fn a_flipped_byte_or_a_cut_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    // Some libraries panic inside, which is caught; nobody needs to read about it.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut wrong = Vec::new();
    let options = |name: &str| match name {
        "several.npz" => named("vectors"),
        "any.hdf5" => named("embeddings"),
        _ => Options::default(),
    };
    let mut names = vec!["big-endian.npy", "fortran-double.npy", "several.npz", "packed.npz"];
    names.push("half.safetensors");
    if cfg!(feature = "hdf5") {
        names.push("any.hdf5");
    }
    if cfg!(feature = "arrow") {
        names.extend(["lists.parquet", "doubles.parquet", "fixed.feather", "stream.arrow"]);
    }
    for name in names {
        let good = std::fs::read(committed(name)).unwrap();
        let path = folder.path().join(name);
        let mut check = |bytes: &[u8], cut: bool| {
            std::fs::write(&path, bytes).unwrap();
            let answer = std::panic::catch_unwind(|| read(&path, &options(name)));
            let sound = match &answer {
                Ok(Ok(table)) => !cut && table.vectors.as_slice().iter().all(|v| v.is_finite()),
                Ok(Err(_)) => true,
                Err(_) => false,
            };
            if !sound {
                wrong.push(format!("{name}, {} bytes", bytes.len()));
            }
        };
        let step = (good.len() / 150).max(1);
        for at in (0..good.len()).step_by(step) {
            for flip in [0xff, 0x08] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                check(&bad, false);
            }
        }
        for length in (0..good.len()).step_by(step * 3) {
            // The end of a stream of batches is no part of its content.
            check(&good[..length], name != "stream.arrow");
        }
    }
    std::panic::set_hook(hook);
    assert!(wrong.is_empty(), "{wrong:?}");
}
