//! Who is put to the gate.

use super::Trial;
use crate::judge::Judgement;
use std::collections::BTreeMap;

/// The candidates with the best mean reward, each once, best first, of those that were faster than
/// the champion on average; a candidate that was drawn more often is judged by all its
/// measurements, and every one by an imaginary measurement more in which it equals the champion: of
/// many that were measured once, the luckiest would win. Answers that `changes` nothing are the champion.
pub(super) fn finalists(
    trials: &[Trial],
    count: usize,
    changes: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut all: BTreeMap<&String, Vec<&Judgement>> = BTreeMap::new();
    for trial in trials.iter().filter(|trial| changes(&trial.completion)) {
        if let Some(digest) = &trial.digest {
            all.entry(digest).or_default().push(&trial.judgement);
        }
    }
    let sum = |all: &[&Judgement], of: fn(&Judgement) -> f64| all.iter().map(|one| of(one)).sum();
    let mut best: Vec<(String, f64)> = Vec::new();
    for (digest, all) in all {
        let ratio: f64 = sum(&all, Judgement::ratio);
        let reward: f64 = sum(&all, Judgement::reward);
        if ratio > all.len() as f64 {
            best.push((digest.clone(), (reward + 1.0) / (all.len() + 1) as f64));
        }
    }
    best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    best.into_iter().take(count).map(|(digest, _)| digest).collect()
}
