//! Searching a source tree by meaning: text in, answers with file and line out, all local.
//!
//! ```sh
//! alias code_search='cargo run --release -p crinoid-pipeline --features candle --example code_search --'
//! code_search index crates --model MODEL   # a folder with all-MiniLM-L6-v2 or another BERT embedder
//! code_search query "where is a damaged file noticed"
//! code_search query "where is a damaged file noticed" --rerank CROSS-ENCODER
//! ```
//!
//! `--index FOLDER` says where the index goes (default: target/code-search). `embed --model MODEL`
//! turns JSON strings on standard input into JSON vectors, one a line.

#![allow(clippy::print_stdout, reason = "an example shows what it finds")]

use crinoid_pipeline::{
    BuildOptions, EmbeddingSpace, Index, QueryVector, Request, Retriever, SearchOptions,
    StageStats, Texts,
};
use crinoid_quant::Metric;
use crinoid_refine::models::{CrossEncoder, Embedder, ModelOptions};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Who makes the vectors; part of the index's fingerprint.
const PROVIDER: &str = "candle";

/// Chunks that are longer are split: about as much as a small model reads.
const LONGEST: usize = 30;

/// A function or another piece of a file.
#[derive(Serialize, Deserialize)]
struct Chunk {
    file: PathBuf,
    /// Counted from 1.
    line: usize,
    text: String,
}

/// What lies beside the index: the chunks by row, and the model that embedded them.
#[derive(Serialize, Deserialize)]
struct Corpus {
    model: PathBuf,
    chunks: Vec<Chunk>,
}

impl Texts for Corpus {
    fn text(&self, id: u32) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.chunks.get(id as usize)?.text.as_str()))
    }
}

