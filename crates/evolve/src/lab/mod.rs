//! The laboratory: takes candidates through their stages and measures them against the champion.
//!
//! token scan -> compile -> contract -> recall at equal ef and measured reward on the practice
//! queries -> for finalists, the gate of `crinoid-eval` on held-out queries and on data sets that were
//! not rewarded. Every stage fails fast, so that a bad candidate costs little. Champion and candidate
//! run in the same rig and are timed by the driver, from outside, in turns; a candidate with code runs
//! in the sandbox.
//!
//! | file | what is in it |
//! |---|---|
//! | `workload.rs` | [`Workload`]: a data set to measure on |
//! | `setup.rs` | [`Setup`]: what is measured, code and parameters |
//! | `index_cache.rs` | indexes kept as files |
//! | `contract.rs` | tiny and odd data sets, asked twice |
//! | `paired_rounds.rs` | champion and candidate in turns: the reward |
//! | `gate.rs` | the full gate |

mod contract;
mod gate;
mod index_cache;
mod paired_rounds;
mod setup;
mod workload;

pub use setup::Setup;
pub use workload::Workload;

use crate::candidate::{PackageError, Sandbox, Workshop};
use crate::exemplar::{Form, GateResult};
use crate::judge::{Judge, JudgeError, Judgement};
use crate::module::Module;
use crate::reward::{self, Failure};
use crinoid_eval::measure::{MeasureError, Pair, Preparations, QuerySplit, RunningSubject};
use crinoid_eval::subject::{Fault, Launch, Limits, Parameters};
use index_cache::IndexCache;
use paired_rounds::{PairedRounds, Rules};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// How measurements are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Protocol {
    /// Answers per query.
    pub k: usize,
    /// Interleaved pairs per judgement. Five are the fewest whose smallest is a 95 % bound.
    pub pairs: usize,
    /// Answers per query by which the gate judges quality.
    pub gate_k: usize,
    /// Time for the gate's rounds, per data set.
    pub gate_budget: Duration,
    /// How far mean recall at equal ef may fall below the champion's.
    pub tolerance: f64,
    /// Threads of builds.
    pub threads: usize,
    /// Seed of builds and query orders.
    pub seed: u64,
    /// How long one pass over the queries may take.
    pub patience: Duration,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            k: 10,
            pairs: 5,
            gate_k: 100,
            gate_budget: Duration::from_secs(20),
            tolerance: 0.002,
            threads: 2,
            seed: 42,
            patience: Duration::from_secs(30),
        }
    }
}

/// What the two sides are called where one of them is to blame.
const CHAMPION: &str = "the champion";
const CANDIDATE: &str = "the candidate";

/// Where subjects have their folders, named by the process that started them and a number.
const SUBJECTS: &str = "subjects";

/// How many this process has started, for whatever laboratory.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// Judges on real measurements.
pub struct Lab<'a> {
    /// How measurements are made.
    pub protocol: Protocol,
    /// Where candidates with code are compiled.
    pub workshop: Workshop,
    /// What such candidates may use.
    pub sandbox: Sandbox,
    workloads: &'a [Workload],
    /// The program that serves the rig with published versions in it.
    rig: (PathBuf, Vec<OsString>),
    /// Of that program: it holds what candidates are compiled against, and what builds indexes.
    rig_digest: u64,
    folder: PathBuf,
    indexes: IndexCache,
    origin: Setup,
    champion: Setup,
    /// The champion as it runs on each workload.
    running: BTreeMap<usize, RunningSubject<'a>>,
}

/// Why a setup does not run: the candidate's fault, or the laboratory's.
enum Trouble {
    Candidate(Failure),
    Lab(JudgeError),
}

impl From<JudgeError> for Trouble {
    fn from(error: JudgeError) -> Self {
        Self::Lab(error)
    }
}

impl From<MeasureError> for Trouble {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::Fault { subject, fault } if subject != CHAMPION => fault.into(),
            error => Self::Lab(lab_error(error)),
        }
    }
}

/// A fault of the candidate as its failure, unless the laboratory is to blame.
impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Spawn { .. } | Fault::File { .. } => Self::Lab(lab_error(fault)),
            Fault::Nondeterministic { .. } => {
                Self::Candidate(Failure::Determinism(fault.to_string()))
            }
            other => Self::Candidate(Failure::Interface(other.to_string())),
        }
    }
}

impl Trouble {
    /// Of the champion: nobody's fault but the laboratory's.
    fn ours(self) -> JudgeError {
        match self {
            Self::Lab(error) => error,
            Self::Candidate(failure) => JudgeError(format!("{CHAMPION}: {failure}")),
        }
    }
}

