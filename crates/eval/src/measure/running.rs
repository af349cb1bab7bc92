//! A subject with an index, asked again and again and held to its answers.

use super::{Fresh, Grader, MeasureError, Observation, QuerySplit, checks::Kept, fresh::Hidden};
use crate::{
    metrics::Latency,
    subject::{Answers, Built, Driver, Fault, Hello, Launch, NO_ANSWER, Parameters, Timed},
};
use crinoid_quant::Vectors;
use std::{
    cell::{RefCell, RefMut},
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

/// How to get a subject ready.
#[derive(Clone, Debug)]
pub struct Preparations {
    /// The base vectors as fbin: the driver's own copy, without the truth.
    pub vectors: PathBuf,
    /// Parameters of the build.
    pub build: Parameters,
    /// Parameters of every search beside `ef`.
    pub search: Parameters,
    /// Threads for the build.
    pub threads: usize,
    /// Seed of the build.
    pub seed: u64,
}

/// One timed pass over queries that were asked for the first time.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// How many.
    pub queries: usize,
    /// Seconds for all of them, by the driver's clock.
    pub seconds: f64,
    /// Seconds of these in which the subject was ready to run and others had the core.
    pub waited: f64,
    /// Percentiles of the times per query, where they were asked for and are offered.
    pub latency: Option<Latency>,
}

impl Pass {
    /// Queries per second.
    pub fn speed(&self) -> f64 {
        self.queries as f64 / self.seconds
    }
}

/// A subject that has loaded and built.
pub struct RunningSubject<'a> {
    label: String,
    launch: Launch,
    pub(super) preparations: Preparations,
    hello: Hello,
    /// One process, of one subject or of several that ask it for different things.
    driver: Rc<RefCell<Driver>>,
    pub(super) grader: Grader<'a>,
    /// The index as a file, once it was asked for.
    pub(super) stored: Option<PathBuf>,
    built: Built,
    build_time: Duration,
    resident: u64,
    peak: u64,
    pub(super) seen: BTreeMap<(&'static str, usize, usize), Seen>,
    /// By answers per query and effort.
    pub(super) kept: BTreeMap<(usize, usize), Kept>,
    /// The file that it searches from, as it was when it was written.
    pub(super) digest: Option<u64>,
    waited: f64,
    asked: f64,
    changes: u64,
}

/// What was observed, and how it was asked.
pub(super) struct Seen {
    observation: Observation,
    hidden: Hidden,
    /// Processor time per query, in seconds.
    pub(super) cpu: f64,
}

impl<'a> RunningSubject<'a> {
    /// Starts a subject, has it load and build, and pins it.
    ///
    /// # Errors
    /// Whatever the subject does wrong.
    pub fn start(
        label: impl Into<String>,
        launch: &Launch,
        preparations: &Preparations,
        grader: Grader<'a>,
    ) -> Result<Self, MeasureError> {
        let started = build(launch, preparations, &grader);
        Self::new(label.into(), launch, preparations, grader, None, started)
    }

    /// As [`start`](Self::start), but begins with the index in the file `kept`. Where there is no such
    /// file the index is built, and kept there for others if the subject [stores](Hello::stores) it.
    ///
    /// # Errors
    /// Whatever the subject does wrong; [`Fault::File`] where the index cannot be kept.
    pub fn start_with(
        label: impl Into<String>,
        launch: &Launch,
        preparations: &Preparations,
        grader: Grader<'a>,
        kept: &Path,
    ) -> Result<Self, MeasureError> {
        let label = label.into();
        if kept.exists() {
            let rows = grader.data().base.len();
            let started = open(launch, kept, rows);
            let kept = Some(kept.to_owned());
            return Self::new(label, launch, preparations, grader, kept, started);
        }
        let mut running = Self::start(label, launch, preparations, grader)?;
        if running.hello.stores {
            // It may only write in its own folder, and never half a file where others look.
            let draft = launch.folder.join("index");
            let saved = running.driver().save(&draft);
            saved.map_err(|fault| running.blame(fault))?;
            let fault = |source| Fault::File { path: kept.to_owned(), source };
            std::fs::rename(&draft, kept).map_err(|error| running.blame(fault(error)))?;
            running.stored = Some(kept.to_owned());
            running.digest = Some(running.file_digest(kept)?);
        }
        Ok(running)
    }

