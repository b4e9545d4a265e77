//! A big cluster: audited in one pass, in little memory, whatever happens on the way.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::Api;
use crate::audit_throttled::who_is_sent_away_asks_again_and_says_what_never_came;
use crate::binaries::skipped;
use crate::control_plane::{ADMIN, ControlPlane, eventually};
use crate::crowd::create_all;
use crate::objects::secret_env;
use crate::proxy::Proxy;

/// Of each namespace: a Deployment, which has a ReplicaSet, which has these.
pub const PODS: usize = 20;
/// Most that may be resident.
const MEMORY: u64 = 60 << 20;
/// Least that are judged in a second of one processor by a release, and by what tests build: a fifth of what was measured, so
/// that only what takes many times as long is seen there.
const PODS_A_SECOND: (u64, u64) = (5_000, 200);
/// A release of the program, which is then held to what a release has to reach.
const BINARY: &str = "SECRETFENCE_AUDIT_BINARY";

/// How many namespaces there are, where nobody wants other figures: a thousand take some minutes to make.
fn namespaces() -> usize {
    std::env::var("SECRETFENCE_AUDIT_NAMESPACES").map_or(250, |count| count.parse().unwrap())
}

/// A cluster with much in it, and nobody who makes or ends pods.
pub struct Big {
    pub control_plane: ControlPlane,
    namespaces: usize,
}

/// What a run was.
pub struct Run {
    pub audit: Value,
    pub exit: Option<i32>,
    pub took: Duration,
    processor: Duration,
    memory: u64,
}

impl Big {
    fn start() -> Option<Big> {
        if skipped() {
            return None;
        }
        let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
        control_plane.stop_controllers();
        let big = Big { control_plane, namespaces: namespaces() };
        let start = Instant::now();
        big.fill();
        println!(
            "{} pods in {} namespaces are there after {} ms",
            big.pods(),
            big.namespaces,
            start.elapsed().as_millis()
        );
        Some(big)
    }

    pub fn pods(&self) -> usize {
        PODS * self.namespaces
    }

    fn fill(&self) {
        let (make, count) = (&self.control_plane, self.namespaces);
        let name = |number: usize| format!("crowd-{number:04}");
        create_all(
            make,
            count,
            |number| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name(number)}}),
        );
        create_all(make, count, |number| {
            let metadata = json!({"name": "default", "namespace": name(number)});
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        });
        let selector = json!({"matchLabels": {"app": "web"}});
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": spec()});
        let object = |kind: &str, name: &str, namespace: String| {
            json!({
                "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace},
                "spec": {"replicas": PODS, "selector": selector, "template": template},
            })
        };
        create_all(make, count, |number| object("Deployment", "web", name(number)));
        create_all(make, count, |number| {
            let mut set = object("ReplicaSet", "web-6d4f9c7b8d", name(number));
            set["metadata"]["ownerReferences"] = owner("Deployment", "web");
            set
        });
        create_all(make, count * PODS, |number| {
            let metadata = json!({
                "name": format!("web-6d4f9c7b8d-{:05}", number / count), "namespace": name(number % count),
                "labels": {"app": "web", "pod-template-hash": "6d4f9c7b8d"},
                "ownerReferences": owner("ReplicaSet", "web-6d4f9c7b8d"),
            });
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec()})
        });
    }

    /// Audits all of it by a kubeconfig, with something going on meanwhile.
    pub fn audit(&self, kubeconfig: &str, meanwhile: impl FnOnce(&mut Child)) -> Run {
        let binary =
            std::env::var_os(BINARY).map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_secretfence")), PathBuf::from);
        let out = self.control_plane.directory.join("audit.json");
        let policies = format!("{}/policies/secrets-as-files.yaml", env!("CARGO_MANIFEST_DIR"));
        let start = Instant::now();
        let mut child = Command::new(binary)
            .args(["audit", "--kubeconfig", kubeconfig, "-p", &policies, "--format", "json"])
            .stdout(fs::File::create(&out).unwrap())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let watcher = std::thread::spawn({
            let (id, ended) = (child.id(), Arc::clone(&ended));
            move || watch(id, &ended)
        });
        meanwhile(&mut child);
        let status = child.wait().unwrap();
        let took = start.elapsed();
        ended.store(true, Ordering::SeqCst);
        let (memory, processor) = watcher.join().unwrap();
        let audit = serde_json::from_slice(&fs::read(out).unwrap()).unwrap_or(Value::Null);
        Run { audit, exit: status.code(), took, processor, memory }
    }

    /// Everything is in it, each once.
    #[track_caller]
    pub fn is_whole(&self, run: &Run) {
        assert_eq!(run.audit["errors"], json!([]));
        assert_eq!(run.exit, Some(1));
        let summary = &run.audit["summary"];
        let expected = json!([self.pods(), self.namespaces, 2 * self.namespaces, self.pods()]);
        assert_eq!(json!([summary["pods"], summary["owners"], summary["denied"], summary["missed"]]), expected);
        let owners = run.audit["owners"].as_array().unwrap();
        assert_eq!(owners.len(), self.namespaces);
        assert!(owners.iter().all(|owner| owner["kind"] == "Deployment" && owner["pods"] == PODS));
    }

    fn kubeconfig(&self, port: u16) -> String {
        let text = fs::read_to_string(self.control_plane.path("admin.kubeconfig")).unwrap();
        let file = self.control_plane.path("through.kubeconfig");
        fs::write(&file, self.through(&text, port)).unwrap();
        file
    }

    /// A kubeconfig that leads to another port.
    pub fn through(&self, kubeconfig: &str, port: u16) -> String {
        kubeconfig.replace(&format!("127.0.0.1:{}", self.control_plane.port), &format!("127.0.0.1:{port}"))
    }

    /// How many pages of pods the API server has answered so.
    pub fn pages_of_pods(&self, api: &Api, code: u16) -> u64 {
        let (_, metrics) = api.text("/metrics").unwrap();
        let code = format!("code=\"{code}\"");
        let of = ["apiserver_request_total{", &code, "resource=\"pods\"", "verb=\"LIST\""];
        let lines = metrics.lines().filter(|line| of.iter().all(|part| line.contains(part)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }
}

/// The most that is resident of a process, and what it takes of processors, looked at until it ends.
fn watch(id: u32, ended: &AtomicBool) -> (u64, Duration) {
    let (mut memory, mut ticks) = (0, 0);
    while !ended.load(Ordering::SeqCst) {
        if let Ok(status) = fs::read_to_string(format!("/proc/{id}/status"))
            && let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))
        {
            memory = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
        }
        if let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat"))
            && let Some((_, fields)) = stat.rsplit_once(')')
        {
            // Of a hundredth of a second on every Linux that is in use: utime and stime.
            ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().unwrap()).sum();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    (memory, Duration::from_millis(10) * ticks)
}

