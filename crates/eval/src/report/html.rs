//! Results as one self-contained page: no script, nothing loaded from elsewhere.

use super::{
    Comparison, ResultFile, SubjectResult,
    svg::{chart, escape},
    table::{change, interval, mark, value},
};
use crate::{gate::Outcome, reward::LEVELS};
use std::fmt::Write;

/// The page of some results, in their order.
pub fn page(title: &str, results: &[ResultFile]) -> String {
    let (heading, style) = (escape(title), include_str!("page.css"));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{heading}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<h1>{heading}</h1>\n"
    );
    if results.len() > 1 {
        out.push_str("<nav><ul>\n");
        for (index, result) in results.iter().enumerate() {
            let (title, data) = (escape(&result.title), escape(&result.data.name));
            let _ = writeln!(out, "<li><a href=\"#r{index}\">{title}, {data}</a></li>");
        }
        out.push_str("</ul></nav>\n");
    }
    for (index, result) in results.iter().enumerate() {
        let heading = (result.title != title).then_some(result.title.as_str());
        article(&mut out, index, result, heading);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn article(out: &mut String, index: usize, result: &ResultFile, heading: Option<&str>) {
    let data = &result.data;
    let title = heading.map_or_else(String::new, |title| format!("<h2>{}</h2>\n", escape(title)));
    let facts = escape(&format!(
        "{}: {} x {}, {}, {} queries; {}, {} cores; {} rounds",
        data.name,
        data.rows,
        data.dim,
        data.metric,
        data.queries,
        result.machine.cpu,
        result.machine.cores,
        result.settings.rounds,
    ));
    let _ = write!(out, "<article id=\"r{index}\">\n{title}<p class=\"facts\">{facts}</p>\n");
    if let Some(verdict) = &result.verdict {
        let class = match verdict.outcome {
            Outcome::Ship => "ship",
            Outcome::DontShip => "dont-ship",
            Outcome::Inconclusive => "inconclusive",
            Outcome::Broken => "broken",
        };
        let (words, summary) = (verdict.outcome.words(), escape(&verdict.summary));
        let phase = verdict.phase;
        let _ = writeln!(
            out,
            "<p class=\"verdict {class}\"><b>{words}</b> ({phase} phase): {summary}</p>"
        );
    }
    if let Some(chart) = chart(result) {
        let _ = write!(out, "<figure>\n{chart}</figure>\n");
    }
    for comparison in &result.comparisons {
        compared(out, comparison);
    }
    // Two subjects are in the comparison's table already.
    if result.comparisons.is_empty() || result.subjects.len() > 2 {
        subjects(out, &result.subjects);
    }
    for note in &result.notes {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
    out.push_str("</article>\n");
}

fn compared(out: &mut String, comparison: &Comparison) {
    let (a, b) = (escape(&comparison.baseline), escape(&comparison.candidate));
    let _ = write!(
        out,
        "<div class=\"scroll\"><table>\n<thead><tr><th></th><th>{a}</th><th>{b}</th>\
         <th>change</th><th>interval</th></tr></thead>\n<tbody>\n"
    );
    for delta in &comparison.deltas {
        let cells = [
            escape(&delta.quantity),
            value(&delta.measure, delta.baseline),
            value(&delta.measure, delta.candidate),
        ];
        let [quantity, a, b] = cells;
        let (change, interval, class) = (change(delta), interval(delta), mark(delta));
        let _ = writeln!(
            out,
            "<tr><td>{quantity}</td><td>{a}</td><td>{b}</td>\
             <td class=\"{class}\">{change}</td><td>{interval}</td></tr>"
        );
    }
    out.push_str("</tbody>\n</table></div>\n");
}

fn subjects(out: &mut String, subjects: &[SubjectResult]) {
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr><th></th><th>reward</th>");
    for level in LEVELS {
        let _ = write!(out, "<th>QPS at {level}</th>");
    }
    out.push_str("<th>build</th><th>bytes</th></tr></thead>\n<tbody>\n");
    for subject in subjects {
        let label = escape(&subject.label);
        let reward = value("qps", subject.reward.map(|reward| reward.value));
        let _ = write!(out, "<tr><td>{label}</td><td>{reward}</td>");
        for recall in LEVELS {
            let level = subject.levels.iter().find(|level| level.recall == recall);
            let _ = write!(out, "<td>{}</td>", value("qps", level.and_then(|level| level.qps)));
        }
        let (build, bytes) = (Some(subject.build_seconds), Some(subject.bytes as f64));
        let (build, bytes) = (value("seconds", build), value("bytes", bytes));
        let _ = writeln!(out, "<td>{build}</td><td>{bytes}</td></tr>");
    }
    out.push_str("</tbody>\n</table></div>\n");
}
