//! The database of everything that was measured successfully (section 3.2).

use crate::journal::{self, Contents, Damaged, Journal, JournalError};
use crate::module::Module;
use crate::{random::Stream, sampling};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

/// The value of a knob: a whole number, a real number, a switch or a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A switch.
    Switch(bool),
    /// A whole number.
    Whole(i64),
    /// A finite real number.
    Real(f64),
    /// A word, e.g. the name of a version.
    Word(String),
}

impl Value {
    /// Whole numbers.
    pub(crate) fn wholes(values: &[i64]) -> Vec<Self> {
        values.iter().copied().map(Self::Whole).collect()
    }

    /// Real numbers.
    pub(crate) fn reals(values: &[f64]) -> Vec<Self> {
        values.iter().copied().map(Self::Real).collect()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(value) => value.fmt(f),
            Self::Whole(value) => value.fmt(f),
            Self::Real(value) => write!(f, "{value:?}"),
            Self::Word(value) => value.fmt(f),
        }
    }
}

/// What a candidate consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One Rust source file that implements the module's trait.
    Code(String),
    /// Values for the declared knobs of a published version.
    Knobs(BTreeMap<String, Value>),
}

impl Form {
    /// 32 hex digits that name this candidate: xxh3-128 of the module's name and the content.
    pub fn digest(&self, module: Module) -> String {
        let mut bytes = format!("{module}\0").into_bytes();
        match self {
            Self::Code(code) => bytes.extend(code.as_bytes()),
            Self::Knobs(knobs) => {
                for (name, value) in knobs {
                    bytes.extend(format!("{name}={value}\0").as_bytes());
                }
            }
        }
        format!("{:032x}", xxh3_128(&bytes))
    }

    /// The candidate as a person (or a model) reads it: the code, or one knob per line.
    pub fn text(&self) -> String {
        match self {
            Self::Code(code) => code.clone(),
            Self::Knobs(knobs) => {
                knobs.iter().map(|(name, value)| format!("{name} = {value}\n")).collect()
            }
        }
    }
}

/// How a candidate did on one data set, against the champion of that time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Median over the interleaved pairs of candidate reward / champion reward.
    pub ratio: f64,
    /// Lower confidence bound of that ratio ([`crate::reward`]).
    pub lower: f64,
    /// The candidate's own reward: area under QPS(recall) on [0.85, 0.95], as a QPS (section 3.3).
    pub reward: f64,
}

/// What the full gate said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// `ship`, `don't ship`, `inconclusive` or `broken`.
    pub verdict: String,
    /// The data sets and query sets it was asked on.
    pub data: Vec<String>,
    /// Its reasons, in a line.
    pub why: String,
}

impl GateResult {
    /// Whether the gate let the candidate through.
    pub fn ships(&self) -> bool {
        self.verdict == "ship"
    }
}

/// One measured candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exemplar {
    /// [`Form::digest`].
    pub digest: String,
    /// The module it is a version of.
    pub module: Module,
    /// A name for people, e.g. the title of its design.
    #[serde(default)]
    pub title: String,
    /// The code or the knobs.
    #[serde(flatten)]
    pub form: Form,
    /// Scores by data set.
    pub scores: BTreeMap<String, Score>,
    /// Geometric mean over the data sets of the lower bounds: what exemplars are sampled by and
    /// what prompts show. 1 is the champion that it was measured against.
    pub fitness: f64,
    /// Recipe or digest of that champion.
    pub champion: String,
    /// The full gate's answer, if it was asked.
    #[serde(default)]
    pub gate: Option<GateResult>,
    /// Digests of the exemplars in the prompt that it came from.
    #[serde(default)]
    pub parents: Vec<String>,
    /// Who proposed it.
    #[serde(default)]
    pub proposer: String,
    /// The design in the proposer's words, or other remarks.
    #[serde(default)]
    pub note: String,
}

/// A record cannot enter the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The file does not cooperate.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A score is not a finite positive number, or the digest is not the content's.
    #[error("exemplar {digest}: {why}")]
    Invalid {
        /// The exemplar.
        digest: String,
        /// What is wrong with it.
        why: String,
    },
    /// A digest or prefix that fits none or several exemplars.
    #[error("`{wanted}` names {found} exemplars")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// How many begin with it.
        found: usize,
    },
}

/// The seed database: candidates written by hand that went through the loop on real data, with
/// their scores; `exemplars/README.md` says how. The contents of a database file.
pub const SEED: &str = include_str!("../exemplars/seed.jsonl");

/// The database: an append-only journal and its records in memory.
///
/// A candidate that is measured or gated again is appended again; the newest record of a digest
/// counts, older ones stay in the file.
#[derive(Debug)]
pub struct Database {
    journal: Option<Journal>,
    records: Vec<Exemplar>,
    damaged: Vec<Damaged>,
}

