//! A subject with an index, asked again and again and held to its answers.

use super::{Exam, Fresh, Grader, MeasureError, Observation};
use crate::{
    metrics::Latency,
    subject::{Built, Driver, Fault, Hello, Launch, Parameters, Timed},
};
use crinoid_quant::Vectors;
use std::{
    cell::{RefCell, RefMut},
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

/// How many times longer new queries take where the answers to others are kept, at the least.
const CACHED: f64 = 2.0;

/// After so many passes without such a sign there is nothing to look for.
const CERTAIN: usize = 4;

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

/// One timed pass over an exam.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// Seconds, by the driver's clock.
    pub seconds: f64,
    /// Percentiles of the times per query, where they were asked for and are offered.
    pub latency: Option<Latency>,
}

/// A subject that has loaded and built.
pub struct Station<'a> {
    label: String,
    launch: Launch,
    preparations: Preparations,
    hello: Hello,
    /// One process, of one station or of several that ask it for different things.
    driver: Rc<RefCell<Driver>>,
    grader: Grader<'a>,
    /// The index as a file, once it was asked for.
    stored: Option<PathBuf>,
    built: Built,
    build_time: Duration,
    resident: u64,
    peak: u64,
    seen: BTreeMap<(&'static str, usize, usize), Observation>,
    passes: u64,
    changes: u64,
}

