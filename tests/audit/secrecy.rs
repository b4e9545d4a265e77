//! No value of a variable and none of a Secret, in any form.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Cluster, env, namespace, pod, program, workload};

const FORMS: [&str; 5] = ["text", "json", "csv", "sarif", "html"];
/// What no form may show, wherever it stands in an object.
const VALUE: &str = "hunter2-Zx9";

/// Values everywhere that they can stand, in an object of any sort.
fn crowded(place: usize) -> Value {
    let mut env = vec![json!({"name": "A", "value": VALUE}), env("B", "db"), env("C", "other")];
    let unknown = json!({"name": "D", "value": VALUE, "valueFrom": {"secretKeyRef": {"name": "db", "key": "d"}}});
    env.insert(place % (env.len() + 1), unknown);
    json!({
        "containers": [{
            "name": "api", "image": "api:1", "env": env, "command": ["sh", "-c", format!("run --password={VALUE} $(B)")],
            "args": [VALUE, "$(C)"], "envFrom": [{"secretRef": {"name": "all"}, "prefix": "P_"}],
            "livenessProbe": {"exec": {"command": [VALUE]}, "httpGet": {"httpHeaders": [{"name": "X", "value": VALUE}]}},
        }],
        "volumes": [{"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"a": VALUE}}}],
        "imagePullSecrets": [{"name": "registry"}],
    })
}

fn annotated(mut object: Value) -> Value {
    object["metadata"]["annotations"] = json!({
        "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"value\": \"{VALUE}\"}}"), "note": VALUE,
        "secretfence.dev/swapped": VALUE,
    });
    if object["spec"]["template"].is_object() {
        object["spec"]["template"]["metadata"]["annotations"] = json!({"secretfence.dev/swapped": VALUE});
    }
    object["metadata"]["managedFields"] = json!([{"fieldsV1": {VALUE: {}}}]);
    object["status"] = json!({"message": VALUE});
    object
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_is_shown_in_any_form(
        place in 0usize..8,
        action in prop::sample::select(vec!["deny", "warn", "mount"]),
        kinds in prop::sample::select(vec!["any", "env"]),
        broken in any::<bool>(),
    ) {
        let spec = crowded(place);
        let mut pods = vec![
            annotated(pod("shop", "bare", None, &spec)),
            annotated(pod("shop", "web-a", Some(["apps/v1", "Deployment", "web"]), &spec)),
        ];
        if broken {
            pods.push(pod("shop", "broken", None, &json!({"containers": VALUE})));
        }
        let cluster = Cluster::new([
            ("namespaces", json!([namespace("shop", None)])),
            ("deployments", json!([annotated(workload("shop", "web", None, &spec))])),
            ("pods", json!(pods)),
        ])
        .policies(&format!(
            "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: a}}\nspec: {{rules: [{{name: a, \
             on: [{kinds}], action: {action}}}]}}\n"
        ));
        for form in FORMS {
            let output = cluster.audit(&["--format", form, "--save", "saved.json"]);
            prop_assert!(!output.contains(VALUE), "{output}");
            prop_assert!(output.contains("takes Secret"), "{output}");
        }
        let saved = std::fs::read_to_string(cluster.folder.path().join("saved.json")).unwrap();
        prop_assert!(!saved.contains(VALUE), "{saved}");
        for wanted in ["shop/web", "shop/bare"] {
            let output = cluster.audit(&["--explain", wanted]);
            prop_assert!(!output.contains(VALUE), "{output}");
            prop_assert!(output.contains("takes Secret"), "{output}");
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
