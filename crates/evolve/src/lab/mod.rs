//! The laboratory: takes candidates through their stages and measures them against the champion.
//!
//! token scan -> compile -> contract (`contract.rs`) -> recall at equal ef and measured reward on
//! the practice queries (`bout.rs`) -> for finalists, the gate of `crinoid-eval` on held-out queries
//! and on data sets that were not rewarded (`gate.rs`). Every stage fails fast, so that a bad candidate costs
//! little. Champion and candidate run in the same rig and are timed by the driver, from outside,
//! in turns; a candidate with code runs in the sandbox.

mod bout;
mod contract;
mod gate;

pub use bout::{Bout, Entrant};

use crate::candidate::{PackageError, Sandbox, SandboxError, Workshop};
use crate::exemplar::{Form, GateResult, Value};
use crate::judge::{Judge, JudgeError, Judgement};
use crate::module::Module;
use crate::reward::{self, Failure};
use crinoid_eval::data::{Dataset, bin};
use crinoid_eval::measure::{Exam, Grader};
use crinoid_eval::subject::{Driver, Fault, Launch, Limits, Parameters};
use crinoid_eval::truth::{self, Truth};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
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

/// A data set to measure on.
pub struct Yard {
    name: String,
    data: Dataset,
    truth: Truth,
    practice: Exam,
    held_out: Exam,
    vectors: PathBuf,
    rewarded: bool,
}

impl Yard {
    /// Gets a data set ready: exact truth of `k` neighbours (cached in `folder`), queries split in
    /// halves, and the base vectors written out without the truth. `rewarded`: whether it counts
    /// for the reward, or only for the gate.
    ///
    /// # Errors
    /// When the truth cannot be computed, the files not written, or there are too few queries.
    pub fn new(
        name: &str,
        data: Dataset,
        rewarded: bool,
        k: usize,
        folder: &Path,
    ) -> Result<Self, JudgeError> {
        let truth =
            truth::Cache::new(folder.join("truth")).truth(&data, k, &()).map_err(lab_error)?;
        let (practice, held_out) = Exam::split(&data, 0.5, 7).map_err(lab_error)?;
        let vectors = folder.join(format!("{name}.base.fbin"));
        std::fs::create_dir_all(folder).map_err(lab_error)?;
        bin::write_vectors(&vectors, &data.base).map_err(lab_error)?;
        let vectors = std::fs::canonicalize(&vectors).map_err(lab_error)?;
        Ok(Self { name: name.to_owned(), data, truth, practice, held_out, vectors, rewarded })
    }

    /// Its name in scores.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn grader(&self) -> Result<Grader<'_>, JudgeError> {
        Grader::new(&self.data, &self.truth).map_err(lab_error)
    }
}

/// A champion or a candidate: code for some modules, parameters for the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    /// Source by module; empty for published versions only.
    pub code: BTreeMap<Module, String>,
    /// Build parameters.
    pub build: Parameters,
    /// Search parameters beside `ef`.
    pub search: Parameters,
}

impl Setup {
    /// The published champions. (The default is where GLASS stands, and where the paper began.)
    pub fn champions() -> Self {
        let named = |place: &str, version: &str| (place.to_owned(), version.into());
        Self {
            code: BTreeMap::new(),
            build: [
                named("graph", crinoid_graph::CHAMPION),
                named("refine", crinoid_refine::versions::CHAMPION),
            ]
            .into(),
            search: [named("search", crinoid_search::versions::CHAMPION)].into(),
        }
    }

    /// This setup with `form` in the place of `module`.
    ///
    /// # Errors
    /// When knobs are given for a module that has none here.
    pub fn with(&self, module: Module, form: &Form) -> Result<Self, JudgeError> {
        let mut setup = self.clone();
        match (form, module) {
            (Form::Code(source), Module::Graph | Module::Search | Module::Refine) => {
                setup.code.insert(module, source.clone());
                if module == Module::Search {
                    // Knobs belong to the search that they were declared by.
                    setup.search.retain(|name, _| name == "pool");
                }
                if module == Module::Graph {
                    setup.build.remove("graph");
                }
            }
            (Form::Knobs(knobs), Module::Graph | Module::Search | Module::Refine) => {
                let (build, search): (Vec<_>, Vec<_>) = parameters(knobs)
                    .partition(|(name, _)| module == Module::Graph || name == "refine");
                setup.build.extend(build);
                setup.search.extend(search);
            }
            (_, Module::Quant) => {
                return Err(JudgeError("the rig has no place for another codec yet".to_owned()));
            }
        }
        Ok(setup)
    }

