//! `cargo xtask results`: the committed records, and the document that is made of them.

use crate::bench::root;
use anyhow::{Context, Result};
use crinoid_eval::report::{ResultFile, book, picture};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Make docs/results.md of the records (records/*.json), or take a result in as a record.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask results\n  \
                        cargo xtask results --add target/crinoid-ab/result.json\n  \
                        cargo xtask results --check\n\n\
                        Exit code 1 when --check finds that the document is not up to date.")]
pub(crate) struct Args {
    /// A result.json that becomes a record; repeat for more.
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Writes nothing, and says whether docs/results.md is what the records make it.
    #[arg(long, conflicts_with = "add")]
    check: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let (records, document) = (root().join("records"), root().join("docs/results.md"));
        for file in &self.add {
            let mut result = ResultFile::read(file)?;
            result.origin = std::mem::take(&mut result.origin).for_others();
            let words = [
                ("a command line", result.origin.arguments.is_empty()),
                ("a commit", result.origin.commit.is_empty()),
                ("a digest of the data", result.data.digest.is_empty()),
            ];
            let missing = words.iter().find(|(_, missing)| *missing);
            if let Some((what, _)) = missing {
                anyhow::bail!("{}: a record needs {what}; measure it again", file.display());
            }
            let name = format!("{}-{}-{}.json", result.command, result.data.name, result.time);
            std::fs::create_dir_all(&records)?;
            result.write(&records.join(&name))?;
            println!("records/{name}");
        }
        let records = read(&records)?;
        let made = book(&records);
        let (front, drawing) = front_page(&records)?;
        if self.check {
            let there = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
            let fronts = there(&root().join(README)) == front
                && drawing.as_ref().is_none_or(|drawing| there(&root().join(PICTURE)) == *drawing);
            let same = there(&document) == made && fronts;
            println!(
                "{} is {}",
                document.display(),
                if same { "up to date" } else { "not up to date" }
            );
            return Ok(ExitCode::from(u8::from(!same)));
        }
        std::fs::write(&document, made)
            .with_context(|| format!("writing {}", document.display()))?;
        println!("written: {}", document.display());
        std::fs::write(root().join(README), front).context("writing README.md")?;
        if let Some(drawing) = drawing {
            std::fs::write(root().join(PICTURE), drawing).context("writing the picture")?;
            println!("written: {}", root().join(PICTURE).display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

const README: &str = "README.md";
/// What the newest comparison looks like.
const PICTURE: &str = "docs/qps-recall.svg";
/// Between these README shows the picture, once there is one.
const MARKS: [&str; 2] = ["<!-- picture -->\n", "<!-- /picture -->\n"];

/// README with the picture of the newest comparison with a peer, and that picture.
fn front_page(records: &[ResultFile]) -> Result<(String, Option<String>)> {
    let readme = std::fs::read_to_string(root().join(README)).context("reading README.md")?;
    let is_peer = |name: &str| !name.starts_with("crinoid ");
    let newest = records.iter().filter(|one| one.command == "compare");
    let newest = newest.filter(|one| one.subjects.iter().any(|subject| is_peer(&subject.name)));
    let newest = newest.max_by_key(|one| one.time);
    let Some((newest, drawing)) = newest.and_then(|one| Some((one, picture(one)?))) else {
        return Ok((readme, None));
    };
    let marked = readme
        .split_once(MARKS[0])
        .and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let (before, after) = marked.context("README.md: the marks of the picture are missing")?;
    let data = &newest.data.name;
    let shown = format!("![Queries per second over recall on {data}, beside peers]({PICTURE})\n");
    Ok((format!("{before}{}{shown}{}{after}", MARKS[0], MARKS[1]), Some(drawing)))
}

/// All records of a folder; one that cannot be read is an error, not a gap in the document.
fn read(folder: &Path) -> Result<Vec<ResultFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            files.push(path);
        }
    }
    files.sort();
    files.iter().map(|file| Ok(ResultFile::read(file)?)).collect()
}
