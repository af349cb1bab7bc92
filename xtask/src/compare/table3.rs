//! Table 3: every configuration, every system, and ours over the best peer.

use super::OURS;
use crate::tables;
use comfy_table::Table;
use crinoid_eval::{
    measure::{Participant, Standing},
    report::{Better, Delta, ResultFile, Unit},
    reward::LEVELS,
    stats::{Interval, student_mean},
};

/// Ours over the best peer in one column of Table 3.
pub(super) struct Ratio {
    quantity: String,
    peer: String,
    theirs: f64,
    ours: f64,
    /// Of the logarithm of the ratio, over the rounds.
    change: Option<Interval>,
}

impl Ratio {
    pub(super) fn delta(&self) -> Delta {
        let relative = |interval: Interval| interval.map(f64::exp).map(|ratio| ratio - 1.0);
        Delta {
            quantity: format!("{}, against {}", self.quantity, self.peer),
            measure: "qps".to_owned(),
            baseline: Some(self.theirs),
            candidate: Some(self.ours),
            unit: Unit::Ratio,
            better: Better::Higher,
            change: self.change.map(relative),
            ..Delta::default()
        }
    }
}

/// The columns of Table 3: the four recalls, the reward and the area above it.
const COLUMNS: [&str; 6] =
    ["QPS at 0.90", "QPS at 0.95", "QPS at 0.99", "QPS at 0.999", "reward", "0.95 to 0.999"];

fn column(row: &Standing, column: usize) -> Option<f64> {
    let areas = [row.reward, row.high];
    row.speeds.iter().chain(&areas).copied().nth(column).flatten()
}

/// Ours over the best peer in each column; `None` where one of them has no number.
pub(super) fn ratios(rows: &[Standing], rounds: &[Vec<Standing>]) -> Vec<Option<Ratio>> {
    let of = |rows: &[Standing], system: &str, at: usize| {
        column(rows.iter().find(|row| row.system == system)?, at)
    };
    let ratio = |at: usize| {
        let ours = of(rows, OURS, at)?;
        let peers = rows.iter().filter(|row| row.system != OURS);
        let (peer, theirs) = peers
            .filter_map(|row| Some((&row.system, column(row, at)?)))
            .max_by(|a, b| a.1.total_cmp(&b.1))?;
        let logs: Vec<f64> = rounds
            .iter()
            .filter_map(|rows| Some((of(rows, OURS, at)? / of(rows, peer, at)?).ln()))
            .collect();
        let change = student_mean(&logs, 0.95).ok();
        Some(Ratio { quantity: COLUMNS[at].to_owned(), peer: peer.clone(), theirs, ours, change })
    };
    (0..COLUMNS.len()).map(ratio).collect()
}

pub(super) fn configurations_table(result: &ResultFile, participants: &[Participant<'_>]) -> Table {
    let mut header = vec!["configuration".to_owned()];
    header.extend(LEVELS.map(|level| format!("QPS {level}")));
    header.extend(LEVELS.map(|level| format!("eval. {level}")));
    header.extend(["best recall", "build s", "MB"].map(str::to_owned));
    let mut table = tables::numbers(header);
    for (subject, participant) in result.subjects.iter().zip(participants) {
        let chose = subject.chose.iter().map(|chose| format!(": {chose}"));
        let mut row = vec![std::iter::once(subject.label.clone()).chain(chose).collect()];
        row.extend(subject.levels.iter().map(|level| number(level.qps)));
        row.extend(subject.levels.iter().map(|level| number(level.distances)));
        let best = participant.speeds().recalls.iter().copied().fold(0.0, f64::max);
        row.push(format!("{best:.4}"));
        row.push(format!("{:.1}", subject.build_seconds));
        row.push(format!("{:.0}", subject.bytes as f64 / 1e6));
        table.add_row(row);
    }
    table
}

pub(super) fn standings_table(rows: &[Standing], ratios: &[Option<Ratio>]) -> Table {
    let mut table = tables::numbers(std::iter::once("system").chain(COLUMNS));
    for row in rows {
        let cells = (0..COLUMNS.len()).map(|at| number(column(row, at)));
        table.add_row(std::iter::once(row.system.clone()).chain(cells));
    }
    let ratio = |ratio: &Option<Ratio>| {
        ratio.as_ref().map_or_else(|| "-".to_owned(), |r| format!("{:.2}x", r.ours / r.theirs))
    };
    if ratios.iter().any(Option::is_some) {
        let cells = ratios.iter().map(ratio);
        table.add_row(std::iter::once("ours / best peer".to_owned()).chain(cells));
    }
    table
}

/// A rounded number, a dash for none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_to_the_best_peer_of_each_column() {
        let row = |system: &str, speeds, reward| Standing {
            system: system.to_owned(),
            speeds,
            reward,
            high: None,
        };
        let rows = [
            row(OURS, [Some(8.0), Some(6.0), Some(4.0), None], Some(7.0)),
            row("a", [Some(4.0), Some(3.0), None, Some(1.0)], Some(3.0)),
            row("b", [Some(2.0), Some(5.0), None, None], None),
        ];
        let ratios = ratios(&rows, &[]);
        let of = |at: usize| ratios[at].as_ref().map(|r| (r.peer.as_str(), r.ours / r.theirs));
        assert_eq!(of(0), Some(("a", 2.0)));
        assert_eq!(of(1), Some(("b", 1.2)));
        assert_eq!((of(2), of(3)), (None, None));
        assert_eq!(of(4), Some(("a", 7.0 / 3.0)));
    }
}
