//! Roles: what of their rules counts as reach. The rest is dropped while they are read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::names::Name;
use super::reach::Names;
use super::table::{Naming, ROWS, Row, RowSet};
use crate::fence::name::Text;

/// How many rules with `resourceNames` one right of a role keeps apart. More count as one without names: a role of the API
/// server's size has few, and the wrong side to err on would be to forget one.
const NAMED_GRANTS: usize = 256;

/// A Role, as far as it counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Wire<'_>")]
pub struct Role {
    pub(super) namespace: Name,
    pub(super) name: Name,
    pub(super) grants: Arc<Grants>,
}

/// A ClusterRole, as far as it counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Wire<'_>")]
pub struct ClusterRole {
    pub(super) name: Name,
    pub(super) labels: BTreeMap<Box<str>, Box<str>>,
    /// Which ClusterRoles it is made of.
    pub(super) selectors: Vec<Selector>,
    pub(super) grants: Arc<Grants>,
}

/// The rights of a role that are rows of the table.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// Those for all names first, then those by which a row is reached that none before reaches: whoever looks for the first of
    /// a row looks at few, however many rules with names there are.
    list: Box<[Grant]>,
    /// The rows that it gives for all names.
    pub(super) all: RowSet,
    /// The rows that it gives at all.
    pub(super) any: RowSet,
    /// The rows that it gives for some request: a name for what has none gives nothing.
    pub(super) reached: RowSet,
}

/// The rights that one rule gives, and none before it. One for each rule and not for each row: whoever may write roles would
/// else choose how much of our memory they take.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    rows: RowSet,
    /// The index of the rule in its role.
    pub(super) rule: u32,
    /// None: whatever the name.
    pub(super) names: Option<Arc<ResourceNames>>,
    /// The ClusterRole whose rule it is, where an aggregated one took it from there.
    pub(super) from: Option<Name>,
}

/// The `resourceNames` of a rule.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ResourceNames {
    /// Sorted; without the empty one.
    pub(super) names: Box<[Box<str>]>,
    /// Whether the empty name is one of them: what a request to a collection has.
    pub(super) empty: bool,
}

impl Grants {
    /// The rights for a row.
    pub(super) fn of(&self, row: usize) -> impl Iterator<Item = &Grant> {
        let list = if self.any.contains(row) { &*self.list } else { &[] };
        list.iter().filter(move |grant| grant.rows.contains(row))
    }

    /// Whether this gives anything.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the two give the same, whatever the rules that give it; one is part of the other.
    pub(super) fn is_like(&self, other: &Grants) -> bool {
        self.list.len() == other.list.len() && self.all == other.all && self.any == other.any
    }

    /// All rights.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.list.iter()
    }

    /// All rights, as another role takes them from this one by aggregation.
    pub(super) fn taken_from(&self, role: &Name) -> impl Iterator<Item = Grant> {
        let from = |grant: &Grant| grant.from.clone().or_else(|| Some(role.clone()));
        self.list.iter().map(move |grant| Grant { from: from(grant), ..grant.clone() })
    }
}

