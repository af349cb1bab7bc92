//! What is known of a vector besides its numbers.

use super::time;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// The most bytes that the attributes of one row may take as they are stored.
pub const MAX_ATTRIBUTES: usize = 1 << 20;

/// The most bytes of a text or of an element of a list: filters keep every distinct one in memory.
pub const MAX_ATTRIBUTE_TEXT: usize = 4_096;

/// The attributes of one row, by name. What a row has no value of is not there.
pub type Attributes = BTreeMap<String, Value>;

/// The value of an attribute.
///
/// ```
/// # #[cfg(feature = "collection")] {
/// use crinoid_pipeline::collection::{Attributes, Value};
///
/// let attributes = Attributes::from([
///     ("lang".to_owned(), "rust".into()),
///     ("stars".to_owned(), 120.into()),
///     ("tags".to_owned(), ["simd", "search"].into()),
///     ("released".to_owned(), Value::time("2026-11-30T09:00:00Z").unwrap()),
/// ]);
/// assert_eq!(attributes["released"].to_string(), "2026-11-30T09:00:00Z");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number; finite.
    Float(f64),
    /// A text.
    Text(String),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// Several texts: tags. Filters ask what they contain.
    List(Vec<String>),
    /// JSON as it was given; kept, but not to be filtered by.
    Json(String),
}

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Int`].
    Int,
    /// [`Value::Float`]; integers become floats.
    Float,
    /// [`Value::Text`].
    Text,
    /// [`Value::Time`]; texts of RFC 3339 become times.
    Time,
    /// [`Value::List`].
    List,
    /// [`Value::Json`].
    Json,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Bool, Self::Int, Self::Float, Self::Text, Self::Time, Self::List, Self::Json];

    /// `bool`, `int`, `float`, `text`, `time`, `list` or `json`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Text => "text",
            Kind::Time => "time",
            Kind::List => "list",
            Kind::Json => "json",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Value {
    /// The time that a text of RFC 3339 names; without an offset in UTC, without a time of day at midnight.
    pub fn time(text: &str) -> Option<Self> {
        time::parse(text).map(Value::Time)
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Float(_) => Kind::Float,
            Value::Text(_) => Kind::Text,
            Value::Time(_) => Kind::Time,
            Value::List(_) => Kind::List,
            Value::Json(_) => Kind::Json,
        }
    }

    /// As plain JSON: times as texts of RFC 3339, JSON as what it is.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(text) => text.as_str().into(),
            Value::Time(micros) => time::print(*micros).into(),
            Value::List(texts) => texts.as_slice().into(),
            Value::Json(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
            }
        }
    }

    /// From plain JSON: objects, and arrays of other things than texts, are kept as JSON. `None` for null.
    pub fn from_json(json: serde_json::Value) -> Option<Self> {
        use serde_json::Value as Json;
        Some(match json {
            Json::Null => return None,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Value::Int(int),
                (None, Some(float)) => Value::Float(float),
                (None, None) => Value::Json(number.to_string()),
            },
            Json::String(text) => Value::Text(text),
            Json::Array(values) if values.iter().all(Json::is_string) => {
                let text = |value| if let Json::String(text) = value { Some(text) } else { None };
                Value::List(values.into_iter().filter_map(text).collect())
            }
            other => Value::Json(other.to_string()),
        })
    }

    /// Checks what a row may hold.
    fn check(&self) -> Result<(), String> {
        let short = |text: &String| match text.len() {
            0..=MAX_ATTRIBUTE_TEXT => Ok(()),
            len => Err(format!(
                "{len} bytes are more than the {MAX_ATTRIBUTE_TEXT} that filters take: keep it as JSON"
            )),
        };
        match self {
            Value::Float(value) if !value.is_finite() => Err(format!("{value} is not finite")),
            Value::Text(text) => short(text),
            Value::List(texts) => texts.iter().try_for_each(short),
            Value::Time(micros) if !time::is_year(*micros) => {
                Err(format!("{micros} microseconds lie in no year that can be written"))
            }
            Value::Json(text) => serde_json::from_str::<serde::de::IgnoredAny>(text)
                .map(|_| ())
                .map_err(|error| format!("no JSON: {error}")),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) | Value::Json(text) => f.write_str(text),
            Value::Time(micros) => f.write_str(&time::print(*micros)),
            other => other.to_json().fmt(f),
        }
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$source> for Value {
            fn from(value: $source) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

from!(bool => Bool, i64 => Int, i32 => Int, u32 => Int, f64 => Float, f32 => Float, &str => Text, String => Text, Vec<String> => List);

impl<const N: usize> From<[&str; N]> for Value {
    fn from(values: [&str; N]) -> Self {
        Self::List(values.map(str::to_owned).into())
    }
}

/// Which attributes rows may have, and of which types. Every row may lack every one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    fields: BTreeMap<String, Kind>,
}

impl Schema {
    /// No attribute yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// This schema with another attribute.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, kind: Kind) -> Self {
        self.fields.insert(name.into(), kind);
        self
    }

    /// The attributes and their types.
    pub fn fields(&self) -> &BTreeMap<String, Kind> {
        &self.fields
    }

    /// The type of an attribute; or that there is none, in words.
    pub(super) fn kind(&self, name: &str) -> Result<Kind, String> {
        self.fields.get(name).copied().ok_or_else(|| {
            let names: Vec<&str> = self.fields.keys().map(String::as_str).collect();
            format!("the schema has no such attribute (there are: {})", names.join(", "))
        })
    }

    /// `value` as the schema wants it.
    fn fit(&self, name: &str, value: Value) -> Result<Value, String> {
        let kind = self.kind(name)?;
        Ok(match (kind, value) {
            (Kind::Float, Value::Int(int)) if (int as f64) as i128 == i128::from(int) => {
                Value::Float(int as f64)
            }
            (Kind::Time, Value::Text(text)) => Value::time(&text)
                .ok_or_else(|| format!("`{text}` is no time of RFC 3339 (2026-11-30T09:00:00Z)"))?,
            (Kind::Json, value) if value.kind() != Kind::Json => {
                Value::Json(value.to_json().to_string())
            }
            (_, value) if value.kind() == kind => value,
            (_, value) => {
                return Err(format!("{} is of type {}, not {kind}", value, value.kind()));
            }
        })
    }
}

/// One value as it will be stored; or why it cannot be.
pub(super) fn fitted(schema: Option<&Schema>, name: &str, value: Value) -> Result<Value, String> {
    if name.is_empty() || name.len() > MAX_ATTRIBUTE_TEXT {
        return Err(format!("a name has 1 to {MAX_ATTRIBUTE_TEXT} bytes"));
    }
    let value = match schema {
        Some(schema) => schema.fit(name, value)?,
        None => value,
    };
    value.check().map(|()| value)
}

pub(super) fn to_bytes(attributes: &Attributes) -> Result<Vec<u8>, String> {
    let bytes = serde_json::to_vec(attributes).map_err(|error| error.to_string())?;
    match bytes.len() {
        0..=MAX_ATTRIBUTES => Ok(bytes),
        len => Err(format!("{len} bytes are more than the {MAX_ATTRIBUTES} of one row")),
    }
}

pub(super) fn from_bytes(bytes: &[u8]) -> Option<Attributes> {
    serde_json::from_slice(bytes).ok()
}
