//! Values of env variables that an injector replaces by a secret when the container starts, and the path of each in its
//! store.
//!
//! [`annotation`] reads the annotations of injectors, [`path`] what a store calls the path.

pub mod annotation;
pub mod path;
mod vals;
mod value;

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

pub use annotation::{Injected, Overrides, injected, is_of_injector};
pub use value::{OfPod, Values};

use crate::fence::name::Shown;

/// What an env value asks an injector for. Of the value nothing is kept but the paths.
#[derive(Clone, PartialEq, Eq)]
pub struct External<'v> {
    /// The store, or who reads it, as messages name it.
    pub store: &'static str,
    /// The paths in the store, without key, version and query, as they are written: what `where.paths` is matched against.
    pub paths: StorePaths<'v>,
    /// Whether there is one beside them that cannot be told: a ciphertext, or a path that may hold a credential.
    pub unknown: bool,
    /// Whether the value names the namespace or the account of the store itself: the paths are then those of another.
    pub elsewhere: bool,
}

/// Why a path is not known that stands there.
pub const ELSEWHERE: &str = "since the namespace or the account of the store is named beside it";

/// Variables by which Vault's client, and so the injectors that run in the container, reads in another namespace of it
/// (<https://developer.hashicorp.com/vault/docs/commands#configure-environment-variables>).
const CLIENT_VARIABLES: [&str; 2] = ["VAULT_NAMESPACE", "BAO_NAMESPACE"];

/// Whether a container with this variable may read from another namespace of Vault than the others.
pub fn is_client_variable(name: &str) -> bool {
    CLIENT_VARIABLES.contains(&name)
}

/// Paths in stores: nearly always one.
pub type StorePaths<'v> = SmallVec<[Cow<'v, str>; 1]>;

/// More paths than that nobody writes into one value: the others are one that is not known, and a value that is made of
/// references costs no more than its length.
const MOST_PATHS: usize = 64;

/// One form of value.
struct Form {
    mark: &'static str,
    store: &'static str,
    reader: Reader,
    source: &'static str,
}

enum Reader {
    /// The value begins with the mark; what follows is read.
    Start(for<'v> fn(&'v str) -> Option<Found<'v>>),
    /// The mark may stand anywhere. Called with the value and the place of this byte.
    Inside(u8, for<'v> fn(&'v str, usize) -> Option<Found<'v>>),
}

/// What a reader found.
struct Found<'v> {
    /// Where the form is one of many stores.
    store: Option<&'static str>,
    /// Whether it names the namespace or the account of the store itself.
    elsewhere: bool,
    path: Option<Cow<'v, str>>,
}

impl<'v> Found<'v> {
    fn at(path: Option<Cow<'v, str>>) -> Option<Found<'v>> {
        Some(Found { store: None, elsewhere: false, path })
    }
}

impl<'v> External<'v> {
    fn add(external: &mut Option<External<'v>>, store: &'static str, found: Found<'v>) {
        let store = found.store.unwrap_or(store);
        let external = external.get_or_insert_with(|| External {
            store,
            paths: SmallVec::new(),
            unknown: false,
            elsewhere: false,
        });
        external.elsewhere |= found.elsewhere;
        keep(found.path, &mut external.paths, &mut external.unknown);
    }
}

fn keep<'v>(path: Option<Cow<'v, str>>, paths: &mut StorePaths<'v>, unknown: &mut bool) {
    match path {
        Some(path) if paths.contains(&path) => {}
        Some(path) if paths.len() < MOST_PATHS => paths.push(path),
        _ => *unknown = true,
    }
}

impl fmt::Debug for External<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<Shown<'_>> = self.paths.iter().map(|path| Shown(path)).collect();
        f.debug_struct("External")
            .field("store", &self.store)
            .field("paths", &paths)
            .field("unknown", &self.unknown)
            .field("elsewhere", &self.elsewhere)
            .finish()
    }
}

/// The shortest value of any form: `op://a/b`.
const SHORTEST: usize = 8;

