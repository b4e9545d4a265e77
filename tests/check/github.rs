//! Annotations of GitHub Actions.

use insta::assert_snapshot;

use crate::{Folder, POD};

#[test]
fn the_worst_comes_first_and_the_rest_is_a_group() {
    let pod = format!("{POD}  volumes: [{{name: v, secret: {{secretName: tls}}}}]\n");
    let folder = Folder::with(&pod)
        .file("broken.yaml", "a: [")
        .policy("rules: [{name: hm, on: [volume], action: warn}, {name: no, on: [env], action: deny, message: \"100%: mount it\"}]");
    assert_snapshot!(folder.check(&["--format", "github", "./pod.yaml", "broken.yaml"]), @r#"
    exit: 2
    --- stdout
    ::error file=broken.yaml,line=1,col=4,endLine=1,title=cannot be judged::broken.yaml: unclosed bracket '[': correct the YAML here
    ::error file=pod.yaml,line=10,col=11,endLine=10,endColumn=27,title=Pod default/web%3A secretKeyRef::denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): 100%25: mount it [test/no]
    ::warning file=pod.yaml,line=15,col=31,endLine=15,endColumn=47,title=Pod default/web%3A volume::warned: volume "v" holds Secret "tls" (/spec/volumes/0/secret): this policy does not let the pod have this volume [test/hm]
    ::group::secretfence: 2 files, 1 workload: 1 denied, 1 warned, 0 swapped, 0 allowed; 1 error
    ::endgroup::
    "#);
}

#[test]
fn standard_input_is_no_file_of_the_runner() {
    let shown = Folder::new().piped(&["check", "--format", "github", "-"], POD);
    assert!(shown.contains("\n::error title=Pod default/web%3A secretKeyRef::denied: container "), "{shown}");
}

#[test]
fn a_dry_run_and_a_swap_are_notices() {
    let dry_run = Folder::with(POD).policy("mode: dryRun\nrules: [{name: no, on: [env], action: deny}]");
    let shown = dry_run.check(&["--format", "github", "pod.yaml"]);
    assert!(shown.starts_with("exit: 0\n--- stdout\n::notice ") && shown.contains("::denied (dry run): "), "{shown}");
    let swap = Folder::with(POD).rules("[{name: swap, on: [secretKeyRef], action: mount}]");
    let shown = swap.check(&["--format", "github", "pod.yaml"]);
    assert!(shown.starts_with("exit: 0\n--- stdout\n::notice ") && shown.contains("::swapped: "), "{shown}");
}

#[test]
fn no_name_makes_a_command() {
    let pod = POD
        .replace("name: DB_PASSWORD", "name: \"x\\n::error::y ##[error]z\"")
        .replace("name: web", "name: \"a,line=1::b\\r\\n::stop-commands::c\"");
    let folder = Folder::new().file("a,b:c%\n::warning::.yaml", &pod);
    let shown = folder.run(&["check", "--format", "github", "."]);
    let lines: Vec<&str> = shown.lines().skip(2).collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[0].starts_with("::error file=a%2Cb%3Ac%25\\u{a}%3A%3Awarning%3A%3A.yaml,line=10,"), "{shown}");
    assert!(lines[0].contains("title=Pod default/a%2Cline=1%3A%3Ab\\u{d}\\u{a}%3A%3Astop-commands"), "{shown}");
}
