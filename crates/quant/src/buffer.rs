//! Bulk arrays that are either owned or borrowed from a shared mapping.

use crate::pages::Pages;
use bytemuck::{Pod, Zeroable};
use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

/// A cache line: the unit in which owned memory is allocated, which makes it 64-byte aligned
/// without any unsafe code.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Bytes that outlive whoever borrows from them: a memory map, huge pages, a network buffer.
///
/// The bytes must not move or change while the owner lives.
pub trait ByteOwner: Send + Sync + 'static {
    /// All bytes, at a stable address.
    fn bytes(&self) -> &[u8];
}

impl ByteOwner for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl ByteOwner for Buffer<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

enum Storage {
    Owned(Vec<Line>),
    /// Large arrays, on huge pages.
    Pages(Pages),
    Shared {
        owner: Arc<dyn ByteOwner>,
        start: usize,
    },
}

/// An immutable-length array of plain values, 64-byte aligned when owned.
///
/// Dereferences to `[T]`. The dereference costs a few instructions, so hot loops take the slice
/// once. A buffer can be a window into a [`ByteOwner`] (an index file mapped into memory), in
/// which case cloning it copies nothing. From 2 MB on, owned memory is on huge pages where the system
/// gives them.
pub struct Buffer<T> {
    storage: Storage,
    len: usize,
    element: PhantomData<T>,
}

/// A window into shared bytes cannot be read as an array of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The window reaches past the end of the bytes.
    #[error("bytes {start}..{end} lie outside the {available} bytes there are")]
    OutOfBounds {
        /// First byte of the window.
        start: usize,
        /// One past its last byte.
        end: usize,
        /// How many bytes the owner has.
        available: usize,
    },
    /// The window's length is not a whole number of elements.
    #[error("{bytes} bytes are no whole number of {size}-byte elements")]
    Ragged {
        /// Length of the window in bytes.
        bytes: usize,
        /// Size of one element.
        size: usize,
    },
    /// The window starts at an address that the element type cannot have.
    #[error("the bytes at offset {start} are not aligned to {align}")]
    Misaligned {
        /// First byte of the window.
        start: usize,
        /// The alignment that is needed.
        align: usize,
    },
}

impl<T: Pod> Buffer<T> {
    /// `len` zeroes.
    pub fn zeroed(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        let storage = match Pages::zeroed(bytes) {
            Some(pages) => Storage::Pages(pages),
            None => Storage::Owned(vec![Line::zeroed(); bytes.div_ceil(size_of::<Line>())]),
        };
        Self { storage, len, element: PhantomData }
    }

    /// A copy of `values`.
    pub fn from_slice(values: &[T]) -> Self {
        let mut buffer = Self::zeroed(values.len());
        buffer.make_mut().copy_from_slice(values);
        buffer
    }

    /// A window of `bytes` bytes into `owner`, from byte `start` on, without a copy.
    ///
    /// # Errors
    /// When the window is out of bounds, misaligned for `T`, or not a whole number of elements.
    pub fn window(
        owner: Arc<dyn ByteOwner>,
        start: usize,
        bytes: usize,
    ) -> Result<Self, WindowError> {
        let available = owner.bytes().len();
        let window = start.checked_add(bytes).and_then(|end| owner.bytes().get(start..end)).ok_or(
            WindowError::OutOfBounds { start, end: start.saturating_add(bytes), available },
        )?;
        if !bytes.is_multiple_of(size_of::<T>()) {
            return Err(WindowError::Ragged { bytes, size: size_of::<T>() });
        }
        if bytemuck::try_cast_slice::<u8, T>(window).is_err() {
            return Err(WindowError::Misaligned { start, align: align_of::<T>() });
        }
        let len = bytes / size_of::<T>();
        Ok(Self { storage: Storage::Shared { owner, start }, len, element: PhantomData })
    }

    /// The same bytes read as another type, without a copy where they are shared.
    ///
    /// # Errors
    /// When the length or the alignment does not fit the new type.
    pub fn reinterpret<U: Pod>(self) -> Result<Buffer<U>, WindowError> {
        let bytes = self.len * size_of::<T>();
        match self.storage {
            Storage::Shared { owner, start } => Buffer::window(owner, start, bytes),
            _ if !bytes.is_multiple_of(size_of::<U>()) => {
                Err(WindowError::Ragged { bytes, size: size_of::<U>() })
            }
            owned => {
                Ok(Buffer { storage: owned, len: bytes / size_of::<U>(), element: PhantomData })
            }
        }
    }

