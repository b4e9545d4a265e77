//! The lines of the source that a finding shows.

use insta::assert_snapshot;

use crate::{Folder, POD};

#[test]
fn json_has_its_lines_too() {
    let pod = r#"{
  "apiVersion": "v1",
  "kind": "Pod",
  "metadata": {"name": "web"},
  "spec": {
    "containers": [
      {
        "name": "api",
        "env": [
          {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "a"}}},
          {
            "name": "B",
            "valueFrom": {
              "secretKeyRef": {
                "name": "db",
                "key": "b"
              }
            }
          }
        ]
      }
    ]
  }
}
"#;
    assert_snapshot!(Folder::new().file("pod.json", pod).run(&["check", "pod.json"]), @r#"
    exit: 1
    --- stdout
    pod.json:10:11: Pod default/web
       |
    10 |           {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "a"}}},
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" takes Secret "db" key "a" as env A (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    pod.json:11:11: Pod default/web
       |
    12 |             "name": "B",
       |             ^^^^^^^^^^^
    13 |             "valueFrom": {
    14 |               "secretKeyRef": {
    15 |                 "name": "db",
    16 |                 "key": "b"
       |
       = denied: container "api" takes Secret "db" key "b" as env B (/spec/containers/0/env/1): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 1 workload: 2 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn a_whole_pod_on_one_line_shows_only_the_reference() {
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"api","env":[{"name":"LITERAL","value":"hunter2"},{"name":"A","valueFrom":{"secretKeyRef":{"name":"db","key":"a"}}},{"name":"LATER","value":"hunter3"}]}]}}"#;
    assert_snapshot!(Folder::new().file("pod.json", pod).run(&["check", "pod.json"]), @r#"
    exit: 1
    --- stdout
    pod.json:1:139: Pod default/web
      |
    1 | … "name":"A","valueFrom":{"secretKeyRef":{"name":"db","key":"a" …
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = denied: container "api" takes Secret "db" key "a" as env A (/spec/containers/0/env/1): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn flow_style_is_put_together_from_its_names() {
    let pod = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - {name: api, env: [{name: LITERAL, value: hunter2}, {name: A, valueFrom: {secretKeyRef: {name: db, key: a}}}]}
    - {name: b, envFrom: [{secretRef: {name: all}}, {prefix: P_, secretRef: {name: 'quoted'}}]} # hunter3
";
    assert_snapshot!(Folder::with(pod).run(&["check", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:6:58: Pod default/web
      |
    6 |     … name: A, valueFrom: {secretKeyRef: {name: db, key: a}}}]}
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = denied: container "api" takes Secret "db" key "a" as env A (/spec/containers/0/env/1): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    pod.yaml:7:27: Pod default/web
      |
    7 |     … secretRef: {name: all …
      |       ^^^^^^^^^^^^^^^^^^^^^
      |
      = denied: container "b" takes all keys of Secret "all" as env (/spec/containers/1/envFrom/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    pod.yaml:7:53: Pod default/web
      |
    7 |     … prefix: P_, secretRef: {name: 'quoted' …
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = denied: container "b" takes all keys of Secret "quoted" as env with prefix P_ (/spec/containers/1/envFrom/1): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 1 workload: 3 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn carriage_returns_and_multiple_documents_keep_their_lines() {
    let file = format!("# a comment\n---\n{POD}---\n---\n{POD}").replace('\n', "\r\n");
    assert_snapshot!(Folder::with(&file).run(&["check", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:12:11: Pod default/web
       |
    12 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    13 |           valueFrom:
    14 |             secretKeyRef:
    15 |               name: db
    16 |               key: password
       |
       = denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    pod.yaml:28:11: Pod default/web
       |
    28 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    29 |           valueFrom:
    30 |             secretKeyRef:
    31 |               name: db
    32 |               key: password
       |
       = denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 2 workloads: 2 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn aliases_and_merge_keys_lead_to_what_they_stand_for() {
    let pod = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
x-source: &source
  secretKeyRef: {name: db, key: a}
x-container: &base
  env:
    - {name: MERGED, valueFrom: {secretKeyRef: {name: db, key: merged}}}
spec:
  containers:
    - name: api
      env:
        - name: ALIASED
          valueFrom: *source
    - <<: *base
      name: other
";
    assert_snapshot!(Folder::with(pod).run(&["check", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:13:11: Pod default/web
       |
     5 |   secretKeyRef: {name: db, key: a}
    13 |         - name: ALIASED
       |           ^^^^^^^^^^^^^
    14 |           valueFrom: …
       |
       = denied: container "api" takes Secret "db" key "a" as env ALIASED (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    pod.yaml:8:7: Pod default/web
      |
    8 |     - {name: MERGED, valueFrom: {secretKeyRef: {name: db, key: merged}}}
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = denied: container "other" takes Secret "db" key "merged" as env MERGED (/spec/containers/1/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 1 workload: 2 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn a_field_before_the_name_is_the_place() {
    let pod = POD.replace("        - name: DB_PASSWORD\n          valueFrom:", "        - valueFrom:")
        + "          name: DB_PASSWORD\n";
    assert_snapshot!(Folder::with(&pod).run(&["check", "pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:10:11: Pod default/web
       |
    10 |         - valueFrom:
       |           ^^^^^^^^^
    11 |             secretKeyRef:
    12 |               name: db
    13 |               key: password
    14 |           name: DB_PASSWORD
       |
       = denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

/// Each way across namespaces, with a value beside it that is nobody's to see.
const ACROSS: &str = r##"
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    note: hunter2
    vault.hashicorp.com/agent-inject-secret-db: secret/data/db
    vault.hashicorp.com/agent-inject-template-db: |
      {{ with secret "secret/data/web" }}password=hunter2 {{ .Data.password }}{{ end }}
spec:
  hostPID: true # hunter2
  containers:
    - name: api
      image: api
      securityContext:
        capabilities: {add: [hunter2]}
        privileged: true
      env:
        - name: EXTERNAL
          value: vault:secret/data/db#hunter2
        - {value: "vault:secret/data/web#hunter2", name: FLOW}
        - {name: COPY, value: hunter2, valueFrom: {secretKeyRef: {name: copy, key: a, hunter2: hunter2}}}
      envFrom: [{secretRef: {name: copy}}]
  imagePullSecrets: [{name: copy}]
  volumes:
    - name: node
      hostPath:
        path: /var/lib/kubelet
        type: Directory
    - {name: class, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {password: hunter2, secretProviderClass: db}}}
    - name: shared
      csi:
        driver: csi.sharedresource.openshift.io
        volumeAttributes: {sharedSecret: db}
    - {name: copy, secret: {secretName: copy, items: [{key: k, path: hunter2}]}}
    - {name: projected, projected: {sources: [{configMap: {name: hunter2}}, {secret: {name: copy}}]}}
    - {name: legacy, azureFile: {shareName: hunter2, secretName: copy}}
---
apiVersion: v1
kind: Secret
metadata:
  name: copy
  annotations: {reflector.v1.k8s.emberstack.com/reflects: billing/db}
stringData: {password: hunter2}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web, namespace: billing}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: default, namespace: default}]
"##;

#[test]
fn ways_across_namespaces_show_their_lines_and_no_value() {
    let folder = Folder::with(ACROSS).rules("[{name: no, on: [crossNamespace, externalEnv, injected], action: deny}]");
    let shown = folder.check(&["pod.yaml"]);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_snapshot!(shown, @r#"
    exit: 1
    --- stdout
    pod.yaml:8:49: Pod default/web
      |
    8 |     vault.hashicorp.com/agent-inject-secret-db: …
      |                                                 ^
      |
      = denied: the pod has secrets injected by annotation "vault.hashicorp.com/agent-inject-secret-db" path "secret/data/db" (/metadata/annotations/vault.hashicorp.com~1agent-inject-secret-db): this policy does not let the pod have secrets injected [test/no]

    pod.yaml:8:49: Pod default/web
      |
    8 |     vault.hashicorp.com/agent-inject-secret-db: …
      |                                                 ^
      |
      = denied: the pod reads an external store path "secret/data/db" (/metadata/annotations/vault.hashicorp.com~1agent-inject-secret-db): this policy does not let the pod read this path of the store [test/no]

    pod.yaml:10:7: Pod default/web
      |
    9 |     vault.hashicorp.com/agent-inject-template-db: …
      |                                                   ^
      |
      = denied: the pod has secrets injected by annotation "vault.hashicorp.com/agent-inject-template-db" path "secret/data/web" (/metadata/annotations/vault.hashicorp.com~1agent-inject-template-db): this policy does not let the pod have secrets injected [test/no]

    pod.yaml:10:7: Pod default/web
      |
    9 |     vault.hashicorp.com/agent-inject-template-db: …
      |                                                   ^
      |
      = denied: the pod reads an external store path "secret/data/web" (/metadata/annotations/vault.hashicorp.com~1agent-inject-template-db): this policy does not let the pod read this path of the store [test/no]

    pod.yaml:20:11: Pod default/web
       |
    20 |         - name: EXTERNAL
       |           ^^^^^^^^^^^^^^
    21 |           value: …
       |
       = denied: container "api" takes env EXTERNAL from Vault path "secret/data/db" (/spec/containers/0/env/0): let the injector write a file, and have the program read it [test/no]

    pod.yaml:20:11: Pod default/web
       |
    20 |         - name: EXTERNAL
       |           ^^^^^^^^^^^^^^
    21 |           value: …
       |
       = denied: container "api" reads an external store path "secret/data/db" (/spec/containers/0/env/0): this policy does not let the pod read this path of the store [test/no]

    pod.yaml:22:11: Pod default/web
       |
    22 |         - {value: … name: FLOW}
       |            ^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" takes env FLOW from Vault path "secret/data/web" (/spec/containers/0/env/1): let the injector write a file, and have the program read it [test/no]

    pod.yaml:22:11: Pod default/web
       |
    22 |         - {value: … name: FLOW}
       |            ^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" reads an external store path "secret/data/web" (/spec/containers/0/env/1): this policy does not let the pod read this path of the store [test/no]

    pod.yaml:23:11: Pod default/web
       |
    23 |         - {name: COPY, … valueFrom: {secretKeyRef: {name: copy, key: a, …
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" takes Secret "copy", a copy from namespace "billing" (/spec/containers/0/env/2): use a Secret that belongs to this namespace [test/no]

    pod.yaml:24:17: Pod default/web
       |
    24 |       … secretRef: {name: copy}}]
       |         ^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" takes Secret "copy", a copy from namespace "billing" (/spec/containers/0/envFrom/0): use a Secret that belongs to this namespace [test/no]

    pod.yaml:18:21: Pod default/web
       |
    18 |         privileged: true
       |                     ^^^^
       |
       = denied: container "api" is privileged (/spec/containers/0/securityContext/privileged): the node holds other pods' Secrets: do without, or ask who runs the cluster for an exception [test/no]

    pod.yaml:12:12: Pod default/web
       |
    12 |   hostPID: true …
       |            ^^^^
       |
       = denied: the pod shares the node's processes (/spec/hostPID): the node holds other pods' Secrets: do without, or ask who runs the cluster for an exception [test/no]

    pod.yaml:25:22: Pod default/web
       |
    25 |   … name: copy}]
       |     ^^^^^^^^^^
       |
       = denied: the pod takes Secret "copy", a copy from namespace "billing" (/spec/imagePullSecrets/0): use a Secret that belongs to this namespace [test/no]

    pod.yaml:11:1: Pod default/web
       |
    11 | spec:
       | ^^^^
       |
       = denied: the pod's ServiceAccount can read Secrets in namespace "billing" (get secrets), by ServiceAccount "default", RoleBinding "billing/web", ClusterRole "reader", rule 0 (/spec/serviceAccountName): give it a ServiceAccount with fewer rights, or automountServiceAccountToken: false [test/no]

    pod.yaml:29:9: Pod default/web
       |
    28 |       hostPath:
    29 |         path: /var/lib/kubelet
       |         ^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: volume "node" shows the node's path "/var/lib/kubelet", the kubelet's directory: the Secrets and tokens of every pod on the node (/spec/volumes/0/hostPath): the node holds other pods' Secrets: do without, or ask who runs the cluster for an exception [test/no]

    pod.yaml:31:26: Pod default/web
       |
    31 |     … csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: … secretProviderClass: db}}}
       |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: volume "class" reads an external store at a path that is not known (/spec/volumes/1/csi): this policy does not let the pod read this path of the store [test/no]

    pod.yaml:34:9: Pod default/web
       |
    33 |       csi:
    34 |         driver: csi.sharedresource.openshift.io
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    35 |         volumeAttributes: {sharedSecret: db}
       |
       = denied: volume "shared" mounts SharedSecret "db" (/spec/volumes/2/csi): this policy does not let the pod mount a Secret of another namespace [test/no]

    pod.yaml:36:28: Pod default/web
       |
    36 |     … secret: {secretName: copy, …
       |                ^^^^^^^^^^^^^^^^
       |
       = denied: volume "copy" takes Secret "copy", a copy from namespace "billing" (/spec/volumes/3/secret): use a Secret that belongs to this namespace [test/no]

    pod.yaml:37:77: Pod default/web
       |
    37 |     … secret: {name: copy}}]}}
       |       ^^^^^^^^^^^^^^^^^^^
       |
       = denied: volume "projected" takes Secret "copy", a copy from namespace "billing" (/spec/volumes/4/projected/sources/1): use a Secret that belongs to this namespace [test/no]

    pod.yaml:38:66: Pod default/web
       |
    38 |     … secretName: copy}}
       |                   ^^^^
       |
       = denied: volume "legacy" takes Secret "copy", a copy from namespace "billing" (/spec/volumes/5/azureFile/secretName): use a Secret that belongs to this namespace [test/no]

    1 file, 1 workload: 20 denied, 0 warned, 0 swapped, 8 allowed
    "#);
}

#[test]
fn a_service_account_by_its_name_is_its_line() {
    let named =
        ACROSS.replace("  hostPID: true", "  serviceAccountName: robot").replace("name: default, n", "name: robot, n");
    let folder = Folder::with(&named).rules("[{name: no, on: [reach], action: deny}]");
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:12:23: Pod default/web
       |
    12 |   serviceAccountName: robot …
       |                       ^^^^^
       |
       = denied: the pod's ServiceAccount can read Secrets in namespace "billing" (get secrets), by ServiceAccount "robot", RoleBinding "billing/web", ClusterRole "reader", rule 0 (/spec/serviceAccountName): give it a ServiceAccount with fewer rights, or automountServiceAccountToken: false [test/no]

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 8 allowed
    "#);
}
