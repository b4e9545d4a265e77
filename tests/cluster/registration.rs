//! What is registered, on a real API server: said when it is less than what is shipped, put right where that is asked for, and
//! nobody fought over it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64_simd::STANDARD;
use secretfence::cluster::{
    Breadth, Configuration, Connection, Drift, Registration, RegistrationError, RegistrationObserver, ServiceAddress,
    Wanted,
};
use serde_json::{Value, json};

use crate::cluster::{Cluster, KUBECONFIG, shipped_policy};
use crate::control_plane::{Authority, eventually, tail};
use crate::watches::Watched;
use crate::webhook::Webhook;

const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/zz-secretfence";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretfence";
const RBAC: &str = "rbac.authorization.k8s.io";
/// From a change to its being said.
const SAID: Duration = Duration::from_secs(2);

/// A cluster with one more replica, which looks after the registration by the rights of the webhook's own ServiceAccount.
struct Registered {
    watched: Watched,
    replica: Webhook,
    mutating: Value,
    validating: Value,
}

impl Registered {
    fn start(registration: &str, flag: &str) -> Option<Registered> {
        let watched = Watched::start_with(registration)?;
        let cluster = &watched.0;
        let (mutating, validating) = (cluster.api.get(MUTATING).done(), cluster.api.get(VALIDATING).done());
        let flags = [
            flag.to_owned(),
            "--namespace=secretfence".to_owned(),
            format!("--service-port={}", cluster.webhook.port),
            "--pod-name=secretfence-0".to_owned(),
            format!("--kubeconfig={}", cluster.control_plane.path(KUBECONFIG)),
        ];
        let policies = shipped_policy();
        let policies = [("secrets-as-files.yaml", policies.as_str())];
        let replica = Webhook::start(&cluster.control_plane, "replica", &policies, &flags);
        Some(Registered { watched, replica, mutating, validating })
    }

    fn cluster(&self) -> &Cluster {
        &self.watched.0
    }

    /// Gives the ServiceAccount these verbs on both configurations by name, `create` of any, and to write events.
    fn grant(&self, verbs: &[&str], create: bool) {
        let rule = |resource: &str, name: &str| json!({"apiGroups": ["admissionregistration.k8s.io"], "resources": [resource], "resourceNames": [name], "verbs": verbs});
        let mut rules = vec![
            rule("mutatingwebhookconfigurations", "zz-secretfence"),
            rule("validatingwebhookconfigurations", "secretfence"),
            json!({"apiGroups": [""], "resources": ["events"], "verbs": ["create"]}),
        ];
        if create {
            let all = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];
            rules.push(json!({"apiGroups": ["admissionregistration.k8s.io"], "resources": all, "verbs": ["create"]}));
        }
        let role = json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": "registrations"}, "rules": rules});
        self.cluster().api.apply(&role, "test").done();
        let subject = json!({"kind": "ServiceAccount", "name": "secretfence", "namespace": "secretfence"});
        let binding = json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "registrations"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "registrations"}, "subjects": [subject],
        });
        self.cluster().api.apply(&binding, "test").done();
    }

    /// As it was.
    fn original(&self, path: &str) -> &Value {
        if path == MUTATING { &self.mutating } else { &self.validating }
    }

    /// Changes the first webhook of a configuration.
    fn change(&self, path: &str, change: impl Fn(&mut Value)) {
        let mut webhooks = self.original(path)["webhooks"].clone();
        change(&mut webhooks[0]);
        self.cluster().api.merge(path, &json!({"webhooks": webhooks})).done();
    }

    fn put_right(&self, path: &str) {
        self.change(path, |_| {});
    }

    fn is_right(&self, path: &str) -> bool {
        self.cluster().api.get(path).body["webhooks"] == self.original(path)["webhooks"]
    }

    /// Makes it anew as it was.
    fn make(&self, path: &str) {
        let original = self.original(path);
        let metadata = json!({"name": original["metadata"]["name"], "labels": original["metadata"]["labels"]});
        let object = json!({"apiVersion": original["apiVersion"], "kind": original["kind"], "metadata": metadata, "webhooks": original["webhooks"]});
        self.cluster().api.create(&object, "").done();
    }

    /// What `/readyz` and the metrics say, once this holds of both.
    #[track_caller]
    fn says(&self, is_it: impl Fn(&str, &str) -> bool) -> Duration {
        let start = Instant::now();
        let mut last = String::new();
        let said = eventually(|| {
            let (status, ready) = self.replica.admin("/readyz")?;
            let (_, metrics) = self.replica.admin("/metrics")?;
            assert_eq!(status, 200, "it is ready whatever is registered: {ready}");
            last = format!("{ready}\n{}", drift_lines(&metrics).join("\n"));
            is_it(&ready, &metrics).then(|| start.elapsed())
        });
        said.unwrap_or_else(|| panic!("{last}\n{}", tail(&self.replica.log())))
    }

    #[track_caller]
    fn says_all_is_right(&self, name: &str) -> Duration {
        self.says(|ready, metrics| {
            let lines = drift_lines(metrics);
            ready.contains(&format!("[+]registration ok {name}\n"))
                && lines.len() == 14
                && lines.iter().all(|line| line.ends_with(" 0"))
        })
    }

    fn log(&self) -> String {
        fs::read_to_string(self.replica.log()).unwrap()
    }

    fn times(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Waits for an event about the own pod.
    #[track_caller]
    fn event(&self, reason: &str, text: &str) {
        let found = eventually(|| {
            let events = self.cluster().api.get("/api/v1/namespaces/secretfence/events").body;
            let mut events = events["items"].as_array()?.iter();
            let its = |event: &&Value| {
                event["reason"] == reason
                    && event["involvedObject"]["name"] == "secretfence-0"
                    && event["message"].as_str().is_some_and(|message| message.contains(text))
            };
            events.find(its).map(drop)
        });
        assert!(found.is_some(), "no event {reason}: {text}\n{}", tail(&self.replica.log()));
    }
}