    fn new(
        label: String,
        launch: &Launch,
        preparations: &Preparations,
        grader: Grader<'a>,
        stored: Option<PathBuf>,
        started: Result<(Driver, Timed<Built>), Fault>,
    ) -> Result<Self, MeasureError> {
        let (mut driver, Timed { value: built, elapsed: build_time, .. }) = match started {
            Ok(started) => started,
            Err(fault) => return Err(MeasureError::of(&label, fault)),
        };
        let (resident, peak) = driver.memory();
        let mut running = Self {
            label,
            launch: launch.clone(),
            preparations: preparations.clone(),
            hello: driver.hello().clone(),
            driver: Rc::new(RefCell::new(driver)),
            grader,
            stored,
            built,
            build_time,
            resident,
            peak,
            seen: BTreeMap::new(),
            kept: BTreeMap::new(),
            digest: None,
            waited: 0.0,
            asked: 0.0,
            changes: 0,
        };
        if let Some(path) = running.stored.clone() {
            running.digest = Some(running.file_digest(&path)?);
        }
        Ok(running)
    }

    /// A second subject at the same process and index, which searches with other parameters: where
    /// the process lies in memory is then the same for both, and nothing has to be started.
    pub fn beside(&self, label: impl Into<String>, search: Parameters) -> Self {
        Self {
            label: label.into(),
            launch: self.launch.clone(),
            preparations: Preparations { search, ..self.preparations.clone() },
            hello: self.hello.clone(),
            driver: Rc::clone(&self.driver),
            stored: self.stored.clone(),
            built: self.built.clone(),
            seen: BTreeMap::new(),
            kept: BTreeMap::new(),
            waited: 0.0,
            asked: 0.0,
            changes: 0,
            ..*self
        }
    }

    /// Replaces the process by a new one with the same index.
    ///
    /// Where the system happens to put a process in memory makes it faster or slower by a per cent
    /// or two for as long as it lives, so two processes say nothing about a smaller difference
    /// between two programs. The index travels in a file where the subject can
    /// [store](Hello::stores) it, and is built again where it cannot. A process that is
    /// [shared](Self::beside) stays: its place says nothing about one side more than about the other.
    ///
    /// # Errors
    /// Whatever the subject does wrong; [`Fault::Digest`] when it is another index.
    pub fn restart(&mut self) -> Result<(), MeasureError> {
        if Rc::strong_count(&self.driver) > 1 {
            return Ok(());
        }
        if self.stored.is_none() && self.hello.stores {
            let path = self.launch.folder.join("index");
            let saved = self.driver().save(&path);
            saved.map_err(|fault| self.blame(fault))?;
            self.digest = Some(self.file_digest(&path)?);
            self.stored = Some(path);
        }
        self.check_stored()?;
        let started = match &self.stored {
            Some(path) => open(&self.launch, path, self.rows()),
            None => build(&self.launch, &self.preparations, &self.grader),
        };
        let (driver, built) = started.map_err(|fault| self.blame(fault))?;
        self.same_index(&built.value)?;
        let before = self.driver.replace(driver);
        before.stop().map_err(|fault| self.blame(fault))
    }

    /// Its name in tables.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Searches with other parameters from now on; what was observed with those before is forgotten.
    pub fn search_with(&mut self, params: Parameters) {
        self.preparations.search = params;
        self.seen.clear();
        self.kept.clear();
    }

    /// What it said about itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// What it built.
    pub fn built(&self) -> &Built {
        &self.built
    }

    /// How long that took, by the driver's clock.
    pub fn build_time(&self) -> Duration {
        self.build_time
    }

