//! Every published search through one table.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::{clustered, knn_graph};
use crinoid_graph::Graph;
use crinoid_quant::{
    Codes, Level, Metric, Neighbor, Scorer, Vectors,
    codec::{Float, Int8MaxAbs, Sign, Sq8},
    isa::Portable,
};
use crinoid_search::{
    AnyCodes, BestFirst, Composed, Counters, Doubt, Engine, Exact, Heap, Pipelined, Scratch,
    Search, SearchParams, SecondLook, versions,
};
use std::{collections::BTreeSet, sync::Arc};

/// The search compiled for the codec, and compiled once for all of them.
fn both<C: Codes>(
    graph: &Arc<Graph>,
    codes: &Arc<C>,
    search: impl Search + Copy,
) -> [Box<dyn Engine>; 2] {
    let over = AnyCodes::from(codes.clone());
    [
        Box::new(Composed::new(graph.clone(), codes.clone(), search).unwrap()),
        Box::new(Composed::over(graph.clone(), over, search).unwrap()),
    ]
}

/// The versions that expand the closest candidate first, always, from the graph's entry.
fn best_first<C: Codes>(graph: &Arc<Graph>, codes: &Arc<C>) -> Vec<Box<dyn Engine>> {
    both(graph, codes, Heap).into_iter().chain(both(graph, codes, BestFirst::POOL)).collect()
}

/// All versions, as a recipe composes them.
fn all<C: Codes>(graph: &Arc<Graph>, codes: &Arc<C>) -> Vec<Box<dyn Engine>> {
    let compose =
        |version: &versions::Published| version.compose(graph.clone(), codes.clone()).unwrap();
    versions::PUBLISHED.iter().map(|version| Box::new(compose(version)) as _).collect()
}

/// The versions that see everything when the beam is wide enough.
fn engines<C: Codes>(graph: &Arc<Graph>, codes: &Arc<C>) -> Vec<Box<dyn Engine>> {
    let unbounded = Pipelined { slack: f32::INFINITY, ..Pipelined::NEAREST };
    best_first(graph, codes).into_iter().chain(both(graph, codes, unbounded)).collect()
}

fn built<C: Codes>(n: usize, dim: usize, layered: bool) -> (Vectors, Arc<Graph>, Arc<C>) {
    let vectors = clustered(n, dim, 1);
    let graph = Arc::new(knn_graph(&vectors, 10, layered));
    let codes = Arc::new(C::train(&vectors, Metric::L2));
    (vectors, graph, codes)
}

fn ask(engine: &dyn Engine, query: &[f32], k: usize, ef: usize) -> (Vec<Neighbor>, Counters) {
    let mut out = Vec::new();
    let counters =
        engine.search(query, &SearchParams::new(k, ef), &mut Scratch::default(), &mut out);
    (out, counters)
}

#[test]
fn the_table_is_complete() {
    let (_, graph, codes) = built::<Float>(30, 4, false);
    for (engine, version) in all(&graph, &codes).iter().zip(versions::VERSIONS) {
        assert_eq!(engine.version(), version.to_string());
    }
    let names: BTreeSet<String> = versions::VERSIONS.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), versions::VERSIONS.len());
    assert!(names.contains(versions::CHAMPION) && names.contains(versions::PREDECESSOR));
    let rows = Pipelined::VERSIONS.map(|row| row.version).into_iter();
    for row in rows.chain(BestFirst::VERSIONS.map(|row| row.version)) {
        assert!(names.contains(row), "{row}");
    }
    for (old, new) in versions::ALIASES {
        assert_eq!(versions::find(old).unwrap().version().to_string(), *new);
    }
    for (old, new) in versions::RETIRED {
        assert!(versions::find(old).unwrap_err().to_string().contains(&format!("use {new}")));
        assert!(names.contains(*new) && !names.contains(*old));
    }
}

