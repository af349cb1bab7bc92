//! Containers that are whole, damaged, cut, or nothing of the kind.

use super::*;
use std::{fs, path::Path};

fn sample() -> Sections<'static> {
    let mut sections = Sections::new();
    sections.push("meta", vec![1u8, 2, 3]);
    sections.push("empty", Vec::new());
    sections.push("rows", (0..200u8).collect::<Vec<_>>());
    sections
}

fn open(path: &Path) -> Result<Container, ContainerError> {
    Container::open(path)
}

#[test]
#[expect(unsafe_code, reason = "the file is not touched while it is mapped")]
fn sections_come_back_aligned_wherever_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    publish(&path, &sample()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), sample().to_bytes().unwrap());
    let keep = |name: &str| name == "meta";
    // SAFETY: nobody else knows of the file.
    let mapped = unsafe { Container::open_mapped(&path, keep) }.unwrap();
    let partly = Container::open_partly(&path, keep).unwrap();
    for container in [open(&path).unwrap(), mapped, partly] {
        assert_eq!(container.digest(), sample().digest().unwrap());
        for (name, bytes) in sample().iter() {
            match (container.get(name), container.on_disk(name)) {
                (Some(section), None) => {
                    assert_eq!(&*section, bytes);
                    assert!(bytes.is_empty() || section.as_ptr().addr().is_multiple_of(64));
                }
                (None, Some(section)) => {
                    let mut read = vec![0; bytes.len()];
                    section.read(0, &mut read).unwrap();
                    assert_eq!((read.as_slice(), section.len()), (bytes, bytes.len() as u64));
                    for (at, len) in [(1, bytes.len()), (u64::MAX, 1), (bytes.len() as u64, 1)] {
                        assert!(section.read(at, &mut vec![0; len.max(1)]).is_err());
                    }
                }
                (get, on_disk) => panic!("{name}: {get:?}, {on_disk:?}"),
            }
        }
        assert!(container.get("nothing").is_none() && container.on_disk("nothing").is_none());
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file is left behind");
}

#[test]
fn every_cut_and_every_flipped_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    let whole = sample().to_bytes().unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(open(&path).is_err(), "cut to {len} bytes");
    }
    for at in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut flipped = whole.clone();
            flipped[at] ^= bit;
            fs::write(&path, &flipped).unwrap();
            assert!(open(&path).is_err(), "byte {at} flipped");
        }
    }
    let mut longer = whole.clone();
    longer.push(0);
    fs::write(&path, &longer).unwrap();
    assert!(open(&path).is_err(), "one byte more");
    fs::write(&path, &whole).unwrap();
    open(&path).unwrap();
}

#[test]
fn errors_name_the_file_and_the_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.cri");
    assert!(matches!(open(&path), Err(ContainerError::Io { action: "open", .. })));
    fs::write(&path, b"not an index at all").unwrap();
    assert!(matches!(open(&path), Err(ContainerError::Magic { .. })));

    let mut bytes = sample().to_bytes().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("index.cri") && error.contains("section `rows`"), "{error}");

    let mut newer = sample().to_bytes().unwrap();
    newer[8] = 9;
    let checksum = xxhash_rust::xxh3::xxh3_64(&newer[..56]).to_le_bytes();
    newer[56..64].copy_from_slice(&checksum);
    fs::write(&path, &newer).unwrap();
    assert!(matches!(open(&path), Err(ContainerError::Format { found: 9, known: FORMAT, .. })));
}

#[test]
fn names_that_do_not_fit_are_refused() {
    for names in [vec![""], vec!["a b"], vec!["x"; 2], vec![&*"n".repeat(41)]] {
        let mut sections = Sections::new();
        for name in names {
            sections.push(name, Vec::new());
        }
        assert!(matches!(sections.digest(), Err(ContainerError::Layout { .. })));
    }
}

#[test]
fn a_file_that_cannot_be_published_leaves_the_old_one_and_no_rubbish() {
    let folder = tempfile::tempdir().unwrap();
    // A folder cannot be replaced by a file, so the rename fails.
    let path = folder.path().join("taken");
    fs::create_dir(&path).unwrap();
    assert!(matches!(publish(&path, &sample()), Err(ContainerError::Io { action: "publish", .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn metadata_is_limited_by_its_own_length() {
    let encoded = meta::encode(&vec![7u64; 3]).unwrap();
    assert_eq!(encoded.len(), 8 + 24);
    assert_eq!(meta::decode::<Vec<u64>>(&encoded).unwrap(), [7; 3]);
    let mut huge = encoded.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(meta::decode::<Vec<u64>>(&huge).is_err());
    assert!(meta::decode::<Vec<u64>>(&encoded[..20]).is_err());
    let mut trailing = encoded;
    trailing.push(0);
    assert!(meta::decode::<Vec<u64>>(&trailing).is_err());
}
