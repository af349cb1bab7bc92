//! A collection under the streaming track of NeurIPS'23: rows come and go in the order of their clusters, and are
//! searched meanwhile: `cargo run --release -p crinoid --example streaming -- [ROWS] [DIM]`
//!
//! After each round: recall@10 of the collection and of an index that is built afresh of the rows that are alive, both
//! at the same `ef`, and what a search costs in distance evaluations, of which the scan of unsealed rows is told apart.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use crinoid::{
    Batch, BuildOptions, Collection, CollectionOptions, ExternalId, Index, SearchOptions, Vectors,
};
use std::{collections::BTreeMap, error::Error};

const K: usize = 10;
const EF: usize = 40;
const QUERIES: usize = 100;
const CLUSTERS: usize = 32;

fn noise(seed: u64) -> f32 {
    let x = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ x >> 31) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut given = std::env::args().skip(1).map(|word| word.parse::<usize>());
    let rows = given.next().transpose()?.unwrap_or(40_000);
    let dim = given.next().transpose()?.unwrap_or(64);
    let vector = |cluster: usize, seed: usize| -> Vec<f32> {
        let value = |i: usize| {
            noise((cluster * dim + i) as u64 + 1) + 0.6 * noise(((seed * dim + i) as u64) << 20 | 1)
        };
        (0..dim).map(value).collect()
    };
    let per_cluster = rows / CLUSTERS;
    let queries: Vec<Vec<f32>> =
        (0..QUERIES).map(|at| vector(at % CLUSTERS, 1_000_000_000 + at)).collect();
    let folder = std::env::temp_dir().join(format!("crinoid-streaming-{}", std::process::id()));
    let build = BuildOptions::default();
    let collection =
        Collection::create(&folder, dim, &CollectionOptions::default().build(build.clone()))?;
    let mut alive: BTreeMap<u64, Vec<f32>> = BTreeMap::new();
    println!("round  rows    unsealed  recall  afresh  evaluations  of them scanned");
    // Two clusters come, from the third round on one that came early goes, and a part of another.
    for round in 0..CLUSTERS / 2 {
        let mut batch = Batch::new();
        for cluster in [2 * round, 2 * round + 1] {
            for at in 0..per_cluster {
                let id = (cluster * per_cluster + at) as u64;
                let row = vector(cluster, id as usize);
                batch.upsert(id, &row);
                alive.insert(id, row);
            }
        }
        if round >= 3 {
            let gone = (round - 3) * per_cluster;
            let half = (CLUSTERS / 2 + round) % (2 * round) * per_cluster;
            for id in (gone..gone + per_cluster).chain(half..half + per_cluster / 2) {
                batch.delete(id as u64);
                alive.remove(&(id as u64));
            }
        }
        collection.write(&batch)?;
        collection.flush()?;
        let ids: Vec<u64> = alive.keys().copied().collect();
        let fresh = Index::build(&Vectors::from_rows(alive.values())?, &build, &())?;
        let (mut found, mut afresh, mut cost, mut scanned) = (0, 0, 0, 0);
        let (snapshot, options) = (collection.snapshot(), SearchOptions::new(K, EF));
        for query in &queries {
            let truth: Vec<ExternalId> =
                snapshot.search_exact(query, K)?.into_iter().map(|near| near.id).collect();
            let (near, parts) = snapshot.search_with_report(query, &options)?;
            found += near.iter().filter(|near| truth.contains(&near.id)).count();
            for part in parts {
                cost += part.counters.distances;
                scanned += if part.segment.is_none() { part.counters.distances } else { 0 };
            }
            let near = fresh.search_with(query, &options)?;
            afresh += near.iter().filter(|n| truth.contains(&ids[n.id as usize].into())).count();
        }
        let share = |found: usize| found as f64 / (K * QUERIES) as f64;
        println!(
            "{round:5}  {:6}  {:8}  {:.3}   {:.3}   {:11}  {:15}",
            snapshot.len(),
            snapshot.unsealed(),
            share(found),
            share(afresh),
            cost / QUERIES as u64,
            scanned / QUERIES as u64,
        );
    }
    drop(collection);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
