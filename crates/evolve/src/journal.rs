//! Append-only JSON lines that survive a crash in the middle of a write.
//!
//! A line is `{"sum":"<16 hex digits>","record":<json>}`, where the sum is xxh3-64 of the bytes
//! of `<json>`: plain JSON lines for every other tool, and a torn or altered line is recognised
//! whatever its bytes look like. Opening for writing
//! * completes a last line that lacks only its line feed,
//! * moves a torn last line to `FILE.torn` and cuts it off,
//! * leaves damaged lines further up where they are and reports them.
//!
//! Lines before the damage are never touched: the file only grows, except for the cut.

use serde::{Serialize, de::DeserializeOwned};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

const HEAD: &str = "{\"sum\":\"";
const MIDDLE: &str = "\",\"record\":";
const RECORD_AT: usize = HEAD.len() + 16 + MIDDLE.len();

/// A journal opened for appending. It holds a lock on its file until dropped.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
}

/// What a journal held when it was opened.
#[derive(Debug)]
pub struct Contents<T> {
    /// Every intact record, oldest first.
    pub records: Vec<T>,
    /// Lines that are not intact, oldest first; a torn last line is the last of them.
    pub damaged: Vec<Damaged>,
}

/// A line that is not what was once written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
    /// Whether it is an unfinished last line (what a crash leaves).
    pub torn: bool,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The journal.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Another process is appending to it.
    #[error("{0} is being written by another process")]
    Busy(PathBuf),
    /// A record cannot be written as JSON (a map with odd keys, say).
    #[error("a record does not serialise: {0}")]
    Record(#[from] serde_json::Error),
}

impl Journal {
    /// Opens (or creates) a journal for appending and reads what it holds.
    ///
    /// # Errors
    /// When the file cannot be read or written, or another process has it open for writing.
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Contents<T>), JournalError> {
        let fail = |source| JournalError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(JournalError::Busy(path.to_owned()));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(fail(error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail)?;
        let contents = parse(&bytes);
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut len = bytes.len() as u64;
        if whole < bytes.len() {
            if contents.damaged.last().is_some_and(|damaged| damaged.torn) {
                set_aside(path, &bytes[whole..]).map_err(fail)?;
                len = whole as u64;
                file.set_len(len).map_err(fail)?;
            } else {
                file.seek(SeekFrom::End(0)).map_err(fail)?;
                file.write_all(b"\n").map_err(fail)?;
                len += 1;
            }
            file.sync_data().map_err(fail)?;
        }
        Ok((Self { path: path.to_owned(), file, len }, contents))
    }

    /// Appends one record and waits until it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written; the file is then as it was before.
    pub fn append<T: Serialize>(&mut self, record: &T) -> Result<(), JournalError> {
        let line = line(record)?;
        let written = self
            .file
            .seek(SeekFrom::Start(self.len))
            .and_then(|_| self.file.write_all(line.as_bytes()))
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // A full disk must not leave half a line for the next append to run into.
            let _ = self.file.set_len(self.len);
            return Err(JournalError::Io { path: self.path.clone(), source });
        }
        self.len += line.len() as u64;
        Ok(())
    }

    /// Where the journal lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Journal {
    /// Gives the lock back by name. Closing the file is not enough: a process that another thread
    /// is starting at this moment holds a copy of the descriptor until its program is loaded, and
    /// the lock with it.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// Reads a journal without writing to it, so that it may be somebody else's. A file that does
/// not exist is empty.
///
/// # Errors
/// When the file cannot be read.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Contents<T>, JournalError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(parse(&[])),
        Err(source) => Err(JournalError::Io { path: path.to_owned(), source }),
    }
}

/// The line that stands for a record, with its line feed.
///
/// # Errors
/// When the record does not serialise.
pub fn line<T: Serialize>(record: &T) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(record)?;
    Ok(format!("{HEAD}{:016x}{MIDDLE}{json}}}\n", xxh3_64(json.as_bytes())))
}

/// Reads the bytes of a journal.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Contents<T> {
    let mut contents = Contents { records: Vec::new(), damaged: Vec::new() };
    let mut rest = bytes;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let end = rest.iter().position(|&byte| byte == b'\n');
        let text = &rest[..end.unwrap_or(rest.len())];
        rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
        match record(text) {
            Ok(record) => contents.records.push(record),
            Err(why) => {
                contents.damaged.push(Damaged { line: number, why, torn: end.is_none() });
            }
        }
    }
    contents
}

fn record<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let framed = text.starts_with(HEAD)
        && text.get(RECORD_AT - MIDDLE.len()..RECORD_AT) == Some(MIDDLE)
        && text.len() > RECORD_AT
        && text.ends_with('}');
    if !framed {
        return Err("not a record line, or only a part of one".to_owned());
    }
    let json = &text[RECORD_AT..text.len() - 1];
    let sum = format!("{:016x}", xxh3_64(json.as_bytes()));
    if text.get(HEAD.len()..HEAD.len() + 16) != Some(sum.as_str()) {
        return Err("the checksum does not match".to_owned());
    }
    serde_json::from_str(json).map_err(|error| error.to_string())
}

fn set_aside(path: &Path, torn: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".torn");
    let mut file = OpenOptions::new().append(true).create(true).open(PathBuf::from(name))?;
    file.write_all(torn)?;
    file.write_all(b"\n")?;
    file.sync_data()
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
