//! Many results as one document, in Markdown.

use super::{
    ResultFile,
    table::{date, text, value},
};
use crate::reward::LEVELS;
use comfy_table::{Table, presets};

/// The document of all `records`, by command and time: of each the figures, and all that is needed to
/// measure it again.
pub fn book(records: &[ResultFile]) -> String {
    let mut records: Vec<&ResultFile> = records.iter().collect();
    records.sort_by(|a, b| (&a.command, a.time, &a.title).cmp(&(&b.command, b.time, &b.title)));
    let mut out = String::from(
        "# Results\n\nMade by `cargo xtask results` from the files in `records/`; a test holds it to them. \
         What lost, and figures without a record, are in [tried.md](tried.md).\n",
    );
    if records.is_empty() {
        out.push_str(
            "\nThere is no record yet: `cargo xtask results --add FILE` takes a result.json in.\n",
        );
    }
    for record in records {
        out.push_str(&chapter(record));
    }
    out
}

fn chapter(record: &ResultFile) -> String {
    let (data, origin, machine) = (&record.data, &record.origin, &record.machine);
    let unknown = |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
    let dirty = if origin.dirty { ", with changes that no commit has" } else { "" };
    let mut out = format!("\n## {}: {}\n\n", record.command, record.title);
    out.push_str(&format!(
        "* `{}`\n* {}, commit {}{dirty}, {}\n* {}, {} cores, {:.0} GB, {}\n* {}: {} x {}, {}, {} queries, \
         digest {}\n\n",
        unknown(&origin.command()),
        date(record.time),
        unknown(&origin.commit),
        unknown(&origin.rustc),
        unknown(&machine.cpu),
        machine.cores,
        machine.memory as f64 / 1e9,
        unknown(&machine.system),
        data.name,
        data.rows,
        data.dim,
        data.metric,
        data.queries,
        unknown(&data.digest),
    ));
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let levels = LEVELS.map(|level| format!("QPS at {level}"));
    table.set_header(
        ["subject"]
            .into_iter()
            .chain(levels.iter().map(String::as_str))
            .chain(["reward", "bytes", "build"]),
    );
    for subject in &record.subjects {
        let at = |recall: f64| {
            subject.levels.iter().find(|level| level.recall == recall).and_then(|level| level.qps)
        };
        let mut row = vec![subject.label.clone()];
        row.extend(LEVELS.map(|recall| value("qps", at(recall))));
        row.push(value("qps", subject.reward.filter(|area| area.complete).map(|area| area.value)));
        row.push(value("bytes", Some(subject.bytes as f64)));
        row.push(value("seconds", Some(subject.build_seconds)));
        table.add_row(row);
    }
    if !record.subjects.is_empty() {
        out.push_str(&format!("{table}\n\n"));
    }
    out.push_str(&format!("```text\n{}```\n", text(record)));
    out
}
