//! Sealed collections: rows in shards, in a folder.

use crate::{
    bar::Bar,
    global::Global,
    output::{Answer, Id},
    say,
};
use anyhow::{Context, bail, ensure};
use clap::Args;
use crinoid::{
    BuildOptions, Vectors,
    shards::{Effort, Found, MANIFEST, OpenOptions, SealOptions, Sealed, SealedFilter, Store},
};
use crinoid_files::{Ids, Table};
use serde_json::Value;
use std::{
    collections::HashSet,
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Options of `build` for rows in shards.
#[derive(Args)]
pub(crate) struct Sealing {
    /// Cuts the rows into so many shards, each an index file in the folder --out, beside a manifest.json.
    #[arg(long, value_name = "N")]
    pub(crate) shards: Option<NonZero<usize>>,
    /// Puts rows that are close to each other into the same shard: queries leave the others out.
    #[arg(long, requires = "shards")]
    routed: bool,
    /// In how many of the shards nearest to it each row lies.
    #[arg(long, value_name = "N", requires = "routed", default_value = "1")]
    copies: NonZero<usize>,
}

impl Sealing {
    pub(crate) fn build(
        &self,
        global: &Global,
        shards: NonZero<usize>,
        input: &Path,
        out: &Path,
        table: &Table,
        build: BuildOptions,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let ids = match &table.ids {
            None => None,
            Some(Ids::Numbers(ids)) => Some(&ids[..]),
            Some(Ids::Texts(_)) => bail!(
                "{}: ids are texts, and rows of shards are called by numbers: give a column of \
                 numbers, or leave --ids out",
                input.display()
            ),
        };
        ensure!(
            !out.is_file(),
            "{}: this is a file: with --shards, --out is a folder",
            out.display()
        );
        let options = SealOptions::new(shards.get()).build(build);
        let options = if self.routed { options.routed(self.copies.get()) } else { options };
        let bar = Bar::new(global, "building");
        let built = Sealed::build(Store::folder(out)?, &table.vectors, ids, &options, &bar);
        let sealed = built.with_context(|| input.display().to_string())?;
        drop(bar);
        let mut facts = facts(&sealed, out);
        let seconds = (started.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        facts.push(("seconds", seconds.into()));
        say::facts(global, &facts)
    }
}

/// Deletes the files of shards that no manifest names any more, as builds leave them that were broken off or replaced.
#[derive(Args)]
pub(crate) struct Sweep {
    /// The folder of a sealed collection, or the address of an object store.
    folder: PathBuf,
    /// Only files that are so old: younger ones may belong to a build that is under way.
    #[arg(long, value_name = "HOURS", default_value = "24", value_parser = hours)]
    older_than: Duration,
}

fn hours(text: &str) -> Result<Duration, String> {
    let hours = text.parse().ok().filter(|&hours: &f64| (0.0..=1e6).contains(&hours));
    let told = || format!("`{text}` is no number of hours from 0 on");
    hours.map(|hours| Duration::from_secs_f64(hours * 3600.0)).ok_or_else(told)
}

impl Sweep {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let name = self.folder.display().to_string();
        let deleted = Sealed::sweep(&Store::at(&name)?, self.older_than)?;
        say::facts(global, &[("collection", name.into()), ("deleted", deleted.into())])
    }
}

/// Whether this is the folder of a sealed collection, or the address of an object store.
pub(crate) fn is_sealed(path: &Path) -> bool {
    path.join(MANIFEST).is_file() || path.to_string_lossy().contains("://")
}

pub(crate) fn open(path: &Path) -> anyhow::Result<Sealed> {
    Ok(Sealed::open(Store::at(&path.display().to_string())?, &OpenOptions::default())?)
}

/// The filter for the ids that a file names, one a line.
pub(crate) fn filter(path: &Path, sealed: &Sealed) -> anyhow::Result<SealedFilter> {
    let file = path.display();
    let text = fs::read_to_string(path).with_context(|| file.to_string())?;
    let mut ids = HashSet::new();
    for (line, word) in text.lines().enumerate().filter(|(_, word)| !word.trim().is_empty()) {
        let id: u64 = word.trim().parse().with_context(|| {
            format!("{file}: line {}: `{}` is no id, a number from 0 on", line + 1, word.trim())
        })?;
        ids.insert(id);
    }
    Ok(sealed.filter(|id| ids.contains(&id))?)
}

pub(crate) fn answers(
    sealed: &Sealed,
    queries: &Vectors,
    effort: &Effort,
    among: Option<&SealedFilter>,
) -> anyhow::Result<Vec<Answer>> {
    let answers = sealed.search_batch(queries, effort, among)?;
    if let Some(missing) = answers.iter().map(|answer| &answer.missing).find(|all| !all.is_empty())
    {
        say::beside(&format!("shards {missing:?} are missing: answers are among the others"));
    }
    let pair = |one: &Found| (Id::Number(one.id), one.distance);
    Ok(answers.iter().map(|answer| answer.found.iter().map(pair).collect()).collect())
}

pub(crate) fn info(global: &Global, path: &Path) -> anyhow::Result<()> {
    say::facts(global, &facts(&open(path)?, path))
}

/// The number of rows, when everything is right.
pub(crate) fn verify(path: &Path) -> anyhow::Result<(usize, Value)> {
    let sealed = open(path)?;
    sealed.verify()?;
    Ok((sealed.len() as usize, Value::Null))
}

fn facts(sealed: &Sealed, path: &Path) -> Vec<(&'static str, Value)> {
    let manifest = sealed.manifest();
    let sum = |count: fn(&crinoid::shards::ShardEntry) -> u64| -> u64 {
        manifest.shards.iter().map(count).sum()
    };
    vec![
        ("what", "sealed collection".into()),
        ("collection", path.display().to_string().into()),
        ("rows", manifest.rows.into()),
        ("dimension", manifest.space.dimension.into()),
        ("metric", manifest.metric.name().into()),
        ("recipe", manifest.recipe.to_string().into()),
        ("shards", manifest.shards.len().into()),
        ("rows in shards", sum(|entry| entry.rows).into()),
        ("routed", manifest.shards.iter().all(|entry| entry.region.is_some()).into()),
        ("bytes", sum(|entry| entry.bytes).into()),
        ("format", manifest.format.into()),
    ]
}