/// Each row once for all names, or by its names.
impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Grants {
        let (unnamed, named): (Vec<Grant>, Vec<Grant>) = grants.into_iter().partition(|grant| grant.names.is_none());
        let mut kept = Grants::default();
        let mut list = Vec::new();
        for grant in unnamed {
            let rows = grant.rows.without(kept.all);
            kept.all = kept.all.union(rows);
            list.push(Grant { rows, ..grant });
        }
        let mut by_names: Vec<Grant> = Vec::new();
        let mut seen: HashMap<Arc<ResourceNames>, RowSet> = HashMap::new();
        let mut counts = [0; ROWS.len()];
        for grant in named {
            let Some(names) = &grant.names else { continue };
            let seen = seen.entry(Arc::clone(names)).or_default();
            let rows = grant.rows.without(kept.all).without(*seen);
            *seen = seen.union(rows);
            let mut too_many = RowSet::default();
            for row in rows.iter() {
                counts[row] += 1;
                if counts[row] > NAMED_GRANTS {
                    too_many.insert(row);
                }
            }
            kept.all = kept.all.union(too_many);
            list.push(Grant { rows: too_many, names: None, ..grant.clone() });
            by_names.push(Grant { rows, ..grant });
        }
        kept.any = kept.all;
        kept.reached = kept.all;
        for grant in &mut by_names {
            grant.rows = grant.rows.without(kept.all);
            kept.any = kept.any.union(grant.rows);
        }
        let (first, rest): (Vec<Grant>, Vec<Grant>) = by_names.into_iter().partition(|grant| {
            let reached = grant.reached();
            let is_first = !reached.without(kept.reached).is_empty();
            kept.reached = kept.reached.union(reached);
            is_first
        });
        list.extend(first.into_iter().chain(rest));
        list.retain(|grant| !grant.rows.is_empty());
        kept.list = list.into();
        kept
    }
}

impl Grant {
    /// Which objects requests for this right may be about, if there are such requests at all.
    pub(super) fn names(&self, naming: Naming) -> Option<Names<'_>> {
        let Some(names) = &self.names else { return Some(Names::All) };
        match naming {
            Naming::Selector | Naming::Never if names.empty => Some(Names::All),
            Naming::Never => None,
            Naming::Always | Naming::Selector => (!names.names.is_empty()).then_some(Names::Only(&names.names)),
        }
    }

    /// The rows that it gives for some request.
    fn reached(&self) -> RowSet {
        let namings = [Naming::Always, Naming::Selector, Naming::Never].into_iter();
        let given = namings.filter(|naming| self.names(*naming).is_some());
        given.fold(RowSet::default(), |rows, naming| rows.union(self.rows.both(naming.rows())))
    }

    /// Whether it allows a request for an object of that name, which is empty for a request to a collection
    /// (`ResourceNameMatches`, pkg/apis/rbac/v1/evaluation_helpers.go).
    pub(super) fn allows(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| match name {
            "" => names.empty,
            _ => names.names.binary_search_by(|own| (**own).cmp(name)).is_ok(),
        })
    }
}

/// A label selector of an `aggregationRule`. An empty one selects every ClusterRole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: Box<str>,
    operator: Operator,
    values: Vec<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// `Requirement.Matches` of k8s.io/apimachinery/pkg/labels: a label that is not there is not in any set.
    pub(super) fn selects(&self, labels: &BTreeMap<Box<str>, Box<str>>) -> bool {
        self.requirements.iter().all(|Requirement { key, operator, values }| match (operator, labels.get(key)) {
            (Operator::In, value) => value.is_some_and(|value| values.contains(value)),
            (Operator::NotIn, value) => value.is_none_or(|value| !values.contains(value)),
            (Operator::Exists, value) => value.is_some(),
            (Operator::DoesNotExist, value) => value.is_none(),
        })
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Selector, D::Error> {
        let wire = WireSelector::deserialize(deserializer)?;
        let boxed = |text: &Text<'_>| Box::from(text.as_str());
        let labels = wire.match_labels.unwrap_or_default().into_iter().map(|(key, value)| Requirement {
            key: boxed(&key),
            operator: Operator::In,
            values: vec![boxed(&value)],
        });
        let expressions = wire.match_expressions.unwrap_or_default();
        let expressions = expressions.into_iter().map(|expression| {
            let values: Vec<_> = expression.values.unwrap_or_default().iter().map(boxed).collect();
            let takes_values = matches!(expression.operator, Operator::In | Operator::NotIn);
            if takes_values == values.is_empty() {
                return Err(D::Error::custom("values go with the operators In and NotIn, and only with those"));
            }
            Ok(Requirement { key: boxed(&expression.key), operator: expression.operator, values })
        });
        Ok(Selector { requirements: labels.map(Ok).chain(expressions).collect::<Result<_, _>>()? })
    }
}

