//! A curve as a page of its own: no scripts, nothing to load.

use serde::Serialize;
use std::fmt::Write;

/// A point of the curve.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) ef: usize,
    pub(crate) recall: f64,
    pub(crate) queries_per_second: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 56.0;

/// The page: queries per second (logarithmic) over recall, and the table.
pub(crate) fn page(title: &str, k: usize, points: &[Point]) -> String {
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let lowest = points.iter().map(|point| point.recall).fold(1.0, f64::min);
    let left = ((lowest - 0.02).max(0.0) * 20.0).floor() / 20.0;
    let speed = |point: &Point| point.queries_per_second.max(1.0).log10();
    let bottom = points.iter().map(speed).fold(f64::INFINITY, f64::min).floor();
    let top = points.iter().map(speed).fold(0.0, f64::max).ceil().max(bottom + 1.0);
    let x =
        |recall: f64| MARGIN + (recall - left) / (1.0 - left).max(1e-9) * (WIDTH - 2.0 * MARGIN);
    let y =
        |speed: f64| HEIGHT - MARGIN - (speed - bottom) / (top - bottom) * (HEIGHT - 2.0 * MARGIN);

    let mut svg = String::new();
    for step in 0..=5 {
        let recall = left + (1.0 - left) * f64::from(step) / 5.0;
        let (at, end) = (x(recall), HEIGHT - MARGIN);
        let _ = write!(svg, "<path class=grid d='M{at:.1} {MARGIN}V{end}'/>");
        let _ =
            write!(svg, "<text x={at:.1} y={} text-anchor=middle>{recall:.3}</text>", end + 18.0);
    }
    for power in bottom as i32..=top as i32 {
        let (at, end) = (y(power.into()), WIDTH - MARGIN);
        let _ = write!(svg, "<path class=grid d='M{MARGIN} {at:.1}H{end}'/>");
        let _ = write!(
            svg,
            "<text x={} y={at:.1} text-anchor=end dominant-baseline=middle>10^{power}</text>",
            MARGIN - 6.0
        );
    }
    let places: Vec<String> = points
        .iter()
        .map(|point| format!("{:.1},{:.1}", x(point.recall), y(speed(point))))
        .collect();
    let _ = write!(svg, "<polyline points='{}'/>", places.join(" "));
    for (point, place) in points.iter().zip(&places) {
        let (at, height) = place.split_once(',').unwrap_or_default();
        let _ =
            write!(svg, "<circle cx={at} cy={height} r=4><title>ef {}</title></circle>", point.ef);
    }
    let mut rows = String::new();
    for Point { ef, recall, queries_per_second, p50, p99 } in points {
        let _ = write!(
            rows,
            "<tr><td>{ef}<td>{recall:.4}<td>{queries_per_second:.0}<td>{p50:.1}<td>{p99:.1}"
        );
    }
    format!(
        "<!doctype html><meta charset=utf-8><title>{title}</title><style>body{{font:15px sans-serif;\
         max-width:{WIDTH}px;margin:2em auto}}svg text{{font-size:12px;fill:#555}}.grid{{stroke:#ddd}}\
         polyline{{fill:none;stroke:#06c;stroke-width:2}}circle{{fill:#06c}}td,th{{text-align:right;\
         padding:2px 12px}}</style><h1>{title}</h1><p>Queries per second of one thread over recall@{k}.\
         <svg viewBox='0 0 {WIDTH} {HEIGHT}'>{svg}</svg><table><tr><th>ef<th>recall@{k}<th>queries/s\
         <th>p50 us<th>p99 us{rows}</table>\n"
    )
}
