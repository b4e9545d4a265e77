//! Handshakes that fail: counted and told by reason.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::certificates::Authority;
use crate::client::{Connection, config};
use crate::process::{PATIENCE, Server, eventually};

/// Waits until so many failed for a reason, and none for another one.
fn assert_failures(server: &Server, reason: &str, count: f64) {
    let of = |reason: &str| server.metric(&format!("secretfence_tls_handshake_failures_total{{reason=\"{reason}\"}}"));
    assert!(eventually(|| of(reason).filter(|found| *found == count)).is_some(), "{reason}: {:?}", of(reason));
    let (_, text) = server.admin_get("/metrics");
    let lines: Vec<_> =
        text.lines().filter(|line| line.starts_with("secretfence_tls_handshake_failures_total")).collect();
    assert_eq!(lines.len(), 7, "each reason is there from the start: {lines:#?}");
    assert_eq!(lines.iter().filter(|line| !line.ends_with(" 0")).count(), 1, "{lines:#?}");
}

/// What the server does with bytes instead of a handshake.
fn send(server: &Server, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_told_of_once() {
    let server = Server::self_signed(&[]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stranger = config(&Authority::new().pem(), None, &[version], &[b"http/1.1"]);
        for _ in 0..3 {
            let mut connection = Connection::open(server.address, stranger.clone());
            assert!(connection.as_mut().map_or(true, |connection| connection.try_post("/validate", "").is_err()));
        }
    }
    assert_failures(&server, "client_distrusts", 6.0);
    server.wait_for_line(&["WARN", "connection refused", "is caBundle right", "peer=\"127.0.0.1\""]);
    let lines: Vec<_> = server.lines().into_iter().filter(|line| line.contains("refused")).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    server.assert_serves();
}

#[test]
fn what_is_not_tls_is_told_of() {
    let server = Server::self_signed(&[]);
    send(&server, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_failures(&server, "not_tls", 1.0);
    server.wait_for_line(&["WARN", "does not speak TLS"]);
}

#[test]
fn a_client_with_no_protocol_of_ours_is_told_of() {
    let server = Server::self_signed(&[]);
    let (_, authority) = server.admin_get("/certificate");
    assert!(Connection::open(server.address, config(&authority, None, rustls::ALL_VERSIONS, &[b"h2"])).is_err());
    assert_failures(&server, "incompatible", 1.0);
    server.wait_for_line(&["WARN", "no TLS version"]);
}

#[test]
fn one_that_takes_too_long_is_told_of() {
    let server = Server::self_signed(&["--header-timeout", "1s"]);
    send(&server, &[22, 3, 1]);
    assert_failures(&server, "timeout", 1.0);
    server.wait_for_line(&["WARN", "no TLS handshake in time"]);
}

/// As probes of a port do, every few seconds.
#[test]
fn one_that_only_connects_is_counted_and_no_line() {
    let server = Server::self_signed(&[]);
    drop(TcpStream::connect(server.address).unwrap());
    assert_failures(&server, "closed", 1.0);
    assert!(!server.lines().iter().any(|line| line.contains("refused")), "{:#?}", server.lines());
}

#[test]
fn a_client_without_its_certificate_is_told_of() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("ca.crt");
    std::fs::write(&file, Authority::new().pem()).unwrap();
    let server = Server::self_signed(&["--client-ca", file.to_str().unwrap()]);
    assert!(Connection::open(server.address, server.client()).and_then(|mut it| it.try_post("/validate", "")).is_err());
    assert_failures(&server, "client_certificate", 1.0);
    server.wait_for_line(&["WARN", "connection refused", "no certificate"]);
}
