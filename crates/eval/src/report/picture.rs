//! A comparison as one picture that stands alone, for a front page.

use super::{
    ResultFile, SubjectResult,
    svg::{chart, colours, escape},
};
use std::fmt::Write;

/// The curves of the best configuration of each system of a comparison, over recall at its `k`, as an SVG
/// file with its own colours and a legend; `None` where nothing was timed.
///
/// A system is the first word of a label. Of its configurations the one with the largest reward counts.
pub fn picture(result: &ResultFile) -> Option<String> {
    let mut best: Vec<SubjectResult> = Vec::new();
    let worth = |one: &SubjectResult| one.reward.map_or(f64::NEG_INFINITY, |reward| reward.value);
    for subject in &result.subjects {
        let system = system(&subject.label);
        let subject = SubjectResult { label: system.to_owned(), ..subject.clone() };
        match best.iter_mut().find(|one| one.label == system) {
            Some(one) if worth(one) < worth(&subject) => *one = subject,
            Some(_) => {}
            None => best.push(subject),
        }
    }
    let reduced = ResultFile { subjects: best, ..result.clone() };
    let figure = chart(&reduced, result.settings.k)?;
    // Of the figure, what is drawn.
    let drawn = figure.split_once("<svg")?.1.split_once('>')?.1.split_once("</svg>")?.0;
    let mut legend = String::new();
    for (at, (subject, colour)) in reduced.subjects.iter().zip(colours(&reduced)).enumerate() {
        let (x, y) = (60 + at % 4 * 120, 372 + at / 4 * 20);
        let label = escape(&subject.label);
        let _ = writeln!(
            legend,
            "<circle class=\"dot {colour}\" cx=\"{x}\" cy=\"{}\" r=\"5\"/>\
             <text class=\"name\" x=\"{}\" y=\"{y}\">{label}</text>",
            y - 4,
            x + 10
        );
    }
    let height = 380 + reduced.subjects.len().saturating_sub(1) / 4 * 20;
    let title = escape(&format!(
        "QPS of one thread over recall@{}: {} ({} x {}, {})",
        result.settings.k, result.data.name, result.data.rows, result.data.dim, result.data.metric
    ));
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 -26 520 {}\" font-family=\"sans-serif\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" x=\"0\" y=\"-26\" width=\"520\" height=\"{}\"/>\n\
         <text class=\"name\" x=\"52\" y=\"-8\">{title}</text>\n{drawn}{legend}</svg>\n",
        height + 26,
        height + 26
    ))
}

fn system(label: &str) -> &str {
    label.split([' ', ':']).next().unwrap_or(label)
}

/// The colours of pages (page.css), without variables, which pictures on other pages do not know.
const STYLE: &str = "
.paper{fill:#fff}.grid{stroke:#dfe3e8}.tick{fill:#5b6570;font-size:12px}.name{fill:#1c2128;font-size:12px}
.line{fill:none;stroke-width:2}.dot{stroke:#fff}
.line.c0{stroke:#0b6bcb}.dot.c0{fill:#0b6bcb}.line.c1{stroke:#c2410c}.dot.c1{fill:#c2410c}
.line.c2{stroke:#14753c}.dot.c2{fill:#14753c}.line.c3{stroke:#8e24aa}.dot.c3{fill:#8e24aa}
.line.c4{stroke:#00838f}.dot.c4{fill:#00838f}.line.c5{stroke:#ad1457}.dot.c5{fill:#ad1457}
.line.c6{stroke:#6d4c41}.dot.c6{fill:#6d4c41}.line.c7{stroke:#455a64}.dot.c7{fill:#455a64}
.line.rest{stroke:#dfe3e8}.dot.rest{fill:#dfe3e8}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Point;
    use crate::reward::Area;

    fn subject(label: &str, speed: f64) -> SubjectResult {
        let point = |ef: usize, recall: f64| Point {
            k: 10,
            ef,
            recall,
            qps: Some(speed / ef as f64),
            ..Point::default()
        };
        SubjectResult {
            label: label.to_owned(),
            points: vec![point(10, 0.9), point(100, 0.99)],
            reward: Some(Area { value: speed, reaches: 1.0, complete: true }),
            ..SubjectResult::default()
        }
    }

    #[test]
    fn each_system_is_drawn_once_by_its_best_configuration() {
        let mut result = ResultFile::default();
        result.settings.k = 10;
        result.data.name = "a <set>".to_owned();
        result.subjects = vec![
            subject("crinoid sq8@2 m=16", 2e5),
            subject("hnswlib m=16", 1e5),
            subject("hnswlib m=32", 1.5e5),
        ];
        let drawn = picture(&result).unwrap();
        assert_eq!(drawn.matches("<polyline").count(), 2);
        assert!(
            drawn.contains("15k") || drawn.contains("hnswlib\nef 10: recall 0.9000"),
            "{drawn}"
        );
        assert_eq!(drawn.matches(">hnswlib</text>").count(), 1);
        assert!(drawn.contains("a &lt;set&gt;") && drawn.starts_with("<svg xmlns"));
        result.subjects.clear();
        assert_eq!(picture(&result), None);
    }
}
