//! SARIF: valid by its schema, and what code scanning makes use of.

use serde_json::{Value, json};

use crate::sarif_schema::{assert_valid, errors};
use crate::{CLEAN, Folder, POD};

#[test]
fn a_finding_is_a_result_of_the_rule_that_decides_it() {
    let folder = Folder::with(POD).rules("[{name: no, on: [env], action: deny, message: see https://wiki.test/env.}]");
    let run = run(&folder, &["-p", "policy.yaml", "./pod.yaml"]);
    assert_eq!(
        run["results"],
        json!([{
            "ruleId": "test/no",
            "ruleIndex": 0,
            "kind": "fail",
            "level": "error",
            "message": {"text": "denied: container \"api\" takes Secret \"db\" key \"password\" as env DB_PASSWORD \
                (/spec/containers/0/env/0): see https://wiki.test/env. [test/no]"},
            "locations": [{
                "physicalLocation": {
                    "artifactLocation": {"uri": "pod.yaml"},
                    "region": {"startLine": 10, "startColumn": 11, "endLine": 10, "endColumn": 28},
                },
                "logicalLocations": [{"name": "web", "fullyQualifiedName": "default/Pod/web", "kind": "resource"}],
            }],
            "partialFingerprints": {"secretfence/v1": "37783e2c186343d6"},
            "properties": {
                "kind": "secretKeyRef", "outcome": "denied", "mode": "enforce", "document": "0",
                "pointer": "/spec/containers/0/env/0", "notes": [],
            },
        }])
    );
    assert_eq!(
        run["tool"]["driver"]["rules"],
        json!([{
            "id": "test/no",
            "name": "test/no",
            "shortDescription": {"text": "test/no (deny: secretKeyRef, envFrom, fileKeyRef)"},
            "fullDescription": {"text": "Rule no of policy test: deny: secretKeyRef, envFrom, fileKeyRef"},
            "help": {
                "text": "see https://wiki.test/env.",
                "markdown": "`test/no` (deny: secretKeyRef, envFrom, fileKeyRef)\n\nsee https://wiki.test/env.",
            },
            "helpUri": "https://wiki.test/env",
            "defaultConfiguration": {"level": "error"},
            "properties": {
                "tags": ["security", "kubernetes", "secrets"], "precision": "very-high", "security-severity": "8.0",
                "kinds": ["secretKeyRef", "envFrom", "fileKeyRef"],
            },
        }])
    );
    assert_eq!(run["invocations"][0]["exitCode"], 1);
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn the_level_is_that_of_the_outcome() {
    let pod = format!(
        "{POD}  imagePullSecrets: [{{name: registry}}]\n  volumes: [{{name: v, secret: {{secretName: tls}}}}]\n"
    );
    let levels = |spec: &str| {
        let run = run(&Folder::with(&pod).policy(spec), &["-p", "policy.yaml", "--all", "pod.yaml"]);
        let results = run["results"].as_array().unwrap().iter();
        let levels = results.map(|result| (result["kind"].clone(), result["level"].clone(), result["ruleId"].clone()));
        (levels.collect::<Vec<_>>(), run["invocations"][0]["exitCode"].clone())
    };
    let rules = "[{name: a, on: [secretKeyRef], action: mount}, {name: b, on: [volume], action: warn}]";
    let row = |kind: &str, level: &str, rule: &str| (json!(kind), json!(level), json!(rule));
    assert_eq!(
        levels(&format!("rules: {rules}")),
        (
            vec![row("fail", "note", "test/a"), row("pass", "none", "no-rule"), row("fail", "warning", "test/b")],
            json!(0)
        )
    );
    let dry_run = "mode: dryRun\nrules: [{name: a, on: [any], action: deny}]";
    assert_eq!(levels(dry_run), (vec![row("fail", "note", "test/a"); 3], json!(0)));
}

#[test]
fn a_guess_is_of_a_rule_of_its_own_that_is_trusted_less() {
    let pod = CLEAN.replace("image: api", "image: api, args: [--password=hunter2, \"amqp://shop:8fk2PQx0d@queue\"]");
    let folder = Folder::with(&pod)
        .rules("[{name: no, on: [literal], action: deny}, {name: pull, on: [imagePull], action: deny}]");
    let run = run(&folder, &["-p", "policy.yaml", "pod.yaml"]);
    let rules: Vec<_> = run["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let (level, properties) = (&rule["defaultConfiguration"]["level"], &rule["properties"]);
            (
                rule["id"].clone(),
                level.clone(),
                properties["precision"].clone(),
                properties["security-severity"].clone(),
            )
        })
        .collect();
    let row = |id: &str, level: &str, precision: &str, severity: &str| {
        (json!(id), json!(level), json!(precision), json!(severity))
    };
    assert_eq!(
        rules,
        [
            row("test/no", "error", "very-high", "8.0"),
            row("test/pull", "error", "very-high", "8.0"),
            row("test/no/guess", "warning", "medium", "5.0"),
        ]
    );
    let results: Vec<_> = run["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| (result["ruleId"].clone(), result["ruleIndex"].clone(), result["level"].clone()))
        .collect();
    assert_eq!(
        results,
        [(json!("test/no/guess"), json!(2), json!("warning")), (json!("test/no"), json!(0), json!("error"))]
    );
}

#[test]
fn a_fingerprint_survives_a_moved_line_and_a_moved_file() {
    let fingerprint = |folder: &Folder, path: &str| {
        let run = run(folder, &[path]);
        let result = run["results"][0].clone();
        (
            result["partialFingerprints"].clone(),
            result["locations"][0]["physicalLocation"]["region"]["startLine"].clone(),
        )
    };
    let (before, line) = fingerprint(&Folder::with(POD), "pod.yaml");
    let moved = POD.replace("      env:\n", "      env:\n        # Of the database.\n        - {name: A, value: b}\n");
    let (after, moved_line) =
        fingerprint(&Folder::new().file("other/pod.yaml", format!("# A comment\n{moved}")), "other");
    assert_eq!(before, after);
    assert_eq!((line, moved_line), (json!(10), json!(13)));
    let (other, _) = fingerprint(&Folder::with(&POD.replace("key: password", "key: user")), "pod.yaml");
    assert_ne!(before, other);
}

#[test]
fn columns_are_in_characters() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: \"äö𝄞\"}, spec: {containers: [{name: a, env: [{name: É, \
               valueFrom: {secretKeyRef: {name: s, key: k}}}]}]}}\n";
    let folder = Folder::with(pod);
    let run = run(&folder, &["pod.yaml"]);
    let region = &run["results"][0]["locations"][0]["physicalLocation"]["region"];
    let column = |name: &str| usize::try_from(region[name].as_u64().unwrap()).unwrap();
    let marked: String =
        pod.chars().skip(column("startColumn") - 1).take(column("endColumn") - column("startColumn")).collect();
    assert_eq!(marked, "{name: É, valueFrom: {secretKeyRef: {name: s, key: k}}}");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
}

