use super::*;
use crate::exemplar::Value;
use crate::random::Stream;
use proptest::prelude::*;

fn space(sizes: &[usize]) -> Space {
    let knob = |(at, &size): (usize, &usize)| {
        let values = (0..size as i64).map(Value::Whole).collect();
        Knob::new(&format!("knob-{at}"), "a test", values, size / 2)
    };
    Space::new(sizes.iter().enumerate().map(knob).collect()).unwrap()
}

#[test]
fn declarations_are_checked() {
    let two = || vec![Value::Whole(1), Value::Whole(2)];
    let refuse = |knobs| Space::new(knobs).unwrap_err().to_string();
    assert!(refuse(vec![Knob::new("a", "", two(), 2)]).contains("no current"));
    assert!(
        refuse(vec![Knob::new("a", "", two(), 0), Knob::new("a", "", two(), 0)]).contains("taken")
    );
    assert!(refuse(vec![Knob::new("a", "", [two(), two()].concat(), 0)]).contains("twice"));
    let space = space(&[3, 4]);
    assert_eq!(space.size(), 12);
    let choice = vec![2, 0];
    assert_eq!(space.choice(&space.values(&choice)).unwrap(), choice);
    let mut foreign = space.values(&choice);
    foreign.insert("other".into(), Value::Switch(true));
    assert!(space.choice(&foreign).is_err());
    foreign.remove("other");
    foreign.insert("knob-0".into(), Value::Whole(9));
    assert!(space.choice(&foreign).is_err());
    foreign.remove("knob-0");
    assert!(space.choice(&foreign).is_err());
}

#[test]
fn equation_two() {
    let found = advantages(&[1.0, 2.0, 3.0, 4.0]);
    let deviation = 1.25f64.sqrt();
    for (found, expected) in found.iter().zip([-1.5, -0.5, 0.5, 1.5]) {
        assert!((found - expected / deviation).abs() < 1e-12);
    }
    assert_eq!(advantages(&[0.7, 0.7, 0.7]), [0.0; 3]);
    assert!(advantages(&[]).is_empty());
}

/// A policy with arbitrary logits.
fn scattered(space: &Space, seed: u64, spread: f64) -> Policy {
    let mut policy = Policy::uniform(space);
    for (at, row) in policy.logits.iter_mut().enumerate() {
        for (v, logit) in row.iter_mut().enumerate() {
            *logit = spread * Stream::new(seed).fork(at as u64).normal(v as u64);
        }
    }
    policy
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn gradients_agree_with_finite_differences(seed in any::<u64>(), group in 1usize..9, drift in 0.0..1.0) {
        let space = space(&[2, 3, 5, 1]);
        let old = scattered(&space, seed, 1.0);
        let reference = scattered(&space, seed ^ 1, 0.7);
        let away = scattered(&space, seed ^ 2, drift);
        // The policy has moved away from the old one, so that some ratios are clipped.
        let mut policy = old.clone();
        for (row, step) in policy.logits.iter_mut().zip(&away.logits) {
            row.iter_mut().zip(step).for_each(|(logit, step)| *logit += step);
        }
        let stream = Stream::new(seed ^ 3);
        let choices: Vec<Choice> = (0..group).map(|i| old.draw(stream.fork(i as u64))).collect();
        let rewards: Vec<f64> = (0..group).map(|i| stream.normal(i as u64)).collect();
        let advantages = advantages(&rewards);
        let grpo = Grpo { epsilon: 0.2, beta: 0.1, ..Grpo::default() };

        // At a clip boundary the objective has a corner and no gradient to compare with.
        let (new, before) = (policy.table(), old.table());
        let near = |r: f64| (r - 1.2).abs() < 1e-4 || (r - 0.8).abs() < 1e-4;
        prop_assume!(!choices.iter().any(|choice| choice
            .iter()
            .enumerate()
            .any(|(t, &v)| near(new[t][v] / before[t][v]))));

        let gradient = grpo.gradient(&policy, &old, &reference, &choices, &advantages);
        let h = 1e-6;
        for (at, slopes) in gradient.iter().enumerate() {
            for (v, expected) in slopes.iter().enumerate() {
                let mut moved = policy.clone();
                moved.logits[at][v] += h;
                let up = grpo.objective(&moved, &old, &reference, &choices, &advantages);
                moved.logits[at][v] -= 2.0 * h;
                let down = grpo.objective(&moved, &old, &reference, &choices, &advantages);
                let slope = (up - down) / (2.0 * h);
                prop_assert!((slope - expected).abs() < 1e-7, "{slope} {expected}");
            }
        }
    }
}

