//! Why a server does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::fingerprint::UnwatchableError;
use crate::policy_dir::LoadError;

/// Why a server does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen on {address} ({flag}): {source}")]
    Listen {
        /// Which flag names it.
        flag: &'static str,
        /// As given.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The policies are not good.
    #[error(transparent)]
    Policies(#[from] LoadError),
    /// The policies cannot be watched.
    #[error(transparent)]
    Unwatchable(#[from] UnwatchableError),
    /// The certificate is not good.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The limits contradict each other.
    #[error(
        "--max-in-flight ({max_in_flight} bytes) is less than --max-body ({max_body} bytes): a body of that size could never be judged"
    )]
    Limits {
        /// As given.
        max_in_flight: usize,
        /// As given.
        max_body: usize,
    },
    /// Certificates are managed, and nobody looks after who trusts them.
    #[error("managed certificates are for what is registered: the registration has to be watched, too")]
    Unregistered,
    /// Two metrics of one name in the registry.
    #[error("cannot register the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Why a certificate, a key or an authority cannot be used. Names the flag, never the content.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read.
    #[error("{flag} {}: {source}", path.display())]
    Read {
        /// Which flag names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds none.
    #[error("{flag} {}: expected {expected} in PEM", path.display())]
    Pem {
        /// Which flag names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
    },
    /// The certificate does not parse.
    #[error("{flag} {}: not a certificate that can be used: {why}", path.display())]
    Certificate {
        /// Which flag names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key is of another certificate, or of a kind that is not known.
    #[error("--tls-key {}: cannot be used with --tls-cert {}: {source}", key.display(), certificate.display())]
    Key {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
    /// The first one has not come from the cluster so far.
    #[error("no certificate yet: it comes from the Secret of --certificate-secret")]
    NotYet,
    /// Anything else of TLS.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}
