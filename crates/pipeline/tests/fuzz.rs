//! The bodies of the fuzz targets that need this crate alone, on the committed corpus and on a seeded stream.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "the targets use all of it, from outside"
)]

#[path = "../../../fuzz/bodies/collection.rs"]
mod collection;
#[path = "../../../fuzz/bodies/container.rs"]
mod container;
#[path = "../../../fuzz/bodies/drive.rs"]
mod drive;
#[path = "../../../fuzz/bodies/script.rs"]
mod script;
#[path = "../../../fuzz/bodies/texts.rs"]
mod texts;

use drive::Drive;

#[test]
fn changed_containers_are_refused_or_answer_sensibly() {
    let drive = Drive { target: "container", rounds: 20_000, bytes: 40, threads: 2 };
    let (all, accepted) = drive.run(container::run);
    assert!(accepted > all / 20 && accepted < all, "{accepted} of {all} were accepted");
}

#[test]
fn texts_are_refused_or_print_as_they_were_read() {
    let (all, accepted) =
        Drive { target: "texts", rounds: 20_000, bytes: 12, threads: 1 }.run(texts::run);
    assert!(accepted > 0 && accepted < all, "{accepted} of {all} were accepted");
}

#[test]
fn a_collection_is_what_a_map_is() {
    Drive { target: "collection", rounds: 12, bytes: 400, threads: 1 }.run(collection::run);
}
