//! Filters: which rows a search may return, by their attributes.

use super::{
    attributes::{Attributes, Kind, Schema, Value},
    number::Number,
    time,
};
use std::{cmp::Ordering, fmt, ops};

/// A condition on a row's attributes.
///
/// As text: comparisons `= != < <= > >=` of an attribute with a number, a `"text"`, `true` or `false`;
/// `field IN (a, b)`; `tags CONTAINS "simd"`; `field IS NULL`, `field IS NOT NULL`; joined by `NOT`, `AND`, `OR`
/// (in this order of strength) and parentheses. Words may be written small. A name that is no plain word stands
/// in `` `back quotes` ``.
///
/// A comparison holds only where the attribute is there and is comparable: numbers with numbers, texts with
/// texts (by bytes), times with texts of RFC 3339 (without an offset in UTC; a date means its midnight). Nothing
/// is unknown: `NOT` of a comparison holds for all other rows, those without the attribute among them.
///
/// ```
/// # #[cfg(feature = "collection")] {
/// use crinoid_pipeline::collection::{Comparison, FilterExpr};
///
/// let filter: FilterExpr = r#"lang = "rust" AND stars > 10 AND tags CONTAINS "simd""#.parse()?;
/// assert_eq!(filter.to_string(), r#"lang = "rust" AND stars > 10 AND tags CONTAINS "simd""#);
/// let error = r#"lang = "rust" AND stars >"#.parse::<FilterExpr>().unwrap_err();
/// assert_eq!(error.at, 25);
///
/// let same = FilterExpr::equal("lang", "rust")
///     & FilterExpr::compare("stars", Comparison::More, 10)
///     & FilterExpr::contains("tags", "simd");
/// assert_eq!(same.to_string(), filter.to_string());
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FilterExpr {
    /// All of these hold.
    And(Vec<FilterExpr>),
    /// One of these holds.
    Or(Vec<FilterExpr>),
    /// This does not hold.
    Not(Box<FilterExpr>),
    /// An attribute compares so with a value.
    Compare {
        /// The attribute.
        field: String,
        /// How.
        op: Comparison,
        /// With what.
        value: Literal,
    },
    /// An attribute equals one of these.
    In {
        /// The attribute.
        field: String,
        /// The values.
        values: Vec<Literal>,
    },
    /// A list has this element.
    Contains {
        /// The attribute.
        field: String,
        /// The element.
        element: String,
    },
    /// There is no such attribute, of whatever type.
    IsNull {
        /// The attribute.
        field: String,
    },
}

/// A way to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// A value in a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Yes or no.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number; finite.
    Float(f64),
    /// A text, or a time of RFC 3339.
    Text(String),
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Literal::Bool(value)
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Literal::Int(value)
    }
}

impl From<i32> for Literal {
    fn from(value: i32) -> Self {
        Literal::Int(value.into())
    }
}

impl From<f64> for Literal {
    fn from(value: f64) -> Self {
        Literal::Float(value)
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Literal::Text(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Literal::Text(text)
    }
}

impl FilterExpr {
    /// `field op value`.
    pub fn compare(field: impl Into<String>, op: Comparison, value: impl Into<Literal>) -> Self {
        FilterExpr::Compare { field: field.into(), op, value: value.into() }
    }

    /// `field = value`.
    pub fn equal(field: impl Into<String>, value: impl Into<Literal>) -> Self {
        Self::compare(field, Comparison::Equal, value)
    }

    /// `field IN (values)`.
    pub fn one_of<L: Into<Literal>>(
        field: impl Into<String>,
        values: impl IntoIterator<Item = L>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        FilterExpr::In { field: field.into(), values }
    }

    /// `field CONTAINS element`.
    pub fn contains(field: impl Into<String>, element: impl Into<String>) -> Self {
        FilterExpr::Contains { field: field.into(), element: element.into() }
    }

    /// `field IS NULL`.
    pub fn is_null(field: impl Into<String>) -> Self {
        FilterExpr::IsNull { field: field.into() }
    }

    /// Whether a row with these attributes is admitted.
    pub fn admits(&self, attributes: &Attributes) -> bool {
        match self {
            FilterExpr::And(parts) => parts.iter().all(|part| part.admits(attributes)),
            FilterExpr::Or(parts) => parts.iter().any(|part| part.admits(attributes)),
            FilterExpr::Not(part) => !part.admits(attributes),
            FilterExpr::Compare { field, op, value } => attributes
                .get(field)
                .and_then(|there| order(there, value))
                .is_some_and(|order| op.holds(order)),
            FilterExpr::In { field, values } => attributes
                .get(field)
                .is_some_and(|there| values.iter().any(|value| order(there, value) == EQUAL)),
            FilterExpr::Contains { field, element } => match attributes.get(field) {
                Some(Value::List(elements)) => elements.contains(element),
                _ => false,
            },
            FilterExpr::IsNull { field } => !attributes.contains_key(field),
        }
    }

    /// Checks that the attributes are those of a schema, and can be compared with what they are compared with;
    /// else which cannot, and why.
    pub(super) fn check(&self, schema: &Schema) -> Result<(), (String, String)> {
        let (field, fits): (&String, &dyn Fn(Kind) -> Result<(), String>) = match self {
            FilterExpr::And(parts) | FilterExpr::Or(parts) => {
                return parts.iter().try_for_each(|part| part.check(schema));
            }
            FilterExpr::Not(part) => return part.check(schema),
            FilterExpr::Compare { field, value, .. } => (field, &|kind| value.fits(kind)),
            FilterExpr::In { field, values } => {
                (field, &|kind| values.iter().try_for_each(|value| value.fits(kind)))
            }
            FilterExpr::Contains { field, .. } => (field, &|kind| match kind {
                Kind::List => Ok(()),
                kind => Err(format!("it is of type {kind}, and only lists contain something")),
            }),
            FilterExpr::IsNull { field } => (field, &|_| Ok(())),
        };
        schema.kind(field).and_then(fits).map_err(|why| (field.clone(), why))
    }
}

impl ops::BitAnd for FilterExpr {
    type Output = Self;

