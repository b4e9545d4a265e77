//! Policies in dry run: what they would do, and `--as-enforced`.

use std::fs;

use serde_json::{Value, json};

use crate::{Cluster, POLICIES, program, sarif_schema, shop};

/// What swaps is in dry run; what denies is enforced.
const HALF: &str = r#"
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: later}
spec:
  mode: dryRun
  rules:
    - {name: swap, on: [secretKeyRef], where: {secrets: [db]}, action: mount}
    - {name: others, on: [env], action: warn}
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: now}
spec:
  rules:
    - {name: deny, on: [env], where: {secrets: [other]}, action: deny}
"#;

fn in_dry_run() -> Cluster {
    shop().policies(&POLICIES.replace("\nspec:\n", "\nspec:\n  mode: dryRun\n"))
}

/// The numbers of what was found.
const OUTCOMES: [&str; 6] = ["denied", "warned", "swapped", "readsFiles", "mustBeTold", "unsafe"];

fn outcomes(numbers: &Value) -> Vec<&Value> {
    OUTCOMES.iter().map(|key| &numbers[key]).collect()
}

fn stdout(cluster: &Cluster, arguments: &[&str]) -> Vec<u8> {
    program::command(cluster.folder.path(), &cluster.arguments(arguments)).output().unwrap().stdout
}

#[test]
fn what_is_in_dry_run_is_told_by_what_it_would_be() {
    let (enforced, dry) = (shop().json(&[]), in_dry_run().json(&[]));
    assert!(outcomes(&dry["summary"]).iter().all(|number| **number == 0), "{dry:#}");
    assert_eq!(dry["summary"]["dryRun"], 4);
    assert_eq!(outcomes(&dry["summary"]["wouldBe"]), outcomes(&enforced["summary"]));
    let namespaces = |audit: &'_ Value| audit["namespaces"].as_array().unwrap().clone();
    for (dry, enforced) in namespaces(&dry).iter().zip(&namespaces(&enforced)) {
        assert_eq!(outcomes(&dry["wouldBe"]), outcomes(enforced), "{dry:#}");
        assert!(outcomes(&enforced["wouldBe"]).iter().all(|number| **number == 0), "{enforced:#}");
    }
    let output = in_dry_run().audit(&[]);
    let mut end: Vec<&str> = output.lines().rev().take(2).collect();
    end.reverse();
    // The page shows them.
    insta::assert_snapshot!(end.join("\n"));
    let page = String::from_utf8(stdout(&in_dry_run(), &["--format", "html"])).unwrap();
    let tile = "<li class=\"dry\"><b>4</b> in dry run <span>2 would be denied, 2 swapped</span></li>";
    assert!(page.contains(tile), "{page}");
}

#[test]
fn as_enforced_finds_what_will_be_found_once_they_enforce() {
    let (mut enforced, mut foretold) = (shop().json(&[]), in_dry_run().json(&["--as-enforced"]));
    assert_eq!(json!([enforced["policies"]["asEnforced"], foretold["policies"]["asEnforced"]]), json!([0, 1]));
    // Of whom nobody was to stop yet, none was missed; the findings are the same.
    assert_eq!(json!([enforced["summary"]["missed"], foretold["summary"]["missed"]]), json!([5, 0]));
    let sentences = foretold["notJudged"].to_string();
    assert!(
        sentences.contains("which pods are missed: ") && sentences.contains("audit without --as-enforced"),
        "{sentences}"
    );
    for audit in [&mut enforced, &mut foretold] {
        forget(audit, &["missed", "policies", "notJudged"]);
    }
    assert_eq!(enforced, foretold);
}

#[test]
fn a_reference_that_two_policies_decide_is_one_finding_by_the_strictest() {
    let cluster = shop().policies(HALF);
    let findings = |audit: &Value, owner: &str| {
        let owners = audit["owners"].as_array().unwrap().iter();
        let findings = owners.filter(|its| its["name"] == owner).flat_map(|its| its["findings"].as_array().unwrap());
        findings.map(|its| json!([its["outcome"], its["mode"]])).collect::<Vec<_>>()
    };
    let audit = cluster.json(&[]);
    assert_eq!(findings(&audit, "denied"), [json!(["denied", "enforce"]), json!(["warned", "dryRun"])]);
    let audit = cluster.json(&["--as-enforced"]);
    assert_eq!(findings(&audit, "denied"), [json!(["denied", "enforce"])]);
    assert_eq!(findings(&audit, "web"), [json!(["swapped", "enforce"])]);
    assert_eq!(json!([audit["policies"]["count"], audit["policies"]["asEnforced"]]), json!([2, 1]));
    assert_eq!(audit["summary"]["dryRun"], 0);
}

