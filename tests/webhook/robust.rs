//! Whatever comes: the right status, in bounded time and memory, while other clients are served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client::{Connection, DENIED, REVIEW, head, review_of};
use crate::process::{PATIENCE, Server};
use crate::protocol::client_hello_of_tls_11;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// How long another client may wait for an answer meanwhile. Far more than it does, on a machine with other work.
const OTHERS_WAIT: Duration = Duration::from_secs(3);

/// Does something to a server, while another client goes on asking. At most so much time passes, and the server grows
/// by at most so many KiB.
pub fn beside_another_client(server: &Server, time: Duration, growth: usize, attack: impl FnOnce()) {
    let config = server.client();
    let mut other = Connection::open(server.address, config).unwrap();
    for _ in 0..50 {
        assert_eq!(other.post("/validate", DENIED).status, 200);
    }
    let before = server.resident();
    let (stop, most) = (AtomicBool::new(false), Mutex::new((0, Duration::ZERO, before)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Some of the answers may come right behind an attack that is short.
            while !stop.load(Ordering::Relaxed) || most.lock().unwrap().0 < 10 {
                let start = Instant::now();
                assert_eq!(other.post("/validate", DENIED).status, 200);
                let mut most = most.lock().unwrap();
                *most = (most.0 + 1, most.1.max(start.elapsed()), most.2.max(server.resident()));
                drop(most);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        // It must not run on where this fails.
        let _stop = StopWhenDropped(&stop);
        let start = Instant::now();
        attack();
        let took = start.elapsed();
        assert!(took < time, "{took:?}");
    });
    let (answers, waited, resident) = most.into_inner().unwrap();
    let grown = resident.max(server.resident()) - before;
    println!("{grown} KiB more; the other client had {answers} answers, and waited {waited:?} at most");
    assert!(answers > 0 && waited < OTHERS_WAIT, "{answers} answers, {waited:?}");
    assert!(grown < growth, "{grown} KiB more");
    server.assert_serves();
}

struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn bodies_over_the_limit_are_413() {
    let server = Server::self_signed(&["--max-body", "1Mi"]);
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        for _ in 0..20 {
            let mut connection = server.connect();
            connection.send(head("/validate", 4 * MIB)).unwrap();
            connection.send(vec![b' '; 4 * MIB]).expect("taken, and thrown away");
            assert_eq!(connection.answer().unwrap().status, 413);
            assert!(connection.is_closed());
        }
    });
}

#[test]
fn chunked_bodies_without_end_are_413() {
    // So low that single bytes reach it in the time that bodies have, on a slow machine too.
    let server = Server::self_signed(&["--max-body", "8Ki"]);
    let head = head("/validate?timeout=30s", 0).replace("content-length: 0", "transfer-encoding: chunked");
    // Chunks of a byte cost the most to take.
    for (size, count) in [(1, 16 * KIB), (16 * KIB, 128)] {
        let chunks = format!("{size:x}\r\n{}\r\n", " ".repeat(size)).repeat(count);
        beside_another_client(&server, seconds(20), 16 * KIB, || {
            for _ in 0..3 {
                let mut connection = server.connect();
                connection.send(&head).unwrap();
                // It may be closed before the last one.
                let _ = connection.send(&chunks);
                assert_eq!(connection.answer().unwrap().status, 413, "chunks of {size}");
            }
        });
    }
}

#[test]
fn lengths_that_are_too_long_are_408_after_two_seconds() {
    let server = Server::self_signed(&[]);
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        let mut liars: Vec<_> = (0..50).map(|_| server.connect()).collect();
        for liar in &mut liars {
            liar.send(head("/validate", 16 * MIB) + REVIEW).unwrap();
        }
        for liar in &mut liars {
            assert_eq!(liar.answer().unwrap().status, 408);
            assert!(liar.is_closed());
        }
    });
}

#[test]
fn lengths_that_are_too_short_are_400_and_the_rest_is_no_request() {
    let server = Server::self_signed(&[]);
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        for length in [1, 10, REVIEW.len() - 1] {
            let mut connection = server.connect();
            connection.send(head("/validate", length) + REVIEW).unwrap();
            assert_eq!(connection.answer().unwrap().status, 400, "of the body");
            assert_eq!(connection.answer().unwrap().status, 400, "of what is no head");
            assert!(connection.is_closed());
        }
    });
}

