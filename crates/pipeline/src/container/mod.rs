//! The one-file container: what an index is on disk.
//!
//! ```text
//! offset 0    header, 64 bytes
//!        64   section table, 64 bytes per section
//!        ...  sections, each at a multiple of 64, zeroes between them, nothing after the last
//! ```
//!
//! Everything is little-endian. Each section has an XXH3 checksum in the table, the table has one in
//! the header, and the header has one of itself, so that no byte of the file can change unnoticed.
//! `docs/format.md` has the layout byte by byte.
//!
//! | file | what is in it |
//! |---|---|
//! | `layout` | header and table, to bytes and back, every length checked |
//! | `write` | laying sections out, publishing a file atomically |
//! | `read` | opening, verifying, handing out sections |
//! | `on_disk` | sections that stay in the file, read a piece at a time |
//! | `mapping` | memory maps: the only unsafe code of this crate |
//! | `meta` | the one way in which metadata becomes bytes |

pub mod layout;
mod mapping;
pub(crate) mod meta;
mod on_disk;
pub mod read;
pub mod write;

#[cfg(test)]
mod tests;

pub use layout::{FORMAT, MAGIC, Section};
pub use on_disk::FileSection;
pub use read::{Container, Placement};
pub use write::{Sections, publish};

use std::{io, path::PathBuf};

/// A container that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done to it.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The file does not start as a container does.
    #[error("{}: not a Crinoid file", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version of Crinoid.
    #[error("{}: format {found}, while this version reads formats 1 to {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format it says it has.
        found: u32,
        /// The latest format this version of Crinoid reads.
        known: u32,
    },
    /// Header or table contradict themselves, a checksum or the length of the file.
    #[error("{}: damaged {part}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part: `header`, `table`, `padding`, or a section in quotes.
        part: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is not enough memory for what should be kept in it.
    #[error("{}: its {bytes} bytes do not fit the memory there is", path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// How much was asked for.
        bytes: u64,
    },
    /// There is no such section.
    #[error("{}: section `{section}` is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The section.
        section: String,
    },
    /// Metadata that is no metadata of the expected kind.
    #[error("{}: section `{section}`: {why}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// The section.
        section: String,
        /// What is wrong with it.
        why: String,
    },
    /// More sections, or longer names, than the format has room for.
    #[error("section `{section}`: {why}")]
    Layout {
        /// The section.
        section: String,
        /// What is wrong with it.
        why: &'static str,
    },
}
