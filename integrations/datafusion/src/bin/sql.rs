//! `crinoid-sql`: SQL over sealed collections, alone or on workers; `--demo` starts two of its own.

use clap::Parser;
use crinoid_datafusion::{
    Cluster, ClusterOptions, TlsFiles, WorkerOptions, missing_shards, register, worker,
};
use datafusion::{
    arrow::{
        array::{Array, FixedSizeListArray, Float32Array, Int64Array, RecordBatch},
        datatypes::{DataType, Field, Schema},
        util::pretty::pretty_format_batches,
    },
    physical_plan::collect,
    prelude::SessionContext,
};
use datafusion_distributed::display_plan_ascii;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpListener;
use url::Url;

/// Answers SQL in which `ann(collection, queries, k)` is a table.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Queries, each run by itself. Tables `rows` and `questions` are there with --demo.
    queries: Vec<String>,
    /// The addresses of workers: http://host:port, or https://host:port of those that encrypt.
    #[arg(long, value_delimiter = ',')]
    workers: Vec<Url>,
    /// A file with the token that the workers know.
    #[arg(long, value_name = "FILE")]
    token_file: Option<std::path::PathBuf>,
    #[command(flatten)]
    tls: TlsFiles,
    /// Seconds that a query may take.
    #[arg(long, default_value_t = 60)]
    deadline: u64,
    /// Prints the plan of each query, and what runs where.
    #[arg(long)]
    plan: bool,
    /// Starts two workers, builds a collection of so many generated rows, and answers some queries over it.
    #[arg(long, value_name = "ROWS")]
    demo: Option<usize>,
    /// Is one of these workers.
    #[arg(long, hide = true)]
    serve: bool,
}

/// Ends when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A worker beside this program.
fn started() -> Result<(Running, Url), Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let child = Command::new(&program).arg("--serve").stdout(Stdio::piped()).spawn();
    let mut child = Running(child.map_err(|error| format!("{}: {error}", program.display()))?);
    let mut line = String::new();
    let out = child.0.stdout.take().ok_or("the worker says nothing")?;
    BufReader::new(out).read_line(&mut line)?;
    let url = line.trim().strip_prefix("listening on ").ok_or("the worker says something else")?;
    Ok((child, url.parse()?))
}

/// Generated rows with ids.
fn table(rows: usize, first: i64, seed: u64) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    const DIM: usize = 64;
    let mut random = crinoid_quant::random::Random::new(seed);
    let mut fixed = crinoid_quant::random::Random::new(1);
    let centres: Vec<f32> = (0..256 * DIM).map(|_| fixed.normal()).collect();
    let mut values = Vec::with_capacity(rows * DIM);
    for _ in 0..rows {
        let centre = random.below(256) as usize * DIM;
        values.extend((0..DIM).map(|at| centres[centre + at] + 0.5 * random.normal()));
    }
    let item = Arc::new(Field::new_list_field(DataType::Float32, false));
    let vectors = FixedSizeListArray::new(
        item.clone(),
        DIM as i32,
        Arc::new(Float32Array::from(values)),
        None,
    );
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("vector", DataType::FixedSizeList(item, DIM as i32), false),
    ]);
    let ids: Arc<dyn Array> = Arc::new(Int64Array::from_iter_values(first..first + rows as i64));
    Ok(RecordBatch::try_new(Arc::new(schema), vec![ids, Arc::new(vectors)])?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = Args::parse();
    if args.serve {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        return Ok(worker(listener, WorkerOptions::default()).await?);
    }
    let folder = std::env::temp_dir().join(format!("crinoid-sql-{}", std::process::id()));
    let mut running = Vec::new();
    if args.demo.is_some() {
        for _ in 0..2 {
            let (child, url) = started()?;
            println!("worker {url}");
            running.push(child);
            args.workers.push(url);
        }
        let place = folder.display();
        let own = [
            format!("SELECT * FROM ann_build('rows', 'vector', '{place}', 4, 'l2', 'id')"),
            format!(
                "SELECT query, id, distance FROM ann('{place}', 'questions', 3) ORDER BY query, distance"
            ),
            format!(
                "SELECT count(*) AS found, sum(CASE WHEN e.id IS NULL THEN 0 ELSE 1 END) AS right FROM \
                 ann('{place}', 'questions', 10) a LEFT JOIN ann('{place}', 'questions', 10, 'exact') e \
                 ON a.query = e.query AND a.id = e.id"
            ),
        ];
        args.queries.splice(0..0, own);
    }
    let cluster = match args.workers.is_empty() {
        true => None,
        false => {
            let mut options = ClusterOptions::new(args.workers.clone());
            options.deadline = Duration::from_secs(args.deadline);
            options.tls = args.tls.read()?;
            if let Some(path) = &args.token_file {
                options.token = std::fs::read_to_string(path)?.trim().to_owned();
            }
            Some(Cluster::new(options)?)
        }
    };
    let alone = SessionContext::new();
    register(&alone);
    let context = cluster.as_ref().map_or(&alone, Cluster::context);
    if let Some(rows) = args.demo {
        context.register_batch("rows", table(rows, 0, 2)?)?;
        context.register_batch("questions", table(5, 0, 3)?)?;
    }
    for query in &args.queries {
        println!("\n> {query}");
        if args.plan {
            let plan = context.sql(query).await?.create_physical_plan().await?;
            println!("{}", display_plan_ascii(plan.as_ref(), false));
        }
        let started = std::time::Instant::now();
        let (rows, missing) = match &cluster {
            Some(cluster) => {
                let told = cluster.ask(query).await?;
                (told.rows, told.missing)
            }
            None => {
                let frame = alone.sql(query).await?;
                let context = Arc::new(frame.task_ctx());
                let plan = frame.create_physical_plan().await?;
                let rows = collect(plan.clone(), context).await?;
                (rows, missing_shards(&plan))
            }
        };
        println!("{}\n{:.3} s", pretty_format_batches(&rows)?, started.elapsed().as_secs_f64());
        if missing > 0 {
            eprintln!(
                "warning: shards that are missing: {missing}; these answers are among the others"
            );
        }
    }
    drop(running);
    if args.demo.is_some() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}
