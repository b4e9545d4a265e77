//! References and policies together: what is decided of each reference, and why.

pub mod trace;

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::LazyLock;

use smallvec::SmallVec;

use super::facts::Facts;
use super::kind::{Kind, KindSet};
use super::policy::glob::{Globs, ImageGlobs};
use super::policy::image::ImageName;
use super::policy::{
    Action, Missing, Mode, Mount, Paths, Policy, PolicySet, Rule, Subject, Templates, Variable, Where,
};
use super::reference::{Across, ContainerAt, Keys, Known, Reference, Site, VolumePart, inventory};
use super::rules::node_path::NodePath;
use super::rules::store_path::Fit;
use super::rules::{across, literal};
use super::swap::catalogue;
use super::swap::plan::{Plan, Pod};
use super::swap::{Candidate, File, Unsafe};

/// Where and when a pod is judged.
#[derive(Clone, Copy, Debug)]
pub struct Place<'s> {
    /// Of the request.
    pub namespace: &'s str,
    /// The kind of the object; with `Pod` beside it where its pods are meant, too.
    pub kinds: &'s [&'s str],
    /// Whether the object is a pod, and not something that makes pods.
    pub is_pod: bool,
    /// At which point of its way it is.
    pub stage: Stage,
    /// Every policy counts as one in dry run.
    pub dry_run: bool,
    /// What is not to be decided by some rule: the manifest says so, with a reason.
    pub set_aside: &'s [SetAside],
}

/// A rule that shall not decide a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The reference's pointer: in the object, or from the pod on in a `Place`.
    pub pointer: String,
    /// The policy's name.
    pub policy: String,
    /// The rule's name.
    pub rule: String,
}

/// The point of its way at which a pod is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before admission: what can be swapped will be. Policies in dry run count where they would swap something.
    Mutate,
    /// After every mutation: what could have been swapped and was not is refused.
    Final,
    /// Before it is made: a template, a manifest. What can be swapped would be.
    Foretold,
}

/// What is decided of one reference by the policies of one mode.
#[derive(Clone, Debug)]
pub struct Decision<'p> {
    /// The policy that decides, and its index in the set.
    pub policy: (u32, &'p Policy),
    /// The rule that decides, and its index in the policy.
    pub rule: (u32, &'p Rule),
    /// What comes of it.
    pub outcome: Outcome,
    /// For a `mount`: whether the program will still work.
    pub reads: Option<Reads>,
    /// Why it is not swapped, where it was to be.
    pub reason: Option<Box<Reason>>,
    /// Where it becomes one file: the variable that names it, if one does.
    pub variable: Option<Option<String>>,
    /// What else to say.
    pub notes: Vec<Note>,
    /// For a `mount` that lets unsafe references through: another that fits, too, and does not.
    pub stricter_on_unsafe: Option<Decider<'p>>,
    /// The exceptions that decide within their policies, whatever the others make of it: without one of them it may come to
    /// something else. Each once.
    pub exceptions: Vec<Decider<'p>>,
}

/// A policy and a rule of it, each with its index.
pub type Decider<'p> = ((u32, &'p Policy), (u32, &'p Rule));

/// What comes of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Let through.
    Allowed,
    /// Let through, and said.
    Warned,
    /// Replaced by a file.
    Swapped,
    /// Refused.
    Denied,
}

impl Outcome {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Allowed => "allowed",
            Outcome::Warned => "warned",
            Outcome::Swapped => "swapped",
            Outcome::Denied => "denied",
        }
    }
}

/// Whether the program will still work once the reference is a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The image is documented to read the file, and its own entrypoint runs.
    Files,
    /// Nothing is known.
    MustBeTold,
    /// It is not swapped.
    Unsafe,
}

impl Reads {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Reads::Files => "files",
            Reads::MustBeTold => "mustBeTold",
            Reads::Unsafe => "unsafe",
        }
    }
}

/// Why a reference that a rule says to mount is not swapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It would not be safe.
    Unsafe(Unsafe),
    /// It could have been, but was not.
    NotSwapped,
}

/// What else a report says of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An exception of that rule is past its date: policy, rule, last day.
    ExceptionEnded(String, String, jiff::civil::Date),
    /// The decision is an exception that ends soon.
    ExceptionEnds(jiff::civil::Date),
    /// A missing optional key leaves no file, and the variable names one that is not there.
    OptionalFile,
    /// Other variables come from an `envFrom` that stays or is swapped beside it.
    BesideEnvFrom,
    /// Keys that `mount.keys` does not list are lost to the program.
    ListedKeys,
    /// Only a name tells that it is a credential: what the rule says is softened to a warning.
    OnlyAGuess(&'static str),
}

impl Note {
    /// Whether the decision is an exception that ends soon.
    pub fn is_ending(&self) -> bool {
        matches!(self, Note::ExceptionEnds(_))
    }
}

