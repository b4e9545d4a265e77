//! An installation that is broken, in each way that hands have: what `kubectl` shows says what is wrong.
//!
//! The objects, their controllers and `kubectl` are real; [`crate::kubelet`] is the nodes, but for what a kubelet says by itself (an image that
//! is not there, a volume that cannot be mounted).

use std::fs;

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::change_over::{until_judged, with_nodes};
use crate::chart::kustomized;
use crate::control_plane::eventually;
use crate::objects;
use crate::upgrade::{Upgrade, with_bad_policy};

const NAMESPACE: &str = "/api/v1/namespaces/secretfence";
const SECRET: &str = "/api/v1/namespaces/secretfence/secrets/secretfence-certificates";
const ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/secretfence/roles/secretfence-certificates";
const BINDING: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/secretfence-registrations";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretfence";

#[test]
fn what_is_wrong_is_in_the_events_of_the_pods() {
    with_nodes(|cluster| {
        let api = cluster.api;
        let shipped = kustomized("opt-in", &[]);
        // At first: a Secret of somebody else's where the certificates have to be.
        let (certificate, key) = cluster.control_plane.authority.server("user", &["secretfence.secretfence.svc"]);
        let data =
            json!({"tls.crt": STANDARD.encode_to_string(certificate), "tls.key": STANDARD.encode_to_string(key)});
        let metadata = json!({"name": "secretfence-certificates", "namespace": "secretfence"});
        let foreign = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data});
        api.create(&foreign, "").done();
        let without_secret: Vec<Value> = shipped.iter().filter(|object| object["kind"] != "Secret").cloned().collect();
        cluster.apply_trusting(None, &without_secret);
        is_described(
            cluster,
            "CertificateFailed",
            "\"secretfence-certificates\" in namespace \"secretfence\" is not ours to write",
        );
        assert_eq!(cluster.deployment()["status"]["readyReplicas"], Value::Null);

        // No configuration that could trust it; and then it comes up by itself.
        let configuration = api.get(VALIDATING).done();
        api.delete(VALIDATING).done();
        api.delete(SECRET).done();
        is_described(cluster, "RegistrationDrift", "ValidatingWebhookConfiguration \"secretfence\" is missing");
        cluster.apply_trusting(None, &shipped);
        cluster.until_rolled_out();
        cluster.create_busy_namespace();

        // Narrowed: what is asked about no more is named.
        let mut narrowed = api.get(VALIDATING).done();
        narrowed["webhooks"][0]["namespaceSelector"]["matchLabels"] = json!({"team": "a"});
        narrowed["webhooks"][0]["failurePolicy"] = json!("Ignore");
        api.request("PUT", VALIDATING, "application/json", &narrowed).done();
        is_described(cluster, "RegistrationDrift", "narrowed: namespaceSelector is team=a");
        is_described(cluster, "RegistrationDrift", "another failurePolicy: failurePolicy is Ignore, expected Fail");
        api.merge(VALIDATING, &json!({"webhooks": configuration["webhooks"]})).done();
        until_judged(cluster);

        // A right that is missing, for the Secret and for the configurations.
        let rules = api.get(ROLE).done()["rules"].clone();
        let mut fewer = rules.clone();
        fewer[0]["verbs"] = json!(["watch"]);
        api.merge(ROLE, &json!({"rules": fewer})).done();
        begin_anew(cluster);
        is_described(
            cluster,
            "CertificateFailed",
            "bind a Role there with \"get\" of secrets, resourceNames [secretfence-certificates]",
        );
        api.merge(ROLE, &json!({"rules": rules})).done();
        cluster.until_rolled_out();
        let binding = api.get(BINDING).done();
        api.delete(BINDING).done();
        begin_anew(cluster);
        is_described(cluster, "CertificateFailed", "mutatingwebhookconfigurations \"zz-secretfence\"");
        let again = json!({
            "apiVersion": binding["apiVersion"], "kind": binding["kind"], "metadata": {"name": binding["metadata"]["name"]},
            "roleRef": binding["roleRef"], "subjects": binding["subjects"],
        });
        api.create(&again, "").done();
        cluster.until_rolled_out();
        until_judged(cluster);
    });
}

