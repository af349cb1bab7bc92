//! `crinoid-worker`: searches shards for a coordinator.

use clap::Parser;
use crinoid_datafusion::{Shards, worker};
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
    if token.is_empty() && !args.listen.ip().is_loopback() {
        return Err("an address that others can reach needs a --token-file".into());
    }
    let listener = TcpListener::bind(args.listen).await?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    std::io::stdout().flush()?;
    Ok(worker(listener, token, Arc::new(Shards::with_cache(args.cache))).await?)
}
