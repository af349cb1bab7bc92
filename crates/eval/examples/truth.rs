//! Generates the default data set, computes its exact truth, and compares two imperfect answers with
//! it: how good is each, and how sure are we that they differ?
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use crinoid_eval::{
    data::{Preset, random::Random},
    metrics::{Answers, RecallMetric, mean},
    stats::{Resampling, bca_mean, differences, permutation_p},
    truth,
};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let preset = Preset::find("embedded").ok_or("no such preset")?;
    let start = Instant::now();
    let data = preset.generate()?;
    println!("{}: {} in {:.2?}", data.name, preset.summary, start.elapsed());

    let start = Instant::now();
    let truth = truth::exact(data.metric, &data.base, &data.queries, 10, &())?;
    println!("truth of {} queries in {:.2?}", truth.len(), start.elapsed());

    // Answers that lose each neighbour with a probability of 4 and of 5 %.
    let judge = RecallMetric::new(&data, &truth)?;
    let lossy = |loss: f64, seed| {
        let mut random = Random::stream(seed, 0, 0);
        let mut answers = Answers::default();
        for query in 0..truth.len() {
            answers.push(truth.ids_of(query).iter().copied().filter(|_| random.uniform() >= loss));
        }
        judge.recall(&answers, 10)
    };
    let (before, after) = (lossy(0.05, 1)?, lossy(0.04, 2)?);
    println!("recall@10 before {:.4}, after {:.4}", mean(&before), mean(&after));

    let delta = differences(&before, &after)?;
    let resampling = Resampling::default();
    let interval = bca_mean(&delta, &resampling)?;
    let p = permutation_p(&delta, &resampling)?;
    println!(
        "delta {:+.4} [{:+.4}, {:+.4}], p = {p:.4}",
        interval.estimate, interval.low, interval.high
    );
    Ok(())
}
