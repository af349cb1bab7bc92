//! The bodies of the fuzz targets `judgments` and `protocol`, on the committed corpus and on a seeded stream.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "the targets use all of it, from outside"
)]

#[path = "../../../fuzz/bodies/drive.rs"]
mod drive;
#[path = "../../../fuzz/bodies/judgments.rs"]
mod judgments;
#[path = "../../../fuzz/bodies/protocol.rs"]
mod protocol;
#[path = "../../../fuzz/bodies/script.rs"]
mod script;

use drive::Drive;

#[test]
fn judgments_are_refused_by_name_or_come_back_as_they_were_written() {
    let drive = Drive { target: "judgments", rounds: 1_000, bytes: 30, threads: 2 };
    let (all, accepted) = drive.run(judgments::run);
    assert!(accepted > 0 && accepted < all, "{accepted} of {all} were accepted");
}

#[test]
fn whatever_a_subject_is_asked_it_replies() {
    let drive = Drive { target: "protocol", rounds: 4_000, bytes: 30, threads: 2 };
    let (all, accepted) = drive.run(protocol::run);
    assert!(accepted > 0 && accepted < all, "{accepted} of {all} were accepted");
}
