//! What an audit of a live cluster found, folded by owner: forty replicas of a Deployment are one entry with a count.
//!
//! Pure data. Names and sentences are safe to
//! show, unless a field says otherwise.

pub mod csv;
pub mod fold;
pub mod html;
pub mod json;
pub mod metrics;
pub mod published;
pub mod sarif;
pub mod text;

use std::ops::AddAssign;

use jiff::civil::Date;

use super::{Gone, Policies, RuleLine, change};
use crate::fence::policy::{ExceptionState, Mode};
use crate::fence::workload::group_and_version;
use crate::fence::{Finding, Outcome};
use fold::OwnerName;

/// What pods that are missed are, where nothing is registered yet: no failure.
const MISSED_BEFORE: &str = "they exist; the policies would deny or swap them when they are made anew";

/// Everything that one audit has to say.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Of the set that judged.
    pub policies: Policies,
    /// The day on which exceptions were judged.
    pub today: Date,
    /// The rules that judged, in their order.
    pub rules: Vec<RuleLine>,
    /// The numbers of all namespaces together.
    pub totals: Totals,
    /// Those with at least one finding, by namespace, kind, then name.
    pub owners: Vec<Owner>,
    /// Those that were judged, clean ones too, by name.
    pub namespaces: Vec<NamespaceLine>,
    /// Of all policies, in their order.
    pub exceptions: Vec<ExceptionUse>,
    /// What asks the fence in this cluster.
    pub registration: Registration,
    /// The namespaces that were not judged, since no registration ever asks about them; by name.
    pub left_out: Vec<LeftOut>,
    /// Which one it is of.
    pub cluster: Cluster,
    /// What was asked for: what nothing of a part uses may be in use elsewhere.
    pub scope: Scope,
    /// What was left out on purpose or cannot be known, a sentence each.
    pub not_judged: Vec<String>,
    /// What could not be read or judged, a sentence each. With one of them the rest is not the whole.
    pub errors: Vec<String>,
    /// What became of an earlier audit's findings; absent where there is none to compare with.
    pub compared: Option<Compared>,
}

/// Which cluster, as whoever asked knows it: one may have several names and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The context of the kubeconfig; none: the pod's own cluster.
    pub context: Option<String>,
    /// The address of its API server, without user and password.
    pub server: String,
}

/// Which part of a cluster was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// These namespaces, by name; empty: all.
    pub namespaces: Vec<String>,
    /// What has these labels, as they were given. Not safe to show.
    pub selector: Option<String>,
}

/// The numbers of a namespace, or of all. Findings are counted once for each owner, not for each of its pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Owners of pods that were judged, clean ones too.
    pub owners: usize,
    /// Pods as they exist.
    pub pods: usize,
    /// Findings that an enforcing policy denies, unsafe ones included.
    pub denied: usize,
    /// Findings that an enforcing policy warns of.
    pub warned: usize,
    /// Findings that an enforcing policy swaps.
    pub swapped: usize,
    /// Findings of policies in dry run. The numbers above are without them, and so are those below.
    pub dry_run: usize,
    /// What would become of those.
    pub would_be: WouldBe,
    /// Of the swapped: the image reads the file.
    pub reads_files: usize,
    /// Of the swapped: the program must be told.
    pub must_be_told: usize,
    /// Of the denied and the warned: a policy would swap it, were that safe.
    pub not_safe: usize,
    /// Pods with at least one reference that an enforcing policy denies or swaps: they exist all the same.
    pub missed: usize,
}

/// The findings of policies in dry run, by what these would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WouldBe {
    /// Denied, unsafe ones included.
    pub denied: usize,
    /// Warned of.
    pub warned: usize,
    /// Swapped.
    pub swapped: usize,
    /// Of the swapped: the image reads the file.
    pub reads_files: usize,
    /// Of the swapped: the program must be told.
    pub must_be_told: usize,
    /// Of the denied and the warned: a policy would swap it, were that safe.
    pub not_safe: usize,
}

/// What makes pods, or a pod that nothing makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its namespace.
    pub namespace: String,
    /// Group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether it was judged itself.
    pub template: Template,
    /// How many pods of it exist.
    pub pods: usize,
    /// How many of them have at least one reference that an enforcing policy denies or swaps.
    pub missed: usize,
    /// How many of the missed are more than the compared audit had, where they should have been stopped: at the least.
    pub slipped: usize,
    /// At least one: by container, pointer, then mode.
    pub rows: Vec<Row>,
}

/// What is known of the pods that come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// The owner's pod template was judged.
    Judged,
    /// A pod that no controller made: if it is made anew, it is made as it is.
    Itself,
    /// Nobody tells where this kind has its template, or it could not be read: the pods as they exist are all that is known.
    Unknown,
}

