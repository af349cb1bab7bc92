//! What comes out: result.json, a table, a page.
//!
//! | file | what is in it |
//! |---|---|
//! | `result.rs` | [`ResultFile`]: the schema of result.json, its reader and writer |
//! | `conclude.rs` | from a [`Conclusion`](crate::gate::Conclusion) to a [`ResultFile`] |
//! | `table.rs` | a result as text |
//! | `html.rs`, `svg.rs` | a result as one self-contained page |
//! | `machine.rs`, `origin.rs` | what ran it, and what it was |
//! | `book.rs` | many results as one document |
//! | `picture.rs` | a comparison as one picture |

mod book;
mod conclude;
mod html;
mod machine;
mod origin;
mod picture;
mod result;
mod svg;
mod table;

pub use book::book;
pub use conclude::{alone, subject};
pub use html::page;
pub use machine::Machine;
pub use origin::Origin;
pub use picture::picture;
pub use result::{
    Better, Comparison, DataFacts, Delta, Level, Point, ReadError, ResultFile, SCHEMA, Settings,
    SubjectResult, Unit,
};
pub use table::text;
