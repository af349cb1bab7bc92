//! A file is read in as much memory however long it is.

#![allow(unsafe_code, reason = "a counting allocator has to implement an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_files::{Options, open};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs::File,
    io::Write,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

struct Measuring;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Measuring {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `pointer` came from `System` with this layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Measuring = Measuring;

const DIM: usize = 256;
/// So many rows are a block of 16 MiB.
const BLOCK: usize = 16 * 1024;

/// The most bytes that were held beyond those at the start, while a file of `rows` rows was read.
fn peak(path: &Path, rows: usize) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let read: usize =
        open(path, &Options::default()).unwrap().map(|block| block.unwrap().vectors.len()).sum();
    assert_eq!(read, rows, "{}", path.display());
    MOST.load(Ordering::Relaxed) - before
}

/// A file of zeros behind a head: the disk holds next to nothing of it.
fn sparse(path: &Path, head: &[u8], rows: usize) {
    let mut file = File::create(path).unwrap();
    file.write_all(head).unwrap();
    file.set_len((head.len() + rows * DIM * 4) as u64).unwrap();
}

fn fbin(path: &Path, rows: usize) {
    let head = [rows as u32, DIM as u32].map(u32::to_le_bytes).concat();
    sparse(path, &head, rows);
}

fn npy(path: &Path, rows: usize) {
    let words = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {DIM}), }}");
    let words = format!("{words:<117}\n");
    let mut head = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    head.extend_from_slice(words.as_bytes());
    sparse(path, &head, rows);
}

fn safetensors(path: &Path, rows: usize) {
    let bytes = rows * DIM * 4;
    let words = format!(
        "{{\"x\":{{\"dtype\":\"F32\",\"shape\":[{rows},{DIM}],\"data_offsets\":[0,{bytes}]}}}}"
    );
    let head = [&(words.len() as u64).to_le_bytes()[..], words.as_bytes()].concat();
    sparse(path, &head, rows);
}

fn fvecs(path: &Path, rows: usize) {
    let row = [&(DIM as u32).to_le_bytes()[..], &[0; 4 * DIM]].concat();
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    (0..rows).for_each(|_| file.write_all(&row).unwrap());
}

#[cfg(feature = "arrow")]
mod columns {
    use super::*;
    use arrow_array::{FixedSizeListArray, Float32Array, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};
    use std::sync::Arc;

    /// Batches as pyarrow writes them: many row groups of a few megabytes.
    fn batches(rows: usize) -> (Arc<Schema>, impl Iterator<Item = RecordBatch>) {
        let item = Arc::new(Field::new_list_field(DataType::Float32, false));
        let kind = DataType::FixedSizeList(item.clone(), DIM as i32);
        let schema = Arc::new(Schema::new(vec![Field::new("vector", kind, false)]));
        let (given, step) = (schema.clone(), 4096);
        let made = (0..rows / step).map(move |_| {
            let values = Arc::new(Float32Array::from(vec![0.5; step * DIM]));
            let lists = FixedSizeListArray::new(item.clone(), DIM as i32, values, None);
            RecordBatch::try_new(given.clone(), vec![Arc::new(lists)]).unwrap()
        });
        (schema, made)
    }

    pub(super) fn parquet(path: &Path, rows: usize) {
        let (schema, batches) = batches(rows);
        let file = File::create(path).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, schema, None).unwrap();
        for batch in batches {
            writer.write(&batch).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
    }

    pub(super) fn arrow(path: &Path, rows: usize) {
        let (schema, batches) = batches(rows);
        let file = File::create(path).unwrap();
        let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &schema).unwrap();
        batches.for_each(|batch| writer.write(&batch).unwrap());
        writer.finish().unwrap();
    }
}

/// One block and four: what is held at most does not grow with the file. One test, because all
/// threads allocate from the same store.
#[test]
fn a_longer_file_takes_no_more_memory() {
    let folder = tempfile::tempdir().unwrap();
    type Writer = fn(&Path, usize);
    let kinds: &[(&str, Writer)] = &[
        ("a.fbin", fbin),
        ("a.npy", npy),
        ("a.safetensors", safetensors),
        ("a.fvecs", fvecs),
        #[cfg(feature = "arrow")]
        ("a.parquet", columns::parquet),
        #[cfg(feature = "arrow")]
        ("a.arrow", columns::arrow),
    ];
    for (name, write) in kinds {
        let path = folder.path().join(name);
        let [short, long] = [1, 4].map(|blocks| {
            write(&path, blocks * BLOCK);
            peak(&path, blocks * BLOCK)
        });
        let block = BLOCK * DIM * 4;
        // The list of its parts may grow, the parts may not.
        assert!(long <= short + block / 64, "{name}: {short} bytes, then {long}");
        assert!(long <= 3 * block, "{name}: {long} bytes for blocks of {block}");
    }
}
