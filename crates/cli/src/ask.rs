//! `crinoid ask`: a folder of sources and texts, searched by meaning.

use crate::{
    bar::Bar,
    chunks::{self, Chunk, headline},
    global::Global,
    model::{self, Model, PROVIDER},
    say,
};
use anyhow::{Context, bail, ensure};
use clap::Args;
use crinoid::{
    EmbeddingSpace, Index, Metric, Preset, QueryVector, Request, Retriever, Texts, Vectors,
    report::StageStats,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    collections::HashMap,
    fs,
    num::NonZero,
    path::{Path, PathBuf},
};

/// Searches a folder of sources and texts by meaning, with a model in a local folder (feature `candle`).
///
/// The folder is indexed when it is asked for the first time; later only what has changed is embedded
/// again. The index lies in `.crinoid` within the folder, or where --index says.
#[derive(Args)]
#[command(after_help = "Examples:
  crinoid ask crates \"where is a damaged file noticed\" --model all-MiniLM-L6-v2
  crinoid ask crates \"who decides how many threads run\"
  crinoid ask crates \"where is a damaged file noticed\" --rerank ms-marco-MiniLM-L6-v2")]
pub(crate) struct Ask {
    /// What is searched: sources and texts in this folder and all below it.
    folder: PathBuf,
    /// What is asked.
    question: String,
    /// An embedding model's folder [default: the one of the index].
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// A cross-encoder's folder: it reads the best few and puts them in order.
    #[arg(long, value_name = "FOLDER")]
    rerank: Option<PathBuf>,
    /// How many answers.
    #[arg(short, default_value = "10")]
    k: NonZero<usize>,
    /// Where the index is kept.
    #[arg(long, value_name = "FOLDER")]
    index: Option<PathBuf>,
    /// Says besides what each stage of the search did.
    #[arg(long)]
    stages: bool,
}

/// What lies beside the index: the chunks by row, and the model that embedded them.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Corpus {
    model: PathBuf,
    chunks: Vec<Chunk>,
}

impl Texts for Corpus {
    fn text(&self, id: u32) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.chunks.get(id as usize)?.text.as_str()))
    }
}

impl Ask {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        ensure!(self.folder.is_dir(), "{}: there is no such folder", self.folder.display());
        let place = self.index.clone().unwrap_or_else(|| self.folder.join(".crinoid"));
        let kept = Kept::load(&place)?;
        let path = match (&self.model, &kept) {
            (Some(model), _) => {
                fs::canonicalize(model).with_context(|| model.display().to_string())?
            }
            (None, Some(kept)) => kept.corpus.model.clone(),
            (None, None) => bail!(
                "{}: not indexed yet: --model FOLDER says which embedding model to use",
                self.folder.display()
            ),
        };
        let model = Model::load(&path)?;
        let corpus = Corpus { model: path, chunks: chunks::collect(&self.folder)? };
        ensure!(
            !corpus.chunks.is_empty(),
            "{}: no sources and no texts in it (known: {})",
            self.folder.display(),
            chunks::KNOWN.join(", ")
        );
        let kept = match kept {
            Some(kept) if kept.corpus == corpus => kept,
            kept => refresh(global, &model, corpus, kept, &place)?,
        };
        self.answer(global, &model, &kept)
    }

    fn answer(&self, global: &Global, model: &Model, kept: &Kept) -> anyhow::Result<()> {
        let Kept { index, corpus } = kept;
        let asked = model.embed(std::slice::from_ref(&self.question))?;
        let reranker = self.rerank.as_deref().map(model::reranker).transpose()?;
        let preset = Preset::find("retriever")?;
        let mut options = preset.search_options();
        options.k = self.k.get();
        let mut retriever = Retriever::new(index, options);
        if let Some(reranker) = &reranker {
            let pool = preset.rerank.max(self.k.get());
            retriever = retriever.with_reranker(reranker.as_ref(), corpus, pool);
        }
        let space = EmbeddingSpace::new(PROVIDER, &model::name_of(&corpus.model), model.dim());
        let request = Request {
            vector: QueryVector::Floats(asked.row(0)),
            space: &space,
            text: Some(&self.question),
        };
        let answer = retriever.retrieve(&mut index.session(), &request)?;
        let mut stats = StageStats::default();
        stats.record(&answer.report);
        let mut hits = Vec::new();
        for hit in &answer.hits {
            let Chunk { file, line, text } = &corpus.chunks[hit.id as usize];
            let file = self.folder.join(file);
            // The cosine, where no reranker has a better word.
            let worth = hit.score.unwrap_or(1.0 - hit.distance / 2.0);
            if global.json {
                hits.push(json!({
                    "file": file, "line": line, "score": worth, "distance": hit.distance, "text": text,
                }));
            } else {
                let (file, headline) = (file.display(), headline(text));
                say::line(&format!("{worth:6.3}  {file}:{line}  {headline}"))?;
            }
        }
        let stages: Value = if self.stages { stats.to_string().into() } else { Value::Null };
        if global.json {
            let said = json!({ "question": self.question, "hits": hits, "stages": stages });
            return say::line(&said.to_string());
        }
        match self.stages {
            true => say::line(&format!("\n{}", stats.to_string().trim_end())),
            false => Ok(()),
        }
    }
}

