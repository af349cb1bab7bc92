//! Results as one self-contained page: no script, nothing loaded from elsewhere.

use super::{
    Comparison, Delta, Point, ResultFile, SubjectResult,
    svg::{chart, escape},
    table::{change, date, interval, mark, value},
};
use crate::{gate::Outcome, reward::LEVELS};
use std::fmt::Write;

/// The page of some results, in their order.
pub fn page(title: &str, results: &[ResultFile]) -> String {
    let (heading, style) = (escape(title), include_str!("page.css"));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{heading}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<h1>{}</h1>\n",
        breakable(title)
    );
    if results.len() > 1 {
        out.push_str("<nav><ul>\n");
        for (index, result) in results.iter().enumerate() {
            let (title, data) = (breakable(&result.title), escape(&result.data.name));
            let verdict = result.verdict.as_ref().map_or_else(String::new, |verdict| {
                let (class, words) = (class(verdict.outcome), verdict.outcome.words());
                format!(" <b class=\"{class}\">{words}</b>")
            });
            let _ = writeln!(
                out,
                "<li><a href=\"#r{index}\">{title}</a> <span>on {data}</span>{verdict}</li>"
            );
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
    let title =
        heading.map_or_else(String::new, |title| format!("<h2>{}</h2>\n", breakable(title)));
    let facts = escape(&facts(result));
    let _ = write!(out, "<article id=\"r{index}\">\n{title}<p class=\"facts\">{facts}</p>\n");
    if let Some(verdict) = &result.verdict {
        let (class, words) = (class(verdict.outcome), verdict.outcome.words());
        let (phase, summary) = (verdict.phase, escape(&verdict.summary));
        let _ = writeln!(
            out,
            "<p class=\"verdict {class}\"><b class=\"{class}\">{words}</b> ({phase} phase): {summary}</p>"
        );
    }
    let mut timed: Vec<usize> = points(result).filter(|p| p.qps.is_some()).map(|p| p.k).collect();
    timed.sort_unstable();
    timed.dedup();
    let charts: String = timed.into_iter().filter_map(|k| chart(result, k)).collect();
    if !charts.is_empty() {
        let _ = write!(out, "<div class=\"charts\">\n{charts}</div>\n");
    }
    let first = result.comparisons.first().map(|comparison| &comparison.baseline);
    let one_baseline = result.comparisons.iter().all(|one| Some(&one.baseline) == first);
    let matrix = result.comparisons.len() > 1 && one_baseline;
    if matrix {
        against_one(out, &result.comparisons);
    } else {
        let full = result.comparisons.iter().filter(|comparison| !comparison.deltas.is_empty());
        full.for_each(|comparison| side_by_side(out, comparison));
    }
    // Two subjects are in the comparison's table already.
    if result.comparisons.is_empty() || result.subjects.len() > 2 {
        subjects(out, &result.subjects, !matrix);
    }
    if points(result).next().is_some() {
        all_points(out, &result.subjects);
    }
    for note in &result.notes {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
    out.push_str("</article>\n");
}

fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ship => "ship",
        Outcome::DontShip => "dont-ship",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Broken => "broken",
    }
}

fn facts(result: &ResultFile) -> String {
    let (data, machine) = (&result.data, &result.machine);
    let mut facts = vec![
        format!(
            "{}: {} x {}, {}, {} queries",
            data.name, data.rows, data.dim, data.metric, data.queries
        ),
        format!("{}, {} cores", machine.cpu, machine.cores),
    ];
    if result.settings.rounds > 0 {
        facts.push(format!("{} rounds", result.settings.rounds));
    }
    if result.time > 0 {
        facts.push(date(result.time));
    }
    facts.join("; ")
}

/// A heading in which lines may break after the slashes of a recipe.
fn breakable(title: &str) -> String {
    escape(title).replace('/', "/<wbr>")
}

fn points(result: &ResultFile) -> impl Iterator<Item = &Point> {
    result.subjects.iter().flat_map(|subject| &subject.points)
}

/// A table that scrolls sideways where it is too wide.
fn table(out: &mut String, header: &[String], rows: impl Iterator<Item = Vec<String>>) {
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    header.iter().for_each(|name| out.push_str(&format!("<th>{name}</th>")));
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| out.push_str(&format!("<td>{cell}</td>")));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

fn side_by_side(out: &mut String, comparison: &Comparison) {
    let (a, b) = (escape(&comparison.baseline), escape(&comparison.candidate));
    let header = [String::new(), a, b, "change".to_owned(), "interval".to_owned()];
    let rows = comparison.deltas.iter().map(|delta| {
        vec![
            escape(&delta.quantity),
            value(&delta.measure, delta.baseline),
            value(&delta.measure, delta.candidate),
            coloured(delta),
            interval(delta),
        ]
    });
    table(out, &header, rows);
}

