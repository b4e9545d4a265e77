//! Label selectors as sets: what one takes in, and whether it leaves out what another one takes in.
//!
//! An operator that is not known (of a newer API server) is guessed by what must not be said wrongly: it takes in nothing, so that nobody is
//! called fenced by it, and it leaves out something, so that it is a drift; but it is no list of names, so that no audit leaves out a namespace.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

/// The label that every namespace has, with its name.
pub(in crate::cluster) const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

/// A label selector as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Selector {
    #[serde(deserialize_with = "null_is_none")]
    pub(super) match_labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_is_none")]
    pub(super) match_expressions: Vec<Requirement>,
}

/// One of its expressions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Requirement {
    pub(super) key: String,
    pub(super) operator: String,
    #[serde(default, deserialize_with = "null_is_none")]
    pub(super) values: Vec<String>,
}

/// Which states of one label are taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taken<'a> {
    /// Whether the label may be missing.
    absent: bool,
    values: Values<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Values<'a> {
    Only(BTreeSet<&'a str>),
    AllBut(BTreeSet<&'a str>),
}

impl Selector {
    /// Whether it takes in what has these labels.
    pub(super) fn takes_in<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.by_key().iter().all(|(key, taken)| taken.has(label(key)))
    }

    /// Whether it leaves out the namespace of this name by a list of names: whatever labels it may have beside.
    pub(super) fn lists(&self, name: &str) -> bool {
        let mut lists = self.match_expressions.iter().filter(|requirement| Selector::is_name_list(requirement));
        lists.any(|list| list.values.iter().any(|value| value == name))
    }

    /// The first operator that is not known.
    pub(super) fn unknown_operator(&self) -> Option<&str> {
        let mut operators = self.match_expressions.iter().map(|requirement| &*requirement.operator);
        operators.find(|operator| !OPERATORS.contains(operator))
    }

    /// The labels by which this one leaves out what the other takes in, with what it asks of them.
    pub(super) fn leaves_out(&self, other: &Selector) -> Vec<String> {
        self.narrower(other, |_| true)
    }

    /// The same of namespaces: those that are left out by their names are the user's own list, and never count.
    pub(super) fn leaves_out_but_by_name(&self, other: &Selector) -> Vec<String> {
        let is_list = |key: &str, taken: &Taken<'_>| {
            key == NAME_LABEL && taken.absent && matches!(taken.values, Values::AllBut(_))
        };
        self.narrower(other, |(key, taken)| !is_list(key, taken))
    }

    /// The expressions that leave out namespaces by their names.
    pub(super) fn is_name_list(requirement: &Requirement) -> bool {
        requirement.key == NAME_LABEL && requirement.operator == "NotIn"
    }

    fn narrower(&self, other: &Selector, counts: impl Fn((&str, &Taken<'_>)) -> bool) -> Vec<String> {
        let (its, others) = (self.by_key(), other.by_key());
        let all = Taken { absent: true, values: Values::AllBut(BTreeSet::new()) };
        let narrower = its
            .iter()
            .filter(|(key, taken)| counts((key, taken)) && !others.get(**key).unwrap_or(&all).is_within(taken));
        narrower.map(|(key, _)| self.in_words(key)).collect()
    }

    fn by_key(&self) -> BTreeMap<&str, Taken<'_>> {
        let mut all: BTreeMap<&str, Taken<'_>> = BTreeMap::new();
        let labels = self
            .match_labels
            .iter()
            .map(|(key, value)| (&**key, Taken { absent: false, values: Values::Only(BTreeSet::from([&**value])) }));
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
    fn taken(&self) -> Taken<'_> {
        let values = || self.values.iter().map(|value| &**value).collect();
        match &*self.operator {
            "In" => Taken { absent: false, values: Values::Only(values()) },
            "NotIn" => Taken { absent: true, values: Values::AllBut(values()) },
            "Exists" => Taken { absent: false, values: Values::AllBut(BTreeSet::new()) },
            "DoesNotExist" => Taken { absent: true, values: Values::Only(BTreeSet::new()) },
            _ => Taken { absent: false, values: Values::Only(BTreeSet::new()) },
        }
    }
}

