//! Every query of the dashboard, asked of a real Prometheus that asks the real binary.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api_server::{ApiServer, State};
use crate::client::{DENIED, REVIEW};
use crate::kept::Kept;
use crate::process::{PATIENCE, Server, eventually};
use crate::prometheus::Prometheus;
use crate::{has, list, metrics, object, objects, read, rules, text};

/// Something of everything: a watch, an exception, a swap, a denial, a dry run.
const POLICIES: &str = "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: files}\nspec:\n  \
    rules:\n  - {name: vendor, on: [env], where: {namespaces: [billing]}, action: allow, reason: test, expires: 2999-12-31}\n  \
    - {name: files, on: [env], where: {namespaces: [shop]}, action: mount}\n  - {name: no-env, on: [env], action: deny}\n---\n\
    apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: later}\nspec:\n  mode: dryRun\n  \
    match: {namespaceSelector: {matchLabels: {tier: prod}}}\n  rules: [{name: env, on: [env], action: deny}]\n";

/// A server that has met everything, and goes on meeting it.
pub struct Scene {
    pub server: Server,
    api: ApiServer,
    folder: TempDir,
    round: usize,
}

impl Scene {
    pub fn new() -> Scene {
        let namespaces = ["shop", "billing", "other"].map(|name| namespace(name, 0)).to_vec();
        let api = ApiServer::start(State { listed: namespaces, ..State::default() });
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("kubeconfig"), api.kubeconfig()).unwrap();
        fs::write(path("policy.yaml"), POLICIES).unwrap();
        let server = Server::self_signed(&["-p", &path("policy.yaml"), "--kubeconfig", &path("kubeconfig")]);
        let ready = || (server.admin_get("/readyz").0 == 200).then_some(());
        assert!(eventually(ready).is_some(), "{}", server.admin_get("/readyz").1);
        Scene { server, api, folder, round: 0 }
    }

    /// Some of everything: counters grow between two scrapes.
    pub fn go_on(&mut self) {
        self.round += 1;
        let mut connection = self.server.connect();
        for namespace in ["shop", "billing", "other"] {
            let review = DENIED.replace("\"shop\"", &format!("\"{namespace}\""));
            for path in ["/mutate", "/validate", "/dry-run/mutate", "/dry-run/validate"] {
                for body in [REVIEW, &review] {
                    let answer = connection.post(&format!("{path}?timeout=5s"), body);
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            }
        }
        // Not TLS.
        TcpStream::connect(self.server.address).unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let event = json!({"type": "MODIFIED", "object": namespace("other", self.round)});
        self.api.change(|state| state.lines.push(event.to_string()));
        if self.round == 2 {
            let policies = POLICIES.replace("name: env,", "name: environment,");
            fs::write(self.folder.path().join("policy.yaml"), policies).unwrap();
        }
    }
}

fn namespace(name: &str, round: usize) -> Value {
    let tier = if round.is_multiple_of(2) { "prod" } else { "test" };
    json!({"metadata": {"name": name, "resourceVersion": (8 + round).to_string(), "labels": {"tier": tier}}})
}

/// Another replica, which makes its certificate and watches its registration.
struct Managed {
    server: Server,
    api: Kept,
    _folder: TempDir,
}

impl Managed {
    fn new() -> Managed {
        let registered = objects(&read("manifests/opt-in/registrations.yaml")).into_iter().map(|object| {
            let plural = format!("{}s", text(&object["kind"]).to_lowercase());
            (format!("/apis/admissionregistration.k8s.io/v1/{plural}/{}", text(&object["metadata"]["name"])), object)
        });
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "secretfence-certificates", "namespace": "secretfence"},
        });
        let secret = ("/api/v1/namespaces/secretfence/secrets/secretfence-certificates".to_owned(), secret);
        let api = Kept::start(registered.chain([secret]));
        let folder = TempDir::new().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, api.kubeconfig()).unwrap();
        let server = Server::start(&[
            "--manage-certificates",
            "--watch-registration=opt-in",
            "--namespace=secretfence",
            "--kubeconfig",
            kubeconfig.to_str().unwrap(),
        ]);
        let ready = || (server.admin_get("/readyz").0 == 200).then_some(());
        assert!(eventually(ready).is_some(), "{}", server.admin_get("/readyz").1);
        Managed { server, api, _folder: folder }
    }

    /// Somebody lets pods through while nobody answers.
    fn fail_open(&self) {
        let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretfence";
        let mut configuration = self.api.get(path).unwrap();
        configuration["webhooks"][0]["failurePolicy"] = json!("Ignore");
        self.api.put(path, configuration);
    }
}

