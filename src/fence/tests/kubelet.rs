//! How the kubelet makes a container's environment, and what it expands with it: `makeEnvironmentVariables`
//! (pkg/kubelet/kubelet_pods.go), `ExpandContainerCommandAndArgs` and `ExpandContainerCommandOnlyStatic`
//! (pkg/kubelet/container/helpers.go), `Expand` (third_party/forked/golang/expansion).

use std::collections::BTreeMap;

use serde_json::Value;

type Data = BTreeMap<String, BTreeMap<String, String>>;
pub type Environment = BTreeMap<String, String>;

/// What a namespace holds.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub secrets: Data,
    pub config_maps: Data,
}

/// What a container's program gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    pub environment: Environment,
    /// `command`, `args`, commands of probes and hooks, and paths below volumes, with what was expanded in them.
    pub texts: BTreeMap<String, String>,
}

fn items<'v>(container: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> {
    container.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or("")
}

impl Cluster {
    /// What the container starts with; `None` where it waits for a Secret or a ConfigMap.
    pub fn start(&self, container: &Value) -> Option<Started> {
        let environment = self.environment(container)?;
        let own: Environment = items(container, "env")
            .map(|entry| (text(entry, "name").to_owned(), text(entry, "value").to_owned()))
            .collect();
        let mut texts = BTreeMap::new();
        let mut add = |place: String, words: &Value, environment: Option<&Environment>| {
            for (index, word) in words.as_array().into_iter().flatten().enumerate() {
                let word = word.as_str().unwrap_or("");
                let expanded = environment.map_or_else(|| word.to_owned(), |environment| expand(word, environment));
                texts.insert(format!("{place}/{index}"), expanded);
            }
        };
        for member in ["command", "args"] {
            add(member.to_owned(), &container[member], Some(&environment));
        }
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            add(probe.to_owned(), &container[probe]["exec"]["command"], Some(&own));
        }
        for hook in ["postStart", "preStop"] {
            add(hook.to_owned(), &container["lifecycle"][hook]["exec"]["command"], None);
        }
        for mount in items(container, "volumeMounts") {
            let place = format!("mount {}", text(mount, "mountPath"));
            texts.insert(place, expand(text(mount, "subPathExpr"), &environment));
        }
        Some(Started { environment, texts })
    }

    fn environment(&self, container: &Value) -> Option<Environment> {
        let mut environment = Environment::new();
        for source in items(container, "envFrom") {
            for (member, data) in [("configMapRef", &self.config_maps), ("secretRef", &self.secrets)] {
                let Some(reference) = source.get(member).filter(|reference| reference.is_object()) else { continue };
                let Some(values) = data.get(text(reference, "name")) else {
                    if reference["optional"] == true {
                        continue;
                    }
                    return None;
                };
                for (key, value) in values {
                    environment.insert(format!("{}{key}", text(source, "prefix")), value.clone());
                }
            }
        }
        for entry in items(container, "env") {
            let value = text(entry, "value");
            let value = if value.is_empty() {
                match self.value_from(&entry["valueFrom"]) {
                    Found::Value(value) => value,
                    Found::Left => continue,
                    Found::Missing => return None,
                }
            } else {
                expand(value, &environment)
            };
            environment.insert(text(entry, "name").to_owned(), value);
        }
        Some(environment)
    }

    fn value_from(&self, source: &Value) -> Found {
        for (member, data) in [("configMapKeyRef", &self.config_maps), ("secretKeyRef", &self.secrets)] {
            let Some(reference) = source.get(member).filter(|reference| reference.is_object()) else { continue };
            return match data.get(text(reference, "name")).and_then(|values| values.get(text(reference, "key"))) {
                Some(value) => Found::Value(value.clone()),
                None if reference["optional"] == true => Found::Left,
                None => Found::Missing,
            };
        }
        // What else there is does not depend on Secrets.
        Found::Value(if source.is_null() { String::new() } else { source.to_string() })
    }
}

enum Found {
    Value(String),
    Left,
    Missing,
}

/// `$(NAME)` for what is known, itself for what is not; `$$` is one `$`.
pub fn expand(input: &str, environment: &Environment) -> String {
    let mut expanded = String::new();
    let mut rest = input;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(next) = rest.chars().next() else {
            expanded.push('$');
            break;
        };
        match (next, rest.find(')')) {
            ('$', _) => {
                expanded.push('$');
                rest = &rest[1..];
            }
            ('(', Some(end)) => {
                let name = &rest[1..end];
                match environment.get(name) {
                    Some(value) => expanded.push_str(value),
                    None => {
                        expanded.push_str("$(");
                        expanded.push_str(name);
                        expanded.push(')');
                    }
                }
                rest = &rest[end + 1..];
            }
            _ => {
                expanded.push('$');
                expanded.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    expanded + rest
}

#[test]
fn expands_as_the_kubelet_does() {
    // From third_party/forked/golang/expansion/expand_test.go.
    let environment: Environment = [("VAR_A", "A"), ("VAR_B", "B"), ("VAR_REF", "$(VAR_A)"), ("VAR_EMPTY", "")]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
    for (input, expected) in [
        ("$(VAR_A)", "A"),
        ("___$(VAR_B)___", "___B___"),
        ("$(VAR_DNE)", "$(VAR_DNE)"),
        ("$(VAR_REF)", "$(VAR_A)"),
        ("foo$(VAR_EMPTY)bar", "foobar"),
        ("$$(VAR_A)", "$(VAR_A)"),
        ("$$$(VAR_A)", "$A"),
        ("$VAR_A", "$VAR_A"),
        ("$(VAR_A", "$(VAR_A"),
        ("$$", "$"),
        ("$", "$"),
        ("$(VAR_A))", "A)"),
        ("$()", "$()"),
        ("$$$$$$(BIG_MONEY)", "$$$(BIG_MONEY)"),
    ] {
        assert_eq!(expand(input, &environment), expected, "{input}");
    }
}
