//! `secretfence policy test` and the warnings of `policy check`, as a person meets them.

use std::fs;

use insta::assert_snapshot;
use tempfile::TempDir;

use super::{VALID, run};

const TEST: &str = "\
apiVersion: secretfence.dev/v1alpha1
kind: PolicyTest
metadata: {name: no-env}
spec:
  policies: [policy.yaml]
  asOf: 2026-11-21
  cases:
    - name: a password is denied
      object:
        apiVersion: v1
        kind: Pod
        metadata: {name: web}
        spec:
          containers:
            - name: api
              image: api
              args: [--token=hunter2]
              env:
                - name: DB_PASSWORD
                  valueFrom: {secretKeyRef: {name: db, key: password, optional: yes}}
      expect:
        - {pointer: /spec/containers/0/env/0, outcome: denied, rule: deny}
";

/// A folder with the valid policy, and a test of it in which one thing is changed.
fn with(from: &str, to: &str) -> TempDir {
    assert!(TEST.contains(from), "{from:?} is in the test");
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policy.yaml"), VALID).unwrap();
    fs::write(folder.path().join("test.yaml"), TEST.replacen(from, to, 1)).unwrap();
    folder
}

fn tested(from: &str, to: &str) -> String {
    run(with(from, to).path(), &["policy", "test"])
}

