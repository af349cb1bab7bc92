//! Workers: which task goes where, how long a query may take, and a second try where a worker is gone.

use crate::{
    codec::AnnCodec,
    error::{ClusterError, in_full},
    exec::AnnExec,
    nearest::missing_shards,
    options::is_partial,
    register,
    shards::Shards,
    tls::Tls,
};
use async_trait::async_trait;
use datafusion::{
    arrow::array::RecordBatch,
    common::{
        DataFusionError, Result, exec_err,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    execution::{SessionState, SessionStateBuilder, TaskContext},
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, collect, metrics::ExecutionPlanMetricsSet},
    prelude::{SessionConfig, SessionContext},
};
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, DesiredTaskCountEvent, DesiredTaskCountEventResponse,
    DistributedExt, DistributedGetterExt, DistributedLeafExec, ExecuteTaskRequest,
    GetWorkerInfoRequest, GetWorkerInfoResponse, RouteTasksEvent, RouteTasksEventResponse,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse, SessionStateBuilderExt, SetPlanRequest,
    Worker, WorkerChannel, WorkerQueryContext, WorkerResolver, WorkerToCoordinatorMsg,
    grpc::{BoxCloneSyncChannel, create_worker_client},
};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
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

/// Connections that notice when the other side is gone.
#[derive(Clone, Default)]
struct Channels {
    tls: Option<Tls>,
    open: Arc<Mutex<HashMap<Url, BoxCloneSyncChannel>>>,
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let mut open = self.open.lock().await;
        let channel = match open.get(url) {
            Some(channel) => channel.clone(),
            None => {
                let channel = BoxCloneSyncChannel::new(self.connected(url).await?);
                open.insert(url.clone(), channel.clone());
                channel
            }
        };
        Ok(Box::new(Named { worker: url.clone(), channel: create_worker_client(channel) }))
    }
}

impl Channels {
    async fn connected(&self, url: &Url) -> Result<Channel, ClusterError> {
        let worker = || url.clone();
        let unreachable = |error: tonic::transport::Error| ClusterError::Unreachable {
            worker: worker(),
            why: in_full(&error),
        };
        let endpoint = Channel::from_shared(url.to_string()).map_err(|error| {
            ClusterError::Unreachable { worker: worker(), why: error.to_string() }
        })?;
        let mut endpoint = endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        match (url.scheme(), self.tls.as_ref().and_then(Tls::to_workers)) {
            ("https", Some(tls)) => {
                endpoint = endpoint.tls_config(tls).map_err(|error| ClusterError::File {
                    file: "--tls-ca, --tls-cert or --tls-key".to_owned(),
                    why: in_full(&error),
                })?;
            }
            ("https", None) => return Err(ClusterError::NoAuthority { worker: worker() }),
            // Whoever wants encryption must not get none because of an address.
            (_, Some(_)) => return Err(ClusterError::Plain { worker: worker() }),
            (_, None) => {}
        }
        endpoint.connect().await.map_err(|error| match is_handshake(&error) {
            true => ClusterError::Untrusted { worker: worker(), why: in_full(&error) },
            false => unreachable(error),
        })
    }
}

/// Whether it was the connection to a worker that failed, and not the worker that said so.
fn is_broken(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::External(root) => {
            root.is::<tonic::Status>()
                || matches!(root.downcast_ref(), Some(ClusterError::Unreachable { .. }))
        }
        _ => false,
    }
}

/// Whether a connection was made, and then refused by one side because of what the other one sent.
fn is_handshake(error: &tonic::transport::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A worker whose errors say whose they are.
struct Named {
    worker: Url,
    channel: Box<dyn WorkerChannel>,
}

fn named(worker: &Url) -> impl Fn(DataFusionError) -> DataFusionError + Send + 'static {
    let worker = worker.clone();
    move |error| error.context(format!("worker {worker}"))
}

