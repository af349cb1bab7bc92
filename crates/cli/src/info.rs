//! `crinoid info` and `crinoid verify`.

use crate::{DAMAGED, collection::open_to_read, global::Global, ids, say, sealed};
use anyhow::{bail, ensure};
use clap::Args;
use crinoid::{Collection, CollectionError, Index, Readable, Recovery, diagnose};
use crinoid_files::{Format, Options, hdf5, open};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// Says what a file is: an index, a collection, or vectors.
#[derive(Args)]
pub(crate) struct Info {
    /// An index, the folder of a collection, live or sealed, or a file of vectors.
    file: PathBuf,
}

/// Checks every byte, every length and every link of an index; every row, id and segment of a collection; every shard.
///
/// Exits with 3 where something is wrong.
#[derive(Args)]
pub(crate) struct Verify {
    /// An index file, or the folder of a collection, live or sealed.
    index: PathBuf,
}

/// The first bytes of an index.
const MAGIC: &[u8] = b"CRINO\x1a\r\n";

fn is_index(path: &Path) -> bool {
    use std::io::Read;
    let mut first = [0; 8];
    let file = std::fs::File::open(path);
    file.and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == MAGIC
}

impl Info {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let path = &self.file;
        if sealed::is_sealed(path) {
            return sealed::info(global, path);
        }
        if path.is_dir() {
            return collection(global, path);
        }
        ensure!(path.exists(), "{}: there is no such file", path.display());
        if is_index(path) { index(global, path) } else { vectors(global, path) }
    }
}

fn index(global: &Global, path: &Path) -> anyhow::Result<()> {
    let index = Index::load(path)?;
    let names = ids::load(path, &index)?;
    let (options, fingerprint, bytes) = (index.options(), index.fingerprint(), index.bytes());
    let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let size = |bytes: usize| -> Value {
        if global.json { bytes.into() } else { say::size(bytes).into() }
    };
    let graph = index.graph();
    say::facts(
        global,
        &[
            ("what", "index".into()),
            ("rows", index.len().into()),
            ("distinct rows", graph.len().into()),
            ("dimension", index.dim().into()),
            ("searched dimensions", fingerprint.truncation.into()),
            ("metric", options.metric.name().into()),
            ("recipe", options.recipe.to_string().into()),
            ("ids", names.map_or(Value::Null, |names| kind_of(names.ids()).into())),
            ("report", say::report(global, &index)?),
            ("provider", text(&options.provider)),
            ("model", text(&options.model)),
            ("m", options.graph.m.into()),
            ("ef construction", options.graph.ef_construction.into()),
            ("graph degree", graph.degree().into()),
            ("graph layers", (graph.layers().len() + 1).into()),
            ("bytes graph", size(bytes.graph)),
            ("bytes codes", size(bytes.codes)),
            ("bytes refine", size(bytes.refine)),
            ("bytes copies", size(bytes.copies)),
            ("bytes", size(bytes.total())),
            ("format", fingerprint.format.into()),
            ("digest", format!("{:016x}", index.digest()).into()),
        ],
    )
}

fn kind_of(ids: &crinoid_files::Ids) -> &'static str {
    match ids {
        crinoid_files::Ids::Numbers(_) => "numbers",
        crinoid_files::Ids::Texts(_) => "texts",
    }
}

fn collection(global: &Global, path: &Path) -> anyhow::Result<()> {
    // Who may write it mends it; else it is read beside the process that writes it.
    let (collection, recovery): (Box<dyn Readable>, _) = match Collection::open(path) {
        Err(CollectionError::InUse { .. }) => (open_to_read(path)?, Recovery::default()),
        opened => {
            let collection = opened?;
            let recovery = collection.recovery();
            (Box::new(collection), recovery)
        }
    };
    let (snapshot, options) = (collection.snapshot(), collection.options());
    say::facts(
        global,
        &[
            ("what", "collection".into()),
            ("rows", snapshot.len().into()),
            ("metric", options.build.metric.name().into()),
            ("recipe", options.build.recipe.to_string().into()),
            ("segments", snapshot.segments().into()),
            ("dead rows", snapshot.dead().into()),
            ("segments rebuilt", recovery.rebuilt.into()),
            ("files removed", recovery.removed.into()),
        ],
    )
}