#[test]
fn a_test_that_passes() {
    assert_snapshot!(tested("no-env", "no-env"), @"
    exit: 0
    --- stdout
    1 file, 1 case: 1 passed, 0 failed; 1 of 1 rule reached
    ");
}

#[test]
fn an_expectation_that_is_not_met_is_shown_beside_what_came() {
    assert_snapshot!(tested("outcome: denied, rule: deny", "outcome: warned, rule: other/deny, reads: files, kind: envFrom, mode: dryRun"), @"
    exit: 1
    --- stdout
    failed: ./test.yaml:8:7: no-env: a password is denied
      - expected: /spec/containers/0/env/0: warned as envFrom by other/deny, reads files, mode dryRun
      + actual:   /spec/containers/0/env/0: denied as secretKeyRef by no-env/deny

    1 file, 1 case: 0 passed, 1 failed; 1 of 1 rule reached
    ");
    assert_snapshot!(tested("env/0, outcome", "env/1, outcome"), @"
    exit: 1
    --- stdout
    failed: ./test.yaml:8:7: no-env: a password is denied
      - expected: /spec/containers/0/env/1: denied by deny
      + actual:   nothing is found there
      - expected: nothing
      + actual:   /spec/containers/0/env/0: denied as secretKeyRef by no-env/deny

    1 file, 1 case: 0 passed, 1 failed; 1 of 1 rule reached
    ");
    assert_snapshot!(tested("expect:\n        - {pointer: /spec/containers/0/env/0, outcome: denied, rule: deny}", "expect: []"), @"
    exit: 1
    --- stdout
    failed: ./test.yaml:8:7: no-env: a password is denied
      - expected: nothing
      + actual:   /spec/containers/0/env/0: denied as secretKeyRef by no-env/deny

    1 file, 1 case: 0 passed, 1 failed; 1 of 1 rule reached
    ");
}

#[test]
fn what_a_swap_makes_is_compared_whole_and_shows_no_value() {
    let folder = with(
        "expect:\n        - {pointer: /spec/containers/0/env/0, outcome: denied, rule: deny}",
        "patched:
        apiVersion: v1
        kind: Pod
        metadata: {name: web}
        spec:
          containers:
            - name: api
              image: api
              args: [--token=correct-horse]
              env:
                - {name: DB_PASSWORD_FILE, value: /run/secretfence/db/passwort}
",
    );
    fs::write(folder.path().join("policy.yaml"), VALID.replace("action: deny", "action: mount")).unwrap();
    let said = run(folder.path(), &["policy", "test"]);
    assert!(!said.contains("hunter2") && !said.contains("correct-horse"), "{said}");
    assert_snapshot!(said, @r#"
    exit: 1
    --- stdout
    failed: ./test.yaml:8:7: no-env: a password is denied
      --- expected
      +++ actual
      @@ -2,22 +2,54 @@
         "apiVersion": "v1",
         "kind": "Pod",
         "metadata": {
      +    "annotations": {
      +      "secretfence.dev/swapped": "api: DB_PASSWORD -> /run/secretfence/db/password [no-env/deny]"
      +    },
           "name": "web"
         },
         "spec": {
           "containers": [
             {
               "args": [
      -          "<masked 1>"
      +          "<masked 3>"
               ],
               "env": [
                 {
                   "name": "DB_PASSWORD_FILE",
      -            "value": "<masked 2>"
      +            "value": "/run/secretfence/db/password"
                 }
               ],
               "image": "api",
      -        "name": "api"
      +        "name": "api",
      +        "volumeMounts": [
      +          {
      +            "mountPath": "/run/secretfence",
      +            "name": "secretfence-c5791166685258b6",
      +            "readOnly": true
      +          }
      +        ]
      +      }
      +    ],
      +    "volumes": [
      +      {
      +        "name": "secretfence-c5791166685258b6",
      +        "projected": {
      +          "defaultMode": 292,
      +          "sources": [
      +            {
      +              "secret": {
      +                "items": [
      +                  {
      +                    "key": "<masked 4>",
      +                    "path": "db/password"
      +                  }
      +                ],
      +                "name": "db",
      +                "optional": true
      +              }
      +            }
      +          ]
      +        }
             }
           ]
         }

    1 file, 1 case: 0 passed, 1 failed; 1 of 1 rule reached
    "#);
}

#[test]
fn a_rule_that_no_test_reaches_is_named_and_with_strict_a_failure() {
    let folder = with("no-env", "no-env");
    let more = format!("{VALID}    - name: pull-secrets\n      on: [imagePull]\n      action: warn\n");
    fs::write(folder.path().join("policy.yaml"), more).unwrap();
    assert_snapshot!(run(folder.path(), &["policy", "test"]), @"
    exit: 0
    --- stdout
    warning: no-env/pull-secrets: no test reaches this rule
    1 file, 1 case: 1 passed, 0 failed; 1 of 2 rules reached
    ");
    assert_snapshot!(run(folder.path(), &["policy", "test", "--strict", "test.yaml"]), @"
    exit: 1
    --- stdout
    failed: no-env/pull-secrets: no test reaches this rule
    1 file, 1 case: 1 passed, 0 failed; 1 of 2 rules reached
    ");
}

#[test]
fn a_mistake_in_a_test_has_its_line_and_column() {
    assert_snapshot!(tested("outcome: denied", "outcom: denied"), @r#"
    exit: 2
    --- stdout
    0 files, 0 cases: 0 passed, 0 failed; 0 of 0 rules reached
    --- stderr
    error: ./test.yaml:22:47: spec.cases[0].expect[0].outcom: unknown field (did you mean "outcome"?); known here: pointer, outcome, rule, reads, kind, mode
    "#);
    assert_snapshot!(tested("outcome: denied", "outcome: deny"), @r#"
    exit: 2
    --- stdout
    0 files, 0 cases: 0 passed, 0 failed; 0 of 0 rules reached
    --- stderr
    error: ./test.yaml:22:56: spec.cases[0].expect[0].outcome: "deny" is not known here; expected one of allowed, warned, swapped, denied
    "#);
    assert_snapshot!(tested("      expect:", "      file: pod.yaml\n      expect:"), @"
    exit: 2
    --- stdout
    0 files, 0 cases: 0 passed, 0 failed; 0 of 0 rules reached
    --- stderr
    error: ./test.yaml:8:7: spec.cases[0]: a case has one object: give object, or file
    ");
    assert_snapshot!(tested("[policy.yaml]", "[nowhere.yaml]"), @"
    exit: 2
    --- stdout
    1 file, 0 cases: 0 passed, 0 failed; 0 of 0 rules reached
    --- stderr
    error: ./test.yaml:5:13: the policies cannot be used:
    ./nowhere.yaml: cannot be read: No such file or directory (os error 2)
    ");
    assert_snapshot!(tested("kind: Pod\n", "kind: ConfigMap\n"), @"
    exit: 2
    --- stdout
    1 file, 0 cases: 0 passed, 0 failed; 0 of 1 rule reached
    --- stderr
    error: ./test.yaml:8:7: a password is denied: the object is no workload that is judged: another one makes it, or no table names its kind
    ");
    assert_snapshot!(tested("kind: PolicyTest", "kind: Policytest"), @"
    exit: 2
    --- stdout
    0 files, 0 cases: 0 passed, 0 failed; 0 of 0 rules reached
    --- stderr
    error: no test in .: expected documents of kind: PolicyTest
    ");
}

#[test]
fn a_broken_test_is_nothing_to_check_and_serve() {
    let folder = with("outcome: denied", "outcom: denied");
    let said = run(folder.path(), &["policy", "check", "."]);
    assert!(said.starts_with("exit: 0\n--- stdout\nok: 1 policy"), "{said}");
    let said = run(folder.path(), &["check", "-p", ".", "test.yaml"]);
    assert!(said.starts_with("exit: 0\n"), "{said}");
}

#[test]
fn a_file_is_judged_with_what_else_is_in_it() {
    let folder = with("object:", "file: pod.yaml\n      unused:");
    let case = "file: pod.yaml\n      expect:\n        - {pointer: /spec/containers/0/env/0, outcome: denied}\n";
    let test = TEST.split("      object:").next().unwrap().to_owned() + "      " + case;
    fs::write(folder.path().join("test.yaml"), test).unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: NAMESPACE}\nspec:\n  containers:\n    - name: a\n      image: a\n      env: [{name: A, valueFrom: {secretKeyRef: {name: a, key: a}}}]\n";
    let pod = |namespace: &str| pod.replace("NAMESPACE", namespace);
    let labels = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: prod, labels: {tier: prod}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: test, labels: {tier: test}}\n";
    let selected = VALID.replace("spec:\n", "spec:\n  match: {namespaceSelector: {matchLabels: {tier: prod}}}\n");
    fs::write(folder.path().join("policy.yaml"), selected).unwrap();
    let tested = |content: String| {
        fs::write(folder.path().join("pod.yaml"), content).unwrap();
        run(folder.path(), &["policy", "test"])
    };
    assert!(tested(pod("prod") + labels).starts_with("exit: 0\n"));
    assert!(tested(pod("test") + labels).contains("actual:   /spec/containers/0/env/0: allowed"));
    assert!(tested(format!("{}---\n{}", pod("a"), pod("b"))).contains("there are 2 workloads in it: a case has one"));
    assert!(tested(labels.to_owned()).contains("there is no workload in it"));
}

#[cfg(feature = "cluster")]
#[test]
fn check_says_which_rights_the_kinds_need() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policy.yaml"), VALID.replace("[env]", "[reach, copied]")).unwrap();
    assert_snapshot!(run(folder.path(), &["policy", "check", "."]), @"
    exit: 0
    --- stdout
    note: copied needs the right to list and watch secrets: secretfence manifests prints the ClusterRole
    note: reach needs the right to list and watch serviceaccounts, clusterrolebindings, clusterroles, rolebindings, roles: secretfence manifests prints the ClusterRole
    ok: 1 policy, revision a55054cc7da8
    ");
}

#[test]
fn check_warns_of_what_can_decide_nothing() {
    let folder = TempDir::new().unwrap();
    let more = format!("{VALID}    - name: never\n      on: [envFrom]\n      action: warn\n");
    fs::write(folder.path().join("policy.yaml"), more.replace("spec:\n", "spec:\n  exclude: {namespaces: [\"*\"]}\n"))
        .unwrap();
    assert_snapshot!(run(folder.path(), &["policy", "check", "."]), @r#"
    exit: 0
    --- stdout
    warning: no-env: is about nothing: exclude.namespaces takes away every namespace that is matched
    warning: no-env/never: never decides anything: the earlier rule "deny" decides all that it fits: put it before, or remove it
    ok: 1 policy, revision f2166b3ed652
    "#);
}

const RAW: &str = "- {name: raw, on: [clear], action: deny}";

/// A test of a file that a policy on credentials in clear judges.
fn tested_in_clear(manifest: &str, expect: &str) -> String {
    let folder = TempDir::new().unwrap();
    let policy = VALID.replacen("- name: deny", &format!("{RAW}\n    - name: deny"), 1);
    fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    fs::write(folder.path().join("it.yaml"), manifest).unwrap();
    let (head, _) = TEST.split_once("      object:\n").unwrap();
    let test = format!("{head}      file: it.yaml\n      expect: [{expect}]\n");
    fs::write(folder.path().join("test.yaml"), test).unwrap();
    run(folder.path(), &["policy", "test"])
}

#[test]
fn a_secret_and_a_config_map_are_judged_where_a_rule_is_about_what_they_hold() {
    const SECRET: &str = "{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {password: hunter2}}\n";
    const MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: db}, data: {db-password: hunter2}}\n";
    const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, args: [--password=hunter2]}]}}\n";
    let passes = |manifest: &str, expect: &str| {
        let said = tested_in_clear(manifest, expect);
        assert!(said.starts_with("exit: 0\n") && said.contains("1 of 2 rules reached"), "{said}");
    };
    passes(SECRET, "{pointer: /stringData/password, outcome: denied, rule: raw, kind: rawSecret}");
    passes(MAP, "{pointer: /data/db-password, outcome: warned, rule: raw, kind: literal}");
    // Beside a workload they are what is known, and the workload is judged.
    let guess = "{pointer: /spec/containers/0/args/0, outcome: warned, rule: raw}";
    passes(&format!("{SECRET}---\n{POD}---\n{MAP}"), guess);
    let said = tested_in_clear(&format!("{SECRET}---\n{MAP}"), "");
    assert!(said.contains("there are 2 Secrets and ConfigMaps in it: a case has one"), "{said}");
    let said = tested_in_clear(SECRET, "");
    assert!(said.contains("+ actual:   /stringData/password: denied as rawSecret by no-env/raw"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_pointer_without_its_first_slash_is_a_mistake_that_says_so() {
    let said = tested("pointer: /spec", "pointer: spec");
    assert!(said.starts_with("exit: 2\n") && said.contains("a JSON pointer, which begins with /"), "{said}");
    assert!(said.contains("test.yaml:22:"), "{said}");
}
