//! A control plane with Secretfence installed in it as `manifests/` says.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64_simd::STANDARD;
use secretfence::manifest;
use serde_json::{Value, json};

use crate::api::{Api, Reply, path};
use crate::binaries::skipped;
use crate::chart::kustomized;
use crate::control_plane::{ADMIN, API_SERVER_NAME, ControlPlane, eventually, tail};
use crate::fixed_corpus;
use crate::objects;
pub(crate) use crate::program::shown;
use crate::webhook::Webhook;

/// Namespaces of this beginning are not under the shipped policy.
pub const OWN_POLICY: &str = "own-policy-";

/// The webhook's own way to the API server, below the control plane's directory. Not there before a test writes it.
pub const KUBECONFIG: &str = "secretfence.kubeconfig";

/// For namespaces by their names: templates are enforced, a vendor is excepted, all that can be is swapped.
pub const OWN_POLICIES: &str = r#"
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: templates}
spec:
  match: {namespaces: ["own-policy-templates*"]}
  templates: enforce
  rules:
    - {name: swap, on: [secretKeyRef], where: {readsFiles: true}, action: mount}
    - {name: deny, on: [env], action: deny}
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: exception}
spec:
  match: {namespaces: ["own-policy-exception*"]}
  rules:
    - name: vendor
      on: [secretKeyRef]
      where: {images: ["registry.example.com/vendor/*"]}
      action: allow
      reason: "the vendor reads the environment only"
      expires: 2099-12-31
    - {name: deny, on: [env], action: deny}
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: mount}
spec:
  match: {namespaces: ["own-policy-mount*"]}
  rules: [{name: mount, on: [env], action: mount}]
"#;

pub struct Cluster {
    pub control_plane: ControlPlane,
    pub api: Api,
    pub webhook: Webhook,
}

