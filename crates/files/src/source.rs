//! A file that knows its name and its size, so that every error can tell both.

use crate::FileError;
use flate2::bufread::DeflateDecoder;
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Take, Write},
    path::{Path, PathBuf},
};

/// Deflate cannot shrink anything by more than this, which bounds what a packed file may claim.
pub(crate) const DEFLATE_LIMIT: u64 = 1_032;
const CAPACITY: usize = 1 << 20;

/// Reads a file, or a part of one, front to back.
pub(crate) struct Source {
    path: PathBuf,
    reader: Content,
    length: u64,
}

enum Content {
    /// A window that begins at an offset of the file.
    Plain { reader: BufReader<File>, start: u64 },
    /// A deflated window with the checksum of its content.
    Packed(Box<Packed>),
}

struct Packed {
    reader: DeflateDecoder<BufReader<Take<File>>>,
    hash: crc32fast::Hasher,
    want: u32,
    left: u64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let at = |source| FileError::io(path, source);
        let file = File::open(path).map_err(at)?;
        let metadata = file.metadata().map_err(at)?;
        if metadata.is_dir() {
            return Err(at(io::ErrorKind::IsADirectory.into()));
        }
        let reader = BufReader::with_capacity(CAPACITY, file);
        let reader = Content::Plain { reader, start: 0 };
        Ok(Self { path: path.to_owned(), reader, length: metadata.len() })
    }

    /// The `length` bytes from `start` on, which the caller has found inside the file.
    pub(crate) fn window(path: &Path, start: u64, length: u64) -> Result<Self, FileError> {
        let mut source = Self::open(path)?;
        if start.checked_add(length).is_none_or(|end| end > source.length) {
            let needs = u128::from(start) + u128::from(length);
            return Err(source.too_short(needs));
        }
        source.reader = match source.reader {
            Content::Plain { reader, .. } => Content::Plain { reader, start },
            packed => packed,
        };
        source.length = length;
        source.seek(0)?;
        Ok(source)
    }

    /// The `length` bytes with checksum `crc` that `packed` deflated bytes from `start` on hold.
    pub(crate) fn deflated(
        path: &Path,
        (start, packed): (u64, u64),
        length: u64,
        crc: u32,
    ) -> Result<Self, FileError> {
        let at = |source| FileError::io(path, source);
        if length > packed.saturating_mul(DEFLATE_LIMIT) {
            let reason = format!("an entry claims {length} bytes and has {packed} packed ones");
            return Err(FileError::damaged(path, reason));
        }
        let mut file = File::open(path).map_err(at)?;
        file.seek(SeekFrom::Start(start)).map_err(at)?;
        let reader = BufReader::with_capacity(CAPACITY, file.take(packed));
        let packed = Packed {
            reader: DeflateDecoder::new(reader),
            hash: crc32fast::Hasher::new(),
            want: crc,
            left: length,
        };
        let reader = Content::Packed(Box::new(packed));
        Ok(Self { path: path.to_owned(), reader, length })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file, or of the window, in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether [`seek`](Self::seek) works.
    pub(crate) fn seekable(&self) -> bool {
        matches!(self.reader, Content::Plain { .. })
    }

    /// Goes to an offset of the window.
    pub(crate) fn seek(&mut self, offset: u64) -> Result<(), FileError> {
        let at = |source| FileError::io(&self.path, source);
        match &mut self.reader {
            Content::Plain { reader, start } => {
                reader.seek(SeekFrom::Start(*start + offset)).map(drop).map_err(at)
            }
            Content::Packed(_) => Err(at(io::ErrorKind::NotSeekable.into())),
        }
    }

    /// Refuses the file unless it has exactly `needs` bytes. Called before anything that is sized
    /// by a header is allocated.
    pub(crate) fn expect_length(&self, needs: u128) -> Result<(), FileError> {
        match u128::from(self.length) {
            has if has == needs => Ok(()),
            has if has < needs => Err(self.too_short(needs)),
            _ => Err(self.length_error(needs, "bytes follow that belong to nothing")),
        }
    }

    pub(crate) fn too_short(&self, needs: u128) -> FileError {
        self.length_error(needs, "it was cut short; copy it again")
    }

    pub(crate) fn length_error(&self, needs: u128, reason: &str) -> FileError {
        let (path, has) = (self.path.clone(), self.length);
        FileError::Length { path, needs, has, reason: reason.to_owned() }
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), FileError> {
        self.read_exact(bytes).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                FileError::damaged(&self.path, source)
            }
            io::ErrorKind::UnexpectedEof if !self.seekable() => {
                FileError::damaged(&self.path, "the packed bytes end before the array does")
            }
            _ => FileError::io(&self.path, source),
        })
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FileError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(crate) fn field(&self, field: &str, value: impl ToString, reason: &str) -> FileError {
        FileError::field(&self.path, field, value, reason)
    }
}

impl Read for Source {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.reader {
            Content::Plain { reader, .. } => reader.read(bytes),
            Content::Packed(packed) => packed.read(bytes),
        }
    }
}

impl Read for Packed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let wanted = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let got = self.reader.read(&mut bytes[..wanted])?;
        self.hash.update(&bytes[..got]);
        self.left -= got as u64;
        if self.left == 0 && got > 0 && self.hash.clone().finalize() != self.want {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is another one"));
        }
        Ok(got)
    }
}

/// Writes a file through `write`, all or nothing: a temporary sibling is renamed into place.
///
/// # Errors
/// When the file cannot be written.
pub fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let attempt = || {
        let mut writer = BufWriter::with_capacity(CAPACITY, File::create(&partial)?);
        write(&mut writer)?;
        writer.flush()?;
        writer.get_ref().sync_all()?;
        std::fs::rename(&partial, path)
    };
    attempt().map_err(|source| {
        // The partial file may not exist; what matters is the error that led here.
        let _ = std::fs::remove_file(&partial);
        FileError::io(path, source)
    })
}
