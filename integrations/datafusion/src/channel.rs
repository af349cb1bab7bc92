//! Connections to workers: encrypted or not, kept open, and errors that say whose they are.

use crate::{
    error::{ClusterError, in_full},
    tls::Tls,
};
use async_trait::async_trait;
use datafusion::{
    arrow::array::RecordBatch,
    common::{DataFusionError, Result},
    execution::TaskContext,
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, ExecuteTaskRequest, GetWorkerInfoRequest,
    GetWorkerInfoResponse, SetPlanRequest, WorkerChannel, WorkerToCoordinatorMsg,
    grpc::{BoxCloneSyncChannel, create_worker_client},
};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use http::HeaderMap;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tonic::transport::Channel;
use url::Url;

/// How long a worker may take to accept a connection.
pub(crate) const CONNECT: Duration = Duration::from_secs(2);

/// Connections that notice when the other side is gone.
pub(crate) struct Channels {
    tls: Option<Tls>,
    open: Mutex<HashMap<Url, BoxCloneSyncChannel>>,
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
    pub(crate) fn new(tls: Option<Tls>) -> Self {
        Self { tls, open: Mutex::default() }
    }

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

/// Whether it was the connection to a worker that failed, and not the worker that said so.
pub(crate) fn is_broken(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::External(root) => {
            root.is::<tonic::Status>()
                || matches!(root.downcast_ref(), Some(ClusterError::Unreachable { .. }))
        }
        _ => false,
    }
}
