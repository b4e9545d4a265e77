//! The status of every request, and a sentence with each that is not 200.

use crate::client::{Answer, DENIED, REVIEW};
use crate::process::Server;

fn assert_sentence(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{answer:?}");
    let sentence = answer.body.strip_suffix('\n').expect("a line");
    assert!(sentence.len() > 20 && sentence.contains(' ') && !sentence.contains('\n'), "{answer:?}");
}

fn send(server: &Server, request: &str) -> Answer {
    let mut connection = server.connect();
    connection.send(request).unwrap();
    connection.answer().unwrap()
}

#[test]
fn answers_a_review_on_each_path_as_json_with_its_uid() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    for path in ["/mutate", "/validate", "/dry-run/mutate", "/dry-run/validate", "/validate?timeout=5s"] {
        let answer = connection.post(path, REVIEW);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let review = answer.json();
        assert_eq!(review["kind"], "AdmissionReview");
        assert_eq!(review["response"]["uid"], "u-1");
        assert_eq!(review["response"]["allowed"], true, "{path}");
    }
}

#[test]
fn denies_only_at_validate() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    for (path, allowed) in
        [("/mutate", true), ("/validate", false), ("/dry-run/mutate", true), ("/dry-run/validate", true)]
    {
        assert_eq!(connection.post(path, DENIED).json()["response"]["allowed"], allowed, "{path}");
    }
}

#[test]
fn an_unknown_path_is_404() {
    let server = Server::self_signed(&[]);
    for path in ["/", "/mutate/", "/Validate", "/dry-run", "/dry-run/", "/metrics", "//validate"] {
        assert_sentence(&server.connect().post(path, REVIEW), 404);
    }
}

#[test]
fn another_method_is_405_and_says_which_is_allowed() {
    let server = Server::self_signed(&[]);
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let answer = send(&server, &format!("{method} /validate HTTP/1.1\r\nhost: x\r\n\r\n"));
        assert_sentence(&answer, 405);
        assert_eq!(answer.header("allow"), Some("POST"));
    }
}

#[test]
fn another_media_type_is_415() {
    let server = Server::self_signed(&[]);
    for line in [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/yaml\r\n",
        "content-type: application/jsonx\r\n",
        "content-type: application/json\r\ncontent-encoding: gzip\r\n",
    ] {
        let request =
            format!("POST /validate HTTP/1.1\r\nhost: x\r\n{line}content-length: {}\r\n\r\n{REVIEW}", REVIEW.len());
        assert_sentence(&send(&server, &request), 415);
    }
}

#[test]
fn json_with_parameters_and_in_any_case_is_taken() {
    let server = Server::self_signed(&[]);
    for media_type in ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8 ;x=y"] {
        let request = format!(
            "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n{REVIEW}",
            REVIEW.len()
        );
        assert_eq!(send(&server, &request).status, 200, "{media_type}");
    }
}

#[test]
fn a_malformed_envelope_is_400_on_a_connection_that_goes_on() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    let (no_uid, beta) = (REVIEW.replace("u-1", ""), REVIEW.replace("k8s.io/v1", "k8s.io/v1beta1"));
    let broken = &REVIEW[..REVIEW.len() - 1];
    for body in ["", "{", "null", "[]", "\u{0}\u{0}", "\"x\"", "{}", broken, &no_uid, &beta] {
        for path in ["/mutate", "/validate", "/dry-run/mutate", "/dry-run/validate"] {
            assert_sentence(&connection.post(path, body), 400);
        }
    }
    assert_eq!(connection.post("/validate", REVIEW).status, 200);
}

#[test]
fn a_broken_object_is_denied_by_validate_alone() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    let broken = REVIEW.replace(r#"[{"name":"web","image":"nginx"}]"#, "7");
    for (path, allowed) in
        [("/mutate", true), ("/validate", false), ("/dry-run/mutate", true), ("/dry-run/validate", true)]
    {
        let answer = connection.post(path, &broken);
        let response = &answer.json()["response"];
        assert_eq!((answer.status, &response["uid"]), (200, &"u-1".into()), "{path}");
        assert_eq!(response["allowed"], allowed, "{path}: {response}");
        assert!(response["patch"].is_null(), "{path}");
    }
}

#[test]
fn what_is_not_ours_is_allowed() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    let object = &REVIEW[REVIEW.find("\"object\"").unwrap()..REVIEW.len() - 2];
    for review in [
        REVIEW.replace("\"kind\":\"Pod\"", "\"kind\":\"Lamp\""),
        REVIEW.replace("CREATE", "DELETE"),
        REVIEW.replace("CREATE", "BREW"),
        REVIEW.replace(object, "\"object\":null"),
        REVIEW.replace(object, "\"object\":null,\"oldObject\":null").replace("CREATE", "UPDATE"),
    ] {
        for path in ["/mutate", "/validate", "/dry-run/mutate", "/dry-run/validate"] {
            let answer = connection.post(path, &review);
            assert_eq!((answer.status, &answer.json()["response"]["uid"]), (200, &"u-1".into()), "{review}");
        }
    }
}

#[test]
fn the_reviews_are_counted_by_webhook_operation_and_result() {
    let server = Server::self_signed(&[]);
    let mut connection = server.connect();
    connection.post("/validate", REVIEW);
    connection.post("/validate", DENIED);
    connection.post("/dry-run/validate", DENIED);
    connection.post("/mutate", "{");
    for (webhook, operation, result) in [
        ("validate", "CREATE", "allowed"),
        ("validate", "CREATE", "denied"),
        ("validate-dry-run", "CREATE", "would_deny"),
        ("mutate", "", "malformed"),
    ] {
        let sample =
            format!("secretfence_reviews_total{{operation=\"{operation}\",result=\"{result}\",webhook=\"{webhook}\"}}");
        assert_eq!(server.metric(&sample), Some(1.0), "{sample}");
    }
    assert_eq!(server.metric("secretfence_review_duration_seconds_count{webhook=\"validate\"}"), Some(2.0));
    let bucket = "secretfence_review_duration_seconds_bucket{webhook=\"validate\",le=\"5\"}";
    assert_eq!(server.metric(bucket), Some(2.0));
}
