//! The file of an earlier audit, and what it says of a namespace, an owner and a finding.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use jiff::civil::Date;
use serde::Deserialize;

use super::size::MOST_BYTES;
use crate::fence::policy::Mode;
use crate::report::audit::{Fence, Owner, Scope, json};
use crate::report::text::Path as ShownPath;
use crate::report::{Gone, mode_name};

/// An earlier audit. Its words are whoever's who wrote the file: not safe to show.
#[derive(Debug)]
pub(in super::super) struct Earlier {
    /// The day as of which it was made, where it says that.
    pub(super) as_of: Option<Date>,
    /// The findings, in its order.
    pub(super) entries: Vec<Entry>,
    /// The revision of its policies, where it says that.
    pub(super) revision: Option<String>,
    /// Whether policies in dry run were judged as if they enforced.
    pub(super) as_enforced: bool,
    /// What could not be read or judged.
    pub(super) errors: usize,
    /// What it was asked for; files of older versions do not say that.
    pub(super) scope: Option<Scope>,
    /// The address of its API server, where it says that.
    pub(super) server: Option<String>,
    left_out: HashSet<String>,
    /// The namespaces where it did not find that pods are let in as they are.
    fenced: HashSet<String>,
    /// By owner, how many pods were missed.
    missed: HashMap<Place, usize>,
}

/// A finding of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) identity: Identity,
    pub(super) gone: Gone,
    /// How many pods were missed that have it.
    pub(super) missed: usize,
}

/// What makes two findings the same: fingerprint, outcome, and whether it is of a dry run.
pub(super) type Identity = (String, String, bool);

/// Namespace, kind and name.
type Place = (String, String, String);

/// Why a file is no audit.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("this is no audit (line {line}, column {column})")]
    NotAnAudit { line: usize, column: usize },
    #[error("its formatVersion is {found}, and this version reads {}", json::FORMAT_VERSION)]
    Version { found: u64 },
    #[error("it has more than {} MiB, and no more is read", MOST_BYTES >> 20)]
    TooLarge,
}

/// Of the report as little as has to be there: keys may be added to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    as_of: Option<String>,
    owners: Vec<WrittenOwner>,
    policies: Option<WrittenPolicies>,
    scope: Option<WrittenScope>,
    cluster: Option<WrittenCluster>,
    #[serde(default)]
    namespaces: Vec<WrittenNamespace>,
    #[serde(default)]
    left_out: Vec<WrittenLeftOut>,
    #[serde(default)]
    errors: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPolicies {
    revision: String,
    #[serde(default)]
    as_enforced: usize,
}

#[derive(Deserialize)]
struct WrittenCluster {
    server: String,
}

#[derive(Deserialize)]
struct WrittenScope {
    namespaces: Vec<String>,
    selector: Option<String>,
}

#[derive(Deserialize)]
struct WrittenNamespace {
    name: String,
    fence: String,
}

#[derive(Deserialize)]
struct WrittenLeftOut {
    namespace: String,
}

#[derive(Deserialize)]
struct WrittenOwner {
    namespace: String,
    kind: String,
    name: String,
    missed: Option<usize>,
    findings: Vec<WrittenFinding>,
}

#[derive(Deserialize)]
struct WrittenFinding {
    outcome: String,
    mode: Option<String>,
    message: String,
    missed: Option<usize>,
    fingerprint: String,
}

/// Of what does not say how many, nothing has become more.
const NOT_SAID: usize = usize::MAX;

impl Earlier {
    /// Reads an audit.
    ///
    /// # Errors
    /// A file that cannot be read, or is no audit of a version that we know.
    pub(in super::super) fn read(path: &Path) -> anyhow::Result<Earlier> {
        let read = || -> Result<Earlier, Unusable> {
            let mut bytes = Vec::new();
            File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MOST_BYTES {
                return Err(Unusable::TooLarge);
            }
            Earlier::parse(&bytes)
        };
        read().map_err(|error| {
            let path = ShownPath(&path.to_string_lossy()).to_string();
            anyhow::anyhow!(
                "--compare {path}: {error}, so nothing was judged: make one by secretfence audit --save FILE, with the \
                 same policies"
            )
        })
    }

