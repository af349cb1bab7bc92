//! Two or three real workers on this machine, each a process of its own.

mod files;
mod ids;
mod partial;
mod tls;

use crinoid_datafusion::{AnnTable, Cluster, ClusterOptions, register};
use crinoid_pipeline::BuildOptions;
use crinoid_quant::{Metric, Vectors, random::Random};
use crinoid_shards::{Effort, Manifest, SealOptions, Sealed, Store};
use datafusion::{
    arrow::{
        array::{Array, Float32Array, Int64Array, ListArray, RecordBatch, UInt64Array},
        datatypes::{DataType, Field, Float32Type, Schema},
    },
    prelude::SessionContext,
};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use url::Url;

/// A worker's process; ends when it is dropped.
struct Worker {
    child: Child,
    url: Url,
}

impl Worker {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crinoid-worker"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, url }
    }

    fn signal(&self, name: &str) {
        let told =
            Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn vectors(seed: u64, rows: usize, dim: usize) -> Vectors {
    let mut random = Random::new(seed);
    let centres: Vec<f32> = (0..8 * dim).map(|_| 4.0 * random.normal()).collect();
    let values = (0..rows * dim).map(|at| centres[at / dim % 8 * dim + at % dim] + random.normal());
    Vectors::new(values.collect::<Vec<f32>>(), dim).unwrap()
}

/// A collection in a folder.
fn sealed(rows: &Vectors, ids: Option<&[u64]>, options: &SealOptions) -> (TempDir, Sealed) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::folder(folder.path()).unwrap();
    let sealed = Sealed::build(store, rows, ids, options, &()).unwrap();
    (folder, sealed)
}

fn table(vectors: &Vectors, ids: impl Iterator<Item = i64>) -> RecordBatch {
    let rows = vectors.rows().map(|row| Some(row.iter().copied().map(Some)));
    let lists = ListArray::from_iter_primitive::<Float32Type, _, _>(rows);
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("vector", lists.data_type().clone(), true),
    ]);
    let ids: Arc<dyn Array> = Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_new(Arc::new(schema), vec![ids, Arc::new(lists)]).unwrap()
}

/// `(query, id, bits of the distance)` in order.
fn rows(batches: &[RecordBatch]) -> Vec<(i64, u64, u32)> {
    let mut rows = Vec::new();
    for batch in batches {
        let column = |at: usize| batch.column(at).as_any();
        let (query, id) = (
            column(0).downcast_ref::<Int64Array>().unwrap(),
            column(1).downcast_ref::<UInt64Array>().unwrap(),
        );
        let distance = column(2).downcast_ref::<Float32Array>().unwrap();
        for at in 0..batch.num_rows() {
            rows.push((query.value(at), id.value(at), distance.value(at).to_bits()));
        }
    }
    rows
}

/// What the collection itself answers.
fn wanted(sealed: &Sealed, queries: &Vectors, k: usize, exact: bool) -> Vec<(i64, u64, u32)> {
    let mut rows = Vec::new();
    for (query, name) in queries.rows().zip(0..) {
        let answer = match exact {
            true => sealed.search_exact(query, k),
            false => sealed.search(query, &Effort::for_k(k)),
        };
        let found = answer.unwrap().found;
        rows.extend(found.iter().map(|one| (name, one.id, one.distance.to_bits())));
    }
    rows
}

fn cluster(workers: &[&Worker], change: impl Fn(&mut ClusterOptions)) -> Cluster {
    let mut options =
        ClusterOptions::new(workers.iter().map(|worker| worker.url.clone()).collect());
    change(&mut options);
    Cluster::new(options).unwrap()
}

