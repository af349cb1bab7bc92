//! Sealing and compacting beside the writers: on a thread of its own, which no write waits for.
//!
//! A rewrite takes some parts, builds one segment of their live rows, and puts it in their place. Two
//! short moments need the writers' lock: at the beginning the parts are frozen, so that writers merge
//! nothing into them; at the end the store names the segment, and whatever died meanwhile is dead in
//! it, too. The build between the two needs no lock at all.
//!
//! A rewrite that fails (a full disk) is tried again after a while that doubles each time; until then
//! nothing is built, and [`Collection::status`](super::Collection::status) says why.

use super::{
    columns::Described,
    events::Listeners,
    handover::{Handover, Writer},
    part::Part,
    segment_name,
    snapshot::Snapshot,
    store::Store,
    texts::PartTexts,
    types::{CollectionError, CollectionOptions, Event, ExternalId, Failure},
    words_name,
};
use crate::index::Index;
use crinoid_graph::Progress;
use std::{
    collections::{BTreeMap, HashSet},
    fs,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a first failure is left alone, and the longest that any is.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];

/// How often it is looked whether searches have scanned enough unsealed rows.
const LOOK: Duration = Duration::from_millis(500);

/// What a collection's threads share.
pub(super) struct Inner {
    pub(super) folder: PathBuf,
    pub(super) options: CollectionOptions,
    pub(super) store: Store,
    state: Handover<Snapshot>,
    /// Held while parts are rewritten: one segment is built at a time.
    rewriting: Mutex<()>,
    work: Mutex<Work>,
    changed: Condvar,
    stop: AtomicBool,
    pub(super) listeners: Listeners,
}

/// What the maintenance thread is at.
#[derive(Default)]
pub(super) struct Work {
    /// Somebody changed something since it last looked.
    wanted: bool,
    pub(super) building: bool,
    failure: Option<(Failure, Instant)>,
}

/// A part of no mutex's data is ever half changed: a panic leaves the old state or the new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new segment: its number, its index, its rows, their attributes and their texts.
struct Built {
    number: u64,
    index: Index,
    rows: BTreeMap<u64, ExternalId>,
    described: Described,
    texts: PartTexts,
}

impl Built {
    /// As the store wants it named.
    fn named(&self) -> (u64, u64, Vec<u64>) {
        (self.number, self.index.digest(), self.rows.keys().copied().collect())
    }

    fn into_part(self) -> Part {
        let rows = self.rows.into_iter().map(|(row, id)| (row, Some(id))).collect();
        let (index, texts) = (Arc::new(self.index), Arc::new(self.texts));
        Part::segment(self.number, index, rows, self.described, texts)
    }
}

/// Breaks a build off when the collection is closed.
struct UntilStopped<'a>(&'a AtomicBool);

