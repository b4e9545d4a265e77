//! What stands between a client and its pod: a namespace for each way.

use std::fs;
use std::path::PathBuf;

use base64_simd::STANDARD;
use secretfence::manifest;
use serde_json::{Value, json};

use crate::api::Api;
use crate::ceiling::{Ceiling, Work};
use crate::clients::Request;
use crate::control_plane::{ADMIN, ControlPlane, eventually, free_port, tail};
use crate::guarded::Guarded;
use crate::pods;
use crate::support;
use crate::webhook::{SERVER_NAME, Webhook};

/// A way of admission. The order is that of [`Arrangement::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// Nothing but what every API server does.
    Nothing,
    /// A ValidatingAdmissionPolicy with the two rules about env.
    InTree,
    /// Our `/validate`.
    Validate,
    /// A webhook that says yes, in the place of `/validate`.
    Yes,
    /// Our `/mutate`, which has nothing to swap, and our `/validate`.
    BothClean,
    /// As the first, with a pod that takes Secrets.
    NothingToSecrets,
    /// Our `/mutate`, which swaps, and our `/validate`.
    Both,
    /// A webhook that says yes in the place of each.
    TwoYes,
    /// The same, but that the first answers with our patch, which it knows beforehand.
    Known,
}

impl Arrangement {
    pub const ALL: [Arrangement; 9] = [
        Arrangement::Nothing,
        Arrangement::InTree,
        Arrangement::Validate,
        Arrangement::Yes,
        Arrangement::BothClean,
        Arrangement::NothingToSecrets,
        Arrangement::Both,
        Arrangement::TwoYes,
        Arrangement::Known,
    ];

    pub fn describe(self) -> &'static str {
        match self {
            Arrangement::Nothing => "nothing",
            Arrangement::InTree => "a ValidatingAdmissionPolicy",
            Arrangement::Validate => "`/validate`",
            Arrangement::Yes => "a webhook that says yes",
            Arrangement::BothClean => "`/mutate` and `/validate`",
            Arrangement::NothingToSecrets => "nothing, to a pod with Secrets in the env",
            Arrangement::Both => "`/mutate`, which swaps them, and `/validate`",
            Arrangement::TwoYes => "two webhooks that say yes",
            Arrangement::Known => "two that say yes, one of them with our patch",
        }
    }

    /// That it is compared with: the same pod, admitted without it.
    pub fn nothing(self) -> Arrangement {
        if self.takes_secrets() { Arrangement::NothingToSecrets } else { Arrangement::Nothing }
    }

    /// Where rules deny, pods have to have nothing to deny.
    fn takes_secrets(self) -> bool {
        use Arrangement::{Both, Known, NothingToSecrets, TwoYes};
        matches!(self, NothingToSecrets | Both | TwoYes | Known)
    }

    fn namespace(self) -> &'static str {
        match self {
            Arrangement::Nothing => "nothing",
            Arrangement::InTree => "in-tree",
            Arrangement::Validate => "validate",
            Arrangement::Yes => "yes",
            Arrangement::BothClean => "both-clean",
            Arrangement::NothingToSecrets => "nothing-to-secrets",
            Arrangement::Both => "both",
            Arrangement::TwoYes => "two-yes",
            Arrangement::Known => "known",
        }
    }
}

/// All of them, in one control plane.
pub struct Arrangements {
    api: Api,
    webhook: Webhook,
    _ceilings: [Guarded; 2],
}

