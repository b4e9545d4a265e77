//! What a server is told: resolved, checked, and without a trace of where it came from.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::self_signed::SelfSigned;
use crate::cluster::certificates::Managed;
use crate::cluster::{Connection, OwnPod, Wanted};
use crate::fence::policy::PolicySet;

/// Everything that a [`Server`](super::Server) needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where reviews are served. An unspecified IPv6 address takes IPv4 too, and falls back to `0.0.0.0` where there is
    /// no IPv6. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where health and metrics are served, in clear.
    pub admin_listen: SocketAddr,
    /// What the server shows.
    pub certificate: CertificateSource,
    /// The oldest TLS that is spoken.
    pub tls_min_version: TlsMinVersion,
    /// Who may connect; `None`: whoever can.
    pub clients: Option<ClientAuthority>,
    /// What is enforced.
    pub policies: PolicySource,
    /// Where the cluster is, for the policies that ask something of it.
    pub cluster: Connection,
    /// What has to be registered. None: nobody looks, and the API server is not asked.
    pub registration: Option<RegistrationSettings>,
    /// How much is taken on.
    pub limits: Limits,
}

/// Where the serving certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// PEM files, read again when they change.
    Files {
        /// The certificate and its intermediates, the server's own first.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// Made by this process.
    SelfSigned(SelfSigned),
    /// Made by this process or another replica, and kept in a Secret. Needs [`Settings::registration`].
    Managed(Managed),
}

/// What has to be registered, and who hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationSettings {
    /// What has to be registered.
    pub wanted: Wanted,
    /// The pod that events are about. None: no events.
    pub pod: Option<OwnPod>,
}

/// Client certificates: required, and checked in the handshake.
#[derive(Clone, Debug)]
pub struct ClientAuthority {
    /// A PEM file of the authorities that sign clients.
    pub authority: PathBuf,
    /// The names of which a client's certificate must have one, as common name or DNS name; empty: any.
    pub names: Vec<String>,
}

/// The oldest TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMinVersion {
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// Where the policies come from.
#[derive(Clone, Debug)]
pub enum PolicySource {
    /// Files and directories, read again when they change.
    Paths(Vec<PathBuf>),
    /// As they are.
    Set(Arc<PolicySet>),
}

/// How much is taken on, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body, in bytes.
    pub max_body: usize,
    /// The most bytes of bodies at a time; at least [`max_body`](Limits::max_body).
    pub max_in_flight: usize,
    /// The most connections at a time. A new one takes the place of one without a request under way, or waits.
    pub max_connections: usize,
    /// From the first byte of a request's head to its last, and for a TLS handshake.
    pub header_timeout: Duration,
    /// For a request's body, and for an answer to be taken.
    pub body_timeout: Duration,
    /// For a connection before its first request and between two. Above the API server's 90 s, so that it closes first:
    /// a request that meets a closing connection is lost, also on one that it dialled ahead and did not need so far.
    pub idle_timeout: Duration,
    /// For everything under way to end, once told to.
    pub shutdown_grace: Duration,
    /// Within the grace, how long connections are still accepted and answered, once each: a Service goes on sending them
    /// for some seconds after the pod turned unready. A grace that is shorter counts.
    pub shutdown_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_body: 16 << 20,
            max_in_flight: 64 << 20,
            max_connections: 4096,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(130),
            shutdown_grace: Duration::from_secs(25),
            shutdown_delay: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// A server on free ports of every address, with the default limits.
    pub fn new(certificate: CertificateSource, policies: PolicySource) -> Settings {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        Settings {
            listen: any,
            admin_listen: any,
            certificate,
            tls_min_version: TlsMinVersion::Tls12,
            clients: None,
            policies,
            cluster: Connection::default(),
            registration: None,
            limits: Limits::default(),
        }
    }
}