impl Progress for UntilStopped<'_> {
    fn report(&self, _done: usize, _total: usize) -> ControlFlow<()> {
        match self.0.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl Inner {
    pub(super) fn new(folder: PathBuf, store: Store, snapshot: Snapshot) -> Self {
        Self {
            folder,
            options: store.options().clone(),
            store,
            state: Handover::new(snapshot),
            rewriting: Mutex::default(),
            work: Mutex::new(Work { wanted: true, ..Work::default() }),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            listeners: Listeners::default(),
        }
    }

    /// The state now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.state.now()
    }

    /// One writer at a time.
    pub(super) fn writer(&self) -> Writer<'_, Snapshot> {
        self.state.writer()
    }

    /// Keeps everybody from rewriting parts.
    pub(super) fn no_rewrites(&self) -> MutexGuard<'_, ()> {
        lock(&self.rewriting)
    }

    /// Tells the maintenance thread to look whether there is something to do.
    pub(super) fn wake(&self) {
        lock(&self.work).wanted = true;
        self.changed.notify_all();
    }

    /// Tells the maintenance thread to end, and a build to break off.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Whether a segment is being built, and how the last attempt failed.
    pub(super) fn progress(&self) -> (bool, Option<Failure>) {
        let work = lock(&self.work);
        (work.building, work.failure.as_ref().map(|(failure, _)| failure.clone()))
    }

    /// Waits until fewer rows are unsealed than may be.
    ///
    /// # Errors
    /// When sealing them has failed: there is nothing to wait for.
    pub(super) fn wait_for_room(&self, most: usize) -> Result<(), CollectionError> {
        let mut work = lock(&self.work);
        loop {
            let unsealed = self.snapshot().unsealed();
            if unsealed < most {
                return Ok(());
            }
            if let Some((failure, _)) = &work.failure {
                return Err(CollectionError::Stalled { unsealed, why: failure.why.clone() });
            }
            work.wanted = true;
            self.changed.notify_all();
            work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The maintenance thread: works when it is told to, until it is stopped.
    pub(super) fn serve(&self) {
        let mut work = lock(&self.work);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let pause =
                work.failure.as_ref().map(|(_, due)| due.saturating_duration_since(Instant::now()));
            match pause {
                Some(pause) if !pause.is_zero() => {
                    let waited = self.changed.wait_timeout(work, pause);
                    work = waited.unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
                None if !work.wanted => {
                    work = self.wait_for_work(work);
                    continue;
                }
                _ => {}
            }
            (work.wanted, work.building) = (false, true);
            drop(work);
            let result = catch_unwind(AssertUnwindSafe(|| self.maintain()));
            let failed = match result {
                Ok(result) => result.err().map(|error| error.to_string()),
                Err(_) => Some("a panic while a segment was built".to_owned()),
            };
            work = lock(&self.work);
            work.building = false;
            self.note(&mut work, failed);
        }
    }

    /// Waits until somebody changes something, or searches have scanned enough.
    fn wait_for_work<'w>(&self, work: MutexGuard<'w, Work>) -> MutexGuard<'w, Work> {
        if !self.snapshot().is_worth_a_segment() {
            return self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        // Searches wake nobody.
        let waited = self.changed.wait_timeout(work, LOOK);
        let mut work = waited.unwrap_or_else(PoisonError::into_inner).0;
        work.wanted |= self.snapshot().scans_have_cost_a_segment();
        work
    }

    /// Remembers how an attempt ended.
    fn note(&self, work: &mut Work, failed: Option<String>) {
        let attempts = work.failure.as_ref().map_or(0, |(failure, _)| failure.attempts);
        work.failure = failed.map(|why| {
            let pause = RETRY[0].saturating_mul(1 << attempts.min(16)).min(RETRY[1]);
            let failure = Failure { why, attempts: attempts + 1, pause };
            self.listeners.tell(&Event::Failed(failure.clone()));
            (failure, Instant::now() + pause)
        });
        self.changed.notify_all();
    }

    /// Does all that is due, in this thread.
    pub(super) fn maintain(&self) -> Result<(), CollectionError> {
        while self.rewrite(|snapshot| due(snapshot, &self.options))? {}
        Ok(())
    }

    /// As [`rewrite`](Self::rewrite), for somebody who asked for it: success ends a pause after
    /// failures.
    pub(super) fn rewrite_now(
        &self,
        pick: impl Fn(&Snapshot) -> Vec<Part>,
    ) -> Result<(), CollectionError> {
        self.rewrite(pick)?;
        self.note(&mut lock(&self.work), None);
        Ok(())
    }

    /// Puts the live rows of the parts that `pick` picks into one new segment; whether there was
    /// anything to do.
    fn rewrite(&self, pick: impl Fn(&Snapshot) -> Vec<Part>) -> Result<bool, CollectionError> {
        let _alone = lock(&self.rewriting);
        let victims = {
            let writer = self.writer();
            let snapshot = writer.now();
            let victims = pick(&snapshot);
            let pointless = matches!(&victims[..], [one] if !one.is_memory() && one.dead() == 0);
            if victims.is_empty() || pointless {
                return Ok(false);
            }
            writer.publish(snapshot.with_frozen(&victims, true));
            victims
        };
        let result = self.replace(&victims);
        if result.is_err() {
            let writer = self.writer();
            let snapshot = writer.now();
            writer.publish(snapshot.with_frozen(&victims, false));
        }
        result.map(|()| true)
    }

    /// The file is published first and counts for nothing; the transaction that names it is the
    /// moment at which it replaces the old ones; they are removed last. A crash in between
    /// leaves files that the next opening removes.
    fn replace(&self, victims: &[Part]) -> Result<(), CollectionError> {
        let started = Instant::now();
        let rows = victims.iter().flat_map(|part| part.live_rows()).collect();
        let old: Vec<u64> = victims.iter().filter_map(Part::number).collect();
        let built = self.build(rows, |rows| {
            let moved = |part: &'_ Part| {
                let numbers = part.rows().to_vec();
                move |place: u32| Some(rows.binary_search(&numbers[place as usize]).ok()? as u32)
            };
            Described::gathered(victims.iter().map(|part| (part.described(), moved(part))))
        })?;
        let (segment, rows) = built.as_ref().map_or((None, 0), |b| (Some(b.number), b.rows.len()));
        let new = built.as_ref().map(|built| built.number);
        let committed = self.commit(victims, &old, built);
        match (&committed, new) {
            (Err(_), Some(new)) => self.remove(new),
            (Ok(()), _) => old.iter().for_each(|number| self.remove(*number)),
            _ => {}
        }
        if committed.is_ok() {
            if victims.iter().any(Part::is_memory) {
                self.snapshot().forget_scans();
            }
            let took = started.elapsed();
            self.listeners.tell(&Event::Built { segment, rows, replaced: old, took });
        }
        committed
    }

    /// Removes the files of a segment that no longer counts. What cannot be removed now goes at the next opening.
    fn remove(&self, number: u64) {
        for name in [segment_name(number), words_name(number)] {
            let _ = fs::remove_file(self.folder.join(name));
        }
    }

    /// Builds a segment of those of `rows` that are alive, and writes its file; `describe` is told which, and
    /// says what their attributes are. No rows, no segment.
    fn build(
        &self,
        mut rows: BTreeMap<u64, ExternalId>,
        describe: impl FnOnce(&[u64]) -> Described,
    ) -> Result<Option<Built>, CollectionError> {
        self.store.check_place()?;
        let vectors = self.store.raw(&mut rows)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let index = Index::build(&vectors, &self.options.build, &UntilStopped(&self.stop))?;
        let number = self.store.next_segment()?;
        let path = self.folder.join(segment_name(number));
        index.save(&path)?;
        // From the file, so that what will be read after a crash is what is read now.
        let index = Index::load_to(&path, self.options.placement())?;
        let numbers: Vec<u64> = rows.keys().copied().collect();
        let texts = self.make_words(number, index.digest(), &numbers)?;
        Ok(Some(Built { number, index, rows, described: describe(&numbers), texts }))
    }

    fn commit(
        &self,
        victims: &[Part],
        old: &[u64],
        built: Option<Built>,
    ) -> Result<(), CollectionError> {
        let writer = self.writer();
        let snapshot = writer.now();
        let is_victim = |part: &&Part| victims.iter().any(|victim| victim.is_of(part));
        // As they are now: rows may have died since, or have other attributes.
        let present: Vec<&Part> = snapshot.parts().iter().filter(is_victim).collect();
        let alive: HashSet<u64> =
            present.iter().flat_map(|part| part.live_rows().map(|(row, _)| row)).collect();
        let mut parts: Vec<Part> =
            snapshot.parts().iter().filter(|part| !is_victim(part)).cloned().collect();
        match built {
            None => self.store.replace_segments(old, None)?,
            Some(built) => {
                let (number, digest, numbers) = built.named();
                self.store.replace_segments(old, Some((number, digest, &numbers)))?;
                let mut part = built.into_part();
                for one in present {
                    for (place, attributes) in one.described().changed() {
                        part.describe(one.rows()[place as usize], attributes);
                    }
                }
                for row in numbers.into_iter().filter(|row| !alive.contains(row)) {
                    part.kill(row);
                }
                parts.push(part);
            }
        }
        writer.publish(snapshot.with_parts(parts));
        Ok(())
    }

    /// Builds a segment again whose file is missing or damaged.
    pub(super) fn rebuild(
        &self,
        number: u64,
        rows: BTreeMap<u64, ExternalId>,
        describe: impl FnOnce(&[u64]) -> Described,
    ) -> Result<(), CollectionError> {
        let built = self.build(rows, describe)?;
        let writer = self.writer();
        let snapshot = writer.now();
        let mut parts = snapshot.parts().to_vec();
        match built {
            None => self.store.replace_segments(&[number], None)?,
            Some(built) => {
                let (new, digest, numbers) = built.named();
                self.store.replace_segments(&[number], Some((new, digest, &numbers)))?;
                parts.push(built.into_part());
            }
        }
        writer.publish(snapshot.with_parts(parts));
        self.remove(number);
        Ok(())
    }
}

/// The parts that the options want rewritten; none where all is well.
fn due(snapshot: &Snapshot, options: &CollectionOptions) -> Vec<Part> {
    let picked = |pick: &dyn Fn(&Part) -> bool| -> Vec<Part> {
        snapshot.parts().iter().filter(|part| pick(part)).cloned().collect()
    };
    if snapshot.unsealed() >= options.seal_rows || snapshot.scans_have_cost_a_segment() {
        return picked(&Part::is_memory);
    }
    let too_dead = |part: &Part| {
        !part.is_memory() && part.dead() as f64 > options.max_dead * part.len() as f64
    };
    let dead = picked(&too_dead);
    if !dead.is_empty() {
        return dead;
    }
    let mut sizes: Vec<usize> =
        snapshot.parts().iter().filter(|part| !part.is_memory()).map(Part::live).collect();
    if sizes.len() <= options.max_segments {
        return Vec::new();
    }
    // The smaller half: each row is rewritten a logarithmic number of times.
    sizes.sort_unstable();
    let limit = sizes[sizes.len() / 2];
    picked(&|part| !part.is_memory() && part.live() <= limit)
}
