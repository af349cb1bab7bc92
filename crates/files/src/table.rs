//! What is read: vectors, and what stands beside them.

use crate::FileError;
use crinoid_quant::{Buffer, Vectors};
use std::path::Path;

/// Values of one block: 16 MiB of them.
pub(crate) const BLOCK_VALUES: usize = 1 << 22;

/// Rows of a file: their vectors, names and attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The vectors, `n x d`.
    pub vectors: Vectors,
    /// What the rows are called, where a column says so.
    pub ids: Option<Ids>,
    /// Further columns that were asked for, in that order.
    pub attributes: Vec<Column>,
}

/// What rows are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ids {
    /// By numbers.
    Numbers(Vec<u64>),
    /// By texts.
    Texts(Vec<String>),
}

/// One value per row; `None` where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// The values.
    pub values: Values,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are the types")]
pub enum Values {
    Integers(Vec<Option<i64>>),
    Floats(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
    Flags(Vec<Option<bool>>),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Times(Vec<Option<i64>>),
    /// Several texts in a row.
    Lists(Vec<Option<Vec<String>>>),
}

/// An expression for the values of whatever type.
macro_rules! each {
    ($self:expr, $values:ident => $what:expr) => {
        match $self {
            Values::Integers($values) => $what,
            Values::Floats($values) => $what,
            Values::Texts($values) => $what,
            Values::Flags($values) => $what,
            Values::Times($values) => $what,
            Values::Lists($values) => $what,
        }
    };
}

impl Ids {
    /// How many rows have a name.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(ids) => ids.len(),
            Self::Texts(ids) => ids.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of `row` as text.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Numbers(ids) => ids.get(row).map(u64::to_string),
            Self::Texts(ids) => ids.get(row).cloned(),
        }
    }

    /// The column as names of rows, the first of which is row `first` of the file.
    pub(crate) fn from_column(path: &Path, first: u64, column: Column) -> Result<Self, FileError> {
        let refused = |row: usize, value: &dyn ToString, reason: &str| {
            let (row, field) = (first + row as u64, format!("id column `{}`", column.name));
            FileError::row(path, row, field, value.to_string(), reason)
        };
        fn absent<T>(values: &[Option<T>]) -> Option<usize> {
            values.iter().position(Option::is_none)
        }
        let missing = "but every row needs an id: fill the column or leave it out";
        match &column.values {
            Values::Integers(values) => {
                if let Some(row) = absent(values) {
                    return Err(refused(row, &"null", missing));
                }
                let number = |(row, value): (usize, &i64)| {
                    let reason = "below 0: ids are numbers from 0 on, or texts";
                    u64::try_from(*value).map_err(|_| refused(row, value, reason))
                };
                let numbers = values.iter().flatten().enumerate().map(number);
                Ok(Self::Numbers(numbers.collect::<Result<_, _>>()?))
            }
            Values::Texts(values) => match absent(values) {
                Some(row) => Err(refused(row, &"null", missing)),
                None => Ok(Self::Texts(values.iter().flatten().cloned().collect())),
            },
            _ => {
                let (name, value) = (format!("id column `{}`", column.name), column.values.kind());
                let reason = "but ids are integers or texts: cast the column";
                Err(FileError::field(path, name, value, reason))
            }
        }
    }

    /// Appends the names of further rows; `false` where they are of the other kind.
    fn append(&mut self, more: Self) -> bool {
        match (self, more) {
            (Self::Numbers(all), Self::Numbers(more)) => all.extend(more),
            (Self::Texts(all), Self::Texts(more)) => all.extend(more),
            _ => return false,
        }
        true
    }
}

