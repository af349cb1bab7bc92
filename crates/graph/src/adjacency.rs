//! The frozen graph: one dense, line-aligned matrix of ids, and small upper layers.

use crinoid_quant::{
    Buffer,
    codes::{Arrays, PartsError},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The id in unused slots. Used slots come first, so a list ends at the first `NONE`.
pub const NONE: u32 = u32::MAX;

/// Ids per cache line: rows of the base layer span whole lines.
const IDS_PER_LINE: usize = 16;

/// The most links that a row may have room for. Builders make at most 2,048.
pub const MAX_DEGREE: usize = 1 << 16;

/// The most layers above the base. Builders make at most ten or so.
pub const MAX_LAYERS: usize = 64;

/// Rows to which [`check_links`] gives a task.
const ROWS_PER_TASK: usize = 4096;

/// A directed graph over the rows of a vector set, frozen: built once, then only walked.
///
/// What searches rest on is checked here, once, whoever made the arrays, and cannot change
/// afterwards, since the arrays are in memory that nobody else can write to: every link leads to a
/// node that exists, and no row names a neighbour twice. (A search may so let all unseen links of a row
/// in at once, without looking whether two of them are the same.)
///
/// The base layer holds every node. Above it lie any number of smaller [`Layer`]s that lead from
/// the entry point towards a query's region (none for flat graphs such as Vamana).
///
/// ```
/// use crinoid_graph::Graph;
///
/// // A ring of five nodes, entered at node 2, with room for three links each.
/// let lists: Vec<[u32; 2]> = (0..5).map(|node| [(node + 1) % 5, (node + 4) % 5]).collect();
/// let graph = Graph::from_lists(&lists, 3, 2, Vec::new())?;
/// assert_eq!((graph.len(), graph.entry(), graph.neighbors(0)), (5, 2, &[1, 4][..]));
/// assert!(Graph::from_lists(&[[1], [7]], 1, 0, Vec::new()).is_err()); // there is no node 7
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    links: Buffer<u32>,
    len: usize,
    degree: usize,
    entry: u32,
    layers: Vec<Layer>,
}

/// A layer above the base: some of the nodes, numbered by *slots* `0..len` of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The node at each slot, ascending.
    pub nodes: Buffer<u32>,
    /// `len x degree` slots of this layer, padded with [`NONE`].
    pub links: Buffer<u32>,
    /// Where each slot's node is one layer below: a slot there, or the node itself on the base.
    pub below: Buffer<u32>,
    /// Slots per row.
    pub degree: usize,
}

/// Arrays that are no graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The adjacency has another size than nodes and degree say.
    #[error("{got} link slots where {want} are expected")]
    Size {
        /// Number of slots found.
        got: usize,
        /// Number of slots expected.
        want: usize,
    },
    /// More slots per row, rows or layers than a graph may have.
    #[error("{what}: {got}, while a graph has at most {most}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How many there are said to be.
        got: u64,
        /// The most there may be.
        most: u64,
    },
    /// A row has the same link twice.
    #[error("layer {layer}, node {row}: the link to {link} is there twice")]
    Twice {
        /// 0 for the base layer.
        layer: usize,
        /// The offending row.
        row: usize,
        /// Where the link leads.
        link: u32,
    },
    /// A link leads to a node that is not there, or follows an unused slot.
    #[error("layer {layer}, row {row}: link to {link} is not to one of {len} nodes")]
    Link {
        /// 0 for the base layer.
        layer: usize,
        /// The offending row.
        row: usize,
        /// Where the link leads.
        link: u32,
        /// How many nodes the layer has.
        len: usize,
    },
    /// The entry point is no node of the top layer.
    #[error("entry {entry} is not one of {len} nodes")]
    Entry {
        /// The entry.
        entry: u32,
        /// How many nodes the top layer has.
        len: usize,
    },
    /// A layer's nodes or their places below contradict the layers under it.
    #[error("layer {layer}, slot {slot}: node or place below does not exist")]
    Layer {
        /// The offending layer (1 is the first above the base).
        layer: usize,
        /// The offending slot.
        slot: usize,
    },
    /// A stored array is missing or has the wrong size.
    #[error(transparent)]
    Parts(#[from] PartsError),
}

