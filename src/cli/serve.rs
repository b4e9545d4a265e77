//! `secretfence serve`: arguments, resolved to settings, run.

mod certificates;
mod registration;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use certificates::ManagedArguments;
use registration::ClusterArguments;

use crate::cluster::Connection;
use crate::policy_dir;
use crate::telemetry::{self, LogFormat};
use crate::webhook::{
    CertificateSource, ClientAuthority, Limits, MAX_ADMIN_CONNECTIONS, PolicySource, SelfSigned, Server, Settings,
    TlsMinVersion, big_judgements, quantity,
};

/// Threads for what must not run where connections are served, beside those that judge big reviews: one looks at files,
/// and one is to spare.
const MORE_THREADS: usize = 2;

/// Serve the webhook: HTTPS for the API server, and a plain listener for health and metrics
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  On a machine without a cluster:
    secretfence serve --self-signed -p policies/secrets-as-files.yaml
    curl -s http://localhost:8080/certificate > authority.pem
    curl --cacert authority.pem -H 'content-type: application/json' \
         --data @review.json https://localhost:8443/validate

  In a cluster, with the certificate of a mounted Secret:
    secretfence serve -p /etc/secretfence/policies --tls-cert /tls/tls.crt --tls-key /tls/tls.key")]
pub struct ServeArguments {
    /// Where reviews are served; [::] takes IPv4 too, and is 0.0.0.0 where there is no IPv6
    #[arg(long, env = "SECRETFENCE_LISTEN", value_name = "ADDRESS", default_value = "[::]:8443")]
    listen: SocketAddr,

    /// Where /livez, /readyz and /metrics are served, in clear
    #[arg(long, env = "SECRETFENCE_ADMIN_LISTEN", value_name = "ADDRESS", default_value = "[::]:8080")]
    admin_listen: SocketAddr,

    /// A policy file or a directory of them; may be repeated [default: the built-in baseline]
    #[arg(short, long, env = "SECRETFENCE_POLICIES", value_name = "PATH", value_delimiter = ',')]
    policies: Vec<PathBuf>,

    /// Where the cluster is that policies ask about, if they do [default: the pod's own, else KUBECONFIG, ~/.kube/config]
    #[arg(long, env = "SECRETFENCE_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The serving certificate and its intermediates, a PEM file; read again when it changes
    #[arg(long, env = "SECRETFENCE_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert, a PEM file; read again when it changes
    #[arg(long, env = "SECRETFENCE_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// The oldest TLS that is spoken
    #[arg(long, env = "SECRETFENCE_TLS_MIN_VERSION", value_name = "VERSION", default_value = "1.2")]
    tls_min_version: MinVersion,

    /// Make a certificate instead, for localhost and the Service; its authority is at /certificate of --admin-listen
    #[arg(long, env = "SECRETFENCE_SELF_SIGNED", value_parser = BoolishValueParser::new())]
    self_signed: bool,

    /// Let in only clients with a certificate of an authority in this PEM file; read again when it changes
    #[arg(long, env = "SECRETFENCE_CLIENT_CA", value_name = "FILE")]
    client_ca: Option<PathBuf>,

    /// A name that a client's certificate must have; may be repeated [default: any of --client-ca]
    #[arg(long, env = "SECRETFENCE_CLIENT_NAME", value_name = "NAME", value_delimiter = ',')]
    client_name: Vec<String>,

    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    managed: ManagedArguments,

    /// How log lines are written, on standard error
    #[arg(long, env = "SECRETFENCE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: Format,

    /// error, warn, info, debug, trace, or directives such as "info,secretfence=debug"
    #[arg(long, env = "SECRETFENCE_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: String,

    /// The longest body of a review
    #[arg(long, env = "SECRETFENCE_MAX_BODY", value_name = "BYTES", default_value = "16Mi", value_parser = bytes, help_heading = "Limits")]
    max_body: usize,

    /// The most bytes of bodies at a time; others wait until their deadline, small ones in a part of their own
    #[arg(long, env = "SECRETFENCE_MAX_IN_FLIGHT", value_name = "BYTES", default_value = "64Mi", value_parser = bytes, help_heading = "Limits")]
    max_in_flight: usize,

