//! Curves of speed over recall, as SVG.
//!
//! The recall axis shows misses: every step from 0.9 to 0.99 to 0.999 is as wide as the one before,
//! because each is as hard as the one before. The speed axis is logarithmic as well. Colours come
//! from the page's style sheet, so that one drawing serves light and dark.

use super::ResultFile;
use std::fmt::Write;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

/// Recalls that the axis names.
const TICKS: [f64; 9] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999];

/// One curve: points of recall and speed with a text for each.
struct Series {
    label: String,
    points: Vec<(f64, f64, String)>,
}

/// The QPS-recall curves of all subjects of `result`; `None` where nobody was timed twice.
pub(super) fn chart(result: &ResultFile) -> Option<String> {
    let series: Vec<Series> = result
        .subjects
        .iter()
        .map(|subject| {
            let timed = subject.points.iter().filter(|point| point.k == result.settings.k);
            let point = |point: &super::Point| {
                let qps = point.qps?;
                let (ef, recall) = (point.ef, point.recall);
                let text = format!(
                    "{}\nef {ef}: recall {recall:.4}, {} QPS",
                    subject.label,
                    super::table::value("qps", Some(qps))
                );
                Some((recall, qps, text))
            };
            Series { label: subject.label.clone(), points: timed.filter_map(point).collect() }
        })
        .filter(|series| !series.points.is_empty())
        .collect();
    let all = || series.iter().flat_map(|series| &series.points);
    if all().count() < 2 {
        return None;
    }
    let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
    let lowest = least(&mut all().map(|point| point.0));
    let highest = most(&mut all().map(|point| point.0));
    let from = TICKS.into_iter().rfind(|&tick| tick <= lowest).unwrap_or(0.0);
    let to = TICKS.into_iter().find(|&tick| tick >= highest).unwrap_or(0.9999);
    let slow = least(&mut all().map(|point| point.1)).log10() - 0.08;
    let fast = most(&mut all().map(|point| point.1)).log10() + 0.08;
    let x = |recall: f64| {
        let nines = |recall: f64| -(1.0 - recall.min(0.9999)).log10();
        let share = (nines(recall) - nines(from)) / (nines(to) - nines(from)).max(1e-9);
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    };
    let y = |qps: f64| {
        let share = (qps.log10() - slow) / (fast - slow);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Queries per second over recall\">\n"
    );
    for tick in TICKS.into_iter().filter(|tick| (from..=to).contains(tick)) {
        let at = x(tick);
        let (top, foot, under) = (TOP, HEIGHT - BOTTOM, HEIGHT - BOTTOM + 17.0);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{foot}\"/>\
             <text class=\"tick\" x=\"{at:.1}\" y=\"{under}\" text-anchor=\"middle\">{tick}</text>"
        );
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
    let (middle, foot) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8.0);
    let centre = (TOP + HEIGHT - BOTTOM) / 2.0;
    let k = result.settings.k;
    let _ = write!(
        out,
        "<text class=\"axis\" x=\"{middle}\" y=\"{foot}\" text-anchor=\"middle\">recall@{k}</text>\n\
         <text class=\"axis\" transform=\"translate(13 {centre}) rotate(-90)\" \
         text-anchor=\"middle\">queries per second</text>\n"
    );
    for (index, series) in series.iter().enumerate() {
        let mut points = series.points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let path: Vec<String> =
            points.iter().map(|(r, q, _)| format!("{:.1},{:.1}", x(*r), y(*q))).collect();
        let (colour, path) = (index % COLOURS, path.join(" "));
        let _ = writeln!(out, "<polyline class=\"line c{colour}\" points=\"{path}\"/>");
        for (recall, qps, text) in &points {
            let (at, over, text) = (x(*recall), y(*qps), escape(text));
            let _ = writeln!(
                out,
                "<circle class=\"dot c{colour}\" cx=\"{at:.1}\" cy=\"{over:.1}\" r=\"4\">\
                 <title>{text}</title></circle>"
            );
        }
    }
    out.push_str("</svg>\n<ul class=\"legend\">");
    for (index, series) in series.iter().enumerate() {
        let (colour, label) = (index % COLOURS, escape(&series.label));
        let _ = write!(out, "<li><span class=\"key k{colour}\"></span>{label}</li>");
    }
    out.push_str("</ul>\n");
    Some(out)
}

/// How many colours the style sheet has.
pub(super) const COLOURS: usize = 8;

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