/// The small state of a stored graph.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GraphMeta {
    len: u64,
    degree: u64,
    entry: u32,
    /// Node count and degree of each upper layer.
    layers: Vec<(u64, u64)>,
}

/// The base layer as plain slices, for hot loops.
#[derive(Clone, Copy, Debug)]
pub struct Adjacency<'a> {
    links: &'a [u32],
    stride: usize,
}

impl<'a> Adjacency<'a> {
    /// The whole row of `node`: a multiple of 16 slots, unused ones [`NONE`].
    #[inline(always)]
    pub fn row(self, node: u32) -> &'a [u32] {
        let start = node as usize * self.stride;
        &self.links[start..start + self.stride]
    }

    /// The neighbours of `node`.
    #[inline(always)]
    pub fn neighbors(self, node: u32) -> &'a [u32] {
        trim(self.row(node))
    }

    /// All links, for prefetching: row `node` starts at `node * stride()`.
    #[inline(always)]
    pub fn links(self) -> &'a [u32] {
        self.links
    }

    /// Slots per row.
    #[inline(always)]
    pub fn stride(self) -> usize {
        self.stride
    }
}

impl Graph {
    /// Freezes adjacency lists of at most `degree` ids each.
    ///
    /// `entry` is a slot of the top layer, or a node where `layers` is empty. An empty graph has
    /// the entry [`NONE`].
    ///
    /// # Errors
    /// When a list is longer than `degree`, names a node twice or leads out of the graph, the layers do
    /// not fit together, or there is more of anything than a graph may have.
    pub fn from_lists<L: AsRef<[u32]>>(
        lists: &[L],
        degree: usize,
        entry: u32,
        layers: Vec<Layer>,
    ) -> Result<Self, GraphError> {
        let slots = check_shape(lists.len() as u64, degree as u64)?;
        let stride = stride_of(degree);
        let mut links = Buffer::<u32>::zeroed(slots);
        let slots = links.make_mut();
        slots.fill(NONE);
        for (row, list) in lists.iter().enumerate() {
            let list = list.as_ref();
            if list.len() > degree {
                return Err(GraphError::Size { got: list.len(), want: degree });
            }
            slots[row * stride..row * stride + list.len()].copy_from_slice(list);
        }
        Self::new(links, lists.len(), degree, entry, layers)
    }

    /// Freezes a padded matrix of `len` rows, each `degree` rounded up to 16 slots.
    ///
    /// # Errors
    /// As [`from_lists`](Self::from_lists).
    pub fn new(
        links: Buffer<u32>,
        len: usize,
        degree: usize,
        entry: u32,
        layers: Vec<Layer>,
    ) -> Result<Self, GraphError> {
        let graph = Self { links, len, degree, entry, layers };
        graph.validate()?;
        Ok(graph)
    }

