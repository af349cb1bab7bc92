//! An index as a file, so that the next process begins with it instead of building it again.
//!
//! One JSON line that says what follows, then the arrays: prepared vectors (`f32`), then the
//! graph's, little-endian. It is read by the program that wrote it or by one made of the same
//! sources, and never published: for that there is the pipeline's container.

use crinoid_graph::Graph;
use crinoid_graph::adjacency::GraphMeta;
use crinoid_quant::codes::Arrays;
use crinoid_quant::{Buffer, Metric, Vectors};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Head {
    metric: Metric,
    dim: usize,
    refine: String,
    graph: GraphMeta,
    /// Name and bytes of each array, in order; the vectors come first.
    arrays: Vec<(String, usize)>,
}

/// What a file held.
pub(super) struct Stored {
    pub(super) metric: Metric,
    pub(super) base: Vectors,
    pub(super) graph: Graph,
    pub(super) refine: String,
}

const VECTORS: &str = "vectors";

pub(super) fn write(
    path: &Path,
    metric: Metric,
    base: &Vectors,
    graph: &Graph,
    refine: &str,
) -> io::Result<()> {
    let (meta, mut arrays) = graph.parts();
    arrays.insert(0, (VECTORS.to_owned(), base.buffer().as_bytes()));
    let head = Head {
        metric,
        dim: base.dim(),
        refine: refine.to_owned(),
        graph: meta,
        arrays: arrays.iter().map(|(name, bytes)| (name.clone(), bytes.len())).collect(),
    };
    let mut file = BufWriter::new(File::create(path)?);
    serde_json::to_writer(&mut file, &head)?;
    file.write_all(b"\n")?;
    for (_, bytes) in arrays {
        file.write_all(bytes)?;
    }
    file.flush()
}

pub(super) fn read(path: &Path) -> io::Result<Stored> {
    let mut file = BufReader::new(File::open(path)?);
    let mut line = String::new();
    file.read_line(&mut line)?;
    let head: Head = serde_json::from_str(&line)?;
    let mut left = file.get_ref().metadata()?.len();
    let mut arrays = Vec::new();
    for (name, len) in head.arrays {
        // Never more than there is, whatever the head says.
        left = left.checked_sub(len as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut bytes = Buffer::<u8>::zeroed(len);
        file.read_exact(bytes.make_mut())?;
        arrays.push((name, Some(bytes)));
    }
    let mut lookup = |wanted: &str| {
        arrays.iter_mut().find(|(name, _)| name == wanted).and_then(|(_, bytes)| bytes.take())
    };
    let wrong = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let vectors = lookup(VECTORS).ok_or(io::ErrorKind::InvalidData)?;
    let vectors = vectors.reinterpret::<f32>().map_err(|error| wrong(&error))?;
    let base = Vectors::new(vectors, head.dim).map_err(|error| wrong(&error))?;
    let graph = Graph::from_parts(&head.graph, &mut Arrays::new(&mut lookup))
        .map_err(|error| wrong(&error))?;
    Ok(Stored { metric: head.metric, base, graph, refine: head.refine })
}
