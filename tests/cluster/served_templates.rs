//! Every workload of the corpus that the API server admits, as its own kind: what is said of its template is what `check`
//! says.

use std::collections::BTreeMap;
use std::sync::Mutex;

use secretfence::fence::policy::PolicySet;
use secretfence::fence::{Judgement, Outcome};
use serde_json::{Value, json};

use crate::api::Reply;
use crate::cluster::Cluster;
use crate::corpus::Corpus;
use crate::served_corpus::{check, class, each, policies, says_what_check_says, within, workloads};

/// No warning is longer: the API server would cut it.
const WARNING_BYTES: usize = 256;

#[test]
fn every_template_of_the_corpus_is_told_what_check_says() {
    let Some(corpus) = Corpus::find("every template of the corpus through a real API server") else { return };
    let Some(cluster) = Cluster::shared() else { return };
    let templates = templates(&corpus);
    assert!(templates.len() > 200, "only {} templates", templates.len());
    let policies = policies();
    let bare = cluster.namespace("templates-bare", None);
    let warned = cluster.namespace("templates-warned", Some("enforce"));
    let enforced = cluster.namespace("own-policy-templates", Some("enforce"));
    let counts = Mutex::new(BTreeMap::<String, usize>::new());
    let count = |what: String| *counts.lock().unwrap().entry(what).or_default() += 1;
    each(&templates, |(about, template)| {
        let reply = cluster.api.create(&within(template, &bare), "?dryRun=All");
        if reply.status == 404 {
            return count(format!("left out: {} is not served any more", template["apiVersion"]));
        }
        if reply.status != 201 {
            return count(format!("left out: {}", class(reply.message())));
        }
        let kind = template["kind"].as_str().unwrap();
        count(format!("admitted without the webhook: {kind}"));
        let outcome = warns(cluster, &policies, &within(template, &warned), &reply, about);
        count(format!("warned, {outcome}"));
        let outcome = enforces(cluster, &policies, &within(template, &enforced), &reply, about);
        count(format!("enforced, {outcome}"));
    });
    let counts = counts.into_inner().unwrap();
    println!("{} templates", templates.len());
    counts.iter().for_each(|(what, count)| println!("{count:>4} {what}"));
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"] {
        assert!(counts.contains_key(&format!("admitted without the webhook: {kind}")), "no {kind}: {counts:#?}");
    }
    for what in ["warned, of a denial", "warned, of a swap", "enforced, denied", "enforced, passed with a swap"] {
        assert!(counts.get(what).is_some_and(|count| *count > 3), "{what}: {counts:#?}");
    }
}

/// Under `templates: warn` it is made as it is, with a warning for each finding. `bare` is the answer without a webhook.
fn warns(cluster: &Cluster, policies: &PolicySet, template: &Value, bare: &Reply, about: &str) -> &'static str {
    let check = check(template, policies);
    let reply = cluster.api.create(template, "?dryRun=All");
    let told: Vec<&String> = reply.warnings.iter().filter(|warning| !bare.warnings.contains(warning)).collect();
    let expected: Vec<String> = check
        .findings
        .iter()
        .map(|finding| {
            let outcome = match finding.outcome {
                Outcome::Denied => "its pods will be denied: ",
                Outcome::Swapped => "its pods will be swapped: ",
                other => panic!("{about}: {other:?} by the shipped policy"),
            };
            format!("{outcome}{}", finding.message)
        })
        .collect();
    says(&told, &expected, about);
    assert_eq!(reply.status, 201, "{about}: {}", reply.message());
    assert_eq!(written(&reply.body), written(&bare.body), "{about}: a template is never changed");
    worst(&check, ["let alone", "of a swap", "of a denial"])
}

/// The warnings are these, in order, each perhaps cut, and counted where the last of them are left out.
pub fn says(warnings: &[&String], expected: &[String], about: &str) {
    let (last, listed) = match warnings.split_last() {
        Some((last, listed)) if last.starts_with("(+") => (Some(last.as_str()), listed),
        _ => (None, warnings),
    };
    let more = (expected.len() > listed.len()).then(|| format!("(+{} more)", expected.len() - listed.len()));
    assert_eq!(last, more.as_deref(), "{about}: {warnings:#?}\n{expected:#?}");
    for (warning, whole) in listed.iter().zip(expected) {
        assert!(warning.len() <= WARNING_BYTES && is_cut_of(warning, whole), "{about}:\n{warning}\n{whole}");
    }
}

/// Under `templates: enforce` it is denied where one of its pods would be, and else made without a word.
fn enforces(cluster: &Cluster, policies: &PolicySet, template: &Value, bare: &Reply, about: &str) -> &'static str {
    let check = check(template, policies);
    let reply = cluster.api.create(template, "?dryRun=All");
    let outcome = worst(&check, ["let alone", "passed with a swap", "denied"]);
    if outcome == "denied" {
        says_what_check_says(reply.denied(), &check, about);
    } else {
        assert_eq!((reply.status, &reply.warnings), (201, &bare.warnings), "{about}: {}", reply.message());
    }
    outcome
}

/// What is in it, but for its uid, which the API server puts into a Job's labels.
pub fn written(object: &Value) -> String {
    let text = json!([object["spec"], object["template"]]).to_string();
    text.replace(object["metadata"]["uid"].as_str().unwrap(), "uid")
}

/// The words for what is worst: nothing, a swap, a denial.
fn worst(check: &Judgement, [nothing, swap, denial]: [&'static str; 3]) -> &'static str {
    let any = |outcome: Outcome| check.findings.iter().any(|finding| finding.outcome == outcome);
    match (any(Outcome::Denied), any(Outcome::Swapped)) {
        (true, _) => denial,
        (false, true) => swap,
        (false, false) => nothing,
    }
}

/// Whether it is the text, or its beginning and the rule that stands at its end.
fn is_cut_of(warning: &str, whole: &str) -> bool {
    match warning.split_once("… [") {
        Some((begin, rule)) if warning != whole => whole.starts_with(begin) && whole.ends_with(&format!(" [{rule}")),
        _ => warning == whole,
    }
}

/// Every object that makes pods, as if a person had written it: owned by nobody.
fn templates(corpus: &Corpus) -> Vec<(String, Value)> {
    let templates = workloads(corpus).into_iter().filter(|(_, _, path)| !path.is_empty());
    templates.map(|(about, object, _)| (about, owned_by_nobody(&object))).collect()
}

/// What is of use in an object that makes pods.
pub fn owned_by_nobody(object: &Value) -> Value {
    let name = object["metadata"]["name"].as_str().unwrap_or("unnamed");
    let mut template = json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": {"name": name}});
    for field in ["spec", "template"] {
        if let Some(value) = object.get(field) {
            template[field] = value.clone();
        }
    }
    template
}
