//! Installing, upgrading and going back, by Helm and by kubectl, on a real API server: what the webhook wrote by itself (its
//! certificates, and whom the API server trusts) is still there afterwards.

use std::process::{Command, Output};

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::api::Api;
use crate::binaries::{Program, skipped};
use crate::chart::CHART;
use crate::cluster::shown;
use crate::control_plane::{ADMIN, ControlPlane, eventually};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const SECRET: &str = "/api/v1/namespaces/secretfence/secrets/secretfence-certificates";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/secretfence/deployments/secretfence";
const AUDIT: &str = "/apis/batch/v1/namespaces/secretfence/cronjobs/secretfence-audit";
const CONFIG_MAPS: &str = "/api/v1/namespaces/secretfence/configmaps";
const CONFIGURATIONS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/zz-secretfence",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretfence",
];

struct Cluster {
    api: Api,
    control_plane: ControlPlane,
}

impl Cluster {
    fn start() -> Option<Cluster> {
        if skipped() {
            return None;
        }
        let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
        Some(Cluster { api: control_plane.api(ADMIN), control_plane })
    }

    #[track_caller]
    fn helm(&self, arguments: &[&str]) -> String {
        let helm = Program::helm().unwrap_or_else(|error| panic!("{error}"));
        done(self.command(helm.command(), &[&["--namespace", "secretfence"], arguments].concat()))
    }

    #[track_caller]
    fn kubectl(&self, arguments: &[&str]) -> String {
        done(self.command(self.control_plane.kubectl(), arguments))
    }

    fn command(&self, mut command: Command, arguments: &[&str]) -> Output {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HELM_") || name.starts_with("XDG_")) {
            command.env_remove(name);
        }
        let home = &self.control_plane.directory;
        let kubeconfig = self.control_plane.path("admin.kubeconfig");
        command.args(arguments).env("KUBECONFIG", kubeconfig).env("HOME", home).output().unwrap()
    }

    /// What the webhook does once it runs: an update of the Secret as it was read, and of every caBundle.
    fn write_as_the_webhook_does(&self) {
        let mut secret = self.api.get(SECRET).done();
        assert!(secret.get("data").is_none(), "it is shipped empty");
        let encode = |text: &str| json!(STANDARD.encode_to_string(text));
        let certificate = encode(&self.control_plane.authority.pem());
        secret["data"] = json!({"ca.crt": certificate, "ca.key": encode("a key"), "tls.crt": certificate, "tls.key": encode("a key")});
        self.update(SECRET, &secret);
        for path in CONFIGURATIONS {
            let mut configuration = self.api.get(path).done();
            for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                assert!(webhook["clientConfig"].get("caBundle").is_none());
                webhook["clientConfig"]["caBundle"] = certificate.clone();
            }
            self.update(path, &configuration);
        }
    }

    fn update(&self, path: &str, object: &Value) {
        self.api.request("PUT", &format!("{path}?fieldManager=secretfence"), "application/json", object).done();
    }

    /// All that the webhook wrote.
    fn written(&self) -> Vec<Value> {
        let bundles = CONFIGURATIONS.iter().flat_map(|path| {
            let configuration = self.api.get(path).done();
            let webhooks = configuration["webhooks"].as_array().unwrap().clone();
            webhooks.into_iter().map(|webhook| webhook["clientConfig"]["caBundle"].clone())
        });
        std::iter::once(self.api.get(SECRET).done()["data"].clone()).chain(bundles).collect()
    }

    fn replicas(&self) -> Value {
        self.api.get(DEPLOYMENT).done()["spec"]["replicas"].clone()
    }

    /// The name of the ConfigMap that new pods mount.
    fn policies(&self) -> String {
        let deployment = self.api.get(DEPLOYMENT).done();
        let volume = &deployment["spec"]["template"]["spec"]["volumes"][0];
        volume["configMap"]["name"].as_str().unwrap().to_owned()
    }

    fn is_there(&self, path: &str) -> bool {
        self.api.get(path).status == 200
    }
}