/// What is decided of one reference.
#[derive(Clone, Debug)]
pub struct Judged<'t, 'p> {
    /// The reference.
    pub reference: Reference<'t>,
    /// By the policies that enforce.
    pub enforced: Option<Decision<'p>>,
    /// By the policies in dry run.
    pub dry_run: Option<Decision<'p>>,
}

/// What is decided of a pod.
#[derive(Debug, Default)]
pub struct Verdict<'t, 'p> {
    /// Indices of the policies that are about the pod.
    pub matching: SmallVec<[u32; 16]>,
    /// One for each reference, in stable order; empty where no policy matches.
    pub judged: Vec<Judged<'t, 'p>>,
    /// What the enforcing policies swap.
    pub candidates: Vec<Candidate<'t, 'p>>,
    /// What the pod becomes by them.
    pub plan: Plan<'t>,
    /// The same, were the policies in dry run enforced along with the others; where they would swap something.
    pub foretold: Option<(Vec<Candidate<'t, 'p>>, Plan<'t>)>,
}

/// Judges a pod, or the pod of a template. With `all`, references are listed even where no rule could decide one.
pub fn judge<'t, 'p: 't>(
    pod: Pod<'t>,
    place: &Place<'_>,
    policies: &'p PolicySet,
    facts: &Facts,
    all: bool,
) -> Verdict<'t, 'p> {
    let service_account = pod.spec.service_account();
    let labels = pod.metadata.and_then(|metadata| metadata.labels.as_ref()).map_or(&[][..], |labels| &labels.0[..]);
    let matching = policies.matching(&Subject {
        namespace: place.namespace,
        namespace_labels: facts.namespaces.get(place.namespace),
        labels,
        service_account,
        kinds: place.kinds,
    });
    if matching.is_empty() && !all {
        return Verdict::default();
    }
    judge_listed(pod, matching, place, policies, facts, |wanted| {
        let mut references = inventory(pod.spec, policies.secret_drivers());
        if wanted.contains(Kind::Literal) {
            literal::references(pod, &mut references);
        }
        if wanted.intersects(KindSet::ON_DEMAND) {
            across::references(pod, place.namespace, wanted, facts, &mut references);
        }
        references
    })
}

/// Judges an object that is no pod: what it holds itself. The pod is an empty one.
pub fn judge_object<'t, 'p: 't>(
    pod: Pod<'t>,
    references: Vec<Reference<'t>>,
    place: &Place<'_>,
    policies: &'p PolicySet,
    facts: &Facts,
) -> Verdict<'t, 'p> {
    let labels = pod.metadata.and_then(|metadata| metadata.labels.as_ref()).map_or(&[][..], |labels| &labels.0[..]);
    let (namespace, namespace_labels) = (place.namespace, facts.namespaces.get(place.namespace));
    // It has no ServiceAccount.
    let subject = Subject { namespace, namespace_labels, labels, service_account: "", kinds: place.kinds };
    judge_listed(pod, policies.matching(&subject), place, policies, facts, |_| references)
}

/// Decides the references that are listed for the kinds that some rule is about.
fn judge_listed<'t, 'p: 't>(
    pod: Pod<'t>,
    matching: SmallVec<[u32; 16]>,
    place: &Place<'_>,
    policies: &'p PolicySet,
    facts: &Facts,
    list: impl FnOnce(KindSet) -> Vec<Reference<'t>>,
) -> Verdict<'t, 'p> {
    let active = Active::of(&matching, place, policies);
    let first_policy = first_policy(&matching, place, policies);
    let mut bench = Bench { pod, place, policies, facts, active, first_policy, container: None };
    let wanted = bench.active.iter().fold(KindSet::NONE, |all, its| all.union(its.kinds()));
    let wanted = facts.not_told.iter().fold(wanted, KindSet::without);
    let references = list(wanted);
    let mut judged: Vec<Judged<'t, 'p>> = references
        .into_iter()
        .map(|reference| {
            let (enforced, dry_run) = bench.decide(&reference);
            Judged { reference, enforced, dry_run }
        })
        .collect();
    let mut verdict = Verdict { matching, ..Verdict::default() };
    let (candidates, plan) = bench.swap(&mut judged, Mode::Enforce);
    (verdict.candidates, verdict.plan) = (candidates, plan);
    if judged.iter().any(|its| its.dry_run.as_ref().is_some_and(|decision| decision.mounts().is_some())) {
        let foretold = bench.swap(&mut judged, Mode::DryRun);
        let swaps = |its: &Judged<'_, '_>| its.dry_run.as_ref().is_some_and(|by| by.outcome == Outcome::Swapped);
        verdict.foretold = judged.iter().any(swaps).then_some(foretold);
    }
    verdict.judged = judged;
    verdict
}

impl<'p> Decision<'p> {
    /// How the rule mounts, if it does, and its name.
    fn mounts(&self) -> Option<(&'p Mount, (&'p str, &'p str))> {
        let rule: &'p Rule = self.rule.1;
        match &rule.action {
            Action::Mount(mount) => Some((mount, self.decided_by())),
            _ => None,
        }
    }