    /// The values as a slice.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        match &self.storage {
            Storage::Owned(lines) => &bytemuck::cast_slice(lines)[..self.len],
            Storage::Pages(pages) => bytemuck::cast_slice(pages.bytes()),
            Storage::Shared { owner, start } => {
                let bytes = &owner.bytes()[*start..*start + self.len * size_of::<T>()];
                bytemuck::cast_slice(bytes)
            }
        }
    }

    /// The values for writing; shared bytes are copied first.
    pub fn make_mut(&mut self) -> &mut [T] {
        if let Storage::Shared { .. } = self.storage {
            *self = Self::from_slice(self.as_slice());
        }
        match &mut self.storage {
            Storage::Owned(lines) => &mut bytemuck::cast_slice_mut(lines)[..self.len],
            Storage::Pages(pages) => bytemuck::cast_slice_mut(pages.bytes_mut()),
            Storage::Shared { .. } => &mut [],
        }
    }

    /// The raw little-endian bytes, as they go into a file.
    pub fn as_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.as_slice())
    }
}

impl<T: Pod> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        match &self.storage {
            Storage::Shared { owner, start } => {
                let storage = Storage::Shared { owner: owner.clone(), start: *start };
                Self { storage, len: self.len, element: PhantomData }
            }
            _ => Self::from_slice(self.as_slice()),
        }
    }
}

impl<T: Pod> Default for Buffer<T> {
    fn default() -> Self {
        Self::zeroed(0)
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: Pod> From<&[T]> for Buffer<T> {
    fn from(values: &[T]) -> Self {
        Self::from_slice(values)
    }
}

impl<T: Pod> FromIterator<T> for Buffer<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::from_slice(&values.into_iter().collect::<Vec<_>>())
    }
}

impl<T: Pod + PartialEq> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.storage {
            Storage::Owned(_) | Storage::Pages(_) => "owned",
            Storage::Shared { .. } => "shared",
        };
        write!(f, "Buffer({} x {} B, {kind})", self.len, size_of::<T>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_memory_is_line_aligned_and_exact() {
        for len in 0..70 {
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let buffer = Buffer::from_slice(&values);
            assert_eq!(&*buffer, &*values);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
        }
    }

    #[test]
    fn large_memory_is_zeroed_aligned_and_copied_like_small() {
        let len = (5 << 20) / 4 + 3;
        let mut buffer = Buffer::<u32>::zeroed(len);
        assert_eq!(buffer.as_ptr() as usize % 64, 0);
        assert_eq!((buffer.len(), buffer.iter().all(|&value| value == 0)), (len, true));
        buffer.make_mut()[len - 1] = 7;
        let copy = buffer.clone();
        buffer.make_mut()[0] = 1;
        assert_eq!((copy[0], copy[len - 1], copy.len()), (0, 7, len));
        assert_eq!(buffer.reinterpret::<u8>().unwrap().len(), 4 * len);
    }

    #[test]
    fn windows_are_checked() {
        let owner: Arc<dyn ByteOwner> = Arc::new(vec![1u8; 64]);
        let base = owner.bytes().as_ptr() as usize;
        let aligned = (4 - base % 4) % 4;
        let window = Buffer::<u32>::window(owner.clone(), aligned, 8).unwrap();
        assert_eq!(&*window, &[0x0101_0101; 2]);
        assert_eq!(
            Buffer::<u32>::window(owner.clone(), 60, 8).unwrap_err(),
            WindowError::OutOfBounds { start: 60, end: 68, available: 64 }
        );
        assert!(matches!(
            Buffer::<u32>::window(owner.clone(), aligned, 7),
            Err(WindowError::Ragged { .. })
        ));
        assert!(matches!(
            Buffer::<u32>::window(owner.clone(), aligned + 1, 8),
            Err(WindowError::Misaligned { .. })
        ));
        assert!(Buffer::<u32>::window(owner, usize::MAX, 8).is_err());
    }

    #[test]
    fn writing_to_a_window_copies() {
        let owner: Arc<dyn ByteOwner> = Arc::new(vec![7u8; 8]);
        let mut window = Buffer::<u8>::window(owner.clone(), 0, 8).unwrap();
        window.make_mut()[0] = 9;
        assert_eq!((window[0], owner.bytes()[0]), (9, 7));
    }
}