/// What the value asks an injector for, if it does.
pub fn external_env(value: &str) -> Option<External<'_>> {
    let bytes = value.as_bytes();
    if bytes.len() < SHORTEST {
        return None;
    }
    let mut external = None;
    if FIRST[usize::from(bytes[0])] {
        for form in FORMS {
            if let Reader::Start(read) = form.reader
                && let Some(found) = value.strip_prefix(form.mark).and_then(read)
            {
                External::add(&mut external, form.store, found);
            }
        }
    }
    for at in memchr::memchr3_iter(b'$', b'+', b'@', bytes) {
        for form in FORMS {
            if let Reader::Inside(byte, read) = form.reader
                && byte == bytes[at]
                && let Some(found) = read(value, at)
            {
                External::add(&mut external, form.store, found);
            }
        }
    }
    external
}

/// Each form of value with the page that documents it.
pub fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    FORMS.iter().map(|form| (form.mark, form.source))
}

/// The bytes that a form can begin with.
const FIRST: [bool; 256] = {
    let mut first = [false; 256];
    let mut index = 0;
    while index < FORMS.len() {
        if let Reader::Start(_) = FORMS[index].reader {
            first[FORMS[index].mark.as_bytes()[0] as usize] = true;
        }
        index += 1;
    }
    first
};

const SECRETS_INIT: &str = "https://github.com/doitintl/secrets-init#readme";
const SECRET_INIT: &str = "https://github.com/bank-vaults/secret-init/tree/main/pkg/provider";
const BANK_VAULTS: &str = "https://bank-vaults.dev/docs/mutating-webhook/configuration/";
const BANK_VAULTS_INLINE: &str = "https://github.com/bank-vaults/internal/tree/main/pkg/injector";
const BERGLAS: &str = "https://github.com/GoogleCloudPlatform/berglas/blob/main/doc/reference-syntax.md";

// One call a row: laid out by rustfmt nobody would read it.
#[rustfmt::skip]
const FORMS: &[Form] = &[
    form("vault:", "Vault", Reader::Start(bank_vaults), BANK_VAULTS),
    form(">>vault:", "Vault", Reader::Start(bank_vaults), BANK_VAULTS),
    form("${vault:", "Vault", Reader::Inside(b'$', |value, at| inline(value, at, "vault:")), BANK_VAULTS_INLINE),
    form("bao:", "OpenBao", Reader::Start(bank_vaults), SECRET_INIT),
    form(">>bao:", "OpenBao", Reader::Start(bank_vaults), SECRET_INIT),
    form("${bao:", "OpenBao", Reader::Inside(b'$', |value, at| inline(value, at, "bao:")), BANK_VAULTS_INLINE),
    form("arn:aws", "AWS", Reader::Start(|rest| arn("arn:aws".len(), rest)), SECRETS_INIT),
    form("gcp:secretmanager:", "Google Secret Manager", Reader::Start(|rest| Found::at(path::google(rest))), SECRETS_INIT),
    form("azure:keyvault:", "Azure Key Vault", Reader::Start(|rest| Found::at(path::azure(rest, 1))), SECRET_INIT),
    form("@azurekeyvault", "Azure Key Vault", Reader::Inside(b'@', azure_key_vault),
        "https://github.com/SparebankenVest/azure-key-vault-to-kubernetes/blob/master/cmd/azure-keyvault-env/environment.go"),
    form("op://", "1Password", Reader::Start(one_password),
        "https://developer.1password.com/docs/cli/secret-reference-syntax"),
    form("sm://", "Google Secret Manager", Reader::Start(berglas), BERGLAS),
    form("berglas://", "Google Cloud Storage", Reader::Start(berglas), BERGLAS),
    form("akeyless:/", "Akeyless", Reader::Start(|rest| Found::at(path::plain(rest))),
        "https://docs.akeyless.io/docs/how-to-provision-secret-to-your-k8s"),
    form("ref+", "vals", Reader::Inside(b'+', vals::reference), vals::SOURCE),
];

