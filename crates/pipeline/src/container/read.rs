//! Opening a container: every length and every byte is checked before anything is handed out.

use super::{
    ContainerError,
    layout::{ALIGN, FORMAT, Header, LayoutError, Section},
    mapping::Mapped,
    meta,
};
use bytes::Bytes;
use crinoid_quant::Buffer;
use serde::de::DeserializeOwned;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Where the sections of an opened container live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// In the page cache, mapped: opening copies nothing, and pages that are never read take no
    /// memory.
    #[default]
    Mapped,
    /// Codes and graph in anonymous memory on huge pages where the system gives them (fewer TLB
    /// misses, faster searches); rows that are read rarely stay mapped.
    HugePages,
}

/// Where each section starts in a copy, if it is copied.
type Starts = Vec<Option<usize>>;

/// An opened file whose checksums have all been verified.
pub struct Container {
    path: PathBuf,
    digest: u64,
    sections: Vec<Section>,
    mapped: Bytes,
    /// The copied sections, and where in the copy each section starts.
    copy: Option<(Bytes, Starts)>,
}

impl Container {
    /// Opens `path` and verifies every byte of it.
    ///
    /// `is_hot` says which sections are copied under [`Placement::HugePages`]. The file must not be
    /// changed in place while it is open; replacing it by a rename, as
    /// [`publish`](super::publish) does, is fine.
    ///
    /// # Errors
    /// When the file cannot be read, is no container, has another format or is damaged.
    pub fn open(
        path: &Path,
        placement: Placement,
        is_hot: impl Fn(&str) -> bool,
    ) -> Result<Self, ContainerError> {
        let io =
            |action| move |source| ContainerError::Io { path: path.to_owned(), action, source };
        let mut file = File::open(path).map_err(io("open"))?;
        let len = file.metadata().map_err(io("read"))?.len();
        let (header, head) = read_head(path, &mut file, len)?;
        let sections = header.table(&head[ALIGN..]).map_err(|error| wrong(path, error))?;
        let mut copy = match placement {
            Placement::Mapped => None,
            Placement::HugePages => Some(room_for(&sections, is_hot)),
        };
        // Verified by reading, not through the map: mapped pages that nobody needs stay out of
        // the process.
        verify(path, &mut file, &head, &sections, copy.as_mut())?;
        let mapped = Mapped::new(&file).map_err(io("map"))?;
        mapped.expect_random_reads();
        let mapped = Bytes::from_owner(mapped);
        if mapped.len() as u64 != len {
            return Err(wrong(path, LayoutError::Header("the file changed while it was opened")));
        }
        Ok(Self {
            path: path.to_owned(),
            digest: xxh3_64(&head),
            sections,
            mapped,
            copy: copy.map(|(memory, starts)| (Bytes::from_owner(memory), starts)),
        })
    }