#[async_trait]
impl WorkerChannel for Named {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        plan: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        let named = named(&self.worker);
        let opened =
            self.channel.coordinator_channel(headers, plan, messages, metrics, context).await;
        Ok(opened.map_err(&named)?.map_err(named).boxed())
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        let parts = self.channel.execute_task(headers, request, metrics, context).await;
        let parts = parts.map_err(named(&self.worker))?;
        Ok(parts.into_iter().map(|part| part.map_err(named(&self.worker)).boxed()).collect())
    }

    async fn get_worker_info(
        &mut self,
        request: GetWorkerInfoRequest,
    ) -> Result<GetWorkerInfoResponse> {
        self.channel.get_worker_info(request).await.map_err(named(&self.worker))
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
        let lost = urls.get(task).is_some_and(|url| gone.0.contains(url));
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
            .with_distributed_channel_resolver(Channels {
                tls: options.tls.clone(),
                ..Channels::default()
            })
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

/// What a worker knows, and who it is.
#[derive(Clone, Debug, Default)]
pub struct WorkerOptions {
    /// What a coordinator must know; empty where anybody may ask.
    pub token: String,
    /// The shards that are open.
    pub shards: Arc<Shards>,
    /// How connections are encrypted.
    pub tls: Option<Tls>,
}

/// Serves tasks until the process ends: those that know the token, and speak this version.
///
/// # Errors
/// When certificates cannot be used, or the listener fails.
pub async fn worker(listener: TcpListener, options: WorkerOptions) -> Result<(), ClusterError> {
    serve(listener, options, env!("CARGO_PKG_VERSION")).await
}

async fn serve(
    listener: TcpListener,
    options: WorkerOptions,
    version: &'static str,
) -> Result<(), ClusterError> {
    let mut server = Server::builder();
    if let Some(tls) = &options.tls {
        server = tls.serving(server)?;
    }
    let session = move |query: WorkerQueryContext| {
        let session = session(query, &options, version);
        async move { session }
    };
    let service = Worker::from_session_builder(session).into_worker_server();
    // Without it a small answer waits 40 ms for the other side to acknowledge the one before.
    let incoming = TcpListenerStream::new(listener).inspect_ok(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let served = server.add_service(service).serve_with_incoming(incoming).await;
    served.map_err(|error| ClusterError::Serve { why: in_full(&error) })
}

fn session(
    query: WorkerQueryContext,
    options: &WorkerOptions,
    version: &str,
) -> Result<SessionState> {
    let said = |name: &HeaderName| query.headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    // As long for a wrong token as for a right one.
    let (given, wanted) = (said(&TOKEN), options.token.as_bytes());
    let differs = given.iter().zip(wanted).fold(0, |all, (a, b)| all | (a ^ b));
    if given.len() != wanted.len() || differs != 0 {
        return Err(ClusterError::Token.into());
    }
    if said(&VERSION) != version.as_bytes() {
        let coordinator = String::from_utf8_lossy(said(&VERSION)).into_owned();
        return Err(ClusterError::Version { coordinator, worker: version.to_owned() }.into());
    }
    let mut builder = query.builder;
    let config = builder.config().get_or_insert_default();
    config.set_distributed_user_codec(AnnCodec);
    config.set_extension(options.shards.clone());
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crinoid_quant::Vectors;
    use crinoid_shards::{SealOptions, Sealed, Store};

    /// A worker of a later version, asked by a coordinator of this one: over a real connection.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_of_another_version_is_named_with_both_versions() {
        let folder = tempfile::tempdir().unwrap();
        let rows = Vectors::new((0..400).map(|at| at as f32).collect::<Vec<_>>(), 2).unwrap();
        let store = Store::folder(folder.path()).unwrap();
        Sealed::build(store, &rows, None, &SealOptions::new(4), &()).unwrap();
        let place = folder.path().display().to_string();
        let query = format!("SELECT id FROM ann('{place}', [3.0, 4.0], 2)");
        let mut workers = Vec::new();
        for version in ["9.9.9", "9.9.9", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_VERSION")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            workers.push(url.parse().unwrap());
            tokio::spawn(serve(listener, WorkerOptions::default(), version));
        }
        let asked = async |workers: &[Url]| {
            Cluster::new(ClusterOptions::new(workers.to_vec())).unwrap().sql(&query).await
        };
        let said = asked(&workers[..2]).await.unwrap_err().to_string();
        let own = env!("CARGO_PKG_VERSION");
        let both = format!("the coordinator has version `{own}`, and the worker 9.9.9: install");
        assert!(said.contains(&both), "{said}");
        let named = workers[..2].iter().any(|url| said.contains(&format!("worker {url}")));
        assert!(named, "{said}");
        // The same with workers of this version.
        let rows = asked(&workers[2..]).await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    }

    #[test]
    fn a_coordinator_without_a_version_is_refused_and_the_error_is_of_its_type() {
        let query =
            WorkerQueryContext { builder: SessionStateBuilder::new(), headers: HeaderMap::new() };
        let error = session(query, &WorkerOptions::default(), "1.2.3").unwrap_err();
        let DataFusionError::External(error) = error else { panic!("{error}") };
        let error = error.downcast_ref::<ClusterError>();
        assert!(
            matches!(error, Some(ClusterError::Version { coordinator, worker })
                if coordinator.is_empty() && worker == "1.2.3"),
            "{error:?}"
        );
    }
}
