//! Each alert by promtool: it fires, says what it should, and keeps still. The rules are those of the manifest.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{files, has, list, object, root, stem, text};

/// `spec` of the PrometheusRule, which is the whole of a file of rules.
pub fn spec() -> Value {
    object("manifests/monitoring/prometheus-rule.yaml")["spec"].clone()
}

pub fn rules() -> Vec<Value> {
    list(&spec()["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

pub fn alerts() -> BTreeSet<String> {
    rules().iter().map(|rule| text(&rule["alert"]).to_owned()).collect()
}

#[test]
fn promtool_takes_the_rules() {
    if !has("promtool") {
        return;
    }
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), spec().to_string()).unwrap();
    let (good, said) = promtool(&folder, &["check", "rules", "rules.yaml"]);
    assert!(good && said.contains(&format!("{} rules found", rules().len())), "{said}");
}

#[test]
fn every_alert_fires_and_keeps_still_as_its_test_says() {
    for alert in alerts() {
        let expected = expected(&alert);
        let severities: BTreeSet<String> = severities(&alert);
        let fires: BTreeSet<String> = expected.iter().flatten().cloned().collect();
        assert_eq!(fires, severities, "tests/monitoring/{alert}.yaml lets each of its rules fire");
        assert!(expected.iter().any(Vec::is_empty), "tests/monitoring/{alert}.yaml lets it keep still");
    }
    let tests: BTreeSet<String> = files("tests/monitoring", "yaml").iter().map(|file| stem(file)).collect();
    assert_eq!(tests, alerts(), "a file in tests/monitoring for each alert");
    if !has("promtool") {
        return;
    }
    for alert in alerts() {
        let (good, said) = tested(&alert, &spec());
        assert!(good, "{said}");
    }
}

/// The tests of an alert fail where one of its rules fires always, or never.
#[test]
fn the_test_of_each_rule_can_fail() {
    if !has("promtool") {
        return;
    }
    let spec = spec();
    for (group, rules) in list(&spec["groups"]).iter().map(|group| list(&group["rules"])).enumerate() {
        for (rule, written) in rules.iter().enumerate() {
            let alert = text(&written["alert"]);
            let always = r#"label_replace(vector(1), "job", "secretfence", "", "")"#;
            for (expression, wait) in [(always, "0s"), ("vector(1) > 2", "0s"), (text(&written["expr"]), "30d")] {
                let mut changed = spec.clone();
                let at = &mut changed["groups"][group]["rules"][rule];
                at["expr"] = json!(expression);
                at["for"] = json!(wait);
                let (good, _) = tested(alert, &changed);
                assert!(!good, "the test of {alert} does not notice {expression:?} for {wait}");
            }
        }
    }
}

#[test]
fn every_alert_tells_a_person_what_to_see_and_where_to_read_on() {
    for rule in rules() {
        let alert = text(&rule["alert"]);
        assert!(alert.starts_with("Secretfence"), "{alert}");
        assert!(["info", "warning", "critical"].contains(&text(&rule["labels"]["severity"])), "{alert}");
        assert!(rule["for"].is_string(), "{alert}");
        let annotations = rule["annotations"].as_object().unwrap();
        assert_eq!(annotations.keys().collect::<BTreeSet<_>>().len(), 3, "{alert}");
        let [summary, description] = ["summary", "description"].map(|name| text(&annotations[name]));
        assert!(summary.ends_with('.') && summary.len() < 80 && !summary.contains("{{"), "{summary}");
        assert!(description.ends_with('.') && description.len() > summary.len(), "{description}");
        let page = format!("https://runbooks.example.com/{alert}.md");
        assert_eq!(text(&annotations["runbook_url"]), page, "{alert}");
    }
}

#[test]
fn the_budget_of_latency_is_half_of_what_the_api_server_waits_for() {
    let rule = rules().into_iter().find(|rule| rule["alert"] == "SecretfenceLatencyAboveBudget").unwrap();
    let expression = text(&rule["expr"]);
    let parts: Vec<&str> = expression.split("\nor\n").collect();
    for registration in ["opt-in", "cluster-wide"] {
        let file = format!("manifests/{registration}/registrations.yaml");
        let configurations = crate::objects(&crate::read(&file));
        let webhooks: Vec<_> = configurations.iter().flat_map(|its| list(&its["webhooks"])).collect();
        assert_eq!(webhooks.len(), 4);
        for webhook in webhooks {
            let name = text(&webhook["name"]).strip_suffix(".secretfence.dev").unwrap();
            let is_of = |part: &&&str| {
                let names = part.split("webhook=~\"").nth(1).unwrap().split('"').next().unwrap();
                names.split('|').any(|its| its == name)
            };
            let part = parts.iter().find(is_of).unwrap_or_else(|| panic!("no budget of {name}"));
            let budget = format!("> 0.5 * {}", webhook["timeoutSeconds"]);
            assert!(part.trim_end().ends_with(&budget), "{name}: {part}");
        }
    }
}

/// What each case of an alert's test expects: the severities of what fires.
fn expected(alert: &str) -> Vec<Vec<String>> {
    let file = object(&format!("tests/monitoring/{alert}.yaml"));
    let cases = list(&file["tests"]).iter().flat_map(|test| list(&test["alert_rule_test"]).to_vec());
    let fires = |case: Value| {
        assert_eq!(case["alertname"], alert);
        let fires = list(&case["exp_alerts"]).iter();
        fires.map(|its| text(&its["exp_labels"]["severity"]).to_owned()).collect()
    };
    cases.map(fires).collect()
}

fn severities(alert: &str) -> BTreeSet<String> {
    let rules = rules().into_iter().filter(|rule| rule["alert"] == alert);
    rules.map(|rule| text(&rule["labels"]["severity"]).to_owned()).collect()
}

/// Whether these rules pass the test of an alert, and what promtool said. The address of the page has a test of its own, and the
/// other alerts would only be evaluated along with it.
fn tested(alert: &str, spec: &Value) -> (bool, String) {
    let mut spec = spec.clone();
    for group in spec["groups"].as_array_mut().unwrap() {
        let rules = group["rules"].as_array_mut().unwrap();
        rules.retain(|rule| rule["alert"] == alert);
        for rule in rules {
            rule["annotations"].as_object_mut().unwrap().remove("runbook_url");
        }
    }
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), spec.to_string()).unwrap();
    let name = format!("{alert}.yaml");
    std::fs::copy(Path::new(root()).join("tests/monitoring").join(&name), folder.path().join(&name)).unwrap();
    promtool(&folder, &["test", "rules", &name])
}

fn promtool(folder: &TempDir, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("promtool").current_dir(folder.path()).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), said)
}
