//! Which policies match a pod: by index first, then in full.
//!
//! Each policy stands under one field of its `match`, the one that fewest others share, so that a pod looks up a few
//! words and then checks only the policies that it will probably match.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use smallvec::SmallVec;

use super::glob::{Glob, Globs};
use super::{LabelSelector, Operator, Policy, PolicySet, Requirement, Scope};
use crate::fence::facts::Labels;
use crate::fence::name::Text;

/// What of an object and its request a policy's `match` and `exclude` look at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Of the request.
    pub namespace: &'a str,
    /// The labels of the namespace. `None` where it is not known: then `match` counts as true and `exclude` as false.
    pub namespace_labels: Option<&'a Labels>,
    /// The labels of the pod, or of the pod template. Of a key that stands there twice, the last counts.
    pub labels: &'a [(Text<'a>, Text<'a>)],
    /// The name of the pod's ServiceAccount.
    pub service_account: &'a str,
    /// The kinds that the object counts as: any of them in a policy's list is enough.
    pub kinds: &'a [&'a str],
}

impl PolicySet {
    /// The indices of the policies that match and do not exclude the subject, ascending, and so by name.
    pub fn matching(&self, subject: &Subject<'_>) -> SmallVec<[u32; 16]> {
        let mut found = self.index.candidates(subject);
        found.sort_unstable();
        found.dedup();
        found.retain(|index| self.policies.get(*index as usize).is_some_and(|policy| policy.is_about(subject)));
        found
    }
}

impl Policy {
    /// Whether `match` holds and `exclude` does not.
    pub fn is_about(&self, subject: &Subject<'_>) -> bool {
        self.matches.unmet(subject).is_none() && self.exclude.met(subject).is_none()
    }
}

/// A field of `match` or `exclude`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeField {
    /// `namespaces`
    Namespaces,
    /// `namespaceSelector`
    NamespaceSelector,
    /// `objectSelector`
    ObjectSelector,
    /// `serviceAccounts`
    ServiceAccounts,
    /// `kinds`
    Kinds,
}

impl Scope {
    /// As `match`: the first field given that does not hold.
    pub fn unmet(&self, subject: &Subject<'_>) -> Option<ScopeField> {
        let fails = |field, holds: bool| (!holds).then_some(field);
        let Scope { namespaces, service_accounts, kinds, object_selector, namespace_selector } = self;
        let names = |globs: &Option<Globs>, name| globs.as_ref().is_none_or(|globs| globs.matches(name));
        fails(ScopeField::Namespaces, names(namespaces, subject.namespace))
            .or_else(|| fails(ScopeField::ServiceAccounts, names(service_accounts, subject.service_account)))
            .or_else(|| fails(ScopeField::Kinds, kinds.as_ref().is_none_or(|kinds| subject.is_one_of(kinds))))
            .or_else(|| {
                let holds = |selector: &LabelSelector| selector.matches(|key| subject.label(key));
                fails(ScopeField::ObjectSelector, object_selector.as_ref().is_none_or(holds))
            })
            .or_else(|| {
                let holds = |selector: &LabelSelector| subject.namespace_fits(selector).unwrap_or(true);
                fails(ScopeField::NamespaceSelector, namespace_selector.as_ref().is_none_or(holds))
            })
    }

    /// As `exclude`: the first field given that holds.
    pub fn met(&self, subject: &Subject<'_>) -> Option<ScopeField> {
        let Scope { namespaces, service_accounts, kinds, object_selector, namespace_selector } = self;
        let names = |globs: &Option<Globs>, name| globs.as_ref().is_some_and(|globs| globs.matches(name));
        names(namespaces, subject.namespace)
            .then_some(ScopeField::Namespaces)
            .or_else(|| names(service_accounts, subject.service_account).then_some(ScopeField::ServiceAccounts))
            .or_else(|| kinds.as_ref().is_some_and(|kinds| subject.is_one_of(kinds)).then_some(ScopeField::Kinds))
            .or_else(|| {
                let holds = |selector: &LabelSelector| selector.matches(|key| subject.label(key));
                object_selector.as_ref().is_some_and(holds).then_some(ScopeField::ObjectSelector)
            })
            .or_else(|| {
                let holds = |selector: &LabelSelector| subject.namespace_fits(selector).unwrap_or(false);
                namespace_selector.as_ref().is_some_and(holds).then_some(ScopeField::NamespaceSelector)
            })
    }
}

