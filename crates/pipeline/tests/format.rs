//! docs/format.md knows what is published.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use std::{fs, path::Path};

#[test]
fn the_description_of_the_format_names_every_codec() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md");
    let text = fs::read_to_string(path).unwrap();
    let table = text.split("| codec | array | content |").nth(1).unwrap();
    let table = table.split("\n\n").next().unwrap();
    for version in crinoid_quant::versions::VERSIONS {
        assert!(table.contains(&format!("`{version}`")), "{version} is missing");
    }
}
