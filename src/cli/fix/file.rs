//! One file: what of it is swapped, or why it is left as it is.

use std::ops::AddAssign;

use super::overlay::{self, Going, Layer};
use crate::cli::check::files::Input;
use crate::cli::check::ignore::Comments;
use crate::fence::name::Shown;
use crate::fence::policy::Mode;
use crate::fence::swap::Unsafe;
use crate::fence::{Evaluation, Facts, Finding, Judgement, Outcome, PolicySet, Question};
use crate::manifest::edit::{Edited, ObjectPatch, edit};
use crate::manifest::{self, Document, Object};
use crate::report::Fault;

/// What fixes files: the same for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Fixer<'f> {
    /// The policies.
    pub policies: &'f PolicySet,
    /// What is known beside the objects.
    pub facts: &'f Facts,
    /// The namespace of objects that name none.
    pub namespace: &'f str,
}

/// What became of a file.
pub struct Fixed {
    /// Its bytes as they were; empty where nobody asks for them.
    pub before: Vec<u8>,
    /// What it becomes.
    pub fate: Fate,
    /// Why it is left though there is something to swap; the first reason.
    pub declined: Option<Fault>,
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// The numbers.
    pub tally: Tally,
    /// What would be swapped.
    pub going: Vec<Going>,
    /// The patches that it holds or names.
    pub layers: Vec<Layer>,
}

/// What a file becomes.
pub enum Fate {
    /// It stays.
    Left,
    /// Another.
    Changed(Edited),
}

/// The numbers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that were read.
    pub files: usize,
    /// Files that change.
    pub fixed: usize,
    /// References that are swapped.
    pub swapped: usize,
    /// Those of them of which nobody knows that the program reads the file.
    pub to_be_told: usize,
    /// Findings that are denied or warned of, swap or no swap; and in files that are left those that would be swapped.
    pub remaining: usize,
    /// What only policies in dry run would swap.
    pub dry_run: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Tally) {
        let Tally { files, fixed, swapped, to_be_told, remaining, dry_run } = more;
        self.files += files;
        self.fixed += fixed;
        self.swapped += swapped;
        self.to_be_told += to_be_told;
        self.remaining += remaining;
        self.dry_run += dry_run;
    }
}

impl Fixer<'_> {
    /// Fixes a file. With `all`, its bytes are kept even where it does not change.
    pub fn input(&self, input: &Input, all: bool) -> Fixed {
        let bytes = match input.read() {
            Ok(bytes) => bytes.into_owned(),
            Err(error) => {
                return Fixed {
                    before: Vec::new(),
                    fate: Fate::Left,
                    declined: None,
                    faults: vec![error.into_fault(&input.name)],
                    tally: Tally::default(),
                    going: Vec::new(),
                    layers: Vec::new(),
                };
            }
        };
        let mut work = Work {
            fixer: self,
            input,
            patches: Vec::new(),
            declined: None,
            faults: Vec::new(),
            tally: Tally::default(),
            going: Vec::new(),
            layers: Vec::new(),
        };
        work.tally.files = 1;
        work.read(&bytes);
        let Work { patches, mut declined, faults, mut tally, going, layers, .. } = work;
        let mut fate = Fate::Left;
        if declined.is_none() && faults.is_empty() && !patches.is_empty() {
            match edit(&bytes, &patches) {
                Ok(edited) => fate = Fate::Changed(edited),
                Err(why) => declined = Some(fault(input, None, Some((why.line, 1)), why.reason.to_string())),
            }
        }
        match fate {
            Fate::Changed(_) => tally.fixed = 1,
            Fate::Left => tally.leave(),
        }
        let keep = all || matches!(fate, Fate::Changed(_));
        Fixed { before: if keep { bytes } else { Vec::new() }, fate, declined, faults, tally, going, layers }
    }
}

/// A file while it is fixed.
struct Work<'w> {
    fixer: &'w Fixer<'w>,
    input: &'w Input,
    patches: Vec<ObjectPatch>,
    declined: Option<Fault>,
    faults: Vec<Fault>,
    tally: Tally,
    going: Vec<Going>,
    layers: Vec<Layer>,
}

