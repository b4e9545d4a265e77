//! Annotations that make an agent or an injector bring secrets into the pod.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use smallvec::SmallVec;

use super::{StorePaths, keep, path};
use crate::fence::name::Shown;

/// What one annotation asks for. Of its value nothing is kept but the paths.
#[derive(Clone, PartialEq, Eq)]
pub struct Injected<'v> {
    /// Who reads the annotation.
    pub agent: &'static str,
    /// What it does, after "it".
    pub what: &'static str,
    /// The paths in the store, without key, version and query, as they are written.
    pub paths: StorePaths<'v>,
    /// Whether there is one beside them that the annotation does not tell: it stands in a ConfigMap or another annotation, or
    /// is made by a template.
    pub unknown: bool,
}

/// One annotation, or all that begin alike.
struct Row {
    domain: &'static str,
    /// What follows the `/`. One that ends with `-` or `.` is a prefix that something has to follow.
    name: &'static str,
    agent: &'static str,
    what: &'static str,
    reader: Reader,
    source: &'static str,
}

#[derive(Clone, Copy)]
enum Reader {
    /// The value is one path.
    Path(for<'v> fn(&'v str) -> Option<Cow<'v, str>>),
    /// Paths with commas between them.
    Paths,
    /// A template of the agent, which names its paths itself.
    Template,
    /// JSON with a `Path`.
    Json,
    /// The path is told elsewhere.
    Elsewhere,
    /// There is no path: the values of `env` have them, or what is injected is no secret of a path.
    NoPath,
    /// As `NoPath`, where the value is true.
    Flag,
}

impl fmt::Debug for Injected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<Shown<'_>> = self.paths.iter().map(|path| Shown(path)).collect();
        f.debug_struct("Injected")
            .field("agent", &self.agent)
            .field("what", &self.what)
            .field("paths", &paths)
            .field("unknown", &self.unknown)
            .finish()
    }
}

/// What an annotation asks an agent for, if it does. A blank value asks for nothing.
pub fn injected<'v>(key: &str, value: &'v str) -> Option<Injected<'v>> {
    let (domain, name) = key.split_once('/')?;
    if !DOMAINS.contains(&domain) {
        return None;
    }
    let row = ROWS.iter().find(|row| row.domain == domain && row.fits(name))?;
    if value.trim().is_empty() {
        return None;
    }
    let mut injected = Injected { agent: row.agent, what: row.what, paths: SmallVec::new(), unknown: false };
    match row.reader {
        Reader::Path(read) => injected.add(read(value.trim())),
        Reader::Paths => {
            value
                .split(',')
                .map(str::trim)
                .filter(|path| !path.is_empty())
                .for_each(|path| injected.add(path::plain(path)));
        }
        Reader::Template => template(value, &mut injected),
        Reader::Json => injected.add(path_of_json(value)),
        Reader::Elsewhere => injected.unknown = true,
        Reader::NoPath => {}
        Reader::Flag if is_true(value) => {}
        Reader::Flag => return None,
    }
    Some(injected)
}

/// Whether the key may be one that asks an agent for something: nothing else is kept of an object's annotations.
pub fn is_of_injector(key: &str) -> bool {
    key.split_once('/').is_some_and(|(domain, _)| DOMAINS.contains(&domain))
}

