//! Bulk arrays that are either owned or borrowed from a shared mapping.
//!
//! Graphs and codes are checked once, when they are put together, and unsafe code rests on that check. So
//! no safe code may show other bytes afterwards: shared bytes come as [`Bytes`], which asks their owner
//! for address and length once and holds on to both.

use crate::pages::Pages;
use bytemuck::{Pod, Zeroable};
use bytes::Bytes;
use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

/// A cache line: the unit in which owned memory is allocated, which makes it 64-byte aligned
/// without any unsafe code.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

#[derive(Clone)]
enum Storage {
    Owned(Arc<Vec<Line>>),
    /// Large arrays, on huge pages.
    Pages(Arc<Pages>),
    /// A window: the address and the length were taken from the owner once, when it became `Bytes`.
    Shared(Bytes),
}

/// An immutable-length array of plain values, 64-byte aligned when owned.
///
/// Dereferences to `[T]`. The dereference costs a few instructions, so hot loops take the slice
/// once. A buffer can be a window into shared [`Bytes`] (an index file mapped into memory), in
/// which case cloning it copies nothing. From 2 MB on, owned memory is on huge pages where the system
/// gives them.
///
/// ```
/// use bytes::Bytes;
/// use crinoid_quant::Buffer;
///
/// // Anything that can show its bytes becomes `Bytes` without a copy: a map, a vector, a buffer.
/// let shared = Bytes::from_owner(Buffer::<u8>::from_slice(&[1, 0, 0, 0, 2, 0, 0, 0]));
/// let window = Buffer::<u32>::window(&shared, 4, 4)?;
/// assert_eq!(window.as_slice(), [u32::from_le(2)]);
/// # Ok::<(), crinoid_quant::buffer::WindowError>(())
/// ```
///
/// What is shared cannot be written to by safe code, and an owner is asked for its bytes once: one that
/// would show others later shows them to nobody. There is no trait that would ask again:
///
/// ```compile_fail,E0432
/// use crinoid_quant::{Buffer, buffer::ByteOwner};
///
/// struct TwoFaced { good: Buffer<u8>, bad: Buffer<u8>, lie: std::sync::atomic::AtomicBool }
/// impl ByteOwner for TwoFaced {
///     fn bytes(&self) -> &[u8] {
///         if self.lie.load(std::sync::atomic::Ordering::Relaxed) { &self.bad } else { &self.good }
///     }
/// }
/// ```
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
    ///
    /// # Panics
    /// When they are more bytes than an allocation can have, like `Vec`. Where a file or a caller
    /// names the length, [`try_zeroed`](Self::try_zeroed) answers instead.
    pub fn zeroed(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        assert!(bytes / size_of::<T>().max(1) == len, "capacity overflow");
        let storage = match Pages::zeroed(bytes) {
            Some(pages) => Storage::Pages(Arc::new(pages)),
            None => {
                let lines = vec![Line::zeroed(); bytes.div_ceil(size_of::<Line>())];
                Storage::Owned(Arc::new(lines))
            }
        };
        Self { storage, len, element: PhantomData }
    }

    /// `len` zeroes, or `None` where the system has not that much memory.
    pub fn try_zeroed(len: usize) -> Option<Self> {
        let bytes =
            len.checked_mul(size_of::<T>()).filter(|&bytes| bytes <= isize::MAX as usize)?;
        let storage = match Pages::zeroed(bytes) {
            Some(pages) => Storage::Pages(pages.into()),
            None => {
                let mut lines: Vec<Line> = Vec::new();
                let count = bytes.div_ceil(size_of::<Line>());
                lines.try_reserve_exact(count).ok()?;
                lines.resize(count, Line::zeroed());
                Storage::Owned(lines.into())
            }
        };
        Some(Self { storage, len, element: PhantomData })
    }

    /// A copy of `values`.
    pub fn from_slice(values: &[T]) -> Self {
        let mut buffer = Self::zeroed(values.len());
        buffer.make_mut().copy_from_slice(values);
        buffer
    }

    /// A window of `len` bytes into `bytes`, from byte `start` on, without a copy.
    ///
    /// # Errors
    /// When the window is out of bounds, misaligned for `T`, or not a whole number of elements.
    pub fn window(bytes: &Bytes, start: usize, len: usize) -> Result<Self, WindowError> {
        let end = start.checked_add(len).filter(|&end| end <= bytes.len()).ok_or(
            WindowError::OutOfBounds {
                start,
                end: start.saturating_add(len),
                available: bytes.len(),
            },
        )?;
        let window = bytes.slice(start..end);
        if !len.is_multiple_of(size_of::<T>()) {
            return Err(WindowError::Ragged { bytes: len, size: size_of::<T>() });
        }
        // An empty slice of `Bytes` lies anywhere; it is never read.
        if len > 0 && bytemuck::try_cast_slice::<u8, T>(&window).is_err() {
            return Err(WindowError::Misaligned { start, align: align_of::<T>() });
        }
        let storage =
            if len == 0 { Storage::Owned(Arc::default()) } else { Storage::Shared(window) };
        Ok(Self { storage, len: len / size_of::<T>(), element: PhantomData })
    }

    /// The same bytes read as another type, without a copy where they are shared.
    ///
    /// # Errors
    /// When the length or the alignment does not fit the new type.
    pub fn reinterpret<U: Pod>(self) -> Result<Buffer<U>, WindowError> {
        let bytes = self.len * size_of::<T>();
        match self.storage {
            Storage::Shared(shared) => Buffer::window(&shared, 0, bytes),
            _ if !bytes.is_multiple_of(size_of::<U>()) => {
                Err(WindowError::Ragged { bytes, size: size_of::<U>() })
            }
            owned => {
                Ok(Buffer { storage: owned, len: bytes / size_of::<U>(), element: PhantomData })
            }
        }
    }

    /// These values under another owner, without a copy: not where they are shared bytes, whose owner (a mapped file)
    /// would live on with them, and whose address need not be that of a line.
    pub(crate) fn owned(&self) -> Option<Self> {
        (!matches!(self.storage, Storage::Shared(_))).then(|| self.clone())
    }

    /// The values as a slice.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        match &self.storage {
            Storage::Owned(lines) => &bytemuck::cast_slice(lines)[..self.len],
            Storage::Pages(pages) => bytemuck::cast_slice(pages.bytes()),
            Storage::Shared(bytes) => bytemuck::cast_slice(bytes),
        }
    }

    /// The values for writing; what anyone else sees as well is copied first.
    pub fn make_mut(&mut self) -> &mut [T] {
        let shared = match &mut self.storage {
            Storage::Owned(lines) => Arc::get_mut(lines).is_none(),
            Storage::Pages(pages) => Arc::get_mut(pages).is_none(),
            Storage::Shared(_) => true,
        };
        if shared {
            let mut own = Self::zeroed(self.len);
            own.make_mut().copy_from_slice(self.as_slice());
            *self = own;
        }
        match &mut self.storage {
            Storage::Owned(lines) => {
                let lines = Arc::get_mut(lines).map(Vec::as_mut_slice).unwrap_or_default();
                &mut bytemuck::cast_slice_mut(lines)[..self.len]
            }
            Storage::Pages(pages) => {
                let bytes = Arc::get_mut(pages).map(Pages::bytes_mut).unwrap_or_default();
                bytemuck::cast_slice_mut(bytes)
            }
            Storage::Shared(_) => &mut [],
        }
    }

    /// The raw little-endian bytes, as they go into a file.
    pub fn as_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.as_slice())
    }
}

