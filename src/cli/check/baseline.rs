//! An earlier report: what it knows does not fail, and what is there no more is named.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::files::MAX_FILE_BYTES;
use crate::fence::name::Shown;
use crate::fence::policy::Mode;
use crate::fence::{Finding, Outcome};
use crate::report::{self, Compared, Gone, LocatedFinding, Report, mode_name};

/// The findings of an earlier `check --format json`.
#[derive(Debug)]
pub struct Baseline {
    entries: Vec<Entry>,
    /// Of the policies that it was made by, where it says so.
    revision: Option<String>,
}

/// Why a file is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The system said no.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// No report.
    #[error("this is no report (line {line}, column {column})")]
    NotAReport {
        /// 1-based; 0 where there is no place.
        line: usize,
        /// 1-based.
        column: usize,
    },
    /// A report of another version.
    #[error("its formatVersion is {found}, and this version reads {}", report::json::FORMAT_VERSION)]
    Version {
        /// What it says.
        found: u64,
    },
    /// More than we hold in memory.
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
    findings: Vec<Entry>,
    #[serde(default)]
    policies: Option<Policies>,
}

#[derive(Deserialize)]
struct Policies {
    revision: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    file: String,
    object: Object,
    outcome: String,
    mode: Option<String>,
    message: String,
    fingerprint: String,
}

#[derive(Debug, Deserialize)]
struct Object {
    kind: String,
    namespace: String,
    name: String,
}

/// What makes two findings the same: fingerprint, outcome, and whether it is of a dry run. So a rule that became stricter,
/// or is enforced now, has new findings.
type Identity = (String, String, bool);

impl Baseline {
    /// Reads a report.
    ///
    /// # Errors
    /// A file that cannot be read, or is no report of a version that we know.
    pub fn read(path: &Path) -> Result<Baseline, BaselineError> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(BaselineError::TooLarge);
        }
        Baseline::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Baseline, BaselineError> {
        // Of the error the place alone: its words hold values of the file.
        let not_a_report =
            |error: serde_json::Error| BaselineError::NotAReport { line: error.line(), column: error.column() };
        let Version { format_version: found } = serde_json::from_slice(bytes).map_err(not_a_report)?;
        if found != u64::from(report::json::FORMAT_VERSION) {
            return Err(BaselineError::Version { found });
        }
        let Document { mut findings, policies } = serde_json::from_slice(bytes).map_err(not_a_report)?;
        findings.retain(|entry| entry.outcome != Outcome::Allowed.name());
        Ok(Baseline { entries: findings, revision: policies.map(|policies| policies.revision) })
    }

    /// Marks what the baseline knows, takes it out of the numbers, and names what is gone of it: in the files that the
    /// paths stand for, as far as they could be judged. Each entry stands for one finding.
    pub fn apply(&self, report: &mut Report, paths: &[PathBuf]) {
        let Baseline { entries, revision } = self;
        let files: Vec<PathBuf> = entries.iter().map(|entry| tidy(&entry.file)).collect();
        let mut is_left = vec![true; entries.len()];
        // First those of the same file: where one of two alike is new, it is the one in the other file.
        for same_file in [true, false] {
            let file_of = |file: PathBuf| same_file.then_some(file);
            let mut left: HashMap<_, Vec<usize>> = HashMap::new();
            for index in (0..entries.len()).rev().filter(|index| is_left[*index]) {
                let identity = (entries[index].identity(), file_of(files[index].clone()));
                left.entry(identity).or_default().push(index);
            }
            let mut meet = |located: &mut LocatedFinding| {
                let identity = (identity(&located.finding), file_of(tidy(&located.file)));
                let index = if located.known { None } else { left.get_mut(&identity).and_then(Vec::pop) };
                index.is_some_and(|index| {
                    is_left[index] = false;
                    located.known = true;
                    true
                })
            };
            for located in &mut report.findings {
                if meet(located) {
                    report.counts.give_back(&located.finding);
                }
            }
            // What a comment sets aside is there still, and is counted apart.
            for ignored in &mut report.ignored {
                meet(&mut ignored.finding);
            }
        }
        let broken: HashSet<PathBuf> = report.faults.iter().map(|fault| tidy(&fault.file)).collect();
        let paths: Vec<PathBuf> = paths.iter().map(|path| tidy(&path.to_string_lossy())).collect();
        let is_judged = |file: &PathBuf| !broken.contains(file) && paths.iter().any(|path| file.starts_with(path));
        let gone = entries.iter().zip(&files).zip(&is_left).filter(|((_, file), left)| **left && is_judged(file));
        let other = revision.as_ref().filter(|revision| **revision != report.policies.revision);
        if let Some(revision) = other {
            report.not_judged.push(format!(
                "the baseline is of other policies (revision {}, and these are {}), which may find something else: make it \
                 anew",
                Shown(revision),
                report.policies.revision
            ));
        }
        report.baseline = Some(Compared {
            other_policies: other.is_some(),
            known: report.findings.iter().filter(|located| located.known).count(),
            gone: gone.map(|((entry, _), _)| entry.gone()).collect(),
        });
    }
}

impl Entry {
    fn identity(&self) -> Identity {
        (self.fingerprint.clone(), self.outcome.clone(), self.mode.as_deref() == Some(mode_name(Mode::DryRun)))
    }

    fn gone(&self) -> Gone {
        let Entry { file, object: Object { kind, namespace, name }, message, fingerprint, .. } = self;
        Gone {
            file: file.clone(),
            kind: kind.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
            message: message.clone(),
            fingerprint: fingerprint.clone(),
        }
    }
}

fn identity(finding: &Finding) -> Identity {
    (finding.fingerprint.clone(), finding.outcome.name().to_owned(), finding.mode == Some(Mode::DryRun))
}

/// Without the parts that say nothing, so that `.` is the beginning of every path that does not leave it.
fn tidy(file: &str) -> PathBuf {
    Path::new(file).components().filter(|part| *part != Component::CurDir).collect()
}