/// A finding of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As the template has it, else as the first pod that has it. The pointer is within that object, and not safe to show.
    pub finding: Finding,
    /// Whether the template has it. Where it does not, pods have it from an older template, or since something put it in
    /// while they were admitted.
    pub in_template: bool,
    /// How many pods have it, as they exist.
    pub pods: usize,
    /// Whether policies in dry run were judged as if they enforced: nobody was to stop it yet.
    pub foretold: bool,
    /// Whether the audit that this one is compared with has it.
    pub known: bool,
    /// How many of the missed are more than that audit had, where they should have been stopped.
    pub slipped: usize,
}

/// A namespace that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceLine {
    /// The name.
    pub name: String,
    /// What its label says.
    pub label: ModeLabel,
    /// What the installed registrations make of that: what happens to its pods at this moment.
    pub fence: Fence,
    /// The numbers.
    pub totals: Totals,
}

/// What a namespace's label `secretfence.dev/mode` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeLabel {
    /// `enforce`
    Enforce,
    /// `dry-run`
    DryRun,
    /// `off`
    Off,
    /// There is no label.
    None,
    /// A value that no registration knows.
    Other(String),
    /// The namespace's labels could not be read.
    Unknown,
}

/// What happens to a pod that is made in a namespace now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// It is swapped or denied, where a policy says so: none gets past the fence.
    Enforced,
    /// Some are, and some get past it: what is not judged says why.
    Narrowed,
    /// It is reported.
    DryRun,
    /// It is neither denied nor reported.
    Open,
    /// The registrations or the namespace's labels could not be read.
    Unknown,
}

/// What asks the fence in this cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// At least one webhook of ours is registered.
    Installed,
    /// None is: no namespace is left out.
    Missing,
    /// They could not be read: no namespace is left out.
    Unknown,
}

/// A namespace that was not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The name.
    pub namespace: String,
    /// Why: ends a sentence that begins with the name.
    pub why: String,
}

/// An exception, where it stands, and what it lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionUse {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The last day on which it holds.
    pub expires: Date,
    /// On the day of the audit.
    pub state: ExceptionState,
    /// Whether its rule is about pods alone: ConfigMaps and Secrets are not judged.
    pub of_pods: bool,
    /// How many references of owners it decides of within its policy. None: it is not used.
    pub references: usize,
    /// How many owners have them.
    pub owners: usize,
    /// The first of them, by namespace, kind and name.
    pub used_by: Vec<OwnerName>,
}

/// What became of an earlier audit's findings.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// The day as of which the earlier one was made, where it says that.
    pub as_of: Option<Date>,
    /// Whether the earlier one was made by other policies: what these do not find may be there all the same.
    pub other_policies: bool,
    /// How many findings are in both.
    pub known: usize,
    /// How many are in this one alone.
    pub new: usize,
    /// How many pods slipped in, at the least: they are missed, the earlier one did not have them, and the fence was there
    /// or is.
    pub slipped: usize,
    /// Those of the earlier one alone, in its order. `file` is empty.
    pub gone: Vec<Gone>,
}

impl Audit {
    /// Whether what was not found is not there.
    pub(crate) fn sees_all(&self) -> bool {
        self.scope.is_whole() && self.errors.is_empty()
    }

    /// Whether an exception that nothing uses here is one that nothing uses.
    pub(crate) fn sees_use_of(&self, exception: &ExceptionUse) -> bool {
        self.sees_all() && exception.of_pods
    }

    /// Said behind what was not found.
    fn as_far_as_read(&self) -> &'static str {
        if self.errors.is_empty() { "" } else { ", as far as it could be read" }
    }

    /// Whether a policy that is enforced would deny something that an earlier audit did not know, or pods slipped in since
    /// then. Of what an owner has beyond the rows that are kept nobody knows whether it was there: it counts as new.
    pub fn denies(&self) -> bool {
        let is_denied = |row: &Row| row.is_enforced() && row.finding.outcome == Outcome::Denied;
        let (mut rows, mut denied) = (self.rows().map(|(_, row)| row), 0);
        rows.any(|row| {
            denied += usize::from(is_denied(row));
            row.slipped > 0 || !row.known && is_denied(row)
        }) || self.totals.denied > denied
    }

    /// How many findings that enforcing policies come to this with would be swapped, were that safe.
    pub fn not_safe(&self, outcome: Outcome) -> usize {
        let is_one = |row: &Row| row.is_enforced() && row.is_not_safe() && row.finding.outcome == outcome;
        self.rows().filter(|(_, row)| is_one(row)).count()
    }

    /// How many pods are missed where there is a fence now: those that were made before it, or got past it.
    pub(crate) fn missed_in_fences(&self) -> usize {
        let is_fenced = |line: &&NamespaceLine| matches!(line.fence, Fence::Enforced | Fence::Narrowed);
        self.namespaces.iter().filter(is_fenced).map(|line| line.totals.missed).sum()
    }

    /// Namespaces whose label has a value that no registration knows, most often misspelt, in a sentence each.
    fn odd_labels(&self) -> impl Iterator<Item = String> {
        self.namespaces.iter().filter_map(|line| match &line.label {
            ModeLabel::Other(value) => Some(format!(
                "{}: the label secretfence.dev/mode={value} is none of enforce, dry-run and off{}",
                line.name,
                if line.fence == Fence::Open { ", so there is no fence" } else { "" }
            )),
            _ => None,
        })
    }

    /// Of these names, which tell it from others with the group: the version may be another.
    pub fn owner(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<&Owner> {
        let (group, _) = group_and_version(api_version);
        let is_it = |owner: &&Owner| {
            (&*owner.kind, &*owner.namespace, &*owner.name) == (kind, namespace, name)
                && group_and_version(&owner.api_version).0 == group
        };
        self.owners.iter().find(is_it)
    }

    /// Every finding with its owner, in order.
    pub fn rows(&self) -> impl Iterator<Item = (&Owner, &Row)> {
        self.owners.iter().flat_map(|owner| owner.rows.iter().map(move |row| (owner, row)))
    }
}