/// What the program itself cannot say, others do: the kubelet its last words, and the API server that nobody is there.
#[test]
fn a_bad_policy_and_a_service_that_is_gone_say_so() {
    with_nodes(|cluster| {
        let api = cluster.api;
        let shipped = kustomized("opt-in", &[]);
        cluster.apply_trusting(None, &shipped);
        cluster.until_rolled_out();
        cluster.create_busy_namespace();
        let before = pods(cluster);
        cluster.apply_trusting(None, &with_bad_policy(shipped.clone()));
        let is_new = |pod: &Value| !before.iter().any(|its| its["metadata"]["uid"] == pod["metadata"]["uid"]);
        let new = eventually(|| pods(cluster).into_iter().find(is_new)).expect("a new pod");
        assert_eq!(new["spec"]["containers"][0]["terminationMessagePolicy"], "FallbackToLogsOnError");
        let name = new["metadata"]["name"].as_str().unwrap();
        let log = cluster.control_plane.directory.join(name).join("log");
        // The kubelet takes the last 80 lines, and of these the last 2048 bytes
        // (`pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `MaxContainerTerminationMessageLogLines`).
        let said = eventually(|| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            text.contains("mine.yaml").then_some(text)
        });
        let said = said.expect("a last word");
        let last = &said[said.len().saturating_sub(2048)..];
        assert!(last.contains("mine.yaml:1:1: document: the field \"metadata\" is missing"), "{last}");
        cluster.apply_trusting(None, &shipped);
        cluster.until_rolled_out();
        until_judged(cluster);

        // Whoever makes pods hears of it, in the words that docs/operations.md has.
        let page = include_str!("../../docs/operations.md");
        let service = api.get(&format!("{NAMESPACE}/services/secretfence")).done();
        // A connection that is open goes on, whatever becomes of the Service.
        begin_anew(cluster);
        api.delete(&format!("{NAMESPACE}/services/secretfence")).done();
        let says = |words: &str| {
            assert!(page.contains(words), "{words} is not in docs/operations.md");
            let reply = || api.create(&objects::swapped("busy"), "?dryRun=All");
            let is_said = || (reply().status == 500 && reply().message().contains(words)).then_some(());
            assert!(eventually(is_said).is_some(), "{:#?}", reply());
        };
        says("service \"secretfence\" not found");
        let mut object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "secretfence", "namespace": "secretfence"}});
        object["spec"] = json!({"ports": [{"port": 443}], "selector": {"app.kubernetes.io/name": "secretfence"}});
        api.create(&object, "").done();
        says("no service port");
        api.delete(&format!("{NAMESPACE}/services/secretfence")).done();
        object["spec"] = service["spec"].clone();
        api.create(&object, "").done();
        until_judged(cluster);
    });
}

fn pods(cluster: &Upgrade<'_>) -> Vec<Value> {
    cluster.api.get(&format!("{NAMESPACE}/pods")).done()["items"].as_array().unwrap().clone()
}

/// New pods in the place of those that run.
fn begin_anew(cluster: &Upgrade<'_>) {
    cluster.kubectl(&["-n", "secretfence", "delete", "pods", "--all", "--wait=true"], "");
}

/// Until `kubectl describe` of the pods that are there, and `kubectl get events`, say this.
#[track_caller]
fn is_described(cluster: &Upgrade<'_>, reason: &str, text: &str) {
    let commands: [&[&str]; 2] = [
        &["-n", "secretfence", "describe", "pods", "-l", "app.kubernetes.io/name=secretfence", "--show-events"],
        &["-n", "secretfence", "get", "events"],
    ];
    for command in commands {
        let says = || cluster.kubectl(command, "").lines().any(|line| line.contains(reason) && line.contains(text));
        assert!(eventually(|| says().then_some(())).is_some(), "{text}\n{}", cluster.kubectl(command, ""));
    }
}
