//! Laying sections out, and publishing a file so that readers see the old one or the new.

use super::{
    ContainerError,
    layout::{ALIGN, MAX_SECTIONS, Section, to_bytes},
};
use rayon::prelude::*;
use std::{
    borrow::Cow,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};
use xxhash_rust::xxh3::xxh3_64;

/// Named byte arrays on their way into a file.
#[derive(Default)]
pub struct Sections<'a> {
    sections: Vec<(String, Cow<'a, [u8]>)>,
}

impl<'a> Sections<'a> {
    /// No sections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a section. Sections lie in the file in the order in which they were appended.
    pub fn push(&mut self, name: impl Into<String>, bytes: impl Into<Cow<'a, [u8]>>) {
        self.sections.push((name.into(), bytes.into()));
    }

    /// The names and bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.sections.iter().map(|(name, bytes)| (name.as_str(), &**bytes))
    }

    /// Header and section table. They hold a checksum of every byte that follows, so they stand
    /// for the whole file: [`digest`](Self::digest) hashes only them.
    fn head(&self) -> Result<Vec<u8>, ContainerError> {
        let wrong =
            |section: &str, why| ContainerError::Layout { section: section.to_owned(), why };
        if self.sections.len() > MAX_SECTIONS {
            return Err(wrong("", "more sections than the format has room for"));
        }
        let checksums: Vec<u64> =
            self.sections.par_iter().map(|(_, bytes)| xxh3_64(bytes)).collect();
        let mut end = (ALIGN * (1 + self.sections.len())) as u64;
        let mut table: Vec<Section> = Vec::with_capacity(self.sections.len());
        for ((name, bytes), checksum) in self.sections.iter().zip(checksums) {
            let offset = end.next_multiple_of(ALIGN as u64);
            let section = Section::new(name, offset, bytes.len() as u64, checksum)
                .ok_or_else(|| wrong(name, "the name is not 1 to 40 printable ASCII characters"))?;
            if table.iter().any(|other| other.name() == name) {
                return Err(wrong(name, "the name occurs twice"));
            }
            end = section.end();
            table.push(section);
        }
        Ok(to_bytes(&table))
    }

    /// A digest of the file that [`publish`] would write, without writing it.
    ///
    /// # Errors
    /// When a name does not fit.
    pub fn digest(&self) -> Result<u64, ContainerError> {
        Ok(xxh3_64(&self.head()?))
    }

    /// All bytes of the file, for tests and for containers that travel otherwise.
    ///
    /// # Errors
    /// When a name does not fit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ContainerError> {
        let mut bytes = self.head()?;
        for (_, section) in &self.sections {
            bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
            bytes.extend_from_slice(section);
        }
        Ok(bytes)
    }

    /// Writes the bytes of the file to `out`, and flushes it.
    ///
    /// # Errors
    /// When a name does not fit, or `out` refuses; the path in errors is `(writer)`.
    pub fn write_to(&self, mut out: impl Write) -> Result<(), ContainerError> {
        let head = self.head()?;
        self.write(&head, &mut out).map_err(|source| ContainerError::Io {
            path: PathBuf::from("(writer)"),
            action: "write",
            source,
        })
    }

    fn write(&self, head: &[u8], out: &mut impl Write) -> io::Result<()> {
        out.write_all(head)?;
        let mut written = head.len();
        for (_, section) in &self.sections {
            let padding = written.next_multiple_of(ALIGN) - written;
            out.write_all(&[0; ALIGN][..padding])?;
            out.write_all(section)?;
            written += padding + section.len();
        }
        out.flush()
    }
}

/// Writes `sections` to `path` so that, whatever happens, `path` is either what it was or the
/// whole new file: a temporary file in the same folder, fsync, rename, fsync of the folder.
///
/// # Errors
/// When a name does not fit or the system refuses; the temporary file is gone then.
pub fn publish(path: &Path, sections: &Sections<'_>) -> Result<(), ContainerError> {
    let head = sections.head()?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let temporary = temporary_name(folder, path);
    let failed = |path: &Path, action| {
        let path = path.to_owned();
        move |source| ContainerError::Io { path, action, source }
    };
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .and_then(|file| {
            let mut out = BufWriter::with_capacity(1 << 20, file);
            sections.write(&head, &mut out)?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        })
        .map_err(failed(&temporary, "write"))
        .and_then(|()| fs::rename(&temporary, path).map_err(failed(path, "publish")));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_folder(folder).map_err(failed(folder, "sync"))
}

/// Makes a rename in `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Folders cannot be opened on Windows, where renames are durable in their own way.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// A name that no other process or thread uses.
fn temporary_name(folder: &Path, path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder.join(format!(".{name}.{}-{count}.tmp", std::process::id()))
}
