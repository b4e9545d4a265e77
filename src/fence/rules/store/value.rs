//! What the kubelet makes of the entries of `env`, as far as the pod tells it: `$(VAR)` of earlier entries, and fields of the
//! pod itself (`makeEnvironmentVariables`, kubelet_pods.go).
//!
//! What comes from ConfigMaps, Secrets, files and the node stands nowhere in the pod: such a `$(VAR)` stays as it is written.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::HashMap;

use smallvec::SmallVec;

use super::{External, external_env};
use crate::fence::name::Text;
use crate::fence::pod::{Container, EnvVar, FieldRef, Unread};
use crate::fence::swap::plan::Pod;

/// No program starts with a longer one (`MAX_ARG_STRLEN` of Linux).
const LONGEST_VALUE: usize = 128 << 10;
/// What the values of a pod that are read so may take together: as much as programs start with, and more.
const MOST_READ: usize = 8 << 20;

/// What the values of all containers of a pod may come from.
pub struct OfPod<'c> {
    pod: Pod<'c>,
    namespace: &'c str,
    annotations: OnceCell<HashMap<&'c str, Unread<'c>>>,
    /// What is left of [`MOST_READ`].
    left: Cell<usize>,
}

/// The values of one container's `env`, asked for in their order.
pub struct Values<'c> {
    of_pod: &'c OfPod<'c>,
    /// By name, what the pod tells; made only where some value mentions one.
    told: Option<HashMap<&'c str, Option<Cow<'c, str>>>>,
}

/// One value, as far as it is known.
pub enum Value<'c> {
    /// With what could be expanded.
    As(Cow<'c, str>),
    /// It stands nowhere in the pod.
    Untold,
    /// It has become longer than any that a program starts with, or those before it have: nobody looked at it.
    TooLong,
}

impl Value<'_> {
    /// What it asks an injector for, if it does. One that nobody looked at may.
    pub fn external(&self) -> Option<External<'_>> {
        match self {
            Value::As(text) => external_env(text),
            Value::Untold => None,
            Value::TooLong => Some(External {
                store: "a value too long to be read",
                paths: SmallVec::new(),
                unknown: true,
                elsewhere: false,
            }),
        }
    }
}

impl<'c> OfPod<'c> {
    /// Of this pod.
    pub fn of(pod: Pod<'c>, namespace: &'c str) -> OfPod<'c> {
        OfPod { pod, namespace, annotations: OnceCell::new(), left: Cell::new(MOST_READ) }
    }

    /// Takes a value of this length from what is left, or all of it.
    fn take(&self, length: usize) -> bool {
        let left = self.left.get().checked_sub(length).filter(|_| length <= LONGEST_VALUE);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }

    /// A field that the pod itself has before it runs (`ExtractFieldPathAsString`, pkg/fieldpath).
    fn field(&self, path: &str) -> Value<'c> {
        let text = match path {
            "metadata.namespace" => Cow::Borrowed(self.namespace),
            "spec.serviceAccountName" => Cow::Borrowed(self.pod.spec.service_account()),
            _ => {
                let key = path.strip_prefix("metadata.annotations['").and_then(|key| key.strip_suffix("']"));
                let annotations = self.pod.metadata.and_then(|metadata| metadata.annotations.as_ref());
                let Some((key, annotations)) = key.zip(annotations) else { return Value::Untold };
                if self.left.get() == 0 {
                    return Value::TooLong;
                }
                // Few pods have both a field that is asked for and many annotations.
                let others = self.annotations.get_or_init(|| {
                    let entries = annotations.others.iter();
                    entries.map(|(key, value)| (key.as_str(), *value)).collect()
                });
                match others.get(key) {
                    Some(value) => Cow::Owned(value.read::<Text<'_>>().as_str().to_owned()),
                    None => {
                        let injectors = annotations.injectors.iter();
                        let Some((_, value)) = injectors.rev().find(|(name, _)| name.as_str() == key) else {
                            return Value::Untold;
                        };
                        Cow::Borrowed(value.as_str())
                    }
                }
            }
        };
        if self.take(text.len()) { Value::As(text) } else { Value::TooLong }
    }
}

impl<'c> Values<'c> {
    /// Of this container.
    pub fn of(container: &'c Container<'_>, of_pod: &'c OfPod<'c>) -> Values<'c> {
        let mentions = container.env.items.iter().any(|entry| mentions_variable(entry.value.as_str()));
        Values { of_pod, told: mentions.then(HashMap::new) }
    }

    /// Of the next entry: those before it have been asked for.
    pub fn next(&mut self, entry: &'c EnvVar<'_>) -> Value<'c> {
        let value = self.value(entry);
        if let Some(told) = &mut self.told {
            let known = match &value {
                Value::As(text) => Some(text.clone()),
                Value::Untold | Value::TooLong => None,
            };
            told.insert(entry.name.as_str(), known);
        }
        value
    }

    fn value(&self, entry: &'c EnvVar<'_>) -> Value<'c> {
        let text = entry.value.as_str();
        if !text.is_empty() {
            return match &self.told {
                Some(told) if memchr::memchr(b'$', text.as_bytes()).is_some() => match expand(text, told) {
                    Some(expanded) if self.of_pod.take(expanded.len()) => Value::As(Cow::Owned(expanded)),
                    _ if mentions_variable(text) => Value::TooLong,
                    _ => Value::As(Cow::Borrowed(text)),
                },
                _ => Value::As(Cow::Borrowed(text)),
            };
        }
        match &entry.value_from {
            None => Value::As(Cow::Borrowed("")),
            Some(source) if source.field_ref.is_there() => {
                let field: FieldRef<'_> = source.field_ref.read();
                self.of_pod.field(field.field_path.as_str())
            }
            Some(_) => Value::Untold,
        }
    }
}