const fn form(mark: &'static str, store: &'static str, reader: Reader, source: &'static str) -> Form {
    Form { mark, store, reader, source }
}

/// `path#key#version`. Without a key nothing is read, so `vault:8200` is what it looks like: a host and a port.
fn bank_vaults(rest: &str) -> Option<Found<'_>> {
    // The token of the login itself, and a ciphertext of the transit engine: no path of a secret.
    let is_ciphertext = || {
        let version = rest.strip_prefix('v').and_then(|rest| rest.split_once(':')).map_or("", |(version, _)| version);
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit())
    };
    if rest == "login" || is_ciphertext() {
        return Found::at(None);
    }
    let (path, _) = rest.split_once('#')?;
    (!path.is_empty()).then(|| Found { store: None, elsewhere: false, path: path::plain(path) })
}

/// `${vault:path#key}` anywhere in the value, as `inlineMutationRegex` finds it.
fn inline<'v>(value: &'v str, at: usize, scheme: &str) -> Option<Found<'v>> {
    let reference = value.get(at..)?.strip_prefix("${")?;
    let reference = reference.strip_prefix('>').unwrap_or(reference);
    let reference = reference.strip_prefix('>').unwrap_or(reference);
    let reference = reference.strip_prefix(scheme)?;
    let bytes = reference.as_bytes();
    let Some(end) = memchr::memchr(b'}', bytes.get(..LONGEST_INLINE).unwrap_or(bytes)) else {
        return if bytes.len() > LONGEST_INLINE { Found::at(None) } else { None };
    };
    bank_vaults(reference.get(..end)?)
}

/// What is longer is not read, so that a value of many open ones is not read as often.
const LONGEST_INLINE: usize = 1024;

/// `arn:aws[-…]:secretsmanager:…` and `…:ssm:…`; what else Amazon names by an ARN holds no secret.
fn arn(prefix: usize, rest: &str) -> Option<Found<'_>> {
    let (partition, rest) = rest.split_once(':')?;
    if prefix == 0 || !(partition.is_empty() || partition.starts_with('-')) {
        return None;
    }
    path::is_secret_arn(rest).then(|| Found { store: None, elsewhere: false, path: path::arn_resource(rest) })
}

/// `name@azurekeyvault` or `name@azurekeyvault?query`: the name of an AzureKeyVaultSecret of the pod's namespace.
fn azure_key_vault(value: &str, at: usize) -> Option<Found<'_>> {
    if at > LONGEST_AZURE_NAME {
        return None;
    }
    let query = value.get(at..)?.strip_prefix("@azurekeyvault")?;
    let name = value.get(..at)?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_name && (query.is_empty() || query.starts_with('?'))).then(|| Found {
        store: None,
        elsewhere: false,
        path: path::plain(name),
    })
}

/// As the injector's own expression has it.
const LONGEST_AZURE_NAME: usize = 255;

fn one_password(rest: &str) -> Option<Found<'_>> {
    let (vault, item) = rest.split_once('/')?;
    (!vault.is_empty() && !item.is_empty()).then(|| Found {
        store: None,
        elsewhere: false,
        path: path::one_password(rest),
    })
}

