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
    assert_snapshot!(folder.run(&["check", "."]));
}

#[test]
fn the_other_documents_of_a_broken_file_are_judged() {
    let shown = Folder::with(&format!("{POD}---\na: 1\na: 2\n---\n{POD}")).run(&["check", "pod.yaml"]);
    assert_snapshot!(shown);
}

#[test]
fn tabs() {
    assert_snapshot!(beside_a_pod("apiVersion: v1\nkind: Pod\nspec:\n\tcontainers: []\n"));
}

#[test]
fn nul_bytes() {
    assert_snapshot!(beside_a_pod(b"apiVersion: v1\nkind: P\0od\n"));
}

#[test]
fn bytes_that_are_not_utf_8() {
    assert_snapshot!(beside_a_pod(b"apiVersion: v1\nkind: P\xffod\n"));
}

#[test]
fn utf_16() {
    assert_snapshot!(beside_a_pod(b"\xff\xfea\0:\0"));
}

#[test]
fn duplicate_keys() {
    assert_snapshot!(beside_a_pod("apiVersion: v1\nkind: Pod\nspec: {}\nspec: {}\n"));
}

#[test]
fn broken_json() {
    assert_snapshot!(beside_a_pod("{\"apiVersion\": \"v1\",\n \"kind\": }"));
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
    assert_snapshot!(beside_a_pod(bomb("")));
    assert_snapshot!(beside_a_pod(bomb("apiVersion: v1\nkind: ConfigMap\n")));
}

#[test]
fn nesting_over_128_levels() {
    assert_snapshot!(beside_a_pod(format!("a: {}{}", "[".repeat(200), "]".repeat(200))));
    // Where a recursive reader would have no stack left.
    assert_snapshot!(beside_a_pod(format!("a: {}", "[".repeat(2_000_000))));
}

#[test]
fn a_document_over_16_mib() {
    let filler =
        "  - xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n";
    let huge = format!("{CLEAN}---\na:\n{}", filler.repeat((17 << 20) / filler.len()));
    assert_snapshot!(beside_a_pod(huge));
}

#[test]
fn a_file_over_64_mib_is_not_read() {
    let folder = Folder::new().file("b.yaml", POD);
    // Sparse: it takes no room, and would take long to read.
    std::fs::File::create(folder.path().join("a.yaml")).unwrap().set_len(10 << 30).unwrap();
    let shown = folder.run(&["check", "."]);
    assert_snapshot!(shown.split_once("--- stderr\n").expect("an error").1);
}

#[test]
fn an_unrendered_helm_template_is_told_what_to_do() {
    assert_snapshot!(beside_a_pod(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n  {{- if .x }}\n"
    ));
}

#[test]
fn a_field_of_the_wrong_shape_has_its_line() {
    let pod = POD.replace("      env:\n", "      env: {}\n      x:\n");
    assert_snapshot!(beside_a_pod(pod));
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        POD.replace("      image", "      ports: 80\n      image")
            .replace("key: password", "key: [password]")
            .replace('\n', "\n  ")
    );
    assert_snapshot!(beside_a_pod(list));
}

#[test]
fn a_path_that_is_not_there() {
    assert_snapshot!(Folder::with(POD).run(&["check", "nowhere.yaml", "pod.yaml"]));
}

#[test]
#[cfg(unix)]
fn a_file_that_vanishes_or_cannot_be_read() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::with(CLEAN).file("closed.yaml", CLEAN);
    symlink("gone.yaml", folder.path().join("link.yaml")).unwrap();
    assert_snapshot!(folder.run(&["check", "link.yaml", "pod.yaml"]));
    std::fs::set_permissions(folder.path().join("closed.yaml"), PermissionsExt::from_mode(0)).unwrap();
    // To root nothing is closed.
    if std::fs::read(folder.path().join("closed.yaml")).is_err() {
        let shown = folder.run(&["check", "."]);
        assert!(shown.starts_with("exit: 2\n") && shown.contains("closed.yaml: cannot be read"), "{shown}");
    }
}

#[test]
#[cfg(unix)]
fn a_device_is_not_read() {
    assert_snapshot!(Folder::with(CLEAN).run(&["check", "/dev/zero", "pod.yaml"]));
}

#[test]
fn errors_are_rows_of_the_json_too() {
    let folder = Folder::with(&format!("{CLEAN}---\na: 1\na: 2\n"));
    let report = folder.json(&["pod.yaml", "nowhere"]);
    assert_snapshot!(serde_json::to_string_pretty(&report["errors"]).unwrap());
    assert_eq!(report["summary"]["errors"], 2);
    assert_eq!(report["summary"]["documents"], 2);
}
