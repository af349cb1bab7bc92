//! `partition@1`: a graph from products of matrices.
//!
//! After PiPNN (Rubel, Wen, Dhulipala, Gottesbüren, Jayaram, Łącki: arXiv 2602.21247, 2026). Searching a graph for the
//! neighbours of every point, as the other builders do, waits for memory at every step. Here
//! [partitions that overlap](crate::carve) bring near points together, all pairs within a part are measured as a
//! product of matrices, and every point keeps the nearest that it has met.

use crate::{
    adjacency::{Graph, NONE},
    block::{Block, MOST, nearest},
    builder::{BuildError, Builder, Params, Progress},
    candidate::Candidate,
    carve::carve,
    link_table::Policy,
    medoid::medoid,
    pick::Picker,
    random,
    reservoir::Reservoir,
    select::{RELAXED_THEN_STRICT, SLACK},
    single_layer::SingleLayer,
};
use crinoid_quant::{Space, isa::PANEL};
use rayon::prelude::*;
use std::{array, collections::BTreeMap, ops::Range};

/// How many of its nearest a point keeps from each leaf. Few: those from leaves on the other side of a border are
/// farther away, and it is them that lists of diverse links are made of. With the 64 nearest of every leaf, code-384 needs
/// 3,096 evaluations at recall 0.99 instead of 2,672.
const PER_LEAF: usize = 16;

/// Points whose number has a hash divisible by these are met as members of samples as well.
const SAMPLES: [u64; 2] = [16, 128];

/// How many of its nearest in each sample are candidates of a point. Whoever has a cluster of a hundred about it meets
/// nobody else without them (recall 0.88 instead of 1.00 on fifty of those).
const FAR: usize = 8;

/// Separates samples from other uses of the same seed.
const STREAM: u64 = 0x0073_616d_706c_6573;

/// How many of the leaders are candidates of a point: long links (another 10 % on code-384 at recall 0.99).
const LEADS: usize = 8;

/// Each level of leaders has one in so many of the one below.
const COARSER: usize = 8;

/// The most candidates from which a list with its reverse links is selected anew: of a hub, the nearest.
const LINKS: usize = 192;

/// So many ranges of points are worked on one after the other: what a point keeps until its list is selected
/// takes memory for a part of all points only.
const RANGES: usize = 4;

/// So many ranges of points get their reverse links one after the other.
const TARGETS: usize = 8;

/// Leaves, or groups of sixteen points, between two reports.
const CHUNK: usize = 256;

/// Candidates from partitions, the champion's selection.
///
/// Memory beside the codes, in bytes a point: while candidates are gathered, `ef_construction` (8 for each of
/// `ef_construction / 2` of them, a quarter of the points at a time), 48 for the leaves and `16 m` for the lists; while links
/// are reversed, `36 m` and some 30; while the graph (`8 m`) is frozen, `24 m` with it. To that come some megabytes a
/// thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partition;

impl Builder for Partition {
    fn version(&self) -> &'static str {
        "partition@1"
    }

    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError> {
        params.validate_for(space.len())?;
        let degree = 2 * params.m;
        let entry = medoid(space, params.seed).unwrap_or(NONE);
        let steps = Steps { progress, total: space.len() };
        // Shares of the work as measured: carving 3 %, leaves 60 %, lists 22 %, links 15 %.
        steps.report(0.0)?;
        let (leaves, leaders) = carve(space, params.seed);
        let keep = (params.ef_construction / 2).max(degree).min(space.len().max(1));
        let far = Leaders::new(space, leaders);
        let mut lists = Lists::new(space.len(), degree);
        for part in 0..RANGES {
            let (from, span) = (0.03 + 0.82 * part as f64 / RANGES as f64, 0.82 / RANGES as f64);
            let range = piece(space.len(), part, RANGES);
            let near = Reservoir::new(range.clone(), keep);
            let samples = SAMPLES.map(|_| Reservoir::new(range.clone(), FAR));
            let met = Met { near, samples, seed: params.seed ^ STREAM };
            for (turn, some) in leaves.chunks(CHUNK).enumerate() {
                let done = (turn * CHUNK) as f64 / leaves.len() as f64;
                steps.report(from + 0.7 * span * done)?;
                let leaf = |work: &mut Work, leaf: &Vec<u32>| work.leaf(space, leaf, &met);
                some.par_iter().for_each_init(Work::default, leaf);
            }
            steps.report(from + 0.7 * span)?;
            lists.select(space, range, &met, &far);
        }
        drop(leaves);
        let skeleton = far.skeleton(space, degree);
        let entry = far.nearest_to(space, entry);
        drop(far);
        let policy = Policy { rule: RELAXED_THEN_STRICT, cap: degree, keep: degree };
        let mut graph = SingleLayer::new(space, policy, entry);
        for part in 0..TARGETS {
            steps.report(0.85 + 0.15 * part as f64 / TARGETS as f64)?;
            let range = piece(space.len(), part, TARGETS);
            for (node, list) in range.clone().zip(lists.with_reverse(space, &skeleton, range)) {
                graph.rows.set(node, &list, 0);
            }
        }
        drop(lists);
        steps.report(1.0)?;
        graph.attach(params.m);
        graph.freeze()
    }
}

