//! Policies and certificates that change while the API server calls, and who may call.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::api::Api;
use crate::cluster::Cluster;
use crate::control_plane::{API_SERVER_NAME, Authority, eventually, free_port, tail};
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
        let end = End(&done);
        for version in 1..=100 {
            switch_to(version);
            std::thread::sleep(Duration::from_millis(20));
            // What changes all the time is not taken: it is to rest between two looks.
            if version % 20 == 0 {
                settled(version);
            }
        }
        drop(end);
        loaders.into_iter().flat_map(|loader| loader.join().unwrap()).collect::<std::collections::BTreeSet<_>>()
    });
    println!("{} answers by {} sets", answers.into_inner(), seen.len());
    assert!(seen.len() > 5 && seen.contains("100"), "{seen:?}");
}

/// Lets the others end, too, when a test does: by a panic, too.
pub struct End<'d>(pub &'d AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
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
    let reloads = |result: &str| {
        let (_, text) = webhook.admin("/metrics").unwrap();
        let sample = format!("secretfence_certificate_reloads_total{{result=\"{result}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&sample)?.parse::<f64>().ok()).unwrap()
    };
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
        let end = End(&done);
        for round in 0..20 {
            let (result, before) = match round {
                7 | 13 => ("failure", reloads("failure")),
                _ => ("success", reloads("success")),
            };
            match round {
                7 => fs::write(webhook.directory.join("tls.crt"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap(),
                13 => {
                    let (certificate, _) = cluster.control_plane.authority.server("secretfence", &["other"]);
                    fs::write(webhook.directory.join("tls.crt"), certificate).unwrap();
                }
                _ => webhook.write_certificate(&cluster.control_plane.authority),
            }
            // The files are looked at once a second, and each is to be seen.
            let seen = eventually(|| (reloads(result) > before).then_some(()));
            assert!(seen.is_some(), "round {round} makes no {result}: {}", tail(&webhook.log()));
        }
        drop(end);
    });
    let handshakes = handshakes.into_inner();
    println!("{} answers, {handshakes} handshakes, {} reloads", answers.into_inner(), reloads("success"));
    assert!(handshakes > 20 && reloads("success") >= 18.0 && reloads("failure") >= 2.0, "{}", tail(&webhook.log()));
}

/// Everywhere else in these tests the right one is asked for, and shown. What has none is tested with `outages`.
#[test]
fn an_api_server_without_the_right_certificate_is_refused() {
    let Some(cluster) = Cluster::shared() else { return };
    let directory = &cluster.control_plane.directory;
    fs::write(directory.join("stranger.pem"), Authority::new().pem()).unwrap();
    let ours = cluster.control_plane.path("authority.pem");
    let strangers = cluster.control_plane.path("stranger.pem");
    let policy = fs::read_to_string(format!("{}/policies/baseline.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let expired_port = cluster.control_plane.expired_port;
    for (name, authority, client, port, why) in [
        // The strange authority has the name of ours, or the API server would not even offer its certificate.
        ("wrong-authority", &strangers, API_SERVER_NAME, free_port(), Some("remote error: tls: ")),
        ("wrong-name", &ours, "another", free_port(), Some("remote error: tls: ")),
        ("expired", &ours, API_SERVER_NAME, expired_port, Some("remote error: tls: expired certificate")),
        ("right", &ours, API_SERVER_NAME, free_port(), None),
    ] {
        let namespace = cluster.namespace("own-policy-client", Some("off"));
        let more = [format!("--client-ca={authority}"), format!("--client-name={client}")];
        let policies = [("baseline.yaml", policy.as_str())];
        let webhook = Webhook::start_at(port, &cluster.control_plane, name, &policies, &more);
        cluster.register_again("ValidatingWebhookConfiguration", "secretfence", name, &namespace, port);
        let create = || cluster.api.create(&objects::denied(&namespace), "?dryRun=All");
        match why {
            None => assert_eq!(cluster.eventually(create, |reply| reply.status != 201).status, 403, "{name}"),
            // The API server may be still writing when the connection is closed, and then does not read why.
            Some(why) => {
                cluster.eventually(create, |reply| {
                    assert_ne!(reply.status, 403, "{name}: it is let in");
                    reply.status == 500 && reply.message().contains(why)
                });
            }
        }
        // It still serves those whom it lets in.
        assert!(eventually(|| webhook.admin("/metrics")).is_some());
    }
}
