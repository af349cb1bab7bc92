//! Sets of ids, and the conditions that name them.

use datafusion::{
    logical_expr::{BinaryExpr, Expr, Operator},
    scalar::ScalarValue,
};
use std::{cmp::Ordering, ops::RangeInclusive};

/// A set of ids, as ranges: what conditions on `id` name, in which a billion ids may be one range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdSet {
    /// Ascending, and apart: between two of them are ids that are not in the set.
    ranges: Vec<RangeInclusive<u64>>,
}

impl From<RangeInclusive<u64>> for IdSet {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self::from_ranges([range])
    }
}

impl FromIterator<u64> for IdSet {
    fn from_iter<I: IntoIterator<Item = u64>>(ids: I) -> Self {
        Self::from_ranges(ids.into_iter().map(|id| id..=id))
    }
}

impl IdSet {
    /// What is in any of these ranges.
    pub fn from_ranges(ranges: impl IntoIterator<Item = RangeInclusive<u64>>) -> Self {
        let mut all: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        all.sort_unstable_by_key(|range| *range.start());
        let mut ranges: Vec<RangeInclusive<u64>> = Vec::with_capacity(all.len());
        for next in all {
            match ranges.last_mut() {
                Some(last) if *next.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(next.end());
                }
                _ => ranges.push(next),
            }
        }
        Self { ranges }
    }

    /// The ranges, ascending and apart.
    pub fn ranges(&self) -> &[RangeInclusive<u64>] {
        &self.ranges
    }

    /// Whether `id` is in it. Logarithmic in the number of ranges.
    pub fn contains(&self, id: u64) -> bool {
        let place =
            self.ranges.binary_search_by(|range| match (id < *range.start(), id > *range.end()) {
                (true, _) => Ordering::Greater,
                (_, true) => Ordering::Less,
                _ => Ordering::Equal,
            });
        place.is_ok()
    }

    /// What is in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::from_ranges(self.ranges.into_iter().chain(other.ranges))
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        // What is not (outside of one or of the other).
        self.not().or(other.not()).not()
    }

    /// What is not in it.
    #[must_use]
    pub fn not(self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len() + 1);
        let mut from = Some(0);
        for range in &self.ranges {
            if let Some(from) = from.filter(|from| from < range.start()) {
                ranges.push(from..=range.start() - 1);
            }
            from = range.end().checked_add(1);
        }
        ranges.extend(from.map(|from| from..=u64::MAX));
        Self { ranges }
    }

    /// The ids that a condition admits, where it says nothing but which ids: comparisons of `id` with numbers, `BETWEEN`,
    /// `IN`, and these with `AND`, `OR` and `NOT`.
    pub(crate) fn of(condition: &Expr) -> Option<Self> {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Some(Self::of(left)?.and(Self::of(right)?))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Some(Self::of(left)?.or(Self::of(right)?))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match is_id(left) {
                true => compared(*op, number(right)?),
                false if is_id(right) => compared(op.swap()?, number(left)?),
                false => None,
            },
            Expr::Not(inner) => Some(Self::of(inner)?.not()),
            Expr::Between(between) if is_id(&between.expr) => {
                let from = compared(Operator::GtEq, number(&between.low)?)?;
                let set = from.and(compared(Operator::LtEq, number(&between.high)?)?);
                Some(if between.negated { set.not() } else { set })
            }
            Expr::InList(list) if is_id(&list.expr) => {
                let ids: Option<Vec<i128>> = list.list.iter().map(number).collect();
                // A number that is no id is that of no row.
                let set =
                    ids?.into_iter().filter_map(|id| u64::try_from(id).ok()).collect::<Self>();
                Some(if list.negated { set.not() } else { set })
            }
            _ => None,
        }
    }
}

/// The ids for which `id op number` holds; the number may be one that no id can be.
fn compared(op: Operator, number: i128) -> Option<IdSet> {
    let below = |end: i128| match u64::try_from(end.min(i128::from(u64::MAX))) {
        Ok(end) => (0..=end).into(),
        Err(_) => IdSet::default(),
    };
    Some(match op {
        Operator::Eq => u64::try_from(number).into_iter().collect(),
        Operator::NotEq => u64::try_from(number).into_iter().collect::<IdSet>().not(),
        Operator::LtEq => below(number),
        Operator::Lt => below(number.saturating_sub(1)),
        Operator::Gt => below(number).not(),
        Operator::GtEq => below(number.saturating_sub(1)).not(),
        _ => return None,
    })
}

