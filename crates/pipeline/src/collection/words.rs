//! The words of some rows' texts, and BM25 over them.
//!
//! tantivy cuts texts into words and keeps which rows have which, and how often. Scores are counted here, because
//! they must not depend on how rows are spread over parts, nor on rows that are dead: how many rows have a
//! word and how long the average text is are counted over the live rows of all parts, and the length of a text is
//! not rounded. That visits every row that has one of the words; tantivy's own search may skip blocks of rows, by
//! bounds that hold for the averages of one part alone.

use super::{part::Part, types::CollectionError};
use crate::container::{Container, Sections, publish};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use tantivy::{
    DocSet, Index, IndexSettings, InvertedIndexReader, SegmentReader, TERMINATED, TantivyDocument,
    TantivyError, Term,
    directory::{Directory, RamDirectory},
    postings::Postings,
    schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    store::Compressor,
    tokenizer::{
        LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer, TokenStream, TokenizerManager,
    },
};

/// BM25's constants, as everybody has them: how soon more of a word stops to count, and how much long texts lose.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// Longer words are none, in bytes.
const LONGEST_WORD: usize = 64;

/// Stands for a row without a text.
const NO_TEXT: u32 = u32::MAX;

/// The name of the analyzer in tantivy's tables.
const ANALYZER: &str = "words";

/// The only field, and tantivy's file that names the others.
const FIELD: &str = "text";
const META: &str = "meta.json";

/// The words of a part's texts. Rows are numbered by their place in the part.
pub(super) struct Words {
    directory: RamDirectory,
    files: Vec<PathBuf>,
    inverted: Arc<InvertedIndexReader>,
    /// Words of each text; [`NO_TEXT`] where there is none.
    lens: Vec<u32>,
    /// Rows with a text, and the words of them all.
    texts: u64,
    total: u64,
}

/// What lies beside the sections of a file of words.
#[derive(Serialize, Deserialize)]
struct Meta {
    /// The digest of the segment that the rows are those of.
    segment: u64,
    /// tantivy's files, in the order of the sections.
    files: Vec<String>,
}

fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST_WORD))
        .filter(LowerCaser)
        .build()
}

/// The words of `text`, in order.
fn words_of(analyzer: &mut TextAnalyzer, text: &str, mut each: impl FnMut(&str)) {
    let mut stream = analyzer.token_stream(text);
    while stream.advance() {
        each(&stream.token().text);
    }
}

/// The different words of a question, and how often it has each.
pub(super) fn asked(text: &str) -> BTreeMap<String, u32> {
    let mut words = BTreeMap::new();
    words_of(&mut analyzer(), text, |word| *words.entry(word.to_owned()).or_default() += 1);
    words
}

fn schema() -> (Schema, Field) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(ANALYZER)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqs);
    let options = TextOptions::default().set_indexing_options(indexing);
    let field = schema.add_text_field(FIELD, options);
    (schema.build(), field)
}

