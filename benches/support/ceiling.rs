//! The ceiling: a server of the webhook's own stack that reads the body and does next to nothing with it.
//!
//! It runs in a process of its own: the bench starts itself anew with the arguments of [`Ceiling`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use clap::{Args, ValueEnum};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secretfence::fence;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support;

const CONSTANT: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","allowed":true}}"#;

/// What it does with a body, once that is in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Answers the same to all.
    Constant,
    /// Says yes, with the review's uid: what an API server takes.
    Yes,
    /// Says yes, and to `/mutate` what the engine said to the first review of that length: a swap without its cost.
    Known,
    /// Reads it as JSON and keeps nothing.
    Ignored,
    /// Reads the object as a typed Pod.
    Typed,
}

/// Serves, instead of the bench.
#[derive(Args, Debug)]
pub struct Ceiling {
    #[arg(long, hide = true)]
    pub ceiling: Option<Work>,
    #[arg(long, hide = true, requires = "ceiling")]
    listen: Option<SocketAddr>,
    /// Where `tls.crt` and `tls.key` are.
    #[arg(long, hide = true, requires = "ceiling")]
    tls: Option<PathBuf>,
}

impl Ceiling {
    /// The arguments of a process that serves.
    pub fn arguments(work: Work, listen: SocketAddr, tls: &Path) -> Vec<String> {
        let work = work.to_possible_value().expect("no value is hidden");
        vec![format!("--ceiling={}", work.get_name()), format!("--listen={listen}"), format!("--tls={}", tls.display())]
    }

    /// Serves until the process is ended.
    pub fn serve(&self, work: Work) {
        let (listen, tls) = (self.listen.expect("--listen"), self.tls.as_deref().expect("--tls"));
        let acceptor = TlsAcceptor::from(Arc::new(server_config(tls)));
        // As many threads as the process has cores, like the webhook's.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("start a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind(listen).await.expect("listen");
            loop {
                let (stream, _) = listener.accept().await.expect("accept");
                tokio::spawn(connection(acceptor.clone(), stream, work));
            }
        });
    }
}

/// This program, to be started as a ceiling.
pub fn this_program() -> Command {
    Command::new(std::env::current_exe().expect("the path of this program"))
}

fn server_config(tls: &Path) -> ServerConfig {
    let read = |name: &str| std::fs::read(tls.join(name)).expect("read a certificate or its key");
    let chain = CertificateDer::pem_slice_iter(&read("tls.crt")).collect::<Result<_, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(&read("tls.key")).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has both versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("certificate and key fit");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, work: Work) {
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request: Request<Incoming>| async move {
        let work = if work == Work::Known && request.uri().path() != "/mutate" { Work::Yes } else { work };
        // A body that breaks off: the connection is gone, and so is whoever would read the answer.
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let mut response = Response::new(Full::new(answer(work, &body)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok::<_, Infallible>(response)
    });
    let served = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    // Connections end when the load does.
    let _ = served.await;
}

fn answer(work: Work, body: &[u8]) -> Bytes {
    #[derive(Deserialize)]
    struct Review {
        request: Request,
    }
    #[derive(Deserialize)]
    struct Request {
        object: Pod,
    }
    match work {
        Work::Constant => {}
        Work::Yes => return yes(body),
        Work::Known => return known(body),
        Work::Ignored => {
            std::hint::black_box(serde_json::from_slice::<IgnoredAny>(body).expect("JSON"));
        }
        Work::Typed => {
            let review: Review = serde_json::from_slice(body).expect("a review of a Pod");
            std::hint::black_box(review.request.object);
        }
    }
    Bytes::from_static(CONSTANT.as_bytes())
}

fn yes(body: &[u8]) -> Bytes {
    let review = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":""#;
    format!(r#"{review}{}","allowed":true}}}}"#, uid(body)).into()
}

fn known(body: &[u8]) -> Bytes {
    // What stands before and behind the uid, by the length of the review.
    static ANSWERS: Mutex<BTreeMap<usize, (String, String)>> = Mutex::new(BTreeMap::new());
    let uid = uid(body);
    let mut answers = ANSWERS.lock().expect("nobody panics with it");
    let (before, behind) = answers.entry(body.len()).or_insert_with(|| {
        let answer = fence::answer(body, support::MUTATE, &support::ten(), &support::facts()).expect("a review");
        let answer = String::from_utf8(answer.body).expect("UTF-8");
        let (before, behind) = answer.split_once(&uid).expect("the review's uid");
        (before.to_owned(), behind.to_owned())
    });
    format!("{before}{uid}{behind}").into()
}

/// The API server writes it first of all in a request: nothing behind it is read.
fn uid(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(&body[..body.len().min(256)]);
    start.split_once(r#""uid":""#).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default().to_owned()
}
