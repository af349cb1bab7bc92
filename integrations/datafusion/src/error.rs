//! What can go wrong between a coordinator and its workers.

use datafusion::common::DataFusionError;
use url::Url;

/// A cluster cannot be used, or a worker not served. In a [`DataFusionError`] it is what
/// [`find_root`](DataFusionError::find_root) holds; of what a worker says only the text comes back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A worker does not accept a connection.
    #[error("worker {worker} cannot be reached: {why}")]
    Unreachable {
        /// Its address.
        worker: Url,
        /// What was in the way.
        why: String,
    },
    /// A worker is not who it should be, or does not encrypt.
    #[error(
        "worker {worker}: there is no encrypted connection: {why}. Its certificate must be for the host in its address, \
         and signed by the authority that the coordinator was given (--tls-ca)"
    )]
    Untrusted {
        /// Its address.
        worker: Url,
        /// What is wrong with it.
        why: String,
    },
    /// An address without encryption where all connections should have it.
    #[error(
        "worker {worker}: the address is one without encryption: with an authority (--tls-ca) it begins with https://"
    )]
    Plain {
        /// Its address.
        worker: Url,
    },
    /// An address with encryption, and nobody to trust.
    #[error(
        "worker {worker}: whose certificates are to be trusted? Give the authority that signed them (--tls-ca)"
    )]
    NoAuthority {
        /// Its address.
        worker: Url,
    },
    /// A file of certificates or keys that cannot be used.
    #[error("{file}: {why}")]
    File {
        /// The file, or what should have been one.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two programs of different versions.
    #[error(
        "the coordinator has version `{coordinator}`, and the worker {worker}: install the same version on both sides"
    )]
    Version {
        /// What the coordinator says it has.
        coordinator: String,
        /// What the worker has.
        worker: String,
    },
    /// A plan in another format.
    #[error(
        "a plan of crinoid in format {found}, while this worker reads {known}: install the same version on both sides"
    )]
    Format {
        /// The format of the plan.
        found: u32,
        /// The format that this program reads and writes.
        known: u32,
    },
    /// A coordinator that does not know the worker's token.
    #[error("the worker does not know this token")]
    Token,
    /// The worker cannot serve any more.
    #[error("the worker cannot serve: {why}")]
    Serve {
        /// Why not.
        why: String,
    },
}

impl From<ClusterError> for DataFusionError {
    fn from(error: ClusterError) -> Self {
        Self::External(Box::new(error))
    }
}

/// All that an error says, down to what caused it.
pub(crate) fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors repeat what they are made of.
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
