//! Encrypted connections: with the right authority, the wrong one, and none.

use crate::{Worker, ask, cluster, rows, sealed, table, vectors, wanted};
use crinoid_datafusion::{Cluster, ClusterError, ClusterOptions, Tls};
use crinoid_shards::SealOptions;
use datafusion::common::DataFusionError;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::{fs, path::Path};

/// An authority that signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// The certificate of whoever has this address, and its key.
    fn signed(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// Writes the files that a worker is given; their names.
fn files<const N: usize>(folder: &Path, files: [(&str, &str); N]) -> [String; N] {
    files.map(|(name, text)| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    })
}

fn trusting(authority: &Authority) -> Option<Tls> {
    Some(Tls { authority: Some(authority.pem()), identity: None })
}

/// The error of the cluster itself.
fn root(error: &DataFusionError) -> &ClusterError {
    let DataFusionError::External(root) = error.find_root() else { panic!("{error}") };
    root.downcast_ref().unwrap_or_else(|| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_authority_is_answered_and_any_other_is_an_error_that_names_the_worker() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = ours.signed("127.0.0.1");
    let [cert, key] = files(folder.path(), [("cert.pem", &certificate), ("key.pem", &key)]);
    let workers = [(); 2].map(|()| Worker::start(&["--tls-cert", &cert, "--tls-key", &key]));
    assert!(workers.iter().all(|worker| worker.url.scheme() == "https"));
    let (base, queries) = (vectors(21, 1_000, 8), vectors(22, 5, 8));
    let (place, sealed) = sealed(&base, None, &SealOptions::new(4));
    let query = ask(place.path(), 10, ", 'exact'");
    let asked = async |options: ClusterOptions| {
        let cluster = Cluster::new(options).unwrap();
        cluster.context().register_batch("questions", table(&queries, 0..5)).unwrap();
        cluster.sql(&query).await
    };
    let options = |tls| {
        let mut options = ClusterOptions::new(workers.iter().map(|one| one.url.clone()).collect());
        options.tls = tls;
        options
    };
    let answer = asked(options(trusting(&ours))).await.unwrap();
    assert_eq!(rows(&answer), wanted(&sealed, &queries, 10, true));

    let is_worker = |url: &url::Url| workers.iter().any(|worker| worker.url == *url);
    let error = asked(options(trusting(&theirs))).await.unwrap_err();
    assert!(
        matches!(root(&error), ClusterError::Untrusted { worker, why }
            if is_worker(worker) && why.contains("UnknownIssuer")),
        "{error}"
    );
    assert!(error.to_string().contains("(--tls-ca)"), "{error}");
    let error = asked(options(None)).await.unwrap_err();
    assert!(
        matches!(root(&error), ClusterError::NoAuthority { worker } if is_worker(worker)),
        "{error}"
    );

    // An authority is no use for addresses without encryption, nor are workers without it for those with.
    let open = [(); 2].map(|()| Worker::start(&[]));
    let mut plain = options(trusting(&ours));
    plain.workers = open.iter().map(|worker| worker.url.clone()).collect();
    let error = asked(plain.clone()).await.unwrap_err();
    assert!(matches!(root(&error), ClusterError::Plain { .. }), "{error}");
    plain.workers.iter_mut().for_each(|url| {
        let text = url.as_str().replacen("http:", "https:", 1);
        *url = text.parse().unwrap();
    });
    let error = asked(plain).await.unwrap_err();
    assert!(matches!(root(&error), ClusterError::Untrusted { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_may_ask_coordinators_for_a_certificate() {
    let authority = Authority::new("ours");
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.signed("127.0.0.1");
    let [cert, key, ca] = files(
        folder.path(),
        [("cert.pem", &certificate), ("key.pem", &key), ("ca.pem", &authority.pem())],
    );
    let arguments = ["--tls-cert", &cert, "--tls-key", &key, "--tls-ca", &ca];
    let workers = [(); 2].map(|()| Worker::start(&arguments));
    let (base, queries) = (vectors(23, 1_000, 8), vectors(24, 5, 8));
    let (place, sealed) = sealed(&base, None, &SealOptions::new(4));
    let query = ask(place.path(), 10, ", 'exact'");
    let asked = async |identity: Option<(String, String)>| {
        let cluster = cluster(&workers.each_ref(), |options| {
            options.tls =
                Some(Tls { authority: Some(authority.pem()), identity: identity.clone() });
        });
        cluster.context().register_batch("questions", table(&queries, 0..5)).unwrap();
        cluster.sql(&query).await
    };
    let answer = asked(Some(authority.signed("coordinator"))).await.unwrap();
    assert_eq!(rows(&answer), wanted(&sealed, &queries, 10, true));
    for stranger in [None, Some(Authority::new("theirs").signed("coordinator"))] {
        let error = asked(stranger).await.unwrap_err().to_string();
        assert!(workers.iter().any(|worker| error.contains(worker.url.as_str())), "{error}");
    }
}
