//! What the rows of an index are called: in memory, and in a file beside the index.
//!
//! `FILE.ids` holds JSON, a line each: first what it belongs to, then the names in the order of rows.

use crate::{FileError, Ids, text::Lines, write_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    cmp::Ordering,
    io::Write,
    path::{Path, PathBuf},
};

/// Names of rows, no two alike, and the rows by their names.
///
/// ```
/// use crinoid_files::{Ids, Names};
///
/// let names = Names::new(Ids::Texts(vec!["pear".into(), "apple".into()])).map_err(|(a, b)| (a, b))?;
/// assert_eq!(names.row_of("apple"), Some(1));
/// assert_eq!(Names::new(Ids::Numbers(vec![7, 8, 7])).err(), Some((0, 2)));
/// # Ok::<(), (usize, usize)>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    ids: Ids,
    /// The rows in the order of their names.
    sorted: Vec<u32>,
}

impl Names {
    /// Names, by row.
    ///
    /// # Errors
    /// Two rows that have the same name, the first of these pairs.
    pub fn new(ids: Ids) -> Result<Self, (usize, usize)> {
        let rows = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let mut sorted: Vec<u32> = (0..rows).collect();
        match &ids {
            Ids::Numbers(ids) => sorted.sort_by_key(|&row| ids[row as usize]),
            Ids::Texts(ids) => sorted.sort_by(|&a, &b| ids[a as usize].cmp(&ids[b as usize])),
        }
        let alike = |pair: &&[u32]| match &ids {
            Ids::Numbers(ids) => ids[pair[0] as usize] == ids[pair[1] as usize],
            Ids::Texts(ids) => ids[pair[0] as usize] == ids[pair[1] as usize],
        };
        // The sort keeps the order of rows that are called alike.
        match sorted.windows(2).filter(alike).min_by_key(|pair| pair[1]) {
            Some(pair) => Err((pair[0] as usize, pair[1] as usize)),
            None => Ok(Self { ids, sorted }),
        }
    }

    /// The names by row.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The row that is called so, as text: numbers in any way of writing them.
    pub fn row_of(&self, name: &str) -> Option<u32> {
        match &self.ids {
            Ids::Numbers(_) => self.row_of_number(name.parse().ok()?),
            Ids::Texts(ids) => self.find(|row| ids[row].as_str().cmp(name)),
        }
    }

    /// The row that is called by this number.
    pub fn row_of_number(&self, number: u64) -> Option<u32> {
        match &self.ids {
            Ids::Numbers(ids) => self.find(|row| ids[row].cmp(&number)),
            Ids::Texts(_) => None,
        }
    }

    fn find(&self, compare: impl Fn(usize) -> Ordering) -> Option<u32> {
        let place = self.sorted.binary_search_by(|&row| compare(row as usize)).ok()?;
        self.sorted.get(place).copied()
    }
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    /// Version of this form.
    crinoid_ids: u32,
    /// Of the index, in hexadecimal.
    digest: String,
    rows: usize,
}

const VERSION: u32 = 1;

/// Where the names of the index at `index` are.
pub fn path_of(index: &Path) -> PathBuf {
    let mut name = index.as_os_str().to_owned();
    name.push(".ids");
    PathBuf::from(name)
}

/// Writes the names of the index at `index`, whose digest is `digest`, beside it; removes those of an
/// earlier index where there are none.
///
/// # Errors
/// When the file cannot be written or removed.
pub fn save(index: &Path, digest: u64, names: Option<&Names>) -> Result<(), FileError> {
    let file = path_of(index);
    let Some(names) = names else {
        return match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::io(&file, error))
            }
            _ => Ok(()),
        };
    };
    let rows = names.ids.len();
    let head = Head { crinoid_ids: VERSION, digest: format!("{digest:016x}"), rows };
    write_file(&file, |out| {
        serde_json::to_writer(&mut *out, &head)?;
        out.write_all(b"\n")?;
        (0..rows).try_for_each(|row| {
            match &names.ids {
                Ids::Numbers(ids) => serde_json::to_writer(&mut *out, &ids[row])?,
                Ids::Texts(ids) => serde_json::to_writer(&mut *out, &ids[row])?,
            }
            out.write_all(b"\n")
        })
    })
}

