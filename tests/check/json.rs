//! The JSON form is an interface: what is in it stays.

use insta::assert_snapshot;

use crate::{Folder, POD};

#[test]
fn the_whole_object() {
    let folder = Folder::with(POD).rules("[{name: no, on: [env], action: deny, message: see the wiki}]");
    assert_snapshot!(folder.check(&["--format", "json", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    {
      "formatVersion": 1,
      "tool": {
        "name": "secretfence",
        "version": "0.1.0"
      },
      "policies": {
        "revision": "5c88ac9f5899",
        "count": 1
      },
      "summary": {
        "files": 1,
        "documents": 1,
        "workloads": 1,
        "denied": 1,
        "warned": 0,
        "swapped": 0,
        "allowed": 0,
        "dryRun": 0,
        "ignored": 0,
        "baseline": 0,
        "errors": 0,
        "notJudged": [],
        "cluster": null
      },
      "findings": [
        {
          "file": "pod.yaml",
          "document": "0",
          "line": 10,
          "column": 11,
          "endColumn": 28,
          "object": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": "default",
            "name": "web"
          },
          "pointer": "/spec/containers/0/env/0",
          "kind": "secretKeyRef",
          "container": "api",
          "secret": "db",
          "key": "password",
          "variable": "DB_PASSWORD",
          "format": null,
          "guess": false,
          "action": "deny",
          "outcome": "denied",
          "reads": null,
          "reason": null,
          "policy": "test",
          "rule": "no",
          "mode": "enforce",
          "message": "container \"api\" takes Secret \"db\" key \"password\" as env DB_PASSWORD (/spec/containers/0/env/0): see the wiki [test/no]",
          "help": "see the wiki",
          "path": null,
          "from": null,
          "chain": null,
          "expires": null,
          "notes": [],
          "fingerprint": "37783e2c186343d6",
          "known": false
        }
      ],
      "exceptions": [],
      "ignored": [],
      "gone": [],
      "errors": [],
      "warnings": []
    }
    "#);
}

#[test]
fn a_swap_says_how_the_program_reads_it() {
    let pod = POD.replace("registry.example.com/api:1", "postgres:17").replace("DB_PASSWORD", "POSTGRES_PASSWORD");
    let folder = Folder::with(&pod).rules("[{name: swap, on: [secretKeyRef], action: mount}]");
    let finding = &folder.json(&["-p", "policy.yaml", "pod.yaml"])["findings"][0];
    assert_eq!(
        (&finding["action"], &finding["outcome"], &finding["reads"]),
        (&"mount".into(), &"swapped".into(), &"files".into())
    );
}

#[test]
fn a_dry_run_counts_apart() {
    let folder = Folder::with(POD).policy("mode: dryRun\nrules: [{name: would, on: [env], action: deny}]");
    let report = folder.json(&["-p", "policy.yaml", "pod.yaml"]);
    let finding = &report["findings"][0];
    assert_eq!((&finding["mode"], &finding["outcome"]), (&"dryRun".into(), &"denied".into()));
    let summary = &report["summary"];
    assert_eq!((&summary["dryRun"], &summary["denied"], &summary["allowed"]), (&1.into(), &0.into(), &1.into()));
}

#[test]
fn every_key_is_there_for_a_reference_that_no_rule_is_about() {
    let pod = format!("{POD}  imagePullSecrets: [{{name: registry}}]\n");
    let report = Folder::with(&pod).json(&["--all", "pod.yaml"]);
    let keys = |at: usize| report["findings"][at].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(0), keys(1));
    let pull = &report["findings"][1];
    assert!(pull["policy"].is_null() && pull["mode"].is_null() && pull["outcome"] == "allowed", "{pull}");
}

#[test]
fn findings_are_in_the_order_of_files_documents_and_pointers() {
    let env: String = (0..12)
        .map(|at| format!("      - {{name: E{at}, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}\n"))
        .collect();
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n    - name: a\n      env:\n{env}"
    );
    let folder = Folder::new().file("b.yaml", format!("{pod}---\n{pod}")).file("a.yaml", &pod);
    let report = folder.json(&["b.yaml", "a.yaml"]);
    let places: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| format!("{} {} {}", finding["file"], finding["document"], finding["variable"]).replace('"', ""))
        .collect();
    let expected =
        ["a.yaml 0", "b.yaml 0", "b.yaml 1"].iter().flat_map(|place| (0..12).map(move |at| format!("{place} E{at}")));
    assert_eq!(places, expected.collect::<Vec<_>>());
}
