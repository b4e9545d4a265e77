//! Certificate files that change under a running server.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ClientConfig;
use tempfile::TempDir;

use crate::client::{Connection, REVIEW, trusting};
use crate::process::{Server, eventually, fails};

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

    /// Certificate and key in PEM, for `localhost`.
    pub fn pair(&self) -> (String, String) {
        self.sign(CertificateParams::new(vec!["localhost".to_owned()]).unwrap())
    }

    pub fn sign(&self, params: CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub fn client(&self) -> Arc<ClientConfig> {
        trusting(&self.pem())
    }
}

/// A directory with a pair.
struct Files {
    directory: TempDir,
}

impl Files {
    fn with((certificate, key): (String, String)) -> Files {
        let files = Files { directory: TempDir::new().unwrap() };
        fs::write(files.path("tls.crt"), certificate).unwrap();
        fs::write(files.path("tls.key"), key).unwrap();
        files
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn serve(&self) -> Server {
        Server::start(&["--tls-cert", &self.path("tls.crt"), "--tls-key", &self.path("tls.key")])
    }

    /// As editors and cert-manager's tools do: a new file takes the name.
    fn rename_in(&self, name: &str, content: &str) {
        fs::write(self.path("new"), content).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }
}

fn serves(server: &Server, authority: &Authority) -> bool {
    Connection::open(server.address, authority.client())
        .is_ok_and(|mut connection| connection.try_post("/validate", REVIEW).is_ok_and(|answer| answer.status == 200))
}

fn reloads(server: &Server, result: &str) -> f64 {
    server.metric(&format!("secretfence_certificate_reloads_total{{result=\"{result}\"}}")).unwrap()
}

#[test]
fn a_renamed_pair_serves_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::with(old.pair());
    let server = files.serve();
    assert!(serves(&server, &old));
    let mut kept = Connection::open(server.address, old.client()).unwrap();
    let (certificate, key) = new.pair();
    files.rename_in("tls.crt", &certificate);
    files.rename_in("tls.key", &key);
    assert!(eventually(|| serves(&server, &new).then_some(())).is_some());
    assert!(!serves(&server, &old));
    assert_eq!(reloads(&server, "success"), 1.0);
    assert_eq!(kept.post("/validate", REVIEW).status, 200, "a connection outlives the certificate");
}

/// A mounted Secret: `tls.crt -> ..data/tls.crt`, `..data -> ..2026_1`, and an update swaps `..data`.
#[test]
fn a_mounted_secret_whose_link_is_swapped_serves() {
    let (old, new) = (Authority::new(), Authority::new());
    let mount = TempDir::new().unwrap();
    let fill = |name: &str, (certificate, key): (String, String)| {
        fs::create_dir(mount.path().join(name)).unwrap();
        fs::write(mount.path().join(name).join("tls.crt"), certificate).unwrap();
        fs::write(mount.path().join(name).join("tls.key"), key).unwrap();
    };
    let point = |name: &str| {
        symlink(name, mount.path().join("..data_tmp")).unwrap();
        fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
    };
    fill("..2026_1", old.pair());
    point("..2026_1");
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), mount.path().join(name)).unwrap();
    }
    let path = |name: &str| mount.path().join(name).to_str().unwrap().to_owned();
    let server = Server::start(&["--tls-cert", &path("tls.crt"), "--tls-key", &path("tls.key")]);
    assert!(serves(&server, &old));
    fill("..2026_2", new.pair());
    point("..2026_2");
    fs::remove_dir_all(mount.path().join("..2026_1")).unwrap();
    assert!(eventually(|| serves(&server, &new).then_some(())).is_some());
    assert_eq!(reloads(&server, "failure"), 0.0);
}