/// Range `part` of `parts` of the points.
fn piece(points: usize, part: usize, parts: usize) -> Range<u32> {
    let at = |part: usize| (points * part / parts) as u32;
    at(part)..at(part + 1)
}

/// Tells how far the build is.
struct Steps<'a> {
    progress: &'a dyn Progress,
    total: usize,
}

impl Steps<'_> {
    fn report(&self, share: f64) -> Result<(), BuildError> {
        let done = (self.total as f64 * share) as usize;
        match self.progress.report(done.min(self.total), self.total).is_break() {
            true => Err(BuildError::Cancelled),
            false => Ok(()),
        }
    }
}

/// Working memory of a thread that measures.
#[derive(Default)]
struct Work {
    own: Block,
    all: Block,
    keys: Vec<u32>,
    found: Vec<Candidate>,
    spare: Vec<Candidate>,
    /// The points of a leaf by sample, the coarsest first.
    order: Vec<(usize, u32)>,
}

impl Work {
    /// Offers the points of `leaf` that `met` has lists for the nearest in the leaf, and in its part of each sample.
    fn leaf(&mut self, space: &dyn Space, leaf: &[u32], met: &Met) {
        let Self { own, all, keys, found, spare, order } = self;
        let at = |limit: u32| leaf.partition_point(|&id| id < limit);
        let range = at(met.near.range().start)..at(met.near.range().end);
        if range.is_empty() {
            return;
        }
        // The coarsest sample first, so that each is a beginning of the leaf.
        let level = |id: u32| SAMPLES.iter().filter(|&&one_in| met.is_in(one_in, id)).count();
        order.clear();
        order.extend(leaf.iter().map(|&id| (SAMPLES.len() - level(id), id)));
        order.sort_unstable();
        let members = |finest: usize| order.partition_point(|&(place, _)| place <= finest);
        let parts: [usize; SAMPLES.len()] =
            array::from_fn(|sample| members(SAMPLES.len() - 1 - sample));
        let ids: Vec<u32> = order.iter().map(|&(_, id)| id).collect();
        all.load(space, &ids);
        own.load(space, &leaf[range]);
        // Who meets everybody in one leaf has no others.
        let most = if leaf.len() == space.len() { MOST - 1 } else { PER_LEAF };
        for panel in 0..own.panels() {
            own.keys(space, panel, (all, 0), keys);
            let nodes = own.ids()[panel * PANEL..].iter();
            for (&node, row) in nodes.zip(keys.chunks_exact_mut(all.stride())) {
                nearest(row, &ids, most + 1, found);
                found.retain(|near| near.id() != node);
                found.truncate(most);
                met.near.offer(node, found, spare);
                for ((&part, sample), &one_in) in parts.iter().zip(&met.samples).zip(&SAMPLES) {
                    // The last panel may hold others as well.
                    let whole = part.next_multiple_of(PANEL);
                    nearest(&row[..whole], &ids, FAR + 1 + whole - part, found);
                    found.retain(|near| near.id() != node && met.is_in(one_in, near.id()));
                    found.truncate(FAR);
                    sample.offer(node, found, spare);
                }
            }
        }
    }
}

/// Whom the points of a range have met.
struct Met {
    near: Reservoir,
    samples: [Reservoir; SAMPLES.len()],
    seed: u64,
}