impl Arrangements {
    /// Installs them, and waits until they hold.
    pub fn install(control_plane: &ControlPlane) -> Arrangements {
        let api = control_plane.api(ADMIN);
        for arrangement in Arrangement::ALL {
            make_namespace(&api, arrangement.namespace());
        }
        make_service(&api);
        for object in in_tree_policy() {
            api.create(&object, "").done();
        }
        let (yes, yes_port) = start_ceiling(control_plane, Work::Yes, "yes");
        let (known, known_port) = start_ceiling(control_plane, Work::Known, "known");
        let policies: Vec<_> = support::ten_policies().iter().map(Value::to_string).collect();
        let names: Vec<_> = (0..policies.len()).map(|index| format!("{index}.yaml")).collect();
        let policies: Vec<_> = names.iter().map(String::as_str).zip(policies.iter().map(String::as_str)).collect();
        let webhook = Webhook::start(control_plane, "secretfence", &policies, &["--log-format=json".to_owned()]);
        // The ceilings' first: they hold when ours do, and what says yes cannot be seen to.
        use Arrangement::{Both, BothClean, Known, TwoYes, Validate, Yes};
        let places = [
            ("yes", yes_port, [TwoYes].as_slice(), [TwoYes, Yes].as_slice()),
            ("known", known_port, &[Known], &[Known]),
            ("ours", webhook.port, &[Both, BothClean], &[Both, BothClean, Validate]),
        ];
        for (name, port, mutated, validated) in places {
            let register = |kind, namespaces: &[Arrangement]| {
                api.create(&registration(control_plane, kind, name, port, namespaces), "").done();
            };
            register("ValidatingWebhookConfiguration", validated);
            register("MutatingWebhookConfiguration", mutated);
        }
        let arrangements = Arrangements { api, webhook, _ceilings: [yes, known] };
        arrangements.wait_until_they_hold();
        arrangements
    }

    /// The pod of a review for each of them, in order.
    pub fn requests(&self, review: &[u8]) -> Vec<Request> {
        let request = |arrangement: &Arrangement| {
            let namespace = arrangement.namespace();
            let pod = if arrangement.takes_secrets() { pods::taking_secrets } else { pods::clean };
            Request { namespace, body: pod(review, namespace).to_string().into_bytes() }
        };
        Arrangement::ALL.iter().map(request).collect()
    }

    /// Each webhook was called for each request that it is registered for, and more often to warm up.
    pub fn assert_called(&self, requests: usize) {
        let (_, metrics) = self.api.text("/metrics").expect("the API server's metrics");
        let once = ["mutate.yes", "mutate.known", "validate.known"].map(|name| (name, 1));
        let often = [("validate.yes", 2), ("mutate.ours", 2), ("validate.ours", 3)];
        for (name, times) in once.into_iter().chain(often) {
            let calls: f64 = metrics
                .lines()
                .filter(|line| line.starts_with("apiserver_admission_webhook_request_total{"))
                .filter(|line| {
                    line.contains(&format!(r#"name="{name}.example.com""#)) && line.contains(r#"code="200""#)
                })
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum();
            assert!(calls >= (times * requests) as f64, "{name} was called {calls} times for {requests} requests");
        }
    }

    fn wait_until_they_hold(&self) {
        let create = |pod: &Value| self.api.create(pod, "?dryRun=All");
        let pod = |arrangement: Arrangement| pods::taking_secrets(support::SMALL, arrangement.namespace());
        let hold = || {
            let denied = [Arrangement::InTree, Arrangement::Validate];
            let denied = denied.into_iter().all(|arrangement| matches!(create(&pod(arrangement)).status, 403 | 422));
            let both = create(&pod(Arrangement::Both));
            let swapped =
                both.status == 201 && both.body["metadata"]["annotations"]["secretfence.dev/swapped"].is_string();
            let untouched = create(&pod(Arrangement::TwoYes)).status == 201;
            (denied && swapped && untouched).then_some(())
        };
        assert!(eventually(hold).is_some(), "the webhooks do not hold\n{}", tail(&self.webhook.log()));
    }
}

fn make_namespace(api: &Api, name: &str) {
    api.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}), "").done();
    let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
    let made = eventually(|| (api.get(&account).status == 200).then_some(()));
    assert!(made.is_some(), "no ServiceAccount in {name}");
}

