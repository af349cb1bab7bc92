//! Files that NumPy, h5py, pyarrow and safetensors wrote (data/make.py), and the way there and back.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_files::{
    Ids, Options, Rows, Values, bin, npy, open, open_json_lines, read, read_ids, read_vectors,
    vecs, write, write_vectors,
};
use crinoid_quant::{Buffer, Vectors};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

const ROWS: usize = 9;
const DIM: usize = 5;

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The values that make.py writes.
fn values(scale: f32) -> Vec<f32> {
    let value = |at: usize| {
        let (i, j) = (at / DIM, at % DIM);
        (((i * 13 + j * 7 + i * j) % 31) as f32 / 4.0 - 3.0) * scale
    };
    (0..ROWS * DIM).map(value).collect()
}

fn named(vectors: &str) -> Options {
    Options { vectors: Some(vectors.into()), ..Options::default() }
}

#[test]
fn arrays_of_numpy_are_read() {
    let floats: Vec<f32> = (0..12).map(|i| i as f32 / 4.0 - 1.0).collect();
    let vectors = read_vectors(&committed("f4.npy")).unwrap();
    assert_eq!((vectors.as_slice(), vectors.dim()), (&floats[..], 3));
    let integers: Vec<f32> = (-4..8).map(|i| i as f32).collect();
    assert_eq!(read_vectors(&committed("i8.npy")).unwrap().as_slice(), integers);
    for (name, scale) in [
        ("half.npy", 1.0),
        ("big-endian.npy", 1.0),
        ("double.npy", 1.0),
        ("fortran-double.npy", 1.0),
        ("shorts.npy", 4.0),
        ("packed.npz", 1.0),
    ] {
        let vectors = read_vectors(&committed(name)).unwrap();
        assert_eq!((vectors.as_slice(), vectors.dim()), (&values(scale)[..], DIM), "{name}");
    }
    let several = committed("several.npz");
    assert_eq!(read(&several, &named("vectors")).unwrap().vectors.as_slice(), values(1.0));
    assert_eq!(read(&several, &named("more")).unwrap().vectors.as_slice(), values(4.0));
}

#[test]
fn fortran_order_is_read_in_parts() {
    let mut matrix = npy::open(&committed("fortran-double.npy")).unwrap();
    let mut all = Vec::new();
    while let Some(part) = matrix.next_vectors(4).unwrap() {
        assert!(part.len() <= 4);
        all.extend_from_slice(part.as_slice());
    }
    assert_eq!(all, values(1.0));
    let (_, whole) = (0, read_vectors(&committed("fortran.npy")).unwrap());
    assert!(whole.len() > 1);
}

