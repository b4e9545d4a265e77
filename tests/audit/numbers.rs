//! `--metrics-file` and `--exit-zero`.

use std::fs;

use crate::shop;

#[test]
fn the_numbers_are_in_a_file_that_is_never_half_written() {
    let cluster = shop();
    let folder = cluster.folder.path().join("textfile");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("audit.prom");
    fs::write(&file, "of the audit before").unwrap();
    let json = cluster.json(&["--metrics-file", "textfile/audit.prom"]);
    let text = fs::read_to_string(&file).unwrap();
    let sample = |name: &str| format!("\nsecretfence_audit_{name}\n");
    for (name, value) in [("owners", &json["summary"]["owners"]), ("pods", &json["summary"]["pods"])] {
        assert!(text.contains(&sample(&format!("{name} {value}"))), "{text}");
    }
    assert!(text.contains(&sample(&format!("findings{{outcome=\"denied\"}} {}", json["summary"]["denied"]))), "{text}");
    assert!(!text.contains("before"), "{text}");
    // Nothing is left beside it.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_takes_no_finding_with_it() {
    for flag in ["--metrics-file", "--save"] {
        let output = shop().audit(&[flag, "nowhere/audit.prom"]);
        assert!(output.starts_with("exit: 2\n"), "{output}");
        assert!(
            output.contains(&format!("{flag} nowhere/audit.prom: ")) && output.contains("takes Secret"),
            "{output}"
        );
    }
}

#[test]
fn who_only_reports_does_not_fail_unless_something_could_not_be_read() {
    assert!(shop().audit(&[]).starts_with("exit: 1\n"));
    assert!(shop().audit(&["--exit-zero"]).starts_with("exit: 0\n"));
    let cluster = shop().change(|state| state.forbidden = vec!["/api/v1/pods"]);
    assert!(cluster.audit(&["--exit-zero"]).starts_with("exit: 2\n"));
}
