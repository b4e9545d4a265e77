//! Reviews: what is answered to whom, the bounds of every answer, and what hostile names can do in one.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use secretfence::fence::{Endpoint, ReviewError, answer};
use serde_json::{Value, json};
use support::*;

fn refused(body: &[u8]) -> String {
    let mut sentences: Vec<String> = ENDPOINTS
        .into_iter()
        .map(|endpoint| match answer(body, endpoint, &deny_env(), &facts()) {
            Err(error) => error.to_string(),
            Ok(answer) => {
                panic!("{} was answered: {}", String::from_utf8_lossy(body), String::from_utf8_lossy(&answer.body))
            }
        })
        .collect();
    sentences.dedup();
    assert_eq!(sentences.len(), 1, "every endpoint says the same");
    sentences.remove(0)
}

fn refused_review(pointer: &str, value: Value) -> String {
    refused(&serde_json::to_vec(&with(create(&pod()), pointer, value)).unwrap())
}

// The envelope.

#[test]
fn bytes_that_are_no_review_are_refused_with_a_sentence() {
    for body in [
        &b""[..],
        b"\0",
        b"\xff\xfe",
        b"{",
        b"null",
        b"[]",
        b"5",
        b"\"review\"",
        b"{}",
        b"{\"request\": {}}",
        b"--- a: b",
    ] {
        let sentence = refused(body);
        assert!(sentence.contains(' ') && sentence.len() < 500, "{sentence}");
    }
    let nested = "[".repeat(100_000);
    refused(nested.as_bytes());
    let review = serde_json::to_vec(&create(&pod())).unwrap();
    refused(&review[..review.len() - 1]);
    refused(&[&review[..], b"}"].concat());
}

#[test]
fn another_version_or_kind_is_refused() {
    assert!(refused_review("/apiVersion", json!("admission.k8s.io/v1beta1")).contains("v1"));
    refused_review("/apiVersion", json!("admission.k8s.io/v2"));
    refused_review("/apiVersion", Value::Null);
    refused_review("/kind", json!("ConversionReview"));
}

#[test]
fn a_review_without_request_or_uid_is_refused() {
    refused_review("/request", Value::Null);
    refused_review("/request", json!({}));
    assert_eq!(refused_review("/request/uid", json!("")), ReviewError::NoUid.to_string());
    refused_review("/request/uid", Value::Null);
}

#[test]
fn members_of_a_newer_envelope_are_no_matter() {
    let review = with(with(create(&pod()), "/future", json!({"a": [1]})), "/request/future", json!([{}]));
    assert!(send(&review, VALIDATE, &deny_env()).allowed());
}

// Broken objects.

fn broken_pods() -> Vec<Value> {
    let spec = |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec});
    vec![
        spec(json!({"containers": {}})),
        spec(json!({"containers": "text"})),
        spec(json!({"containers": ["text"]})),
        spec(json!({"containers": [{"name": "a", "env": {"name": "A"}}]})),
        spec(json!({"containers": [{"name": "a", "env": [{"name": "A", "valueFrom": "secretKeyRef"}]}]})),
        spec(json!({"containers": [{"name": "a", "envFrom": [7]}]})),
        spec(json!({"containers": [], "volumes": 5})),
        spec(json!("text")),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": "text", "spec": {}}),
    ]
}

/// Broken alike, but read as the fields of the object in order.
fn pods_with_lists_for_objects() -> Vec<Value> {
    let spec = |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec});
    vec![
        spec(json!([])),
        spec(json!({"containers": [["api"]]})),
        spec(json!({"containers": [{"name": "a", "env": [["A"]]}]})),
        spec(json!({"containers": [{"name": "a", "env": [{"name": "A", "valueFrom": {"secretKeyRef": ["db"]}}]}]})),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": [], "spec": {}}),
    ]
}

#[test]
fn a_broken_object_is_denied_at_validate_and_let_through_with_a_warning_elsewhere() {
    for object in broken_pods() {
        let review = with(create(&pod()), "/request/object", object.clone());
        let response = send(&review, VALIDATE, &deny_env());
        assert!(!response.allowed(), "{object}");
        assert!(response.message().len() > 20, "{}", response.message());
        for endpoint in [MUTATE, DRY_MUTATE, DRY_VALIDATE] {
            let response = send(&review, endpoint, &mount_env());
            assert!(response.allowed() && response.patch().is_none(), "{endpoint:?}: {object}");
            assert_eq!(response.warnings().len(), 1, "{endpoint:?}: {object}");
        }
    }
}

