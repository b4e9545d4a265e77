//! Which files are read, in which order.

use insta::assert_snapshot;

use crate::{CLEAN, Folder, POD};

#[test]
fn standard_input_is_the_file_dash() {
    assert_snapshot!(Folder::new().piped(&["check", "-"], POD), @r#"
    exit: 1
    --- stdout
    -:10:11: Pod default/web
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
fn empty_standard_input_is_an_error_for_the_command_before_the_pipe_may_have_failed() {
    assert_snapshot!(Folder::new().piped(&["check", "-"], "\n"), @"
    exit: 2
    --- stdout
    0 files, 0 workloads: 0 denied, 0 warned, 0 swapped, 0 allowed; 1 error
    --- stderr
    error: -: standard input is empty: did the command before the pipe fail?
    ");
}

#[test]
fn a_folder_without_manifests_is_an_error() {
    let folder = Folder::new().file("README.md", "a: [");
    assert_snapshot!(folder.run(&["check", "."]), @"
    exit: 2
    --- stdout
    0 files, 0 workloads: 0 denied, 0 warned, 0 swapped, 0 allowed; 1 error
    --- stderr
    error: .: no manifest here: name a file, or a folder that holds *.yaml, *.yml or *.json
    ");
}

#[test]
fn a_folder_is_walked_for_manifests_and_hidden_folders_are_not() {
    let folder = Folder::new()
        .file("b/2.yml", POD)
        .file("b/1.json", "{}")
        .file("a.yaml", POD)
        .file("b/c/d.yaml", POD)
        .file(".git/x.yaml", POD)
        .file("b/.cache/x.yaml", POD)
        .file("b/notes.txt", POD);
    let files: Vec<_> = folder.json(&["."])["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["file"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, ["./a.yaml", "./b/2.yml", "./b/c/d.yaml"]);
}

#[test]
fn a_file_that_is_named_is_read_whatever_it_is_called_and_once() {
    let folder = Folder::new().file("pod.txt", POD).file(".hidden/pod.yaml", POD);
    let report = folder.json(&["pod.txt", "./pod.txt", ".hidden"]);
    assert_eq!(report["summary"]["files"], 2);
    assert_eq!(report["summary"]["denied"], 2);
}

#[test]
#[cfg(unix)]
fn links_that_are_named_are_followed_and_those_on_the_way_are_not() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new().file("real/pod.yaml", POD);
    symlink("real", folder.path().join("link")).unwrap();
    symlink("../real", folder.path().join("real/circle")).unwrap();
    symlink("pod.yaml", folder.path().join("real/again.yaml")).unwrap();
    for path in ["link", "real", "link/again.yaml"] {
        assert_eq!(folder.json(&[path])["summary"]["files"], 1, "{path}");
    }
}

#[test]
fn what_is_no_kubernetes_object_is_passed_by() {
    let folder = Folder::new()
        .file("values.yaml", "image: {tag: 1}\nenv: [{valueFrom: {secretKeyRef: {name: a, key: b}}}]\n")
        .file("list.yaml", "- 1\n- 2\n")
        .file("empty.yaml", "# nothing\n")
        .file("pod.yaml", CLEAN);
    assert_snapshot!(folder.run(&["check", "."]), @"
    exit: 0
    --- stdout
    4 files, 1 workload: 0 denied, 0 warned, 0 swapped, 0 allowed
    ");
    assert_eq!(folder.json(&["."])["summary"]["documents"], 3);
}

#[test]
fn ten_thousand_findings_to_a_closed_pipe_end_quietly() {
    use std::io::Read;
    use std::process::Stdio;
    let folder = Folder::with(&format!("{POD}---\n").repeat(10_000));
    let mut child =
        folder.command(&["check", "pod.yaml"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 9];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(&first, b"pod.yaml:");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
