//! The texts of a part's rows, as those who search words want them. Without the feature `text` nobody does: texts are
//! stored and given back all the same.

#[cfg(feature = "text")]
pub(super) use with_words::PartTexts;

/// The texts of rows in the order of their places; empty where no row has one.
#[cfg(not(feature = "text"))]
#[derive(Default)]
pub(super) struct PartTexts;

#[cfg(not(feature = "text"))]
mod without_words {
    use super::PartTexts;
    use crate::collection::{maintain::Inner, types::CollectionError};
    use std::sync::Arc;

    impl PartTexts {
        pub(in crate::collection) fn in_memory(_: Vec<Option<Arc<str>>>) -> Self {
            Self
        }

        pub(in crate::collection) fn get(&self, _: usize) -> Option<Arc<str>> {
            None
        }
    }

    impl Inner {
        pub(in crate::collection) fn make_words(
            &self,
            _: u64,
            _: u64,
            _: &[u64],
        ) -> Result<PartTexts, CollectionError> {
            Ok(PartTexts)
        }
    }

    pub(in crate::collection) fn load_words(
        _: &std::path::Path,
        _: &crate::collection::store::View,
        _: (u64, u64),
        _: &[u64],
        _: bool,
    ) -> Result<PartTexts, CollectionError> {
        Ok(PartTexts)
    }
}

#[cfg(not(feature = "text"))]
pub(super) use without_words::load_words;

#[cfg(feature = "text")]
pub(super) use with_words::load_words;

#[cfg(feature = "text")]
mod with_words {
    use crate::collection::{
        maintain::Inner, store::View, types::CollectionError, values::Texts, words::Words,
        words_name,
    };
    use std::{
        path::Path,
        sync::{Arc, OnceLock},
    };

    /// The texts of rows in the order of their places; empty where no row has one.
    #[derive(Default)]
    pub(in crate::collection) struct PartTexts {
        /// Of rows in memory.
        texts: Vec<Option<Arc<str>>>,
        /// Of rows in memory when they are first searched for words: most never are, before they are merged with
        /// others.
        words: OnceLock<Option<Words>>,
    }

    impl PartTexts {
        pub(in crate::collection) fn in_memory(mut texts: Vec<Option<Arc<str>>>) -> Self {
            if texts.iter().all(Option::is_none) {
                texts = Vec::new();
            }
            Self { texts, words: OnceLock::new() }
        }

        fn of(words: Option<Words>) -> Self {
            Self { texts: Vec::new(), words: words.into() }
        }

        /// The text of the row at `place`, of rows in memory.
        pub(in crate::collection) fn get(&self, place: usize) -> Option<Arc<str>> {
            self.texts.get(place).cloned().flatten()
        }

        /// The words, if any of the rows has a text.
        pub(in crate::collection) fn words(&self) -> Result<Option<&Words>, CollectionError> {
            if self.words.get().is_none() {
                let texts = self.texts.iter().enumerate();
                let texts = texts.filter_map(|(place, text)| Some((place, text.as_deref()?)));
                let words = Words::new(self.texts.len(), texts)?;
                // Somebody else may have been faster, with the same.
                let _ = self.words.set(words);
            }
            Ok(self.words.get().and_then(Option::as_ref))
        }
    }

    /// The words of those of `rows` that have a text, written to a file where one is named.
    fn made(
        texts: &Texts,
        path: Option<&Path>,
        segment: u64,
        rows: &[u64],
    ) -> Result<PartTexts, CollectionError> {
        // Both are in the order of the rows.
        let place =
            |(row, text): (&u64, &'_ Arc<str>)| Some((rows.binary_search(row).ok()?, text.clone()));
        let known: Vec<(usize, Arc<str>)> = texts.iter().filter_map(place).collect();
        let words = Words::new(rows.len(), known.iter().map(|(place, text)| (*place, &**text)))?;
        if let Some((words, path)) = words.as_ref().zip(path) {
            words.save(path, segment)?;
        }
        Ok(PartTexts::of(words))
    }

    impl Inner {
        /// The words of the segment `number` with this digest, whose rows these are, in a file beside it.
        pub(in crate::collection) fn make_words(
            &self,
            number: u64,
            digest: u64,
            rows: &[u64],
        ) -> Result<PartTexts, CollectionError> {
            let texts = self.store.texts(rows.iter().copied())?;
            made(&texts, Some(&self.folder.join(words_name(number))), digest, rows)
        }
    }

    /// The words of a segment (its number and digest): from their file, or where that is missing or damaged, from
    /// the store; the file is written again where `repair` allows it.
    pub(in crate::collection) fn load_words(
        folder: &Path,
        view: &View,
        (number, digest): (u64, u64),
        rows: &[u64],
        repair: bool,
    ) -> Result<PartTexts, CollectionError> {
        let path = folder.join(words_name(number));
        if let Some(words) = Words::load(&path, digest, rows.len()) {
            return Ok(PartTexts::of(Some(words)));
        }
        match view.worded()? {
            0 => Ok(PartTexts::default()),
            _ => {
                let texts = view.texts(rows.iter().copied())?;
                made(&texts, repair.then_some(&*path), digest, rows)
            }
        }
    }
}
