//! An earlier audit: what it knows is not new, and what is there no more is named.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::super::check::files::MAX_FILE_BYTES;
use crate::fence::policy::Mode;
use crate::report::audit::{Audit, Compared, json};
use crate::report::text::Path as ShownPath;
use crate::report::{Gone, mode_name};

/// The findings of an earlier audit, in its order.
#[derive(Debug)]
pub(super) struct Earlier(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    identity: Identity,
    gone: Gone,
}

/// What makes two findings the same: fingerprint, outcome, and whether it is of a dry run.
type Identity = (String, String, bool);

/// Why a file is no audit.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("this is no audit (line {line}, column {column})")]
    NotAnAudit { line: usize, column: usize },
    #[error("its formatVersion is {found}, and this version reads {}", json::FORMAT_VERSION)]
    Version { found: u64 },
    #[error("it has more than {} MiB", MAX_FILE_BYTES >> 20)]
    TooLarge,
}

/// Of the report as little as has to be there: keys may be added to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: u64,
}

#[derive(Deserialize)]
struct Document {
    owners: Vec<WrittenOwner>,
}

#[derive(Deserialize)]
struct WrittenOwner {
    namespace: String,
    kind: String,
    name: String,
    findings: Vec<WrittenFinding>,
}

#[derive(Deserialize)]
struct WrittenFinding {
    outcome: String,
    mode: Option<String>,
    message: String,
    fingerprint: String,
}

impl Earlier {
    /// Reads an audit.
    ///
    /// # Errors
    /// A file that cannot be read, or is no audit of a version that we know.
    pub(super) fn read(path: &Path) -> anyhow::Result<Earlier> {
        let read = || -> Result<Earlier, Unusable> {
            let mut bytes = Vec::new();
            File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MAX_FILE_BYTES {
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
        let Document { owners } = serde_json::from_slice(bytes).map_err(not_an_audit)?;
        Ok(Earlier(owners.into_iter().flat_map(WrittenOwner::entries).collect()))
    }

    /// Marks what is known, and names what is gone: as far as this audit has looked. `is_selected`: labels chose what that
    /// is.
    pub(super) fn apply(&self, audit: &mut Audit, is_selected: bool) {
        let Earlier(entries) = self;
        let mut left: HashMap<&Identity, Vec<usize>> = HashMap::new();
        for (index, entry) in entries.iter().enumerate().rev() {
            left.entry(&entry.identity).or_default().push(index);
        }
        let mut is_left = vec![true; entries.len()];
        let mut compared = Compared::default();
        for row in audit.owners.iter_mut().flat_map(|owner| &mut owner.rows) {
            let finding = &row.finding;
            let is_dry = finding.mode == Some(Mode::DryRun);
            let identity = (finding.fingerprint.clone(), finding.outcome.name().to_owned(), is_dry);
            row.known = match left.get_mut(&identity).and_then(Vec::pop) {
                Some(index) => {
                    is_left[index] = false;
                    true
                }
                None => false,
            };
            *(if row.known { &mut compared.known } else { &mut compared.new }) += 1;
        }
        let looked: HashSet<&str> = audit.namespaces.iter().map(|line| &*line.name).collect();
        let left_out: HashSet<&str> = audit.left_out.iter().map(|its| &*its.namespace).collect();
        // A namespace that is no more is one where everything is gone.
        let is_judged = |gone: &Gone| {
            let namespace = gone.namespace.as_str();
            looked.contains(namespace) || (audit.is_whole && !left_out.contains(namespace))
        };
        if is_selected {
            let text = "what is gone of the earlier audit: nobody can say of a part that labels choose (--selector)";
            audit.not_judged.push(text.to_owned());
        } else if audit.errors.is_empty() {
            let gone = entries.iter().zip(&is_left).filter(|(entry, left)| **left && is_judged(&entry.gone));
            compared.gone = gone.map(|(entry, _)| entry.gone.clone()).collect();
        } else {
            let text = "what is gone of the earlier audit: nobody can say while something could not be read";
            audit.not_judged.push(text.to_owned());
        }
        audit.compared = Some(compared);
    }
}

impl WrittenOwner {
    fn entries(self) -> Vec<Entry> {
        let WrittenOwner { namespace, kind, name, findings } = self;
        let entry = |finding: WrittenFinding| {
            let WrittenFinding { outcome, mode, message, fingerprint } = finding;
            let is_dry = mode.as_deref() == Some(mode_name(Mode::DryRun));
            Entry {
                identity: (fingerprint.clone(), outcome, is_dry),
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
