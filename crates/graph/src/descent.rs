//! Graphs by local improvement: `nn-descent@1` and `rnn-descent@1`.
//!
//! Both start from random lists and improve all of them at once, round by round: every node reads
//! the lists of the round before and writes its own, so that a round is a pure function of the
//! one before it.

use crate::{
    adjacency::{Graph, NONE},
    builder::{BuildError, Builder, Params, Progress},
    candidate::Candidate,
    link_table::{Link, Policy},
    medoid::medoid,
    random,
    scratch::{Scratch, ScratchPool},
    select::{RELAXED_THEN_STRICT, select},
    single_layer::SingleLayer,
};
use crinoid_quant::Space;
use rayon::prelude::*;

/// Separates the stream of first lists from other uses of the same seed.
const STREAM: u64 = 0x0064_6573_6365_6e74;

/// How many rounds a build takes at most.
const ROUNDS: usize = 20;

/// Lists under improvement, ascending; flagged links have been read by a round.
type Lists = Vec<Vec<Candidate>>;

/// NN-Descent (Dong et al. 2011): a neighbour of a neighbour is likely to be a neighbour.
///
/// Each node draws from the lists of its neighbours in both directions, `ef_construction / 4` of
/// them, as long as that changes more than one link in a thousand. The graph is selected from
/// these near-exact neighbours and `m` random points like the champion's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NnDescent;

/// RNN-Descent (Ono & Matsui 2023): a link that a shorter way makes needless moves to that way.
///
/// Each round thins out every list; a neighbour that is closer to another neighbour than to the
/// node becomes a link of that other neighbour. Every fifth round adds reverse links.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RnnDescent;

impl Builder for NnDescent {
    fn version(&self) -> &'static str {
        "nn-descent@1"
    }

    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError> {
        params.validate_for(space.len())?;
        let keep = (params.ef_construction / 4).max(params.m);
        let spare = ScratchPool::default();
        let mut lists = random_lists(space, keep, params.seed);
        rounds(space, progress, |_| {
            let (next, changed) = expand(space, &lists, keep, &spare);
            lists = next;
            changed * 1000 > lists.len() * keep
        })?;
        // Near neighbours alone never leave a cluster: a few random points stand for the rest.
        let far = random_lists(space, params.m, params.seed ^ 1);
        lists.iter_mut().zip(far).for_each(|(list, far)| list.extend(far));
        finish(space, params, lists, spare)
    }
}

impl Builder for RnnDescent {
    fn version(&self) -> &'static str {
        "rnn-descent@1"
    }

    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError> {
        params.validate_for(space.len())?;
        let cap = (params.ef_construction / 2).max(2 * params.m);
        let mut lists = random_lists(space, params.m.max(20), params.seed);
        rounds(space, progress, |round| {
            if round % 5 == 4 {
                lists = with_reverse(&lists, cap);
            } else {
                lists = reroute(space, &lists, cap);
            }
            true
        })?;
        finish(space, params, lists, ScratchPool::default())
    }
}

/// Runs rounds until one says that it was the last.
fn rounds(
    space: &dyn Space,
    progress: &dyn Progress,
    mut round: impl FnMut(usize) -> bool,
) -> Result<(), BuildError> {
    let mut going = true;
    for turn in 0..ROUNDS {
        if progress.report(space.len() * turn / ROUNDS, space.len()).is_break() {
            return Err(BuildError::Cancelled);
        }
        going = going && round(turn);
    }
    Ok(())
}

/// `keep` random neighbours for each node.
fn random_lists(space: &dyn Space, keep: usize, seed: u64) -> Lists {
    let len = space.len() as u64;
    let draw = |node: u32| {
        let turns = (0..keep as u64).map(|turn| u64::from(node) * keep as u64 + turn);
        let other = |turn| random::below(random::hash(seed ^ STREAM, turn), len) as u32;
        let mut ids: Vec<u32> = turns.map(other).filter(|&id| id != node).collect();
        ids.sort_unstable();
        ids.dedup();
        measured(space, node, &ids, &mut Vec::new())
    };
    (0..space.len() as u32).into_par_iter().map(draw).collect()
}

/// `ids` as candidates of `node`, ascending.
fn measured(space: &dyn Space, node: u32, ids: &[u32], keys: &mut Vec<u32>) -> Vec<Candidate> {
    keys.resize(ids.len(), 0);
    space.keys(node, ids, keys);
    let mut list: Vec<Candidate> =
        ids.iter().zip(keys.iter()).map(|(&id, &key)| Candidate::new(key, id)).collect();
    list.sort_unstable();
    list
}

