//! Curves of speed over recall, as SVG.
//!
//! The recall axis shows misses: every step from 0.9 to 0.99 to 0.999 is as wide as the one before,
//! because each is as hard as the one before. The speed axis is logarithmic as well. Colours come
//! from the page's style sheet, so that one drawing serves light and dark.

use super::{ResultFile, SubjectResult};
use std::fmt::Write;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 34.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 30.0;
/// Names of recalls that stand closer would touch on a telephone.
const TICK_WIDTH: f64 = 48.0;

/// Recalls that the axis names, with their places: where nothing is missed is one step beyond 0.9999.
const TICKS: [f64; 10] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, ALL];
const ALL: f64 = 0.99999;

/// How many colours the style sheet has. Of more subjects those with the largest reward
/// are coloured and the others grey.
const COLOURS: usize = 8;

/// One curve: points of recall and speed with a text for each.
struct Series<'a> {
    label: &'a str,
    class: String,
    points: Vec<(f64, f64, String)>,
}

fn series<'a>(subject: &'a SubjectResult, k: usize, class: String) -> Series<'a> {
    let point = |point: &super::Point| {
        let qps = point.qps?;
        let (ef, recall) = (point.ef, point.recall);
        let speed = super::table::value("qps", Some(qps));
        Some((recall, qps, format!("{}\nef {ef}: recall {recall:.4}, {speed} QPS", subject.label)))
    };
    let timed = subject.points.iter().filter(|point| point.k == k);
    let mut points: Vec<_> = timed.filter_map(point).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Series { label: &subject.label, class, points }
}

/// The colour of every subject, the same in all charts of a result.
pub(super) fn colours(result: &ResultFile) -> Vec<String> {
    let subjects = &result.subjects;
    let mut ranks: Vec<usize> = (0..subjects.len()).collect();
    if subjects.len() > COLOURS {
        let worth = |at: usize| subjects[at].reward.map_or(0.0, |reward| reward.value);
        ranks.sort_by(|&a, &b| worth(b).total_cmp(&worth(a)));
        // In their own order among each other.
        ranks[..COLOURS].sort_unstable();
    }
    let mut colours = vec!["rest".to_owned(); subjects.len()];
    for (rank, &at) in ranks.iter().take(COLOURS).enumerate() {
        colours[at] = format!("c{rank}");
    }
    colours
}

/// The QPS-recall curves of all subjects of `result` at `k`; `None` where there are not two points.
pub(super) fn chart(result: &ResultFile, k: usize) -> Option<String> {
    let of = result.subjects.iter().zip(colours(result));
    let mut series: Vec<Series<'_>> = of
        .map(|(subject, class)| series(subject, k, class))
        .filter(|series| !series.points.is_empty())
        .collect();
    // Grey below, colours on top of it.
    series.sort_by_key(|one| one.class != "rest");
    let all = || series.iter().flat_map(|series| &series.points);
    if all().count() < 2 {
        return None;
    }
    let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
    let lowest = least(&mut all().map(|point| point.0));
    let highest = most(&mut all().map(|point| point.0));
    let from = TICKS.into_iter().rfind(|&tick| tick <= lowest).unwrap_or(0.0);
    let to = TICKS.into_iter().find(|&tick| tick >= highest).unwrap_or(ALL);
    let slow = least(&mut all().map(|point| point.1)).log10() - 0.08;
    let fast = most(&mut all().map(|point| point.1)).log10() + 0.08;
    let x = |recall: f64| {
        let nines = |recall: f64| -(1.0 - recall.min(ALL)).log10();
        let share = (nines(recall) - nines(from)) / (nines(to) - nines(from)).max(1e-9);
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    };
    let y = |qps: f64| {
        let share = (qps.log10() - slow) / (fast - slow);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let mut out = format!(
        "<figure>\n<figcaption>queries per second over recall@{k}</figcaption>\n\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Queries per second over recall\">\n"
    );
    let mut free = 0.0;
    for tick in TICKS.into_iter().filter(|tick| (from..=to).contains(tick)) {
        let (at, name) = (x(tick), if tick == ALL { 1.0 } else { tick });
        let (top, foot, under) = (TOP, HEIGHT - BOTTOM, HEIGHT - BOTTOM + 20.0);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{foot}\"/>"
        );
        if at >= free {
            free = at + TICK_WIDTH;
            let _ = writeln!(
                out,
                "<text class=\"tick\" x=\"{at:.1}\" y=\"{under}\" text-anchor=\"middle\">{name}</text>"
            );
        }
    }
    for (qps, named) in speed_ticks(slow, fast) {
        let at = y(qps);
        let right = WIDTH - RIGHT;
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>"
        );
        if named {
            let (left, base) = (LEFT - 6.0, at + 4.0);
            let text = short(qps);
            let _ = writeln!(
                out,
                "<text class=\"tick\" x=\"{left}\" y=\"{base:.1}\" text-anchor=\"end\">{text}</text>"
            );
        }
    }
    for Series { class, points, .. } in &series {
        let path: Vec<String> =
            points.iter().map(|(r, q, _)| format!("{:.1},{:.1}", x(*r), y(*q))).collect();
        let path = path.join(" ");
        let _ = writeln!(out, "<polyline class=\"line {class}\" points=\"{path}\"/>");
        for (recall, qps, text) in points {
            let (at, over, text) = (x(*recall), y(*qps), escape(text));
            let _ = writeln!(
                out,
                "<circle class=\"dot {class}\" cx=\"{at:.1}\" cy=\"{over:.1}\" r=\"4\">\
                 <title>{text}</title></circle>"
            );
        }
    }
    out.push_str("</svg>\n<ul class=\"legend\">");
    for Series { class, label, .. } in series.iter().filter(|one| one.class != "rest") {
        let label = escape(label);
        let _ = write!(out, "<li><span class=\"key {class}\"></span>{label}</li>");
    }
    let others = series.iter().filter(|one| one.class == "rest").count();
    if others > 0 {
        let _ = write!(out, "<li><span class=\"key rest\"></span>{others} others</li>");
    }
    out.push_str("</ul>\n</figure>\n");
    Some(out)
}

/// Speeds for the axis: 1, 2 and 5 times powers of ten, those of them named that have room.
fn speed_ticks(slow: f64, fast: f64) -> Vec<(f64, bool)> {
    let mut ticks = Vec::new();
    for power in slow.floor() as i32..=fast.ceil() as i32 {
        for digit in [1.0, 2.0, 5.0] {
            let qps = digit * 10f64.powi(power);
            if (slow..=fast).contains(&qps.log10()) {
                ticks.push((qps, fast - slow < 2.5 || digit == 1.0));
            }
        }
    }
    ticks
}

/// `20k`, `1.5M`.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e3 => format!("{}k", value / 1e3),
        value => format!("{value}"),
    }
}

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