fn ask(folder: &Path, k: usize, rest: &str) -> String {
    let place = folder.display();
    format!(
        "SELECT query, id, distance FROM ann('{place}', 'questions', {k}{rest}) ORDER BY query, distance, id"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_on_workers_answer_to_the_bit_as_one_scan_does() {
    let workers = [(); 3].map(|()| Worker::start(&[]));
    let (base, queries) = (vectors(1, 3_000, 12), vectors(2, 20, 12));
    let ids: Vec<u64> = (0..3_000).map(|row| 1_000_000 - 3 * row).collect();
    for metric in Metric::ALL {
        // One shard, as many as workers, more; rows in order, and rows in several shards.
        for (count, routed) in [(1, 0), (3, 0), (7, 0), (5, 2)] {
            let mut options = SealOptions::new(count).build(BuildOptions::default().metric(metric));
            if routed > 0 {
                options = options.routed(routed);
            }
            let (folder, sealed) = sealed(&base, Some(&ids), &options);
            let cluster = cluster(&workers.each_ref(), |_| {});
            cluster.context().register_batch("questions", table(&queries, 0..20)).unwrap();
            let exact = cluster.sql(&ask(folder.path(), 10, ", 'exact'")).await.unwrap();
            assert_eq!(
                rows(&exact),
                wanted(&sealed, &queries, 10, true),
                "{metric} {count} {routed}"
            );
            if routed == 0 {
                let walked = cluster.sql(&ask(folder.path(), 10, "")).await.unwrap();
                assert_eq!(rows(&walked), wanted(&sealed, &queries, 10, false), "{metric} {count}");
            }
            // The plan on one machine says the same.
            let alone = SessionContext::new();
            register(&alone);
            alone.register_batch("questions", table(&queries, 0..20)).unwrap();
            let local = alone
                .sql(&ask(folder.path(), 10, ", 'exact'"))
                .await
                .unwrap()
                .collect()
                .await
                .unwrap();
            assert_eq!(rows(&local), rows(&exact));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn built_in_sql_joined_filtered_and_empty() {
    let workers = [(); 2].map(|()| Worker::start(&[]));
    let cluster = cluster(&workers.each_ref(), |_| {});
    let base = vectors(3, 2_500, 8);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("made");
    let context = cluster.context();
    // Several batches: none of them may be lost.
    context.register_batch("base", table(&base, (0..2_500).map(|id| 5_000 + id))).unwrap();
    let build =
        format!("SELECT * FROM ann_build('base', 'vector', '{}', 4, 'l2', 'id')", place.display());
    let said = cluster.sql(&build).await.unwrap();
    assert_eq!(said[0].column(1).as_any().downcast_ref::<UInt64Array>().unwrap().value(0), 2_500);
    let sealed = Sealed::open(Store::folder(&place).unwrap(), &Default::default()).unwrap();

    let queries = vectors(4, 6, 8);
    context.register_batch("questions", table(&queries, 0..6)).unwrap();
    let one = format!(
        "SELECT query, id, distance FROM ann('{}', {:?}, 3)",
        place.display(),
        queries.row(2)
    );
    let one = rows(&cluster.sql(&one).await.unwrap());
    let want: Vec<_> =
        wanted(&sealed, &queries, 3, false).into_iter().filter(|row| row.0 == 2).collect();
    assert_eq!(
        one.iter().map(|row| row.1).collect::<Vec<_>>(),
        want.iter().map(|row| row.1).collect::<Vec<_>>()
    );

    // Rows that another table admits: a set of rows for the search, not a sieve behind it.
    context.sql("CREATE VIEW allowed AS SELECT id FROM base WHERE id % 50 = 7").await.unwrap();
    let among = rows(&cluster.sql(&ask(&place, 10, ", 'exact', 'allowed'")).await.unwrap());
    let all = wanted(&sealed, &queries, 2_500, true);
    let want: Vec<_> = (0..6)
        .flat_map(|query| {
            all.iter().filter(move |row| row.0 == query && row.1 % 50 == 7).take(10).copied()
        })
        .collect();
    assert_eq!(among, want);
    let listed = format!(
        "SELECT query, id, distance FROM ann('{}', 'questions', 5) WHERE id IN (5007, 5057)",
        place.display()
    );
    let mut listed = rows(&cluster.sql(&listed).await.unwrap());
    listed.sort_unstable();
    assert_eq!(listed.len(), 12, "both rows, for each of six queries");

    let none = vectors(4, 0, 8);
    context.register_batch("nobody", table(&none, 0..0)).unwrap();
    let nobody = format!("SELECT count(*) FROM ann('{}', 'nobody', 5)", place.display());
    let count = cluster.sql(&nobody).await.unwrap();
    assert_eq!(count[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0), 0);

    for (query, told) in [
        ("SELECT * FROM ann('/nowhere/at/all', [1.0], 3)", "manifest.json` is missing".to_owned()),
        (
            "SELECT * FROM ann('PLACE', [1.0, 2.0], 3)",
            "queries have 2 dimensions, and the collection has 8".to_owned(),
        ),
        ("SELECT * FROM ann('PLACE', 'missing', 3)", "there is no table `missing`".to_owned()),
        ("SELECT * FROM ann('PLACE', 'questions', 0)", "k is a number from 1 on".to_owned()),
        ("SELECT * FROM ann('PLACE', 'questions', 3, 2.5)", "a recall up to 1.0".to_owned()),
        ("SELECT * FROM ann('PLACE', 'questions')", "2 arguments where ann(collection".to_owned()),
        ("SELECT * FROM ann_build('base', 'id', 'PLACE', 2)", "holds no vectors".to_owned()),
        (
            "SELECT * FROM ann_build('base', 'vector', 'PLACE', 2, 'far')",
            "l2, ip or cosine".to_owned(),
        ),
    ] {
        let query = query.replace("PLACE", &place.display().to_string());
        let error = cluster.sql(&query).await.unwrap_err().to_string();
        assert!(error.contains(&told), "{query}: {error}");
    }
    // A failed build left the one before.
    assert_eq!(Manifest::read(&Store::folder(&place).unwrap()).unwrap().rows, 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_a_second_try_or_an_error_and_never_fewer_rows() {
    let workers = [(); 3].map(|()| Worker::start(&[]));
    let (base, queries) = (vectors(5, 3_000, 8), vectors(6, 300, 8));
    let (folder, sealed) = sealed(&base, None, &SealOptions::new(6));
    let want = wanted(&sealed, &queries, 10, true);
    let cluster = cluster(&workers.each_ref(), |_| {});
    cluster.context().register_batch("questions", table(&queries, 0..300)).unwrap();
    let query = ask(folder.path(), 10, ", 'exact'");
    assert_eq!(rows(&cluster.sql(&query).await.unwrap()), want);
    // Killed while queries run.
    let killed = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        workers[1].signal("-9");
    };
    let asked = async {
        let mut answers = Vec::new();
        for _ in 0..6 {
            answers.push(cluster.sql(&query).await);
        }
        answers
    };
    let (answers, ()) = tokio::join!(asked, killed);
    for answer in answers {
        assert_eq!(rows(&answer.unwrap()), want);
    }
    workers[0].signal("-9");
    assert_eq!(rows(&cluster.sql(&query).await.unwrap()), want);
    workers[2].signal("-9");
    // Nobody is left: an error; or all of it, where the coordinator did the work of the last one.
    if let Ok(answer) = cluster.sql(&query).await {
        assert_eq!(rows(&answer), want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_is_a_deadline() {
    let workers = [(); 2].map(|()| Worker::start(&[]));
    let (base, queries) = (vectors(7, 1_000, 8), vectors(8, 5, 8));
    let (folder, sealed) = sealed(&base, None, &SealOptions::new(4));
    let cluster = cluster(&workers.each_ref(), |options| options.deadline = Duration::from_secs(2));
    cluster.context().register_batch("questions", table(&queries, 0..5)).unwrap();
    let query = ask(folder.path(), 10, ", 'exact'");
    assert_eq!(rows(&cluster.sql(&query).await.unwrap()), wanted(&sealed, &queries, 10, true));
    workers[0].signal("-STOP");
    let started = Instant::now();
    let error = cluster.sql(&query).await.unwrap_err().to_string();
    assert!(error.contains("no answer within 2s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    workers[0].signal("-CONT");
    assert_eq!(rows(&cluster.sql(&query).await.unwrap()), wanted(&sealed, &queries, 10, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_files_that_are_wrong_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "open sesame\n").unwrap();
    let arguments = ["--token-file", token.to_str().unwrap()];
    let workers = [(); 2].map(|()| Worker::start(&arguments));
    let (base, queries) = (vectors(9, 1_000, 8), vectors(10, 5, 8));
    let (place, sealed) = sealed(&base, None, &SealOptions::new(4));
    let query = ask(place.path(), 10, ", 'exact'");
    let asked = async |token: &str| {
        let cluster = cluster(&workers.each_ref(), |options| options.token = token.to_owned());
        cluster.context().register_batch("questions", table(&queries, 0..5)).unwrap();
        cluster.sql(&query).await
    };
    for wrong in ["", "open", "open barley "] {
        let error = asked(wrong).await.unwrap_err().to_string();
        assert!(error.contains("does not know this token"), "{error}");
    }
    assert_eq!(rows(&asked("open sesame").await.unwrap()), wanted(&sealed, &queries, 10, true));

    // Fresh workers have nothing in memory.
    let workers = [(); 2].map(|()| Worker::start(&[]));
    let cluster = cluster(&workers.each_ref(), |_| {});
    cluster.context().register_batch("questions", table(&queries, 0..5)).unwrap();
    let file = place.path().join(&sealed.manifest().shards[3].file);
    let whole = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let error = cluster.sql(&query).await.unwrap_err().to_string();
    assert!(error.contains("shard 3: its file") && error.contains("is missing"), "{error}");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&file, damaged).unwrap();
    let error = cluster.sql(&query).await.unwrap_err().to_string();
    assert!(error.contains("shard 3: ") && error.contains("damaged"), "{error}");
    fs::copy(place.path().join(&sealed.manifest().shards[0].file), &file).unwrap();
    let error = cluster.sql(&query).await.unwrap_err().to_string();
    assert!(error.contains("shard 3: ") && error.contains("the digest is"), "{error}");
    fs::write(&file, whole).unwrap();
    assert_eq!(rows(&cluster.sql(&query).await.unwrap()), wanted(&sealed, &queries, 10, true));
    fs::write(place.path().join("manifest.json"), "{").unwrap();
    let error = cluster.sql(&query).await.unwrap_err().to_string();
    assert!(error.contains("the manifest is damaged"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_cost_is_in_its_plan() {
    let (base, queries) = (vectors(11, 6_000, 8), vectors(12, 5, 8));
    let (folder, _) = sealed(&base, None, &SealOptions::new(2));
    let context = SessionContext::new();
    register(&context);
    context.register_batch("questions", table(&queries, 0..5)).unwrap();
    let query = format!("EXPLAIN ANALYZE {}", ask(folder.path(), 3, ""));
    let told = context.sql(&query).await.unwrap().collect().await.unwrap();
    let told = datafusion::arrow::util::pretty::pretty_format_batches(&told).unwrap().to_string();
    for metric in ["evaluations=", "hops=", "output_rows=", "shards [0, 1], 5 queries, k=3, ef=100"]
    {
        assert!(told.contains(metric), "{told}");
    }
    // A table of a program's own.
    let place = folder.path().display().to_string();
    context
        .register_table("near", Arc::new(AnnTable::of(place, queries.row(0).to_vec(), 4).ef(50)))
        .unwrap();
    let near =
        context.sql("SELECT query, id, distance FROM near").await.unwrap().collect().await.unwrap();
    assert_eq!(rows(&near).len(), 4);
}