/// Ten megabytes of zeros in ten kilobytes, as gzip packs them: never unpacked.
#[test]
fn gzip_is_415() {
    let server = Server::self_signed(&[]);
    let packed = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0; 10 * KIB]].concat();
    let head = head("/validate", packed.len()).replace("\r\n\r\n", "\r\ncontent-encoding: gzip\r\n\r\n");
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        for _ in 0..20 {
            let mut connection = server.connect();
            connection.send([head.as_bytes(), &packed].concat()).unwrap();
            assert_eq!(connection.answer().unwrap().status, 415);
        }
    });
}

#[test]
fn two_hundred_bodies_that_come_byte_by_byte_are_408() {
    let server = Server::self_signed(&[]);
    let config = server.client();
    beside_another_client(&server, seconds(20), 48 * 200, || {
        let open = |_| Connection::open(server.address, Arc::clone(&config)).unwrap();
        let mut slow: Vec<_> = (0..200).map(open).collect();
        for connection in &mut slow {
            connection.send(head("/validate", REVIEW.len())).unwrap();
        }
        let start = Instant::now();
        for byte in REVIEW.as_bytes().iter().take_while(|_| start.elapsed() < seconds(3)) {
            for connection in &mut slow {
                let _ = connection.send([*byte]);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        for connection in &mut slow {
            assert_eq!(connection.answer().unwrap().status, 408);
        }
    });
}

#[test]
fn two_hundred_heads_that_come_byte_by_byte_are_cut_off() {
    let server = Server::self_signed(&["--header-timeout", "2s"]);
    let config = server.client();
    beside_another_client(&server, seconds(20), 48 * 200, || {
        let open = |_| Connection::open(server.address, Arc::clone(&config)).unwrap();
        let mut slow: Vec<_> = (0..200).map(open).collect();
        let start = Instant::now();
        for byte in head("/validate", 10).bytes().take_while(|_| start.elapsed() < seconds(4)) {
            for connection in &mut slow {
                let _ = connection.send([byte]);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        for connection in &mut slow {
            assert!(connection.is_closed());
        }
    });
}

/// What an answer says of its review comes back to whoever asked: 100 KB each.
#[test]
fn clients_that_never_read_are_cut_off() {
    let server = Server::self_signed(&["--body-timeout", "1s"]);
    let config = server.client();
    let review = REVIEW.replace("u-1", &"u".repeat(100_000));
    let request = head("/dry-run/mutate", review.len()) + &review;
    beside_another_client(&server, seconds(30), 32 * KIB, || {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut deaf = Connection::open(server.address, Arc::clone(&config)).unwrap();
                    let sent = (0..1000).take_while(|_| deaf.send(&request).is_ok()).count();
                    assert!(sent < 1000, "it answers for ever");
                });
            }
        });
    });
    assert_eq!(server.metric("secretfence_in_flight_bytes"), Some(0.0));
}

#[test]
fn two_thousand_pipelined_requests_are_answered_in_order() {
    let server = Server::self_signed(&[]);
    beside_another_client(&server, seconds(20), 8 * KIB, || {
        let mut connection = server.connect();
        for batch in 0..20 {
            let reviews = (0..100).map(|at| REVIEW.replace("u-1", &format!("u-{batch}-{at}")));
            let requests: String = reviews.map(|review| head("/validate", review.len()) + &review).collect();
            connection.send(requests).unwrap();
            for at in 0..100 {
                let uid = format!("u-{batch}-{at}");
                assert_eq!(connection.answer().unwrap().json()["response"]["uid"], uid);
            }
        }
    });
}

#[test]
fn http2_prefaces_are_closed() {
    let server = Server::self_signed(&[]);
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        for _ in 0..20 {
            let mut connection = server.connect();
            connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
            assert!(connection.is_closed(), "without an answer: none of HTTP/1 would be understood");
        }
    });
}

