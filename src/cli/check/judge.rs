//! One file: its documents, their objects, and what the policies say of each.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::fence::access::{self, ObjectKind};
use crate::fence::kind::Kind;
use crate::fence::name::Shown;
use crate::fence::{Evaluation, Facts, Judgement, ObjectError, PolicySet, Question, evaluate};
use crate::manifest::{self, Document, ManifestError, Object, Position};
use crate::report::excerpt::{Excerpt, nearest};
use crate::report::{Counts, Fault, LocatedFinding, ObjectName, by_pointer};

/// What judges files: the same for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'j> {
    /// The policies.
    pub policies: &'j PolicySet,
    /// What is known beside the objects.
    pub facts: &'j Facts,
    /// The namespace of objects that name none.
    pub namespace: &'j str,
    /// Whether references that are allowed are findings, too.
    pub all: bool,
    /// Whether findings hold lines of the source.
    pub excerpts: bool,
}

/// What became of a file.
#[derive(Debug, Default)]
pub struct JudgedFile {
    /// By document, pointer and mode.
    pub findings: Vec<LocatedFinding>,
    /// By line.
    pub faults: Vec<Fault>,
    /// The file and what is in it.
    pub counts: Counts,
    /// Indices of the policies that were about something in it.
    pub matching: BTreeSet<u32>,
    /// The ServiceAccounts of pods that a policy is about, by namespace and name.
    pub accounts: BTreeSet<(String, String)>,
}

impl Judge<'_> {
    /// Judges the bytes of a file.
    pub fn file(&self, name: &Arc<str>, bytes: &[u8]) -> JudgedFile {
        let manifest = manifest::parse(bytes);
        let counts = Counts { files: 1, documents: manifest.errors.len(), ..Counts::default() };
        let mut at = Reading { judge: self, name, bytes, file: JudgedFile { counts, ..JudgedFile::default() } };
        manifest.errors.iter().for_each(|error| at.broken(error));
        manifest.documents.iter().filter(|document| !document.is_empty()).for_each(|document| at.document(document));
        at.file.faults.sort_by_key(|fault| fault.place);
        at.file
    }
}

/// A file while it is judged.
struct Reading<'r> {
    judge: &'r Judge<'r>,
    name: &'r Arc<str>,
    bytes: &'r [u8],
    file: JudgedFile,
}

impl Reading<'_> {
    fn document(&mut self, document: &Document<'_>) {
        self.file.counts.documents += 1;
        match document.objects() {
            // Not ours, and passed by; but what kubectl could not read either is said.
            Ok(objects) if objects.is_empty() => document.json().err().iter().for_each(|error| self.broken(error)),
            Ok(objects) => objects.into_iter().for_each(|object| self.object(document, &object)),
            Err(error) => self.broken(&error),
        }
    }

    fn object(&mut self, document: &Document<'_>, object: &Object) {
        let Judge { policies, facts, namespace, all, .. } = *self.judge;
        let (api_version, kind) = (object.api_version.as_str(), object.kind.as_str());
        let question = Question { api_version, kind, namespace, all, patch: false };
        match evaluate(&object.json, &question, policies, facts) {
            Ok(Evaluation::NotAWorkload) => self.no_workload(document, object),
            Ok(Evaluation::Owned) => self.file.counts.owned += 1,
            Ok(Evaluation::Judged(judgement)) => self.judged(document, object, judgement),
            Err(error) => self.misshapen(document, object, &error),
        }
    }

    /// What is no RBAC object gives nobody a right that could be judged.
    fn no_workload(&mut self, document: &Document<'_>, object: &Object) {
        if !self.judge.policies.kinds().contains(Kind::Reach) {
            return;
        }
        let Some(kind) = ObjectKind::of(&object.api_version, &object.kind) else { return };
        if let Err(error) = access::Object::parse_as(kind, &object.json) {
            self.misshapen(document, object, &error.locate(&object.json));
        }
    }

    fn judged(&mut self, document: &Document<'_>, object: &Object, judgement: Judgement) {
        let counts = &mut self.file.counts;
        counts.workloads += 1;
        counts.allowed += judgement.allowed;
        self.file.accounts.extend(judgement.accounts.iter().map(|name| (judgement.namespace.clone(), name.clone())));
        self.file.matching.extend(&judgement.matching);
        let counts = &mut self.file.counts;
        judgement.findings.iter().for_each(|finding| counts.take(finding));
        if judgement.findings.is_empty() {
            return;
        }
        let mut findings = judgement.findings;
        findings.sort_by(|a, b| by_pointer(&a.pointer, &b.pointer).then(a.mode.cmp(&b.mode)));
        let address: Arc<str> = object.address.as_str().into();
        let name = Arc::new(ObjectName {
            api_version: Shown(&object.api_version).to_string(),
            kind: Shown(&object.kind).to_string(),
            namespace: judgement.namespace,
            name: judgement.name,
        });
        for finding in findings {
            let pointer = format!("{}{}", object.pointer, finding.pointer);
            let position = position(document, &pointer);
            let excerpt = if self.judge.excerpts {
                Excerpt::of(document, self.bytes, finding.kind, &pointer, position)
            } else {
                Excerpt::default()
            };
            self.file.findings.push(LocatedFinding {
                file: Arc::clone(self.name),
                document: Arc::clone(&address),
                line: position.line,
                column: position.column,
                end_column: end_column(document, self.bytes, &pointer, position),
                object: Arc::clone(&name),
                finding,
                excerpt,
                known: false,
            });
        }
    }

    fn misshapen(&mut self, document: &Document<'_>, object: &Object, error: &ObjectError) {
        let position = document.locate_nearest(&format!("{}{}", object.pointer, error.pointer));
        self.file.faults.push(Fault {
            file: Arc::clone(self.name),
            document: Some(object.address.clone()),
            place: Some((position.line, position.column)),
            message: format!("this is no {}: {error}", Shown(&object.kind)),
        });
    }

    fn broken(&mut self, error: &ManifestError) {
        self.file.faults.push(Fault {
            file: Arc::clone(self.name),
            document: Some(error.document.to_string()),
            place: Some((error.line, error.column)),
            message: error.problem.to_string(),
        });
    }
}

/// Where a reference stands; where nothing does (a ServiceAccount that is not named), the field that it would be in.
fn position(document: &Document<'_>, pointer: &str) -> Position {
    let within = || nearest(document, pointer).and_then(|field| document.locate_key(field));
    document.locate(pointer).or_else(within).unwrap_or_else(|| document.locate_nearest(pointer))
}

/// Where what stands at the pointer ends on its first line: behind its last character, as a column. At least one character
/// of every place is shown.
fn end_column(document: &Document<'_>, source: &[u8], pointer: &str, at: Position) -> usize {
    // An alias stands elsewhere than what it names.
    let end = document.span(pointer).map_or(at.offset, |span| span.bytes.end.min(source.len()));
    let rest = source.get(at.offset..end).unwrap_or_default();
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    at.column + String::from_utf8_lossy(line).chars().count().max(1)
}