#[test]
fn a_search_compiled_once_answers_as_one_compiled_for_the_codec() {
    fn check<C: Codes>() {
        let (_, graph, codes) = built::<C>(700, 33, true);
        for query in clustered(12, 33, 9).rows() {
            for version in versions::PUBLISHED {
                let compiled = version.compose(graph.clone(), codes.clone()).unwrap();
                let over = AnyCodes::from(codes.clone());
                let over = version.compose_over(graph.clone(), over).unwrap();
                for (k, ef) in [(1, 1), (10, 10), (10, 64), (5, 300)] {
                    assert_eq!(
                        ask(&compiled, query, k, ef),
                        ask(&over, query, k, ef),
                        "{version:?}"
                    );
                }
            }
        }
    }
    check::<Float>();
    check::<Sq8>();
}

/// Best-first search with sets and sorting, nothing clever; what all versions must equal.
fn oracle<C: Codes>(
    graph: &Graph,
    codes: &C,
    query: &[f32],
    k: usize,
    ef: usize,
) -> (Vec<u32>, Counters) {
    let mut encoded = C::Query::default();
    codes.encode_query(query, &mut encoded);
    let scorer = codes.scorer(Portable, &encoded);
    let mut counters = Counters::default();
    let mut measure = |node: u32| {
        counters.distances += 1;
        (scorer.key(node), node)
    };
    let mut hops = 0;
    let mut here = graph.entry();
    let mut best = measure(graph.entry_node().unwrap());
    for layer in graph.layers().iter().rev() {
        loop {
            hops += 1;
            let slots = layer.neighbors(here).iter();
            let closest = slots.map(|&slot| (measure(layer.nodes[slot as usize]), slot)).min();
            match closest {
                Some((found, slot)) if found < best => (best, here) = (found, slot),
                _ => break,
            }
        }
        here = layer.below[here as usize];
    }
    let (mut seen, mut expanded) = (BTreeSet::from([best.1]), BTreeSet::new());
    let mut pool = vec![best];
    while let Some(&(_, node)) = pool.iter().find(|(_, node)| !expanded.contains(node)) {
        hops += 1;
        expanded.insert(node);
        for &neighbor in graph.neighbors(node) {
            if seen.insert(neighbor) {
                pool.push(measure(neighbor));
            }
        }
        pool.sort_unstable();
        pool.truncate(ef.max(k));
    }
    counters.hops = hops;
    (pool.iter().take(k).map(|&(_, id)| id).collect(), counters)
}

fn equals_the_oracle<C: Codes>() {
    for (n, dim, layered) in [(1, 3, false), (2, 5, true), (300, 8, false), (700, 33, true)] {
        let (_, graph, codes) = built::<C>(n, dim, layered);
        for query in clustered(12, dim, 9).rows() {
            for (k, ef) in [(1, 1), (1, 10), (10, 10), (10, 3), (5, 64), (n, n), (n + 5, 2 * n)] {
                let (ids, counters) = oracle(&graph, &*codes, query, k, ef);
                for engine in best_first(&graph, &codes) {
                    let (found, work) = ask(&*engine, query, k, ef);
                    let name = engine.version();
                    let found_ids: Vec<u32> = found.iter().map(|n| n.id).collect();
                    assert_eq!(found_ids, ids, "{name} n={n} k={k} ef={ef}");
                    assert_eq!(work, counters, "{name} n={n} k={k} ef={ef}");
                    assert!(found.is_sorted(), "{name}");
                }
            }
        }
    }
}

#[test]
fn answers_and_counters_equal_the_oracle() {
    equals_the_oracle::<Float>();
    equals_the_oracle::<Sq8>();
    equals_the_oracle::<Sign>();
    equals_the_oracle::<Int8MaxAbs>();
}

#[test]
fn a_beam_as_wide_as_the_set_is_exact_search() {
    for metric in [Metric::L2, Metric::InnerProduct] {
        let vectors = clustered(400, 24, 1);
        let graph = Arc::new(knn_graph(&vectors, 10, true));
        let codes = Arc::new(Sq8::train(&vectors, metric));
        let exact = Exact::new(codes.clone());
        for query in clustered(20, 24, 5).rows() {
            let (truth, work) = ask(&exact, query, 400, 0);
            assert_eq!(work.distances, 400);
            for engine in engines(&graph, &codes) {
                assert_eq!(ask(&*engine, query, 400, 400).0, truth);
                assert_eq!(ask(&*engine, query, 10, 400).0, truth[..10]);
            }
        }
    }
}