impl Words {
    /// The words of `len` rows, of which those have a text that `texts` names by their places, ascending; `None`
    /// where none has.
    pub(super) fn new<'t>(
        len: usize,
        texts: impl Iterator<Item = (usize, &'t str)>,
    ) -> Result<Option<Self>, CollectionError> {
        let mut texts = texts.peekable();
        if texts.peek().is_none() {
            return Ok(None);
        }
        let (schema, field) = schema();
        let tokenizers = TokenizerManager::default();
        tokenizers.register(ANALYZER, analyzer());
        let settings = IndexSettings {
            docstore_compression: Compressor::None,
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let builder = Index::builder().schema(schema).settings(settings).tokenizers(tokenizers);
        let directory = RamDirectory::create();
        // Sets the first size of the table of words alone.
        let budget = (len << 10).clamp(1 << 18, 1 << 25);
        let mut writer = builder.single_segment_index_writer(directory.clone(), budget)?;
        let mut lens = vec![NO_TEXT; len];
        let mut analyzer = analyzer();
        for (place, len) in lens.iter_mut().enumerate() {
            let mut document = TantivyDocument::new();
            if let Some((_, text)) = texts.next_if(|(at, _)| *at == place) {
                *len = 0;
                words_of(&mut analyzer, text, |_| *len += 1);
                document.add_text(field, text);
            }
            writer.add_document(document)?;
        }
        let index = writer.finalize()?;
        Self::of(directory, &index, lens).map(Some)
    }

    fn of(directory: RamDirectory, index: &Index, lens: Vec<u32>) -> Result<Self, CollectionError> {
        let segments = index.searchable_segments()?;
        let [segment] = &segments[..] else {
            return Err(CollectionError::Words(format!("{} segments, not one", segments.len())));
        };
        let reader = SegmentReader::open(segment)?;
        if reader.max_doc() as usize != lens.len() {
            return Err(CollectionError::Words("of another number of rows".to_owned()));
        }
        let inverted = reader.inverted_index(index.schema().get_field(FIELD)?)?;
        let known = || lens.iter().filter(|len| **len != NO_TEXT);
        let (texts, total) = (known().count() as u64, known().map(|len| u64::from(*len)).sum());
        let files = files(index, &directory)?;
        Ok(Self { directory, files, inverted, lens, texts, total })
    }

    /// Writes the words beside the segment of this digest.
    pub(super) fn save(&self, path: &Path, segment: u64) -> Result<(), CollectionError> {
        let names = self.files.iter().map(|file| file.display().to_string()).collect();
        let meta = serde_json::to_vec(&Meta { segment, files: names });
        let meta = meta.map_err(|error| CollectionError::Words(error.to_string()))?;
        let mut sections = Sections::new();
        sections.push("words", meta);
        let lens: Vec<u8> = self.lens.iter().flat_map(|len| len.to_le_bytes()).collect();
        sections.push("lens", lens);
        for (at, file) in self.files.iter().enumerate() {
            let bytes = self.directory.open_read(file).map_err(TantivyError::from)?;
            let bytes = bytes.read_bytes().map_err(TantivyError::from)?;
            sections.push(format!("file.{at}"), bytes.as_slice().to_vec());
        }
        publish(path, &sections).map_err(crate::IndexError::from)?;
        Ok(())
    }

    /// Reads the words of the segment of this digest, with so many rows, after verifying the whole file; `None`
    /// where it is not there, damaged, or of another segment.
    pub(super) fn load(path: &Path, segment: u64, len: usize) -> Option<Self> {
        let file = Container::open(path).ok()?;
        let meta: Meta = serde_json::from_slice(&file.get("words")?).ok()?;
        let bytes = file.get("lens")?;
        let (lens, rest) = bytes.as_chunks::<4>();
        let lens: Vec<u32> = lens.iter().map(|len| u32::from_le_bytes(*len)).collect();
        if !rest.is_empty() || meta.segment != segment || lens.len() != len {
            return None;
        }
        let directory = RamDirectory::create();
        for (at, name) in meta.files.iter().enumerate() {
            directory.atomic_write(Path::new(name), &file.get(&format!("file.{at}"))?).ok()?;
        }
        let index = Index::open(directory.clone()).ok()?;
        Self::of(directory, &index, lens).ok()
    }

    /// How many words the text of the row at `place` has; `None` where it has no text.
    pub(super) fn len_of(&self, place: usize) -> Option<u32> {
        self.lens.get(place).copied().filter(|len| *len != NO_TEXT)
    }

    /// The rows that have `word`, and how often, dead rows among them.
    fn rows(&self, field: Field, word: &str, mut each: impl FnMut(u32, u32)) -> Found<()> {
        let term = Term::from_field_text(field, word);
        let postings = self.inverted.read_postings(&term, IndexRecordOption::WithFreqs);
        let postings = postings.map_err(TantivyError::from)?;
        let Some(mut postings) = postings else { return Ok(()) };
        while postings.doc() != TERMINATED {
            each(postings.doc(), postings.term_freq());
            postings.advance();
        }
        Ok(())
    }

    fn rows_with(&self, field: Field, word: &str) -> Found<u64> {
        let known = self.inverted.doc_freq(&Term::from_field_text(field, word));
        Ok(known.map_err(TantivyError::from)?.into())
    }
}

/// tantivy's files of an index, and that which names them.
fn files(index: &Index, directory: &RamDirectory) -> Result<Vec<PathBuf>, CollectionError> {
    let mut files: Vec<PathBuf> = index.load_metas()?.list_segment_files().into_iter().collect();
    files.retain(|file| directory.exists(file).unwrap_or(false));
    files.sort();
    files.push(PathBuf::from(META));
    Ok(files)
}

type Found<T> = Result<T, CollectionError>;

/// Which rows of each part count for the statistics: the live ones, whatever a filter says.
fn is_alive(part: &Part, place: u32) -> bool {
    !part.is_dead(place as usize)
}

/// The scores of `words` (each with its weight) in `parts`: those of the rows that are alive, and admitted where
/// a filter admits rows, by part and place; 0 for all others. Parts without texts have no scores.
pub(super) fn scores(parts: &[Part], words: &BTreeMap<String, u32>) -> Found<Vec<Vec<f64>>> {
    let with_words = parts.iter().map(Part::words).collect::<Found<Vec<_>>>()?;
    let room = |(part, words): (&Part, &Option<&Words>)| vec![0.0; words.map_or(0, |_| part.len())];
    let mut scores: Vec<Vec<f64>> = parts.iter().zip(&with_words).map(room).collect();
    let (mut rows, mut total) = (0, 0);
    for (part, words) in parts.iter().zip(&with_words) {
        let Some(words) = words else { continue };
        let (mut texts, mut length) = (words.texts, words.total);
        for place in part.dead_places() {
            if let Some(len) = words.len_of(place) {
                texts -= 1;
                length -= u64::from(len);
            }
        }
        rows += texts;
        total += length;
    }
    let average = (total as f64 / rows.max(1) as f64).max(f64::MIN_POSITIVE);
    let (_, field) = schema();
    for (word, weight) in words {
        let mut known = 0;
        for (part, words) in parts.iter().zip(&with_words) {
            let Some(words) = words else { continue };
            match part.dead() {
                0 => known += words.rows_with(field, word)?,
                _ => {
                    words.rows(field, word, |place, _| known += u64::from(is_alive(part, place)))?
                }
            }
        }
        let (n, known) = (rows as f64, known as f64);
        let rarity = (1.0 + (n - known + 0.5) / (known + 0.5)).ln() * f64::from(*weight);
        for ((part, words), scores) in parts.iter().zip(&with_words).zip(&mut scores) {
            let Some(words) = words else { continue };
            words.rows(field, word, |place, count| {
                if part.id(place as usize).is_some() {
                    let len = f64::from(words.len_of(place as usize).unwrap_or(0));
                    let count = f64::from(count);
                    let damped = count + K1 * (1.0 - B + B * len / average);
                    scores[place as usize] += rarity * count * (K1 + 1.0) / damped;
                }
            })?;
        }
    }
    Ok(scores)
}

impl From<TantivyError> for CollectionError {
    fn from(error: TantivyError) -> Self {
        Self::Words(error.to_string())
    }
}