impl Work<'_> {
    fn read(&mut self, bytes: &[u8]) {
        let manifest = manifest::parse(bytes);
        for error in &manifest.errors {
            let place = Some((error.line, error.column));
            self.fault(Some(error.document.to_string()), place, error.problem.told_by("fix"));
        }
        let (mut comments, mistakes) = Comments::read(bytes, &manifest);
        // Whoever wrote it wants something left alone: so the file is.
        for (place, mistake) in mistakes.into_iter().chain(comments.strays().to_vec()) {
            self.fault(None, Some(place), format!("the comment {mistake}"));
        }
        for document in manifest.documents.iter().filter(|document| !document.is_empty()) {
            match document.objects() {
                Ok(objects) => {
                    objects.iter().for_each(|object| self.object(document, object, &mut comments));
                    overlay::layers(self.input, document, &objects, &mut self.layers);
                }
                Err(error) => {
                    let place = Some((error.line, error.column));
                    self.fault(Some(document.index.to_string()), place, error.problem.told_by("fix"));
                }
            }
        }
    }

    fn object(&mut self, document: &Document<'_>, object: &Object, comments: &mut Comments<'_>) {
        let Fixer { policies, facts, namespace } = *self.fixer;
        let (api_version, kind) = (object.api_version.as_str(), object.kind.as_str());
        let question = Question { api_version, kind, namespace, all: false, patch: true };
        match comments.evaluate(document, object, &question, policies, facts) {
            Ok((Evaluation::NotAWorkload | Evaluation::Owned, _)) => {}
            // What a comment sets aside is nobody's to count.
            Ok((Evaluation::Judged(judgement) | Evaluation::Data(judgement), _)) => {
                self.judged(document, object, judgement);
            }
            Err(error) => {
                let position = document.locate_nearest(&format!("{}{}", object.pointer, error.pointer));
                let place = Some((position.line, position.column));
                self.fault(Some(object.address.clone()), place, format!("this is no {}: {error}", Shown(kind)));
            }
        }
    }

    fn judged(&mut self, document: &Document<'_>, object: &Object, judgement: Judgement) {
        let without_image = Unsafe::NoImage.to_string();
        for finding in &judgement.findings {
            self.tally.count(finding);
            let is_part = finding.mode == Some(Mode::Enforce) && finding.reason.as_ref() == Some(&without_image);
            if is_part && self.declined.is_none() {
                let position = document.locate_nearest(&format!("{}{}", object.pointer, finding.pointer));
                let place = Some((position.line, position.column));
                let message = format!(
                    "no whole {} but a part that is laid over one: {without_image}; fix that one, or what is built of both",
                    Shown(&object.kind)
                );
                self.declined = Some(fault(self.input, Some(object.address.clone()), place, message));
            }
        }
        if !judgement.patch.is_empty() {
            self.going(document, object, &judgement);
            let pointer = object.pointer.clone();
            self.patches.push(ObjectPatch { document: document.index, pointer, patch: judgement.patch });
        }
    }

    fn going(&mut self, document: &Document<'_>, object: &Object, judgement: &Judgement) {
        let subject = Going::subject(object);
        let goes = |finding: &&Finding| finding.outcome == Outcome::Swapped && finding.mode == Some(Mode::Enforce);
        for finding in judgement.findings.iter().filter(goes) {
            let Some(container) = &finding.container else { continue };
            let position = document.locate_nearest(&format!("{}{}", object.pointer, finding.pointer));
            self.going.push(Going {
                subject: subject.clone(),
                address: object.address.clone(),
                pointer: finding.pointer.clone(),
                container: container.clone(),
                variables: self.variables(finding, &judgement.namespace),
                place: (position.line, position.column),
            });
        }
    }

    /// The variables that a reference makes, as far as it and the input tell.
    fn variables(&self, finding: &Finding, namespace: &str) -> Option<Vec<String>> {
        let variable = finding.variable.clone().unwrap_or_default();
        if !finding.pointer.contains("/envFrom/") {
            return Some(vec![variable]);
        }
        let secret = (namespace.to_owned(), finding.secret.clone()?);
        let keys = self.fixer.facts.secret_keys.get(&secret)?;
        Some(keys.iter().map(|key| format!("{variable}{key}")).collect())
    }

    fn fault(&mut self, document: Option<String>, place: Option<(usize, usize)>, message: String) {
        self.faults.push(fault(self.input, document, place, message));
    }
}

impl Tally {
    /// For a file that stays as it is.
    pub fn leave(&mut self) {
        self.remaining += self.swapped;
        (self.fixed, self.swapped, self.to_be_told) = (0, 0, 0);
    }

    fn count(&mut self, finding: &Finding) {
        match (finding.mode, finding.outcome) {
            (Some(Mode::DryRun), Outcome::Swapped) => self.dry_run += 1,
            (Some(Mode::DryRun), _) | (_, Outcome::Allowed) => {}
            (_, Outcome::Swapped) => {
                self.swapped += 1;
                self.to_be_told += usize::from(finding.reads == Some("mustBeTold"));
            }
            (_, Outcome::Denied | Outcome::Warned) => self.remaining += 1,
        }
    }
}

fn fault(input: &Input, document: Option<String>, place: Option<(usize, usize)>, message: String) -> Fault {
    Fault { file: input.name.clone(), document, place, message }
}
