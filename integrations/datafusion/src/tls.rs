//! Encrypted connections: who this side is, and whom it trusts.

use crate::error::{ClusterError, in_full};
use std::{fmt, fs, path::Path};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, Server, ServerTlsConfig};

/// How connections are encrypted. All texts are PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Who this side is: its certificates and its key. A worker must have them; a coordinator where workers ask for them.
    pub identity: Option<(String, String)>,
    /// By whom the certificates of the other side must be signed. A coordinator must say so; a worker that does refuses
    /// coordinators without such a certificate.
    pub authority: Option<String>,
}

impl fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("identity", &self.identity.as_ref().map(|(certificates, _)| certificates))
            .field("authority", &self.authority)
            .finish()
    }
}

/// The files of a command line, of which `crinoid-worker` and `crinoid-sql` have the same.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TlsFiles {
    /// Who this program is: a file with its certificates (PEM). A worker that has one is called https://host:port.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<std::path::PathBuf>,
    /// A file with the key of --tls-cert (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<std::path::PathBuf>,
    /// A file with the certificates of whoever must have signed those of the other side (PEM): of workers, or, given to a
    /// worker, of coordinators, others of which it refuses then.
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<std::path::PathBuf>,
}

impl TlsFiles {
    /// What the files hold; `None` where none is given.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&self) -> Result<Option<Tls>, ClusterError> {
        let identity = match (&self.tls_cert, &self.tls_key) {
            (Some(certificates), Some(key)) => Some((text(certificates)?, text(key)?)),
            _ => None,
        };
        let authority = self.tls_ca.as_deref().map(text).transpose()?;
        Ok((identity.is_some() || authority.is_some()).then_some(Tls { identity, authority }))
    }
}

fn text(path: &Path) -> Result<String, ClusterError> {
    fs::read_to_string(path).map_err(|error| ClusterError::File {
        file: path.display().to_string(),
        why: error.to_string(),
    })
}

impl Tls {
    /// For connections to workers; `None` without an authority, for addresses without encryption.
    pub(crate) fn to_workers(&self) -> Option<ClientTlsConfig> {
        let authority = Certificate::from_pem(self.authority.as_ref()?);
        let config = ClientTlsConfig::new().ca_certificate(authority);
        Some(match &self.identity {
            Some((certificates, key)) => config.identity(Identity::from_pem(certificates, key)),
            None => config,
        })
    }

    /// A server with this identity.
    pub(crate) fn serving(&self, server: Server) -> Result<Server, ClusterError> {
        let Some((certificates, key)) = &self.identity else {
            let (file, why) =
                ("--tls-cert", "a worker that encrypts needs a certificate and its key");
            return Err(ClusterError::File { file: file.to_owned(), why: why.to_owned() });
        };
        let config = ServerTlsConfig::new().identity(Identity::from_pem(certificates, key));
        let config = match &self.authority {
            Some(authority) => config.client_ca_root(Certificate::from_pem(authority)),
            None => config,
        };
        server.tls_config(config).map_err(|error| ClusterError::File {
            file: "--tls-cert, --tls-key or --tls-ca".to_owned(),
            why: format!("no certificates or no key that can be used: {}", in_full(&error)),
        })
    }
}
