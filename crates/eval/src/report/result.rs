//! The schema of result.json.
//!
//! `schema/result-1.json` is the published JSON Schema. A file says its version; within a version
//! fields are only ever added, with defaults, so that old files stay readable.

use super::{Machine, Origin};
use crate::{gate::Verdict, reward::Area, stats::Interval};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// The version that this crate writes.
pub const SCHEMA: u32 = 1;

/// One measurement: who, on what, and what came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResultFile {
    /// Version of the schema.
    pub schema: u32,
    /// The command: `ab`, `sweep`, `compare`, `progress`.
    pub command: String,
    /// One line that says what was measured.
    pub title: String,
    /// Version of the laboratory.
    #[serde(default)]
    pub laboratory: String,
    /// Seconds since 1970 when the measurement ended; 0 where unknown.
    #[serde(default)]
    pub time: u64,
    /// The machine.
    #[serde(default)]
    pub machine: Machine,
    /// The command line, the commit, the compiler.
    #[serde(default)]
    pub origin: Origin,
    /// The data set.
    pub data: DataFacts,
    /// How it was measured.
    #[serde(default)]
    pub settings: Settings,
    /// The subjects, the baseline first.
    pub subjects: Vec<SubjectResult>,
    /// Pairs of them, compared.
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    /// The gate's answer, where there was a gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Whatever a reader should know.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Facts about a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFacts {
    /// Its name.
    pub name: String,
    /// Rows of the base set.
    pub rows: usize,
    /// Dimension.
    pub dim: usize,
    /// Queries that were asked in the measurement itself.
    pub queries: usize,
    /// The metric.
    pub metric: String,
    /// Digest of metric, base and queries.
    #[serde(default)]
    pub digest: String,
}

/// How it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Answers per query where speed is measured.
    pub k: usize,
    /// Answers per query where quality is measured.
    pub gate_k: usize,
    /// The effort there.
    pub gate_ef: usize,
    /// Interleaved rounds.
    pub rounds: usize,
    /// Level of confidence of the intervals of speed.
    pub level: f64,
    /// Threads of the builds.
    pub threads: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether the searches ran pinned to a core.
    pub pinned: bool,
    /// Parameters of the builds.
    pub build: BTreeMap<String, serde_json::Value>,
}

/// What one subject is and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubjectResult {
    /// Its name in this result.
    pub label: String,
    /// What it calls itself.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Its instruction set.
    #[serde(default)]
    pub isa: String,
    /// Seconds of the build.
    pub build_seconds: f64,
    /// Bytes that a search needs.
    pub bytes: u64,
    /// The same by part.
    #[serde(default)]
    pub parts: BTreeMap<String, u64>,
    /// Digest of the index.
    #[serde(default)]
    pub digest: Option<String>,
    /// What it settled on where it was left the choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chose: Option<String>,
    /// Resident bytes of the process after the build.
    #[serde(default)]
    pub resident: u64,
    /// The most resident bytes during the build.
    #[serde(default)]
    pub peak: u64,
    /// What it reached at each effort, by ascending `k` and effort.
    pub points: Vec<Point>,
    /// The reward.
    #[serde(default)]
    pub reward: Option<Area>,
    /// The same area from 0.95 to 0.999.
    #[serde(default)]
    pub high: Option<Area>,
    /// What it costs to reach certain recalls.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Seconds per query at the 50th, 95th and 99th percentile, at recall `latency_recall`.
    #[serde(default)]
    pub latency: Option<[f64; 3]>,
    /// See `latency`.
    #[serde(default)]
    pub latency_recall: Option<f64>,
    /// Parameters that distinguish it, in sweeps.
    #[serde(default)]
    pub params: BTreeMap<String, serde_json::Value>,
}

