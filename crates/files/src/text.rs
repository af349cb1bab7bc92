//! Lines of text files.

use crate::FileError;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// A longer line is no line: it would be read into memory whole.
const LONGEST_LINE: u64 = 1 << 28;

/// The lines of a UTF-8 file with their numbers, counted from 1. A byte order mark before the first
/// and a carriage return at the end of a line belong to neither.
pub struct Lines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    number: u64,
    bytes: Vec<u8>,
}

impl Lines {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(|source| FileError::io(path, source))?;
        Ok(Self::new(path, Box::new(file)))
    }

    /// The lines of `reader`, which messages call `path`.
    pub fn new(path: &Path, reader: Box<dyn Read + Send>) -> Self {
        let reader = BufReader::with_capacity(1 << 18, reader);
        Self { path: path.to_owned(), reader, number: 0, bytes: Vec::new() }
    }

    /// What messages call the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the next line has come already, so that reading it does not wait.
    pub fn is_ready(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }

    /// The next line and its number; `None` after the last.
    ///
    /// # Errors
    /// When the file cannot be read, or the line is not UTF-8 or of more than 256 MiB.
    pub fn next_line(&mut self) -> Result<Option<(u64, &str)>, FileError> {
        self.bytes.clear();
        let mut limited = (&mut self.reader).take(LONGEST_LINE + 1);
        let read = limited.read_until(b'\n', &mut self.bytes);
        let length = read.map_err(|source| FileError::io(&self.path, source))?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        let fail = |field: &str, value: &str, reason: &str| {
            FileError::line(&self.path, self.number, field, value, reason)
        };
        if length as u64 > LONGEST_LINE {
            return Err(fail("length", "more than 256 MiB", "which is no line: one row each"));
        }
        let mut line = self.bytes.as_slice();
        if self.number == 1 {
            if line.starts_with(b"\xff\xfe") || line.starts_with(b"\xfe\xff") {
                let reason = "where UTF-8 is read: iconv -f utf-16 -t utf-8";
                return Err(fail("encoding", "UTF-16", reason));
            }
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(line) => Ok(Some((self.number, line))),
            Err(error) => {
                let at = error.valid_up_to();
                let value = format!("0x{:02x} at byte {at}", line[at]);
                Err(fail("text", &value, "which is not UTF-8: iconv -f latin1 -t utf-8"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &'static [u8]) -> Result<Vec<(u64, String)>, FileError> {
        let mut lines = Lines::new(Path::new("a.tsv"), Box::new(bytes));
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next_line()? {
            all.push((number, line.to_owned()));
        }
        Ok(all)
    }

    #[test]
    fn lines_lose_their_marks_and_nothing_else() {
        let own = |line: &str| line.to_owned();
        assert_eq!(
            lines(b"\xef\xbb\xbfa b\r\n\n c\rd").unwrap(),
            [(1, own("a b")), (2, own("")), (3, own(" c\rd"))]
        );
        assert_eq!(lines(b"").unwrap(), []);
    }

    #[test]
    fn other_encodings_are_named_with_their_line() {
        let refused = |bytes| lines(bytes).unwrap_err().to_string();
        let latin = refused(b"fine\nG\xf6del\n");
        assert!(latin.contains("a.tsv: line 2: text is 0xf6 at byte 1"), "{latin}");
        assert!(latin.contains("iconv"), "{latin}");
        assert!(refused(b"\xff\xfea\0\n\0").contains("UTF-16"));
    }
}
