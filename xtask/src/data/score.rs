//! `cargo xtask data score`.

use anyhow::{Context, ensure};
use crinoid_eval::{
    data::{beir::Collection, trec},
    metrics::{Answers, hit, mean, mrr, ndcg},
    stats::{Resampling, bca_mean},
};
use std::path::{Path, PathBuf};

/// Scores a TREC run, or a file of answers, against the judgments of a BEIR folder.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("given").required(true)), after_help = "Examples:
  cargo xtask data score --beir scifact --run run.trec
  cargo xtask data score --beir scifact --answers mine.ibin --trec /tmp/trec")]
pub(super) struct Score {
    /// Folder with corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv.
    #[arg(long, value_name = "DIR")]
    beir: PathBuf,
    /// Which judgments.
    #[arg(long, default_value = "test")]
    split: String,
    /// The run: lines of query Q0 document rank score tag.
    #[arg(long, group = "given", value_name = "FILE")]
    run: Option<PathBuf>,
    /// The answers by row, one row per judged query: an ibin file as a subject writes it.
    #[arg(long, group = "given", value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Folder to write run.trec and qrels.trec to, for trec_eval and its kin.
    #[arg(long, value_name = "DIR")]
    trec: Option<PathBuf>,
}

impl Score {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let collection = Collection::open(&self.beir, &self.split)?;
        let (documents, queries) = collection.names()?;
        let answers = match (&self.run, &self.answers) {
            (Some(run), _) => trec::read_run(run, &queries, &documents)?,
            (None, Some(file)) => by_row(file, queries.len())?,
            (None, None) => unreachable!("one of them is required"),
        };
        let (qrels, rows) = (&collection.qrels, documents.len());
        for (name, values) in [
            ("nDCG@10", ndcg(qrels, &answers, rows, 10)?),
            ("MRR@10", mrr(qrels, &answers, rows, 10)?),
            ("hit@100", hit(qrels, &answers, rows, 100)?),
        ] {
            let values: Vec<f64> = values.into_iter().map(|pair| pair.1).collect();
            let interval = match bca_mean(&values, &Resampling::default()) {
                Ok(interval) => format!("[{:.4}, {:.4}]", interval.low, interval.high),
                Err(_) => String::new(),
            };
            println!("{name:8} {:.4} {interval} ({} queries)", mean(&values), values.len());
        }
        if let Some(folder) = &self.trec {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            let run = folder.join("run.trec");
            trec::write_run(&run, &queries, &documents, &answers, "crinoid")?;
            trec::write_qrels(&folder.join("qrels.trec"), &queries, &documents, qrels)?;
            println!("written: {} and qrels.trec", run.display());
        }
        Ok(())
    }
}

fn by_row(file: &Path, queries: usize) -> anyhow::Result<Answers> {
    let answers = super::answers(file, 1)?;
    ensure!(
        answers.len() == queries,
        "{}: answers to {} queries where {queries} are judged",
        file.display(),
        answers.len()
    );
    Ok(answers)
}