#[test]
fn a_list_in_place_of_an_object_is_broken() {
    for object in pods_with_lists_for_objects() {
        let review = with(create(&pod()), "/request/object", object.clone());
        assert!(!send(&review, VALIDATE, &deny_env()).allowed(), "{object}");
    }
}

#[test]
fn an_object_that_is_no_object_is_broken() {
    for object in [Value::Null, json!("text"), json!([]), json!(5)] {
        let review = with(create(&pod()), "/request/object", object.clone());
        assert!(!send(&review, VALIDATE, &deny_env()).allowed(), "{object}");
        assert_eq!(send(&review, MUTATE, &deny_env()).warnings().len(), 1, "{object}");
    }
}

#[test]
fn a_broken_object_of_a_kind_that_is_not_ours_is_allowed() {
    let review = with(create(&pod()), "/request/object", json!("text"));
    let review = with(review, "/request/kind", json!({"group": "", "version": "v1", "kind": "ConfigMap"}));
    assert!(send(&review, VALIDATE, &deny_env()).allowed());
}

#[test]
fn the_kind_of_the_request_counts_and_not_that_of_the_object() {
    let review = with(create(&pod_with_secret()), "/request/object/kind", json!("ConfigMap"));
    assert!(!send(&review, VALIDATE, &deny_env()).allowed());
}

#[test]
fn no_message_about_a_broken_object_holds_a_value_of_it() {
    let secret = "hunter2-in-clear";
    for env in [
        json!(secret),
        json!([{"name": "A", "value": {"a": secret}}]),
        json!([secret]),
        json!([{"name": "A", "valueFrom": secret}]),
    ] {
        let object = with(pod(), "/spec/containers/0/env", env);
        for endpoint in ENDPOINTS {
            let response = send(&with(create(&pod()), "/request/object", object.clone()), endpoint, &deny_env());
            assert!(!response.0.to_string().contains(secret), "{}", response.0);
        }
    }
}

// Bounds.

fn pod_with_references(count: usize, name: &str) -> Value {
    let env: Vec<Value> = (0..count).map(|index| secret_env(&format!("{name}{index}"), name, name)).collect();
    with(pod(), "/spec/containers/0/env", json!(env))
}

#[test]
fn a_denial_gives_the_count_and_at_most_20_findings() {
    let response = validate(&pod_with_references(50, "short"), &deny_env());
    assert!(response.message().starts_with("50 "), "{}", response.message());
    assert_eq!(response.message().matches("[files-only/no-env]").count(), 20);
    let response = validate(&pod_with_references(3, "short"), &deny_env());
    assert!(response.message().starts_with("3 "), "{}", response.message());
    assert_eq!(response.message().matches("[files-only/no-env]").count(), 3);
}

#[test]
fn a_denial_is_at_most_4_kib_and_its_first_finding_within_900_bytes() {
    let long = "x".repeat(100);
    let container =
        json!({"name": long, "image": "i", "env": pod_with_references(100, &long)["spec"]["containers"][0]["env"]});
    let pod = with(pod(), "/spec/containers/0", container);
    let message = "Ask the platform team. ".repeat(200);
    for policies in [
        deny_env(),
        rules(&[&format!("{{name: no-env, on: [env], action: deny, message: \"{message}\"}}")]),
        mount_env(),
    ] {
        let response = validate(&pod, &policies);
        let text = response.message();
        assert!(text.len() <= 4096, "{}", text.len());
        assert!(text.starts_with("100 "), "{text}");
        assert!(text.matches("/env/").count() <= 20);
        let first_end = text.find("[files-only/").map(|at| at + text[at..].find(']').unwrap());
        assert!(first_end.is_some_and(|end| end < 900), "{text}");
    }
}

