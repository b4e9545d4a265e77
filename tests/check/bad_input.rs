//! What cannot be read or judged: exit 2, the place, the way out, and the rest still judged.

use insta::assert_snapshot;

use crate::{CLEAN, Folder, POD};

/// Broken input beside a pod that is denied.
fn beside_a_pod(content: impl AsRef<[u8]>) -> String {
    let shown = Folder::new().file("a.yaml", content).file("b.yaml", POD).run(&["check", "."]);
    assert!(shown.starts_with("exit: 2\n") && shown.contains("./b.yaml:10:11: Pod default/web"), "{shown}");
    shown.split_once("--- stderr\n").expect("an error").1.to_owned()
}

#[test]
fn broken_yaml_is_an_error_and_the_rest_is_judged() {
    let folder = Folder::new().file("a.yaml", "a: [1, 2\nb: }").file("b.yaml", POD);
    assert_snapshot!(folder.run(&["check", "."]), @r#"
    exit: 2
    --- stdout
    ./b.yaml:10:11: Pod default/web
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
    error: ./a.yaml:2:2: illegal placement of ':' indicator: correct the YAML here
    "#);
}

#[test]
fn the_other_documents_of_a_broken_file_are_judged() {
    let shown = Folder::with(&format!("{POD}---\na: 1\na: 2\n---\n{POD}")).run(&["check", "pod.yaml"]);
    assert_snapshot!(shown, @r#"
    exit: 2
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

    1 file, 2 workloads: 2 denied, 0 warned, 0 swapped, 0 allowed; 1 error
    --- stderr
    error: pod.yaml:17:1: the key "a" is given twice (first on line 16): remove one
    "#);
}

#[test]
fn tabs() {
    assert_snapshot!(beside_a_pod("apiVersion: v1\nkind: Pod\nspec:\n\tcontainers: []\n"), @"error: ./a.yaml:4:1: a tab in the indentation: indent with spaces");
}

#[test]
fn nul_bytes() {
    assert_snapshot!(beside_a_pod(b"apiVersion: v1\nkind: P\0od\n"), @"error: ./a.yaml:2:8: a control character (0x00): remove it, or write it as an escape in double quotes");
}

#[test]
fn bytes_that_are_not_utf_8() {
    assert_snapshot!(beside_a_pod(b"apiVersion: v1\nkind: P\xffod\n"), @"error: ./a.yaml:2:8: bytes that are not UTF-8: save the file as UTF-8");
}

#[test]
fn utf_16() {
    assert_snapshot!(beside_a_pod(b"\xff\xfea\0:\0"), @"error: ./a.yaml:1:1: the file is UTF-16 or UTF-32: save it as UTF-8");
}

#[test]
fn duplicate_keys() {
    assert_snapshot!(beside_a_pod("apiVersion: v1\nkind: Pod\nspec: {}\nspec: {}\n"), @r#"error: ./a.yaml:4:1: the key "spec" is given twice (first on line 3): remove one"#);
}

#[test]
fn broken_json() {
    assert_snapshot!(beside_a_pod("{\"apiVersion\": \"v1\",\n \"kind\": \"Pod\" \"spec\": {}}"), @"error: ./a.yaml:2:16: invalid trailing content after double-quoted scalar: correct the YAML here");
}

#[test]
fn an_alias_bomb_in_an_object_and_out_of_one() {
    let bomb = |head: &str| {
        let mut bomb = format!("{head}a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        bomb
    };
    assert_snapshot!(beside_a_pod(bomb("")), @"error: ./a.yaml:7:20: aliases that expand to more than 16 MiB: write the values out");
    assert_snapshot!(beside_a_pod(bomb("apiVersion: v1\nkind: ConfigMap\n")), @"error: ./a.yaml:9:20: aliases that expand to more than 16 MiB: write the values out");
}

#[test]
fn nesting_over_128_levels() {
    assert_snapshot!(beside_a_pod(format!("a: {}{}", "[".repeat(200), "]".repeat(200))), @"error: ./a.yaml:1:131: nested more than 128 levels deep: flatten the document");
    // Where a recursive reader would have no stack left.
    assert_snapshot!(beside_a_pod(format!("a: {}", "[".repeat(2_000_000))), @"error: ./a.yaml:1:259: nested more than 128 levels deep: flatten the document");
}

#[test]
fn a_document_over_16_mib() {
    let filler =
        "  - xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n";
    let huge = format!("{CLEAN}---\na:\n{}", filler.repeat((17 << 20) / filler.len()));
    assert_snapshot!(beside_a_pod(huge), @"error: ./a.yaml:6:1: a document of more than 16 MiB: split it");
}

#[test]
fn a_file_over_64_mib_is_not_read() {
    let folder = Folder::new().file("b.yaml", POD);
    // Sparse: it takes no room, and would take long to read.
    std::fs::File::create(folder.path().join("a.yaml")).unwrap().set_len(10 << 30).unwrap();
    let shown = folder.run(&["check", "."]);
    assert_snapshot!(shown.split_once("--- stderr\n").expect("an error").1, @"error: ./a.yaml: a file of more than 64 MiB: split it");
}

#[test]
fn an_unrendered_helm_template_is_told_what_to_do() {
    assert_snapshot!(beside_a_pod(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n  {{- if .x }}\n"
    ), @"error: ./a.yaml:4:9: this is an unrendered Helm template: render it first: helm template … | secretfence check -");
}

#[test]
fn a_field_of_the_wrong_shape_has_its_line() {
    let pod = POD.replace("      env:\n", "      env: {}\n      x:\n");
    assert_snapshot!(beside_a_pod(pod), @"error: ./a.yaml:9:12: this is no Pod: /spec/containers/0/env: expected a list");
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        POD.replace("      image", "      ports: 80\n      image")
            .replace("key: password", "key: [password]")
            .replace('\n', "\n  ")
    );
    assert_snapshot!(beside_a_pod(list), @"error: ./a.yaml:18:22: this is no Pod: /spec/containers/0/env/0/valueFrom/secretKeyRef/key: expected a string");
}

#[test]
fn a_path_that_is_not_there() {
    assert_snapshot!(Folder::with(POD).run(&["check", "nowhere.yaml", "pod.yaml"]), @r#"
    exit: 2
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

    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed; 1 error
    --- stderr
    error: nowhere.yaml: there is no such file or folder
    "#);
}

#[test]
#[cfg(unix)]
fn a_file_that_vanishes_or_cannot_be_read() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::with(CLEAN).file("closed.yaml", CLEAN);
    symlink("gone.yaml", folder.path().join("link.yaml")).unwrap();
    assert_snapshot!(folder.run(&["check", "link.yaml", "pod.yaml"]), @"
    exit: 2
    --- stdout
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 0 allowed; 1 error
    --- stderr
    error: link.yaml: there is no such file or folder
    ");
    std::fs::set_permissions(folder.path().join("closed.yaml"), PermissionsExt::from_mode(0o000)).unwrap();
    // To root nothing is closed.
    if std::fs::read(folder.path().join("closed.yaml")).is_err() {
        let shown = folder.run(&["check", "."]);
        assert!(shown.starts_with("exit: 2\n") && shown.contains("closed.yaml: cannot be read"), "{shown}");
    }
}

#[test]
#[cfg(unix)]
fn a_device_is_not_read() {
    assert_snapshot!(Folder::with(CLEAN).run(&["check", "/dev/zero", "pod.yaml"]), @"
    exit: 2
    --- stdout
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 0 allowed; 1 error
    --- stderr
    error: /dev/zero: neither a file nor a folder: what comes through a pipe is named -
    ");
}

#[test]
fn errors_are_rows_of_the_json_too() {
    let folder = Folder::with(&format!("{CLEAN}---\na: 1\na: 2\n"));
    let report = folder.json(&["pod.yaml", "nowhere"]);
    assert_snapshot!(serde_json::to_string_pretty(&report["errors"]).unwrap(), @r#"
    [
      {
        "column": null,
        "document": null,
        "file": "nowhere",
        "line": null,
        "message": "there is no such file or folder"
      },
      {
        "column": 1,
        "document": "1",
        "file": "pod.yaml",
        "line": 8,
        "message": "the key \"a\" is given twice (first on line 7): remove one"
      }
    ]
    "#);
    assert_eq!(report["summary"]["errors"], 2);
    assert_eq!(report["summary"]["documents"], 2);
}
