//! Rules about the repository itself that no compiler checks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The floors, lowest first: a crate may depend on crates before it, never on later ones.
const FLOORS: [&str; 9] = [
    "crinoid-quant",
    "crinoid-graph",
    "crinoid-search",
    "crinoid-refine",
    "crinoid-pipeline",
    "crinoid",
    "crinoid-eval",
    "crinoid-evolve",
    "xtask",
];

/// Longer files hold more than one concept.
const MAX_LINES: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files_below(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

/// Every text file of the tree with one of these endings, with its content.
fn texts(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        files_below(&root().join(folder), &mut files);
    }
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    files
        .into_iter()
        .filter(|path| endings.iter().any(|end| path.extension().is_some_and(|e| e == *end)))
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn members() -> Vec<PathBuf> {
    let mut members: Vec<_> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("Cargo.toml").exists())
        .collect();
    members.sort();
    members
}

#[test]
fn crates_depend_on_lower_floors_only() {
    for member in members() {
        let manifest = fs::read_to_string(member.join("Cargo.toml")).unwrap();
        let name = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
            .unwrap();
        let floor = FLOORS.iter().position(|known| *known == name);
        let floor = floor.unwrap_or_else(|| panic!("{name} has no floor in ARCHITECTURE.md"));
        // Tests may reach up: a crate's example of use can be the crate above it.
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for upper in &FLOORS[floor..] {
            let used = dependencies.lines().any(|line| line.starts_with(&format!("{upper}.")));
            assert!(!used, "{name} must not depend on {upper}");
        }
    }
}

#[test]
fn every_library_crate_has_a_readme_and_an_example() {
    for member in members() {
        assert!(member.join("README.md").exists(), "{} has no README.md", member.display());
        let examples = fs::read_dir(member.join("examples")).map_or(0, Iterator::count);
        assert!(examples > 0, "{} has no examples/", member.display());
    }
}

#[test]
fn files_hold_one_concept() {
    let long: Vec<_> = texts(&["rs"])
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "split these files: {long:?}");
}

#[test]
fn unsafe_code_is_forbidden_where_the_architecture_allows_none() {
    for folder in ["crates/refine", "crates/evolve", "xtask"] {
        let mut files = Vec::new();
        let src = root().join(folder).join("src");
        if !src.exists() {
            continue;
        }
        files_below(&src, &mut files);
        let forbids = files
            .iter()
            .filter(|path| path.ends_with("lib.rs") || path.ends_with("main.rs"))
            .all(|path| fs::read_to_string(path).unwrap().contains("#![forbid(unsafe_code)]"));
        assert!(forbids, "{folder} must say #![forbid(unsafe_code)]");
    }
}

#[test]
fn the_tree_speaks_of_the_project_alone() {
    let machine_paths = [concat!("/", "work/"), concat!("/", "root/"), concat!("/tmp", "/crinoid")];
    for (path, text) in texts(&["rs", "md", "toml", "py"]) {
        for word in machine_paths {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn no_test_is_ignored() {
    let word = concat!("#[", "ignore");
    for (path, text) in texts(&["rs"]) {
        assert!(!text.contains(word), "{} contains {word}", path.display());
    }
}