impl Met {
    /// Whether a point is in the sample of one in so many.
    fn is_in(&self, one_in: u64, id: u32) -> bool {
        random::hash(self.seed, u64::from(id)).is_multiple_of(one_in)
    }
}

/// Leaders as long links, level by level: the nearest leaders are candidates of every point, the nearest of a coarser
/// level those of the leaders themselves, and so on.
struct Leaders {
    /// The members of each level, ascending.
    levels: Vec<Block>,
}

impl Leaders {
    fn new(space: &dyn Space, leaders: Vec<u32>) -> Self {
        // A set of one leaf has no leaders.
        let step = (space.len() / 64).max(1);
        let mut next = match leaders.is_empty() {
            true => (0..space.len() as u32).step_by(step).collect(),
            false => leaders,
        };
        let mut levels = Vec::new();
        while next.len() > 1 {
            let mut block = Block::default();
            block.load(space, &next);
            levels.push(block);
            next = next.into_iter().step_by(COARSER).collect();
        }
        Self { levels }
    }

    /// The member of the coarsest level that is nearest to `node`; itself where there are no levels.
    fn nearest_to(&self, space: &dyn Space, node: u32) -> u32 {
        let Some(top) = self.levels.last() else { return node };
        let mut keys = vec![0; top.ids().len()];
        space.keys(node, top.ids(), &mut keys);
        keys.iter().zip(top.ids()).min().map_or(node, |(_, &id)| id)
    }

    /// Links among the leaders of each level that no selection takes away: what the upper layers of an HNSW are, laid
    /// into the base. Without them a search that starts in one cluster may never see another (recall 0.88 instead of 1.00
    /// on fifty clusters of a hundred points).
    fn skeleton(&self, space: &dyn Space, degree: usize) -> BTreeMap<u32, Vec<Candidate>> {
        let most = 3 * degree / 4;
        let mut links: BTreeMap<u32, Vec<Candidate>> = BTreeMap::new();
        let add = |links: &mut BTreeMap<u32, Vec<Candidate>>, node: u32, link: Candidate| {
            let list = links.entry(node).or_default();
            if list.len() < most && !list.contains(&link) {
                list.push(link);
            }
        };
        for block in self.levels.iter().rev() {
            let select = |(picker, keys): &mut (Picker, Vec<u32>), panel: usize| {
                block.keys(space, panel, (block, 0), keys);
                let nodes = &block.ids()[panel * PANEL..];
                let rows = nodes.iter().zip(keys.chunks_exact(block.stride()));
                let list = |(&node, row): (&u32, &[u32])| {
                    nearest(row, block.ids(), MOST, &mut picker.candidates);
                    picker.settle(node, MOST);
                    picker.pick(space, SLACK, (degree / 2).max(1));
                    picker.chosen.clone()
                };
                rows.map(list).collect()
            };
            let panels = (0..block.panels()).into_par_iter();
            let lists: Vec<Vec<Vec<Candidate>>> =
                panels.map_init(Default::default, select).collect();
            for (&node, list) in block.ids().iter().zip(lists.iter().flatten()) {
                list.iter().for_each(|&link| add(&mut links, node, link));
            }
            for (&node, list) in block.ids().iter().zip(lists.iter().flatten()) {
                for link in list {
                    add(&mut links, link.id(), Candidate::new(link.key(), node));
                }
            }
        }
        links
    }

    /// Calls `offer` with the place of each of `nodes` and the nearest of its levels.
    fn offer(
        &self,
        space: &dyn Space,
        nodes: &[u32],
        work: &mut Work,
        mut offer: impl FnMut(usize, &[Candidate]),
    ) {
        let Work { own, keys, found, .. } = work;
        own.load(space, nodes);
        for (level, block) in self.levels.iter().enumerate() {
            let takes_part =
                |node: u32| level == 0 || self.levels[level - 1].ids().binary_search(&node).is_ok();
            if !nodes.iter().any(|&node| takes_part(node)) {
                break;
            }
            for panel in 0..own.panels() {
                own.keys(space, panel, (block, 0), keys);
                let places = (panel * PANEL..nodes.len()).zip(keys.chunks_exact(block.stride()));
                for (place, row) in places {
                    if takes_part(nodes[place]) {
                        nearest(row, block.ids(), LEADS, found);
                        offer(place, found);
                    }
                }
            }
        }
    }
}

