//! Start, health and end.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{Connection, REVIEW, head, review_of};
use crate::process::{Server, eventually, fails};

#[test]
fn without_a_certificate_the_error_names_the_flags() {
    let (code, stderr) = fails(&[]);
    assert_eq!(code, Some(2));
    for flag in ["--tls-cert", "--tls-key", "--self-signed"] {
        assert!(stderr.contains(flag), "{stderr}");
    }
}

#[test]
fn arguments_that_contradict_each_other_are_errors_that_name_the_flags() {
    for (arguments, expected) in [
        (&["--self-signed", "--tls-cert", "x", "--tls-key", "y"][..], "--self-signed"),
        (&["--tls-cert", "x"], "--tls-key"),
        (&["--tls-key", "x"], "--tls-cert"),
        (&["--self-signed", "--max-body", "8Mi", "--max-in-flight", "4Mi"], "--max-in-flight"),
        (&["--self-signed", "--max-connections", "0"], "--max-connections"),
        (&["--self-signed", "--max-body", "16MB"], "16Mi"),
        (&["--self-signed", "--max-body", "0"], "--max-body"),
        (&["--self-signed", "--header-timeout", "5"], "5s"),
        (&["--self-signed", "--log-level", "lowd=x=y"], "--log-level"),
        (&["--self-signed", "--log-level", "warning"], "--log-level"),
        (&["--self-signed", "--tls-min-version", "1.1"], "--tls-min-version"),
    ] {
        let (code, stderr) = fails(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_the_flag() {
    let server = Server::self_signed(&[]);
    let taken = server.address.to_string();
    let (code, stderr) = fails(&["--self-signed", "--listen", &taken, "--admin-listen", "127.0.0.1:0"]);
    assert!(code == Some(2) && stderr.contains("--listen") && stderr.contains(&taken), "{stderr}");
    let (code, stderr) = fails(&["--self-signed", "--listen", "127.0.0.1:0", "--admin-listen", &taken]);
    assert!(code == Some(2) && stderr.contains("--admin-listen"), "{stderr}");
    assert_eq!(stderr.matches("os error").count(), 1, "a cause is said once: {stderr}");
}

#[test]
fn every_flag_has_a_variable() {
    let help =
        std::process::Command::new(env!("CARGO_BIN_EXE_secretfence")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags: Vec<_> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("-p, ").or(Some(line.trim_start())))
        .filter_map(|line| line.strip_prefix("--")?.split([' ', '=']).next())
        .filter(|flag| *flag != "help")
        .collect();
    assert!(flags.len() >= 18, "{flags:?}");
    let words: Vec<_> = help.split_whitespace().collect();
    for flag in flags {
        let variable = format!("SECRETFENCE_{}", flag.to_uppercase().replace('-', "_"));
        assert!(words.iter().any(|word| word.starts_with(&format!("{variable}="))), "{flag}: {help}");
    }
}

#[test]
fn variables_set_what_flags_do_not() {
    let server = Server::start_with(&[], &[("SECRETFENCE_SELF_SIGNED", "1"), ("SECRETFENCE_MAX_BODY", "2000")]);
    let mut connection = server.connect();
    connection.send(head("/validate", 2001)).unwrap();
    assert_eq!(connection.answer().unwrap().body, "the body is over the limit of 2000 bytes (--max-body)\n");
}

#[test]
fn takes_ipv4_and_ipv6_on_the_unspecified_address() {
    let server = Server::self_signed(&["--listen", "[::]:0"]);
    let mut addresses = vec![format!("127.0.0.1:{}", server.address.port())];
    if server.address.is_ipv6() {
        addresses.push(format!("[::1]:{}", server.address.port()));
    }
    for address in addresses {
        let mut connection = Connection::open(address.parse().unwrap(), server.client()).unwrap();
        assert_eq!(connection.post("/validate", REVIEW).status, 200);
    }
}

#[test]
fn tells_its_health_and_what_serves() {
    let server = Server::self_signed(&[]);
    assert_eq!(server.admin_get("/livez"), (200, "ok\n".to_owned()));
    let (status, ready) = server.admin_get("/readyz");
    assert_eq!(status, 200);
    for check in ["[+]policies ok revision ", "[+]certificate ok good until ", "ready\n"] {
        assert!(ready.contains(check), "{ready}");
    }
    assert_eq!(server.admin_get("/nothing").0, 404);
}

#[test]
fn tells_every_metric() {
    let server = Server::self_signed(&[]);
    let (status, text) = server.admin_get("/metrics");
    assert_eq!(status, 200);
    for name in [
        "secretfence_review_duration_seconds_bucket{",
        "secretfence_policy_reloads_total{",
        "secretfence_policy_set_info{",
        "secretfence_certificate_expiry_timestamp_seconds ",
        "secretfence_certificate_reloads_total{",
        "secretfence_in_flight_bytes ",
        "secretfence_connections ",
        "secretfence_tls_handshake_failures_total{reason=",
        concat!("secretfence_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
}

#[test]
fn a_signal_ends_it_in_order() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::self_signed(&["--shutdown-delay", "0s"]);
        let mut idle = server.connect();
        assert_eq!(idle.post("/validate", REVIEW).status, 200);
        let start = Instant::now();
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(8), "an idle connection does not hold it");
        assert!(idle.is_closed());
    }
}

#[test]
fn what_is_under_way_at_the_end_is_answered_after_the_port_is_closed() {
    let mut server = Server::self_signed(&["--shutdown-delay", "4s", "--body-timeout", "1m"]);
    let mut under_way = server.connect();
    let mut idle = server.connect();
    let client = server.client();
    // All but the end of a long body: what has come gives it time for the rest.
    let review = review_of(1 << 20);
    let (most, rest) = review.split_at(review.len() - 1);
    under_way.send(head("/validate?timeout=30s", review.len()) + most).unwrap();
    assert!(eventually(|| server.metric("secretfence_in_flight_bytes").filter(|bytes| *bytes > 0.0)).is_some());
    server.signal("TERM");
    assert!(eventually(|| (server.admin_get("/readyz").0 == 503).then_some(())).is_some());
    assert_eq!(server.admin_get("/livez").0, 200);

    let answer = idle.post("/validate", REVIEW);
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(idle.is_closed());
    let answer = Connection::open(server.address, client).unwrap().post("/mutate", REVIEW);
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));

    assert!(eventually(|| TcpStream::connect(server.address).err()).is_some(), "the delay ends, and with it the port");
    under_way.send(rest).unwrap();
    let answer = under_way.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(server.wait().code(), Some(0));
}

