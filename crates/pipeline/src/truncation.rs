//! To which lengths the vectors of a model may be cut.

/// An embedding model whose vectors may be cut, and to which lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// The model, as [`BuildOptions::model`](crate::BuildOptions::model) names it.
    pub model: &'static str,
    /// The lengths that are supported, the full one last.
    pub dimensions: &'static [usize],
}

/// The record's models ("Multi-Provider Considerations"). Models that are not listed may be cut to
/// any length.
pub const TRUNCATIONS: &[Truncation] = &[
    Truncation { model: "voyage-code-3", dimensions: &[256, 512, 1024, 2048] },
    Truncation { model: "CodeRankEmbed", dimensions: &[512, 768] },
    Truncation { model: "codestral-embed", dimensions: &[256, 512, 1024, 3072] },
    Truncation { model: "jina-embeddings-v3", dimensions: &[64, 128, 256, 512, 1024] },
];

/// A model's vectors cannot be cut to this length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{model} vectors cannot be cut to {dimension} dimensions (supported: {supported:?})")]
pub struct UnsupportedTruncation {
    /// The model.
    pub model: String,
    /// The length that was asked for.
    pub dimension: usize,
    /// The lengths that are supported.
    pub supported: &'static [usize],
}

/// Checks that vectors of `model` may be cut to `dimension`.
///
/// # Errors
/// When the model is listed in [`TRUNCATIONS`] without this length.
pub fn check_truncation(model: &str, dimension: usize) -> Result<(), UnsupportedTruncation> {
    match TRUNCATIONS.iter().find(|known| known.model == model) {
        Some(known) if !known.dimensions.contains(&dimension) => Err(UnsupportedTruncation {
            model: model.to_owned(),
            dimension,
            supported: known.dimensions,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_models_are_cut_only_where_they_can_be() {
        check_truncation("voyage-code-3", 512).unwrap();
        check_truncation("a model of my own", 77).unwrap();
        let error = check_truncation("CodeRankEmbed", 256).unwrap_err().to_string();
        assert!(error.contains("512, 768"), "{error}");
    }
}
