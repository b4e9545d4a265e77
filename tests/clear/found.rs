//! What is found in manifests of real projects. Each was read: where one changes, read it again.

use std::collections::BTreeMap;

use secretfence::cli::check::{Settings, check};

use crate::corpus::Corpus;
use crate::places::denies;
use crate::support::today;

/// The only one with a format, and right: the password of a database.
const PRECISE: &str = "real/percona+percona-server-mongodb-operator/e2e-tests/conf/backup-restore.yml /spec/template/spec/containers/0/env/2 URL with a password";

/// Guesses by name, and how often. All are credentials that the program takes, but `ACCESS_KEY`, of which a comment says to
/// put one's own there.
const GUESSED: [(&str, usize); 10] = [
    ("ACCESS_KEY", 1),
    ("ADMIN_PASSWORD", 21),
    ("DATABASE_URL", 1),
    ("DEX_OAUTH_CLIENT_SECRET", 13),
    ("JWT_SECRET", 1),
    ("LDAP_READONLY_USER_PASSWORD", 2),
    ("OAuthJwtSecret", 13),
    ("POSTGRES_PASSWORD", 1),
    ("my_password", 1),
    ("password", 3),
];

/// Keys of Secrets whose manifests hold them.
const RAW: usize = 65;

#[test]
fn nothing_precise_in_the_corpus_is_wrong() {
    let Some(corpus) = Corpus::find("what is found in clear in the corpus") else { return };
    let settings = Settings {
        policies: denies(),
        paths: vec![corpus.root.clone()],
        namespace: "default".to_owned(),
        today: today(),
        all: false,
        excerpts: false,
        cluster: None,
    };
    let report = check(&settings);
    let mut guessed: BTreeMap<String, usize> = BTreeMap::new();
    let (mut precise, mut raw) = (Vec::new(), 0);
    for located in &report.findings {
        let (finding, file) = (&located.finding, located.file.strip_prefix(corpus.root.to_str().unwrap()).unwrap());
        match (finding.kind, &finding.format) {
            ("rawSecret", _) => raw += 1,
            (_, Some(format)) => precise.push(format!("{} {} {format}", file.trim_start_matches('/'), finding.pointer)),
            (_, None) => {
                *guessed.entry(finding.variable.clone().or(finding.key.clone()).unwrap_or_default()).or_default() += 1
            }
        }
    }
    assert_eq!(precise, [PRECISE]);
    assert_eq!(guessed, GUESSED.map(|(name, count)| (name.to_owned(), count)).into());
    assert_eq!(raw, RAW);
}