impl<'a> Taken<'a> {
    fn has(&self, value: Option<&str>) -> bool {
        match (value, &self.values) {
            (None, _) => self.absent,
            (Some(value), Values::Only(values)) => values.contains(value),
            (Some(value), Values::AllBut(values)) => !values.contains(value),
        }
    }

    fn and(self, other: Taken<'a>) -> Taken<'a> {
        let values = match (self.values, other.values) {
            (Values::Only(a), Values::Only(b)) => Values::Only(&a & &b),
            (Values::Only(a), Values::AllBut(b)) | (Values::AllBut(b), Values::Only(a)) => Values::Only(&a - &b),
            (Values::AllBut(a), Values::AllBut(b)) => Values::AllBut(&a | &b),
        };
        Taken { absent: self.absent && other.absent, values }
    }

    fn is_within(&self, other: &Taken<'_>) -> bool {
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

fn null_is_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
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
        !first.leaves_out_but_by_name(second).is_empty()
    }

    #[test]
    fn cluster_wide_leaves_out_nothing_of_opt_in_and_opt_in_does_of_cluster_wide() {
        let (opt_in, cluster_wide) = (mode("In", &["enforce"]), mode("NotIn", &["off", "dry-run"]));
        assert!(!leaves_out(&cluster_wide, &opt_in));
        assert_eq!(opt_in.leaves_out_but_by_name(&cluster_wide), ["secretfence.dev/mode in (enforce)"]);
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
        // Of an object whoever makes it writes that label.
        assert_eq!(found.leaves_out(&Selector::default()), ["kubernetes.io/metadata.name notin (storage)"]);
    }

    #[test]
    fn what_is_taken_in_is_what_the_api_server_takes_in() {
        let enforced = |key: &str| (key == MODE).then_some("enforce");
        let bare = |_: &str| None;
        for (found, of_enforced, of_bare) in [
            (Selector::default(), true, true),
            (mode("In", &["enforce", "strict"]), true, false),
            (mode("NotIn", &["off"]), true, true),
            (mode("NotIn", &["enforce"]), false, true),
            (mode("Exists", &[]), true, false),
            (mode("DoesNotExist", &[]), false, true),
            (serde_json::from_value(json!({"matchLabels": {MODE: "enforce"}})).unwrap(), true, false),
            (serde_json::from_value(json!({"matchLabels": {"team": "a"}})).unwrap(), false, false),
            (serde_json::from_value(json!({"matchLabels": null, "matchExpressions": null})).unwrap(), true, true),
            (
                serde_json::from_value(
                    json!({"matchExpressions": [{"key": MODE, "operator": "Exists", "values": null}]}),
                )
                .unwrap(),
                true,
                false,
            ),
        ] {
            assert_eq!((found.takes_in(enforced), found.takes_in(bare)), (of_enforced, of_bare), "{found:?}");
        }
    }

    #[test]
    fn an_operator_that_is_not_known_fences_nothing_and_leaves_no_namespace_out() {
        let found = selector(json!([{"key": NAME_LABEL, "operator": "Newer", "values": ["storage"]}]));
        assert!(!found.takes_in(|_| Some("storage")) && !found.takes_in(|_| None));
        assert!(!found.lists("storage"));
        assert_eq!(found.unknown_operator(), Some("Newer"));
        assert!(leaves_out(&found, &Selector::default()));
    }

    #[test]
    fn a_namespace_is_listed_by_its_name_alone() {
        let listed = selector(json!([{"key": NAME_LABEL, "operator": "NotIn", "values": ["storage", "dns"]}]));
        assert!(listed.lists("dns") && !listed.lists("shop"));
        // Those that one of a few names is not are as many as there are: nobody has listed them.
        let chosen = selector(json!([{"key": NAME_LABEL, "operator": "In", "values": ["shop"]}]));
        assert!(!chosen.lists("dns"));
        assert!(!mode("NotIn", &["dns"]).lists("dns"));
    }
}
