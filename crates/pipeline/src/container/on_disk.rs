//! Sections that stay in the file and are read a piece at a time.
//!
//! A read fails where a map would kill the process: when the file was cut, or the disk gives up.

use super::layout::Section;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A section of an open file.
#[derive(Clone, Debug)]
pub struct FileSection {
    file: Arc<File>,
    path: PathBuf,
    offset: u64,
    len: u64,
}

impl FileSection {
    pub(super) fn new(file: Arc<File>, path: &Path, section: &Section) -> Self {
        Self { file, path: path.to_owned(), offset: section.offset, len: section.len }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the section, as of when it was verified.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `out` with the bytes from `at` on.
    ///
    /// # Errors
    /// When they lie outside the section, the file has become shorter, or the system refuses.
    pub fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "past the end of the section"));
        }
        read_exact_at(&self.file, self.offset + at, out)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, at: u64, out: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut at: u64, mut out: &mut [u8]) -> io::Result<()> {
    while !out.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, out, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (at, out) = (at + read as u64, &mut out[read..]);
    }
    Ok(())
}
