//! What the policies say, by outcome and by kind of object.

use insta::assert_snapshot;

use crate::{CLEAN, Folder, POD};

#[test]
fn the_built_in_policy_denies_a_secret_in_the_environment() {
    assert_snapshot!(Folder::with(POD).run(&["check", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:10:11: Pod default/web
       |
    10 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: password
       |
       = denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn a_clean_pod_is_exit_0() {
    assert_snapshot!(Folder::with(CLEAN).run(&["check", "pod.yaml"]), @"
    exit: 0
    --- stdout
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 0 allowed
    ");
}

#[test]
fn what_would_be_swapped_is_exit_0() {
    let pod = POD.replace("registry.example.com/api:1", "postgres:17").replace("DB_PASSWORD", "POSTGRES_PASSWORD");
    let folder = Folder::with(&pod).rules("[{name: swap, on: [secretKeyRef], action: mount}]");
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 0
    --- stdout
    pod.yaml:10:11: Pod default/web
       |
    10 |         - name: POSTGRES_PASSWORD
       |           ^^^^^^^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: password
       |
       = swapped: container "api" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by POSTGRES_PASSWORD_FILE, which its image reads [test/swap]

    1 file, 1 workload: 0 denied, 0 warned, 1 swapped, 0 allowed
    "#);
}

#[test]
fn a_program_that_nothing_is_known_of_must_be_told() {
    let folder = Folder::with(POD).rules("[{name: swap, on: [secretKeyRef], action: mount}]");
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 0
    --- stdout
    pod.yaml:10:11: Pod default/web
       |
    10 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: password
       |
       = swapped: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by DB_PASSWORD_FILE; the program must be told to read it [test/swap]
       = note: an ENV of the same name in the image itself would show through

    1 file, 1 workload: 0 denied, 0 warned, 1 swapped, 0 allowed
    "#);
}

#[test]
fn what_cannot_be_swapped_safely_is_denied_with_the_reason() {
    let pod = POD.replace("      env:", "      command: [sh, -c, 'echo $DB_PASSWORD']\n      env:");
    let folder = Folder::with(&pod).rules("[{name: swap, on: [secretKeyRef], action: mount}]");
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:11:11: Pod default/web
       |
    11 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    12 |           valueFrom:
    13 |             secretKeyRef:
    14 |               name: db
    15 |               key: password
       |
       = denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): cannot be swapped safely: DB_PASSWORD is mentioned in command[2]; mount it as a file [test/swap]

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn a_warning_is_exit_0() {
    let folder = Folder::with(POD).rules("[{name: careful, on: [env], action: warn, message: see the wiki}]");
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 0
    --- stdout
    pod.yaml:10:11: Pod default/web
       |
    10 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: password
       |
       = warned: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): see the wiki [test/careful]

    1 file, 1 workload: 0 denied, 1 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn a_policy_in_dry_run_keeps_its_outcome_and_is_exit_0() {
    let folder = Folder::with(POD).policy("mode: dryRun\nrules: [{name: would, on: [env], action: deny}]");
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 0
    --- stdout
    pod.yaml:10:11: Pod default/web
       |
    10 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: password
       |
       = denied (dry run): container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount it as a file [test/would]

    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 1 allowed; 1 finding in dry run
    "#);
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
    assert_snapshot!(Folder::with(deployment).run(&["check", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:10:15: Deployment shop/web
       |
    10 |             - secretRef: {name: db}
       |               ^^^^^^^^^^^^^^^^^^^^
    11 |               prefix: DB_
       |
       = denied: init container "migrate" takes all keys of Secret "db" as env with prefix DB_ (/spec/template/spec/initContainers/0/envFrom/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn items_of_a_list_are_judged_where_they_stand() {
    let item = POD.replace('\n', "\n  ");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n- {item}");
    let folder = Folder::with(&list);
    assert_snapshot!(folder.run(&["check", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:15:13: Pod default/web
       |
    15 |           - name: DB_PASSWORD
       |             ^^^^^^^^^^^^^^^^^
    16 |             valueFrom:
    17 |               secretKeyRef:
    18 |                 name: db
    19 |                 key: password
       |
       = denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
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
    assert_snapshot!(Folder::with(&by_deployment).run(&["check", "pod.yaml"]), @"
    exit: 0
    --- stdout
    not judged: 1 object that another workload made (as a Deployment makes ReplicaSets): what made them is to be judged instead
    1 file, 0 workloads: 0 denied, 0 warned, 0 swapped, 0 allowed
    ");
    // Nothing else here would be judged in its place.
    let by_operator = owned("{apiVersion: example.com/v1, kind: Database, name: web, controller: true}");
    assert!(Folder::with(&by_operator).run(&["check", "pod.yaml"]).starts_with("exit: 1\n"));
    // Nor is its template in a pod that makes it.
    let by_pod = owned("{apiVersion: v1, kind: Pod, name: web, controller: true}");
    assert!(Folder::with(&by_pod).run(&["check", "pod.yaml"]).starts_with("exit: 1\n"));
}

#[test]
fn a_custom_resource_is_judged_where_a_policy_says_that_it_holds_pods() {
    let widget = "\
apiVersion: example.com/v1
kind: Widget
metadata: {name: web}
spec:
  workers:
    - template:
        spec:
          containers:
            - name: api
              envFrom:
                - secretRef:
                    name: db
";
    let rows = "---\napiVersion: secretfence.dev/v1alpha1\nkind: PodTemplates\nmetadata: {name: widgets}\nspec:\n  rows:\n  \
                - {group: example.com, versions: [v1], resource: widgets, kind: Widget, paths: ['spec.workers[*].template']}\n";
    let folder = Folder::with(widget).rules("[{name: no, on: [env], action: deny}]").file("rows.yaml", rows);
    assert!(folder.check(&["pod.yaml"]).starts_with("exit: 0\n"));
    assert_snapshot!(folder.check(&["-p", "rows.yaml", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:11:19: Widget default/web
       |
    11 |                 - secretRef:
       |                   ^^^^^^^^^
    12 |                     name: db
       |
       = denied: container "api" takes all keys of Secret "db" as env (/spec/workers/0/template/spec/containers/0/envFrom/0): mount its keys as files [test/no]

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn all_lists_what_is_allowed_and_the_count_is_the_same_without() {
    let pod = format!("{POD}  imagePullSecrets: [{{name: registry}}]\n");
    let folder = Folder::with(&pod).rules("[{name: fine, on: [env], where: {secrets: [db]}, action: allow}]");
    assert_snapshot!(folder.check(&["--all", "pod.yaml"]), @r#"
    exit: 0
    --- stdout
    pod.yaml:10:11: Pod default/web
       |
    10 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: password
       |
       = allowed: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): allowed [test/fine]

    pod.yaml:15:22: Pod default/web
       |
    15 |   … name: registry}]
       |     ^^^^^^^^^^^^^^
       |
       = allowed: the pod pulls images with Secret "registry" (/spec/imagePullSecrets/0): no rule is about it

    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 2 allowed
    "#);
    assert_snapshot!(folder.check(&["pod.yaml"]), @"
    exit: 0
    --- stdout
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 2 allowed
    ");
}

#[test]
fn both_modes_of_one_reference_are_two_findings() {
    let folder = Folder::with(POD).rules("[{name: careful, on: [env], action: warn}]").file(
        "stricter.yaml",
        "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: stricter}\n\
         spec: {mode: dryRun, rules: [{name: soon, on: [env], action: deny}]}\n",
    );
    assert_snapshot!(folder.check(&["-p", "stricter.yaml", "pod.yaml"]), @r#"
    exit: 0
    --- stdout
    pod.yaml:10:11: Pod default/web
       |
    10 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: password
       |
       = warned: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount it as a file [test/careful]

    pod.yaml:10:11: Pod default/web
       |
    10 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: password
       |
       = denied (dry run): container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount it as a file [stricter/soon]

    1 file, 1 workload: 0 denied, 1 warned, 0 swapped, 0 allowed; 1 finding in dry run
    "#);
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
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 0
    --- stdout
    pod.yaml:6:7: Pod default/web
      |
    6 |     - name: registry
      |       ^^^^^^^^^^^^^^
      |
      = warned: the pod pulls images with Secret "registry" (/spec/imagePullSecrets/0): this policy does not let the pod pull with this Secret [test/all]

    pod.yaml:10:9: Pod default/web
       |
     9 |       secret:
    10 |         secretName: tls
       |         ^^^^^^^^^^^^^^^
       |
       = warned: volume "plain" holds Secret "tls" key "tls.key" (/spec/volumes/0/secret): this policy does not let the pod have this volume [test/all]

    pod.yaml:15:13: Pod default/web
       |
    15 |           - secret: {name: api-token}
       |             ^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = warned: volume "mixed" holds Secret "api-token" (/spec/volumes/1/projected/sources/0): this policy does not let the pod have this volume [test/all]

    pod.yaml:18:9: Pod default/web
       |
    17 |       csi:
    18 |         driver: secrets-store.csi.k8s.io
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = warned: volume "store" takes secrets from CSI driver "secrets-store.csi.k8s.io" (/spec/volumes/2/csi): this policy does not let the pod have this volume [test/all]

    pod.yaml:18:9: Pod default/web
       |
    17 |       csi:
    18 |         driver: secrets-store.csi.k8s.io
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    19 |         volumeAttributes: {secretProviderClass: shop, …
       |
       = warned: volume "store" reads an external store at a path that is not known (/spec/volumes/2/csi): this policy does not let the pod read this path of the store [test/all]

    pod.yaml:19:65: Pod default/web
       |
    19 |         … password: …
       |                     ^
       |
       = warned: volume "store" has what may be a credential in clear (by its name) in attribute password (/spec/volumes/2/csi/volumeAttributes/password): take it from a Secret as a file, and change it: whoever reads the manifest knows it [test/all]

    pod.yaml:21:45: Pod default/web
       |
    21 |       … secretName: azure}
       |                     ^^^^^
       |
       = warned: volume "share" hands Secret "azure" to azureFile (/spec/volumes/3/azureFile/secretName): this policy does not let the pod have this volume [test/all]

    1 file, 1 workload: 0 denied, 7 warned, 0 swapped, 0 allowed
    "#);
}