/// Those of a pod's annotations by which an agent reads from another Vault, or another namespace of it, than it is set up for.
#[derive(Debug, Default)]
pub struct Overrides(SmallVec<[&'static str; 1]>);

impl Overrides {
    /// Among these annotations.
    pub fn among<'a>(annotations: impl IntoIterator<Item = (&'a str, &'a str)>) -> Overrides {
        let given = annotations.into_iter().filter(|(_, value)| !value.is_empty());
        Overrides(
            given
                .filter_map(|(key, _)| {
                    let (domain, name) = key.split_once('/')?;
                    let known = OVERRIDES.iter().find(|its| its.domain == domain && its.names.contains(&name))?;
                    Some(known.domain)
                })
                .collect(),
        )
    }

    /// Whether they are about what this annotation asks for.
    pub fn concern(&self, key: &str) -> bool {
        key.split_once('/').is_some_and(|(domain, _)| self.0.contains(&domain))
    }

    /// Whether they are about references to Vault in env variables, which Bank-Vaults resolves.
    pub fn concern_env(&self) -> bool {
        self.0.iter().any(|domain| BANK_VAULTS_DOMAINS.contains(domain))
    }
}

/// Annotations that name the namespace or the account of a store. Its address is in nearly every manifest, and tells nothing: who
/// may read what at another one is not ours to say.
struct Override {
    domain: &'static str,
    names: &'static [&'static str],
    source: &'static str,
}

const BANK_VAULTS_DOMAINS: [&str; 2] = ["vault.security.banzaicloud.io", "secrets-webhook.security.bank-vaults.io"];

#[rustfmt::skip]
const OVERRIDES: &[Override] = &[
    Override { domain: "vault.hashicorp.com", names: &["namespace"], source: VAULT },
    Override { domain: "openbao.org", names: &["namespace"], source: OPENBAO },
    Override { domain: BANK_VAULTS_DOMAINS[0], names: &["vault-namespace"], source: BANK_VAULTS },
    Override { domain: BANK_VAULTS_DOMAINS[1], names: &["vault-namespace", "bao-namespace"], source: BANK_VAULTS },
    Override { domain: "aws.opstree.secret.manager", names: &["role-arn"], source: OPSTREE },
    Override { domain: "gcp.opstree.secret.manager", names: &["project-id"], source: OPSTREE },
];

/// Each annotation with the page that documents it. One that ends with `-` or `.` is a prefix.
pub fn sources() -> impl Iterator<Item = (String, &'static str)> {
    let overrides = OVERRIDES.iter().flat_map(|its| its.names.iter().map(|name| (its.domain, *name, its.source)));
    let rows = ROWS.iter().map(|row| (row.domain, row.name, row.source)).chain(overrides);
    rows.map(|(domain, name, source)| (format!("{domain}/{name}"), source))
}

impl Row {
    fn fits(&self, name: &str) -> bool {
        match self.name.ends_with(['-', '.']) {
            true => name.strip_prefix(self.name).is_some_and(|rest| !rest.is_empty()),
            false => name == self.name,
        }
    }
}

impl<'v> Injected<'v> {
    fn add(&mut self, path: Option<Cow<'v, str>>) {
        keep(path, &mut self.paths, &mut self.unknown);
    }
}

/// As `parseutil.ParseBool` of the agents and Go's `strconv.ParseBool` take it.
fn is_true(value: &str) -> bool {
    matches!(value.trim(), "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// The default template of the agent has the path between quotes (`DefaultMapTemplate` of vault-k8s), so a path with a quote
/// is a template itself.
fn agent_path(value: &str) -> Option<Cow<'_, str>> {
    if value.contains(['"', '\\', '{']) { None } else { path::plain(value) }
}

fn path_of_json(value: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Config<'a> {
        #[serde(borrow, rename = "Path", alias = "path")]
        path: Cow<'a, str>,
    }
    match serde_json::from_str::<Config<'_>>(value).ok()?.path {
        Cow::Borrowed(text) => path::plain(text),
        Cow::Owned(text) => path::plain(&text).map(|path| Cow::Owned(path.into_owned())),
    }
}

/// The functions of the agents' templates that read from the store
/// (<https://developer.hashicorp.com/consul/docs/reference/consul-template/go>).
const FUNCTIONS: [&str; 3] = ["secret", "secrets", "pkiCert"];

