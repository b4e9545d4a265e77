//! The part of nodes: the pods of the webhook's Deployment run, become ready, and end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::api::Api;
use crate::control_plane::ControlPlane;
use crate::service::Service;
use crate::webhook::Webhook;

const NAMESPACE: &str = "/api/v1/namespaces/secretfence";
/// By which a pod that ends is there until its program has ended, as one of a node is.
const HELD: &str = "example.com/kubelet";

/// Nodes enough for all pods of the namespace `secretfence`, and the Service before them.
pub struct Kubelet<'c> {
    control_plane: &'c ControlPlane,
    api: Api,
    pub service: Service,
    /// By uid.
    running: Mutex<BTreeMap<String, Running>>,
    /// Beside what the pod says.
    pub flags: Vec<String>,
}

#[derive(Clone)]
struct Running {
    name: String,
    webhook: Arc<Webhook>,
    is_ready: bool,
}

impl<'c> Kubelet<'c> {
    /// Starts every pod with these flags, beside its own.
    pub fn new(control_plane: &'c ControlPlane, api: Api, flags: Vec<String>) -> Kubelet<'c> {
        Kubelet { control_plane, api, service: Service::start(), running: Mutex::default(), flags }
    }

    /// Goes on until it is told.
    pub fn run(&self, is_over: &AtomicBool) {
        std::thread::scope(|scope| {
            while !is_over.load(Ordering::Relaxed) {
                for gone in self.sync() {
                    scope.spawn(move || {
                        // The signal and the change of endpoints go out at the same time.
                        std::thread::sleep(Duration::from_millis(200));
                        self.service.remove(&gone);
                    });
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        self.running.lock().unwrap().clear();
    }

    /// What runs is what is there. Those that have begun to end.
    fn sync(&self) -> Vec<Arc<Webhook>> {
        let Some(pods) = self.api.get(&format!("{NAMESPACE}/pods")).body["items"].as_array().cloned() else {
            return Vec::new();
        };
        let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap().to_owned();
        let ends = |pod: &Value| !pod["metadata"]["deletionTimestamp"].is_null();
        for pod in pods.iter().filter(|pod| !ends(pod)) {
            if !self.running.lock().unwrap().contains_key(&uid(pod)) {
                self.start(&uid(pod), pod);
            }
        }
        let mut running = self.running.lock().unwrap();
        for pod in &pods {
            let Some(its) = running.get_mut(&uid(pod)) else { continue };
            let is_ready = its.webhook.admin("/readyz").is_some_and(|(status, _)| status == 200);
            if is_ready != its.is_ready {
                its.is_ready = is_ready;
                let condition = json!([{"type": "Ready", "status": if is_ready { "True" } else { "False" }}]);
                let name = pod["metadata"]["name"].as_str().unwrap();
                // It may be gone by now.
                let status = json!({"status": {"phase": "Running", "conditions": condition}});
                self.api.merge(&format!("{NAMESPACE}/pods/{name}/status"), &status);
            }
        }
        let is_gone = |its: &String| !pods.iter().any(|pod| uid(pod) == *its && !ends(pod));
        let gone: Vec<String> = running.keys().filter(|uid| is_gone(uid)).cloned().collect();
        let gone: Vec<_> = gone.iter().filter_map(|uid| running.remove(uid)).collect();
        for Running { name, webhook, .. } in &gone {
            let (webhook, api, path) = (Arc::clone(webhook), self.api.clone(), format!("{NAMESPACE}/pods/{name}"));
            std::thread::spawn(move || {
                webhook.end();
                // The test may be over by now, and the API server gone.
                let free = json!({"metadata": {"finalizers": null}});
                drop(api.try_request("PATCH", &path, "application/merge-patch+json", &free));
            });
        }
        gone.into_iter().map(|its| its.webhook).collect()
    }

    /// With what it has mounted. Not before that is there.
    fn start(&self, uid: &str, pod: &Value) {
        let mounted = |volume: &Value, resource: &str, field: &str| {
            let name = volume[field]["secretName"].as_str().or(volume[field]["name"].as_str())?;
            let object = self.api.get(&format!("{NAMESPACE}/{resource}/{name}"));
            (object.status == 200).then_some(object.body["data"].clone())
        };
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let volume = |name: &str| volumes.iter().find(|volume| volume["name"] == name);
        let Some(policies) = volume("policies").and_then(|volume| mounted(volume, "configmaps", "configMap")) else {
            return;
        };
        let certificate = match volume("tls") {
            None => None,
            Some(tls) => {
                let Some(data) = mounted(tls, "secrets", "secret") else { return };
                let decoded = |key: &str| STANDARD.decode_to_vec(data[key].as_str().unwrap()).unwrap();
                Some((decoded("tls.crt"), decoded("tls.key")))
            }
        };
        let policies: Vec<(&str, &str)> =
            policies.as_object().unwrap().iter().map(|(name, text)| (name.as_str(), text.as_str().unwrap())).collect();
        let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap();
        let arguments = arguments.iter().map(|argument| argument.as_str().unwrap().to_owned());
        let elsewhere = ["serve", "--policies", "--tls-cert", "--tls-key"];
        let mut flags: Vec<String> =
            arguments.filter(|flag| !elsewhere.iter().any(|begin| flag.starts_with(begin))).collect();
        flags.extend(self.flags.iter().cloned());
        let name = pod["metadata"]["name"].as_str().unwrap();
        if flags.iter().any(|flag| flag == "--manage-certificates") {
            flags.push(format!("--pod-name={name}"));
        }
        self.api.merge(&format!("{NAMESPACE}/pods/{name}"), &json!({"metadata": {"finalizers": [HELD]}}));
        let webhook =
            Arc::new(Webhook::started(self.control_plane, (name, uid), &policies, certificate.as_ref(), &flags));
        self.service.add(Arc::clone(&webhook));
        self.running
            .lock()
            .unwrap()
            .insert(uid.to_owned(), Running { name: name.to_owned(), webhook, is_ready: false });
    }
}
