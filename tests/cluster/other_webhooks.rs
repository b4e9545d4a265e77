//! Mutating webhooks of others, before and after ours.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use base64_simd::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::objects::{self, clean, pod, postgres, secret_env};
use crate::webhook::SERVER_NAME;

#[test]
fn a_variable_that_a_later_webhook_puts_back_is_denied_at_validate() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("put-back", Some("enforce"));
    let env = json!([secret_env("POSTGRES_PASSWORD")]);
    // Always: also when it is called again after us.
    let patch = json!([{"op": "add", "path": "/spec/containers/0/env", "value": env}]);
    other_webhook(cluster, "zzz", &namespace, move |_| patch.clone());
    let create = || cluster.api.create(&objects::swapped(&namespace), "?dryRun=All");
    let reply = cluster.eventually(create, |reply| reply.status != 201);
    insta::assert_snapshot!(reply.denied(), @r#"
    1 reference denied:
    - container "postgres" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/containers/0/env/0): could be swapped but was not: the mutating webhook did not run, or a later one put it back [secrets-as-files/images-that-read-files]
    "#);
}

#[test]
fn a_sidecar_that_a_later_webhook_adds_is_swapped_when_we_are_called_again() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("sidecar", Some("enforce"));
    let is_there = |pod: &Value| pod["spec"]["containers"].as_array().unwrap().len() > 1;
    other_webhook(cluster, "zzz", &namespace, move |pod| {
        let mut sidecar = postgres();
        sidecar["name"] = json!("sidecar");
        if is_there(pod) { json!([]) } else { json!([{"op": "add", "path": "/spec/containers/-", "value": sidecar}]) }
    });
    let create = |pod: Value| move || cluster.api.create(&pod, "?dryRun=All");
    let made =
        cluster.eventually(create(clean(&namespace)), |reply| reply.status != 201 || is_there(&reply.body)).done();
    let file = json!([{"name": "POSTGRES_PASSWORD_FILE", "value": "/run/secretfence/db/password"}]);
    assert_eq!(made["spec"]["containers"][1]["env"], file, "{made:#}");
    // Beside a container that was swapped the first time.
    let made = cluster.api.create(&pod(&namespace, "db", json!([postgres()])), "").done();
    for container in made["spec"]["containers"].as_array().unwrap() {
        assert_eq!(container["env"], file, "{made:#}");
    }
    let volumes = made["spec"]["volumes"].as_array().unwrap();
    let ours = volumes.iter().filter(|volume| volume["name"].as_str().unwrap().starts_with("secretfence-"));
    assert_eq!(ours.count(), 1, "they take the same file: {made:#}");
}

/// Serves and registers a mutating webhook that patches the pods of a namespace.
fn other_webhook(
    cluster: &Cluster,
    name: &str,
    namespace: &str,
    patch: impl Fn(&Value) -> Value + Send + Sync + 'static,
) {
    let (certificate, key) = cluster.control_plane.authority.server("other", &[SERVER_NAME]);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let (config, patch) = (Arc::new(config), Arc::new(patch));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let (config, patch) = (Arc::clone(&config), Arc::clone(&patch));
            std::thread::spawn(move || answer_one(socket, config, patch.as_ref()));
        }
    });
    cluster.register_again("MutatingWebhookConfiguration", "zz-secretfence", name, namespace, port);
}

/// Answers one review of a connection.
fn answer_one(socket: TcpStream, config: Arc<ServerConfig>, patch: &dyn Fn(&Value) -> Value) -> Option<()> {
    let mut stream = StreamOwned::new(ServerConnection::new(config).ok()?, socket);
    let mut bytes = Vec::new();
    let review: Value = loop {
        let mut buffer = [0; 16 << 10];
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let body = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|end| &bytes[end + 4..]);
        // Complete as soon as it is JSON.
        if let Some(review) = body.and_then(|body| serde_json::from_slice(body).ok()) {
            break review;
        }
    };
    let patch = STANDARD.encode_to_string(patch(&review["request"]["object"]).to_string());
    let response = json!({"uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": patch});
    let body =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
    write!(stream, "{head} {}\r\n\r\n{body}", body.len()).ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()
}
