//! Findings as reports hold them: owned, with every name made safe to show.

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::kind::Kind;
use super::message;
use super::name::{ShownPointer, in_full};
use super::pod::{Container, PodSpec};
use super::policy::image::ImageName;
use super::policy::{Action, Mode};
use super::reference::{Known, Reference};
use super::swap::{Unsafe, catalogue};
use super::verdict::{Decider, Decision, Judged, Outcome, Reads, Reason};

/// One reference, and what one mode's policies decided of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// JSON pointer within the object: exact, and so not safe to show where keys of a custom resource are on the way.
    pub pointer: String,
    /// The kind of reference.
    pub kind: &'static str,
    /// The container's name.
    pub container: Option<String>,
    /// The Secret's name.
    pub secret: Option<String>,
    /// The key, where it is exactly one.
    pub key: Option<String>,
    /// The variable, or the prefix of an `envFrom`.
    pub variable: Option<String>,
    /// The format of a credential in clear: `GitHub token`.
    pub format: Option<String>,
    /// Whether it is a guess: only a name tells that it is a credential.
    pub guess: bool,
    /// The action of the rule that decides; none where no rule fits.
    pub action: Option<&'static str>,
    /// What comes of it.
    pub outcome: Outcome,
    /// For a `mount`: `files`, `mustBeTold` or `unsafe`.
    pub reads: Option<&'static str>,
    /// Why it is unsafe, or the exception's reason.
    pub reason: Option<String>,
    /// The path on the node or in a store.
    pub path: Option<String>,
    /// The namespace that a Secret comes from.
    pub from: Option<String>,
    /// By what a ServiceAccount gets at another namespace.
    pub chain: Option<String>,
    /// The deciding policy.
    pub policy: Option<String>,
    /// The deciding rule.
    pub rule: Option<String>,
    /// Whether it is enforced.
    pub mode: Option<Mode>,
    /// The whole sentence.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// The end of the exception that allows it.
    pub expires: Option<Date>,
    /// The exceptions that decide within their policies, whatever comes of it by the others: policy and rule.
    pub exceptions: Vec<(String, String)>,
    /// What it is swapped for.
    pub becomes: Option<Becomes>,
    /// What else to say.
    pub notes: Vec<String>,
    /// Stable over moves within the file: of the object, the reference and the rule.
    pub fingerprint: String,
}

/// What a reference is swapped for, safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Becomes {
    /// The file, or the directory of the files.
    pub path: String,
    /// Whether it is a directory: of an `envFrom`.
    pub is_directory: bool,
    /// The variable that names the file, if one does.
    pub variable: Option<String>,
}

/// The object that findings are about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    /// Its kind.
    pub kind: &'s str,
    /// Its namespace.
    pub namespace: &'s str,
    /// Its name.
    pub name: &'s str,
}

impl Finding {
    /// The findings of one reference: one by the policies that enforce, one by those in dry run. A reference that no rule
    /// decides, or that is allowed, is one only where all are asked for.
    pub fn of(
        judged: &Judged<'_, '_>,
        spec: &PodSpec<'_>,
        template: &str,
        subject: Subject<'_>,
        all: bool,
    ) -> Vec<Finding> {
        let decided = [(Mode::Enforce, &judged.enforced), (Mode::DryRun, &judged.dry_run)];
        let mut findings: Vec<Finding> = decided
            .into_iter()
            .filter_map(|(mode, decision)| Some((mode, decision.as_ref()?)))
            .filter(|(_, decision)| all || decision.outcome != Outcome::Allowed)
            .map(|(mode, decision)| Finding::new(&judged.reference, Some((mode, decision)), spec, template, subject))
            .collect();
        if all && judged.enforced.is_none() && judged.dry_run.is_none() {
            findings.push(Finding::new(&judged.reference, None, spec, template, subject));
        }
        findings
    }

