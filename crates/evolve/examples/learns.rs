//! A policy over three knobs learns a noisy reward: `cargo run -p crinoid-evolve --example learns`.

use crinoid_evolve::exemplar::Value;
use crinoid_evolve::knobs::{Grpo, Knob, Policy, Space};
use crinoid_evolve::random::Stream;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let whole = |values: &[i64]| values.iter().copied().map(Value::Whole).collect::<Vec<_>>();
    let space = Space::new(vec![
        Knob::new("lines", "cache lines prefetched", whole(&[0, 1, 2, 4, 8]), 0),
        Knob::new("batch", "nodes expanded together", whole(&[1, 2, 3, 4]), 0),
        Knob::new("patience", "a trap: values above 0 lose recall", whole(&[0, 8, 16]), 0),
    ])?;
    let truth = |choice: &[usize]| match choice[2] {
        0 => 1.0 + 0.05 * choice[0] as f64 + if choice[1] == 1 { 0.1 } else { 0.0 },
        _ => 0.0,
    };
    let reference = Policy::around(&space, 1.0);
    let mut policy = reference.clone();
    let mut lines = vec![format!("round  0: expected reward {:.3}", policy.expectation(truth))];
    for round in 0..20 {
        let stream = Stream::new(1).fork(round);
        let group: Vec<_> = (0..8).map(|i| policy.draw(stream.fork(i))).collect();
        let noisy = |(i, choice): (u64, &Vec<usize>)| {
            truth(choice) * (1.0 + 0.02 * stream.fork(99).normal(i))
        };
        let rewards: Vec<f64> = (0..).zip(&group).map(noisy).collect();
        policy = Grpo::default().update(&policy, &reference, &group, &rewards);
        if round % 5 == 4 {
            let expected = policy.expectation(truth);
            lines.push(format!("round {:2}: expected reward {expected:.3}", round + 1));
        }
    }
    lines.push(format!("most likely: {:?}", space.values(&policy.mode())));
    std::io::Write::write_all(&mut std::io::stdout(), (lines.join("\n") + "\n").as_bytes())?;
    Ok(())
}