impl Cluster {
    fn in_words(&self) -> String {
        match &self.context {
            Some(context) => format!("context {context}, {}", self.server),
            None => format!("the pod's own, {}", self.server),
        }
    }
}

impl Scope {
    /// Whether it is the whole cluster.
    pub fn is_whole(&self) -> bool {
        self.namespaces.is_empty() && self.selector.is_none()
    }
}

impl Compared {
    /// What it is compared with: `the audit of 2026-11-20`.
    fn earlier(&self) -> String {
        self.as_of.map_or_else(|| "the earlier audit".to_owned(), |day| format!("the audit of {day}"))
    }

    /// What is said in front of what is gone.
    fn gone_label(&self) -> &'static str {
        if self.other_policies { "not found by these policies" } else { "gone" }
    }
}

impl ExceptionUse {
    /// Who uses it, in words: those that are named, and how many more. Empty where nobody does.
    fn users(&self) -> String {
        let names = self.used_by.iter().map(|owner| format!("{} {}/{}", owner.kind, owner.namespace, owner.name));
        let names = names.collect::<Vec<_>>().join(", ");
        match self.owners.saturating_sub(self.used_by.len()) {
            0 => names,
            more => format!("{names}, and {more} more"),
        }
    }
}

impl Row {
    /// Whether the policy is enforced, and not in dry run.
    pub fn is_enforced(&self) -> bool {
        self.finding.mode != Some(Mode::DryRun)
    }

    /// Whether a policy would swap it, were that safe.
    fn is_not_safe(&self) -> bool {
        self.finding.reads == Some("unsafe")
    }

    /// How many pods exist with it although an enforcing policy denies or swaps it.
    pub fn missed(&self) -> usize {
        let stops = matches!(self.finding.outcome, Outcome::Denied | Outcome::Swapped);
        if self.is_enforced() && stops && !self.foretold { self.pods } else { 0 }
    }

    /// What is to be done in the program before the swap, where it must be told.
    pub fn change(&self) -> Option<String> {
        change(&self.finding)
    }
}

impl Totals {
    /// Counts a finding.
    pub fn take(&mut self, finding: &Finding) {
        let number = match (finding.mode, finding.outcome) {
            (_, Outcome::Allowed) => return,
            (Some(Mode::DryRun), _) => {
                self.dry_run += 1;
                self.would_be.take(finding);
                return;
            }
            (_, Outcome::Denied) => &mut self.denied,
            (_, Outcome::Warned) => &mut self.warned,
            (_, Outcome::Swapped) => &mut self.swapped,
        };
        *number += 1;
        match finding.reads {
            Some("files") => self.reads_files += 1,
            Some("mustBeTold") => self.must_be_told += 1,
            Some("unsafe") => self.not_safe += 1,
            _ => {}
        }
    }
}

impl Policies {
    /// `the built-in baseline`, `1 policy`.
    fn in_words(&self, number: impl Fn(usize) -> String) -> String {
        match (self.is_built_in, self.count) {
            (true, _) => "the built-in baseline".to_owned(),
            (false, 1) => "1 policy".to_owned(),
            (false, count) => format!("{} policies", number(count)),
        }
    }

    /// Which of them were judged as if they enforced, if any was.
    fn foretold(&self) -> Option<String> {
        let Policies { count, as_enforced, .. } = *self;
        let (which, they) = match as_enforced {
            0 => return None,
            1 if count == 1 => (String::new(), "it"),
            1 => ("1 of them ".to_owned(), "it"),
            number if number == count => ("all of them ".to_owned(), "they"),
            number => (format!("{number} of them "), "they"),
        };
        Some(format!("{which}in dry run, and judged as if {they} enforced (--as-enforced)"))
    }
}

