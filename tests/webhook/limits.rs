//! Every limit, with its number.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Connection, REVIEW, head, review_of};
use crate::process::{PATIENCE, Server, eventually};
use crate::robust::beside_another_client;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

#[test]
fn a_body_of_the_limit_is_read() {
    let server = Server::self_signed(&["--max-body", "100Ki"]);
    let mut connection = server.connect();
    assert_eq!(connection.post("/validate", &review_of(100 * KIB)).status, 200);
    assert_eq!(connection.post("/validate", &review_of(100 * KIB + 1)).status, 413);
}

#[test]
fn the_default_limit_of_a_body_is_16_mib() {
    let server = Server::self_signed(&[]);
    assert_eq!(server.connect().post("/validate", &review_of(16 * MIB)).status, 200);
    let mut connection = server.connect();
    connection.send(head("/validate", 16 * MIB + 1)).unwrap();
    assert_eq!(connection.answer().unwrap().status, 413);
}

#[test]
fn a_length_over_the_limit_is_413_before_any_of_the_body() {
    let server = Server::self_signed(&["--max-body", "1Mi"]);
    let mut connection = server.connect();
    connection.send(head("/validate", MIB + 1)).unwrap();
    let answer = connection.answer().unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.body, "the body is over the limit of 1048576 bytes (--max-body)\n");
    assert_eq!(answer.header("connection"), Some("close"));
}

/// A server that closed with unread bytes would reset the connection, and the client would not see why.
#[test]
fn a_client_that_sends_all_before_it_reads_sees_the_413() {
    let server = Server::self_signed(&["--max-body", "64Ki"]);
    for _ in 0..5 {
        let mut connection = server.connect();
        connection.send(head("/validate", 8 * MIB)).unwrap();
        connection.send(vec![b' '; 8 * MIB]).expect("the body is taken");
        assert_eq!(connection.answer().unwrap().status, 413);
    }
}

#[test]
fn a_chunked_body_is_read_and_one_over_the_limit_is_413() {
    let server = Server::self_signed(&["--max-body", "64Ki"]);
    let head =
        "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut connection = server.connect();
    let (first, second) = REVIEW.split_at(100);
    connection.send(format!("{head}{:x}\r\n{first}\r\n", first.len())).unwrap();
    connection.send(format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len())).unwrap();
    let answer = connection.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, None), "{answer:?}");

    connection.send(head).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 16 * KIB, " ".repeat(16 * KIB));
    for _ in 0..64 {
        // It may be refused and closed before the last one.
        if connection.send(&chunk).is_err() {
            break;
        }
    }
    assert_eq!(connection.answer().unwrap().status, 413);
    assert_eq!(server.metric("secretfence_in_flight_bytes"), Some(0.0));
}

#[test]
fn a_length_that_lies_takes_neither_memory_nor_room_and_is_408_in_time() {
    let server = Server::self_signed(&["--body-timeout", "1s"]);
    server.assert_serves();
    let before = server.resident();
    let mut liars: Vec<_> = (0..30).map(|_| server.connect()).collect();
    for liar in &mut liars {
        liar.send(head("/validate", 16 * MIB) + "{").unwrap();
        liar.send(" ").unwrap();
    }
    let start = Instant::now();
    wait_for_in_flight(&server, 60);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 8 * KIB, "{grown} KiB for 480 MiB that were only announced");
    for liar in &mut liars {
        let answer = liar.answer().unwrap();
        assert_eq!(answer.status, 408);
        assert!(answer.body.starts_with("the body did not arrive in time"), "{answer:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!(server.metric("secretfence_in_flight_bytes"), Some(0.0));
    server.assert_serves();
}

#[test]
fn bytes_behind_a_body_that_is_longer_than_it_says_are_no_request() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    connection.send(head("/validate", 10) + REVIEW).unwrap();
    assert_eq!(connection.answer().unwrap().status, 400);
    assert_eq!(connection.answer().unwrap().status, 400);
    assert!(connection.is_closed());
    server.assert_serves();
}

