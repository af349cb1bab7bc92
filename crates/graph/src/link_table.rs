//! Adjacency under construction: fixed-stride rows of ids with their keys beside them.

use crate::{
    adjacency::{Graph, Layer, NONE, stride_of},
    builder::BuildError,
    candidate::Candidate,
    layer_space::LayerSpace,
    scratch::{Scratch, ScratchPool},
    select::{Pruning, Rule, select},
};
use crinoid_quant::{Buffer, Space, isa::prefetch};
use rayon::prelude::*;

/// The growing lists of one layer.
///
/// A row starts with the links that its last selection chose (*clean*: known not to dominate each
/// other), ascending; links appended since follow. Keys are kept, so that thinning out a row
/// never measures a distance to its own node again.
pub(crate) struct LinkTable {
    ids: Vec<u32>,
    keys: Vec<u32>,
    fill: Vec<Fill>,
    cap: usize,
}

/// How much of a row is used.
#[derive(Clone, Copy, Default)]
struct Fill {
    len: u16,
    clean: u16,
}

/// How rows take new links.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) rule: Rule,
    /// How long a list may grow.
    pub(crate) cap: usize,
    /// How many links a selection keeps.
    pub(crate) keep: usize,
}

/// A link to be added: `source` joins the row of `target`.
///
/// Ordered by target, then by the turn of the source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) target: u32,
    /// The source's place in the batch: the order in which one-by-one insertion would add links.
    pub(crate) turn: u32,
    pub(crate) source: u32,
    pub(crate) key: u32,
}

/// The rows from `first` on, for writing.
struct Window<'a> {
    ids: &'a mut [u32],
    keys: &'a mut [u32],
    fill: &'a mut [Fill],
    first: u32,
    cap: usize,
}

impl LinkTable {
    pub(crate) fn new(len: usize, cap: usize) -> Self {
        let (ids, keys) = (vec![0; len * cap], vec![0; len * cap]);
        Self { ids, keys, fill: vec![Fill::default(); len], cap }
    }

    /// The lists of `graph`, none of which is longer than `cap`.
    pub(crate) fn of(graph: &Graph, space: &dyn Space, cap: usize) -> Self {
        let mut rows = Self::new(graph.len(), cap);
        let mut keys = Vec::new();
        for node in 0..graph.len() as u32 {
            let list = graph.neighbors(node);
            keys.resize(list.len(), 0);
            space.keys(node, list, &mut keys);
            let links: Vec<Candidate> =
                list.iter().zip(&keys).map(|(&id, &key)| Candidate::new(key, id)).collect();
            rows.set(node, &links, 0);
        }
        rows
    }

    pub(crate) fn len(&self) -> usize {
        self.fill.len()
    }

    /// The links of `slot`.
    #[inline(always)]
    pub(crate) fn ids(&self, slot: u32) -> &[u32] {
        let start = slot as usize * self.cap;
        &self.ids[start..start + usize::from(self.fill[slot as usize].len)]
    }

    /// Asks for the memory of [`ids`](Self::ids).
    #[inline(always)]
    pub(crate) fn prefetch(&self, slot: u32) {
        let start = slot as usize * self.cap;
        prefetch(&self.fill, slot as usize);
        for line in (0..self.cap).step_by(16) {
            prefetch(&self.ids, start + line);
        }
    }

    /// The links of `slot` with their keys.
    pub(crate) fn links(&self, slot: u32) -> impl Iterator<Item = Candidate> + '_ {
        let ids = self.ids(slot);
        let keys = &self.keys[slot as usize * self.cap..][..ids.len()];
        ids.iter().zip(keys).map(|(&id, &key)| Candidate::new(key, id))
    }

    /// All lists, nearest first, as a matrix of `stride` slots a row.
    pub(crate) fn freeze(&self, stride: usize) -> Buffer<u32> {
        let mut links = Buffer::<u32>::zeroed(self.len() * stride);
        let rows = links.make_mut().par_chunks_exact_mut(stride).enumerate();
        rows.for_each_init(Vec::new, |sorted: &mut Vec<Candidate>, (slot, row)| {
            sorted.clear();
            sorted.extend(self.links(slot as u32));
            sorted.sort_unstable();
            row.fill(NONE);
            row.iter_mut().zip(sorted).for_each(|(place, link)| *place = link.id());
        });
        links
    }

    /// Gives `slot` its first links, of which the first `clean` were selected together.
    pub(crate) fn set(&mut self, slot: u32, links: &[Candidate], clean: usize) {
        self.window().write(slot, links, clean);
    }

    /// A graph of these lists below `layers`.
    pub(crate) fn to_graph(&self, entry: u32, layers: Vec<Layer>) -> Result<Graph, BuildError> {
        let links = self.freeze(stride_of(self.cap));
        Ok(Graph::new(links, self.len(), self.cap, entry, layers)?)
    }

    /// Whether the row of `slot` is full.
    pub(crate) fn is_full(&self, slot: u32) -> bool {
        usize::from(self.fill[slot as usize].len) == self.cap
    }

    /// Puts `link` into a free place of the row of `slot`, or into that of its farthest link that
    /// is not `kept`. Whether there was one.
    pub(crate) fn squeeze(
        &mut self,
        slot: u32,
        link: Candidate,
        kept: impl Fn(u32) -> bool,
    ) -> bool {
        let start = slot as usize * self.cap;
        let fill = &mut self.fill[slot as usize];
        let len = usize::from(fill.len);
        let place = if len < self.cap {
            fill.len += 1;
            start + len
        } else {
            let free = (start..start + len).filter(|&place| !kept(self.ids[place]));
            match free.max_by_key(|&place| Candidate::new(self.keys[place], self.ids[place])) {
                Some(place) => place,
                None => return false,
            }
        };
        fill.clean = 0;
        self.ids[place] = link.id();
        self.keys[place] = link.key();
        true
    }

    /// Adds `links`, sorted, each row on its own.
    pub(crate) fn connect(
        &mut self,
        layer_space: LayerSpace<'_>,
        policy: Policy,
        links: &[Link],
        spare: &ScratchPool,
    ) {
        self.window().connect(layer_space, policy, links, spare);
    }

    fn window(&mut self) -> Window<'_> {
        Window {
            ids: &mut self.ids,
            keys: &mut self.keys,
            fill: &mut self.fill,
            first: 0,
            cap: self.cap,
        }
    }
}

