//! The table of custom resources that hold pod templates.

use crate::fence::validation;
use std::collections::HashSet;

use super::check_metadata;
use super::faults::Faults;
use crate::fence::policy::error::{PolicyError, Problem};
use crate::fence::policy::file::{PodTemplates, PodTemplatesRow};
use crate::fence::policy::set::PodTemplateRow;
use crate::fence::policy::template_path::TemplatePath;

/// The groups of the built-in workloads, whose paths are not for a policy file to say.
const BUILT_IN_GROUPS: [&str; 3] = ["", "apps", "batch"];

pub(super) fn compile(tables: &[(usize, PodTemplates)], errors: &mut Vec<PolicyError>) -> Vec<PodTemplateRow> {
    let mut compiled = Vec::new();
    for (index, (source, table)) in tables.iter().enumerate() {
        let mut faults = Faults { source: *source, errors };
        check_metadata(&table.metadata, &mut faults);
        if index > 0 {
            faults.value("/kind", Problem::SecondPodTemplates);
        }
        if table.spec.rows.is_empty() {
            faults.value("/spec/rows", Problem::Empty("add a row, or leave the document out"));
        }
        let mut seen = HashSet::new();
        for (index, row) in table.spec.rows.iter().enumerate() {
            let at = format!("/spec/rows/{index}");
            for version in &row.versions {
                if !seen.insert((&row.group, version, &row.kind)) {
                    let (what, within) = ("resource", "in the table");
                    let name = format!("{}/{version} {}", row.group, row.kind);
                    faults.value(&*at, Problem::Duplicate { what, name, within });
                }
            }
            compiled.push(compile_row(row, &at, &mut faults));
        }
    }
    compiled
}

fn compile_row(row: &PodTemplatesRow, at: &str, faults: &mut Faults<'_>) -> PodTemplateRow {
    if BUILT_IN_GROUPS.contains(&&*row.group) || !validation::is_dns_subdomain(&row.group) {
        faults.wrong(format!("{at}/group"), &row.group, "the API group of a custom resource, such as ray.io");
    }
    if !validation::is_dns_label(&row.resource) {
        faults.wrong(format!("{at}/resource"), &row.resource, "the plural name of a resource, such as rayclusters");
    }
    if !validation::is_kind(&row.kind) {
        faults.wrong(format!("{at}/kind"), &row.kind, validation::KIND);
    }
    if row.versions.is_empty() {
        faults.value(format!("{at}/versions"), Problem::Empty("name the versions whose objects have these paths"));
    }
    for (index, version) in row.versions.iter().enumerate() {
        if !validation::is_dns_label(version) {
            faults.wrong(format!("{at}/versions/{index}"), version, validation::DNS_LABEL);
        }
    }
    if row.paths.is_empty() {
        faults.value(format!("{at}/paths"), Problem::Empty("name the places of the pod templates"));
    }
    let mut paths: Vec<TemplatePath> = Vec::new();
    for (index, path) in row.paths.iter().enumerate() {
        let at = format!("{at}/paths/{index}");
        match TemplatePath::parse(path) {
            Ok(path) if paths.contains(&path) => {
                faults.value(at, Problem::Duplicate { what: "path", name: path.to_string(), within: "in a row" });
            }
            Ok(path) => paths.push(path),
            Err(error) => faults.value(at, error),
        }
    }
    PodTemplateRow {
        group: row.group.clone(),
        versions: row.versions.clone(),
        resource: row.resource.clone(),
        kind: row.kind.clone(),
        paths,
    }
}
