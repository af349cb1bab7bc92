//! Workers: which task goes where, how long a query may take, and a second try where a worker is gone.

use crate::{
    channel::{CONNECT, Channels, is_broken},
    codec::AnnCodec,
    exec::AnnExec,
    nearest::missing_shards,
    options::is_partial,
    register,
    tls::Tls,
    worker::{TOKEN, VERSION},
};
use datafusion::{
    arrow::array::RecordBatch,
    common::{
        Result, exec_err,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    execution::{SessionStateBuilder, TaskContext},
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, collect},
    prelude::{SessionConfig, SessionContext},
};
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedExt, DistributedGetterExt,
    DistributedLeafExec, RouteTasksEvent, RouteTasksEventResponse, ScaleUpLeafNodeEvent,
    ScaleUpLeafNodeEventResponse, SessionStateBuilderExt, WorkerResolver,
};
use http::{HeaderMap, HeaderValue};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use url::Url;

/// How long after a lost connection workers are asked who is left.
const PAUSE: Duration = Duration::from_millis(50);

/// How a cluster is used.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The workers.
    pub workers: Vec<Url>,
    /// What they are told to know a coordinator by; empty where anybody may ask.
    pub token: String,
    /// A query that takes longer is an error.
    pub deadline: Duration,
    /// How often a query is tried, on those workers that are left.
    pub attempts: usize,
    /// How connections are encrypted, for workers whose addresses begin with `https`.
    pub tls: Option<Tls>,
}

impl ClusterOptions {
    /// These workers, a minute for a query, three tries, no token, no encryption.
    pub fn new(workers: Vec<Url>) -> Self {
        let (token, deadline) = (String::new(), Duration::from_secs(60));
        Self { workers, token, deadline, attempts: 3, tls: None }
    }
}

/// Sessions whose searches run on workers.
pub struct Cluster {
    options: ClusterOptions,
    alive: Alive,
    context: SessionContext,
}

/// The workers that answered when they were last asked.
#[derive(Clone)]
struct Alive(Arc<RwLock<Vec<Url>>>);

impl Alive {
    fn urls(&self) -> Vec<Url> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, urls: Vec<Url>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = urls;
    }
}

impl WorkerResolver for Alive {
    fn get_urls(&self) -> Result<Vec<Url>> {
        match self.urls() {
            urls if urls.is_empty() => exec_err!("no worker is left"),
            urls => Ok(urls),
        }
    }
}

/// Workers that are gone, where an answer without their shards is allowed: an extension of the configuration of the one
/// query that is asked so.
#[derive(Default)]
struct Gone(Vec<Url>);

impl Gone {
    fn of(config: &SessionConfig) -> Arc<Self> {
        config.get_extension().unwrap_or_default()
    }
}

/// The workers of a session, in the order of their addresses: task `i` is that of worker `i`.
fn in_order(config: &SessionConfig) -> Result<Vec<Url>> {
    let mut urls = config.get_distributed_worker_resolver()?.get_urls()?;
    urls.sort();
    Ok(urls)
}

/// Shards in so many tasks: shard `s` belongs to task `s % tasks`, always, so that a worker finds its own in memory. A task
/// searches its shards together, and only the nearest of them travel.
fn in_tasks(event: ScaleUpLeafNodeEvent<'_>) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let whole = event.plan.downcast_ref::<AnnExec>()?;
    let all: Vec<usize> = whole.shards.iter().flatten().copied().collect();
    let (tasks, gone) = (event.task_count.max(1), Gone::of(event.session_config));
    let urls = match in_order(event.session_config) {
        Ok(urls) => urls,
        Err(error) => return Some(Err(error)),
    };
    let variants = (0..tasks).map(|task| {
        let own = all.iter().copied().filter(|shard| shard % tasks == task).collect();
        // Who did not allow less gets all, from those that are left.
        let lost = whole.question.partial && urls.get(task).is_some_and(|url| gone.0.contains(url));
        let exec = AnnExec::new(whole.question.clone(), vec![own])?.lost(lost);
        Ok(Arc::new(exec) as Arc<dyn ExecutionPlan>)
    });
    let leaf = variants.collect::<Result<Vec<_>>>().and_then(|variants| {
        Ok(ScaleUpLeafNodeEventResponse::new(Arc::new(DistributedLeafExec::try_new(
            event.plan.clone(),
            variants,
        )?)))
    });
    Some(leaf)
}

/// As many tasks as there are shards, at most; the planner knows how many workers there are.
fn tasks(event: DesiredTaskCountEvent<'_>) -> Option<Result<DesiredTaskCountEventResponse>> {
    let shards = event.plan.downcast_ref::<AnnExec>()?.shards.iter().flatten().count();
    (shards > 1).then(|| Ok(DesiredTaskCountEventResponse::desired(shards)))
}

