#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "arrow")]
pub mod arrow;
#[cfg(feature = "arrow")]
mod arrow_sizes;
pub mod bin;
mod error;
mod format;
#[cfg(feature = "hdf5")]
pub mod hdf5;
pub mod jsonl;
mod listed;
mod matrix;
pub mod names;
pub mod npy;
mod reader;
mod rows;
pub mod safetensors;
mod scalar;
mod source;
mod table;
pub mod text;
pub mod vecs;

pub use error::FileError;
pub use format::{FORMATS, Format};
pub use listed::listed;
pub use matrix::Matrix;
pub use names::Names;
pub use reader::{
    Options, Reader, open, open_json_lines, read, read_ids, read_vectors, write, write_table,
    write_vectors,
};
pub use rows::{Element, Rows};
pub use scalar::{Kind, Scalar};
pub use source::write_file;
pub use table::{Column, Ids, Table, Values};