/// The column `id`; also as decimals, which all ids fit into: so they are compared with numbers below 0.
fn is_id(expr: &Expr) -> bool {
    use datafusion::arrow::datatypes::DataType::Decimal128;
    match expr {
        Expr::Column(column) => column.name == "id",
        Expr::Cast(cast) => {
            matches!(cast.field.data_type(), Decimal128(20.., 0)) && is_id(&cast.expr)
        }
        _ => false,
    }
}

/// A whole number.
fn number(expr: &Expr) -> Option<i128> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::Int8(value) => value.map(i128::from),
        ScalarValue::Int16(value) => value.map(i128::from),
        ScalarValue::Int32(value) => value.map(i128::from),
        ScalarValue::Int64(value) => value.map(i128::from),
        ScalarValue::UInt8(value) => value.map(i128::from),
        ScalarValue::UInt16(value) => value.map(i128::from),
        ScalarValue::UInt32(value) => value.map(i128::from),
        ScalarValue::UInt64(value) => value.map(i128::from),
        ScalarValue::Decimal128(value, _, 0) => *value,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::{col, lit};

    /// Ids around which conditions change their minds.
    const PROBES: [u64; 11] = [0, 1, 4, 5, 6, 9, 10, 11, 12, u64::MAX - 1, u64::MAX];

    fn admitted(condition: &Expr) -> Vec<u64> {
        let set = IdSet::of(condition).unwrap_or_else(|| panic!("{condition}"));
        let apart = |pair: &[RangeInclusive<u64>]| pair[0].end() + 1 < *pair[1].start();
        assert!(set.ranges().windows(2).all(apart), "{set:?}");
        PROBES.into_iter().filter(|&id| set.contains(id)).collect()
    }

    #[test]
    fn conditions_admit_what_they_say() {
        type Holds = fn(i128) -> bool;
        let id = || col("id");
        let table: [(Expr, Holds); 19] = [
            (id().eq(lit(5u64)), |id| id == 5),
            (lit(5i32).eq(id()), |id| id == 5),
            (id().not_eq(lit(5i64)), |id| id != 5),
            (id().lt(lit(5u64)), |id| id < 5),
            (id().lt(lit(0u64)), |_| false),
            (id().lt_eq(lit(5u64)), |id| id <= 5),
            (id().gt(lit(5u64)), |id| id > 5),
            (id().gt(lit(u64::MAX)), |_| false),
            (id().gt_eq(lit(u64::MAX)), |id| id == i128::from(u64::MAX)),
            (lit(5u64).lt(id()), |id| id > 5),
            (id().gt(lit(-1i64)), |_| true),
            (id().lt_eq(lit(-1i64)), |_| false),
            (id().eq(lit(-1i64)), |_| false),
            (id().not_eq(lit(-1i64)), |_| true),
            (id().between(lit(5u64), lit(10u64)), |id| (5..=10).contains(&id)),
            (id().not_between(lit(5u64), lit(10u64)), |id| !(5..=10).contains(&id)),
            (id().between(lit(10u64), lit(5u64)), |_| false),
            (id().in_list(vec![lit(5u64), lit(-3i64), lit(11u64)], false), |id| {
                id == 5 || id == 11
            }),
            (id().in_list(vec![lit(5u64), lit(11u64)], true), |id| id != 5 && id != 11),
        ];
        let wanted = |holds: &dyn Fn(i128) -> bool| -> Vec<u64> {
            PROBES.into_iter().filter(|&id| holds(i128::from(id))).collect()
        };
        for (one, holds) in &table {
            assert_eq!(admitted(one), wanted(holds), "{one}");
            let not = Expr::Not(Box::new(one.clone()));
            assert_eq!(admitted(&not), wanted(&|id| !holds(id)), "{not}");
            for (other, too) in &table {
                let both = one.clone().and(other.clone());
                assert_eq!(admitted(&both), wanted(&|id| holds(id) && too(id)), "{both}");
                let either = one.clone().or(other.clone());
                assert_eq!(admitted(&either), wanted(&|id| holds(id) || too(id)), "{either}");
            }
        }
    }

    #[test]
    fn what_is_no_condition_on_ids_alone_is_left_to_others() {
        for other in [
            col("distance").lt(lit(5u64)),
            col("id").lt(lit(5.5)),
            col("id").lt(col("query")),
            col("id").lt(lit(5u64)).or(col("distance").lt(lit(1.0))),
            (col("id") % lit(5u64)).eq(lit(0u64)),
            col("id").lt(lit(ScalarValue::UInt64(None))),
            col("id").in_list(vec![lit(5u64), lit(ScalarValue::UInt64(None))], true),
        ] {
            assert_eq!(IdSet::of(&other), None, "{other}");
        }
    }
}