impl LabelSelector {
    /// Whether every requirement holds of the labels that the function looks up.
    pub fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(label(&requirement.key)))
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Operator::NotIn(values) => value.is_none_or(|value| values.iter().all(|unwanted| unwanted != value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl<'a> Subject<'a> {
    fn label(&self, key: &str) -> Option<&'a str> {
        self.labels.iter().rfind(|(name, _)| name.as_str() == key).map(|(_, value)| value.as_str())
    }

    fn is_one_of(&self, kinds: &[String]) -> bool {
        self.kinds.iter().any(|kind| kinds.iter().any(|wanted| wanted == kind))
    }

    fn namespace_fits(&self, selector: &LabelSelector) -> Option<bool> {
        self.namespace_labels.map(|labels| selector.matches(|key| labels.get(key)))
    }
}

/// Each policy under one field of its `match`; `always` where none can be looked up.
#[derive(Default)]
pub(super) struct ScopeIndex {
    always: Vec<u32>,
    namespaces: NameIndex,
    service_accounts: NameIndex,
    object_labels: LabelIndex,
    namespace_labels: LabelIndex,
    /// Every policy of `namespace_labels`, for a namespace that is not known.
    by_namespace_label: Vec<u32>,
    kinds: Table<Vec<u32>>,
}

/// Whole names, and what names begin or end with.
#[derive(Default)]
struct NameIndex {
    names: Table<Vec<u32>>,
    beginnings: Table<Vec<u32>>,
    beginning_lengths: Vec<usize>,
    endings: Table<Vec<u32>>,
    ending_lengths: Vec<usize>,
}

type LabelIndex = Table<LabelBucket>;

#[derive(Default)]
struct LabelBucket {
    any_value: Vec<u32>,
    values: Table<Vec<u32>>,
}

type Table<T> = HashMap<Box<[u8]>, T, BuildHasherDefault<Fnv>>;

/// What a policy can stand under. A policy that stands under a field stands under all keys of that field, and whatever
/// it matches has at least one of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'p> {
    Namespace(NameKey<'p>),
    ServiceAccount(NameKey<'p>),
    ObjectLabel(&'p str, Option<&'p str>),
    NamespaceLabel(&'p str, Option<&'p str>),
    Kind(&'p str),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum NameKey<'p> {
    Is(&'p str),
    Begins(&'p str),
    Ends(&'p str),
}

impl ScopeIndex {
    pub(super) fn new(policies: &[Policy]) -> ScopeIndex {
        let mut shared: HashMap<Key<'_>, usize> = HashMap::new();
        for key in policies.iter().flat_map(|policy| fields(&policy.matches)).flatten() {
            *shared.entry(key).or_default() += 1;
        }
        let crowd = |field: &Vec<Key<'_>>| field.iter().map(|key| shared.get(key).copied().unwrap_or(0)).sum::<usize>();
        let mut index = ScopeIndex::default();
        for (number, policy) in (0..).zip(policies) {
            match fields(&policy.matches).into_iter().min_by_key(crowd) {
                Some(field) => field.into_iter().for_each(|key| index.insert(key, number)),
                None => index.always.push(number),
            }
        }
        index
    }

    fn insert(&mut self, key: Key<'_>, policy: u32) {
        match key {
            Key::Namespace(key) => self.namespaces.insert(key, policy),
            Key::ServiceAccount(key) => self.service_accounts.insert(key, policy),
            Key::ObjectLabel(key, value) => insert_label(&mut self.object_labels, key, value, policy),
            Key::NamespaceLabel(key, value) => {
                insert_label(&mut self.namespace_labels, key, value, policy);
                self.by_namespace_label.push(policy);
            }
            Key::Kind(kind) => self.kinds.entry(kind.as_bytes().into()).or_default().push(policy),
        }
    }

    /// A superset of the policies that match, in no order, some perhaps twice.
    fn candidates(&self, subject: &Subject<'_>) -> SmallVec<[u32; 16]> {
        let mut found = SmallVec::from_slice(&self.always);
        self.namespaces.look_up(subject.namespace, &mut found);
        self.service_accounts.look_up(subject.service_account, &mut found);
        if !self.kinds.is_empty() {
            subject.kinds.iter().for_each(|kind| extend(&mut found, self.kinds.get(kind.as_bytes())));
        }
        if !self.object_labels.is_empty() {
            for (key, value) in subject.labels {
                look_up_label(&self.object_labels, key.as_str(), value.as_str(), &mut found);
            }
        }
        match subject.namespace_labels {
            None => found.extend_from_slice(&self.by_namespace_label),
            Some(_) if self.namespace_labels.is_empty() => {}
            Some(labels) => {
                labels.iter().for_each(|(key, value)| look_up_label(&self.namespace_labels, key, value, &mut found));
            }
        }
        found
    }
}

impl NameIndex {
    fn insert(&mut self, key: NameKey<'_>, policy: u32) {
        let (table, lengths, text) = match key {
            NameKey::Is(name) => (&mut self.names, None, name),
            NameKey::Begins(text) => (&mut self.beginnings, Some(&mut self.beginning_lengths), text),
            NameKey::Ends(text) => (&mut self.endings, Some(&mut self.ending_lengths), text),
        };
        table.entry(text.as_bytes().into()).or_default().push(policy);
        if let Some(lengths) = lengths
            && !lengths.contains(&text.len())
        {
            lengths.push(text.len());
        }
    }

    fn look_up(&self, name: &str, found: &mut SmallVec<[u32; 16]>) {
        let name = name.as_bytes();
        if !self.names.is_empty() {
            extend(found, self.names.get(name));
        }
        for length in self.beginning_lengths.iter().filter(|length| **length <= name.len()) {
            extend(found, self.beginnings.get(&name[..*length]));
        }
        for length in self.ending_lengths.iter().filter(|length| **length <= name.len()) {
            extend(found, self.endings.get(&name[name.len() - length..]));
        }
    }
}

/// Every way to look the scope up: one list of keys for each field that allows it.
fn fields(scope: &Scope) -> Vec<Vec<Key<'_>>> {
    let mut fields: Vec<Vec<Key<'_>>> = vec![
        name_keys(scope.namespaces.as_ref()).into_iter().map(Key::Namespace).collect(),
        name_keys(scope.service_accounts.as_ref()).into_iter().map(Key::ServiceAccount).collect(),
    ];
    let of_objects = scope.object_selector.iter().flat_map(|selector| &selector.requirements);
    fields.extend(of_objects.map(|asked| label_keys(asked, Key::ObjectLabel)));
    let of_namespaces = scope.namespace_selector.iter().flat_map(|selector| &selector.requirements);
    fields.extend(of_namespaces.map(|asked| label_keys(asked, Key::NamespaceLabel)));
    fields.push(scope.kinds.iter().flatten().map(|kind| Key::Kind(kind)).collect());
    fields.retain(|field| !field.is_empty());
    fields
}

/// None at all where a glob neither begins nor ends with anything certain.
fn name_keys(globs: Option<&Globs>) -> Vec<NameKey<'_>> {
    globs.and_then(|globs| globs.included().iter().map(name_key).collect()).unwrap_or_default()
}

fn name_key(glob: &Glob) -> Option<NameKey<'_>> {
    match (glob.literal(), glob.literal_prefix(), glob.literal_suffix()) {
        (Some(name), ..) => Some(NameKey::Is(name)),
        (None, "", "") => None,
        (None, beginning, ending) if beginning.len() >= ending.len() => Some(NameKey::Begins(beginning)),
        (None, _, ending) => Some(NameKey::Ends(ending)),
    }
}

/// Nothing where the requirement holds without the label too.
fn label_keys<'p>(asked: &'p Requirement, key: impl Fn(&'p str, Option<&'p str>) -> Key<'p>) -> Vec<Key<'p>> {
    match &asked.operator {
        Operator::In(values) => values.iter().map(|value| key(&asked.key, Some(value))).collect(),
        Operator::Exists => vec![key(&asked.key, None)],
        Operator::NotIn(_) | Operator::DoesNotExist => Vec::new(),
    }
}

fn insert_label(index: &mut LabelIndex, key: &str, value: Option<&str>, policy: u32) {
    let bucket = index.entry(key.as_bytes().into()).or_default();
    match value {
        Some(value) => bucket.values.entry(value.as_bytes().into()).or_default().push(policy),
        None => bucket.any_value.push(policy),
    }
}

fn look_up_label(index: &LabelIndex, key: &str, value: &str, found: &mut SmallVec<[u32; 16]>) {
    if let Some(bucket) = index.get(key.as_bytes()) {
        found.extend_from_slice(&bucket.any_value);
        extend(found, bucket.values.get(value.as_bytes()));
    }
}

fn extend(found: &mut SmallVec<[u32; 16]>, more: Option<&Vec<u32>>) {
    if let Some(more) = more {
        found.extend_from_slice(more);
    }
}

/// FNV-1a. The tables hold only what policies say, so whoever names a namespace or a label cannot crowd them.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::fence::policy::{Mode, Templates};

    fn policy(matches: Scope, exclude: Scope) -> Policy {
        let (mode, templates) = (Mode::Enforce, Templates::Warn);
        Policy { name: String::new(), mode, warnings: true, matches, exclude, templates, rules: Vec::new() }
    }

    fn set(policies: Vec<Policy>) -> PolicySet {
        let index = ScopeIndex::new(&policies);
        PolicySet { policies, index, ..PolicySet::default() }
    }

    fn globs(patterns: &[&str]) -> Option<Globs> {
        Some(Globs::parse(patterns).unwrap())
    }

    fn selector(key: &str, operator: Operator) -> Option<LabelSelector> {
        Some(LabelSelector { requirements: vec![Requirement { key: key.to_owned(), operator }] })
    }

    fn text(text: &str) -> Text<'_> {
        Text(Cow::Borrowed(text))
    }

    const POD: Subject<'static> = Subject {
        namespace: "team-a",
        namespace_labels: None,
        labels: &[],
        service_account: "default",
        kinds: &["Pod"],
    };

    fn is_about(matches: Scope, exclude: Scope, subject: &Subject<'_>) -> bool {
        policy(matches, exclude).is_about(subject)
    }

    #[test]
    fn a_policy_without_match_is_about_everything() {
        assert!(is_about(Scope::default(), Scope::default(), &POD));
    }

    #[test]
    fn every_field_of_match_must_hold() {
        let scope =
            |account| Scope { namespaces: globs(&["team-*"]), service_accounts: globs(&[account]), ..Scope::default() };
        assert!(is_about(scope("default"), Scope::default(), &POD));
        assert!(!is_about(scope("builder"), Scope::default(), &POD));
    }

    #[test]
    fn any_field_of_exclude_is_enough() {
        let exclude =
            Scope { namespaces: globs(&["batch-*"]), service_accounts: globs(&["default"]), ..Scope::default() };
        assert!(!is_about(Scope::default(), exclude, &POD));
    }

    #[test]
    fn an_unknown_namespace_counts_as_matched_and_not_as_excluded() {
        let prod = || Scope {
            namespace_selector: selector("tier", Operator::In(vec!["prod".to_owned()])),
            ..Scope::default()
        };
        assert!(is_about(prod(), prod(), &POD));
        let labels: Labels = [("tier", "prod")].into_iter().collect();
        assert!(!is_about(prod(), prod(), &Subject { namespace_labels: Some(&labels), ..POD }));
        let labels = Labels::default();
        assert!(!is_about(prod(), Scope::default(), &Subject { namespace_labels: Some(&labels), ..POD }));
        assert_eq!(set(vec![policy(prod(), Scope::default())]).matching(&POD).as_slice(), [0]);
    }

    #[test]
    fn not_in_and_does_not_exist_hold_where_the_label_is_absent() {
        let on = |operator| Scope { object_selector: selector("app", operator), ..Scope::default() };
        let labels = [(text("app"), text("web"))];
        let web = Subject { labels: &labels, ..POD };
        for (operator, labelled, absent) in [
            (Operator::In(vec!["web".to_owned()]), true, false),
            (Operator::NotIn(vec!["web".to_owned()]), false, true),
            (Operator::Exists, true, false),
            (Operator::DoesNotExist, false, true),
        ] {
            let policies = set(vec![policy(on(operator), Scope::default())]);
            assert_eq!(policies.matching(&web).len(), usize::from(labelled));
            assert_eq!(policies.matching(&POD).len(), usize::from(absent));
        }
    }

    #[test]
    fn any_kind_of_the_object_in_the_list_counts() {
        let pods = || Scope { kinds: Some(vec!["Pod".to_owned()]), ..Scope::default() };
        assert!(is_about(pods(), Scope::default(), &Subject { kinds: &["Deployment", "Pod"], ..POD }));
        assert!(!is_about(pods(), Scope::default(), &Subject { kinds: &["Deployment"], ..POD }));
    }

    #[test]
    fn of_a_label_that_stands_twice_the_last_counts() {
        let labels = [(text("app"), text("web")), (text("app"), text("db"))];
        let scope =
            Scope { object_selector: selector("app", Operator::In(vec!["web".to_owned()])), ..Scope::default() };
        assert!(set(vec![policy(scope, Scope::default())]).matching(&Subject { labels: &labels, ..POD }).is_empty());
    }

    fn patterns() -> impl Strategy<Value = Option<Globs>> {
        prop::option::of(
            prop::collection::vec("!?[ab*?]{1,3}", 1..3).prop_map(|patterns| Globs::parse(&patterns).unwrap()),
        )
    }

    fn words() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab]", 1..3)
    }

    fn selectors() -> impl Strategy<Value = Option<LabelSelector>> {
        let operator = prop_oneof![
            words().prop_map(Operator::In),
            words().prop_map(Operator::NotIn),
            Just(()).prop_map(|()| Operator::Exists),
            Just(()).prop_map(|()| Operator::DoesNotExist),
        ];
        let requirement = ("[ab]", operator).prop_map(|(key, operator)| Requirement { key, operator });
        prop::option::of(
            prop::collection::vec(requirement, 1..3).prop_map(|requirements| LabelSelector { requirements }),
        )
    }

    fn scopes() -> impl Strategy<Value = Scope> {
        (patterns(), selectors(), selectors(), patterns(), prop::option::of(words())).prop_map(
            |(namespaces, namespace_selector, object_selector, service_accounts, kinds)| Scope {
                namespaces,
                namespace_selector,
                object_selector,
                service_accounts,
                kinds,
            },
        )
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_naive_filter_finds(
            policies in prop::collection::vec((scopes(), prop_oneof![Just(()).prop_map(|()| Scope::default()), scopes()]), 0..20),
            namespace in "[ab]{0,4}",
            service_account in "[ab]{0,3}",
            labels in prop::collection::vec(("[ab]", "[ab]"), 0..3),
            namespace_labels in prop::option::of(prop::collection::btree_map("[ab]", "[ab]", 0..3)),
            kinds in words(),
        ) {
            let namespace_labels = namespace_labels.map(Labels::from_iter);
            let set = set(policies.into_iter().map(|(matches, exclude)| policy(matches, exclude)).collect());
            let labels: Vec<_> = labels.iter().map(|(key, value)| (text(key), text(value))).collect();
            let kinds: Vec<_> = kinds.iter().map(|kind| &**kind).collect();
            let subject = Subject {
                namespace: &namespace,
                namespace_labels: namespace_labels.as_ref(),
                labels: &labels,
                service_account: &service_account,
                kinds: &kinds,
            };
            let naive: Vec<u32> = (0..).zip(set.policies()).filter(|(_, policy)| policy.is_about(&subject)).map(|(index, _)| index).collect();
            prop_assert_eq!(set.matching(&subject).to_vec(), naive);
        }
    }

    #[test]
    fn a_thousand_policies_of_which_few_match_are_not_looked_at() {
        let own = |number: u32| match number % 4 {
            0 => Scope { namespaces: globs(&[&format!("team-{number:04}-*")]), ..Scope::default() },
            1 => Scope {
                namespaces: globs(&["team-*"]),
                service_accounts: globs(&[&format!("robot-{number}")]),
                ..Scope::default()
            },
            2 => Scope {
                object_selector: selector("app", Operator::In(vec![format!("app-{number}")])),
                ..Scope::default()
            },
            _ => Scope {
                namespaces: globs(&[&format!("*-{number}")]),
                kinds: Some(vec!["Pod".to_owned()]),
                ..Scope::default()
            },
        };
        let mut scopes: Vec<_> = (0..1000).map(own).collect();
        scopes.push(Scope::default());
        let set = set(scopes.into_iter().map(|scope| policy(scope, Scope::default())).collect());
        let labels = [(text("app"), text("app-2"))];
        let subject = Subject { namespace: "team-0004-3", service_account: "robot-1", labels: &labels, ..POD };
        assert_eq!(set.index.candidates(&subject).len(), 5);
        assert_eq!(set.matching(&subject).as_slice(), [1, 2, 3, 4, 1000]);
    }
}
