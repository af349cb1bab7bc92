//! `cargo xtask codes`: what every codec costs and finds on a data set.

use comfy_table::{Table, presets};
use crinoid_eval::{Dataset, truth::Cache};
use crinoid_quant::{
    Preparation,
    survey::{self, Row, Subject},
};
use std::process::ExitCode;

/// Encodes a data set with every codec and compares bytes, speed, and how many of the exact
/// neighbours each finds by its distances alone.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask codes
  cargo xtask codes --data sift-128-euclidean.hdf5 --queries 200
  cargo xtask codes --data mine.hdf5 --json > codes.json")]
pub(crate) struct Args {
    /// A generated set, an HDF5 file or a folder (`cargo xtask data list`).
    #[arg(long, default_value = "embedded")]
    data: String,
    /// How many exact neighbours are sought.
    #[arg(long, default_value_t = 10)]
    k: usize,
    /// At most so many queries, the first ones.
    #[arg(long, default_value_t = 1000)]
    queries: usize,
    /// Adds this to every dimension of the prepared queries, in units of the documents' root mean
    /// square: how a codec bears queries from elsewhere. The truth is computed anew.
    #[arg(long, default_value_t = 0.0)]
    shift: f32,
    /// Prints everything as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let data = Dataset::load(&self.data)?;
        let preparation = Preparation::new(data.metric, data.dim());
        let base = preparation.apply_all(&data.base)?;
        let prepared = preparation.apply_all(&data.queries)?;
        let metric = preparation.prepared_metric();
        let count = self.queries.clamp(1, prepared.len());
        let rms = base.as_slice().iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let shift = self.shift * (rms / base.as_slice().len() as f64).sqrt() as f32;
        let values: Vec<f32> =
            prepared.as_slice()[..count * data.dim()].iter().map(|x| x + shift).collect();
        let queries = crinoid_quant::Vectors::new(values.as_slice(), data.dim())?;
        let truth = {
            let bar = crate::bar::Bar::new("exact neighbours");
            Cache::new(std::env::temp_dir().join("crinoid-truth"))
                .exact(metric, &base, &queries, self.k, &bar)?
        };
        let subject =
            Subject { base: &base, queries: &queries, truth: truth.ids(), k: self.k, metric };
        let bar = crate::bar::Bar::spin("encoding");
        let mut left_out = Vec::new();
        let rows = survey::all(&subject, |version, row| {
            if let Err(reason) = row {
                left_out.push(format!("{version} does not apply: {reason}"));
            }
        });
        drop(bar);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(ExitCode::SUCCESS);
        }
        println!("{}: {} x {}, {}", data.name, base.len(), base.dim(), data.metric);
        println!("{}", table(&rows, self.k));
        for line in left_out {
            println!("{line}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn table(rows: &[Row], k: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "codec".to_owned(),
        "bytes".to_owned(),
        "encoded/s".to_owned(),
        "query µs".to_owned(),
        "ns random".to_owned(),
        "ns near".to_owned(),
        format!("{k} in {k}"),
        format!("{k} in {}", 2 * k),
        format!("{k} in {}", 10 * k),
    ]);
    for row in rows {
        let [best, double, wide] = row.recall;
        table.add_row([
            row.version.to_owned(),
            row.bytes.to_string(),
            format!("{:.0}k", row.encoded_per_second / 1e3),
            format!("{:.2}", row.query_micros),
            format!("{:.1}", row.random_nanos),
            format!("{:.1}", row.near_nanos),
            format!("{best:.4}"),
            format!("{double:.4}"),
            format!("{wide:.4}"),
        ]);
    }
    table
}
