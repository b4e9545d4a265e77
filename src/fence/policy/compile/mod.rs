//! As written -> compiled: everything that serde cannot say. Every mistake is collected, so that one run tells all;
//! with one mistake nothing that was built here is handed out.

mod faults;
mod mount;
mod rule;
mod scope;
mod templates;

use crate::fence::validation;
use std::collections::HashSet;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::decode::decode;
use super::error::{PolicyError, Problem};
use super::file::{self, Metadata, PolicyFile, SecretPolicy, SecretPolicySpec};
use super::scope::ScopeIndex;
use super::set::{PolicyDocument, PolicySet, Reader};
use super::{Mode, Policy, Rule, Templates};
use crate::fence::rules::copies::{CustomMark, Place};
use faults::Faults;
use scope::KnownKinds;

/// What one policy brings to the set.
struct Brought {
    policy: Policy,
    readers: Vec<Reader>,
    secret_drivers: Vec<String>,
    copy_marks: Vec<CustomMark>,
}

pub(super) fn compile(documents: &[PolicyDocument]) -> Result<PolicySet, Vec<PolicyError>> {
    let mut errors = Vec::new();
    let mut policies = Vec::new();
    let mut tables = Vec::new();
    let mut counted = Vec::new();
    let mut every_table_is_read = true;
    for document in documents {
        match decode(&document.value) {
            Ok(PolicyFile::SecretPolicy(policy)) => policies.push((document.source, policy)),
            Ok(PolicyFile::PodTemplates(table)) => tables.push((document.source, table)),
            Ok(PolicyFile::PolicyTest) => continue,
            Err(error) => {
                let is_table = document.value.get("kind").and_then(Value::as_str) == Some("PodTemplates");
                every_table_is_read &= !is_table;
                errors.push(error.of(document.source));
            }
        }
        counted.push(&document.value);
    }

    let pod_templates = templates::compile(&tables, &mut errors);
    let known_kinds = every_table_is_read.then(|| KnownKinds::new(&tables));
    let mut names = HashSet::new();
    let mut brought = Vec::new();
    for (source, written) in &policies {
        let mut faults = Faults { source: *source, errors: &mut errors };
        if !names.insert(&written.metadata.name) {
            let name = written.metadata.name.clone();
            faults.value("/metadata/name", Problem::Duplicate { what: "policy name", name, within: "in a policy set" });
        }
        brought.extend(compile_policy(written, known_kinds.as_ref(), &mut faults));
    }
    if !errors.is_empty() {
        errors.sort_by_key(|error| documents.iter().position(|document| document.source == error.source));
        return Err(errors);
    }

    brought.sort_by(|a, b| a.policy.name.cmp(&b.policy.name));
    let mut set = PolicySet { revision: revision(&counted), pod_templates, ..PolicySet::default() };
    for Brought { policy, readers, secret_drivers, copy_marks } in brought {
        set.policies.push(policy);
        set.readers.extend(readers);
        set.secret_drivers.extend(secret_drivers);
        set.copy_marks.extend(copy_marks);
    }
    set.secret_drivers.sort();
    set.secret_drivers.dedup();
    set.index = ScopeIndex::new(&set.policies);
    Ok(set)
}

/// `None` for a policy that is `off`: it is checked, and then not there.
fn compile_policy(written: &SecretPolicy, kinds: Option<&KnownKinds<'_>>, faults: &mut Faults<'_>) -> Option<Brought> {
    check_metadata(&written.metadata, faults);
    let spec = &written.spec;
    let policy = Policy {
        name: written.metadata.name.clone(),
        mode: match spec.mode {
            Some(file::Mode::DryRun) => Mode::DryRun,
            Some(file::Mode::Enforce | file::Mode::Off) | None => Mode::Enforce,
        },
        warnings: spec.warnings.unwrap_or(true),
        matches: scope::compile(spec.matches.as_ref(), kinds, "/spec/match", faults),
        exclude: scope::compile(spec.exclude.as_ref(), kinds, "/spec/exclude", faults),
        templates: spec.templates.unwrap_or(Templates::Warn),
        rules: compile_rules(spec, faults),
    };
    let readers = compile_readers(spec.readers.as_deref(), faults);
    let secret_drivers = compile_drivers(spec.secret_drivers.as_deref(), faults);
    let copy_marks = compile_marks(spec.copy_marks.as_deref(), faults);
    (spec.mode != Some(file::Mode::Off)).then_some(Brought { policy, readers, secret_drivers, copy_marks })
}

fn check_metadata(metadata: &Metadata, faults: &mut Faults<'_>) {
    if !validation::is_dns_subdomain(&metadata.name) {
        faults.wrong("/metadata/name", &metadata.name, validation::DNS_SUBDOMAIN);
    }
}