/// One round of NN-Descent, and how many links are new.
fn expand(space: &dyn Space, lists: &Lists, keep: usize, spare: &ScratchPool) -> (Lists, usize) {
    // A dozen links in each direction: the expansion costs the square of it.
    const FAN: usize = 12;
    let reverse = reversed(lists, FAN);
    let improve = |scratch: &mut Scratch, node: usize| {
        let Scratch { visited, todo, keys, .. } = scratch;
        let list = &lists[node];
        visited.begin(lists.len());
        visited.insert(node as u32);
        for link in list {
            visited.insert(link.id());
        }
        todo.clear();
        let fresh = list.iter().filter(|link| !link.is_flagged()).take(FAN);
        let known = list.iter().filter(|link| link.is_flagged()).take(FAN);
        for via in fresh.chain(known).chain(&reverse[node]) {
            let other = via.id() as usize;
            let onward = lists[other].iter().take(2 * FAN).chain(&reverse[other]);
            for link in onward {
                // Two known links have met in an earlier round.
                let is_known = via.is_flagged() && link.is_flagged();
                if !is_known && visited.insert(link.id()) {
                    todo.push(link.id());
                }
            }
        }
        let worst = if list.len() < keep { u32::MAX } else { list[list.len() - 1].key() };
        keys.resize(todo.len(), 0);
        space.keys(node as u32, todo, keys);
        let found = todo.iter().zip(keys.iter()).filter(|&(_, &key)| key <= worst);
        let mut next: Vec<Candidate> = list.iter().map(|link| link.flagged()).collect();
        next.extend(found.map(|(&id, &key)| Candidate::new(key, id)));
        next.sort_unstable();
        next.truncate(keep);
        let changed = next.iter().filter(|link| !link.is_flagged()).count();
        (next, changed)
    };
    let results: Vec<(Vec<Candidate>, usize)> = (0..lists.len())
        .into_par_iter()
        .map_init(|| spare.take(), |scratch, node| improve(scratch, node))
        .collect();
    let changed = results.iter().map(|(_, changed)| changed).sum();
    (results.into_iter().map(|(list, _)| list).collect(), changed)
}

/// The nearest `keep` links into each node, by source.
fn reversed(lists: &Lists, keep: usize) -> Lists {
    let mut links: Vec<(u32, Candidate)> = Vec::with_capacity(lists.iter().map(Vec::len).sum());
    for (node, list) in (0..).zip(lists) {
        links.extend(list.iter().map(|link| {
            let back = Candidate::new(link.key(), node);
            (link.id(), if link.is_flagged() { back.flagged() } else { back })
        }));
    }
    links.par_sort_unstable();
    let mut reverse = vec![Vec::new(); lists.len()];
    for group in links.chunk_by(|a, b| a.0 == b.0) {
        reverse[group[0].0 as usize] = group.iter().take(keep).map(|&(_, link)| link).collect();
    }
    reverse
}

/// One round of RNN-Descent: thins out every list and moves what falls out.
fn reroute(space: &dyn Space, lists: &Lists, cap: usize) -> Lists {
    let thin = |keys: &mut Vec<u32>, node: usize| {
        let mut kept: Vec<Candidate> = Vec::new();
        let (mut ids, mut moved) = (Vec::new(), Vec::new());
        for &link in &lists[node] {
            keys.resize(ids.len(), 0);
            space.keys(link.id(), &ids, keys);
            let shorter = kept.iter().zip(keys.iter()).find(|&(other, &key)| {
                !(link.is_flagged() && other.is_flagged()) && key <= link.key()
            });
            match shorter {
                Some((other, &key)) => {
                    moved.push(Link {
                        target: other.id(),
                        turn: link.id(),
                        source: link.id(),
                        key,
                    });
                }
                None => {
                    ids.push(link.id());
                    kept.push(link);
                }
            }
        }
        (kept, moved)
    };
    let results: Vec<(Vec<Candidate>, Vec<Link>)> =
        (0..lists.len()).into_par_iter().map_init(Vec::new, thin).collect();
    let mut moved: Vec<Link> = results.iter().flat_map(|(_, moved)| moved).copied().collect();
    moved.par_sort_unstable();
    moved.dedup();
    let mut next: Lists = results
        .into_iter()
        .map(|(kept, _)| kept.into_iter().map(Candidate::flagged).collect())
        .collect();
    for group in moved.chunk_by(|a, b| a.target == b.target) {
        merge(&mut next[group[0].target as usize], group, cap);
    }
    next
}

/// Every list with the reverse links into it, the nearest `cap`.
fn with_reverse(lists: &Lists, cap: usize) -> Lists {
    let mut next = lists.clone();
    for (list, reverse) in next.iter_mut().zip(reversed(lists, cap)) {
        let links = reverse.iter().map(|link| Link {
            target: 0,
            turn: 0,
            source: link.id(),
            key: link.key(),
        });
        merge(list, &links.collect::<Vec<_>>(), cap);
    }
    next
}

/// Adds `links` that are not in `list` yet, and keeps the nearest `cap`.
fn merge(list: &mut Vec<Candidate>, links: &[Link], cap: usize) {
    let known = list.len();
    for link in links {
        if !list[..known].iter().any(|other| other.id() == link.source) {
            list.push(Candidate::new(link.key, link.source));
        }
    }
    list.sort_unstable();
    list.dedup();
    list.truncate(cap);
}

/// Selects from the lists, links back, and makes everything reachable.
fn finish(
    space: &dyn Space,
    params: &Params,
    mut lists: Lists,
    spare: ScratchPool,
) -> Result<Graph, BuildError> {
    let degree = 2 * params.m;
    let policy = Policy { rule: RELAXED_THEN_STRICT, cap: degree, keep: degree };
    let entry = medoid(space, params.seed).unwrap_or(NONE);
    let mut graph = SingleLayer::new(space, policy, entry);
    graph.spare = spare;
    lists.par_iter_mut().for_each_init(
        || graph.spare.take(),
        |scratch, list| {
            let Scratch { keys, pruning, .. } = &mut **scratch;
            pruning.candidates.clear();
            pruning.candidates.extend(list.iter().map(|c| Candidate::new(c.key(), c.id())));
            pruning.candidates.sort_unstable();
            pruning.candidates.dedup();
            select(graph.layer_space(), policy.rule, policy.keep, keys, pruning);
            list.clone_from(&pruning.chosen);
        },
    );
    graph.replace(&lists);
    graph.attach(params.m);
    graph.freeze()
}