impl Values {
    /// How many rows.
    pub fn len(&self) -> usize {
        each!(self, values => values.len())
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they are, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Integers(_) => "integers",
            Self::Floats(_) => "floats",
            Self::Texts(_) => "texts",
            Self::Flags(_) => "flags",
            Self::Times(_) => "times",
            Self::Lists(_) => "lists",
        }
    }

    /// Whether no row has a value, so that the kind is anybody's guess.
    fn is_blank(&self) -> bool {
        each!(self, values => values.iter().all(Option::is_none))
    }

    /// As many rows without a value, of the kind of `like`.
    fn blank(rows: usize, like: &Self) -> Self {
        match like {
            Self::Integers(_) => Self::Integers(vec![None; rows]),
            Self::Floats(_) => Self::Floats(vec![None; rows]),
            Self::Texts(_) => Self::Texts(vec![None; rows]),
            Self::Flags(_) => Self::Flags(vec![None; rows]),
            Self::Times(_) => Self::Times(vec![None; rows]),
            Self::Lists(_) => Self::Lists(vec![None; rows]),
        }
    }

    /// Integers as floats, where others are floats.
    fn widened(self) -> Self {
        match self {
            Self::Integers(values) => {
                Self::Floats(values.into_iter().map(|value| value.map(|v| v as f64)).collect())
            }
            other => other,
        }
    }

    /// Appends further values; `false` where they are of another kind. Integers among floats are floats.
    fn append(&mut self, more: Self) -> bool {
        if self.is_blank() {
            *self = Self::blank(self.len(), &more);
        }
        let more = if more.is_blank() { Self::blank(more.len(), self) } else { more };
        if matches!((&*self, &more), (Self::Integers(_), Self::Floats(_))) {
            *self = std::mem::replace(self, Self::Flags(Vec::new())).widened();
        }
        let more = if matches!(self, Self::Floats(_)) { more.widened() } else { more };
        match (self, more) {
            (Self::Integers(all), Self::Integers(more)) => all.extend(more),
            (Self::Floats(all), Self::Floats(more)) => all.extend(more),
            (Self::Texts(all), Self::Texts(more)) => all.extend(more),
            (Self::Flags(all), Self::Flags(more)) => all.extend(more),
            (Self::Times(all), Self::Times(more)) => all.extend(more),
            (Self::Lists(all), Self::Lists(more)) => all.extend(more),
            _ => return false,
        }
        true
    }
}

impl Table {
    /// One table of many, in their order; each is freed once it is copied.
    pub(crate) fn join(path: &Path, dim: usize, parts: Vec<Self>) -> Result<Self, FileError> {
        let rows: usize = parts.iter().map(|part| part.vectors.len()).sum();
        // Zeroed memory is committed as it is filled, while the parts are given back.
        let mut values = Buffer::<f32>::zeroed(rows * dim);
        let (mut out, mut ids, mut attributes) = (values.make_mut(), None, Vec::<Column>::new());
        let mut first = 0;
        for part in parts {
            let length = part.vectors.as_slice().len();
            let (here, rest) = out.split_at_mut(length);
            here.copy_from_slice(part.vectors.as_slice());
            out = rest;
            let mixed = |name: &str| {
                let reason = "where earlier rows have values of another type: cast the column";
                FileError::row(path, first, format!("column `{name}`"), "of one type", reason)
            };
            ids = match (ids.take(), part.ids) {
                (None, more) => more,
                (Some(mut all), more) => {
                    if more.is_some_and(|more| !all.append(more)) {
                        return Err(mixed("id"));
                    }
                    Some(all)
                }
            };
            match attributes.is_empty() {
                true => attributes = part.attributes,
                false => {
                    for (all, more) in attributes.iter_mut().zip(part.attributes) {
                        if !all.values.append(more.values) {
                            return Err(mixed(&all.name));
                        }
                    }
                }
            }
            first += part.vectors.len() as u64;
        }
        let vectors = Vectors::new(values, dim).map_err(|error| FileError::damaged(path, error))?;
        Ok(Self { vectors, ids, attributes })
    }
}

/// The one of `names` that is asked for, or the only one.
pub(crate) fn choose<'a>(
    path: &Path,
    what: &str,
    asked: Option<&'a str>,
    names: &'a [String],
) -> Result<&'a str, FileError> {
    let list = || {
        let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
    };
    match (asked, names) {
        (Some(asked), _) if names.iter().any(|name| name == asked) => Ok(asked),
        (Some(asked), _) => {
            let reason = format!("which is not there (there are: {})", list());
            Err(FileError::field(path, what, format!("`{asked}`"), reason))
        }
        (None, [only]) => Ok(only),
        (None, []) => {
            let reason = "and nothing here can be read as vectors";
            Err(FileError::field(path, format!("number of {what}s"), 0, reason))
        }
        (None, _) => {
            let reason = format!("name the one with the vectors (there are: {})", list());
            Err(FileError::field(path, format!("number of {what}s"), names.len(), reason))
        }
    }
}
