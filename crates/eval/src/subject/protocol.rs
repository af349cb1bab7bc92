//! The messages, exactly as `PROTOCOL.md` describes them.

use crinoid_quant::Metric;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// The version of the protocol that this crate speaks.
pub const PROTOCOL: u32 = 1;

/// No line of the protocol is longer, its line feed included.
pub const MAX_LINE: usize = 64 << 10;

/// The id that fills up an answer of fewer than `k` rows.
pub const NO_ANSWER: u32 = u32::MAX;

/// Parameters of a build or a search: names to numbers, strings and booleans.
pub type Parameters = BTreeMap<String, serde_json::Value>;

/// What the driver asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Request {
    /// Who are you?
    Hello {
        /// The newest protocol version that the driver speaks.
        protocol: u32,
    },
    /// Take these vectors.
    Load {
        /// An fbin file.
        vectors: PathBuf,
        /// What "close" means.
        metric: Metric,
    },
    /// Build an index over them.
    Build {
        /// Parameters by name, e.g. `m` and `ef_construction`.
        #[serde(default)]
        params: Parameters,
        /// Threads that may be used, at least 1.
        threads: usize,
        /// Seed of everything random.
        seed: u64,
    },
    /// Answer all queries one by one on one thread.
    Search {
        /// An fbin file.
        queries: PathBuf,
        /// Answers per query, at least 1.
        k: usize,
        /// Parameters by name; `ef` is the effort.
        #[serde(default)]
        params: Parameters,
        /// Where the ids go: `k` 32-bit ids per query, little-endian.
        answers: PathBuf,
        /// Where nanoseconds per query go, if the subject offers that and the driver wants it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        latencies: Option<PathBuf>,
    },
    /// Write the index to a file.
    Save {
        /// Where.
        index: PathBuf,
    },
    /// Take the index from a file that another process of the same subject has saved, instead of
    /// `load` and `build`.
    Open {
        /// Where it is.
        index: PathBuf,
    },
    /// Exit.
    Stop,
}

impl Request {
    /// The value of its `op` field.
    pub fn op(&self) -> &'static str {
        match self {
            Request::Hello { .. } => "hello",
            Request::Load { .. } => "load",
            Request::Build { .. } => "build",
            Request::Search { .. } => "search",
            Request::Save { .. } => "save",
            Request::Open { .. } => "open",
            Request::Stop => "stop",
        }
    }
}

/// What a subject answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reply {
    /// To `hello`.
    Hello(Hello),
    /// To `load`.
    Load(Loaded),
    /// To `build`.
    Build(Built),
    /// To `search`.
    Search(Searched),
    /// To `save`.
    Save,
    /// To `open`: what `build` replied.
    Open(Built),
    /// To `stop`.
    Stop,
    /// To any request that could not be served.
    Error(Refusal),
}

impl Reply {
    /// The value of its `reply` field.
    pub fn name(&self) -> &'static str {
        match self {
            Reply::Hello(_) => "hello",
            Reply::Load(_) => "load",
            Reply::Build(_) => "build",
            Reply::Search(_) => "search",
            Reply::Save => "save",
            Reply::Open(_) => "open",
            Reply::Stop => "stop",
            Reply::Error(_) => "error",
        }
    }
}

/// Who a subject is and what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol version that it will use.
    pub protocol: u32,
    /// Its name for tables.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// The instruction set it runs on, in its own words.
    #[serde(default)]
    pub isa: String,
    /// Whether it claims to repeat itself exactly.
    #[serde(default = "yes")]
    pub deterministic: bool,
    /// Whether it counts hops and distance evaluations.
    #[serde(default)]
    pub counters: bool,
    /// Whether it can write the time of each query.
    #[serde(default)]
    pub latencies: bool,
    /// Whether it understands `save` and `open`.
    #[serde(default)]
    pub stores: bool,
}

fn yes() -> bool {
    true
}

/// What was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Rows of the base set.
    pub rows: usize,
    /// Their dimension.
    pub dim: usize,
}

/// What was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// All bytes that a search needs in memory.
    pub bytes: u64,
    /// The same by part, e.g. `graph`, `codes`, `refine`.
    #[serde(default)]
    pub parts: BTreeMap<String, u64>,
    /// A digest of the index.
    #[serde(default)]
    pub digest: Option<String>,
    /// What the system settled on where it was left the choice, e.g. a recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chose: Option<String>,
}

/// What a search cost, summed over its queries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Nodes expanded.
    #[serde(default)]
    pub hops: u64,
    /// Distance evaluations of any kind.
    #[serde(default)]
    pub distances: u64,
}

