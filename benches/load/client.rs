//! The load: connections that are kept alive, each with one request under way at any time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::{Files, Server};

/// Under this the server is not busy enough for its cost to be that of a busy server.
pub const BUSY: f64 = 0.95;

/// Who sends, from how many threads.
pub struct Clients {
    tls: TlsConnector,
    threads: usize,
}

/// What a request costs a server.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Server CPU, in microseconds.
    pub per_request: f64,
    /// The share of the time in which the server had something to do.
    pub busy: f64,
}

/// Far longer than thousands of connections need to open.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request as bytes, as the API server sends it.
pub type Request = Arc<[u8]>;

/// As the API server posts a review.
pub fn post(path: &str, body: &[u8]) -> Request {
    let head = format!(
        "POST {path}?timeout=5s HTTP/1.1\r\nHost: secretfence.secretfence.svc:443\r\n\
         User-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\nAccept: application/json, */*\r\n\
         Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat().into()
}

/// Every connection is a file, here and in the servers, which inherit the limit.
pub fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("raise the limit of open files");
}

/// Connections that are open and rest.
pub struct Held {
    _streams: Vec<TlsStream<TcpStream>>,
    _runtime: Runtime,
}

impl Clients {
    pub fn trusting(files: &Files, threads: usize) -> Clients {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&files.certificate()).expect("a certificate")).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Clients { tls: TlsConnector::from(Arc::new(config)), threads }
    }

    /// Keeps so many requests in flight for some time, after a fifth of it to warm up.
    pub fn load(&self, server: &Server, request: &Request, connections: usize, time: Duration) -> Cost {
        let load = Arc::new(Load::default());
        std::thread::scope(|scope| {
            for thread in 0..self.threads {
                let (its, load) = ((connections + thread) / self.threads, Arc::clone(&load));
                scope.spawn(move || self.send(server.address, request, its, load));
            }
            let start = Instant::now();
            while load.open.load(Relaxed) < connections {
                assert!(start.elapsed() < PATIENCE, "connections do not open");
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(time / 5);
            let (begin, cpu, answered) = (Instant::now(), server.cpu(), load.answered.load(Relaxed));
            std::thread::sleep(time);
            let (took, after, answered) = (begin.elapsed(), server.cpu(), load.answered.load(Relaxed) - answered);
            load.stop.store(true, Relaxed);
            let used = after.used.saturating_sub(cpu.used).as_secs_f64();
            // Where others had its core, it could not do more either.
            let waited = after.waited.saturating_sub(cpu.waited).as_secs_f64();
            let per_request = used * 1e6 / answered.max(1) as f64;
            Cost { per_request, busy: ((used + waited) / took.as_secs_f64()).min(1.0) }
        })
    }

    /// Opens connections, sends each this request once, and keeps them.
    pub fn hold(&self, address: SocketAddr, request: &Request, connections: usize) -> Held {
        let runtime = runtime();
        let streams = runtime.block_on(async {
            let mut streams = Vec::with_capacity(connections);
            for _ in 0..connections {
                let mut connection = self.open(address).await.expect("open a connection");
                connection.ask(request).await.expect("an answer");
                streams.push(connection.stream);
            }
            streams
        });
        Held { _streams: streams, _runtime: runtime }
    }

    /// The body of the answer to one request.
    pub fn ask(&self, address: SocketAddr, request: &Request) -> String {
        runtime().block_on(async {
            let mut connection = self.open(address).await.expect("open a connection");
            let body = connection.ask(request).await.expect("an answer");
            String::from_utf8_lossy(body).into_owned()
        })
    }

    /// One thread of the load, with connections of its own: nothing is handed from one to another.
    fn send(&self, address: SocketAddr, request: &Request, connections: usize, load: Arc<Load>) {
        runtime().block_on(async {
            let mut sending = JoinSet::new();
            for _ in 0..connections {
                let mut connection = self.open(address).await.expect("open a connection");
                let (request, load) = (Arc::clone(request), Arc::clone(&load));
                load.open.fetch_add(1, Relaxed);
                sending.spawn(async move {
                    while !load.stop.load(Relaxed) {
                        connection.ask(&request).await.expect("an answer");
                        load.answered.fetch_add(1, Relaxed);
                    }
                });
            }
            // Never asleep: whoever answers a thread that sleeps pays for waking it, some microseconds a request where
            // machines are virtual. The slower server would pay more often, and not for what it does itself.
            while !load.stop.load(Relaxed) {
                tokio::task::yield_now().await;
            }
            while let Some(sent) = sending.join_next().await {
                sent.expect("every request is answered");
            }
        });
    }

    async fn open(&self, address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        Ok(Connection { stream: self.tls.connect(name, stream).await?, buffer: Vec::new() })
    }
}

/// What the threads of a load share.
#[derive(Default)]
struct Load {
    open: AtomicUsize,
    answered: AtomicU64,
    stop: AtomicBool,
}

struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// The body of the answer, which has to be a review.
    async fn ask(&mut self, request: &Request) -> io::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(body) = body_of(&self.buffer) {
                return Ok(&self.buffer[body..]);
            }
        }
    }
}

/// Where the body of an answer begins, once all of it is there.
fn body_of(answer: &[u8]) -> Option<usize> {
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..body]).expect("a head in ASCII");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().expect("a length"))
    });
    (answer.len() >= body + length.expect("a length")).then_some(body)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("start a runtime")
}
