//! Bytes of a file in memory, without a copy.

#![expect(unsafe_code, reason = "mapping a file is unsafe; this is the only file that does it")]

use super::{
    ContainerError,
    layout::LayoutError,
    read::{Container, wrong},
};
use bytes::Bytes;
use memmap2::Mmap;
use std::{fs::File, io, path::Path};

/// A read-only file in the page cache. Rows that are never read take no memory.
pub(super) struct Mapped(Option<Mmap>);

impl Mapped {
    /// Maps all of `file`.
    ///
    /// # Safety
    /// Nobody changes or cuts the file while this value lives.
    unsafe fn new(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the map is read-only and private to this value; that the bytes stay what they are
        // is the caller's promise.
        let map = unsafe { Mmap::map(file)? };
        // Reads will be scattered: the kernel should read no pages around them.
        #[cfg(unix)]
        // Advice: a kernel that does not take it loses speed only.
        let _ = map.advise(memmap2::Advice::Random);
        Ok(Self(Some(map)))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Container {
    /// As [`open_partly`](Self::open_partly), but maps the sections that `keep` does not pick: opening
    /// copies none of them, pages that are never read take no memory, and several processes share them.
    ///
    /// # Safety
    /// Nobody, in this process or another, changes, cuts or overwrites the file in place while anything
    /// from this container lives. (Replacing it by a rename, as [`publish`](super::publish) does, is
    /// fine; so is deleting it.) Else reading a mapped section is undefined behaviour; in
    /// practice wrong answers, or the end of the process by a bus error.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub unsafe fn open_mapped(
        path: &Path,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Self, ContainerError> {
        let (container, len) = Self::read(path, keep)?;
        let Some(file) = container.file() else { return Ok(container) };
        // SAFETY: the caller's promise is passed on.
        let mapped = unsafe { Mapped::new(file) };
        let mapped = mapped.map_err(|source| {
            let path = path.to_owned();
            ContainerError::Io { path, action: "map", source }
        })?;
        if mapped.as_ref().len() as u64 != len {
            return Err(wrong(path, LayoutError::Header("the file changed while it was opened")));
        }
        Ok(container.with_map(Bytes::from_owner(mapped)))
    }
}
