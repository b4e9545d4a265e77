//! No value of a variable and none of a Secret, in anything that an audit prints, writes or publishes.

use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::conflicts::{GROUP, report};
use crate::{Cluster, env, namespace, pod, program, workload};

const FORMS: [&str; 5] = ["text", "json", "csv", "sarif", "html"];

/// What nothing may show: one for each place of an object where a value stands, so that a failure names the place.
const VALUES: [&str; 17] = [
    "hunter2-of-env",
    "hunter2-of-env-beside-a-source",
    "hunter2-of-command",
    "hunter2-of-args",
    "hunter2-of-probe",
    "hunter2-of-header",
    "hunter2-of-hook",
    "hunter2-of-driver",
    "hunter2-of-annotation",
    "hunter2-of-last-applied",
    "hunter2-of-template",
    "hunter2-of-fields",
    "hunter2-of-status",
    "hunter2-of-secret",
    "aHVudGVyMi1vZi1zZWNyZXQ=",
    "hunter2-of-report",
    "hunter2-of-broken",
];

/// Values everywhere that they can stand, in an object of any sort.
fn crowded(place: usize) -> Value {
    let mut env = vec![json!({"name": "A", "value": VALUES[0]}), env("B", "db"), env("C", "other")];
    let unknown = json!({"name": "D", "value": VALUES[1], "valueFrom": {"secretKeyRef": {"name": "db", "key": "d"}}});
    env.insert(place % (env.len() + 1), unknown);
    // Of a form that is looked for as a credential in clear.
    env.push(json!({"name": "DSN", "value": format!("postgres://shop:{}@db/shop", VALUES[0])}));
    json!({
        "containers": [{
            "name": "api", "image": "api:1", "env": env,
            "command": ["sh", "-c", format!("run --password={} $(B)", VALUES[2])], "args": [VALUES[3], "$(C)"],
            "envFrom": [{"secretRef": {"name": "all"}, "prefix": "P_"}],
            "livenessProbe": {
                "exec": {"command": [VALUES[4]]}, "httpGet": {"httpHeaders": [{"name": "X", "value": VALUES[5]}]},
            },
            "lifecycle": {"preStop": {"exec": {"command": ["curl", format!("https://a:{}@db", VALUES[6])]}}},
        }],
        "volumes": [{"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"a": VALUES[7]}}}],
        "imagePullSecrets": [{"name": "registry"}],
    })
}

fn annotated(mut object: Value) -> Value {
    let last_applied = format!("{{\"value\": \"{}\"}}", VALUES[9]);
    object["metadata"]["annotations"] = json!({
        "kubectl.kubernetes.io/last-applied-configuration": last_applied, "note": VALUES[8],
        "secretfence.dev/swapped": VALUES[8],
    });
    if object["spec"]["template"].is_object() {
        object["spec"]["template"]["metadata"]["annotations"] =
            json!({"secretfence.dev/swapped": VALUES[10], "note": VALUES[10]});
    }
    object["metadata"]["managedFields"] = json!([{"fieldsV1": {VALUES[11]: {}}}]);
    object["status"] = json!({"message": VALUES[12]});
    object
}

/// A Secret that was copied from another namespace, with all that is in it.
fn secret(name: &str) -> Value {
    let marks = json!({"reflector.v1.k8s.emberstack.com/reflects": "billing/db", "note": VALUES[13]});
    json!({
        "metadata": {"namespace": "shop", "name": name, "annotations": marks},
        "data": {"password": VALUES[14]}, "stringData": {"password": VALUES[13]},
    })
}

/// A cluster in which nothing is without a value, reports of an earlier time too.
fn cluster(place: usize, broken: bool) -> Cluster {
    let spec = crowded(place);
    let mut pods = vec![
        annotated(pod("shop", "bare", None, &spec)),
        annotated(pod("shop", "web-a", Some(["apps/v1", "Deployment", "web"]), &spec)),
        annotated(pod("shop", "ends", None, &spec)),
    ];
    if broken {
        pods.push(pod("shop", "broken", None, &json!({"containers": VALUES[16]})));
    }
    let reports = ["shop", "stale"].map(|namespace| {
        let mut report = report(namespace, "secretfence");
        report["metadata"]["annotations"] = json!({"note": VALUES[15]});
        report["results"] = json!([{"policy": "a", "message": VALUES[15]}]);
        report
    });
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("deployments", json!([annotated(workload("shop", "web", None, &spec))])),
        ("pods", json!(pods)),
        ("secrets", json!([secret("db"), secret("other")])),
        ("reports", json!(reports)),
    ]);
    cluster.change(|state| {
        state.objects.insert(GROUP.to_owned(), json!({"kind": "APIResourceList", "resources": [{"name": "reports"}]}));
    })
}

