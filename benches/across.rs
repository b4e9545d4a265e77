//! What each kind that leads across namespaces costs, in a cluster of 10,000 Secrets, 2,000 ServiceAccounts and 5,000 bindings:
//! a review beside that of the same pod with no rule on the kind; and what it takes to keep the facts.
#![allow(missing_docs, reason = "the macros make undocumented items")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench may fail loudly")]

mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use secretfence::fence::access::{Object, ObjectKind, Store};
use secretfence::fence::facts::ByNamespace;
use secretfence::fence::rules::copies::Origin;
use secretfence::fence::rules::provider_class::ProviderClass;
use secretfence::fence::{Facts, PolicySet, answer};
use serde_json::{Value, json};

const NAMESPACES: usize = 100;
const SECRETS: usize = 10_000;
const ACCOUNTS: usize = 2_000;
const BINDINGS: usize = 5_000;

fn namespace(number: usize) -> String {
    format!("a-team-{:03}", number % NAMESPACES)
}

fn object(kind: ObjectKind, value: &Value) -> Object {
    Object::parse_as(kind, value.to_string().as_bytes()).unwrap()
}

fn binding(number: usize) -> Object {
    let account = (number + 1 + 37 * (number / ACCOUNTS)) % ACCOUNTS;
    let role = ["edit", "admin", "view"][number % 3];
    let name = format!("worker-binding-{number:05}");
    let subject =
        json!({"kind": "ServiceAccount", "namespace": namespace(account), "name": format!("worker-{account:04}")});
    let value = json!({
        "metadata": {"name": name, "namespace": namespace(number)},
        "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [subject],
    });
    object(ObjectKind::RoleBinding, &value)
}

fn store() -> Store {
    let mut store = Store::new();
    for (name, resource) in [("view", "configmaps"), ("edit", "secrets"), ("admin", "*")] {
        let rule = json!({"apiGroups": [""], "resources": [resource], "verbs": ["get", "list", "watch"]});
        store.put(object(ObjectKind::ClusterRole, &json!({"metadata": {"name": name}, "rules": [rule]})));
    }
    for number in 0..ACCOUNTS {
        let metadata = json!({"name": format!("worker-{number:04}"), "namespace": namespace(number)});
        store.put(object(ObjectKind::ServiceAccount, &json!({"metadata": metadata})));
    }
    (0..BINDINGS).for_each(|number| store.put(binding(number)));
    store
}

fn secrets() -> ByNamespace<Option<Origin>> {
    let copy = copy_mark();
    let of = |number: usize| {
        let origin = number.is_multiple_of(10).then(|| copy.clone()).flatten();
        ((namespace(number), format!("credentials-{number:05}")), origin)
    };
    (0..SECRETS).map(of).collect()
}

fn copy_mark() -> Option<Origin> {
    let annotations = json!({"reflector.v1.k8s.emberstack.com/reflects": "billing/database"});
    let value = json!({"metadata": {"name": "a", "namespace": "a", "annotations": annotations}});
    secretfence::manifest::known::secret(value.to_string().as_bytes(), "", &[]).unwrap().origin
}

fn facts() -> Facts {
    let class = ProviderClass { paths: vec!["secret/data/billing/db".into()], ..ProviderClass::default() };
    Facts {
        secrets: Arc::new(secrets()),
        access: Some(Arc::new(store().access())),
        provider_classes: Arc::new(
            (0..1000).map(|number| ((namespace(number), format!("class-{number:04}")), class.clone())).collect(),
        ),
        shared_secrets: Arc::new(
            (0..1000).map(|number| (format!("shared-{number:04}"), "billing".to_owned())).collect(),
        ),
        ..support::facts()
    }
}

/// The 4 KB pod in `a-team-001`, with one thing more.
fn review(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut review: Value = serde_json::from_slice(support::SMALL).unwrap();
    review["request"]["namespace"] = json!("a-team-001");
    let pod = &mut review["request"]["object"];
    pod["metadata"]["namespace"] = json!("a-team-001");
    pod["spec"]["serviceAccountName"] = json!("worker-0001");
    pod["spec"]["serviceAccount"] = json!("worker-0001");
    if !pod["spec"]["volumes"].is_array() {
        pod["spec"]["volumes"] = json!([]);
    }
    change(pod);
    review.to_string().into_bytes()
}

