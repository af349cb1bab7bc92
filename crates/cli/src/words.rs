//! `crinoid search --text`: the texts of a collection, by their words alone or beside vectors.

use crate::output::Answer;
#[cfg(not(feature = "text"))]
use anyhow::bail;
#[cfg(feature = "text")]
use anyhow::{Context, ensure};
use crinoid::{SearchOptions, Snapshot, Vectors};
use std::str::FromStr;

/// How the answers by vector and the answers by words make one order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fuse {
    /// Reciprocal rank fusion.
    Ranks,
    /// The weight of the vectors.
    Weight(f64),
}

impl FromStr for Fuse {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let weight = |weight: &f64| (0.0..=1.0).contains(weight);
        match word.parse().ok().filter(weight) {
            Some(weight) => Ok(Fuse::Weight(weight)),
            None if word == "rrf" => Ok(Fuse::Ranks),
            None => Err("write rrf, or the weight of the vectors, 0 to 1".to_owned()),
        }
    }
}

/// The answers to texts, each beside a vector where there are vectors.
#[cfg(feature = "text")]
pub(crate) fn answers(
    rows: &Snapshot,
    texts: &[String],
    vectors: Option<&Vectors>,
    options: &SearchOptions,
    fuse: Fuse,
) -> anyhow::Result<Vec<Answer>> {
    use crinoid::{Fusion, HybridOptions};
    let fusion = match fuse {
        Fuse::Ranks => Fusion::default(),
        Fuse::Weight(weight) => Fusion::Weighted(weight),
    };
    let hybrid = HybridOptions::for_k(options.k).search(*options).fusion(fusion);
    let with = vectors.map_or(texts.len(), Vectors::len);
    ensure!(with == texts.len(), "--text: {} texts, but {with} vectors", texts.len());
    let answer = |(at, text): (usize, &String)| -> anyhow::Result<Answer> {
        Ok(match vectors {
            Some(vectors) => {
                let found = rows.search_hybrid(vectors.row(at), text, &hybrid);
                let found = found.with_context(|| format!("query {at}"))?;
                found.into_iter().map(|found| (found.id.into(), found.score as f32)).collect()
            }
            None => {
                let found = rows.search_text(text, options.k)?;
                found.into_iter().map(|found| (found.id.into(), found.score as f32)).collect()
            }
        })
    };
    texts.iter().enumerate().map(answer).collect()
}

/// Refuses: nothing here cuts texts into words.
#[cfg(not(feature = "text"))]
pub(crate) fn answers(
    _: &Snapshot,
    _: &[String],
    _: Option<&Vectors>,
    _: &SearchOptions,
    _: Fuse,
) -> anyhow::Result<Vec<Answer>> {
    bail!("--text: this command was compiled without the feature `text`")
}
