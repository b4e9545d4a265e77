//! The webhook: HTTPS in, the engine, HTTPS out; and a plain listener for health and metrics.

mod admin;
mod body;
mod certificates;
mod client_certificate;
mod connection;
mod error;
mod fingerprint;
mod handshake;
mod listener;
mod managed;
mod policies;
mod pulse;
pub mod quantity;
mod registration;
mod room;
mod routes;
mod self_signed;
mod settings;
mod shutdown;
mod tls;
mod trust;
mod uid;

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hyper::service::{Service, service_fn};
use hyper_util::service::TowerToHyperService;
use prometheus::{IntGauge, Registry};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use error::{CertificateError, ServeError};
pub use fingerprint::UnwatchableError;
pub use self_signed::SelfSigned;
pub use settings::{
    CertificateSource, ClientAuthority, Limits, PolicySource, RegistrationSettings, Settings, TlsMinVersion,
};

use crate::cluster::Registration;
use crate::telemetry::{Metrics, ReviewLog};
use body::Buffers;
use certificates::Certificates;
use connection::Ended;
use handshake::Failure;
use listener::{Places, Shortage};
use policies::Policies;
use pulse::Pulse;
use room::Room;
use shutdown::{Shutdown, Stage};

/// How often files are looked at.
const POLL: Duration = Duration::from_secs(1);

/// The most connections to the plain listener: a scraper and a few probes.
pub const MAX_ADMIN_CONNECTIONS: usize = 64;

/// How many big bodies are judged at a time, each on a thread of the runtime's blocking pool: as many as there are cores,
/// and 4 at most, as each takes many times its own length in memory. Files are looked at on one more.
pub fn big_judgements() -> usize {
    const MOST: usize = 4;
    std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST)
}

/// A server whose addresses are bound, and whose policies and certificate are good.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    reviews: (TcpListener, SocketAddr),
    admin: (TcpListener, SocketAddr),
    seen: (policies::Seen, certificates::Seen),
    /// Of the certificates, where they are kept in the cluster.
    keeper: Option<managed::CertificateKeeper>,
}

/// What every connection needs.
#[derive(Debug)]
struct Shared {
    limits: Limits,
    policies: Policies,
    certificates: Certificates,
    metrics: Metrics,
    log: ReviewLog,
    shutdown: Shutdown,
    room: Room,
    /// Who judges a big body.
    judges: Arc<Semaphore>,
    buffers: Arc<Buffers>,
    /// What is registered, where that is looked after.
    registration: Option<Registration>,
}

impl Server {
    /// Binds the addresses and loads what the settings name. Must be called within a Tokio runtime.
    pub fn bind(settings: Settings) -> Result<Server, ServeError> {
        Server::bind_with(settings, Registry::new())
    }

    /// The same, with the metrics in a registry of the caller's.
    pub fn bind_with(settings: Settings, registry: Registry) -> Result<Server, ServeError> {
        let limits = settings.limits;
        check(&limits)?;
        // First of all, so that those who connect wait rather than fail while policies are loaded.
        let reviews = bound("--listen", settings.listen)?;
        let admin = bound("--admin-listen", settings.admin_listen)?;
        let metrics = Metrics::new(registry, &handshake::REASONS)?;
        let (certificates, certificate_seen) =
            Certificates::load(settings.certificate.clone(), settings.clients, settings.tls_min_version)?;
        if let Some(not_after) = certificates.state().0 {
            metrics.certificate_serves(not_after);
        }
        let (policies, policies_seen) = Policies::load(settings.policies, settings.cluster.clone(), &metrics)?;
        let (wanted, cluster) = (settings.registration, settings.cluster);
        let pod = wanted.as_ref().and_then(|wanted| wanted.pod.clone());
        let shared = Arc::new_cyclic(|shared| Shared {
            registration: wanted
                .map(|wanted| registration::start(wanted, &cluster, metrics.registration_drift(), Weak::clone(shared))),
            limits,
            policies,
            certificates,
            metrics,
            log: ReviewLog::default(),
            shutdown: Shutdown::new(),
            room: Room::new(&limits),
            judges: Arc::new(Semaphore::new(big_judgements())),
            buffers: Arc::default(),
        });
        let keeper = match (settings.certificate, &shared.registration) {
            (CertificateSource::Managed(_), None) => return Err(ServeError::Unregistered),
            (CertificateSource::Managed(managed), Some(registration)) => {
                Some(managed::keeper(managed, cluster, pod, registration.clone(), &shared))
            }
            _ => None,
        };
        Ok(Server { shared, reviews, admin, seen: (policies_seen, certificate_seen), keeper })
    }

