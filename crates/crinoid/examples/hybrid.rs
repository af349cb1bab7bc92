//! How well vectors, words and both find what questions ask for, on texts whose answers are known:
//! `cargo run --release -p crinoid --example hybrid -- FOLDER`
//!
//! FOLDER is a BEIR folder with vectors beside it (`corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`, `base.fbin`,
//! `queries.fbin`), as `cargo xtask data make code --from TREE --model MODEL` writes it.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use crinoid::{
    Batch, BuildOptions, Collection, CollectionOptions, ExternalId, Fusion, HybridOptions, Metric,
    Row, SearchOptions,
};
use crinoid_files::read_vectors;
use std::{
    collections::HashMap,
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// Answers that count, and rows that are written at a time.
const K: usize = 10;
const BLOCK: usize = 4_096;

type Texts = Vec<(String, String)>;

/// Names and texts, in the order of the vectors.
fn texts(path: &Path) -> Result<Texts, Box<dyn Error>> {
    let mut texts = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let fields: serde_json::Value = serde_json::from_str(line)?;
        let field = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
        let (title, text) = (field("title"), field("text"));
        let text = if title.is_empty() { text } else { format!("{title}\n{text}") };
        texts.push((field("_id"), text));
    }
    Ok(texts)
}

/// The documents that answer each query.
fn judgments(path: &Path) -> Result<HashMap<String, Vec<String>>, Box<dyn Error>> {
    let mut answers: HashMap<String, Vec<String>> = HashMap::new();
    for line in fs::read_to_string(path)?.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [query, document, grade] = fields[..]
            && grade != "0"
        {
            answers.entry(query.to_owned()).or_default().push(document.to_owned());
        }
    }
    Ok(answers)
}

/// MRR@10, nDCG@10 and the share of queries with an answer among ten, summed over queries.
#[derive(Default)]
struct Score {
    mrr: f64,
    ndcg: f64,
    hit: f64,
    took: Duration,
}

impl Score {
    fn add(&mut self, found: &[ExternalId], wanted: &[String]) {
        let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
        let is_wanted = |id: &ExternalId| matches!(id, ExternalId::Text(id) if wanted.contains(id));
        let ranks: Vec<usize> = (0..found.len()).filter(|at| is_wanted(&found[*at])).collect();
        self.mrr += ranks.first().map_or(0.0, |rank| 1.0 / (*rank as f64 + 1.0));
        let best: f64 = (0..wanted.len().min(K)).map(gain).sum();
        self.ndcg += ranks.iter().map(|rank| gain(*rank)).sum::<f64>() / best;
        self.hit += f64::from(u8::from(!ranks.is_empty()));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let data = std::env::args().nth(1).ok_or("usage: hybrid FOLDER")?;
    let data = Path::new(&data);
    let (documents, asked) =
        (texts(&data.join("corpus.jsonl"))?, texts(&data.join("queries.jsonl"))?);
    let (base, queries) =
        (read_vectors(&data.join("base.fbin"))?, read_vectors(&data.join("queries.fbin"))?);
    let answers = judgments(&data.join("qrels/test.tsv"))?;

    let folder = std::env::temp_dir().join(format!("crinoid-hybrid-{}", std::process::id()));
    let build = BuildOptions::default().metric(Metric::Cosine);
    let options = CollectionOptions::default().build(build);
    let collection = Collection::create(&folder, base.dim(), &options)?;
    let started = Instant::now();
    for (block, vectors) in documents.chunks(BLOCK).zip(base.as_slice().chunks(BLOCK * base.dim()))
    {
        let mut batch = Batch::new();
        for ((id, text), vector) in block.iter().zip(vectors.chunks(base.dim())) {
            batch.upsert_row(id.as_str(), Row::new(vector).text(text.as_str()));
        }
        collection.write(&batch)?;
    }
    collection.flush()?;
    collection.seal()?;
    let bytes: usize = documents.iter().map(|(_, text)| text.len()).sum();
    println!(
        "{} texts ({:.1} MB) written and sealed in {:.1?}",
        documents.len(),
        bytes as f64 / 1e6,
        started.elapsed()
    );

    let snapshot = collection.snapshot();
    let search = SearchOptions::for_k(K).ef(400);
    let hybrid = |fusion| HybridOptions::for_k(K).search(search).fusion(fusion);
    let ids = |found: Vec<crinoid::HybridMatch>| found.into_iter().map(|f| f.id).collect();
    println!("{:24}  MRR@10  nDCG@10  hit@10  ms/query", format!("{} queries", asked.len()));
    type Ask<'a> =
        Box<dyn Fn(&[f32], &str) -> Result<Vec<ExternalId>, crinoid::CollectionError> + 'a>;
    let mut ways: Vec<(String, Ask<'_>)> = vec![
        ("vectors".to_owned(), {
            let snapshot = &snapshot;
            Box::new(move |q, _| {
                Ok(snapshot.search(q, &search)?.into_iter().map(|f| f.id).collect())
            })
        }),
        ("words (BM25)".to_owned(), {
            let snapshot = &snapshot;
            Box::new(move |_, text| {
                Ok(snapshot.search_text(text, K)?.into_iter().map(|f| f.id).collect())
            })
        }),
    ];
    let fusions = [("both, ranks (k = 60)".to_owned(), Fusion::Reciprocal(60.0))];
    let weights = [0.3, 0.5, 0.7, 0.8, 0.9];
    let weighted = weights.map(|w| (format!("both, vectors by {w}"), Fusion::Weighted(w)));
    for (name, fusion) in fusions.into_iter().chain(weighted) {
        let options = hybrid(fusion);
        let snapshot = &snapshot;
        ways.push((name, Box::new(move |q, t| Ok(ids(snapshot.search_hybrid(q, t, &options)?)))));
    }
    for (name, ask) in &ways {
        let (mut score, mut judged) = (Score::default(), 0);
        for ((id, text), query) in asked.iter().zip(queries.rows()) {
            let Some(wanted) = answers.get(id) else { continue };
            let started = Instant::now();
            let found = ask(query, text)?;
            score.took += started.elapsed();
            score.add(&found, wanted);
            judged += 1;
        }
        let n = f64::from(judged.max(1));
        let millis = score.took.as_secs_f64() * 1e3 / n;
        let (mrr, ndcg, hit) = (score.mrr / n, score.ndcg / n, score.hit / n);
        println!("{name:24}  {mrr:6.3}  {ndcg:7.3}  {hit:6.3}  {millis:8.3}");
    }
    drop(ways);
    drop(collection);
    fs::remove_dir_all(&folder)?;
    Ok(())
}