/// `project/secret` or `bucket/object`, with `?options#version`.
fn berglas(rest: &str) -> Option<Found<'_>> {
    let (project, name) = rest.trim_start_matches('/').split_once('/')?;
    (!project.is_empty() && !name.is_empty()).then(|| Found { store: None, elsewhere: false, path: path::plain(rest) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// For each form a value with its path, and one that only looks like it.
    const EXAMPLES: &[(&str, &str, &str, &str)] = &[
        ("vault:", "vault:secret/data/db#password#2", "secret/data/db", "vault:8200/v1/sys"),
        (">>vault:", ">>vault:pki/issue/web#certificate", "pki/issue/web", ">vault:pki/issue/web#certificate"),
        (
            "${vault:",
            "postgres://app:${vault:secret/data/db#password}@db/app",
            "secret/data/db",
            "postgres://app:$(vault:secret/data/db#password)@db/app",
        ),
        ("bao:", "bao:secret/data/db#password", "secret/data/db", "bao:8200/secret/data/db"),
        (">>bao:", ">>bao:pki/issue/web#certificate", "pki/issue/web", ">bao:pki/issue/web#certificate"),
        ("${bao:", "x-${>>bao:pki/issue/web#key}-y", "pki/issue/web", "x-{bao:pki/issue/web#key}-y"),
        (
            "arn:aws",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf:password::",
            "prod/db-AbCdEf",
            "arn:aws:iam::123456789012:role/secretsmanager",
        ),
        (
            "gcp:secretmanager:",
            "gcp:secretmanager:projects/shop/secrets/db/versions/2",
            "projects/shop/secrets/db",
            "gcp:storage:projects/shop/secrets/db",
        ),
        ("azure:keyvault:", "azure:keyvault:DbPassword/0123abc", "dbpassword", "azure:storage:DbPassword"),
        ("@azurekeyvault", "db-password@azurekeyvault?tls.key", "db-password", "me@azurekeyvaults.example.com"),
        ("op://", "op://Prod/Database/admin/password", "prod/database", "ops://Prod/Database/password"),
        ("sm://", "sm://shop/db?destination=tempfile#3", "shop/db", "sms://shop/db"),
        ("berglas://", "berglas://bucket/path/to/db#1563", "bucket/path/to/db", "berglas:/bucket/db"),
        ("akeyless:/", "akeyless:/K8s/my_k8s_secret", "K8s/my_k8s_secret", "akeyless:8080/K8s"),
        ("ref+", "ref+vault://secret/data/db?proto=http#/password", "secret/data/db", "ref:vault://secret/data/db"),
    ];

    fn paths(value: &str) -> Vec<String> {
        external_env(value)
            .map(|external| external.paths.iter().map(|path| path.to_string()).collect())
            .unwrap_or_default()
    }

    #[test]
    fn every_form_has_a_source_and_is_found_by_its_example_but_not_by_its_near_miss() {
        for form in FORMS {
            assert!(form.source.starts_with("https://"), "{}", form.mark);
            let (_, value, path, near_miss) = EXAMPLES
                .iter()
                .find(|example| example.0 == form.mark)
                .unwrap_or_else(|| panic!("{}: no test", form.mark));
            let found = external_env(value).unwrap_or_else(|| panic!("{value}"));
            assert_eq!(found.paths.to_vec(), [*path], "{value}");
            assert!(!found.unknown);
            if form.mark != "ref+" {
                assert_eq!(found.store, form.store);
            }
            assert_eq!(external_env(near_miss), None, "{near_miss}");
        }
        assert_eq!(EXAMPLES.len(), FORMS.len());
    }

    #[test]
    fn usual_values_are_nothing_of_the_kind() {
        for value in [
            "",
            "v",
            "vault:",
            "true",
            "8080",
            "vault:8200",
            "http://vault:8200",
            "https://vault.example.com#x",
            "postgres://app:secret@db:5432/app",
            "admin@example.com",
            "op://",
            "op://x",
            "sm://project",
            "op:///item",
            "arn:aws:s3:::bucket/secret",
            "arn:awsome:ssm:x:y:parameter/z",
            "arn:aws",
            "ref+",
            "pref+ix",
            "a+b=c",
            "$(VAULT)",
            "${VAULT:-vault:x#y",
            "${}",
            "vault:#key",
            "@azurekeyvault",
            "a b@azurekeyvault",
            "YWJj+ZGVm/Z2hp==",
        ] {
            assert_eq!(external_env(value), None, "{value}");
        }
    }

    #[test]
    fn every_reference_of_a_value_counts() {
        assert_eq!(paths("${vault:a/b#c}:${vault:d/e#f}@${bao:g#h}"), ["a/b", "d/e", "g"]);
        assert_eq!(paths("ref+vault://a/b#/c+ and ref+awssecrets://d/e"), ["a/b", "d/e"]);
        assert_eq!(paths("${vault:a/b#c}${vault:a/b#d}"), ["a/b"]);
        assert_eq!(paths("vault:a/b#${.key}"), ["a/b"]);
    }

    #[test]
    fn arns_are_read_by_the_name_of_what_they_name() {
        let parameter = "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/prod/db/password:3";
        assert_eq!(paths(parameter), ["prod/db/password"]);
        assert_eq!(paths("arn:aws-us-gov:secretsmanager:r:a:secret:team/db"), ["team/db"]);
        let odd = external_env("arn:aws:secretsmanager:123").unwrap();
        assert!(odd.unknown && odd.paths.is_empty());
    }

    #[test]
    fn what_is_no_path_is_unknown_and_not_shown() {
        for value in [
            "vault:login",
            "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==",
            "${vault:v1:c2VjcmV0}",
        ] {
            let external = external_env(value).unwrap();
            assert!(external.unknown && external.paths.is_empty(), "{external:?}");
        }
    }

    #[test]
    fn no_credential_is_kept() {
        for value in [
            "vault:https://user:hunter2@vault/secret#key",
            "vault:user:hunter2@secret/data/db#key",
            "op://user:hunter2@vault/item/field",
            "sm://user:hunter2@project/secret",
            "akeyless:/user:hunter2@x",
            "ref+vault://user:hunter2@secret/data/db#/key",
            "ref+vault://user:hun/ter2@secret/data/db#/key",
            "ref+httpjson://user:hunter2@api.example.com/x?token=hunter2#///x",
            "ref+doppler://p/e/k?token=hunter2",
            "ref+echo://hunter2",
            "ref+unheard-of://hunter2/x",
            "ref+awskms://hunter2hunter2",
            "ref+sops://hunter2hunter2?key_type=base64",
            "gcp:secretmanager:x?token=hunter2",
            "${vault:a/b#hunter2}",
            "azure:keyvault:name/hunter2",
        ] {
            let external = external_env(value).unwrap_or_else(|| panic!("{value}"));
            let shown = format!("{external:?}");
            assert!(!shown.contains("hunter2") && !shown.contains("hun/ter2"), "{shown}");
        }
    }

    #[test]
    fn a_value_made_of_references_is_read_once() {
        for part in
            ["${vault:", "${vault:a#b", "ref+", "ref+vault://a/b", "@azurekeyvault", "a@azurekeyvault?", "$", "+", "@"]
        {
            let _ = external_env(&part.repeat((512 << 10) / part.len()));
        }
        let _ = external_env(&("a".repeat(512 << 10) + &"@azurekeyvault".repeat(50_000)));
        let many: String = (0..10_000).map(|index| format!("${{vault:a/{index}#b}}")).collect();
        let external = external_env(&many).unwrap();
        assert!(external.unknown && external.paths.len() == MOST_PATHS);
        let long = format!("${{vault:{}#b}}", "a".repeat(LONGEST_INLINE));
        assert!(external_env(&long).unwrap().unknown);
    }

    #[test]
    fn debug_escapes_a_hostile_path() {
        let shown = format!("{:?}", external_env("vault:a\u{202e}b#c"));
        assert!(shown.contains("\\u{202e}"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_a_panic_and_its_paths_are_part_of_it(value in "(vault:|>>|bao:|\\$\\{|\\}|ref\\+|op://|arn:aws|:ssm:|parameter/|@azurekeyvault|[a-z/:#?@+é%]){0,12}") {
            if let Some(external) = external_env(&value) {
                prop_assert!(external.unknown || !external.paths.is_empty());
                for path in &external.paths {
                    prop_assert!(!path.is_empty() && !path.contains(['?', '#']));
                    prop_assert!(value.to_ascii_lowercase().contains(&path.to_ascii_lowercase()), "{path}");
                }
            }
        }
    }
}
