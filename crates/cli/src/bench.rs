//! `crinoid bench`: queries per second and recall over a ladder of efforts.

use crate::{
    bar::Bar,
    global::{Columns, Global},
    input,
    page::{self, Point},
    say,
};
use anyhow::{Context, bail, ensure};
use clap::Args;
use crinoid::{Index, SearchOptions, Vectors};
use crinoid_eval::{
    Dataset, Truth,
    metrics::{Answers, RecallMetric, mean},
    truth::exact,
};
use crinoid_files::{Format, Rows, hdf5, read_ids};
use std::{
    num::NonZero,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The efforts of a curve, from which those of at least `k` are taken.
const LADDER: [usize; 14] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
/// Each effort is timed for at least so long, and at least twice.
const LEAST: Duration = Duration::from_millis(400);

/// Measures an index: queries per second of one thread, and recall, at several efforts.
#[derive(Args)]
#[command(after_help = "Examples:
  crinoid bench x.crinoid --queries q.npy --truth neighbours.ivecs
  crinoid bench x.crinoid --queries q.npy --base x.npy
  crinoid bench sift.crinoid --queries sift-128-euclidean.hdf5

Recall is the share of the k answers that are no farther than the true k-th neighbour, where the
vectors are known (--base, or an HDF5 file with `train`); else the share of the true ids.")]
pub(crate) struct Bench {
    /// The index.
    index: PathBuf,
    /// Queries, in any format that `build` reads.
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    /// Exact neighbours: ivecs, ibin, npy, hdf5 [default: those of an HDF5 file of queries, else
    /// computed from --base].
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// The indexed vectors, to compute truth from and to judge by distance.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// How many answers per query.
    #[arg(short, default_value = "10")]
    k: NonZero<usize>,
    /// Efforts to measure, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "N,N,...")]
    ef: Vec<NonZero<usize>>,
    /// Writes a page with the curve besides.
    #[arg(long, value_name = "PAGE")]
    html: Option<PathBuf>,
}

/// By what answers are judged.
enum Known {
    /// Vectors and their exact neighbours.
    Distances(Box<(Dataset, Truth)>),
    /// Ids alone.
    Ids(Rows<u32>),
}

impl Bench {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let index = Index::load(&self.index)?;
        let queries =
            input::read_vectors(global, &self.queries, &Columns::default(), true)?.vectors;
        let (file, got, want) = (self.queries.display(), queries.dim(), index.dim());
        ensure!(got == want, "{file}: queries have {got} dimensions, and the index has {want}");
        let k = self.k.get();
        ensure!(k <= index.len(), "-k {k}: the index has {} rows", index.len());
        let known = self.known(global, &index, &queries)?;
        let efforts: Vec<usize> = match self.ef.is_empty() {
            true => LADDER.into_iter().filter(|&ef| ef >= k).collect(),
            false => self.ef.iter().map(|ef| ef.get()).collect(),
        };
        let efforts = if efforts.is_empty() { vec![k, 2 * k, 4 * k] } else { efforts };
        let bar = Bar::new(global, "measuring");
        let mut points = Vec::new();
        for (at, &ef) in efforts.iter().enumerate() {
            bar.at(at, efforts.len());
            points.push(measure(&index, &queries, k, ef, &known)?);
        }
        drop(bar);
        let by = match known {
            Known::Distances(_) => "distance",
            Known::Ids(_) => "id",
        };
        if let Some(path) = &self.html {
            let title = format!("{}, {} queries", self.index.display(), queries.len());
            let page = page::page(&title, k, &points);
            std::fs::write(path, page).with_context(|| path.display().to_string())?;
        }
        if global.json {
            let curve = serde_json::json!({
                "index": self.index.display().to_string(),
                "recipe": index.options().recipe.to_string(),
                "metric": index.options().metric.name(),
                "rows": index.len(),
                "queries": queries.len(),
                "k": k,
                "threads": 1,
                "recall_by": by,
                "curve": points,
            });
            return say::line(&curve.to_string());
        }
        let recall = format!("recall@{k}");
        let table = say::numbers(
            ["ef", &recall, "queries/s", "p50 us", "p99 us"],
            points.iter().map(|point| {
                [
                    point.ef.to_string(),
                    format!("{:.4}", point.recall),
                    format!("{:.0}", point.queries_per_second),
                    format!("{:.1}", point.p50),
                    format!("{:.1}", point.p99),
                ]
            }),
        );
        say::line(&table)?;
        let (rows, asked) = (index.len(), queries.len());
        say::line(&format!("{rows} rows, {asked} queries, one thread, recall by {by}"))
    }

    fn known(&self, global: &Global, index: &Index, queries: &Vectors) -> anyhow::Result<Known> {
        let packed = matches!(Format::of(&self.queries), Ok(Format::Hdf5));
        let has = |name: &str| -> anyhow::Result<bool> {
            Ok(packed && hdf5::File::open(&self.queries)?.has(name)?)
        };
        let base = match &self.base {
            Some(path) => {
                Some((path, input::read_vectors(global, path, &Columns::default(), false)?))
            }
            None if has("train")? => {
                let table = input::read_vectors(global, &self.queries, &Columns::default(), false)?;
                Some((&self.queries, table))
            }
            None => None,
        };
        let ids = match &self.truth {
            Some(path) => Some((path, read_ids(path, None)?)),
            None if has("neighbors")? => Some((&self.queries, read_ids(&self.queries, None)?)),
            None => None,
        };
        if let Some((path, ids)) = &ids {
            self.fits(path, ids, index, queries)?;
        }
        let metric = index.options().metric;
        match (base, ids) {
            (Some((path, base)), ids) => {
                let (base, rows) = (base.vectors, index.len());
                let (name, got) = (path.display(), base.len());
                ensure!(got == rows, "{name}: {got} rows, and the index has {rows}: other vectors");
                let data = Dataset::new("bench", metric, base, queries.clone())?;
                let truth = match ids {
                    Some((path, ids)) => {
                        let (base, k) = (&data.base, ids.dim);
                        Truth::from_ids(metric, base, queries, k, &ids.values)
                            .with_context(|| path.display().to_string())?
                    }
                    None => {
                        let bar = Bar::new(global, "exact neighbours");
                        exact(metric, &data.base, queries, self.k.get(), &bar)?
                    }
                };
                Ok(Known::Distances(Box::new((data, truth))))
            }
            (None, Some((_, ids))) => Ok(Known::Ids(ids)),
            (None, None) => bail!(
                "{}: no exact neighbours are known: give --truth FILE, or --base FILE to compute them \
                 from",
                self.queries.display()
            ),
        }
    }

    fn fits(
        &self,
        path: &Path,
        ids: &Rows<u32>,
        index: &Index,
        queries: &Vectors,
    ) -> anyhow::Result<()> {
        let (name, asked, k) = (path.display(), queries.len(), self.k);
        ensure!(ids.len() == asked, "{name}: neighbours of {} of {asked} queries", ids.len());
        ensure!(ids.dim >= k.get(), "{name}: {} neighbours per query, and -k is {k}", ids.dim);
        let outside = ids.values.iter().position(|&id| id as usize >= index.len());
        if let Some(at) = outside {
            let (id, row, rows) = (ids.values[at], at / ids.dim, index.len());
            bail!("{name}: row {row}: neighbour {id} is no row of the index, which has {rows}");
        }
        Ok(())
    }
}

