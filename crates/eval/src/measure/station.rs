//! A subject with an index, asked again and again and held to its answers.

use super::{Exam, Fresh, Grader, Grades, MeasureError};
use crate::{
    metrics::{Latency, mean},
    subject::{Built, Driver, Fault, Hello, Launch, Parameters, Timed, Work},
};
use crinoid_quant::Vectors;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

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

/// What a subject answers at one effort: the same however often it is asked, if it is
/// deterministic.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Answers per query.
    pub k: usize,
    /// The effort.
    pub ef: usize,
    /// What the answers are worth.
    pub grades: Grades,
    /// Work per query, where it is counted.
    pub work: Option<[f64; 2]>,
    /// Answers that were missing.
    pub gaps: usize,
    ids: Vec<u32>,
    total: Option<Work>,
}

impl Observation {
    /// Mean recall.
    pub fn recall(&self) -> f64 {
        mean(&self.grades.recall)
    }

    /// Hops per query.
    pub fn hops(&self) -> Option<f64> {
        self.work.map(|[hops, _]| hops)
    }

    /// Distance evaluations per query.
    pub fn distances(&self) -> Option<f64> {
        self.work.map(|[_, distances]| distances)
    }
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
    driver: Driver,
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
        let label = label.into();
        let blame = |fault| MeasureError::Fault { subject: label.clone(), fault };
        let (driver, Timed { value: built, elapsed: build_time }) =
            build(launch, preparations, &grader).map_err(blame)?;
        let (resident, peak) = driver.memory();
        Ok(Self {
            label,
            launch: launch.clone(),
            preparations: preparations.clone(),
            driver,
            grader,
            stored: None,
            built,
            build_time,
            resident,
            peak,
            seen: BTreeMap::new(),
            passes: 0,
            changes: 0,
        })
    }

    /// Replaces the process by a new one with the same index.
    ///
    /// Where the system happens to put a process in memory makes it faster or slower by a per cent
    /// or two for as long as it lives, so two processes say nothing about a smaller difference
    /// between two programs. The index travels in a file where the subject can
    /// [store](Hello::stores) it, and is built again where it cannot.
    ///
    /// # Errors
    /// Whatever the subject does wrong; [`Fault::Digest`] when it is another index.
    pub fn restart(&mut self) -> Result<(), MeasureError> {
        if self.stored.is_none() && self.hello().stores {
            let path = self.launch.folder.join("index");
            self.driver.save(&path).map_err(|fault| self.blame(fault))?;
            self.stored = Some(path);
        }
        let started = match &self.stored {
            Some(path) => Driver::launch(&self.launch).and_then(|mut driver| {
                let opened = driver.open(path, self.rows())?;
                Ok((driver, opened.value))
            }),
            None => build(&self.launch, &self.preparations, &self.grader)
                .map(|(driver, built)| (driver, built.value)),
        };
        let (driver, built) = started.map_err(|fault| self.blame(fault))?;
        self.same_index(&built)?;
        let before = std::mem::replace(&mut self.driver, driver);
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
        self.driver.hello()
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
        self.driver.pinned()
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
        let asked = self.driver.search(exam.queries(), &order, k, &params, latencies);
        let Timed { value: answers, elapsed } = asked.map_err(|fault| self.blame(fault))?;
        let seconds = elapsed.as_secs_f64();
        let key = (exam.name(), k, ef);
        let (ids, total) = (answers.ids, answers.searched.counters);
        if let Some(seen) = self.seen.get(&key) {
            match differs(seen, &ids, total, k, exam) {
                None => {}
                Some(_) if !self.driver.hello().deterministic => self.changes += 1,
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
    /// take twice as long (the fastest of four passes each), or whatever else the subject does wrong.
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
        for queries in &fresh.more {
            first = first.min(self.ask(queries, fresh.k, most)?.1);
            again = again.min(self.ask(&fresh.known.queries, fresh.k, most)?.1);
        }
        let ratio = first / again;
        if ratio >= 2.0 { Err(self.blame(Fault::Cached { ratio })) } else { Ok(()) }
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
        let asked = self.driver.search(queries, &order, k, &params, false);
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
        let built = self.driver.build(build, *threads, *seed);
        let built = built.map_err(|fault| self.blame(fault))?.value;
        self.same_index(&built)
    }

    fn same_index(&self, built: &Built) -> Result<(), MeasureError> {
        match (&self.built.digest, &built.digest) {
            (Some(before), Some(after)) if before != after && self.hello().deterministic => {
                let (before, after) = (before.clone(), after.clone());
                Err(self.blame(Fault::Digest { before, after }))
            }
            _ => Ok(()),
        }
    }

    /// Has it exit.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(self) -> Result<(), MeasureError> {
        let Self { label, driver, .. } = self;
        driver.stop().map_err(|fault| MeasureError::Fault { subject: label, fault })
    }

    fn blame(&self, fault: Fault) -> MeasureError {
        MeasureError::Fault { subject: self.label.clone(), fault }
    }
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

fn differs(
    seen: &Observation,
    ids: &[u32],
    total: Option<Work>,
    k: usize,
    exam: &Exam,
) -> Option<Fault> {
    let ef = seen.ef;
    if seen.ids != ids {
        let first = seen.ids.iter().zip(ids).position(|(before, now)| before != now);
        let query = first.map(|at| exam.rows()[at / k] as usize);
        return Some(Fault::Nondeterministic { what: "an answer", ef, query });
    }
    (seen.total != total).then_some(Fault::Nondeterministic { what: "a counter", ef, query: None })
}
