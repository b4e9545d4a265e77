//! One file: its documents, their objects, and what the policies say of each.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ignore::{Comment, Comments, position};
use super::multiline;
use super::unknown::Unknown;
use crate::fence::access::{self, ObjectKind};
use crate::fence::kind::Kind;
use crate::fence::name::Shown;
use crate::fence::{Evaluation, Facts, Finding, Judgement, ObjectError, PolicySet, Question};
use crate::manifest::{self, Document, ManifestError, Object, Position};
use crate::report::excerpt::{self, Excerpt};
use crate::report::{Counts, Fault, Ignored, LocatedFinding, ObjectName, by_pointer};

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
    /// What comments set aside, likewise.
    pub ignored: Vec<Ignored>,
    /// By line.
    pub faults: Vec<Fault>,
    /// By line, too.
    pub warnings: Vec<Fault>,
    /// The file and what is in it.
    pub counts: Counts,
    /// Indices of the policies that were about something in it.
    pub matching: BTreeSet<u32>,
    /// The ServiceAccounts of pods that a policy is about, by namespace and name.
    pub accounts: BTreeSet<(String, String)>,
    /// How many Kubernetes objects there are.
    pub objects: usize,
    /// Those that no table names and that hold containers all the same.
    pub unknown: Vec<Unknown>,
}

impl Judge<'_> {
    /// Judges the bytes of a file.
    pub fn file(&self, name: &Arc<str>, bytes: &[u8]) -> JudgedFile {
        let manifest = manifest::parse(bytes);
        let counts = Counts { files: 1, documents: manifest.errors.len(), ..Counts::default() };
        let (comments, mistakes) = Comments::read(bytes, &manifest);
        let file = JudgedFile { counts, ..JudgedFile::default() };
        let mut at = Reading { judge: self, name, bytes, comments, file };
        for (place, mistake) in mistakes {
            at.file.faults.push(at.fault(place, format!("the comment {mistake}")));
        }
        manifest.errors.iter().for_each(|error| at.broken(error));
        manifest.documents.iter().filter(|document| !document.is_empty()).for_each(|document| at.document(document));
        at.file.faults.sort_by_key(|fault| fault.place);
        // What a broken document would have had set aside is not known.
        if manifest.errors.is_empty() {
            let unused = at.comments.unused();
            let warnings = unused.map(|comment| at.fault(comment.place, comment.complaint(self.policies)));
            let strays = at.comments.strays().iter();
            let strays = strays.map(|(place, why)| at.fault(*place, format!("the comment {why}")));
            let mut warnings: Vec<Fault> = warnings.chain(strays).collect();
            warnings.sort_by_key(|warning| warning.place);
            at.file.warnings = warnings;
        }
        at.file
    }
}

/// A file while it is judged.
struct Reading<'r> {
    judge: &'r Judge<'r>,
    name: &'r Arc<str>,
    bytes: &'r [u8],
    comments: Comments<'r>,
    file: JudgedFile,
}

