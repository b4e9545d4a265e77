//! What to do about the findings, for who has this page and nothing else: of each outcome that occurs.
//!
//! Below the long table, so that what is to be seen first need not wait for it; a link above the table leads there.

use std::io::{self, Write};

use super::super::{Audit, Registration, Totals};

const COMMAND: &str = "<p>One workload from end to end, with every policy&#39;s word on it, and the diff of a swap:</p>
<pre>secretfence audit -p POLICIES --explain NAMESPACE/KIND/NAME</pre>
<p>Which rule decided stands at the end of each finding, as [policy/rule].</p>";

const DENIED: &str = "<p>Pods that run stay as they are. It bites when a pod is made anew: in a rollout, a restart, after a \
node went. The manifest of a workload is taken with a warning, or refused where its policy says so.</p>
<p>Where neither what the finding says nor what stands below can be done, or not in time, ask who owns the policy for an \
exception: it has a reason, and a last day.</p>";

const WARNED: &str = "<p>It is let through, and said. What is to be done is the same, before the rule denies it.</p>";

const NOT_SAFE: &str = "<p>A rule would swap it, and does not: the finding says why. Once that is gone the webhook swaps it, \
and the program may have to be told. Or it is done by hand, as below.</p>";

const BY_HAND: &str = "<p>Take the variable out of the manifest, mount its Secret as a read-only volume, and let the program read the \
file. Names and paths are yours:</p>
<pre>containers:
- name: api
  env: [{name: DB_PASSWORD_FILE, value: /etc/secrets/db/password}]
  volumeMounts:
  - {name: db, mountPath: /etc/secrets/db, readOnly: true}
volumes:
- name: db
  secret: {secretName: db}</pre>
<p>A $(DB_PASSWORD) in <code>command</code>, <code>args</code> or another variable must go, too: where a shell runs the \
command it can read the file, as in <code>&quot;$(cat &quot;$DB_PASSWORD_FILE&quot;)&quot;</code>. What is no variable the finding itself says what to do \
about.</p>";

const TOLD: &str = "<p>The webhook swaps it when the next pod is made: the variable is not there any more then, and the file \
is. Until its program knows that it fails, so <b>Change</b> says what to do in the program. First release that, then let \
pods be made anew. The manifest stays as it is: who writes the new variable there by hand has no volume with the file.</p>";

const FILES: &str = "<p>Nothing: the image reads the file in place of the variable, and the next pod has it so.</p>";

const DRY_RUN: &str = "<p>Nothing happens to it yet. What will be once the policy enforces, with what to do, says \
<code>secretfence audit -p POLICIES --as-enforced</code>.</p>";

const MISSED: &str = "<p>These pods were made while nothing stopped them. They go on running; what comes in their place is \
what the template says. Do what stands above for their findings, then make them anew: \
<code>kubectl rollout restart</code> of a Deployment, StatefulSet or DaemonSet.</p>";

const MISSED_BEFORE: &str = "<p>Nothing is registered yet, so nothing was to stop these pods: they are no failure. Once the \
webhook is there, what comes in their place is denied or swapped.</p>";

/// A part for each outcome that occurs.
pub(super) fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    if audit.rows().next().is_none() {
        return Ok(());
    }
    let Totals { denied, warned, dry_run, reads_files, must_be_told, not_safe, missed, .. } = audit.totals;
    let missed_are = if audit.registration == Registration::Missing { MISSED_BEFORE } else { MISSED };
    writeln!(out, "<section class=\"advice\" aria-labelledby=\"what-to-do\">")?;
    writeln!(out, "<h2 id=\"what-to-do\" tabindex=\"-1\">What to do</h2>\n{COMMAND}")?;
    let parts = [
        ("denied", "Denied", DENIED, denied),
        ("warned", "Warned", WARNED, warned),
        ("unsafe", "Unsafe to swap", NOT_SAFE, not_safe),
        ("", "By hand: a file in place of a variable", BY_HAND, denied + warned),
        ("told", "Swapped, and the program must be told", TOLD, must_be_told),
        ("files", "Swapped, and the image reads the file", FILES, reads_files),
        ("dry", "In dry run", DRY_RUN, dry_run),
        ("missed", "Pods missed", missed_are, missed),
    ];
    for (class, heading, advice, _) in parts.into_iter().filter(|(_, _, _, number)| *number > 0) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        writeln!(out, "<h3{class}>{heading}</h3>\n{advice}")?;
    }
    writeln!(out, "</section>")
}
