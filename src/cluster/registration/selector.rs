//! Label selectors as sets: whether one leaves out what another one takes in.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The label that every namespace has, with its name.
pub(super) const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A label selector as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Selector {
    pub(super) match_labels: BTreeMap<String, String>,
    pub(super) match_expressions: Vec<Requirement>,
}

/// One of its expressions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Requirement {
    pub(super) key: String,
    pub(super) operator: String,
    #[serde(default)]
    pub(super) values: Vec<String>,
}

/// Which states of one label are taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taken {
    /// Whether the label may be missing.
    absent: bool,
    values: Values,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    Only(BTreeSet<String>),
    AllBut(BTreeSet<String>),
}

impl Selector {
    /// The labels by which this one leaves out what the other takes in, with what it asks of them.
    ///
    /// Namespaces that are left out by their names are the user's own list, and never count.
    pub(super) fn leaves_out(&self, other: &Selector) -> Vec<String> {
        let (its, others) = (self.by_key(), other.by_key());
        let all = Taken { absent: true, values: Values::AllBut(BTreeSet::new()) };
        let narrower = its.iter().filter(|(key, taken)| {
            let is_list = **key == NAME_LABEL && taken.absent && matches!(taken.values, Values::AllBut(_));
            !is_list && !others.get(**key).unwrap_or(&all).is_within(taken)
        });
        narrower.map(|(key, _)| self.in_words(key)).collect()
    }

    /// The expressions that leave out namespaces by their names.
    pub(super) fn is_name_list(requirement: &Requirement) -> bool {
        requirement.key == NAME_LABEL && requirement.operator == "NotIn"
    }

    fn by_key(&self) -> BTreeMap<&str, Taken> {
        let mut all: BTreeMap<&str, Taken> = BTreeMap::new();
        let labels = self.match_labels.iter().map(|(key, value)| {
            (&**key, Taken { absent: false, values: Values::Only(BTreeSet::from([value.clone()])) })
        });
        let expressions = self.match_expressions.iter().map(|requirement| (&*requirement.key, requirement.taken()));
        for (key, taken) in labels.chain(expressions) {
            let both = match all.remove(key) {
                Some(before) => before.and(taken),
                None => taken,
            };
            all.insert(key, both);
        }
        all
    }

    /// What is asked of one label, as `kubectl` writes it.
    fn in_words(&self, key: &str) -> String {
        let labels = self.match_labels.iter().filter(|(label, _)| *label == key);
        let labels = labels.map(|(label, value)| format!("{label}={value}"));
        let expressions = self.match_expressions.iter().filter(|requirement| requirement.key == key);
        let expressions = expressions.map(|Requirement { key, operator, values }| match &**operator {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.clone(),
            "DoesNotExist" => format!("!{key}"),
            operator => format!("{key} {operator}"),
        });
        labels.chain(expressions).collect::<Vec<_>>().join(",")
    }
}

impl Requirement {
    fn taken(&self) -> Taken {
        let values = || self.values.iter().cloned().collect();
        match &*self.operator {
            "In" => Taken { absent: false, values: Values::Only(values()) },
            "NotIn" => Taken { absent: true, values: Values::AllBut(values()) },
            "Exists" => Taken { absent: false, values: Values::AllBut(BTreeSet::new()) },
            "DoesNotExist" => Taken { absent: true, values: Values::Only(BTreeSet::new()) },
            // Of a newer API server: it may leave out anything.
            _ => Taken { absent: false, values: Values::Only(BTreeSet::new()) },
        }
    }
}

impl Taken {
    fn and(self, other: Taken) -> Taken {
        let values = match (self.values, other.values) {
            (Values::Only(a), Values::Only(b)) => Values::Only(&a & &b),
            (Values::Only(a), Values::AllBut(b)) | (Values::AllBut(b), Values::Only(a)) => Values::Only(&a - &b),
            (Values::AllBut(a), Values::AllBut(b)) => Values::AllBut(&a | &b),
        };
        Taken { absent: self.absent && other.absent, values }
    }

    fn is_within(&self, other: &Taken) -> bool {
        let values = match (&self.values, &other.values) {
            (Values::Only(a), Values::Only(b)) => a.is_subset(b),
            (Values::Only(a), Values::AllBut(b)) => a.is_disjoint(b),
            (Values::AllBut(a), Values::AllBut(b)) => b.is_subset(a),
            // There is always one more value.
            (Values::AllBut(_), Values::Only(_)) => false,
        };
        values && (!self.absent || other.absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const MODE: &str = "secretfence.dev/mode";

    fn selector(expressions: Value) -> Selector {
        serde_json::from_value(json!({"matchExpressions": expressions})).unwrap()
    }

    fn mode(operator: &str, values: &[&str]) -> Selector {
        selector(json!([{"key": MODE, "operator": operator, "values": values}]))
    }

    /// Whether the first leaves out something of the second.
    fn leaves_out(first: &Selector, second: &Selector) -> bool {
        !first.leaves_out(second).is_empty()
    }

    #[test]
    fn cluster_wide_leaves_out_nothing_of_opt_in_and_opt_in_does_of_cluster_wide() {
        let (opt_in, cluster_wide) = (mode("In", &["enforce"]), mode("NotIn", &["off", "dry-run"]));
        assert!(!leaves_out(&cluster_wide, &opt_in));
        assert_eq!(opt_in.leaves_out(&cluster_wide), ["secretfence.dev/mode in (enforce)"]);
    }

    #[test]
    fn what_takes_in_more_leaves_out_nothing() {
        let shipped = mode("In", &["enforce"]);
        for found in [
            Selector::default(),
            shipped.clone(),
            mode("In", &["enforce", "strict"]),
            mode("Exists", &[]),
            mode("NotIn", &["off"]),
            serde_json::from_value(json!({"matchLabels": {MODE: "enforce"}})).unwrap(),
        ] {
            assert!(!leaves_out(&found, &shipped), "{found:?}");
        }
    }

    #[test]
    fn what_takes_in_less_leaves_out_something() {
        let shipped = mode("NotIn", &["off", "dry-run"]);
        for found in [
            mode("NotIn", &["off", "dry-run", "prod"]),
            mode("In", &["enforce"]),
            mode("Exists", &[]),
            mode("DoesNotExist", &[]),
            mode("Newer", &[]),
            selector(json!([{"key": "team", "operator": "NotIn", "values": ["a"]}])),
            selector(json!([{"key": NAME_LABEL, "operator": "In", "values": ["a"]}])),
            selector(json!([{"key": NAME_LABEL, "operator": "DoesNotExist"}])),
            serde_json::from_value(json!({"matchLabels": {"team": "a"}})).unwrap(),
        ] {
            assert!(leaves_out(&found, &shipped), "{found:?}");
        }
    }

    #[test]
    fn expressions_on_one_label_count_together() {
        let shipped = mode("In", &["enforce"]);
        let both = selector(json!([
            {"key": MODE, "operator": "In", "values": ["enforce", "strict"]},
            {"key": MODE, "operator": "NotIn", "values": ["enforce"]},
        ]));
        assert!(leaves_out(&both, &shipped));
    }

    #[test]
    fn namespaces_left_out_by_name_are_the_users_list() {
        let found = selector(json!([{"key": NAME_LABEL, "operator": "NotIn", "values": ["storage"]}]));
        assert!(!leaves_out(&found, &Selector::default()));
    }
}