impl Reading<'_> {
    fn document(&mut self, document: &Document<'_>) {
        self.file.counts.documents += 1;
        match document.objects() {
            // Not ours, and passed by; but what kubectl could not read either is said.
            Ok(objects) if objects.is_empty() => document.json().err().iter().for_each(|error| self.broken(error)),
            Ok(objects) => {
                self.file.objects += objects.len();
                objects.into_iter().for_each(|object| self.object(document, &object));
            }
            Err(error) => self.broken(&error),
        }
    }

    fn object(&mut self, document: &Document<'_>, object: &Object) {
        let Judge { policies, facts, namespace, all, .. } = *self.judge;
        let (api_version, kind) = (object.api_version.as_str(), object.kind.as_str());
        let question = Question { api_version, kind, namespace, all, patch: false };
        match self.comments.evaluate(document, object, &question, policies, facts) {
            Ok((Evaluation::NotAWorkload, _)) => self.no_workload(document, object),
            Ok((Evaluation::Owned, _)) => self.file.counts.owned += 1,
            Ok((Evaluation::Judged(judgement), ignored)) => {
                self.file.counts.workloads += 1;
                self.judged(document, object, judgement, ignored);
            }
            Ok((Evaluation::Data(judgement), ignored)) => self.judged(document, object, judgement, ignored),
            Err(error) => self.misshapen(document, object, &error),
        }
    }

    /// What is no RBAC object gives nobody a right that could be judged.
    fn no_workload(&mut self, document: &Document<'_>, object: &Object) {
        self.file.unknown.extend(Unknown::of(object));
        if !self.judge.policies.kinds().contains(Kind::Reach) {
            return;
        }
        let Some(kind) = ObjectKind::of(&object.api_version, &object.kind) else { return };
        if let Err(error) = access::Object::parse_as(kind, &object.json) {
            self.misshapen(document, object, &error.locate(&object.json));
        }
    }

    fn judged(
        &mut self,
        document: &Document<'_>,
        object: &Object,
        judgement: Judgement,
        mut ignored: Vec<(Finding, Comment)>,
    ) {
        let counts = &mut self.file.counts;
        counts.allowed += judgement.allowed;
        counts.ignored += ignored.len();
        self.file.accounts.extend(judgement.accounts.iter().map(|name| (judgement.namespace.clone(), name.clone())));
        let counts = &mut self.file.counts;
        judgement.findings.iter().for_each(|finding| counts.take(finding));
        self.file.matching.extend(&judgement.matching);
        if judgement.findings.is_empty() && ignored.is_empty() {
            return;
        }
        let place = Located {
            address: object.address.as_str().into(),
            name: Arc::new(ObjectName {
                api_version: Shown(&object.api_version).to_string(),
                kind: Shown(&object.kind).to_string(),
                namespace: judgement.namespace,
                name: judgement.name,
            }),
        };
        let mut findings = judgement.findings;
        findings.sort_by(|a, b| by_pointer(&a.pointer, &b.pointer).then(a.mode.cmp(&b.mode)));
        for finding in findings {
            let located = self.locate(document, object, &place, finding);
            self.file.findings.push(located);
        }
        ignored.sort_by(|(a, _), (b, _)| by_pointer(&a.pointer, &b.pointer).then(a.mode.cmp(&b.mode)));
        for (finding, comment) in ignored {
            let finding = self.locate(document, object, &place, finding);
            let Comment { place, reason, .. } = comment;
            self.file.ignored.push(Ignored { finding, line: place.0, reason });
        }
    }

    fn locate(&self, document: &Document<'_>, object: &Object, place: &Located, finding: Finding) -> LocatedFinding {
        let pointer = format!("{}{}", object.pointer, finding.pointer);
        let position = multiline::position(document, self.bytes, &finding, &pointer)
            .unwrap_or_else(|| position(document, &pointer));
        let excerpt = if self.judge.excerpts {
            Excerpt::of(document, self.bytes, finding.kind, &pointer, position)
        } else {
            Excerpt::default()
        };
        LocatedFinding {
            file: Arc::clone(self.name),
            document: Arc::clone(&place.address),
            line: position.line,
            column: position.column,
            end_column: end_column(document, self.bytes, finding.kind, &pointer, position),
            object: Arc::clone(&place.name),
            finding,
            excerpt,
            known: false,
        }
    }

    fn fault(&self, place: (usize, usize), message: String) -> Fault {
        Fault { file: Arc::clone(self.name), document: None, place: Some(place), message }
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
            message: error.problem.told_by("check"),
        });
    }
}

/// What the findings of one object share.
struct Located {
    address: Arc<str>,
    name: Arc<ObjectName>,
}

/// Where what stands at the pointer ends on its first line, as a column.
fn end_column(document: &Document<'_>, source: &[u8], kind: &str, pointer: &str, at: Position) -> Option<usize> {
    let shown = &source[excerpt::shown(document, source, kind, pointer, at)?];
    Some(at.column + String::from_utf8_lossy(shown).chars().count().max(1))
}
