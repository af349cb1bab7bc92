//! `cargo xtask codes`: what every codec costs and finds on a data set.

use crate::tables;
use comfy_table::Table;
use crinoid_eval::Dataset;
use crinoid_quant::{
    Metric, Preparation,
    survey::{self, Row, Subject},
};
use std::process::ExitCode;

/// Encodes a data set with every codec and compares bytes, speed, and how many of the exact
/// neighbours each finds by its distances alone. `x32` codes lie 32 side by side.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask codes
  cargo xtask codes --data sift-128-euclidean.hdf5 --queries 200
  cargo xtask codes --data embedded-wide --levels
  cargo xtask codes --data code-384-angular.hdf5 --shift 0.5
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
    /// Asks how much each further value per dimension brings (2 values are one bit, 3 are 1.58
    /// bits, 4 are two bits) instead of surveying the codecs. L2 and cosine only.
    #[arg(long)]
    levels: bool,
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
            crate::bench::truths().exact(metric, &base, &queries, self.k, &bar)?
        };
        let subject =
            Subject { base: &base, queries: &queries, truth: truth.ids(), k: self.k, metric };
        if !self.json {
            println!(
                "{}: {} x {}, {}, {count} queries{}",
                data.name,
                base.len(),
                base.dim(),
                data.metric,
                if self.shift == 0.0 {
                    String::new()
                } else {
                    format!(", shifted by {}", self.shift)
                }
            );
        }
        let bar = crate::bar::Bar::spin("encoding");
        if self.levels {
            anyhow::ensure!(metric == Metric::L2, "--levels is for l2 and cosine, not {metric}");
            let recalls = survey::levels(&subject, &LEVELS);
            drop(bar);
            println!("{}", levels(&recalls, self.k));
            return Ok(ExitCode::SUCCESS);
        }
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
        println!("{}", table(&rows, self.k));
        for line in left_out {
            println!("{line}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Numbers of values per dimension that `--levels` tries.
const LEVELS: [u32; 7] = [2, 3, 4, 5, 6, 8, 16];

fn levels(recalls: &[[f64; 3]], k: usize) -> Table {
    let recall = [k, 2 * k, 10 * k].map(|within| format!("{k} in {within}"));
    let names = ["values".to_owned(), "bits".to_owned()];
    let mut table = tables::numbers(names.into_iter().chain(recall));
    for (count, recall) in LEVELS.iter().zip(recalls) {
        let bits = format!("{:.2}", f64::from(*count).log2());
        let recall = recall.map(|share| format!("{share:.4}"));
        table.add_row([count.to_string(), bits].into_iter().chain(recall));
    }
    table
}

fn table(rows: &[Row], k: usize) -> Table {
    let mut table = tables::numbers([
        "codec".to_owned(),
        "bytes".to_owned(),
        "encoded/s".to_owned(),
        "query µs".to_owned(),
        "ns random".to_owned(),
        "ns beside".to_owned(),
        "ns near".to_owned(),
        format!("{k} in {k}"),
        format!("{k} in {}", 2 * k),
        format!("{k} in {}", 10 * k),
    ]);
    for row in rows {
        let [best, double, wide] = row.recall;
        table.add_row([
            format!("{}{}", row.version, if row.blocks { " x32" } else { "" }),
            format!("{:.0}", row.bytes),
            format!("{:.0}k", row.encoded_per_second / 1e3),
            format!("{:.2}", row.query_micros),
            row.random_nanos.map_or("-".to_owned(), |nanos| format!("{nanos:.1}")),
            format!("{:.1}", row.beside_nanos),
            format!("{:.1}", row.near_nanos),
            format!("{best:.4}"),
            format!("{double:.4}"),
            format!("{wide:.4}"),
        ]);
    }
    table
}