impl From<Wire<'_>> for Role {
    fn from(wire: Wire<'_>) -> Role {
        let namespace = wire.metadata.namespace.as_str().into();
        Role { namespace, name: wire.metadata.name.as_str().into(), grants: Arc::new(wire.grants()) }
    }
}

impl From<Wire<'_>> for ClusterRole {
    fn from(mut wire: Wire<'_>) -> ClusterRole {
        let selectors = wire.aggregation_rule.take().and_then(|rule| rule.selectors).unwrap_or_default();
        let labels = wire.metadata.labels.take().unwrap_or_default();
        let labels = labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
        let name = wire.metadata.name.as_str().into();
        ClusterRole { name, labels, selectors, grants: Arc::new(wire.grants()) }
    }
}

/// A Role or ClusterRole as the API writes it: a list that is not there may be null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    rules: Option<Vec<PolicyRule<'a>>>,
    aggregation_rule: Option<AggregationRule>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    namespace: Text<'a>,
    #[serde(borrow)]
    labels: Option<BTreeMap<Text<'a>, Text<'a>>>,
}

#[derive(Deserialize)]
struct AggregationRule {
    #[serde(rename = "clusterRoleSelectors")]
    selectors: Option<Vec<Selector>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSelector<'a> {
    #[serde(borrow)]
    match_labels: Option<BTreeMap<Text<'a>, Text<'a>>>,
    #[serde(borrow)]
    match_expressions: Option<Vec<WireRequirement<'a>>>,
}

#[derive(Deserialize)]
struct WireRequirement<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    operator: Operator,
    #[serde(borrow)]
    values: Option<Vec<Text<'a>>>,
}

/// A rule, as the API writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyRule<'a> {
    #[serde(borrow)]
    verbs: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    api_groups: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    resources: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    resource_names: Option<Vec<Text<'a>>>,
}

impl Wire<'_> {
    fn grants(&self) -> Grants {
        let rules = self.rules.iter().flatten().enumerate();
        rules
            .map(|(index, rule)| {
                // Nobody can store as many rules as that.
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let names = rule.resource_names();
                let rows = RowSet::of(|row| rule.gives(row));
                Grant { rows, rule: index, names, from: None }
            })
            .filter(|grant| !grant.rows.is_empty())
            .collect()
    }
}

impl PolicyRule<'_> {
    /// `RuleAllows` (plugin/pkg/auth/authorizer/rbac/rbac.go), but for the name. There is no `pods/*`: `*/exec` is the one
    /// pattern, and `*` holds subresources too.
    fn gives(&self, row: &Row) -> bool {
        let has = |list: &Option<Vec<Text<'_>>>, is_it: &dyn Fn(&str) -> bool| {
            list.iter().flatten().any(|text| text.as_str() == "*" || is_it(text.as_str()))
        };
        has(&self.verbs, &|verb| verb == row.verb)
            && has(&self.api_groups, &|group| group == row.group)
            && has(&self.resources, &|resource| match resource.split_once('/') {
                None => row.subresource.is_empty() && resource == row.resource,
                Some((resource, subresource)) => {
                    !row.subresource.is_empty()
                        && subresource == row.subresource
                        && (resource == "*" || resource == row.resource)
                }
            })
    }

    fn resource_names(&self) -> Option<Arc<ResourceNames>> {
        let listed = self.resource_names.as_ref().filter(|names| !names.is_empty())?;
        let empty = listed.iter().any(|name| name.as_str().is_empty());
        let names = listed.iter().map(Text::as_str).filter(|name| !name.is_empty());
        let mut names: Vec<Box<str>> = names.map(Box::from).collect();
        names.sort_unstable();
        names.dedup();
        Some(Arc::new(ResourceNames { names: names.into(), empty }))
    }
}