fn lab_error(error: impl std::fmt::Display) -> JudgeError {
    JudgeError(error.to_string())
}

impl<'a> Lab<'a> {
    /// A laboratory in `folder`, from which it removes what subjects of processes that are no more have
    /// left. `rig` is the program, with its arguments, that serves
    /// [`Rig::new`](crate::rig::Rig::new).
    ///
    /// # Errors
    /// When that program cannot be read.
    pub fn new(
        workloads: &'a [Workload],
        rig: (PathBuf, Vec<OsString>),
        workshop: Workshop,
        folder: &Path,
        champion: Setup,
    ) -> Result<Self, JudgeError> {
        let program = std::fs::read(&rig.0).map_err(lab_error)?;
        remove_left_behind(&folder.join(SUBJECTS));
        Ok(Self {
            protocol: Protocol::default(),
            workshop,
            sandbox: Sandbox::default(),
            workloads,
            rig,
            rig_digest: xxh3_64(&program),
            folder: folder.to_owned(),
            indexes: IndexCache::new(folder),
            origin: champion.clone(),
            champion,
            running: BTreeMap::new(),
        })
    }

    /// What the data sets are called, those that are rewarded first.
    pub fn data(&self) -> (Vec<String>, Vec<String>) {
        let names = |rewarded| {
            let of = self.workloads.iter().filter(move |workload| workload.rewarded == rewarded);
            of.map(|workload| workload.name.clone()).collect()
        };
        (names(true), names(false))
    }

    /// The program that serves a setup.
    fn program(&self, setup: &Setup) -> Result<(PathBuf, Vec<OsString>), Trouble> {
        if setup.code.is_empty() {
            return Ok(self.rig.clone());
        }
        let built = self.workshop.build(&setup.code, self.rig_digest);
        let package = built.map_err(|error| match error {
            PackageError::Forbidden(_) => Trouble::Candidate(Failure::Forbidden(error.to_string())),
            PackageError::Compile(_) | PackageError::Slow(_) => {
                Trouble::Candidate(Failure::Compile(error.to_string()))
            }
            other => Trouble::Lab(lab_error(other)),
        })?;
        Ok(self.sandbox.wrap(&package.program, &[]).map_err(lab_error)?)
    }

    /// How the program of a setup is started, in a new folder of its own.
    fn launch(&self, setup: &Setup) -> Result<Launch, Trouble> {
        let (program, arguments) = self.program(setup)?;
        let number = STARTED.fetch_add(1, Relaxed);
        let folder = self.folder.join(format!("{SUBJECTS}/{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(lab_error)?;
        // A candidate may run as nobody, and writes its answers here.
        open_to_all(&folder);
        let folder = std::fs::canonicalize(&folder).map_err(lab_error)?;
        Ok(Launch {
            program,
            arguments,
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            folder,
            core: Some(0),
            limits: Limits {
                greeting: Duration::from_secs(20),
                load: Duration::from_secs(120),
                build: Duration::from_secs(self.sandbox.cpu_seconds.min(600)),
                search: self.protocol.patience,
                memory: self.sandbox.memory,
                stderr: 4 << 10,
            },
        })
    }

    /// Starts a setup on a workload, with the index that is kept of it or one that it builds.
    fn running(
        &self,
        label: &str,
        setup: &Setup,
        workload: usize,
    ) -> Result<RunningSubject<'a>, Trouble> {
        let launch = self.launch(setup)?;
        let workload = &self.workloads[workload];
        let Protocol { threads, seed, .. } = self.protocol;
        // All that an index depends on.
        let name = format!(
            "{:x} {:x} {:?} {:?} {seed}",
            self.rig_digest,
            workload.digest,
            setup.build,
            setup.code.get(&Module::Graph),
        );
        let kept = self.indexes.place(xxh3_64(name.as_bytes()))?;
        let preparations = Preparations {
            vectors: workload.vectors.clone(),
            build: setup.build.clone(),
            search: setup.search.clone(),
            threads,
            seed,
        };
        Ok(RunningSubject::start_with(label, &launch, &preparations, workload.grader()?, &kept)?)
    }

    /// Measures `setup` against the champion on one workload; `tolerance` of lost recall at equal ef.
    fn paired(
        &mut self,
        setup: &Setup,
        workload: usize,
        split: Which,
        tolerance: Option<f64>,
    ) -> Result<PairedRounds, Trouble> {
        // With the same program and index it shares the champion's process: no start, and the same
        // place in memory for both, which is worth a per cent or two.
        let shares = setup.shares_index(&self.champion);
        let own = match shares {
            true => None,
            false => Some(self.running(CANDIDATE, setup, workload)?),
        };
        let mut champion = match self.running.remove(&workload) {
            Some(running) => running,
            None => self.running(CHAMPION, &self.champion, workload)?,
        };
        let mut candidate = own.unwrap_or_else(|| champion.beside(CANDIDATE, setup.search.clone()));
        let Protocol { k, pairs, .. } = self.protocol;
        // Going over the efforts takes a fraction of what the starts take, if there are any.
        let repeats = if shares { 1 } else { 4 };
        let rules = Rules { k, pairs, tolerance, suspect: !setup.code.is_empty(), repeats };
        let pair = Pair { a: &mut champion, b: &mut candidate };
        let result = paired_rounds::run(pair, split.of(&self.workloads[workload]), &rules);
        let broken = matches!(result, Err(Trouble::Candidate(Failure::Interface(_))));
        if !(shares && broken) {
            // Otherwise it has broken the process that both are in.
            self.running.insert(workload, champion);
        }
        result
    }

    fn judged(&mut self, module: Module, form: &Form) -> Result<Judgement, Trouble> {
        let setup = self.champion.with(module, form)?;
        if matches!(form, Form::Code(_)) {
            contract::check(self, &setup)?;
        }
        let mut scores = BTreeMap::new();
        for workload in 0..self.workloads.len() {
            if !self.workloads[workload].rewarded {
                continue;
            }
            let tolerance = Some(self.protocol.tolerance);
            let paired = self.paired(&setup, workload, Which::Practice, tolerance)?;
            let score = reward::score(&paired.log_ratios, paired.reward);
            let score = score.filter(|score| score.lower > 0.0 && score.reward > 0.0);
            let Some(score) = score else {
                let why = "its curve does not enter recall 0.85 to 0.95".to_owned();
                return Err(Trouble::Candidate(Failure::Recall(why)));
            };
            scores.insert(self.workloads[workload].name.clone(), score);
        }
        Ok(Judgement { scores, failure: None })
    }
}

/// Which half of the queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Practice,
    HeldOut,
}