fn vectors(global: &Global, path: &Path) -> anyhow::Result<()> {
    let format = Format::of(path)?;
    let mut facts = vec![("what", json!("vectors")), ("format", format.name().into())];
    if format == Format::Hdf5 {
        let file = hdf5::File::open(path)?;
        let metric = file.distance()?.map_or(Value::Null, |d| d.metric.name().into());
        facts.extend([("metric", metric), ("data sets", file.names()?.join(", ").into())]);
        for name in file.names()? {
            // Others are no matrices of numbers.
            if let Ok(matrix) = file.matrix(&name) {
                let shape = format!("{} x {}", matrix.rows(), matrix.dim());
                let what = format!("{name} {shape} {}", matrix.scalar().name());
                facts.push(("matrix", what.into()));
            }
        }
        if global.json {
            let matrices: Vec<Value> =
                facts.iter().filter(|f| f.0 == "matrix").map(|f| f.1.clone()).collect();
            facts.retain(|fact| fact.0 != "matrix");
            facts.push(("matrices", matrices.into()));
        }
        return say::facts(global, &facts);
    }
    if matches!(format, Format::Ibin | Format::Ivecs) {
        let ids = crinoid_files::read_ids(path, None)?;
        facts[0].1 = "neighbours".into();
        facts.extend([("rows", ids.len().into()), ("k", ids.dim.into())]);
        return say::facts(global, &facts);
    }
    let reader = open(path, &Options::default())?;
    facts.extend([
        ("rows", reader.rows().map_or(Value::Null, Value::from)),
        ("dimension", reader.dim().into()),
    ]);
    say::facts(global, &facts)
}

impl Verify {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let (path, started) = (&self.index, Instant::now());
        ensure!(path.exists(), "{}: there is no such index", path.display());
        let outcome = match path.is_dir() {
            true if sealed::is_sealed(path) => sealed::verify(path),
            true => whole_collection(path),
            false => whole_index(path),
        };
        let seconds = (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        match outcome {
            Ok((rows, notes)) => {
                say::facts(
                    global,
                    &[
                        ("whole", true.into()),
                        ("rows", rows.into()),
                        ("notes", notes),
                        ("seconds", seconds.into()),
                    ],
                )?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                match global.json {
                    true => {
                        let said = json!({ "whole": false, "error": say::words(&error) });
                        say::line(&said.to_string())?;
                    }
                    false => say::error(&error, false),
                }
                Ok(ExitCode::from(DAMAGED))
            }
        }
    }
}

fn whole_index(path: &Path) -> anyhow::Result<(usize, Value)> {
    let index = Index::load(path)?;
    ids::load(path, &index)?;
    let reachable = diagnose::diagnose(index.graph()).is_reachable();
    let note = "some rows cannot be reached from the entry point: searches never find them";
    Ok((index.len(), if reachable { Value::Null } else { note.into() }))
}

fn whole_collection(path: &Path) -> anyhow::Result<(usize, Value)> {
    let collection = Collection::open(path)?;
    let verified = collection.verify()?;
    if let [first, rest @ ..] = &verified.problems[..] {
        let more =
            if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
        bail!("{}: {first}{more}: crinoid repair saves what can be read", path.display());
    }
    let recovery = collection.recovery();
    let note = match (recovery.rebuilt, recovery.removed) {
        (0, 0) => Value::Null,
        (rebuilt, removed) => {
            format!("{rebuilt} segments were built again, {removed} stray files removed").into()
        }
    };
    Ok((verified.rows, note))
}
