//! Opening a container: every length and every byte is checked before anything is handed out.

use super::{
    ContainerError,
    layout::{ALIGN, FORMAT, Header, LayoutError, Section},
    meta,
    on_disk::FileSection,
};
use bytes::Bytes;
use crinoid_quant::Buffer;
use serde::de::DeserializeOwned;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Where the parts of an opened index live.
///
/// Either way the index goes on answering rightly, or with an error, whatever happens to its file
/// afterwards. Mapping the file into memory cannot promise that; it is there all the same, as
/// [`Index::load_mapped`](crate::Index::load_mapped), which is unsafe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// All in memory, on huge pages where the system gives them (fewer TLB misses, faster searches).
    /// Nothing is read from the file any more.
    #[default]
    Memory,
    /// The float rows that `float@1` measures against stay in the file, and are read from it for each
    /// query, a few rows at a time; all else is in memory. At 384 dimensions this leaves a fifth in
    /// memory, and costs a system call per candidate.
    RowsOnDisk,
}

/// The section with the rows of the refiner `float@1`.
const FLOAT_ROWS: &str = "float.rows";

impl Placement {
    /// Opens the container at `path`, with its parts where they are to live.
    ///
    /// # Errors
    /// As [`Container::open`].
    pub fn open(self, path: &Path) -> Result<Container, ContainerError> {
        match self {
            Placement::Memory => Container::open(path),
            Placement::RowsOnDisk => Container::open_partly(path, |name| name != FLOAT_ROWS),
        }
    }
}

/// An opened file whose checksums have all been verified.
///
/// ```
/// use crinoid_pipeline::{Index, container::Container};
///
/// let mut bytes = Vec::new();
/// Index::builder().build(&[[1.0f32, 2.0], [3.0, 4.0]])?.save_to(&mut bytes)?;
/// let container = Container::from_bytes(&bytes)?;
/// assert!(container.sections().iter().any(|section| section.name() == "graph.links"));
/// bytes[200] ^= 1;
/// assert!(Container::from_bytes(&bytes).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Container {
    path: PathBuf,
    digest: u64,
    sections: Vec<Section>,
    /// The sections that were read, and where in it each of them starts.
    memory: Bytes,
    starts: Vec<Option<usize>>,
    rest: Rest,
}

/// Where sections are that are not in memory.
enum Rest {
    /// Everything is in memory.
    Nowhere,
    File(Arc<File>),
    Mapped(Bytes),
}

impl Container {
    /// Opens `path`, verifies every byte of it, and keeps all of it in memory.
    ///
    /// # Errors
    /// When the file cannot be read, is no container, has another format or is damaged, or there is not
    /// enough memory.
    pub fn open(path: &Path) -> Result<Self, ContainerError> {
        Self::open_partly(path, |_| true)
    }

