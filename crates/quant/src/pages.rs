//! Memory in huge pages.
//!
//! A search touches rows at random, and with 4 KiB pages nearly every row is a miss in the
//! translation cache as well: on 100,000 x 128 bytes huge pages nearly double the rate of queries
//! (docs/tried.md, "Search"). Allocators ask for them on none but the largest configurations, so large
//! arrays map their own.

use memmap2::{MmapMut, MmapOptions};

/// Huge pages are this large on x86-64 and aarch64 with 4 KiB pages.
const HUGE_PAGE: usize = 2 << 20;

/// Zeroed anonymous memory that starts on a huge page, backed by huge pages where the system gives
/// them.
pub(crate) struct Pages {
    map: MmapMut,
    start: usize,
    len: usize,
}

impl Pages {
    /// `len` zero bytes; `None` where they would not fill a huge page, or the system has no such
    /// memory.
    pub(crate) fn zeroed(len: usize) -> Option<Self> {
        if len < HUGE_PAGE {
            return None;
        }
        let map = MmapOptions::new().len(len.checked_add(HUGE_PAGE)?).map_anon().ok()?;
        #[cfg(target_os = "linux")]
        // Advice: without huge pages the memory works all the same.
        let _ = map.advise(memmap2::Advice::HugePage);
        let start = map.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE);
        Some(Self { map, start, len })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map[self.start..][..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.start..][..self.len]
    }
}
