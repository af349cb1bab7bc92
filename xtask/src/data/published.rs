//! The data sets that ann-benchmarks and VIBE publish.

/// Where a set is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    AnnBenchmarks,
    Vibe,
    /// Sets of ann-benchmarks that lie elsewhere.
    Coco,
}

impl Home {
    /// The file is SITE/NAME.hdf5.
    pub(super) const fn site(self) -> &'static str {
        match self {
            Self::AnnBenchmarks => "https://ann-benchmarks.com",
            Self::Vibe => "https://huggingface.co/datasets/vector-index-bench/vibe/resolve/main",
            Self::Coco => "https://github.com/fabiocarrara/str-encoders/releases/download/v0.1.3",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::AnnBenchmarks | Self::Coco => "ann-benchmarks",
            Self::Vibe => "VIBE",
        }
    }
}

/// A data set that others publish.
pub(super) struct Published {
    /// Its name, that of the file without `.hdf5`.
    pub(super) name: &'static str,
    pub(super) home: Home,
    rows: u32,
    pub(super) dim: u32,
    /// The file's size in MB where its publisher says it.
    megabytes: Option<u32>,
    about: &'static str,
}

impl Published {
    /// Rows, dimension, size and what it is.
    pub(super) fn summary(&self) -> String {
        let Self { home, rows, dim, megabytes, about, .. } = self;
        let size = match megabytes {
            Some(megabytes) => format!("{megabytes} MB"),
            None => format!("about {} MB", self.bytes() / 1_000_000),
        };
        format!("{}: {rows} x {dim}, {size}: {about}", home.name())
    }

    /// What the vectors take as f32.
    fn bytes(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.dim) * 4
    }

    /// Whether it holds sets, of which there are no vectors.
    pub(super) fn sparse(&self) -> bool {
        self.name.ends_with("jaccard")
    }
}

const fn ann(
    name: &'static str,
    rows: u32,
    dim: u32,
    megabytes: u32,
    about: &'static str,
) -> Published {
    Published { name, home: Home::AnnBenchmarks, rows, dim, megabytes: Some(megabytes), about }
}

const fn small(name: &'static str, rows: u32, dim: u32, about: &'static str) -> Published {
    Published { name, home: Home::AnnBenchmarks, rows, dim, megabytes: None, about }
}

const fn coco(name: &'static str, about: &'static str) -> Published {
    Published { name, home: Home::Coco, rows: 113_287, dim: 512, megabytes: Some(136), about }
}

const fn vibe(name: &'static str, rows: u32, dim: u32, about: &'static str) -> Published {
    Published { name, home: Home::Vibe, rows, dim, megabytes: None, about }
}

const OPENAI: &str = "DBpedia, text-embedding-ada-002";
const RANDOM: &str = "random, for trying out";

