//! `crinoid search`.

use crate::{
    bar::Bar,
    collection::open_to_read,
    filter,
    global::{Columns, Global},
    ids, input,
    output::{Answer, Id, Measure, Output},
    sealed,
    words::{self, Fuse},
};
use anyhow::{Context, bail, ensure};
use clap::Args;
use crinoid::{
    ExternalId, Filter, Index, Metric, Neighbor, Readable, SearchOptions, Snapshot, Vectors,
    attributes::FilterExpr,
    shards::{Effort, Sealed, SealedFilter},
};
use crinoid_files::Names;
use rayon::prelude::*;
use std::{
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Searches an index or a collection.
///
/// Distances are squared L2, the negated inner product, or 2 - 2 cos; lower is closer. A collection can be written
/// meanwhile by another process that shares it (`crinoid add --shared`).
#[derive(Args)]
#[command(after_help = "Examples:
  crinoid search x.crinoid --queries q.npy -k 10 --out answers.npy
  crinoid search x.crinoid --vector 0.1,0.2,0.3,0.4 -k 3
  crinoid search x.crinoid --queries q.npy --filter allowed.txt
  crinoid search shop --queries q.npy --where 'lang = \"rust\" AND stars > 10'
  crinoid search papers --text 'graph search' --where 'year > 2020'
  crinoid search papers --text 'graph search' --vector 0.1,0.2,0.3 --fuse 0.7
  crinoid search big.sealed --queries q.npy --shards 4
  embed < questions | crinoid search x.crinoid --queries - --json

Answers: npy and ivecs hold ids, a row a query, the largest value where there are fewer than k; csv and
tsv have the columns query, rank, id, distance; jsonl has an object a query with `query`, `ids` and
`distances`. With --text it is score and `scores`, and higher is better.")]
pub(crate) struct Search {
    /// An index file, or the folder of a collection, live or sealed.
    index: PathBuf,
    /// Queries, in any format that `build` reads; `-` reads JSON lines and answers each when it
    /// comes.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["vector", "text"])]
    queries: Option<PathBuf>,
    /// A query as numbers: 0.1,0.2,0.3. May be given several times.
    #[arg(long, value_name = "NUMBERS", conflicts_with = "queries", allow_hyphen_values = true)]
    vector: Vec<String>,
    /// Words to look for in the texts of a collection (BM25), alone or, a text a --vector, with vectors. May be given
    /// several times.
    #[arg(long, value_name = "WORDS", conflicts_with_all = ["queries", "filter"])]
    text: Vec<String>,
    /// How the answers by vector and by words make one order: by their ranks (rrf), or by both scores with this
    /// weight of the vectors.
    #[arg(long, value_name = "rrf|WEIGHT", default_value = "rrf")]
    fuse: Fuse,
    /// The column of the queries' file that holds the vectors, where several could.
    #[arg(long, value_name = "COLUMN", requires = "queries")]
    column: Option<String>,
    /// How many answers per query.
    #[arg(short, default_value = "10")]
    k: NonZero<usize>,
    /// How many candidates the search keeps: more find more and take longer [default: 4 k, at least 100].
    #[arg(long)]
    ef: Option<NonZero<usize>>,
    /// The share of the k nearest that is to be found, for instance 0.95: takes the effort that reached it when
    /// the index was built.
    #[arg(long, value_name = "SHARE", conflicts_with = "ef")]
    recall: Option<f32>,
    /// Returns only the rows that this file names: an id a line, or row numbers as npy, ivecs or ibin.
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    /// Returns only rows of a collection whose attributes are so.
    #[arg(long = "where", value_name = "FILTER", conflicts_with = "filter")]
    condition: Option<FilterExpr>,
    /// Searches no more than so many shards of a sealed collection, those that lie closest to the query.
    #[arg(long, value_name = "N")]
    shards: Option<NonZero<usize>>,
    /// Leaves shards out that cannot be opened, and says which, instead of failing.
    #[arg(long)]
    partial: bool,
    /// The file to write: npy, ivecs, jsonl, csv or tsv [default: standard output, tsv].
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the distances go besides, as npy, where --out is npy or ivecs.
    #[arg(long, value_name = "FILE", requires = "out")]
    distances: Option<PathBuf>,
}

impl Search {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let target = Target::open(&self.index)?;
        if self.shards.is_some() || self.partial {
            let sealed = matches!(target, Target::Sealed(_));
            let option = if self.partial { "--partial" } else { "--shards" };
            ensure!(
                sealed,
                "{option}: only a sealed collection has shards: crinoid build --shards N"
            );
        }
        let target = match &self.condition {
            Some(condition) => target.among(condition)?,
            None => target,
        };
        let filter = self.filter.as_deref().map(|path| target.filter(path)).transpose()?;
        let filter = filter.as_ref();
        let k = self.k.get();
        let rows = target.rows();
        // Arrays have k columns, however few rows there are.
        ensure!(k <= rows.max(MAX_K), "-k {k}: {} has {rows} rows", self.index.display());
        let options = match (self.ef, self.recall) {
            (Some(ef), _) => SearchOptions::new(k, ef.get()),
            (None, Some(recall)) => SearchOptions::for_k(k).recall(recall),
            (None, None) => SearchOptions::for_k(k),
        };
        let measure = if self.text.is_empty() { Measure::Distance } else { Measure::Score };
        let (out, distances) = (self.out.as_deref(), self.distances.clone());
        let mut output = Output::open(global, out, distances, k, measure)?;
        if !self.text.is_empty() {
            let vectors = match self.vector.is_empty() {
                true => None,
                false => Some(input::typed(&self.vector)?),
            };
            let Target::Collection { rows, .. } = &target else {
                bail!(
                    "--text: an index has no texts: search a collection (crinoid add --text COLUMN)"
                );
            };
            output.add(words::answers(rows, &self.text, vectors.as_ref(), &options, self.fuse)?)?;
            return output.finish();
        }
        let Some(path) = &self.queries else {
            let queries = input::typed(&self.vector)?;
            target.fits(&queries, "--vector")?;
            output.add(target.answers(&queries, 0, &options, filter, &self)?)?;
            return output.finish();
        };
        let columns = Columns { vector: self.column.clone(), ids: None };
        let reader = input::open_vectors(path, &columns, true)?;
        let (bar, rows) = (Bar::new(global, "searching"), reader.rows());
        let mut done = 0;
        for block in reader {
            let queries = block?.vectors;
            target.fits(&queries, &path.display().to_string())?;
            // Parts, so that the bar moves and lines come out.
            let dim = queries.dim();
            for part in queries.as_slice().chunks(dim * 4096) {
                let part = Vectors::new(part, dim)?;
                let found = target.answers(&part, done, &options, filter, &self);
                output.add(found.with_context(|| path.display().to_string())?)?;
                done += part.len();
                bar.at(done, rows.map_or(done, |rows| rows as usize));
            }
        }
        drop(bar);
        output.finish()
    }
}

