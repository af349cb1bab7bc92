//! The prompt (section 3.2, Table 1): task, earlier implementations with scores, generation
//! protocol, requirements.

use crate::answer::SECTIONS;
use crate::exemplar::{Exemplar, Form};
use crate::module::Module;
use std::fmt::Write as _;

/// What is asked for, whatever the exemplars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The module.
    pub module: Module,
    /// What goes in, what comes out, what must hold: prose.
    pub contract: String,
    /// The Rust that a candidate must provide, as source text.
    pub interface: String,
    /// Whether `unsafe` passes the scan.
    pub allow_unsafe: bool,
}

impl Task {
    /// The whole prompt. `exemplars` come best first; `feedback` is what was wrong with the
    /// proposer's previous answer to this very prompt.
    pub fn prompt(&self, exemplars: &[&Exemplar], feedback: Option<&str>) -> String {
        let module = self.module;
        let mut text = String::new();
        let mut put = |part: &str| {
            text.push_str(part.trim_end());
            text.push_str("\n\n");
        };
        put("# Task Description");
        put(&format!(
            "You optimise the {module} module of an approximate nearest-neighbour search engine \
             written in Rust. Given earlier implementations with their scores, write a version \
             that is faster and answers just as well. A score is the ratio of the area under \
             queries per second over recall, for recall from 0.85 to 0.95, to that of the \
             champion of its time, a lower confidence bound: 1.00 is as fast as the champion, \
             higher is faster. Compare the implementations, find what makes the fast ones fast, \
             and use it."
        ));
        put("## Contract of the module");
        put(&self.contract);
        put("## Interface");
        put(&fenced(&self.interface, "rust"));
        put("# Previous Implementations with Speed");
        if exemplars.is_empty() {
            put("None yet: the champion is all there is.");
        }
        for (number, exemplar) in (1..).zip(exemplars) {
            put(&implementation(number, exemplar));
        }
        put("# Generation Protocol");
        put("Answer with exactly these three sections, each header with exactly two hash symbols.");
        put(&format!(
            "## {}\nCompare the implementations above:\n\
             1. Which reach the highest throughput, and what makes them fast?\n\
             2. Which structures and strategies trade speed for accuracy best?\n\
             3. What holds the slower ones back?\n\
             4. Which techniques of vectorisation, prefetching or caching are not yet used?",
            SECTIONS[0]
        ));
        put(&format!("## {}\nYour strategy, in numbered points (`1. `, `2. `, ...).", SECTIONS[1]));
        put(&format!(
            "## {}\nThe whole source file, in one block that begins with ```rust and is closed.",
            SECTIONS[2]
        ));
        put("# Critical Requirements");
        put(&self.requirements());
        if let Some(feedback) = feedback {
            put("# Your previous answer was not accepted");
            put(&fenced(feedback, "text"));
            put("Mend this and answer again, all three sections.");
        }
        text
    }

    fn requirements(&self) -> String {
        let guard = if self.allow_unsafe {
            "`unsafe` is allowed where a comment names the bound that makes it sound."
        } else {
            "No `unsafe`."
        };
        format!(
            "1. Recall at equal effort must not be below the reference. Otherwise the score is 0.\n\
             2. The interface above is implemented exactly, in one file, without new dependencies. \
             Otherwise the score is 0.\n\
             3. Results are deterministic: the same input gives the same answers and counters, \
             whatever was asked before and with any number of threads. Otherwise the score is 0.\n\
             4. No panic on odd input: one vector, more answers wanted than there are vectors, \
             duplicates, all-zero queries.\n\
             5. {guard} No files, network, processes, threads, clocks, environment, statics, \
             interior mutability, printing, `include`, `extern`, or macros of your own.\n\
             6. The answer is measured from outside on queries it has not seen."
        )
    }
}

fn implementation(number: usize, exemplar: &Exemplar) -> String {
    let mut text = format!("## Implementation {number} (Score: {:.2})\n", exemplar.fitness);
    if !exemplar.title.is_empty() {
        let _ = writeln!(text, "{}", exemplar.title);
    }
    for (data, score) in &exemplar.scores {
        let _ = writeln!(text, "- {data}: {:.3} (at least {:.3})", score.ratio, score.lower);
    }
    if let Some(gate) = &exemplar.gate {
        let _ = writeln!(text, "- gate: {} ({})", gate.verdict, gate.why);
    }
    let language = if matches!(exemplar.form, Form::Code(_)) { "rust" } else { "text" };
    text.push('\n');
    text.push_str(&fenced(&exemplar.form.text(), language));
    text
}

/// A fenced block that the text within cannot close.
fn fenced(text: &str, language: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exemplar::Score;
    use std::collections::BTreeMap;

    fn task() -> Task {
        Task {
            module: Module::Search,
            contract: "Given a graph, find neighbours.".into(),
            interface: "pub struct Candidate;".into(),
            allow_unsafe: false,
        }
    }

    fn exemplar(code: &str, fitness: f64) -> Exemplar {
        let form = Form::Code(code.to_owned());
        Exemplar {
            digest: form.digest(Module::Search),
            module: Module::Search,
            title: "two rows ahead".into(),
            form,
            scores: BTreeMap::from([(
                "sift".to_owned(),
                Score { ratio: 1.25, lower: fitness, reward: 9e3 },
            )]),
            fitness,
            champion: String::new(),
            gate: None,
            parents: Vec::new(),
            proposer: String::new(),
            note: String::new(),
        }
    }

    #[test]
    fn all_parts_of_table_one_in_order() {
        let (a, b) = (exemplar("fn a() {}", 1.42), exemplar("/// ```\nfn b() {}", 1.34));
        let text = task().prompt(&[&a, &b], None);
        let mut at = 0;
        for part in [
            "# Task Description",
            "Given a graph, find neighbours.",
            "pub struct Candidate;",
            "# Previous Implementations with Speed",
            "## Implementation 1 (Score: 1.42)",
            "fn a() {}",
            "## Implementation 2 (Score: 1.34)",
            "````rust\n/// ```\nfn b() {}\n````",
            "# Generation Protocol",
            "## Performance Analysis",
            "## Algorithm Design",
            "## Code",
            "# Critical Requirements",
            "No `unsafe`.",
        ] {
            at += text[at..].find(part).unwrap_or_else(|| panic!("{part} is not there"));
        }
        assert!(!text.contains("not accepted"));
    }

    #[test]
    fn what_went_wrong_is_told_back() {
        let problems = crate::answer::parse("no").unwrap_err();
        let text = task().prompt(&[], Some(&problems.to_string()));
        assert!(text.contains("None yet") && text.contains("`## Code` is missing"));
        assert!(
            Task { allow_unsafe: true, ..task() }.prompt(&[], None).contains("names the bound")
        );
    }
}
