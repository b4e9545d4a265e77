//! A base whose overlays name the same variable: what they would bring back is said, and nothing is half done.

use insta::assert_snapshot;

use crate::Folder;

const BASE: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: api
          image: registry.example.com/api:1
          env:
            - name: DB_PASSWORD
              valueFrom: {secretKeyRef: {name: db, key: password}}
";

const PATCH: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
        - name: api
          env:
            - name: LOG
              value: debug
            - name: DB_PASSWORD
              value: hunter2
";

fn with(patch: &str) -> String {
    let folder = Folder::new().file("base/web.yaml", BASE).file("prod/patch.yaml", patch);
    let text = folder.fix(&["--in-place", "base", "prod"]);
    let stays = folder.read("base/web.yaml") == BASE && folder.read("prod/patch.yaml") == patch;
    assert_eq!(text.contains("declined"), stays, "{text}");
    text
}

#[test]
fn a_base_stays_as_it_is_where_a_patch_names_the_same_variable() {
    assert_snapshot!(with(PATCH), @r#"
    exit: 2
    --- stderr
    declined: base/web.yaml:14:15: prod/patch.yaml:13 is laid over this and names DB_PASSWORD of container "api", too: fix what is built of both, or change both by hand
    2 files: 0 fixed, 1 declined; 0 references swapped; 1 finding remains, which secretfence check lists
    "#);
}

#[test]
fn a_patch_of_something_else_is_in_nobodys_way() {
    for (from, to) in [
        ("DB_PASSWORD", "DB_PASSWORD_FILE_MODE"),
        ("name: api", "name: sidecar"),
        ("name: web", "name: other"),
        ("kind: Deployment", "kind: StatefulSet"),
        ("  name: web", "  name: web\n  namespace: bank"),
    ] {
        let base = BASE.replace("  name: web\nspec", "  name: web\n  namespace: shop\nspec");
        let patch = PATCH.replace(from, to);
        let folder = Folder::new().file("base.yaml", base).file("patch.yaml", patch);
        let text = folder.fix(&["--diff", "base.yaml", "patch.yaml"]);
        assert!(text.starts_with("exit: 0\n") && text.contains("1 would be fixed"), "{to}: {text}");
    }
}

#[test]
fn a_patch_that_mentions_the_variable_or_takes_it_away_counts() {
    let mentions = "          args: [\"--password=$(DB_PASSWORD)\"]\n";
    let head = PATCH.split_once("          env:").unwrap().0;
    assert!(with(&format!("{head}{mentions}")).contains("names DB_PASSWORD of container"));
    let removes = PATCH.replace("value: hunter2", "$patch: delete");
    assert!(with(&removes).contains("prod/patch.yaml:13 is laid over this"));
}

#[test]
fn a_patch_with_an_image_is_one_that_has_no_selector() {
    let patch = PATCH.replace("- name: api", "- name: api\n          image: registry.example.com/api:2");
    assert!(with(&patch).contains("exit: 2"));
    // A copy for another environment is an object of its own.
    let copy = BASE.replace("api:1", "api:2");
    assert!(with(&copy).contains("2 files: 2 fixed"));
}

#[test]
fn neither_is_changed_where_both_would_be_swapped() {
    let patch = PATCH
        .replace("- name: api", "- name: api\n          image: registry.example.com/api:2")
        .replace("value: hunter2", "valueFrom: {secretKeyRef: {name: prod, key: password}}");
    assert!(with(&patch).contains("2 declined"));
}

#[test]
fn patches_within_a_kustomization_count() {
    let merged = PATCH.replace('\n', "\n    ");
    let by_pointer = "[{op: replace, path: /spec/template/spec/containers/0/env/0, value: {name: X, value: y}}]";
    for patches in [
        format!("patches:\n- patch: |-\n    {merged}"),
        format!("patchesStrategicMerge:\n- |-\n    {merged}"),
        format!("patches:\n- target: {{kind: Deployment, name: web}}\n  patch: '{by_pointer}'"),
        format!("patches:\n- target: {{kind: Deployment, name: w.*}}\n  patch: '{by_pointer}'"),
        "patches:\n- {path: more/operations.json, target: {kind: Deployment, name: web}}".to_owned(),
    ] {
        for header in ["", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"] {
            let folder = Folder::new()
                .file("base/web.yaml", BASE)
                .file(
                    "prod/more/operations.json",
                    "[{\"op\": \"remove\", \"path\": \"/spec/template/spec/containers/0/env\"}]",
                )
                .file("prod/kustomization.yaml", format!("{header}{patches}\n"));
            let text = folder.fix(&["--in-place", "base", "prod"]);
            assert!(text.starts_with("exit: 2\n") && text.contains("is laid over this"), "{patches}\n{text}");
            assert_eq!(folder.read("base/web.yaml"), BASE);
        }
    }
}

#[test]
fn a_json_patch_of_something_else_is_in_nobodys_way() {
    for (target, operation) in [
        ("name: other", "{op: remove, path: /spec/template/spec/containers/0/env}"),
        ("name: web", "{op: replace, path: /spec/replicas, value: 3}"),
        ("name: web", "{op: add, path: /spec/template/spec/containers/0/env/-, value: {name: LOG, value: debug}}"),
        ("name: web", "{op: replace, path: /spec/template/spec/containers/1/env, value: []}"),
    ] {
        let patches = format!("patches:\n- target: {{kind: Deployment, {target}}}\n  patch: '[{operation}]'\n");
        let folder = Folder::new().file("web.yaml", BASE).file("kustomization.yaml", patches);
        let text = folder.fix(&["--diff", "web.yaml", "kustomization.yaml"]);
        assert!(text.starts_with("exit: 0\n") && text.contains("1 would be fixed"), "{operation}: {text}");
    }
}

#[test]
fn an_env_from_is_met_by_what_takes_its_place() {
    let base =
        BASE.split_once("          env:").unwrap().0.to_owned() + "          envFrom: [{secretRef: {name: db}}]\n";
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: db}, data: {DB_PASSWORD: eA==}}";
    let run = |patch: &str| {
        let folder = Folder::new().file("web.yaml", &base).file("secret.yaml", secret).file("patch.yaml", patch);
        folder.fix(&["--diff", "web.yaml", "secret.yaml", "patch.yaml"])
    };
    assert!(run(PATCH).starts_with("exit: 2\n"));
    assert!(run(&PATCH.replace("DB_PASSWORD", "OTHER")).contains("1 would be fixed"));
}