    /// The policy's and the rule's name.
    pub fn decided_by(&self) -> (&'p str, &'p str) {
        (&self.policy.1.name, &self.rule.1.name)
    }
}

/// One rule that may decide something here.
#[derive(Clone, Copy)]
struct Active<'p> {
    policy: (u32, &'p Policy),
    rule: (u32, &'p Rule),
    mode: Mode,
}

impl<'p> Active<'p> {
    fn of(matching: &[u32], place: &Place<'_>, policies: &'p PolicySet) -> Vec<Active<'p>> {
        let mut active = Vec::new();
        for &index in matching {
            let Some(policy) = policies.policies().get(index as usize) else { continue };
            let Some(mode) = place.mode_of(policy) else { continue };
            for (rule_index, rule) in policy.rules.iter().enumerate() {
                if rule.selects.is_in(place.namespace) {
                    active.push(Active { policy: (index, policy), rule: (rule_index as u32, rule), mode });
                }
            }
        }
        active
    }
}

impl Active<'_> {
    /// The kinds that the rule can decide. A credential in clear names no Secret and leads nowhere: where that is asked
    /// for, nobody has to look for one.
    fn kinds(&self) -> KindSet {
        let Where { secrets, paths, reach, from, .. } = &self.rule.1.selects;
        let of_a_secret = secrets.is_some() || paths.is_some() || reach.is_some() || from.is_some();
        if of_a_secret { self.rule.1.on.without(Kind::Literal) } else { self.rule.1.on }
    }
}

impl Where {
    fn is_in(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|namespaces| namespaces.matches(namespace))
    }
}

impl Place<'_> {
    /// Whether the rule shall not decide the reference.
    fn sets_aside(&self, reference: &Reference<'_>, policy: &Policy, rule: &Rule) -> bool {
        let by_name = |its: &&SetAside| its.policy == policy.name && its.rule == rule.name;
        let mut by_name = self.set_aside.iter().filter(by_name).peekable();
        by_name.peek().is_some() && {
            let pointer = reference.pointer("");
            by_name.any(|its| its.pointer == pointer)
        }
    }

    /// The mode in which a policy counts here, if it does at all.
    fn mode_of(&self, policy: &Policy) -> Option<Mode> {
        let mode = if self.dry_run { Mode::DryRun } else { policy.mode };
        let mounts = || policy.rules.iter().any(|rule| matches!(rule.action, Action::Mount(_)));
        let changes_nothing = self.stage == Stage::Mutate && mode == Mode::DryRun && !mounts();
        (!changes_nothing && (self.is_pod || policy.templates != Templates::Ignore)).then_some(mode)
    }
}

/// The first that enforces, else the first in dry run.
fn first_policy<'p>(matching: &[u32], place: &Place<'_>, policies: &'p PolicySet) -> Option<(Mode, (u32, &'p Policy))> {
    let policies = matching.iter().filter_map(|index| Some((*index, policies.policies().get(*index as usize)?)));
    let modes = policies.filter_map(|(index, policy)| Some((place.mode_of(policy)?, (index, policy))));
    modes.min_by_key(|(mode, (index, _))| (*mode, *index))
}

/// The index of a rule that no policy file holds.
pub const UNWRITTEN_RULE: u32 = u32::MAX;

/// What decides a source that is unknown to this version where no rule does: a newer API server may take secrets from
/// it, and nobody would know. The first policy that matches says it.
static WARN_OF_UNKNOWN: LazyLock<Rule> = LazyLock::new(|| Rule {
    name: "unknown-source".to_owned(),
    on: KindSet::NONE.with(Kind::UnknownSource),
    selects: Where::default(),
    action: Action::Warn,
    missing: Missing::Warn,
    message: None,
});

/// What a rule says to a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// It is about other kinds.
    OtherKind,
    /// It is about others of the kind.
    Misfit(Misfit),
    /// It would let the reference through, and is past its last day.
    Ended(jiff::civil::Date),
    /// It decides, unless an earlier rule of its policy does.
    Decides,
}

/// The field of `where` by which a reference is not what a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misfit {
    Namespaces,
    Secrets,
    Containers,
    Images,
    Keys,
    Variables,
    ReadsFiles,
    Paths,
    From,
    Reach,
}

impl Misfit {
    /// Of a reference that leads nowhere, where a way is asked for.
    fn of_way(selects: &Where) -> Misfit {
        match selects {
            Where { paths: Some(_), .. } => Misfit::Paths,
            Where { from: Some(_), .. } => Misfit::From,
            _ => Misfit::Reach,
        }
    }
}