    /// A file that is in memory already: verifies every byte of a copy, whose sections are aligned.
    ///
    /// # Errors
    /// As [`open`](Self::open); the path in errors is `(bytes)`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ContainerError> {
        let path = Path::new("(bytes)");
        let mut rest = bytes;
        let (header, head) = read_head(path, &mut rest, bytes.len() as u64)?;
        let sections = header.table(&head[ALIGN..]).map_err(|error| wrong(path, error))?;
        verify(path, &mut rest, &head, &sections, None)?;
        Ok(Self {
            path: path.to_owned(),
            digest: xxh3_64(&head),
            sections,
            mapped: Bytes::from_owner(Buffer::from_slice(bytes)),
            copy: None,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The sections, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// A digest of the whole file; see [`Sections::digest`](super::Sections::digest).
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The bytes of a section, shared with this container; `None` where there is no such section.
    pub fn get(&self, name: &str) -> Option<Buffer<u8>> {
        let index = self.sections.iter().position(|section| section.name() == name)?;
        let section = self.sections[index];
        let len = section.len as usize;
        let copied = self.copy.as_ref().and_then(|(memory, starts)| {
            let start = *starts.get(index)?;
            start.map(|start| (memory, start))
        });
        let (bytes, start) = copied.unwrap_or((&self.mapped, section.offset as usize));
        Buffer::window(bytes, start, len).ok()
    }

    /// The metadata in section `name`.
    ///
    /// # Errors
    /// When there is no such section or it holds something else.
    pub(crate) fn meta<T: DeserializeOwned>(&self, name: &str) -> Result<T, ContainerError> {
        let (path, section) = (self.path.clone(), name.to_owned());
        match self.get(name) {
            None => Err(ContainerError::Missing { path, section }),
            Some(bytes) => {
                meta::decode(&bytes).map_err(|why| ContainerError::Meta { path, section, why })
            }
        }
    }
}

fn wrong(path: &Path, error: LayoutError) -> ContainerError {
    let path = path.to_owned();
    match error {
        LayoutError::Magic => ContainerError::Magic { path },
        LayoutError::Format(found) => ContainerError::Format { path, found, known: FORMAT },
        LayoutError::Header(why) => damaged(&path, "header", why),
        LayoutError::Table(why) => damaged(&path, "table", &why),
    }
}

fn damaged(path: &Path, part: &str, why: &str) -> ContainerError {
    ContainerError::Damaged { path: path.to_owned(), part: part.to_owned(), why: why.to_owned() }
}

/// Reads header and table as they are.
fn read_head(
    path: &Path,
    file: &mut impl Read,
    len: u64,
) -> Result<(Header, Vec<u8>), ContainerError> {
    let io = |source| ContainerError::Io { path: path.to_owned(), action: "read", source };
    let mut first = [0; ALIGN];
    let available = ALIGN.min(len as usize);
    file.read_exact(&mut first[..available]).map_err(io)?;
    let header = Header::from_bytes(&first).map_err(|error| wrong(path, error))?;
    if header.file_len != len {
        let why = format!("{len} bytes where it says {}", header.file_len);
        return Err(damaged(path, "header", &why));
    }
    if (ALIGN + header.table_len()) as u64 > len {
        return Err(damaged(path, "table", "it reaches past the end of the file"));
    }
    let mut head = vec![0; ALIGN + header.table_len()];
    head[..ALIGN].copy_from_slice(&first);
    file.read_exact(&mut head[ALIGN..]).map_err(io)?;
    Ok((header, head))
}

/// Anonymous memory for the hot sections, and where each starts in it.
fn room_for(sections: &[Section], is_hot: impl Fn(&str) -> bool) -> (Buffer<u8>, Starts) {
    let mut end = 0usize;
    let starts = sections
        .iter()
        .map(|section| {
            is_hot(section.name()).then(|| {
                let start = end;
                end = (start + section.len as usize).next_multiple_of(ALIGN);
                start
            })
        })
        .collect();
    (Buffer::zeroed(end), starts)
}

/// Reads the file to its end, copying hot sections on the way, and compares every checksum.
fn verify(
    path: &Path,
    file: &mut impl Read,
    head: &[u8],
    sections: &[Section],
    mut copy: Option<&mut (Buffer<u8>, Starts)>,
) -> Result<(), ContainerError> {
    let io = |source| ContainerError::Io { path: path.to_owned(), action: "read", source };
    let mut chunk = vec![0; 1 << 20];
    let mut at = head.len() as u64;
    for (index, section) in sections.iter().enumerate() {
        let mut padding = [0; ALIGN];
        let padding = &mut padding[..(section.offset - at) as usize];
        file.read_exact(padding).map_err(io)?;
        if padding.iter().any(|&byte| byte != 0) {
            let why = format!("the bytes before `{}` are not zero", section.name());
            return Err(damaged(path, "padding", &why));
        }
        let destination = copy.as_mut().and_then(|(memory, starts)| {
            let start = (*starts.get(index)?)?;
            memory.make_mut().get_mut(start..start + section.len as usize)
        });
        let checksum = match destination {
            Some(bytes) => {
                file.read_exact(bytes).map_err(io)?;
                xxh3_64(bytes)
            }
            None => {
                let mut hash = Xxh3::new();
                let mut left = section.len;
                while left > 0 {
                    let size = left.min(chunk.len() as u64) as usize;
                    let bytes = &mut chunk[..size];
                    file.read_exact(bytes).map_err(io)?;
                    hash.update(bytes);
                    left -= size as u64;
                }
                hash.digest()
            }
        };
        if checksum != section.checksum {
            let part = format!("section `{}`", section.name());
            return Err(damaged(path, &part, "its checksum is wrong"));
        }
        at = section.end();
    }
    Ok(())
}