/// What a subject reached at one effort.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Answers per query.
    pub k: usize,
    /// The effort.
    pub ef: usize,
    /// Mean recall@k.
    pub recall: f64,
    /// Queries per second, median over the rounds, where it was timed.
    #[serde(default)]
    pub qps: Option<f64>,
    /// Seconds per query at the 50th, 95th and 99th percentile, where every query was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<[f64; 3]>,
    /// Hops per query.
    #[serde(default)]
    pub hops: Option<f64>,
    /// Distance evaluations per query.
    #[serde(default)]
    pub distances: Option<f64>,
    /// Mean nDCG@10.
    #[serde(default)]
    pub ndcg: Option<f64>,
    /// Mean MRR@10.
    #[serde(default)]
    pub mrr: Option<f64>,
    /// Answers that were missing, over all queries.
    #[serde(default)]
    pub gaps: usize,
    /// Whether it is on the Pareto front of recall and speed.
    #[serde(default)]
    pub pareto: bool,
}

/// What it costs to reach a recall; `None` where it is not reached or not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The recall.
    pub recall: f64,
    /// Queries per second.
    pub qps: Option<f64>,
    /// Hops per query.
    pub hops: Option<f64>,
    /// Distance evaluations per query.
    pub distances: Option<f64>,
}

/// Two subjects side by side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Label of the baseline.
    pub baseline: String,
    /// Label of the candidate.
    pub candidate: String,
    /// One row per quantity.
    pub deltas: Vec<Delta>,
}

/// How a change is expressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A difference of shares: 0.01 is one point.
    #[default]
    Points,
    /// A ratio less one: 0.01 is one per cent.
    Ratio,
}

/// Which direction is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better.
    #[default]
    Higher,
    /// Less is better.
    Lower,
}

/// One quantity of two subjects, and its change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// What it is.
    pub quantity: String,
    /// The unit of the two values: `share`, `qps`, `seconds`, `bytes`, `count`.
    pub measure: String,
    /// The baseline's value.
    pub baseline: Option<f64>,
    /// The candidate's value.
    pub candidate: Option<f64>,
    /// How the change is expressed.
    pub unit: Unit,
    /// Which direction is good.
    pub better: Better,
    /// The change, with its interval where it has one.
    #[serde(default)]
    pub change: Option<Interval>,
    /// Whether the change is exact, so that there is no interval.
    #[serde(default)]
    pub exact: bool,
    /// Two-sided p-value of the permutation test.
    #[serde(default)]
    pub p: Option<f64>,
}

impl Delta {
    /// Whether its interval lies wholly on the good (`Some(true)`) or bad (`Some(false)`) side.
    pub fn significant(&self) -> Option<bool> {
        let change = self.change?;
        let side = if change.low > 0.0 {
            true
        } else if change.high < 0.0 {
            false
        } else {
            return None;
        };
        Some(side == (self.better == Better::Higher))
    }
}

/// A result that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        source: io::Error,
    },
    /// It is no result.
    #[error("{}: no result of schema version {SCHEMA} or older: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It is newer than this crate.
    #[error("{}: schema version {found}, newer than {SCHEMA}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

impl ResultFile {
    /// Reads a result of this or an older schema version.
    ///
    /// # Errors
    /// When the file cannot be read, is no result, or is newer.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        let format = |source| ReadError::Format { path: path.to_owned(), source };
        // The version first: a newer file may have other fields.
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let Version { schema } = serde_json::from_str(&text).map_err(format)?;
        if schema > SCHEMA {
            return Err(ReadError::Newer { path: path.to_owned(), found: schema });
        }
        serde_json::from_str(&text).map_err(format)
    }

    /// Writes it, indented.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ReadError> {
        let format = |source| ReadError::Format { path: path.to_owned(), source };
        let mut text = serde_json::to_string_pretty(self).map_err(format)?;
        text.push('\n');
        std::fs::write(path, text).map_err(|source| ReadError::Io { path: path.to_owned(), source })
    }

    /// The subject called `label`.
    pub fn subject(&self, label: &str) -> Option<&SubjectResult> {
        self.subjects.iter().find(|subject| subject.label == label)
    }
}
