//! Indexes that are built, saved, loaded, searched, spoilt and interrupted.

use super::{
    Tally,
    living::spoil,
    model::{true_distance, vector},
    victim::{Job, Victim, index},
};
use anyhow::{Context, Result, ensure};
use crinoid_pipeline::{BuildOptions, Index, Placement, SearchOptions};
use crinoid_quant::{
    Metric, Neighbor, Vectors,
    random::{below, hash, unit},
};
use std::{fs, path::Path, time::Duration};

/// One exercise in `folder`, which `seed` picks.
///
/// # Errors
/// Whatever is not as it should be.
pub(super) fn round(folder: &Path, seed: u64, tally: &mut Tally) -> Result<()> {
    match hash(seed, 0) % 4 {
        0 => interrupted(folder, seed, tally).context("an index whose saving is interrupted"),
        _ => whole(folder, seed, tally).context("an index"),
    }
}

/// A recipe of any published versions.
fn recipe(seed: u64) -> String {
    let any = |module: u64, versions: &[crinoid_quant::Version]| {
        versions[below(seed, module, versions.len())].to_string()
    };
    let quant = any(1, crinoid_quant::versions::VERSIONS);
    let graph = any(2, crinoid_graph::versions::VERSIONS);
    let search = any(3, crinoid_search::versions::VERSIONS);
    let refine = any(4, crinoid_refine::versions::VERSIONS);
    format!("{quant}/{graph}/{search}/{refine}")
}

fn whole(folder: &Path, seed: u64, tally: &mut Tally) -> Result<()> {
    let n = [0, 1, 2, 17, 120, 500][below(seed, 5, 6)] + below(seed, 6, 9);
    let dim = 1 + below(seed, 7, 40);
    let mut rows: Vec<f32> =
        (0..n as u64).flat_map(|row| vector(dim, hash(seed ^ 0x5eed, row))).collect();
    let recipe = recipe(seed);
    if recipe.starts_with("u8-exact") {
        rows.iter_mut().for_each(|value| *value = (*value * 120.0 + 128.0).round());
    }
    if n > 0 && hash(seed, 8).is_multiple_of(3) {
        // Copies of rows.
        for row in (n / 2)..n {
            let from = below(hash(seed, 9), row as u64, n / 2 + 1) * dim;
            rows.copy_within(from..from + dim, row * dim);
        }
    }
    let vectors = if n == 0 { Vectors::empty(dim) } else { Vectors::new(rows.as_slice(), dim)? };
    let metric = Metric::ALL[below(seed, 10, Metric::ALL.len())];
    let mut options = BuildOptions::default().metric(metric).unchecked(true);
    options.recipe = recipe.parse()?;
    (options.graph.m, options.graph.ef_construction) =
        (2 + below(seed, 11, 12), 10 + below(seed, 12, 90));
    let built = match Index::build(&vectors, &options, &()) {
        Ok(built) => built,
        Err(error) => {
            ensure!(!error.to_string().is_empty(), "a refusal without words");
            tally.done("builds refused", 1);
            return Ok(());
        }
    };
    tally.done("builds", 1);
    let words = || format!("{recipe}, {metric}, {n} x {dim}");
    let path = folder.join("index.cri");
    built.save(&path)?;
    tally.done("saves", 1);
    for placement in [Placement::Memory, Placement::RowsOnDisk] {
        let loaded = Index::load_to(&path, placement).with_context(words)?;
        tally.done("loads", 1);
        same_answers(&built, &loaded, seed, tally).with_context(words)?;
    }
    exact(&built, &vectors, seed, tally).with_context(words)?;
    let sound = fs::read(&path)?;
    for attempt in 0..6 {
        let seed = hash(seed, 2_000 + attempt);
        fs::write(&path, &sound)?;
        spoil(&path, seed)?;
        tally.fault("files damaged", 1);
        let accepted = Index::load(&path).is_ok();
        ensure!(!accepted, "{}: seed {seed} spoils it, and it is loaded", words());
        tally.done("damages noticed", 1);
    }
    Ok(())
}

