//! What is made is what a client takes, and what is read is what was made.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;

use super::*;
use crate::cluster::certificates::plan::{Ages, BACKDATED};

const NOW: i64 = 1_795_000_000;
const AGES: Ages = Ages { authority: 400 * 86400, leaf: 40 * 86400, propagation: 30 };
const PLAIN: Wrapping<'static> = Wrapping { sort: "Opaque", is_immutable: false, annotations: &[] };

fn names() -> Names {
    Names { service: "secretfence".to_owned(), namespace: "secretfence".to_owned() }
}

fn stored() -> Stored {
    let (authority, key) = Authority::make(&names(), NOW, AGES).unwrap();
    let (certificate, leaf_key) = authority.sign(&key, &names(), NOW, AGES).unwrap();
    let authorities = vec![authority];
    let served = Served::read(&certificate, leaf_key.pem(), &authorities, &names()).unwrap();
    Stored::new(authorities, key, Some(served)).unwrap()
}

/// As a client does: chain, age, usage and name.
fn takes(bundle: &str, leaf: &str, name: &str, at: i64) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle.as_bytes()).flatten());
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at.try_into().unwrap()));
    let taken = verifier.verify_server_cert(&leaf, &[], &ServerName::try_from(name).unwrap(), &[], at);
    taken.map(drop).map_err(|error| error.to_string())
}

fn read(data: &BTreeMap<String, Vec<u8>>) -> Read {
    let data = data.iter().map(|(key, value)| (&**key, &**value)).collect();
    Stored::read(PLAIN, &data, &names())
}

#[test]
fn a_client_takes_the_leaf_for_the_names_of_the_service_from_an_hour_before_to_its_end() {
    let stored = stored();
    let (bundle, leaf) = (stored.bundle(), stored.served.clone().unwrap().certificate);
    let takes = |name: &str, at: i64| takes(&bundle, &leaf, name, at);
    for name in ["secretfence.secretfence.svc", "secretfence.secretfence.svc.cluster.local"] {
        for at in [NOW - BACKDATED + 1, NOW, NOW + AGES.leaf - 1] {
            takes(name, at).unwrap();
        }
        assert!(takes(name, NOW - BACKDATED - 1).is_err() && takes(name, NOW + AGES.leaf + 1).is_err());
    }
    assert!(takes("other.secretfence.svc", NOW).is_err());
    let other = self::stored().bundle();
    assert!(self::takes(&other, &leaf, "secretfence.secretfence.svc", NOW).is_err());
    self::takes(&format!("{other}{bundle}"), &leaf, "secretfence.secretfence.svc", NOW).unwrap();
}

#[test]
fn an_authority_is_good_for_its_service_and_for_nothing_else() {
    let (authority, key) = Authority::make(&names(), NOW, AGES).unwrap();
    let other = Names { service: "kubernetes".to_owned(), namespace: "default".to_owned() };
    let (leaf, _) = authority.sign(&key, &other, NOW, AGES).unwrap();
    assert!(takes(&authority.pem, &leaf, "kubernetes.default.svc", NOW).is_err());
}

#[test]
fn a_leaf_ends_no_later_than_its_authority() {
    let (authority, key) = Authority::make(&names(), NOW, AGES).unwrap();
    let late = NOW + AGES.authority - 86400;
    let (leaf, leaf_key) = authority.sign(&key, &names(), late, AGES).unwrap();
    let served = Served::read(&leaf, leaf_key.pem(), std::slice::from_ref(&authority), &names()).unwrap();
    assert_eq!(served.leaf.certificate.ends, authority.certificate.ends);
    assert_eq!(served.leaf.certificate.made(), late);
}

#[test]
fn what_was_written_is_read_again() {
    let stored = stored();
    let read = read(&stored.data());
    assert_eq!(read.held, Held::Ours(stored.contents.clone()));
    let again = read.stored.unwrap();
    assert!(again.bundle() == stored.bundle() && again.data() == stored.data(), "it differs");
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(read(&BTreeMap::new()).held, Held::Empty);
    let empty = KEYS.map(|key| (key.to_owned(), Vec::new()));
    assert_eq!(read(&BTreeMap::from(empty)).held, Held::Empty);
}

