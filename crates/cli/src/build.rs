//! `crinoid build`.

use crate::{
    bar::Bar,
    global::{Columns, Global, Metrics},
    ids, input, say,
    sealed::Sealing,
};
use anyhow::{Context, bail, ensure};
use clap::Args;
use crinoid::{BuildOptions, Index, IndexError, Metric, Recipe, ZeroRows};
use serde_json::Value;
use std::{path::PathBuf, time::Instant};

/// Builds an index from a file of vectors.
#[derive(Args)]
#[command(after_help = "Examples:
  crinoid build x.npy --out x.crinoid
  crinoid build docs.parquet --ids id --vector embedding --metric cosine --out docs.crinoid
  embed < texts | crinoid build - --out texts.crinoid
  crinoid build big.parquet --ids id --out big.sealed --shards 16 --routed")]
pub(crate) struct Build {
    /// Vectors: npy, npz, hdf5, parquet, arrow, feather, safetensors, jsonl, fbin, u8bin, i8bin, fvecs,
    /// bvecs; `-` reads JSON lines.
    input: PathBuf,
    /// The index to write; with --shards a folder.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// How far apart two vectors are [default: what the file declares, else l2].
    #[arg(long, value_parser = Metrics)]
    metric: Option<Metric>,
    /// One version of each module, or `auto`: the fastest at equal recall on the data.
    #[arg(long)]
    recipe: Option<Recipe>,
    /// Links per node of the graph.
    #[arg(short, long, value_name = "N")]
    m: Option<usize>,
    /// Candidates that are looked at for each node while the graph is built.
    #[arg(long, value_name = "N")]
    ef_construction: Option<usize>,
    /// Queries like those that will be asked: what `auto` tries its choices on.
    #[arg(long, value_name = "FILE")]
    queries: Option<PathBuf>,
    /// The recall that searches for 10 must be able to reach, for instance 0.95: says with which effort, and
    /// writes nothing where none does.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    target_recall: Option<f64>,
    /// How many leading dimensions the search uses (Matryoshka embeddings).
    #[arg(long, value_name = "DIMENSIONS")]
    truncate: Option<usize>,
    /// Keeps rows of length zero under the cosine: they stand at right angles to everything.
    #[arg(long)]
    keep_zero_rows: bool,
    #[command(flatten)]
    sealed: Sealing,
    #[command(flatten)]
    columns: Columns,
}

impl Build {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut options = BuildOptions::default();
        if let Some(metric) =
            self.metric.map_or_else(|| input::declared(&self.input), |m| Ok(Some(m)))?
        {
            options.metric = metric;
        }
        if let Some(recipe) = &self.recipe {
            options.recipe = recipe.clone();
        }
        options.graph.m = self.m.unwrap_or(options.graph.m);
        options.graph.ef_construction =
            self.ef_construction.unwrap_or(options.graph.ef_construction);
        options.truncate = self.truncate;
        if self.keep_zero_rows {
            options.zero_rows = ZeroRows::Keep;
        }
        let table = input::read_vectors(global, &self.input, &self.columns, false)?;
        if let Some(shards) = self.sealed.shards {
            ensure!(
                self.queries.is_none() && self.target_recall.is_none(),
                "--shards {shards}: shards are built without --queries and --target-recall: leave them out"
            );
            let (input, out) = (&self.input, &self.out);
            return self.sealed.build(global, shards, input, out, &table, options);
        }
        let names = table.ids.map(|ids| ids::unique(ids, &self.input)).transpose()?;
        let bar = Bar::new(global, "building");
        let index = match &self.queries {
            Some(path) => {
                let sample = input::read_vectors(global, path, &Columns::default(), true)?.vectors;
                let (got, want) = (sample.dim(), table.vectors.dim());
                let file = path.display();
                ensure!(got == want, "{file}: queries have {got} dimensions, the rows {want}");
                Index::build_for(table.vectors, &sample, &options, &bar)
            }
            None => Index::build(table.vectors, &options, &bar),
        };
        if let Err(IndexError::ZeroRows { rows }) = &index {
            bail!(
                "{}: row {} (of {} such) is zero and has no direction: leave it out, or give \
                 --keep-zero-rows",
                self.input.display(),
                rows.first().copied().unwrap_or_default(),
                rows.len()
            );
        }
        let index = index.with_context(|| self.input.display().to_string())?;
        drop(bar);
        let effort = self.target_recall.map(|wanted| self.effort(&index, wanted)).transpose()?;
        index.save(&self.out)?;
        ids::save(&self.out, &index, names.as_ref())?;
        let options = index.options();
        let mut facts = vec![
            ("index", self.out.display().to_string().into()),
            ("rows", index.len().into()),
            ("dimension", index.dim().into()),
            ("metric", options.metric.name().into()),
            ("recipe", options.recipe.to_string().into()),
            ("ids", Value::from(names.is_some())),
            ("report", say::report(global, &index)?),
            ("memory", say::size(index.bytes().total()).into()),
            ("seconds", ((started.elapsed().as_secs_f64() * 100.0).round() / 100.0).into()),
        ];
        facts.extend(effort.map(|ef| ("ef for the target", ef.into())));
        say::facts(global, &facts)
    }

    /// The least effort that was seen to reach a recall at 10.
    fn effort(&self, index: &Index, wanted: f64) -> anyhow::Result<usize> {
        let file = self.input.display();
        let curve = index.report().efforts.curves.iter().find(|curve| curve.k == 10);
        let Some(curve) = curve else {
            bail!(
                "{file}: among {} rows it cannot be found out which effort reaches a recall: leave \
                 --target-recall out",
                index.len()
            );
        };
        match curve.points.iter().find(|point| point.1 >= wanted) {
            Some(&(ef, _)) => Ok(ef),
            None => bail!(
                "{file}: no effort reaches a recall of {wanted} at 10, the best is {:.4}: raise -m and \
                 --ef-construction, take another --recipe, or give --queries FILE",
                curve.points.iter().map(|point| point.1).fold(0.0, f64::max)
            ),
        }
    }
}

/// A share above 0 and up to 1.
fn share(text: &str) -> Result<f64, String> {
    let told = || format!("`{text}` is no share above 0 and up to 1, such as 0.95");
    text.parse().ok().filter(|&share: &f64| share > 0.0 && share <= 1.0).ok_or_else(told)
}
