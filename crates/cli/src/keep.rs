//! `crinoid backup` and `repair`: what keeps a collection from being lost.

use crate::{bar::Bar, global::Global, say};
use anyhow::ensure;
use clap::Args;
use crinoid::Collection;
use serde_json::Value;
use std::path::PathBuf;

/// Copies a collection to a new folder, which is a collection itself.
#[derive(Args)]
pub(crate) struct Backup {
    /// The collection's folder.
    folder: PathBuf,
    /// The folder to make.
    to: PathBuf,
}

/// Makes of a damaged collection one of what can still be read of it.
///
/// Keeps the damaged file as rows.redb.damaged; says what was lost.
#[derive(Args)]
pub(crate) struct Repair {
    /// The collection's folder.
    folder: PathBuf,
}

impl Backup {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let collection = Collection::open(&self.folder)?;
        let bar = Bar::spin(global, "copying");
        collection.backup(&self.to)?;
        drop(bar);
        say::facts(
            global,
            &[
                ("collection", self.to.display().to_string().into()),
                ("rows", collection.len().into()),
            ],
        )
    }
}

impl Repair {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let name = self.folder.display().to_string();
        ensure!(self.folder.is_dir(), "{name}: there is no such folder");
        let bar = Bar::spin(global, "repairing");
        let repair = Collection::repair(&self.folder)?;
        drop(bar);
        let lines = |lines: &[String]| match (lines.is_empty(), global.json) {
            (_, true) => Value::from(lines),
            (true, _) => "nothing".into(),
            _ => lines.join("\n").into(),
        };
        let kept = repair.kept.map_or(Value::Null, |path| path.display().to_string().into());
        say::facts(
            global,
            &[
                ("collection", name.into()),
                ("rows", repair.rows.into()),
                ("restored", lines(&repair.restored)),
                ("lost", lines(&repair.lost)),
                ("damaged store", kept),
            ],
        )
    }
}