    fn parse(bytes: &[u8]) -> Result<Earlier, Unusable> {
        // Of the error the place alone: its words hold values of the file.
        let not_an_audit =
            |error: serde_json::Error| Unusable::NotAnAudit { line: error.line(), column: error.column() };
        let Version { format_version } = serde_json::from_slice(bytes).map_err(not_an_audit)?;
        if format_version != u64::from(json::FORMAT_VERSION) {
            return Err(Unusable::Version { found: format_version });
        }
        let Document { as_of, mut owners, policies, scope, cluster, namespaces, left_out, errors } =
            serde_json::from_slice(bytes).map_err(not_an_audit)?;
        let lets_in = |fence: &str| [Fence::Open, Fence::DryRun].iter().any(|its| its.name() == fence);
        let as_enforced = policies.as_ref().is_some_and(|policies| policies.as_enforced > 0);
        if as_enforced {
            // It has not looked for them.
            for owner in &mut owners {
                owner.missed = None;
                owner.findings.iter_mut().for_each(|finding| finding.missed = None);
            }
        }
        let mut missed: HashMap<Place, usize> = HashMap::new();
        for owner in &owners {
            // Of another group it may be another: then there were as many as both have.
            let place = (owner.namespace.clone(), owner.kind.clone(), owner.name.clone());
            let all = missed.entry(place).or_default();
            *all = all.saturating_add(owner.missed.unwrap_or(NOT_SAID));
        }
        Ok(Earlier {
            as_of: as_of.and_then(|day| day.parse().ok()),
            entries: owners.into_iter().flat_map(WrittenOwner::entries).collect(),
            revision: policies.map(|policies| policies.revision),
            as_enforced,
            errors: errors.len(),
            scope: scope.map(|WrittenScope { namespaces, selector }| Scope { namespaces, selector }),
            server: cluster.map(|cluster| cluster.server),
            left_out: left_out.into_iter().map(|its| its.namespace).collect(),
            fenced: namespaces.into_iter().filter(|its| !lets_in(&its.fence)).map(|its| its.name).collect(),
            missed,
        })
    }

    /// Whether it judged what is in this namespace, or would have if there was one. Where it does not say what it was asked
    /// for, that was all.
    pub(super) fn has_looked_at(&self, namespace: &str) -> bool {
        let is_asked_for =
            |scope: &Scope| scope.namespaces.is_empty() || scope.namespaces.iter().any(|its| its == namespace);
        !self.left_out.contains(namespace) && self.scope.as_ref().is_none_or(is_asked_for)
    }

    /// The labels that chose what it judged, if they are others than these.
    pub(super) fn other_selector(&self, selector: Option<&str>) -> Option<&str> {
        let its = self.scope.as_ref()?.selector.as_deref()?;
        (Some(its) != selector).then_some(its)
    }

    /// Whether pods of this namespace were stopped then, as far as it knew. Where that could not be read they were.
    pub(super) fn has_fenced(&self, namespace: &str) -> bool {
        self.fenced.contains(namespace)
    }

    /// How many pods of this owner were missed.
    pub(super) fn missed(&self, owner: &Owner) -> usize {
        let place = (owner.namespace.clone(), owner.kind.clone(), owner.name.clone());
        self.missed.get(&place).copied().unwrap_or(0)
    }
}

impl WrittenOwner {
    fn entries(self) -> Vec<Entry> {
        let WrittenOwner { namespace, kind, name, findings, .. } = self;
        let entry = |finding: WrittenFinding| {
            let WrittenFinding { outcome, mode, message, missed, fingerprint } = finding;
            let is_dry = mode.as_deref() == Some(mode_name(Mode::DryRun));
            Entry {
                identity: (fingerprint.clone(), outcome, is_dry),
                missed: missed.unwrap_or(NOT_SAID),
                gone: Gone {
                    file: String::new(),
                    kind: kind.clone(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    message,
                    fingerprint,
                },
            }
        };
        findings.into_iter().map(entry).collect()
    }
}