fn same_answers(built: &Index, loaded: &Index, seed: u64, tally: &mut Tally) -> Result<()> {
    ensure!(built.digest() == loaded.digest(), "another digest");
    let (mut ours, mut theirs) = (built.session(), loaded.session());
    let (mut want, mut got) = (Vec::new(), Vec::new());
    let share = unit(seed, 20);
    let admits = |row: u32| unit(seed ^ 0xf117e4, u64::from(row)) < share;
    let filters = (built.filter(admits), loaded.filter(admits));
    for probe in 0..6 {
        let query = vector(built.dim(), hash(seed, 3_000 + probe));
        let k = 1 + below(seed, 30 + probe, 30);
        let options = SearchOptions::new(k, k + below(seed, 40 + probe, 200));
        ours.search(&query, &options, &mut want)?;
        theirs.search(&query, &options, &mut got)?;
        ensure!(want == got, "loaded, it answers {got:?}, and {want:?} before");
        sensible(&got, k.min(built.len()))?;
        ours.search_filtered(&query, &options, &filters.0, &mut want)?;
        theirs.search_filtered(&query, &options, &filters.1, &mut got)?;
        ensure!(want == got, "filtered and loaded, it answers {got:?}, and {want:?} before");
        sensible(&got, k.min(built.len()))?;
        ensure!(got.iter().all(|near| admits(near.id)), "the filter admits none of {got:?}");
        tally.done("searches", 2);
        tally.done("filtered searches", 2);
    }
    Ok(())
}

fn sensible(answers: &[Neighbor], most: usize) -> Result<()> {
    ensure!(answers.len() <= most, "{} answers, {most} at most", answers.len());
    ensure!(answers.iter().all(|near| !near.distance.is_nan()), "no number: {answers:?}");
    ensure!(answers.is_sorted_by(|a, b| a.distance <= b.distance), "not in order: {answers:?}");
    let mut ids: Vec<u32> = answers.iter().map(|near| near.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ensure!(ids.len() == answers.len(), "an id twice: {answers:?}");
    Ok(())
}

/// Exact search, where the index keeps what it needs, is a scan in f64.
fn exact(index: &Index, vectors: &Vectors, seed: u64, tally: &mut Tally) -> Result<()> {
    let last = index.options().recipe.refine().last().cloned().unwrap_or_default();
    if last != "float@1" {
        return Ok(());
    }
    let query = vector(index.dim(), hash(seed, 50));
    let found = index.search_exact(&query, 10)?;
    let metric = index.metric();
    let mut truth: Vec<f64> =
        vectors.rows().map(|row| true_distance(metric, &query, row)).collect();
    truth.sort_by(f64::total_cmp);
    truth.truncate(10);
    ensure!(found.len() == truth.len(), "{} exact answers", found.len());
    for (near, truth) in found.iter().zip(truth) {
        let off = (f64::from(near.distance) - truth).abs();
        ensure!(off < 1e-3 * (1.0 + truth.abs()), "{near:?}, and a scan says {truth}");
    }
    tally.done("exact searches", 1);
    Ok(())
}

/// A process that saves an index over an older one is killed, or has no room: the file is the old one or the
/// new one.
fn interrupted(folder: &Path, seed: u64, tally: &mut Tally) -> Result<()> {
    let folder = folder.join("published");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir(&folder)?;
    let (place, kind) = (folder.join("index.cri"), hash(seed, 1) % 1_000);
    index(kind, 0)?.save(&place)?;
    let start = (kind, 1);
    let last = if hash(seed, 2).is_multiple_of(2) {
        let victim = Victim::start(Job::Save, &place, start, None)?;
        let last = victim.kill(hash(seed, 3) % 6, Duration::from_micros(hash(seed, 4) % 20_000))?;
        tally.fault("processes killed", 1);
        last
    } else {
        let size = fs::metadata(&place)?.len() / 1024;
        let room = 1 + hash(seed, 3) % (size + size / 2 + 4);
        let victim = Victim::start(Job::Save, &place, start, Some(room))?;
        let (last, refused) = victim.starve(8)?;
        if refused.is_some() {
            tally.fault("disks full", 1);
            let files = fs::read_dir(&folder)?.count();
            ensure!(files == 1, "{files} files, where a refused save leaves one");
        }
        last
    };
    let last = last.unwrap_or(0);
    tally.done("saves", last);
    let found = Index::load(&place)?.digest();
    tally.done("loads", 1);
    let known = [index(kind, last)?.digest(), index(kind, last + 1)?.digest()];
    ensure!(known.contains(&found), "neither save {last} nor the one after it");
    Ok(())
}