impl WouldBe {
    fn take(&mut self, finding: &Finding) {
        *match finding.outcome {
            Outcome::Allowed => return,
            Outcome::Denied => &mut self.denied,
            Outcome::Warned => &mut self.warned,
            Outcome::Swapped => &mut self.swapped,
        } += 1;
        match finding.reads {
            Some("files") => self.reads_files += 1,
            Some("mustBeTold") => self.must_be_told += 1,
            Some("unsafe") => self.not_safe += 1,
            _ => {}
        }
    }

    /// In words that stand behind their number: `3 would be denied, 2 swapped, 1 warned of`.
    fn in_words(&self, number: impl Fn(usize) -> String) -> String {
        let WouldBe { denied, warned, swapped, .. } = *self;
        let parts = [(denied, "denied"), (swapped, "swapped"), (warned, "warned of")].into_iter();
        let parts = parts.filter(|(count, _)| *count > 0).enumerate().map(|(index, (count, what))| {
            let would_be = if index == 0 { " would be" } else { "" };
            format!("{}{would_be} {what}", number(count))
        });
        parts.collect::<Vec<_>>().join(", ")
    }
}

impl AddAssign for WouldBe {
    fn add_assign(&mut self, more: WouldBe) {
        let WouldBe { denied, warned, swapped, reads_files, must_be_told, not_safe } = more;
        self.denied += denied;
        self.warned += warned;
        self.swapped += swapped;
        self.reads_files += reads_files;
        self.must_be_told += must_be_told;
        self.not_safe += not_safe;
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, more: Totals) {
        // Whole, so that a number that is added to the type is added here.
        let Totals {
            owners,
            pods,
            denied,
            warned,
            swapped,
            dry_run,
            would_be,
            reads_files,
            must_be_told,
            not_safe,
            missed,
        } = more;
        self.owners += owners;
        self.pods += pods;
        self.denied += denied;
        self.warned += warned;
        self.swapped += swapped;
        self.dry_run += dry_run;
        self.would_be += would_be;
        self.reads_files += reads_files;
        self.must_be_told += must_be_told;
        self.not_safe += not_safe;
        self.missed += missed;
    }
}

impl ModeLabel {
    /// Of the label's value.
    pub fn of(value: Option<&str>) -> ModeLabel {
        match value {
            Some("enforce") => ModeLabel::Enforce,
            Some("dry-run") => ModeLabel::DryRun,
            Some("off") => ModeLabel::Off,
            Some(other) => ModeLabel::Other(crate::fence::name::Shown(other).to_text()),
            None => ModeLabel::None,
        }
    }

    /// The value, as reports show it.
    pub fn text(&self) -> &str {
        match self {
            ModeLabel::Enforce => "enforce",
            ModeLabel::DryRun => "dry-run",
            ModeLabel::Off => "off",
            ModeLabel::None => "",
            ModeLabel::Other(value) => value,
            ModeLabel::Unknown => "?",
        }
    }
}

impl Fence {
    /// Whether pods are made there as they are, and nobody is surprised. What is not known is not taken for that.
    pub fn lets_in(self) -> bool {
        matches!(self, Fence::Open | Fence::DryRun)
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Fence::Enforced => "enforced",
            Fence::Narrowed => "narrowed",
            Fence::DryRun => "dryRun",
            Fence::Open => "open",
            Fence::Unknown => "unknown",
        }
    }
}

impl Template {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Template::Judged => "judged",
            Template::Itself => "itself",
            Template::Unknown => "unknown",
        }
    }
}

impl Registration {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Registration::Installed => "installed",
            Registration::Missing => "missing",
            Registration::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_how_many_policies_were_judged_as_if_they_enforced() {
        let words = |as_enforced, count| {
            Policies { revision: String::new(), count, as_enforced, is_built_in: false }.foretold()
        };
        let of = |which: &str| Some(format!("{which} enforced (--as-enforced)"));
        assert_eq!(words(0, 3), None);
        assert_eq!(words(1, 1), of("in dry run, and judged as if it"));
        assert_eq!(words(1, 3), of("1 of them in dry run, and judged as if it"));
        assert_eq!(words(2, 3), of("2 of them in dry run, and judged as if they"));
        assert_eq!(words(3, 3), of("all of them in dry run, and judged as if they"));
    }

    #[test]
    fn what_would_be_is_said_without_what_would_not() {
        let words = |denied, swapped, warned| {
            WouldBe { denied, swapped, warned, ..WouldBe::default() }.in_words(|number| number.to_string())
        };
        assert_eq!(words(3, 2, 1), "3 would be denied, 2 swapped, 1 warned of");
        assert_eq!(words(0, 0, 1), "1 would be warned of");
        assert_eq!(words(0, 2, 0), "2 would be swapped");
    }
}