/// What stays the same over the references of one pod.
struct Bench<'t, 'p, 's> {
    pod: Pod<'t>,
    place: &'s Place<'s>,
    policies: &'p PolicySet,
    facts: &'s Facts,
    active: Vec<Active<'p>>,
    /// Who says what no rule decides.
    first_policy: Option<(Mode, (u32, &'p Policy))>,
    container: Option<(ContainerAt, ContainerFacts<'t>)>,
}

/// What rules ask of a container, found out once.
struct ContainerFacts<'t> {
    name: &'t str,
    written_image: Option<&'t str>,
    image: OnceCell<Option<ImageName<'t>>>,
    rows: OnceCell<&'static [catalogue::Row]>,
    /// Whether the image's own entrypoint runs.
    entrypoint_runs: bool,
    first_argument: Option<&'t str>,
    /// What globs say of a long name or image, by the address of the globs.
    answers: RefCell<HashMap<usize, bool>>,
}

/// A name longer than this is matched once and not for each reference: nobody shall make a glob read megabytes again and
/// again.
const LONG_NAME: usize = 512;

impl<'t> ContainerFacts<'t> {
    fn is_named(&self, globs: &Globs) -> bool {
        self.answer(self.name.len(), std::ptr::from_ref(globs).addr(), || globs.matches(self.name))
    }

    fn has_well_formed_image(&self) -> bool {
        self.image().is_some_and(ImageName::is_well_formed)
    }

    fn is_of_image(&self, globs: &ImageGlobs) -> bool {
        let length = self.written_image.map_or(0, str::len);
        let matches = || self.image().is_some_and(|image| globs.matches(image));
        self.answer(length, std::ptr::from_ref(globs).addr(), matches)
    }

    fn answer(&self, length: usize, globs: usize, matches: impl Fn() -> bool) -> bool {
        if length <= LONG_NAME { matches() } else { *self.answers.borrow_mut().entry(globs).or_insert_with(matches) }
    }

    fn image(&self) -> Option<&ImageName<'t>> {
        self.image.get_or_init(|| self.written_image.map(ImageName::parse)).as_ref()
    }

    fn rows(&self) -> &'static [catalogue::Row] {
        self.rows.get_or_init(|| self.image().map_or(&[][..], |image| catalogue::rows(&image.repository)))
    }
}

type Best<'p> = Option<(Active<'p>, Vec<Note>)>;

impl<'t, 'p: 't> Bench<'t, 'p, '_> {
    fn decide(&mut self, reference: &Reference<'t>) -> (Option<Decision<'p>>, Option<Decision<'p>>) {
        self.enter(reference.site);
        self.weigh_each(reference)
    }

    /// The strictest over the keys, by mode. Key by key, so that a volume that the swap makes of several is judged as
    /// each of them was: a rule that lets one key through says nothing of the others.
    fn weigh_each(&self, reference: &Reference<'_>) -> (Option<Decision<'p>>, Option<Decision<'p>>) {
        let Keys::Some(keys) = &reference.keys else { return self.weigh(reference) };
        let Reference { kind, site, secret, variable, optional, volume, detail, guess, ref across, .. } = *reference;
        let decided = keys.iter().map(|key| {
            let (keys, across) = (Keys::One(key), across.clone());
            self.weigh(&Reference { kind, site, secret, keys, variable, optional, volume, detail, guess, across })
        });
        decided.fold((None, None), |(enforced, dry_run), (its_enforced, its_dry_run)| {
            (stricter(enforced, its_enforced), stricter(dry_run, its_dry_run))
        })
    }

