//! An etcd, an API server and the controllers that make pods, on loopback, with their data in a directory of their own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use serde_json::json;

use crate::api::Api;
use crate::binaries::Program;
use crate::guarded::{Guarded, directory};
use crate::webhook::SERVER_NAME;

/// How long anything may take before a test fails: far more than it needs.
pub const PATIENCE: Duration = Duration::from_secs(120);

const FIRST_PORT: u16 = 20_000;
const PORTS: u32 = 10_000;

/// Who may do everything.
pub const ADMIN: &str = "admin-token";
/// A person with the rights that a test gives to the user `tenant`.
pub const TENANT: &str = "tenant-token";
const TOKENS: &str = "admin-token,admin,1,\"system:masters\"\ntenant-token,tenant,2\n";

/// The common name of the certificate that the API server shows to webhooks.
pub const API_SERVER_NAME: &str = "kube-apiserver";

/// The controllers that make and end pods, and what they need.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,replicationcontroller-controller,\
    statefulset-controller,daemonset-controller,job-controller,cronjob-controller,serviceaccount-controller,\
    namespace-controller,garbage-collector-controller,clusterrole-aggregation-controller,disruption-controller";

/// Bodies of what our webhooks judge are kept, but for the answers. Annotations are on every event. Of the audit's own
/// ServiceAccount all that it does.
const AUDIT_POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  # What the webhook itself and its audits ask.
  - level: Metadata
    users:
      - system:serviceaccount:secretfence:secretfence
      - system:serviceaccount:secretfence:secretfence-audit
      - system:serviceaccount:secretfence-audit:secretfence-audit-textfile
  - level: Request
    verbs: [create, update, patch]
    resources:
      - {group: "", resources: [pods, pods/ephemeralcontainers]}
  - level: Metadata
    verbs: [create, update, patch]
    resources:
      - {group: apps}
      - {group: batch}
  - level: None
"#;

pub struct ControlPlane {
    pub directory: PathBuf,
    pub authority: Authority,
    etcd: Mutex<Option<Guarded>>,
    api_server: Mutex<Option<Guarded>>,
    controllers: Mutex<Option<Guarded>>,
    programs: Programs,
    /// To a webhook at this port the API server shows a certificate that has expired.
    pub expired_port: u16,
    pub port: u16,
    etcd_port: u16,
}

#[derive(Clone)]
struct Programs {
    etcd: Program,
    api_server: Program,
    controllers: Program,
    kubectl: Program,
}

impl ControlPlane {
    /// Starts one and waits until it is ready. An error says what is missing.
    pub fn start() -> Result<ControlPlane, String> {
        let programs = Programs {
            etcd: Program::find("etcd")?,
            api_server: Program::find("kube-apiserver")?,
            controllers: Program::find("kube-controller-manager")?,
            kubectl: Program::find("kubectl")?,
        };
        let start = Instant::now();
        let control_plane = ControlPlane {
            directory: directory("control-plane-"),
            authority: Authority::new(),
            etcd: Mutex::default(),
            api_server: Mutex::default(),
            controllers: Mutex::default(),
            programs,
            expired_port: free_port(),
            port: free_port(),
            etcd_port: free_port(),
        };
        control_plane.write_files();
        control_plane.start_etcd();
        control_plane.start_api_server();
        control_plane.start_controllers();
        println!("a control plane is ready after {} ms", start.elapsed().as_millis());
        Ok(control_plane)
    }

    pub fn api(&self, token: &'static str) -> Api {
        Api::new(format!("https://127.0.0.1:{}", self.port), token, &self.authority.pem())
    }

    /// `kubectl`, as the administrator, away from the caller's own settings.
    pub fn kubectl(&self) -> Command {
        let mut command = self.programs.kubectl.command();
        command.env("KUBECONFIG", self.path("admin.kubeconfig")).env("HOME", &self.directory).env("KUBERC", "off");
        command
    }

    pub fn audit_log(&self) -> PathBuf {
        self.directory.join("audit.log")
    }

    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// From now on nobody makes pods, nor ends them.
    pub fn stop_controllers(&self) {
        drop(self.controllers.lock().unwrap().take());
    }

