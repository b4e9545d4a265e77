//! Replicas that come and go while pods are made: none is made unjudged, and an orderly end loses no request.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::certificates::shakes_hands;
use crate::chart::kustomized;
use crate::cluster::{Cluster, KUBECONFIG, shipped_policy};
use crate::connections::End;
use crate::control_plane::{ControlPlane, eventually, free_port};
use crate::objects::{self, is_swapped};
use crate::service::Service;
use crate::webhook::Webhook;

const CLIENTS: usize = 8;
/// The API server speaks HTTP/1.1 with each, and keeps as many connections as it had calls at once. One that leads to a
/// killed replica loses one call: either what is in flight, or what is sent before the API server sees that it is closed.
const WEBHOOKS: usize = 2;
const REPLICAS: usize = 3;
/// After what time a call is sent again: what controllers do. They are over before a killed replica is back.
const AGAIN: [Duration; 6] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
];
const RENEWALS: usize = 5;
const CERTIFICATES: &str = "/api/v1/namespaces/secretfence/secrets/secretfence-certificates";

#[test]
fn no_pod_is_unjudged_while_replicas_are_killed_rolled_and_renewed() {
    let Some(installation) = Installation::start() else { return };
    let first: Vec<_> = (0..REPLICAS).map(|index| installation.replica(&format!("replica-{index}"))).collect();
    let load = installation.load();
    load.during(|load| {
        load.phase("quiet", Duration::from_secs(4), || {}).loses(0);
        for (index, replica) in first.iter().enumerate() {
            // The kubelet starts a container again in its place.
            let killed = load.phase(&format!("kill of {index}"), Duration::from_secs(5), || {
                replica.stop();
                std::thread::sleep(Duration::from_millis(500));
                replica.restart();
            });
            killed.loses(CLIENTS * WEBHOOKS);
        }
        let killed = load.phase("kill of the one that renews", Duration::from_secs(8), || {
            let renewing = installation.begin_to_renew(&first);
            renewing.stop();
            installation.until_renewed(&others(&first, &renewing));
            renewing.restart();
        });
        killed.loses(CLIENTS * WEBHOOKS);
        let mut serving = first.clone();
        for index in 0..REPLICAS {
            let rolled = load.phase(&format!("rollout of {index}"), Duration::from_secs(5), || {
                serving.push(installation.replica(&format!("rolled-{index}")));
                installation.end(&serving.remove(0));
            });
            rolled.loses(0);
        }
        for index in 0..RENEWALS {
            let renewed = load.phase(&format!("renewal {index} of authority and leaf"), Duration::from_secs(4), || {
                installation.begin_to_renew(&serving);
                installation.until_renewed(&serving);
            });
            renewed.loses(0);
        }
        load.phase("quiet again", Duration::from_secs(4), || {}).loses(0);
    });
    println!("connections by replica: {:?}", installation.service.led());
    load.every_pod_was_judged();
}

/// Each right that is shipped is one that it uses, and it asks for nothing that it may not.
#[test]
fn the_shipped_rights_are_those_that_are_used() {
    let Some(installation) = Installation::start() else { return };
    let api = &installation.cluster.api;
    let replicas = [installation.replica("rights-0"), installation.replica("rights-1")];
    let load = installation.load();
    installation.begin_to_renew(&replicas);
    installation.until_renewed(&replicas);
    api.delete(CERTIFICATES).done();
    assert!(eventually(|| (api.get(CERTIFICATES).status == 200).then_some(())).is_some());
    load.make(0, 0);
    // As the API server has it: who may what, and who asked for what.
    let shipped: BTreeSet<(String, String)> = kustomized("opt-in", &[])
        .iter()
        .filter(|object| object["kind"] == "Role" || object["metadata"]["name"] == "secretfence-registrations")
        .flat_map(|role| role["rules"].as_array().cloned().unwrap_or_default())
        .flat_map(|rule| {
            let words = |field: &str| -> Vec<String> {
                rule[field].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
            };
            let verbs = words("verbs");
            words("resources")
                .into_iter()
                .flat_map(move |resource| verbs.clone().into_iter().map(move |verb| (verb, resource.clone())))
        })
        .collect();
    let asked = || -> BTreeSet<(String, String)> {
        let log = fs::read_to_string(installation.cluster.control_plane.audit_log()).unwrap_or_default();
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = events.filter(|event| event["user"]["username"] == "system:serviceaccount:secretfence:secretfence");
        own.map(|event| {
            assert_ne!(event["responseStatus"]["code"], 403, "{event:#}");
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (word(&event["verb"]), word(&event["objectRef"]["resource"]))
        })
        .collect()
    };
    eventually(|| (asked() == shipped).then_some(()));
    assert_eq!(asked(), shipped);
}