impl Database {
    /// Opens (or creates) the database at `path` for appending.
    ///
    /// # Errors
    /// When it cannot be read or written or is open elsewhere.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let (journal, contents) = Journal::open(path)?;
        Ok(Self::new(Some(journal), contents))
    }

    /// Reads the database at `path`; nothing can be appended. No file is an empty database.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, DatabaseError> {
        Ok(Self::new(None, journal::read(path)?))
    }

    fn new(journal: Option<Journal>, contents: Contents<Exemplar>) -> Self {
        let mut database = Self { journal, records: Vec::new(), damaged: contents.damaged };
        contents.records.into_iter().for_each(|exemplar| database.remember(exemplar));
        database
    }

    /// What is in the [`SEED`].
    fn seeds() -> Self {
        Self::new(None, journal::parse(SEED.as_bytes()))
    }

    /// Adds what is missing of the [`SEED`], so that the first prompt already shows what was tried. An
    /// exemplar that was measured here stays as it is.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sow(&mut self) -> Result<(), DatabaseError> {
        for exemplar in Self::seeds().records {
            if !self.records.iter().any(|known| known.digest == exemplar.digest) {
                self.insert(exemplar)?;
            }
        }
        Ok(())
    }

    /// Adds an exemplar, on disk first. Without a file behind it ([`Database::read`]) it is kept
    /// in memory only.
    ///
    /// # Errors
    /// When a score is not finite and positive, the digest is not the content's, or the disk
    /// refuses; the database is then unchanged.
    pub fn insert(&mut self, exemplar: Exemplar) -> Result<(), DatabaseError> {
        let invalid = |why: String| DatabaseError::Invalid { digest: exemplar.digest.clone(), why };
        let good = |value: f64| value.is_finite() && value > 0.0;
        if exemplar.digest != exemplar.form.digest(exemplar.module) {
            return Err(invalid("the digest is not that of the content".to_owned()));
        }
        if !good(exemplar.fitness) {
            return Err(invalid(format!("fitness {} is no success", exemplar.fitness)));
        }
        for (data, score) in &exemplar.scores {
            if ![score.ratio, score.lower, score.reward].into_iter().all(good) {
                return Err(invalid(format!("its score on {data} is not finite and positive")));
            }
        }
        if let Some(journal) = &mut self.journal {
            journal.append(&exemplar)?;
        }
        self.remember(exemplar);
        Ok(())
    }

    fn remember(&mut self, exemplar: Exemplar) {
        match self.records.iter_mut().find(|known| known.digest == exemplar.digest) {
            Some(known) => *known = exemplar,
            None => self.records.push(exemplar),
        }
    }

    /// Every exemplar, in the order in which they were first measured.
    pub fn exemplars(&self) -> &[Exemplar] {
        &self.records
    }

    /// Lines of the file that are not intact.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// The exemplar whose digest begins with `prefix`.
    ///
    /// # Errors
    /// When none or several do.
    pub fn find(&self, prefix: &str) -> Result<&Exemplar, DatabaseError> {
        let mut found = self.records.iter().filter(|known| known.digest.starts_with(prefix));
        match (found.next(), found.count()) {
            (Some(exemplar), 0) => Ok(exemplar),
            (first, more) => Err(DatabaseError::Ambiguous {
                wanted: prefix.to_owned(),
                found: more + usize::from(first.is_some()),
            }),
        }
    }

    /// The exemplar of `module` with the best fitness, ties to the older.
    pub fn best(&self, module: Module) -> Option<&Exemplar> {
        self.records
            .iter()
            .filter(|known| known.module == module)
            .reduce(|best, next| if next.fitness > best.fitness { next } else { best })
    }

    /// Draws up to `count` exemplars of `module` by equation 1, best first. With `code_only`,
    /// knob settings are left out (a model that writes code learns little from them).
    pub fn sample(
        &self,
        module: Module,
        code_only: bool,
        temperature: f64,
        count: usize,
        stream: Stream,
    ) -> Vec<&Exemplar> {
        let eligible: Vec<&Exemplar> = self
            .records
            .iter()
            .filter(|known| known.module == module)
            .filter(|known| !code_only || matches!(known.form, Form::Code(_)))
            .collect();
        let scores: Vec<f64> = eligible.iter().map(|known| known.fitness).collect();
        let drawn = sampling::sample(&scores, temperature, count, stream);
        drawn.into_iter().map(|position| eligible[position]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn exemplar(code: &str, fitness: f64) -> Exemplar {
        let form = Form::Code(code.to_owned());
        Exemplar {
            digest: form.digest(Module::Search),
            module: Module::Search,
            title: String::new(),
            form,
            scores: BTreeMap::from([(
                "embedded".to_owned(),
                Score { ratio: fitness * 1.01, lower: fitness, reward: 1e4 },
            )]),
            fitness,
            champion: "pool@1".to_owned(),
            gate: None,
            parents: Vec::new(),
            proposer: "file".to_owned(),
            note: String::new(),
        }
    }

    #[test]
    fn records_survive_reopening_and_the_newest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.jsonl");
        let mut database = Database::open(&path).unwrap();
        database.insert(exemplar("a", 1.1)).unwrap();
        database.insert(exemplar("b", 0.9)).unwrap();
        let mut gated = exemplar("b", 1.3);
        gated.gate =
            Some(GateResult { verdict: "ship".into(), data: vec!["x".into()], why: "+9 %".into() });
        database.insert(gated.clone()).unwrap();
        let knobs = Form::Knobs(BTreeMap::from([
            ("ahead".to_owned(), Value::Whole(4)),
            ("gamma".to_owned(), Value::Real(0.2)),
            ("stop".to_owned(), Value::Word("slack".to_owned())),
            ("backfill".to_owned(), Value::Switch(true)),
        ]));
        let mut tuned = exemplar("", 1.0);
        tuned.digest = knobs.digest(Module::Search);
        tuned.form = knobs;
        database.insert(tuned.clone()).unwrap();
        drop(database);
        let database = Database::read(&path).unwrap();
        assert_eq!(database.exemplars(), [exemplar("a", 1.1), gated.clone(), tuned.clone()]);
        assert_eq!(database.best(Module::Search), Some(&gated));
        assert_eq!(database.best(Module::Graph), None);
        assert_eq!(database.find(&gated.digest[..12]).unwrap(), &gated);
        assert!(matches!(database.find(""), Err(DatabaseError::Ambiguous { found: 3, .. })));
        let drawn = database.sample(Module::Search, true, 0.1, 5, Stream::new(1));
        assert_eq!(drawn, [&gated, &exemplar("a", 1.1)]);
        assert_eq!(database.sample(Module::Search, false, 0.1, 5, Stream::new(1)).len(), 3);
    }

    #[test]
    fn the_seed_database_is_intact_and_every_source_in_it_passes_the_scan() {
        let mut database = Database::read(Path::new("/nonexistent/db")).unwrap();
        assert_eq!(Database::seeds().damaged(), []);
        database.sow().unwrap();
        assert_eq!(database.exemplars(), Database::seeds().exemplars());
        for module in [Module::Graph, Module::Search, Module::Refine] {
            let best = database.best(module).unwrap();
            assert!(database.sample(module, true, 0.1, 3, Stream::new(1)).len() >= 2);
            assert!(best.scores.len() >= 2 && best.fitness > 0.0);
        }
        for exemplar in database.exemplars() {
            let Form::Code(source) = &exemplar.form else { panic!("knobs in {exemplar:?}") };
            assert_eq!(exemplar.digest, exemplar.form.digest(exemplar.module));
            assert_eq!(crate::candidate::scan(source, Default::default()), []);
        }
    }

    #[test]
    fn sowing_adds_what_is_missing_and_leaves_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.jsonl");
        let seeds = Database::seeds().records;
        let again = Exemplar { fitness: 1.5, ..seeds[1].clone() };
        let mut database = Database::open(&path).unwrap();
        database.insert(again.clone()).unwrap();
        database.sow().unwrap();
        drop(database);
        // A second time nothing is added, and one that a crash cut off comes back.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        let mut database = Database::open(&path).unwrap();
        assert_eq!(database.exemplars().len(), seeds.len() - 1);
        database.sow().unwrap();
        database.sow().unwrap();
        assert_eq!(database.exemplars().len(), seeds.len());
        assert_eq!(database.find(&again.digest).unwrap(), &again);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn truncation_at_every_byte_never_loses_an_earlier_exemplar() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.jsonl");
        let all = [exemplar("fn a() {}\n", 1.1), exemplar("fn b() {}\n", 1.2)];
        let lines: Vec<String> = all.iter().map(|e| journal::line(e).unwrap()).collect();
        let bytes = lines.concat();
        for cut in 0..=bytes.len() {
            std::fs::write(&path, &bytes.as_bytes()[..cut]).unwrap();
            let database = Database::open(&path).unwrap();
            let whole = match cut {
                cut if cut + 1 >= bytes.len() => 2,
                cut if cut + 1 >= lines[0].len() => 1,
                _ => 0,
            };
            assert_eq!(database.exemplars(), &all[..whole], "{cut}");
        }
    }

    #[test]
    fn failures_and_forgeries_stay_out() {
        let mut database = Database::read(Path::new("/nonexistent/db")).unwrap();
        for fitness in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(database.insert(exemplar("a", fitness)).is_err());
        }
        let mut forged = exemplar("a", 1.0);
        forged.digest = exemplar("b", 1.0).digest;
        assert!(database.insert(forged).is_err());
        assert!(database.exemplars().is_empty());
    }
}
