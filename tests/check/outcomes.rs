//! What the policies say, by outcome and by kind of object.

use insta::assert_snapshot;

use crate::{CLEAN, Folder, POD};

#[test]
fn the_built_in_policy_denies_a_secret_in_the_environment() {
    assert_snapshot!(Folder::with(POD).run(&["check", "pod.yaml"]));
}

#[test]
fn a_clean_pod_is_exit_0() {
    assert_snapshot!(Folder::with(CLEAN).run(&["check", "pod.yaml"]));
}

#[test]
fn what_would_be_swapped_is_exit_0() {
    let pod = POD.replace("registry.example.com/api:1", "postgres:17").replace("DB_PASSWORD", "POSTGRES_PASSWORD");
    let folder = Folder::with(&pod).rules("[{name: swap, on: [secretKeyRef], action: mount}]");
    assert_snapshot!(folder.check(&["pod.yaml"]));
}

#[test]
fn a_program_that_nothing_is_known_of_must_be_told() {
    let folder = Folder::with(POD).rules("[{name: swap, on: [secretKeyRef], action: mount}]");
    assert_snapshot!(folder.check(&["pod.yaml"]));
}

#[test]
fn what_cannot_be_swapped_safely_is_denied_with_the_reason() {
    let pod = POD.replace("      env:", "      command: [sh, -c, 'echo $DB_PASSWORD']\n      env:");
    let folder = Folder::with(&pod).rules("[{name: swap, on: [secretKeyRef], action: mount}]");
    assert_snapshot!(folder.check(&["pod.yaml"]));
}

#[test]
fn a_warning_is_exit_0() {
    let folder = Folder::with(POD).rules("[{name: careful, on: [env], action: warn, message: see the wiki}]");
    assert_snapshot!(folder.check(&["pod.yaml"]));
}

#[test]
fn a_policy_in_dry_run_keeps_its_outcome_and_is_exit_0() {
    let folder = Folder::with(POD).policy("mode: dryRun\nrules: [{name: would, on: [env], action: deny}]");
    assert_snapshot!(folder.check(&["pod.yaml"]));
}

#[test]
fn the_template_of_a_deployment_is_judged_as_its_pods() {
    let deployment = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      initContainers:
        - name: migrate
          envFrom:
            - secretRef: {name: db}
              prefix: DB_
      containers: [{name: api, image: api}]
";
    // Nothing is softened by `templates: warn`, the default.
    assert_snapshot!(Folder::with(deployment).run(&["check", "pod.yaml"]));
}

#[test]
fn items_of_a_list_are_judged_where_they_stand() {
    let item = POD.replace('\n', "\n  ");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n- {item}");
    let folder = Folder::with(&list);
    assert_snapshot!(folder.run(&["check", "pod.yaml"]));
    assert_eq!(folder.json(&["pod.yaml"])["findings"][0]["document"], "0.items.1");
}

#[test]
fn what_another_workload_made_is_not_judged_and_the_summary_says_so() {
    let owned = |owner: &str| {
        let template = POD.replace('\n', "\n    ");
        format!(
            "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: web-1\n  ownerReferences: [{owner}]\n\
             spec:\n  template:\n    {template}"
        )
    };
    let by_deployment = owned("{apiVersion: apps/v1, kind: Deployment, name: web, controller: true}");
    assert_snapshot!(Folder::with(&by_deployment).run(&["check", "pod.yaml"]));
    // Nothing else here would be judged in its place.
    let by_operator = owned("{apiVersion: example.com/v1, kind: Database, name: web, controller: true}");
    assert!(Folder::with(&by_operator).run(&["check", "pod.yaml"]).starts_with("exit: 1\n"));
}

#[test]
fn a_custom_resource_is_judged_where_a_policy_says_that_it_holds_pods() {
    let widget = POD
        .replace("apiVersion: v1\nkind: Pod", "apiVersion: example.com/v1\nkind: Widget")
        .replace("\nspec:\n  ", "\nspec:\n  workers:\n  - template:\n      spec:\n        ")
        .replace("\n    ", "\n          ");
    let widget = widget.replace("\n                ", "\n            ");
    let rows = "---\napiVersion: secretfence.dev/v1alpha1\nkind: PodTemplates\nmetadata: {name: widgets}\nspec:\n  rows:\n  \
                - {group: example.com, versions: [v1], resource: widgets, kind: Widget, paths: ['spec.workers[*].template']}\n";
    let folder = Folder::with(&widget).rules("[{name: no, on: [env], action: deny}]").file("rows.yaml", rows);
    assert!(folder.check(&["pod.yaml"]).starts_with("exit: 0\n"));
    assert_snapshot!(folder.check(&["-p", "rows.yaml", "pod.yaml"]));
}

#[test]
fn all_lists_what_is_allowed_and_the_count_is_the_same_without() {
    let pod = format!("{POD}  imagePullSecrets: [{{name: registry}}]\n");
    let folder = Folder::with(&pod).rules("[{name: fine, on: [env], where: {secrets: [db]}, action: allow}]");
    assert_snapshot!(folder.check(&["--all", "pod.yaml"]));
    assert_snapshot!(folder.check(&["pod.yaml"]));
}

#[test]
fn both_modes_of_one_reference_are_two_findings() {
    let folder = Folder::with(POD).rules("[{name: careful, on: [env], action: warn}]").file(
        "stricter.yaml",
        "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: stricter}\n\
         spec: {mode: dryRun, rules: [{name: soon, on: [env], action: deny}]}\n",
    );
    assert_snapshot!(folder.check(&["-p", "stricter.yaml", "pod.yaml"]));
}

#[test]
fn volumes_and_pull_secrets_have_their_lines() {
    let pod = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  imagePullSecrets:
    - name: registry
  volumes:
    - name: plain
      secret:
        secretName: tls
        items: [{key: tls.key, path: key}]
    - name: mixed
      projected:
        sources:
          - secret: {name: api-token}
    - name: store
      csi:
        driver: secrets-store.csi.k8s.io
        volumeAttributes: {secretProviderClass: shop, password: hunter2}
    - name: share
      azureFile: {shareName: s, secretName: azure}
  containers: [{name: api, image: api}]
";
    let folder = Folder::with(pod).rules("[{name: all, on: [any], action: warn}]");
    assert_snapshot!(folder.check(&["pod.yaml"]));
}
