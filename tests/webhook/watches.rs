//! Watches, of an API server that is as slow, forgetful and strict as a test needs.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api_server::{ApiServer, State};
use crate::client::DENIED;
use crate::process::{Server, eventually};

const POLICY: &str = "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: tier}\nspec:\n  \
    match: {namespaceSelector: {matchLabels: {tier: prod}}}\n  rules: [{name: env, on: [env], action: deny}]\n";

fn namespace(name: &str, tier: &str) -> Value {
    json!({"metadata": {"name": name, "resourceVersion": "8", "labels": {"tier": tier}}})
}

fn event(sort: &str, object: &Value) -> String {
    json!({"type": sort, "object": object}).to_string()
}

fn serve(api: &ApiServer) -> (Server, TempDir) {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("kubeconfig"), api.kubeconfig()).unwrap();
    fs::write(path("policy.yaml"), POLICY).unwrap();
    (Server::self_signed(&["-p", &path("policy.yaml"), "--kubeconfig", &path("kubeconfig")]), directory)
}

#[track_caller]
fn wait_until_ready(server: &Server) {
    let ready = || (server.admin_get("/readyz").0 == 200).then_some(());
    assert!(eventually(ready).is_some(), "{}\n{:#?}", server.admin_get("/readyz").1, server.lines());
}

/// Whether a pod with a Secret in its environment is let into a namespace.
fn is_allowed(server: &Server, namespace: &str) -> bool {
    let review = DENIED.replace("\"shop\"", &format!("\"{namespace}\""));
    let answer = server.connect().post("/validate?timeout=5s", &review);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["response"]["allowed"].as_bool().unwrap()
}

#[test]
fn nothing_is_judged_before_the_watches_have_synced() {
    let api = ApiServer::start(State { forbids: true, listed: vec![namespace("shop", "test")], ..State::default() });
    let (server, _directory) = serve(&api);
    let missing = "[-]watch namespaces may not list namespaces, which rules on namespaceSelector need: bind the \
                   ClusterRole that `secretfence manifests -p POLICIES` prints\n";
    assert!(eventually(|| server.admin_get("/readyz").1.contains(missing).then_some(())).is_some());
    let (status, text) = server.admin_get("/readyz");
    assert!(status == 503 && text.ends_with("not ready\n"), "{text}");
    let answer = server.connect().post("/validate", DENIED);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    api.change(|state| state.forbids = false);
    wait_until_ready(&server);
    assert!(is_allowed(&server, "shop"));
}

#[test]
fn a_list_comes_in_pages_and_a_watch_goes_on_from_it() {
    let listed = (0..5).map(|number| namespace(&format!("n{number}"), "test")).collect();
    let api = ApiServer::start(State { listed, ..State::default() });
    let (server, _directory) = serve(&api);
    wait_until_ready(&server);
    assert_eq!(api.asked("continue="), 2);
    assert!(api.asked("limit=500") == 3 && api.asked("resourceVersion=7") == 1);
    assert!((0..5).all(|number| is_allowed(&server, &format!("n{number}"))));
    assert_eq!(api.asked("fieldSelector="), 0, "each is known");
    api.change(|state| state.lines.push(event("MODIFIED", &namespace("n4", "prod"))));
    assert!(eventually(|| (!is_allowed(&server, "n4")).then_some(())).is_some());
    // Ended: it goes on from the version of the last event.
    api.change(|state| state.age += 1);
    assert!(eventually(|| (api.asked("resourceVersion=8") == 1).then_some(())).is_some());
    assert_eq!(api.asked("limit=500"), 3, "nothing is listed again");
    // Too old to go on from: all is listed again, and what is gone is gone.
    api.change(|state| {
        state.listed = vec![namespace("n4", "test"), namespace("n3", "prod")];
        state.lines.push(event("ERROR", &json!({"kind": "Status", "code": 410, "reason": "Expired"})));
    });
    assert!(eventually(|| is_allowed(&server, "n4").then_some(())).is_some());
    assert!(!is_allowed(&server, "n3"));
    assert_eq!(api.asked("limit=500"), 4);
    assert_eq!(server.admin_get("/readyz").0, 200);
    assert!(server.metric("secretfence_watch_last_event_timestamp_seconds{resource=\"namespaces\"}").unwrap() > 1e9);
}