/// Leads to this machine, by the name that certificates are for.
fn make_service(api: &Api) {
    let name = "secretfence";
    make_namespace(api, name);
    let spec = json!({"type": "ExternalName", "externalName": "localhost"});
    let metadata = json!({"name": name, "namespace": name});
    api.create(&json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}), "").done();
}

/// Starts the ceiling as a webhook, and says at which port.
fn start_ceiling(control_plane: &ControlPlane, work: Work, name: &str) -> (Guarded, u16) {
    let directory = PathBuf::from(control_plane.path(name));
    fs::create_dir(&directory).expect("make a directory");
    let (certificate, key) = control_plane.authority.server(name, &[SERVER_NAME]);
    fs::write(directory.join("tls.crt"), certificate).expect("write a certificate");
    fs::write(directory.join("tls.key"), key).expect("write a key");
    let port = free_port();
    let arguments = Ceiling::arguments(work, ([127, 0, 0, 1], port).into(), &directory);
    let program = std::env::current_exe().expect("the path of this program");
    (Guarded::start(&program, &arguments, &directory.join("log")), port)
}

/// A shipped registration, but for its name, its namespaces and where it leads.
fn registration(control_plane: &ControlPlane, kind: &str, name: &str, port: u16, namespaces: &[Arrangement]) -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/opt-in/registrations.yaml");
    let text = fs::read(file).expect("read the shipped registrations");
    let shipped = manifest::parse(&text).documents.into_iter().map(|document| -> Value {
        serde_json::from_slice(&document.with_words().json().expect("a document")).expect("JSON")
    });
    let mut configuration = shipped.into_iter().find(|its| its["kind"] == kind).expect("a shipped registration");
    let mut webhook = configuration["webhooks"][0].take();
    let gate = if kind == "MutatingWebhookConfiguration" { "mutate" } else { "validate" };
    assert_eq!(webhook["clientConfig"]["service"]["path"], format!("/{gate}"));
    webhook["name"] = json!(format!("{gate}.{name}.example.com"));
    webhook["clientConfig"]["service"]["port"] = json!(port);
    webhook["clientConfig"]["caBundle"] = json!(STANDARD.encode_to_string(control_plane.authority.pem()));
    webhook["namespaceSelector"] = selector(namespaces);
    // One that could not be called would let pods through, and be measured all the same.
    webhook["failurePolicy"] = json!("Fail");
    configuration["metadata"] = json!({"name": name});
    configuration["webhooks"] = json!([webhook]);
    configuration
}

/// The rules about `secretKeyRef` and `secretRef` as the API server itself can hold them, and where they do.
fn in_tree_policy() -> [Value; 2] {
    let lists = |rule: &str| {
        let list = |list: &str| format!("(!has(object.spec.{list}) || object.spec.{list}.all(c, {rule}))");
        ["containers", "initContainers", "ephemeralContainers"].map(list).join(" && ")
    };
    let env = lists("!has(c.env) || c.env.all(e, !has(e.valueFrom) || !has(e.valueFrom.secretKeyRef))");
    let env_from = lists("!has(c.envFrom) || c.envFrom.all(e, !has(e.secretRef))");
    let validations = [(env, "no variable may come from a Secret"), (env_from, "no variables may come from a Secret")]
        .map(|(expression, message)| json!({"expression": expression, "message": message}));
    let version = "admissionregistration.k8s.io/v1";
    let rules = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                       "resources": ["pods", "pods/ephemeralcontainers"]});
    let policy = json!({
        "apiVersion": version, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "in-tree"},
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rules]}, "validations": validations},
    });
    let binding = json!({
        "apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "in-tree"},
        "spec": {"policyName": "in-tree", "validationActions": ["Deny"],
                 "matchResources": {"namespaceSelector": selector(&[Arrangement::InTree])}},
    });
    [policy, binding]
}

fn selector(namespaces: &[Arrangement]) -> Value {
    let names: Vec<_> = namespaces.iter().map(|arrangement| arrangement.namespace()).collect();
    json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": names}]})
}
