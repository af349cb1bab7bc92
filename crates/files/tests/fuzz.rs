//! The bodies of the fuzz targets `files` and `names`, on the committed corpus and on a seeded stream.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "the targets use all of it, from outside"
)]

#[path = "../../../fuzz/bodies/drive.rs"]
mod drive;
#[path = "../../../fuzz/bodies/files.rs"]
mod files;
#[path = "../../../fuzz/bodies/names.rs"]
mod names;
#[path = "../../../fuzz/bodies/script.rs"]
mod script;

#[test]
fn changed_files_are_refused_by_name_or_read_as_finite_numbers() {
    let drive = drive::Drive { target: "files", rounds: 4_000, bytes: 40, threads: 2 };
    let (all, accepted) = drive.run(files::run);
    assert!(accepted > all / 20 && accepted < all, "{accepted} of {all} were accepted");
}

#[test]
fn names_of_rows_are_refused_by_file_or_are_found_again() {
    let drive = drive::Drive { target: "names", rounds: 3_000, bytes: 60, threads: 2 };
    let (all, accepted) = drive.run(names::run);
    assert!(accepted > 0 && accepted < all, "{accepted} of {all} were accepted");
}
