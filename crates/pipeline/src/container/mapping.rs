//! Bytes of a file in memory.

#![expect(unsafe_code, reason = "mapping a file is unsafe; this is the only file that does it")]

use memmap2::Mmap;
use std::{fs::File, io};

/// A read-only file in the page cache. Rows that are never read take no memory.
pub(super) struct Mapped(Option<Mmap>);

impl Mapped {
    /// Maps all of `file`.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the map is read-only and private to this value. What Rust cannot rule out is that
        // another process changes or truncates the file meanwhile; published containers are
        // never written again (a new version is a new file renamed over the old name), which
        // the documentation of `Container::open` demands of whoever handles the files.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self(Some(map)))
    }

    /// Tells the kernel that reads will be scattered, so that it reads no pages around them.
    pub(super) fn expect_random_reads(&self) {
        #[cfg(unix)]
        if let Some(map) = &self.0 {
            // Advice: a kernel that does not take it loses speed only.
            let _ = map.advise(memmap2::Advice::Random);
        }
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
