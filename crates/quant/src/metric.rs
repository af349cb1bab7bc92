//! What "close" means.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The distance under which neighbours are sought. Lower is closer for all three.
///
/// ```
/// use crinoid_quant::Metric;
///
/// assert_eq!("angular".parse(), Ok(Metric::Cosine));
/// assert_eq!(Metric::InnerProduct.to_string(), "ip");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Squared Euclidean distance, `sum (x_i - y_i)^2`.
    L2,
    /// Negated inner product, `-<x, y>`.
    #[serde(rename = "ip")]
    InnerProduct,
    /// Both sides are normalised, then squared L2: `2 - 2 cos(x, y)`, in `[0, 4]`.
    Cosine,
}

impl Metric {
    /// All metrics, in the order in which help texts list them.
    pub const ALL: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

    /// The name used on the command line and in files: `l2`, `ip` or `cosine`.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::L2 => "l2",
            Metric::InnerProduct => "ip",
            Metric::Cosine => "cosine",
        }
    }

    /// Whether vectors are scaled to unit length before anything else happens to them.
    pub const fn normalises(self) -> bool {
        matches!(self, Metric::Cosine)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is no metric's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown metric `{0}` (known: l2, ip, cosine; also euclidean, angular)")]
pub struct UnknownMetric(pub String);

impl FromStr for Metric {
    type Err = UnknownMetric;

    /// Accepts the names above and those of ann-benchmarks (`euclidean`, `angular`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "l2" | "euclidean" => Ok(Metric::L2),
            "ip" | "dot" | "inner-product" => Ok(Metric::InnerProduct),
            "cosine" | "angular" => Ok(Metric::Cosine),
            _ => Err(UnknownMetric(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_list_the_known() {
        for metric in Metric::ALL {
            assert_eq!(metric.name().parse(), Ok(metric));
        }
        assert_eq!("Angular".parse(), Ok(Metric::Cosine));
        let error = "manhattan".parse::<Metric>().unwrap_err();
        assert!(error.to_string().contains("cosine"));
    }
}