    /// How many nodes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most neighbours a node may have on the base layer.
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// The base layer.
    #[inline]
    pub fn base(&self) -> Adjacency<'_> {
        Adjacency { links: &self.links, stride: stride_of(self.degree) }
    }

    /// The neighbours of `node` on the base layer.
    ///
    /// # Panics
    /// When `node >= len()`.
    pub fn neighbors(&self, node: u32) -> &[u32] {
        self.base().neighbors(node)
    }

    /// Where a search starts: a slot of the top layer, or a node where there are no layers.
    pub fn entry(&self) -> u32 {
        self.entry
    }

    /// The entry as a node of the base layer; `None` for the empty graph.
    pub fn entry_node(&self) -> Option<u32> {
        match self.layers.last() {
            Some(top) => top.nodes.get(self.entry as usize).copied(),
            None => (self.entry != NONE).then_some(self.entry),
        }
    }

    /// The layers above the base, lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Bytes of all adjacency.
    pub fn bytes(&self) -> usize {
        let layers = self.layers.iter();
        4 * (self.links.len()
            + layers.map(|l| l.nodes.len() + l.links.len() + l.below.len()).sum::<usize>())
    }

    /// A digest of every byte that a search can see: equal graphs, equal digests.
    pub fn digest(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        for number in [self.len as u64, self.degree as u64, u64::from(self.entry)] {
            hash.update(&number.to_le_bytes());
        }
        hash.update(self.links.as_bytes());
        for layer in &self.layers {
            hash.update(&(layer.degree as u64).to_le_bytes());
            for array in [&layer.nodes, &layer.links, &layer.below] {
                hash.update(&(array.len() as u64).to_le_bytes());
                hash.update(array.as_bytes());
            }
        }
        hash.digest()
    }

    /// The small state and the bulk arrays, as they go into a container.
    pub fn parts(&self) -> (GraphMeta, Vec<(String, &[u8])>) {
        let meta = GraphMeta {
            len: self.len as u64,
            degree: self.degree as u64,
            entry: self.entry,
            layers: self.layers.iter().map(|l| (l.nodes.len() as u64, l.degree as u64)).collect(),
        };
        let mut arrays = vec![("links".to_owned(), self.links.as_bytes())];
        for (index, layer) in self.layers.iter().enumerate() {
            arrays.push((format!("layer{index}.nodes"), layer.nodes.as_bytes()));
            arrays.push((format!("layer{index}.links"), layer.links.as_bytes()));
            arrays.push((format!("layer{index}.below"), layer.below.as_bytes()));
        }
        (meta, arrays)
    }

    /// Puts a graph together again from what [`parts`](Self::parts) gave.
    ///
    /// # Errors
    /// As [`from_lists`](Self::from_lists), and when an array is missing or wrong in size.
    pub fn from_parts(meta: &GraphMeta, arrays: &mut Arrays<'_>) -> Result<Self, GraphError> {
        let links = arrays.take("links", check_shape(meta.len, meta.degree)?)?;
        // Both fit after the check.
        let [len, degree] = [meta.len as usize, meta.degree as usize];
        check_layers(meta.layers.len())?;
        let mut layers = Vec::new();
        for (index, &(nodes, slots)) in meta.layers.iter().enumerate() {
            check_shape(nodes, slots)?;
            let [nodes, degree] = [nodes as usize, slots as usize];
            layers.push(Layer {
                nodes: arrays.take(&format!("layer{index}.nodes"), nodes)?,
                links: arrays.take(&format!("layer{index}.links"), nodes * degree)?,
                below: arrays.take(&format!("layer{index}.below"), nodes)?,
                degree,
            });
        }
        Self::new(links, len, degree, meta.entry, layers)
    }

    fn validate(&self) -> Result<(), GraphError> {
        check_shape(self.len as u64, self.degree as u64)?;
        check_layers(self.layers.len())?;
        for layer in &self.layers {
            check_shape(layer.nodes.len() as u64, layer.degree as u64)?;
        }
        let stride = stride_of(self.degree);
        check_links(0, &self.links, self.len, stride, self.degree)?;
        let mut below = self.len;
        for (index, layer) in self.layers.iter().enumerate() {
            let (number, nodes) = (index + 1, layer.nodes.as_slice());
            check_links(number, &layer.links, nodes.len(), layer.degree, layer.degree)?;
            if layer.below.len() != nodes.len() {
                return Err(GraphError::Size { got: layer.below.len(), want: nodes.len() });
            }
            let lower = index.checked_sub(1).map(|lower| &self.layers[lower].nodes);
            for (slot, (&node, &place)) in nodes.iter().zip(layer.below.as_slice()).enumerate() {
                let ascending = slot == 0 || nodes[slot - 1] < node;
                let same = match lower {
                    Some(lower) => lower.get(place as usize) == Some(&node),
                    None => place == node,
                };
                if !ascending || !same || place as usize >= below || node as usize >= self.len {
                    return Err(GraphError::Layer { layer: number, slot });
                }
            }
            below = nodes.len();
        }
        let entry_is_valid = match below {
            0 => self.entry == NONE && self.layers.is_empty(),
            len => (self.entry as usize) < len,
        };
        if entry_is_valid {
            Ok(())
        } else {
            Err(GraphError::Entry { entry: self.entry, len: below })
        }
    }
}