#[test]
fn what_is_broken_says_where_and_never_what() {
    let stored = stored();
    for (key, value, says) in [
        (AUTHORITIES, "hunter2", "ca.crt holds no authority that can be read"),
        (AUTHORITY_KEY, "hunter2", "ca.key is not the key of the first authority in ca.crt"),
        (AUTHORITY_KEY, stored.served.as_ref().unwrap().key.pem(), "ca.key is not the key"),
        (LEAF, "hunter2", "tls.crt is no certificate"),
        (LEAF_KEY, "hunter2", "tls.key is not the key of tls.crt"),
        (LEAF_KEY, stored.authority_key.pem(), "tls.key is not the key of tls.crt"),
    ] {
        let mut data = stored.data();
        data.insert(key.to_owned(), value.as_bytes().to_vec());
        let held = read(&data).held;
        let why = match &held {
            Held::Corrupt { why, .. } => why.clone(),
            Held::Ours(Contents { leaf: Err(Some(why)), .. }) => why.clone(),
            other => panic!("{key}: {other:?}"),
        };
        assert!(why.starts_with(says), "{why}");
        assert!(!format!("{held:?}").contains("hunter2"));
    }
}

#[test]
fn a_leaf_for_another_service_or_of_another_authority_is_no_good() {
    let stored = stored();
    let moved = Names { namespace: "elsewhere".to_owned(), ..names() };
    let data = stored.data();
    let data: Data<'_> = data.iter().map(|(key, value)| (&**key, &**value)).collect();
    let Held::Ours(contents) = Stored::read(PLAIN, &data, &moved).held else { panic!("not ours") };
    let why = contents.leaf.unwrap_err().unwrap();
    assert_eq!(why, "tls.crt is not signed for secretfence.elsewhere.svc by an authority in ca.crt");
    let mut data = stored.data();
    for key in [LEAF, LEAF_KEY] {
        data.insert(key.to_owned(), self::stored().data()[key].clone());
    }
    let Held::Ours(contents) = read(&data).held else { panic!("not ours") };
    assert!(contents.leaf.is_err());
}

#[test]
fn what_others_keep_is_theirs() {
    let stored = stored();
    let data = stored.data();
    let ours: Data<'_> = data.iter().map(|(key, value)| (&**key, &**value)).collect();
    let foreign = |wrapping: Wrapping<'_>, data: &Data<'_>| match Stored::read(wrapping, data, &names()).held {
        Held::Foreign(why) => why,
        held => panic!("{held:?}"),
    };
    let cert_manager = ["app.kubernetes.io/name", "cert-manager.io/issuer-name"];
    assert_eq!(foreign(Wrapping { annotations: &cert_manager, ..PLAIN }, &ours), "cert-manager keeps it");
    let typed = foreign(Wrapping { sort: "kubernetes.io/tls", ..PLAIN }, &Data::new());
    assert_eq!(typed, "its type is not Opaque but kubernetes.io/tls");
    assert_eq!(foreign(Wrapping { is_immutable: true, ..PLAIN }, &ours), "it is immutable");
    let mut more = ours.clone();
    more.insert("password", b"hunter2");
    assert_eq!(foreign(PLAIN, &more), "it holds other keys than ca.crt, ca.key, tls.crt and tls.key");
    let key = rcgen::KeyPair::generate().unwrap();
    let theirs = rcgen::CertificateParams::new(vec!["secretfence.secretfence.svc".to_owned()]).unwrap();
    let theirs = theirs.self_signed(&key).unwrap().pem();
    for place in [LEAF, AUTHORITIES] {
        let mut data = ours.clone();
        data.insert(place, theirs.as_bytes());
        assert_eq!(foreign(PLAIN, &data), format!("{place} holds a certificate that secretfence did not make"));
    }
}

#[test]
fn no_key_is_shown() {
    let stored = stored();
    let shown = format!("{stored:?}");
    for key in [&stored.authority_key, &stored.served.as_ref().unwrap().key] {
        assert!(!shown.contains(key.pem().lines().nth(1).unwrap()));
    }
    assert!(shown.contains("PrivateKey(<masked>)") && !shown.contains("PRIVATE"), "{shown}");
}

/// `docs/install.md` and `manifests/cert-manager` call theirs so.
#[test]
fn an_authority_by_hand_of_the_documented_name_is_somebody_elses() {
    let issuer_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "secretfence authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&issuer_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(params, issuer_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new([names().dialled()]).unwrap().signed_by(&key, &issuer).unwrap().pem();
    // Neither overwritten where it is kept, nor taken over from a caBundle to be trusted on.
    let data = [(LEAF, leaf.into_bytes()), (LEAF_KEY, key.serialize_pem().into_bytes())];
    let data = data.map(|(key, value)| (key.to_owned(), value)).into();
    assert!(matches!(read(&data).held, Held::Foreign(why) if why.starts_with("tls.crt holds a certificate")));
    assert_eq!(Authority::bundle(&authority), [None]);
}
