//! A credential within a value of several lines is shown at its own line, and by every form at the same.

use insta::assert_snapshot;
use serde_json::Value;

use crate::Folder;

const URL: &str = "postgres://shop:Zk8vQ2mX9tLw@db.internal/shop";

fn folder(manifest: &str) -> Folder {
    Folder::with(&manifest.replace("URL", URL)).rules("[{name: clear, on: [literal], action: deny}]")
}

/// The line that all forms say.
fn line(manifest: &str) -> u64 {
    let folder = folder(manifest);
    let report = folder.json(&["-p", "policy.yaml", "pod.yaml"]);
    let line = report["findings"][0]["line"].as_u64().unwrap();
    assert_eq!(report["findings"][0]["format"], "URL with a password", "{report:#}");
    let text = folder.check(&["pod.yaml"]);
    assert!(text.contains(&format!("pod.yaml:{line}:")), "{text}");
    let marked = text.lines().zip(text.lines().skip(1)).find(|(_, below)| below.contains("^")).unwrap().0;
    assert_eq!(marked.split_once('|').unwrap().0.trim(), line.to_string(), "{text}");
    let annotations = folder.check(&["--format", "github", "pod.yaml"]);
    assert!(annotations.contains(&format!("line={line},")), "{annotations}");
    let sarif = folder.check(&["--format", "sarif", "pod.yaml"]);
    let sarif = sarif.split_once("--- stdout\n").unwrap().1;
    let sarif: Value = serde_json::from_str(sarif).unwrap();
    let region = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"], line, "{region:#}");
    assert!(!text.contains("Zk8v") && !annotations.contains("Zk8v"));
    line
}

const SETTINGS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  app.conf: |
    threads: 4
    # the database
    database: URL
    log: info
";

#[test]
fn the_heading_and_the_excerpt_show_the_line_of_the_credential() {
    let text = folder(SETTINGS).check(&["pod.yaml"]);
    assert_snapshot!(text, @r#"
    exit: 1
    --- stdout
    pod.yaml:9:5: ConfigMap default/settings
      |
    6 |   app.conf: …
    9 |     …
      |     ^
      |
      = denied: the ConfigMap's key "app.conf" has a credential in clear (URL with a password) (/data/app.conf): take it from a Secret as a file, and change it: whoever reads the manifest knows it [test/clear]

    1 file, 0 workloads: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn every_form_names_the_same_line() {
    assert_eq!(line(SETTINGS), 9);
    let crlf = SETTINGS.replace('\n', "\r\n");
    assert_eq!(line(&crlf), 9);
    // The first of several counts.
    assert_eq!(line(&SETTINGS.replace("threads: 4", "other: URL")), 7);
    let folded = SETTINGS.replace(": |", ": >-");
    assert_eq!(line(&folded), 9);
}

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: api
      image: api
      args:
        - -c
        - |
          set -e
          run --database URL
      env:
        - value: |

            first
            URL
          name: SETTINGS
";

#[test]
fn so_do_those_of_words_and_variables() {
    let (args, env) = POD.split_once("      env:").unwrap();
    assert_eq!(line(args), 12);
    let head = args.split_once("      args:").unwrap().0;
    assert_eq!(line(&format!("{head}      env:{env}")), 12);
}

#[test]
fn a_value_on_one_line_is_shown_where_it_stands() {
    assert_eq!(
        line("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings},\n data: {app.conf: \"a\\nb: URL\"}}"),
        2
    );
}
