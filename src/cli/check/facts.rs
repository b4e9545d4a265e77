//! What the input itself tells beside the objects: labels of Namespaces, who may do what, which Secrets are copies, what
//! stores are read. Where a cluster told of the same object the input counts: it is what will be applied.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::Settings;
use super::default_roles::default_roles;
use super::files::Input;
use crate::fence::access::{self, Dangling, ObjectKind, Store};
use crate::fence::facts::Labels;
use crate::fence::kind::{Kind, KindSet};
use crate::fence::rules::copies::SecretMetadata;
use crate::fence::rules::provider_class::ProviderClass;
use crate::fence::{Facts, PolicySet};
use crate::manifest::{self, Object, SecretKeys};

/// What a live cluster told.
#[derive(Clone, Debug)]
pub struct FromCluster {
    /// Everything but who may do what.
    pub facts: Facts,
    /// Who may do what, if that was asked for.
    pub access: Option<Store>,
    /// The names of the resources that were asked for.
    pub resources: Vec<&'static str>,
}

/// What is known before anything is judged.
#[derive(Debug)]
pub struct Told {
    /// For the core.
    pub facts: Facts,
    /// Bindings to roles that nobody told of.
    pub dangling: Vec<Dangling>,
}

/// What the policies ask for and the cluster and the input tell. Only where they ask is everything read once before.
pub fn of(settings: &Settings, inputs: &[Input]) -> Told {
    let Settings { policies, namespace, today, cluster, .. } = settings;
    let (mut facts, access) = match cluster {
        Some(cluster) => (cluster.facts.clone(), cluster.access.clone()),
        None => (Facts::on(*today), None),
    };
    let dangling = add(&mut facts, access, policies, namespace, inputs);
    Told { facts, dangling }
}

/// Adds what the policies ask for and the input tells. Which bindings lack their role is told.
pub fn add(
    facts: &mut Facts,
    access: Option<Store>,
    policies: &PolicySet,
    namespace: &str,
    inputs: &[Input],
) -> Vec<Dangling> {
    let seek = Seek { policies, namespace, wants: Wants::of(policies) };
    // All that is asked of a cluster is looked for in the input, too.
    if seek.wants.words.is_empty() && !seek.wants.keys() {
        return Vec::new();
    }
    seek.add_to(facts, access, inputs)
}

/// What is looked for.
struct Wants {
    kinds: KindSet,
    /// Words of which a file has one, or nothing that is looked for.
    words: Vec<&'static [u8]>,
}

impl Wants {
    fn of(policies: &PolicySet) -> Wants {
        let kinds = policies.kinds();
        let mut words: Vec<&[u8]> = Vec::new();
        let asks = |scope: &crate::fence::policy::Scope| scope.namespace_selector.is_some();
        if policies.policies().iter().any(|policy| asks(&policy.matches) || asks(&policy.exclude)) {
            words.push(b"Namespace");
        }
        if kinds.contains(Kind::Reach) {
            words.extend([&b"Role"[..], b"ServiceAccount", b"service-account-token"]);
        }
        if kinds.contains(Kind::Copied) {
            words.push(b"Secret");
        }
        if kinds.contains(Kind::StorePath) {
            words.push(b"SecretProviderClass");
        }
        if kinds.contains(Kind::SharedSecret) {
            words.push(b"SharedSecret");
        }
        Wants { kinds, words }
    }

    /// Of an `envFrom` only its Secret tells which variables it makes.
    fn keys(&self) -> bool {
        self.kinds.contains(Kind::EnvFrom)
    }

    fn wants(&self, file: &[u8]) -> bool {
        self.words.iter().any(|word| memchr::memmem::find(file, word).is_some()) || self.keys() && names_a_secret(file)
    }
}

/// Whether a word of the file ends with `Secret`, as the kinds do that are Secrets or become some: most files that name
/// Secrets have only such as `imagePullSecrets`.
fn names_a_secret(file: &[u8]) -> bool {
    const WORD: &[u8] = b"Secret";
    memchr::memmem::find_iter(file, WORD)
        .any(|at| file.get(at + WORD.len()).is_none_or(|next| !next.is_ascii_alphanumeric()))
}

enum Fact {
    Namespace(String, Labels),
    Access(access::Object),
    Keys(SecretKeys),
    /// Whether it is a copy, and whose token it holds.
    Secret(Option<SecretMetadata>, Option<((String, String), String)>),
    ProviderClass(ProviderClass),
    SharedSecret(String, String),
}

struct Seek<'s> {
    policies: &'s PolicySet,
    namespace: &'s str,
    wants: Wants,
}