fn drift_lines(metrics: &str) -> Vec<&str> {
    metrics.lines().filter(|line| line.starts_with("secretfence_registration_drift{")).collect()
}

fn drift_line(configuration: &str, problem: &str) -> String {
    format!("secretfence_registration_drift{{configuration=\"{configuration}\",problem=\"{problem}\"}} 1\n")
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// A change of the first webhook of a configuration, what the metric calls it, and what is said.
type Case = (&'static str, &'static str, &'static str, fn(&mut Value));

const CASES: [Case; 7] = [
    (VALIDATING, "narrowed", "rules is without CREATE apps/deployments", |webhook| {
        webhook["rules"][2]["resources"] = json!(["replicasets", "statefulsets", "daemonsets"]);
    }),
    (VALIDATING, "narrowed", "namespaceSelector is team=a", |webhook| {
        webhook["namespaceSelector"]["matchLabels"] = json!({"team": "a"});
    }),
    (MUTATING, "narrowed", "matchConditions is \"few\"", |webhook| {
        webhook["matchConditions"] = json!([{"name": "few", "expression": "object.metadata.name != 'x'"}]);
    }),
    (MUTATING, "elsewhere", "clientConfig is service other/secretfence:", |webhook| {
        webhook["clientConfig"]["service"]["namespace"] = json!("other");
    }),
    (VALIDATING, "elsewhere", "clientConfig is a url", |webhook| {
        webhook["clientConfig"]["service"] = Value::Null;
        webhook["clientConfig"]["url"] = json!("https://example.com/validate");
    }),
    (VALIDATING, "failure_policy", "failurePolicy is Ignore, expected Fail", |webhook| {
        webhook["failurePolicy"] = json!("Ignore");
    }),
    (MUTATING, "timeout", "timeoutSeconds is 1 s, expected at least 2 s", |webhook| {
        webhook["timeoutSeconds"] = json!(1);
    }),
];

#[test]
fn less_than_what_is_shipped_is_said_and_never_fought() {
    let Some(registered) = Registered::start("opt-in", "--watch-registration=opt-in") else { return };
    let api = &registered.cluster().api;
    // Who was not told to look asks for nothing, and says nothing.
    let webhook = &registered.cluster().webhook;
    assert!(!webhook.admin("/readyz").unwrap().1.contains("registration"));
    assert!(drift_lines(&webhook.admin("/metrics").unwrap().1).is_empty());

    // A right that is missing is named, and used once it is there.
    registered.says(|ready, _| {
        ready.contains(
            "[-]registration cannot be watched: may not list mutatingwebhookconfigurations \"zz-secretfence\"",
        )
    });
    registered.grant(&["list", "watch"], false);
    registered.says_all_is_right("opt-in");

    for (path, problem, text, change) in CASES {
        registered.change(path, change);
        let line = drift_line(name_of(path), problem);
        let took = registered.says(|ready, metrics| ready.contains(text) && metrics.contains(&line));
        assert!(took < SAID, "{problem} is said after {took:?}");
        let is_logged = eventually(|| registered.log().contains(text).then_some(())).is_some();
        assert!(is_logged, "{}", tail(&registered.replica.log()));
        registered.event("RegistrationDrift", text);
        // As it is, it stays.
        assert!(!registered.is_right(path));
        registered.put_right(path);
        let took = registered.says_all_is_right("opt-in");
        assert!(took < SAID, "{problem} is no more said after {took:?}");
    }

    for path in [MUTATING, VALIDATING] {
        api.delete(path).done();
        let line = drift_line(name_of(path), "missing");
        let took = registered.says(|ready, metrics| ready.contains("is missing") && metrics.contains(&line));
        assert!(took < SAID, "it is said after {took:?}");
        registered.make(path);
        registered.says_all_is_right("opt-in");
    }

    // Authorities that did not sign what serves; and a list of namespaces, which is the user's.
    registered.change(VALIDATING, |webhook| {
        webhook["clientConfig"]["caBundle"] = json!(STANDARD.encode_to_string(Authority::new().pem()));
    });
    registered.says(|ready, metrics| {
        ready.contains("does not trust the certificate that serves")
            && metrics.contains(&drift_line("secretfence", "ca_bundle"))
    });
    registered.change(VALIDATING, |webhook| {
        let values = &mut webhook["namespaceSelector"]["matchExpressions"][0]["values"];
        values.as_array_mut().unwrap().push(json!("our-storage"));
    });
    registered.says_all_is_right("opt-in");

    // Through a restart of the API server.
    registered.cluster().control_plane.restart_api_server();
    registered.cluster().eventually(|| api.get(VALIDATING), |reply| reply.status == 200);
    registered.change(VALIDATING, |webhook| webhook["failurePolicy"] = json!("Ignore"));
    registered.says(|_, metrics| metrics.contains(&drift_line("secretfence", "failure_policy")));
    registered.put_right(VALIDATING);
    registered.says_all_is_right("opt-in");
    assert!(!registered.log().contains("panicked"), "{}", registered.log());
    assert_eq!(registered.times("was put right"), 0);
}

#[test]
fn what_is_managed_is_put_right() {
    let Some(registered) = Registered::start("cluster-wide", "--manage-registration=cluster-wide") else { return };
    let api = &registered.cluster().api;
    registered.grant(&["list", "watch"], false);
    registered.says_all_is_right("cluster-wide");
    registered.change(VALIDATING, |webhook| webhook["failurePolicy"] = json!("Ignore"));
    registered.says(|ready, _| {
        ready.contains("it cannot be put right: may not update validatingwebhookconfigurations \"secretfence\"")
    });
    registered.grant(&["list", "watch", "update"], false);
    let restored = |path: &str| {
        let right = eventually(|| registered.is_right(path).then_some(()));
        assert!(right.is_some(), "{:#}\n{}", api.get(path).body, tail(&registered.replica.log()));
        registered.says_all_is_right("cluster-wide");
    };
    restored(VALIDATING);

    for (path, _, _, change) in CASES {
        // Patience begins anew.
        registered.replica.restart();
        registered.says_all_is_right("cluster-wide");
        registered.change(path, change);
        let start = Instant::now();
        restored(path);
        println!("put right after {} ms", start.elapsed().as_millis());
        registered.event("RegistrationRestored", name_of(path));
    }

    // One webhook of two, which comes last then.
    registered.replica.restart();
    registered.says_all_is_right("cluster-wide");
    let last = json!([registered.validating["webhooks"][1]]);
    api.merge(VALIDATING, &json!({"webhooks": last})).done();
    let both = || {
        let webhooks = api.get(VALIDATING).body["webhooks"].clone();
        let [first, second] = webhooks.as_array()?.as_slice() else { return None };
        (*first == registered.validating["webhooks"][1] && *second == registered.validating["webhooks"][0])
            .then_some(())
    };
    assert!(eventually(both).is_some(), "{:#}", api.get(VALIDATING).body);

    // Made anew, once that is allowed, and not before an uninstall would have ended this process.
    api.delete(VALIDATING).done();
    let start = Instant::now();
    registered.says(|ready, _| ready.contains("bind a ClusterRole with \"create\" of validatingwebhookconfigurations"));
    assert!(start.elapsed() > Duration::from_secs(10), "{:?}", start.elapsed());
    registered.grant(&["list", "watch", "update"], true);
    restored(VALIDATING);
    assert_eq!(api.get(VALIDATING).body["metadata"]["labels"], registered.validating["metadata"]["labels"]);
}

#[test]
fn who_puts_it_back_is_not_fought() {
    let Some(registered) = Registered::start("opt-in", "--manage-registration=opt-in") else { return };
    registered.grant(&["list", "watch", "update"], false);
    registered.says_all_is_right("opt-in");
    let ignore = |webhook: &mut Value| webhook["failurePolicy"] = json!("Ignore");
    let start = Instant::now();
    let mut put_back = 0;
    while put_back < 20 && start.elapsed() < Duration::from_secs(12) {
        if registered.is_right(VALIDATING) {
            registered.change(VALIDATING, ignore);
            put_back += 1;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // After 0, 1, 3 and 7 seconds, and then the fifth time it is put back.
    assert!((3..=6).contains(&put_back), "{put_back} times\n{}", registered.log());
    assert_eq!(registered.times("somebody puts the registration back each time"), 1, "{}", registered.log());
    // Who gives up first is not the one that is right: it is tried again, later.
    let right = eventually(|| registered.is_right(VALIDATING).then_some(()));
    assert!(right.is_some(), "{}", registered.log());
}

/// Trusts everything, and hears nothing.
struct Deaf;

impl RegistrationObserver for Deaf {
    fn trusts(&self, _: &str) -> Option<Result<(), String>> {
        Some(Ok(()))
    }

    fn drifts(&self, _: &[Drift], _: &[Drift]) {}

    fn lasts(&self, _: &[Drift]) {}

    fn restored(&self, _: Configuration, _: &[Drift]) {}
}

#[test]
fn authorities_are_written_in_every_webhook_whoever_else_writes() {
    let Some(cluster) = Cluster::own("opt-in") else { return };
    let api = &cluster.api;
    let kubeconfig = Some(cluster.control_plane.path("admin.kubeconfig").into());
    let connection = Connection { kubeconfig, ..Connection::default() };
    let (namespace, name) = ("secretfence".to_owned(), "secretfence".to_owned());
    let service = ServiceAddress { namespace, name, port: cluster.webhook.port };
    let wanted = Wanted { breadth: Breadth::OptIn, service, is_managed: false };
    let registration = Registration::start(connection, wanted, Arc::new(Deaf));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = vec![cluster.control_plane.authority.pem(); 4];
    let is_read = eventually(|| registration.trusted().filter(|trusted| *trusted == before));
    assert!(is_read.is_some(), "{:?}", registration.failure());
    assert!(registration.drift().is_empty());

    // Two of this kind at once, and somebody who writes labels all the time.
    let is_over = AtomicBool::new(false);
    let bundles: Vec<String> = (0..5).map(|_| Authority::new().pem() + &before[0]).collect();
    let other = registration.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for count in 0.. {
                for path in [MUTATING, VALIDATING] {
                    api.merge(path, &json!({"metadata": {"labels": {"count": format!("{count}")}}})).done();
                }
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for _ in 0..5 {
                runtime.block_on(other.trust(&before[0])).unwrap();
            }
        });
        for bundle in &bundles {
            runtime.block_on(registration.trust(bundle)).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    runtime.block_on(registration.trust(&bundles[4])).unwrap();
    assert_eq!(registration.trusted(), Some(vec![bundles[4].clone(); 4]));
    for path in [MUTATING, VALIDATING] {
        let object = api.get(path).done();
        assert!(object["metadata"]["labels"]["count"].is_string());
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/name"], "secretfence");
        for webhook in object["webhooks"].as_array().unwrap() {
            assert_eq!(webhook["clientConfig"]["caBundle"], STANDARD.encode_to_string(&bundles[4]));
        }
    }
    // Written again what is there is no change.
    let version = |path: &str| api.get(path).done()["metadata"]["resourceVersion"].clone();
    let versions = [version(MUTATING), version(VALIDATING)];
    runtime.block_on(registration.trust(&bundles[4])).unwrap();
    assert_eq!(versions, [version(MUTATING), version(VALIDATING)]);

    let refused = runtime.block_on(registration.trust("no certificate")).unwrap_err();
    assert!(matches!(refused, RegistrationError::NoBundle), "{refused}");
    api.delete(VALIDATING).done();
    let refused = runtime.block_on(registration.trust(&before[0])).unwrap_err();
    assert!(matches!(refused, RegistrationError::Missing(Configuration::Validating)), "{refused}");
    assert!(eventually(|| registration.trusted().is_none().then_some(())).is_some());
    registration.stop();
    let refused = runtime.block_on(registration.trust(&bundles[0])).unwrap_err();
    assert!(matches!(refused, RegistrationError::Ended), "{refused}");
}
