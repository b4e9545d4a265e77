//! What is kept of the objects: only what rules ask for, and nothing else from the moment it is read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::needs::{Resource, Topic};
use crate::fence::Facts;
use crate::fence::access::{self, Access, Store};
use crate::fence::facts::{ByNamespace, Labels};
use crate::fence::rules::copies::{CustomMark, Origin};
use crate::fence::rules::provider_class::ProviderClass;
use crate::manifest::{self, known};

/// What is known of a topic.
#[derive(Debug)]
pub(super) enum Kept {
    Namespaces { asked: BTreeSet<Arc<str>>, labels: Arc<HashMap<Arc<str>, Labels>> },
    Access { store: Store, index: Option<Arc<Access>> },
    Secrets { marks: Vec<CustomMark>, origins: Arc<ByNamespace<Option<Origin>>> },
    ProviderClasses(Arc<ByNamespace<ProviderClass>>),
    SharedSecrets(Arc<HashMap<String, String>>),
}

/// What a list has brought so far; nobody judges by it before its end.
pub(super) struct Listed {
    kept: Kept,
    /// Of `reach`, whose resources share a store.
    objects: Vec<access::Object>,
}

/// All that is known at one moment, to be judged by.
#[derive(Clone, Debug, Default)]
pub struct Known {
    namespaces: Arc<HashMap<Arc<str>, Labels>>,
    secrets: Arc<ByNamespace<Option<Origin>>>,
    provider_classes: Arc<ByNamespace<ProviderClass>>,
    shared_secrets: Arc<HashMap<String, String>>,
    access: Option<Arc<Access>>,
}

impl Known {
    /// These facts, with what is known of the cluster.
    #[must_use]
    pub fn added_to(self, facts: Facts) -> Facts {
        let Known { namespaces, secrets, provider_classes, shared_secrets, access } = self;
        Facts { namespaces, secrets, provider_classes, shared_secrets, access, ..facts }
    }
}

impl Kept {
    /// Nothing is known yet.
    pub(super) fn nothing(topic: &Topic) -> Kept {
        match topic {
            Topic::Namespaces(asked) => {
                let asked = asked.iter().map(|label| label.as_str().into()).collect();
                Kept::Namespaces { asked, labels: Arc::default() }
            }
            Topic::Access => Kept::Access { store: Store::new(), index: None },
            Topic::Secrets(marks) => Kept::Secrets { marks: marks.clone(), origins: Arc::default() },
            Topic::ProviderClasses => Kept::ProviderClasses(Arc::default()),
            Topic::SharedSecrets => Kept::SharedSecrets(Arc::default()),
        }
    }

    /// Takes in an object; one that cannot be read takes the place of what was known of it, too. Whether anything else is
    /// known now: most changes of a Secret or a Namespace are none of a mark or a label.
    pub(super) fn put(&mut self, resource: Resource, json: &[u8]) -> bool {
        match self {
            Kept::Namespaces { asked, labels } => {
                let Some((name, its)) = labels_of(json, asked) else { return self.remove(resource, json) };
                let is_other = labels.get(&*name) != Some(&its);
                if is_other {
                    Arc::make_mut(labels).insert(name, its);
                }
                is_other
            }
            Kept::Access { store, index } => {
                let Some(object) = access_object(resource, json) else { return self.remove(resource, json) };
                store.put(object);
                *index = None;
                true
            }
            Kept::Secrets { marks, origins } => {
                let Some(secret) = known::secret(json, "", marks) else { return self.remove(resource, json) };
                let is_other = origins.get(&secret.namespace, &secret.name) != Some(&secret.origin);
                if is_other {
                    Arc::make_mut(origins).insert(&secret.namespace, &secret.name, secret.origin);
                }
                is_other
            }
            Kept::ProviderClasses(classes) => {
                let Some((namespace, name)) = known::namespace_and_name(json) else { return false };
                let class = provider_class(json);
                let is_other = classes.get(&namespace, &name) != Some(&class);
                if is_other {
                    Arc::make_mut(classes).insert(&namespace, &name, class);
                }
                is_other
            }
            Kept::SharedSecrets(origins) => {
                let Some((name, from)) = known::shared_secret(json) else { return self.remove(resource, json) };
                let is_other = origins.get(&name) != Some(&from);
                if is_other {
                    Arc::make_mut(origins).insert(name, from);
                }
                is_other
            }
        }
    }

    /// Forgets an object. Whether anything else is known now.
    pub(super) fn remove(&mut self, resource: Resource, json: &[u8]) -> bool {
        let Some((namespace, name)) = known::namespace_and_name(json) else { return false };
        match self {
            Kept::Namespaces { labels, .. } => Arc::make_mut(labels).remove(&*name).is_some(),
            Kept::Access { store, index } => {
                let is_gone = resource.access_kind().is_some_and(|kind| store.remove(kind, &namespace, &name));
                if is_gone {
                    *index = None;
                }
                is_gone
            }
            Kept::Secrets { origins, .. } => Arc::make_mut(origins).remove(&namespace, &name),
            Kept::ProviderClasses(classes) => Arc::make_mut(classes).remove(&namespace, &name),
            Kept::SharedSecrets(origins) => Arc::make_mut(origins).remove(&name).is_some(),
        }
    }