/// Copies nothing: both see the same bytes until one of them is written to.
impl<T: Pod> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Self { storage: self.storage.clone(), len: self.len, element: PhantomData }
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

impl<T: Pod> AsRef<[T]> for Buffer<T> {
    fn as_ref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: Pod> From<&[T]> for Buffer<T> {
    fn from(values: &[T]) -> Self {
        Self::from_slice(values)
    }
}

/// The values of a vector, as bytes.
struct Owned<T>(Vec<T>);

impl<T: Pod> AsRef<[u8]> for Owned<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// Without a copy: the values stay where they are, aligned as `T` is.
impl<T: Pod + Send> From<Vec<T>> for Buffer<T> {
    fn from(values: Vec<T>) -> Self {
        let len = values.len();
        let storage = Storage::Shared(Bytes::from_owner(Owned(values)));
        Self { storage, len, element: PhantomData }
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
            Storage::Shared(_) => "shared",
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
    fn memory_that_there_is_not_is_no_panic() {
        for len in [usize::MAX, usize::MAX / 4, isize::MAX as usize / 4 + 1, 1 << 57] {
            assert!(Buffer::<u32>::try_zeroed(len).is_none(), "{len}");
        }
        for len in [0, 1, 17, 1 << 20] {
            let buffer = Buffer::<u32>::try_zeroed(len).unwrap();
            assert_eq!((buffer.len(), buffer.iter().all(|&x| x == 0)), (len, true));
        }
    }

    #[test]
    fn windows_are_checked() {
        let bytes = Bytes::from_owner([1u8; 64]);
        let aligned = bytes.as_ptr().align_offset(4);
        let window = Buffer::<u32>::window(&bytes, aligned, 8).unwrap();
        assert_eq!(&*window, &[0x0101_0101; 2]);
        assert_eq!(
            Buffer::<u32>::window(&bytes, 60, 8).unwrap_err(),
            WindowError::OutOfBounds { start: 60, end: 68, available: 64 }
        );
        assert!(matches!(
            Buffer::<u32>::window(&bytes, aligned, 7),
            Err(WindowError::Ragged { .. })
        ));
        assert!(matches!(
            Buffer::<u32>::window(&bytes, aligned + 1, 8),
            Err(WindowError::Misaligned { .. })
        ));
        assert!(Buffer::<u32>::window(&bytes, usize::MAX, 8).is_err());
        assert!(Buffer::<u32>::window(&bytes, aligned, 0).unwrap().is_empty());
    }

    #[test]
    fn windows_share_and_can_be_read_as_another_type() {
        let bytes = Bytes::from_owner(Buffer::from_slice(&[1u8, 2, 3, 4, 5, 6, 7, 8]));
        let window = Buffer::<u8>::window(&bytes, 4, 4).unwrap();
        assert_eq!(window.as_ptr(), bytes[4..].as_ptr());
        assert_eq!(window.clone().as_ptr(), window.as_ptr());
        let word = window.reinterpret::<u32>().unwrap();
        assert_eq!(word.as_slice(), [u32::from_ne_bytes([5, 6, 7, 8])]);
    }

    #[test]
    fn vectors_become_buffers_without_a_copy() {
        let values = vec![1.0f32, 2.0, 3.0];
        let address = values.as_ptr();
        let buffer = Buffer::from(values);
        assert_eq!((buffer.as_ptr(), buffer.as_slice()), (address, &[1.0, 2.0, 3.0][..]));
        assert!(Buffer::from(Vec::<u64>::new()).is_empty());
    }

    #[test]
    fn writing_to_a_window_copies() {
        let bytes = Bytes::from_owner([7u8; 8]);
        let mut window = Buffer::<u8>::window(&bytes, 0, 8).unwrap();
        window.make_mut()[0] = 9;
        assert_eq!((window[0], bytes[0]), (9, 7));
    }

    #[test]
    fn an_owner_that_would_show_other_bytes_later_is_never_asked_again() {
        use std::sync::{
            Arc,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        };

        struct TwoFaced {
            faces: [[u8; 64]; 2],
            lie: Arc<AtomicBool>,
            asked: Arc<AtomicUsize>,
        }

        impl AsRef<[u8]> for TwoFaced {
            fn as_ref(&self) -> &[u8] {
                self.asked.fetch_add(1, Ordering::Relaxed);
                &self.faces[usize::from(self.lie.load(Ordering::Relaxed))]
            }
        }

        let (lie, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let faces = [[1; 64], [2; 64]];
        let bytes = Bytes::from_owner(TwoFaced { faces, lie: lie.clone(), asked: asked.clone() });
        let before = Buffer::<u8>::window(&bytes, 0, 32).unwrap();
        assert_eq!(before.as_slice(), [1; 32]);
        lie.store(true, Ordering::Relaxed);
        let after = Buffer::<u8>::window(&bytes, 32, 32).unwrap().reinterpret::<u8>().unwrap();
        assert_eq!((before.as_slice(), after.as_slice()), (&[1; 32][..], &[1; 32][..]));
        assert_eq!((before.clone().as_slice(), asked.load(Ordering::Relaxed)), (&[1; 32][..], 1));
    }
}
