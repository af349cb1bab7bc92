//! `cargo xtask data fetch`.

use super::published::{self, Published};
use anyhow::{Context, bail, ensure};
use crinoid_eval::Dataset;
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

/// Downloads a published data set with curl, checks it, and says where it is. An interrupted
/// download goes on where it stopped.
#[derive(clap::Args)]
pub(super) struct Fetch {
    /// Its name (`data list`).
    name: String,
    /// Folder to put it in.
    #[arg(long, default_value = "data")]
    out: PathBuf,
    /// Where it is published; the file is SITE/NAME.hdf5 [default: the site of its publisher].
    #[arg(long)]
    site: Option<String>,
    /// The file's expected XXH3-128 digest, in hexadecimal; without it, the digest that an earlier
    /// fetch wrote beside the file is used, and a first fetch writes it.
    #[arg(long)]
    digest: Option<String>,
}

impl Fetch {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let set = published::find(&self.name);
        ensure!(
            self.site.is_some() || set.is_some(),
            "unknown data set `{}`: `cargo xtask data list` shows the known ones, --site fetches others",
            self.name
        );
        ensure!(
            !set.is_some_and(Published::sparse),
            "{}: sets under Jaccard's distance, which are no vectors: Crinoid does not read them",
            self.name
        );
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("making {}", self.out.display()))?;
        let file = self.out.join(format!("{}.hdf5", self.name));
        if !file.is_file() {
            let partial = file.with_extension("hdf5.partial");
            if let Some(set) = set {
                println!("{}: {}", set.name, set.summary());
            }
            let home = set.map_or("", |set| set.home.site());
            self.download(self.site.as_deref().unwrap_or(home), &partial)?;
            std::fs::rename(&partial, &file)?;
        }
        self.check(&file)?;
        println!("{}", file.display());
        Ok(())
    }

    fn download(&self, site: &str, partial: &Path) -> anyhow::Result<()> {
        let url = format!("{}/{}.hdf5", site.trim_end_matches('/'), self.name);
        // Standard error stays open: that is where curl draws its progress bar.
        let status = Command::new("curl")
            .args(["--fail", "--location", "--progress-bar", "--retry", "3"])
            .args(["--continue-at", "-", "--output"])
            .arg(partial)
            .arg(&url)
            .status()
            .with_context(|| format!("curl, which downloads {url}, could not be started"))?;
        match status.code() {
            Some(0) => Ok(()),
            Some(5..=7) => bail!(
                "{url} cannot be reached. Without a network, `cargo xtask data make` generates data \
                 that behaves alike, and every command runs on it by default"
            ),
            Some(22) => bail!("{url}: the server has no such file, or refuses it"),
            _ => bail!(
                "{url}: curl ended with {status}; what has come is kept in {} and the next fetch \
                 goes on from there",
                partial.display()
            ),
        }
    }

    /// Opens the file, which validates every length and the truth, and compares its digest.
    fn check(&self, file: &Path) -> anyhow::Result<()> {
        let _bar = crate::bar::Bar::spin("checking");
        let got = digest(file)?;
        let beside = file.with_extension("hdf5.xxh3");
        let expected = match &self.digest {
            Some(digest) => Some(digest.to_ascii_lowercase()),
            None => std::fs::read_to_string(&beside).ok().map(|text| text.trim().to_owned()),
        };
        match expected {
            Some(expected) if expected != got => bail!(
                "{}: the digest is {got} where {expected} is expected; delete the file to fetch it again",
                file.display()
            ),
            _ => {}
        }
        Dataset::open(file)?;
        std::fs::write(&beside, format!("{got}\n"))?;
        Ok(())
    }
}

fn digest(file: &Path) -> anyhow::Result<String> {
    let mut reader = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(format!("{:032x}", hash.digest128())),
            length => hash.update(&block[..length]),
        }
    }
}
