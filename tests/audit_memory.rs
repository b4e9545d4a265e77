//! What the forms of an audit take of memory beside the audit itself. The only test of its process: it looks at the most that
//! this has held.
#![cfg(all(feature = "cli", target_os = "linux"))]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the figures are printed, and a test fails by panicking")]

use std::io;

use secretfence::report::audit::{Audit, Owner, csv, html, json, sarif};

#[path = "audit_html/sample.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the page")]
mod sample;

/// Of a cluster with some tens of thousands of pods.
const FINDINGS: usize = 10_000;
/// A list of what is to be written in another order has its place in it.
const MOST: usize = 1 << 20;

type Form = fn(&Audit, &mut dyn io::Write) -> io::Result<()>;

/// The most that was resident.
fn peak() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[test]
fn no_form_takes_memory_for_each_finding() {
    let mut audit = sample::many(70);
    let few = std::mem::take(&mut audit.owners);
    let named = |(index, owner): (usize, &Owner)| Owner { name: format!("service-{index}"), ..owner.clone() };
    audit.owners = few.iter().cycle().take(FINDINGS).enumerate().map(named).collect();
    assert_eq!(audit.rows().count(), FINDINGS);
    let forms: [(&str, Form); 5] = [
        ("csv", csv::write),
        ("html", html::write),
        ("json", json::write),
        ("--save", json::write_line),
        ("sarif", |audit, out| sarif::write(audit, 1, out)),
    ];
    for (name, write) in forms {
        let before = peak();
        write(&audit, &mut io::sink()).unwrap();
        let taken = peak() - before;
        println!("{name}: {} KiB", taken >> 10);
        assert!(taken <= MOST, "{name}: {taken} bytes");
    }
}
