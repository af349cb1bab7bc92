//! Rows that lie in files: which of them a text names, and all of their vectors.

use crinoid_files::{FileError, Format, Ids, Options};
use crinoid_quant::Vectors;
use std::path::{Path, PathBuf};

/// Files that cannot become a collection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// No file has such a name.
    #[error(
        "`{pattern}`: no file is called so: in the last part of a path `*` stands for any letters, `?` for one"
    )]
    Nothing {
        /// What was asked for.
        pattern: String,
    },
    /// The folder cannot be listed.
    #[error("{folder}: cannot be listed: {source}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file whose vectors are longer or shorter than those before.
    #[error("{file}: its vectors have {found} dimensions, and those of the files before {wanted}")]
    Dimension {
        /// The file.
        file: String,
        /// Its dimension.
        found: usize,
        /// That of the files before.
        wanted: usize,
    },
    /// Rows of shards are called by numbers.
    #[error(
        "{file}: column `{column}` holds texts, and ids are numbers from 0 on: name another column, or none"
    )]
    Texts {
        /// The file.
        file: String,
        /// The column.
        column: String,
    },
    /// Vectors that are none.
    #[error(transparent)]
    Vector(#[from] crinoid_quant::VectorError),
}

/// Whether a text names files, and no table: by the ending of its name, or by what stands for other letters.
pub(crate) fn is_files(text: &str) -> bool {
    text.contains(['*', '?', '/']) || Format::by_extension(Path::new(text)).is_some()
}

/// The files that a text names, in the order of their names: a path, in the last part of which `*` stands for any
/// letters, and `?` for one.
fn named(pattern: &str) -> Result<Vec<PathBuf>, FilesError> {
    let path = Path::new(pattern);
    let last = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // A file may be called like a pattern.
    if path.is_file() || !last.contains(['*', '?']) {
        return Ok(vec![path.to_owned()]);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let failed = |source| FilesError::Folder { folder: folder.display().to_string(), source };
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let fits = name.to_str().is_some_and(|name| fits(last.as_bytes(), name.as_bytes()));
        if fits && entry.path().is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(FilesError::Nothing { pattern: pattern.to_owned() }),
        false => Ok(found),
    }
}

/// Whether a name is one that a pattern stands for.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skipped| fits(rest, &name[skipped..])),
        ([b'?', rest @ ..], [_, others @ ..]) => fits(rest, others),
        ([one, rest @ ..], [other, others @ ..]) => one == other && fits(rest, others),
        _ => false,
    }
}

/// All rows of the files that these texts name, one after the other, and what the column `ids` calls them. `column` holds
/// the vectors, where a format has several.
pub(crate) fn read(
    patterns: &[String],
    column: Option<&str>,
    ids: Option<&str>,
) -> Result<(Vectors, Option<Vec<u64>>), FilesError> {
    let options = Options {
        vectors: column.map(str::to_owned),
        ids: ids.map(str::to_owned),
        ..Options::default()
    };
    let (mut values, mut names, mut dim) = (Vec::new(), ids.map(|_| Vec::new()), None);
    for pattern in patterns {
        for path in named(pattern)? {
            let file = || path.display().to_string();
            let reader = crinoid_files::open(&path, &options)?;
            let (found, wanted) = (reader.dim(), *dim.get_or_insert(reader.dim()));
            if found != wanted {
                return Err(FilesError::Dimension { file: file(), found, wanted });
            }
            for block in reader {
                let block = block?;
                values.extend_from_slice(block.vectors.as_slice());
                match (&mut names, block.ids) {
                    (Some(names), Some(Ids::Numbers(own))) => names.extend(own),
                    (Some(_), Some(Ids::Texts(_))) => {
                        let column = ids.unwrap_or_default().to_owned();
                        return Err(FilesError::Texts { file: file(), column });
                    }
                    _ => {}
                }
            }
        }
    }
    let vectors = match dim {
        Some(dim) if !values.is_empty() => Vectors::new(values, dim)?,
        dim => Vectors::empty(dim.unwrap_or(1)),
    };
    Ok((vectors, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_letters() {
        for (pattern, name, wanted) in [
            ("a.npy", "a.npy", true),
            ("*.npy", "a.npy", true),
            ("*.npy", ".npy", true),
            ("*.npy", "a.npyx", false),
            ("a?.npy", "ab.npy", true),
            ("a?.npy", "a.npy", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("", "", true),
            ("**", "", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), wanted, "{pattern} {name}");
        }
    }

    #[test]
    fn files_come_in_the_order_of_their_names_and_folders_are_none() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["10.npy", "2.npy", "1.npy", "1.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("3.npy")).unwrap();
        let place = folder.path().display();
        let found = named(&format!("{place}/*.npy")).unwrap();
        let found: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(found, ["1.npy", "10.npy", "2.npy"]);
        let error = named(&format!("{place}/*.parquet")).unwrap_err();
        assert!(matches!(error, FilesError::Nothing { .. }), "{error}");
        let error = named(&format!("{place}/none/*")).unwrap_err();
        assert!(matches!(error, FilesError::Folder { .. }), "{error}");
        assert!(is_files("*.npy") && is_files("a/b") && is_files("b.parquet"));
        assert!(!is_files("rows") && !is_files("public.rows"));
    }
}