/// As a Service goes on sending: on new connections, until it has heard of it. To be told to come again would cost a caller
/// with two seconds its answer, where the next replica ends, too.
#[test]
fn until_the_delay_ends_everybody_who_comes_is_judged() {
    let mut server = Server::self_signed(&["--shutdown-delay", "3s"]);
    let client = server.client();
    let mut kept: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for connection in &mut kept {
        assert_eq!(connection.post("/validate", REVIEW).status, 200);
    }
    server.signal("TERM");
    let start = Instant::now();
    assert!(eventually(|| (server.admin_get("/readyz").0 == 503).then_some(())).is_some());
    let mut answered = 0;
    while start.elapsed() < Duration::from_millis(2500) {
        let mut connection = match kept.pop() {
            Some(kept) => kept,
            None => Connection::open(server.address, client.clone()).expect("the port is open"),
        };
        let answer = connection.try_post("/validate", REVIEW).expect("an answer");
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        answered += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(answered > 20 && kept.is_empty(), "{answered}");
    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() >= Duration::from_secs(3) && start.elapsed() < Duration::from_secs(10));
}

#[test]
fn told_twice_it_ends_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT")] {
        let mut server = Server::self_signed(&["--shutdown-grace", "1m", "--shutdown-delay", "1m"]);
        let mut under_way = server.connect();
        under_way.send(head("/validate?timeout=30s", 1000)).unwrap();
        let start = Instant::now();
        server.signal(first);
        server.wait_for_line(&["shutting down"]);
        server.signal(second);
        assert_eq!(server.wait().code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
        server.wait_for_line(&["told twice"]);
    }
}

#[test]
fn what_is_still_open_at_the_end_of_the_grace_is_cut() {
    let mut server = Server::self_signed(&["--shutdown-grace", "2s", "--body-timeout", "1m"]);
    let mut stuck = server.connect();
    stuck.send(head("/validate?timeout=30s", 300_000) + &" ".repeat(200_000)).unwrap();
    assert!(eventually(|| server.metric("secretfence_in_flight_bytes").filter(|bytes| *bytes > 0.0)).is_some());
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert!(stuck.is_closed());
    server.wait_for_line(&["cut"]);
}