    /// Takes an object into a list, of which nothing is known before its end.
    pub(super) fn list(&mut self, listed: &mut Listed, resource: Resource, json: &[u8]) {
        match self {
            Kept::Access { store, .. } => {
                if let Some(mut object) = access_object(resource, json) {
                    store.share(&mut object);
                    listed.objects.push(object);
                }
            }
            _ => {
                listed.kept.put(resource, json);
            }
        }
    }

    /// What was known of the resource is no more; this is.
    pub(super) fn replace(&mut self, resource: Resource, mut listed: Listed) {
        match (self, resource.access_kind()) {
            (Kept::Access { store, index }, Some(kind)) => {
                store.clear(kind);
                store.extend(listed.objects);
                *index = None;
            }
            (kept, _) => {
                listed.kept.shrink();
                *kept = listed.kept;
            }
        }
    }

    /// Adds what is known here.
    pub(super) fn tell(&mut self, known: &mut Known) {
        match self {
            Kept::Namespaces { labels, .. } => known.namespaces = Arc::clone(labels),
            Kept::Access { store, index } => {
                let index = index.get_or_insert_with(|| Arc::new(store.access()));
                known.access = Some(Arc::clone(index));
            }
            Kept::Secrets { origins, .. } => known.secrets = Arc::clone(origins),
            Kept::ProviderClasses(classes) => known.provider_classes = Arc::clone(classes),
            Kept::SharedSecrets(origins) => known.shared_secrets = Arc::clone(origins),
        }
    }

    fn shrink(&mut self) {
        match self {
            Kept::Namespaces { labels, .. } => Arc::make_mut(labels).shrink_to_fit(),
            Kept::Secrets { origins, .. } => Arc::make_mut(origins).shrink(),
            Kept::ProviderClasses(classes) => Arc::make_mut(classes).shrink(),
            Kept::SharedSecrets(origins) => Arc::make_mut(origins).shrink_to_fit(),
            Kept::Access { .. } => {}
        }
    }
}

impl Listed {
    /// A list begins.
    pub(super) fn nothing(topic: &Topic) -> Listed {
        Listed { kept: Kept::nothing(topic), objects: Vec::new() }
    }
}

/// The name of a Namespace and what is asked of its labels. The keys are shared with all others, and the name with the label
/// that repeats it.
pub(super) fn labels_of(json: &[u8], asked: &BTreeSet<Arc<str>>) -> Option<(Arc<str>, Labels)> {
    let (name, labels) = known::namespace_labels(json, |key| asked.contains(key))?;
    let name: Arc<str> = name.into();
    let share = |value: &str| if value == &*name { Arc::clone(&name) } else { Arc::from(value) };
    let labels = labels.iter().filter_map(|(key, value)| Some((Arc::clone(asked.get(key)?), share(value)))).collect();
    Some((name, labels))
}

/// One that cannot be read gives no rights that we know of; the API server would not have taken it.
fn access_object(resource: Resource, json: &[u8]) -> Option<access::Object> {
    let kind = resource.access_kind()?;
    match access::Object::parse_as(kind, json) {
        Ok(object) => Some(object),
        Err(error) => {
            let (line, column) = (error.source.line(), error.source.column());
            tracing::warn!(resource = resource.name(), line, column, "an object cannot be read and is left out");
            None
        }
    }
}

