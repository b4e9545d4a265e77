//! Certificates that replicas make for themselves: from nothing to a judged pod, renewed under load, and put right whatever hands do.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64_simd::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cluster::{Cluster, KUBECONFIG};
use crate::control_plane::{eventually, free_port, tail};
use crate::guarded::Guarded;
use crate::objects;

const SECRET: &str = "/api/v1/namespaces/secretfence/secrets/secretfence-certificates";
const RBAC: &str = "rbac.authorization.k8s.io/v1";
const CONFIGURATIONS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/zz-secretfence",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretfence",
];

/// A cluster whose webhook is replaced by replicas that manage their certificates, with the rights for that and no others.
struct Managed {
    cluster: Cluster,
    namespace: String,
}

/// The real binary.
struct Replica {
    name: String,
    port: u16,
    admin_port: u16,
    directory: PathBuf,
    flags: Vec<String>,
    process: Mutex<Option<Guarded>>,
}

impl Managed {
    fn start() -> Option<Managed> {
        let cluster = Cluster::own("opt-in")?;
        cluster.webhook.stop();
        cluster.write_own_kubeconfig();
        let namespace = cluster.namespace("managed", Some("enforce"));
        let managed = Managed { cluster, namespace };
        managed.grant();
        Some(managed)
    }

    fn grant(&self) {
        let names = json!(["secretfence-certificates", "users", "cert-managers"]);
        let secrets = |verbs: Value| json!({"apiGroups": [""], "resources": ["secrets"], "verbs": verbs});
        let mut named = secrets(json!(["get", "list", "watch", "update"]));
        named["resourceNames"] = names;
        let events = json!({"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]});
        let configurations = |resource: &str, name: &str| {
            json!({
                "apiGroups": ["admissionregistration.k8s.io"], "resources": [resource], "resourceNames": [name],
                "verbs": ["get", "list", "watch", "update", "patch"],
            })
        };
        let subjects = json!([{"kind": "ServiceAccount", "name": "secretfence", "namespace": "secretfence"}]);
        let objects = [
            json!({
                "apiVersion": RBAC, "kind": "Role",
                "metadata": {"name": "certificates", "namespace": "secretfence"},
                "rules": [named, secrets(json!(["create"])), events],
            }),
            json!({
                "apiVersion": RBAC, "kind": "RoleBinding",
                "metadata": {"name": "certificates", "namespace": "secretfence"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "certificates"},
                "subjects": subjects,
            }),
            json!({
                "apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": "test-registrations"},
                "rules": [
                    configurations("mutatingwebhookconfigurations", "zz-secretfence"),
                    configurations("validatingwebhookconfigurations", "secretfence"),
                ],
            }),
            json!({
                "apiVersion": RBAC, "kind": "ClusterRoleBinding", "metadata": {"name": "test-registrations"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "test-registrations"},
                "subjects": subjects,
            }),
        ];
        objects.iter().for_each(|object| drop(self.cluster.api.create(object, "").done()));
    }

    fn replica(&self, name: &str, port: u16, more: &[&str]) -> Replica {
        let directory = self.cluster.control_plane.directory.join(name);
        fs::create_dir_all(&directory).unwrap();
        let admin_port = free_port();
        let mut flags = vec![
            "serve".to_owned(),
            format!("--listen=127.0.0.1:{port}"),
            format!("--admin-listen=127.0.0.1:{admin_port}"),
            format!("--policies={}", self.cluster.webhook.policies().display()),
            format!("--kubeconfig={}", self.cluster.control_plane.path(KUBECONFIG)),
            "--manage-certificates".to_owned(),
            "--namespace=secretfence".to_owned(),
            format!("--service-port={}", self.cluster.webhook.port),
            format!("--pod-name=secretfence-{name}"),
        ];
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        let replica = Replica { name: name.to_owned(), port, admin_port, directory, flags, process: Mutex::default() };
        replica.start();
        replica
    }

    fn secret(&self) -> Value {
        self.cluster.api.get(SECRET).done()
    }

    fn empty_secret(&self) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "secretfence-certificates", "namespace": "secretfence", "labels": {"a": "b"}},
        });
        self.cluster.api.create(&secret, "").done();
    }

    /// What each webhook trusts, in PEM.
    fn trusted(&self) -> BTreeSet<String> {
        let bundles = CONFIGURATIONS.iter().flat_map(|path| {
            let webhooks = self.cluster.api.get(path).done()["webhooks"].as_array().unwrap().clone();
            webhooks.into_iter().map(|webhook| decoded(&webhook["clientConfig"]["caBundle"]))
        });
        bundles.collect()
    }

    /// Whether the webhook judges: a pod that is to be denied is, by it. Else what the API server says.
    fn judge(&self) -> Result<(), String> {
        let reply = self.cluster.api.create(&objects::denied(&self.namespace), "?dryRun=All");
        let is_ours = reply.message().starts_with("admission webhook \"validate.secretfence.dev\" denied the request");
        if reply.status == 403 && is_ours { Ok(()) } else { Err(format!("{} {}", reply.status, reply.message())) }
    }

    /// Leads the webhooks of both configurations to a port of this machine, and leaves alone whom they trust.
    fn lead_to(&self, port: u16) {
        for path in CONFIGURATIONS {
            let mut configuration = self.cluster.api.get(path).done();
            for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                webhook["clientConfig"]["service"]["port"] = json!(port);
            }
            self.cluster.api.request("PUT", path, "application/json", &configuration).done();
        }
    }

    #[track_caller]
    fn until_put_right(&self, replicas: &[&Replica], what: impl Fn() -> bool) -> Duration {
        let start = Instant::now();
        let found = eventually(|| what().then_some(()));
        let logs: Vec<String> = replicas.iter().map(|replica| tail(&replica.log())).collect();
        assert!(found.is_some(), "{}", logs.join("\n---\n"));
        start.elapsed()
    }
}