impl Cluster {
    /// The one that tests share, each in namespaces of its own. None where these tests are left out.
    pub fn shared() -> Option<&'static Cluster> {
        if skipped() {
            return None;
        }
        static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
        // One that does not start fails every test at once, not each after a start of its own.
        let start = || Cluster::start("opt-in", &shared_policies());
        let started = SHARED.get_or_init(|| {
            std::panic::catch_unwind(start).unwrap_or_else(|_| Err("the shared cluster did not start".to_owned()))
        });
        Some(started.as_ref().unwrap_or_else(|error| panic!("{error}")))
    }

    /// One for a test that stops its parts or installs it otherwise: a folder of `manifests/`.
    pub fn own(registration: &str) -> Option<Cluster> {
        if skipped() {
            return None;
        }
        Some(
            Cluster::start(registration, &[("secrets-as-files.yaml", shipped_policy())])
                .unwrap_or_else(|error| panic!("{error}")),
        )
    }

    fn start(registration: &str, policies: &[(&str, String)]) -> Result<Cluster, String> {
        let control_plane = ControlPlane::start()?;
        let policies: Vec<(&str, &str)> = policies.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let client = [
            // Nothing is read of it before some policy asks something of the cluster.
            format!("--kubeconfig={}", control_plane.path(KUBECONFIG)),
            format!("--client-ca={}", control_plane.path("authority.pem")),
            format!("--client-name={API_SERVER_NAME}"),
        ];
        let webhook = Webhook::start(&control_plane, "secretfence", &policies, &client);
        let cluster = Cluster { api: control_plane.api(ADMIN), control_plane, webhook };
        cluster.install(registration);
        cluster.wait_until_fenced();
        Ok(cluster)
    }

    /// Creates what `kubectl kustomize` makes of a registration with a certificate of one's own, which the webhook of these
    /// tests has. All as shipped, but that the Service leads to this machine, the registrations to the webhook's port, and the
    /// authority is ours.
    fn install(&self, registration: &str) {
        let mut objects = kustomized(registration, &["own-certificate"]);
        // The order in which kubectl would apply them: Namespaces, and webhooks last.
        objects.sort_by_key(|object| match object["kind"].as_str() {
            Some("Namespace") => 0,
            Some("MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => 2,
            _ => 1,
        });
        for object in &mut objects {
            if object["kind"] == "Service" {
                object["spec"] = json!({"type": "ExternalName", "externalName": "localhost"});
            }
            self.lead_here(object, self.webhook.port);
            self.api.create(object, "").done();
        }
    }

    /// The way to the API server by the webhook's own ServiceAccount, as a pod of it has one.
    pub fn write_own_kubeconfig(&self) {
        let kubeconfig = self.control_plane.kubeconfig_of_account("secretfence", "secretfence");
        fs::write(self.control_plane.path(KUBECONFIG), kubeconfig).unwrap();
    }

    /// Leads the webhooks of a configuration to a port of this machine.
    pub fn lead_here(&self, configuration: &mut Value, port: u16) {
        let authority = STANDARD.encode_to_string(self.control_plane.authority.pem());
        for webhook in configuration["webhooks"].as_array_mut().into_iter().flatten() {
            webhook["clientConfig"]["service"]["port"] = json!(port);
            webhook["clientConfig"]["caBundle"] = json!(authority);
        }
    }

    /// Leads the shipped registrations to another port of this machine.
    pub fn lead_to(&self, port: u16) {
        for (kind, name) in
            [("MutatingWebhookConfiguration", "zz-secretfence"), ("ValidatingWebhookConfiguration", "secretfence")]
        {
            let shipped = json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name},
            });
            let mut configuration = self.api.get(&path(&shipped)).done();
            self.lead_here(&mut configuration, port);
            self.api.request("PUT", &path(&shipped), "application/json", &configuration).done();
        }
    }

    /// Registers the first webhook of a shipped configuration once more: by another name, for one namespace, at this port.
    pub fn register_again(&self, kind: &str, shipped: &str, name: &str, namespace: &str, port: u16) {
        let version = "admissionregistration.k8s.io/v1";
        let shipped = json!({"apiVersion": version, "kind": kind, "metadata": {"name": shipped}});
        let mut webhook = self.api.get(&path(&shipped)).done()["webhooks"][0].clone();
        webhook["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
        webhook["name"] = json!(format!("{name}.example.com"));
        let metadata = json!({"name": format!("{name}-{namespace}")});
        let mut again = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "webhooks": [webhook]});
        self.lead_here(&mut again, port);
        self.api.create(&again, "").done();
    }

    /// The API server calls webhooks, and asks policies of its own, some time after they are registered.
    fn wait_until_fenced(&self) {
        let namespace = self.namespace("until-fenced", Some("enforce"));
        let (denied, swapped) = (objects::denied(&namespace), objects::swapped(&namespace));
        let misspelt = json!({"metadata": {"labels": {"secretfence.dev/mode": "misspelt"}}});
        let is_fenced = || {
            let denied = self.api.create(&denied, "?dryRun=All");
            let swapped = self.api.create(&swapped, "?dryRun=All");
            let relabelled = self.api.merge(&format!("/api/v1/namespaces/{namespace}?dryRun=All"), &misspelt);
            (denied.status == 403 && objects::is_swapped(&swapped.body) && relabelled.status == 422).then_some(())
        };
        assert!(eventually(is_fenced).is_some(), "the fence does not hold\n{}", tail(&self.webhook.log()));
    }

    /// Makes a Namespace whose name begins so, with a mode, and waits until pods can be made in it.
    pub fn namespace(&self, prefix: &str, mode: Option<&str>) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let labels = mode.map_or_else(|| json!({}), |mode| json!({"secretfence.dev/mode": mode}));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        self.api.create(&namespace, "").done();
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        let made = eventually(|| (self.api.get(&account).status == 200).then_some(()));
        assert!(made.is_some(), "no ServiceAccount in {name}");
        name
    }

    /// Runs `kubectl` with this on its standard input.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        run(self.control_plane.kubectl().args(arguments), input)
    }

    /// The pods of a namespace, once there are some that this holds for.
    #[track_caller]
    pub fn pods(&self, namespace: &str, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let found = eventually(|| {
            let pods = self.api.get(&path).body["items"].as_array().cloned().unwrap_or_default();
            enough(&pods).then_some(pods)
        });
        found.unwrap_or_else(|| panic!("{:#}", self.api.get(&path).body))
    }

    /// The audit event of a request for an object, by the verb and the name.
    #[track_caller]
    pub fn audit_event(&self, verb: &str, namespace: &str, name: &str) -> Value {
        self.find_audit_event(verb, namespace, |event| {
            let names = [&event["objectRef"]["name"], &event["requestObject"]["metadata"]["name"]];
            names.iter().any(|found| **found == name)
        })
    }

    /// The first audit event of a verb in a namespace that this holds for.
    #[track_caller]
    pub fn find_audit_event(&self, verb: &str, namespace: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let is_it =
            |event: &Value| event["verb"] == verb && event["objectRef"]["namespace"] == namespace && is_it(event);
        let found = eventually(|| {
            let log = fs::read_to_string(self.control_plane.audit_log()).unwrap_or_default();
            let lines = log.lines().filter(|line| line.contains(namespace));
            lines.filter_map(|line| serde_json::from_str(line).ok()).find(is_it)
        });
        found.unwrap_or_else(|| panic!("no such audit event of {verb} in {namespace}"))
    }

    /// Asks until the webhook's answer is this one: the API server hears of a label a moment later.
    #[track_caller]
    pub fn eventually(&self, ask: impl Fn() -> Reply, is_it: impl Fn(&Reply) -> bool) -> Reply {
        let mut last = None;
        let found = eventually(|| {
            let reply = ask();
            let found = is_it(&reply);
            last = Some(reply);
            found.then_some(())
        });
        assert!(found.is_some(), "{last:#?}");
        last.unwrap()
    }
}

/// The policy files of the shared cluster, by name.
pub fn shared_policies() -> [(&'static str, String); 3] {
    let own = OWN_POLICIES.to_owned();
    [("secrets-as-files.yaml", shipped_policy()), ("own.yaml", own), ("fixed.yaml", fixed_corpus::policies())]
}

/// The shipped policy, but for the namespaces of tests that bring their own.
pub fn shipped_policy() -> String {
    let path = format!("{}/policies/secrets-as-files.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.matches("\nspec:\n").count(), 1);
    text.replace("\nspec:\n", &format!("\nspec:\n  exclude: {{namespaces: [\"{OWN_POLICY}*\"]}}\n"))
}

/// Runs a command with this on its standard input.
pub fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The objects of a YAML text.
pub fn from_yaml(text: &str) -> Vec<Value> {
    let manifest = manifest::parse(text.as_bytes());
    assert!(manifest.errors.is_empty(), "{:?}\n{text}", manifest.errors);
    let objects = manifest.documents.into_iter();
    objects.map(|document| serde_json::from_slice(&document.with_words().json().unwrap()).unwrap()).collect()
}