#[test]
fn what_cannot_be_judged_is_a_notification() {
    let folder = Folder::with("a: [").file("b.yaml", POD);
    let run = run(&folder, &["."]);
    let invocation = &run["invocations"][0];
    assert_eq!((&invocation["executionSuccessful"], &invocation["exitCode"]), (&json!(false), &json!(2)));
    assert_eq!(
        invocation["toolExecutionNotifications"],
        json!([{
            "level": "error",
            "message": {"text": "unclosed bracket '[': correct the YAML here"},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": "pod.yaml"},
                "region": {"startLine": 1, "startColumn": 4, "endLine": 1, "endColumn": 5},
            }}],
        }])
    );
    assert_eq!(run["results"].as_array().unwrap().len(), 1);
}

#[test]
fn paths_are_escaped_and_absolute_ones_are_uris() {
    let folder = Folder::new().file("a b/100%#?.yaml", POD);
    let uri = |path: &str| {
        run(&folder, &[path])["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone()
    };
    assert_eq!(uri("."), "a%20b/100%25%23%3F.yaml");
    let absolute = folder.path().join("a b");
    let uri = uri(absolute.to_str().unwrap());
    assert!(
        uri.as_str().unwrap().starts_with("file:///") && uri.as_str().unwrap().ends_with("/a%20b/100%25%23%3F.yaml")
    );
}

#[test]
fn what_the_baseline_has_is_suppressed() {
    let folder = Folder::with(POD);
    std::fs::write(folder.path().join("known.json"), folder.json(&["pod.yaml"]).to_string()).unwrap();
    let folder = folder.file("q.yaml", POD.replace("key: password", "key: user"));
    let run = run(&folder, &["--baseline", "known.json", "pod.yaml", "q.yaml"]);
    let (result, new) = (&run["results"][0], &run["results"][1]);
    assert!(new["suppressions"] == json!([]) && new["baselineState"] == "new", "{new}");
    assert_eq!(
        result["suppressions"],
        json!([{"kind": "external", "status": "accepted", "justification": "the baseline has it"}])
    );
    assert_eq!((&result["baselineState"], &run["invocations"][0]["exitCode"]), (&json!("unchanged"), &json!(1)));
}

#[test]
fn what_is_gone_of_the_baseline_is_named_in_a_note_and_is_no_result() {
    let folder = Folder::with(POD);
    std::fs::write(folder.path().join("known.json"), folder.json(&["pod.yaml"]).to_string()).unwrap();
    let folder = folder.file("pod.yaml", POD.replace("key: password", "key: user"));
    let run = run(&folder, &["--baseline", "known.json", "pod.yaml"]);
    let notes = &run["invocations"][0]["toolExecutionNotifications"];
    let gone =
        notes.as_array().unwrap().iter().find(|note| note["message"]["text"].to_string().contains("gone: pod.yaml"));
    assert!(gone.is_some_and(|note| note["level"] == "note"), "{notes}");
    assert_eq!(run["results"].as_array().unwrap().len(), 1);
}

#[test]
fn a_name_makes_no_link_and_no_placeholder() {
    let pod = POD.replace("name: DB_PASSWORD", "name: \"[click](https://evil.test) {0}\"");
    let run = run(&Folder::with(&pod), &["pod.yaml"]);
    let text = run["results"][0]["message"]["text"].as_str().unwrap();
    assert!(text.contains("\\[click\\](https://evil.test) {{0}}"), "{text}");
}

#[test]
fn a_clean_tree_is_a_run_with_all_rules_and_no_result() {
    let run = run(&Folder::with(CLEAN), &["pod.yaml"]);
    assert_eq!(run["results"], json!([]));
    assert!(!run["tool"]["driver"]["rules"].as_array().unwrap().is_empty());
}

/// The one run of a report that its schema allows.
pub fn run(folder: &Folder, arguments: &[&str]) -> Value {
    let output = folder.command(&[&["check", "--format", "sarif"], arguments].concat()).output().unwrap();
    let log: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_valid(&log);
    assert_eq!(log["runs"][0]["invocations"][0]["exitCode"], json!(output.status.code()));
    log["runs"][0].clone()
}

#[test]
fn the_schema_refuses_what_is_no_log() {
    let log = json!({"version": "2.1.0", "runs": []});
    assert_eq!(errors(&log), Vec::<String>::new());
    for (change, value) in [("version", json!("2.0.0")), ("runs", json!([{"results": []}])), ("more", json!(1))] {
        let mut log = log.clone();
        log[change] = value;
        assert_eq!(errors(&log).len(), 1, "{change}");
    }
}