/// Task `i` to worker `i`, in the order of their addresses; that of a worker that is gone to one that is not.
fn routes(event: RouteTasksEvent<'_>) -> Option<Result<RouteTasksEventResponse>> {
    let mut ours = false;
    let seen = event.plan.apply(|node| {
        let leaf = node.downcast_ref::<DistributedLeafExec>();
        ours |= leaf.is_some_and(|leaf| leaf.original().downcast_ref::<AnnExec>().is_some());
        Ok(if ours { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    if let Err(error) = seen {
        return Some(Err(error));
    }
    ours.then(|| {
        let config = event.task_ctx.session_config();
        let (urls, gone) = (in_order(config)?, Gone::of(config));
        let Some(left) = urls.iter().find(|url| !gone.0.contains(url)) else {
            return exec_err!("no worker is left");
        };
        let routed = (0..event.task_count).map(|task| &urls[task % urls.len()]);
        let routed = routed.map(|url| if gone.0.contains(url) { left } else { url });
        Ok(RouteTasksEventResponse::new(routed.cloned().collect()))
    })
}

/// What a query returned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Told {
    /// The rows.
    pub rows: Vec<RecordBatch>,
    /// How many shards could not be asked, where that is allowed: with one of them the rows may be others.
    pub missing: usize,
}

impl Cluster {
    /// A session whose searches run on workers.
    ///
    /// # Errors
    /// When there is no worker, or the token is no text that a header may hold.
    pub fn new(options: ClusterOptions) -> Result<Self> {
        if options.workers.is_empty() || options.attempts == 0 {
            return exec_err!("a cluster needs one worker and one attempt at least");
        }
        let alive = Alive(Arc::new(RwLock::new(options.workers.clone())));
        let Ok(token) = HeaderValue::from_str(&options.token) else {
            return exec_err!("the token holds something that no header may");
        };
        let mut headers = HeaderMap::new();
        headers.insert(TOKEN, token);
        headers.insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(SessionConfig::new().with_target_partitions(16))
            .with_distributed_worker_resolver(alive.clone())
            .with_distributed_channel_resolver(Channels::new(options.tls.clone()))
            .with_distributed_planner()
            .with_distributed_user_codec(AnnCodec)
            .with_distributed_passthrough_headers(headers)?
            .with_distributed_desired_task_count_handler(tasks)
            .with_distributed_scale_up_leaf_node_handler(in_tasks)
            .with_distributed_route_tasks_handler(routes)
            .build();
        let context = SessionContext::new_with_state(state);
        register(&context);
        Ok(Self { options, alive, context })
    }

    /// The session, to register tables in. What it runs by itself has no deadline and no second try.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The rows that a query returns: all of them, or an error. Where a worker is gone it is planned again for those
    /// that are left.
    ///
    /// # Errors
    /// When the query is wrong, takes longer than the deadline, or fails as often as it may be tried. After
    /// `SET crinoid.partial = true` the last failure is an answer without the shards of the workers that are gone, if
    /// there are others.
    pub async fn sql(&self, query: &str) -> Result<Vec<RecordBatch>> {
        Ok(self.ask(query).await?.rows)
    }

    /// The same, and how many shards are missing from it.
    ///
    /// # Errors
    /// As [`sql`](Self::sql).
    pub async fn ask(&self, query: &str) -> Result<Told> {
        let answer = tokio::time::timeout(self.options.deadline, self.tried(query)).await;
        match answer {
            Ok(answer) => answer,
            Err(_) => exec_err!(
                "no answer within {:?}: a worker hangs, or the deadline is too short",
                self.options.deadline
            ),
        }
    }

    async fn tried(&self, query: &str) -> Result<Told> {
        let mut attempt = 1;
        loop {
            let answer = self.once(query, None).await;
            let Err(error) = answer else { return answer };
            let before = self.alive.urls();
            let broken = is_broken(&error);
            if broken {
                // Of a process that ends the connections may be gone before the address is.
                tokio::time::sleep(PAUSE).await;
            }
            let left = self.reachable().await;
            // Only what changed since can make another try worth it, or a connection that was lost.
            if left.is_empty() || (left == before && !broken) {
                self.alive.set(self.options.workers.clone());
                return Err(error);
            }
            if attempt == self.options.attempts {
                self.alive.set(self.options.workers.clone());
                let partial = is_partial(self.context.state().config_options());
                return match partial && left != before {
                    true => self.once(query, Some((before, left))).await,
                    false => Err(error),
                };
            }
            self.alive.set(left);
            attempt += 1;
        }
    }

    /// Plans a query and runs it; `without`: for the workers that there were, of which these are left.
    async fn once(&self, query: &str, without: Option<(Vec<Url>, Vec<Url>)>) -> Result<Told> {
        let mut state = self.context.state();
        let plan = state.create_logical_plan(query).await?;
        if matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Statement(_)) {
            let rows = self.context.execute_logical_plan(plan).await?.collect().await?;
            return Ok(Told { rows, missing: 0 });
        }
        // Otherwise a query ends only when each worker has told what it cost, once more there and back.
        let told = matches!(plan, LogicalPlan::Analyze(_));
        state.set_distributed_metrics_collection(told)?;
        if let Some((before, left)) = without {
            let gone = before.iter().filter(|url| !left.contains(url)).cloned().collect();
            state.config_mut().set_extension(Arc::new(Gone(gone)));
            state.set_distributed_worker_resolver(Alive(Arc::new(RwLock::new(before))));
        }
        let context = Arc::new(TaskContext::from(&state));
        let plan = state.create_physical_plan(&plan).await?;
        let rows = collect(plan.clone(), context).await?;
        Ok(Told { rows, missing: missing_shards(&plan) })
    }

    /// The workers that accept a connection.
    async fn reachable(&self) -> Vec<Url> {
        let mut left = Vec::new();
        for url in &self.options.workers {
            let Some(host) = url.host_str() else { continue };
            let address = (host.to_owned(), url.port_or_known_default().unwrap_or(80));
            let connected = tokio::time::timeout(CONNECT, tokio::net::TcpStream::connect(address));
            if matches!(connected.await, Ok(Ok(_))) {
                left.push(url.clone());
            }
        }
        left
    }
}
