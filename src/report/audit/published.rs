//! What is published in the cluster: for each namespace with something to do one report object, which the dashboards of
//! others read. Reports of [openreports.io](https://github.com/openreports/reports-api), or PolicyReports of the
//! Kubernetes policy working group, from which those were made: what is written here stands in both alike.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Audit, Owner, Row};
use crate::fence::Outcome;
use crate::report::mode_name;

/// Who says it, and the policy of what no policy says.
const NAME: &str = "secretfence";

/// Results in a report, beside the one that counts what is left out.
const RESULTS: usize = 200;
/// Of all results of a report, as JSON: an object of a megabyte and a half is what etcd refuses.
const BYTES: usize = 900_000;
/// Of a message, in bytes.
const MESSAGE: usize = 1024;
/// Of a property, in bytes.
const PROPERTY: usize = 512;

/// What is published of an audit: a report for each namespace where something is to do. What needs nobody is in none: a
/// reference that is swapped for a file which the image reads.
///
/// A report is built when it is asked for: all at once are bigger than the audit.
#[derive(Clone, Debug)]
pub struct Reports<'a> {
    owners: BTreeMap<&'a str, &'a [Owner]>,
    is_partial: bool,
}

/// A report, but for its kind, which the cluster decides, and its metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    scope: Object,
    summary: Summary,
    results: Vec<Verdict>,
}

/// How many results there would be, those left out too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    pass: usize,
    fail: usize,
    warn: usize,
    error: usize,
    skip: usize,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Verdict {
    source: &'static str,
    category: &'static str,
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    scored: bool,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Object>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    properties: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    api_version: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
}

/// What becomes of a finding, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    /// An enforcing policy denies it.
    Denied,
    /// An enforcing policy warns of it.
    Warned,
    /// It is swapped, but the program must be told, or a pod is there that was not swapped.
    ToDo,
    /// A policy in dry run would deny it.
    WouldBeDenied,
    /// A policy in dry run says something else of it.
    DryRun,
}

impl<'a> Reports<'a> {
    /// Those of an audit.
    pub fn of(audit: &'a Audit) -> Reports<'a> {
        let parts = audit.owners.chunk_by(|a, b| a.namespace == b.namespace);
        let parts = parts.filter(|owners| graded(owners).next().is_some());
        let owners = parts.filter_map(|owners| Some((owners.first()?.namespace.as_str(), owners))).collect();
        Reports { owners, is_partial: !audit.errors.is_empty() }
    }

    /// The namespaces that have one, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &'a str> {
        self.owners.keys().copied()
    }

    /// The one of a namespace.
    pub fn of_namespace(&self, namespace: &str) -> Option<Report> {
        let mut graded: Vec<_> = graded(self.owners.get(namespace)?).collect();
        // Stable: owners stay in their order.
        graded.sort_by_key(|(grade, _, _)| *grade);
        Some(Report::new(namespace, &graded, self.is_partial))
    }
}

impl Report {
    fn new(namespace: &str, graded: &[(Grade, &Owner, &Row)], is_partial: bool) -> Report {
        let mut summary = Summary { error: usize::from(is_partial), ..Summary::default() };
        for (grade, _, _) in graded {
            *(if *grade == Grade::Denied { &mut summary.fail } else { &mut summary.warn }) += 1;
        }
        let mut results = Vec::new();
        let mut bytes = 0;
        for (grade, owner, row) in graded.iter().take(RESULTS) {
            let verdict = Verdict::of(*grade, owner, row);
            bytes += serde_json::to_vec(&verdict).map_or(BYTES, |json| json.len());
            if bytes > BYTES {
                break;
            }
            results.push(verdict);
        }
        let more = graded.len() - results.len();
        if is_partial {
            let text = "something could not be read or judged, so this may not be all: secretfence audit says what";
            results.push(Verdict::about_the_report("error", text.to_owned()));
        }
        if more > 0 {
            let text =
                format!("(+{more} more): secretfence audit -n {namespace} by the same policies (-p) names them all");
            results.push(Verdict::about_the_report("skip", text));
        }
        let scope = Object {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: namespace.to_owned(),
        };
        Report { scope, summary, results }
    }
}