#[test]
fn two_lengths_that_differ_are_400() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    connection
        .send(format!(
            "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: {}\r\n\r\n{REVIEW}",
            REVIEW.len()
        ))
        .unwrap();
    assert_eq!(connection.answer().unwrap().status, 400);
    assert!(connection.is_closed());
}

#[test]
fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let server = Server::self_signed(&["--header-timeout", "1s"]);
    let mut slow: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let start = Instant::now();
    let cut = eventually(|| {
        for connection in &mut slow {
            if connection.send("P").is_err() {
                return Some(());
            }
        }
        None
    });
    assert!(cut.is_some() && start.elapsed() >= Duration::from_secs(1), "after {:?}", start.elapsed());
    server.assert_serves();
    drop(slow);
    assert!(eventually(|| server.metric("secretfence_connections").filter(|open| *open == 0.0)).is_some());
}

#[test]
fn a_body_that_comes_byte_by_byte_is_408() {
    let server = Server::self_signed(&["--body-timeout", "1s"]);
    let mut connection = server.connect();
    connection.send(head("/validate", 1000)).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) {
        if connection.send(" ").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(connection.answer().unwrap().status, 408);
    assert!(connection.is_closed());
    let sample = "secretfence_reviews_total{operation=\"\",result=\"incomplete\",webhook=\"validate\"}";
    assert_eq!(server.metric(sample), Some(1.0));
}

#[test]
fn a_handshake_that_does_not_come_is_cut_off() {
    let server = Server::self_signed(&["--header-timeout", "1s"]);
    let mut silent = TcpStream::connect(server.address).unwrap();
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    for stream in [&mut silent, &mut slow] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
    }
    server.assert_serves();
}

