//! What an earlier report knows does not fail.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{CLEAN, Folder, POD};

#[test]
fn what_is_known_does_not_fail_and_what_is_gone_is_named() {
    let folder = with_baseline(Folder::with(POD).file("gone.yaml", POD.replace("name: web", "name: old")), &["."]);
    std::fs::remove_file(folder.path().join("gone.yaml")).unwrap();
    assert_snapshot!(folder.run(&["check", "--baseline", "known.json", "."]), @r#"
    exit: 0
    --- stdout
    gone: ./gone.yaml: Pod default/old: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]
    2 files, 1 workload: 0 denied, 0 warned, 0 swapped, 0 allowed; 1 in the baseline, 1 gone
    "#);
    let report = folder.json(&["--baseline", "known.json", "."]);
    assert_eq!((&report["summary"]["baseline"], &report["summary"]["denied"]), (&json!(1), &json!(0)));
    assert_eq!(report["findings"][0]["known"], true);
    let gone = &report["gone"][0];
    assert_eq!((&gone["file"], &gone["object"]["name"]), (&json!("./gone.yaml"), &json!("old")));
}

#[test]
fn a_baseline_of_other_policies_says_so_and_calls_nothing_gone() {
    let folder = with_baseline(Folder::with(POD), &["pod.yaml"])
        .rules("[{name: no-rows, on: [envFrom], action: deny, message: none}]");
    let command = |format: &str| {
        folder.run(&["check", "-p", "policy.yaml", "--format", format, "--baseline", "known.json", "pod.yaml"])
    };
    let text = command("text");
    assert!(text.contains("not judged: the baseline is of other policies (revision "), "{text}");
    assert!(text.contains("\nnot found by these policies: pod.yaml: Pod default/web"), "{text}");
    assert!(text.ends_with("0 in the baseline, 1 not found by these policies\n"), "{text}");
    for format in ["junit", "github"] {
        let text = command(format);
        assert!(text.contains("not found by these policies: pod.yaml") && !text.contains("gone: "), "{text}");
    }
}

