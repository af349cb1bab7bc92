//! What SQL and workers add to a search, and what more shards cost: ratios of runs that take turns.
//!
//! ```sh
//! cargo build --release --bins && cargo run --release --example scaling -- 50000
//! ```

use crinoid_datafusion::{Cluster, ClusterOptions, register};
use crinoid_quant::{Vectors, random::Random};
use crinoid_shards::{Effort, SealOptions, Sealed, Store};
use datafusion::{
    arrow::{
        array::{Array, Int64Array, ListArray, RecordBatch},
        datatypes::{DataType, Field, Float32Type, Schema},
    },
    prelude::SessionContext,
};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Instant,
};

type Failure = Box<dyn std::error::Error>;

const DIM: usize = 64;
const QUERIES: usize = 200;
const ROUNDS: usize = 5;

fn vectors(rows: usize, seed: u64) -> Result<Vectors, Failure> {
    let (mut random, mut fixed) = (Random::new(seed), Random::new(1));
    let centres: Vec<f32> = (0..256 * DIM).map(|_| fixed.normal()).collect();
    let mut values = Vec::with_capacity(rows * DIM);
    for _ in 0..rows {
        let centre = random.below(256) as usize * DIM;
        values.extend((0..DIM).map(|at| centres[centre + at] + 0.5 * random.normal()));
    }
    Ok(Vectors::new(values, DIM)?)
}

/// Ends when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn worker() -> Result<(Running, url::Url), Failure> {
    let program = std::env::current_exe()?;
    let folder = program.parent().and_then(|folder| folder.parent()).ok_or("no folder")?;
    let child = Command::new(folder.join("crinoid-worker")).stdout(Stdio::piped()).spawn()?;
    let mut child = Running(child);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let url = line.trim().strip_prefix("listening on ").ok_or("another line")?.parse()?;
    Ok((child, url))
}

fn table(queries: &Vectors) -> Result<RecordBatch, Failure> {
    let rows = queries.rows().map(|row| Some(row.iter().copied().map(Some)));
    let lists = ListArray::from_iter_primitive::<Float32Type, _, _>(rows);
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("vector", lists.data_type().clone(), true),
    ]);
    let ids: Arc<dyn Array> = Arc::new(Int64Array::from_iter_values(0..queries.len() as i64));
    Ok(RecordBatch::try_new(Arc::new(schema), vec![ids, Arc::new(lists)])?)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let count = std::env::args().nth(1).map_or(Ok(50_000), |word| word.parse())?;
    let (rows, queries) = (vectors(count, 2)?, vectors(QUERIES, 3)?);
    println!(
        "{count} rows x {DIM}; one query, median of {QUERIES} in ms; {QUERIES} queries at once, median of {ROUNDS} in ms"
    );
    println!(
        "shards   one: local   sql   1 worker   2 workers     all: local   sql   1 worker   2 workers"
    );
    for shards in [1, 2, 4, 8, 16] {
        let folder = std::env::temp_dir().join(format!("crinoid-scaling-{}", std::process::id()));
        let store = Store::folder(&folder)?;
        let sealed = Sealed::build(store, &rows, None, &SealOptions::new(shards), &())?;
        let (first, second) = (worker()?, worker()?);
        let alone = SessionContext::new();
        register(&alone);
        let one = Cluster::new(ClusterOptions::new(vec![first.1.clone()]))?;
        let two = Cluster::new(ClusterOptions::new(vec![first.1.clone(), second.1.clone()]))?;
        for context in [&alone, one.context(), two.context()] {
            context.register_batch("questions", table(&queries)?)?;
        }
        let place = folder.display();
        let single =
            |query: &[f32]| format!("SELECT id, distance FROM ann('{place}', {query:?}, 10)");
        let all = format!("SELECT query, id, distance FROM ann('{place}', 'questions', 10)");
        let effort = Effort::for_k(10);
        let [mut ones, mut alls] = [(); 2].map(|()| [const { Vec::new() }; 4]);
        // Opens the shards everywhere.
        for cluster in [&one, &two] {
            cluster.sql(&all).await?;
        }
        alone.sql(&all).await?.collect().await?;
        for query in queries.rows() {
            let text = single(query);
            let started = Instant::now();
            tokio::task::block_in_place(|| sealed.search(query, &effort))?;
            ones[0].push(started.elapsed().as_secs_f64());
            let started = Instant::now();
            alone.sql(&text).await?.collect().await?;
            ones[1].push(started.elapsed().as_secs_f64());
            for (at, cluster) in [&one, &two].into_iter().enumerate() {
                let started = Instant::now();
                cluster.sql(&text).await?;
                ones[2 + at].push(started.elapsed().as_secs_f64());
            }
        }
        for _ in 0..ROUNDS {
            let started = Instant::now();
            tokio::task::block_in_place(|| sealed.search_batch(&queries, &effort, None))?;
            alls[0].push(started.elapsed().as_secs_f64());
            let started = Instant::now();
            alone.sql(&all).await?.collect().await?;
            alls[1].push(started.elapsed().as_secs_f64());
            for (at, cluster) in [&one, &two].into_iter().enumerate() {
                let started = Instant::now();
                cluster.sql(&all).await?;
                alls[2 + at].push(started.elapsed().as_secs_f64());
            }
        }
        let [a, b, c, d] = ones.map(|times| 1e3 * median(times));
        let [e, f, g, h] = alls.map(|times| 1e3 * median(times));
        println!(
            "{shards:6}   {a:10.3} {b:5.2} {c:10.2} {d:11.2}     {e:10.1} {f:5.1} {g:10.1} {h:11.1}"
        );
        drop(sealed);
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}
