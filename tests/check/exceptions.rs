//! Exceptions end, and every report says which.

use insta::assert_snapshot;

use crate::{Folder, POD};

const RULES: &str = "[{name: vendor, on: [env], where: {secrets: [db]}, action: allow, reason: 'SEC-1: the vendor', \
                     expires: 2027-03-31}, {name: no, on: [env], action: deny}]";

fn on(day: &str) -> String {
    Folder::with(POD).rules(RULES).check(&["--as-of", day, "pod.yaml"])
}

#[test]
fn an_exception_allows_until_its_last_day() {
    assert_snapshot!(on("2027-03-01"), @"
    exit: 0
    --- stdout
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 1 allowed
    ");
    assert_snapshot!(on("2027-03-31"), @"
    exit: 0
    --- stdout
    exception test/vendor ends on 2027-03-31: end the need, or renew it
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 1 allowed
    ");
}

#[test]
fn an_exception_past_its_date_allows_nothing_and_is_reported() {
    assert_snapshot!(on("2027-04-01"), @r#"
    exit: 1
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
       = denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount it as a file; the exception test/vendor ended on 2027-03-31 [test/no]

    exception test/vendor ended on 2027-03-31: it allows nothing any more
    1 file, 1 workload: 1 denied, 0 warned, 0 swapped, 0 allowed
    "#);
}

#[test]
fn json_has_every_exception_with_its_state() {
    let folder = Folder::with(POD).rules(RULES);
    for (day, state) in [("2027-03-01", "active"), ("2027-03-31", "ending"), ("2027-04-01", "expired")] {
        let report = folder.json(&["-p", "policy.yaml", "--as-of", day, "--all", "pod.yaml"]);
        let expected =
            serde_json::json!([{"policy": "test", "rule": "vendor", "expires": "2027-03-31", "state": state}]);
        assert_eq!(report["exceptions"], expected);
        let finding = &report["findings"][0];
        if state == "expired" {
            assert_eq!(finding["outcome"], "denied");
            assert_eq!(finding["notes"][0], "the exception test/vendor ended on 2027-03-31");
        } else {
            assert_eq!(finding["outcome"], "allowed");
            assert_eq!((&finding["expires"], &finding["reason"]), (&"2027-03-31".into(), &"SEC-1: the vendor".into()));
        }
    }
}