impl Layer {
    /// The neighbours of `slot`, as slots.
    #[inline]
    pub fn neighbors(&self, slot: u32) -> &[u32] {
        let start = slot as usize * self.degree;
        trim(&self.links[start..start + self.degree])
    }
}

/// Slots of a base row: `degree` (at most [`MAX_DEGREE`]) rounded up to whole cache lines.
pub fn stride_of(degree: usize) -> usize {
    degree.next_multiple_of(IDS_PER_LINE)
}

/// The used slots of a padded row.
#[inline(always)]
fn trim(row: &[u32]) -> &[u32] {
    &row[..row.partition_point(|&id| id != NONE)]
}

fn check_links(
    layer: usize,
    links: &[u32],
    len: usize,
    stride: usize,
    degree: usize,
) -> Result<(), GraphError> {
    if links.len() != len * stride {
        return Err(GraphError::Size { got: links.len(), want: len * stride });
    }
    if stride == 0 {
        return Ok(());
    }
    let check = |row: usize, slots: &[u32], sorted: &mut Vec<u32>| {
        let used = slots.iter().position(|&id| id == NONE).unwrap_or(stride);
        let stray = slots[used..].iter().find(|&&id| id != NONE);
        let outside = slots[..used].iter().find(|&&id| id as usize >= len);
        if let Some(&link) = stray.or(outside) {
            return Some(GraphError::Link { layer, row, link, len });
        }
        if used > degree {
            return Some(GraphError::Size { got: used, want: degree });
        }
        twice(&slots[..used], sorted).map(|link| GraphError::Twice { layer, row, link })
    };
    let tasks = links.par_chunks(stride * ROWS_PER_TASK).enumerate();
    let found = tasks.find_map_first(|(task, rows)| {
        let mut sorted = Vec::new();
        let mut rows = (task * ROWS_PER_TASK..).zip(rows.chunks_exact(stride));
        rows.find_map(|(row, slots)| check(row, slots, &mut sorted))
    });
    found.map_or(Ok(()), Err)
}

/// A link that occurs twice, if any. Short rows are compared pair by pair, which vectorises.
fn twice(links: &[u32], sorted: &mut Vec<u32>) -> Option<u32> {
    if links.len() <= 64 {
        let mut earlier = links.iter().enumerate();
        return earlier.find_map(|(i, link)| {
            let known = links[..i].iter().fold(false, |known, other| known | (other == link));
            known.then_some(*link)
        });
    }
    sorted.clear();
    sorted.extend_from_slice(links);
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// Checks a number of rows and of slots per row; how many slots a base layer of that shape has.
fn check_shape(len: u64, degree: u64) -> Result<usize, GraphError> {
    let too_large = |what, got, most| Err(GraphError::TooLarge { what, got, most });
    if degree > MAX_DEGREE as u64 {
        return too_large("slots per row", degree, MAX_DEGREE as u64);
    }
    if len >= u64::from(NONE) {
        return too_large("nodes", len, u64::from(NONE) - 1);
    }
    // Below 2^48, so no overflow; but not every machine has as many addresses.
    let slots = len * stride_of(degree as usize) as u64;
    match usize::try_from(slots) {
        Ok(slots) if slots <= isize::MAX as usize / 4 => Ok(slots),
        _ => too_large("link slots", slots, isize::MAX as u64 / 4),
    }
}

fn check_layers(count: usize) -> Result<(), GraphError> {
    match count {
        0..=MAX_LAYERS => Ok(()),
        _ => {
            let (what, most) = ("layers", MAX_LAYERS as u64);
            Err(GraphError::TooLarge { what, got: count as u64, most })
        }
    }
}
