//! `cargo xtask evolve db`: what is in a database of exemplars.

use crate::tables;
use clap::Subcommand;
use crinoid_evolve::exemplar::{Database, Exemplar, Form};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum Db {
    /// Lists the exemplars, best last.
    List(Place),
    /// Shows one exemplar with its code or knobs.
    Show {
        /// Digest, or the beginning of one.
        digest: String,
        #[command(flatten)]
        place: Place,
    },
    /// Shows what differs between two exemplars, line by line.
    Diff {
        /// Digest, or the beginning of one.
        old: String,
        /// Digest, or the beginning of one.
        new: String,
        #[command(flatten)]
        place: Place,
    },
    /// Writes every exemplar of code to FOLDER/MODULE-DIGEST.rs and all records to all.json.
    Export {
        /// The folder.
        folder: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(clap::Args)]
pub(super) struct Place {
    /// The database.
    #[arg(long, default_value = "target/evolve/exemplars.jsonl")]
    pub(super) db: PathBuf,
}

impl Place {
    /// What is there, and the seed database's exemplars where nobody has measured them again.
    fn read(&self) -> anyhow::Result<Database> {
        let mut database = Database::read(&self.db)?;
        database.sow()?;
        Ok(database)
    }
}

impl Db {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(place) => {
                let database = place.read()?;
                let mut all: Vec<&Exemplar> = database.exemplars().iter().collect();
                all.sort_by(|a, b| a.module.cmp(&b.module).then(a.fitness.total_cmp(&b.fitness)));
                let mut table =
                    tables::words(["digest", "module", "fitness", "scores", "gate", "title"]);
                for exemplar in all {
                    let scores: Vec<String> = exemplar
                        .scores
                        .iter()
                        .map(|(data, score)| format!("{data} x{:.3}", score.ratio))
                        .collect();
                    let gate = exemplar.gate.as_ref().map_or("-", |gate| gate.verdict.as_str());
                    let title = match (&exemplar.form, exemplar.title.as_str()) {
                        (Form::Knobs(_), "") => exemplar.form.text().trim().replace('\n', ", "),
                        (_, title) => title.to_owned(),
                    };
                    table.add_row([
                        exemplar.digest[..12].to_owned(),
                        exemplar.module.to_string(),
                        format!("{:.3}", exemplar.fitness),
                        scores.join("\n"),
                        gate.to_owned(),
                        title,
                    ]);
                }
                println!("{table}");
                for damaged in database.damaged() {
                    println!("line {}: {}", damaged.line, damaged.why);
                }
            }
            Self::Show { digest, place } => {
                let database = place.read()?;
                let exemplar = database.find(&digest)?;
                println!("digest   {}\nmodule   {}", exemplar.digest, exemplar.module);
                println!("fitness  {:.4} against {}", exemplar.fitness, exemplar.champion);
                println!("proposer {}\nparents  {}", exemplar.proposer, exemplar.parents.join(" "));
                for (data, score) in &exemplar.scores {
                    println!(
                        "{data}: x{:.4}, at least x{:.4}, {:.0} QPS",
                        score.ratio, score.lower, score.reward
                    );
                }
                if let Some(gate) = &exemplar.gate {
                    println!("gate: {} ({})", gate.verdict, gate.why);
                }
                println!("\n{}\n\n{}", exemplar.note, exemplar.form.text());
            }
            Self::Diff { old, new, place } => {
                let database = place.read()?;
                let (old, new) = (database.find(&old)?, database.find(&new)?);
                let (old, new) = (old.form.text(), new.form.text());
                let lines = similar::TextDiff::from_lines(&old, &new);
                print!("{}", lines.unified_diff().context_radius(usize::MAX / 2));
            }
            Self::Export { folder, place } => {
                let database = place.read()?;
                std::fs::create_dir_all(&folder)?;
                for exemplar in database.exemplars() {
                    if let Form::Code(code) = &exemplar.form {
                        let name = format!("{}-{}.rs", exemplar.module, &exemplar.digest[..12]);
                        std::fs::write(folder.join(name), code)?;
                    }
                }
                let all = serde_json::to_string_pretty(database.exemplars())?;
                std::fs::write(folder.join("all.json"), all + "\n")?;
                println!("{} exemplars", database.exemplars().len());
            }
        }
        Ok(())
    }
}