#[test]
fn safetensors_are_read() {
    let path = committed("half.safetensors");
    // `norms` is no matrix, so there is only one that can be meant.
    assert_eq!(read_vectors(&path).unwrap().as_slice(), values(1.0));
    assert_eq!(read(&path, &named("vectors")).unwrap().vectors.dim(), DIM);
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_data_sets_are_read_by_name() {
    let path = committed("any.hdf5");
    for name in ["embeddings", "deep/er"] {
        let vectors = read(&path, &named(name)).unwrap().vectors;
        assert_eq!((vectors.as_slice(), vectors.dim()), (&values(1.0)[..], DIM), "{name}");
    }
    assert_eq!(read_ids(&path, None).unwrap().values.as_slice(), [0, 1, 2, 3, 4, 5]);
    let mut matrix = crinoid_files::hdf5::File::open(&path).unwrap().matrix("embeddings").unwrap();
    let mut all = Vec::new();
    while let Some(part) = matrix.next_vectors(2).unwrap() {
        all.extend_from_slice(part.as_slice());
    }
    assert_eq!(all, values(1.0));
}

#[cfg(feature = "arrow")]
#[test]
fn columns_of_pyarrow_are_read_with_ids_and_attributes() {
    for name in ["lists.parquet", "doubles.parquet", "fixed.feather", "stream.arrow"] {
        let options = Options {
            ids: Some("id".into()),
            attributes: ["price", "stock", "name"].map(String::from).to_vec(),
            ..Options::default()
        };
        let reader = open(&committed(name), &options).unwrap();
        assert_eq!(reader.dim(), DIM);
        let table = reader.rest().unwrap();
        assert_eq!(table.vectors.as_slice(), values(1.0), "{name}");
        assert_eq!(table.ids, Some(Ids::Numbers((0..9).map(|i| i * 10).collect())));
        let price = (0..9).map(|i| (i != 3).then_some(f64::from(i) / 2.0)).collect();
        let stock = (0..9).map(|i| Some(i % 2 == 0)).collect();
        let names = (0..9).map(|i| Some(format!("doc {i}"))).collect();
        let column = |name: &str, values| crinoid_files::Column { name: name.into(), values };
        assert_eq!(
            table.attributes,
            [
                column("price", Values::Floats(price)),
                column("stock", Values::Flags(stock)),
                column("name", Values::Texts(names)),
            ]
        );
        let options = Options { ids: Some("name".into()), ..Options::default() };
        let ids = read(&committed(name), &options).unwrap().ids.unwrap();
        assert_eq!(ids.text(8), Some("doc 8".into()));
    }
}

#[test]
fn json_lines_are_rows() {
    let table = |text: &'static str, options: &Options| {
        open_json_lines("stdin", Box::new(text.as_bytes()), options)
            .and_then(|reader| reader.rest())
            .unwrap()
    };
    let plain = table("[1, 2.5]\n\n[-3e0,4]\n", &Options::default());
    assert_eq!((plain.vectors.as_slice(), plain.vectors.dim()), (&[1.0, 2.5, -3.0, 4.0][..], 2));
    let options = Options {
        ids: Some("key".into()),
        attributes: ["n", "f", "tags"].map(String::from).to_vec(),
        ..Options::default()
    };
    let text = "\u{feff}{\"key\":\"a\",\"embedding\":[1],\"n\":3}\r\n\
                {\"key\":\"b\",\"embedding\":[2],\"n\":null,\"f\":0.5,\"tags\":[\"x\",\"y\"]}";
    let table = table(text, &options);
    assert_eq!(table.vectors.as_slice(), [1.0, 2.0]);
    assert_eq!(table.ids, Some(Ids::Texts(vec!["a".into(), "b".into()])));
    assert_eq!(table.attributes[0].values, Values::Integers(vec![Some(3), None]));
    assert_eq!(table.attributes[1].values, Values::Floats(vec![None, Some(0.5)]));
    let tags = vec![None, Some(vec!["x".to_owned(), "y".to_owned()])];
    assert_eq!(table.attributes[2].values, Values::Lists(tags));
}

/// The formats that vectors can be written in.
const WRITTEN: &[&str] = &[
    "a.fbin",
    "a.fvecs",
    "a.npy",
    "a.safetensors",
    "a.jsonl",
    #[cfg(feature = "arrow")]
    "a.parquet",
    #[cfg(feature = "arrow")]
    "a.arrow",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_format_reads_what_it_wrote(
        (dim, values) in (1usize..40).prop_flat_map(|dim| {
            let value = prop::num::f32::NORMAL | prop::num::f32::ZERO | prop::num::f32::SUBNORMAL;
            (Just(dim), prop::collection::vec(value, dim..=dim * 30))
        }),
    ) {
        let rows = values.len() / dim;
        let vectors = Vectors::new(&values[..rows * dim], dim).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in WRITTEN {
            let path = folder.path().join(name);
            write_vectors(&path, &vectors).unwrap();
            let back = read_vectors(&path).unwrap();
            prop_assert_eq!(back.as_slice(), vectors.as_slice(), "{}", name);
            prop_assert_eq!(back.dim(), dim);
        }
        // Nothing but the finished files is left behind.
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), WRITTEN.len());
    }

    #[test]
    fn bytes_go_there_and_back(
        (dim, values) in (1usize..20).prop_flat_map(|dim| {
            (Just(dim), prop::collection::vec(any::<u8>(), dim..=dim * 9))
        }),
    ) {
        let whole = &values[..values.len() / dim * dim];
        let floats: Vec<f32> = whole.iter().map(|&value| value.into()).collect();
        let signed: Vec<f32> = whole.iter().map(|&value| f32::from(value as i8)).collect();
        let folder = tempfile::tempdir().unwrap();
        for (name, floats) in [("a.u8bin", &floats), ("a.bvecs", &floats), ("a.i8bin", &signed)] {
            let vectors = Vectors::new(floats.as_slice(), dim).unwrap();
            let path = folder.path().join(name);
            write_vectors(&path, &vectors).unwrap();
            prop_assert_eq!(read_vectors(&path).unwrap(), vectors, "{}", name);
        }
    }

    #[test]
    fn neighbours_go_there_and_back(
        (k, ids) in (1usize..9).prop_flat_map(|k| {
            (Just(k), prop::collection::vec(0..i32::MAX as u32, k..=k * 9))
        }),
    ) {
        let ids = &ids[..ids.len() / k * k];
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let rows = Rows { dim: k, values: Buffer::from_slice(ids) };
        bin::write(&at("a.ibin"), &rows).unwrap();
        bin::write_neighbors(&at("b.ibin"), k, ids, &vec![0.5; ids.len()]).unwrap();
        vecs::write(&at("a.ivecs"), &rows).unwrap();
        npy::write_rows(&at("a.npy"), ids, k).unwrap();
        for name in ["a.ibin", "b.ibin", "a.ivecs", "a.npy"] {
            prop_assert_eq!(&read_ids(&at(name), None).unwrap(), &rows, "{}", name);
        }
    }
}