    /// As [`open`](Self::open), but keeps only those sections in memory whose names `keep` picks. The
    /// others can be read from the file, by [`on_disk`](Self::on_disk).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_partly(path: &Path, keep: impl Fn(&str) -> bool) -> Result<Self, ContainerError> {
        let (container, _) = Self::read(path, keep)?;
        Ok(container)
    }

    /// Opens and verifies; the file's length besides.
    pub(super) fn read(
        path: &Path,
        keep: impl Fn(&str) -> bool,
    ) -> Result<(Self, u64), ContainerError> {
        let io =
            |action| move |source| ContainerError::Io { path: path.to_owned(), action, source };
        let mut file = File::open(path).map_err(io("open"))?;
        let len = file.metadata().map_err(io("read"))?.len();
        let (header, head) = read_head(path, &mut file, len)?;
        let sections = header.table(&head[ALIGN..]).map_err(|error| wrong(path, error))?;
        let (mut memory, starts) = room_for(path, &sections, keep)?;
        verify(path, &mut file, &head, &sections, memory.make_mut(), &starts)?;
        let (path, digest) = (path.to_owned(), xxh3_64(&head));
        let (memory, rest) = (Bytes::from_owner(memory), Rest::File(Arc::new(file)));
        Ok((Self { path, digest, sections, memory, starts, rest }, len))
    }

    /// The file, where it is not mapped.
    pub(super) fn file(&self) -> Option<&Arc<File>> {
        match &self.rest {
            Rest::File(file) => Some(file),
            Rest::Mapped(_) | Rest::Nowhere => None,
        }
    }

    /// Takes what is not in memory from a map.
    pub(super) fn with_map(self, map: Bytes) -> Self {
        Self { rest: Rest::Mapped(map), ..self }
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
        let (mut memory, starts) = room_for(path, &sections, |_| true)?;
        verify(path, &mut rest, &head, &sections, memory.make_mut(), &starts)?;
        let (path, digest) = (path.to_owned(), xxh3_64(&head));
        let memory = Bytes::from_owner(memory);
        Ok(Self { path, digest, sections, memory, starts, rest: Rest::Nowhere })
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

    fn find(&self, name: &str) -> Option<(Section, Option<usize>)> {
        let index = self.sections.iter().position(|section| section.name() == name)?;
        Some((self.sections[index], self.starts[index]))
    }

    /// The bytes of a section, shared with this container; `None` where there is no such section, or
    /// it was left on disk.
    pub fn get(&self, name: &str) -> Option<Buffer<u8>> {
        let (section, start) = self.find(name)?;
        let (bytes, start) = match (start, &self.rest) {
            (Some(start), _) => (&self.memory, start),
            (None, Rest::Mapped(map)) => (map, usize::try_from(section.offset).ok()?),
            (None, Rest::File(_) | Rest::Nowhere) => return None,
        };
        Buffer::window(bytes, start, usize::try_from(section.len).ok()?).ok()
    }

    /// A section that was left on disk; `None` where there is no such section, or it is in memory.
    pub fn on_disk(&self, name: &str) -> Option<FileSection> {
        match (self.find(name)?, &self.rest) {
            ((section, None), Rest::File(file)) => {
                Some(FileSection::new(file.clone(), &self.path, &section))
            }
            _ => None,
        }
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

pub(super) fn wrong(path: &Path, error: LayoutError) -> ContainerError {
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
    let available = len.min(ALIGN as u64) as usize;
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

/// Memory for the sections that `keep` picks, and where each starts in it. They all lie in the file,
/// so there is never more of it than the file is long.
fn room_for(
    path: &Path,
    sections: &[Section],
    keep: impl Fn(&str) -> bool,
) -> Result<(Buffer<u8>, Vec<Option<usize>>), ContainerError> {
    let (mut starts, mut end) = (Vec::with_capacity(sections.len()), 0u64);
    for section in sections {
        starts.push(keep(section.name()).then_some(end));
        if keep(section.name()) {
            end = end.saturating_add(section.len.next_multiple_of(ALIGN as u64));
        }
    }
    let memory = usize::try_from(end).ok().and_then(Buffer::try_zeroed);
    let memory =
        memory.ok_or_else(|| ContainerError::Memory { path: path.to_owned(), bytes: end })?;
    // All of them are below `end`, which fits.
    let starts = starts.into_iter().map(|start| start.map(|start| start as usize)).collect();
    Ok((memory, starts))
}

/// Reads the file to its end, into `memory` what belongs there, and compares every checksum.
fn verify(
    path: &Path,
    file: &mut impl Read,
    head: &[u8],
    sections: &[Section],
    memory: &mut [u8],
    starts: &[Option<usize>],
) -> Result<(), ContainerError> {
    let io = |source| ContainerError::Io { path: path.to_owned(), action: "read", source };
    let mut chunk = vec![0; 1 << 20];
    let mut at = head.len() as u64;
    for (section, start) in sections.iter().zip(starts) {
        let mut padding = [0; ALIGN];
        let padding = &mut padding[..(section.offset - at) as usize];
        file.read_exact(padding).map_err(io)?;
        if padding.iter().any(|&byte| byte != 0) {
            let why = format!("the bytes before `{}` are not zero", section.name());
            return Err(damaged(path, "padding", &why));
        }
        let kept = start.and_then(|start| memory.get_mut(start..start + section.len as usize));
        let checksum = match kept {
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
