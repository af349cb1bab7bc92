//! `cargo xtask data code`.

use anyhow::{Context, ensure};
use crinoid_eval::data::{beir::Text, code};
use crinoid_quant::{Metric, Vectors};
use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

/// Makes a retrieval evaluation set out of a source tree: functions are the documents, their doc
/// comments the queries, relevance is known. Writes a BEIR folder and, given an embedder, a data set
/// that every command measures (`--data FOLDER`).
#[derive(clap::Args)]
pub(super) struct Code {
    /// The source tree.
    #[arg(long)]
    from: PathBuf,
    /// Folder to write.
    #[arg(long)]
    out: PathBuf,
    /// A shell command that embeds texts: it reads one JSON string a line and writes, for each, one
    /// line with a JSON array of numbers.
    #[arg(long)]
    embed: Option<String>,
    /// The metric of the embeddings.
    #[arg(long, default_value = "cosine")]
    metric: Metric,
}

impl Code {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let set = code::collect(&self.from)?;
        let (documents, queries) = (set.documents.len(), set.queries.len());
        ensure!(queries > 0, "{}: no function with a doc comment", self.from.display());
        if let Some(command) = &self.embed {
            let base = embed(command, "documents", &set.documents)?;
            let asked = embed(command, "queries", &set.queries)?;
            let name = self.out.file_name().unwrap_or_default().to_string_lossy();
            let data = set.dataset(&name, self.metric, base, asked)?;
            let truth = super::exact(&data, 100)?;
            data.with_truth(truth)?.write(&self.out, "fbin")?;
        }
        set.write(&self.out, "test")?;
        println!("{}: {documents} functions, {queries} queries", self.out.display());
        Ok(())
    }
}

fn embed(command: &str, what: &str, texts: &[Text]) -> anyhow::Result<Vectors> {
    let bar = crate::bar::Bar::new(&format!("embedding {what}"));
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting a shell")?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (mut input, output) = input.zip(output).context("the embedder has no pipes")?;
    let mut values: Vec<f32> = Vec::new();
    let mut dim = 0;
    let read: anyhow::Result<usize> = std::thread::scope(|scope| {
        // Written from another thread: the embedder may answer before it has read everything.
        scope.spawn(move || {
            for text in texts {
                let line = serde_json::to_string(&text.text).unwrap_or_default();
                if writeln!(input, "{line}").is_err() {
                    break;
                }
            }
        });
        let mut rows = 0;
        for line in BufReader::new(output).lines() {
            let row: Vec<f32> = serde_json::from_str(&line?)
                .with_context(|| format!("the embedder's line {}", rows + 1))?;
            dim = if rows == 0 { row.len() } else { dim };
            ensure!(row.len() == dim, "line {}: {} numbers after {dim}", rows + 1, row.len());
            values.extend(row);
            rows += 1;
            // Nobody stops a bar.
            let _ = crinoid_graph::Progress::report(&bar, rows, texts.len());
        }
        Ok(rows)
    });
    let rows = read?;
    let status = child.wait()?;
    ensure!(status.success(), "the embedder ended with {status}");
    ensure!(rows == texts.len(), "the embedder gave {rows} lines for {} {what}", texts.len());
    Vectors::new(values.as_slice(), dim).with_context(|| format!("embeddings of {what}"))
}
