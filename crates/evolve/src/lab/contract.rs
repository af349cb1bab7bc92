//! The contract stage: tiny and odd data sets, asked twice.

use super::{Lab, Setup, Trouble, lab_error};
use crate::random::Stream;
use crate::reward::Failure;
use crinoid_eval::subject::{Answers, Driver, Parameters, effort};
use crinoid_files::bin;
use crinoid_quant::{Metric, Vectors};
use std::path::Path;

/// A data set that has broken somebody before.
struct Odd {
    name: &'static str,
    base: Vectors,
    queries: Vectors,
    metric: Metric,
}

fn scatter(n: u64, dim: usize, seed: u64) -> Vec<f32> {
    (0..n * dim as u64).map(|i| Stream::new(seed).normal(i) as f32).collect()
}

fn odd(name: &'static str, base: Vec<f32>, dim: usize, metric: Metric) -> Result<Odd, Trouble> {
    let mut queries = scatter(6, dim, 77);
    if metric == Metric::L2 {
        // The zero vector is a query like any other under L2.
        queries[..dim].fill(0.0);
    }
    let vectors = |values: Vec<f32>| Vectors::new(values.as_slice(), dim).map_err(lab_error);
    Ok(Odd { name, base: vectors(base)?, queries: vectors(queries)?, metric })
}

/// Checks a candidate with code: it answers odd sets, the same way twice, finds at least what the
/// published versions find there, and builds the same index with one and two threads.
pub(super) fn check(lab: &Lab<'_>, setup: &Setup) -> Result<(), Trouble> {
    let mut zeros = scatter(300, 5, 4);
    zeros[..50].fill(0.0);
    let sets = [
        odd("one vector", scatter(1, 3, 1), 3, Metric::L2)?,
        odd("fewer vectors than answers", scatter(7, 4, 2), 4, Metric::L2)?,
        odd("200 copies", [1.0, 2.0, 3.0].repeat(200), 3, Metric::L2)?,
        odd("some zero vectors", zeros, 5, Metric::L2)?,
        odd("inner product", scatter(200, 9, 5), 9, Metric::InnerProduct)?,
        odd("cosine, 1500 vectors", scatter(1500, 20, 6), 20, Metric::Cosine)?,
    ];
    let mut candidate = Driver::launch(&lab.launch(setup)?)?;
    let plain = Setup { code: Default::default(), ..setup.clone() };
    let reference = Setup { search: pool_only(&plain.search), build: Parameters::new(), ..plain };
    let mut champion = Driver::launch(&lab.launch(&reference)?)?;
    let path = lab.folder.join(format!("odd-{}.fbin", std::process::id()));
    let result = sets.iter().try_for_each(|set| {
        bin::write_vectors(&path, &set.base).map_err(lab_error)?;
        let absolute = std::fs::canonicalize(&path).map_err(lab_error)?;
        one(&mut candidate, &mut champion, set, setup, &reference, &absolute)
            .map_err(|trouble| with_name(trouble, set.name))
    });
    let _ = std::fs::remove_file(&path);
    result
}

fn pool_only(search: &Parameters) -> Parameters {
    search.iter().filter(|(name, _)| *name == "pool").map(|(n, v)| (n.clone(), v.clone())).collect()
}

fn with_name(trouble: Trouble, set: &str) -> Trouble {
    match trouble {
        Trouble::Candidate(Failure::Interface(why)) => {
            Trouble::Candidate(Failure::Interface(format!("{set}: {why}")))
        }
        Trouble::Candidate(Failure::Determinism(why)) => {
            Trouble::Candidate(Failure::Determinism(format!("{set}: {why}")))
        }
        other => other,
    }
}

fn one(
    candidate: &mut Driver,
    champion: &mut Driver,
    set: &Odd,
    setup: &Setup,
    reference: &Setup,
    path: &Path,
) -> Result<(), Trouble> {
    let shape = (set.base.len(), set.base.dim());
    let mut digests = Vec::new();
    let mut found = [0usize; 2];
    let drivers =
        [(champion, &reference.build, &reference.search), (candidate, &setup.build, &setup.search)];
    for (who, (driver, build, search)) in drivers.into_iter().enumerate() {
        driver.load(path, set.metric, shape)?;
        for threads in [1, 2] {
            let built = driver.build(build, threads, 42)?;
            if who == 1 {
                digests.push(built.value.digest);
            }
        }
        let mut ask = |ef: usize, order: [u32; 6]| -> Result<Answers, Trouble> {
            let mut params = search.clone();
            params.append(&mut effort(ef));
            let answers = driver.search(&set.queries, &order, 10, &params, false);
            Ok(answers?.value)
        };
        let first = ask(40, [0, 1, 2, 3, 4, 5])?;
        // Something else in between, then the same in another order.
        ask(10, [5, 4, 3, 2, 1, 0])?;
        let again = ask(40, [3, 1, 5, 0, 4, 2])?;
        if who == 1 && (first.ids != again.ids || first.searched != again.searched) {
            let why = "the same queries gave other answers or counters".to_owned();
            return Err(Trouble::Candidate(Failure::Determinism(why)));
        }
        found[who] = first.ids.len() - first.gaps;
    }
    if digests[0] != digests[1] {
        let why = "one and two threads build different indexes".to_owned();
        return Err(Trouble::Candidate(Failure::Determinism(why)));
    }
    if found[1] < found[0] {
        return Err(Trouble::Candidate(Failure::Interface(format!(
            "{} answers for 6 queries where the published versions find {}",
            found[1], found[0]
        ))));
    }
    Ok(())
}
