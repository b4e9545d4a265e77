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
    assert_snapshot!(Folder::new().file("pod.json", pod).run(&["check", "pod.json"]));
}

#[test]
fn a_whole_pod_on_one_line_shows_only_the_reference() {
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"api","env":[{"name":"LITERAL","value":"hunter2"},{"name":"A","valueFrom":{"secretKeyRef":{"name":"db","key":"a"}}},{"name":"LATER","value":"hunter3"}]}]}}"#;
    assert_snapshot!(Folder::new().file("pod.json", pod).run(&["check", "pod.json"]));
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
    assert_snapshot!(Folder::with(pod).run(&["check", "pod.yaml"]));
}

#[test]
fn carriage_returns_and_multiple_documents_keep_their_lines() {
    let file = format!("# a comment\n---\n{POD}---\n---\n{POD}").replace('\n', "\r\n");
    assert_snapshot!(Folder::with(&file).run(&["check", "pod.yaml"]));
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
    assert_snapshot!(Folder::with(pod).run(&["check", "pod.yaml"]));
}

#[test]
fn a_field_before_the_name_is_the_place() {
    let pod = POD.replace("        - name: DB_PASSWORD\n          valueFrom:", "        - valueFrom:")
        + "          name: DB_PASSWORD\n";
    assert_snapshot!(Folder::with(&pod).run(&["check", "pod.yaml"]));
}
