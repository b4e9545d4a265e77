//! A client that can be as slow, wrong and greedy as a test needs.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::process::PATIENCE;

/// A pod without a Secret.
pub const REVIEW: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1",
"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
"namespace":"shop","name":"web","operation":"CREATE","object":{"apiVersion":"v1","kind":"Pod",
"metadata":{"name":"web","namespace":"shop"},"spec":{"containers":[{"name":"web","image":"nginx"}]}}}}"#;

/// A pod with a Secret in its environment.
pub const DENIED: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-2",
"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
"namespace":"shop","name":"web","operation":"CREATE","object":{"apiVersion":"v1","kind":"Pod",
"metadata":{"name":"web","namespace":"shop"},"spec":{"containers":[{"name":"web","image":"nginx",
"env":[{"name":"TOKEN","valueFrom":{"secretKeyRef":{"name":"db","key":"token"}}}]}]}}}}"#;

/// [`REVIEW`] with spaces behind, up to a length.
pub fn review_of(length: usize) -> String {
    assert!(length >= REVIEW.len());
    REVIEW.to_owned() + &" ".repeat(length - REVIEW.len())
}

pub struct Connection {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    /// Read beyond the last answer.
    rest: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Connection {
    /// Connects and shakes hands.
    pub fn open(address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<Connection> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Connection { stream: StreamOwned::new(tls, socket), rest: Vec::new() })
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    pub fn post(&mut self, path: &str, body: &str) -> Answer {
        self.try_post(path, body).expect("an answer")
    }

    pub fn try_post(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        self.send(head(path, body.len()) + body)?;
        self.answer()
    }

    /// Reads one answer.
    pub fn answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some((answer, length)) = parse(&self.rest) {
                self.rest.drain(..length);
                return Ok(answer);
            }
            let mut buffer = [0; 64 << 10];
            let read = self.stream.read(&mut buffer)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.rest.extend_from_slice(&buffer[..read]);
        }
    }

    /// Whether the server closes now, in order or not, without another answer.
    pub fn is_closed(&mut self) -> bool {
        assert!(self.rest.is_empty(), "unread: {}", String::from_utf8_lossy(&self.rest));
        match self.stream.read(&mut [0; 1024]) {
            Ok(read) => read == 0,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }
}

/// The head of a review of a length.
pub fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// An answer, and how long it was. A `100 Continue` is an answer of its own.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer { status, head, body: String::new() };
    let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    let body = bytes.get(end..end + length)?;
    answer.body = String::from_utf8_lossy(body).into_owned();
    Some((answer, end + length))
}

/// Trusts the certificates of a PEM text.
pub fn trusting(pem: &str) -> Arc<ClientConfig> {
    config(pem, None, rustls::ALL_VERSIONS, &[b"http/1.1"])
}

pub fn config(
    authority: &str,
    identity: Option<(&str, &str)>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}
