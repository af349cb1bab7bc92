//! Times as texts, and back.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// Microseconds since 1970 that a text of RFC 3339 names: `2026-11-30T09:00:00Z`, with another offset, without
/// one (UTC), or a date alone (its midnight).
pub(super) fn parse(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return Some(time.and_utc().timestamp_micros());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

/// Whether the time lies in a year of four digits.
pub(super) fn is_year(micros: i64) -> bool {
    use chrono::Datelike;
    DateTime::<Utc>::from_timestamp_micros(micros).is_some_and(|t| (0..=9999).contains(&t.year()))
}

/// As RFC 3339 in UTC, with as many digits as it needs.
pub(super) fn print(micros: i64) -> String {
    match DateTime::<Utc>::from_timestamp_micros(micros) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => micros.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_in_the_forms_that_people_write() {
        let noon = 1_796_040_000_000_000;
        for (text, micros) in [
            ("2026-11-30T12:00:00Z", noon),
            ("2026-11-30T13:00:00+01:00", noon),
            ("2026-11-30T12:00:00", noon),
            ("2026-11-30 12:00:00", noon),
            ("2026-11-30T12:00:00.000001Z", noon + 1),
            ("2026-11-30", noon - 12 * 3_600_000_000),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -1_000_000),
        ] {
            assert_eq!(parse(text), Some(micros), "{text}");
        }
        for text in ["", "noon", "2026-13-01", "2026-11-31", "12:00", "2026-11-30T12", "20261130"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(print(noon), "2026-11-30T12:00:00Z");
        assert!(!is_year(i64::MAX) && !is_year(i64::MIN) && is_year(noon));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(micros in -62_167_219_200_000_000i64..253_402_300_800_000_000) {
            prop_assert!(is_year(micros));
            prop_assert_eq!(parse(&print(micros)), Some(micros));
        }
    }
}