impl<'a> Station<'a> {
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
        let mut station = Self::start(label, launch, preparations, grader)?;
        if station.hello.stores {
            // It may only write in its own folder, and never half a file where others look.
            let draft = launch.folder.join("index");
            let saved = station.driver().save(&draft);
            saved.map_err(|fault| station.blame(fault))?;
            let fault = |source| Fault::File { path: kept.to_owned(), source };
            std::fs::rename(&draft, kept).map_err(|error| station.blame(fault(error)))?;
            station.stored = Some(kept.to_owned());
        }
        Ok(station)
    }

    fn new(
        label: String,
        launch: &Launch,
        preparations: &Preparations,
        grader: Grader<'a>,
        stored: Option<PathBuf>,
        started: Result<(Driver, Timed<Built>), Fault>,
    ) -> Result<Self, MeasureError> {
        let (driver, Timed { value: built, elapsed: build_time }) = match started {
            Ok(started) => started,
            Err(fault) => return Err(MeasureError::Fault { subject: label, fault }),
        };
        let (resident, peak) = driver.memory();
        Ok(Self {
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
            passes: 0,
            changes: 0,
        })
    }

    /// A second station at the same process and index, which searches with other parameters: where
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
            passes: 0,
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
            self.stored = Some(path);
        }
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

    /// All that was observed in `exam` at `k`, by ascending effort.
    pub fn observations(
        &self,
        exam: &Exam,
        k: usize,
    ) -> impl DoubleEndedIterator<Item = &Observation> {
        let (low, high) = ((exam.name(), k, 0), (exam.name(), k, usize::MAX));
        self.seen.range(low..=high).map(|(_, observation)| observation)
    }

    /// The numbers of answers that were asked for in `exam`, ascending; one may come repeatedly.
    pub fn asked(&self, exam: &Exam) -> impl Iterator<Item = usize> {
        let name = exam.name();
        self.seen.keys().filter(move |key| key.0 == name).map(|key| key.1)
    }

    /// What it answers at this effort; asks it if it has not been asked yet.
    ///
    /// # Errors
    /// Whatever the subject does wrong.
    pub fn observe(
        &mut self,
        exam: &Exam,
        k: usize,
        ef: usize,
    ) -> Result<&Observation, MeasureError> {
        let key = (exam.name(), k, ef);
        if !self.seen.contains_key(&key) {
            self.pass(exam, k, ef, false)?;
        }
        self.observed(exam, k, ef)
    }

    /// What it answered at this effort.
    ///
    /// # Errors
    /// When it has not been asked.
    pub fn observed(&self, exam: &Exam, k: usize, ef: usize) -> Result<&Observation, MeasureError> {
        self.seen.get(&(exam.name(), k, ef)).ok_or(MeasureError::Unasked { k, ef })
    }

    /// Rows of the base set.
    pub fn rows(&self) -> usize {
        self.grader.data().base.len()
    }

    /// Asks all queries of `exam` once, in a fresh order, and checks that the answers are those it
    /// gave before.
    ///
    /// # Errors
    /// Whatever the subject does wrong.
    pub fn pass(
        &mut self,
        exam: &Exam,
        k: usize,
        ef: usize,
        latencies: bool,
    ) -> Result<Pass, MeasureError> {
        let order = exam.order(self.preparations.seed, self.passes);
        self.passes += 1;
        let mut params = self.preparations.search.clone();
        params.insert("ef".to_owned(), ef.into());
        let asked = self.driver().search(exam.queries(), &order, k, &params, latencies);
        let Timed { value: answers, elapsed } = asked.map_err(|fault| self.blame(fault))?;
        let seconds = elapsed.as_secs_f64();
        let key = (exam.name(), k, ef);
        let (ids, total) = (answers.ids, answers.searched.counters);
        if let Some(seen) = self.seen.get(&key) {
            match seen.differs(&ids, total, exam) {
                None => {}
                Some(_) if !self.hello.deterministic => self.changes += 1,
                Some(fault) => return Err(self.blame(fault)),
            }
        } else {
            let per_query = |total: u64| total as f64 / exam.len() as f64;
            let observation = Observation {
                k,
                ef,
                grades: self.grader.grade(exam, &ids, k)?,
                work: total.map(|work| [per_query(work.hops), per_query(work.distances)]),
                gaps: answers.gaps,
                ids,
                total,
            };
            self.seen.insert(key, observation);
        }
        let latency = answers.latencies.map(|nanos| {
            let mut nanos: Vec<u64> = nanos.into_iter().map(u64::from).collect();
            Latency::of(&mut nanos)
        });
        Ok(Pass { seconds, latency })
    }

    /// Asks queries of the data set and new ones at two efforts: at the `least`, where a search finds
    /// least, who knows the truth finds more of the former; at the `most`, where it takes longest, who
    /// keeps answers is faster with the former. Both are asked in turns.
    ///
    /// # Errors
    /// [`Fault::KnowsTruth`] where a tenth less is found of the new ones, [`Fault::Cached`] where they
    /// take twice as long (the fastest of four passes each, or of twelve where that looks like it: a busy
    /// machine can delay four), or whatever else the subject does wrong.
    pub fn check_memory(
        &mut self,
        fresh: &Fresh,
        least: usize,
        most: usize,
    ) -> Result<(), MeasureError> {
        let data = self.grader.data();
        let (known, _) = self.ask(&fresh.known.queries, fresh.k, least)?;
        let (new, _) = self.ask(&fresh.new.queries, fresh.k, least)?;
        let known = fresh.known.recall(data, fresh.k, &known);
        let fresh_recall = fresh.new.recall(data, fresh.k, &new);
        if known - fresh_recall > 0.1 {
            return Err(self.blame(Fault::KnowsTruth { known, fresh: fresh_recall }));
        }
        let (mut again, mut first) = (f64::INFINITY, f64::INFINITY);
        self.ask(&fresh.known.queries, fresh.k, most)?;
        for (before, queries) in fresh.more.iter().enumerate() {
            if before >= CERTAIN && first < CACHED * again {
                break;
            }
            first = first.min(self.ask(queries, fresh.k, most)?.1);
            again = again.min(self.ask(&fresh.known.queries, fresh.k, most)?.1);
        }
        let ratio = first / again;
        if ratio >= CACHED { Err(self.blame(Fault::Cached { ratio })) } else { Ok(()) }
    }

    /// Answers to queries of no exam, and the seconds they took.
    fn ask(
        &mut self,
        queries: &Vectors,
        k: usize,
        ef: usize,
    ) -> Result<(Vec<u32>, f64), MeasureError> {
        let mut params = self.preparations.search.clone();
        params.insert("ef".to_owned(), ef.into());
        let order: Vec<u32> = (0..queries.len() as u32).collect();
        let asked = self.driver().search(queries, &order, k, &params, false);
        let Timed { value, elapsed } = asked.map_err(|fault| self.blame(fault))?;
        Ok((value.ids, elapsed.as_secs_f64()))
    }

    /// Queries that it cannot have looked up, made from those of `exam`.
    ///
    /// # Errors
    /// When the truth does not reach to `k`.
    pub fn fresh(&self, exam: &Exam, k: usize) -> Result<Fresh, MeasureError> {
        Fresh::new(&self.grader, exam, k)
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

    /// Has it exit, unless another station is at the same process.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(self) -> Result<(), MeasureError> {
        let Self { label, driver, .. } = self;
        let Some(driver) = Rc::into_inner(driver) else { return Ok(()) };
        let stopped = driver.into_inner().stop();
        stopped.map_err(|fault| MeasureError::Fault { subject: label, fault })
    }

    fn driver(&self) -> RefMut<'_, Driver> {
        self.driver.borrow_mut()
    }

    fn blame(&self, fault: Fault) -> MeasureError {
        MeasureError::Fault { subject: self.label.clone(), fault }
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
