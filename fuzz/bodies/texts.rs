//! Texts that people type: recipes, metrics, presets, SIMD levels, filters.

use crinoid_pipeline::{Preset, Recipe, check_truncation, collection::FilterExpr};
use crinoid_quant::{Level, Metric};

/// Parts of which many texts make sense.
const WORDS: [&str; 31] = [
    "sq8@2",
    "sq8@1",
    "crinoid@1",
    "pipelined@2",
    "flat@2",
    "float@1",
    "int4@1",
    "int8@1",
    "none@1",
    "hnsw@1",
    "pool@1",
    "auto",
    "/",
    "/",
    "/",
    "+",
    "@",
    " and ",
    " or ",
    "not ",
    "(",
    ")",
    "price",
    " = ",
    " != ",
    " >= ",
    " in ",
    "'en'",
    "2.5",
    "true",
    " is null",
];

/// A text of words and single characters.
pub fn text(data: &[u8]) -> String {
    let word = |&byte: &u8| match WORDS.get(usize::from(byte)) {
        Some(word) => (*word).to_owned(),
        None => char::from(byte).to_string(),
    };
    data.iter().map(word).collect()
}

/// What parses prints as something that parses to the same; errors say something and repeat what was typed.
pub fn run(data: &[u8]) -> bool {
    let text = text(data);
    let recipe = text.parse::<Recipe>();
    match &recipe {
        Ok(recipe) => assert_eq!(recipe.to_string().parse::<Recipe>().as_ref(), Ok(recipe)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match text.parse::<Metric>() {
        Ok(metric) => assert_eq!(metric.to_string().parse(), Ok(metric)),
        Err(error) => assert!(error.to_string().contains("l2, ip, cosine")),
    }
    if let Ok(level) = text.parse::<Level>() {
        assert_eq!(level.name(), text);
    }
    match text.parse::<FilterExpr>() {
        Ok(filter) => assert_eq!(filter.to_string().parse().as_ref(), Ok(&filter), "{filter}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Err(error) = Preset::find(&text) {
        assert!(!error.to_string().is_empty());
    }
    let _ = check_truncation(&text, data.len());
    recipe.is_ok()
}