/// The uid comes back in the answer: 300 answers of 100 KB fill every buffer between.
#[test]
fn a_client_that_never_reads_is_cut_off() {
    let server = Server::self_signed(&["--body-timeout", "1s"]);
    let long = REVIEW.replace("u-1", &"u".repeat(100_000));
    let mut connection = server.connect();
    let request = head("/dry-run/mutate", long.len()) + &long;
    let start = Instant::now();
    // The server stops reading when its answers are not taken; then it closes, and sending fails.
    let mut sent = 0;
    while connection.send(&request).is_ok() {
        sent += 1;
        assert!(sent < 1000, "it answers for ever");
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    assert!(eventually(|| server.metric("secretfence_connections").filter(|open| *open == 0.0)).is_some());
    assert_eq!(server.metric("secretfence_in_flight_bytes"), Some(0.0));
    server.assert_serves();
}

#[test]
fn an_idle_connection_is_closed_in_order_and_a_busy_one_is_kept() {
    let server = Server::self_signed(&["--idle-timeout", "2s", "--header-timeout", "1s"]);
    let (mut idle, mut used) = (server.connect(), server.connect());
    assert_eq!(idle.post("/validate", REVIEW).status, 200);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        assert_eq!(used.post("/validate", REVIEW).status, 200, "after {:?}", start.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(idle.stream.read(&mut [0; 16]).unwrap(), 0, "closed with a close_notify");
}

#[test]
fn a_connection_that_rests_longer_than_the_time_of_a_head_is_served_again() {
    let server = Server::self_signed(&["--header-timeout", "1s"]);
    let mut resting = server.connect();
    for _ in 0..3 {
        assert_eq!(resting.post("/validate", REVIEW).status, 200);
        assert_eq!(resting.post("/validate", &review_of(300 * KIB)).status, 200);
        std::thread::sleep(Duration::from_millis(1500));
    }
}

#[test]
fn a_connection_without_its_first_request_lives_as_long_as_a_head() {
    let server = Server::self_signed(&["--header-timeout", "1s"]);
    let mut fresh = server.connect();
    let start = Instant::now();
    assert_eq!(fresh.stream.read(&mut [0; 16]).unwrap(), 0, "closed with a close_notify");
    assert!(start.elapsed() >= Duration::from_millis(800) && start.elapsed() < Duration::from_secs(8));
}

/// hyper holds the half, and keeps no time for it.
#[test]
fn half_a_second_head_behind_a_request_lives_as_long_as_a_head() {
    let server = Server::self_signed(&["--header-timeout", "1s"]);
    let mut connection = server.connect();
    connection.send(head("/validate", REVIEW.len()) + REVIEW + "POST /validate HTTP/1.1\r\nhost: x\r\n").unwrap();
    let start = Instant::now();
    assert_eq!(connection.answer().unwrap().status, 200);
    assert!(connection.is_closed());
    assert!(start.elapsed() >= Duration::from_secs(1) && start.elapsed() < Duration::from_secs(8));
    // One that comes to its end in time is answered.
    let mut connection = server.connect();
    let second = head("/validate", REVIEW.len());
    connection.send(head("/validate", REVIEW.len()) + REVIEW + &second[..20]).unwrap();
    assert_eq!(connection.answer().unwrap().status, 200);
    std::thread::sleep(Duration::from_millis(300));
    connection.send(second[20..].to_owned() + REVIEW).unwrap();
    assert_eq!(connection.answer().unwrap().status, 200);
    server.assert_serves();
}

#[test]
fn connections_over_the_limit_wait_while_all_others_are_busy() {
    let server = Server::self_signed(&["--max-connections", "3"]);
    let mut busy = holders(&server, 3, REVIEW.len(), 10);
    wait_for_in_flight(&server, 30);
    let waiting = std::thread::spawn({
        let (address, config) = (server.address, server.client());
        move || Connection::open(address, config).unwrap().post("/validate", REVIEW).status
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished());
    assert_eq!(server.metric("secretfence_connections"), Some(3.0));
    busy[0].send(&REVIEW[10..]).unwrap();
    assert_eq!(busy[0].answer().unwrap().status, 200);
    assert_eq!(waiting.join().unwrap(), 200);
}

#[test]
fn the_connection_that_has_rested_longest_makes_room_for_a_new_one() {
    let server = Server::self_signed(&["--max-connections", "3"]);
    let mut busy = holders(&server, 1, REVIEW.len(), 10).remove(0);
    let (mut first, mut second) = (server.connect(), server.connect());
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.post("/validate", REVIEW).status, 200);
        std::thread::sleep(Duration::from_millis(50));
    }
    // It rested before the second one did, and then no more.
    assert_eq!(first.post("/validate", REVIEW).status, 200);
    let mut new = server.connect();
    assert_eq!(new.post("/validate", REVIEW).status, 200);
    assert_eq!(second.stream.read(&mut [0; 16]).unwrap(), 0, "closed with a close_notify");
    assert_eq!(first.post("/validate", REVIEW).status, 200);
    busy.send(&REVIEW[10..]).unwrap();
    assert_eq!(busy.answer().unwrap().status, 200);
    server.wait_for_line(&["connections closed", "--max-connections"]);
}

/// Some say nothing at all, some shake hands and then say nothing, some stop within a head.
#[test]
fn strangers_in_all_places_make_room_before_an_api_server_that_rests() {
    let server = Server::self_signed(&["--max-connections", "30", "--header-timeout", "1m"]);
    let config = server.client();
    let mut kept = Connection::open(server.address, Arc::clone(&config)).unwrap();
    assert_eq!(kept.post("/validate", REVIEW).status, 200);
    let silent: Vec<_> = (0..10).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let shaken: Vec<_> = (0..19).map(|_| Connection::open(server.address, Arc::clone(&config)).unwrap()).collect();
    let full = || server.metric("secretfence_connections").filter(|open| *open == 30.0);
    assert!(eventually(full).is_some());
    std::thread::sleep(Duration::from_millis(1200));
    let mut served = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let mut new = Connection::open(server.address, Arc::clone(&config)).unwrap();
        assert_eq!(new.post("/validate", REVIEW).status, 200);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        served.push(new);
    }
    assert_eq!(kept.post("/validate", REVIEW).status, 200);
    drop((silent, shaken, served));
}

