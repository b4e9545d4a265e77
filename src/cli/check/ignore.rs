//! Comments that set a finding aside: `# secretfence: ignore <policy>/<rule> <reason>`, on a line of the reference or on the
//! line before it. Only `check` and `fix` read them: the API server knows no comments.

use std::ops::RangeInclusive;

use memchr::{memchr, memchr_iter, memmem, memrchr};

use crate::fence::name::{Shown, acts_on_a_terminal};
use crate::fence::policy::error::near_miss;
use crate::fence::rules::credential;
use crate::fence::{Evaluation, Facts, Finding, ObjectError, Outcome, PolicySet, Question, SetAside, evaluate_but};
use crate::manifest::{Document, Manifest, Object, Position};
use crate::report::excerpt::nearest;

/// What a comment begins with: then `:`.
const MARK: &str = "secretfence";
/// How much of a reason is shown, in characters.
const REASON_CHARACTERS: usize = 256;

/// The comments of a file.
#[derive(Debug)]
pub struct Comments<'s> {
    source: &'s [u8],
    comments: Vec<Comment>,
    /// Such as want to be one.
    strays: Vec<Mistake>,
}

/// A comment that sets a rule aside.
#[derive(Clone, Debug)]
pub struct Comment {
    /// Of the comment: line and column, 1-based.
    pub place: (usize, usize),
    /// The line that it is about.
    pub about: usize,
    /// The policy's name, as written.
    pub policy: String,
    /// The rule's name, as written.
    pub rule: String,
    /// Why. Safe to show.
    pub reason: String,
    /// Whether it has set something aside.
    pub used: bool,
}

/// A comment that says too little to be one: where, and what is missing.
pub type Mistake = ((usize, usize), &'static str);

impl<'s> Comments<'s> {
    /// The comments of a file, and those that are mistaken. What only looks like one, within a string or a script, is none.
    pub fn read(source: &'s [u8], manifest: &Manifest<'_>) -> (Comments<'s>, Vec<Mistake>) {
        let (mut comments, mut mistakes, mut strays) = (Vec::new(), Vec::new(), Vec::new());
        for mark in memmem::find_iter(source, MARK) {
            let start = memrchr(b'\n', &source[..mark]).map_or(0, |newline| newline + 1);
            let end = memchr(b'\n', &source[mark..]).map_or(source.len(), |newline| mark + newline);
            let Some(sign) = sign(&source[start..mark]).map(|at| start + at) else { continue };
            let text = String::from_utf8_lossy(&source[mark + MARK.len()..end]);
            let text = text.trim_start();
            let (text, has_colon) = text.strip_prefix(':').map_or((text, false), |text| (text, true));
            let Some(text) = text.trim().strip_prefix("ignore").filter(|rest| !rest.starts_with(char::is_alphanumeric))
            else {
                continue;
            };
            if manifest.documents.iter().any(|document| document.is_within_scalar(sign)) {
                continue;
            }
            let line = memchr_iter(b'\n', &source[..start]).count() + 1;
            let place = (line, String::from_utf8_lossy(&source[start..sign]).chars().count() + 1);
            let (rule, reason) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
            if !has_colon {
                if rule.contains('/') {
                    strays.push((place, "has no colon, so it sets nothing aside: write # secretfence: ignore …"));
                }
                continue;
            }
            match rule.split_once('/').filter(|(policy, rule)| !policy.is_empty() && !rule.is_empty()) {
                None => mistakes.push((place, "names no rule: write # secretfence: ignore <policy>/<rule> <reason>")),
                Some(_) if reason.trim().is_empty() => {
                    mistakes.push((place, "gives no reason, so it sets nothing aside: write one behind the rule"));
                }
                Some((policy, rule)) => {
                    let alone = source[start..sign].iter().all(u8::is_ascii_whitespace);
                    let about = if alone { line + 1 + comment_lines(&source[end..]) } else { line };
                    let (policy, rule, reason) = (policy.to_owned(), rule.to_owned(), shown(reason.trim()));
                    comments.push(Comment { place, about, policy, rule, reason, used: false });
                }
            }
        }
        (Comments { source, comments, strays }, mistakes)
    }

    /// Those that are none for want of a colon.
    pub fn strays(&self) -> &[Mistake] {
        &self.strays
    }

    /// Those that have set nothing aside so far.
    pub fn unused(&self) -> impl Iterator<Item = &Comment> {
        self.comments.iter().filter(|comment| !comment.used)
    }

    /// Judges the object; and again, without what comments set aside: another policy may have something to say of it.
    ///
    /// # Errors
    /// Those of [`evaluate_but`].
    pub fn evaluate(
        &mut self,
        document: &Document<'_>,
        object: &Object,
        question: &Question<'_>,
        policies: &PolicySet,
        facts: &Facts,
    ) -> Result<(Evaluation, Vec<(Finding, Comment)>), ObjectError> {
        let mut set_aside: Vec<SetAside> = Vec::new();
        let mut ignored = Vec::new();
        loop {
            let mut evaluation = evaluate_but(&object.json, question, &set_aside, policies, facts)?;
            let (Evaluation::Judged(judgement) | Evaluation::Data(judgement)) = &mut evaluation else {
                return Ok((evaluation, ignored));
            };
            let before = set_aside.len();
            // What is still said of something set aside is said of what it would become: that is set aside, too.
            judgement.findings.retain(|finding| !set_aside.iter().any(|its| is_of(its, finding)));
            for finding in &judgement.findings {
                let Some(comment) = self.comment(document, object, finding) else { continue };
                self.comments[comment].used = true;
                ignored.push((finding.clone(), self.comments[comment].clone()));
                set_aside.extend(as_set_aside(finding));
            }
            if set_aside.len() == before {
                return Ok((evaluation, ignored));
            }
        }
    }

    /// The comment that sets the finding aside.
    fn comment(&self, document: &Document<'_>, object: &Object, finding: &Finding) -> Option<usize> {
        let (policy, rule) = finding.policy.as_deref().zip(finding.rule.as_deref())?;
        if self.comments.is_empty() || finding.outcome == Outcome::Allowed {
            return None;
        }
        let lines = self.lines(document, &format!("{}{}", object.pointer, finding.pointer));
        self.comments.iter().position(|comment| comment.sets_aside(policy, rule, &lines))
    }

    /// The lines of what stands at the pointer, its key's too; of what is not there, the line that is shown for it.
    fn lines(&self, document: &Document<'_>, pointer: &str) -> RangeInclusive<usize> {
        let line_of = |offset: usize| memchr_iter(b'\n', &self.source[..offset.min(self.source.len())]).count() + 1;
        match document.span(pointer) {
            Some(span) => {
                let start = document.key_span(pointer).map_or(span.bytes.start, |key| key.start.min(span.bytes.start));
                line_of(start)..=line_of(span.bytes.end.saturating_sub(1).max(start))
            }
            None => {
                let line = position(document, pointer).line;
                line..=line
            }
        }
    }
}

impl Comment {
    /// Whether it is about what that rule says of something on these lines.
    pub fn sets_aside(&self, policy: &str, rule: &str, lines: &RangeInclusive<usize>) -> bool {
        self.policy == policy && self.rule == rule && lines.contains(&self.about)
    }

    /// What to say of a comment that has set nothing aside.
    pub fn complaint(&self, policies: &PolicySet) -> String {
        let (policy, rule) = (Shown(&self.policy), Shown(&self.rule));
        match policies.policies().iter().find(|its| its.name == self.policy) {
            None => {
                let meant = meant(&self.policy, policies.policies().iter().map(|its| &*its.name));
                format!("the comment names policy \"{policy}\", which is not in force{meant}: correct it, or remove it")
            }
            Some(its) if its.rules.iter().all(|its| its.name != self.rule) => {
                let meant = meant(&self.rule, its.rules.iter().map(|its| &*its.name));
                format!(
                    "the comment names rule \"{rule}\", which policy \"{policy}\" does not have{meant}: correct it, or remove it"
                )
            }
            Some(_) => format!(
                "the comment sets nothing aside: {policy}/{rule} decides nothing on line {}: remove it",
                self.about
            ),
        }
    }
}

fn meant<'n>(found: &str, names: impl Iterator<Item = &'n str>) -> String {
    near_miss(found, names).map(|name| format!(" (did you mean \"{name}\"?)")).unwrap_or_default()
}

