//! Log lines: one per denial, folded, and not to be forged.

use crate::client::{DENIED, REVIEW, review_of};
use crate::process::{Server, eventually};

#[test]
fn one_line_per_denial_says_who_what_and_why_and_the_next_ones_are_folded() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    for at in 0..50 {
        connection.post("/validate", &DENIED.replace("u-2", &format!("uid-{at}")));
    }
    connection.post("/validate", &DENIED.replace("\"shop\"", "\"bank\"").replace("u-2", "uid-bank"));
    server.wait_for_line(&["uid-bank"]);
    let lines: Vec<_> = server.lines().into_iter().filter(|line| line.contains("uid-")).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for part in
        ["uid=\"uid-0\"", "namespace=\"shop\"", "kind=\"Pod\"", "name=\"web\"", "result=\"denied\"", "findings="]
    {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
}

#[test]
fn an_allowed_review_is_a_line_of_the_debug_level_only() {
    let quiet = Server::self_signed(&[]);
    let loud = Server::self_signed(&["--log-level", "secretfence=debug"]);
    for server in [&quiet, &loud] {
        assert_eq!(server.connect().post("/validate", REVIEW).status, 200);
    }
    loud.wait_for_line(&["uid=\"u-1\"", "allowed"]);
    assert!(!quiet.lines().iter().any(|line| line.contains("u-1")));
}

#[test]
fn json_lines_parse() {
    let server = Server::self_signed(&["--log-format", "json"]);
    server.connect().post("/validate", DENIED);
    server.wait_for_line(&["u-2"]);
    for line in server.lines() {
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(value["timestamp"].is_string() && value["level"].is_string(), "{line}");
        if line.contains("u-2") {
            assert_eq!((&value["uid"], &value["result"]), (&"u-2".into(), &"denied".into()));
        }
    }
}

#[test]
fn no_name_ends_a_line_or_reaches_a_terminal() {
    for format in ["text", "json"] {
        let server = Server::self_signed(&["--log-format", format]);
        let before = server.lines().len();
        let hostile = r"evil\n2026-01-01T00:00:00Z  INFO forged uid=\u001b[2J\u0007\u202e\u0000\u009b";
        let review = DENIED
            .replace("\"shop\"", &format!("\"{hostile}\""))
            .replace("\"web\"", &format!("\"{hostile}\""))
            .replace("u-2", &format!("u-2{hostile}"));
        assert_eq!(server.connect().post("/validate", &review).status, 200);
        let found = eventually(|| (server.lines().len() > before).then(|| server.lines().split_off(before)));
        let lines = found.expect("a line");
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].chars().all(|c| !c.is_control() && c != '\u{202e}'), "{lines:#?}");
    }
}

#[test]
fn a_refused_request_is_a_line_once() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    for _ in 0..20 {
        connection.post("/mutate", "{");
    }
    connection.post("/validate", DENIED);
    server.wait_for_line(&["u-2"]);
    let lines: Vec<_> = server.lines().into_iter().filter(|line| line.contains("refused")).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("webhook=\"mutate\"") && lines[0].contains("peer=\"127.0.0.1\""), "{lines:#?}");
}

/// A version comes back in the sentence.
#[test]
fn refusals_with_ever_new_text_are_one_line_and_do_not_silence_another_kind() {
    let server = Server::self_signed(&["--max-body", "10Ki"]);
    let mut connection = server.connect();
    for at in 0..300 {
        let review = REVIEW.replace("admission.k8s.io/v1", &format!("admission.k8s.io/v{at}x"));
        assert_eq!(connection.post("/validate", &review).status, 400);
    }
    assert_eq!(connection.post("/validate", &review_of(20 << 10)).status, 413);
    server.wait_for_line(&["refused", "--max-body"]);
    let lines: Vec<_> = server.lines().into_iter().filter(|line| line.contains("refused")).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
}