#[test]
fn a_denial_names_its_rule_however_long_the_names_are() {
    let policy_name = "p".repeat(253);
    let wide = "\u{1b}".repeat(64);
    let yaml = policy_of_rules(&policy_name, &["{name: no, on: [env], action: deny}"]);
    let pod = with(pod(), "/spec/containers/0", json!({"name": wide, "env": [secret_env(&wide, &wide, &wide)]}));
    let response = validate(&pod, &policies(&yaml));
    assert!(
        response.message().contains("(/spec/containers/0/env/0): mount it as a file [ppp"),
        "{}",
        response.message()
    );
    assert!(response.message().ends_with("ppp/no]"), "{}", response.message());
    assert!(response.message().len() <= 900, "{}", response.message().len());
}

#[test]
fn warnings_are_at_most_256_bytes_each_and_4096_in_all() {
    let warn = rules(&["{name: careful, on: [env], action: warn}"]);
    for name in ["v", &"x".repeat(100), &"ü".repeat(100)] {
        let response = validate(&pod_with_references(100, name), &warn);
        assert!(response.allowed());
        let warnings = response.warnings();
        assert!(!warnings.is_empty());
        assert!(warnings.iter().all(|warning| warning.len() <= 256), "{warnings:?}");
        let all: usize = warnings.iter().map(|warning| warning.len()).sum();
        assert!(all <= 4096, "{all}");
        assert!(warnings.last().unwrap().contains("more)"), "what is left out is counted: {warnings:?}");
    }
}

#[test]
fn audit_annotations_have_bare_keys_and_are_bounded() {
    for (count, name) in [(1, "a"), (500, "a"), (500, &*"x".repeat(100))] {
        for policies in [deny_env(), mount_env()] {
            for endpoint in ENDPOINTS {
                let response = send(&create(&pod_with_references(count, name)), endpoint, &policies);
                let annotations = response.annotations();
                for (key, value) in &annotations {
                    let known = ["verdict", "policies", "revision", "findings"].contains(key);
                    assert!(known || (key.starts_with("patch-") && endpoint == DRY_MUTATE), "{key} at {endpoint:?}");
                    assert!(
                        key.len() <= 63 && key.chars().all(|its| its.is_ascii_alphanumeric() || its == '-'),
                        "{key}"
                    );
                    assert!(value.len() <= 2048, "{key}: {}", value.len());
                }
                let all: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
                assert!(all <= 8192, "{all}");
            }
        }
    }
}

#[test]
fn audit_annotations_cut_with_a_count() {
    let response = validate(&pod_with_references(500, "a"), &deny_env());
    let findings = response.annotation("findings").unwrap();
    assert!(findings.ends_with(" more)") && findings.contains("(+"), "{findings}");
}

#[test]
fn only_validate_writes_audit_annotations() {
    let keys = |response: Response| response.annotations().iter().map(|(key, _)| (*key).to_owned()).collect::<Vec<_>>();
    assert!(keys(mutate(&pod_with_secret(), &mount_env())).is_empty());
    let response = validate(&pod_with_secret(), &deny_env());
    assert_eq!(response.annotation("verdict"), Some("denied"));
    assert_eq!(response.annotation("policies"), Some("files-only"));
    assert_eq!(response.annotation("revision"), Some(deny_env().revision()));
    assert!(response.annotation("findings").unwrap().contains("DB_PASSWORD"));
    assert_eq!(validate(&pod(), &deny_env()).annotation("verdict"), Some("allowed"));
}

#[test]
fn the_deciding_policies_are_named() {
    let yaml = policy_of_rules("a", &["{name: no, on: [env], action: deny}"])
        + &policy_of_rules("b", &["{name: no, on: [volume], action: deny}"])
        + &policy_of_rules("c", &["{name: no, on: [csi], action: deny}"]);
    let pod = with(pod_with_secret(), "/spec/volumes", json!([{"name": "v", "secret": {"secretName": "tls"}}]));
    assert_eq!(validate(&pod, &policies(&yaml)).annotation("policies"), Some("a,b"));
}

fn would_be_patch(pod: &Value) -> (String, String) {
    let response = send(&create(pod), DRY_MUTATE, &mount_env());
    let annotations = response.annotations();
    let (key, value) = annotations.iter().find(|(key, _)| key.starts_with("patch-")).unwrap();
    ((*key).to_owned(), (*value).to_owned())
}

#[test]
fn a_would_be_patch_is_whole_where_it_is_short() {
    let (_, text) = would_be_patch(&pod_with_secret());
    let patch: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(Some(patch), mutate(&pod_with_secret(), &mount_env()).patch());
}