    /// The strictest of the policies, by mode: within a policy the first rule that fits decides.
    fn weigh(&self, reference: &Reference<'_>) -> (Option<Decision<'p>>, Option<Decision<'p>>) {
        let mut best: [Best<'p>; 2] = [None, None];
        let mut decided = None;
        let mut ended = Vec::new();
        let mut strictest_on_unsafe = [None, None];
        let mut exceptions = [Vec::new(), Vec::new()];
        for active in &self.active {
            if decided == Some(active.policy.0) {
                continue;
            }
            match self.stand(active.rule.1, reference) {
                Stand::Decides => {}
                Stand::OtherKind | Stand::Misfit(_) => continue,
                Stand::Ended(expires) => {
                    let (policy, rule) = (active.policy.1.name.clone(), active.rule.1.name.clone());
                    ended.push((active.policy.0, Note::ExceptionEnded(policy, rule, expires)));
                    continue;
                }
            }
            decided = Some(active.policy.0);
            if self.place.sets_aside(reference, active.policy.1, active.rule.1) {
                continue;
            }
            let refuses_unsafe = matches!(&active.rule.1.action, Action::Mount(mount) if mount.unsafe_is_denied);
            if refuses_unsafe {
                strictest_on_unsafe[active.mode as usize].get_or_insert((active.policy, active.rule));
            }
            if matches!(active.rule.1.action, Action::Allow(Some(_))) {
                exceptions[active.mode as usize].push((active.policy, active.rule));
            }
            let slot = &mut best[active.mode as usize];
            let softened = if reference.guess { Action::Warn.strictness() } else { u8::MAX };
            let strictness = |active: &Active<'_>| active.rule.1.strictness(reference.is_missing()).min(softened);
            let stricter = |(now, _): &(Active<'_>, _)| strictness(active) > strictness(now);
            if slot.as_ref().is_none_or(stricter) {
                let notes = ended.iter().filter(|(policy, _)| *policy == active.policy.0);
                *slot = Some((*active, notes.map(|(_, note)| note.clone()).collect()));
            }
        }
        if reference.kind == Kind::UnknownSource
            && best.iter().all(Option::is_none)
            && let Some((mode, policy)) = self.first_policy
            && !self.place.sets_aside(reference, policy.1, &WARN_OF_UNKNOWN)
        {
            let rule = (UNWRITTEN_RULE, &*WARN_OF_UNKNOWN);
            best[mode as usize] = Some((Active { policy, rule, mode }, Vec::new()));
        }
        let [enforced, dry_run] = best;
        let [on_unsafe, on_unsafe_dry] = strictest_on_unsafe;
        let [excepts, excepts_dry] = exceptions;
        let decision = |its, stricter_on_unsafe, exceptions| Decision {
            stricter_on_unsafe,
            exceptions,
            ..self.decision(its, reference)
        };
        (
            enforced.map(|its| decision(its, on_unsafe, excepts)),
            dry_run.map(|its| decision(its, on_unsafe_dry, excepts_dry)),
        )
    }

    fn decision(&self, (active, mut notes): (Active<'p>, Vec<Note>), reference: &Reference<'_>) -> Decision<'p> {
        let outcome = match &active.rule.1.action {
            Action::Warn | Action::Deny if reference.is_missing() => match active.rule.1.missing {
                Missing::Deny => Outcome::Denied,
                Missing::Warn => Outcome::Warned,
                Missing::Allow => Outcome::Allowed,
            },
            Action::Deny if reference.guess => {
                notes.push(Note::OnlyAGuess(active.rule.1.action.name()));
                Outcome::Warned
            }
            Action::Deny => Outcome::Denied,
            Action::Warn => Outcome::Warned,
            // Until the plan says otherwise.
            Action::Mount(_) => Outcome::Swapped,
            Action::Allow(exception) => {
                if let Some(exception) = exception
                    && exception.state(self.facts.today) == super::policy::ExceptionState::Ending
                {
                    notes.push(Note::ExceptionEnds(exception.expires));
                }
                Outcome::Allowed
            }
        };
        let (policy, rule) = (active.policy, active.rule);
        let (reads, reason, variable, stricter_on_unsafe) = (None, None, None, None);
        Decision { policy, rule, outcome, reads, reason, variable, notes, stricter_on_unsafe, exceptions: Vec::new() }
    }

    /// Plans the swap of one mode's references, and settles what comes of each.
    ///
    /// For a dry run the pod is as the enforcing policies make it, so their mounts are planned along.
    fn swap(&mut self, judged: &mut [Judged<'t, 'p>], mode: Mode) -> (Vec<Candidate<'t, 'p>>, Plan<'t>) {
        let mut candidates = Vec::new();
        let guards_volumes = self.active.iter().any(|active| active.rule.1.on.contains(Kind::Volume));
        for (index, its) in judged.iter_mut().enumerate() {
            let own = slot(its, mode).as_ref().and_then(Decision::mounts);
            let beside = its.enforced.as_ref().and_then(Decision::mounts).filter(|_| mode == Mode::DryRun);
            let Some((mount, decided_by)) = own.or(beside) else { continue };
            let own = own.is_some();
            if !its.reference.kind.has_swap() {
                if own {
                    let kind = its.reference.kind;
                    settle_unsafe(slot(its, mode), mount, Unsafe::NoSwap(kind));
                    if its.reference.guess {
                        soften(slot(its, mode));
                    }
                }
                continue;
            }
            if guards_volumes && let Some(denied) = self.volume_denial(&its.reference, mount, mode) {
                if own {
                    let before = slot(its, mode).replace(denied);
                    add_exceptions(slot(its, mode), before);
                }
                continue;
            }
            candidates.extend(self.candidate(index, &its.reference, mount, decided_by));
        }
        if candidates.is_empty() {
            return (candidates, Plan::default());
        }
        let (plan, reasons) = Plan::of(self.pod, &candidates);
        for (candidate, reason) in candidates.iter().zip(reasons) {
            let Judged { reference, enforced, dry_run } = &mut judged[candidate.reference];
            let decision = if mode == Mode::Enforce { enforced } else { dry_run };
            let Some((mount, _)) = decision.as_ref().and_then(Decision::mounts) else { continue };
            match (reason, decision.as_mut()) {
                (Some(reason), _) => settle_unsafe(decision, mount, reason),
                (None, Some(decision)) => settle_safe(decision, reference, candidate, self.place, self.pod, mode),
                (None, None) => {}
            }
        }
        (candidates, plan)
    }

    fn candidate(
        &mut self,
        index: usize,
        reference: &Reference<'t>,
        mount: &'p Mount,
        decided_by: (&'p str, &'p str),
    ) -> Option<Candidate<'t, 'p>> {
        self.enter(reference.site);
        let at = reference.site.container()?;
        let secret = reference.secret?;
        let variables: SmallVec<[(Cow<'t, str>, Cow<'t, str>); 1]> = match reference.kind {
            Kind::SecretKeyRef => {
                let (key, variable) = (reference.keys.one()?, reference.variable?);
                SmallVec::from_buf([(Cow::Borrowed(key), Cow::Borrowed(variable))])
            }
            _ => {
                let prefix = reference.variable.unwrap_or("");
                let keys = self.known_keys(reference, Some(mount));
                let named = |key: &String| (Cow::Owned(key.clone()), Cow::Owned(format!("{prefix}{key}")));
                keys.into_iter().flatten().map(named).collect()
            }
        };
        let files = variables
            .into_iter()
            .map(|(key, variable)| {
                let form = self.form(&variable);
                let names = match &mount.variable {
                    Variable::None => None,
                    Variable::Auto => Some(fill(form.unwrap_or("{name}_FILE"), &variable, secret, &key)),
                    Variable::Pattern(pattern) => Some(fill(pattern, &variable, secret, &key)),
                };
                // A variable of another form than the image's is one that it does not read.
                let reads = form.is_some_and(|form| {
                    mount.variable == Variable::Auto || names.as_deref() == Some(&*fill(form, &variable, secret, &key))
                });
                File { key, names, reads, variable }
            })
            .collect();
        let (kind, site, optional) = (reference.kind, reference.site, reference.optional);
        Some(Candidate { reference: index, kind, site, at, secret, optional, mount, files, decided_by })
    }

    /// The rule that would refuse the volume that the reference becomes.
    fn volume_denial(&self, reference: &Reference<'_>, mount: &Mount, mode: Mode) -> Option<Decision<'p>> {
        let listed = || self.known_keys(reference, Some(mount));
        let keys = match &reference.keys {
            Keys::All => listed().map_or(Keys::All, |keys| Keys::Some(keys.iter().map(String::as_str).collect())),
            keys => keys.clone(),
        };
        let volume = Reference {
            keys,
            secret: reference.secret,
            optional: reference.optional,
            ..Reference::bare(Kind::Volume, Site::Volume(usize::MAX, VolumePart::Whole))
        };
        let (enforced, dry_run) = self.weigh_each(&volume);
        let refused = |decision: Option<Decision<'p>>| {
            let mut decision = decision?;
            if let Action::Mount(mount) = &decision.rule.1.action
                && !mount.unsafe_is_denied
            {
                (decision.policy, decision.rule) = decision.stricter_on_unsafe?;
            }
            matches!(decision.rule.1.action, Action::Deny | Action::Mount(_)).then_some(decision)
        };
        let mut denial = refused(enforced).or_else(|| refused(dry_run).filter(|_| mode == Mode::DryRun))?;
        denial.outcome = Outcome::Denied;
        if denial.mounts().is_some() {
            denial.reads = Some(Reads::Unsafe);
            denial.reason = Some(Box::new(Reason::Unsafe(Unsafe::NoSwap(Kind::Volume))));
        }
        Some(denial)
    }

    /// What a rule says to a reference that no earlier rule of its policy has decided.
    fn stand(&self, rule: &Rule, reference: &Reference<'_>) -> Stand {
        if !rule.on.contains(reference.kind) {
            return Stand::OtherKind;
        }
        if let Some(misfit) = self.misfit(rule, reference) {
            return Stand::Misfit(misfit);
        }
        match &rule.action {
            Action::Allow(Some(exception)) if !exception.holds(self.facts.today) => Stand::Ended(exception.expires),
            _ => Stand::Decides,
        }
    }

    /// The first field of `where` by which the reference is not what the rule is about. What is not known fits every action but `allow`, which it fits
    /// only where the glob is `*`: an exception never covers more than it says.
    fn misfit(&self, rule: &Rule, reference: &Reference<'_>) -> Option<Misfit> {
        let selects = &rule.selects;
        let allows = matches!(rule.action, Action::Allow(_));
        if let Some(secrets) = &selects.secrets
            && !reference.secret.is_some_and(|secret| secrets.matches(secret))
        {
            return Some(Misfit::Secrets);
        }
        let container =
            self.container.as_ref().filter(|_| reference.site.container().is_some()).map(|(_, facts)| facts);
        if let Some(containers) = &selects.containers
            && !container.is_some_and(|facts| facts.is_named(containers))
        {
            return Some(Misfit::Containers);
        }
        if let Some(images) = &selects.images
            // What is no image's name is let through by none: a pattern on names says nothing of it.
            && !container.is_some_and(|facts| facts.is_of_image(images) && (!allows || facts.has_well_formed_image()))
        {
            return Some(Misfit::Images);
        }
        let mount = if let Action::Mount(mount) = &rule.action { Some(mount) } else { None };
        if let Some(globs) = &selects.keys {
            let fits = match &reference.keys {
                Keys::None => false,
                Keys::One(key) => globs.matches(key),
                Keys::Some(keys) => some_or_all(allows, keys.iter().map(|key| globs.matches(key))),
                Keys::All => match self.known_keys(reference, mount) {
                    Some(keys) => some_or_all(allows, keys.iter().map(|key| globs.matches(key))),
                    None => !allows || globs.is_everything(),
                },
            };
            if !fits {
                return Some(Misfit::Keys);
            }
        }
        if let Some(globs) = &selects.variables {
            let fits = match reference.kind {
                Kind::EnvFrom => match self.known_keys(reference, mount) {
                    Some(keys) => {
                        let prefix = reference.variable.unwrap_or("");
                        some_or_all(allows, keys.iter().map(|key| globs.matches(&format!("{prefix}{key}"))))
                    }
                    None => !allows || globs.is_everything(),
                },
                _ => reference.variable.is_some_and(|variable| globs.matches(variable)),
            };
            if !fits {
                return Some(Misfit::Variables);
            }
        }
        if let Some(asked) = selects.reads_files
            && (container.is_none() || asked != self.reads_files(reference, mount))
        {
            return Some(Misfit::ReadsFiles);
        }
        let leads_across = selects.paths.is_some() || selects.reach.is_some() || selects.from.is_some();
        if !leads_across {
            return None;
        }
        match reference.across.as_deref() {
            Some(across) => self.leads_astray(selects, across, allows),
            None => Some(Misfit::of_way(selects)),
        }
    }

    /// The first field by which the way to another namespace is not what the rule is about.
    fn leads_astray(&self, selects: &Where, across: &Across, allows: bool) -> Option<Misfit> {
        let known = |known: &Option<Known>, everything: bool, fits: &dyn Fn(&str) -> bool| match known {
            None => false,
            Some(Known::As(text)) => fits(text),
            Some(Known::Not) => !allows || everything,
        };
        if let Some(paths) = &selects.paths
            && !self.is_on(paths, across, allows)
        {
            return Some(Misfit::Paths);
        }
        if let Some(globs) = &selects.from
            && !known(&across.from, globs.is_everything(), &|from| globs.matches(from))
        {
            return Some(Misfit::From);
        }
        let globs = selects.reach.as_ref()?;
        let fits = match across.reaches.as_deref() {
            None => false,
            // Every namespace is one that the globs mean, whichever it is; an exception must mean all of them.
            Some("*") => !allows || globs.is_everything(),
            Some(namespace) => globs.matches(namespace),
        };
        (!fits).then_some(Misfit::Reach)
    }

    fn is_on(&self, paths: &Paths, across: &Across, allows: bool) -> bool {
        let Some(path) = &across.path else { return false };
        let path = path.text();
        let of_the_node = paths.node_secrets && across.on_node;
        if of_the_node && path.is_some_and(|path| NodePath::normalise(path).secret().is_some()) {
            return true;
        }
        let Some(globs) = &paths.globs else { return false };
        match globs.fit(path, self.place.namespace, self.pod.spec.service_account()) {
            Fit::Yes => true,
            Fit::No => false,
            Fit::Unknown => !allows || globs.is_everything(),
        }
    }

    /// Whether the image is documented to read every file that the reference would become.
    fn reads_files(&self, reference: &Reference<'_>, mount: Option<&Mount>) -> bool {
        match reference.kind {
            Kind::SecretKeyRef => reference.variable.is_some_and(|variable| self.form(variable).is_some()),
            Kind::EnvFrom => self.known_keys(reference, mount).is_some_and(|keys| {
                let prefix = reference.variable.unwrap_or("");
                !keys.is_empty() && keys.iter().all(|key| self.form(&format!("{prefix}{key}")).is_some())
            }),
            _ => false,
        }
    }

    /// The form of the variable that the container's image reads instead of this one.
    fn form(&self, variable: &str) -> Option<&'p str> {
        let (_, facts) = self.container.as_ref()?;
        if !facts.entrypoint_runs {
            return None;
        }
        let built_in =
            facts.rows().iter().find(|row| row.covers(variable) && row.entrypoint_reads(facts.first_argument));
        if let Some(row) = built_in {
            return Some(row.form);
        }
        let readers = self.policies.readers().iter();
        if readers.len() == 0 {
            return None;
        }
        let mut fitting =
            readers.filter(|reader| facts.is_of_image(&reader.images) && reader.variables.matches(variable));
        fitting.next().map(|reader| reader.form.as_str())
    }

    /// The keys of a whole Secret: as the rule lists them, else as they are known.
    fn known_keys<'k>(&'k self, reference: &Reference<'_>, mount: Option<&'k Mount>) -> Option<&'k [String]> {
        let secret = reference.secret?;
        let listed = mount.and_then(|mount| mount.keys.iter().find(|(secrets, _)| secrets.matches(secret)));
        if let Some((_, keys)) = listed {
            return Some(keys);
        }
        if self.facts.secret_keys.is_empty() {
            return None;
        }
        let known = self.facts.secret_keys.get(&(self.place.namespace.to_owned(), secret.to_owned()));
        known.map(Vec::as_slice)
    }

    /// Finds out about the container of the next reference, unless it is the one at hand.
    fn enter(&mut self, site: Site) {
        let at = site.container();
        if self.container.as_ref().map(|(at, _)| *at) == at {
            return;
        }
        self.container = at.and_then(|at| {
            let container = at.of(self.pod.spec)?;
            let facts = ContainerFacts {
                name: container.name.as_str(),
                written_image: container.image(),
                image: OnceCell::new(),
                rows: OnceCell::new(),
                entrypoint_runs: container.command.items.is_empty(),
                first_argument: container.args.items.first().map(|argument| argument.as_str()),
                answers: RefCell::default(),
            };
            Some((at, facts))
        });
    }
}