#[track_caller]
fn done(output: Output) -> String {
    assert!(output.status.success(), "{}", shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn helm_upgrades_and_goes_back_and_leaves_what_the_webhook_wrote() {
    helm_by("--server-side=true");
}

/// As Helm did before version 4, and does with releases from then.
#[test]
fn helm_by_patches_of_its_own_upgrades_and_goes_back_and_leaves_what_the_webhook_wrote() {
    helm_by("--server-side=false");
}

fn helm_by(way: &str) {
    let Some(cluster) = Cluster::start() else { return };
    let said = cluster.helm(&["install", "secretfence", CHART, "--create-namespace", way]);
    assert!(said.contains("kubectl label namespace NAME secretfence.dev/mode=dry-run"), "{said}");
    cluster.write_as_the_webhook_does();
    let written = cluster.written();
    assert!(written.iter().all(|value| !value.is_null()) && written.len() == 5, "{written:#?}");
    let first = cluster.policies();

    let said = cluster.helm(&["upgrade", "secretfence", CHART, way, "--set", "replicas=3,audit.enabled=true"]);
    assert!(said.contains(r#"create job "$job" --from=cronjob/secretfence-audit"#), "{said}");
    assert_eq!((cluster.replicas(), cluster.written()), (json!(3), written.clone()));
    let audit = cluster.api.get(AUDIT).done();
    let pod = &audit["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["configMap"]["name"], first, "by the policies of the webhook");

    // Another policy is another ConfigMap, and that of the old pods stays.
    let mine = format!(r"policies.mine\.yaml={ROOT}/policies/across-namespaces.yaml");
    cluster.helm(&["upgrade", "secretfence", CHART, way, "--set-file", &mine]);
    let second = cluster.policies();
    assert_ne!(first, second);
    for name in [&first, &second] {
        assert!(cluster.is_there(&format!("{CONFIG_MAPS}/{name}")), "{name}");
    }
    assert_eq!(cluster.written(), written);

    cluster.helm(&["rollback", "secretfence", "1", way]);
    assert_eq!((cluster.replicas(), cluster.policies(), cluster.written()), (json!(2), first.clone(), written.clone()));
    assert!(!cluster.is_there(AUDIT));
    cluster.helm(&["rollback", "secretfence", "3", way]);
    assert_eq!((cluster.policies(), cluster.written()), (second, written));

    // The registration is changed over in place.
    cluster.helm(&["upgrade", "secretfence", CHART, way, "--set", "registration=cluster-wide"]);
    let webhooks = cluster.api.get(CONFIGURATIONS[1]).done()["webhooks"].clone();
    assert_eq!(webhooks[0]["namespaceSelector"]["matchExpressions"][1]["operator"], "NotIn");

    cluster.helm(&["uninstall", "secretfence"]);
    for path in CONFIGURATIONS.iter().chain(&[SECRET, DEPLOYMENT]) {
        assert!(eventually(|| (!cluster.is_there(path)).then_some(())).is_some(), "{path}");
    }
    assert!(cluster.is_there(&format!("{CONFIG_MAPS}/{first}")), "what old pods mount is kept");
}

/// Over one that was installed before, a release of the same name takes over what was kept.
#[test]
fn helm_installs_again_after_an_uninstall() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.helm(&["install", "secretfence", CHART, "--create-namespace"]);
    cluster.helm(&["uninstall", "secretfence", "--wait"]);
    cluster.helm(&["install", "secretfence", CHART]);
}

#[test]
fn kubectl_applies_again_and_leaves_what_the_webhook_wrote() {
    let Some(cluster) = Cluster::start() else { return };
    let folder = format!("{ROOT}/manifests/opt-in");
    let applied = cluster.kubectl(&["apply", "-k", &folder]);
    assert!(!applied.contains("Warning"), "{applied}");
    cluster.write_as_the_webhook_does();
    let written = cluster.written();
    let again = cluster.kubectl(&["apply", "-k", &folder]);
    for name in ["secret/secretfence-certificates", "zz-secretfence", "deployment.apps/secretfence"] {
        assert!(again.lines().any(|line| line.ends_with(&format!("{name} unchanged"))), "{name}\n{again}");
    }
    assert_eq!(cluster.written(), written);
    // As Argo CD with ServerSideApply=true, and Flux, do it. Neither sees a difference that it would have to put right.
    let as_gitops = ["--server-side", "--force-conflicts", "--field-manager=gitops", "-k", &folder];
    for _ in 0..2 {
        cluster.kubectl(&[&["apply"], &as_gitops[..]].concat());
        assert_eq!(cluster.written(), written);
    }
    assert_eq!(cluster.kubectl(&[&["diff"], &as_gitops[..]].concat()), "");
    // The registration is changed over in place.
    cluster.kubectl(&["apply", "-k", &format!("{ROOT}/manifests/cluster-wide")]);
    assert_eq!(cluster.written(), written);
}

/// Whose Secrets they are is told by nobody but RBAC, so it is asked: with what is shipped there is one that can be read.
#[test]
fn the_webhook_may_read_one_secret_and_change_two_registrations() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.kubectl(&["apply", "-k", &format!("{ROOT}/manifests/opt-in")]);
    let may = |verb: &str, group: &str, resource: &str, namespace: &str, name: &str| {
        let attributes =
            json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name});
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {
                "user": "system:serviceaccount:secretfence:secretfence", "resourceAttributes": attributes,
                "groups": ["system:serviceaccounts", "system:serviceaccounts:secretfence", "system:authenticated"],
            },
        });
        cluster.api.create(&review, "").done()["status"]["allowed"] == true
    };
    let own = ("secretfence", "secretfence-certificates");
    for verb in ["get", "watch", "update"] {
        assert!(eventually(|| may(verb, "", "secrets", own.0, own.1).then_some(())).is_some(), "{verb}");
        for (namespace, name) in [(own.0, "secretfence-tls"), (own.0, ""), ("shop", own.1), ("", "")] {
            assert!(!may(verb, "", "secrets", namespace, name), "{verb} {namespace}/{name}");
        }
    }
    assert!(may("create", "", "secrets", own.0, "") && !may("create", "", "secrets", "shop", ""));
    let (mutating, validating) = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations");
    for (resource, name, others) in
        [(mutating, "zz-secretfence", "secretfence"), (validating, "secretfence", "zz-secretfence")]
    {
        for verb in ["list", "watch", "update"] {
            assert!(may(verb, "admissionregistration.k8s.io", resource, "", name), "{verb} {resource}");
            assert!(!may(verb, "admissionregistration.k8s.io", resource, "", others), "{verb} {resource}");
        }
        for verb in ["get", "create", "delete", "patch", "deletecollection"] {
            assert!(!may(verb, "admissionregistration.k8s.io", resource, "", name), "{verb} {resource}");
        }
    }
    for (group, resource) in
        [("", "pods"), ("", "configmaps"), ("", "namespaces"), ("apps", "deployments"), ("", "nodes")]
    {
        assert!(!may("get", group, resource, own.0, "any"), "{resource}");
    }

    // With a certificate from elsewhere there is nothing that it may do.
    let objects = crate::chart::kustomized("opt-in", &["own-certificate"]);
    assert!(objects.iter().all(|object| object.get("subjects").is_none()));
}
