//! A collection that is written, killed, starved and damaged, beside a map that is not.

use super::{
    Tally,
    model::{self, Model},
    victim::{Job, Victim},
};
use anyhow::{Context, Result, bail, ensure};
use crinoid_pipeline::{
    SearchOptions,
    collection::{Collection, CollectionError},
};
use crinoid_quant::random::{below, hash};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// A collection of some kind, and what should be in it.
pub(super) struct Living {
    folder: PathBuf,
    kind: u64,
    model: Model,
    /// The number of the next batch.
    next: u64,
}

impl Living {
    /// A new and empty one in `folder`.
    pub(super) fn new(folder: PathBuf, kind: u64) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        drop(Collection::create(&folder, model::dim(kind), &model::options(kind))?);
        Ok(Self { folder, kind, model: Model::default(), next: 0 })
    }

    /// One exercise, which `seed` picks.
    ///
    /// # Errors
    /// Whatever is not as it should be.
    pub(super) fn round(&mut self, seed: u64, tally: &mut Tally) -> Result<()> {
        match hash(seed, 0) % 8 {
            0..=2 => self.churn(seed, tally).context("churn"),
            3 | 4 => self.kill(seed, tally).context("after a kill"),
            5 => self.starve(seed, tally).context("after a full disk"),
            6 => self.damage(seed, tally).context("with a damaged file"),
            _ => self.lose_a_segment(seed, tally).context("without a segment's file"),
        }
    }

    /// Writes, seals, compacts, while another thread searches.
    fn churn(&mut self, seed: u64, tally: &mut Tally) -> Result<()> {
        let collection = Collection::open(&self.folder)?;
        let done = AtomicBool::new(false);
        let (kind, model, next) = (self.kind, &mut self.model, &mut self.next);
        let (mut written, mut rewrites) = (0, 0);
        let (wrote, searched) = std::thread::scope(|scope| {
            let reader = scope.spawn(|| -> Result<u64> {
                let mut searches = 0;
                while !done.load(Ordering::Relaxed) {
                    let query = model::vector(model::dim(kind), hash(seed, searches));
                    let snapshot = collection.snapshot();
                    let options = SearchOptions::new(5, 60).pool(60);
                    let found = snapshot.search(&query, &options)?;
                    ensure!(found.len() == snapshot.len().min(5), "{} answers", found.len());
                    ensure!(found == snapshot.search(&query, &options)?, "a snapshot changed");
                    searches += 2;
                }
                Ok(searches)
            });
            let mut write = || -> Result<()> {
                for step in 0..5 + hash(seed, 1) % 40 {
                    collection.write(&model::entries(kind, *next))?;
                    model.apply(kind, *next);
                    *next += 1;
                    written += 1;
                    rewrites += 1;
                    match hash(seed, 100 + step) % 24 {
                        0 => collection.seal()?,
                        1 => collection.compact()?,
                        2 => collection.flush()?,
                        _ => rewrites -= 1,
                    }
                }
                Ok(())
            };
            let wrote = write();
            done.store(true, Ordering::Relaxed);
            (wrote, reader.join())
        });
        wrote?;
        let Ok(searched) = searched else { bail!("the reader panicked") };
        tally.done("batches", written);
        tally.done("searches", searched?);
        tally.done("seals and compactions", rewrites);
        self.check(&collection, seed, tally)?;
        let verified = collection.verify()?;
        tally.done("verifications", 1);
        ensure!(verified.is_sound(), "{:?}", verified.problems);
        Ok(())
    }

    fn check(&self, collection: &Collection, seed: u64, tally: &mut Tally) -> Result<()> {
        tally.done("comparisons of all rows", 1);
        tally.done("searches", 3);
        self.model.check(collection, seed)
    }

    fn kill(&mut self, seed: u64, tally: &mut Tally) -> Result<()> {
        let start = (self.kind, self.next);
        let victim = Victim::start(Job::Write, &self.folder, start, None)?;
        let delay = Duration::from_micros(hash(seed, 2) % 9_000);
        let last = victim.kill(hash(seed, 1) % 40, delay)?;
        tally.fault("processes killed", 1);
        self.settle(last, seed, tally)
    }

    fn starve(&mut self, seed: u64, tally: &mut Tally) -> Result<()> {
        let store = fs::metadata(self.folder.join("rows.redb"))?.len() / 1024;
        let room = 4 + hash(seed, 1) % (store + store / 2 + 64);
        let start = (self.kind, self.next);
        let victim = Victim::start(Job::Write, &self.folder, start, Some(room))?;
        let (last, refused) = victim.starve(60)?;
        tally.fault("disks full", u64::from(refused.is_some()));
        self.settle(last, seed, tally)
    }

    /// What was acknowledged up to batch `last` is there; the one after it is there whole, or not.
    fn settle(&mut self, last: Option<u64>, seed: u64, tally: &mut Tally) -> Result<()> {
        if let Some(last) = last {
            (self.next..=last).for_each(|at| self.model.apply(self.kind, at));
            tally.done("batches", last + 1 - self.next);
            self.next = last + 1;
        }
        let collection = Collection::open(&self.folder)?;
        tally.done("recoveries", 1);
        tally.done("left-over files removed", collection.recovery().removed as u64);
        if let Err(without) = self.check(&collection, seed, tally) {
            self.model.apply(self.kind, self.next);
            self.next += 1;
            let with = self.check(&collection, seed, tally);
            with.with_context(|| format!("and without batch {}: {without:#}", self.next - 1))?;
            tally.done("batches", 1);
        }
        Ok(())
    }

    /// Spoils a copy of the files: every answer is true, or there is an error.
    fn damage(&mut self, seed: u64, tally: &mut Tally) -> Result<()> {
        let copy = self.folder.with_extension("copy");
        for attempt in 0..6 {
            let seed = hash(seed, 1_000 + attempt);
            if copy.exists() {
                fs::remove_dir_all(&copy)?;
            }
            fs::create_dir(&copy)?;
            let mut files = Vec::new();
            for entry in fs::read_dir(&self.folder)? {
                let path = entry?.path();
                let to = copy.join(path.file_name().context("a nameless file")?);
                fs::copy(&path, &to)?;
                files.push(to);
            }
            files.sort();
            // The store every other time.
            let store = files.iter().position(|path| path.ends_with("rows.redb"));
            let victim = store.filter(|_| hash(seed, 1).is_multiple_of(2));
            let victim = &files[victim.unwrap_or(below(seed, 2, files.len()))];
            spoil(victim, seed)?;
            tally.fault("files damaged", 1);
            match self.answers_truly(&copy, seed, tally) {
                Ok(()) => tally.done("damages of no effect, or repaired", 1),
                Err(error) if error.is::<CollectionError>() => tally.done("damages noticed", 1),
                Err(error) => {
                    return Err(
                        error.context(format!("{} spoilt by seed {seed}", victim.display()))
                    );
                }
            }
        }
        fs::remove_dir_all(&copy)?;
        Ok(())
    }

    fn answers_truly(&self, folder: &Path, seed: u64, tally: &mut Tally) -> Result<()> {
        let collection = Collection::open(folder)?;
        for (id, row) in &self.model.0 {
            if let Some(found) = collection.get(id.clone())? {
                ensure!(&found == row, "{id} is {found:?}, and {row:?} was written");
            }
        }
        if collection.len() == self.model.0.len() {
            self.model.check_answers(&collection, seed)?;
            tally.done("searches", 3);
        }
        collection.compact()?;
        let verified = collection.verify()?;
        tally.done("verifications", 1);
        match verified.is_sound() {
            true => Ok(()),
            false => Err(CollectionError::Damaged { what: verified.problems.join("; ") }.into()),
        }
    }

    /// Removes a segment's file, which is built again.
    fn lose_a_segment(&mut self, seed: u64, tally: &mut Tally) -> Result<()> {
        let mut segments: Vec<PathBuf> = fs::read_dir(&self.folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "cri"))
            .collect();
        segments.sort();
        if !segments.is_empty() {
            fs::remove_file(&segments[below(seed, 1, segments.len())])?;
            tally.fault("segments removed", 1);
        }
        let collection = Collection::open(&self.folder)?;
        tally.done("segments built again", collection.recovery().rebuilt as u64);
        self.check(&collection, seed, tally)
    }

    /// A digest of all rows.
    pub(super) fn digest(&self) -> u64 {
        let mut text = String::new();
        for (id, row) in &self.model.0 {
            text.push_str(&format!("{id} {row:?}\n"));
        }
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }
}

/// Flips a bit, overwrites a piece, or cuts.
pub(super) fn spoil(path: &Path, seed: u64) -> Result<()> {
    let mut bytes = fs::read(path)?;
    let at = below(seed, 10, bytes.len().max(1));
    // Most of a store is pages of zeroes that nothing leads to.
    let at = (at..bytes.len()).chain(0..at).find(|&at| bytes[at] != 0).unwrap_or(at);
    match hash(seed, 11) % 8 {
        0..=4 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (hash(seed, 12) % 8);
            }
        }
        5 | 6 => {
            let length = 1 + below(seed, 13, 400);
            bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = !*byte);
        }
        _ => bytes.truncate(at),
    }
    fs::write(path, bytes)?;
    Ok(())
}
