//! `cargo xtask data score`.

use crinoid_eval::{
    data::{beir::Collection, trec},
    metrics::{hit, mean, mrr, ndcg},
    stats::{Resampling, bca_mean},
};
use std::path::PathBuf;

/// Scores a TREC run against a BEIR folder.
#[derive(clap::Args)]
pub(super) struct Score {
    /// Folder with corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv.
    #[arg(long)]
    beir: PathBuf,
    /// Which judgments.
    #[arg(long, default_value = "test")]
    split: String,
    /// The run: lines of query Q0 document rank score tag.
    #[arg(long)]
    run: PathBuf,
}

impl Score {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let collection = Collection::open(&self.beir, &self.split)?;
        let (documents, queries) = collection.names()?;
        let answers = trec::read_run(&self.run, &queries, &documents)?;
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
        Ok(())
    }
}
