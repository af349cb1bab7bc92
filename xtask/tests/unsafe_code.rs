//! Where unsafe code lives: in the rooms of the table in ARCHITECTURE.md, as much as it says, and nowhere else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use proc_macro2::{TokenStream, TokenTree};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Blocks, functions, impls and traits that say `unsafe`: comments and strings are no tokens of that name.
fn count(tokens: TokenStream) -> usize {
    let one = |token| match token {
        TokenTree::Ident(word) => usize::from(word == "unsafe"),
        TokenTree::Group(group) => count(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => 0,
    };
    tokens.into_iter().map(one).sum()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// The files with unsafe code, by their path in the tree, and how much each has.
fn found() -> BTreeMap<String, usize> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        sources(&root().join(folder), &mut files);
    }
    let counted = files.into_iter().filter_map(|path| {
        let tokens: TokenStream = fs::read_to_string(&path)
            .unwrap()
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        let count = count(tokens);
        (count > 0).then_some((name, count))
    });
    counted.collect()
}

/// The rows of the table: a file or a folder, and how much there is in it.
fn rooms() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("\n## Unsafe code\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let room = cells.next()?.trim().strip_suffix('`')?.to_owned();
        Some((room, cells.next()?.trim().parse().ok()?))
    });
    rows.collect()
}

fn is_in(file: &str, room: &str) -> bool {
    file.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[test]
fn the_table_names_every_room_and_how_much_is_in_it() {
    let (rooms, found) = (rooms(), found());
    assert!(!rooms.is_empty(), "no table in ARCHITECTURE.md, section \"Unsafe code\"");
    let mut wrong = Vec::new();
    for (file, count) in &found {
        match rooms.keys().filter(|room| is_in(file, room)).count() {
            0 => wrong.push(format!("{file} has {count}, and is in no room")),
            1 => {}
            more => wrong.push(format!("{file} is in {more} rooms")),
        }
    }
    for (room, said) in &rooms {
        let there: usize =
            found.iter().filter(|(file, _)| is_in(file, room)).map(|(_, count)| count).sum();
        if there != *said {
            wrong.push(format!("{room} has {there}, the table says {said}"));
        }
    }
    assert!(wrong.is_empty(), "unsafe code and its table differ:\n{}", wrong.join("\n"));
}

#[test]
fn every_crate_forbids_unsafe_code_or_denies_it_outside_its_rooms() {
    let found = found();
    let mut members: Vec<PathBuf> =
        fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()).collect();
    members.push(root().join("xtask"));
    for member in members.iter().filter(|member| member.join("Cargo.toml").exists()) {
        let name = member.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        let source = format!("{name}/src");
        let has_rooms = found.keys().any(|file| is_in(file, &source));
        let says = if has_rooms { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" };
        for entry in ["lib.rs", "main.rs"] {
            let path = member.join("src").join(entry);
            if let Ok(text) = fs::read_to_string(&path) {
                assert!(text.contains(says), "{} must say {says}", path.display());
            }
        }
    }
}

#[test]
fn tokens_are_counted_and_nothing_else() {
    let text = r##"
        #![deny(unsafe_code)]
        //! unsafe
        /// unsafe { }
        unsafe fn a() { let _ = "unsafe {}"; let _ = r#"unsafe"#; /* unsafe */ unsafe { b() } }
        unsafe impl Send for S {}
        macro_rules! m { () => { unsafe { c() } } }
    "##;
    assert_eq!(count(text.parse().unwrap()), 4);
}
