//! A file that knows its name and its size, so that every error can tell both.

use super::DataError;
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

/// Reads a file front to back.
pub(super) struct Source {
    path: PathBuf,
    reader: BufReader<File>,
    length: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let at = |source| DataError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(at)?;
        let metadata = file.metadata().map_err(at)?;
        if metadata.is_dir() {
            return Err(at(io::ErrorKind::IsADirectory.into()));
        }
        let reader = BufReader::with_capacity(1 << 20, file);
        Ok(Self { path: path.to_owned(), reader, length: metadata.len() })
    }

    /// Size of the file in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Refuses the file unless it has exactly `needs` bytes. Called before anything that is sized
    /// by a header is allocated.
    pub(super) fn expect_length(&self, needs: u128) -> Result<(), DataError> {
        match u128::from(self.length) == needs {
            true => Ok(()),
            false => Err(DataError::Length { path: self.path.clone(), needs, has: self.length }),
        }
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), DataError> {
        let at = |source| DataError::Io { path: self.path.clone(), source };
        self.reader.read_exact(bytes).map_err(at)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DataError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn field(&self, field: &str, value: impl ToString, reason: &str) -> DataError {
        DataError::Field {
            path: self.path.clone(),
            field: field.to_owned(),
            value: value.to_string(),
            reason: reason.to_owned(),
        }
    }

    pub(super) fn row(
        &self,
        row: usize,
        field: &str,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> DataError {
        DataError::Row {
            path: self.path.clone(),
            row,
            field: field.to_owned(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }
}

/// Writes a file through `write`, all or nothing: a temporary sibling is renamed into place.
pub(crate) fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), DataError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let attempt = || {
        let mut writer = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
        write(&mut writer)?;
        writer.flush()?;
        writer.get_ref().sync_all()?;
        std::fs::rename(&partial, path)
    };
    attempt().map_err(|source| {
        // The partial file may not exist; what matters is the error that led here.
        let _ = std::fs::remove_file(&partial);
        DataError::Io { path: path.to_owned(), source }
    })
}
