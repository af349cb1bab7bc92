//! Answers without all shards: only where they are asked for, and never without saying so.

use crate::{Worker, ask, cluster, rows, sealed, table, vectors};
use crinoid_datafusion::{AnnTable, missing_shards, register};
use crinoid_quant::Vectors;
use crinoid_shards::{SealOptions, Sealed};
use datafusion::{
    arrow::{
        array::{RecordBatch, UInt64Array},
        util::pretty::pretty_format_batches,
    },
    physical_plan::collect,
    prelude::SessionContext,
};
use std::{fs, path::Path, sync::Arc};

const PARTIAL: &str = "SET crinoid.partial = true";

/// What these shards answer, without the others.
fn of_shards(sealed: &Sealed, shards: &[usize], queries: &Vectors) -> Vec<(i64, u64, u32)> {
    let mut all = Vec::new();
    for (query, name) in queries.rows().zip(0..) {
        let found = shards
            .iter()
            .flat_map(|&shard| sealed.shard(shard).unwrap().search_exact(query, 10).unwrap());
        let mut found: Vec<_> = found.collect();
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
        found.truncate(10);
        all.extend(found.iter().map(|one| (name, one.id, one.distance.to_bits())));
    }
    all
}

fn marked(place: &Path) -> String {
    ask(place, 10, ", 'exact'").replace("distance FROM", "distance, missing FROM")
}

