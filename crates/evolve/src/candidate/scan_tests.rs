use super::*;
use proptest::prelude::*;

fn findings(source: &str) -> Vec<String> {
    scan(source, Rules::default()).into_iter().map(|finding| finding.what).collect()
}

#[test]
fn the_published_searches_pass() {
    for source in [
        include_str!("../../../search/src/best_first.rs"),
        include_str!("../../../search/src/heap.rs"),
    ] {
        // Inside their own crate they say `crate`; a candidate names the crate.
        assert_eq!(findings(&source.replace("crate::", "crinoid_search::")), [""; 0]);
    }
}

#[test]
fn ordinary_code_passes() {
    let source = r#"
        //! Talks of std::fs and unsafe in a comment.
        use std::{cmp::Reverse, collections::{BinaryHeap, HashMap}, sync::Arc};
        use crinoid_search::{Batch, Search};
        #[derive(Default)]
        #[inline(always)]
        fn f(time: u64, path: &[u32]) -> bool {
            let text = "std::process::Command, unsafe";
            assert!(time != 3 && !path.is_empty(), "{text}");
            let fs = std::mem::size_of::<u64>();
            if !text.is_empty() && !(fs == 8) {
                return !(fs == 4);
            }
            matches!(fs, 8) && path.len() as u64 <= time
        }
        mod inner { pub fn g() -> f32 { core::f32::consts::PI } }
    "#;
    assert_eq!(findings(source), [""; 0]);
}

#[test]
fn every_way_out_is_refused() {
    for source in [
        "unsafe fn f() {}",
        "fn f() { r#unsafe {} }",
        "use std::fs;",
        "use std::fs::File;",
        "use ::std::fs;",
        "use std::{cmp::Ordering, fs::File};",
        "use std::{self as s};",
        "use std as s;",
        "use std::*;",
        "extern crate std as s;",
        "use core as c;",
        "fn f() { std::process::exit(0) }",
        "fn f() { std :: process :: exit(0) }",
        "use crinoid_refine::*; fn f() { CommandReranker::new(\"true\"); }",
        "fn f() { std::r#process::exit(0) }",
        "fn f() { std::env::var(\"HOME\"); }",
        "const X: &str = env!(\"HOME\");",
        "const X: &str = include_str!(\"/etc/passwd\");",
        "include!(\"/etc/passwd\");",
        "mod other;",
        "#[path = \"/etc/passwd\"] mod other { }",
        "#[no_mangle] pub fn main() {}",
        "#[link_section = \".init_array\"] const F: fn() = f;",
        "#[cfg_attr(all(), path = \"x\")] mod a {}",
        "#![feature(asm)]",
        "static mut CACHE: Vec<u32> = Vec::new();",
        "fn f() { static X: u32 = 1; }",
        "use std::sync::OnceLock;",
        "use std::sync::{Arc, Mutex};",
        "use std::sync::*;",
        "use std::sync::atomic::AtomicU64;",
        "use std::cell::RefCell;",
        "thread_local! { }",
        "fn f() { std::thread::sleep(todo!()) }",
        "use std::time::Instant;",
        "fn f() { println!(\"{{}}\"); }",
        "fn f() { eprintln!() }",
        "fn f() { dbg!(1); }",
        "macro_rules! m { ($a:ident) => { std::$a::read } }",
        "fn f() { core::arch::asm!(\"syscall\") }",
        "use crinoid_pipeline::Index;",
        "use crinoid_eval::data;",
        "fn f() { rayon::spawn(|| {}) }",
        "extern \"C\" { fn system(c: *const u8); }",
        "use std::os::unix::net::UnixStream;",
        "use std::io::Read;",
        "use std::ptr;",
    ] {
        assert!(!findings(source).is_empty(), "{source} passes");
    }
}

#[test]
fn findings_say_where() {
    let found = scan("fn a() {}\n\nfn b() { unsafe {} }\n", Rules::default());
    assert_eq!(found, [Finding { line: 3, what: "`unsafe` is refused".into() }]);
    assert!(scan("unsafe fn a() {}", Rules { allow_unsafe: true }).is_empty());
}

#[test]
fn bulk_and_depth_are_bounded() {
    assert_eq!(findings(&"(".repeat(200_000)).len(), 1);
    assert_eq!(findings(&" ".repeat(MAX_BYTES + 1)).len(), 1);
    assert!(findings("fn f( {").iter().any(|what| what.contains("not Rust")));
}

proptest! {
    #[test]
    fn no_text_breaks_the_scan(text in r#"([a-z#!:;{}()\[\]"'/ ]|std::|r#|use ){0,60}"#) {
        let _ = scan(&text, Rules::default());
    }
}