/// Secretfence as it is shipped, with certificates of its own, and a Service before its replicas.
struct Installation {
    cluster: Cluster,
    service: Service,
    namespace: String,
    policy: String,
    flags: Vec<String>,
}

impl Installation {
    fn start() -> Option<Installation> {
        let cluster = Cluster::own("opt-in")?;
        let service = Service::start();
        // What the tests' own webhook, which has a certificate from elsewhere, goes without.
        let shipped = kustomized("opt-in", &[]);
        for object in &shipped {
            assert!(matches!(cluster.api.create(object, "").status, 201 | 409 | 422), "{object:#}");
        }
        cluster.webhook.stop();
        cluster.lead_to(service.port);
        cluster.write_own_kubeconfig();
        let deployment = shipped.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        let arguments = arguments.iter().map(|argument| argument.as_str().unwrap().to_owned());
        let here = [
            format!("--kubeconfig={}", cluster.control_plane.path(KUBECONFIG)),
            format!("--service-port={}", service.port),
            "--namespace=secretfence".to_owned(),
            // Long enough for the endpoint to go, and for the API server to read a bundle, which take some seconds in a cluster.
            "--shutdown-delay=1s".to_owned(),
            "--certificate-propagation=1s".to_owned(),
        ];
        let flags = arguments.filter(|flag| flag != "serve" && !flag.starts_with("--policies")).chain(here).collect();
        let namespace = cluster.namespace("busy", Some("enforce"));
        Some(Installation { service, namespace, policy: shipped_policy(), flags, cluster })
    }

    /// One more, once it is ready.
    fn replica(&self, name: &str) -> Arc<Webhook> {
        let policies = [("secrets-as-files.yaml", self.policy.as_str())];
        let flags = [self.flags.clone(), vec![format!("--pod-name=secretfence-{name}")]].concat();
        let replica = Arc::new(Webhook::managed(free_port(), &self.cluster.control_plane, name, &policies, &flags));
        self.service.add(Arc::clone(&replica));
        replica
    }

    /// As a pod that is deleted: the signal and the change of endpoints go out at the same time.
    fn end(&self, leaving: &Arc<Webhook>) {
        std::thread::scope(|scope| {
            scope.spawn(|| leaving.end());
            std::thread::sleep(Duration::from_millis(200));
            self.service.remove(leaving);
        });
    }

    /// Once pods are judged.
    fn load(&self) -> Load<'_> {
        let create = || self.cluster.api.create(&objects::swapped(&self.namespace), "?dryRun=All");
        self.cluster.eventually(create, |reply| is_swapped(&reply.body));
        Load::new(&self.cluster.control_plane, &self.cluster.api, &self.namespace)
    }

    /// Has a new authority made. The replica that does it has not made its first leaf then.
    fn begin_to_renew(&self, replicas: &[Arc<Webhook>]) -> Arc<Webhook> {
        let made = |replica: &Arc<Webhook>| {
            let text = replica.admin("/metrics").map(|(_, text)| text).unwrap_or_default();
            let sample = "secretfence_certificate_renewals_total{result=\"done\",what=\"authority\"} ";
            text.lines().find_map(|line| line.strip_prefix(sample)).map_or(0.0, |count| count.parse::<f64>().unwrap())
        };
        let before: Vec<f64> = replicas.iter().map(made).collect();
        self.cluster.api.merge(CERTIFICATES, &json!({"data": {"ca.key": null}})).done();
        let renewing = || {
            replicas.iter().zip(&before).find(|(replica, before)| made(replica) > **before).map(|(replica, _)| replica)
        };
        Arc::clone(eventually(renewing).expect("nobody makes an authority"))
    }

    /// Until all of them serve a leaf of the newest authority.
    fn until_renewed(&self, replicas: &[Arc<Webhook>]) {
        let decoded = |secret: &Value, key: &str| {
            let bytes = STANDARD.decode_to_vec(secret["data"][key].as_str().unwrap_or_default()).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let is_done = || {
            let secret = self.cluster.api.get(CERTIFICATES).done();
            let bundle = decoded(&secret, "ca.crt");
            let newest = bundle.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap_or_default();
            replicas.iter().all(|replica| shakes_hands(replica.port, newest)).then_some(())
        };
        assert!(eventually(is_done).is_some(), "no leaf of the newest authority\n{}", said(replicas));
    }
}