/// The paths that a template names: a string right behind one of [`FUNCTIONS`]. The delimiters do not matter, another
/// annotation can change them. A function without a string gets its path from elsewhere.
fn template<'v>(text: &'v str, injected: &mut Injected<'v>) {
    let has_usual_delimiters = text.contains("{{");
    let mut depth = 0usize;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() {
            let end = rest.find(|character: char| !is_word(character)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            rest = behind;
            if FUNCTIONS.contains(&word) {
                match string_at_start(behind.trim_start()) {
                    Some((string, behind)) => {
                        injected.add(string.and_then(path::plain));
                        rest = behind;
                    }
                    // Plain text may say "secret" outside of the delimiters.
                    None if depth > 0 || !has_usual_delimiters => injected.unknown = true,
                    None => {}
                }
            }
            continue;
        }
        if rest.starts_with("{{") {
            depth += 1;
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        if rest.starts_with("}}") {
            depth = depth.saturating_sub(1);
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        // `.secret`, `$secret` and the like are fields and variables; their words are passed over whole.
        let skip = match first {
            '.' | '$' | '_' | '0'..='9' => rest
                .find(|character: char| !is_word(character) && !matches!(character, '.' | '$'))
                .unwrap_or(rest.len()),
            '"' | '`' if depth > 0 => {
                let Some((_, behind)) = string_at_start(rest) else {
                    injected.unknown = true;
                    return;
                };
                rest.len() - behind.len()
            }
            other => other.len_utf8(),
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// A string literal of Go and what follows it. One with an escape is told apart, but not read.
fn string_at_start(text: &str) -> Option<(Option<&str>, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        let (string, behind) = raw.split_once('`')?;
        return Some((Some(string), behind));
    }
    let quoted = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = quoted.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    })?;
    let (string, behind) = quoted.split_at_checked(end)?;
    Some(((!string.contains('\\')).then_some(string), behind.get(1..)?))
}

const DOMAINS: [&str; 14] = [
    "vault.hashicorp.com",
    "openbao.org",
    "vault.security.banzaicloud.io",
    "secrets-webhook.security.bank-vaults.io",
    "operator.1password.io",
    "secrets.k8s.aws",
    "vault.opstree.secret.manager",
    "aws.opstree.secret.manager",
    "gcp.opstree.secret.manager",
    "azure.opstree.secret.manager",
    "conjur.org",
    "org.infisical.com",
    "keeper.security",
    "akeyless",
];

const VAULT: &str = "https://developer.hashicorp.com/vault/docs/platform/k8s/injector/annotations";
const OPENBAO: &str = "https://github.com/openbao/openbao-k8s/blob/main/agent-inject/agent/annotations.go";
const BANK_VAULTS: &str = "https://github.com/bank-vaults/secrets-webhook/blob/main/pkg/common/common.go";
const BANK_VAULTS_AGENT: &str = "https://bank-vaults.dev/docs/mutating-webhook/vault-agent-templating/";
const BANK_VAULTS_CONSUL: &str = "https://bank-vaults.dev/docs/mutating-webhook/consul-template/";
const OPSTREE: &str = "https://github.com/OT-CONTAINER-KIT/k8s-vault-webhook/blob/master/annotations.go";
const CONJUR: &str = "https://github.com/cyberark/secrets-provider-for-k8s/blob/main/PUSH_TO_FILE.md";
const KEEPER: &str = "https://github.com/Keeper-Security/keeper-k8s-injector/blob/main/pkg/config/annotations.go";
const ONE_PASSWORD: &str = "https://github.com/1Password/onepassword-operator/blob/main/pkg/onepassword/annotations.go";

const WRITES: &str = "writes a secret of the store to a file";
const RENDERS: &str = "renders secrets of the store to a file";
const RENDERS_BY_CONFIG_MAP: &str = "renders secrets of the store by the templates of a ConfigMap";
const SETS_ENV: &str = "sets every key of a secret of the store as env";
const TOKEN: &str = "writes the agent's token of the store to a file";

// One call a row, the longer prefix first: laid out by rustfmt nobody would read it.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("vault.hashicorp.com", "agent-inject-secret-", "the Vault agent", WRITES, Reader::Path(agent_path), VAULT),
    row("vault.hashicorp.com", "agent-inject-template-file-", "the Vault agent", RENDERS, Reader::Elsewhere, VAULT),
    row("vault.hashicorp.com", "agent-inject-template-", "the Vault agent", RENDERS, Reader::Template, VAULT),
    row("vault.hashicorp.com", "agent-inject-token", "the Vault agent", TOKEN, Reader::Flag, VAULT),
    row("vault.hashicorp.com", "agent-configmap", "the Vault agent", RENDERS_BY_CONFIG_MAP, Reader::Elsewhere, VAULT),

    row("openbao.org", "agent-inject-secret-", "the OpenBao agent", WRITES, Reader::Path(agent_path), OPENBAO),
    row("openbao.org", "agent-inject-template-file-", "the OpenBao agent", RENDERS, Reader::Elsewhere, OPENBAO),
    row("openbao.org", "agent-inject-template-", "the OpenBao agent", RENDERS, Reader::Template, OPENBAO),
    row("openbao.org", "agent-inject-token", "the OpenBao agent", TOKEN, Reader::Flag, OPENBAO),
    row("openbao.org", "agent-configmap", "the OpenBao agent", RENDERS_BY_CONFIG_MAP, Reader::Elsewhere, OPENBAO),

    // `vault-path` beside these is the mount of the login, not a secret's.
    row("vault.security.banzaicloud.io", "vault-env-from-path", "Bank-Vaults", SETS_ENV, Reader::Paths, BANK_VAULTS),
    row("vault.security.banzaicloud.io", "vault-agent-configmap", "Bank-Vaults", RENDERS_BY_CONFIG_MAP, Reader::Elsewhere, BANK_VAULTS_AGENT),
    row("vault.security.banzaicloud.io", "vault-ct-configmap", "Bank-Vaults", RENDERS_BY_CONFIG_MAP, Reader::Elsewhere, BANK_VAULTS_CONSUL),
    row("secrets-webhook.security.bank-vaults.io", "vault-from-path", "Bank-Vaults", SETS_ENV, Reader::Paths, BANK_VAULTS),
    row("secrets-webhook.security.bank-vaults.io", "vault-agent-configmap", "Bank-Vaults", RENDERS_BY_CONFIG_MAP, Reader::Elsewhere, BANK_VAULTS),
    row("secrets-webhook.security.bank-vaults.io", "vault-ct-configmap", "Bank-Vaults", RENDERS_BY_CONFIG_MAP, Reader::Elsewhere, BANK_VAULTS),
    row("secrets-webhook.security.bank-vaults.io", "bao-from-path", "Bank-Vaults", SETS_ENV, Reader::Paths, BANK_VAULTS),
    row("secrets-webhook.security.bank-vaults.io", "bao-agent-configmap", "Bank-Vaults", RENDERS_BY_CONFIG_MAP, Reader::Elsewhere, BANK_VAULTS),
    row("secrets-webhook.security.bank-vaults.io", "bao-ct-configmap", "Bank-Vaults", RENDERS_BY_CONFIG_MAP, Reader::Elsewhere, BANK_VAULTS),

    row("operator.1password.io", "item-path", "the 1Password operator", "makes a Secret of an item", Reader::Path(path::one_password_item), ONE_PASSWORD),
    row("operator.1password.io", "inject", "the 1Password injector", "resolves the op:// references in env", Reader::NoPath,
        "https://developer.1password.com/docs/k8s/injector"),

    row("secrets.k8s.aws", "secret-arn", "the AWS sidecar injector", WRITES, Reader::Path(path::arn),
        "https://github.com/aws-samples/aws-secret-sidecar-injector#readme"),

    row("vault.opstree.secret.manager", "path", "k8s-vault-webhook", SETS_ENV, Reader::Path(path::plain), OPSTREE),
    row("vault.opstree.secret.manager", "secret-config-", "k8s-vault-webhook", SETS_ENV, Reader::Json, OPSTREE),
    row("aws.opstree.secret.manager", "secret-name", "k8s-vault-webhook", SETS_ENV, Reader::Path(path::arn), OPSTREE),
    row("gcp.opstree.secret.manager", "secret-name", "k8s-vault-webhook", SETS_ENV, Reader::Path(path::google), OPSTREE),
    row("azure.opstree.secret.manager", "vault-name", "k8s-vault-webhook", SETS_ENV, Reader::Path(|text| path::azure(text, 1)), OPSTREE),

    // Its paths are relative to another annotation of the same group.
    row("conjur.org", "conjur-secrets.", "the Conjur secrets provider", RENDERS, Reader::Elsewhere, CONJUR),

    row("org.infisical.com", "agent-config-map", "the Infisical agent", RENDERS_BY_CONFIG_MAP, Reader::Elsewhere,
        "https://infisical.com/docs/integrations/platforms/kubernetes-injector"),

    row("keeper.security", "secret", "the Keeper injector", WRITES, Reader::Path(path::plain), KEEPER),
    row("keeper.security", "secrets", "the Keeper injector", WRITES, Reader::Paths, KEEPER),
    row("keeper.security", "folder", "the Keeper injector", WRITES, Reader::Path(path::plain), KEEPER),
    row("keeper.security", "folder-uid", "the Keeper injector", WRITES, Reader::Path(path::plain), KEEPER),
    // The record stands in the key, or in a notation that may as well be a path of the container.
    row("keeper.security", "secret-", "the Keeper injector", WRITES, Reader::Elsewhere, KEEPER),
    row("keeper.security", "file-", "the Keeper injector", WRITES, Reader::Elsewhere, KEEPER),
    row("keeper.security", "config", "the Keeper injector", WRITES, Reader::Elsewhere, KEEPER),

    row("akeyless", "enabled", "the Akeyless injector", "resolves the akeyless: references in env", Reader::Flag,
        "https://docs.akeyless.io/docs/how-to-provision-secret-to-your-k8s"),
];