/// What somebody has to do something about.
fn graded(owners: &[Owner]) -> impl Iterator<Item = (Grade, &Owner, &Row)> {
    let rows = owners.iter().flat_map(|owner| owner.rows.iter().map(move |row| (owner, row)));
    rows.filter_map(|(owner, row)| Some((Grade::of(row)?, owner, row)))
}

impl Grade {
    /// None: nobody has to do anything.
    fn of(row: &Row) -> Option<Grade> {
        let is_to_do = row.finding.reads == Some("mustBeTold") || row.missed() > 0;
        match (row.is_enforced(), row.finding.outcome) {
            (_, Outcome::Allowed) => None,
            (_, Outcome::Swapped) if !is_to_do => None,
            (true, Outcome::Denied) => Some(Grade::Denied),
            (true, Outcome::Warned) => Some(Grade::Warned),
            (true, Outcome::Swapped) => Some(Grade::ToDo),
            (false, Outcome::Denied) => Some(Grade::WouldBeDenied),
            (false, Outcome::Warned | Outcome::Swapped) => Some(Grade::DryRun),
        }
    }

    fn severity(self) -> &'static str {
        match self {
            Grade::Denied => "high",
            Grade::Warned => "medium",
            Grade::ToDo | Grade::WouldBeDenied => "low",
            Grade::DryRun => "info",
        }
    }
}

impl Verdict {
    fn of(grade: Grade, owner: &Owner, row: &Row) -> Verdict {
        let finding = &row.finding;
        let is_failed = grade == Grade::Denied;
        let text = |text: &Option<String>| text.clone();
        let word = |word: Option<&'static str>| word.map(str::to_owned);
        let number = |number: usize| (number > 0).then(|| number.to_string());
        let properties = [
            ("reference", Some(finding.kind.to_owned())),
            ("container", text(&finding.container)),
            ("secret", text(&finding.secret)),
            ("key", text(&finding.key)),
            ("variable", text(&finding.variable)),
            ("outcome", Some(finding.outcome.name().to_owned())),
            ("reads", word(finding.reads)),
            ("mode", word(finding.mode.map(mode_name))),
            ("change", row.change()),
            ("pods", number(row.pods)),
            ("missed", number(row.missed())),
            ("fingerprint", Some(finding.fingerprint.clone())),
        ];
        let properties = properties.into_iter().filter_map(|(key, value)| Some((key, cut(value?, PROPERTY)))).collect();
        Verdict {
            source: NAME,
            category: "Secrets",
            // The engine's own word where no policy says anything, which is only of what is allowed.
            policy: finding.policy.clone().unwrap_or_else(|| NAME.to_owned()),
            rule: finding.rule.clone(),
            result: if is_failed { "fail" } else { "warn" },
            severity: Some(grade.severity()),
            scored: is_failed,
            message: cut(finding.message.clone(), MESSAGE),
            resources: vec![Object {
                api_version: owner.api_version.clone(),
                kind: owner.kind.clone(),
                namespace: Some(owner.namespace.clone()),
                name: owner.name.clone(),
            }],
            properties,
        }
    }

    fn about_the_report(result: &'static str, message: String) -> Verdict {
        Verdict {
            source: NAME,
            category: "Secrets",
            policy: NAME.to_owned(),
            rule: None,
            result,
            severity: None,
            scored: false,
            message,
            resources: Vec::new(),
            properties: BTreeMap::new(),
        }
    }
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = text.floor_char_boundary(most - '…'.len_utf8());
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::{Value, json};

    use super::super::fold::{Around, Fold, OwnerName};
    use super::super::{Cluster, Registration, Scope};
    use super::*;
    use crate::fence::{Evaluation, Facts, PolicySet, Question, evaluate};
    use crate::policy_dir;

    const POLICIES: &str = "\
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: files}
spec:
  rules:
    - {name: warn, on: [secretKeyRef], where: {variables: [WARN]}, action: warn}
    - {name: swap, on: [secretKeyRef], where: {variables: [SWAP, POSTGRES_PASSWORD]}, action: mount}
    - {name: deny, on: [env], action: deny}
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: trial}
spec:
  mode: dryRun
  rules: [{name: deny, on: [imagePull], action: deny}]
