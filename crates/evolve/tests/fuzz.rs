//! The body of the fuzz target `scan`, on the committed corpus and on a seeded stream.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "the targets use all of it, from outside"
)]

#[path = "../../../fuzz/bodies/drive.rs"]
mod drive;
#[path = "../../../fuzz/bodies/scan.rs"]
mod scan;
#[path = "../../../fuzz/bodies/script.rs"]
mod script;

#[test]
fn what_is_refused_is_found_wherever_it_stands() {
    let drive = drive::Drive { target: "scan", rounds: 6_000, bytes: 12, threads: 2 };
    let (all, accepted) = drive.run(scan::run);
    assert!(accepted > 0 && accepted < all, "{accepted} of {all} were accepted");
}