impl Replica {
    fn start(&self) {
        let binary = Path::new(env!("CARGO_BIN_EXE_secretfence"));
        *self.process.lock().unwrap() = Some(Guarded::start(binary, &self.flags, &self.log()));
    }

    fn kill(&self) {
        drop(self.process.lock().unwrap().take());
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn admin(&self, path: &str) -> Option<(u16, String)> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent: ureq::Agent = config.into();
        let response = agent.get(format!("http://127.0.0.1:{}{path}", self.admin_port)).call().ok()?;
        let status = response.status().as_u16();
        Some((status, response.into_body().read_to_string().ok()?))
    }

    /// What `/readyz` says, once this holds of it.
    #[track_caller]
    fn ready(&self, is_it: impl Fn(u16, &str) -> bool) -> String {
        let mut last = String::new();
        let found = eventually(|| {
            let (status, text) = self.admin("/readyz")?;
            last = format!("{status}\n{text}");
            is_it(status, &text).then_some(text)
        });
        found.unwrap_or_else(|| panic!("{}: {last}\n{}", self.name, tail(&self.log())))
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").map(|(_, text)| text).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(f64::NAN, |value| value.parse().unwrap())
    }

    /// Shakes hands as a client that trusts these authorities alone.
    fn shakes_hands(&self, bundle: &str) -> Result<(), String> {
        shake_hands(self.port, bundle).map_err(|error| format!("{}: {error}", self.name))
    }

    /// Whether the leaf of this Secret is the last that it took.
    fn serves(&self, secret: &Value) -> bool {
        let leaf = decoded(&secret["data"]["tls.crt"]);
        let Ok(leaf) = CertificateDer::from_pem_slice(leaf.as_bytes()) else { return false };
        let fingerprint: String = Sha256::digest(&leaf).iter().map(|byte| format!("{byte:02x}")).collect();
        self.said()
            .lines()
            .rfind(|line| line.contains("certificate reloaded"))
            .is_some_and(|line| line.contains(&fingerprint))
    }
}

/// Whether a server shows what these authorities alone have signed.
pub fn shakes_hands(port: u16, bundle: &str) -> bool {
    shake_hands(port, bundle).is_ok()
}

