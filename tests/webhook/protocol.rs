//! What is spoken, and what becomes of those who speak something else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};

use crate::client::{Connection, REVIEW, config, head};
use crate::process::{PATIENCE, Server};

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    let requests: String = (0..100)
        .map(|at| {
            let review = REVIEW.replace("u-1", &format!("u-{at}"));
            head("/validate", review.len()) + &review
        })
        .collect();
    connection.send(requests).unwrap();
    for at in 0..100 {
        assert_eq!(connection.answer().unwrap().json()["response"]["uid"], format!("u-{at}"));
    }
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on_or_not() {
    let server = Server::self_signed(&["--max-body", "10Ki"]);
    let mut connection = server.connect();
    let asking = |length| head("/validate", length).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    connection.send(asking(REVIEW.len())).unwrap();
    assert_eq!(connection.answer().unwrap().status, 100);
    connection.send(REVIEW).unwrap();
    assert_eq!(connection.answer().unwrap().status, 200);
    connection.send(asking(20_000)).unwrap();
    assert_eq!(connection.answer().unwrap().status, 413);
}

#[test]
fn garbage_instead_of_tls_is_closed() {
    let server = Server::self_signed(&[]);
    for bytes in [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], &[0; 4096], &[0xff; 4096], b"\n"] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // An alert at most.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 100, "{answer:?}");
    }
    server.assert_serves();
}

#[test]
fn an_http2_preface_is_closed_without_an_answer() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    assert!(connection.is_closed());
    server.assert_serves();
}

#[test]
fn only_http1_is_negotiated() {
    let server = Server::self_signed(&[]);
    let (_, authority) = server.admin_get("/certificate");
    let open = |protocols: &[&[u8]]| {
        Connection::open(server.address, config(&authority, None, rustls::ALL_VERSIONS, protocols))
    };
    assert_eq!(open(&[b"h2", b"http/1.1"]).unwrap().stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(open(&[]).unwrap().post("/validate", REVIEW).status, 200);
    assert!(open(&[b"h2"]).is_err());
}

#[test]
fn garbage_instead_of_http_is_400() {
    let server = Server::self_signed(&[]);
    for garbage in ["\u{1}\u{2}\u{3}\r\n\r\n", "POST /validate\r\n\r\n", "POST /validate HTTP/9.9\r\n\r\n"] {
        let mut connection = server.connect();
        connection.send(garbage).unwrap();
        assert_eq!(connection.answer().unwrap().status, 400, "{garbage:?}");
        assert!(connection.is_closed());
    }
    server.assert_serves();
}

#[test]
fn a_huge_head_is_431() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    let _ = connection.send(format!("POST /validate HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(1 << 20)));
    assert_eq!(connection.answer().unwrap().status, 431);
    let mut connection = server.connect();
    let _ = connection.send(format!("POST /validate HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1000)));
    assert_eq!(connection.answer().unwrap().status, 431);
    server.assert_serves();
}

#[test]
fn speaks_tls_12_and_13_and_with_the_flag_13_alone() {
    for (arguments, twelve) in [(&[][..], true), (&["--tls-min-version", "1.3"], false)] {
        let server = Server::self_signed(arguments);
        let (_, authority) = server.admin_get("/certificate");
        let open = |version| Connection::open(server.address, config(&authority, None, &[version], &[b"http/1.1"]));
        assert_eq!(open(&TLS13).unwrap().post("/validate", REVIEW).status, 200);
        assert_eq!(open(&TLS12).is_ok(), twelve);
    }
}

#[test]
fn a_client_hello_of_tls_11_is_refused_with_an_alert() {
    let server = Server::self_signed(&[]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&client_hello_of_tls_11()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    // A record of type alert, level fatal: handshake_failure or protocol_version.
    assert!(matches!(answer[..], [21, _, _, 0, 2, 2, 40 | 70]), "{answer:?}");
    server.assert_serves();
}

/// RFC 4346, section 7.4.1.2, with one cipher suite of the time and the curves of RFC 4492.
pub fn client_hello_of_tls_11() -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend([0, 4, 0xc0, 0x13, 0, 0x2f]);
    hello.extend([1, 0]);
    let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend((hello.len() as u16).to_be_bytes());
    handshake.extend(hello);
    let mut record = vec![22, 3, 1];
    record.extend((handshake.len() as u16).to_be_bytes());
    record.extend(handshake);
    record
}

#[test]
fn arbitrary_bytes_over_tls_never_end_the_server() {
    let server = Server::self_signed(&[]);
    let config = server.client();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for round in 0..60 {
        let mut connection = Connection::open(server.address, Arc::clone(&config)).unwrap();
        let bytes: Vec<u8> = (0..round * 40)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        if round % 2 == 0 {
            let _ = connection.send(&bytes);
        } else {
            connection.send(head("/validate", bytes.len())).unwrap();
            connection.send(&bytes).unwrap();
            assert_eq!(connection.answer().unwrap().status, 400);
        }
    }
    server.assert_serves();
}