    /// Where reviews are served.
    pub fn address(&self) -> SocketAddr {
        self.reviews.1
    }

    /// Where health and metrics are served.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.1
    }

    /// SHA-256 of the serving certificate, in hexadecimal. None: it comes from the cluster, and has not so far.
    pub fn certificate_fingerprint(&self) -> Option<String> {
        self.shared.certificates.fingerprint()
    }

    /// The authority that clients must trust, in PEM, where this process made it.
    pub fn authority_pem(&self) -> Option<&str> {
        self.shared.certificates.authority_pem()
    }

    /// The revision of the policies that serve, and how many they are.
    pub fn policies(&self) -> (String, usize) {
        let judgement = self.shared.policies.judgement();
        (judgement.set.revision().to_owned(), judgement.set.policies().len())
    }

    /// Serves until `stop` ends, then ends in order: unready, what is under way answered, within the grace.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Server { shared, reviews: (reviews, _), admin: (admin, _), seen, keeper } = self;
        // Dropped with this future, which ends them.
        let mut background = JoinSet::new();
        background.spawn(poll_files(Arc::clone(&shared), seen));
        background.spawn(serve_admin(Arc::clone(&shared), admin));
        let keeping = keeper.map(|keeper| background.spawn(managed::run(keeper)));
        let mut serving = JoinSet::new();
        serving.spawn(serve_reviews(Arc::clone(&shared), reviews));
        stop.await;
        // Nothing in the cluster is written from now on: it may be an uninstall, an older version that comes back, or a Secret
        // that is taken away on purpose. What serves is good for longer than this lasts.
        if let Some(keeping) = keeping {
            keeping.abort();
        }
        if let Some(registration) = &shared.registration {
            registration.stop();
        }
        let limits = shared.limits;
        let end = tokio::time::Instant::now() + limits.shutdown_grace;
        let delay = limits.shutdown_delay.min(limits.shutdown_grace);
        tracing::info!(
            delay = &*format!("{delay:?}"),
            "shutting down: unready; what comes within the delay is answered, each connection for the last time. A second \
             signal ends it at once"
        );
        shared.shutdown.enter(Stage::Leaving);
        tokio::time::sleep(delay).await;
        shared.shutdown.enter(Stage::Closing);
        let drained = async {
            while let Some(connections) = serving.join_next().await {
                let Ok(mut connections) = connections else { continue };
                while connections.join_next().await.is_some() {}
            }
        };
        match tokio::time::timeout_at(end, drained).await {
            Ok(()) => tracing::info!("all connections ended"),
            Err(_) => tracing::warn!("connections were still open at the end of --shutdown-grace and are cut"),
        }
        shared.log.write_due(Instant::now() + Duration::from_secs(3600));
    }
}

fn check(limits: &Limits) -> Result<(), ServeError> {
    let Limits { max_body, max_in_flight, .. } = *limits;
    if max_in_flight < max_body {
        return Err(ServeError::Limits { max_in_flight, max_body });
    }
    Ok(())
}

fn bound(flag: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let listener = listener::bind(flag, address)?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { flag, address, source })?;
    Ok((listener, address))
}

async fn serve_reviews(shared: Arc<Shared>, listener: TcpListener) -> JoinSet<()> {
    let stage = shared.shutdown.watch();
    let notice = |shortage| match shortage {
        Shortage::Places => {
            shared.log.crowded("--max-connections are open: one that rested was closed for a new one");
        }
        Shortage::System(error) => shared.log.not_accepted("--listen", &error),
    };
    let places = Places { most: shared.limits.max_connections, notice };
    let handle = |stream, peer, pulse| serve_review_connection(Arc::clone(&shared), stream, peer, pulse);
    listener::accept(listener, places, stage, handle).await
}

async fn serve_review_connection(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, pulse: Arc<Pulse>) {
    let _open = Open::count(shared.metrics.connections());
    if let Err(error) = serve_tls(&shared, stream, peer.ip(), pulse).await {
        // Port scans and probes end here: not worth a line on a busy day.
        tracing::debug!(peer = &*peer.to_string(), error = &*error, "connection ended");
    }
}

/// Counts an open connection for as long as it lives, also if it is cut.
struct Open(IntGauge);