/// The names beside the index at `index` of `rows` rows, whose digest is `digest`; `None` where there
/// is no such file.
///
/// # Errors
/// When the file is damaged, or belongs to another index.
pub fn load(index: &Path, digest: u64, rows: usize) -> Result<Option<Names>, FileError> {
    let file = path_of(index);
    if !file.exists() {
        return Ok(None);
    }
    let mut lines = Lines::open(&file)?;
    let head = lines.next_line()?.and_then(|(_, line)| serde_json::from_str::<Head>(line).ok());
    let Some(head) = head.filter(|head| head.crinoid_ids == VERSION) else {
        let reason = "of version 1 where one is expected: build the index again";
        return Err(FileError::line(&file, 1, "head", "no head of a file of ids", reason));
    };
    if head.digest != format!("{digest:016x}") || head.rows != rows {
        let reason = "other than the index's: build the index again, or remove the file of ids";
        return Err(FileError::field(&file, "digest", head.digest, reason));
    }
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    let wrong = |line: u64, value: &str, reason: &str| {
        let reason = format!("{reason}: build the index again");
        FileError::line(&file, line, "id", value, reason)
    };
    while let Some((number, line)) = lines.next_line()? {
        if numbers.len() + texts.len() == rows {
            return Err(wrong(number, line, &format!("where there are {rows} rows")));
        }
        match serde_json::from_str(line) {
            Ok(Value::String(text)) if numbers.is_empty() => texts.push(text),
            Ok(Value::Number(id)) if id.is_u64() && texts.is_empty() => numbers.extend(id.as_u64()),
            Ok(Value::Number(id)) if !id.is_u64() => {
                return Err(wrong(number, line, "which is none"));
            }
            Ok(Value::String(_) | Value::Number(_)) => {
                return Err(wrong(number, line, "of another kind than those before"));
            }
            _ => return Err(wrong(number, line, "which is none")),
        }
    }
    let ids = if texts.is_empty() { Ids::Numbers(numbers) } else { Ids::Texts(texts) };
    if ids.len() != rows {
        let reason = format!("where {rows} are expected: build the index again");
        return Err(FileError::field(&file, "number of ids", ids.len(), &reason));
    }
    Names::new(ids).map(Some).map_err(|(_, second)| {
        let reason = "that of another row too: build the index again";
        FileError::row(&file, second as u64, "id", "not unique", reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_names() {
        let texts = ["pear", "", "apple", "Apfel", "10", "9"].map(str::to_owned);
        let names = Names::new(Ids::Texts(texts.to_vec())).unwrap();
        for (row, text) in texts.iter().enumerate() {
            assert_eq!(names.row_of(text), Some(row as u32));
        }
        assert_eq!((names.row_of("plum"), names.row_of_number(10)), (None, None));
        let numbers: Vec<u64> = (0..100).map(|i| (i * 37 % 101) << 40 | i).collect();
        let names = Names::new(Ids::Numbers(numbers.clone())).unwrap();
        for (row, &number) in numbers.iter().enumerate() {
            assert_eq!(names.row_of_number(number), Some(row as u32));
            assert_eq!(names.row_of(&format!("0{number}")), Some(row as u32));
        }
        assert_eq!(names.row_of("pear"), None);
        let twice = ["b", "a", "c", "c", "b"].map(str::to_owned);
        assert_eq!(Names::new(Ids::Texts(twice.to_vec())).err(), Some((2, 3)));
        assert!(Names::new(Ids::Numbers(Vec::new())).is_ok());
    }

    #[test]
    fn names_survive_a_file_and_belong_to_one_index() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("x.crinoid");
        assert_eq!(load(&index, 7, 2).unwrap(), None);
        for ids in [
            Ids::Numbers(vec![u64::MAX, 0]),
            Ids::Texts(vec!["a \"b\"\n".to_owned(), "ü".to_owned()]),
        ] {
            let names = Names::new(ids).unwrap();
            save(&index, 7, Some(&names)).unwrap();
            assert_eq!(load(&index, 7, 2).unwrap(), Some(names));
            for (digest, rows) in [(8, 2), (7, 3)] {
                let refused = load(&index, digest, rows).unwrap_err().to_string();
                assert!(refused.contains("build the index again"), "{refused}");
            }
        }
        let whole = std::fs::read_to_string(path_of(&index)).unwrap();
        for (damaged, says) in [
            ("", "line 1"),
            (&whole.replace("\"ü\"\n", ""), "number of ids is 1, where 2 are expected"),
            (&whole.replace("\"ü\"", "ü"), "line 3"),
            (&whole.replace("\"ü\"", "7"), "line 3: id is 7, of another kind"),
            (&format!("{whole}7\n"), "line 4: id is 7, where there are 2 rows"),
            (&whole.replace("\"ü\"", "\"a \\\"b\\\"\\n\""), "not unique"),
        ] {
            std::fs::write(path_of(&index), damaged).unwrap();
            let refused = load(&index, 7, 2).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
        save(&index, 7, None).unwrap();
        save(&index, 7, None).unwrap();
        assert_eq!(load(&index, 7, 2).unwrap(), None);
    }
}