#[test]
fn garbage_instead_of_tls_is_closed_with_an_alert_at_most() {
    let server = Server::self_signed(&[]);
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        let kinds = [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 64 * KIB], &[0xff; 64 * KIB], &[22; 64 * KIB]];
        for garbage in kinds.into_iter().cycle().take(40) {
            let answer = send_raw(&server, garbage);
            assert!(answer.is_empty() || matches!(answer[..], [21, _, _, 0, 2, ..]), "{answer:?}");
        }
    });
}

#[test]
fn tls_11_is_refused_with_an_alert() {
    let server = Server::self_signed(&[]);
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        for _ in 0..20 {
            let answer = send_raw(&server, &client_hello_of_tls_11());
            // Of level fatal: handshake_failure or protocol_version.
            assert!(matches!(answer[..], [21, _, _, 0, 2, 2, 40 | 70]), "{answer:?}");
        }
    });
}

#[test]
fn reviews_without_uid_are_400() {
    let server = Server::self_signed(&[]);
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        for review in [REVIEW.replace("\"u-1\"", "\"\""), REVIEW.replace("\"uid\":\"u-1\",", "")] {
            assert_everywhere(&server, &review, 400, "uid");
        }
    });
}

#[test]
fn reviews_of_v1beta1_are_400() {
    let server = Server::self_signed(&[]);
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        let beta = REVIEW.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
        assert_everywhere(&server, &beta, 400, "v1beta1");
    });
}

#[test]
fn reviews_of_unknown_kinds_are_allowed_with_their_uid() {
    let server = Server::self_signed(&[]);
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        let lamp =
            DENIED.replace("\"kind\":\"Pod\"", "\"kind\":\"Lamp\"").replace("\"version\":\"v1\"", "\"version\":\"v9\"");
        assert_everywhere(&server, &lamp, 200, r#""uid":"u-2","allowed":true"#);
    });
}

#[test]
fn reviews_of_null_objects_are_answered_with_their_uid() {
    let server = Server::self_signed(&[]);
    let object = &REVIEW[REVIEW.find("\"object\"").unwrap()..REVIEW.len() - 2];
    beside_another_client(&server, seconds(10), 8 * KIB, || {
        for operation in ["CREATE", "UPDATE", "DELETE", "CONNECT"] {
            let review = REVIEW.replace(object, "\"object\":null,\"oldObject\":null").replace("CREATE", operation);
            assert_everywhere(&server, &review, 200, r#""uid":"u-1""#);
        }
    });
}

#[test]
fn a_pod_of_5_mb_with_ten_thousand_containers_is_denied() {
    let server = Server::self_signed(&[]);
    let container = |at| {
        let env = r#"[{"name":"T","valueFrom":{"secretKeyRef":{"name":"db","key":"k"}}}]"#;
        format!(r#"{{"name":"c{at}","image":"nginx","args":["{}"],"env":{env}}}"#, "x".repeat(400))
    };
    let containers: Vec<String> = (0..10_000).map(container).collect();
    let review = REVIEW.replace(r#"{"name":"web","image":"nginx"}"#, &containers.join(","));
    assert!(review.len() > 5_000_000);
    beside_another_client(&server, seconds(30), 64 * KIB, || {
        let answer = server.connect().post("/validate?timeout=30s", &review);
        assert_eq!(answer.json()["response"]["status"]["code"], 403);
        assert!(answer.body.len() < 64 * KIB, "{} bytes of an answer", answer.body.len());
    });
    let lines = server.lines();
    assert!(lines.iter().all(|line| line.len() < 4096), "{lines:?}");
}

fn assert_everywhere(server: &Server, review: &str, status: u16, part: &str) {
    let mut connection = server.connect();
    for path in ["/mutate", "/validate", "/dry-run/mutate", "/dry-run/validate"] {
        for length in [review.len(), 300 * KIB] {
            let padded = review.to_owned() + &review_of(length.max(REVIEW.len()))[REVIEW.len()..];
            let answer = connection.post(path, &padded);
            assert!(answer.status == status && answer.body.contains(part), "{path}: {answer:?}");
        }
    }
}

/// What comes back from the socket itself.
fn send_raw(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be closed before all is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}
