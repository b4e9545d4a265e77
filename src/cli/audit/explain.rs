//! One workload from end to end: each reference, who decides it and why, and what it would become.

use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::bail;
use jiff::civil::Date;
use serde_json::Value;

use super::super::{Colour, FAILED, OK, namespace_name, unless_closed};
use super::surroundings::Surroundings;
use super::{audit, write_errors};
use crate::cluster::audit::{Found, Reader, WorkloadKind, kinds};
use crate::fence::name::{Shown, in_full};
use crate::fence::{Evaluation, Explanation, Facts, PolicySet, Question, evaluate, explain};
use crate::manifest;
use crate::manifest::edit::{ObjectPatch, edit};
use crate::report::audit::{Audit, Owner, Row, text};
use crate::report::text::Path as ShownPath;
use crate::report::{diff, explanation};

/// Which workload is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, or the name of its resource; none: of any.
    pub kind: Option<String>,
    /// Its name.
    pub name: String,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Wanted, String> {
        let mut parts = text.split('/');
        let (kind, name) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(name), None, None) => (None, name),
            (Some(_), Some(kind), Some(name), None) => (Some(kind.to_owned()), name),
            _ => (None, ""),
        };
        let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        if name.is_empty() || !name.bytes().all(of_name) {
            return Err("expected NAMESPACE/NAME or NAMESPACE/KIND/NAME, such as shop/deployment/web".to_owned());
        }
        let namespace = namespace_name(text.split('/').next().unwrap_or_default())?;
        Ok(Wanted { namespace, kind, name: name.to_owned() })
    }
}

impl Wanted {
    fn is_of(&self, kind: &WorkloadKind) -> bool {
        self.kind.as_ref().is_none_or(|asked| kind.is_named(asked))
    }
}

/// Explains it.
///
/// # Errors
/// Where there is no such workload, or it cannot be read.
pub(super) fn run(
    wanted: &Wanted,
    cluster: &Reader,
    around: Surroundings,
    policies: &PolicySet,
    is_built_in: bool,
    today: Date,
    color: Colour,
) -> anyhow::Result<ExitCode> {
    let (kinds, others): (Vec<Arc<WorkloadKind>>, Vec<_>) =
        kinds(policies).into_iter().partition(|kind| wanted.is_of(kind));
    let Wanted { namespace, kind, name } = wanted;
    if kinds.is_empty() {
        let there = others.iter().map(|kind| kind.names()).collect::<Vec<_>>().join(", ");
        bail!(
            "{:?} is no kind of workload that these policies know: there are {there}",
            kind.as_deref().unwrap_or_default()
        );
    }
    if around.part.is_none() {
        bail!("there is no namespace {namespace:?}: --explain takes NAMESPACE/NAME or NAMESPACE/KIND/NAME");
    }
    let found = cluster.named(namespace, name, &kinds)?;
    if found.is_empty() {
        let what = kind.as_ref().map_or_else(|| "workload".to_owned(), |kind| Shown(kind).to_string());
        bail!("there is no {what} {name:?} in namespace {namespace:?}");
    }
    let facts = around.facts.clone();
    let (audit, _) = audit(cluster, around, policies, is_built_in, today);
    let mut out = io::BufWriter::new(color.stream(io::stdout().lock()));
    let written = found.iter().try_for_each(|found| write(found, namespace, &audit, policies, &facts, &mut out));
    let written = written.and_then(|()| text::write_policies(&audit, &mut out));
    unless_closed(written.and_then(|()| out.flush()))?;
    unless_closed(write_errors(&audit, color))?;
    Ok(ExitCode::from(if audit.errors.is_empty() { OK } else { FAILED }))
}

fn write(
    found: &Found,
    namespace: &str,
    audit: &Audit,
    policies: &PolicySet,
    facts: &Facts,
    out: &mut dyn Write,
) -> io::Result<()> {
    let object = bare(&found.json)?;
    let json = object.to_string().into_bytes();
    let (api_version, kind) = (&*found.api_version, &*found.kind.kind);
    let question = Question { api_version, kind, namespace, all: true, patch: true };
    let name = object["metadata"]["name"].as_str().map(in_full).unwrap_or_default();
    let explained = explain(&json, &question, policies, facts);
    let Explanation { references, bystanders, .. } = match explained {
        Ok(Some(explanation)) => explanation,
        Ok(None) => return writeln!(out, "{kind} {namespace}/{name}: another workload makes it: explain that one\n"),
        Err(error) => return writeln!(out, "{kind} {namespace}/{name}: this is no {kind}: {error}\n"),
    };
    let owner = audit.owner(api_version, kind, namespace, &name);
    text::write_heading(owner, [kind, namespace, &name], out)?;
    if references.is_empty() {
        writeln!(out, "  no reference to a Secret")?;
    }
    references.iter().try_for_each(|reference| explanation::write_reference(reference, None, out))?;
    explanation::write_bystanders(&bystanders, out)?;
    write_of_pods(owner, out)?;
    writeln!(out)?;
    let Ok(Evaluation::Judged(judgement)) = evaluate(&json, &question, policies, facts) else { return Ok(()) };
    if judgement.patch.is_empty() {
        return writeln!(out, "Nothing of it would be swapped.\n");
    }
    let before = manifest::written_out(&object);
    let patch = ObjectPatch { document: 0, pointer: String::new(), patch: judgement.patch };
    match edit(before.as_bytes(), &[patch]) {
        Ok(edited) => {
            diff::write(&format!("{kind} {namespace}/{name}"), before.as_bytes(), &edited, out)?;
            writeln!(out)
        }
        Err(why) => writeln!(out, "What it would become cannot be shown: {why}\n"),
    }
}

/// What pods have and their template has not: of an older one, or put in while they were admitted.
fn write_of_pods(owner: Option<&Owner>, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<&Row> = owner.into_iter().flat_map(|owner| &owner.rows).filter(|row| !row.in_template).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "  only pods have:")?;
    rows.into_iter().try_for_each(|row| {
        let (outcome, pods) = (row.finding.outcome.name(), row.pods);
        let of = if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") };
        let dry_run = if row.is_enforced() { "" } else { " (dry run)" };
        writeln!(out, "    {of}, {outcome}{dry_run}: {}", ShownPath(&row.finding.message))?;
        row.change().map_or(Ok(()), |change| writeln!(out, "      change: {change}"))
    })
}

/// Without what the API server and its clients keep there for themselves.
fn bare(json: &[u8]) -> io::Result<Value> {
    // Of the error the place alone: its words hold values of the object.
    let malformed = |error: serde_json::Error| io::Error::other(format!("line {} is no JSON", error.line()));
    let mut object: Value = serde_json::from_slice(json).map_err(malformed)?;
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    forget_notes(&mut object);
    Ok(object)
}

/// Takes what the swap notes out of every metadata: the patch adds to it, and what stands there may be anybody's words.
fn forget_notes(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(annotations) = fields.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.remove("secretfence.dev/swapped");
            }
            fields.values_mut().for_each(forget_notes);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_notes),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_named_with_its_namespace() {
        let wanted = |text: &str| text.parse::<Wanted>().ok();
        let expected = |kind: Option<&str>| {
            Some(Wanted { namespace: "shop".to_owned(), kind: kind.map(str::to_owned), name: "web".to_owned() })
        };
        assert_eq!(wanted("shop/web"), expected(None));
        assert_eq!(wanted("shop/deployment/web"), expected(Some("deployment")));
        for text in ["web", "shop/", "/web", "shop/a/b/c", "Shop/web", "shop/a b"] {
            assert_eq!(wanted(text), None, "{text}");
        }
    }
}