fn main() -> Outcome {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.remove(at);
        (at < words.len()).then(|| PathBuf::from(words.remove(at)))
    };
    let folder = option("--index").unwrap_or_else(|| "target/code-search".into());
    let (model, rerank) = (option("--model"), option("--rerank"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (words.as_slice(), model) {
        (["index", source], Some(model)) => index(Path::new(source), &model, &folder),
        (["query", question], _) => query(question, rerank.as_deref(), &folder),
        (["embed"], Some(model)) => embed(&model),
        _ => Err(
            "usage: index DIR --model FOLDER | query TEXT [--rerank FOLDER] | embed --model FOLDER"
                .into(),
        ),
    }
}

fn index(source: &Path, model: &Path, folder: &Path) -> Outcome {
    let mut chunks = Vec::new();
    walk(source, &mut chunks)?;
    let started = Instant::now();
    let embedder = Embedder::load(model, ModelOptions::default())?;
    // The path tells as much as many a line.
    let texts: Vec<String> =
        chunks.iter().map(|chunk| format!("{}\n{}", chunk.file.display(), chunk.text)).collect();
    let vectors = embedder.embed(&texts)?;
    println!(
        "{} chunks embedded in {:.1?}; {} were longer than {} tokens and cut",
        chunks.len(),
        started.elapsed(),
        embedder.truncated(),
        embedder.max_tokens()
    );
    let started = Instant::now();
    let options = BuildOptions {
        recipe: "int4@1/crinoid@1/pipelined@2/float@1".parse()?,
        metric: Metric::Cosine,
        provider: PROVIDER.to_owned(),
        model: name_of(model),
        ..BuildOptions::default()
    };
    let index = Index::build(&vectors, &options, &())?;
    fs::create_dir_all(folder)?;
    let corpus = Corpus { model: fs::canonicalize(model)?, chunks };
    fs::write(folder.join("chunks.json"), serde_json::to_vec(&corpus)?)?;
    index.save(folder.join("index.cri"))?;
    println!("{index:?} built in {:.1?}: {}", started.elapsed(), folder.display());
    Ok(())
}

fn query(question: &str, rerank: Option<&Path>, folder: &Path) -> Outcome {
    let index = Index::load(folder.join("index.cri"))?;
    let corpus: Corpus = serde_json::from_slice(&fs::read(folder.join("chunks.json"))?)?;
    let started = Instant::now();
    let embedder = Embedder::load(&corpus.model, ModelOptions::default())?;
    let loaded = started.elapsed();
    let started = Instant::now();
    let vectors = embedder.embed(&[question])?;
    println!("model loaded in {loaded:.1?}, question embedded in {:.1?}", started.elapsed());

    let reranker =
        rerank.map(|path| CrossEncoder::load(path, ModelOptions::default())).transpose()?;
    let mut retriever = Retriever::new(&index, SearchOptions::new(10, 200).pool(50));
    if let Some(reranker) = &reranker {
        retriever = retriever.with_reranker(reranker, &corpus, 20);
    }
    let request = Request {
        vector: QueryVector::Floats(vectors.row(0)),
        space: &EmbeddingSpace::new(PROVIDER, &name_of(&corpus.model), embedder.dim()),
        text: Some(question),
    };
    let answer = retriever.retrieve(&mut index.session(), &request)?;
    for hit in &answer.hits {
        let Chunk { file, line, text } = &corpus.chunks[hit.id as usize];
        let worth = hit.score.unwrap_or(1.0 - hit.distance / 2.0);
        println!("{worth:6.3}  {}:{line}  {}", file.display(), headline(text));
    }
    let mut stats = StageStats::default();
    stats.record(&answer.report);
    print!("\n{stats}");
    Ok(())
}

/// One JSON string a line in, one JSON array of numbers a line out.
fn embed(model: &Path) -> Outcome {
    let embedder = Embedder::load(model, ModelOptions::default())?;
    let texts = std::io::stdin().lines().map(|line| Ok(serde_json::from_str(&line?)?));
    let texts = texts.collect::<Outcome<Vec<String>>>()?;
    for texts in texts.chunks(256) {
        for row in embedder.embed(texts)?.rows() {
            println!("{}", serde_json::to_string(row)?);
        }
    }
    Ok(())
}

/// A model goes by the name of its folder.
fn name_of(model: &Path) -> String {
    model.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn walk(folder: &Path, chunks: &mut Vec<Chunk>) -> Outcome {
    const SOURCES: [&str; 14] =
        ["rs", "py", "go", "java", "js", "ts", "c", "h", "cc", "cpp", "hpp", "md", "toml", "sh"];
    let mut entries = fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let known = path.extension().is_some_and(|e| SOURCES.iter().any(|known| e == *known));
        if kind.is_dir() && !hidden && !path.ends_with("target") {
            walk(&path, chunks)?;
        } else if kind.is_file() && known {
            // What is not UTF-8 is no source that we can read.
            if let Ok(text) = fs::read_to_string(&path) {
                split(&path, &text, chunks);
            }
        }
    }
    Ok(())
}

/// A chunk begins where something begins at the left margin after a blank line: a function with its
/// comment, a section. Long ones are cut.
fn split(file: &Path, text: &str, chunks: &mut Vec<Chunk>) {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |at: &usize| {
        let margin = lines[*at].starts_with(|c: char| !c.is_whitespace() && c != '}');
        margin && at.checked_sub(1).is_none_or(|before| lines[before].trim().is_empty())
    };
    let mut starts: Vec<usize> = (0..lines.len()).filter(begins).collect();
    starts.push(lines.len());
    for piece in starts.windows(2) {
        for start in (piece[0]..piece[1]).step_by(LONGEST) {
            let text = lines[start..piece[1].min(start + LONGEST)].join("\n");
            // Shorter ones say nothing by themselves.
            if text.len() >= 40 {
                chunks.push(Chunk { file: file.to_owned(), line: start + 1, text });
            }
        }
    }
}

/// The first line that is no comment or attribute.
fn headline(text: &str) -> &str {
    let code = |line: &&str| !["//", "#", "/*", "*"].iter().any(|mark| line.starts_with(mark));
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.clone().find(code).or(lines.next()).unwrap_or_default()
}