#[test]
fn a_would_be_patch_is_its_length_hash_and_pointers_where_it_is_long() {
    let pod = pod_with_references(100, "a");
    let (_, text) = would_be_patch(&pod);
    let length = text.split(' ').next().unwrap().parse::<usize>().unwrap();
    assert!(length > 2048, "{text}");
    assert!(text.contains("sha256"), "{text}");
    assert!(text.contains("/spec/volumes") && text.contains("/spec/containers/0/env/0"), "{text}");
    assert!(text.ends_with(" more)"), "{text}");
}

#[test]
fn the_key_of_a_would_be_patch_tells_two_patches_apart() {
    let one = would_be_patch(&pod_with_secret()).0;
    assert_eq!(would_be_patch(&pod_with_secret()).0, one);
    assert_ne!(would_be_patch(&pod_with_references(2, "a")).0, one);
}

// Hostile names.

/// What would move a cursor, forge a line or reorder what a person reads.
const HOSTILE: &[&str] = &[
    "a\u{1b}[2Jb",
    "a\u{202e}b",
    "a\u{2066}b",
    "a\nforged: line",
    "a\r\nb",
    "a\tb",
    "a\u{0}b",
    "a\u{7f}b",
    "a\u{9b}31mb",
    "a\u{200f}b",
    "a\u{2028}b",
    "a\" [files-only/allowed] \"b",
];

