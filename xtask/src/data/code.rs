//! `cargo xtask data make code`.

use crate::bar::Bar;
use anyhow::{Context, bail, ensure};
use crinoid_eval::data::{beir::Text, code};
use crinoid_quant::{Metric, Vectors};
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Makes a retrieval evaluation set out of a source tree: functions are the documents, their doc
/// comments the queries, relevance is known. Writes a BEIR folder with the texts and, given a model
/// or another embedder, a data set that every command measures (`--data FOLDER`).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask data make code --from . --model all-MiniLM-L6-v2
  cargo xtask data make code --from ~/linux --embed 'python embed.py' --out linux")]
pub(super) struct Code {
    /// The source tree.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// A sentence-transformers folder (config.json, tokenizer.json, model.safetensors) of a BERT
    /// model; it runs on candle, which is compiled when it is first asked for.
    #[arg(long, value_name = "FOLDER", conflicts_with = "embed")]
    model: Option<PathBuf>,
    /// A shell command that embeds texts: it reads one JSON string a line and writes, for each, one
    /// line with a JSON array of numbers.
    #[arg(long, value_name = "COMMAND")]
    embed: Option<String>,
    /// The metric of the embeddings.
    #[arg(long, default_value = "cosine")]
    metric: Metric,
    /// Folder to write [default: below target/crinoid-data].
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Code {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bar = Bar::spin("reading the source tree");
        let set = code::collect(&self.from)?;
        drop(bar);
        let (documents, queries) = (set.documents.len(), set.queries.len());
        ensure!(queries > 0, "{}: no function with a doc comment", self.from.display());
        let tree = std::path::absolute(&self.from)?;
        let name = tree.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let out = super::output(self.out.clone(), "code", &name);
        let found = format!("{documents} functions, {queries} of them asked for by their comments");
        if let Some(mut embedder) = self.embedder()? {
            let base = embed(&mut embedder, "documents", &set.documents)?;
            let asked = embed(&mut embedder, "queries", &set.queries)?;
            let data = set.dataset(&name, self.metric, base, asked)?;
            let truth = super::exact(&data, 100)?;
            data.with_truth(truth)?.write(&out, "fbin")?;
        }
        set.write(&out, "test")?;
        println!("{}: {found}", out.display());
        Ok(())
    }

    /// The command that embeds, if one was asked for.
    fn embedder(&self) -> anyhow::Result<Option<Command>> {
        match (&self.model, &self.embed) {
            (Some(model), _) => candle(model).map(Some),
            (None, Some(given)) => {
                let mut command = Command::new("sh");
                command.args(["-c", given]);
                Ok(Some(command))
            }
            (None, None) => Ok(None),
        }
    }
}

/// The command `crinoid embed`, which embeds with a local model. It is a program of its own, so that this
/// one needs no candle.
fn candle(model: &Path) -> anyhow::Result<Command> {
    for part in ["config.json", "tokenizer.json", "model.safetensors"] {
        ensure!(model.join(part).is_file(), "{}: no {part} in it", model.display());
    }
    let cargo = |action: &str| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let program = ["--bin", "crinoid", "--features", "candle"];
        command.args([action, "--quiet", "--release", "--package", "crinoid-cli"]);
        command.args(program).arg("--manifest-path").arg(crate::bench::root().join("Cargo.toml"));
        command
    };
    let bar = Bar::spin("compiling the embedder, a few minutes the first time");
    let built = cargo("build").output().context("starting cargo")?;
    drop(bar);
    if !built.status.success() {
        bail!("the embedder does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    }
    let mut command = cargo("run");
    command.args(["--", "embed", "-", "--model"].map(OsStr::new)).arg(std::path::absolute(model)?);
    Ok(command)
}

fn embed(command: &mut Command, what: &str, texts: &[Text]) -> anyhow::Result<Vectors> {
    let bar = Bar::new(&format!("embedding {what}"));
    bar.at(0, texts.len());
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.context("starting the embedder")?;
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
            bar.at(rows, texts.len());
        }
        Ok(rows)
    });
    let rows = read?;
    let status = child.wait()?;
    ensure!(status.success(), "the embedder ended with {status}");
    ensure!(rows == texts.len(), "the embedder gave {rows} lines for {} {what}", texts.len());
    Vectors::new(values.as_slice(), dim).with_context(|| format!("embeddings of {what}"))
}