fn with_volume(volume: Value) -> Vec<u8> {
    review(|pod| {
        let mut volume = volume;
        volume["name"] = json!("one-more");
        pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    })
}

fn with_env(value: &str) -> Vec<u8> {
    review(|pod| {
        let env = pod["spec"]["containers"][0]["env"].as_array_mut().unwrap();
        env.push(json!({"name": "ONE_MORE", "value": value}));
    })
}

fn policy(rule: Option<Value>) -> PolicySet {
    // About names that are not there: what every review costs.
    let mut rules =
        vec![json!({"name": "other", "on": ["secretKeyRef"], "action": "deny", "where": {"secrets": ["no-such"]}})];
    rules.extend(rule);
    let value = json!({"apiVersion": "secretfence.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "a"},
                       "spec": {"rules": rules}});
    support::compile(vec![value])
}

fn kinds(criterion: &mut Criterion) {
    let csi = |driver: &str, attributes: Value| json!({"csi": {"driver": driver, "volumeAttributes": attributes}});
    let class = csi("secrets-store.csi.k8s.io", json!({"secretProviderClass": "class-0001"}));
    let shared = csi("csi.sharedresource.openshift.io", json!({"sharedSecret": "shared-0001"}));
    let inject = |pod: &mut Value| {
        pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject-secret-db"] = json!("secret/data/billing/db");
    };
    let own = json!({"paths": ["!secret/data/{namespace}/*"]});
    let cases = [
        ("externalEnv", with_env("vault:secret/data/billing/db#password"), json!({})),
        ("injected", review(inject), json!({})),
        (
            "nodeAccess",
            with_volume(json!({"hostPath": {"path": "/var/lib/kubelet"}})),
            json!({"paths": ["@node-secrets"]}),
        ),
        ("storePath", with_env("vault:secret/data/billing/db#password"), own.clone()),
        ("storePath of a class", with_volume(class), own),
        ("sharedSecret", with_volume(shared), json!({"from": ["billing"]})),
        ("reach", review(|_| {}), json!({})),
        // Secret 101 of this namespace is none, 1001 is neither: 8901 is no copy, 10 * n + 1 never is.
        ("copied, of one that is none", with_volume(json!({"secret": {"secretName": "credentials-08901"}})), json!({})),
        ("copied, of one that is not known", with_volume(json!({"secret": {"secretName": "no-such"}})), json!({})),
    ];
    let (facts, without) = (facts(), policy(None));
    for (name, body, selects) in &cases {
        let kind = name.split([' ', ',']).next().unwrap();
        let action = if kind == "copied" { "warn" } else { "deny" };
        let with = policy(Some(json!({"name": "it", "on": [kind], "action": action, "where": selects})));
        let found = |policies: &PolicySet| {
            let answer = answer(body, support::VALIDATE, policies, &facts).unwrap();
            String::from_utf8(answer.body.to_vec()).unwrap()
        };
        assert!(!found(&without).contains("[a/it]"), "{name}");
        if !name.ends_with("none") {
            assert!(found(&with).contains("[a/it]"), "{name}: {}", found(&with));
        }
        let mut group = criterion.benchmark_group(*name);
        for (label, policies) in [("no rule on it", &without), ("a rule on it", &with)] {
            group.bench_function(label, |bencher| {
                bencher.iter(|| answer(black_box(body), support::VALIDATE, policies, &facts));
            });
        }
        group.finish();
    }
}

fn keeping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keeping");
    let mut store = store();
    group.bench_function("the index of who may do what", |bencher| {
        bencher.iter(|| black_box(&store).access());
    });
    let mut number = 0;
    group.bench_function("one binding that changes, without the index", |bencher| {
        bencher.iter_batched(
            || {
                number += 1;
                binding(number % BINDINGS)
            },
            |binding| store.put(binding),
            BatchSize::SmallInput,
        );
    });
    let mut known = Arc::new(secrets());
    let copy = copy_mark();
    group.bench_function("one Secret that becomes a copy, while somebody judges by what was", |bencher| {
        bencher.iter(|| {
            number += 1;
            let judged_by = Arc::clone(&known);
            let name = format!("credentials-{:05}", number % SECRETS);
            Arc::make_mut(&mut known).insert(&namespace(number % SECRETS), &name, copy.clone());
            judged_by
        });
    });
    group.finish();
}

criterion_group!(benches, kinds, keeping);
criterion_main!(benches);
