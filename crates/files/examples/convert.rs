//! Any file of vectors in any format that can be written:
//! `cargo run -p crinoid-files --all-features --example convert IN OUT [COLUMN]`.
#![allow(clippy::print_stdout, reason = "an example says what it did")]

use crinoid_files::{Format, Options, read, write_vectors};
use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, column @ ..] = words.as_slice() else {
        return Err("usage: convert IN OUT [COLUMN]".into());
    };
    let options = Options { vectors: column.first().cloned(), ..Options::default() };
    let vectors = read(Path::new(from), &options)?.vectors;
    write_vectors(Path::new(to), &vectors)?;
    let (was, rows, dim) = (Format::of(Path::new(from))?.name(), vectors.len(), vectors.dim());
    println!("{to}: {rows} x {dim}, from {was}");
    Ok(())
}
