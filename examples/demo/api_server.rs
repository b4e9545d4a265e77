//! The part of an API server that calls webhooks.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use base64_simd::STANDARD;
use secretfence::webhook::{CertificateSource, PolicySource, SelfSigned, Server, Settings};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// A running webhook, and a client that trusts its certificate. Dropped, the webhook ends.
pub struct ApiServer {
    /// Where the webhook listens.
    pub url: String,
    client: Agent,
    _webhook: Runtime,
}

/// What the webhook answered.
pub struct Verdict {
    pub allowed: bool,
    /// Why not.
    pub message: String,
    pub warnings: Vec<String>,
    /// The object, patched; `None` where nothing is.
    pub patched: Option<Value>,
}

impl ApiServer {
    /// Starts the webhook with a policy file on a free port of the loopback, and registers it.
    pub fn with_webhook(policies: PathBuf) -> Result<ApiServer> {
        let runtime = Runtime::new().context("cannot start the threads of the webhook")?;
        let mut settings =
            Settings::new(CertificateSource::SelfSigned(SelfSigned::generate()?), PolicySource::Paths(vec![policies]));
        let loopback = ([127, 0, 0, 1], 0).into();
        (settings.listen, settings.admin_listen) = (loopback, loopback);
        let server = runtime.block_on(async { Server::bind(settings) })?;
        let authority = server.authority_pem().ok_or_else(|| anyhow!("the webhook made no certificate"))?;
        let authority = Certificate::from_pem(authority.as_bytes()).context("cannot read the webhook's authority")?;
        let url = format!("https://{}", server.address());
        runtime.spawn(server.run(std::future::pending()));
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[authority])).build();
        let client = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            // A proxy of the caller's has no way to this machine's loopback.
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .new_agent();
        Ok(ApiServer { url, client, _webhook: runtime })
    }

    /// Calls the webhook as for `kubectl create` in a namespace.
    pub fn create(&self, path: &str, namespace: &str, object: &Value) -> Result<Verdict> {
        let review = review(namespace, object);
        let url = format!("{}{path}?timeout=5s", self.url);
        let mut answer = (self.client.post(&url).content_type("application/json"))
            .send(serde_json::to_vec(&review)?)
            .with_context(|| format!("cannot call the webhook at {url}"))?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string().with_context(|| format!("cannot read the answer of {url}"))?;
        let answer: Value =
            serde_json::from_str(&text).with_context(|| format!("{url} answered {status} without a review: {text}"))?;
        Verdict::read(&answer["response"], object)
    }
}

impl Verdict {
    fn read(response: &Value, object: &Value) -> Result<Verdict> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let patched = response["patch"].as_str().map(|patch| apply(patch, object)).transpose()?;
        Ok(Verdict {
            allowed: response["allowed"].as_bool().context("the answer does not say whether it allows")?,
            message: text(&response["status"]["message"]),
            warnings: response["warnings"].as_array().into_iter().flatten().map(text).collect(),
            patched,
        })
    }
}

/// `admission.k8s.io/v1`, with what a webhook reads of it.
fn review(namespace: &str, object: &Value) -> Value {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": version, "kind": object["kind"]},
            "name": object["metadata"]["name"],
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "demo"},
            "object": object,
        },
    })
}

fn apply(patch: &str, object: &Value) -> Result<Value> {
    let patch = STANDARD.decode_to_vec(patch).context("the patch is not in base64")?;
    let patch: json_patch::Patch = serde_json::from_slice(&patch).context("the patch is no RFC 6902")?;
    let mut patched = object.clone();
    json_patch::patch(&mut patched, &patch).context("the patch does not apply")?;
    Ok(patched)
}