/// The ends of their logs, but for what they said of pods.
fn said(replicas: &[Arc<Webhook>]) -> String {
    let logs = replicas.iter().map(|replica| {
        let text = fs::read_to_string(replica.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("\"message\":\"review")).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    });
    logs.collect::<Vec<_>>().join("\n---\n")
}

fn said_in(directory: &std::path::Path) -> String {
    let logs = fs::read_dir(directory).unwrap().flatten().filter_map(|entry| {
        let text = fs::read_to_string(entry.path().join("log")).ok()?;
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("\"message\":\"review\"")).collect();
        Some(format!("--- {}\n{}", entry.path().display(), lines.join("\n")))
    });
    logs.collect::<Vec<_>>().join("\n")
}

fn others(replicas: &[Arc<Webhook>], but: &Arc<Webhook>) -> Vec<Arc<Webhook>> {
    replicas.iter().filter(|replica| !Arc::ptr_eq(replica, but)).cloned().collect()
}

#[test]
fn a_cluster_that_was_stopped_wholly_comes_up_without_help() {
    let Some(cluster) = Cluster::own("cluster-wide") else { return };
    let api = &cluster.api;
    let namespace = cluster.namespace("shop", None);
    let own = "/api/v1/namespaces/secretfence/pods?labelSelector=app.kubernetes.io/name=secretfence";
    let uids = || -> BTreeSet<String> {
        let pods = api.get(own).body["items"].as_array().cloned().unwrap_or_default();
        pods.iter().map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
    };
    let before = eventually(|| Some(uids()).filter(|uids| uids.len() == 2)).expect("two replicas");
    cluster.control_plane.stop_wholly();
    cluster.webhook.stop();
    cluster.control_plane.start_wholly();

    // Nobody answers, and what a cluster needs to start is not asked about: the system's pods and the webhook's own.
    let reply = api.create(&objects::clean(&namespace), "");
    assert_eq!(reply.status, 500, "{reply:#?}");
    for namespace in ["kube-system", "cilium", "rook-ceph", "cert-manager"] {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        assert!(matches!(api.create(&object, "").status, 201 | 409));
        cluster.eventually(|| api.create(&objects::clean(namespace), ""), |reply| matches!(reply.status, 201 | 409));
    }
    // The nodes are gone, too: its controller makes all pods anew.
    api.delete(&format!("{own}&gracePeriodSeconds=0")).done();
    assert!(eventually(|| (uids().difference(&before).count() == 2).then_some(())).is_some(), "{:?}", uids());

    cluster.webhook.restart();
    let reply = cluster.eventually(|| api.create(&objects::denied(&namespace), ""), |reply| reply.status != 500);
    reply.denied();
    assert!(is_swapped(&api.create(&objects::swapped(&namespace), "").done()));
}

/// Clients that make pods one after another and count what becomes of them, phase by phase.
pub struct Load<'c> {
    api: &'c Api,
    api_server_log: PathBuf,
    directory: PathBuf,
    namespace: &'c str,
    done: AtomicBool,
    made: AtomicUsize,
    lost: Mutex<Vec<String>>,
    begun: Instant,
}

/// What one phase cost.
pub struct Phase {
    name: String,
    count: usize,
    why: Vec<String>,
    made: usize,
}