#[test]
fn how_long_news_take_is_told_as_long_as_there_are_watches() {
    let api = ApiServer::start(State { listed: vec![namespace("shop", "test")], ..State::default() });
    let (server, directory) = serve(&api);
    wait_until_ready(&server);
    let count = || server.metric("secretfence_watch_delay_seconds_count{resource=\"namespaces\"}");
    assert_eq!(count(), Some(0.0), "a list is no event");
    api.change(|state| state.lines.push(event("MODIFIED", &namespace("shop", "prod"))));
    assert!(eventually(|| (!is_allowed(&server, "shop")).then_some(())).is_some());
    assert!(eventually(|| (count() == Some(1.0)).then_some(())).is_some(), "{:?}", count());
    let sum = server.metric("secretfence_watch_delay_seconds_sum{resource=\"namespaces\"}").unwrap();
    assert!((0.05..5.0).contains(&sum), "{sum}");
    // What nobody asks for is no news.
    let mut other = namespace("shop", "prod");
    other["metadata"]["labels"]["owner"] = json!("x");
    api.change(|state| {
        state.lines.push(event("MODIFIED", &other));
        state.lines.push(event("MODIFIED", &namespace("other", "test")));
    });
    assert!(eventually(|| (count() == Some(2.0)).then_some(())).is_some(), "{:?}", count());
    let policy = POLICY.replace("match: {namespaceSelector: {matchLabels: {tier: prod}}}", "match: {}");
    fs::write(directory.path().join("policy.yaml"), policy).unwrap();
    assert!(eventually(|| count().is_none().then_some(())).is_some());
}

#[test]
fn a_page_that_breaks_off_is_asked_for_again_and_no_other() {
    let listed = (0..5).map(|number| namespace(&format!("n{number}"), "prod")).collect();
    let api = ApiServer::start(State { listed, breaks: 2, ..State::default() });
    let (server, _directory) = serve(&api);
    wait_until_ready(&server);
    assert_eq!((api.asked("limit="), api.asked("continue=2"), api.asked("continue=4")), (5, 3, 1));
    assert!((0..5).all(|number| !is_allowed(&server, &format!("n{number}"))));
    assert_eq!(api.asked("fieldSelector="), 0, "each is known");
}

#[test]
fn pages_are_smaller_where_objects_are_big() {
    let mut listed: Vec<Value> = (0..3).map(|number| namespace(&format!("n{number}"), "prod")).collect();
    for object in &mut listed[..2] {
        object["metadata"]["annotations"] = json!({"a": "x".repeat(5 << 20)});
    }
    let api = ApiServer::start(State { listed, ..State::default() });
    let (server, _directory) = serve(&api);
    wait_until_ready(&server);
    assert!(api.asked("limit=500") >= 1 && api.asked("limit=1&") + api.asked("limit=1") >= 2);
    assert!((0..3).all(|number| !is_allowed(&server, &format!("n{number}"))));
    assert_eq!(api.asked("fieldSelector="), 0, "each is known");
}

#[test]
fn an_api_server_to_which_all_is_too_old_is_asked_less_and_less() {
    let api = ApiServer::start(State { listed: vec![namespace("shop", "prod")], ends: Some(410), ..State::default() });
    let (server, _directory) = serve(&api);
    wait_until_ready(&server);
    std::thread::sleep(Duration::from_secs(4));
    // After at least 125 ms, 250 ms, 500 ms, 1 s, 2 s, 4 s: not as often as it answers.
    let lists = api.asked("limit=");
    assert!((2..=6).contains(&lists), "{lists}");
    let why = "the API server no longer knows the last version that was seen";
    assert!(eventually(|| server.lines().iter().any(|line| line.contains(why)).then_some(())).is_some());
    assert!(!is_allowed(&server, "shop"));
    assert_eq!(server.admin_get("/readyz").0, 200);
}

