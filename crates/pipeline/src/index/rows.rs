//! From nodes back to rows: the last step of every answer.

use super::{Filter, Index};
use crinoid_quant::Neighbor;

/// The distance of a row of zeros under the cosine: a right angle.
const RIGHT_ANGLE: f32 = 2.0;

impl Index {
    /// Whether rows of zeros are welcome under this metric.
    pub(crate) fn keeps_zeros(&self) -> bool {
        self.report.keeps_zeros
    }

    fn is_zero(&self, row: u32) -> bool {
        self.report.zero_rows.binary_search(&row).is_ok()
    }

    /// Turns `answers`, the nearest nodes in ascending order, into all rows that they stand for, at
    /// distances in the units of the vectors that came in, ties by row. Rows of zeros, for which other rows
    /// stand in, are left out. `spare` is working memory.
    pub(crate) fn expand(&self, answers: &mut Vec<Neighbor>, spare: &mut Vec<Neighbor>) {
        if let Some(copies) = self.copies() {
            copies.expand(self.len(), answers, spare);
        }
        if !self.report.zero_rows.is_empty() {
            answers.retain(|near| !self.is_zero(near.id));
        }
        if self.preparation.exponent != 0 {
            answers
                .iter_mut()
                .for_each(|near| near.distance = self.preparation.distance(near.distance));
        }
    }

    /// Turns the nearest nodes into the nearest `k` rows that `filter` admits.
    pub(crate) fn finish(
        &self,
        k: usize,
        filter: Option<&Filter>,
        answers: &mut Vec<Neighbor>,
        spare: &mut Vec<Neighbor>,
    ) {
        let zeros = &self.report.zero_rows;
        match (self.copies(), filter) {
            // More than `k` rows of one node can never be wanted.
            (Some(copies), None) if zeros.is_empty() && self.preparation.exponent == 0 => {
                return copies.expand(k, answers, spare);
            }
            (None, _) if zeros.is_empty() && self.preparation.exponent == 0 => return,
            _ => self.expand(answers, spare),
        }
        if let Some(filter) = filter {
            answers.retain(|near| filter.rows().contains(near.id));
        }
        answers.truncate(k);
        let room = k - answers.partition_point(|near| near.distance < RIGHT_ANGLE);
        if room > 0 && !zeros.is_empty() {
            let admitted = |&&row: &&u32| filter.is_none_or(|filter| filter.rows().contains(row));
            let zeros = zeros.iter().filter(admitted).take(room);
            answers.extend(zeros.map(|&row| Neighbor::new(row, RIGHT_ANGLE)));
            answers
                .sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
            answers.truncate(k);
        }
    }

    /// Appends the rows of zeros.
    pub(crate) fn answer_zero_rows(&self, answers: &mut Vec<Neighbor>) {
        let zeros = self.report.zero_rows.iter();
        answers.extend(zeros.map(|&row| Neighbor::new(row, RIGHT_ANGLE)));
    }

    /// The answer to a query of zeros: all rows are at right angles to it.
    pub(crate) fn answer_zero(
        &self,
        k: usize,
        filter: Option<&Filter>,
        answers: &mut Vec<Neighbor>,
    ) {
        let admitted = |&row: &u32| filter.is_none_or(|filter| filter.rows().contains(row));
        let rows = (0..self.len() as u32).filter(admitted).take(k);
        answers.extend(rows.map(|row| Neighbor::new(row, RIGHT_ANGLE)));
    }
}