impl<'c> Load<'c> {
    pub fn new(control_plane: &ControlPlane, api: &'c Api, namespace: &'c str) -> Load<'c> {
        Load {
            api,
            api_server_log: control_plane.directory.join("kube-apiserver.log"),
            directory: control_plane.directory.clone(),
            namespace,
            done: AtomicBool::new(false),
            made: AtomicUsize::new(0),
            lost: Mutex::default(),
            begun: Instant::now(),
        }
    }

    /// Has pods made while `act` runs.
    pub fn during(&self, act: impl FnOnce(&Load<'c>)) {
        std::thread::scope(|scope| {
            let _end = End(&self.done);
            for client in 0..CLIENTS {
                scope.spawn(move || {
                    let mut turn = 0;
                    while !self.done.load(Ordering::Relaxed) {
                        self.make(client, turn);
                        turn += 1;
                        std::thread::sleep(Duration::from_millis(20));
                    }
                });
            }
            act(self);
        });
    }

    /// A pod to be swapped, and every fourth time one to be denied. What is lost is sent again, and becomes right.
    fn make(&self, client: usize, turn: usize) {
        let name = format!("{}-{client}-{turn}", if turn % 4 == 3 { "denied" } else { "swapped" });
        let container = if turn % 4 == 3 { objects::api() } else { objects::postgres() };
        let pod = objects::pod(self.namespace, &name, json!([container]));
        let is_right = |reply: &Reply| match turn % 4 {
            3 => reply.status == 403 && reply.message().contains("nothing-else-in-env"),
            _ => reply.status == 201 && is_swapped(&reply.body),
        };
        for wait in AGAIN {
            let reply = self.api.create(&pod, "");
            if is_right(&reply) {
                self.made.fetch_add(1, Ordering::Relaxed);
                return;
            }
            assert_ne!(reply.status, 201, "made unjudged: {name}");
            self.lost.lock().unwrap().push(format!("{:?} {} {}", self.begun.elapsed(), reply.status, reply.message()));
            std::thread::sleep(wait);
        }
        let lost = std::mem::take(&mut *self.lost.lock().unwrap());
        panic!("lost for good: {name}: {}", lost.join("\n"));
    }

    /// Lets so much time pass, in which `act` happens.
    pub fn phase(&self, name: &str, time: Duration, act: impl FnOnce()) -> Phase {
        let (begin, before) = (Instant::now(), self.made.load(Ordering::Relaxed));
        act();
        std::thread::sleep(time.saturating_sub(begin.elapsed()));
        let mut lost = std::mem::take(&mut *self.lost.lock().unwrap());
        let made = self.made.load(Ordering::Relaxed) - before;
        println!("{name}: {made} answers in {:?}, {} lost", begin.elapsed(), lost.len());
        let count = lost.len();
        if count > 0 {
            // Why a call failed that may fail is told nowhere else.
            let log = fs::read_to_string(&self.api_server_log).unwrap_or_default();
            lost.extend(log.lines().filter(|line| line.contains("failing open")).map(str::to_owned));
            lost.push(said_in(&self.directory));
        }
        Phase { name: name.to_owned(), count, why: lost, made }
    }

    /// Of what is stored.
    pub fn every_pod_was_judged(&self) {
        let mut path = format!("/api/v1/namespaces/{}/pods?limit=500", self.namespace);
        let mut count = 0;
        loop {
            let page = self.api.get(&path).done();
            for pod in page["items"].as_array().unwrap() {
                assert!(is_swapped(pod), "stored unjudged: {pod:#}");
                count += 1;
            }
            match page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => path = format!("/api/v1/namespaces/{}/pods?limit=500&continue={token}", self.namespace),
                None => break,
            }
        }
        println!("{count} pods are stored, each swapped");
        assert!(count > 100, "{count}");
    }
}

impl Phase {
    #[track_caller]
    pub fn loses(&self, at_most: usize) {
        assert!(self.made > CLIENTS, "{}: only {} answers", self.name, self.made);
        assert!(self.count <= at_most, "{} loses {}: {}", self.name, self.count, self.why.join("\n"));
    }
}