#[test]
fn a_watch_that_ends_with_an_error_begins_with_a_list_and_less_and_less_often() {
    let api = ApiServer::start(State { listed: vec![namespace("shop", "test")], ..State::default() });
    let (server, _directory) = serve(&api);
    wait_until_ready(&server);
    // Told by no event.
    api.change(|state| {
        state.listed = vec![namespace("shop", "prod")];
        state.ends = Some(500);
    });
    assert!(eventually(|| (!is_allowed(&server, "shop")).then_some(())).is_some());
    std::thread::sleep(Duration::from_secs(3));
    let (lists, watches) = (api.asked("limit=500"), api.asked("watch="));
    assert!(lists.abs_diff(watches) <= 1 && (3..=12).contains(&lists), "{lists} lists, {watches} watches");
    assert_eq!(server.admin_get("/readyz").0, 200);
    api.change(|state| state.ends = None);
    assert!(eventually(|| server.admin_get("/readyz").1.contains("[+]watch namespaces ok").then_some(())).is_some());
}

#[test]
fn another_way_to_the_api_server_is_found() {
    let api = ApiServer::start(State { listed: vec![namespace("shop", "test")], ..State::default() });
    let (server, directory) = serve(&api);
    wait_until_ready(&server);
    let other = ApiServer::start(State { listed: vec![namespace("shop", "prod")], ..State::default() });
    other.change(|state| state.lines.push(event("MODIFIED", &namespace("shop", "prod"))));
    fs::write(directory.path().join("kubeconfig"), other.kubeconfig()).unwrap();
    api.change(|state| {
        state.unauthorized = true;
        state.age += 1;
    });
    assert!(eventually(|| (!is_allowed(&server, "shop")).then_some(())).is_some(), "{:#?}", server.lines());
    assert!(eventually(|| server.admin_get("/readyz").1.contains("[+]watch namespaces ok").then_some(())).is_some());
}

#[test]
fn a_watch_that_breaks_serves_what_it_knew() {
    let api = ApiServer::start(State { listed: vec![namespace("shop", "test")], ..State::default() });
    let (server, _directory) = serve(&api);
    wait_until_ready(&server);
    api.change(|state| {
        state.forbids = true;
        state.age += 1;
    });
    let stands = "[-]watch namespaces stands, what it knew serves: may not watch namespaces";
    assert!(eventually(|| server.admin_get("/readyz").1.contains(stands).then_some(())).is_some());
    assert_eq!(server.admin_get("/readyz").0, 200);
    assert!(is_allowed(&server, "shop"));
    api.change(|state| {
        state.forbids = false;
        state.lines.push(event("MODIFIED", &namespace("shop", "prod")));
    });
    assert!(eventually(|| (!is_allowed(&server, "shop")).then_some(())).is_some());
    assert!(server.admin_get("/readyz").1.contains("[+]watch namespaces ok"));
}

#[test]
fn a_namespace_that_the_watch_does_not_know_is_asked_for_once() {
    let unlisted = [("new", "test"), ("new-prod", "prod")];
    let unlisted = unlisted.map(|(name, tier)| (name.to_owned(), namespace(name, tier))).into();
    let api = ApiServer::start(State { unlisted, ..State::default() });
    let (server, _directory) = serve(&api);
    wait_until_ready(&server);
    assert!(is_allowed(&server, "new"));
    assert_eq!(api.asked("fieldSelector=metadata.name%3Dnew"), 1);
    assert!(!is_allowed(&server, "new-prod"));
    // One that nobody knows is matched.
    assert!(!is_allowed(&server, "nowhere"));
    assert_eq!(api.asked("fieldSelector="), 3);
    // And so is one that cannot be asked for, in time.
    api.change(|state| state.hangs = true);
    let start = Instant::now();
    assert!(!is_allowed(&server, "new"));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}
