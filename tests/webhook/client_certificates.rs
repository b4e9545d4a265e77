//! `--client-ca` and `--client-name`: only the API server gets in.

use std::fs;
use std::io;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose};
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::client::{Answer, Connection, REVIEW, config};
use crate::process::{Server, eventually, fails};

/// A client's certificate with a common name and DNS names.
fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

struct Case {
    server: Server,
    directory: TempDir,
    authority: Authority,
    server_authority: String,
}

impl Case {
    fn with(names: &[&str]) -> Case {
        let authority = Authority::new();
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("ca.crt");
        fs::write(&file, authority.pem()).unwrap();
        let mut arguments = vec!["--client-ca", file.to_str().unwrap()];
        for name in names {
            arguments.extend(["--client-name", name]);
        }
        let server = Server::self_signed(&arguments);
        let server_authority = server.admin_get("/certificate").1;
        Case { server, directory, authority, server_authority }
    }

    /// In TLS 1.3 the client learns that it is refused when it first reads.
    fn try_with(&self, identity: Option<&(String, String)>) -> io::Result<Answer> {
        let identity = identity.map(|(certificate, key)| (&**certificate, &**key));
        let mut last = None;
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let config = config(&self.server_authority, identity, &[version], &[b"http/1.1"]);
            let answer = Connection::open(self.server.address, config)
                .and_then(|mut connection| connection.try_post("/validate", REVIEW));
            if let Some(Ok(_) | Err(_)) = &last {
                assert_eq!(last.as_ref().is_some_and(Result::is_ok), answer.is_ok(), "both versions agree: {answer:?}");
            }
            last = Some(answer);
        }
        last.unwrap()
    }
}

#[test]
fn a_client_with_the_right_certificate_and_name_gets_in() {
    let case = Case::with(&["kube-apiserver", "front"]);
    for right in [params("kube-apiserver", &[]), params("front", &[]), params("other", &["x", "kube-apiserver"])] {
        assert_eq!(case.try_with(Some(&case.authority.sign(right))).unwrap().status, 200);
    }
}

#[test]
fn no_certificate_another_authority_another_name_and_an_expired_one_are_refused() {
    let case = Case::with(&["kube-apiserver"]);
    let stranger = Authority::new();
    let mut expired = params("kube-apiserver", &[]);
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let mut server_only = params("kube-apiserver", &[]);
    server_only.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for (what, identity) in [
        ("none", None),
        ("another authority", Some(stranger.sign(params("kube-apiserver", &[])))),
        ("another name", Some(case.authority.sign(params("kube-apiserver-2", &["kube-apiserver.evil"])))),
        ("expired", Some(case.authority.sign(expired))),
        ("a server's", Some(case.authority.sign(server_only))),
    ] {
        assert!(case.try_with(identity.as_ref()).is_err(), "{what}");
    }
    for why in
        ["no certificate", "not signed by --client-ca", "names of --client-name", "expired", "not one for clients"]
    {
        case.server.wait_for_line(&["connection refused", why]);
    }
    assert_eq!(case.server.admin_get("/readyz").0, 200, "the admin listener asks for no certificate");
    assert_eq!(case.try_with(Some(&case.authority.sign(params("kube-apiserver", &[])))).unwrap().status, 200);
}

/// In TLS 1.3 a client is done with the handshake before its certificate is judged: it has sent much by then, and reads
/// only afterwards.
#[test]
fn a_client_that_is_refused_while_it_sends_sees_the_alert() {
    let case = Case::with(&[]);
    let config = config(&case.server_authority, None, &[&rustls::version::TLS13], &[b"http/1.1"]);
    for _ in 0..20 {
        let mut connection = Connection::open(case.server.address, config.clone()).unwrap();
        for _ in 0..8 {
            connection.send([b' '; 16 << 10]).expect("it is taken, and thrown away");
        }
        let error = connection.answer().unwrap_err();
        assert!(error.to_string().contains("CertificateRequired"), "{error}");
    }
}

#[test]
fn without_names_any_client_of_the_authority_gets_in() {
    let case = Case::with(&[]);
    assert_eq!(case.try_with(Some(&case.authority.sign(params("anybody", &[])))).unwrap().status, 200);
    assert!(case.try_with(None).is_err());
}

#[test]
fn the_authority_is_read_again_when_it_changes() {
    let case = Case::with(&["kube-apiserver"]);
    let next = Authority::new();
    let (old, new) = (case.authority.sign(params("kube-apiserver", &[])), next.sign(params("kube-apiserver", &[])));
    assert!(case.try_with(Some(&new)).is_err());
    fs::write(case.directory.path().join("ca.crt"), next.pem()).unwrap();
    let admits = |identity| {
        let (certificate, key): &(String, String) = identity;
        let config = config(&case.server_authority, Some((certificate, key)), rustls::ALL_VERSIONS, &[]);
        Connection::open(case.server.address, config)
            .and_then(|mut connection| connection.try_post("/validate", REVIEW))
            .is_ok()
    };
    assert!(eventually(|| admits(&new).then_some(())).is_some());
    assert!(!admits(&old));
}

#[test]
fn names_without_an_authority_and_a_bad_authority_are_errors_that_name_the_flag() {
    let (code, stderr) = fails(&["--self-signed", "--client-name", "x"]);
    assert!(code == Some(2) && stderr.contains("--client-ca"), "{stderr}");
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("ca.crt");
    fs::write(&file, "nothing").unwrap();
    let (code, stderr) = fails(&["--self-signed", "--client-ca", file.to_str().unwrap()]);
    assert!(code == Some(2) && stderr.contains("--client-ca"), "{stderr}");
}