/// What must say this, and no value.
fn is_secret(text: &str, must_say: &str) -> Result<(), TestCaseError> {
    let shown: Vec<&&str> = VALUES.iter().filter(|value| text.contains(**value)).collect();
    prop_assert!(shown.is_empty(), "{shown:?} in {text}");
    // Nothing is shown of what shows nothing.
    prop_assert!(text.contains(must_say), "no {must_say:?} in {text}");
    Ok(())
}

#[test]
fn each_form_for_people_and_the_json_name_the_cluster_and_not_who_asks() {
    let cluster = crate::shop();
    let file = cluster.folder.path().join("kubeconfig");
    let address = cluster.api.address();
    let with_user = address.replace("http://", "http://admin:hunter2@");
    let kubeconfig = std::fs::read_to_string(&file).unwrap().replace(&address, &with_user);
    assert!(kubeconfig.contains("hunter2"));
    std::fs::write(&file, kubeconfig.replace("user: {}", "user: {token: hunter2}")).unwrap();
    let shown = program::run(cluster.folder.path(), &cluster.arguments(&[]));
    assert!(shown.contains(&format!("\ncluster: context t, {address}\n")), "{shown}");
    assert_eq!(cluster.json(&[])["cluster"], json!({"context": "t", "server": "https://prod.example.com:6443"}));
    let page = cluster.audit(&["--format", "html"]);
    assert!(page.contains("<p>Cluster: <strong>context prod, https://prod.example.com:6443</strong></p>"), "{page}");
    for format in FORMS {
        assert!(!cluster.audit(&["--format", format]).contains("hunter2"), "{format}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_is_printed_written_or_published(
        place in 0usize..8,
        action in prop::sample::select(vec!["deny", "warn", "mount"]),
        mode in prop::sample::select(vec!["enforce", "dryRun"]),
        kinds in prop::sample::select(vec!["any", "env", "env, literal, copied"]),
        broken in any::<bool>(),
    ) {
        let folder = |cluster: &Cluster, name: &str| fs::read_to_string(cluster.folder.path().join(name)).unwrap();
        let cluster = cluster(place, broken).policies(&format!(
            "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: a}}\nspec: {{mode: {mode}, rules: \
             [{{name: env, on: [env], action: {action}}}, {{name: a, on: [{kinds}], action: deny}}]}}\n"
        ));
        let always = ["--save", "saved.json", "--publish", "--metrics-file", "audit.prom"];
        for form in FORMS {
            let output = cluster.audit(&[&["--format", form], &always[..]].concat());
            is_secret(&output, "takes Secret")?;
            is_secret(&output, "published: 1 namespace in reports of openreports.io, ")?;
            is_secret(&folder(&cluster, "saved.json"), "takes Secret")?;
            is_secret(&folder(&cluster, "audit.prom"), "namespace=\"shop\"")?;
        }
        let mut written = Vec::new();
        cluster.api.change(|state| written = std::mem::take(&mut state.written));
        for (how, body) in &written {
            is_secret(&format!("{how} {body}"), if how.starts_with("PATCH") { "takes Secret" } else { "uid" })?;
        }
        let count = |method: &str| written.iter().filter(|(how, _)| how.starts_with(method)).count();
        // What is stale is removed unless something could not be judged.
        prop_assert_eq!((count("PATCH"), count("DELETE")), (FORMS.len(), if broken { 0 } else { FORMS.len() }));

        // What is new, and what is gone.
        cluster.api.change(|state| {
            let pods = state.lists.get_mut("pods").unwrap();
            pods.retain(|pod| pod["metadata"]["name"] != "ends");
            pods.push(annotated(pod("shop", "comes", None, &crowded(place))));
        });
        for form in FORMS {
            let output = cluster.audit(&["--format", form, "--compare", "saved.json"]);
            is_secret(&output, "comes")?;
            is_secret(&output, if broken || form == "csv" || form == "sarif" { "takes Secret" } else { "ends" })?;
        }
        for wanted in ["shop/web", "shop/bare"] {
            is_secret(&cluster.audit(&["--explain", wanted]), "takes Secret")?;
        }
    }
}

/// Whoever made the earlier audit chose its words.
#[test]
fn nothing_of_an_earlier_audit_acts_on_a_terminal() {
    let cluster = Cluster::new([("namespaces", json!([namespace("shop", None)]))]);
    let finding = json!({"outcome": "denied", "mode": null, "message": "a\u{1b}[31m\nb", "fingerprint": "\u{202e}"});
    let owner = json!({"namespace": "shop", "kind": "Pod\u{1b}", "name": "a\r", "findings": [finding]});
    let earlier = json!({"formatVersion": 1, "owners": [owner]});
    std::fs::write(cluster.folder.path().join("earlier.json"), earlier.to_string()).unwrap();
    for form in FORMS {
        let output =
            program::run(cluster.folder.path(), &cluster.arguments(&["--compare", "earlier.json", "--format", form]));
        let acts = |character: char| (character.is_control() && !"\n\r".contains(character)) || character == '\u{202e}';
        assert!(!output.contains(acts), "{output:?}");
    }
}
