//! Rules about the repository itself that no compiler checks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The floors, lowest first: a crate may depend on crates before it, never on later ones.
const FLOORS: [&str; 12] = [
    "crinoid-quant",
    "crinoid-files",
    "crinoid-graph",
    "crinoid-search",
    "crinoid-refine",
    "crinoid-pipeline",
    "crinoid-shards",
    "crinoid",
    "crinoid-eval",
    "crinoid-cli",
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
fn the_tree_speaks_of_the_project_alone() {
    let machine_paths = [concat!("/", "work/"), concat!("/", "root/"), concat!("/tmp", "/crinoid")];
    for (path, text) in texts(&["rs", "md", "toml", "py"]) {
        for word in machine_paths {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

/// The documents people read, whatever folder they are in.
fn documents() -> Vec<PathBuf> {
    let mut files = Vec::new();
    files_below(&root().join("docs"), &mut files);
    files.extend(texts(&["md"]).into_iter().map(|(path, _)| path));
    files.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    files
}

/// The name that a heading gets, in mdBook and elsewhere.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split("](").skip(1) {
            let Some((target, _)) = rest.split_once(')') else { continue };
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            // Addresses, and code such as `[a](b)` in rustdoc.
            if target.contains("://") || target.contains([' ', ':', '&', '`']) {
                continue;
            }
            let to = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(to.exists(), "{}: there is no {target}", path.display());
            if !heading.is_empty() {
                let text = fs::read_to_string(&to).unwrap();
                let headings = text.lines().filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#').trim()));
                assert!(anchors.any(|known| known == heading), "{}: {target}", path.display());
            }
        }
    }
}

/// Sources that a README names are there.
#[test]
fn readmes_name_files_that_exist() {
    for member in members() {
        let mut files = Vec::new();
        files_below(&member, &mut files);
        let readme = fs::read_to_string(member.join("README.md")).unwrap();
        let quoted = readme.split('`').skip(1).step_by(2);
        for name in quoted.filter(|word| word.ends_with(".rs") && !word.contains([' ', '*'])) {
            let there = files.iter().any(|file| file.ends_with(name));
            assert!(there, "{}/README.md: there is no {name}", member.display());
        }
    }
}

#[test]
fn the_book_lists_its_chapters_and_tests_their_programs() {
    let folder = root().join("docs/book/src");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    let facade = fs::read_to_string(root().join("crates/crinoid/src/lib.rs")).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "SUMMARY.md" {
            continue;
        }
        assert!(summary.contains(&format!("({name})")), "SUMMARY.md does not list {name}");
        if fs::read_to_string(&path).unwrap().contains("```rust") {
            assert!(facade.contains(&format!("\"{name}\"")), "nobody tests the programs of {name}");
        }
    }
}

/// The most lines of code that the laboratory may have, without tests, comments and blank lines. It should
/// get smaller: the goal is 11,000.
const LABORATORY: usize = 19_500;

/// The most public items that the published crates may have together.
const SURFACE: usize = 1_100;

/// The sources of a crate, without their tests.
fn sources(member: &Path) -> Vec<String> {
    let mut files = Vec::new();
    files_below(&member.join("src"), &mut files);
    let code = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".rs") && !name.ends_with("tests.rs")
    };
    let without_tests = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.split("\n#[cfg(test)]\nmod ").next().unwrap().to_owned()
    };
    files.into_iter().filter(code).map(without_tests).collect()
}

fn lines_of_code(member: &Path) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    sources(member).iter().flat_map(|text| text.lines().map(str::trim)).filter(is_code).count()
}

fn public_items(member: &Path) -> usize {
    const ITEMS: [&str; 11] = [
        "fn ", "const ", "unsafe ", "async ", "struct ", "enum ", "trait ", "type ", "static ",
        "mod ", "use ",
    ];
    let is_public = |line: &&str| {
        line.strip_prefix("pub ")
            .is_some_and(|rest| ITEMS.iter().any(|item| rest.starts_with(item)))
    };
    sources(member).iter().flat_map(|text| text.lines().map(str::trim)).filter(is_public).count()
}