    /// Whether both are served by the same program from the same index.
    fn shares_index(&self, other: &Self) -> bool {
        self.code == other.code && self.build == other.build
    }
}

fn parameters(
    knobs: &BTreeMap<String, Value>,
) -> impl Iterator<Item = (String, serde_json::Value)> {
    knobs.iter().map(|(name, value)| {
        let value = match value {
            Value::Switch(value) => (*value).into(),
            Value::Whole(value) => (*value).into(),
            Value::Real(value) => (*value).into(),
            Value::Word(value) => value.as_str().into(),
        };
        (name.clone(), value)
    })
}

/// Judges on real measurements.
pub struct Lab {
    /// How measurements are made.
    pub protocol: Protocol,
    /// Where candidates with code are compiled.
    pub workshop: Workshop,
    /// What such candidates may use.
    pub sandbox: Sandbox,
    yards: Vec<Yard>,
    /// The program that serves the rig with published versions in it.
    rig: (PathBuf, Vec<OsString>),
    folder: PathBuf,
    origin: Setup,
    champion: Setup,
    /// The champion's subject on each yard.
    running: BTreeMap<usize, Driver>,
    efforts: BTreeMap<(usize, &'static str), Vec<usize>>,
    /// What was compiled, by source.
    programs: BTreeMap<BTreeMap<Module, String>, PathBuf>,
    started: u64,
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

fn lab_error(error: impl std::fmt::Display) -> JudgeError {
    JudgeError(error.to_string())
}

/// A fault as the candidate's failure, or as the laboratory's.
fn blame(fault: Fault) -> Trouble {
    match fault {
        Fault::Spawn { .. } | Fault::File { .. } => Trouble::Lab(lab_error(fault)),
        Fault::Nondeterministic { .. } => {
            Trouble::Candidate(Failure::Determinism(fault.to_string()))
        }
        other => Trouble::Candidate(Failure::Interface(other.to_string())),
    }
}

impl Lab {
    /// A laboratory in `folder` (emptied of earlier subjects' files as needed). `rig` is the
    /// program, with its arguments, that serves [`Rig::new`](crate::rig::Rig::new).
    pub fn new(
        yards: Vec<Yard>,
        rig: (PathBuf, Vec<OsString>),
        workshop: Workshop,
        folder: &Path,
        champion: Setup,
    ) -> Self {
        Self {
            protocol: Protocol::default(),
            workshop,
            sandbox: Sandbox::default(),
            yards,
            rig,
            folder: folder.to_owned(),
            origin: champion.clone(),
            champion,
            running: BTreeMap::new(),
            efforts: BTreeMap::new(),
            programs: BTreeMap::new(),
            started: 0,
        }
    }

    /// What the data sets are called, those that are rewarded first.
    pub fn data(&self) -> (Vec<String>, Vec<String>) {
        let names = |rewarded| {
            let of = self.yards.iter().filter(move |yard| yard.rewarded == rewarded);
            of.map(|yard| yard.name.clone()).collect()
        };
        (names(true), names(false))
    }

    /// The program that serves a setup.
    fn program(&mut self, setup: &Setup) -> Result<(PathBuf, Vec<OsString>), Trouble> {
        if setup.code.is_empty() {
            return Ok(self.rig.clone());
        }
        if let Some(program) = self.programs.get(&setup.code) {
            let wrapped = self.sandbox.wrap(program, &[]);
            return wrapped.map_err(|error: SandboxError| Trouble::Lab(lab_error(error)));
        }
        let package = self.workshop.build(&setup.code).map_err(|error| match error {
            PackageError::Forbidden(_) => Trouble::Candidate(Failure::Forbidden(error.to_string())),
            PackageError::Compile(_) | PackageError::Slow(_) => {
                Trouble::Candidate(Failure::Compile(error.to_string()))
            }
            other => Trouble::Lab(lab_error(other)),
        })?;
        self.programs.insert(setup.code.clone(), package.program.clone());
        let wrapped = self.sandbox.wrap(&package.program, &[]);
        wrapped.map_err(|error: SandboxError| Trouble::Lab(lab_error(error)))
    }

    /// How the program of a setup is started, in a new folder of its own.
    fn launch(&mut self, setup: &Setup) -> Result<Launch, Trouble> {
        let (program, arguments) = self.program(setup)?;
        self.started += 1;
        let folder = self.folder.join(format!("subjects/{}-{}", std::process::id(), self.started));
        std::fs::create_dir_all(&folder).map_err(|error| Trouble::Lab(lab_error(error)))?;
        // A candidate may run as nobody, and writes its answers here.
        open_to_all(&folder);
        let folder = std::fs::canonicalize(&folder).map_err(|e| Trouble::Lab(lab_error(e)))?;
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

    /// Starts a setup on a yard with an index: a kept one, or one that it builds. Also its folder.
    fn start(&mut self, setup: &Setup, yard: usize) -> Result<(Driver, PathBuf), Trouble> {
        let launch = self.launch(setup)?;
        let mut driver = Driver::launch(&launch).map_err(blame)?;
        let rows = self.yards[yard].data.base.len();
        let index = self.index(setup, yard)?;
        if index.exists() {
            driver.open(&index, rows).map_err(blame)?;
        } else {
            let yard = &self.yards[yard];
            let shape = (rows, yard.data.dim());
            driver.load(&yard.vectors, yard.data.metric, shape).map_err(blame)?;
            let Protocol { threads, seed, .. } = self.protocol;
            driver.build(&setup.build, threads, seed).map_err(blame)?;
        }
        Ok((driver, launch.folder))
    }

    /// Where the index that a setup builds on a yard is kept, if it was: named by all that it
    /// depends on, so that it serves the candidates and the campaign that goes on tomorrow.
    fn index(&self, setup: &Setup, yard: usize) -> Result<PathBuf, JudgeError> {
        let program = std::fs::read(&self.rig.0).map_err(lab_error)?;
        let yard = &self.yards[yard];
        let name = format!(
            "{:x} {:x} {:?} {:?} {}",
            xxh3_64(&program),
            truth::digest(yard.data.metric, &yard.data.base, &yard.data.queries),
            setup.build,
            setup.code.get(&Module::Graph),
            self.protocol.seed
        );
        Ok(self.folder.join(format!("indexes/{:016x}", xxh3_64(name.as_bytes()))))
    }

    /// The champion's running subject on a yard, and the efforts at which it is measured there.
    fn champion_on(&mut self, yard: usize, exam: Which) -> Result<Vec<usize>, JudgeError> {
        let ours = |trouble: Trouble| match trouble {
            Trouble::Lab(error) => error,
            Trouble::Candidate(failure) => JudgeError(format!("the champion: {failure}")),
        };
        if !self.running.contains_key(&yard) {
            let setup = self.champion.clone();
            let (mut driver, folder) = self.start(&setup, yard).map_err(ours)?;
            let index = self.index(&setup, yard)?;
            if !index.exists() {
                let draft = folder.join("index");
                driver.save(&draft).map_err(|fault| ours(blame(fault)))?;
                std::fs::create_dir_all(self.folder.join("indexes")).map_err(lab_error)?;
                std::fs::rename(&draft, &index).map_err(lab_error)?;
            }
            self.running.insert(yard, driver);
        }
        if let Some(known) = self.efforts.get(&(yard, exam.name())) {
            return Ok(known.clone());
        }
        let Some(driver) = self.running.get_mut(&yard) else {
            return Err(JudgeError("no champion is running".to_owned()));
        };
        let efforts = bout::efforts(
            driver,
            &self.champion.search,
            &self.yards[yard],
            exam.of(&self.yards[yard]),
            &self.protocol,
        )
        .map_err(|failure| ours(Trouble::Candidate(failure)))?;
        self.efforts.insert((yard, exam.name()), efforts.clone());
        Ok(efforts)
    }

    /// Measures `setup` against the champion on one yard: `pairs` interleaved pairs.
    fn bout(
        &mut self,
        setup: &Setup,
        yard: usize,
        exam: Which,
        pairs: usize,
    ) -> Result<Bout, Trouble> {
        let efforts = self.champion_on(yard, exam)?;
        let shares = setup.shares_index(&self.champion);
        let mut own = if shares { None } else { Some(self.start(setup, yard)?.0) };
        let champion_search = self.champion.search.clone();
        let Some(champion) = self.running.get_mut(&yard) else {
            return Err(Trouble::Lab(JudgeError("no champion is running".to_owned())));
        };
        let yard_ref = &self.yards[yard];
        let result = bout::run(
            champion,
            own.as_mut(),
            [&champion_search, &setup.search],
            yard_ref,
            exam.of(yard_ref),
            &efforts,
            pairs,
            &self.protocol,
        );
        match result {
            Ok(bout) => Ok(bout),
            Err((Entrant::Candidate, failure)) => {
                if shares {
                    // It broke the process that it shared with the champion.
                    self.running.remove(&yard);
                }
                Err(Trouble::Candidate(failure))
            }
            Err((Entrant::Champion, failure)) => {
                Err(Trouble::Lab(JudgeError(format!("the champion: {failure}"))))
            }
        }
    }

    /// Starts and ends a candidate's program on tiny odd data sets: stage "contract".
    fn contract(&mut self, setup: &Setup) -> Result<(), Trouble> {
        contract::check(self, setup)
    }

    fn judged(&mut self, module: Module, form: &Form) -> Result<Judgement, Trouble> {
        let setup = self.champion.with(module, form)?;
        if matches!(form, Form::Code(_)) {
            self.contract(&setup)?;
        }
        let mut scores = BTreeMap::new();
        for yard in 0..self.yards.len() {
            if !self.yards[yard].rewarded {
                continue;
            }
            let bout = self.bout(&setup, yard, Which::Practice, self.protocol.pairs)?;
            bout.check_recall(self.protocol.tolerance).map_err(Trouble::Candidate)?;
            let score = reward::score(&bout.log_ratios, bout.reward);
            let score = score.filter(|score| score.lower > 0.0 && score.reward > 0.0);
            let Some(score) = score else {
                let why = "its curve does not enter recall 0.85 to 0.95".to_owned();
                return Err(Trouble::Candidate(Failure::Recall(why)));
            };
            scores.insert(self.yards[yard].name.clone(), score);
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
    fn name(self) -> &'static str {
        match self {
            Self::Practice => "practice",
            Self::HeldOut => "held-out",
        }
    }

    fn of(self, yard: &Yard) -> &Exam {
        match self {
            Self::Practice => &yard.practice,
            Self::HeldOut => &yard.held_out,
        }
    }
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    // Where this fails, the candidate will say that it cannot write.
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777));
}

impl Judge for Lab {
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

    fn gate(&mut self, module: Module, form: &Form) -> Result<GateResult, JudgeError> {
        gate::gate(self, module, form)
    }

    fn adopt(&mut self, module: Module, form: &Form) -> Result<(), JudgeError> {
        self.champion = self.champion.with(module, form)?;
        self.running.clear();
        self.efforts.clear();
        Ok(())
    }

    /// The champion's reward over that of the campaign's starting point, measured in turns on the
    /// held-out queries: not two speeds from two different hours.
    fn standing(&mut self) -> Result<BTreeMap<String, f64>, JudgeError> {
        let mut standing = BTreeMap::new();
        for yard in 0..self.yards.len() {
            let ratio = if self.champion == self.origin {
                1.0
            } else {
                let origin = self.origin.clone();
                let bout = self.bout(&origin, yard, Which::HeldOut, self.protocol.pairs).map_err(
                    |trouble| match trouble {
                        Trouble::Lab(error) => error,
                        Trouble::Candidate(failure) => lab_error(failure),
                    },
                )?;
                reward::median(&bout.log_ratios).map_or(1.0, |ratio| (-ratio).exp())
            };
            standing.insert(self.yards[yard].name.clone(), ratio);
        }
        Ok(standing)
    }
}
