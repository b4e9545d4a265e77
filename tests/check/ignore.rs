//! Comments that set findings aside.

use insta::assert_snapshot;
use serde_json::Value;

use crate::Folder;

const DENY: &str = "[{name: no-env, on: [secretKeyRef, literal, rawSecret], action: deny}]";

/// A pod with two references of the same sort; `{}` stands before the first, at its end and within.
fn pod(before: &str, behind: &str, within: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n    - name: api\n      image: api\n      env:\n\
         {before}        - name: A{behind}\n{within}          valueFrom: {{secretKeyRef: {{name: db, key: a}}}}\n        \
         - {{name: B, valueFrom: {{secretKeyRef: {{name: db, key: b}}}}}}\n"
    )
}

fn report(content: &str) -> Value {
    Folder::with(content).rules(DENY).json(&["-p", "policy.yaml", "pod.yaml"])
}

fn ignored(content: &str) -> Vec<String> {
    let report = report(content);
    assert_eq!(report["summary"]["ignored"], report["ignored"].as_array().unwrap().len());
    report["ignored"].as_array().unwrap().iter().map(|its| its["variable"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_comment_before_at_and_within_a_reference_sets_it_aside() {
    let own = "        # secretfence: ignore test/no-env it is a test\n";
    for content in [
        pod(own, "", ""),
        pod("", " # secretfence: ignore test/no-env it is a test", ""),
        pod("", "", own),
        pod("", "  #secretfence:ignore   test/no-env   it is a test\r", ""),
        pod(&format!("{own}        # another comment\n"), "", ""),
    ] {
        assert_eq!(ignored(&content), ["A"], "{content}");
        let report = report(&content);
        assert_eq!((&report["summary"]["denied"], &report["summary"]["allowed"]), (&1.into(), &1.into()));
        assert_eq!(report["ignored"][0]["comment"]["reason"], "it is a test");
        assert_eq!(report["warnings"], Value::Array(Vec::new()));
    }
}

#[test]
fn what_is_no_comment_or_is_about_another_line_sets_nothing_aside() {
    for content in [
        pod("", "", "").replace("image: api", "image: \"api # secretfence: ignore test/no-env a\""),
        pod("", "", "").replace(
            "      env:",
            "      args:\n        - |\n          # secretfence: ignore test/no-env a\n      env:",
        ),
        pod("        # secretfence: ignore test/no-env a\n\n", "", ""),
        pod("        # note: secretfence: ignore test/no-env a\n", "", ""),
        pod("        # secretfence: ignored test/no-env a\n", "", ""),
        pod("", "", "").replace("name: api", "name: api # secretfence: ignore test/no-env a"),
        pod("        # secretfence: ignore test/other a\n", "", ""),
    ] {
        assert_eq!(ignored(&content), [""; 0], "{content}");
        assert_eq!(report(&content)["summary"]["denied"], 2);
    }
}

#[test]
fn another_policy_still_decides_and_another_rule_of_the_same_does_not() {
    let content = pod("        # secretfence: ignore test/no-env it is a test\n", "", "");
    let rules = "[{name: no-env, on: [secretKeyRef], action: deny}, {name: nor-this, on: [env], action: deny}]";
    let one = Folder::with(&content).rules(rules);
    let check = |folder: &Folder| folder.json(&["-p", "policy.yaml", "pod.yaml"])["summary"]["denied"].clone();
    assert_eq!(check(&one), 1);
    let policy = std::fs::read_to_string(one.path().join("policy.yaml")).unwrap();
    let other = policy.replace("name: test", "name: other").replace("action: deny", "action: warn");
    let both = one.file("policy.yaml", format!("{policy}---\n{other}"));
    let report = both.json(&["-p", "policy.yaml", "pod.yaml"]);
    assert_eq!((&report["summary"]["denied"], &report["summary"]["warned"]), (&1.into(), &1.into()));
    assert_eq!(report["findings"][0]["policy"], "other");
}

#[test]
fn a_swap_that_is_set_aside_is_not_made() {
    let content = pod("        # secretfence: ignore test/swap it is a test\n", "", "");
    let report = Folder::with(&content).rules("[{name: swap, on: [env], action: mount}]").json(&[
        "-p",
        "policy.yaml",
        "pod.yaml",
    ]);
    assert_eq!((&report["summary"]["swapped"], &report["summary"]["ignored"]), (&1.into(), &1.into()));
}

#[test]
fn objects_in_lists_secrets_and_literals_have_their_comments() {
    let content = "\
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Secret
    metadata: {name: db}
    stringData:
      # secretfence: ignore test/no-env a fixture
      password: |
        hunter2
      other: hunter2
  - apiVersion: v1
    kind: Pod
    metadata: {name: a}
    spec:
      containers:
        - name: a
          args:
            - --password=hunter2 # secretfence: ignore test/no-env nobody's
            - --password=hunter2
";
    let report = report(content);
    let lines = |list: &str| {
        report[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|its| its["pointer"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("ignored"), ["/stringData/password", "/spec/containers/0/args/0"]);
    assert_eq!(lines("findings"), ["/stringData/other", "/spec/containers/0/args/1"]);
    assert!(!report.to_string().contains("hunter2"));
}

#[test]
fn the_summary_lists_them_and_what_is_wrong_with_them() {
    let comments = "        # secretfence: ignore test/no-env the vendor's image\n        # secretfence: ignore gone/rule x\n        \
                    # secretfence: ignore test/gone x\n";
    let content = pod(comments, " # secretfence: ignore test/no-env", " # secretfence: ignore test\n");
    let folder = Folder::with(&(content + "# secretfence: ignore test/no-env x\n")).rules(DENY);
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 2
    --- stdout
    pod.yaml:15:11: Pod default/web
       |
    15 |         - {name: B, valueFrom: {secretKeyRef: {name: db, key: b}}}
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" takes Secret "db" key "b" as env B (/spec/containers/0/env/1): mount it as a file [test/no-env]

    ignored: pod.yaml:9: test/no-env (/spec/containers/0/env/0): the vendor's image
    warning: pod.yaml:10:9: the comment names policy "gone", which is not in force: correct it, or remove it
    warning: pod.yaml:11:9: the comment names rule "gone", which policy "test" does not have: correct it, or remove it
    warning: pod.yaml:16:1: the comment sets nothing aside: test/no-env decides nothing on line 17: remove it
    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 1 allowed; 1 ignored; 2 errors
    --- stderr
    error: pod.yaml:12:19: the comment gives no reason, so it sets nothing aside: write one behind the rule
    error: pod.yaml:13:2: the comment names no rule: write # secretfence: ignore <policy>/<rule> <reason>
    "#);
}

#[test]
fn a_reason_that_holds_a_credential_is_not_shown() {
    let reason = ["amqp://shop:8fk2", "PQx0d@queue"].concat();
    let content = pod(&format!("        # secretfence: ignore test/no-env see {reason}\n"), "", "");
    let report = report(&content).to_string();
    assert!(report.contains("<masked>") && !report.contains("PQx0d"), "{report}");
}
