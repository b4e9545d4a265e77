//! One connection on which many SubjectAccessReviews are under way at a time: hundreds of thousands are asked, and what a
//! client usually does for each costs more than the answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::Deserialize;

use crate::control_plane::{ADMIN, ControlPlane};

/// How many are under way.
pub const DEPTH: usize = 64;

const PATH: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

pub struct Line {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    allowed: bool,
    #[serde(default)]
    reason: String,
}

impl Line {
    pub fn new(control_plane: &ControlPlane) -> Line {
        let mut roots = RootCertStore::empty();
        roots.add(control_plane.authority.der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", control_plane.port)).unwrap();
        tcp.set_nodelay(true).unwrap();
        Line { stream: BufReader::with_capacity(64 << 10, StreamOwned::new(tls, tcp)) }
    }

    /// For each review, as JSON, the reason why it is allowed, or none. At most [`DEPTH`] at a time: neither end waits for the
    /// other to read.
    pub fn ask(&mut self, reviews: &[String]) -> Vec<Option<String>> {
        assert!(reviews.len() <= DEPTH);
        let mut requests = String::new();
        for review in reviews {
            requests += &format!(
                "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\nAccept: application/json\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{review}",
                review.len()
            );
        }
        let stream = self.stream.get_mut();
        stream.write_all(requests.as_bytes()).unwrap();
        stream.flush().unwrap();
        reviews.iter().map(|_| self.answer()).collect()
    }

    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 201 "), "{line}");
        let mut length = None;
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse().unwrap());
            }
        }
        let mut body = vec![0; length.expect("a length")];
        self.stream.read_exact(&mut body).unwrap();
        let Review { status } = serde_json::from_slice(&body).unwrap();
        status.allowed.then_some(status.reason)
    }
}
