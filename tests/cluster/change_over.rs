//! Certificates that change hands: a key that was seen by somebody is trusted no more, and from a certificate by hand to managed
//! ones and back. The commands are those of the documents.
//!
//! The objects, their controllers and `kubectl` are real; [`Kubelet`] is the nodes.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::AtomicBool;

use base64_simd::STANDARD;
use serde_json::Value;

use crate::binaries::skipped;
use crate::chart::kustomized;
use crate::cluster::{KUBECONFIG, shown};
use crate::connections::End;
use crate::control_plane::{ADMIN, ControlPlane, eventually};
use crate::kubelet::Kubelet;
use crate::objects::{self, is_swapped};
use crate::upgrade::Upgrade;

const CONFIGURATIONS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/zz-secretfence",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretfence",
];
const SECRET: &str = "/api/v1/namespaces/secretfence/secrets/secretfence-certificates";

/// A cluster in which the shipped objects are applied, with nodes that run their pods until this ends.
pub fn with_nodes(test: impl FnOnce(&Upgrade<'_>)) {
    if skipped() {
        return;
    }
    let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    let api = control_plane.api(ADMIN);
    let mut flags = vec![
        format!("--kubeconfig={}", control_plane.path(KUBECONFIG)),
        "--namespace=secretfence".to_owned(),
        "--shutdown-delay=2s".to_owned(),
        "--certificate-propagation=1s".to_owned(),
    ];
    let mut kubelet = Kubelet::new(&control_plane, api.clone(), Vec::new());
    flags.push(format!("--service-port={}", kubelet.service.port));
    kubelet.flags = flags;
    let cluster = Upgrade { control_plane: &control_plane, api: &api, port: kubelet.service.port };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = End(&is_over);
        let managed = kustomized("opt-in", &[]);
        cluster.create_namespace(&managed);
        let object = managed.iter().find(|object| object["kind"] == "ServiceAccount").unwrap();
        cluster.apply(std::slice::from_ref(object));
        let kubeconfig = control_plane.kubeconfig_of_account("secretfence", "secretfence");
        fs::write(control_plane.path(KUBECONFIG), kubeconfig).unwrap();
        scope.spawn(|| kubelet.run(&is_over));
        test(&cluster);
    });
}

/// What each webhook trusts, in PEM.
fn trusted(cluster: &Upgrade<'_>) -> BTreeSet<String> {
    let bundles = CONFIGURATIONS.iter().flat_map(|path| {
        let webhooks = cluster.api.get(path).done()["webhooks"].as_array().unwrap().clone();
        webhooks.into_iter().map(|webhook| decoded(&webhook["clientConfig"]["caBundle"]))
    });
    bundles.collect()
}

fn decoded(base64: &Value) -> String {
    let bytes = STANDARD.decode_to_vec(base64.as_str().unwrap_or_default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[track_caller]
pub fn until_judged(cluster: &Upgrade<'_>) {
    let ask = || cluster.api.create(&objects::swapped("busy"), "?dryRun=All");
    // More than once: both replicas are asked.
    let is_judged = || (0..8).all(|_| is_swapped(&ask().body)).then_some(());
    assert!(eventually(is_judged).is_some(), "{:#?}", ask());
}

/// The block of commands of a page that comes after these words.
fn commands(page: &str, after: &str) -> String {
    let page = fs::read_to_string(format!("{}/docs/{page}.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (_, rest) = page.split_once(after).unwrap_or_else(|| panic!("{after:?} is not there"));
    rest.split("```").nth(1).and_then(|block| block.strip_prefix("sh\n")).unwrap().to_owned()
}

/// As a person types them, one after another, with `kubectl` where it is.
#[track_caller]
fn run(cluster: &Upgrade<'_>, commands: &str) {
    let kubectl = cluster.control_plane.kubectl();
    let words: Vec<String> = std::iter::once(kubectl.get_program())
        .chain(kubectl.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let text = format!("set -e\nkubectl() {{ {} \"$@\"; }}\n{commands}", words.join(" "));
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &text]).envs(kubectl.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{commands}\n{}", shown(&output));
}

#[test]
fn a_key_that_was_seen_by_somebody_is_trusted_no_more() {
    with_nodes(|cluster| {
        cluster.apply_trusting(None, &kustomized("opt-in", &[]));
        cluster.until_rolled_out();
        cluster.create_busy_namespace();
        let before = cluster.api.get(SECRET).done()["data"].clone();
        assert_eq!(trusted(cluster), BTreeSet::from([decoded(&before["ca.crt"])]));
        run(cluster, &commands("operations", "**If that key may have been seen by somebody**"));
        cluster.until_rolled_out();
        until_judged(cluster);
        let after = cluster.api.get(SECRET).done()["data"].clone();
        let bundle = decoded(&after["ca.crt"]);
        assert_eq!(trusted(cluster), BTreeSet::from([bundle.clone()]));
        assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 1, "{bundle}");
        for part in ["ca.crt", "ca.key", "tls.crt", "tls.key"] {
            assert_ne!(before[part], after[part], "{part} is another");
        }
    });
}

#[test]
fn a_certificate_by_hand_gives_way_to_managed_ones_and_comes_back() {
    with_nodes(|cluster| {
        let authority = cluster.control_plane.authority.pem();
        let by_hand = kustomized("opt-in", &["own-certificate"]);
        cluster.create_certificate();
        cluster.apply_trusting(Some(&authority), &by_hand);
        cluster.until_rolled_out();
        cluster.create_busy_namespace();

        cluster.apply_trusting(None, &kustomized("opt-in", &[]));
        cluster.until_rolled_out();
        until_judged(cluster);
        let bundle = decoded(&cluster.api.get(SECRET).done()["data"]["ca.crt"]);
        assert_eq!(trusted(cluster), BTreeSet::from([bundle]));

        run(cluster, &commands("operations", "**From the webhook's own to one of the others**"));
        cluster.apply_trusting(Some(&authority), &by_hand);
        cluster.until_rolled_out();
        until_judged(cluster);
        // The last of the old ones has long ended.
        std::thread::sleep(std::time::Duration::from_secs(4));
        until_judged(cluster);
        assert_eq!(trusted(cluster), BTreeSet::from([authority]));

        // Dry run meanwhile, and back.
        run(cluster, &commands("operations", "### From one certificate to another"));
        let labels = cluster.api.get("/api/v1/namespaces/busy").done()["metadata"]["labels"].clone();
        assert_eq!(labels["secretfence.dev/mode"], "enforce");
    });
}
