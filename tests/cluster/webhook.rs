//! The webhook's own binary, beside the API server that calls it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::control_plane::{Authority, ControlPlane, eventually, free_port, tail};
use crate::guarded::Guarded;

/// The name in the certificate: the API server dials the Service by it.
pub const SERVER_NAME: &str = "secretfence.secretfence.svc";

pub struct Webhook {
    pub directory: PathBuf,
    pub port: u16,
    admin_port: u16,
    /// Where its certificate is not in files.
    makes_its_certificate: bool,
    more: Vec<String>,
    /// Of its pod, where it has one.
    uid: String,
    process: Mutex<Option<Guarded>>,
}

impl Webhook {
    /// Serves with a certificate of the control plane's authority, and these policies by file name.
    pub fn start(control_plane: &ControlPlane, name: &str, policies: &[(&str, &str)], more: &[String]) -> Webhook {
        Webhook::start_at(free_port(), control_plane, name, policies, more)
    }

    /// The same, at this port.
    pub fn start_at(
        port: u16,
        control_plane: &ControlPlane,
        name: &str,
        policies: &[(&str, &str)],
        more: &[String],
    ) -> Webhook {
        let webhook = Webhook::write(port, control_plane, name, policies, more);
        webhook.write_certificate(&control_plane.authority);
        webhook.restart();
        webhook
    }

    /// Serves with this certificate and key, as a pod has them mounted.
    pub fn mounted(
        port: u16,
        control_plane: &ControlPlane,
        name: &str,
        policies: &[(&str, &str)],
        (certificate, key): &(Vec<u8>, Vec<u8>),
    ) -> Webhook {
        let webhook = Webhook::write(port, control_plane, name, policies, &[]);
        fs::write(webhook.directory.join("tls.crt"), certificate).unwrap();
        fs::write(webhook.directory.join("tls.key"), key).unwrap();
        webhook.restart();
        webhook
    }

    /// Serves with the certificate that these flags let it make.
    pub fn managed(
        port: u16,
        control_plane: &ControlPlane,
        name: &str,
        policies: &[(&str, &str)],
        flags: &[String],
    ) -> Webhook {
        let mut webhook = Webhook::write(port, control_plane, name, policies, flags);
        webhook.makes_its_certificate = true;
        webhook.restart();
        webhook
    }

    /// What a pod is started as, whether it becomes ready or not: with the certificate that is mounted, or one of its own.
    pub fn started(
        control_plane: &ControlPlane,
        (name, uid): (&str, &str),
        policies: &[(&str, &str)],
        certificate: Option<&(Vec<u8>, Vec<u8>)>,
        flags: &[String],
    ) -> Webhook {
        let mut webhook = Webhook::write(free_port(), control_plane, name, policies, flags);
        webhook.uid = uid.to_owned();
        match certificate {
            Some((certificate, key)) => {
                fs::write(webhook.directory.join("tls.crt"), certificate).unwrap();
                fs::write(webhook.directory.join("tls.key"), key).unwrap();
            }
            None => webhook.makes_its_certificate = true,
        }
        webhook.start_again();
        webhook
    }

    /// Everything but its certificate.
    fn write(
        port: u16,
        control_plane: &ControlPlane,
        name: &str,
        policies: &[(&str, &str)],
        more: &[String],
    ) -> Webhook {
        let directory = control_plane.directory.join(name);
        let webhook = Webhook {
            port,
            admin_port: free_port(),
            makes_its_certificate: false,
            more: more.to_vec(),
            uid: String::new(),
            process: Mutex::default(),
            directory,
        };
        fs::create_dir_all(webhook.policies()).unwrap();
        for (file, text) in policies {
            fs::write(webhook.policies().join(file), text).unwrap();
        }
        webhook
    }

    /// Where its policies are.
    pub fn policies(&self) -> PathBuf {
        self.directory.join("policies")
    }

    pub fn write_certificate(&self, authority: &Authority) {
        let (certificate, key) = authority.server("secretfence", &[SERVER_NAME, "127.0.0.1"]);
        fs::write(self.directory.join("tls.crt"), certificate).unwrap();
        fs::write(self.directory.join("tls.key"), key).unwrap();
    }

    pub fn stop(&self) {
        drop(self.process.lock().unwrap().take());
    }

    /// As the end of a pod: a signal, and time to drain. It has ended when this returns.
    pub fn end(&self) {
        let Some(mut process) = self.process.lock().unwrap().take() else { return };
        if process.has_ended() {
            return;
        }
        process.terminate();
        assert!(eventually(|| process.has_ended().then_some(())).is_some(), "it goes on\n{}", tail(&self.log()));
    }

    /// On the same port.
    pub fn restart(&self) {
        self.start_again();
        let ready = || self.admin("/readyz").is_some_and(|(status, _)| status == 200).then_some(());
        assert!(eventually(ready).is_some(), "the webhook is not ready\n{}", tail(&self.log()));
    }

    /// The same, whether it becomes ready or not.
    pub fn start_again(&self) {
        self.stop();
        let path = |name: &str| self.directory.join(name).display().to_string();
        let flags = [
            format!("POD_UID={}", self.uid),
            env!("CARGO_BIN_EXE_secretfence").to_owned(),
            "serve".to_owned(),
            format!("--listen=127.0.0.1:{}", self.port),
            format!("--admin-listen=127.0.0.1:{}", self.admin_port),
            format!("--policies={}", path("policies")),
        ];
        let files = [format!("--tls-cert={}", path("tls.crt")), format!("--tls-key={}", path("tls.key"))];
        let files = files.iter().filter(|_| !self.makes_its_certificate);
        let arguments: Vec<&String> = flags.iter().chain(files).chain(&self.more).collect();
        let process = Guarded::start(Path::new("/usr/bin/env"), &arguments, &self.log());
        *self.process.lock().unwrap() = Some(process);
    }

    /// Status and text of a GET at the plain listener.
    pub fn admin(&self, path: &str) -> Option<(u16, String)> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent: ureq::Agent = config.into();
        let response = agent.get(format!("http://127.0.0.1:{}{path}", self.admin_port)).call().ok()?;
        let status = response.status().as_u16();
        Some((status, response.into_body().read_to_string().ok()?))
    }

    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }
}