/// The column `missing`, which is the fourth.
fn missing(batches: &[RecordBatch]) -> Vec<u64> {
    let columns = batches.iter().map(|batch| batch.column(3).as_any());
    columns.flat_map(|one| one.downcast_ref::<UInt64Array>().unwrap().values().to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_missing_is_counted_in_every_row_and_none_at_all_is_an_error() {
    let workers = [(); 2].map(|()| Worker::start(&[]));
    let (base, queries) = (vectors(41, 1_000, 8), vectors(42, 7, 8));
    let (folder, sealed) = sealed(&base, None, &SealOptions::new(5));
    // What is open stays open: the files are gone before anybody else has seen them.
    sealed.verify().unwrap();
    let file = |shard: usize| folder.path().join(&sealed.manifest().shards[shard].file);
    fs::remove_file(file(2)).unwrap();
    let (alone, cluster) = (SessionContext::new(), cluster(&workers.each_ref(), |_| {}));
    register(&alone);
    for context in [&alone, cluster.context()] {
        context.register_batch("questions", table(&queries, 0..7)).unwrap();
    }
    let whole = ask(folder.path(), 10, ", 'exact'");
    for error in [
        cluster.sql(&whole).await.unwrap_err().to_string(),
        alone.sql(&whole).await.unwrap().collect().await.unwrap_err().to_string(),
    ] {
        assert!(error.contains("shard 2: its file") && error.contains("is missing"), "{error}");
    }
    let error = alone.sql(&marked(folder.path())).await.unwrap_err().to_string();
    assert!(error.contains("missing"), "there is no such column: {error}");

    alone.sql(PARTIAL).await.unwrap();
    cluster.sql(PARTIAL).await.unwrap();
    let want = of_shards(&sealed, &[0, 1, 3, 4], &queries);
    let told = cluster.ask(&marked(folder.path())).await.unwrap();
    assert_eq!((rows(&told.rows), told.missing), (want.clone(), 1));
    assert_eq!(missing(&told.rows), vec![1; 70]);
    let frame = alone.sql(&marked(folder.path())).await.unwrap();
    let context = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.unwrap();
    let local = collect(plan.clone(), context).await.unwrap();
    assert_eq!((rows(&local), missing_shards(&plan)), (want, 1));
    assert_eq!(missing(&local), vec![1; 70]);
    for told in [
        alone.sql(&format!("EXPLAIN ANALYZE {whole}")).await.unwrap().collect().await.unwrap(),
        cluster.sql(&format!("EXPLAIN ANALYZE {whole}")).await.unwrap(),
    ] {
        let told = pretty_format_batches(&told).unwrap().to_string();
        assert!(told.contains("missing_shards=1") && told.contains("partial"), "{told}");
    }

    // Damaged is as good as missing; then none is left.
    fs::write(file(0), "no index").unwrap();
    alone.register_batch("other", table(&queries, 0..7)).unwrap();
    let fresh = SessionContext::new_with_config(
        datafusion::prelude::SessionConfig::new()
            .with_extension(Arc::new(crinoid_datafusion::Shards::default())),
    );
    register(&fresh);
    fresh.register_batch("questions", table(&queries, 0..7)).unwrap();
    fresh.sql(PARTIAL).await.unwrap();
    let two = fresh.sql(&marked(folder.path())).await.unwrap().collect().await.unwrap();
    assert_eq!(rows(&two), of_shards(&sealed, &[1, 3, 4], &queries));
    assert_eq!(missing(&two), vec![2; 70]);
    let nobody = SessionContext::new_with_config(
        datafusion::prelude::SessionConfig::new()
            .with_extension(Arc::new(crinoid_datafusion::Shards::default())),
    );
    register(&nobody);
    nobody.register_batch("questions", table(&queries, 0..7)).unwrap();
    nobody.sql(PARTIAL).await.unwrap();
    (1..5).filter(|&shard| shard != 2).for_each(|shard| fs::remove_file(file(shard)).unwrap());
    let none = nobody.sql(&marked(folder.path())).await.unwrap().collect().await;
    let error = none.unwrap_err().to_string();
    assert!(error.contains("none of the 5 shards is there"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_try_is_left_the_shards_of_a_killed_worker_are_missing() {
    let mut workers = [(); 3].map(|()| Worker::start(&[]));
    // Task `i`, and with it shards `i` and `i + 3`, belongs to worker `i` in the order of their addresses.
    workers.sort_by(|a, b| a.url.cmp(&b.url));
    let (base, queries) = (vectors(43, 1_200, 8), vectors(44, 7, 8));
    let (folder, sealed) = sealed(&base, None, &SealOptions::new(6));
    let once = cluster(&workers.each_ref(), |options| options.attempts = 1);
    let twice = cluster(&workers.each_ref(), |options| options.attempts = 2);
    for cluster in [&once, &twice] {
        cluster.context().register_batch("questions", table(&queries, 0..7)).unwrap();
    }
    let all = of_shards(&sealed, &[0, 1, 2, 3, 4, 5], &queries);
    let (whole, marked) = (ask(folder.path(), 10, ", 'exact'"), marked(folder.path()));
    assert_eq!(rows(&once.sql(&whole).await.unwrap()), all);
    workers[1].signal("-9");
    let error = once.sql(&whole).await.unwrap_err().to_string();
    assert!(error.contains(workers[1].url.as_str()), "{error}");

    once.sql(PARTIAL).await.unwrap();
    let told = once.ask(&marked).await.unwrap();
    assert_eq!(rows(&told.rows), of_shards(&sealed, &[0, 2, 3, 5], &queries));
    assert_eq!((missing(&told.rows), told.missing), (vec![2; 70], 2));
    let counted = once.sql(&format!("EXPLAIN ANALYZE {whole}")).await.unwrap();
    let counted = pretty_format_batches(&counted).unwrap().to_string();
    assert!(counted.contains("missing_shards=2"), "{counted}");

    // A table of a program's own, which does not allow less, has all of it.
    let (place, query) = (folder.path().display().to_string(), queries.row(0).to_vec());
    let near = AnnTable::of(place, query, 10).exact();
    once.context().register_table("near", Arc::new(near)).unwrap();
    let told =
        once.ask("SELECT query, id, distance FROM near ORDER BY distance, id").await.unwrap();
    assert_eq!((rows(&told.rows), told.missing), (all[..10].to_vec(), 0));

    // Whoever has another try has all of it, allowed or not.
    twice.sql(PARTIAL).await.unwrap();
    let told = twice.ask(&marked).await.unwrap();
    assert_eq!((rows(&told.rows), told.missing), (all, 0));
    assert_eq!(missing(&told.rows), vec![0; 70]);
    // Nobody is left.
    workers[0].signal("-9");
    workers[2].signal("-9");
    assert!(once.sql(&whole).await.is_err());
}