fn mentions_variable(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"$(").is_some()
}

/// `$(NAME)` by what is told, and as it is written where nothing is; `$$` is `$` (third_party/forked/golang/expansion of
/// Kubernetes). Nothing where it becomes too long.
fn expand(text: &str, told: &HashMap<&str, Option<Cow<'_, str>>>) -> Option<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(behind) = behind.strip_prefix('$') {
            expanded.push('$');
            rest = behind;
        } else if let Some((name, behind)) = behind.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match told.get(name) {
                Some(Some(value)) => expanded.push_str(value),
                _ => ["$(", name, ")"].iter().for_each(|part| expanded.push_str(part)),
            }
            rest = behind;
        } else if behind.starts_with('(') {
            // With no `)` left, nothing behind it closes either; and what is not expanded stays as long as it is.
            expanded.push('$');
            expanded.push_str(behind);
            return (expanded.len() <= LONGEST_VALUE).then_some(expanded);
        } else {
            expanded.push('$');
            rest = behind;
        }
        if expanded.len() > LONGEST_VALUE {
            return None;
        }
    }
    expanded.push_str(rest);
    (expanded.len() <= LONGEST_VALUE).then_some(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fence::pod::PodTemplate;

    /// The value of the last variable, in a pod of the namespace `shop` and the ServiceAccount `robot`.
    fn last(env: &str) -> Option<String> {
        let json = format!(
            r#"{{"metadata": {{"annotations": {{"x": "vault:secret/data/payments/db#password"}}}},
                 "spec": {{"serviceAccountName": "robot", "containers": [{{"env": {env}}}]}}}}"#
        );
        let template: PodTemplate<'_> = serde_json::from_str(&json).unwrap();
        let pod = Pod { metadata: template.metadata.as_ref(), spec: &template.spec };
        let container = &template.spec.containers.items[0];
        let of_pod = OfPod::of(pod, "shop");
        let mut values = Values::of(container, &of_pod);
        let mut last = None;
        for entry in &container.env.items {
            last = match values.next(entry) {
                Value::As(text) => Some(text.into_owned()),
                Value::Untold => None,
                Value::TooLong => Some("too long".to_owned()),
            };
        }
        last
    }

    #[test]
    fn values_are_expanded_as_the_kubelet_expands_them() {
        let after = |value: &str| {
            last(&format!(
                r#"[{{"name": "V", "value": "first"}}, {{"name": "W", "value": "$(V)-$(X)"}}, {{"name": "V", "value": "vault"}},
                    {{"name": "CM", "valueFrom": {{"configMapKeyRef": {{"name": "c", "key": "k"}}}}}}, {{"name": "Z", "value": "{value}"}},
                    {{"name": "X", "value": "later"}}, {{"name": "Z", "value": "{value}"}}]"#
            ))
            .unwrap()
        };
        for (value, expected) in [
            ("$(V):a", "vault:a"),
            ("$(W)", "first-$(X)"),
            ("$$(V)", "$(V)"),
            ("$$$(V)", "$vault"),
            ("$(V", "$(V"),
            ("$V$(V)", "$Vvault"),
            ("$(CM)$(NOBODY)$", "$(CM)$(NOBODY)$"),
            ("$(X)", "later"),
            ("plain", "plain"),
        ] {
            assert_eq!(after(value), expected, "{value}");
        }
        assert_eq!(
            last(r#"[{"name": "A", "value": "$(B)"}, {"name": "B", "value": "b"}, {"name": "C", "value": "$(A)"}]"#)
                .as_deref(),
            Some("$(B)")
        );
    }

    #[test]
    fn fields_of_the_pod_are_told_where_it_has_them() {
        let field =
            |path: &str| last(&format!(r#"[{{"name": "F", "valueFrom": {{"fieldRef": {{"fieldPath": "{path}"}}}}}}]"#));
        assert_eq!(field("metadata.annotations['x']").as_deref(), Some("vault:secret/data/payments/db#password"));
        assert_eq!(field("metadata.namespace").as_deref(), Some("shop"));
        assert_eq!(field("spec.serviceAccountName").as_deref(), Some("robot"));
        for path in ["metadata.annotations['y']", "metadata.annotations", "status.podIP", ""] {
            assert_eq!(field(path), None, "{path}");
        }
        assert_eq!(last(r#"[{"name": "F", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]"#), None);
    }

    #[test]
    fn what_grows_without_end_is_not_read_and_counts() {
        let doubling: Vec<String> = (0..200).map(|_| r#"{"name": "A", "value": "$(A)$(A)xx"}"#.to_owned()).collect();
        let env = format!("[{}, {{\"name\": \"Z\", \"value\": \"$(A)\"}}]", doubling.join(","));
        assert!(last(&env).is_some_and(|value| value.len() <= LONGEST_VALUE));
        let seed = format!(r#"{{"name": "A", "value": "{}"}}"#, "x".repeat(LONGEST_VALUE));
        assert_eq!(last(&format!(r#"[{seed}, {{"name": "B", "value": "$(A)x"}}]"#)).as_deref(), Some("too long"));
        let many = vec![r#"{"name": "B", "value": "$(A)"}"#; 100].join(",");
        assert_eq!(last(&format!("[{seed}, {many}]")).as_deref(), Some("too long"));
        assert!(Value::TooLong.external().is_some_and(|external| external.unknown));
    }
}