impl Open {
    fn count(gauge: &IntGauge) -> Open {
        gauge.inc();
        Open(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn serve_tls(shared: &Arc<Shared>, stream: TcpStream, peer: IpAddr, pulse: Arc<Pulse>) -> Result<(), String> {
    // An error here costs some milliseconds an answer, no more.
    let _ = stream.set_nodelay(true);
    // Both are big, and a future keeps room for every value that it ever moves: boxed, they are there once.
    let stream = Box::new(Box::pin(shake_hands(shared, stream, peer)).await?);
    let service = service_fn(|request| {
        let (shared, pulse) = (Arc::clone(shared), Arc::clone(&pulse));
        async move { Ok::<_, Infallible>(routes::handle(&shared, &pulse, peer, request).await) }
    });
    told(connection::serve(stream, Arc::clone(&pulse), service, &shared.limits, shared.shutdown.watch()).await)
}

async fn shake_hands(shared: &Shared, stream: TcpStream, peer: IpAddr) -> Result<TlsStream<TcpStream>, String> {
    // It is not ready: who asks anyway is not of the Service.
    let config = shared.certificates.config().ok_or_else(|| "there is no certificate yet".to_owned())?;
    let handshake = TlsAcceptor::from(config).accept(stream).into_fallible();
    let (failure, text, refused) = match tokio::time::timeout(shared.limits.header_timeout, handshake).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err((error, stream))) => (Failure::of(&error), error.to_string(), Some(stream)),
        Err(_) => (Failure::timeout(), "no TLS handshake in time".to_owned(), None),
    };
    shared.metrics.handshake_failed(failure.reason);
    // It may be the API server that is kept out: that is worth a line.
    if let Some(why) = failure.why {
        shared.log.handshake_refused(why, peer);
    }
    if let Some(refused) = refused {
        handshake::part(refused).await;
    }
    Err(text)
}

/// How long a connection to the admin listener may say nothing.
const ADMIN_IDLE: Duration = Duration::from_secs(5);

async fn serve_admin(shared: Arc<Shared>, listener: TcpListener) {
    let router = admin::router(Arc::clone(&shared));
    // Health is told to the last: what stops this listener is the end of its task.
    let never = Shutdown::new();
    let notice = |shortage| match shortage {
        Shortage::Places => {
            shared.log.crowded("the admin listener has no place left: a connection that rested was closed");
        }
        Shortage::System(error) => shared.log.not_accepted("--admin-listen", &error),
    };
    let handle = |stream: TcpStream, _, pulse: Arc<Pulse>| {
        let (shared, router, stage) = (Arc::clone(&shared), router.clone(), never.watch());
        async move {
            let router = TowerToHyperService::new(router);
            let service = service_fn(|request| {
                pulse.request();
                let (answering, pulse) = (router.call(request), Arc::clone(&pulse));
                async move {
                    let answer = answering.await;
                    pulse.answered();
                    answer
                }
            });
            let header_timeout = shared.limits.header_timeout.min(ADMIN_IDLE);
            let limits = Limits { idle_timeout: ADMIN_IDLE, header_timeout, ..shared.limits };
            let ended = connection::serve(stream, Arc::clone(&pulse), service, &limits, stage).await;
            if let Err(error) = told(ended) {
                tracing::debug!(error = &*error, "connection to the admin listener ended");
            }
        }
    };
    let places = Places { most: MAX_ADMIN_CONNECTIONS, notice };
    drop(listener::accept(listener, places, never.watch(), handle).await);
}

fn told(ended: Ended) -> Result<(), String> {
    match ended {
        Ended::Closed => Ok(()),
        Ended::TimedOut => Err("too slow".to_owned()),
        Ended::Broken(error) => Err(error.to_string()),
    }
}

/// Looks at the files every second, off the threads that serve.
async fn poll_files(shared: Arc<Shared>, mut seen: (policies::Seen, certificates::Seen)) {
    let mut ticks = tokio::time::interval(POLL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let shared = Arc::clone(&shared);
        let polled = tokio::task::spawn_blocking(move || {
            // A defect in one look must not end the watch: exceptions would never end, and the certificate would.
            let look = AssertUnwindSafe(|| {
                shared.policies.poll(&mut seen.0, &shared.metrics, Instant::now());
                shared.certificates.poll(&mut seen.1, &shared.metrics);
                shared.log.write_due(Instant::now());
            });
            if std::panic::catch_unwind(look).is_err() {
                tracing::error!(
                    "a look at the files of policies and certificates failed by a defect; the next one follows"
                );
            }
            seen
        });
        match polled.await {
            Ok(polled) => seen = polled,
            // Only when the process ends.
            Err(_) => return,
        }
    }
}
