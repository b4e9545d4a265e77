//! What is told of a judgement is what was judged; and no rule that is said to decide nothing ever decides.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::Value;

use super::generate::likely;
use super::{cases, facts, go_encoded, policies};
use crate::fence::policy::Mode;
use crate::fence::{Evaluation, Explanation, Facts, Finding, PolicySet, Question, evaluate, explain};

const QUESTION: Question<'static> =
    Question { api_version: "v1", kind: "Pod", namespace: "shop", all: true, patch: false };

fn judged(pod: &Value, policies: &PolicySet, facts: &Facts) -> (Vec<Finding>, Explanation) {
    let object = go_encoded(pod);
    let Evaluation::Judged(judgement) = evaluate(object.as_bytes(), &QUESTION, policies, facts).unwrap() else {
        panic!("a pod is judged")
    };
    (judgement.findings, explain(object.as_bytes(), &QUESTION, policies, facts).unwrap().unwrap())
}

/// With keys of Secrets that somebody knows, none at all among them.
fn with_keys(keys: Vec<Vec<&'static str>>) -> Facts {
    let names = ["db", "db2", "api"];
    let known = names
        .into_iter()
        .zip(keys)
        .map(|(name, keys)| (("shop".to_owned(), name.to_owned()), keys.into_iter().map(str::to_owned).collect()));
    Facts { secret_keys: known.collect::<HashMap<_, _>>(), ..facts() }
}

fn known_keys() -> impl Strategy<Value = Vec<Vec<&'static str>>> {
    let keys = prop::sample::subsequence(vec!["a", "A", "b", "password"], 0..=3);
    prop::collection::vec(keys, 0..=3)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn the_rule_that_is_told_is_the_one_that_decided(
        pod in likely::pod(), specs in likely::policies(), keys in known_keys()
    ) {
        let set = policies(specs);
        let (findings, explanation) = judged(&pod, &set, &with_keys(keys));
        let told: Vec<Finding> = explanation.references.iter().flat_map(|its| its.findings.clone()).collect();
        prop_assert_eq!(&told, &findings);
        for reference in &explanation.references {
            for finding in &reference.findings {
                let (Some(policy), Some(rule)) = (&finding.policy, &finding.rule) else {
                    // No rule fits: none is told to decide.
                    prop_assert!(reference.policies.iter().all(|trace| trace.decided.is_none()));
                    continue;
                };
                let mode = if finding.mode == Some(Mode::DryRun) { "dryRun" } else { "enforce" };
                let decides = reference.policies.iter().any(|trace| {
                    (trace.policy == *policy, trace.decided.as_ref() == Some(rule), trace.mode == mode) == (true, true, true)
                });
                let written = set.policies().iter().find(|its| its.name == *policy).unwrap();
                // The volume that it would become is refused by a rule on volumes; a source that is not known by no rule.
                let by_volume = written.rules.iter().any(|its| {
                    its.name == *rule && its.on.contains(crate::fence::Kind::Volume)
                });
                prop_assert!(decides || by_volume || rule == "unknown-source", "{reference:?}");
            }
        }
    }

    #[test]
    fn no_rule_that_is_said_to_decide_nothing_decides(
        pod in likely::pod(), specs in likely::policies(), keys in known_keys()
    ) {
        let set = policies(specs);
        let idle: Vec<(String, String)> = set
            .warnings(facts().today)
            .into_iter()
            .filter(|warning| warning.message.starts_with("never "))
            .filter_map(|warning| Some((warning.policy, warning.rule?)))
            .collect();
        if idle.is_empty() {
            return Ok(());
        }
        let (_, explanation) = judged(&pod, &set, &with_keys(keys));
        for (policy, rule) in explanation.reached() {
            let idle = idle.iter().any(|(its, idle)| its == policy && idle == rule);
            prop_assert!(!idle, "{policy}/{rule}");
        }
    }
}
