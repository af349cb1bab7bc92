//! What the check of the default costs: CPU time of builds with it and without.
//!
//! `cargo run --release -p crinoid-pipeline --example check_cost -- BASE.fbin l2 [ROUNDS]` builds in turns the
//! default, and unchecked the recipe that it came to. CPU time, because it asks less of a quiet machine; Linux only.

#![allow(clippy::print_stdout, reason = "it is a program")]

use crinoid_pipeline::{BuildOptions, Index};
use crinoid_quant::{Metric, Vectors};
use std::{error::Error, fs};

/// Seconds of all threads of this process so far.
fn cpu() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

fn fbin(path: &str) -> Result<Vectors, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let (words, _) = bytes.as_chunks::<4>();
    let [_, dim] = [0, 1].map(|at| words.get(at).map_or(0, |word| u32::from_le_bytes(*word)));
    let values: Vec<f32> = words.iter().skip(2).map(|word| f32::from_le_bytes(*word)).collect();
    Ok(Vectors::new(values.as_slice(), dim as usize)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, metric, rounds @ ..] = &*arguments else { return Err("BASE.fbin METRIC".into()) };
    let rows = fbin(path)?;
    let metric = match metric.as_str() {
        "l2" => Metric::L2,
        "ip" => Metric::InnerProduct,
        "cosine" => Metric::Cosine,
        other => return Err(format!("{other}: l2, ip or cosine").into()),
    };
    let options = BuildOptions::default().metric(metric);
    let timed = |options: &BuildOptions| -> Result<(f64, Index), Box<dyn Error>> {
        let before = cpu()?;
        let index = Index::build(&rows, options, &())?;
        Ok((cpu()? - before, index))
    };
    let planned = |options: &BuildOptions| -> Result<f64, Box<dyn Error>> {
        let before = cpu()?;
        Index::plan(&rows, None, options)?;
        Ok(cpu()? - before)
    };
    let (mut checked, mut bare, mut choosing) = (0.0, 0.0, 0.0);
    for round in 0..rounds.first().map_or(Ok(3), |rounds| rounds.parse())? {
        let (took, index) = timed(&options)?;
        checked += took;
        if round == 0 {
            println!("{}\n{}", index.options().recipe, index.report());
        }
        let named = options.clone().recipe(index.options().recipe.clone()).unchecked(true);
        bare += timed(&named)?.0;
        choosing += planned(&options)? - planned(&named)?;
    }
    let share = |part: f64| 100.0 * part / checked;
    println!("{checked:.1} s of CPU, {bare:.1} s unchecked: {:.1} %", share(checked - bare));
    println!("choosing codes {choosing:.1} s: {:.1} %", share(choosing));
    Ok(())
}
