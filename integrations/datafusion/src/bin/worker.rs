//! `crinoid-worker`: searches shards for a coordinator.

use clap::Parser;
use crinoid_datafusion::{Shards, TlsFiles, WorkerOptions, worker};
use std::{io::Write, net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::net::TcpListener;

/// Searches shards of sealed collections for a coordinator. Prints `listening on ADDRESS`, and serves until it is ended.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A file with the token that a coordinator must know.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A folder in which the files of object stores are kept, by digest.
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    tls: TlsFiles,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let token = match &args.token_file {
        None => String::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            text.trim().to_owned()
        }
    };
    let tls = args.tls.read()?;
    let asks = tls.as_ref().is_some_and(|tls| tls.authority.is_some());
    if token.is_empty() && !asks && !args.listen.ip().is_loopback() {
        return Err("an address that others can reach needs a --token-file, or a --tls-ca".into());
    }
    let listener = TcpListener::bind(args.listen).await?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    writeln!(std::io::stdout(), "listening on {scheme}://{}", listener.local_addr()?)?;
    std::io::stdout().flush()?;
    let shards = Arc::new(Shards::with_cache(args.cache));
    Ok(worker(listener, WorkerOptions { token, shards, tls }).await?)
}