    /// The most connections at a time, as far as the limit of open files allows; a new one takes the place of one that rests
    #[arg(
        long,
        env = "SECRETFENCE_MAX_CONNECTIONS",
        value_name = "COUNT",
        default_value = "4096",
        help_heading = "Limits"
    )]
    max_connections: usize,

    /// For the head of a request, and for a TLS handshake
    #[arg(long, env = "SECRETFENCE_HEADER_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = duration, help_heading = "Limits")]
    header_timeout: Duration,

    /// For the body of a request, after 2s at 64Ki a second at least; and for an answer to be taken
    #[arg(long, env = "SECRETFENCE_BODY_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = duration, help_heading = "Limits")]
    body_timeout: Duration,

    /// For a connection before its first request and between two; longer than the API server's own 90s
    #[arg(long, env = "SECRETFENCE_IDLE_TIMEOUT", value_name = "DURATION", default_value = "130s", value_parser = duration, help_heading = "Limits")]
    idle_timeout: Duration,

    /// For everything under way to end after SIGTERM or SIGINT; a second one ends it at once
    #[arg(long, env = "SECRETFENCE_SHUTDOWN_GRACE", value_name = "DURATION", default_value = "25s", value_parser = duration, help_heading = "Limits")]
    shutdown_grace: Duration,

    /// Of --shutdown-grace, for the Service to send elsewhere: until then what comes is answered
    #[arg(long, env = "SECRETFENCE_SHUTDOWN_DELAY", value_name = "DURATION", default_value = "10s", value_parser = duration, help_heading = "Limits")]
    shutdown_delay: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MinVersion {
    #[value(name = "1.2")]
    Tls12,
    #[value(name = "1.3")]
    Tls13,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Serves until a signal ends it.
pub fn run(arguments: ServeArguments) -> anyhow::Result<ExitCode> {
    let format = match arguments.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    let _log = telemetry::start(format, &arguments.log_level)?;
    let mut settings = arguments.resolve()?;
    settings.limits.max_connections = connections_that_fit(settings.limits.max_connections);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("secretfence")
        .max_blocking_threads(big_judgements() + MORE_THREADS)
        .build()
        .context("cannot start the threads that serve")?;
    runtime.block_on(serve(settings))?;
    // Whatever is left was cut: it must not hold the process.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

impl ServeArguments {
    fn resolve(self) -> anyhow::Result<Settings> {
        let is_managed = self.managed.is_managed();
        if is_managed && (self.self_signed || self.tls_cert.is_some() || self.tls_key.is_some()) {
            bail!("--manage-certificates makes its own certificate: leave out --tls-cert, --tls-key and --self-signed");
        }
        let certificate = match (self.self_signed, self.tls_cert, self.tls_key) {
            _ if is_managed => CertificateSource::Managed(self.managed.managed(self.cluster.service()?)?),
            (true, None, None) => CertificateSource::SelfSigned(SelfSigned::generate()?),
            (false, Some(certificate), Some(key)) => CertificateSource::Files { certificate, key },
            (true, _, _) => bail!("--self-signed makes its own certificate: leave out --tls-cert and --tls-key"),
            (false, Some(_), None) => bail!("--tls-cert needs the private key beside it: give --tls-key FILE"),
            (false, None, Some(_)) => bail!("--tls-key needs the certificate beside it: give --tls-cert FILE"),
            (false, None, None) => bail!(
                "HTTPS needs a certificate: give --tls-cert FILE and --tls-key FILE, --manage-certificates in a cluster, or \
                 --self-signed for a machine without one"
            ),
        };
        let clients = match (self.client_ca, self.client_name) {
            (Some(authority), names) => Some(ClientAuthority { authority, names }),
            (None, names) if names.is_empty() => None,
            (None, _) => bail!("--client-name needs the authority that signs clients: give --client-ca FILE"),
        };
        let policies = if self.policies.is_empty() {
            PolicySource::Set(Arc::new(policy_dir::built_in()))
        } else {
            PolicySource::Paths(self.policies)
        };
        let registration = self.cluster.registration(is_managed)?;
        if self.max_connections == 0 {
            bail!("--max-connections 0 would serve nobody");
        }
        Ok(Settings {
            listen: self.listen,
            admin_listen: self.admin_listen,
            certificate,
            tls_min_version: match self.tls_min_version {
                MinVersion::Tls12 => TlsMinVersion::Tls12,
                MinVersion::Tls13 => TlsMinVersion::Tls13,
            },
            clients,
            policies,
            cluster: Connection { kubeconfig: self.kubeconfig, ..Connection::default() },
            registration,
            limits: Limits {
                max_body: self.max_body,
                max_in_flight: self.max_in_flight,
                max_connections: self.max_connections,
                header_timeout: self.header_timeout,
                body_timeout: self.body_timeout,
                idle_timeout: self.idle_timeout,
                shutdown_grace: self.shutdown_grace,
                shutdown_delay: self.shutdown_delay,
            },
        })
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let source = match &settings.policies {
        PolicySource::Set(_) => "the built-in baseline".to_owned(),
        PolicySource::Paths(paths) => {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        }
    };
    let server = Server::bind(settings)?;
    tell(&server, &source);
    let stop = Notify::new();
    let mut running = pin!(server.run(stop.notified()));
    tokio::select! {
        () = &mut running => return Ok(()),
        () = signals.next() => stop.notify_one(),
    }
    tokio::select! {
        () = &mut running => {}
        () = signals.next() => tracing::warn!("told twice to end: what is under way is cut"),
    }
    Ok(())
}

/// One line for each listener: who chose port 0 reads the port here.
fn tell(server: &Server, source: &str) {
    let (revision, policies) = server.policies();
    if policies == 0 {
        tracing::warn!(source, "no policy is in force: every policy of the set is off");
    }
    let admin = server.admin_address();
    tracing::info!(address = &*admin.to_string(), "serving health and metrics");
    if server.authority_pem().is_some() {
        let url = format!("http://{}:{}/certificate", reachable(admin), admin.port());
        tracing::info!(authority = &*url, "the certificate is self-signed: clients find its authority there");
    }
    let fingerprint = server.certificate_fingerprint().unwrap_or_else(|| "not yet".to_owned());
    let address = server.address().to_string();
    tracing::info!(
        address = &*address,
        revision = &*revision,
        policies,
        source,
        certificate = &*fingerprint,
        version = env!("CARGO_PKG_VERSION"),
        "serving reviews"
    );
}

/// An unspecified address is no place to go to.
fn reachable(address: SocketAddr) -> String {
    match address {
        _ if address.ip().is_unspecified() => "localhost".to_owned(),
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// SIGTERM and SIGINT. Listened to before anything is served, so that none is missed.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen to SIGINT")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Files beside the connections of reviews: those of the admin listener; and listeners, the runtime, policies and
/// certificates that are being read, and a connection at each listener that waits for a place.
const FILES_BESIDE: u64 = MAX_ADMIN_CONNECTIONS as u64 + 32;

/// How many connections there can be. Over that, files would run out before places do, for health as well.
fn connections_that_fit(max_connections: usize) -> usize {
    let open_files = raise_file_limit((max_connections as u64).saturating_add(FILES_BESIDE));
    let fit = usize::try_from(open_files.saturating_sub(FILES_BESIDE)).unwrap_or(usize::MAX).max(1);
    if fit < max_connections {
        tracing::warn!(
            open_files,
            max_connections = fit,
            "the limit of open files is too low for --max-connections {max_connections}: there will be fewer"
        );
    }
    max_connections.min(fit)
}

/// Every connection is a file, and the usual soft limit of 1024 is far below `--max-connections`. How many there can be
/// then: no more than needed, unless there were more before.
fn raise_file_limit(needed: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= needed {
        return current;
    }
    let raised = limit.maximum.map_or(needed, |most| most.min(needed));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
        Ok(()) => raised,
        Err(_) => current,
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    let read = quantity::bytes(text).filter(|bytes| (1..=MOST_BYTES).contains(bytes));
    read.ok_or_else(|| "expected bytes such as 16Mi, 512Ki or 1000000, from 1 to 4095Mi".to_owned())
}

/// A body's bytes are counted in 32 bits.
const MOST_BYTES: usize = 4095 << 20;

fn duration(text: &str) -> Result<Duration, String> {
    let read = quantity::duration(text).filter(|duration| *duration <= MOST_TIME);
    read.ok_or_else(|| "expected a duration such as 5s, 500ms or 1m30s, at most 24h".to_owned())
}

const MOST_TIME: Duration = Duration::from_secs(24 * 3600);
