//! Policies and certificates that change while the API server calls, and who may call.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::api::Api;
use crate::cluster::Cluster;
use crate::control_plane::{API_SERVER_NAME, Authority, eventually, tail};
use crate::objects;
use crate::webhook::Webhook;

const LOADERS: usize = 4;

#[test]
fn no_request_fails_and_no_mixed_set_answers_while_policies_are_switched_100_times() {
    let Some(cluster) = Cluster::shared() else { return };
    // A mounted ConfigMap's way: files are links through `..data`, which is switched by a rename. Each set has two policies,
    // each denies the variable of a container of its name, and their names hold the version.
    let namespace = cluster.namespace("own-policy-switched", Some("off"));
    let folder = cluster.control_plane.directory.join("switched/policies");
    fs::create_dir_all(&folder).unwrap();
    let switch_to = |version: usize| {
        let set = folder.join(format!("..set-{version}"));
        fs::create_dir(&set).unwrap();
        for file in ["first.yaml", "second.yaml"] {
            let name = file.trim_end_matches(".yaml");
            let policy = format!(
                "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: {name}-{version}}}\n\
                 spec: {{rules: [{{name: deny, on: [env], where: {{containers: [{name}]}}, action: deny}}]}}\n"
            );
            fs::write(set.join(file), policy).unwrap();
        }
        symlink(&set, folder.join("..next")).unwrap();
        fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
        if let Some(old) = version.checked_sub(2) {
            fs::remove_dir_all(folder.join(format!("..set-{old}"))).unwrap();
        }
    };
    switch_to(0);
    for file in ["first.yaml", "second.yaml"] {
        symlink(format!("..data/{file}"), folder.join(file)).unwrap();
    }
    let webhook = Webhook::start(&cluster.control_plane, "switched", &[], &[]);
    let containers = ["first", "second"].map(|name| {
        let mut container = objects::api();
        container["name"] = json!(name);
        container
    });
    let pod = objects::pod(&namespace, "both", json!(containers));
    let settled = |version: usize| {
        let reviewed = || cluster.api.create(&pod, "?dryRun=All");
        cluster.eventually(reviewed, |reply| reply.message().contains(&format!("first-{version}/deny")));
    };
    cluster.register_again("ValidatingWebhookConfiguration", "secretfence", "switched", &namespace, webhook.port);
    settled(0);
    let (done, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let seen = std::thread::scope(|scope| {
        let load = || {
            let mut seen = std::collections::BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                let reply = cluster.api.create(&pod, "?dryRun=All");
                assert_eq!(reply.status, 403, "{reply:#?}");
                seen.insert(version_of(reply.message()));
                answers.fetch_add(1, Ordering::Relaxed);
            }
            seen
        };
        let loaders: Vec<_> = (0..LOADERS).map(|_| scope.spawn(load)).collect();
        for version in 1..=100 {
            switch_to(version);
            std::thread::sleep(Duration::from_millis(20));
            // What changes all the time is not taken: it is to rest between two looks.
            if version % 20 == 0 {
                settled(version);
            }
        }
        done.store(true, Ordering::Relaxed);
        loaders.into_iter().flat_map(|loader| loader.join().unwrap()).collect::<std::collections::BTreeSet<_>>()
    });
    println!("{} answers by {} sets", answers.into_inner(), seen.len());
    assert!(seen.len() > 5 && seen.contains("100"), "{seen:?}");
}

/// The version that decided, the same of both policies.
fn version_of(message: &str) -> String {
    let [first, second] = ["[first-", "[second-"].map(|begin| {
        let rest = message.split_once(begin).unwrap_or_else(|| panic!("half a set: {message}")).1;
        rest.split_once("/deny]").unwrap().0
    });
    assert_eq!(first, second, "a mixed set: {message}");
    first.to_owned()
}

#[test]
fn no_handshake_fails_while_certificates_are_replaced_20_times() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("own-policy-certificates", Some("off"));
    let policy = "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: all}\n\
                  spec: {rules: [{name: deny, on: [env], action: deny}]}\n";
    let webhook = Webhook::start(&cluster.control_plane, "certificates", &[("all.yaml", policy)], &[]);
    cluster.register_again("ValidatingWebhookConfiguration", "secretfence", "certificates", &namespace, webhook.port);
    let create = || cluster.api.create(&objects::denied(&namespace), "?dryRun=All");
    cluster.eventually(create, |reply| reply.status == 403);
    let (done, answers, handshakes) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // The API server keeps its connections, so others shake hands all the time.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let authority = cluster.control_plane.authority.pem();
                let client = Api::new(format!("https://127.0.0.1:{}", webhook.port), "none", &authority);
                assert_eq!(client.text("/").map(|(status, _)| status), Some(404), "a handshake failed");
                handshakes.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..LOADERS {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let reply = create();
                    assert_eq!(reply.status, 403, "{reply:#?}");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..20 {
            match round {
                7 => fs::write(webhook.directory.join("tls.crt"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap(),
                13 => {
                    let (certificate, _) = cluster.control_plane.authority.server("secretfence", &["other"]);
                    fs::write(webhook.directory.join("tls.crt"), certificate).unwrap();
                }
                _ => webhook.write_certificate(&cluster.control_plane.authority),
            }
            // The files are looked at once a second: the bad ones are to be seen.
            std::thread::sleep(Duration::from_millis(if [7, 13].contains(&round) { 2500 } else { 400 }));
        }
        done.store(true, Ordering::Relaxed);
    });
    let reloads = |result: &str| {
        let (_, text) = webhook.admin("/metrics").unwrap();
        let sample = format!("secretfence_certificate_reloads_total{{result=\"{result}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&sample)?.parse::<f64>().ok()).unwrap()
    };
    let (handshakes, successes) = (handshakes.into_inner(), reloads("success"));
    println!("{} answers, {handshakes} handshakes, {successes} reloads", answers.into_inner());
    assert!(handshakes > 100 && successes >= 5.0 && reloads("failure") >= 2.0, "{}", tail(&webhook.log()));
}

/// Everywhere else in these tests the right one is asked for, and shown.
#[test]
fn an_api_server_without_the_right_certificate_is_refused() {
    let Some(cluster) = Cluster::shared() else { return };
    let directory = &cluster.control_plane.directory;
    fs::write(directory.join("stranger.pem"), Authority::new().pem()).unwrap();
    let ours = cluster.control_plane.path("authority.pem");
    let strangers = cluster.control_plane.path("stranger.pem");
    for (name, authority, client) in [
        ("wrong-authority", &strangers, API_SERVER_NAME),
        ("wrong-name", &ours, "another"),
        ("right", &ours, API_SERVER_NAME),
    ] {
        let namespace = cluster.namespace("own-policy-client", Some("off"));
        let more = [format!("--client-ca={authority}"), format!("--client-name={client}")];
        let policy = fs::read_to_string(format!("{}/policies/baseline.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let webhook = Webhook::start(&cluster.control_plane, name, &[("baseline.yaml", &policy)], &more);
        cluster.register_again("ValidatingWebhookConfiguration", "secretfence", name, &namespace, webhook.port);
        let status = if name == "right" { 403 } else { 500 };
        let create = || cluster.api.create(&objects::denied(&namespace), "?dryRun=All");
        let reply = cluster.eventually(create, |reply| reply.status != 201);
        assert_eq!(reply.status, status, "{name}: {reply:#?}");
        assert!(eventually(|| webhook.admin("/metrics")).is_some());
    }
}
