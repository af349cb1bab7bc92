//! Names of documents and queries in other people's files.

use super::DataError;
use crinoid_files::FileError;
use std::{collections::HashMap, path::Path};

/// The names of rows, and the row of each name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    names: Vec<String>,
    rows: HashMap<String, u32>,
}

impl Names {
    /// Row `i` is called `names[i]`; `path` is the file they come from.
    ///
    /// # Errors
    /// When a name is empty, has white space in it (which TREC files cannot hold) or is given twice;
    /// the second row is named. A collection in which a name repeats has lost a document wherever
    /// it was loaded into a table.
    pub fn new(names: Vec<String>, path: &Path) -> Result<Self, DataError> {
        let mut rows = HashMap::with_capacity(names.len());
        for (row, name) in names.iter().enumerate() {
            let bad = |reason: String| {
                DataError::from(FileError::row(path, row as u64, "id", format!("`{name}`"), reason))
            };
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(bad("empty or with white space in it".to_owned()));
            }
            if let Some(first) = rows.insert(name.clone(), row as u32) {
                return Err(bad(format!("which row {first} is called already")));
            }
        }
        Ok(Self { names, rows })
    }

    /// Rows that are called by their numbers.
    pub fn numbers(rows: usize) -> Self {
        let names: Vec<String> = (0..rows).map(|row| row.to_string()).collect();
        let rows = names.iter().cloned().zip(0..).collect();
        Self { names, rows }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What `row` is called.
    pub fn name(&self, row: usize) -> Option<&str> {
        self.names.get(row).map(String::as_str)
    }

    /// The row called `name`.
    pub fn row(&self, name: &str) -> Option<u32> {
        self.rows.get(name).copied()
    }

    /// All names in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        self.names.iter().map(String::as_str)
    }
}