fn compile_rules(spec: &SecretPolicySpec, faults: &mut Faults<'_>) -> Vec<Rule> {
    let Some(rules) = &spec.rules else {
        if spec.readers.is_none() && spec.secret_drivers.is_none() && spec.copy_marks.is_none() {
            faults.value("/spec", Problem::MissingField("rules".to_owned()));
        }
        return Vec::new();
    };
    if rules.is_empty() {
        faults.value("/spec/rules", Problem::Empty("a policy without rules guards nothing: add one, or use mode: off"));
    }
    let mut names = HashSet::new();
    let mut compiled = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("/spec/rules/{index}");
        if !names.insert(&rule.name) {
            let (what, within) = ("rule name", "in a policy");
            let name = rule.name.clone();
            faults.value(format!("{at}/name"), Problem::Duplicate { what, name, within });
        }
        compiled.extend(rule::compile(rule, &at, faults));
    }
    compiled
}

fn compile_readers(readers: Option<&[file::Reader]>, faults: &mut Faults<'_>) -> Vec<Reader> {
    let mut compiled = Vec::new();
    if readers.is_some_and(<[_]>::is_empty) {
        faults.value("/spec/readers", Problem::Empty("add a row, or leave the field out"));
    }
    for (index, reader) in readers.unwrap_or_default().iter().enumerate() {
        let at = format!("/spec/readers/{index}");
        let images = faults.image_globs(Some(&reader.images), &format!("{at}/images"));
        let variables = faults.globs(Some(&reader.variables), &format!("{at}/variables"));
        if let Err(why) = mount::check_form(&reader.form) {
            let found = reader.form.clone();
            faults.value(format!("{at}/form"), Problem::VariablePattern { found, why });
        }
        faults.sentence(Some(&reader.source), &format!("{at}/source"));
        if let (Some(images), Some(variables)) = (images, variables) {
            let (form, source) = (reader.form.clone(), reader.source.clone());
            compiled.push(Reader { images, variables, form, source });
        }
    }
    compiled
}

fn compile_drivers(drivers: Option<&[String]>, faults: &mut Faults<'_>) -> Vec<String> {
    if drivers.is_some_and(<[_]>::is_empty) {
        faults.value("/spec/secretDrivers", Problem::Empty("add a driver, or leave the field out"));
    }
    for (index, driver) in drivers.unwrap_or_default().iter().enumerate() {
        if !validation::is_dns_subdomain(driver) {
            faults.wrong(format!("/spec/secretDrivers/{index}"), driver, validation::CSI_DRIVER);
        }
    }
    drivers.unwrap_or_default().to_vec()
}

fn compile_marks(marks: Option<&[file::CopyMark]>, faults: &mut Faults<'_>) -> Vec<CustomMark> {
    if marks.is_some_and(<[_]>::is_empty) {
        faults.value("/spec/copyMarks", Problem::Empty("add a mark, or leave the field out"));
    }
    let mut compiled = Vec::new();
    for (index, mark) in marks.unwrap_or_default().iter().enumerate() {
        let at = format!("/spec/copyMarks/{index}");
        let (place, key) = match (&mark.annotation, &mark.label) {
            (Some(annotation), None) => (Place::Annotation, annotation),
            (None, Some(label)) => (Place::Label, label),
            _ => {
                faults.value(at, Problem::OneMark);
                continue;
            }
        };
        match CustomMark::parse(place, key, mark.from.as_deref()) {
            Ok(mark) => compiled.push(mark),
            Err(error) => faults.value(at, error),
        }
    }
    compiled
}

/// Every document by itself, so that neither files nor order count.
fn revision(documents: &[&Value]) -> String {
    let mut digests: Vec<_> = documents
        .iter()
        .map(|document| {
            let mut hash = Sha256::new();
            hash_value(document, &mut hash);
            hash.finalize()
        })
        .collect();
    digests.sort();
    let mut whole = Sha256::new();
    for digest in digests {
        whole.update(digest);
    }
    whole.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Members sorted, whatever order the map has; each value with its length, so that no two documents run together.
fn hash_value(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Array(items) => {
            hash.update(format!("[{}:", items.len()));
            items.iter().for_each(|item| hash_value(item, hash));
        }
        Value::Object(members) => {
            hash.update(format!("{{{}:", members.len()));
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            for (key, value) in members {
                hash.update(format!("{}:{key}", key.len()));
                hash_value(value, hash);
            }
        }
        Value::String(text) => hash.update(format!("\"{}:{text}", text.len())),
        scalar => hash.update(format!("{scalar};")),
    }
}
