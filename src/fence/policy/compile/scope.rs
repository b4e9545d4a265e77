//! `match` and `exclude`.

use std::collections::BTreeSet;

use crate::fence::policy::compile::faults::Faults;
use crate::fence::policy::error::{Problem, escape, near_miss};
use crate::fence::policy::file::{self, LabelSelectorOperator, PodTemplates};
use crate::fence::policy::{LabelSelector, Operator, Requirement, Scope};
use crate::fence::rules::data::OBJECT_KINDS;
use crate::fence::validation;
use crate::fence::workload::BUILT_IN;

/// The kinds that `match.kinds` may name.
pub(super) struct KnownKinds<'d>(BTreeSet<&'d str>);

impl<'d> KnownKinds<'d> {
    pub(super) fn new(tables: &'d [(usize, PodTemplates)]) -> KnownKinds<'d> {
        let rows = tables.iter().flat_map(|(_, table)| &table.spec.rows);
        let built_in = BUILT_IN.into_iter().map(|(_, kind, _)| kind).chain(OBJECT_KINDS);
        KnownKinds(built_in.chain(rows.map(|row| &*row.kind)).collect())
    }
}

/// Without `kinds` any kind passes: a table of pod templates could not be read, and that is the mistake to mend first.
pub(super) fn compile(
    written: Option<&file::Scope>,
    kinds: Option<&KnownKinds<'_>>,
    at: &str,
    faults: &mut Faults<'_>,
) -> Scope {
    let Some(written) = written else { return Scope::default() };
    check_kinds(written.kinds.as_deref(), kinds, &format!("{at}/kinds"), faults);
    Scope {
        namespaces: faults.globs(written.namespaces.as_ref(), &format!("{at}/namespaces")),
        namespace_selector: selector(written.namespace_selector.as_ref(), &format!("{at}/namespaceSelector"), faults),
        object_selector: selector(written.object_selector.as_ref(), &format!("{at}/objectSelector"), faults),
        service_accounts: faults.globs(written.service_accounts.as_ref(), &format!("{at}/serviceAccounts")),
        kinds: written.kinds.clone(),
    }
}

fn check_kinds(written: Option<&[String]>, known: Option<&KnownKinds<'_>>, at: &str, faults: &mut Faults<'_>) {
    if written.is_some_and(<[_]>::is_empty) {
        faults.value(at, Problem::Empty("an empty list selects nothing: add a kind, or leave the field out"));
    }
    let Some(KnownKinds(known)) = known else { return };
    for (index, kind) in written.unwrap_or_default().iter().enumerate() {
        if !known.contains(&**kind) {
            let problem = Problem::UnknownValue {
                found: kind.clone(),
                near: near_miss(kind, known.iter().copied()),
                expected: known.iter().copied().chain(["a kind of a PodTemplates row"]).map(str::to_owned).collect(),
            };
            faults.value(format!("{at}/{index}"), problem);
        }
    }
}

fn selector(written: Option<&file::LabelSelector>, at: &str, faults: &mut Faults<'_>) -> Option<LabelSelector> {
    let written = written?;
    let labels = written.match_labels.iter().flatten();
    let expressions = written.match_expressions.iter().flatten();
    let mut requirements = Vec::new();
    for (key, value) in labels {
        let at = format!("{at}/matchLabels/{}", escape(key));
        if !validation::is_label_key(key) {
            let (found, expected) = (key.clone(), validation::LABEL_KEY.to_owned());
            faults.key(&*at, Problem::WrongValue { found, expected });
        }
        if !validation::is_label_value(value) {
            faults.wrong(at, value, validation::LABEL_VALUE);
        }
        requirements.push(Requirement { key: key.clone(), operator: Operator::In(vec![value.clone()]) });
    }
    for (index, expression) in expressions.enumerate() {
        requirements.push(requirement(expression, &format!("{at}/matchExpressions/{index}"), faults));
    }
    if requirements.is_empty() {
        faults.value(at, Problem::Empty("an empty selector fits everything: add a label, or leave the field out"));
    }
    Some(LabelSelector { requirements })
}

fn requirement(written: &file::LabelSelectorRequirement, at: &str, faults: &mut Faults<'_>) -> Requirement {
    if !validation::is_label_key(&written.key) {
        faults.wrong(format!("{at}/key"), &written.key, validation::LABEL_KEY);
    }
    let values = written.values.clone().unwrap_or_default();
    for (index, value) in values.iter().enumerate() {
        if !validation::is_label_value(value) {
            faults.wrong(format!("{at}/values/{index}"), value, validation::LABEL_VALUE);
        }
    }
    let (name, takes_values) = match written.operator {
        LabelSelectorOperator::In => ("In", true),
        LabelSelectorOperator::NotIn => ("NotIn", true),
        LabelSelectorOperator::Exists => ("Exists", false),
        LabelSelectorOperator::DoesNotExist => ("DoesNotExist", false),
    };
    match (takes_values, values.is_empty()) {
        (true, true) => faults.value(at, Problem::ValuesMissing(name)),
        (false, false) => faults.key(format!("{at}/values"), Problem::ValuesNotWanted(name)),
        _ => {}
    }
    let operator = match written.operator {
        LabelSelectorOperator::In => Operator::In(values),
        LabelSelectorOperator::NotIn => Operator::NotIn(values),
        LabelSelectorOperator::Exists => Operator::Exists,
        LabelSelectorOperator::DoesNotExist => Operator::DoesNotExist,
    };
    Requirement { key: written.key.clone(), operator }
}