/// Where a reference stands; where nothing does (a ServiceAccount that is not named), the field that it would be in.
pub fn position(document: &Document<'_>, pointer: &str) -> Position {
    let within = || nearest(document, pointer).and_then(|field| document.locate_key(field));
    document.locate(pointer).or_else(within).unwrap_or_else(|| document.locate_nearest(pointer))
}

fn as_set_aside(finding: &Finding) -> Option<SetAside> {
    let (policy, rule) = finding.policy.clone().zip(finding.rule.clone())?;
    Some(SetAside { pointer: finding.pointer.clone(), policy, rule })
}

fn is_of(set_aside: &SetAside, finding: &Finding) -> bool {
    as_set_aside(finding).is_some_and(|its| its == *set_aside)
}

/// The place of the `#` that begins the comment, where nothing but blanks stands between it and the mark.
fn sign(before: &[u8]) -> Option<usize> {
    let text = before.trim_ascii_end();
    let at = text.len().checked_sub(1).filter(|at| text[*at] == b'#')?;
    // YAML wants a blank before it.
    at.checked_sub(1).is_none_or(|before| text[before].is_ascii_whitespace()).then_some(at)
}

/// How many lines that are comments follow the end of this one: several may be about one reference.
fn comment_lines(rest: &[u8]) -> usize {
    rest.split(|byte| *byte == b'\n').skip(1).take_while(|line| line.trim_ascii_start().starts_with(b"#")).count()
}

fn shown(reason: &str) -> String {
    if credential::in_word(None, reason).is_some() {
        return "<masked>".to_owned();
    }
    let safe = |character: char| if acts_on_a_terminal(character) { ' ' } else { character };
    let mut text: String = reason.chars().take(REASON_CHARACTERS).map(safe).collect();
    if reason.chars().nth(REASON_CHARACTERS).is_some() {
        text.push('…');
    }
    text
}