fn stricter<'p>(first: Option<Decision<'p>>, second: Option<Decision<'p>>) -> Option<Decision<'p>> {
    let strictness = |decision: &Option<Decision<'_>>| decision.as_ref().map(|its| its.rule.1.action.strictness());
    let (mut stricter, other) =
        if strictness(&second) > strictness(&first) { (second, first) } else { (first, second) };
    add_exceptions(&mut stricter, other);
    stricter
}

fn add_exceptions<'p>(decision: &mut Option<Decision<'p>>, other: Option<Decision<'p>>) {
    let (Some(decision), Some(other)) = (decision, other) else { return };
    for exception in other.exceptions {
        let places = |((policy, _), (rule, _)): &Decider<'_>| (*policy, *rule);
        if !decision.exceptions.iter().any(|its| places(its) == places(&exception)) {
            decision.exceptions.push(exception);
        }
    }
}

/// Of several keys an `allow` must fit all; for anything stricter one is enough.
fn some_or_all(all: bool, mut fits: impl Iterator<Item = bool>) -> bool {
    if all { fits.all(|fits| fits) } else { fits.any(|fits| fits) }
}

fn slot<'j, 't, 'p>(judged: &'j mut Judged<'t, 'p>, mode: Mode) -> &'j mut Option<Decision<'p>> {
    match mode {
        Mode::Enforce => &mut judged.enforced,
        Mode::DryRun => &mut judged.dry_run,
    }
}

