//! Comments that set findings aside.

use insta::assert_snapshot;
use serde_json::{Value, json};

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

/// A pod of which one reference of two is set aside, and a comment that sets nothing aside.
fn set_aside() -> Folder {
    let comments =
        "        # secretfence: ignore test/no-env the <vendor's> image\n        # secretfence: ignore test/gone x\n";
    Folder::with(&pod(comments, "", "")).rules(DENY)
}

#[test]
fn sarif_has_it_as_suppressed_in_the_source() {
    let run = crate::sarif::run(&set_aside(), &["-p", "policy.yaml", "pod.yaml"]);
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["suppressions"], json!([]), "{}", results[0]);
    assert_eq!(
        results[1]["suppressions"],
        json!([{
            "kind": "inSource", "status": "accepted", "justification": "the <vendor's> image",
            "location": {"physicalLocation": {"artifactLocation": {"uri": "pod.yaml"}, "region": {"startLine": 9}}},
        }])
    );
    assert_eq!((&results[1]["ruleId"], &results[1]["level"]), (&json!("test/no-env"), &json!("error")));
    let notes = &run["invocations"][0]["toolExecutionNotifications"];
    assert_eq!((&notes[0]["level"], &notes[1]), (&json!("warning"), &Value::Null));
    assert_eq!(run["invocations"][0]["exitCode"], 1);
}

#[test]
fn junit_skips_it_and_says_why() {
    let shown = set_aside().check(&["--format", "junit", "pod.yaml"]);
    crate::junit::assert_valid(shown.split_once("--- stdout\n").unwrap().1);
    assert_snapshot!(shown, @r#"
    exit: 1
    --- stdout
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="secretfence" tests="2" failures="1" errors="0">
      <testsuite name="pod.yaml" tests="2" failures="1" errors="0" skipped="1">
        <testcase classname="pod.yaml" name="Pod default/web /spec/containers/0/env/1 [test/no-env] in document 0">
          <failure type="test/no-env" message="denied: container &quot;api&quot; takes Secret &quot;db&quot; key &quot;b&quot; as env B (/spec/containers/0/env/1): mount it as a file [test/no-env]">pod.yaml:13:11: denied: container &quot;api&quot; takes Secret &quot;db&quot; key &quot;b&quot; as env B (/spec/containers/0/env/1): mount it as a file [test/no-env]</failure>
        </testcase>
        <testcase classname="pod.yaml" name="Pod default/web /spec/containers/0/env/0 [test/no-env] in document 0">
          <skipped message="ignored (the &lt;vendor's&gt; image): denied: container &quot;api&quot; takes Secret &quot;db&quot; key &quot;a&quot; as env A (/spec/containers/0/env/0): mount it as a file [test/no-env]">pod.yaml:11:11: ignored (the &lt;vendor's&gt; image): denied: container &quot;api&quot; takes Secret &quot;db&quot; key &quot;a&quot; as env A (/spec/containers/0/env/0): mount it as a file [test/no-env]</skipped>
        </testcase>
      </testsuite>
      <testsuite name="the check itself" tests="0" failures="0" errors="0" skipped="0">
        <system-out>warning: pod.yaml:10:9: the comment names rule &quot;gone&quot;, which policy &quot;test&quot; does not have: correct it, or remove it
    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 1 allowed; 1 ignored</system-out>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn github_annotates_what_is_wrong_with_a_comment_and_not_what_it_sets_aside() {
    assert_snapshot!(set_aside().check(&["--format", "github", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    ::error file=pod.yaml,line=13,col=11,endLine=13,endColumn=66,title=Pod default/web%3A secretKeyRef::denied: container "api" takes Secret "db" key "b" as env B (/spec/containers/0/env/1): mount it as a file [test/no-env]
    ::warning file=pod.yaml,line=10,col=9,endLine=10,title=a comment sets nothing aside::pod.yaml: the comment names rule "gone", which policy "test" does not have: correct it, or remove it
    ::group::secretfence: 1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 1 allowed; 1 ignored
    ignored: pod.yaml:9: test/no-env (/spec/containers/0/env/0): the <vendor's> image
    ::endgroup::
    "#);
}

#[test]
fn what_a_baseline_knows_and_a_comment_sets_aside_is_not_gone() {
    let folder = Folder::with(&pod("", "", "")).rules(DENY);
    let known = folder.json(&["-p", "policy.yaml", "pod.yaml"]).to_string();
    let content = pod("        # secretfence: ignore test/no-env it is a test\n", "", "");
    let folder = folder.file("known.json", known).file("pod.yaml", content);
    let report = folder.json(&["-p", "policy.yaml", "--baseline", "known.json", "pod.yaml"]);
    let summary = &report["summary"];
    assert_eq!((&summary["baseline"], &summary["ignored"], &summary["denied"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!((&report["gone"], &report["ignored"][0]["known"]), (&json!([]), &json!(true)));
    let run = crate::sarif::run(&folder, &["-p", "policy.yaml", "--baseline", "known.json", "pod.yaml"]);
    let both: Vec<&Value> =
        run["results"][1]["suppressions"].as_array().unwrap().iter().map(|its| &its["kind"]).collect();
    assert_eq!(both, ["external", "inSource"]);
    // It is no part of the next baseline: without the comment it is new.
    let folder = folder.file("known.json", report.to_string()).file("pod.yaml", pod("", "", ""));
    assert_eq!(folder.json(&["-p", "policy.yaml", "--baseline", "known.json", "pod.yaml"])["summary"]["denied"], 1);
}

#[test]
fn a_comment_without_its_colon_is_warned_of() {
    let content = pod("        # secretfence ignore test/no-env it is a test\n", "", "");
    assert!(ignored(&content).is_empty());
    let warnings = report(&content)["warnings"].clone();
    assert_eq!(warnings.as_array().unwrap().len(), 1, "{warnings}");
    assert_eq!(warnings[0]["line"], 9);
    assert!(warnings[0]["message"].as_str().unwrap().contains("has no colon"), "{warnings}");
    for other in ["# secretfence ignores this\n", "# secretfence ignore\n", "# secretfence is fine\n"] {
        assert_eq!(report(&pod(&format!("        {other}"), "", ""))["warnings"], json!([]), "{other}");
    }
}

#[test]
fn a_misspelt_policy_or_rule_is_told_with_what_was_meant() {
    for (named, meant) in [("test/no-emv", "no-env"), ("tets/no-env", "test")] {
        let warnings =
            report(&pod(&format!("        # secretfence: ignore {named} a reason\n"), "", ""))["warnings"].clone();
        let message = warnings[0]["message"].as_str().unwrap();
        assert!(message.contains(&format!("(did you mean \"{meant}\"?)")), "{message}");
    }
}