fn shake_hands(port: u16, bundle: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle.as_bytes()).flatten());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("secretfence.secretfence.svc").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    while client.is_handshaking() {
        client.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn decoded(base64: &Value) -> String {
    let bytes = STANDARD.decode_to_vec(base64.as_str().unwrap_or_default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// No key, and nothing that looks like one.
fn assert_no_secrets(managed: &Managed, replicas: &[&Replica]) {
    let secret = managed.secret();
    let keys = ["ca.key", "tls.key"].map(|key| decoded(&secret["data"][key]).lines().nth(1).unwrap().to_owned());
    for replica in replicas {
        let said = replica.said();
        assert!(!said.contains("PRIVATE KEY") && !keys.iter().any(|key| said.contains(key)), "{said}");
        assert!(!said.contains("panicked") && !said.contains("a defect"), "{said}");
    }
}

#[test]
fn from_an_empty_secret_to_a_judged_pod_and_whatever_hands_do() {
    let Some(managed) = Managed::start() else { return };
    let api = &managed.cluster.api;
    managed.empty_secret();
    let start = Instant::now();
    let first = managed.replica("first", managed.cluster.webhook.port, &[]);
    let judged = managed.until_put_right(&[&first], || managed.judge().is_ok());
    println!("a pod is judged {} ms after the start", judged.as_millis());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let text = first.ready(|status, text| status == 200 && text.contains("[+]authority ok good until"));
    assert!(text.contains("(1 trusted)") && text.contains("[+]registration ok"), "{text}");
    let secret = managed.secret();
    assert_eq!(secret["metadata"]["labels"], json!({"a": "b"}));
    assert_eq!(managed.trusted(), BTreeSet::from([decoded(&secret["data"]["ca.crt"])]));
    assert_eq!(first.metric("secretfence_certificate_renewals_total{result=\"done\",what=\"leaf\"}"), 1.0);
    assert!(
        first.metric("secretfence_authority_expiry_timestamp_seconds")
            > first.metric("secretfence_certificate_expiry_timestamp_seconds")
    );

    // A second one takes what is there, and changes nothing.
    let second = managed.replica("second", free_port(), &[]);
    second.ready(|status, _| status == 200);
    assert!(second.serves(&secret));
    assert_eq!(managed.secret()["metadata"]["resourceVersion"], secret["metadata"]["resourceVersion"]);

    let repairs = |what: &str| -> f64 {
        let name = format!("secretfence_certificate_repairs_total{{what=\"{what}\"}}");
        [&first, &second].iter().map(|replica| replica.metric(&name)).sum()
    };
    // Deleted: it is the same again, and nobody has noticed.
    api.delete(SECRET).done();
    let back = || api.get(SECRET).body["data"] == secret["data"];
    println!("a deleted Secret is back after {:?}", managed.until_put_right(&[&first, &second], back));
    managed.judge().unwrap();
    managed.until_put_right(&[&first, &second], || repairs("secret_missing") == 1.0);

    // Broken, in each of its parts.
    for (key, value) in [
        ("tls.key", json!(STANDARD.encode_to_string("hunter2"))),
        ("tls.crt", json!(STANDARD.encode_to_string("hunter2"))),
        ("ca.key", json!(null)),
        ("ca.crt", json!(STANDARD.encode_to_string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))),
    ] {
        let before = repairs("secret_corrupt");
        api.merge(SECRET, &json!({"data": {key: value}})).done();
        managed.until_put_right(&[&first, &second], || {
            let now = managed.secret();
            repairs("secret_corrupt") > before && first.serves(&now) && second.serves(&now)
        });
        let is_trusted = || managed.trusted() == BTreeSet::from([decoded(&managed.secret()["data"]["ca.crt"])]);
        managed.until_put_right(&[&first, &second], is_trusted);
        managed.judge().unwrap();
    }
    assert_no_secrets(&managed, &[&first, &second]);
    // Emptied.
    api.merge(SECRET, &json!({"data": null})).done();
    managed.until_put_right(&[&first, &second], || first.serves(&managed.secret()) && second.serves(&managed.secret()));
    managed.judge().unwrap();

    // Another authority in one webhook, and none in another.
    let other = STANDARD.encode_to_string(managed.cluster.control_plane.authority.pem());
    for (path, bundle) in [(CONFIGURATIONS[0], json!("")), (CONFIGURATIONS[1], json!(other))] {
        let mut configuration = api.get(path).done();
        configuration["webhooks"][0]["clientConfig"]["caBundle"] = bundle;
        api.request("PUT", path, "application/json", &configuration).done();
        let is_restored = || managed.trusted() == BTreeSet::from([decoded(&managed.secret()["data"]["ca.crt"])]);
        println!("caBundle is restored after {:?}", managed.until_put_right(&[&first, &second], is_restored));
    }
    managed.until_put_right(&[&first, &second], || managed.judge().is_ok());
    managed.until_put_right(&[&first, &second], || repairs("ca_bundle") >= 2.0);
    let events = || {
        let events = api.get("/api/v1/namespaces/secretfence/events").done()["items"].as_array().unwrap().clone();
        events.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect::<BTreeSet<_>>()
    };
    managed.until_put_right(&[&first, &second], || events().contains("CertificateRepaired"));
    assert!(events().contains("CertificateRenewed"));

    // The cluster stops wholly: both are gone, and the Secret with them.
    let trusted_before = decoded(&managed.secret()["data"]["ca.crt"]).matches("BEGIN CERTIFICATE").count();
    first.kill();
    second.kill();
    api.delete(SECRET).done();
    first.start();
    second.start();
    managed.until_put_right(&[&first, &second], || managed.judge().is_ok());
    managed.until_put_right(&[&first, &second], || first.serves(&managed.secret()) && second.serves(&managed.secret()));
    let text = first.ready(|status, text| status == 200 && text.contains("[+]authority ok"));
    let trusted = format!("({} trusted)", trusted_before + 1);
    assert!(text.contains(&trusted), "those before are trusted as long as somebody may serve by them: {text}");
    assert_no_secrets(&managed, &[&first, &second]);

    // The API server is away: what is good serves on, and all is well when it comes back.
    managed.cluster.control_plane.restart_api_server();
    managed.until_put_right(&[&first, &second], || managed.judge().is_ok());
    first.ready(|status, text| status == 200 && text.contains("[+]authority ok"));
}

#[test]
fn replicas_that_start_at_once_agree_and_what_others_keep_is_not_touched() {
    let Some(managed) = Managed::start() else { return };
    let api = &managed.cluster.api;
    // Nothing is there, not even an empty Secret.
    let ports: Vec<u16> =
        std::iter::once(managed.cluster.webhook.port).chain(std::iter::repeat_with(free_port)).take(3).collect();
    let replicas: Vec<Replica> =
        ports.iter().enumerate().map(|(at, port)| managed.replica(&format!("at-once-{at}"), *port, &[])).collect();
    let all: Vec<&Replica> = replicas.iter().collect();
    managed.until_put_right(&all, || managed.judge().is_ok());
    managed.until_put_right(&all, || all.iter().all(|replica| replica.serves(&managed.secret())));
    let made = |what: &str| -> f64 {
        let name = format!("secretfence_certificate_renewals_total{{result=\"done\",what=\"{what}\"}}");
        all.iter().map(|replica| replica.metric(&name)).sum()
    };
    assert_eq!((made("authority"), made("leaf")), (1.0, 1.0));
    assert_eq!(decoded(&managed.secret()["data"]["ca.crt"]).matches("BEGIN CERTIFICATE").count(), 1);

    // A right that is missing names itself, and counts as a renewal that failed.
    let failed = || all[0].metric("secretfence_certificate_renewals_total{result=\"failed\",what=\"leaf\"}");
    let role = format!("/apis/{RBAC}/namespaces/secretfence/roles/certificates");
    let rules = api.get(&role).done()["rules"].clone();
    for (rule, verb, says) in [
        (0, "get", "bind a Role there with \"get\" of secrets, resourceNames [secretfence-certificates]"),
        (0, "update", "bind a Role there with \"update\" of secrets, resourceNames [secretfence-certificates]"),
        (1, "create", "bind a Role there with \"create\" of secrets, which cannot be bound to a name"),
    ] {
        let mut fewer = rules.clone();
        fewer[rule]["verbs"].as_array_mut().unwrap().retain(|its| its != verb);
        if fewer[rule]["verbs"] == json!([]) {
            fewer.as_array_mut().unwrap().remove(rule);
        }
        api.merge(&role, &json!({"rules": fewer})).done();
        std::thread::sleep(Duration::from_millis(500));
        let failed_before = failed();
        match verb {
            "create" => drop(api.delete(SECRET).done()),
            _ => drop(api.merge(SECRET, &json!({"data": {"tls.key": null}})).done()),
        }
        let text = all[0].ready(|status, text| status == 200 && text.contains(says));
        assert!(text.contains("[-]authority good until"), "{text}");
        managed.until_put_right(&all, || failed() > failed_before);
        api.merge(&role, &json!({"rules": rules})).done();
        all[0].ready(|status, text| status == 200 && text.contains("[+]authority ok"));
        managed.judge().unwrap();
    }
    let cluster_role = format!("/apis/{RBAC}/clusterroles/test-registrations");
    let its_rules = api.get(&cluster_role).done()["rules"].clone();
    let mut fewer = its_rules.clone();
    fewer[1]["verbs"].as_array_mut().unwrap().retain(|verb| verb != "update");
    api.merge(&cluster_role, &json!({"rules": fewer})).done();
    std::thread::sleep(Duration::from_millis(500));
    let mut configuration = api.get(CONFIGURATIONS[1]).done();
    configuration["webhooks"][0]["clientConfig"]["caBundle"] = json!("");
    api.request("PUT", CONFIGURATIONS[1], "application/json", &configuration).done();
    all[0].ready(|_, text| text.contains("may not update validatingwebhookconfigurations"));
    api.merge(&cluster_role, &json!({"rules": its_rules})).done();
    managed.until_put_right(&all, || managed.judge().is_ok());

    // What a user and what cert-manager keep.
    let (certificate, key) = managed.cluster.control_plane.authority.server("user", &["secretfence.secretfence.svc"]);
    let data = json!({"tls.crt": STANDARD.encode_to_string(certificate), "tls.key": STANDARD.encode_to_string(key)});
    for (name, sort, annotations, says) in [
        ("users", "Opaque", json!({}), "tls.crt holds a certificate that secretfence did not make"),
        ("users", "kubernetes.io/tls", json!({}), "its type is not Opaque but kubernetes.io/tls"),
        ("cert-managers", "Opaque", json!({"cert-manager.io/certificate-name": "x"}), "cert-manager keeps it"),
    ] {
        let path = format!("/api/v1/namespaces/secretfence/secrets/{name}");
        let metadata = json!({"name": name, "namespace": "secretfence", "annotations": annotations});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": sort, "data": data});
        let made = api.create(&secret, "").done();
        let flag = format!("--certificate-secret={name}");
        let refused = managed.replica(&format!("refused-{name}-{}", sort.len()), free_port(), &[&flag]);
        let text = refused.ready(|status, text| status == 503 && text.contains("is not ours to write"));
        assert!(text.contains(says) && text.contains("Give --tls-cert and --tls-key"), "{text}");
        std::thread::sleep(Duration::from_secs(2));
        let now = api.get(&path).done();
        assert_eq!(now["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
        refused.kill();
        api.delete(&path).done();
    }
    managed.judge().unwrap();
    assert_no_secrets(&managed, &all);
}

/// Deletes both configurations and makes them again as they are applied: without authorities.
fn make_anew(managed: &Managed) {
    let mut configurations = CONFIGURATIONS.map(|path| managed.cluster.api.get(path).done());
    for configuration in &mut configurations {
        configuration["metadata"] = json!({"name": configuration["metadata"]["name"]});
        for webhook in configuration["webhooks"].as_array_mut().unwrap() {
            webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
        }
    }
    CONFIGURATIONS.iter().for_each(|path| drop(managed.cluster.api.delete(path).done()));
    // Long enough for replicas to see that they are missing, and to try what they can.
    std::thread::sleep(Duration::from_secs(2));
    configurations.iter().for_each(|configuration| drop(managed.cluster.api.create(configuration, "").done()));
}

#[test]
fn configurations_that_are_made_anew_are_filled_at_once_and_after_a_signal_nothing_is_written() {
    let Some(managed) = Managed::start() else { return };
    managed.empty_secret();
    let ports = [managed.cluster.webhook.port, free_port()];
    let replicas: Vec<Replica> = ports
        .iter()
        .enumerate()
        .map(|(at, port)| {
            managed.replica(&format!("anew-{at}"), *port, &["--shutdown-delay=15s", "--shutdown-grace=20s"])
        })
        .collect();
    let all: Vec<&Replica> = replicas.iter().collect();
    managed.until_put_right(&all, || managed.judge().is_ok());

    // Break glass and back, by hands that are quick.
    for time in 1..=5 {
        make_anew(&managed);
        let judged = managed.until_put_right(&all, || managed.judge().is_ok());
        println!("made anew for the {time}. time: judged again after {judged:?}");
        assert!(judged < Duration::from_secs(2), "{judged:?}\n{}", tail(&all[0].log()));
    }
    for replica in &all {
        assert!(!replica.said().contains("again and again") && !replica.said().contains("by somebody else"));
    }
    // Who writes what is not ours again and again is not fought.
    let other = STANDARD.encode_to_string(managed.cluster.control_plane.authority.pem());
    let is_fought = || {
        let mut configuration = managed.cluster.api.get(CONFIGURATIONS[1]).done();
        configuration["webhooks"][0]["clientConfig"]["caBundle"] = json!(other);
        // Or one of the two was quicker.
        managed.cluster.api.request("PUT", CONFIGURATIONS[1], "application/json", &configuration);
        std::thread::sleep(Duration::from_millis(200));
        all.iter().all(|replica| replica.admin("/readyz").is_some_and(|(_, text)| text.contains("again and again")))
    };
    managed.until_put_right(&all, is_fought);

    // Told to end, they serve on for a while, and leave everything as it is.
    all.iter().for_each(|replica| replica.process.lock().unwrap().as_mut().unwrap().terminate());
    let said = |replica: &&Replica| replica.said().contains("shutting down: unready");
    managed.until_put_right(&all, || all.iter().all(said));
    managed.cluster.api.merge(SECRET, &json!({"data": null})).done();
    make_anew(&managed);
    std::thread::sleep(Duration::from_secs(5));
    assert!(all.iter().all(|replica| !replica.process.lock().unwrap().as_mut().unwrap().has_ended()));
    assert_eq!((managed.secret().get("data"), managed.trusted()), (None, BTreeSet::from([String::new()])));
    // What starts then puts it right.
    all.iter().for_each(|replica| replica.kill());
    all[0].start();
    managed.until_put_right(&all, || managed.judge().is_ok());
}

/// Hands each new connection to another replica, one after the other, but for those that are not there.
fn balance(ports: Vec<u16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let next = AtomicUsize::new(0);
        for client in listener.incoming().map_while(Result::ok) {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let order = (0..ports.len()).map(|step| ports[(turn + step) % ports.len()]);
            let server = order.filter_map(|port| TcpStream::connect(("127.0.0.1", port)).ok()).next();
            let Some(server) = server else { continue };
            for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut to));
                    drop(to.shutdown(std::net::Shutdown::Write));
                });
            }
        }
    });
    port
}

