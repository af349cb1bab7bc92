//! A result as text.

use super::{Better, Delta, ResultFile, Unit};
use comfy_table::{CellAlignment, Table, presets};

/// The whole result, to be read in a terminal.
pub fn text(result: &ResultFile) -> String {
    let mut out = String::new();
    let data = &result.data;
    out.push_str(&format!(
        "{}\ndata: {} ({} x {}, {}, {} queries)   machine: {}, {} cores\n",
        result.title,
        data.name,
        data.rows,
        data.dim,
        data.metric,
        data.queries,
        result.machine.cpu,
        result.machine.cores,
    ));
    let settings = &result.settings;
    if settings.rounds > 0 {
        let (rounds, level) = (settings.rounds, settings.level * 100.0);
        out.push_str(&format!(
            "{rounds} interleaved rounds, intervals of speed at {level:.1} %, of quality at 95 %\n"
        ));
    }
    for comparison in result.comparisons.iter().filter(|one| !one.deltas.is_empty()) {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        table.set_header([
            "",
            &comparison.baseline,
            &comparison.candidate,
            "change",
            "interval",
            "",
        ]);
        for delta in &comparison.deltas {
            table.add_row([
                delta.quantity.clone(),
                value(&delta.measure, delta.baseline),
                value(&delta.measure, delta.candidate),
                change(delta),
                interval(delta),
                mark(delta).to_owned(),
            ]);
        }
        for column in 1..5 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        out.push_str(&format!("{table}\n"));
    }
    for note in &result.notes {
        out.push_str(&format!("note: {note}\n"));
    }
    if let Some(verdict) = &result.verdict {
        let (outcome, phase) = (verdict.outcome.words(), verdict.phase);
        out.push_str(&format!("verdict ({phase}): {outcome}\n  {}\n", verdict.summary));
    }
    out
}

/// A value in its unit: `0.9512`, `12,345`, `34.5 µs`, `12.3 MB`.
pub(super) fn value(measure: &str, value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return "-".to_owned() };
    match measure {
        "share" => format!("{value:.4}"),
        "qps" => thousands(value),
        "seconds" if value < 1e-3 => format!("{:.1} µs", value * 1e6),
        "seconds" if value < 1.0 => format!("{:.2} ms", value * 1e3),
        "seconds" => format!("{value:.2} s"),
        "bytes" => format!("{:.1} MB", value / 1e6),
        _ if value < 100.0 => format!("{value:.1}"),
        _ => thousands(value),
    }
}

/// A day in UTC, as `2026-11-21`, of seconds since 1970.
pub(super) fn date(seconds: u64) -> String {
    // Years from March on, in eras of 400 (Hinnant, "chrono-compatible low-level date algorithms").
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A change in points or per cent.
pub(super) fn signed(unit: Unit, change: f64) -> String {
    match unit {
        Unit::Points => format!("{:+.2} pp", change * 100.0),
        Unit::Ratio => format!("{:+.1} %", change * 100.0),
    }
}

pub(super) fn change(delta: &Delta) -> String {
    let plain = || {
        let (a, b) = (delta.baseline?, delta.candidate?);
        (a > 0.0).then(|| signed(Unit::Ratio, b / a - 1.0))
    };
    match delta.change {
        Some(change) => signed(delta.unit, change.estimate),
        None => plain().unwrap_or_else(|| "-".to_owned()),
    }
}

pub(super) fn interval(delta: &Delta) -> String {
    match delta.change {
        Some(_) if delta.exact => "exact".to_owned(),
        Some(change) => {
            let bare = |value: f64| format!("{:+.2}", value * 100.0);
            format!("[{}, {}]", bare(change.low), bare(change.high))
        }
        None => "-".to_owned(),
    }
}

/// Whether a change is surely good or bad.
pub(super) fn mark(delta: &Delta) -> &'static str {
    match (delta.significant(), delta.better) {
        (Some(true), _) => "better",
        (Some(false), _) => "worse",
        (None, Better::Higher | Better::Lower) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (1_709_251_200, "2024-03-01"),
            (1_795_305_599, "2026-11-21"),
            (4_107_542_399, "2100-02-28"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(seconds), day);
        }
    }

    #[test]
    fn values_are_readable() {
        let of = |measure, number| value(measure, Some(number));
        assert_eq!(of("qps", 1_234_567.4), "1,234,567");
        assert_eq!(of("qps", 123.0), "123");
        assert_eq!(of("seconds", 34.5e-6), "34.5 µs");
        assert_eq!(of("seconds", 0.0345), "34.50 ms");
        assert_eq!(of("seconds", 3.456), "3.46 s");
        assert_eq!(of("bytes", 12_340_000.0), "12.3 MB");
        assert_eq!(of("share", 0.95123), "0.9512");
        assert_eq!(of("count", 12.34), "12.3");
        assert_eq!(value("qps", None), "-");
        assert_eq!(value("qps", Some(f64::NAN)), "-");
        assert_eq!(signed(Unit::Points, -0.0123), "-1.23 pp");
        assert_eq!(signed(Unit::Ratio, 0.25), "+25.0 %");
    }
}