#[test]
fn every_form_says_that_it_was_judged_so() {
    let cluster = in_dry_run();
    let said = ", in dry run, and judged as if it enforced (--as-enforced)";
    let output = cluster.audit(&["--as-enforced"]);
    assert!(output.starts_with("exit: 1\n") && output.trim_end().ends_with(said), "{output}");
    let page = String::from_utf8(stdout(&cluster, &["--as-enforced", "--format", "html"])).unwrap();
    assert!(
        page.contains("</code>), <strong>in dry run, and judged as if it enforced (--as-enforced)</strong>. "),
        "{page}"
    );
    let log: Value = serde_json::from_slice(&stdout(&cluster, &["--as-enforced", "--format", "sarif"])).unwrap();
    sarif_schema::assert_valid(&log);
    let driver = &log["runs"][0]["tool"]["driver"];
    assert_eq!(driver["properties"]["dryRunPoliciesAsEnforced"], 1);
    assert_eq!(log["runs"][0]["results"][0]["level"], "error");
    // A table has no place for it.
    let output = cluster.audit(&["--as-enforced", "--format", "csv"]);
    assert!(output.split("--- stderr").nth(1).unwrap().contains(said), "{output}");
    let output = shop().policies(HALF).audit(&["--as-enforced"]);
    assert!(output.contains("), 1 of them in dry run, and judged as if it enforced"), "{output}");
    let output = cluster.audit(&["--as-enforced", "--explain", "shop/deploy/web"]);
    assert!(
        output.contains("    swapped by files/swap, and its program must be told") && output.trim_end().ends_with(said),
        "{output}"
    );
    // Where nothing is in dry run it is an audit like any other.
    assert_eq!(shop().audit(&["--as-enforced"]), shop().audit(&[]));
}

#[test]
fn what_will_be_is_neither_published_nor_alerted_of() {
    for flags in [&["--publish"][..], &["--metrics-file", "audit.prom"]] {
        let output = in_dry_run().audit(&[&["--as-enforced"], flags].concat());
        assert!(output.starts_with("exit: 2\n") && output.contains("cannot be used with"), "{output}");
    }
}

#[test]
fn an_audit_that_was_judged_so_is_of_other_policies_than_one_that_was_not() {
    let cluster = shop().policies(HALF);
    cluster.audit(&["--save", "now.json"]);
    cluster.audit(&["--as-enforced", "--save", "later.json"]);
    let is_said = |audit: &Value| audit["notJudged"].to_string().contains("(--as-enforced), and ");
    let audit = cluster.json(&["--as-enforced", "--compare", "now.json"]);
    assert!(is_said(&audit), "{audit:#}");
    let output = cluster.audit(&["--as-enforced", "--compare", "now.json"]);
    assert!(output.contains("not found by these policies"), "{output}");
    let audit = cluster.json(&["--compare", "later.json"]);
    assert!(is_said(&audit), "{audit:#}");
    // That one has not looked for pods that are missed: none slipped in since.
    assert_eq!(json!([audit["summary"]["missed"], audit["compared"]["slipped"]]), json!([1, 0]), "{audit:#}");
    for (flags, file) in [(&["--as-enforced"][..], "later.json"), (&[], "now.json")] {
        let audit = cluster.json(&[flags, &["--compare", file]].concat());
        assert!(!is_said(&audit) && audit["compared"]["new"] == 0, "{audit:#}");
    }
}

#[test]
fn the_last_line_says_which_policies_judged() {
    let cluster = shop();
    let last = |output: &str| output.lines().last().unwrap().to_owned();
    let revision = cluster.json(&[])["policies"]["revision"].as_str().unwrap().to_owned();
    assert_eq!(last(&cluster.audit(&[])), format!("by 1 policy (revision {revision})"));
    let built_in = program::run(cluster.folder.path(), &["audit", "--kubeconfig", "kubeconfig"]);
    let last = last(&built_in);
    assert!(
        last.starts_with("by the built-in baseline (revision ") && last.ends_with("): --policies names others"),
        "{last}"
    );
    fs::write(cluster.folder.path().join("more.yaml"), HALF).unwrap();
    assert!(cluster.audit(&["-p", "more.yaml"]).contains("\nby 3 policies (revision "));
}

/// Takes these keys out, wherever they are.
fn forget(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(fields) => {
            keys.iter().for_each(|key| drop(fields.remove(*key)));
            fields.values_mut().for_each(|value| forget(value, keys));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, keys)),
        _ => {}
    }
}