#[test]
fn a_pair_that_is_no_pair_leaves_the_last_good_one_and_says_so() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::with(old.pair());
    let server = files.serve();
    let (certificate, key) = new.pair();
    let (_, other_key) = new.pair();
    let half = &certificate[..certificate.len() / 2];
    for (name, content, why) in [
        ("tls.key", &*other_key, "--tls-key"),
        ("tls.crt", half, "--tls-cert"),
        ("tls.crt", "", "expected a certificate in PEM"),
        ("tls.key", "nonsense", "--tls-"),
    ] {
        let failures = reloads(&server, "failure");
        files.rename_in(name, content);
        assert!(eventually(|| (reloads(&server, "failure") > failures).then_some(())).is_some(), "{name}: {why}");
        let (status, ready) = server.admin_get("/readyz");
        assert_eq!(status, 200, "the last good pair serves");
        assert!(ready.contains("[-]certificate reload failed") && ready.contains(why), "{ready}");
        assert!(serves(&server, &old));
        server.wait_for_line(&["certificate not reloaded", why]);
    }
    fs::remove_file(files.path("tls.crt")).unwrap();
    assert!(eventually(|| server.admin_get("/readyz").1.contains("No such file").then_some(())).is_some());
    assert!(serves(&server, &old));
    files.rename_in("tls.crt", &certificate);
    files.rename_in("tls.key", &key);
    assert!(eventually(|| serves(&server, &new).then_some(())).is_some());
    assert!(server.admin_get("/readyz").1.contains("[+]certificate ok"));
    let text = server.lines().join("\n");
    assert!(!text.contains("PRIVATE KEY") && !text.contains(key.lines().nth(1).unwrap()), "{text}");
}

#[test]
fn no_handshake_fails_while_the_pair_is_replaced_half_of_the_time_by_halves() {
    let authority = Authority::new();
    let files = Files::with(authority.pair());
    let server = files.serve();
    let (stop, shaken) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let client = authority.client();
                while !stop.load(Ordering::Relaxed) {
                    let mut connection = Connection::open(server.address, Arc::clone(&client)).expect("a handshake");
                    assert_eq!(connection.post("/validate", REVIEW).status, 200);
                    shaken.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        for round in 0..20 {
            let (certificate, key) = authority.pair();
            fs::write(files.path("tls.crt"), &certificate[..certificate.len() / 2]).unwrap();
            std::thread::sleep(Duration::from_millis(100 * (round % 3)));
            fs::write(files.path("tls.crt"), certificate).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            fs::write(files.path("tls.key"), key).unwrap();
            std::thread::sleep(Duration::from_millis(150));
        }
        let reloaded = eventually(|| (reloads(&server, "success") > 0.0).then_some(()));
        stop.store(true, Ordering::Relaxed);
        assert!(reloaded.is_some());
    });
    assert!(shaken.into_inner() > 20);
}

#[test]
fn at_the_start_a_bad_pair_is_an_error_that_names_the_flag() {
    let authority = Authority::new();
    let files = Files::with(authority.pair());
    let (_, other_key) = authority.pair();
    fs::write(files.path("other.key"), other_key).unwrap();
    fs::write(files.path("empty"), "").unwrap();
    let path = |name: &str| files.path(name);
    for (certificate, key, expected) in [
        ("tls.crt", "other.key", "--tls-key"),
        ("tls.crt", "missing", "--tls-key"),
        ("missing", "tls.key", "--tls-cert"),
        ("empty", "tls.key", "--tls-cert"),
        ("tls.key", "tls.key", "--tls-cert"),
        ("tls.crt", "tls.crt", "--tls-key"),
    ] {
        let (code, stderr) = fails(&["--tls-cert", &path(certificate), "--tls-key", &path(key)]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{certificate} {key}: {stderr}");
    }
}

#[test]
fn the_expiry_of_the_certificate_is_a_metric() {
    let authority = Authority::new();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let files = Files::with(authority.sign(params));
    let server = files.serve();
    assert_eq!(server.metric("secretfence_certificate_expiry_timestamp_seconds"), Some(1_927_843_200.0));
    assert!(server.admin_get("/readyz").1.contains("good until 2031-02-03T00:00:00Z"));
}

#[test]
fn a_certificate_that_has_ended_is_said_to_have_and_no_restart_is_asked_for() {
    let authority = Authority::new();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    let server = Files::with(authority.sign(params)).serve();
    let (status, text) = server.admin_get("/readyz");
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("[-]certificate ended at 2021-02-03T00:00:00Z: no API server takes it\n"), "{text}");
    assert!(!text.contains("[+]certificate"), "{text}");
}