    /// Both hold.
    fn bitand(self, other: Self) -> Self {
        match self {
            FilterExpr::And(mut parts) => {
                parts.push(other);
                FilterExpr::And(parts)
            }
            first => FilterExpr::And(vec![first, other]),
        }
    }
}

impl ops::BitOr for FilterExpr {
    type Output = Self;

    /// One of the two holds.
    fn bitor(self, other: Self) -> Self {
        match self {
            FilterExpr::Or(mut parts) => {
                parts.push(other);
                FilterExpr::Or(parts)
            }
            first => FilterExpr::Or(vec![first, other]),
        }
    }
}

impl ops::Not for FilterExpr {
    type Output = Self;

    /// It does not hold.
    fn not(self) -> Self {
        match self {
            FilterExpr::Not(part) => *part,
            part => FilterExpr::Not(Box::new(part)),
        }
    }
}

const EQUAL: Option<Ordering> = Some(Ordering::Equal);

/// A value against a literal, where they can be compared.
fn order(there: &Value, literal: &Literal) -> Option<Ordering> {
    match (there, literal) {
        (Value::Bool(there), Literal::Bool(value)) => Some(there.cmp(value)),
        (Value::Text(there), Literal::Text(text)) => Some(there.as_str().cmp(text)),
        (Value::Time(there), Literal::Text(text)) => Some(there.cmp(&time::parse(text)?)),
        (there, literal) => Some(there.number()?.cmp(&literal.number()?)),
    }
}

impl Value {
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Value::Int(int) => Some(Number::Int(*int)),
            Value::Float(float) => Number::of(*float),
            _ => None,
        }
    }
}

impl Literal {
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Literal::Int(int) => Some(Number::Int(*int)),
            Literal::Float(float) => Number::of(*float),
            _ => None,
        }
    }

    /// Whether attributes of this type can be compared with it; else why not.
    fn fits(&self, kind: Kind) -> Result<(), String> {
        let fits = match (self, kind) {
            (Literal::Bool(_), Kind::Bool) | (Literal::Text(_), Kind::Text) => true,
            (Literal::Text(text), Kind::Time) => time::parse(text).is_some(),
            (_, Kind::Int | Kind::Float) => self.number().is_some(),
            _ => false,
        };
        let hint = match kind {
            Kind::List => ": lists CONTAIN",
            Kind::Json => ": JSON is only kept",
            Kind::Time => ": times are texts of RFC 3339, \"2026-11-30T09:00:00Z\"",
            _ => "",
        };
        if fits {
            Ok(())
        } else {
            Err(format!("it is of type {kind}, not to be compared with {self}{hint}"))
        }
    }
}

impl Comparison {
    /// Whether what is there compares so, being `order` of the value.
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::AtMost => order.is_le(),
            Comparison::More => order.is_gt(),
            Comparison::AtLeast => order.is_ge(),
        }
    }
}

/// A text that is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter, at byte {at}: {message}")]
pub struct FilterError {
    /// Where in the text reading stopped, in bytes.
    pub at: usize,
    /// What was expected there.
    pub message: String,
}

/// Words that no attribute can be called by without quotes.
const RESERVED: [&str; 9] = ["and", "or", "not", "in", "contains", "is", "null", "true", "false"];

/// Whether a name needs no quotes.
pub(super) fn is_plain(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let other = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.starts_with(first)
        && name.chars().all(other)
        && !RESERVED.iter().any(|word| name.eq_ignore_ascii_case(word))
}

struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match is_plain(self.0) {
            true => f.write_str(self.0),
            false => write!(f, "`{}`", self.0.replace('`', "``")),
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Bool(value) => value.fmt(f),
            Literal::Int(value) => value.fmt(f),
            // With a point or an exponent, so that it stays what it is.
            Literal::Float(value) => write!(f, "{value:?}"),
            Literal::Text(text) => Quoted(text).fmt(f),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::More => ">",
            Comparison::AtLeast => ">=",
        })
    }
}

impl fmt::Display for FilterExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[FilterExpr], word: &str| {
            for (place, part) in parts.iter().enumerate() {
                f.write_str(if place > 0 { word } else { "" })?;
                match part {
                    FilterExpr::And(_) | FilterExpr::Or(_) => write!(f, "({part})")?,
                    part => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            FilterExpr::And(parts) => joined(f, parts, " AND "),
            FilterExpr::Or(parts) => joined(f, parts, " OR "),
            FilterExpr::Not(part) => match &**part {
                FilterExpr::IsNull { field } => write!(f, "{} IS NOT NULL", Name(field)),
                FilterExpr::And(_) | FilterExpr::Or(_) => write!(f, "NOT ({part})"),
                part => write!(f, "NOT {part}"),
            },
            FilterExpr::Compare { field, op, value } => write!(f, "{} {op} {value}", Name(field)),
            FilterExpr::In { field, values } => {
                write!(f, "{} IN (", Name(field))?;
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if place > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            FilterExpr::Contains { field, element } => {
                write!(f, "{} CONTAINS {}", Name(field), Quoted(element))
            }
            FilterExpr::IsNull { field } => write!(f, "{} IS NULL", Name(field)),
        }
    }
}
