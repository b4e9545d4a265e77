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