/// What was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searched {
    /// Queries answered.
    pub answered: usize,
    /// The work, for subjects that count it.
    #[serde(default)]
    pub counters: Option<Work>,
}

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind} error: {message}")]
pub struct Refusal {
    /// What sort of reason.
    pub kind: RefusalKind,
    /// The reason, for people.
    pub message: String,
}

impl Refusal {
    /// A refusal with this reason.
    pub fn new(kind: RefusalKind, message: impl ToString) -> Self {
        Self { kind, message: message.to_string() }
    }
}

/// What sort of reason a refusal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RefusalKind {
    /// Another protocol version, or a line that is no request.
    Protocol,
    /// A request came before the one it needs.
    Order,
    /// The vectors cannot be loaded.
    Load,
    /// A parameter is unknown or out of range.
    Params,
    /// The build failed.
    Build,
    /// The search failed.
    Search,
    /// The index cannot be written or read.
    Store,
    /// Something else in the subject.
    Internal,
    /// A kind that this version does not know.
    #[serde(other)]
    Other,
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RefusalKind::Protocol => "protocol",
            RefusalKind::Order => "order",
            RefusalKind::Load => "load",
            RefusalKind::Params => "params",
            RefusalKind::Build => "build",
            RefusalKind::Search => "search",
            RefusalKind::Store => "store",
            RefusalKind::Internal => "internal",
            RefusalKind::Other => "other",
        })
    }
}

/// The parameters of a search with effort `ef` and nothing else.
pub fn effort(ef: usize) -> Parameters {
    Parameters::from([("ef".to_owned(), ef.into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<T: Serialize>(message: &T) -> String {
        serde_json::to_string(message).unwrap()
    }

    #[test]
    fn messages_look_as_documented_and_come_back() {
        let hello = Reply::Hello(Hello {
            protocol: 1,
            name: "mine".into(),
            version: "1.2".into(),
            isa: "avx2".into(),
            deterministic: true,
            counters: true,
            latencies: false,
            stores: true,
        });
        let requests = [
            Request::Hello { protocol: 1 },
            Request::Load { vectors: "/abs/base.fbin".into(), metric: Metric::L2 },
            Request::Build {
                params: [("m", 16), ("ef_construction", 200)]
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .into(),
                threads: 2,
                seed: 42,
            },
            Request::Search {
                queries: "/abs/q.fbin".into(),
                k: 10,
                params: effort(64),
                answers: "/abs/a.ibin".into(),
                latencies: None,
            },
            Request::Save { index: "/abs/index".into() },
            Request::Open { index: "/abs/index".into() },
            Request::Stop,
        ];
        let replies = [
            hello,
            Reply::Load(Loaded { rows: 100_000, dim: 128 }),
            Reply::Search(Searched {
                answered: 1000,
                counters: Some(Work { hops: 31_000, distances: 540_000 }),
            }),
            Reply::Save,
            Reply::Open(Built {
                bytes: 70_000_000,
                parts: [("graph", 13_000_000), ("codes", 57_000_000)]
                    .map(|(name, bytes)| (name.to_owned(), bytes))
                    .into(),
                digest: Some("9f3a...".to_owned()),
                chose: None,
            }),
            Reply::Stop,
            Reply::Error(Refusal::new(
                RefusalKind::Params,
                "no parameter called `efs` (known: ef, pool)",
            )),
        ];
        // The document shows each of them; compared as values, because the order of an object's
        // fields means nothing.
        let document = include_str!("../../PROTOCOL.md");
        let shown: Vec<serde_json::Value> = document
            .split("| `{")
            .skip(1)
            .flat_map(|rest| [rest, rest.split_once("` | `{").map_or("", |(_, reply)| reply)])
            .filter_map(|text| {
                let text = format!("{{{text}");
                serde_json::Deserializer::from_str(&text).into_iter().next()?.ok()
            })
            .collect();
        for request in &requests {
            assert_eq!(&serde_json::from_str::<Request>(&line(request)).unwrap(), request);
            assert!(shown.contains(&serde_json::to_value(request).unwrap()), "{}", line(request));
        }
        for reply in &replies {
            assert_eq!(&serde_json::from_str::<Reply>(&line(reply)).unwrap(), reply);
            assert!(shown.contains(&serde_json::to_value(reply).unwrap()), "{}", line(reply));
        }
    }

    #[test]
    fn a_short_hello_and_an_unknown_kind_are_understood() {
        let text = r#"{"reply":"hello","protocol":1,"name":"x"}"#;
        let Reply::Hello(hello) = serde_json::from_str(text).unwrap() else { panic!() };
        assert!(hello.deterministic && !hello.counters && !hello.latencies && !hello.stores);
        let text = r#"{"reply":"error","kind":"moon","message":""}"#;
        let Reply::Error(refusal) = serde_json::from_str(text).unwrap() else { panic!() };
        assert_eq!(refusal.kind, RefusalKind::Other);
    }
}
