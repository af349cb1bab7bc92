//! Child processes that behave, and those that do not.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]
#![cfg(unix)]

use crinoid_refine::{CommandError, CommandReranker, RerankError, rerank::checked_scores};
use std::time::{Duration, Instant};

/// A shell that reads questions, finds their `$id`, and does `what` for each.
fn child(what: &str) -> CommandReranker {
    let script =
        format!(r#"while IFS= read -r line; do id=${{line#*:}}; id=${{id%%,*}}; {what}; done"#);
    CommandReranker::new("sh", ["-c", &script], Duration::from_secs(20))
}

fn ask(reranker: &CommandReranker) -> Result<Vec<f32>, RerankError> {
    let mut scores = Vec::new();
    checked_scores(reranker, "a \"query\"\nof two lines", &["one", "two"], &mut scores)?;
    Ok(scores)
}

fn fault(reranker: &CommandReranker) -> CommandError {
    match ask(reranker) {
        Err(RerankError::Command(error)) => error,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn one_child_answers_question_after_question() {
    let pid = r#"echo "{\"id\": $id, \"scores\": [$$, 1.5]}""#;
    let reranker = child(pid);
    let first = ask(&reranker).unwrap();
    assert_eq!(first[1], 1.5);
    assert_eq!(ask(&reranker).unwrap(), first, "the same process");
}

#[test]
fn what_is_no_answer_is_a_typed_error_and_the_next_question_starts_anew() {
    let malformed = ["echo scores", "echo '{}'", r#"echo "{\"id\": $id}""#, r#"printf '\377\n'"#];
    for what in malformed {
        assert!(matches!(fault(&child(what)), CommandError::Malformed { .. }), "{what}");
    }
    // NaN is no JSON, as Python writes it; null is, and is no number either.
    let nan = child(r#"echo "{\"id\": $id, \"scores\": [NaN, 1]}""#);
    assert!(matches!(fault(&nan), CommandError::Malformed { .. }));
    let null = child(r#"echo "{\"id\": $id, \"scores\": [0, null]}""#);
    assert!(matches!(ask(&null), Err(RerankError::NotANumber { text: 1, .. })));
    let huge = child(r#"echo "{\"id\": $id, \"scores\": [0, 1e39]}""#);
    assert!(matches!(ask(&huge), Err(RerankError::NotANumber { text: 1, .. })));
    let few = child(r#"echo "{\"id\": $id, \"scores\": [0]}""#);
    assert!(matches!(ask(&few), Err(RerankError::Count { got: 1, want: 2, .. })));
    let refused = child(r#"echo "{\"id\": $id, \"error\": \"no memory\"}""#);
    assert!(matches!(fault(&refused), CommandError::Refused(why) if why == "no memory"));
    // Wrong on the first question, right on the second: a new process, because `$id` is 2.
    let once = child(r#"[ $id = 1 ] && exit 3; echo "{\"id\": $id, \"scores\": [$id, 0]}""#);
    let error = fault(&once);
    assert!(
        matches!(error, CommandError::Died { status: Some(status) } if status.code() == Some(3)),
        "{error}"
    );
    assert_eq!(ask(&once).unwrap(), [2.0, 0.0]);
}

#[test]
fn an_answer_too_many_is_not_taken_for_the_next() {
    let line = r#"echo "{\"id\": $id, \"scores\": [$id, 0]}""#;
    let twice = child(&format!("{line}; {line}"));
    assert_eq!(ask(&twice).unwrap(), [1.0, 0.0]);
    let error = fault(&twice);
    assert!(error.to_string().contains("id 1 where 2 was asked"), "{error}");
    assert_eq!(ask(&twice).unwrap(), [3.0, 0.0]);
}

#[test]
fn silence_death_and_a_missing_program_are_told_apart() {
    let silent = CommandReranker::new("sleep", ["60"], Duration::from_millis(50));
    let started = Instant::now();
    assert!(matches!(fault(&silent), CommandError::Timeout(_)));
    assert!(started.elapsed() < Duration::from_secs(30), "the child was stopped");
    // More than a pipe holds, to a child that never reads.
    let text = "x".repeat(1 << 20);
    let mut scores = Vec::new();
    let stuck = checked_scores(&silent, "query", &[&text], &mut scores);
    assert!(matches!(stuck, Err(RerankError::Command(CommandError::Timeout(_)))));
    let dead = CommandReranker::new("true", [""; 0], Duration::from_secs(20));
    assert!(
        matches!(fault(&dead), CommandError::Died { status: Some(status) } if status.success())
    );
    let missing = CommandReranker::new("/nonexistent/model", [""; 0], Duration::from_secs(20));
    let error = fault(&missing);
    assert!(matches!(error, CommandError::Start { .. }));
    assert!(error.to_string().contains("/nonexistent/model"));
}