    pub fn restart_api_server(&self) {
        drop(self.api_server.lock().unwrap().take());
        self.start_api_server();
    }

    /// Everything ends at once, as by a loss of power, and starts again with the same data.
    pub fn stop_wholly(&self) {
        for program in [&self.controllers, &self.api_server, &self.etcd] {
            drop(program.lock().unwrap().take());
        }
    }

    pub fn start_wholly(&self) {
        self.start_etcd();
        self.start_api_server();
        self.start_controllers();
    }

    /// Of what was, etcd knows only what is there now.
    pub fn compact(&self) {
        let ask = |path: &str, body: String| {
            let answer = ureq::post(format!("http://127.0.0.1:{}{path}", self.etcd_port)).send(body).unwrap();
            serde_json::from_str::<serde_json::Value>(&answer.into_body().read_to_string().unwrap()).unwrap()
        };
        let range = ask("/v3/kv/range", r#"{"key": "AA==", "limit": "1"}"#.to_owned());
        let revision = range["header"]["revision"].as_str().unwrap();
        ask("/v3/kv/compaction", format!(r#"{{"revision": "{revision}", "physical": true}}"#));
    }

    /// The certificate and key that the API server shows to webhooks, signed by [`ControlPlane::authority`].
    fn write_files(&self) {
        let write = |name: &str, content: &str| fs::write(self.directory.join(name), content).unwrap();
        write("authority.pem", &self.authority.pem());
        let (certificate, key) = self.authority.server("kube-apiserver", &["127.0.0.1", "localhost"]);
        write("api-server.crt", &certificate);
        write("api-server.key", &key);
        let (certificate, key) = self.authority.client(API_SERVER_NAME);
        write("webhook-client.crt", &certificate);
        write("webhook-client.key", &key);
        let (certificate, key) = self.authority.expired_client(API_SERVER_NAME);
        write("expired-client.crt", &certificate);
        write("expired-client.key", &key);
        let service_accounts = KeyPair::generate().unwrap();
        write("service-accounts.key", &service_accounts.serialize_pem());
        write("service-accounts.pub", &service_accounts.public_key_pem());
        write("tokens.csv", TOKENS);
        write("audit-policy.yaml", AUDIT_POLICY);
        write("admin.kubeconfig", &self.kubeconfig());
        write("webhook-client.kubeconfig", &self.webhook_kubeconfig());
        write("admission.yaml", &self.admission_configuration());
    }

    /// From its next start on the API server has no certificate for webhooks, as most have none.
    pub fn forget_client_certificate(&self) {
        let text = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins: []\n";
        fs::write(self.directory.join("admission.yaml"), text).unwrap();
    }

    fn kubeconfig(&self) -> String {
        self.kubeconfig_of(ADMIN)
    }

    /// The way to the API server with this token.
    pub fn kubeconfig_of(&self, token: &str) -> String {
        let (port, authority) = (self.port, self.path("authority.pem"));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: \"https://127.0.0.1:{port}\", certificate-authority: \"{authority}\"}}}}]\n\
             users: [{{name: admin, user: {{token: \"{token}\"}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]\n"
        )
    }

    /// The way to the API server with a token of this ServiceAccount, good for two hours.
    pub fn kubeconfig_of_account(&self, namespace: &str, name: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200},
        });
        let made = self.api(ADMIN).request("POST", &path, "application/json", &request).done();
        self.kubeconfig_of(made["status"]["token"].as_str().unwrap())
    }

    /// The certificate for every webhook, whatever its name, but for one port.
    fn webhook_kubeconfig(&self) -> String {
        let user = |name: &str, files: &str| {
            let (certificate, key) = (self.path(&format!("{files}.crt")), self.path(&format!("{files}.key")));
            format!("{{name: \"{name}\", user: {{client-certificate: \"{certificate}\", client-key: \"{key}\"}}}}")
        };
        let expired = format!("{SERVER_NAME}:{}", self.expired_port);
        let users = [user("*", "webhook-client"), user(&expired, "expired-client")].join(", ");
        format!("apiVersion: v1\nkind: Config\nusers: [{users}]\n")
    }

    fn admission_configuration(&self) -> String {
        let mut text = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n".to_owned();
        for plugin in ["MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"] {
            text += &format!(
                "- name: {plugin}\n  configuration: {{apiVersion: apiserver.config.k8s.io/v1, \
                 kind: WebhookAdmissionConfiguration, kubeConfigFile: \"{}\"}}\n",
                self.path("webhook-client.kubeconfig")
            );
        }
        text
    }

    fn start_etcd(&self) {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let flags = [
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        let etcd = self.start_program(&self.programs.etcd, &flags, "etcd.log");
        *self.etcd.lock().unwrap() = Some(etcd);
    }

    fn start_api_server(&self) {
        let flags = [
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            format!("--secure-port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            // The address of this API server is not one for Endpoints.
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            format!("--tls-cert-file={}", self.path("api-server.crt")),
            format!("--tls-private-key-file={}", self.path("api-server.key")),
            format!("--token-auth-file={}", self.path("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-signing-key-file={}", self.path("service-accounts.key")),
            format!("--service-account-key-file={}", self.path("service-accounts.pub")),
            format!("--admission-control-config-file={}", self.path("admission.yaml")),
            format!("--audit-policy-file={}", self.path("audit-policy.yaml")),
            format!("--audit-log-path={}", self.audit_log().display()),
            "--allow-privileged=true".to_owned(),
        ];
        let api_server = self.start_program(&self.programs.api_server, &flags, "kube-apiserver.log");
        *self.api_server.lock().unwrap() = Some(api_server);
        let api = self.api(ADMIN);
        let has_ended = || self.api_server.lock().unwrap().as_mut().is_none_or(Guarded::has_ended);
        let is_ready = || api.text("/readyz").is_some_and(|(status, _)| status == 200);
        let ended = eventually(|| if is_ready() { Some(false) } else { has_ended().then_some(true) });
        if ended != Some(false) {
            let said = api.text("/readyz?verbose").map_or_else(|| "nothing".to_owned(), |(_, text)| text);
            panic!("the API server is not ready: {said}\n{}", tail(&self.directory.join("kube-apiserver.log")));
        }
    }

    fn start_controllers(&self) {
        let flags = [
            format!("--kubeconfig={}", self.path("admin.kubeconfig")),
            format!("--controllers={CONTROLLERS}"),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            format!("--service-account-private-key-file={}", self.path("service-accounts.key")),
            "--concurrent-gc-syncs=2".to_owned(),
            // Many tests at a time make many objects.
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=500".to_owned(),
        ];
        let controllers = self.start_program(&self.programs.controllers, &flags, "kube-controller-manager.log");
        *self.controllers.lock().unwrap() = Some(controllers);
    }

    fn start_program(&self, program: &Program, flags: &[String], log: &str) -> Guarded {
        Guarded::start(&program.file, &program.arguments(flags), &self.directory.join(log))
    }
}

impl Drop for ControlPlane {
    /// The API server before its etcd: it waits for an etcd that is gone.
    fn drop(&mut self) {
        for program in [&self.controllers, &self.api_server, &self.etcd] {
            drop(program.lock().map(|mut program| program.take()));
        }
    }
}

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a test's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Certificate and key in PEM of a server.
    pub fn server(&self, common_name: &str, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sign(&Authority::params(common_name, names, ExtendedKeyUsagePurpose::ServerAuth))
    }

    /// Certificate and key in PEM of a client.
    pub fn client(&self, common_name: &str) -> (String, String) {
        self.sign(&Authority::params(common_name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth))
    }

    /// The same, of which the last day is past.
    fn expired_client(&self, common_name: &str) -> (String, String) {
        let mut params = Authority::params(common_name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 31);
        self.sign(&params)
    }

    fn params(common_name: &str, names: Vec<String>, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        params
    }

    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// Asks again until there is an answer, or patience is at its end.
pub fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A free port of the loopback, below those that systems give to outgoing connections: nobody takes it before we do.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes beside this one begin elsewhere.
    let begin = std::process::id().wrapping_mul(61) % PORTS;
    let ports = std::iter::repeat_with(|| {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        FIRST_PORT + u16::try_from((begin + next) % PORTS).unwrap()
    });
    let mut free = ports.take(PORTS as usize).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("a free port")
}

/// The last lines of a file.
pub fn tail(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
