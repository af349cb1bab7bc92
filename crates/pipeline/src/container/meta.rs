//! Metadata as bytes: the one place that knows bincode.

use bincode::Options;
use serde::{Serialize, de::DeserializeOwned};

/// Integers of fixed width, little-endian, nothing left over, never more than `limit` bytes.
fn options(limit: u64) -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .reject_trailing_bytes()
        .with_limit(limit)
}

/// The most bytes that metadata may take: it is small by design.
const LIMIT: u64 = 1 << 26;

/// `value` as bytes.
///
/// # Errors
/// When it would take more than 64 MiB.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    options(LIMIT).serialize(value).map_err(|error| error.to_string())
}

/// The value that `bytes` stand for.
///
/// # Errors
/// When they are no such value, or bytes are left over. Lengths inside are checked against the
/// number of bytes before anything is allocated for them.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    options(LIMIT.min(bytes.len() as u64)).deserialize(bytes).map_err(|error| error.to_string())
}