fn coloured(delta: &Delta) -> String {
    format!("<span class=\"{}\">{}</span>", mark(delta), change(delta))
}

/// Many candidates against one baseline: a row each, a column for each quantity.
fn against_one(out: &mut String, comparisons: &[Comparison]) {
    let mut quantities: Vec<&str> = Vec::new();
    for delta in comparisons.iter().flat_map(|comparison| &comparison.deltas) {
        if !quantities.contains(&delta.quantity.as_str()) {
            quantities.push(&delta.quantity);
        }
    }
    let header: Vec<String> = std::iter::once(String::new())
        .chain(quantities.iter().map(|quantity| escape(quantity)))
        .collect();
    let find = |comparison: &Comparison, quantity: &str| {
        comparison.deltas.iter().find(|delta| delta.quantity == quantity).cloned()
    };
    let baseline = quantities.iter().map(|quantity| {
        let delta = comparisons.iter().find_map(|comparison| find(comparison, quantity));
        delta.map_or_else(String::new, |delta| value(&delta.measure, delta.baseline))
    });
    let first = comparisons.iter().take(1).map(|one| escape(&one.baseline));
    let rows = comparisons.iter().map(|comparison| {
        let cells = quantities.iter().map(|quantity| match find(comparison, quantity) {
            Some(delta) => {
                let now = value(&delta.measure, delta.candidate);
                match (change(&delta).as_str(), interval(&delta).as_str()) {
                    ("-", _) => now,
                    (_, "-") => format!("{now}<small>{}</small>", coloured(&delta)),
                    (_, range) => format!("{now}<small>{}<br>{range}</small>", coloured(&delta)),
                }
            }
            None => String::new(),
        });
        std::iter::once(escape(&comparison.candidate)).chain(cells).collect()
    });
    table(out, &header, std::iter::once(first.chain(baseline).collect()).chain(rows));
}

/// What every subject costs and reaches; columns in which nobody has anything are left out.
fn subjects(out: &mut String, subjects: &[SubjectResult], speeds: bool) {
    type Column = (String, Box<dyn Fn(&SubjectResult) -> Option<String>>);
    let shown = |measure, number: Option<f64>| number.map(|number| value(measure, Some(number)));
    let mut columns: Vec<Column> = Vec::new();
    if speeds {
        let reward = |subject: &SubjectResult| subject.reward.map(|reward| reward.value);
        columns.push(("reward".to_owned(), Box::new(move |s| shown("qps", reward(s)))));
        for (index, level) in LEVELS.into_iter().enumerate() {
            let qps = move |s: &SubjectResult| s.levels.get(index).and_then(|level| level.qps);
            columns.push((format!("QPS at {level}"), Box::new(move |s| shown("qps", qps(s)))));
        }
    }
    for (index, name) in ["p50", "p95", "p99"].into_iter().enumerate() {
        let seconds = move |s: &SubjectResult| s.latency.map(|latency| latency[index]);
        columns.push((name.to_owned(), Box::new(move |s| shown("seconds", seconds(s)))));
    }
    columns.push(("build".to_owned(), Box::new(move |s| shown("seconds", Some(s.build_seconds)))));
    columns.push(("bytes".to_owned(), Box::new(move |s| shown("bytes", Some(s.bytes as f64)))));
    columns.retain(|(_, cell)| subjects.iter().any(|subject| cell(subject).is_some()));
    let header: Vec<String> =
        std::iter::once(String::new()).chain(columns.iter().map(|c| c.0.clone())).collect();
    let rows = subjects.iter().map(|subject| {
        let cells = columns.iter().map(|(_, cell)| cell(subject).unwrap_or_else(|| "-".to_owned()));
        std::iter::once(escape(&subject.label)).chain(cells).collect()
    });
    table(out, &header, rows);
}

/// Everything that was measured, for whoever wants to see it.
fn all_points(out: &mut String, subjects: &[SubjectResult]) {
    let header =
        ["", "k", "ef", "recall", "QPS", "p50", "p95", "p99", "visited", "distances", "front"];
    let rows = subjects.iter().flat_map(|subject| {
        subject.points.iter().map(|point| {
            let latency = |index: usize| value("seconds", point.latency.map(|l| l[index]));
            vec![
                escape(&subject.label),
                point.k.to_string(),
                point.ef.to_string(),
                value("share", Some(point.recall)),
                value("qps", point.qps),
                latency(0),
                latency(1),
                latency(2),
                value("count", point.hops),
                value("count", point.distances),
                if point.pareto { "Pareto" } else { "" }.to_owned(),
            ]
        })
    });
    out.push_str("<details><summary>All points</summary>\n");
    table(out, &header.map(str::to_owned), rows);
    out.push_str("</details>\n");
}
