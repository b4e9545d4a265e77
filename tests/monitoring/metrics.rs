//! The list of metrics in docs/runbooks/README.md, held against what the program says and what is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{dashboard, files, list, object, read, root, rules, text};

/// What Prometheus adds.
const OF_THE_TARGET: [&str; 4] = ["job", "namespace", "pod", "instance"];

/// Not at /metrics but in the file of an audit, which has a page of its own.
const OF_AN_AUDIT: &str = "secretfence_audit_";

/// The labels of each metric, as the list has them.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let page = read("docs/runbooks/README.md");
    let (_, table) = page.split_once("| metric | type | labels | meaning |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let mut listed = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("{row}") };
        assert!(["counter", "gauge", "histogram"].contains(&kind) && !meaning.is_empty(), "{row}");
        let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(listed.insert(name.trim_matches('`').to_owned(), labels).is_none(), "{row}");
    }
    listed
}

/// The labels of each metric that an audit writes, as its page has them.
fn listed_of_an_audit() -> BTreeMap<String, BTreeSet<String>> {
    let page = read("docs/audit.md");
    let names = page.split('`').skip(1).step_by(2).filter(|name| name.starts_with(OF_AN_AUDIT));
    let labels = |name: &str| match name.split_once('{') {
        Some((name, labels)) => (name.to_owned(), labels.trim_end_matches('}').split(',').map(str::to_owned).collect()),
        None => (name.to_owned(), BTreeSet::new()),
    };
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, labels) in names.map(labels) {
        listed.entry(name).or_default().extend(labels);
    }
    listed
}

/// Everything that can be asked for.
fn listed_anywhere() -> BTreeMap<String, BTreeSet<String>> {
    listed().into_iter().chain(listed_of_an_audit()).collect()
}

/// Name, type and labels of what the program says, which has met everything, are those of the list.
pub fn assert_the_list_is_whole(exposed: &str) {
    let page = read("docs/runbooks/README.md");
    let mut kinds = BTreeMap::new();
    for line in exposed.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        kinds.insert(name, kind);
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in exposed.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let series = line.rsplit_once(' ').unwrap().0;
        let (name, mut labels) = labels_of(series);
        let whole = ["_bucket", "_sum", "_count"].iter().filter_map(|end| name.strip_suffix(end));
        let name = whole.chain([name.as_str()]).find(|name| kinds.contains_key(name)).unwrap().to_owned();
        labels.remove("le");
        found.entry(name).or_default().extend(labels);
    }
    for (name, kind) in &kinds {
        assert!(found.contains_key(*name), "{name} has no sample: let the scene meet it");
        assert!(page.contains(&format!("\n| `{name}` | {kind} | ")), "{name} is a {kind}");
    }
    assert_eq!(found, listed(), "metrics and their labels: what the program says, and docs/runbooks/README.md");
}

#[test]
fn the_list_has_every_metric_of_the_code() {
    let mut named = BTreeSet::new();
    for file in walkdir::WalkDir::new(root().join("src")).into_iter().map(Result::unwrap) {
        if file.path().extension().is_some_and(|extension| extension == "rs") {
            named.extend(quoted(file.path()));
        }
    }
    let (mut audit, named): (BTreeSet<_>, BTreeSet<_>) =
        named.into_iter().partition(|name| name.starts_with(OF_AN_AUDIT));
    assert!(audit.len() > 5, "{audit:?}");
    // It stands for the beginning of all.
    audit.remove(OF_AN_AUDIT);
    let page: BTreeSet<_> = listed_of_an_audit().into_keys().collect();
    for name in &audit {
        assert!(page.contains(name), "docs/audit.md lacks {name}");
    }
    assert_eq!(named, listed().into_keys().collect(), "what src/ names, and docs/runbooks/README.md");
}

#[test]
fn what_alerts_and_dashboard_ask_for_is_in_the_list() {
    let listed = listed_anywhere();
    let queries = dashboard::queries().into_keys();
    for query in queries.chain(rules::rules().iter().map(|rule| text(&rule["expr"]).to_owned())) {
        for name in query.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()) {
            if name.starts_with("secretfence_") {
                let name = name.strip_suffix("_bucket").unwrap_or(name);
                assert!(listed.contains_key(name), "{name} in {query}");
            }
        }
    }
}

/// What the tests of the alerts make up has the labels that the program gives.
#[test]
fn the_series_of_the_tests_are_those_of_the_list() {
    let listed = listed_anywhere();
    for file in files("tests/monitoring", "yaml") {
        let tests = object(file.strip_prefix(root()).unwrap().to_str().unwrap());
        for series in list(&tests["tests"]).iter().flat_map(|test| list(&test["input_series"])) {
            let (name, mut labels) = labels_of(text(&series["series"]));
            if !name.starts_with("secretfence_") {
                continue;
            }
            for label in OF_THE_TARGET.into_iter().chain(["le"]) {
                labels.remove(label);
            }
            let name = name.strip_suffix("_bucket").unwrap_or(&name);
            assert_eq!(Some(&labels), listed.get(name), "{}: {series}", file.display());
        }
    }
}

/// The name of a series, and the names of its labels.
fn labels_of(series: &str) -> (String, BTreeSet<String>) {
    let Some((name, labels)) = series.split_once('{') else { return (series.to_owned(), BTreeSet::new()) };
    // No value of a label has a comma or an equals sign but between them.
    let labels = labels.trim_end_matches('}').split(',').map(|label| label.split_once('=').unwrap().0.trim());
    (name.to_owned(), labels.map(str::to_owned).collect())
}

/// The names of metrics that stand in a file as text.
fn quoted(file: &Path) -> Vec<String> {
    let source = std::fs::read_to_string(file).unwrap();
    let ends = |c: char| c != '_' && !c.is_ascii_alphanumeric();
    let names = source.split("\"secretfence_").skip(1).map(|rest| rest.split(ends).next().unwrap());
    names.map(|rest| format!("secretfence_{rest}")).collect()
}