#[test]
fn every_query_of_the_dashboard_returns_data() {
    let queries = queries();
    assert!(queries.len() > 25, "{queries:#?}");
    if !has("prometheus") {
        return;
    }
    let (mut scene, managed) = (Scene::new(), Managed::new());
    let prometheus = Prometheus::of(&[&scene.server, &managed.server]);
    let mut silent = queries.clone();
    let begin = Instant::now();
    while !silent.is_empty() && begin.elapsed() < 2 * PATIENCE {
        scene.go_on();
        std::thread::sleep(Duration::from_millis(300));
        silent.retain(|query, _| prometheus.query(&filled_in(query)).is_empty());
    }
    assert!(silent.is_empty(), "no data in {:?}: {silent:#?}", begin.elapsed());

    for (query, values) in [
        (r#"sum(up{job="secretfence"})"#, 2.0..=2.0),
        (r#"sum by (policy) (secretfence_verdicts_total{action="deny", mode="enforce"})"#, 1.0..=f64::MAX),
        (r#"sum(secretfence_reviews_total{webhook="mutate", result="swapped"})"#, 1.0..=f64::MAX),
        (r#"sum(secretfence_policy_reloads_total{result="success"})"#, 1.0..=f64::MAX),
        (r#"sum(secretfence_certificate_renewals_total{what="authority", result="done"})"#, 1.0..=1.0),
        ("sum(secretfence_registration_drift)", 0.0..=0.0),
    ] {
        let found = prometheus.query(query);
        assert!(found.len() == 1 && values.contains(&found[0]), "{query}: {found:?}");
    }

    assert_the_variables_have_values(&prometheus);
    assert_the_rules_evaluate(&prometheus);
    metrics::assert_the_list_is_whole(
        &[&scene.server, &managed.server].map(|its| its.admin_get("/metrics").1).concat(),
    );

    managed.fail_open();
    let drift = r#"secretfence_registration_drift{configuration="secretfence", problem="failure_policy"} == 1"#;
    assert!(eventually(|| (!prometheus.query(drift).is_empty()).then_some(())).is_some());
}

#[test]
fn panels_are_apart_and_say_what_they_show() {
    let dashboard = dashboard();
    let mut taken = BTreeMap::new();
    let mut identities = BTreeMap::new();
    for panel in list(&dashboard["panels"]) {
        let title = text(&panel["title"]);
        assert!(identities.insert(panel["id"].as_u64().unwrap(), title).is_none(), "{title}");
        let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let (x, y, w, h) = (number("x"), number("y"), number("w"), number("h"));
        assert!(x + w <= 24, "{title}");
        for at in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            let other = taken.insert(at, title);
            assert!(other.is_none(), "{title} lies over {other:?}");
        }
        if panel["type"] != "row" {
            assert!(!text(&panel["description"]).is_empty() && !list(&panel["targets"]).is_empty(), "{title}");
            // Each alert that a panel names is one.
            let words = text(&panel["description"]).split([' ', ',', '.']);
            for word in words.filter(|word| word.starts_with("Secretfence") && word.len() > 11) {
                assert!(rules::alerts().contains(word), "{title}: {word}");
            }
        }
    }
}

fn dashboard() -> Value {
    object("manifests/monitoring/dashboard.json")
}

/// Every query of a panel or an annotation, with its title.
pub fn queries() -> BTreeMap<String, String> {
    let dashboard = dashboard();
    let mut queries = BTreeMap::new();
    for panel in list(&dashboard["panels"]).iter().filter(|panel| panel["type"] != "row") {
        for target in list(&panel["targets"]) {
            queries.insert(text(&target["expr"]).to_owned(), text(&panel["title"]).to_owned());
        }
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        queries.insert(text(&annotation["expr"]).to_owned(), text(&annotation["name"]).to_owned());
    }
    queries
}

/// As Grafana fills it in: "All" is whatever there is.
fn filled_in(query: &str) -> String {
    let filled = [("$__rate_interval", "5s"), ("$__range", "5m"), ("$namespace", ".*"), ("$pod", ".*")];
    let query = filled.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
    assert!(!query.contains('$'), "an unknown variable: {query}");
    query
}

fn assert_the_variables_have_values(prometheus: &Prometheus) {
    let mut asked = Vec::new();
    for variable in list(&dashboard()["templating"]["list"]) {
        if variable["type"] == "datasource" {
            continue;
        }
        let query = text(&variable["query"]["query"]);
        assert_eq!(query, text(&variable["definition"]));
        let inner = query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')')).unwrap();
        let (series, label) = inner.rsplit_once(", ").unwrap();
        let values = prometheus.api(&format!("label/{label}/values"), &[("match[]", &filled_in(series))]);
        let expected = if label == "pod" { json!(["secretfence-0", "secretfence-1"]) } else { json!(["secretfence"]) };
        assert_eq!(values, expected, "{query}");
        asked.push(label.to_owned());
    }
    assert_eq!(asked, ["namespace", "pod"]);
}

/// Each rule was evaluated on what the program says, without an error.
fn assert_the_rules_evaluate(prometheus: &Prometheus) {
    let healthy = || {
        let groups = prometheus.api("rules", &[]);
        let rules: Vec<_> = list(&groups["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect();
        assert_eq!(rules.len(), rules::rules().len());
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:#?}");
        rules.iter().all(|rule| rule["health"] == "ok").then_some(())
    };
    assert!(eventually(healthy).is_some());
}