/// So many answers may be asked for where there are fewer rows.
const MAX_K: usize = 10_000;

/// What can be searched.
pub(crate) enum Target {
    Index {
        index: Box<Index>,
        names: Option<Names>,
    },
    /// A collection, and those of its rows that are searched.
    Collection {
        collection: Box<dyn Readable>,
        rows: Arc<Snapshot>,
    },
    /// Shards that are frozen.
    Sealed(Box<Sealed>),
}

/// The rows that a search may return.
pub(crate) enum Among {
    Rows(Filter),
    Shards(SealedFilter),
}

impl Target {
    /// Opens an index with the ids beside it, or a collection.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if sealed::is_sealed(path) {
            return Ok(Self::Sealed(Box::new(sealed::open(path)?)));
        }
        if path.is_dir() {
            let collection = open_to_read(path)?;
            let rows = collection.snapshot();
            return Ok(Self::Collection { collection, rows });
        }
        ensure!(
            path.exists(),
            "{}: there is no such index: crinoid build makes one",
            path.display()
        );
        let index = Box::new(Index::load(path)?);
        let names = ids::load(path, &index)?;
        Ok(Self::Index { index, names })
    }

    fn rows(&self) -> usize {
        match self {
            Self::Index { index, .. } => index.len(),
            Self::Collection { rows, .. } => rows.len(),
            Self::Sealed(sealed) => sealed.len() as usize,
        }
    }

    fn shape(&self) -> (Option<usize>, Metric) {
        match self {
            Self::Index { index, .. } => (Some(index.dim()), index.options().metric),
            Self::Collection { collection, .. } => (None, collection.options().build.metric),
            Self::Sealed(sealed) => {
                (Some(sealed.manifest().space.dimension), sealed.manifest().metric)
            }
        }
    }

    /// Those rows of a collection whose attributes are so.
    fn among(self, filter: &FilterExpr) -> anyhow::Result<Self> {
        match self {
            Self::Index { .. } | Self::Sealed(_) => bail!(
                "--where: an index has no attributes: search a collection, or name the rows by --filter"
            ),
            Self::Collection { collection, rows } => {
                let rows = Arc::new(rows.filtered(filter)?);
                Ok(Self::Collection { collection, rows })
            }
        }
    }

    /// The rows that a file of ids admits.
    fn filter(&self, path: &Path) -> anyhow::Result<Among> {
        match self {
            Self::Index { index, names } => {
                Ok(Among::Rows(filter::read(path, index, names.as_ref())?))
            }
            Self::Sealed(sealed) => Ok(Among::Shards(sealed::filter(path, sealed)?)),
            Self::Collection { .. } => bail!(
                "--filter {}: a collection is searched whole, or by --where among rows with the attributes \
                 that you say",
                path.display()
            ),
        }
    }

    /// Refuses queries of another dimension.
    fn fits(&self, queries: &Vectors, name: &str) -> anyhow::Result<()> {
        let got = queries.dim();
        if let (Some(want), metric) = self.shape()
            && want != got
        {
            bail!("{name}: queries have {got} dimensions, and the index has {want} ({metric})");
        }
        Ok(())
    }

    /// The answers to queries, the first of which is query `first` of all.
    fn answers(
        &self,
        queries: &Vectors,
        first: usize,
        options: &SearchOptions,
        filter: Option<&Among>,
        search: &Search,
    ) -> anyhow::Result<Vec<Answer>> {
        let context = |at: usize| move || format!("query {}", first + at);
        match self {
            Self::Sealed(sealed) => {
                let effort = Effort::from(*options).partial(search.partial);
                let effort = search.shards.map_or(effort, |shards| effort.shards(shards.get()));
                let among = match filter {
                    Some(Among::Shards(among)) => Some(among),
                    _ => None,
                };
                sealed::answers(sealed, queries, &effort, among).with_context(context(0))
            }
            Self::Index { index, names } => {
                let filter = match filter {
                    Some(Among::Rows(filter)) => Some(filter),
                    _ => None,
                };
                let found = index.search_batch_with(queries, options, filter);
                let found = found.with_context(|| format!("rows counted from query {first} on"))?;
                let pair = |near: &Neighbor| {
                    (filter::called(names.as_ref(), near.id as usize), near.distance)
                };
                Ok(found.rows().map(|row| row.iter().map(pair).collect()).collect())
            }
            Self::Collection { rows, .. } => {
                let queries: Vec<&[f32]> = queries.rows().collect();
                let answer = |(at, query): (usize, &&[f32])| -> anyhow::Result<Answer> {
                    let found = rows.search(query, options).with_context(context(at))?;
                    let pair = |found: crinoid::Match| (Id::from(found.id), found.distance);
                    Ok(found.into_iter().map(pair).collect())
                };
                queries.par_iter().enumerate().map(answer).collect()
            }
        }
    }
}

impl From<ExternalId> for Id {
    fn from(id: ExternalId) -> Self {
        match id {
            ExternalId::Number(id) => Self::Number(id),
            ExternalId::Text(id) => Self::Text(id),
        }
    }
}
