//! The README's first command, run as a part of this process.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../examples/demo/api_server.rs"]
mod api_server;
#[path = "../examples/demo/story.rs"]
mod story;
#[path = "../examples/demo/yaml.rs"]
mod yaml;

use serde_json::json;

/// What it prints where there is no terminal, without the ports.
fn told() -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    story::tell(&mut out).unwrap();
    let text = String::from_utf8(out.into_inner()).unwrap();
    let mut pieces = text.split("https://127.0.0.1:");
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |told, piece| {
        told + "https://127.0.0.1:PORT" + piece.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

#[test]
fn shows_every_verdict_and_what_a_swapped_pod_becomes() {
    let told = told();
    insta::assert_snapshot!(told);
    assert!(told.lines().count() < 80, "a newcomer reads it at once");
}

#[test]
fn yaml_reads_back_as_the_same_object() {
    let object = json!({
        "name": "x: y", "empty": "", "word": "no", "number": "12", "colon": "a:", "image": "postgres:17", "null": null,
        "list": [1, {"name": "a", "deep": [[true], []]}, {}], "line": "one\ntwo", "mark": "- #", "on": ["@", "*"],
    });
    let text = yaml::of(&object);
    let manifest = secretfence::manifest::parse(text.as_bytes());
    assert!(manifest.errors.is_empty(), "{:?}\n{text}", manifest.errors);
    let read: serde_json::Value = serde_json::from_slice(&manifest.documents[0].json().unwrap()).unwrap();
    assert_eq!(read, object, "{text}");
}