#[test]
fn idle_connections_do_not_lock_probes_out_of_the_admin_listener() {
    let server = Server::self_signed(&["--header-timeout", "1m"]);
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(server.admin).unwrap()).collect();
    for _ in 0..5 {
        let start = Instant::now();
        assert_eq!(server.admin_get("/livez").0, 200);
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }
    drop(idle);
}

#[test]
fn two_thousand_idle_connections_cost_little_and_keep_nobody_out() {
    const COUNT: usize = 2000;
    let server = Server::self_signed(&[]);
    let config = server.client();
    server.assert_serves();
    let before = server.resident();
    let open: Vec<Connection> = std::thread::scope(|scope| {
        let opened: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let connect = |_| {
                        let mut connection = Connection::open(server.address, Arc::clone(&config)).unwrap();
                        assert_eq!(connection.post("/validate", REVIEW).status, 200);
                        connection
                    };
                    (0..COUNT / 8).map(connect).collect::<Vec<_>>()
                })
            })
            .collect();
        opened.into_iter().flat_map(|opened| opened.join().unwrap()).collect()
    });
    assert_eq!(server.metric("secretfence_connections"), Some(COUNT as f64));
    let each = (server.resident() - before) as f64 / COUNT as f64;
    println!("{each:.1} KiB for each idle connection");
    assert!(each < 30.0, "{each:.1} KiB for each idle connection");
    server.assert_serves();
    drop(open);
}

/// Waits until so many bytes of bodies are held.
fn wait_for_in_flight(server: &Server, bytes: usize) {
    let held = || server.metric("secretfence_in_flight_bytes");
    let mut last = None;
    let reached = eventually(|| {
        last = held().filter(|held| *held > 0.0).or(last);
        held().filter(|held| *held == bytes as f64)
    });
    assert!(reached.is_some(), "{last:?}, not {bytes}");
}

/// Connections that have sent this much of a body of that length, and then nothing.
fn holders(server: &Server, count: usize, length: usize, sent: usize) -> Vec<Connection> {
    let config = server.client();
    let hold = |_| {
        let mut holder = Connection::open(server.address, Arc::clone(&config)).unwrap();
        holder.send(head("/validate?timeout=30s", length) + &review_of(length)[..sent]).unwrap();
        holder
    };
    (0..count).map(hold).collect()
}

#[test]
fn slow_uploads_take_the_room_of_what_has_come_and_not_of_what_they_announce() {
    let server = Server::self_signed(&[]);
    // Four times 16 MiB would be all of it.
    let slow = holders(&server, 4, 16 * MIB, 1000);
    wait_for_in_flight(&server, 4000);
    assert_eq!(server.connect().post("/validate?timeout=1s", REVIEW).status, 200);
    assert_eq!(server.connect().post("/validate", &review_of(16 * MIB)).status, 200);
    drop(slow);
    wait_for_in_flight(&server, 0);
}

#[test]
fn small_bodies_pass_while_big_ones_find_no_room_and_are_503_before_their_deadline() {
    // 2 MiB are kept for the body whose turn it is, 1 MiB for small ones.
    let server = Server::self_signed(&["--max-body", "2Mi", "--max-in-flight", "8Mi"]);
    let mut slow = Vec::new();
    for count in 1..=3 {
        slow.append(&mut holders(&server, 1, 2 * MIB, 2 * MIB - 1));
        wait_for_in_flight(&server, count * (2 * MIB - 1));
    }
    // The third one has the turn: what comes now and is not small waits for it.
    let mut waiter = server.connect();
    let start = Instant::now();
    waiter.send(head("/validate?timeout=1200ms", 2 * MIB) + &review_of(2 * MIB)[..MIB + 1]).unwrap();
    let answer = waiter.answer().unwrap();
    let waited = start.elapsed();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(waited >= Duration::from_millis(900) && waited < Duration::from_secs(8), "{waited:?}");
    for length in [REVIEW.len(), 100 * KIB, 900 * KIB] {
        let answer = server.connect().post("/validate?timeout=1s", &review_of(length));
        assert_eq!(answer.status, 200, "{length}: {answer:?}");
    }
    // Where there is room again, the others are served.
    for holder in &mut slow {
        holder.send(" ").unwrap();
        assert_eq!(holder.answer().unwrap().status, 200);
    }
    wait_for_in_flight(&server, 0);
    assert_eq!(server.connect().post("/validate?timeout=5s", &review_of(2 * MIB)).status, 200);
}

