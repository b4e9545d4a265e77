//! From the manifests of before to these and back, while pods are made: no request is lost, and a bad policy stops.
//!
//! The objects, the Deployment's controller and `kubectl` are real; [`Kubelet`] is the nodes. The program is the same before
//! and after: there is none of before to build here.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::api::Api;
use crate::availability::Load;
use crate::binaries::skipped;
use crate::chart::kustomized;
use crate::cluster::{from_yaml, shown};
use crate::connections::End;
use crate::control_plane::{ADMIN, ControlPlane, eventually};
use crate::kubelet::Kubelet;
use crate::objects::{self, is_swapped};
use crate::webhook::SERVER_NAME;

const BEFORE: &str = include_str!("upgrade/before.yaml");
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/secretfence/deployments/secretfence";

#[test]
fn an_upgrade_a_rollback_and_a_bad_policy_lose_no_request() {
    if skipped() {
        return;
    }
    let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    let api = control_plane.api(ADMIN);
    // Long enough for the endpoint to go, which takes some seconds in a cluster.
    let kubelet = Kubelet::new(&control_plane, api.clone(), vec!["--shutdown-delay=1s".to_owned()]);
    let upgrade = Upgrade { control_plane: &control_plane, api: &api, port: kubelet.service.port };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| kubelet.run(&is_over));
        let _end = End(&is_over);
        let before = from_yaml(BEFORE);
        let after = kustomized("opt-in", &["own-certificate"]);
        upgrade.create_namespace(&before);
        upgrade.create_certificate();
        upgrade.apply(&before);
        upgrade.until_rolled_out();
        upgrade.create_busy_namespace();
        let load = Load::new(&control_plane, &api, "busy");
        load.during(|load| {
            load.phase("before", Duration::from_secs(3), || {}).loses(0);
            let images = upgrade.serving();
            load.phase("upgrade", Duration::from_secs(10), || {
                upgrade.apply(&after);
                upgrade.until_rolled_out();
            })
            .loses(0);
            assert_ne!(upgrade.serving(), images, "other pods serve");
            load.phase("rollback", Duration::from_secs(10), || {
                upgrade.kubectl(&["-n", "secretfence", "rollout", "undo", "deployment/secretfence"], "");
                upgrade.apply(&before);
                upgrade.until_rolled_out();
            })
            .loses(0);
            load.phase("upgrade again", Duration::from_secs(10), || {
                upgrade.apply(&after);
                upgrade.until_rolled_out();
            })
            .loses(0);
            let good = upgrade.serving();
            load.phase("bad policy", Duration::from_secs(10), || {
                upgrade.apply(&with_bad_policy(after.clone()));
                let is_stuck = || upgrade.deployment()["status"]["unavailableReplicas"] == 1;
                assert!(eventually(|| is_stuck().then_some(())).is_some(), "{:#}", upgrade.deployment());
            })
            .loses(0);
            assert_eq!(upgrade.serving(), good, "the old ones serve");
            assert_eq!(upgrade.deployment()["status"]["updatedReplicas"], 1);
            load.phase("good policy", Duration::from_secs(10), || {
                upgrade.apply(&after);
                upgrade.until_rolled_out();
            })
            .loses(0);
        });
        load.every_pod_was_judged();
    });
}

/// A person in front of a cluster.
pub struct Upgrade<'c> {
    pub control_plane: &'c ControlPlane,
    pub api: &'c Api,
    /// Where the Service leads.
    pub port: u16,
}

impl Upgrade<'_> {
    /// As kubectl does it, all at once; but for where the Service leads, and whom the API server trusts.
    #[track_caller]
    pub fn apply(&self, objects: &[Value]) {
        self.apply_trusting(Some(&self.control_plane.authority.pem()), objects);
    }

    /// The same with this `caBundle`, or none.
    #[track_caller]
    pub fn apply_trusting(&self, authority: Option<&str>, objects: &[Value]) {
        let mut objects = objects.to_vec();
        for object in &mut objects {
            if object["kind"] == "Service" {
                object["spec"] = json!({"type": "ExternalName", "externalName": "localhost"});
            }
            for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
                webhook["clientConfig"]["service"]["port"] = json!(self.port);
                if let Some(authority) = authority {
                    webhook["clientConfig"]["caBundle"] = json!(STANDARD.encode_to_string(authority));
                }
            }
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.kubectl(&["apply", "-f", "-"], &list.to_string());
    }

    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let output = crate::cluster::run(self.control_plane.kubectl().args(arguments), input);
        assert!(output.status.success(), "{}", shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn create_namespace(&self, objects: &[Value]) {
        let namespace = objects.iter().find(|object| object["kind"] == "Namespace").unwrap();
        self.apply(std::slice::from_ref(namespace));
    }

    pub fn create_certificate(&self) {
        let (certificate, key) = self.control_plane.authority.server("secretfence", &[SERVER_NAME]);
        let encode = |text: &str| STANDARD.encode_to_string(text);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "secretfence-tls", "namespace": "secretfence"},
            "data": {"tls.crt": encode(&certificate), "tls.key": encode(&key)},
        });
        self.api.create(&secret, "").done();
    }

    /// One that is enforced, once it is.
    pub fn create_busy_namespace(&self) {
        let labels = json!({"secretfence.dev/mode": "enforce"});
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "busy", "labels": labels}});
        self.api.create(&namespace, "").done();
        let is_fenced = || is_swapped(&self.api.create(&objects::swapped("busy"), "?dryRun=All").body).then_some(());
        assert!(eventually(is_fenced).is_some(), "{:#?}", self.api.create(&objects::swapped("busy"), "?dryRun=All"));
    }

    pub fn deployment(&self) -> Value {
        self.api.get(DEPLOYMENT).done()
    }

    /// As `kubectl rollout status` waits.
    #[track_caller]
    pub fn until_rolled_out(&self) {
        let is_done = || {
            let deployment = self.deployment();
            let status = &deployment["status"];
            let is_seen = status["observedGeneration"] == deployment["metadata"]["generation"];
            let counts = ["replicas", "updatedReplicas", "availableReplicas"].map(|count| status[count].as_i64());
            (is_seen && counts == [Some(2); 3]).then_some(())
        };
        assert!(eventually(is_done).is_some(), "{:#}", self.deployment());
    }

    /// The uids of pods that are ready, sorted.
    fn serving(&self) -> Vec<String> {
        let pods = self.api.get("/api/v1/namespaces/secretfence/pods").done()["items"].as_array().unwrap().clone();
        let ready = pods.iter().filter(|pod| pod["status"]["conditions"][0]["status"] == "True");
        let mut uids: Vec<String> = ready.map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect();
        uids.sort();
        uids
    }
}

/// The same, with a policy that does not compile under another name, as the generator of ConfigMaps would have it.
pub fn with_bad_policy(mut objects: Vec<Value>) -> Vec<Value> {
    let name = "secretfence-policies-bad";
    for object in &mut objects {
        match object["kind"].as_str() {
            Some("ConfigMap") => {
                object["metadata"]["name"] = json!(name);
                object["data"] = json!({"mine.yaml": "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\n"});
            }
            Some("Deployment") => {
                let volumes = object["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap();
                let policies = volumes.iter_mut().find(|volume| volume["name"] == "policies").unwrap();
                policies["configMap"]["name"] = json!(name);
            }
            _ => {}
        }
    }
    objects
}