    /// Resident bytes after the build, and at most so far.
    pub fn memory(&self) -> (u64, u64) {
        (self.resident, self.peak)
    }

    /// Whether its searches run on a core of their own.
    pub fn pinned(&self) -> bool {
        self.driver().pinned()
    }

    /// Passes in which a subject that does not claim to be deterministic answered otherwise than
    /// at first.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// All that was observed in `split` at `k`, by ascending effort.
    pub(crate) fn observations(
        &self,
        split: &QuerySplit,
        k: usize,
    ) -> impl DoubleEndedIterator<Item = &Observation> {
        let (low, high) = ((split.name(), k, 0), (split.name(), k, usize::MAX));
        self.seen.range(low..=high).map(|(_, seen)| &seen.observation)
    }

    /// The numbers of answers that were asked for in `split`, ascending; one may come repeatedly.
    pub fn asked(&self, split: &QuerySplit) -> impl Iterator<Item = usize> {
        let name = split.name();
        self.seen.keys().filter(move |key| key.0 == name).map(|key| key.1)
    }

    /// The share of its time in which it was ready to run and others had the core: 0 on a machine that
    /// does nothing else, or where the system does not tell.
    pub fn busy(&self) -> f64 {
        if self.asked > 0.0 { self.waited / self.asked } else { 0.0 }
    }

    /// What it answers at this effort; asks it if it has not been asked yet.
    ///
    /// # Errors
    /// Whatever the subject does wrong.
    pub fn observe(
        &mut self,
        split: &QuerySplit,
        k: usize,
        ef: usize,
    ) -> Result<&Observation, MeasureError> {
        let key = (split.name(), k, ef);
        if !self.seen.contains_key(&key) {
            self.ask_again(split, k, ef)?;
        }
        self.observed(split, k, ef)
    }

    /// What it answered at this effort.
    ///
    /// # Errors
    /// When it has not been asked.
    pub fn observed(
        &self,
        split: &QuerySplit,
        k: usize,
        ef: usize,
    ) -> Result<&Observation, MeasureError> {
        let seen = self.seen.get(&(split.name(), k, ef));
        seen.map(|seen| &seen.observation).ok_or(MeasureError::Unasked { k, ef })
    }

    /// How many neighbours are known of each query.
    pub fn known(&self) -> usize {
        self.grader.truth().k()
    }

    /// Rows of the base set.
    pub fn rows(&self) -> usize {
        self.grader.data().base.len()
    }

    /// Asks all queries of `split`, among new ones and in another order each time, and checks that the
    /// answers are those it gave before.
    ///
    /// # Errors
    /// Whatever the subject does wrong.
    pub fn ask_again(
        &mut self,
        split: &QuerySplit,
        k: usize,
        ef: usize,
    ) -> Result<(), MeasureError> {
        let mut fresh = Fresh::new(&self.grader, split);
        let key = (split.name(), k, ef);
        let hidden = match self.seen.get(&key) {
            Some(seen) => seen.hidden.clone(),
            None => fresh.hide(split)?,
        };
        let order = fresh.order(hidden.queries.len());
        let Timed { value: answers, cpu, .. } =
            self.search(&hidden.queries, &order, (k, ef), false)?;
        let (ids, total) = (hidden.pick(&answers.ids, k), answers.searched.counters);
        if let Some(seen) = self.seen.get(&key) {
            match seen.observation.differs(&ids, total, split) {
                None => {}
                Some(_) if !self.hello.deterministic => self.changes += 1,
                Some(fault) => return Err(self.blame(fault)),
            }
            return Ok(());
        }
        let asked = hidden.queries.len() as f64;
        let per_query = |total: u64| total as f64 / asked;
        let observation = Observation {
            k,
            ef,
            grades: self.grader.grade(split, &ids, k)?,
            work: total.map(|work| [per_query(work.hops), per_query(work.distances)]),
            gaps: ids.iter().filter(|id| **id == NO_ANSWER).count(),
            ids,
            total,
        };
        self.seen.insert(key, Seen { observation, hidden, cpu: cpu.as_secs_f64() / asked });
        Ok(())
    }

