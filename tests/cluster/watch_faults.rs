//! What happens between a webhook and its API server: a connection that is cut, that goes dead, that is slow; a restart after
//! which what was seen last is too old. Through each it is ready, and after each it judges by what is there.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster::KUBECONFIG;
use crate::control_plane::tail;
use crate::proxy::Proxy;
use crate::watches::{POLICIES, Watched, clean, is_denied, is_made, with_env, with_secret};

#[test]
fn a_webhook_whose_way_to_the_api_server_fails() {
    let Some(watched) = Watched::start() else { return };
    let (cluster, api) = (&watched.0, &watched.0.api);
    let proxy = Proxy::start(cluster.control_plane.port);
    let kubeconfig = fs::read_to_string(cluster.control_plane.path(KUBECONFIG)).unwrap();
    let direct = format!("https://127.0.0.1:{}", cluster.control_plane.port);
    assert!(kubeconfig.contains(&direct));
    let through = kubeconfig.replace(&direct, &format!("https://127.0.0.1:{}", proxy.port));
    fs::write(cluster.control_plane.path(KUBECONFIG), through).unwrap();
    watched.write_policies(POLICIES);
    for object in watched.printed() {
        api.create(&object, "").done();
    }
    cluster.webhook.restart();
    watched.plain_namespace("billing");
    let namespace = cluster.namespace("own-policy-watch", Some("enforce"));
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": namespace}});
    api.create(&account, "").done();
    let secret = |name: &str| {
        let annotations = json!({"reflector.v1.k8s.emberstack.com/reflects": "billing/db"});
        let metadata = json!({"name": name, "namespace": namespace, "annotations": annotations});
        api.create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}), "").done();
        format!("/api/v1/namespaces/{namespace}/secrets/{name}")
    };
    let copied = |name: &str| with_secret(&namespace, name);

    // One after the other: what is bound, copied and labelled before is gone meanwhile, and something else is there.
    let through = |name: &str, fault: &dyn Fn(), end: &dyn Fn()| {
        let (old, new) = (format!("old-{name}"), format!("new-{name}"));
        let binding = watched.bind(&namespace, "billing");
        let its_secret = secret(&old);
        watched.until(&clean(&namespace), is_denied);
        watched.until(&copied(&old), is_denied);
        watched.until(&with_env(&namespace), is_made);

        fault();
        assert_eq!(api.delete(&binding).status, 200);
        assert_eq!(api.delete(&its_secret).status, 200);
        let its_secret = secret(&new);
        watched.label(&namespace, json!({"tier": "prod"}));
        // What it knew serves, as long as nothing comes through.
        if !["closed", "slow"].contains(&name) {
            assert!(is_denied(&api.create(&clean(&namespace), "?dryRun=All")), "{name}");
        }
        end();

        let start = Instant::now();
        watched.until(&clean(&namespace), is_made);
        watched.until(&with_env(&namespace), |reply| is_denied(reply) && reply.denied().contains("[tier/deny]"));
        watched.label(&namespace, json!({"tier": null}));
        watched.until(&with_env(&namespace), is_made);
        // In the namespace of a copy that is not known `missing` warns, and of one that is gone.
        watched.until(&copied(&new), is_denied);
        watched.until(&copied(&old), |reply| is_made(reply) && !reply.warnings.is_empty());
        println!("{name}: all is known after {} ms", start.elapsed().as_millis());
        watched.ready(|status, text| status == 200 && text.matches("[+]watch").count() == 9);
        assert_eq!(api.delete(&its_secret).status, 200);
    };

    let (is_over, was_unready) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let is_ready = cluster.webhook.admin("/readyz").is_some_and(|(status, _)| status == 200);
                was_unready.fetch_or(!is_ready, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let nothing = || {};
            through("closed", &|| proxy.close(), &nothing);
            through("cut", &|| proxy.cut(), &|| {
                watched.ready(|_, text| text.contains("stands, what it knew serves: the API server cannot be reached"));
                proxy.heal();
            });
            // The least that the biggest list takes is some seconds.
            through("slow", &|| proxy.slow(100_000), &|| proxy.close());
            proxy.heal();

            let anew = "all is listed anew: the watch was away for too long";
            let lists = || fs::read_to_string(cluster.webhook.log()).unwrap().matches(anew).count();
            assert_eq!(lists(), 0, "whatever happened, the watches went on from where they were");
            through("restarted", &|| proxy.cut(), &|| {
                cluster.control_plane.compact();
                cluster.control_plane.restart_api_server();
                proxy.heal();
            });
            assert!(lists() > 0, "{}", tail(&cluster.webhook.log()));

            // Nobody says that the connections are dead: it is noticed by their silence.
            through("dead", &|| proxy.deaden(), &|| {});
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = ended {
            println!("{}", tail(&cluster.webhook.log()));
            std::panic::resume_unwind(panic);
        }
    });
    assert!(!was_unready.load(Ordering::Relaxed), "it was unready for a while");
    let log = fs::read_to_string(cluster.webhook.log()).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}
