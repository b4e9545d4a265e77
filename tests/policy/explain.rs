//! `secretfence policy explain`, as a person meets it.

use std::fs;

use insta::assert_snapshot;
use tempfile::TempDir;

use super::run;

const POLICIES: &str = "\
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: files}
spec:
  rules:
    - name: ended
      on: [secretKeyRef]
      where: {namespaces: [shop]}
      action: allow
      reason: we had to
      expires: 2026-01-31
    - {name: pull, on: [imagePull], action: deny}
    - {name: elsewhere, on: [env], where: {namespaces: [billing]}, action: allow}
    - {name: ledger, on: [env], where: {secrets: [\"ledger-*\"], keys: [a]}, action: allow}
    - {name: some-keys, on: [envFrom], where: {keys: [a]}, action: allow}
    - {name: vendor, on: [env], where: {images: [\"registry.example.com/*\"]}, action: allow}
    - {name: readers, on: [secretKeyRef], where: {readsFiles: true}, action: mount}
    - {name: swap, on: [secretKeyRef], where: {variables: [\"DB_*\"]}, action: mount}
    - {name: rest, on: [env], action: warn}
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: later}
spec:
  mode: dryRun
  rules: [{name: none, on: [env], action: deny}]
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: others}
spec:
  exclude: {objectSelector: {matchLabels: {app: web}}}
  rules: [{name: none, on: [env], action: deny}]
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: strict}
spec:
  rules: [{name: warn-of-tokens, on: [env], where: {variables: [\"*TOKEN\"]}, action: deny}]
";

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: {app: web}
spec:
  containers:
    - name: api
      image: api
      args: [\"--dsn=$(DB_PASSWORD)\"]
      env:
        - {name: PLAIN, value: hunter2}
        - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
        - {name: API_TOKEN, valueFrom: {secretKeyRef: {name: api, key: token}}}
      envFrom: [{secretRef: {name: all}}]
";

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policies.yaml"), POLICIES).unwrap();
    fs::write(folder.path().join("pod.yaml"), POD).unwrap();
    folder
}

fn explained(more: &[&str]) -> String {
    let arguments = [&["policy", "explain", "-p", "policies.yaml", "--as-of", "2026-11-21"], more].concat();
    let said = run(folder().path(), &arguments);
    assert!(!said.contains("hunter2"), "{said}");
    said
}

#[test]
fn every_reference_is_told_with_the_rules_before_the_one_that_decides() {
    assert_snapshot!(explained(&["pod.yaml"]), @r#"
    exit: 0
    --- stdout
    pod.yaml:1:1: Pod shop/web
      line 14: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/1)
        denied by files/swap
          not safe to swap: DB_PASSWORD is mentioned in args[0]
          note: the exception files/ended ended on 2026-01-31
        denied (dry run) by later/none
        files (enforce)
          - ended (allow): the exception ended on 2026-01-31
          - pull (deny): it is on imagePull, and this is secretKeyRef
          - elsewhere (allow): where.namespaces is ["billing"], and the namespace is "shop"
          - ledger (allow): where.secrets is ["ledger-*"], and the Secret is "db"
          - some-keys (allow): it is on envFrom, and this is secretKeyRef
          - vendor (allow): where.images is ["registry.example.com/*"], and the image is "api"
          - readers (mount): where.readsFiles is true, and the image is not known to read this variable from a file (the catalogue, readers)
          * swap (mount) decides
        later (dryRun)
          * none (deny) decides
        strict (enforce): no rule fits
          - warn-of-tokens (deny): where.variables is ["*TOKEN"], and the variable is "DB_PASSWORD"
      line 15: container "api" takes Secret "api" key "token" as env API_TOKEN (/spec/containers/0/env/2)
        denied by strict/warn-of-tokens: the strictest of 2 policies
        denied (dry run) by later/none
        files (enforce)
          - ended (allow): the exception ended on 2026-01-31
          - pull (deny): it is on imagePull, and this is secretKeyRef
          - elsewhere (allow): where.namespaces is ["billing"], and the namespace is "shop"
          - ledger (allow): where.secrets is ["ledger-*"], and the Secret is "api"
          - some-keys (allow): it is on envFrom, and this is secretKeyRef
          - vendor (allow): where.images is ["registry.example.com/*"], and the image is "api"
          - readers (mount): where.readsFiles is true, and the image is not known to read this variable from a file (the catalogue, readers)
          - swap (mount): where.variables is ["DB_*"], and the variable is "API_TOKEN"
          * rest (warn) decides
        later (dryRun)
          * none (deny) decides
        strict (enforce)
          * warn-of-tokens (deny) decides
      line 16: container "api" takes all keys of Secret "all" as env (/spec/containers/0/envFrom/0)
        denied by strict/warn-of-tokens: the strictest of 2 policies
        denied (dry run) by later/none
        files (enforce)
          - ended (allow): it is on secretKeyRef, and this is envFrom
          - pull (deny): it is on imagePull, and this is envFrom
          - elsewhere (allow): where.namespaces is ["billing"], and the namespace is "shop"
          - ledger (allow): where.secrets is ["ledger-*"], and the Secret is "all"
          - some-keys (allow): where.keys is ["a"], and the keys of the Secret are not known, which an allow fits only where it says *
          - vendor (allow): where.images is ["registry.example.com/*"], and the image is "api"
          - readers (mount): it is on secretKeyRef, and this is envFrom
          - swap (mount): it is on secretKeyRef, and this is envFrom
          * rest (warn) decides
        later (dryRun)
          * none (deny) decides
        strict (enforce)
          * warn-of-tokens (deny) decides
      policy others is not about it: exclude.objectSelector fits the labels of the pod
    "#);
}

#[test]
fn keys_that_are_answered_otherwise_are_told_one_by_one_and_a_swap_that_a_volume_rule_refuses() {
    let folder = TempDir::new().unwrap();
    let policy = "\
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: files}
spec:
  rules:
    - {name: swap, on: [secretKeyRef], action: mount}
    - {name: certificates, on: [volume], where: {keys: [\"*.crt\"]}, action: allow}
    - {name: no-keys, on: [volume], action: deny}
";
    let pod = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: api
      image: api
      env: [{name: KEY, valueFrom: {secretKeyRef: {name: tls, key: tls.key}}}]
  volumes:
    - name: tls
      secret: {secretName: tls, items: [{key: tls.crt, path: a}, {key: tls.key, path: b}]}
";
    fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    fs::write(folder.path().join("pod.yaml"), pod).unwrap();
    assert_snapshot!(run(folder.path(), &["policy", "explain", "-p", "policy.yaml", "pod.yaml"]), @r#"
    exit: 0
    --- stdout
    pod.yaml:1:1: Pod default/web
      line 8: container "api" takes Secret "tls" key "tls.key" as env KEY (/spec/containers/0/env/0)
        denied by files/no-keys: the rule on what it would become
        files (enforce)
          * swap (mount) decides
      line 11: volume "tls" holds Secret "tls" (2 keys) (/spec/volumes/0/secret)
        denied by files/no-keys
        files (enforce) on key "tls.crt"
          - swap (mount): it is on secretKeyRef, and this is volume
          * certificates (allow) decides
        files (enforce) on key "tls.key"
          - swap (mount): it is on secretKeyRef, and this is volume
          - certificates (allow): where.keys is ["*.crt"], and the key is "tls.key"
          * no-keys (deny) decides
    "#);
}

#[test]
fn one_reference_is_told_alone() {
    let said = explained(&["pod.yaml", "--pointer", "/spec/containers/0/env/2"]);
    assert!(said.contains("API_TOKEN") && !said.contains("DB_PASSWORD"), "{said}");
    assert_snapshot!(explained(&["pod.yaml", "--pointer", "/spec/containers/0/env/0"]), @"
    exit: 2
    --- stderr
    error: pod.yaml: no reference to a Secret at /spec/containers/0/env/0
    ");
}

#[test]
fn json_has_the_same() {
    let said = explained(&["pod.yaml", "--format", "json", "--pointer", "/spec/containers/0/env/2"]);
    let json: serde_json::Value = serde_json::from_str(said.strip_prefix("exit: 0\n--- stdout\n").unwrap()).unwrap();
    assert_eq!((&json["formatVersion"], &json["objects"][0]["name"]), (&1.into(), &"web".into()));
    let reference = &json["objects"][0]["references"][0];
    assert_eq!((&reference["pointer"], &reference["line"]), (&"/spec/containers/0/env/2".into(), &15.into()));
    assert_eq!(reference["decided"][0]["rule"], "warn-of-tokens");
    assert_eq!(reference["policies"][0]["rules"][0]["why"], "the exception ended on 2026-01-31");
}

#[test]
fn what_the_outcome_is_agrees_with_check() {
    let folder = folder();
    let check = ["check", "-p", "policies.yaml", "--as-of", "2026-11-21", "--all", "--format", "json", "pod.yaml"];
    let said = run(folder.path(), &check);
    let json: serde_json::Value = serde_json::from_str(said.split_once("--- stdout\n").unwrap().1).unwrap();
    let explained = explained(&["pod.yaml"]);
    for finding in json["findings"].as_array().unwrap() {
        let text = |field: &str| finding[field].as_str().unwrap_or_default().to_owned();
        let dry_run = if text("mode") == "dryRun" { " (dry run)" } else { "" };
        let decided = format!("{}{dry_run} by {}/{}", text("outcome"), text("policy"), text("rule"));
        assert!(explained.contains(&decided), "{decided}\n{explained}");
    }
}

#[test]
fn nothing_to_explain_is_an_error() {
    assert_snapshot!(explained(&["nowhere.yaml"]), @"
    exit: 2
    --- stderr
    error: nowhere.yaml: there is no such file or folder
    ");
    assert_snapshot!(explained(&["policies.yaml"]), @"
    exit: 2
    --- stderr
    error: policies.yaml: no workload in it, so nothing to explain
    ");
}

#[test]
fn what_a_secret_and_a_config_map_hold_is_explained_without_it() {
    let folder = TempDir::new().unwrap();
    let policies = "\
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: clear}
spec:
  match: {kinds: [Secret, ConfigMap]}
  rules:
    - {name: fixtures, on: [rawSecret], where: {secrets: [\"fixture-*\"]}, action: allow}
    - {name: none, on: [clear], action: deny}
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: pods}
spec:
  match: {kinds: [Pod]}
  rules: [{name: none, on: [clear], action: deny}]
";
    let objects = "\
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: shop}
stringData:
  password: hunter2-hunter2
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data:
  api-password: hunter2-hunter2
---
apiVersion: v1
kind: ConfigMap
metadata: {name: empty, namespace: shop}
";
    fs::write(folder.path().join("policies.yaml"), policies).unwrap();
    fs::write(folder.path().join("objects.yaml"), objects).unwrap();
    let said = run(folder.path(), &["policy", "explain", "-p", "policies.yaml", "objects.yaml"]);
    assert_snapshot!(said, @r#"
    exit: 0
    --- stdout
    objects.yaml:1:1: Secret shop/db
      line 5: Secret "db" is written with its key "password" in clear (/stringData/password)
        denied by clear/none
        clear (enforce)
          - fixtures (allow): where.secrets is ["fixture-*"], and the Secret is "db"
          * none (deny) decides
      policy pods is not about it: match.kinds is ["Pod"], and the kind is Secret

    objects.yaml:7:1: ConfigMap shop/settings
      line 11: the ConfigMap's key "api-password" has what may be a credential in clear (by its name) (/data/api-password)
        warned by clear/none
          note: it is a guess, so a warning where the rule says deny
        clear (enforce)
          - fixtures (allow): it is on rawSecret, and this is literal
          * none (deny) decides
      policy pods is not about it: match.kinds is ["Pod"], and the kind is ConfigMap

    objects.yaml:13:1: ConfigMap shop/empty
      nothing in clear
      policy pods is not about it: match.kinds is ["Pod"], and the kind is ConfigMap
    "#);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn the_way_out_of_a_template_names_this_command() {
    let folder = folder();
    fs::write(folder.path().join("pod.yaml"), POD.replace("name: web", "name: {{ .Release.Name }}")).unwrap();
    let said = run(folder.path(), &["policy", "explain", "-p", "policies.yaml", "pod.yaml"]);
    assert!(said.contains("exit: 2") && said.contains("| secretfence policy explain -"), "{said}");
}

#[test]
fn a_pointer_without_its_first_slash_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("pod.yaml"), "").unwrap();
    let said = run(folder.path(), &["policy", "explain", "pod.yaml", "--pointer", "spec/containers/0"]);
    assert!(said.starts_with("exit: 2\n") && said.contains("a JSON pointer begins with /"), "{said}");
}

#[test]
fn keys_that_are_not_known_come_with_the_way_to_tell_them() {
    let folder = TempDir::new().unwrap();
    let policy = POLICIES
        .split_once("---")
        .unwrap()
        .0
        .replace("{name: rest, on: [env], action: warn}", "{name: rest, on: [env], action: mount}");
    fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    fs::write(
        folder.path().join("pod.yaml"),
        "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: api, image: api, envFrom: [{secretRef: {name: db}}]}]}}",
    )
    .unwrap();
    for command in [&["policy", "explain"][..], &["check"]] {
        let said = run(folder.path(), &[command, &["-p", "policy.yaml", "pod.yaml"]].concat());
        assert!(said.contains("list them in mount.keys"), "{said}");
        assert!(said.contains("note: check and fix also learn the keys from the Secret"), "{said}");
    }
}