#[test]
fn what_is_new_fails_and_is_all_that_is_shown() {
    let folder =
        with_baseline(Folder::with(POD), &["pod.yaml"]).file("new.yaml", POD.replace("key: password", "key: user"));
    assert_snapshot!(folder.run(&["check", "--baseline", "known.json", "."]), @r#"
    exit: 1
    --- stdout
    ./new.yaml:10:11: Pod default/web
       |
    10 |         - name: DB_PASSWORD
       |           ^^^^^^^^^^^^^^^^^
    11 |           valueFrom:
    12 |             secretKeyRef:
    13 |               name: db
    14 |               key: user
       |
       = denied: container "api" takes Secret "db" key "user" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [baseline/no-secrets-in-env]

    3 files, 2 workloads: 1 denied, 0 warned, 0 swapped, 0 allowed; 1 in the baseline, 0 gone
    "#);
}

#[test]
fn a_report_by_a_baseline_is_the_next_baseline() {
    let folder = with_baseline(Folder::with(POD), &["pod.yaml"]);
    let report = folder.json(&["--baseline", "known.json", "pod.yaml"]);
    std::fs::write(folder.path().join("known.json"), report.to_string()).unwrap();
    assert!(folder.run(&["check", "--baseline", "known.json", "pod.yaml"]).starts_with("exit: 0\n"));
}

#[test]
fn two_alike_in_the_baseline_excuse_two() {
    let pods = |count: usize| format!("{POD}---\n").repeat(count);
    let folder = with_baseline(Folder::with(&pods(2)), &["pod.yaml"]);
    for (count, denied, known, gone) in [(1, 0, 1, 1), (2, 0, 2, 0), (3, 1, 2, 0)] {
        let folder = Folder::with(&pods(count)).file("known.json", read(&folder, "known.json"));
        let report = folder.json(&["--baseline", "known.json", "pod.yaml"]);
        let numbers = (&report["summary"]["denied"], &report["summary"]["baseline"]);
        assert_eq!(numbers, (&json!(denied), &json!(known)), "{count}");
        assert_eq!(report["gone"].as_array().unwrap().len(), gone, "{count}");
    }
}

#[test]
fn of_two_alike_the_one_in_the_other_file_is_new() {
    let folder = with_baseline(Folder::new().file("b.yaml", POD), &["b.yaml"]).file("a.yaml", POD);
    let report = folder.json(&["--baseline", "known.json", "a.yaml", "./b.yaml"]);
    let known: Vec<(&Value, &Value)> =
        report["findings"].as_array().unwrap().iter().map(|finding| (&finding["file"], &finding["known"])).collect();
    assert_eq!(known, [(&json!("./b.yaml"), &json!(true)), (&json!("a.yaml"), &json!(false))]);
}

#[test]
fn a_moved_file_and_moved_lines_are_known() {
    let folder = with_baseline(Folder::with(POD), &["pod.yaml"]);
    let moved = Folder::new().file("b.yaml", format!("# moved\n{POD}")).file("known.json", read(&folder, "known.json"));
    let report = moved.json(&["--baseline", "known.json", "."]);
    assert_eq!((&report["summary"]["baseline"], &report["gone"]), (&json!(1), &json!([])));
}

#[test]
fn what_was_not_looked_at_or_is_broken_now_is_not_gone() {
    let folder = with_baseline(Folder::with(POD).file("a/b.yaml", POD), &["."]);
    let gone = |folder: &Folder, path: &str| {
        folder.json(&["--baseline", "known.json", path])["gone"].as_array().unwrap().len()
    };
    let folder = folder.file("a/b.yaml", CLEAN);
    assert_eq!((gone(&folder, "pod.yaml"), gone(&folder, "./a/"), gone(&folder, ".")), (0, 1, 1));
    let folder = folder.file("a/b.yaml", "a: [");
    assert_eq!(gone(&folder, "."), 0);
}

#[test]
fn a_rule_that_is_stricter_now_has_new_findings() {
    let warned = Folder::with(POD).rules("[{name: r, on: [env], action: warn}]");
    std::fs::write(warned.path().join("known.json"), warned.json(&["-p", "policy.yaml", "pod.yaml"]).to_string())
        .unwrap();
    assert!(
        warned.check(&["--baseline", "known.json", "pod.yaml"]).contains("0 warned, 0 swapped, 0 allowed; 1 in the")
    );
    let denied = warned.rules("[{name: r, on: [env], action: deny}]");
    assert!(denied.check(&["--baseline", "known.json", "pod.yaml"]).starts_with("exit: 1\n"));
    let dry = denied.policy("mode: dryRun\nrules: [{name: r, on: [env], action: deny}]");
    std::fs::write(dry.path().join("known.json"), dry.json(&["-p", "policy.yaml", "pod.yaml"]).to_string()).unwrap();
    let enforced = dry.rules("[{name: r, on: [env], action: deny}]");
    assert!(enforced.check(&["--baseline", "known.json", "pod.yaml"]).starts_with("exit: 1\n"));
}

#[test]
fn it_goes_with_standard_input() {
    let folder = Folder::new();
    let first = folder.piped(&["check", "--format", "json", "-"], POD);
    let folder = folder.file("known.json", first.split_once("--- stdout\n").unwrap().1);
    let shown = folder.piped(&["check", "--baseline", "known.json", "-"], POD);
    assert!(shown.starts_with("exit: 0\n") && shown.contains("1 in the baseline, 0 gone"), "{shown}");
    let shown = folder.piped(&["check", "--baseline", "known.json", "-"], CLEAN);
    assert!(shown.starts_with("exit: 0\n") && shown.contains("gone: -: Pod default/web: "), "{shown}");
}

#[test]
fn a_file_that_is_no_baseline_judges_nothing_and_says_how_to_make_one() {
    let folder = Folder::with(POD)
        .file("list.json", "[]")
        .file("broken.json", "{\"formatVersion\": 1,\n\"findings\": \"hunter2")
        .file("words.json", "{\"formatVersion\": 1, \"findings\": [\"hunter2\"]}")
        .file("next.json", "{\"formatVersion\": 2}");
    for (file, problem) in [
        ("absent.json", "cannot be read: No such file or directory (os error 2)"),
        ("list.json", "this is no report (line 1, column 2)"),
        ("broken.json", "this is no report (line 2, column 20)"),
        ("words.json", "this is no report (line 1, column 43)"),
        ("next.json", "its formatVersion is 2, and this version reads 1"),
    ] {
        let expected = format!(
            "exit: 2\n--- stderr\nerror: --baseline {file}: {problem}, so nothing was judged: make one by secretfence check \
             --format json PATH… > FILE, with the same policies\n"
        );
        assert_eq!(folder.run(&["check", "--baseline", file, "pod.yaml"]), expected);
    }
}

#[test]
fn hostile_words_of_a_baseline_are_escaped() {
    let folder = with_baseline(Folder::with(POD), &["pod.yaml"]);
    let mut known: Value = serde_json::from_str(&read(&folder, "known.json")).unwrap();
    known["findings"][0]["message"] = json!("a\u{1b}[31m\n::error::b ##[error]c\u{202e}");
    known["findings"][0]["fingerprint"] = json!("0");
    let folder = folder.file("known.json", known.to_string());
    for format in ["text", "json", "sarif", "junit", "github"] {
        let shown = folder.run(&["check", "--format", format, "--baseline", "known.json", "pod.yaml"]);
        assert!(!shown.contains(['\u{1b}', '\u{202e}']) && !shown.contains("\n::error::b"), "{shown}");
        assert!(format != "github" || !shown.contains("##["), "{shown}");
    }
}

fn with_baseline(folder: Folder, paths: &[&str]) -> Folder {
    let report = folder.json(paths).to_string();
    folder.file("known.json", report)
}

fn read(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap()
}