";

    /// What an audit found in templates of these namespaces: each with the variables of its container.
    fn audit(templates: &[(&str, Value)], errors: &[&str]) -> Audit {
        let set = policies();
        let mut fold = Fold::default();
        for (index, (namespace, spec)) in templates.iter().enumerate() {
            let owner = OwnerName {
                namespace: (*namespace).to_owned(),
                kind: "Deployment".to_owned(),
                name: format!("web-{index}"),
                api_version: "apps/v1".to_owned(),
            };
            let object = json!({"metadata": {"name": owner.name}, "spec": {"template": {"spec": spec}}});
            let question = Question { api_version: "apps/v1", kind: "Deployment", namespace, all: true, patch: false };
            let facts = Facts::on(date(2026, 11, 21));
            let judged = evaluate(object.to_string().as_bytes(), &question, &set, &facts).unwrap();
            let Evaluation::Judged(judgement) = judged else { panic!("{judged:?}") };
            fold.template(owner, judgement.findings);
        }
        let around = Around {
            namespaces: Vec::new(),
            registration: Registration::Missing,
            left_out: Vec::new(),
            cluster: Cluster::default(),
            scope: Scope::default(),
            not_judged: Vec::new(),
            errors: errors.iter().map(|error| (*error).to_owned()).collect(),
        };
        fold.finish(&set, date(2026, 11, 21), around)
    }

    fn policies() -> PolicySet {
        policy_dir::compile(&[("p.yaml".into(), POLICIES.as_bytes().to_vec())]).unwrap().set
    }

    fn spec(image: &str, variables: &[&str]) -> Value {
        let env = |name: &&str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}});
        let env: Vec<Value> = variables.iter().map(env).collect();
        json!({"containers": [{"name": "api", "image": image, "env": env}]})
    }

    fn published(audit: &Audit) -> Vec<Value> {
        let reports = Reports::of(audit);
        let report = |namespace| serde_json::to_value(reports.of_namespace(namespace).unwrap()).unwrap();
        reports.namespaces().map(report).collect()
    }

    #[test]
    fn a_denial_fails_and_names_rule_and_owner() {
        let reports = published(&audit(&[("shop", spec("api:1", &["A"]))], &[]));
        let [report] = &reports[..] else { panic!("{reports:#?}") };
        assert_eq!(report["summary"], json!({"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0}));
        assert_eq!(report["scope"], json!({"apiVersion": "v1", "kind": "Namespace", "name": "shop"}));
        let result = &report["results"][0];
        let said = ["source", "policy", "rule", "result", "severity", "scored"].map(|field| &result[field]);
        assert_eq!(json!(said), json!(["secretfence", "files", "deny", "fail", "high", true]));
        let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web-0"});
        assert_eq!(result["resources"], json!([owner]));
        assert!(result["message"].as_str().unwrap().starts_with("container \"api\" takes Secret \"db\""), "{result}");
    }

    #[test]
    fn the_worst_comes_first_and_what_needs_nobody_does_not_come() {
        let mut pulls = spec("api:1", &["SWAP", "WARN", "A"]);
        pulls["imagePullSecrets"] = json!([{"name": "registry"}]);
        let reports =
            published(&audit(&[("shop", pulls), ("clean", spec("postgres:17", &["POSTGRES_PASSWORD"]))], &[]));
        let [report] = &reports[..] else { panic!("{reports:#?}") };
        let grade = |its: &Value| format!("{} {} {}", its["result"], its["severity"], its["properties"]["outcome"]);
        let grades: Vec<String> = report["results"].as_array().unwrap().iter().map(grade).collect();
        let expected = ["fail high denied", "warn medium warned", "warn low swapped", "warn low denied"];
        assert_eq!(grades.iter().map(|its| its.replace('"', "")).collect::<Vec<_>>(), expected);
        assert_eq!(report["summary"]["warn"], 3);
        assert_eq!(report["results"][3]["properties"]["mode"], "dryRun");
    }

    #[test]
    fn many_findings_are_counted_and_the_object_stays_small() {
        let variables: Vec<String> = (0..1000).map(|number| format!("{}{number}", "V".repeat(300))).collect();
        let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
        let reports = published(&audit(&[("shop", spec("api:1", &variables))], &[]));
        assert_eq!(reports[0]["summary"]["fail"], 1000);
        let results = reports[0]["results"].as_array().unwrap();
        assert_eq!(results.len(), RESULTS + 1);
        let last = &results[RESULTS];
        assert_eq!((&last["result"], &last["policy"]), (&json!("skip"), &json!("secretfence")));
        assert!(
            last["message"]
                .as_str()
                .unwrap()
                .starts_with("(+800 more): secretfence audit -n shop by the same policies (-p) "),
            "{last}"
        );
        assert!(reports[0].to_string().len() < 1_000_000);
    }

    #[test]
    fn the_bound_in_bytes_holds_whatever_a_finding_is() {
        let mut audit = audit(&[("shop", spec("api:1", &["A"]))], &[]);
        let row = &mut audit.owners[0].rows[0];
        row.finding.message = "\"".repeat(1 << 20);
        for field in [&mut row.finding.secret, &mut row.finding.key, &mut row.finding.container] {
            *field = Some("\"ß".repeat(1 << 16));
        }
        let row = audit.owners[0].rows[0].clone();
        audit.owners[0].rows = vec![row; 5000];
        let report = published(&audit).remove(0);
        assert!(report.to_string().len() < 1_000_000, "{}", report.to_string().len());
        assert_eq!(report["summary"]["fail"], 5000);
    }

    #[test]
    fn what_was_not_read_is_said() {
        let reports = published(&audit(&[("shop", spec("api:1", &["A"]))], &["may not list jobs"]));
        assert_eq!(reports[0]["summary"]["error"], 1);
        assert_eq!(reports[0]["results"][1]["result"], "error");
    }

    #[test]
    fn no_value_is_in_a_report_or_in_the_numbers() {
        const VALUE: &str = "hunter2-Zx9";
        let mut crowded = spec("api:1", &["A", "SWAP", "WARN"]);
        let container = &mut crowded["containers"][0];
        container["env"].as_array_mut().unwrap().push(json!({"name": "B", "value": format!("{VALUE} $(A)")}));
        container["command"] = json!(["sh", "-c", format!("run --password={VALUE} $(SWAP)")]);
        container["livenessProbe"] = json!({"httpGet": {"httpHeaders": [{"name": "X", "value": VALUE}]}});
        let csi = json!({"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretName": "a", "b": VALUE}});
        crowded["volumes"] = json!([{"name": "v", "csi": csi}]);
        let audit = audit(&[("shop", crowded)], &[]);
        let reports = published(&audit);
        assert!(reports[0]["results"].as_array().unwrap().len() > 2, "{reports:#?}");
        assert!(!json!(reports).to_string().contains(VALUE), "{reports:#?}");
        let mut numbers = Vec::new();
        super::super::metrics::write(&audit, 0, &mut numbers).unwrap();
        assert!(!String::from_utf8(numbers).unwrap().contains(VALUE));
    }

    /// What a schema does not know, the API server leaves out without a word.
    #[test]
    fn every_field_is_in_the_schema_of_either_api() {
        let templates = [("shop", spec("api:1", &["A", "WARN", "SWAP"]))];
        let report = published(&audit(&templates, &["may not list jobs"])).remove(0);
        for definition in [
            include_str!("../../../tests/fixtures/reports/openreports.yaml"),
            include_str!("../../../tests/fixtures/reports/wgpolicyk8s.yaml"),
        ] {
            let manifest = crate::manifest::parse(definition.as_bytes());
            let document = manifest.documents.into_iter().next().unwrap().with_words().json().unwrap();
            let definition: Value = serde_json::from_slice(&document).unwrap();
            let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            assert_known(&report, schema, "");
        }
    }

    fn assert_known(value: &Value, schema: &Value, at: &str) {
        let sort = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Number(_) => "integer",
            Value::Bool(_) => "boolean",
            Value::Null => "null",
        };
        assert_eq!(schema["type"], sort, "{at}");
        if let Some(values) = schema["enum"].as_array() {
            assert!(values.contains(value), "{at}: {value}");
        }
        for (key, value) in value.as_object().into_iter().flatten() {
            let schema = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
            assert_known(value, schema, &format!("{at}/{key}"));
        }
        for value in value.as_array().into_iter().flatten() {
            assert_known(value, &schema["items"], &format!("{at}/-"));
        }
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(cut("ßßß".to_owned(), 5), "ß…");
        assert_eq!(cut("abc".to_owned(), 3), "abc");
    }
}
