//! Attributes by value: which rows of a part have which value, so that a filter looks at values and not at
//! rows.

use super::{
    attributes::{Attributes, Value},
    expression::{Comparison, FilterExpr, Literal},
    number::Number,
    time,
};
use roaring::{MultiOps, RoaringBitmap};
use std::{
    borrow::Borrow,
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
    sync::Arc,
};

/// The rows that have one value. Most values of a column of numbers or names stand in one row.
#[derive(Clone, Debug, PartialEq)]
enum Postings {
    One(u32),
    Many(RoaringBitmap),
}

impl Postings {
    fn insert(&mut self, place: u32) {
        match self {
            // A list may name an element twice.
            Postings::One(one) if *one == place => {}
            Postings::One(one) => *self = Postings::Many([*one, place].into_iter().collect()),
            Postings::Many(places) => {
                places.insert(place);
            }
        }
    }

    fn places(&self) -> impl Iterator<Item = u32> + '_ {
        let (one, many) = match self {
            Postings::One(one) => (Some(*one), None),
            Postings::Many(many) => (None, Some(many.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// Values in order, and the rows of each.
#[derive(Clone, Debug, PartialEq)]
struct Inverted<K>(BTreeMap<K, Postings>);

impl<K> Default for Inverted<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Inverted<K> {
    fn insert(&mut self, value: K, place: u32) {
        let insert = |postings: &mut Postings| postings.insert(place);
        self.0.entry(value).and_modify(insert).or_insert(Postings::One(place));
    }

    /// The rows whose value compares so with `value`.
    fn rows<Q: Ord + ?Sized>(&self, op: Comparison, value: &Q) -> RoaringBitmap
    where
        K: Borrow<Q>,
    {
        let below = (Unbounded, Excluded(value));
        let above = (Excluded(value), Unbounded);
        match op {
            Comparison::Equal => union(self.0.get(value)),
            Comparison::Less => union(self.0.range::<Q, _>(below).map(|entry| entry.1)),
            Comparison::More => union(self.0.range::<Q, _>(above).map(|entry| entry.1)),
            Comparison::AtMost => {
                let range = (Unbounded, Included(value));
                union(self.0.range::<Q, _>(range).map(|entry| entry.1))
            }
            Comparison::AtLeast => {
                let range = (Included(value), Unbounded);
                union(self.0.range::<Q, _>(range).map(|entry| entry.1))
            }
            Comparison::NotEqual => {
                let others = self.0.range::<Q, _>(below).chain(self.0.range::<Q, _>(above));
                union(others.map(|entry| entry.1))
            }
        }
    }

    /// Takes over the rows of another, as `moved` numbers them here.
    fn gather(&mut self, other: &Self, moved: impl Fn(u32) -> Option<u32>) {
        for (value, postings) in &other.0 {
            for place in postings.places().filter_map(&moved) {
                self.insert(value.clone(), place);
            }
        }
    }
}

fn union<'a>(postings: impl IntoIterator<Item = &'a Postings>) -> RoaringBitmap {
    let (mut ones, mut many) = (Vec::new(), Vec::new());
    for postings in postings {
        match postings {
            Postings::One(one) => ones.push(*one),
            Postings::Many(places) => many.push(places),
        }
    }
    ones.sort_unstable();
    let ones: RoaringBitmap = ones.into_iter().collect();
    match many.is_empty() {
        true => ones,
        false => many.into_iter().chain([&ones]).union(),
    }
}

/// The values of one attribute, by type.
#[derive(Clone, Debug, Default, PartialEq)]
struct Column {
    /// The rows that have a value, of whatever type.
    present: RoaringBitmap,
    flags: Inverted<bool>,
    numbers: Inverted<Number>,
    times: Inverted<i64>,
    texts: Inverted<Box<str>>,
    /// The elements of lists.
    tags: Inverted<Box<str>>,
}

impl Column {
    fn insert(&mut self, place: u32, value: &Value) {
        self.present.insert(place);
        match value {
            Value::Bool(flag) => self.flags.insert(*flag, place),
            Value::Int(_) | Value::Float(_) => {
                if let Some(number) = value.number() {
                    self.numbers.insert(number, place);
                }
            }
            Value::Time(micros) => self.times.insert(*micros, place),
            Value::Text(text) => self.texts.insert(text.as_str().into(), place),
            Value::List(elements) => {
                elements.iter().for_each(|tag| self.tags.insert(tag.as_str().into(), place));
            }
            Value::Json(_) => {}
        }
    }

    fn gather(&mut self, other: &Self, moved: &impl Fn(u32) -> Option<u32>) {
        self.present.extend(other.present.iter().filter_map(moved));
        self.flags.gather(&other.flags, moved);
        self.numbers.gather(&other.numbers, moved);
        self.times.gather(&other.times, moved);
        self.texts.gather(&other.texts, moved);
        self.tags.gather(&other.tags, moved);
    }

    /// The rows whose value compares so with a literal.
    fn rows(&self, op: Comparison, literal: &Literal) -> RoaringBitmap {
        match literal {
            Literal::Bool(flag) => self.flags.rows(op, flag),
            Literal::Int(_) | Literal::Float(_) => match literal.number() {
                Some(number) => self.numbers.rows(op, &number),
                None => RoaringBitmap::new(),
            },
            Literal::Text(text) => {
                let texts = self.texts.rows(op, text.as_str());
                match time::parse(text).filter(|_| !self.times.0.is_empty()) {
                    Some(micros) => texts | self.times.rows(op, &micros),
                    None => texts,
                }
            }
        }
    }
}

/// The attributes of some rows, by value. Rows are numbered by their place in the part.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Columns(BTreeMap<Box<str>, Column>);

impl Columns {
    pub(super) fn insert(&mut self, place: u32, attributes: &Attributes) {
        for (name, value) in attributes {
            if !self.0.contains_key(name.as_str()) {
                self.0.insert(name.as_str().into(), Column::default());
            }
            if let Some(column) = self.0.get_mut(name.as_str()) {
                column.insert(place, value);
            }
        }
    }

    /// Takes over the rows of another, as `moved` numbers them here; those that it does not number are left.
    fn gather(&mut self, other: &Self, moved: impl Fn(u32) -> Option<u32>) {
        for (name, column) in &other.0 {
            let mine = self.0.entry(name.clone()).or_default();
            mine.gather(column, &moved);
            if mine.present.is_empty() {
                self.0.remove(name);
            }
        }
    }

    /// The rows that `filter` admits, of `len`.
    fn admitted(&self, filter: &FilterExpr, len: u32) -> RoaringBitmap {
        let all = || {
            let mut all = RoaringBitmap::new();
            all.insert_range(0..len);
            all
        };
        match filter {
            FilterExpr::And(parts) => {
                let mut parts = parts.iter();
                let mut rows = match parts.next() {
                    Some(first) => self.admitted(first, len),
                    None => return all(),
                };
                for part in parts {
                    if rows.is_empty() {
                        break;
                    }
                    rows &= self.admitted(part, len);
                }
                rows
            }
            FilterExpr::Or(parts) => {
                let mut rows = RoaringBitmap::new();
                parts.iter().for_each(|part| rows |= self.admitted(part, len));
                rows
            }
            FilterExpr::Not(part) => all() - self.admitted(part, len),
            FilterExpr::Compare { field, op, value } => match self.0.get(field.as_str()) {
                Some(column) => column.rows(*op, value),
                None => RoaringBitmap::new(),
            },
            FilterExpr::In { field, values } => {
                let mut rows = RoaringBitmap::new();
                if let Some(column) = self.0.get(field.as_str()) {
                    values.iter().for_each(|value| rows |= column.rows(Comparison::Equal, value));
                }
                rows
            }
            FilterExpr::Contains { field, element } => match self.0.get(field.as_str()) {
                Some(column) => column.tags.rows(Comparison::Equal, element.as_str()),
                None => RoaringBitmap::new(),
            },
            FilterExpr::IsNull { field } => match self.0.get(field.as_str()) {
                Some(column) => all() - &column.present,
                None => all(),
            },
        }
    }
}

/// How many changed rows stand beside the columns at least before the columns are made anew, and the share of
/// all rows from which on they are.
const CHANGED: usize = 1_024;
const CHANGED_SHARE: usize = 64;

/// The attributes of a part's rows: by value as they were when the part was made, and the rows whose attributes
/// changed since. Cloning shares both.
#[derive(Clone, Default)]
pub(super) struct Described {
    columns: Arc<Columns>,
    changed: Arc<BTreeMap<u32, Arc<Attributes>>>,
}

impl Described {
    pub(super) fn new(columns: Columns) -> Self {
        Self { columns: Arc::new(columns), changed: Arc::default() }
    }

    /// The rows of other parts together, each as `moved` numbers it here.
    pub(super) fn gathered<'a>(
        parts: impl Iterator<Item = (&'a Self, impl Fn(u32) -> Option<u32>)>,
    ) -> Self {
        let mut columns = Columns::default();
        for (part, moved) in parts {
            let unchanged = |place: u32| match part.changed.contains_key(&place) {
                true => None,
                false => moved(place),
            };
            columns.gather(&part.columns, unchanged);
            for (place, attributes) in part.changed.iter() {
                if let Some(place) = moved(*place) {
                    columns.insert(place, attributes);
                }
            }
        }
        Self::new(columns)
    }

    /// The row at `place`, of `len`, has these attributes from now on. Where there are many changes by now and
    /// `settle` allows it, the columns are made anew.
    pub(super) fn change(
        &mut self,
        place: u32,
        attributes: Arc<Attributes>,
        len: usize,
        settle: bool,
    ) {
        Arc::make_mut(&mut self.changed).insert(place, attributes);
        if settle && self.changed.len() > CHANGED.max(len / CHANGED_SHARE) {
            *self = Self::gathered([(&*self, Some)].into_iter());
        }
    }

    /// The rows that changed since the columns were made.
    pub(super) fn changed(&self) -> impl Iterator<Item = (u32, &Arc<Attributes>)> {
        self.changed.iter().map(|(place, attributes)| (*place, attributes))
    }

    /// The rows that `filter` admits, of `len`.
    pub(super) fn admitted(&self, filter: &FilterExpr, len: u32) -> RoaringBitmap {
        let mut rows = self.columns.admitted(filter, len);
        for (place, attributes) in self.changed.iter() {
            match filter.admits(attributes) {
                true => rows.insert(*place),
                false => rows.remove(*place),
            };
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    pub(crate) fn value() -> impl Strategy<Value = Value> {
        let time = "2026-11-30T12:00:00Z";
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            (-3i64..4).prop_map(Value::Int),
            (-6i32..7).prop_map(|half| Value::Float(f64::from(half) / 2.0)),
            "[ab]{0,2}".prop_map(Value::Text),
            Just(Value::time(time).unwrap()),
            (-2i64..2).prop_map(|day| Value::Time(day * 86_400_000_000)),
            vec("[ab]", 0..3).prop_map(Value::List),
            Just(Value::Json("{}".to_owned())),
        ]
    }

    fn attributes() -> impl Strategy<Value = Attributes> {
        vec(("[xyz]", value()), 0..3).prop_map(|entries| entries.into_iter().collect())
    }

    fn literal() -> impl Strategy<Value = Literal> {
        prop_oneof![
            any::<bool>().prop_map(Literal::Bool),
            (-3i64..4).prop_map(Literal::Int),
            (-6i32..7).prop_map(|half| Literal::Float(f64::from(half) / 2.0)),
            "[ab]{0,2}".prop_map(Literal::Text),
            Just(Literal::Text("2026-11-30T13:00:00+01:00".to_owned())),
            Just(Literal::Text("1970-01-01".to_owned())),
            Just(Literal::Float(f64::NAN)),
        ]
    }

    fn filter() -> impl Strategy<Value = FilterExpr> {
        let op = prop::sample::select(vec![
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Less,
            Comparison::AtMost,
            Comparison::More,
            Comparison::AtLeast,
        ]);
        let leaf = prop_oneof![
            4 => ("[xyzw]", op, literal()).prop_map(|(field, op, value)| FilterExpr::Compare { field, op, value }),
            1 => ("[xyz]", vec(literal(), 0..3)).prop_map(|(field, values)| FilterExpr::In { field, values }),
            1 => ("[xyz]", "[ab]").prop_map(|(field, element)| FilterExpr::Contains { field, element }),
            1 => "[xyzw]".prop_map(FilterExpr::is_null),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(FilterExpr::And),
                vec(inner.clone(), 0..3).prop_map(FilterExpr::Or),
                inner.prop_map(|part| FilterExpr::Not(Box::new(part))),
            ]
        })
    }

    fn of(rows: &[Attributes]) -> Columns {
        let mut columns = Columns::default();
        rows.iter().zip(0..).for_each(|(attributes, place)| columns.insert(place, attributes));
        columns
    }

    proptest! {
        #[test]
        fn looking_at_values_finds_what_looking_at_rows_does(
            mut rows in vec(attributes(), 0..20),
            changes in vec((any::<prop::sample::Index>(), attributes()), 0..6),
            filters in vec(filter(), 1..4),
        ) {
            let mut described = Described::new(of(&rows));
            for (at, attributes) in changes {
                if !rows.is_empty() {
                    let at = at.index(rows.len());
                    rows[at] = attributes.clone();
                    described.change(at as u32, Arc::new(attributes), rows.len(), true);
                }
            }
            let again = Described::gathered([(&described, Some)].into_iter());
            prop_assert_eq!(&*again.columns, &of(&rows));
            // Two parts of every other row, the last first.
            let len = rows.len() as u32;
            let half = |odd: u32| move |place: u32| (place % 2 == odd).then(|| len - 1 - place);
            let turned = Described::gathered([(&described, half(0)), (&described, half(1))].into_iter());
            for filter in filters {
                let truth: RoaringBitmap =
                    (0..len).filter(|&row| filter.admits(&rows[row as usize])).collect();
                for described in [&described, &again] {
                    prop_assert_eq!(&described.admitted(&filter, len), &truth, "{}", filter);
                }
                let turned = turned.admitted(&filter, len);
                prop_assert_eq!(turned, truth.iter().map(|row| len - 1 - row).collect(), "{}", filter);
            }
        }
    }

    #[test]
    fn many_changes_become_columns() {
        let row = |value: i64| Attributes::from([("x".to_owned(), Value::Int(value))]);
        let mut described = Described::new(of(&[row(0), row(1)]));
        let mut most = 0;
        for place in 0..3_000u32 {
            described.change(place % 2_000, Arc::new(row(i64::from(place))), 2_000, true);
            most = most.max(described.changed.len());
        }
        assert!(most == CHANGED && described.changed.len() < CHANGED);
        let filter = FilterExpr::compare("x", Comparison::AtLeast, 1_000);
        assert_eq!(described.admitted(&filter, 2_000).len(), 2_000);
        for place in 0..2_000 {
            described.change(place, Arc::new(row(7)), 2_000, false);
        }
        assert_eq!(described.changed().count(), 2_000);
    }
}
