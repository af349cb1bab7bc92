//! The other side: a worker, which knows whom it serves.

use crate::{
    codec::AnnCodec,
    error::{ClusterError, in_full},
    shards::Shards,
    tls::Tls,
};
use datafusion::{common::Result, execution::SessionState};
use datafusion_distributed::{DistributedExt, Worker, WorkerQueryContext};
use futures::TryStreamExt;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

/// The header with the token that coordinator and workers share.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-crinoid-token");

/// The version of what coordinator and workers say to each other.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("x-crinoid-version");

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
    use crate::cluster::{Cluster, ClusterOptions};
    use crinoid_quant::Vectors;
    use crinoid_shards::{SealOptions, Sealed, Store};
    use datafusion::{
        arrow::array::RecordBatch, common::DataFusionError, execution::SessionStateBuilder,
    };
    use http::HeaderMap;
    use url::Url;

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
