//! Files between driver and subject: queries one way, ids and latencies the other.
//!
//! All have one form: `u32` rows, `u32` columns, then the values, row-major, little-endian. They
//! are small and short-lived, so unlike data sets they are not synced to disk.

use super::{Fault, NO_ANSWER};
use bytemuck::Pod;
use crinoid_quant::Vectors;
use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
};

/// Writes the queries `order` names, in that order, as fbin.
///
/// # Errors
/// The operating system's.
///
/// # Panics
/// When `order` names a query that does not exist.
pub fn write_queries(path: &Path, queries: &Vectors, order: &[u32]) -> io::Result<()> {
    let rows = order.iter().map(|&row| queries.row(row as usize));
    write(path, order.len(), queries.dim(), rows)
}

/// Writes answers: `k` ids per query, filled up with [`NO_ANSWER`].
///
/// # Errors
/// The operating system's.
pub fn write_ids(path: &Path, k: usize, ids: &[u32]) -> io::Result<()> {
    write(path, ids.len() / k.max(1), k, [ids].into_iter())
}

/// Writes nanoseconds per query.
///
/// # Errors
/// The operating system's.
pub fn write_latencies(path: &Path, nanos: &[u32]) -> io::Result<()> {
    write(path, nanos.len(), 1, [nanos].into_iter())
}

fn write<'a, T: Pod>(
    path: &Path,
    rows: usize,
    columns: usize,
    parts: impl Iterator<Item = &'a [T]>,
) -> io::Result<()> {
    let narrow = |value: usize| u32::try_from(value).map_err(io::Error::other);
    // Never through a link that somebody has put there.
    let file = File::options().write(true).create_new(true).open(path);
    let file = match file {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            File::options().write(true).create_new(true).open(path)?
        }
        other => other?,
    };
    let mut file = BufWriter::with_capacity(1 << 18, file);
    file.write_all(&narrow(rows)?.to_le_bytes())?;
    file.write_all(&narrow(columns)?.to_le_bytes())?;
    for part in parts {
        file.write_all(bytemuck::cast_slice(part))?;
    }
    file.flush()
}

/// Removes what lies at `path`, a file of an earlier request or whatever a subject has put there.
///
/// # Errors
/// [`Fault::BadFile`] where it cannot be removed.
pub(super) fn clear(path: &Path) -> Result<(), Fault> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    let reason = |error: io::Error| format!("{} cannot be removed: {error}", path.display());
    removed.map_err(|error| Fault::BadFile { what: "stale", reason: reason(error) })
}

/// Opens a file that a subject was to write: a regular one, its own, and at once. A pipe or a device
/// in its place must neither stop the driver nor feed it for ever.
fn open_regular(path: &Path, bytes: u64) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits() as i32);
    }
    let file = options.open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&about) != 1 {
        return Err(io::Error::other("a file with other names"));
    }
    if about.len() != bytes {
        return Err(io::Error::other(format!("{} bytes, expected {bytes}", about.len())));
    }
    Ok(file)
}

/// Reads a file of `rows x columns` values that a subject wrote; nothing else is accepted, and
/// nothing is allocated by what the file says.
///
/// # Errors
/// [`Fault::BadFile`] with what is wrong.
pub fn read_u32(
    path: &Path,
    what: &'static str,
    rows: usize,
    columns: usize,
) -> Result<Vec<u32>, Fault> {
    let bad = |reason: String| Fault::BadFile { what, reason };
    let bytes = 8 + 4 * rows as u64 * columns as u64;
    let mut file = open_regular(path, bytes).map_err(|error| bad(error.to_string()))?;
    let mut header = [0u8; 8];
    file.read_exact(&mut header).map_err(|error| bad(format!("no header: {error}")))?;
    let [a, b, c, d, e, f, g, h] = header;
    let (got_rows, got_columns) =
        (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    if (got_rows as usize, got_columns as usize) != (rows, columns) {
        return Err(bad(format!("{got_rows} x {got_columns}, expected {rows} x {columns}")));
    }
    let mut values = vec![0u32; rows * columns];
    file.read_exact(bytemuck::cast_slice_mut(&mut values))
        .map_err(|error| bad(format!("too short: {error}")))?;
    match file.read(&mut [0u8; 1]) {
        Ok(0) => Ok(values),
        Ok(_) => Err(bad("bytes follow the last row".to_owned())),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// Checks answers and brings them back into the data set's order: row `order[i]` of the result is
/// row `i` of `ids`. Returns them with the number of gaps.
///
/// # Errors
/// The first id that is out of range, repeated or behind a gap.
pub fn unscramble(
    ids: &[u32],
    k: usize,
    order: &[u32],
    base_rows: usize,
) -> Result<(Vec<u32>, usize), Fault> {
    let mut sorted = vec![NO_ANSWER; ids.len()];
    let mut seen = Vec::with_capacity(k);
    let mut gaps = 0;
    for (row, &query) in ids.chunks_exact(k).zip(order) {
        let query = query as usize;
        let found = row.iter().position(|&id| id == NO_ANSWER).unwrap_or(k);
        if row[found..].iter().any(|&id| id != NO_ANSWER) {
            return Err(Fault::Gap { query });
        }
        gaps += k - found;
        if let Some(&id) = row[..found].iter().find(|&&id| id as usize >= base_rows) {
            return Err(Fault::OutOfRange { query, id, rows: base_rows });
        }
        seen.clear();
        seen.extend_from_slice(&row[..found]);
        seen.sort_unstable();
        if let Some(pair) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Fault::Duplicate { query, id: pair[0] });
        }
        sorted[query * k..(query + 1) * k].copy_from_slice(row);
    }
    Ok((sorted, gaps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_ids(&path, 2, &[5, 6, 7, NO_ANSWER]).unwrap();
        assert_eq!(read_u32(&path, "answers", 2, 2).unwrap(), [5, 6, 7, NO_ANSWER]);
        for (rows, columns) in [(2, 1), (1, 2), (4, 1)] {
            assert!(matches!(
                read_u32(&path, "answers", rows, columns),
                Err(Fault::BadFile { what: "answers", .. })
            ));
        }
        let bytes = std::fs::read(&path).unwrap();
        for damaged in [&bytes[..5], &bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat()] {
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(read_u32(&path, "answers", 2, 2), Err(Fault::BadFile { .. })));
        }
        assert!(read_u32(&folder.path().join("none"), "answers", 1, 1).is_err());
    }

    #[test]
    fn answers_return_to_the_order_of_the_queries() {
        let (ids, gaps) = unscramble(&[1, 2, 3, NO_ANSWER], 2, &[1, 0], 4).unwrap();
        assert_eq!((ids, gaps), (vec![3, NO_ANSWER, 1, 2], 1));
    }

    #[test]
    fn false_answers_are_named_by_their_query() {
        let of = |ids: &[u32]| unscramble(ids, 2, &[1, 0], 4);
        assert!(matches!(of(&[1, 2, 3, 4]), Err(Fault::OutOfRange { query: 0, id: 4, rows: 4 })));
        assert!(matches!(of(&[2, 2, 3, 1]), Err(Fault::Duplicate { query: 1, id: 2 })));
        assert!(matches!(of(&[1, 2, NO_ANSWER, 1]), Err(Fault::Gap { query: 0 })));
    }
}
