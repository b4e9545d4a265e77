//! What was found, where others look for it: reports in the cluster, and numbers in a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use super::super::{Colour, unless_closed};
use super::beside;
use crate::cluster::audit::{Published, Reader, Removal, ReportApi, Scope, Wanted};
use crate::report::audit::published;
use crate::report::audit::{Audit, metrics};
use crate::report::text::Path as ShownPath;

/// Where reports are published.
pub(super) struct Reports {
    api: ReportApi,
    /// Those that were asked for; empty: all.
    namespaces: Vec<String>,
}

impl Reports {
    /// # Errors
    /// A cluster that has no API for reports, or cannot be asked for it.
    pub(super) fn find(cluster: &Reader, namespaces: Vec<String>) -> anyhow::Result<Reports> {
        let by = || format!("nothing can be published, by {}", cluster.credentials);
        let Some(api) = cluster.report_api().with_context(by)? else {
            bail!(
                "--publish: the cluster has neither reports of openreports.io/v1alpha1 nor policyreports of \
                 wgpolicyk8s.io/v1alpha2, so nothing was judged: install the CustomResourceDefinitions of \
                 https://github.com/openreports/reports-api"
            );
        };
        Ok(Reports { api, namespaces })
    }

    /// Publishes; what could not be is one more error of the audit. `is_idle`: no policy is about anything that was judged.
    ///
    /// # Errors
    /// Where standard error cannot be written.
    pub(super) fn publish(
        self,
        cluster: &Reader,
        audit: &mut Audit,
        is_idle: bool,
        color: Colour,
    ) -> anyhow::Result<()> {
        let Reports { api, mut namespaces } = self;
        namespaces.sort_unstable();
        namespaces.dedup();
        let scope = Scope {
            namespaces: (!namespaces.is_empty()).then_some(namespaces),
            removal: match audit.errors.is_empty() {
                // What could not be read may be where nothing was found.
                false => Removal::Nothing,
                // A misspelt glob would else look like a clean cluster.
                true if is_idle => Removal::OfSamePolicies,
                true => Removal::All,
            },
        };
        let reports = published::Reports::of(audit);
        let wanted = Wanted {
            namespaces: reports.namespaces().collect(),
            content: &|namespace| content(&reports, namespace),
            revision: &audit.policies.revision,
        };
        let (Published { written, removed }, errors) = cluster.publish(api, &scope, &wanted);
        audit.errors.extend(errors.iter().map(ToString::to_string));
        let mut out = color.stream(io::stderr().lock());
        let plural = if written == 1 { "" } else { "s" };
        unless_closed(writeln!(
            out,
            "published: {written} namespace{plural} in {}, {removed} removed",
            api.in_words()
        ))?;
        Ok(())
    }
}

fn content(reports: &published::Reports<'_>, namespace: &str) -> Option<Map<String, Value>> {
    match serde_json::to_value(reports.of_namespace(namespace)?) {
        Ok(Value::Object(content)) => Some(content),
        _ => None,
    }
}

/// A file that a node exporter reads: it passes over all others, and says nothing. (`collector/textfile.go`)
pub(super) fn metrics_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_read = path.extension().is_some_and(|extension| extension == "prom");
    is_read.then_some(path).ok_or_else(|| {
        "expected a file whose name ends in .prom, such as secretfence.prom: the node exporter reads no other"
            .to_owned()
    })
}

/// Writes the numbers beside the file and then in its place: whoever reads it sees one audit or the next.
pub(super) fn write_metrics(audit: &Audit, path: &Path) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let written = beside::put(path, |out| metrics::write(audit, now, out));
    written.with_context(|| format!("--metrics-file {}", ShownPath(&path.to_string_lossy())))
}