    /// Times one pass over `queries`, which nobody may have asked it before ([`Fresh::batch`]).
    ///
    /// # Errors
    /// Whatever the subject does wrong.
    pub fn pass(
        &mut self,
        queries: &Vectors,
        k: usize,
        ef: usize,
        latencies: bool,
    ) -> Result<Pass, MeasureError> {
        let order: Vec<u32> = (0..queries.len() as u32).collect();
        let timed = self.search(queries, &order, (k, ef), latencies)?;
        self.keep(queries, &timed, (k, ef));
        let latency = timed.value.latencies.map(|nanos| {
            let mut nanos: Vec<u64> = nanos.into_iter().map(u64::from).collect();
            Latency::of(&mut nanos)
        });
        let (seconds, waited) = (timed.elapsed.as_secs_f64(), timed.waited.as_secs_f64());
        Ok(Pass { queries: queries.len(), seconds, waited, latency })
    }

    pub(super) fn search(
        &mut self,
        queries: &Vectors,
        order: &[u32],
        (k, ef): (usize, usize),
        latencies: bool,
    ) -> Result<Timed<Answers>, MeasureError> {
        let mut params = self.preparations.search.clone();
        params.insert("ef".to_owned(), ef.into());
        let asked = self.driver().search(queries, order, k, &params, latencies);
        let timed = asked.map_err(|fault| self.blame(fault))?;
        self.waited += timed.waited.as_secs_f64();
        self.asked += timed.elapsed.as_secs_f64();
        Ok(timed)
    }

    /// A source of queries that it cannot have looked up, made from those of `split`.
    pub fn fresh(&self, split: &QuerySplit) -> Fresh<'a> {
        Fresh::new(&self.grader, split)
    }

    /// Builds a second time and checks that the digest is the same.
    ///
    /// # Errors
    /// [`Fault::Digest`], or whatever else the subject does wrong.
    pub fn rebuild(&mut self) -> Result<(), MeasureError> {
        let Preparations { build, threads, seed, .. } = &self.preparations;
        let built = self.driver().build(build, *threads, *seed);
        let built = built.map_err(|fault| self.blame(fault))?.value;
        self.same_index(&built)
    }

    fn same_index(&self, built: &Built) -> Result<(), MeasureError> {
        match (&self.built.digest, &built.digest) {
            (Some(before), Some(after)) if before != after && self.hello.deterministic => {
                let (before, after) = (before.clone(), after.clone());
                Err(self.blame(Fault::Digest { before, after }))
            }
            _ => Ok(()),
        }
    }

    /// Has it exit, unless another subject is at the same process.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(self) -> Result<(), MeasureError> {
        let Self { label, driver, .. } = self;
        let Some(driver) = Rc::into_inner(driver) else { return Ok(()) };
        let stopped = driver.into_inner().stop();
        stopped.map_err(|fault| MeasureError::of(&label, fault))
    }

    fn driver(&self) -> RefMut<'_, Driver> {
        self.driver.borrow_mut()
    }

    pub(super) fn blame(&self, fault: Fault) -> MeasureError {
        MeasureError::of(&self.label, fault)
    }
}

/// A process with an index from a file.
fn open(launch: &Launch, index: &Path, rows: usize) -> Result<(Driver, Timed<Built>), Fault> {
    let mut driver = Driver::launch(launch)?;
    let opened = driver.open(index, rows)?;
    Ok((driver, opened))
}

/// A process that has loaded and built.
fn build(
    launch: &Launch,
    preparations: &Preparations,
    grader: &Grader<'_>,
) -> Result<(Driver, Timed<Built>), Fault> {
    let mut driver = Driver::launch(launch)?;
    let base = &grader.data().base;
    let shape = (base.len(), base.dim());
    driver.load(&preparations.vectors, grader.data().metric, shape)?;
    let Preparations { build, threads, seed, .. } = preparations;
    let built = driver.build(build, *threads, *seed)?;
    Ok((driver, built))
}