/// An index and what its rows are.
struct Kept {
    index: Index,
    corpus: Corpus,
}

impl Kept {
    fn load(place: &Path) -> anyhow::Result<Option<Self>> {
        let (index, chunks) = files(place);
        if !index.exists() || !chunks.exists() {
            return Ok(None);
        }
        let remedy = || format!("{}: remove it, and ask again with --model", place.display());
        let index = Index::load(&index).with_context(remedy)?;
        let corpus: Corpus = serde_json::from_slice(&fs::read(&chunks)?).with_context(remedy)?;
        // Written one after the other: after a crash they may be of different times.
        Ok((corpus.chunks.len() == index.len()).then_some(Self { index, corpus }))
    }
}

fn files(place: &Path) -> (PathBuf, PathBuf) {
    (place.join("index.crinoid"), place.join("chunks.json"))
}

/// What is embedded of a chunk: the path tells as much as many a line.
fn text_of(chunk: &Chunk) -> String {
    format!("{}\n{}", chunk.file.display(), chunk.text)
}

/// Embeds what is new, takes the other vectors from before, and builds the index again.
fn refresh(
    global: &Global,
    model: &Model,
    corpus: Corpus,
    kept: Option<Kept>,
    place: &Path,
) -> anyhow::Result<Kept> {
    let kept = kept.filter(|kept| kept.corpus.model == corpus.model);
    let mut known: HashMap<String, u32> = HashMap::new();
    if let Some(kept) = &kept {
        known.extend(kept.corpus.chunks.iter().map(text_of).zip(0..));
    }
    let dim = model.dim();
    let mut values = vec![0.0; corpus.chunks.len() * dim];
    let mut fresh: Vec<(usize, String)> = Vec::new();
    for (row, chunk) in corpus.chunks.iter().enumerate() {
        let text = text_of(chunk);
        match (known.get(&text), &kept) {
            (Some(&before), Some(kept)) => {
                values[row * dim..][..dim].copy_from_slice(&kept.index.vector(before)?);
            }
            _ => fresh.push((row, text)),
        }
    }
    let bar = Bar::new(global, "embedding");
    let mut done = 0;
    for block in fresh.chunks(64) {
        bar.at(done, fresh.len());
        let texts: Vec<String> = block.iter().map(|(_, text)| text.clone()).collect();
        for ((row, _), vector) in block.iter().zip(model.embed(&texts)?.rows()) {
            values[row * dim..][..dim].copy_from_slice(vector);
        }
        done += block.len();
    }
    drop(bar);
    let bar = Bar::new(global, "building");
    let mut options = Preset::find("retriever")?.build_options(Metric::Cosine, dim)?;
    (options.provider, options.model) = (PROVIDER.to_owned(), model::name_of(&corpus.model));
    let index = Index::build(Vectors::new(values, dim)?, &options, &bar)?;
    drop(bar);
    fs::create_dir_all(place).with_context(|| place.display().to_string())?;
    let (file, chunks) = files(place);
    index.save(&file)?;
    crinoid_files::write_file(&chunks, |out| Ok(serde_json::to_writer(out, &corpus)?))?;
    Ok(Kept { index, corpus })
}