fn measure(
    index: &Index,
    queries: &Vectors,
    k: usize,
    ef: usize,
    known: &Known,
) -> anyhow::Result<Point> {
    let options = SearchOptions::new(k, ef);
    let (mut session, mut found) = (index.session(), Vec::new());
    // The first pass warms up and is judged.
    let mut answers = Answers::with_capacity(queries.len(), k);
    for (at, query) in queries.rows().enumerate() {
        session.search(query, &options, &mut found).with_context(|| format!("query {at}"))?;
        answers.push(found.iter().map(|near| near.id));
    }
    let recall = match known {
        Known::Distances(known) => {
            mean(&RecallMetric::new(&known.0, &known.1)?.recall(&answers, k)?)
        }
        Known::Ids(ids) => by_id(&answers, ids, k),
    };
    let (mut nanos, mut passes, started) = (Vec::new(), Vec::new(), Instant::now());
    while passes.len() < 3 || started.elapsed() < LEAST {
        let pass = Instant::now();
        for query in queries.rows() {
            let one = Instant::now();
            session.search(query, &options, &mut found)?;
            nanos.push(one.elapsed().as_nanos() as u64);
        }
        passes.push(pass.elapsed());
    }
    // The fastest of fifty passes is one that nobody else will see again.
    passes.sort_unstable();
    let typical = passes[passes.len() / 2];
    let latency = crinoid_eval::metrics::Latency::of(&mut nanos);
    Ok(Point {
        ef,
        recall,
        queries_per_second: queries.len() as f64 / typical.as_secs_f64(),
        p50: latency.p50 as f64 / 1000.0,
        p99: latency.p99 as f64 / 1000.0,
    })
}

/// The share of the first `k` true ids that are among the answers.
fn by_id(answers: &Answers, truth: &Rows<u32>, k: usize) -> f64 {
    let shares = answers.iter().zip(truth.values.chunks_exact(truth.dim)).map(|(got, want)| {
        want[..k].iter().filter(|id| got.contains(id)).count() as f64 / k as f64
    });
    shares.sum::<f64>() / answers.len().max(1) as f64
}
