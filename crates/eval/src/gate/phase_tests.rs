use super::*;

fn interval(low: f64, estimate: f64, high: f64) -> Interval {
    Interval { estimate, low, high }
}

/// A candidate that is faster and as good.
fn fast() -> Evidence {
    Evidence {
        gate_k: 100,
        queries: 700,
        rounds: 20,
        recall: interval(-0.001, 0.0, 0.001),
        ndcg: None,
        mrr: None,
        reward: Some(interval(0.04, 0.05, 0.06)),
        p50: Some(interval(0.03, 0.05, 0.07)),
        slowdown: Some(interval(-0.06, -0.05, -0.04)),
        equal_effort: vec![(10, 0.0), (20, 0.001)],
    }
}

/// A candidate that answers better and a little slower.
fn better() -> Evidence {
    Evidence {
        recall: interval(0.01, 0.012, 0.014),
        slowdown: Some(interval(0.03, 0.04, 0.05)),
        reward: Some(interval(-0.06, -0.05, -0.04)),
        ..fast()
    }
}

fn outcome(phase: Phase, evidence: &Evidence) -> Outcome {
    decide(phase, evidence, &Terms::default()).outcome
}

#[test]
fn clear_cases_are_clear() {
    assert_eq!(outcome(Phase::Latency, &fast()), Outcome::Ship);
    assert_eq!(outcome(Phase::Strict, &fast()), Outcome::Ship);
    assert_eq!(outcome(Phase::Quality, &fast()), Outcome::DontShip);
    assert_eq!(outcome(Phase::Quality, &better()), Outcome::Ship);
    assert_eq!(outcome(Phase::Latency, &better()), Outcome::DontShip);
}

#[test]
fn a_version_against_itself_is_inconclusive_about_speed() {
    let same = Evidence {
        recall: interval(0.0, 0.0, 0.0),
        reward: Some(interval(-0.004, 0.001, 0.006)),
        p50: Some(interval(-0.004, 0.001, 0.006)),
        slowdown: Some(interval(-0.004, 0.001, 0.006)),
        equal_effort: vec![(10, 0.0)],
        ..fast()
    };
    let verdict = decide(Phase::Latency, &same, &Terms::default());
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    // 20 rounds, a half-width of 5 times the distance: 24 times as many more.
    assert_eq!(verdict.criteria[0].more_rounds, Some(480));
    assert!(verdict.summary.contains("480 more rounds"), "{}", verdict.summary);
    // No gain in quality is possible any more: that is decided.
    assert_eq!(outcome(Phase::Quality, &same), Outcome::DontShip);
}

#[test]
fn every_condition_of_latency_counts() {
    let slow = Some(interval(-0.06, -0.05, -0.04));
    let open = Some(interval(-0.01, 0.001, 0.06));
    assert_eq!(outcome(Phase::Latency, &Evidence { reward: slow, ..fast() }), Outcome::DontShip);
    assert_eq!(outcome(Phase::Latency, &Evidence { p50: slow, ..fast() }), Outcome::DontShip);
    assert_eq!(outcome(Phase::Latency, &Evidence { p50: open, ..fast() }), Outcome::Inconclusive);
    assert_eq!(outcome(Phase::Latency, &Evidence { p50: None, ..fast() }), Outcome::Ship);
    assert_eq!(outcome(Phase::Latency, &Evidence { reward: None, ..fast() }), Outcome::DontShip);
    let at_the_limit = Evidence { recall: interval(-0.005, -0.003, 0.0), ..fast() };
    assert_eq!(outcome(Phase::Latency, &at_the_limit), Outcome::Ship);
    let worse = Evidence { recall: interval(-0.011, -0.01, -0.009), ..fast() };
    assert_eq!(outcome(Phase::Latency, &worse), Outcome::DontShip);
    let unsure = Evidence { recall: interval(-0.011, -0.004, 0.003), ..fast() };
    let verdict = decide(Phase::Latency, &unsure, &Terms::default());
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(verdict.summary.contains("more queries"), "{}", verdict.summary);
}

#[test]
fn strict_forbids_any_loss_at_equal_effort() {
    let lossy = Evidence { equal_effort: vec![(10, 0.01), (20, -0.001)], ..fast() };
    assert_eq!(outcome(Phase::Latency, &lossy), Outcome::Ship);
    let verdict = decide(Phase::Strict, &lossy, &Terms::default());
    assert_eq!(verdict.outcome, Outcome::DontShip);
    assert!(verdict.summary.contains("ef 20"), "{}", verdict.summary);
}

#[test]
fn quality_needs_one_gain_no_loss_and_the_budget() {
    let loses_mrr = Evidence { mrr: Some(interval(-0.03, -0.02, -0.01)), ..better() };
    assert_eq!(outcome(Phase::Quality, &loses_mrr), Outcome::DontShip);
    let unsure_of_mrr = Evidence { mrr: Some(interval(-0.03, -0.01, 0.01)), ..better() };
    assert_eq!(outcome(Phase::Quality, &unsure_of_mrr), Outcome::Ship);
    let gains_mrr = Evidence { mrr: Some(interval(0.01, 0.02, 0.03)), ..fast() };
    assert_eq!(outcome(Phase::Quality, &gains_mrr), Outcome::Ship);
    let too_slow = Evidence { reward: Some(interval(-0.14, -0.12, -0.1)), ..better() };
    assert_eq!(outcome(Phase::Quality, &too_slow), Outcome::DontShip);
    let perhaps_too_slow = Evidence { reward: Some(interval(-0.14, -0.09, -0.08)), ..better() };
    assert_eq!(outcome(Phase::Quality, &perhaps_too_slow), Outcome::Inconclusive);
    let small = Evidence { recall: interval(0.001, 0.0018, 0.003), ..better() };
    assert_eq!(outcome(Phase::Quality, &small), Outcome::Inconclusive);
}

#[test]
fn names_and_codes() {
    for phase in Phase::ALL {
        assert_eq!(phase.name().parse(), Ok(phase));
    }
    assert!("speed".parse::<Phase>().unwrap_err().contains("strict"));
    let outcomes = [Outcome::Ship, Outcome::DontShip, Outcome::Inconclusive, Outcome::Broken];
    assert_eq!(outcomes.map(Outcome::exit_code), [0, 1, 2, 3]);
}
