//! What was found, in the forms that people and machines read.
//!
//! A report holds names, places and words, never a value of the input: the forms cannot show what they are not given.

pub mod audit;
pub mod diff;
pub mod excerpt;
pub mod explanation;
pub mod github;
pub mod json;
pub mod junit;
mod path;
pub mod sarif;
pub mod text;

use std::cmp::Ordering;
use std::ops::AddAssign;
use std::sync::Arc;

use jiff::civil::Date;

use crate::fence::policy::{ExceptionState, Mode, PolicySet};
use crate::fence::{Finding, Outcome, help};
use excerpt::Excerpt;

/// Everything that one run has to say.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of the set that judged.
    pub policies: Policies,
    /// The numbers.
    pub counts: Counts,
    /// What a live cluster was asked for; absent where none was to be asked.
    pub cluster: Option<Vec<&'static str>>,
    /// What was left out on purpose, a sentence each.
    pub not_judged: Vec<String>,
    /// By file, then document, pointer and mode.
    pub findings: Vec<LocatedFinding>,
    /// What comments set aside, in the same order.
    pub ignored: Vec<Ignored>,
    /// What is odd about comments, by file and line.
    pub warnings: Vec<Fault>,
    /// Of all policies, in their order.
    pub exceptions: Vec<ExceptionLine>,
    /// What could not be read or judged, by file and line.
    pub faults: Vec<Fault>,
    /// Every file that was named or found, in order: also those that nothing is said of.
    pub files: Vec<Arc<str>>,
    /// The rules that judged, in their order.
    pub rules: Vec<RuleLine>,
    /// What an earlier report knew; absent where there is none to compare with.
    pub baseline: Option<Compared>,
}

/// The set of policies that judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    /// Its revision.
    pub revision: String,
    /// How many policies are in force in it; those that are `off` are not.
    pub count: usize,
    /// How many of them are in dry run, and were judged as if they enforced.
    pub as_enforced: usize,
    /// Whether it is the built-in baseline, since nobody named another.
    pub is_built_in: bool,
}

/// The numbers of a run. Each reference is exactly one of denied, warned, swapped and allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files that were read.
    pub files: usize,
    /// Documents in them that hold something, broken ones too.
    pub documents: usize,
    /// Pods and objects with pod templates that were judged.
    pub workloads: usize,
    /// References that an enforcing policy denies.
    pub denied: usize,
    /// References that an enforcing policy warns of.
    pub warned: usize,
    /// References that an enforcing policy swaps.
    pub swapped: usize,
    /// References that no enforcing policy denies, warns of or swaps, whether they are listed or not.
    pub allowed: usize,
    /// Findings of policies in dry run, those that it would allow apart. Their references count above, too.
    pub dry_run: usize,
    /// Workloads that another object controls: not judged.
    pub owned: usize,
    /// Findings that a comment sets aside. Unless another policy decides them, their references count as allowed.
    pub ignored: usize,
}

/// A finding and its place.
#[derive(Clone, Debug)]
pub struct LocatedFinding {
    /// The file, as it was named or found; `-` for standard input. Not safe to show.
    pub file: Arc<str>,
    /// The document in the file, then the way through lists: `2.items.3`.
    pub document: Arc<str>,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// Of the same line, 1-based: the character behind the last that belongs to it. None where that would tell how long a
    /// value is.
    pub end_column: Option<usize>,
    /// The object.
    pub object: Arc<ObjectName>,
    /// What was found.
    pub finding: Finding,
    /// The lines of the source, where they were asked for.
    pub excerpt: Excerpt,
    /// Whether the baseline has it: it is not counted among the others, and never fails.
    pub known: bool,
}

/// What became of an earlier report.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Whether it was made by other policies: what these do not find may be there all the same.
    pub other_policies: bool,
    /// How many findings it has that are still there.
    pub known: usize,
    /// Those that are not there any more, in its order.
    pub gone: Vec<Gone>,
}

impl Compared {
    /// What is said in front of what is gone.
    fn gone_label(&self) -> &'static str {
        if self.other_policies { "not found by these policies" } else { "gone" }
    }
}

/// A finding of an earlier report that is not there any more. Whoever wrote that file chose the words: not safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The file, as it was named or found.
    pub file: String,
    /// The kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The whole sentence.
    pub message: String,
    /// The fingerprint.
    pub fingerprint: String,
}

/// A rule, for forms that describe their rules beside the findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// Whether the policy is enforced.
    pub mode: Mode,
    /// What the rule does.
    pub action: &'static str,
    /// The kinds that it is about, each with the way out.
    pub kinds: Vec<(&'static str, &'static str)>,
    /// The way out in the rule's own words.
    pub message: Option<String>,
}

/// A finding that a comment sets aside.
#[derive(Clone, Debug)]
pub struct Ignored {
    /// The finding.
    pub finding: LocatedFinding,
    /// The line of the comment, 1-based.
    pub line: usize,
    /// Why, as the comment says. Safe to show.
    pub reason: String,
}

/// Which object a finding is about. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The namespace in which it was judged.
    pub namespace: String,
    /// The name, or `generateName`.
    pub name: String,
}

/// An exception, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionLine {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The last day on which it holds.
    pub expires: Date,
    /// On the day of the report.
    pub state: ExceptionState,
}

/// Something that could not be read or judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named or found. Not safe to show.
    pub file: Arc<str>,
    /// The document, where one is to blame.
    pub document: Option<String>,
    /// Line and column, 1-based, where there is a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and the way out. Safe to show.
    pub message: String,
}