impl Seek<'_> {
    /// Puts what the input tells in the place of what is known of the same objects. Which bindings lack their role is told.
    fn add_to(&self, facts: &mut Facts, access: Option<Store>, inputs: &[Input]) -> Vec<Dangling> {
        let found: Vec<Vec<Fact>> = inputs.par_iter().map(|input| self.file(input)).collect();
        let mut labels: HashMap<String, Option<Labels>> = HashMap::new();
        let mut keys: HashMap<(String, String), Option<Vec<String>>> = HashMap::new();
        let secrets = Arc::make_mut(&mut facts.secrets);
        let classes = Arc::make_mut(&mut facts.provider_classes);
        let shared = Arc::make_mut(&mut facts.shared_secrets);
        let tokens = Arc::make_mut(&mut facts.token_secrets);
        let is_told = access.is_some();
        let mut store = access.unwrap_or_default();
        for fact in found.into_iter().flatten() {
            match fact {
                Fact::Namespace(name, its) => {
                    let known = labels.entry(name).or_insert_with(|| Some(its.clone()));
                    // Which of two will be applied last is not told here.
                    if known.as_ref() != Some(&its) {
                        *known = None;
                    }
                }
                Fact::Access(object) => store.put(object),
                Fact::Keys(secret) => {
                    let own = secret.namespace.unwrap_or_else(|| self.namespace.to_owned());
                    let known = keys.entry((own, secret.name)).or_insert_with(|| secret.keys.clone());
                    // As with Namespaces: two that differ tell nothing.
                    if *known != secret.keys {
                        *known = None;
                    }
                }
                Fact::Secret(copy, token) => {
                    if let Some(secret) = copy {
                        secrets.insert(&secret.namespace, &secret.name, secret.origin);
                    }
                    tokens.extend(token);
                }
                Fact::ProviderClass(class) => {
                    let own = class.namespace.clone().unwrap_or_else(|| self.namespace.to_owned());
                    classes.insert(&own, &class.name.clone(), class);
                }
                Fact::SharedSecret(name, from) => {
                    shared.insert(name, from);
                }
            }
        }
        facts.secret_keys = keys.into_iter().filter_map(|(name, keys)| Some((name, keys?))).collect();
        let namespaces = Arc::make_mut(&mut facts.namespaces);
        for (name, labels) in labels {
            match labels {
                Some(labels) => namespaces.insert(name.into(), labels),
                None => namespaces.remove(&*name),
            };
        }
        // ServiceAccounts alone tell nothing of what they may do.
        if !is_told && !store.has_rbac() {
            return Vec::new();
        }
        // A cluster has told of its own.
        if !is_told {
            default_roles().into_iter().for_each(|role| store.put_unless_there(role));
        }
        facts.access = Some(Arc::new(store.access()));
        store.dangling()
    }

    /// A file that cannot be read has nothing to tell; that is said when it is judged.
    fn file(&self, input: &Input) -> Vec<Fact> {
        let Ok(bytes) = input.read() else { return Vec::new() };
        if !self.wants.wants(&bytes) {
            return Vec::new();
        }
        let documents = manifest::parse(&bytes).documents;
        let objects = documents.iter().flat_map(|document| document.objects().unwrap_or_default());
        objects.flat_map(|object| self.object(&object).into_iter().chain(self.keys(&object))).collect()
    }

    fn keys(&self, object: &Object) -> Option<Fact> {
        self.wants.keys().then(|| manifest::secret_keys(object)).flatten().map(Fact::Keys)
    }

    fn object(&self, object: &Object) -> Option<Fact> {
        let kinds = self.wants.kinds;
        match (&*object.api_version, &*object.kind) {
            ("v1", "Namespace") => {
                let (name, labels) = manifest::known::namespace_labels(&object.json, |_| true)?;
                Some(Fact::Namespace(name, labels))
            }
            ("v1", "Secret") => {
                let marks = self.policies.copy_marks();
                let copy = || manifest::known::secret(&object.json, self.namespace, marks);
                let token = || manifest::known::token_secret(&object.json, self.namespace);
                let copy = kinds.contains(Kind::Copied).then(copy).flatten();
                Some(Fact::Secret(copy, kinds.contains(Kind::Reach).then(token).flatten()))
            }
            (version, "SecretProviderClass") if kinds.contains(Kind::StorePath) && version.contains('/') => {
                manifest::provider_class(object).ok()?.map(Fact::ProviderClass)
            }
            (version, "SharedSecret") if version.starts_with("sharedresource.openshift.io/") => {
                let (name, from) = manifest::known::shared_secret(&object.json)?;
                Some(Fact::SharedSecret(name, from))
            }
            (version, kind) if kinds.contains(Kind::Reach) => {
                let kind = ObjectKind::of(version, kind)?;
                let object = access::Object::parse_as(kind, &object.json).ok()?;
                Some(Fact::Access(object.in_namespace(self.namespace)))
            }
            _ => None,
        }
    }
}
