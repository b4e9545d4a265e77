//! No value of the input leaves it, and nothing of the input acts on a terminal.

use insta::assert_snapshot;

use crate::{Folder, POD};

const FORMATS: [&str; 5] = ["text", "json", "sarif", "junit", "github"];

/// Every place near a reference where a value can stand, in every style.
const CROWDED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, annotations: {note: hunter2}}
spec:
  containers:
    - name: api
      image: api
      args: [--password=hunter2]
      env:
        - {name: A, value: hunter2, valueFrom: {secretKeyRef: {name: db, key: a}}}
        - {value: "hunter2", name: B, valueFrom: {secretKeyRef: {key: b, hunter2: hunter2, name: db}}}
        - value: hunter2
          name: C # hunter2
          valueFrom: # hunter2
            secretKeyRef: {name: db, key: c} # hunter2
        - name: D
          value: |
            hunter2
            hunter2
          valueFrom: {secretKeyRef: {name: db, key: d}}
        - {name: E, value: 'hunter2
            hunter2', valueFrom: {secretKeyRef: {name: db, key: e}}}
        - {"name": "F", "value": "}, hunter2, {", "valueFrom": {"secretKeyRef": {"name": "db", "key": "f"}}}
        - name: G
          valueFrom: {secretKeyRef: {name: db, key: g, optional: true}, hunter2: {a: hunter2}}
      envFrom:
        - {hunter2: hunter2, secretRef: {name: all}, prefix: P_}
  volumes:
    - {name: v, hostPath: {path: /srv}, secret: {secretName: tls, items: [{key: k, path: hunter2}]}}
    - {name: c, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {password: hunter2}, nodePublishSecretRef: {name: node}}}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: hunter2}
data: {password: aHVudGVyMg==}
"#;