/// `cargo test -p xtask --test tidy sizes -- --nocapture` prints them.
#[test]
fn sizes_stay_within_bounds() {
    let (mut laboratory, mut surface) = (0, 0);
    for member in members().into_iter().chain([root().join("xtask")]) {
        let name = member.file_name().unwrap().to_string_lossy().into_owned();
        let (lines, items) = (lines_of_code(&member), public_items(&member));
        println!("{name}: {lines} lines of code, {items} public items");
        match name.as_str() {
            "eval" | "evolve" | "xtask" => laboratory += lines,
            _ => surface += items,
        }
    }
    println!("laboratory: {laboratory} lines of code; published crates: {surface} public items");
    assert!(laboratory <= LABORATORY, "the laboratory grows: {laboratory} lines of code");
    assert!(surface <= SURFACE, "the published crates have {surface} public items");
}

#[test]
fn no_test_is_ignored() {
    let word = concat!("#[", "ignore");
    for (path, text) in texts(&["rs"]) {
        assert!(!text.contains(word), "{} contains {word}", path.display());
    }
}

/// Circles of modules that are still there, `crate: module <-> module`: a list that only gets shorter.
const CIRCLES: &[&str] = &[];

/// The top-level modules that a file of the crate names, tests and comments aside.
fn modules_named(text: &str, first_level: bool) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]").next().unwrap();
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut named = Vec::new();
    let roots: &[&str] = if first_level { &["crate::", "super::"] } else { &["crate::"] };
    for root in roots {
        for rest in code.split(root).skip(1) {
            let word = |text: &str| -> String {
                text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
            };
            match rest.strip_prefix('{') {
                None => named.push(word(rest)),
                Some(group) => {
                    // The first word of each part of `{a::b, c::{d, e}}`.
                    let (mut depth, mut part) = (0usize, String::new());
                    for c in group.chars() {
                        match c {
                            '{' => depth += 1,
                            '}' if depth == 0 => break,
                            '}' => depth -= 1,
                            ',' if depth == 0 => {
                                named.push(word(&std::mem::take(&mut part)));
                                continue;
                            }
                            _ => {}
                        }
                        part.push(c);
                    }
                    named.push(word(&part));
                }
            }
        }
    }
    named
}

/// Which top-level modules of a crate name which others.
fn imports(src: &Path) -> std::collections::BTreeMap<String, Vec<String>> {
    let mut files = Vec::new();
    files_below(src, &mut files);
    let module = |path: &Path| -> (String, usize) {
        let inside = path.strip_prefix(src).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
        (first.trim_end_matches(".rs").to_owned(), inside.components().count())
    };
    let code = |path: &&PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".rs") && !name.ends_with("tests.rs") && module(path).0 != "bin"
    };
    let known: Vec<String> = files.iter().filter(code).map(|path| module(path).0).collect();
    let mut graph = std::collections::BTreeMap::<String, Vec<String>>::new();
    for path in files.iter().filter(code) {
        let (from, depth) = module(path);
        // In `a.rs` and `a/mod.rs` the parent is the crate.
        let first_level =
            depth == 1 || path.file_name().is_some_and(|name| name == "mod.rs") && depth == 2;
        if ["lib", "main"].contains(&from.as_str()) {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let named = modules_named(&text, first_level).into_iter();
        let others = named.filter(|to| *to != from && known.contains(to));
        graph.entry(from.clone()).or_default().extend(others);
    }
    graph
}

#[test]
fn modules_do_not_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for member in members().into_iter().chain([root().join("xtask")]) {
        let name = member.file_name().unwrap().to_string_lossy().into_owned();
        let graph = imports(&member.join("src"));
        let reaches = |from: &str, to: &str| {
            let (mut seen, mut open) = (Vec::new(), vec![from.to_owned()]);
            while let Some(next) = open.pop() {
                for to in graph.get(&next).into_iter().flatten() {
                    if !seen.contains(to) {
                        seen.push(to.clone());
                        open.push(to.clone());
                    }
                }
            }
            seen.iter().any(|module| module == to)
        };
        for (a, named) in &graph {
            let mut named: Vec<&String> = named.iter().filter(|b| a < *b).collect();
            named.sort();
            named.dedup();
            for b in named.into_iter().filter(|b| reaches(b, a)) {
                found.push(format!("{name}: {a} <-> {b}"));
            }
        }
    }
    let new: Vec<&String> = found.iter().filter(|one| !CIRCLES.contains(&one.as_str())).collect();
    assert!(new.is_empty(), "modules import each other: {new:#?}");
}
