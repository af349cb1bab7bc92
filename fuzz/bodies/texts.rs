//! Texts that people type: recipes.

use crinoid_pipeline::Recipe;

/// Parts of which many texts make sense.
const WORDS: [&str; 17] = [
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
];

/// A text of words and single characters.
pub(crate) fn text(data: &[u8]) -> String {
    let word = |&byte: &u8| match WORDS.get(usize::from(byte)) {
        Some(word) => (*word).to_owned(),
        None => char::from(byte).to_string(),
    };
    data.iter().map(word).collect()
}

/// What parses prints as something that parses to the same; errors say something.
pub(crate) fn run(data: &[u8]) -> bool {
    let text = text(data);
    let recipe = text.parse::<Recipe>();
    match &recipe {
        Ok(recipe) => assert_eq!(recipe.to_string().parse::<Recipe>().as_ref(), Ok(recipe)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    recipe.is_ok()
}