#[test]
fn no_value_beside_a_reference_is_shown_in_any_form() {
    let folder = Folder::with(CROWDED).rules("[{name: all, on: [any], action: mount, mount: {besideEnvFrom: swap}}]");
    let unknown_members = "\"hunter2\", a source unknown to this version";
    for format in FORMATS {
        for more in [&["--all"][..], &[]] {
            let shown = folder.check(&[&["--format", format, "pod.yaml"], more].concat());
            // The name of a field that we do not know is what the finding is about; nothing else may hold the word.
            let rest = shown
                .replace(unknown_members, "")
                .replace(&unknown_members.replace('"', "\\\""), "")
                .replace(&unknown_members.replace('"', "&quot;"), "");
            assert!(!rest.contains("hunter2") && !rest.contains("aHVudGVyMg"), "{rest}");
            assert!(shown.contains("takes Secret"), "{shown}");
        }
    }
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 1
    --- stdout
    pod.yaml:9:14: Pod default/web
      |
    9 | …
      | ^
      |
      = warned: container "api" has what may be a credential in clear (by its name) in its args as password (/spec/containers/0/args/0): cannot be swapped safely: literal has no swap; take it from a Secret as a file, and change it: whoever reads the manifest knows it; it is a guess, so a warning where the rule says mount [test/all]

    pod.yaml:11:11: Pod default/web
       |
    11 |         - {name: A, … valueFrom: {secretKeyRef: {name: db, key: a}}}
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" takes Secret "db" key "a" as env A (/spec/containers/0/env/0): cannot be swapped safely: volume has no swap; mount it as a file [test/all]

    pod.yaml:12:11: Pod default/web
       |
    12 |         … name: B, valueFrom: {secretKeyRef: {key: b, … name: db}}}
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" takes Secret "db" key "b" as env B (/spec/containers/0/env/1): cannot be swapped safely: volume has no swap; mount it as a file [test/all]

    pod.yaml:13:11: Pod default/web
       |
    14 |           name: C …
       |           ^^^^^^^
    15 |           valueFrom: …
    16 |             secretKeyRef: {name: db, key: c …
       |
       = denied: container "api" takes Secret "db" key "c" as env C (/spec/containers/0/env/2): cannot be swapped safely: volume has no swap; mount it as a file [test/all]

    pod.yaml:17:11: Pod default/web
       |
    17 |         - name: D
       |           ^^^^^^^
    21 |           valueFrom: {secretKeyRef: {name: db, key: d}}
       |
       = denied: container "api" takes Secret "db" key "d" as env D (/spec/containers/0/env/3): cannot be swapped safely: volume has no swap; mount it as a file [test/all]

    pod.yaml:22:11: Pod default/web
       |
    22 |         - {name: E, …
       |            ^^^^^^^
    23 |             … valueFrom: {secretKeyRef: {name: db, key: e}}}
       |
       = denied: container "api" takes Secret "db" key "e" as env E (/spec/containers/0/env/4): cannot be swapped safely: volume has no swap; mount it as a file [test/all]

    pod.yaml:24:11: Pod default/web
       |
    24 |         - {"name": "F", … "valueFrom": {"secretKeyRef": {"name": "db", "key": "f"}}}
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" takes Secret "db" key "f" as env F (/spec/containers/0/env/5): cannot be swapped safely: volume has no swap; mount it as a file [test/all]

    pod.yaml:25:11: Pod default/web
       |
    25 |         - name: G
       |           ^^^^^^^
    26 |           valueFrom: {secretKeyRef: {name: db, key: g, …
       |
       = denied: container "api" takes Secret "db" key "g" as env G (/spec/containers/0/env/6): cannot be swapped safely: volume has no swap; mount it as a file [test/all]

    pod.yaml:25:11: Pod default/web
       |
    25 |         - name: G
       |           ^^^^^^^
    26 |           valueFrom: …
       |
       = denied: container "api" takes env G from "hunter2", a source unknown to this version (/spec/containers/0/env/6): cannot be swapped safely: unknownSource has no swap; a newer secretfence may know it; until then a rule on unknownSource decides [test/all]

    pod.yaml:28:11: Pod default/web
       |
    28 |         … secretRef: {name: all}, prefix: P_}
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = denied: container "api" takes all keys of Secret "all" as env with prefix P_ (/spec/containers/0/envFrom/0): cannot be swapped safely: volume has no swap; mount its keys as files [test/all]

    pod.yaml:28:11: Pod default/web
       |
    28 | …
       | ^
       |
       = denied: container "api" takes env from "hunter2", a source unknown to this version (/spec/containers/0/envFrom/0): cannot be swapped safely: unknownSource has no swap; a newer secretfence may know it; until then a rule on unknownSource decides [test/all]

    pod.yaml:30:27: Pod default/web
       |
    30 |     … hostPath: {path: /srv …
       |                  ^^^^^^^^^^
       |
       = denied: volume "v" shows the node's path "/srv", the cluster's keys and kubeconfigs of kOps (/spec/volumes/0/hostPath): cannot be swapped safely: nodeAccess has no swap; the node holds other pods' Secrets: do without, or ask who runs the cluster for an exception [test/all]

    pod.yaml:30:49: Pod default/web
       |
    30 |     … secret: {secretName: tls, …
       |                ^^^^^^^^^^^^^^^
       |
       = denied: volume "v" holds Secret "tls" key "k" (/spec/volumes/0/secret): cannot be swapped safely: volume has no swap; this policy does not let the pod have this volume [test/all]

    pod.yaml:31:118: Pod default/web
       |
    31 |     … nodePublishSecretRef: {name: node}}}
       |                              ^^^^^^^^^^
       |
       = denied: volume "c" hands Secret "node" to CSI driver "secrets-store.csi.k8s.io" (/spec/volumes/1/csi/nodePublishSecretRef): cannot be swapped safely: csi has no swap; this policy does not let the pod have this volume [test/all]

    pod.yaml:31:86: Pod default/web
       |
    31 |     … password: …
       |                 ^
       |
       = warned: volume "c" has what may be a credential in clear (by its name) in attribute password (/spec/volumes/1/csi/volumeAttributes/password): cannot be swapped safely: literal has no swap; take it from a Secret as a file, and change it: whoever reads the manifest knows it; it is a guess, so a warning where the rule says mount [test/all]

    1 file, 1 workload: 13 denied, 2 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn no_value_is_shown_in_an_error() {
    let broken = [
        POD.replace("name: DB_PASSWORD", "name: [hunter2]"),
        POD.replace("env:\n", "env: hunter2\n      x:\n"),
        POD.replace(
            "        - name: DB_PASSWORD",
            "        - name: A\n          value: {hunter2: hunter2}\n        - name: B",
        ),
        POD.replace("        - name: DB_PASSWORD", "        - name: A\n          value: \"hunter2\n        - name: B"),
        POD.replace("        - name: DB_PASSWORD", "        - name: A\n         value: hunter2\n        - name: B"),
        POD.replace(
            "        - name: DB_PASSWORD",
            "        - name: A\n          value: !!int hunter2\n        - name: B",
        ),
        POD.replace("        - name: DB_PASSWORD", "        - name: A\n          value: *hunter2\n        - name: B"),
        POD.replace(
            "        - name: DB_PASSWORD",
            "        - name: A\n          value: \"\\hunter2\"\n        - name: B",
        ),
        POD.replace("        - name: DB_PASSWORD", "        - name: A\n\tvalue: hunter2\n        - name: B"),
    ];
    for content in broken {
        for format in FORMATS {
            let shown = Folder::with(&content).run(&["check", "--format", format, "pod.yaml"]);
            assert!(shown.starts_with("exit: 2\n"), "{content}\n{shown}");
            assert!(!shown.contains("hunter2"), "{content}\n{shown}");
        }
    }
}

#[test]
fn hostile_names_are_escaped_and_cut() {
    let hostile = "\\e[31mred\\e]8;;evil\\a \\u202egnp.exe \\u2028::error::x";
    let pod = POD
        .replace("name: DB_PASSWORD", &format!("name: \"{hostile}\""))
        .replace("name: db", "name: \"a\u{202e}b\\x9b31m\u{200b}\"")
        .replace("name: api", &format!("name: {}", "x".repeat(1 << 20)));
    let folder = Folder::with(&pod);
    let text = folder.run(&["check", "pod.yaml"]);
    let json = folder.run(&["check", "--format", "json", "pod.yaml"]);
    for shown in [&text, &json] {
        assert!(shown.len() < 16_384, "{} bytes", shown.len());
        let acts = |character: char| {
            character.is_control() && character != '\n' || "\u{202e}\u{200b}\u{2028}".contains(character)
        };
        assert!(!shown.contains(acts), "{shown:?}");
    }
    assert_snapshot!(text, @r#"
    exit: 1
    --- stdout
    pod.yaml:10:11: Pod default/web
       |
    10 |         - name: "\e[31mred\e]8;;evil\a \u202egnp.exe \u2028::error::x"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: "a\u{202e}b\x9b31m\u{200b}"
    14 |               key: password
       |
       = denied: container "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" takes Secret "a\u{202e}b\u{9b}31m\u{200b}" key "password" as env "\u{1b}[31mred\u{1b}]8;;evil\u{7} \u{202e}gnp.exe \u{2028}::error::x" (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn hostile_file_names_are_escaped() {
    let folder = Folder::new().file("a\u{1b}[31m\u{202e}\n.yaml", POD).file("b\u{1b}.yaml", "a: [");
    let text = folder.run(&["check", "."]);
    assert_snapshot!(text, @r#"
    exit: 2
    --- stdout
    ./a\u{1b}[31m\u{202e}\u{a}.yaml:10:11: Pod default/web
       |
    10 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: password
       |
       = denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    2 files, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed; 1 error
    --- stderr
    error: ./b\u{1b}.yaml:1:4: unclosed bracket '[': correct the YAML here
    "#);
    let json = folder.json(&["."]);
    assert_eq!(json["findings"][0]["file"], "./a\u{1b}[31m\u{202e}\n.yaml");
}

#[test]
fn a_huge_name_in_a_pointer_of_a_custom_resource_is_cut_in_words_and_exact_in_json() {
    let key = "k".repeat(300);
    let widget = format!(
        "apiVersion: example.com/v1\nkind: Widget\nspec:\n  by-name:\n    ? {key}/\u{202e}\n    : {{spec: {{containers: [{{name: a, \
         envFrom: [{{secretRef: {{name: s}}}}]}}]}}}}\n"
    );
    let rows = "apiVersion: secretfence.dev/v1alpha1\nkind: PodTemplates\nmetadata: {name: widgets}\nspec:\n  rows:\n  \
                - {group: example.com, versions: [v1], resource: widgets, kind: Widget, paths: ['spec.by-name[*]']}\n";
    let folder = Folder::with(&widget).rules("[{name: no, on: [env], action: deny}]").file("rows.yaml", rows);
    let report = folder.json(&["-p", "policy.yaml", "-p", "rows.yaml", "pod.yaml"]);
    let finding = &report["findings"][0];
    assert_eq!(finding["pointer"], format!("/spec/by-name/{key}~1\u{202e}/spec/containers/0/envFrom/0"));
    assert!(finding["message"].as_str().unwrap().len() < 800);
    assert_eq!((finding["line"].as_u64(), finding["column"].as_u64()), (Some(6), Some(48)));
}

#[test]
fn no_report_tells_how_long_a_value_is() {
    let pod = |container: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{containers: [{{name: a, {container}}}]}}}}\n"
        )
    };
    let rules = "[{name: all, on: [any, clear], action: deny}]";
    for layout in [
        pod("env: [{name: A, value: VALUE}]"),
        pod("env: [{value: VALUE, name: A}]"),
        pod("args: [run, VALUE]"),
        pod("lifecycle: {preStop: {httpGet: {port: 80, httpHeaders: [{value: VALUE, name: A}]}}}"),
        pod("env: [{name: A, value: \"vault:secret/data/VALUE#key\"}]"),
        "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {password: VALUE}}\n".to_owned(),
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\ndata:\n  password: VALUE\n  other: VALUE\n".to_owned(),
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  url: VALUE # of the queue\n".to_owned(),
        "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"a\"}, \"data\": {\"url\": \"VALUE\"}}\n".to_owned(),
    ] {
        for format in FORMATS {
            let shown = |value: &str| {
                Folder::with(&layout.replace("VALUE", value)).rules(rules).check(&["--format", format, "pod.yaml"])
            };
            let (short, long) = (shown("amqp://shop:8fk2PQx0d@queue"), shown("amqp://shop:8fk2PQx0d8fk2PQx0d8fk2@queue"));
            assert!(short.starts_with("exit: 1\n"), "{short}");
            assert!(short == long, "{short}\n{long}");
        }
    }
}
