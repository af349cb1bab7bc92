//! What a soak leaves behind.

use crate::bench;
use crinoid_eval::report::{DataFacts, Machine, ResultFile, SCHEMA, Settings};
use std::time::SystemTime;

/// A soak's record.
pub(super) fn record(title: String, data: DataFacts, seed: u64, notes: Vec<String>) -> ResultFile {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    ResultFile {
        schema: SCHEMA,
        command: "soak".to_owned(),
        title,
        laboratory: env!("CARGO_PKG_VERSION").to_owned(),
        time: now.map_or(0, |now| now.as_secs()),
        machine: Machine::here(),
        data,
        settings: Settings { seed, threads: bench::cores(), ..Settings::default() },
        notes,
        ..ResultFile::default()
    }
}

/// Resident bytes of this process, now and at most; 0 where the system does not tell.
pub(super) fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    (field("VmRSS:").unwrap_or(0) << 10, field("VmHWM:").unwrap_or(0) << 10)
}
