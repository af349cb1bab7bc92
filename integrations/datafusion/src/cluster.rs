//! Workers: which task goes where, how long a query may take, and a second try where a worker is gone.

use crate::{codec::AnnCodec, exec::AnnExec, register, shards::Shards};
use async_trait::async_trait;
use datafusion::{
    arrow::array::RecordBatch,
    common::{
        DataFusionError, Result, exec_err,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    execution::{SessionState, SessionStateBuilder},
    physical_plan::ExecutionPlan,
    prelude::{SessionConfig, SessionContext},
};
use datafusion_distributed::{
    ChannelResolver, DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedExt,
    DistributedGetterExt, DistributedLeafExec, RouteTasksEvent, RouteTasksEventResponse,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse, SessionStateBuilderExt, Worker,
    WorkerChannel, WorkerQueryContext, WorkerResolver,
    grpc::{BoxCloneSyncChannel, create_worker_client},
};
use futures::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{net::TcpListener, sync::Mutex};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use url::Url;

/// The header with the token that coordinator and workers share.
const TOKEN: HeaderName = HeaderName::from_static("x-crinoid-token");

/// The version of what coordinator and workers say to each other.
const VERSION: HeaderName = HeaderName::from_static("x-crinoid-version");

/// How long a worker may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);

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
}

impl ClusterOptions {
    /// These workers, a minute for a query, three tries, no token.
    pub fn new(workers: Vec<Url>) -> Self {
        Self { workers, token: String::new(), deadline: Duration::from_secs(60), attempts: 3 }
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

/// Connections that notice when the other side is gone.
#[derive(Clone, Default)]
struct Channels(Arc<Mutex<HashMap<Url, BoxCloneSyncChannel>>>);

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let mut open = self.0.lock().await;
        if let Some(channel) = open.get(url) {
            return Ok(create_worker_client(channel.clone()));
        }
        let failed = |error: tonic::transport::Error| {
            DataFusionError::Execution(format!("worker {url} cannot be reached: {error}"))
        };
        let endpoint = Channel::from_shared(url.to_string());
        let endpoint = endpoint.map_err(|error| DataFusionError::External(error.into()))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        let channel = BoxCloneSyncChannel::new(endpoint.connect().await.map_err(failed)?);
        open.insert(url.clone(), channel.clone());
        Ok(create_worker_client(channel))
    }
}

/// Shards in so many tasks: shard `s` belongs to task `s % tasks`, always, so that a worker finds its own in memory.
fn in_tasks(event: ScaleUpLeafNodeEvent<'_>) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let whole = event.plan.downcast_ref::<AnnExec>()?;
    let all: Vec<usize> = whole.shards.iter().flatten().copied().collect();
    let tasks = event.task_count.max(1);
    // All tasks have as many partitions; those too many have no rows.
    let partitions = all.len().div_ceil(tasks).max(1);
    let variants = (0..tasks).map(|task| {
        let own = all.iter().copied().filter(|shard| shard % tasks == task).map(Some);
        let own: Vec<Option<usize>> = own.chain(std::iter::repeat(None)).take(partitions).collect();
        let exec: Arc<dyn ExecutionPlan> = Arc::new(AnnExec::new(whole.question.clone(), own)?);
        Ok(exec)
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

/// Task `i` to worker `i` of those that are there, in the order of their addresses.
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
        let mut urls =
            event.task_ctx.session_config().get_distributed_worker_resolver()?.get_urls()?;
        urls.sort();
        let routed = (0..event.task_count).map(|task| urls[task % urls.len()].clone());
        Ok(RouteTasksEventResponse::new(routed.collect()))
    })
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
            .with_distributed_channel_resolver(Channels::default())
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
    /// When the query is wrong, takes longer than the deadline, or fails as often as it may be tried.
    pub async fn sql(&self, query: &str) -> Result<Vec<RecordBatch>> {
        let answer = tokio::time::timeout(self.options.deadline, self.tried(query)).await;
        match answer {
            Ok(answer) => answer,
            Err(_) => exec_err!(
                "no answer within {:?}: a worker hangs, or the deadline is too short",
                self.options.deadline
            ),
        }
    }

    async fn tried(&self, query: &str) -> Result<Vec<RecordBatch>> {
        let mut attempt = 1;
        loop {
            let answer = async { self.context.sql(query).await?.collect().await }.await;
            let Err(error) = answer else { return answer };
            let before = self.alive.urls();
            let left = self.reachable().await;
            // Only what changed since can make another try worth it.
            if attempt == self.options.attempts || left.is_empty() || left == before {
                self.alive.set(self.options.workers.clone());
                return Err(error);
            }
            self.alive.set(left);
            attempt += 1;
        }
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

/// Serves tasks until the process ends: those that know the token, and speak this version.
///
/// # Errors
/// When the listener fails.
pub async fn worker(
    listener: TcpListener,
    token: String,
    shards: Arc<Shards>,
) -> std::result::Result<(), tonic::transport::Error> {
    let session = move |query: WorkerQueryContext| {
        let (token, shards) = (token.clone(), shards.clone());
        async move { session(query, &token, shards) }
    };
    let service = Worker::from_session_builder(session).into_worker_server();
    // Without it a small answer waits 40 ms for the other side to acknowledge the one before.
    let incoming = TcpListenerStream::new(listener).inspect_ok(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Server::builder().add_service(service).serve_with_incoming(incoming).await
}

fn session(query: WorkerQueryContext, token: &str, shards: Arc<Shards>) -> Result<SessionState> {
    let said = |name: &HeaderName| query.headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    // As long for a wrong token as for a right one.
    let (given, wanted) = (said(&TOKEN), token.as_bytes());
    let differs = given.iter().zip(wanted).fold(0, |all, (a, b)| all | (a ^ b));
    if given.len() != wanted.len() || differs != 0 {
        return exec_err!("the worker does not know this token");
    }
    let version = env!("CARGO_PKG_VERSION");
    if said(&VERSION) != version.as_bytes() {
        let other = String::from_utf8_lossy(said(&VERSION)).into_owned();
        return exec_err!("the coordinator has version `{other}`, and the worker {version}");
    }
    let mut builder = query.builder;
    let config = builder.config().get_or_insert_default();
    config.set_distributed_user_codec(AnnCodec);
    config.set_extension(shards);
    Ok(builder.build())
}