const fn row(
    domain: &'static str,
    name: &'static str,
    agent: &'static str,
    what: &'static str,
    reader: Reader,
    source: &'static str,
) -> Row {
    Row { domain, name, agent, what, reader, source }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAP: &[&str] = &["*"];

    /// For each row a key, a value, the paths (`*` for one that is not told), and a key or a value that only looks like it.
    type Example = (&'static str, &'static str, &'static [&'static str], (&'static str, &'static str));

    #[rustfmt::skip]
    const EXAMPLES: &[Example] = &[
        ("vault.hashicorp.com/agent-inject-secret-db", "database/creds/db-app", &["database/creds/db-app"], ("vault.hashicorp.com/agent-inject-secret", "database/creds/db-app")),
        ("vault.hashicorp.com/agent-inject-template-file-db", "/tpl/db.ctmpl", MAP, ("vault.hashicorp.com/agent-template-file-db", "/tpl")),
        ("vault.hashicorp.com/agent-inject-template-db", "{{ with secret \"database/creds/db\" }}x{{ end }}", &["database/creds/db"], ("vault.hashicorp.com/agent-template-left-delim-db", "[[")),
        ("vault.hashicorp.com/agent-inject-token", "true", &[], ("vault.hashicorp.com/agent-inject-token", "false")),
        ("vault.hashicorp.com/agent-configmap", "my-config", MAP, ("vault.hashicorp.com/agent-image", "vault:1.21")),
        ("openbao.org/agent-inject-secret-db", "database/creds/db-app", &["database/creds/db-app"], ("openbao.org/agent-inject-file-db", "db.txt")),
        ("openbao.org/agent-inject-template-file-db", "/tpl/db.ctmpl", MAP, ("openbao.org/agent-inject-perms-db", "0400")),
        ("openbao.org/agent-inject-template-db", "{{ pkiCert `pki/issue/a` }}", &["pki/issue/a"], ("openbao.org/agent-inject-template", "x")),
        ("openbao.org/agent-inject-token", "1", &[], ("openbao.org/agent-inject-token", "0")),
        ("openbao.org/agent-configmap", "my-config", MAP, ("openbao.org/agent-inject", "true")),
        ("vault.security.banzaicloud.io/vault-env-from-path", "secret/data/a, secret/data/b#2", &["secret/data/a", "secret/data/b"], ("vault.security.banzaicloud.io/vault-path", "kubernetes")),
        ("vault.security.banzaicloud.io/vault-agent-configmap", "my-config", MAP, ("vault.security.banzaicloud.io/vault-agent", "true")),
        ("vault.security.banzaicloud.io/vault-ct-configmap", "my-config", MAP, ("vault.security.banzaicloud.io/vault-ct-image", "x")),
        ("secrets-webhook.security.bank-vaults.io/vault-from-path", "secret/data/a", &["secret/data/a"], ("secrets-webhook.security.bank-vaults.io/vault-path", "kubernetes")),
        ("secrets-webhook.security.bank-vaults.io/vault-agent-configmap", "x", MAP, ("secrets-webhook.security.bank-vaults.io/vault-agent", "true")),
        ("secrets-webhook.security.bank-vaults.io/vault-ct-configmap", "x", MAP, ("secrets-webhook.security.bank-vaults.io/vault-ct-once", "true")),
        ("secrets-webhook.security.bank-vaults.io/bao-from-path", "secret/data/a", &["secret/data/a"], ("secrets-webhook.security.bank-vaults.io/bao-path", "kubernetes")),
        ("secrets-webhook.security.bank-vaults.io/bao-agent-configmap", "x", MAP, ("secrets-webhook.security.bank-vaults.io/bao-agent", "true")),
        ("secrets-webhook.security.bank-vaults.io/bao-ct-configmap", "x", MAP, ("secrets-webhook.security.bank-vaults.io/bao-ct-once", "true")),
        ("operator.1password.io/item-path", "vaults/Shop/items/Database", &["shop/database"], ("operator.1password.io/item-name", "db")),
        ("operator.1password.io/inject", "app,worker", &[], ("operator.1password.io/version", "2")),
        ("secrets.k8s.aws/secret-arn", "arn:aws:secretsmanager:r:1:secret:team/db", &["team/db"], ("secrets.k8s.aws/mount-path", "/tmp")),
        ("vault.opstree.secret.manager/path", "secret/data/db", &["secret/data/db"], ("vault.opstree.secret.manager/auth-path", "auth/kubernetes/login")),
        ("vault.opstree.secret.manager/secret-config-1", "{\"Path\": \"secrets/v2/app\", \"Version\": \"2\"}", &["secrets/v2/app"], ("vault.opstree.secret.manager/secret-version", "1")),
        ("aws.opstree.secret.manager/secret-name", "team/db", &["team/db"], ("aws.opstree.secret.manager/role-arn", "arn:aws:iam::1:role/x")),
        ("gcp.opstree.secret.manager/secret-name", "db", &["db"], ("gcp.opstree.secret.manager/project-id", "shop")),
        ("azure.opstree.secret.manager/vault-name", "Shop", &["shop"], ("azure.opstree.secret.manager/enabled", "true")),
        ("conjur.org/conjur-secrets.db", "- url: policy/path/url", MAP, ("conjur.org/secret-file-path.db", "db.yaml")),
        ("org.infisical.com/agent-config-map", "my-config", MAP, ("org.infisical.com/inject", "true")),
        ("keeper.security/secret", "database-credentials", &["database-credentials"], ("keeper.security/ksm-config", "keeper-credentials")),
        ("keeper.security/secrets", "db, cache", &["db", "cache"], ("keeper.security/inject", "true")),
        ("keeper.security/folder", "Production/Databases", &["Production/Databases"], ("keeper.security/folder-path", "/keeper")),
        ("keeper.security/folder-uid", "a1B2", &["a1B2"], ("keeper.security/refresh-interval", "5m")),
        ("keeper.security/secret-db", "keeper://a1B2/field/password:/app/db", MAP, ("keeper.security/secret-", "x")),
        ("keeper.security/file-cert", "web:cert.pem:/app/cert.pem", MAP, ("keeper.security/files", "x")),
        ("keeper.security/config", "secrets: [{record: db}]", MAP, ("keeper.security/auth-method", "secret")),
        ("akeyless/enabled", "true", &[], ("akeyless/enabled", "false")),
    ];

    fn read(text: &str) -> (Vec<String>, bool) {
        let found = injected("vault.hashicorp.com/agent-inject-template-x", text).unwrap();
        (found.paths.iter().map(|path| path.to_string()).collect(), found.unknown)
    }

    #[test]
    fn every_row_has_a_source_and_is_found_by_its_example_but_not_by_its_near_miss() {
        let place = |domain: &str, name: &str| ROWS.iter().position(|row| row.domain == domain && row.fits(name));
        for (index, row) in ROWS.iter().enumerate() {
            assert!(row.source.starts_with("https://"), "{}", row.name);
            assert!(DOMAINS.contains(&row.domain), "{}", row.domain);
            let prefix = format!("{}/{}", row.domain, row.name);
            let belongs = |key: &str| key.split_once('/').and_then(|(domain, name)| place(domain, name)) == Some(index);
            let examples: Vec<_> = EXAMPLES.iter().filter(|(key, ..)| belongs(key)).collect();
            assert!(!examples.is_empty(), "{prefix}: no test");
            for (key, value, paths, near_miss) in examples {
                let found = injected(key, value).unwrap_or_else(|| panic!("{key}"));
                assert_eq!((found.agent, found.what), (row.agent, row.what));
                assert_eq!(found.unknown, *paths == MAP, "{key}");
                assert_eq!(found.paths.to_vec(), if found.unknown { &[][..] } else { paths }, "{key}");
                assert_eq!(injected(near_miss.0, near_miss.1), None, "{near_miss:?}");
                assert_eq!(injected(key, " \n"), None, "{key}");
            }
        }
        assert_eq!(EXAMPLES.len(), ROWS.len());
        assert!(DOMAINS.iter().all(|domain| ROWS.iter().any(|row| row.domain == *domain)));
    }

    #[test]
    fn an_annotation_that_names_the_store_concerns_those_of_its_agent() {
        for its in OVERRIDES {
            assert!(its.source.starts_with("https://") && DOMAINS.contains(&its.domain), "{}", its.domain);
            for name in its.names {
                let key = format!("{}/{name}", its.domain);
                let given = Overrides::among([(key.as_str(), "payments")]);
                assert!(given.concern(&format!("{}/x", its.domain)) && !given.concern("example.com/x"), "{key}");
                assert_eq!(given.concern_env(), BANK_VAULTS_DOMAINS.contains(&its.domain), "{key}");
                assert!(!Overrides::among([(key.as_str(), "")]).concern(&key), "{key}");
            }
        }
        assert!(!Overrides::among([("vault.hashicorp.com/role", "x")]).concern("vault.hashicorp.com/role"));
    }

    #[test]
    fn usual_annotations_are_nothing_of_the_kind() {
        for key in [
            "",
            "/",
            "app",
            "prometheus.io/scrape",
            "vault.hashicorp.com/",
            "vault.hashicorp.com.example.com/agent-configmap",
            "xvault.hashicorp.com/agent-configmap",
        ] {
            assert_eq!(injected(key, "true"), None, "{key}");
        }
    }

    #[test]
    fn a_template_names_its_paths() {
        let both = "{{- with secret \"secret/data/a?version=2\" -}}{{ .Data.data.x }}{{ end }}{{ range secrets `kv/b/` }}{{ . }}{{ end }}";
        assert_eq!(read(both), (vec!["secret/data/a".into(), "kv/b/".into()], false));
        assert_eq!(read("[[ with secret \"a/b\" ]]"), (vec!["a/b".into()], false));
        assert_eq!(read("{{ with (secret \"a/b\" \"ttl=1h\") }}"), (vec!["a/b".into()], false));
        assert_eq!(read("{{ with secret\n  \"a/b\" }}"), (vec!["a/b".into()], false));
    }

    #[test]
    fn a_path_that_a_template_makes_is_not_known() {
        for text in [
            "{{ with secret (printf \"secret/%s\" (env \"TEAM\")) }}",
            "{{ with $path | secret }}",
            "{{ secret $path }}",
            "[[ secret $path ]]",
            "{{ secret \"a\\u002fb\" }}",
            "{{ \"a/b\" | secret }}",
        ] {
            assert_eq!(read(text), (vec![], true), "{text}");
        }
    }

    #[test]
    fn fields_variables_strings_and_plain_words_are_no_call() {
        for text in [
            "my secret is {{ .Data.secret }}",
            "{{ $secret := 1 }}",
            "{{ printf \"secret %s\" .x }}",
            "{{ mysecret }}",
            "{{ secret_of \"a/b\" }}",
        ] {
            assert_eq!(read(text), (vec![], false), "{text}");
        }
    }

    #[test]
    fn a_path_that_breaks_out_of_the_default_template_is_not_known() {
        let value = "secret/data/mine\" }}{{ end }}{{ with secret \"secret/data/other";
        let found = injected("vault.hashicorp.com/agent-inject-secret-x", value).unwrap();
        assert!(found.unknown && found.paths.is_empty(), "{found:?}");
    }

    #[test]
    fn a_template_is_read_once() {
        for part in ["{{ \"\\\"", "{{ secret ", "secret \"", "{{ secret `", "{{ $", "secret `a` ", "{{"] {
            let _ = injected("openbao.org/agent-inject-template-x", &part.repeat((512 << 10) / part.len()));
        }
        assert_eq!(read("{{ \"open"), (vec![], true));
    }

    #[test]
    fn no_credential_is_kept() {
        for (key, value) in [
            ("vault.hashicorp.com/agent-inject-secret-x", "https://user:hunter2@vault/secret"),
            ("vault.hashicorp.com/agent-inject-template-x", "{{ secret \"user:hunter2@a/b\" }}hunter2"),
            ("vault.opstree.secret.manager/secret-config-1", "{\"Path\": \"user:hunter2@x\"}"),
            ("vault.opstree.secret.manager/secret-config-1", "hunter2"),
            ("secrets.k8s.aws/secret-arn", "arn:aws:iam::1:hunter2"),
            ("operator.1password.io/item-path", "hunter2"),
        ] {
            let found = injected(key, value).unwrap();
            assert!(found.unknown && !format!("{found:?}").contains("hunter2"), "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn any_template_is_read_without_a_panic(text in "(\\{\\{|\\}\\}|secrets?|pkiCert|\"|`|\\\\|[ .$|()/a-cé_0]){0,24}") {
            let _ = injected("openbao.org/agent-inject-template-x", &text);
        }

        #[test]
        fn a_path_in_a_template_is_found_wherever_it_stands(before in "[a-z {}.$]{0,6}", path in "[a-z]{1,4}(/[a-z]{1,4}){0,2}", after in "[a-z {}.$\"]{0,6}") {
            let found = read(&format!("{before} {{{{ with secret \"{path}\" }}}} {after}"));
            prop_assert!(found.0.contains(&path), "{found:?}");
        }
    }
}