#[test]
fn a_review_that_waits_is_answered_when_room_comes() {
    let server = Server::self_signed(&["--max-body", "1Mi", "--max-in-flight", "1Mi"]);
    let mut holder = holders(&server, 1, MIB, MIB - 1).remove(0);
    wait_for_in_flight(&server, MIB - 1);
    let mut waiter = server.connect();
    waiter.send(head("/validate", REVIEW.len()) + REVIEW).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    holder.send(" ").unwrap();
    assert_eq!(holder.answer().unwrap().status, 200);
    assert_eq!(waiter.answer().unwrap().status, 200);
}

/// Half of each is more than the room: each would wait for the others.
#[test]
fn half_read_bodies_that_fill_the_room_are_all_read_in_turn() {
    let server = Server::self_signed(&["--max-body", "2Mi", "--max-in-flight", "4Mi"]);
    let review = review_of(2 * MIB);
    let config = server.client();
    let meeting = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = Connection::open(server.address, Arc::clone(&config)).unwrap();
                // As much as is taken without room fits into the buffers between.
                connection.send(head("/validate?timeout=30s", review.len()) + &review[..300 * KIB]).unwrap();
                meeting.wait();
                connection.send(&review[300 * KIB..]).unwrap();
                assert_eq!(connection.answer().unwrap().status, 200);
            });
        }
    });
    wait_for_in_flight(&server, 0);
}

#[test]
fn a_body_that_drips_is_cut_off_long_before_the_timeout_of_bodies() {
    let server = Server::self_signed(&["--body-timeout", "1m"]);
    let mut connection = server.connect();
    connection.send(head("/validate?timeout=30s", 1000)).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) && connection.send(" ").is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(connection.answer().unwrap().status, 408);
    // 64 KiB a second after two seconds.
    let mut steady = server.connect();
    steady.send(head("/validate?timeout=30s", 512 * KIB)).unwrap();
    let (review, start) = (review_of(512 * KIB), Instant::now());
    for piece in review.as_bytes().chunks(32 * KIB) {
        steady.send(piece).unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(start.elapsed() > Duration::from_secs(3));
    assert_eq!(steady.answer().unwrap().status, 200);
}

#[test]
fn a_body_that_has_not_come_when_the_answer_is_due_is_503() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    let start = Instant::now();
    connection.send(head("/validate?timeout=1s", 1000)).unwrap();
    let answer = connection.answer().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(800) && start.elapsed() < Duration::from_secs(2));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(connection.is_closed());
    server.assert_serves();
}