#[test]
fn leaf_and_authority_are_renewed_under_load_and_no_review_is_lost() {
    let Some(managed) = Managed::start() else { return };
    managed.empty_secret();
    let ports = [managed.cluster.webhook.port, free_port(), free_port()];
    let ages = ["--authority-lifetime=48s", "--leaf-lifetime=12s", "--certificate-propagation=1s"];
    let replicas: Vec<Replica> =
        ports.iter().enumerate().map(|(at, port)| managed.replica(&format!("renewing-{at}"), *port, &ages)).collect();
    let all: Vec<&Replica> = replicas.iter().collect();
    all.iter().for_each(|replica| drop(replica.ready(|status, _| status == 200)));
    managed.lead_to(balance(ports.to_vec()));
    managed.until_put_right(&all, || managed.judge().is_ok());
    let (is_over, lost, judged) =
        (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let seen: Mutex<(BTreeSet<String>, BTreeSet<String>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    match managed.judge() {
                        Ok(()) => drop(judged.fetch_add(1, Ordering::Relaxed)),
                        Err(why) => lost.lock().unwrap().push(why),
                    }
                }
            });
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(100) && lost.lock().unwrap().is_empty() {
            let secret = managed.secret();
            let mut seen = seen.lock().unwrap();
            seen.0.insert(decoded(&secret["data"]["tls.crt"]));
            for authority in decoded(&secret["data"]["ca.crt"]).split_inclusive("-----END CERTIFICATE-----\n") {
                seen.1.insert(authority.to_owned());
            }
            drop(seen);
            // A connection that is kept shakes no hands.
            for bundle in managed.trusted() {
                let shaken = all.iter().map(|replica| replica.shakes_hands(&bundle));
                lost.lock().unwrap().extend(shaken.filter_map(Result::err));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let (leaves, authorities) = seen.into_inner().unwrap();
    let lost = lost.lock().unwrap();
    let judged = judged.load(Ordering::Relaxed);
    println!("{judged} reviews, {} leaves, {} authorities", leaves.len(), authorities.len());
    let logs: Vec<String> = all.iter().map(|replica| tail(&replica.log())).collect();
    assert!(lost.is_empty(), "{lost:#?}\n{}", logs.join("\n---\n"));
    assert!(judged > 100 && leaves.len() >= 6 && authorities.len() >= 3, "{}", logs.join("\n---\n"));
    let bundle = decoded(&managed.secret()["data"]["ca.crt"]);
    assert!(bundle.matches("BEGIN CERTIFICATE").count() <= 3, "those that have ended are gone");
    assert_no_secrets(&managed, &all);
}
