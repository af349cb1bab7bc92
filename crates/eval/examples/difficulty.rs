//! How hard a data set is: local intrinsic dimension, hubs, and recall@10 against the width of the
//! beam on an HNSW graph.
//!
//! `cargo run --release -p crinoid-eval --features hdf5 --example difficulty -- [NAME OR FILE]...`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use crinoid_eval::{
    Dataset,
    metrics::{Answers, RecallMetric, mean},
    truth,
};
use crinoid_graph::{Params, builder};
use crinoid_quant::{Codes, Preparation, codec::Sq8};
use crinoid_search::{BestFirst, Composed, Engine, Scratch, SearchParams};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names.push("embedded".to_owned());
    }
    println!(
        "data                     rows  dim   LID   hubs | ef: recall@10 (distance evaluations)"
    );
    for name in names {
        let data = Dataset::load(&name)?;
        let truth = truth::exact(data.metric, &data.base, &data.queries, 100, &())?;
        let (rows, dim) = (data.base.len(), data.dim());
        let (lid, hubs) = (truth.local_dimension(data.metric), truth.hubs(rows));
        print!("{:22} {rows:6} {dim:4} {lid:5.1} {hubs:6.3} |", data.name);

        let preparation = Preparation::new(data.metric, dim);
        let (base, queries) =
            (preparation.apply_all(&data.base)?, preparation.apply_all(&data.queries)?);
        let codes = Arc::new(Sq8::train(&base, preparation.prepared_metric()));
        let graph = builder("hnsw@1")?.build(&*codes.space(), &Params::default(), &())?;
        let engine = Composed::new(Arc::new(graph), codes, BestFirst::POOL)?;
        let (judge, mut scratch) = (RecallMetric::new(&data, &truth)?, Scratch::default());
        for ef in [10, 20, 40, 80, 160, 320] {
            let (mut answers, mut distances) = (Answers::default(), 0);
            for query in queries.rows() {
                let mut found = Vec::new();
                let params = SearchParams::new(10, ef);
                distances += engine.search(query, &params, &mut scratch, &mut found).distances;
                answers.push(found.iter().map(|neighbor| neighbor.id));
            }
            let recall = mean(&judge.recall(&answers, 10)?);
            print!(" {ef}: {recall:.3} ({})", distances / queries.len() as u64);
        }
        println!();
    }
    Ok(())
}
