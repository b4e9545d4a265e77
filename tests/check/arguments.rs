//! What is typed.

use insta::assert_snapshot;

use crate::{CLEAN, Folder, POD};

#[test]
fn a_day_that_is_none_is_an_error_that_says_what_is_expected() {
    for day in ["2027-02-30", "tomorrow", "2027-3-1", "2027-03-31T00:00"] {
        let shown = Folder::with(CLEAN).run(&["check", "--as-of", day, "pod.yaml"]);
        assert!(shown.starts_with("exit: 2\n") && shown.contains("YYYY-MM-DD"), "{shown}");
    }
}

#[test]
fn a_format_that_is_none_is_an_error() {
    assert_snapshot!(Folder::with(CLEAN).run(&["check", "--format", "xml", "pod.yaml"]), @"
    exit: 2
    --- stderr
    error: invalid value 'xml' for '--format <FORMAT>'
      [possible values: text, json, sarif, junit, github]

    For more information, try '--help'.
    ");
}

#[test]
fn without_a_path_there_is_a_usage_error() {
    assert_snapshot!(Folder::new().run(&["check"]), @"
    exit: 2
    --- stderr
    error: the following required arguments were not provided:
      <PATH>...

    Usage: secretfence check <PATH>...

    For more information, try '--help'.
    ");
}

#[test]
fn policies_that_cannot_be_used_judge_nothing() {
    let folder = Folder::with(POD).rules("[{name: no, on: [env], action: denny}]");
    assert_snapshot!(folder.check(&["pod.yaml"]), @r#"
    exit: 2
    --- stderr
    error: the policies cannot be used, so nothing was judged:
    policy.yaml:5:41: spec.rules[0].action: "denny" is not known here (did you mean "deny"?); expected one of allow, warn, mount, deny
    "#);
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let folder = Folder::with(POD);
    assert!(!folder.run(&["check", "pod.yaml"]).contains('\u{1b}'));
    assert!(!folder.run(&["check", "--color", "never", "pod.yaml"]).contains('\u{1b}'));
    assert!(folder.run(&["check", "--color", "always", "pod.yaml"]).contains("\u{1b}[1;31mdenied\u{1b}[0m"));
    let output =
        folder.command(&["check", "pod.yaml"]).env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!crate::shown(&output).contains('\u{1b}'));
}

#[test]
fn a_namespace_that_cannot_be_is_refused() {
    for command in [&["check"][..], &["fix"], &["policy", "explain"]] {
        for name in ["Bad NS", "", "a/b"] {
            let text = Folder::with(CLEAN).run(&[command, &["--namespace", name, "pod.yaml"]].concat());
            assert!(text.starts_with("exit: 2\n") && text.contains("expected the name of a namespace"), "{text}");
        }
    }
}
