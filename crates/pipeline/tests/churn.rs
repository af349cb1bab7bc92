//! What searches cost and find while rows come and go: counts, no clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{clustered, options};
use crinoid_pipeline::{
    Index, SearchOptions,
    collection::{Batch, Collection, CollectionOptions, Event, ExternalId},
};
use crinoid_quant::{Metric, Vectors};
use std::collections::BTreeMap;

const RECIPE: &str = "sq8@1/crinoid@1/pool@1/float@1";

#[test]
fn rows_are_sealed_when_searches_have_spent_on_them_what_a_segment_costs() {
    let folder = tempfile::tempdir().unwrap();
    let kept = CollectionOptions::default().build(options(RECIPE, Metric::L2)).seal_rows(1 << 20);
    let collection = Collection::create(folder.path(), 4, &kept).unwrap();
    let events = collection.events();
    let vectors = clustered(2_100, 4, 1);
    let write = |first: usize, last: usize| {
        let mut batch = Batch::new();
        for row in first..last {
            batch.upsert(row as u64, vectors.row(row));
        }
        collection.write(&batch).unwrap();
    };
    let search = |times: usize| {
        for at in 0..times {
            collection.search(vectors.row(at % 2_100), &SearchOptions::for_k(1)).unwrap();
        }
    };
    // Too few rows to be worth a segment, however often they are searched.
    write(0, 1_000);
    search(7_000);
    write(1_000, 2_100);
    // 7,000 times 1,000 rows so far, and a segment of all costs 2,100 times 6,400.
    search(3_000);
    assert_eq!((collection.status().segments, collection.status().unsealed), (0, 2_100));
    assert!(events.try_recv().is_err());
    search(200);
    let event = events.recv().unwrap();
    assert!(matches!(event, Event::Built { segment: Some(0), rows: 2_100, .. }), "{event:?}");
    assert_eq!(collection.status().unsealed, 0);
    assert_eq!(
        collection.search(vectors.row(7), &SearchOptions::for_k(1)).unwrap()[0].id,
        7.into()
    );
}

/// The order of NeurIPS'23's streaming track: clusters come, others go, and it is searched meanwhile.
#[test]
fn recall_under_churn_is_that_of_an_index_built_afresh() {
    const DIM: usize = 12;
    const CLUSTERS: usize = 24;
    const ROWS: usize = 3_600;
    let all = clustered(ROWS, DIM, 2);
    let queries = clustered(60, DIM, 3);
    let build = options(RECIPE, Metric::L2);
    let kept = CollectionOptions::default().build(build.clone()).seal_rows(500).max_segments(3);
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::create(folder.path(), DIM, &kept).unwrap();
    let mut alive: BTreeMap<u64, &[f32]> = BTreeMap::new();
    // `clustered` gives row `n` to cluster `n % 72`.
    let of = |cluster: usize| (0..ROWS).filter(move |row| row % 72 / 3 == cluster);
    for round in 0..CLUSTERS / 2 {
        let mut batch = Batch::new();
        for row in of(2 * round).chain(of(2 * round + 1)) {
            batch.upsert(row as u64, all.row(row));
            alive.insert(row as u64, all.row(row));
        }
        if round >= 2 {
            let gone = of(round - 2).chain(of(2 * round - 1).take(40));
            for row in gone {
                batch.delete(row as u64);
                alive.remove(&(row as u64));
            }
        }
        collection.write(&batch).unwrap();
        collection.flush().unwrap();
        if round % 3 != 2 {
            continue;
        }
        let ids: Vec<u64> = alive.keys().copied().collect();
        let fresh =
            Index::build(&Vectors::from_rows(alive.values()).unwrap(), &build, &()).unwrap();
        let snapshot = collection.snapshot();
        for ef in [10, 20, 40] {
            let search = SearchOptions::new(10, ef);
            let (mut found, mut afresh) = (0, 0);
            for query in queries.rows() {
                let truth = snapshot.search_exact(query, 10).unwrap();
                let is_true = |id: &ExternalId| truth.iter().any(|near| near.id == *id);
                let near = snapshot.search(query, &search).unwrap();
                found += near.iter().filter(|near| is_true(&near.id)).count();
                let near = fresh.search_with(query, &search).unwrap();
                afresh += near.iter().filter(|n| is_true(&ids[n.id as usize].into())).count();
            }
            println!("round {round}, ef {ef}: {found} of 600, afresh {afresh}");
            assert!(found + 6 >= afresh, "round {round}, ef {ef}: {found} of 600, afresh {afresh}");
        }
    }
}
