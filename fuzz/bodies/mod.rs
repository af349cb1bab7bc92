//! What each fuzz target does with its bytes: shared by the targets, which libFuzzer drives, and by
//! ordinary tests of the crates, which drive them with a seeded stream for a bounded number of rounds
//! and with the committed corpus.
//!
//! | file | what is attacked | its test |
//! |---|---|---|
//! | `container.rs` | index files with repaired checksums | crates/pipeline |
//! | `collection.rs` | operations on a collection, beside a map | crates/pipeline |
//! | `texts.rs` | recipes and other texts that people type | crates/pipeline |
//! | `files.rs` | every reader of crinoid-files | crates/files |
//! | `names.rs` | names of rows beside an index, lists of rows | crates/files |
//! | `judgments.rs` | qrels, TREC runs, BEIR folders | crates/eval |
//! | `protocol.rs` | requests, replies and answer files of the laboratory | crates/eval |
//! | `scan.rs` | the scan of candidates' source, answers of proposers | crates/evolve |
//! | `script.rs` | bytes as a script | |
//! | `drive.rs` | what drives a body in an ordinary test | |
//! | `hook.rs` | which panics end a target | |
//!
//! A body returns whether the bytes were accepted; it panics where a promise is broken.

pub mod collection;
pub mod container;
pub mod files;
pub mod hook;
pub mod judgments;
pub mod names;
pub mod protocol;
pub mod scan;
pub mod script;
pub mod texts;