#[test]
fn odd_requests_have_defined_answers() {
    for (n, layered) in [(0, false), (1, false), (1, true), (5, false)] {
        let (vectors, graph, codes) = built::<Sq8>(n, 6, layered);
        let query = [0.5; 6];
        let mut tested = all(&graph, &codes);
        tested.push(Box::new(Exact::new(codes.clone())));
        for engine in tested {
            assert_eq!((engine.len(), engine.dim(), engine.is_empty()), (n, 6, n == 0));
            assert_eq!(ask(&*engine, &query, 0, 10).0, vec![]);
            assert_eq!(ask(&*engine, &query, 0, 0).0, vec![]);
            for (k, ef) in [(1, 0), (3, 2), (1000, 5), (5, 1000)] {
                assert_eq!(ask(&*engine, &query, k, ef).0.len(), k.min(n), "{}", engine.version());
            }
        }
        let raw = crinoid_search::exact::nearest(&vectors, Metric::L2, &query, 1000);
        assert_eq!(raw.len(), n);
    }
}

#[test]
fn nothing_leaks_from_query_to_query() {
    let (_, graph, codes) = built::<Sq8>(600, 16, true);
    let (_, other_graph, other_codes) = built::<Float>(900, 8, false);
    let mut scratch = Scratch::default();
    let mut out = Vec::new();
    let (queries, others) = (clustered(40, 16, 3), clustered(40, 8, 4));
    for engine in all(&graph, &codes) {
        for round in 0..300 {
            let query = queries.row(round % 40);
            let params = SearchParams::new(10, 10 + round % 50);
            let work = engine.search(query, &params, &mut scratch, &mut out);
            assert_eq!((out.clone(), work), ask(&*engine, query, 10, params.ef));
            for other in engines(&other_graph, &other_codes) {
                other.search(others.row(round % 40), &params, &mut scratch, &mut out);
            }
        }
    }
}

#[test]
fn integer_codes_answer_alike_on_every_level() {
    let (_, graph, codes) = built::<Sq8>(500, 100, true);
    for query in clustered(10, 100, 8).rows() {
        let answers: BTreeSet<_> = Level::available()
            .into_iter()
            .map(|level| {
                let found = versions::PUBLISHED.iter().map(|version| {
                    let engine = version.compose(graph.clone(), codes.clone()).unwrap();
                    let engine = engine.at_level(level);
                    [10, 30, 200].map(|ef| ask(&engine, query, 10, ef))
                });
                let found: Vec<_> = found.collect();
                let exact = ask(&Exact::new(codes.clone()).at_level(level), query, 10, 0);
                format!("{found:?} {exact:?}")
            })
            .collect();
        assert_eq!(answers.len(), 1);
    }
}

#[test]
fn a_pipelined_search_is_as_good_as_best_first() {
    let (vectors, graph, codes) = built::<Sq8>(3_000, 16, false);
    let queries = clustered(100, 16, 6);
    let truth = crinoid_search::exact::nearest_all(&vectors, Metric::L2, &queries, 10);
    for ef in [10, 19, 20, 40, 200] {
        let recalls: Vec<f64> = engines(&graph, &codes)
            .iter()
            .map(|engine| {
                let hits = queries.rows().zip(&truth).map(|(query, truth)| {
                    let found = ask(&**engine, query, 10, ef).0;
                    found.iter().filter(|f| truth.iter().any(|t| t.id == f.id)).count()
                });
                hits.sum::<usize>() as f64 / 1000.0
            })
            .collect();
        assert!(recalls[4] >= recalls[2] - 0.02, "ef {ef}: {recalls:?}");
    }
}

#[test]
fn a_walk_that_starts_where_no_links_lead_out_goes_on_from_the_entry() {
    let (vectors, graph, codes) = built::<Sq8>(600, 16, false);
    // The first rows lead nowhere else, and row 0 is among the sampled starts.
    const ISLAND: u32 = 12;
    let lists: Vec<Vec<u32>> = (0..graph.len() as u32)
        .map(|node| match node < ISLAND {
            true => (0..ISLAND).filter(|&other| other != node).collect(),
            false => graph.neighbors(node).to_vec(),
        })
        .collect();
    let graph = Arc::new(Graph::from_lists(&lists, 12, ISLAND, Vec::new()).unwrap());
    let engine = Composed::new(graph, codes, Pipelined::NEAREST).unwrap();
    let found = ask(&engine, vectors.row(0), 30, 100).0;
    assert_eq!((found.len(), found[0].id), (30, 0));
}