fn settle_unsafe(decision: &mut Option<Decision<'_>>, mount: &Mount, reason: Unsafe) {
    let Some(decision) = decision else { return };
    // Whose mount it would be is the first policy's to say; whether it may stay undone, the strictest's.
    if let Some((policy, rule)) = decision.stricter_on_unsafe.filter(|_| !mount.unsafe_is_denied) {
        (decision.policy, decision.rule) = (policy, rule);
    }
    let denied = mount.unsafe_is_denied || decision.stricter_on_unsafe.is_some();
    decision.outcome = if denied { Outcome::Denied } else { Outcome::Warned };
    decision.reads = Some(Reads::Unsafe);
    decision.reason = Some(Box::new(Reason::Unsafe(reason)));
}

/// What only a name tells is never refused.
fn soften(decision: &mut Option<Decision<'_>>) {
    if let Some(decision) = decision.as_mut().filter(|decision| decision.outcome == Outcome::Denied) {
        decision.outcome = Outcome::Warned;
        decision.notes.push(Note::OnlyAGuess(decision.rule.1.action.name()));
    }
}

fn settle_safe(
    decision: &mut Decision<'_>,
    reference: &Reference<'_>,
    candidate: &Candidate<'_, '_>,
    place: &Place<'_>,
    pod: Pod<'_>,
    mode: Mode,
) {
    let reads = candidate.files.iter().all(|file| file.reads);
    decision.reads = Some(if reads { Reads::Files } else { Reads::MustBeTold });
    if place.stage == Stage::Final && mode == Mode::Enforce {
        decision.outcome = Outcome::Denied;
        decision.reason = Some(Box::new(Reason::NotSwapped));
        return;
    }
    decision.outcome = Outcome::Swapped;
    if reference.kind == Kind::SecretKeyRef {
        decision.variable = candidate.files.first().map(|file| file.names.clone());
    }
    if reference.optional {
        decision.notes.push(Note::OptionalFile);
    }
    let container = candidate.at.of(pod.spec);
    if container.is_some_and(|container| container.env_from.items.len() > usize::from(reference.kind == Kind::EnvFrom))
    {
        decision.notes.push(Note::BesideEnvFrom);
    }
    if reference.kind == Kind::EnvFrom {
        decision.notes.push(Note::ListedKeys);
    }
}

fn fill(pattern: &str, name: &str, secret: &str, key: &str) -> String {
    let mut filled = String::with_capacity(pattern.len() + name.len() + 8);
    let mut rest = pattern;
    while let Some(start) = memchr::memchr(b'{', rest.as_bytes()) {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let known = [("{name}", name), ("{secret}", secret), ("{key}", key)];
        let Some((word, value)) = known.into_iter().find(|(word, _)| rest.starts_with(word)) else {
            filled.push('{');
            rest = &rest[1..];
            continue;
        };
        filled.push_str(value);
        rest = &rest[word.len()..];
    }
    filled.push_str(rest);
    filled
}