/// One that cannot be read has paths that are not known.
fn provider_class(json: &[u8]) -> ProviderClass {
    let object = manifest::Object {
        address: String::new(),
        pointer: String::new(),
        api_version: Resource::SecretProviderClasses.api_version().to_owned(),
        kind: "SecretProviderClass".to_owned(),
        json: json.to_vec(),
    };
    let unknown = || ProviderClass { unknown: true, ..ProviderClass::default() };
    let class = manifest::provider_class(&object).ok().flatten().unwrap_or_else(unknown);
    // The Secrets that it makes are nothing that a rule asks for, and its names are its key.
    ProviderClass { namespace: None, name: String::new(), secrets: Vec::new(), ..class }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use serde_json::{Value, json};

    fn facts(kept: &mut Kept) -> Facts {
        let mut known = Known::default();
        kept.tell(&mut known);
        known.added_to(Facts::on(date(2026, 11, 21)))
    }

    fn bytes(value: &Value) -> Vec<u8> {
        value.to_string().into_bytes()
    }

    #[test]
    fn only_the_labels_that_are_asked_for_are_kept() {
        let mut kept = Kept::nothing(&Topic::Namespaces(["tier".to_owned()].into()));
        let namespace = json!({"metadata": {"name": "shop", "labels": {"tier": "prod", "owner": "x"}}});
        kept.put(Resource::Namespaces, &bytes(&namespace));
        let labels = facts(&mut kept).namespaces["shop"].clone();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("tier", "prod")]);
        kept.remove(Resource::Namespaces, &bytes(&namespace));
        assert!(facts(&mut kept).namespaces.is_empty());
    }

    #[test]
    fn of_a_secret_its_origin_is_kept() {
        let mut kept = Kept::nothing(&Topic::Secrets(Vec::new()));
        let secret = |name: &str, annotations: Value| {
            bytes(&json!({"metadata": {"namespace": "shop", "name": name, "annotations": annotations}}))
        };
        let copy = json!({"reflector.v1.k8s.emberstack.com/reflects": "billing/db"});
        kept.put(Resource::Secrets, &secret("copy", copy));
        kept.put(Resource::Secrets, &secret("own", json!({"a": "hunter2"})));
        let secrets = facts(&mut kept).secrets;
        let from = secrets.get("shop", "copy").and_then(Option::as_ref).and_then(|origin| origin.from.as_deref());
        assert_eq!(from, Some("billing"));
        assert_eq!(secrets.get("shop", "own"), Some(&None));
        assert!(!format!("{kept:?}").contains("hunter2"));
    }

    #[test]
    fn a_change_of_what_nobody_asks_for_is_no_news() {
        let put = |kept: &mut Kept, resource, object: Value| kept.put(resource, &bytes(&object));
        let mut kept = Kept::nothing(&Topic::Secrets(Vec::new()));
        let secret = |version: &str, annotations: Value| {
            let metadata =
                json!({"namespace": "a", "name": "b", "resourceVersion": version, "annotations": annotations});
            json!({"metadata": metadata})
        };
        assert!(put(&mut kept, Resource::Secrets, secret("1", json!({}))));
        assert!(!put(&mut kept, Resource::Secrets, secret("2", json!({"rotated": "today"}))));
        let mark = json!({"reflector.v1.k8s.emberstack.com/reflects": "billing/db"});
        assert!(put(&mut kept, Resource::Secrets, secret("3", mark)));
        assert!(kept.remove(Resource::Secrets, &bytes(&secret("3", json!({})))));
        assert!(!kept.remove(Resource::Secrets, &bytes(&secret("3", json!({})))));
        let mut kept = Kept::nothing(&Topic::Namespaces(["tier".to_owned()].into()));
        let namespace =
            |tier: &str, owner: &str| json!({"metadata": {"name": "a", "labels": {"tier": tier, "owner": owner}}});
        assert!(put(&mut kept, Resource::Namespaces, namespace("prod", "x")));
        assert!(!put(&mut kept, Resource::Namespaces, namespace("prod", "y")));
        assert!(put(&mut kept, Resource::Namespaces, namespace("test", "y")));
    }

    #[test]
    fn what_cannot_be_read_any_more_is_forgotten() {
        let mut kept = Kept::nothing(&Topic::SharedSecrets);
        let metadata = json!({"name": "db"});
        let from = json!({"secretRef": {"name": "db", "namespace": "billing"}});
        kept.put(Resource::SharedSecrets, &bytes(&json!({"metadata": metadata, "spec": from})));
        assert_eq!(facts(&mut kept).shared_secrets.len(), 1);
        assert!(kept.put(Resource::SharedSecrets, &bytes(&json!({"metadata": metadata, "spec": {}}))));
        assert!(facts(&mut kept).shared_secrets.is_empty());
    }

    #[test]
    fn a_list_replaces_what_was_known_of_its_resource_alone() {
        let mut kept = Kept::nothing(&Topic::Access);
        let binding = json!({
            "metadata": {"name": "b", "namespace": "billing"}, "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "web"}],
        });
        let role = json!({
            "metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
        });
        kept.put(Resource::RoleBindings, &bytes(&binding));
        kept.put(Resource::ClusterRoles, &bytes(&role));
        let reaches = |kept: &mut Kept| !facts(kept).access.unwrap().reach("shop", "web").is_empty();
        assert!(reaches(&mut kept));
        let mut listed = Listed::nothing(&Topic::Access);
        kept.list(&mut listed, Resource::ClusterRoles, &bytes(&role));
        assert!(reaches(&mut kept), "nothing is known of a list before its end");
        kept.replace(Resource::ClusterRoles, listed);
        assert!(reaches(&mut kept), "the binding is still there");
        kept.replace(Resource::RoleBindings, Listed::nothing(&Topic::Access));
        assert!(!reaches(&mut kept));
    }

    #[test]
    fn a_provider_class_that_cannot_be_read_has_unknown_paths() {
        let mut kept = Kept::nothing(&Topic::ProviderClasses);
        let class = json!({"metadata": {"namespace": "shop", "name": "db"}, "spec": {"provider": 3}});
        kept.put(Resource::SecretProviderClasses, &bytes(&class));
        let classes = facts(&mut kept).provider_classes;
        assert!(classes.get("shop", "db").is_some_and(|class| class.unknown && class.paths.is_empty()));
    }
}