impl Window<'_> {
    /// Splits links and rows at a target until the pieces are small, and works on them in
    /// parallel: no two threads ever hold the same row.
    fn connect(
        self,
        layer_space: LayerSpace<'_>,
        policy: Policy,
        links: &[Link],
        spare: &ScratchPool,
    ) {
        const PIECE: usize = 256;
        let middle = links.len() / 2;
        let split = match links.get(middle) {
            Some(link) if links.len() > PIECE => {
                links.partition_point(|other| other.target < link.target)
            }
            _ => 0,
        };
        if split == 0 {
            return self.connect_in_turn(layer_space, policy, links, &mut spare.take());
        }
        let (left, right) = self.split_at(links[split].target);
        rayon::join(
            || left.connect(layer_space, policy, &links[..split], spare),
            || right.connect(layer_space, policy, &links[split..], spare),
        );
    }

    fn connect_in_turn(
        mut self,
        layer_space: LayerSpace<'_>,
        policy: Policy,
        links: &[Link],
        scratch: &mut Scratch,
    ) {
        for group in links.chunk_by(|a, b| a.target == b.target) {
            match policy.rule {
                // Exactly what adding one link after the other does.
                Rule::Closest => {
                    group.chunks(1).for_each(|one| self.add(layer_space, policy, one, scratch));
                }
                Rule::Diverse { .. } | Rule::Sliding { .. } => {
                    self.add(layer_space, policy, group, scratch)
                }
            }
        }
    }

    /// Adds links to one row; when they do not fit, selects anew from all of them.
    fn add(
        &mut self,
        layer_space: LayerSpace<'_>,
        policy: Policy,
        links: &[Link],
        scratch: &mut Scratch,
    ) {
        let target = links[0].target;
        let row = (target - self.first) as usize;
        let Fill { len, clean } = self.fill[row];
        let (start, len) = (row * self.cap, usize::from(len));
        let present = &self.ids[start..start + len];
        let is_new = |link: &&Link| !present.contains(&link.source);
        let added = links.iter().filter(is_new).count();
        if len + added <= policy.cap {
            let mut place = start + len;
            for link in links {
                if !self.ids[start..start + len].contains(&link.source) {
                    self.ids[place] = link.source;
                    self.keys[place] = link.key;
                    place += 1;
                }
            }
            self.fill[row].len += added as u16;
            return;
        }
        let Scratch { keys, pruning, .. } = scratch;
        let old = self.ids[start..start + len].iter().zip(&self.keys[start..start + len]);
        pruning.candidates.clear();
        pruning.candidates.extend(old.map(|(&id, &key)| Candidate::new(key, id)));
        for candidate in &mut pruning.candidates[..usize::from(clean)] {
            *candidate = candidate.flagged();
        }
        let newcomers = links.iter().filter(is_new);
        pruning.candidates.extend(newcomers.map(|link| Candidate::new(link.key, link.source)));
        pruning.candidates.sort_unstable();
        select(layer_space, policy.rule, policy.keep, keys, pruning);
        let Pruning { chosen, clean, .. } = pruning;
        self.write(target, chosen, *clean);
    }

    fn write(&mut self, slot: u32, links: &[Candidate], clean: usize) {
        let row = (slot - self.first) as usize;
        for (place, link) in (row * self.cap..).zip(links) {
            self.ids[place] = link.id();
            self.keys[place] = link.key();
        }
        self.fill[row] = Fill { len: links.len() as u16, clean: clean as u16 };
    }

    fn split_at(self, target: u32) -> (Self, Self) {
        let rows = (target - self.first) as usize;
        let (ids, more_ids) = self.ids.split_at_mut(rows * self.cap);
        let (keys, more_keys) = self.keys.split_at_mut(rows * self.cap);
        let (fill, more_fill) = self.fill.split_at_mut(rows);
        (
            Self { ids, keys, fill, ..self },
            Self { ids: more_ids, keys: more_keys, fill: more_fill, first: target, ..self },
        )
    }
}