/// Every set that is published. Rows and dimensions are those that the publishers state.
pub(super) const PUBLISHED: &[Published] = &[
    ann("sift-128-euclidean", 1_000_000, 128, 501, "SIFT1M"),
    ann("gist-960-euclidean", 1_000_000, 960, 3_600, "GIST"),
    ann("mnist-784-euclidean", 60_000, 784, 217, "MNIST"),
    ann("fashion-mnist-784-euclidean", 60_000, 784, 217, "Fashion-MNIST"),
    ann("glove-25-angular", 1_183_514, 25, 121, "GloVe"),
    ann("glove-50-angular", 1_183_514, 50, 235, "GloVe"),
    ann("glove-100-angular", 1_183_514, 100, 463, "GloVe"),
    ann("glove-200-angular", 1_183_514, 200, 918, "GloVe"),
    ann("nytimes-256-angular", 290_000, 256, 301, "NYTimes"),
    small("nytimes-16-angular", 290_000, 16, "NYTimes"),
    ann("deep-image-96-angular", 9_990_000, 96, 3_600, "DEEP1B, the first tenth"),
    ann("lastfm-64-dot", 292_385, 65, 135, "Last.fm"),
    coco("coco-i2i-512-angular", "COCO, images for images"),
    coco("coco-t2i-512-angular", "COCO, images for texts"),
    small("dbpedia-openai-100k-angular", 100_000, 1536, OPENAI),
    small("dbpedia-openai-200k-angular", 200_000, 1536, OPENAI),
    small("dbpedia-openai-300k-angular", 300_000, 1536, OPENAI),
    small("dbpedia-openai-400k-angular", 400_000, 1536, OPENAI),
    small("dbpedia-openai-500k-angular", 500_000, 1536, OPENAI),
    small("dbpedia-openai-600k-angular", 600_000, 1536, OPENAI),
    small("dbpedia-openai-700k-angular", 700_000, 1536, OPENAI),
    small("dbpedia-openai-800k-angular", 800_000, 1536, OPENAI),
    small("dbpedia-openai-900k-angular", 900_000, 1536, OPENAI),
    small("dbpedia-openai-1000k-angular", 1_000_000, 1536, OPENAI),
    small("sift-256-hamming", 1_000_000, 256, "SIFT as bits"),
    small("word2bits-800-hamming", 400_000, 800, "words as bits"),
    small("random-xs-20-euclidean", 10_000, 20, RANDOM),
    small("random-s-100-euclidean", 100_000, 100, RANDOM),
    small("random-xs-20-angular", 10_000, 20, RANDOM),
    small("random-s-100-angular", 100_000, 100, RANDOM),
    small("random-xs-16-hamming", 10_000, 16, RANDOM),
    small("random-s-128-hamming", 50_000, 128, RANDOM),
    small("random-l-256-hamming", 100_000, 256, RANDOM),
    ann("kosarak-jaccard", 74_962, 27_983, 33, "clicks, as sets"),
    ann("movielens10m-jaccard", 69_363, 65_134, 63, "films, as sets"),
    vibe("agnews-mxbai-1024-euclidean", 769_382, 1024, "text"),
    vibe("arxiv-nomic-768-normalized", 1_344_643, 768, "text"),
    vibe("dpr-jina-768-normalized", 20_969_760, 768, "text"),
    vibe("glove-200-cosine", 1_192_514, 200, "words"),
    vibe("gooaq-distilroberta-768-normalized", 1_475_024, 768, "text"),
    vibe("imagenet-clip-512-normalized", 1_281_167, 512, "images"),
    vibe("inaturalist-resnet-2048-cosine", 499_000, 2048, "images"),
    vibe("landmark-dino-768-cosine", 760_757, 768, "images"),
    vibe("landmark-nomic-768-normalized", 760_757, 768, "images"),
    vibe("msmarco-qwen-1024-normalized", 8_840_823, 1024, "text"),
    vibe("yahoo-minilm-384-normalized", 677_305, 384, "text"),
    vibe("hotpotqa-harrier-640-normalized", 5_233_329, 640, "text, other queries"),
    vibe("imagenet-align-640-normalized", 1_281_167, 640, "images for texts"),
    vibe("laion-clip-512-normalized", 1_000_448, 512, "images for texts"),
    vibe("yandex-200-cosine", 1_000_000, 200, "images for texts"),
    vibe("cqadupstack-lemur-2048-ip", 457_149, 2048, "many vectors a text, made one"),
    vibe("cqadupstack-muvera-5120-ip", 457_149, 5120, "many vectors a text, made one"),
    vibe("yi-128-ip", 187_843, 128, "attention"),
    vibe("llama-128-ip", 256_921, 128, "attention"),
    vibe("ccnews-nomic-768-normalized", 495_328, 768, "text (deprecated by VIBE)"),
    vibe("celeba-resnet-2048-cosine", 201_599, 2048, "images (deprecated by VIBE)"),
    vibe("coco-nomic-768-normalized", 282_360, 768, "images for texts (deprecated by VIBE)"),
    vibe("codesearchnet-jina-768-cosine", 1_374_067, 768, "code (deprecated by VIBE)"),
    vibe("simplewiki-openai-3072-normalized", 260_372, 3072, "text (deprecated by VIBE)"),
];

/// The set called so.
pub(super) fn find(name: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|set| set.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_differ_and_say_the_dimension() {
        let names: HashSet<&str> = PUBLISHED.iter().map(|set| set.name).collect();
        assert_eq!(names.len(), PUBLISHED.len());
        for set in PUBLISHED {
            let said: Vec<u32> = set.name.split('-').filter_map(|word| word.parse().ok()).collect();
            // Last.fm has a dimension more than its name says, DBpedia and sets of sets none in it.
            if let [dim] = said[..]
                && set.name != "lastfm-64-dot"
            {
                assert_eq!(dim, set.dim, "{}", set.name);
            }
        }
        assert_eq!(PUBLISHED.iter().filter(|set| set.home == Home::Vibe).count(), 24);
        assert!(find("sift-128-euclidean").unwrap().summary().contains("501 MB"));
        assert!(find("yi-128-ip").unwrap().summary().contains("about 96 MB"));
    }
}