#[test]
fn graph_and_codes_must_be_about_the_same_set() {
    let (_, graph, _) = built::<Float>(30, 4, false);
    let (_, _, codes) = built::<Float>(31, 4, false);
    let error = Composed::new(graph, codes, BestFirst::POOL).err().unwrap();
    assert_eq!(error.to_string(), "the graph has 30 nodes, but there are codes for 31 vectors");
}

#[test]
fn raw_scan_equals_sorting() {
    let (base, queries) = (clustered(300, 7, 1), clustered(5, 7, 2));
    let answers = crinoid_search::exact::nearest_all(&base, Metric::L2, &queries, 17);
    for (query, found) in queries.rows().zip(answers) {
        let mut all: Vec<Neighbor> = base
            .rows()
            .enumerate()
            .map(|(id, row)| {
                let terms = row.iter().zip(query).map(|(x, y)| f64::from(x - y).powi(2));
                Neighbor::new(id as u32, terms.sum::<f64>() as f32)
            })
            .collect();
        all.sort();
        let ids = |list: &[Neighbor]| list.iter().map(|n| n.id).collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(&all[..17]));
    }
}

#[test]
fn a_walk_in_the_wrong_cluster_looks_elsewhere() {
    // No link leads from one cluster to the other, and the rows of the second are none of 64 evenly
    // spaced ones, but some of the 150 that are measured in doubt.
    const ROWS: usize = 10_000;
    let spaced =
        |count: usize| (0..count).map(move |i| ((i * ((ROWS << 16) / count)) >> 16) as u32);
    let second: Vec<u32> =
        spaced(150).filter(|row| spaced(64).all(|other| other != *row)).collect();
    let first: Vec<u32> = (0..ROWS as u32).filter(|row| !second.contains(row)).collect();
    let mut rows = vec![[0.0f32; 4]; ROWS];
    let mut lists = vec![Vec::new(); ROWS];
    for (cluster, offset) in [(&first, 0.0), (&second, 10.0)] {
        for (place, &row) in cluster.iter().enumerate() {
            let noise = |i: u64| common::noise(3, u64::from(row) * 4 + i);
            rows[row as usize] = [0, 1, 2, 3].map(|i| offset + noise(i));
            let near = (1..=8).map(|step| cluster[(place + step * step) % cluster.len()]);
            lists[row as usize] = near.collect::<Vec<u32>>();
        }
    }
    let vectors = Vectors::from_rows(&rows).unwrap();
    let graph = Arc::new(Graph::from_lists(&lists, 8, first[0], Vec::new()).unwrap());
    let codes = Arc::new(Float::train(&vectors, Metric::L2));
    let share = |row: Pipelined, query: &[f32]| {
        let engine = Composed::new(graph.clone(), codes.clone(), row).unwrap();
        let found = ask(&engine, query, 10, 40).0;
        found.iter().filter(|near| second.contains(&near.id)).count()
    };
    let query = [10.5; 4];
    assert_eq!(share(Pipelined::NEAREST, &query), 0);
    assert_eq!(share(Pipelined::DOUBTING, &query), 10);
    // Far enough towards the second cluster the walk in the first comes closer than doubt asks of it, and ends where it
    // has no more to offer.
    let apart = Pipelined {
        doubt: Some(Doubt { alike: 0.0, ..Pipelined::DOUBTING.doubt.unwrap() }),
        ..Pipelined::THOROUGH
    };
    let looks = SecondLook { progress: 0.2, alike: 4.0, near: 1.15 };
    let again = Pipelined { second_look: Some(looks), ..apart };
    assert_eq!(share(Pipelined { second_look: None, ..apart }, &query), 0);
    assert_eq!(share(again, &query), 10);
    // Beside a sample there is no doubt, and nothing more is measured.
    let query = rows[0].map(|x| x + 0.01);
    let [near, same] = [Pipelined::NEAREST, Pipelined::DOUBTING]
        .map(|row| ask(&Composed::new(graph.clone(), codes.clone(), row).unwrap(), &query, 10, 40));
    assert_eq!(near, same);
}