#[test]
fn without_advantage_the_policy_returns_to_the_reference() {
    let space = space(&[3, 4]);
    let reference = Policy::around(&space, 1.0);
    let mut policy = scattered(&space, 5, 2.0);
    let grpo = Grpo { beta: 1.0, rate: 0.5, ..Grpo::default() };
    let distance = |policy: &Policy| -> f64 {
        policy.table().iter().zip(reference.table()).map(|(p, q)| grpo::kl(p, &q)).sum()
    };
    let before = distance(&policy);
    for _ in 0..60 {
        let choices: Vec<Choice> = (0..4).map(|i| policy.draw(Stream::new(i))).collect();
        policy = grpo.update(&policy, &reference, &choices, &[1.0; 4]);
    }
    assert!(distance(&policy) < 1e-3 * before);
}

/// A reward as modules have it: a few knobs matter, two of them jointly, one is a trap (0 as for
/// lost recall), the rest do nothing.
fn truth(choice: &[usize]) -> f64 {
    let bell = |at: usize, best: f64, height: f64| height / (1.0 + (at as f64 - best).powi(2));
    if choice[4] == 3 {
        return 0.0;
    }
    1.0 + bell(choice[0], 4.0, 0.10)
        + bell(choice[1], 1.0, 0.06)
        + if choice[2] == choice[3] { 0.05 } else { 0.0 }
}

fn interval(values: &[f64]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = 2.05 * (variance / n).sqrt(); // Student's t, 95 %, 29 degrees of freedom
    (mean - half, mean, mean + half)
}

#[test]
fn the_policy_learns_what_random_search_cannot() {
    // 20 rounds of 8 candidates, the default of a campaign; every measurement has 2 % noise.
    let space = space(&[6, 5, 4, 4, 5, 5]);
    let reference = Policy::around(&space, 1.0);
    let grpo = Grpo::default();
    let start = reference.expectation(truth);
    let control = Policy::uniform(&space).expectation(truth);
    let (mut gains, mut margins) = (Vec::new(), Vec::new());
    for seed in 0..30 {
        let stream = Stream::new(seed);
        let mut policy = reference.clone();
        for round in 0..20 {
            let draws = stream.fork(round);
            let choices: Vec<Choice> = (0..8).map(|i| policy.draw(draws.fork(i))).collect();
            let rewards: Vec<f64> = choices
                .iter()
                .zip(0..)
                .map(|(choice, i)| truth(choice) * (1.0 + 0.02 * draws.fork(99).normal(i)))
                .collect();
            policy = grpo.update(&policy, &reference, &choices, &rewards);
        }
        // The same number of random candidates with the same noise: the mean of their last round
        // is the control's expected reward, the best-looking one is its champion.
        let candidates: Vec<Choice> =
            (0..160).map(|i| Policy::uniform(&space).draw(stream.fork(1000 + i))).collect();
        let looks = |(i, choice): (u64, &Choice)| {
            truth(choice) * (1.0 + 0.02 * stream.fork(5000).normal(i))
        };
        let best =
            (0u64..).zip(&candidates).max_by(|a, b| looks(*a).total_cmp(&looks(*b))).unwrap();
        gains.push(policy.expectation(truth) - start);
        margins.push(truth(&policy.mode()) - truth(best.1));
    }
    let (low, mean, high) = interval(&gains);
    println!(
        "expected reward: {start:.4} -> {:.4} [{:.4}, {:.4}], random {control:.4}",
        start + mean,
        start + low,
        start + high
    );
    let (mlow, mmean, mhigh) = interval(&margins);
    println!(
        "most likely candidate against random search's best: {mmean:+.4} [{mlow:+.4}, {mhigh:+.4}]"
    );
    assert!(start + low > control + 0.05, "{low} {control}");
    assert!(low > 0.04, "{low}");
    assert!(mlow > -0.02, "{mlow}");
}

#[test]
fn expectations_and_modes() {
    let space = space(&[2, 3]);
    let mut policy = Policy::uniform(&space);
    assert!((policy.expectation(|choice| choice[0] as f64 + choice[1] as f64) - 1.5).abs() < 1e-12);
    policy.logits[1][2] = 50.0;
    assert_eq!(policy.mode(), [0, 2]);
    assert!((policy.expectation(|choice| choice[1] as f64) - 2.0).abs() < 1e-12);
    assert_eq!(policy.draw(Stream::new(3))[1], 2);
}