/// As whoever made this cluster knows it; nobody looks whether there is one of this uid.
fn owner(kind: &str, name: &str) -> Value {
    json!([{
        "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "00000000-0000-0000-0000-000000000001",
        "controller": true, "blockOwnerDeletion": true,
    }])
}

/// Of a usual size: two containers, of which one takes two keys of a Secret.
fn spec() -> Value {
    let plain = |index: usize| json!({"name": format!("SETTING_{index}"), "value": format!("https://svc-{index}.example.com/")});
    let mut env: Vec<Value> = (0..12).map(plain).collect();
    env.extend([secret_env("DB_PASSWORD"), secret_env("DB_ADMIN_PASSWORD")]);
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "initialDelaySeconds": 5});
    let resources = json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}});
    json!({
        "containers": [
            {
                "name": "api", "image": "registry.example.com/shop/api:1.27.3", "env": env, "resources": resources,
                "livenessProbe": probe, "readinessProbe": probe, "ports": [{"containerPort": 8080, "name": "http"}],
                "volumeMounts": [{"name": "config", "mountPath": "/etc/api", "readOnly": true}],
                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true},
            },
            {"name": "proxy", "image": "registry.example.com/mesh/proxy:2.4", "args": ["--port", "15001"], "resources": resources},
        ],
        "volumes": [{"name": "config", "configMap": {"name": "api"}}],
        "terminationGracePeriodSeconds": 0,
    })
}

#[test]
fn a_big_cluster_is_audited_in_one_pass_and_in_little_memory() {
    let Some(big) = Big::start() else { return };
    let direct = big.control_plane.path("admin.kubeconfig");
    let run = big.audit(&direct, |_| {});
    let each = |of: Duration| (big.pods() as f64 / of.as_secs_f64()) as u64;
    println!(
        "audited in {} ms ({} pods a second), {} ms of processors ({} pods a second and core), {} MiB at most",
        run.took.as_millis(),
        each(run.took),
        run.processor.as_millis(),
        each(run.processor),
        run.memory >> 20
    );
    big.is_whole(&run);
    assert!(run.memory <= MEMORY, "{} bytes", run.memory);
    let is_release = std::env::var_os(BINARY).is_some();
    let least = if is_release { PODS_A_SECOND.0 } else { PODS_A_SECOND.1 };
    // The processors' time and not the clock's: others may have them meanwhile.
    assert!(each(run.processor) >= least, "{} pods a second and core, and not {least}", each(run.processor));

    connections_that_break_are_taken_up_again(&big);
    who_is_sent_away_asks_again_and_says_what_never_came(&big);
    a_list_that_is_outlived_is_begun_anew(&big);
}

fn connections_that_break_are_taken_up_again(big: &Big) {
    let proxy = Proxy::start(big.control_plane.port);
    let kubeconfig = big.kubeconfig(proxy.port);
    proxy.slow(5_000_000);
    let mut breaks = 0;
    let run = big.audit(&kubeconfig, |audit| {
        while breaks < 8 {
            std::thread::sleep(Duration::from_millis(500));
            if audit.try_wait().unwrap().is_some() {
                return;
            }
            proxy.close();
            breaks += 1;
        }
        proxy.heal();
    });
    println!("by a way that broke {breaks} times: audited in {} ms", run.took.as_millis());
    assert!(breaks > 3, "{breaks}");
    big.is_whole(&run);
}

/// Its pages are of a version that etcd has forgotten, and an API server that has just begun does not know it either.
fn a_list_that_is_outlived_is_begun_anew(big: &Big) {
    let proxy = Proxy::start(big.control_plane.port);
    let kubeconfig = big.kubeconfig(proxy.port);
    proxy.slow(4_000_000);
    let api = big.control_plane.api(ADMIN);
    let before = big.pages_of_pods(&api, 200);
    let run = big.audit(&kubeconfig, |_| {
        assert!(eventually(|| (big.pages_of_pods(&api, 200) > before).then_some(())).is_some(), "no page of pods");
        let metadata = json!({"name": "later", "namespace": "crowd-0000"});
        api.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}), "").done();
        big.control_plane.compact();
        big.control_plane.restart_api_server();
        proxy.heal();
    });
    println!("with an API server that begins anew in between: audited in {} ms", run.took.as_millis());
    big.is_whole(&run);
    // It has counted since it began anew.
    assert!(big.pages_of_pods(&api, 410) > 0, "no list of pods was outlived");
}
