//! `cargo xtask data fetch`.

use anyhow::{Context, bail, ensure};
use crinoid_eval::Dataset;
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

/// A data set that others publish.
pub(super) struct Published {
    /// Its name, that of the file without `.hdf5`.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) summary: &'static str,
}

const fn published(name: &'static str, summary: &'static str) -> Published {
    Published { name, summary }
}

/// What ann-benchmarks publishes and Crinoid reads.
pub(super) const PUBLISHED: &[Published] = &[
    published("sift-128-euclidean", "1,000,000 x 128, 501 MB: SIFT1M"),
    published("gist-960-euclidean", "1,000,000 x 960, 3.6 GB: GIST"),
    published("mnist-784-euclidean", "60,000 x 784, 217 MB: MNIST"),
    published("fashion-mnist-784-euclidean", "60,000 x 784, 217 MB: Fashion-MNIST"),
    published("glove-25-angular", "1,183,514 x 25, 121 MB: GloVe"),
    published("glove-50-angular", "1,183,514 x 50, 235 MB: GloVe"),
    published("glove-100-angular", "1,183,514 x 100, 463 MB: GloVe"),
    published("glove-200-angular", "1,183,514 x 200, 918 MB: GloVe"),
    published("nytimes-256-angular", "290,000 x 256, 301 MB: NYTimes"),
    published("deep-image-96-angular", "9,990,000 x 96, 3.6 GB: DEEP1B, the first tenth"),
    published("lastfm-64-dot", "292,385 x 65, 135 MB: Last.fm"),
];

const SITE: &str = "https://ann-benchmarks.com";

/// Downloads a published data set with curl, checks it, and says where it is. An interrupted
/// download goes on where it stopped.
#[derive(clap::Args)]
pub(super) struct Fetch {
    /// Its name (`data list`).
    name: String,
    /// Folder to put it in.
    #[arg(long, default_value = "data")]
    out: PathBuf,
    /// Where it is published; the file is SITE/NAME.hdf5.
    #[arg(long, default_value = SITE)]
    site: String,
    /// The file's expected XXH3-128 digest, in hexadecimal; without it, the digest that an earlier
    /// fetch wrote beside the file is used, and a first fetch writes it.
    #[arg(long)]
    digest: Option<String>,
}

impl Fetch {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let known = || PUBLISHED.iter().map(|set| set.name).collect::<Vec<_>>().join(", ");
        ensure!(
            self.site != SITE || PUBLISHED.iter().any(|set| set.name == self.name),
            "unknown data set `{}` (known: {})",
            self.name,
            known()
        );
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("making {}", self.out.display()))?;
        let file = self.out.join(format!("{}.hdf5", self.name));
        if !file.is_file() {
            let partial = file.with_extension("hdf5.partial");
            if let Some(set) = PUBLISHED.iter().find(|set| set.name == self.name) {
                println!("{}: {}", set.name, set.summary);
            }
            self.download(&partial)?;
            std::fs::rename(&partial, &file)?;
        }
        self.check(&file)?;
        println!("{}", file.display());
        Ok(())
    }

    fn download(&self, partial: &Path) -> anyhow::Result<()> {
        let url = format!("{}/{}.hdf5", self.site.trim_end_matches('/'), self.name);
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