#[test]
fn names_go_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = Vectors::new(values(1.0).as_slice(), DIM).unwrap();
    let texts = Ids::Texts((0..ROWS).map(|row| format!("row \"{row}\"")).collect());
    let numbers = Ids::Numbers((0..ROWS as u64).map(|row| u64::MAX - row).collect());
    let options = Options { ids: Some("id".into()), ..Options::default() };
    for ids in [texts, numbers] {
        for name in
            WRITTEN.iter().filter(|n| [".jsonl", "quet", "rrow"].iter().any(|e| n.ends_with(e)))
        {
            let path = folder.path().join(name);
            write(&path, &vectors, Some(&ids)).unwrap();
            let table = read(&path, &options).unwrap();
            assert_eq!(
                (table.vectors, table.ids.as_ref()),
                (vectors.clone(), Some(&ids)),
                "{name}"
            );
        }
        let error = write(&folder.path().join("a.npy"), &vectors, Some(&ids)).unwrap_err();
        assert!(error.to_string().contains("no place for ids"), "{error}");
    }
}

#[test]
fn the_layouts_are_those_of_the_formats() {
    let folder = tempfile::tempdir().unwrap();
    let words = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let two = Vectors::from_rows(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]).unwrap();
    let of = |name: &str| {
        let path = folder.path().join(name);
        write_vectors(&path, &two).unwrap();
        std::fs::read(path).unwrap()
    };
    assert_eq!(of("a.u8bin"), [&words(&[2, 3])[..], &[1, 2, 3, 4, 5, 6]].concat());
    assert_eq!(of("a.bvecs"), [&words(&[3])[..], &[1, 2, 3], &words(&[3]), &[4, 5, 6]].concat());
    let floats: Vec<u8> = (1..=6).flat_map(|value| (value as f32).to_le_bytes()).collect();
    assert_eq!(of("a.fbin"), [words(&[2, 3]), floats].concat());
    assert_eq!(of("a.jsonl"), b"{\"vector\":[1.0,2.0,3.0]}\n{\"vector\":[4.0,5.0,6.0]}\n");
    // What numpy.save writes of the same.
    let path = folder.path().join("f4.npy");
    write_vectors(&path, &read_vectors(&committed("f4.npy")).unwrap()).unwrap();
    let (written, numpy) = (std::fs::read(path).unwrap(), std::fs::read(committed("f4.npy")));
    assert_eq!(written[written.len() - 48..], numpy.unwrap()[128..]);
}

/// A file larger than a block comes in several, which together are the file.
#[test]
fn large_files_come_in_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, dim) = (6_000, 1_000);
    let floats: Vec<f32> = (0..rows * dim).map(|at| (at % 997) as f32).collect();
    let vectors = Vectors::new(floats.as_slice(), dim).unwrap();
    for name in ["a.fbin", "a.bvecs", "a.parquet"] {
        let path = folder.path().join(name);
        let small = Vectors::new(
            floats.iter().map(|value| value % 251.0).collect::<Vec<f32>>().as_slice(),
            dim,
        )
        .unwrap();
        let vectors = if name == "a.bvecs" { &small } else { &vectors };
        if !cfg!(feature = "arrow") && name == "a.parquet" {
            continue;
        }
        write_vectors(&path, vectors).unwrap();
        let (mut next, mut blocks) = (0, 0);
        for block in open(&path, &Options::default()).unwrap() {
            let block = block.unwrap().vectors;
            assert!(block.as_slice().len() <= 1 << 22);
            let expected = &vectors.as_slice()[next * dim..(next + block.len()) * dim];
            assert!(block.as_slice() == expected, "{name} from row {next} on");
            next += block.len();
            blocks += 1;
        }
        assert!(blocks > 1 && next == rows, "{name}: {blocks} blocks, {next} rows");
    }
}