impl Which {
    fn of(self, workload: &Workload) -> &QuerySplit {
        match self {
            Self::Practice => &workload.practice,
            Self::HeldOut => &workload.held_out,
        }
    }
}

/// Removes the folders of subjects whose driver is gone, killed perhaps.
fn remove_left_behind(subjects: &Path) {
    let Ok(entries) = std::fs::read_dir(subjects) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let driver = name.to_str().and_then(|name| Some(name.split_once('-')?.0));
        if driver.is_some_and(|driver| !Path::new("/proc").join(driver).exists()) {
            // Where this fails, disk space is lost and nothing else.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    // Where this fails, the candidate will say that it cannot write.
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777));
}

impl Judge for Lab<'_> {
    fn champion(&self) -> String {
        if self.champion == Setup::default() {
            return "rig".to_owned();
        }
        let text = |map: &Parameters| {
            map.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>()
        };
        let code: String = self
            .champion
            .code
            .iter()
            .map(|(module, source)| {
                format!(" {module}:{}", &Form::Code(source.clone()).digest(*module)[..12])
            })
            .collect();
        format!("rig{}{}{code}", text(&self.champion.build), text(&self.champion.search))
    }

    fn judge(&mut self, module: Module, form: &Form) -> Result<Judgement, JudgeError> {
        match self.judged(module, form) {
            Ok(judgement) => Ok(judgement),
            Err(Trouble::Candidate(failure)) => Ok(Judgement::failed(failure)),
            Err(Trouble::Lab(error)) => Err(error),
        }
    }

    fn gate(
        &mut self,
        module: Module,
        form: &Form,
        watch: &mut dyn FnMut(&str),
    ) -> Result<GateResult, JudgeError> {
        gate::gate(self, module, form, watch)
    }

    fn adopt(&mut self, module: Module, form: &Form) -> Result<(), JudgeError> {
        self.champion = self.champion.with(module, form)?;
        self.running.clear();
        Ok(())
    }

    /// The champion's reward over that of the campaign's starting point, measured in turns on the
    /// held-out queries: not two speeds from two different hours.
    fn standing(&mut self) -> Result<BTreeMap<String, f64>, JudgeError> {
        let mut standing = BTreeMap::new();
        for workload in 0..self.workloads.len() {
            let ratio = if self.champion == self.origin {
                1.0
            } else {
                let origin = self.origin.clone();
                let paired =
                    self.paired(&origin, workload, Which::HeldOut, None).map_err(Trouble::ours)?;
                reward::median(&paired.log_ratios).map_or(1.0, |ratio| (-ratio).exp())
            };
            standing.insert(self.workloads[workload].name.clone(), ratio);
        }
        Ok(standing)
    }
}
