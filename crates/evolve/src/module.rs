//! The four modules, and what each asks of a candidate.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A module of the engine. They are optimised one after the other (section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Module {
    /// Vectors in, codes and distances out.
    Quant,
    /// Codes in, a navigable graph out.
    Graph,
    /// Graph and codes in, candidates out.
    Search,
    /// Candidates in, a better order out.
    Refine,
}

/// No module has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown module `{0}` (known: quant, graph, search, refine)")]
pub struct UnknownModule(pub String);

impl Module {
    /// All of them, in the order in which data flows.
    pub const ALL: [Self; 4] = [Self::Quant, Self::Graph, Self::Search, Self::Refine];

    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quant => "quant",
            Self::Graph => "graph",
            Self::Search => "search",
            Self::Refine => "refine",
        }
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Module {
    type Err = UnknownModule;

    fn from_str(text: &str) -> Result<Self, UnknownModule> {
        Self::ALL
            .into_iter()
            .find(|module| module.name() == text)
            .ok_or_else(|| UnknownModule(text.to_owned()))
    }
}