impl Report {
    /// Whether something enforced would be denied.
    pub fn denies(&self) -> bool {
        self.counts.denied > 0
    }
}

impl RuleLine {
    /// Every rule of the set, in order of policies.
    pub fn of(set: &PolicySet) -> Vec<RuleLine> {
        let rules = set.policies().iter().flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
        rules
            .map(|(policy, rule)| RuleLine {
                policy: policy.name.clone(),
                rule: rule.name.clone(),
                mode: policy.mode,
                action: rule.action.name(),
                kinds: rule.on.iter().map(|kind| (kind.name(), help(kind))).collect(),
                message: rule.message.clone(),
            })
            .collect()
    }
}

impl LocatedFinding {
    /// `<policy>/<rule>`, as a comment names it; none where no rule is about the reference.
    fn decided_by(&self) -> Option<String> {
        let (policy, rule) = (self.finding.policy.as_ref()?, self.finding.rule.as_ref()?);
        Some(format!("{policy}/{rule}"))
    }

    /// What it comes to in forms with three levels. What only a dry run denies fails nothing.
    fn level(&self) -> Level {
        level_of(&self.finding)
    }

    /// Its message, and that it is of a dry run, where it is.
    fn sentence(&self) -> String {
        let dry_run = if self.finding.mode == Some(Mode::DryRun) { " (dry run)" } else { "" };
        format!("{}{dry_run}: {}", self.finding.outcome.name(), self.finding.message)
    }
}

/// What is to be changed before the swap, where the program must be told: the variable to read, and what it will be.
pub(crate) fn change(finding: &Finding) -> Option<String> {
    let Finding { outcome, reads, variable, becomes, .. } = finding;
    let becomes = becomes.as_ref().filter(|_| (*outcome, *reads) == (Outcome::Swapped, Some("mustBeTold")))?;
    let path = &becomes.path;
    let variable = variable.as_deref().unwrap_or("");
    Some(match (&becomes.variable, becomes.is_directory) {
        (Some(name), _) => format!("read the file named by {name}={path} in place of {variable}"),
        (None, false) => format!("read the file {path} in place of {variable}"),
        (None, true) => format!("read the files in {path} in place of the variables"),
    })
}

fn level_of(finding: &Finding) -> Level {
    match (finding.mode, finding.outcome) {
        (_, Outcome::Allowed) => Level::None,
        (Some(Mode::DryRun), _) | (_, Outcome::Swapped) => Level::Note,
        (_, Outcome::Warned) => Level::Warning,
        (_, Outcome::Denied) => Level::Error,
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// It would be denied.
    Error,
    /// It is warned of.
    Warning,
    /// It would be swapped, or is of a dry run.
    Note,
    /// It is allowed.
    None,
}

impl Policies {
    /// Of a compiled set.
    pub fn of(set: &PolicySet) -> Policies {
        Policies {
            revision: set.revision().to_owned(),
            count: set.policies().len(),
            as_enforced: set.counts_as_enforced(),
            is_built_in: false,
        }
    }
}

impl ExceptionLine {
    /// Every exception of the set, in order of policies and rules.
    pub fn of(set: &PolicySet, today: Date) -> Vec<ExceptionLine> {
        set.exceptions()
            .map(|(policy, rule, exception)| ExceptionLine {
                policy: policy.name.clone(),
                rule: rule.name.clone(),
                expires: exception.expires,
                state: exception.state(today),
            })
            .collect()
    }
}

impl Counts {
    /// Takes a finding out of the numbers again: its reference is counted nowhere else then.
    pub fn give_back(&mut self, finding: &Finding) {
        let number = match (finding.mode, finding.outcome) {
            (_, Outcome::Allowed) => return,
            (Some(Mode::DryRun), _) => &mut self.dry_run,
            (_, Outcome::Denied) => &mut self.denied,
            (_, Outcome::Warned) => &mut self.warned,
            (_, Outcome::Swapped) => &mut self.swapped,
        };
        *number = number.saturating_sub(1);
    }

    /// Counts one finding; what is allowed is counted by reference, since it need not be a finding.
    pub fn take(&mut self, finding: &Finding) {
        match (finding.mode, finding.outcome) {
            (_, Outcome::Allowed) => {}
            (Some(Mode::DryRun), _) => self.dry_run += 1,
            (_, Outcome::Denied) => self.denied += 1,
            (_, Outcome::Warned) => self.warned += 1,
            (_, Outcome::Swapped) => self.swapped += 1,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Counts) {
        // Whole, so that a number that is added to the type is added here.
        let Counts { files, documents, workloads, denied, warned, swapped, allowed, dry_run, owned, ignored } = more;
        self.files += files;
        self.documents += documents;
        self.workloads += workloads;
        self.denied += denied;
        self.warned += warned;
        self.swapped += swapped;
        self.allowed += allowed;
        self.dry_run += dry_run;
        self.owned += owned;
        self.ignored += ignored;
    }
}

/// The name of a mode in reports.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::DryRun => "dryRun",
    }
}

fn state_name(state: ExceptionState) -> &'static str {
    match state {
        ExceptionState::Active => "active",
        ExceptionState::Ending => "ending",
        ExceptionState::Expired => "expired",
    }
}

/// JSON pointers in the order of the object: indices by number.
pub fn by_pointer(a: &str, b: &str) -> Ordering {
    let step = |a: &str, b: &str| match (a.parse::<usize>(), b.parse::<usize>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    };
    let (mut left, mut right) = (a.split('/'), b.split('/'));
    loop {
        match (left.next(), right.next()) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return step(a, b),
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}
