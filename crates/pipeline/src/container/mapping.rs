//! Bytes of a file in memory: mapped, or copied into anonymous (huge) pages.

#![expect(unsafe_code, reason = "mapping a file is unsafe; this is the only file that does it")]

use crinoid_quant::buffer::ByteOwner;
use memmap2::{Mmap, MmapMut, MmapOptions};
use std::{fs::File, io};

/// Huge pages are this large on x86-64 and aarch64 with 4 KiB pages.
const HUGE_PAGE: usize = 2 << 20;

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

impl ByteOwner for Mapped {
    fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Anonymous memory, backed by huge pages where the system gives them.
pub(super) struct Anonymous {
    map: MmapMut,
    start: usize,
    len: usize,
}

impl Anonymous {
    /// `len` zero bytes, starting on a huge page.
    pub(super) fn zeroed(len: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(len + HUGE_PAGE).map_anon()?;
        #[cfg(target_os = "linux")]
        // Advice: without huge pages the memory works all the same.
        let _ = map.advise(memmap2::Advice::HugePage);
        let start = map.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE);
        Ok(Self { map, start, len })
    }

    /// The bytes, for filling.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.start..self.start + self.len]
    }
}

impl ByteOwner for Anonymous {
    fn bytes(&self) -> &[u8] {
        &self.map[self.start..self.start + self.len]
    }
}