/// Selected lists: rows of fixed length.
struct Lists {
    rows: Vec<Candidate>,
    lens: Vec<u16>,
    degree: usize,
}

impl Lists {
    fn new(len: usize, degree: usize) -> Self {
        Self { rows: vec![Candidate::new(0, 0); len * degree], lens: vec![0; len], degree }
    }

    fn list(&self, node: u32) -> &[Candidate] {
        let node = node as usize;
        &self.rows[node * self.degree..][..usize::from(self.lens[node])]
    }

    /// Selects the lists of the points of `range` from whom they have met and from the leaders.
    fn select(&mut self, space: &dyn Space, range: Range<u32>, met: &Met, far: &Leaders) {
        let degree = self.degree;
        let span = range.start as usize..range.end as usize;
        let rows = self.rows[span.start * degree..span.end * degree].par_chunks_mut(PANEL * degree);
        let lens = self.lens[span].par_chunks_mut(PANEL);
        let select =
            |(picker, work, far_links): &mut (Picker, Work, Vec<Vec<Candidate>>),
             (panel, (rows, lens)): (usize, (&mut [Candidate], &mut [u16]))| {
                let first = range.start + (panel * PANEL) as u32;
                let nodes: Vec<u32> = (first..first + lens.len() as u32).collect();
                far_links.resize(PANEL, Vec::new());
                far_links.iter_mut().for_each(Vec::clear);
                far.offer(space, &nodes, work, |place, found| {
                    far_links[place].extend_from_slice(found)
                });
                let slots = rows.chunks_exact_mut(degree).zip(lens);
                for ((&node, far), (row, len)) in nodes.iter().zip(&*far_links).zip(slots) {
                    picker.candidates.clear();
                    picker.candidates.extend_from_slice(far);
                    met.near.list(node, &mut picker.candidates);
                    met.samples.iter().for_each(|met| met.list(node, &mut picker.candidates));
                    picker.settle(node, usize::MAX);
                    picker.pick(space, SLACK, degree);
                    row[..picker.chosen.len()].copy_from_slice(&picker.chosen);
                    *len = picker.chosen.len() as u16;
                }
            };
        rows.zip(lens).enumerate().for_each_init(Default::default, select);
    }

    /// The lists of the points of `range` together with the links into them, those that do not fit selected anew.
    /// Those of the `skeleton` are kept.
    fn with_reverse(
        &self,
        space: &dyn Space,
        skeleton: &BTreeMap<u32, Vec<Candidate>>,
        range: Range<u32>,
    ) -> Vec<Vec<Candidate>> {
        let mut starts = vec![0usize; range.len() + 1];
        let place = |link: &Candidate| {
            range.contains(&link.id()).then(|| (link.id() - range.start) as usize)
        };
        let all = || {
            (0..self.lens.len() as u32)
                .flat_map(|node| self.list(node).iter().map(move |l| (node, l)))
        };
        all().filter_map(|(_, link)| place(link)).for_each(|place| starts[place + 1] += 1);
        for place in 0..range.len() {
            starts[place + 1] += starts[place];
        }
        let mut links = vec![Candidate::new(0, 0); starts[range.len()]];
        let mut ends = starts.clone();
        for (source, link) in all() {
            if let Some(place) = place(link) {
                links[ends[place]] = Candidate::new(link.key(), source);
                ends[place] += 1;
            }
        }
        let merge = |picker: &mut Picker, place: usize| {
            let node = range.start + place as u32;
            picker.candidates.clear();
            picker.candidates.extend_from_slice(self.list(node));
            picker.candidates.extend_from_slice(&links[starts[place]..starts[place + 1]]);
            let kept = skeleton.get(&node).map_or(&[][..], Vec::as_slice);
            picker.candidates.retain(|link| !kept.contains(link));
            picker.settle(node, LINKS);
            let room = self.degree - kept.len();
            if picker.candidates.len() <= room {
                picker.chosen.clone_from(&picker.candidates);
            } else {
                picker.pick(space, SLACK, room);
            }
            [&picker.chosen[..], kept].concat()
        };
        (0..range.len()).into_par_iter().map_init(Picker::default, merge).collect()
    }
}