/// Many more than there are cores, each some tenths of a second.
#[test]
fn big_reviews_are_answered_in_time_and_do_not_keep_policies_from_being_reloaded() {
    let policies = tempfile::TempDir::new().unwrap();
    let file = policies.path().join("a.yaml");
    let policy = |action| {
        format!(
            "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: a}}\nspec:\n  rules:\n  - \
             {{name: env, on: [env], action: {action}}}\n"
        )
    };
    std::fs::write(&file, policy("deny")).unwrap();
    let server = Server::self_signed(&["-p", file.to_str().unwrap()]);
    let containers = vec![r#"{"name":"c","env":[{"name":"A","value":"b"}]}"#; 30_000].join(",");
    let review = REVIEW.replace(r#"{"name":"web","image":"nginx"}"#, &containers);
    assert!(review.len() > MIB);
    let config = server.client();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (served, late) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 * std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut connection = Connection::open(server.address, Arc::clone(&config)).unwrap();
                    let start = Instant::now();
                    let answer = connection.post("/dry-run/validate?timeout=1s", &review);
                    let took = start.elapsed();
                    assert!(took < Duration::from_secs(3), "{took:?} for {}", answer.status);
                    match (answer.status, answer.header("retry-after"), answer.header("connection")) {
                        (200, None, None) => served.fetch_add(1, Ordering::Relaxed),
                        (503, Some("1"), Some("close")) => late.fetch_add(1, Ordering::Relaxed),
                        _ => panic!("{answer:?}"),
                    };
                }
            });
        }
        let reloads = || server.metric("secretfence_policy_reloads_total{result=\"success\"}");
        let mut reloaded = true;
        for (round, action) in ["warn", "deny"].into_iter().enumerate() {
            std::fs::write(&file, policy(action)).unwrap();
            reloaded &= eventually(|| reloads().filter(|count| *count > round as f64)).is_some();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(reloaded);
    });
    println!("{} served, {} sent away", served.load(Ordering::Relaxed), late.load(Ordering::Relaxed));
    assert!(served.into_inner() > 0 && late.into_inner() > 0);
    server.assert_serves();
    wait_for_in_flight(&server, 0);
}

#[test]
fn under_overload_memory_is_bounded_and_everybody_is_answered() {
    let server = Server::self_signed(&["--max-body", "2Mi", "--max-in-flight", "8Mi"]);
    server.assert_serves();
    let before = server.resident();
    let (config, body) = (server.client(), review_of(2 * MIB));
    let (served, sent_away) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut most = 0;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..40)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..2 {
                        let mut connection = Connection::open(server.address, Arc::clone(&config)).unwrap();
                        match connection.post("/validate?timeout=1s", &body).status {
                            200 => served.fetch_add(1, Ordering::Relaxed),
                            503 => sent_away.fetch_add(1, Ordering::Relaxed),
                            status => panic!("{status}"),
                        };
                    }
                })
            })
            .collect();
        while clients.iter().any(|client| !client.is_finished()) {
            most = most.max(server.resident());
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let grown = most.saturating_sub(before);
    let (served, sent_away) = (served.into_inner(), sent_away.into_inner());
    println!("{served} served, {sent_away} sent away, {grown} KiB more at most");
    assert_eq!(served + sent_away, 80);
    assert!(served > 0);
    assert!(grown < 40 * KIB, "{grown} KiB for 8 MiB in flight");
    server.assert_serves();
}

/// The smallest items for the most of memory: what is parsed is far larger than its two bytes, and whoever may create a
/// pod may send it. In one list, and in many.
#[test]
fn pods_of_a_million_empty_items_are_refused_in_bounded_memory() {
    let server = Server::self_signed(&[]);
    let containers = vec!["{}"; 966_000].join(",");
    let env = format!(r#"{{"name":"web","image":"nginx","env":[{}]}}"#, vec!["{}"; 26_000].join(","));
    let in_many = vec![env.as_str(); 100].join(",");
    for items in [containers, in_many] {
        let review = REVIEW.replace(r#"{"name":"web","image":"nginx"}"#, &items);
        assert!(review.len() > 2_890_000 && review.len() < 8 * MIB);
        beside_another_client(&server, Duration::from_secs(120), 128 * KIB, || {
            let mut connection = server.connect();
            for _ in 0..8 {
                let answer = connection.post("/validate?timeout=30s", &review);
                let response = &answer.json()["response"];
                assert_eq!((answer.status, &response["uid"]), (200, &"u-1".into()));
                let message = response["status"]["message"].as_str().unwrap();
                assert!(message.contains("/spec/containers") && message.contains("expected at most"), "{message}");
            }
        });
    }
}
