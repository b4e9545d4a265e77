//! `--publish` while somebody else writes the same report: written again, or told.

use serde_json::{Value, json};

use crate::{Cluster, shop};

pub(crate) const GROUP: &str = "/apis/openreports.io/v1alpha1";

/// The shop, with reports of openreports.io.
fn reporting(reports: &[Value]) -> Cluster {
    let reports = reports.to_vec();
    shop().change(|state| {
        let resources = json!({"kind": "APIResourceList", "resources": [{"name": "reports"}]});
        state.objects.insert(GROUP.to_owned(), resources);
        state.lists.insert("reports", reports);
    })
}

/// A report of our name, made by somebody.
pub(crate) fn report(namespace: &str, by: &str) -> Value {
    let labels = json!({"app.kubernetes.io/managed-by": by});
    json!({"metadata": {"namespace": namespace, "name": "secretfence", "uid": "u", "resourceVersion": "7", "labels": labels}})
}

/// How often something was written so.
fn written(cluster: &Cluster, how: &str) -> usize {
    let mut count = 0;
    cluster.api.change(|state| count = state.written.iter().filter(|(its, _)| its == how).count());
    count
}

fn place(namespace: &str) -> String {
    format!("{GROUP}/namespaces/{namespace}/reports")
}

#[test]
fn what_was_changed_in_between_is_read_and_written_again() {
    let cluster = reporting(&[report("shop", "secretfence"), report("batch", "secretfence")]);
    cluster.api.change(|state| {
        state.refuses.insert("PATCH secretfence", (409, None, 2));
    });
    let output = cluster.audit(&["--publish"]);
    assert!(output.starts_with("exit: 1\n"), "{output}");
    assert!(output.contains("published: 2 namespaces in reports of openreports.io, 0 removed\n"), "{output}");
    // Both were refused once, and written in the second round.
    let patched = |namespace: &str| written(&cluster, &format!("PATCH {}/secretfence", place(namespace)));
    assert_eq!([patched("shop"), patched("batch")], [2, 2]);
    assert_eq!(cluster.api.asked(&format!("{GROUP}/reports?")), 2);
}

#[test]
fn what_somebody_else_writes_all_the_time_is_told_after_three_rounds() {
    let cluster = reporting(&[report("shop", "secretfence"), report("gone", "secretfence")]);
    cluster.api.change(|state| {
        state.refuses.insert("PATCH secretfence", (409, None, usize::MAX));
        state.refuses.insert("DELETE secretfence", (409, None, usize::MAX));
    });
    let output = cluster.audit(&["--publish"]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    let why = ": somebody else changed it in between, three times over (409): run it again\n";
    for namespace in ["shop", "gone"] {
        let error = format!("error: reports of openreports.io in namespace {namespace:?} could not be ");
        let rest =
            output.split(&error).nth(1).and_then(|rest| rest.split_once(why)).unwrap_or_else(|| panic!("{output}"));
        assert!(!rest.0.contains('\n'), "{output}");
    }
    // What was found is shown all the same, and what could be written is.
    assert!(output.contains("takes Secret"), "{output}");
    assert!(output.contains("published: 1 namespace in reports of openreports.io, 0 removed\n"), "{output}");
    for how in ["PATCH", "DELETE"] {
        let namespace = if how == "PATCH" { "shop" } else { "gone" };
        assert_eq!(written(&cluster, &format!("{how} {}/secretfence", place(namespace))), 3, "{how}");
    }
    assert_eq!(written(&cluster, &format!("POST {}", place("batch"))), 1);
}

/// Nothing is there when it is read, and something is when it is made.
#[test]
fn what_somebody_else_makes_in_between_is_not_written_over() {
    let cluster = reporting(&[]);
    cluster.api.change(|state| {
        state.refuses.insert("POST reports", (409, None, usize::MAX));
    });
    let output = cluster.audit(&["--publish", "-n", "shop"]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    assert!(
        output.contains("error: reports of openreports.io in namespace \"shop\" could not be written: "),
        "{output}"
    );
    assert_eq!(written(&cluster, &format!("POST {}", place("shop"))), 3);
    assert_eq!(written(&cluster, &format!("PATCH {}/secretfence", place("shop"))), 0);

    // Theirs is named.
    let cluster = reporting(&[report("shop", "kyverno")]);
    let output = cluster.audit(&["--publish", "-n", "shop"]);
    assert!(output.contains("in namespace \"shop\" that is not ours, and nothing was written over it"), "{output}");
    cluster.api.change(|state| assert_eq!(state.written, Vec::new()));
}
