//! Reports that somebody else writes while they are published.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{APIS, Published};
use crate::api::Api;
use crate::cluster::shown;
use crate::control_plane::{ADMIN, eventually};

/// What is told of a namespace where each round came too late.
const BEHIND: &str = "could not be written: somebody else changed it in between, three times over (409): run it again";

/// How many patches of reports were refused since something else had been written in between, as the API server counts.
fn conflicts(api: &Api) -> u64 {
    let (_, metrics) = api.text("/metrics").unwrap();
    let of = ["apiserver_request_total{", "code=\"409\"", "resource=\"reports\"", "verb=\"PATCH\""];
    let lines = metrics.lines().filter(|line| of.iter().all(|part| line.contains(part)));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

#[test]
fn a_report_that_others_write_meanwhile_is_written_again_or_told_and_theirs_stays() {
    let Some(mut cluster) = Published::start() else { return };
    cluster.install(APIS[1]);
    let names: Vec<String> = (0..20).map(|number| format!("busy-{number:02}")).collect();
    for name in &names {
        cluster.namespace(name);
        cluster.deploy(name);
    }
    assert_eq!(cluster.audit(&["--exit-zero"]).status.code(), Some(0));
    let report = cluster.api.get(&cluster.place(&names[0])).done();
    let (stop, before) = (AtomicBool::new(false), conflicts(&cluster.api));
    let (mut whole, mut told) = (0, 0);
    std::thread::scope(|scope| {
        for offset in 0..4 {
            let (cluster, names, stop) = (&cluster, &names, &stop);
            scope.spawn(move || {
                let api = cluster.control_plane.api(ADMIN);
                for (round, name) in names.iter().cycle().skip(5 * offset).enumerate() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let note = json!({"metadata": {"annotations": {"theirs": format!("{offset}-{round}")}}});
                    api.merge(&cluster.place(name), &note).done();
                }
            });
        }
        let enough = || {
            let said = shown(&cluster.audit(&["--exit-zero"]));
            let (lines, errors) = behind(&said);
            let published = format!("published: {} namespace", names.len() - errors);
            // Each of them is one or the other.
            let is_told = said.starts_with(if errors == 0 { "exit: 0\n" } else { "exit: 2\n" })
                && said.matches("error: ").count() == lines
                && said.contains(&published);
            (whole, told) = (whole + names.len() - errors, told + errors);
            (!is_told || conflicts(&cluster.api) > before).then_some((is_told, said))
        };
        let end = eventually(enough);
        stop.store(true, Ordering::Relaxed);
        let (is_told, said) = end.expect("nobody was in the way");
        assert!(is_told, "{said}");
    });
    let conflicts = conflicts(&cluster.api) - before;
    println!("{whole} written, {told} told; {conflicts} conflicts");
    assert!(conflicts >= 3 * told as u64, "told before the third round: {told} after {conflicts} conflicts");
    // Alone again, it writes all, and lets stand what is theirs.
    let note = json!({"metadata": {"annotations": {"theirs": "last"}}, "results": []});
    cluster.api.merge(&cluster.place(&names[0]), &note).done();
    assert_eq!(cluster.audit(&["--exit-zero"]).status.code(), Some(0));
    let after = cluster.api.get(&cluster.place(&names[0])).done();
    assert_eq!((&after["results"], &after["metadata"]["annotations"]["theirs"]), (&report["results"], &json!("last")));
}

/// In how many errors that is told, and of how many namespaces: of each by its name, or of all that are too many to be named.
fn behind(said: &str) -> (usize, usize) {
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(BEHIND)).collect();
    let more = |line: &&str| {
        let rest = line.split(" and ").nth(1).and_then(|rest| rest.split(" more ").next()?.parse().ok());
        line.matches("\"busy-").count() + rest.unwrap_or(0)
    };
    (lines.len(), lines.iter().map(more).sum())
}