fn is_clean(text: &str) -> bool {
    !text.chars().any(|its| {
        (its.is_control() && its != '\n')
            || matches!(its, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// Pods with the name in every place that a message could show.
fn pods_named(name: &str) -> Vec<Value> {
    let at = |pointer: &str| with(pod_with_secret(), pointer, json!(name));
    let container = "/spec/containers/0";
    let volume = |volume: Value| with(pod_with_secret(), "/spec/volumes", json!([volume]));
    let owner = json!([{"kind": name, "name": name, "controller": true, "apiVersion": "v1"}]);
    vec![
        at("/metadata/name"),
        at("/metadata/generateName"),
        at(&format!("{container}/name")),
        at(&format!("{container}/image")),
        at(&format!("{container}/env/0/name")),
        at(&format!("{container}/env/0/valueFrom/secretKeyRef/name")),
        at(&format!("{container}/env/0/valueFrom/secretKeyRef/key")),
        at("/spec/serviceAccountName"),
        with(pod_with_secret(), "/metadata/ownerReferences", owner),
        with(pod(), &format!("{container}/envFrom"), json!([{"prefix": name, "secretRef": {"name": name}}])),
        with(pod(), &format!("{container}/env"), json!([{"name": "A", "valueFrom": {name: {"a": 1}}}])),
        with(
            pod(),
            &format!("{container}/env"),
            json!([{"name": name, "valueFrom": {"fileKeyRef": {"volumeName": name, "path": name, "key": name}}}]),
        ),
        with(
            pod_with_secret(),
            &format!("{container}/volumeMounts"),
            json!([{"name": name, "mountPath": format!("/run/{name}")}, {"name": name, "mountPath": format!("/run/secretfence/{name}")}]),
        ),
        with(pod_with_secret(), &format!("{container}/args"), json!([format!("{name} DB_PASSWORD")])),
        volume(json!({"name": name, "secret": {"secretName": name, "items": [{"key": name, "path": name}]}})),
        volume(
            json!({"name": name, "csi": {"driver": name, "nodePublishSecretRef": {"name": name}, "volumeAttributes": {"secretName": name, format!("{name}/secretName"): name}}}),
        ),
        volume(json!({"name": name, "rbd": {"secretRef": {"name": name}}})),
        volume(json!({"name": name, name: {}})),
        volume(json!({"name": name, "projected": {"sources": [{name: {}}, {"secret": {"name": name}}]}})),
        with(pod_with_secret(), "/spec/imagePullSecrets", json!([{"name": name}])),
    ]
}

fn every_answer(pod: &Value, check: impl Fn(Endpoint, &Response)) {
    for policies in [
        rules(&["{name: no, on: [any], action: deny}"]),
        rules(&["{name: careful, on: [any], action: warn}"]),
        rules(&["{name: swap, on: [env], action: mount}", "{name: no, on: [any], action: deny}"]),
        policies(&policy("rehearsal", "mode: dryRun\nrules:\n- {name: no, on: [any], action: deny}")),
    ] {
        for endpoint in ENDPOINTS {
            let review = with(create(pod), "/request/namespace", json!("shop"));
            check(endpoint, &send(&review, endpoint, &policies));
        }
    }
}

#[test]
fn hostile_names_are_escaped_in_every_message_warning_and_annotation() {
    for name in HOSTILE {
        for pod in pods_named(name) {
            every_answer(&pod, |endpoint, response| {
                let annotations = response.annotations();
                // A would-be patch is JSON, which has escapes of its own.
                let told = annotations.iter().filter(|(key, _)| !key.starts_with("patch-")).map(|(_, value)| *value);
                for text in told.chain([response.message()]) {
                    assert!(is_clean(text), "{endpoint:?}: {text:?}");
                    assert!(!text.contains("\nforged"), "{text:?}");
                    assert!(!text.contains("a\" [files-only/allowed]"), "{text:?}");
                }
                for warning in response.warnings() {
                    assert!(is_clean(warning) && !warning.contains('\n'), "{endpoint:?}: {warning:?}");
                }
            });
        }
    }
}

#[test]
fn hostile_names_are_escaped_in_would_be_patches_and_annotations_of_pods() {
    for name in HOSTILE {
        for pod in pods_named(name) {
            let response = send(&create(&pod), DRY_MUTATE, &mount_env());
            assert!(response.annotations().iter().all(|(_, value)| is_clean(value)), "{:?}", response.annotations());
            let after = swapped(&pod, &mount_env());
            let note = after["metadata"]["annotations"]["secretfence.dev/swapped"].as_str().unwrap_or("");
            assert!(is_clean(note), "{note:?}");
        }
    }
}

#[test]
fn hostile_names_are_escaped_in_findings_and_debug() {
    for name in HOSTILE {
        for pod in pods_named(name) {
            let judgement =
                judge(&pod, &rules(&["{name: m, on: [env], action: mount}", "{name: no, on: [any], action: deny}"]));
            for its in &judgement.findings {
                let texts = [
                    Some(&its.message),
                    its.container.as_ref(),
                    its.secret.as_ref(),
                    its.key.as_ref(),
                    its.variable.as_ref(),
                    its.reason.as_ref(),
                    Some(&its.pointer),
                ];
                for text in texts.into_iter().flatten().chain(&its.notes) {
                    assert!(is_clean(text) && !text.contains('\n'), "{text:?}");
                }
            }
            assert!(is_clean(&judgement.name), "{:?}", judgement.name);
            let body = serde_json::to_vec(&create(&pod)).unwrap();
            let record = answer(&body, VALIDATE, &deny_env(), &facts()).unwrap().record;
            assert!(is_clean(&record.owner) && is_clean(&record.name), "{record:?}");
            assert!(record.findings.iter().all(|text| is_clean(text) && !text.contains('\n')), "{record:?}");
        }
    }
}

#[test]
fn names_of_a_megabyte_are_judged_and_cut() {
    let name = "x".repeat(1 << 20);
    let policies = rules(&["{name: swap, on: [env], action: mount}", "{name: no, on: [any], action: deny}"]);
    for pod in pods_named(&name) {
        for endpoint in [VALIDATE, DRY_MUTATE] {
            let length = send(&create(&pod), endpoint, &policies).0.to_string().len();
            assert!(length < 16 * 1024, "{endpoint:?}: {length}");
        }
    }
}

#[test]
fn names_are_cut_to_64_characters() {
    let name = "ü".repeat(65);
    let pod = with(pod_with_secret(), "/spec/containers/0/name", json!(name));
    let message = finding(&pod, &deny_env()).message;
    assert!(message.contains(&"ü".repeat(64)) && !message.contains(&name), "{message}");
    let name = "ü".repeat(64);
    let pod = with(pod_with_secret(), "/spec/containers/0/name", json!(name));
    assert!(finding(&pod, &deny_env()).message.contains(&format!("\"{name}\"")));
}

#[test]
fn a_hostile_uid_comes_back_as_it_was() {
    let review = with(create(&pod()), "/request/uid", json!("a\"b\u{1b}\n"));
    assert!(send(&review, VALIDATE, &deny_env()).allowed());
}