    fn new(
        reference: &Reference<'_>,
        decided: Option<(Mode, &Decision<'_>)>,
        spec: &PodSpec<'_>,
        template: &str,
        subject: Subject<'_>,
    ) -> Finding {
        let shown = |name: Option<&str>| name.map(in_full);
        let decision = decided.map(|(_, decision)| decision);
        let container = reference.site.container().and_then(|at| at.of(spec));
        let name = container.map(|container| container.name.as_str());
        let pointer = reference.pointer(template);
        let exception = decision.and_then(|decision| match &decision.rule.1.action {
            Action::Allow(Some(exception)) => Some(exception),
            _ => None,
        });
        let reason = decision.and_then(|decision| match decision.reason.as_deref() {
            Some(Reason::Unsafe(reason)) => Some(reason.to_string()),
            Some(Reason::NotSwapped) => Some("could be swapped but was not".to_owned()),
            None => exception.map(|exception| exception.reason.clone()),
        });
        let message = match decision {
            Some(decision) => message::finding(reference, decision, spec, template),
            None => {
                let mut text = String::new();
                message::describe(&mut text, reference, spec);
                text + " (" + &ShownPointer(&pointer).text() + "): no rule is about it"
            }
        };
        let decided_by = decision.map(Decision::decided_by);
        let across = reference.across.as_deref();
        let format = (reference.kind == Kind::Literal && !reference.guess).then(|| reference.detail.to_owned());
        Finding {
            format,
            guess: reference.guess,
            fingerprint: fingerprint(reference, name, decided_by, subject),
            kind: reference.kind.name(),
            container: shown(name),
            secret: shown(reference.secret),
            key: shown(reference.keys.one()),
            variable: shown(reference.variable),
            action: decision.map(|decision| decision.rule.1.action.name()),
            outcome: decision.map_or(Outcome::Allowed, |decision| decision.outcome),
            reads: decision.and_then(|decision| decision.reads).map(Reads::name),
            path: across.and_then(|across| shown(across.path.as_ref()?.text())),
            from: across.and_then(|across| shown(across.from.as_ref()?.text())),
            chain: across.and_then(|across| across.chain.clone()),
            policy: decided_by.map(|(policy, _)| policy.to_owned()),
            rule: decided_by.map(|(_, rule)| rule.to_owned()),
            mode: decided.map(|(mode, _)| mode),
            help: decision.filter(|decision| decision.outcome != Outcome::Allowed).map(|decision| {
                decision.rule.1.message.clone().unwrap_or_else(|| message::help(reference.kind).to_owned())
            }),
            expires: exception.map(|exception| exception.expires),
            exceptions: decision.map_or(Vec::new(), |decision| {
                let names = |((_, policy), (_, rule)): &Decider<'_>| (policy.name.clone(), rule.name.clone());
                decision.exceptions.iter().map(names).collect()
            }),
            becomes: decision.and_then(|decision| Becomes::of(reference, decision)),
            notes: decision.map_or(Vec::new(), |decision| notes(decision, reference, container)),
            reason,
            pointer,
            message,
        }
    }
}

impl Becomes {
    fn of(reference: &Reference<'_>, decision: &Decision<'_>) -> Option<Becomes> {
        let Action::Mount(mount) = &decision.rule.1.action else { return None };
        let secret = reference.secret.filter(|_| decision.outcome == Outcome::Swapped)?;
        let directory = format!("{}/{}", mount.path, in_full(secret));
        Some(match (&decision.variable, reference.keys.one()) {
            (Some(variable), Some(key)) => Becomes {
                path: format!("{directory}/{}", in_full(key)),
                is_directory: false,
                variable: variable.as_deref().map(in_full),
            },
            _ => Becomes { path: directory, is_directory: true, variable: None },
        })
    }
}

fn notes(decision: &Decision<'_>, reference: &Reference<'_>, container: Option<&Container<'_>>) -> Vec<String> {
    let mut notes: Vec<String> = decision.notes.iter().map(ToString::to_string).collect();
    if decision.outcome == Outcome::Swapped && decision.reads == Some(Reads::MustBeTold) {
        notes.push("an ENV of the same name in the image itself would show through".to_owned());
    }
    if decision.outcome == Outcome::Denied
        && container.is_some_and(|container| command_hides_a_reader(reference, container))
    {
        notes.push(
            "the image reads this from a file by its own entrypoint, which command replaces here: use args instead, and a \
             rule that swaps can fit"
                .to_owned(),
        );
    }
    // Only of files: the webhook, which sees the pod alone, says the reason without this.
    if matches!(decision.reason.as_deref(), Some(Reason::Unsafe(Unsafe::UnknownKeys))) {
        notes.push(
            "check and fix also learn the keys from the Secret, SealedSecret or ExternalSecret: give them its file"
                .to_owned(),
        );
    }
    notes
}

/// No image that is documented to read files has a longer name.
const IMAGE_BYTES: usize = 512;

/// Whether the image is documented to read a file for the variable, were its entrypoint not overridden.
fn command_hides_a_reader(reference: &Reference<'_>, container: &Container<'_>) -> bool {
    let image = container.image().filter(|image| image.len() <= IMAGE_BYTES && !container.command.items.is_empty());
    let (Some(image), Some(variable), Kind::SecretKeyRef) = (image, reference.variable, reference.kind) else {
        return false;
    };
    catalogue::rows(&ImageName::parse(image).repository).iter().any(|row| row.covers(variable))
}

/// More than the API server takes of any name.
const HASHED_BYTES: usize = 4096;

/// Of the names themselves, uncut: two that are shown alike stay two.
fn fingerprint(
    reference: &Reference<'_>,
    container: Option<&str>,
    decided_by: Option<(&str, &str)>,
    subject: Subject<'_>,
) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        // The name of an object or a container is hashed for each of its findings: megabytes of it shall not be.
        hash.update(&text.as_bytes()[..text.len().min(HASHED_BYTES)]);
        hash.update([0]);
        if text.len() > HASHED_BYTES {
            hash.update(text.len().to_be_bytes());
        }
    };
    [subject.kind, subject.namespace, subject.name].into_iter().for_each(&mut part);
    part(reference.site.container().map_or("", |at| at.list.field()));
    part(container.unwrap_or(""));
    part(reference.kind.name());
    [reference.variable, reference.secret, reference.keys.one(), Some(reference.detail)]
        .into_iter()
        .for_each(|name| part(name.unwrap_or("")));
    let (policy, rule) = decided_by.unwrap_or_default();
    if let Some(across) = &reference.across {
        let known = |known: &Option<Known>| known.as_ref().and_then(Known::text).unwrap_or("").to_owned();
        part(&known(&across.path));
        part(&known(&across.from));
        part(across.reaches.as_deref().unwrap_or(""));
        across.token.as_deref().into_iter().for_each(&mut part);
    }
    part(policy);
    part(rule);
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
