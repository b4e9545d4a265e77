//! Findings in words: what, where, and what to do. The same text on every surface.

use std::fmt::{self, Write};

use super::kind::Kind;
use super::name::{Bare, Shown};
use super::pod::PodSpec;
use super::policy::Action;
use super::reference::{Keys, Reference, Site};
use super::verdict::{Decision, Note, Outcome, Reads, Reason};

/// The longest that one finding gets, in bytes: names and messages are cut before it is.
pub const FINDING_BYTES: usize = 800;

/// What a reference does: the part of a message before the pointer.
#[derive(Clone, Copy)]
pub struct Does<'f> {
    /// The reference.
    pub reference: &'f Reference<'f>,
    /// The pod's `spec`, for the names of containers.
    pub spec: &'f PodSpec<'f>,
}

impl fmt::Display for Does<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reference = self.reference;
        if let Some(at) = reference.site.container() {
            let name = at.of(self.spec).map_or("", |container| container.name.as_str());
            write!(f, "{} \"{}\" ", at.list.noun(), Shown(name))?;
        } else if let Some(volume) = reference.volume {
            write!(f, "volume \"{}\" ", Shown(volume))?;
        }
        let secret = Shown(reference.secret.unwrap_or(""));
        let detail = Shown(reference.detail);
        match reference.kind {
            Kind::SecretKeyRef => {
                write!(f, "takes Secret \"{secret}\"{} as env {}", Key(&reference.keys), variable(reference))
            }
            Kind::EnvFrom => {
                write!(f, "takes all keys of Secret \"{secret}\" as env")?;
                reference.variable.map_or(Ok(()), |prefix| write!(f, " with prefix {}", Bare(prefix)))
            }
            Kind::FileKeyRef => {
                let volume = Shown(reference.volume.unwrap_or(""));
                let key = Key(&reference.keys);
                write!(f, "takes file \"{detail}\" of volume \"{volume}\"{key} as env {}", variable(reference))
            }
            Kind::UnknownSource => match reference.site {
                Site::Env(..) => {
                    write!(f, "takes env {} from \"{detail}\", a source unknown to this version", variable(reference))
                }
                Site::EnvFrom(..) => write!(f, "takes env from \"{detail}\", a source unknown to this version"),
                _ => write!(f, "has \"{detail}\", a source unknown to this version"),
            },
            Kind::Volume => write!(f, "holds Secret \"{secret}\"{}", Key(&reference.keys)),
            Kind::Csi => match reference.secret {
                Some(_) => write!(f, "hands Secret \"{secret}\" to CSI driver \"{detail}\""),
                None => write!(f, "takes secrets from CSI driver \"{detail}\""),
            },
            Kind::LegacyVolume => write!(f, "hands Secret \"{secret}\" to {detail}"),
            Kind::ImagePull => write!(f, "the pod pulls images with Secret \"{secret}\""),
        }
    }
}

struct Key<'k>(&'k Keys<'k>);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Keys::None | Keys::All => Ok(()),
            Keys::One(key) => write!(f, " key \"{}\"", Shown(key)),
            Keys::Some(keys) => write!(f, " ({} keys)", keys.len()),
        }
    }
}

fn variable<'r>(reference: &Reference<'r>) -> Bare<'r> {
    Bare(reference.variable.unwrap_or(""))
}

/// What to do about a finding of a kind, where the rule says nothing of its own.
pub fn help(kind: Kind) -> &'static str {
    match kind {
        Kind::SecretKeyRef => "mount it as a file",
        Kind::EnvFrom => "mount its keys as files",
        Kind::FileKeyRef => "let the program read the file itself",
        Kind::UnknownSource => "a newer secretfence may know it; until then a rule on unknownSource decides",
        Kind::Volume | Kind::Csi | Kind::LegacyVolume => "this policy does not let the pod have this volume",
        Kind::ImagePull => "this policy does not let the pod pull with this Secret",
    }
}

/// The part of a message after the pointer: what comes of the reference, and the way out.
pub struct Advice<'f> {
    /// What was decided.
    pub decision: &'f Decision<'f>,
    /// The reference's kind.
    pub kind: Kind,
}

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = self.decision;
        let rule = decision.rule.1;
        let own = rule.message.as_deref().map(OneLine);
        match (&decision.reason, decision.outcome) {
            (Some(Reason::Unsafe(reason)), _) => {
                write!(f, "cannot be swapped safely: {reason}; ")?;
                match own {
                    Some(message) => write!(f, "{message}")?,
                    None => f.write_str(help(self.kind))?,
                }
            }
            (Some(Reason::NotSwapped), _) => f.write_str(
                "could be swapped but was not: the mutating webhook did not run, or a later one put it back",
            )?,
            (None, Outcome::Swapped) => {
                if let Some((path, variable)) = &decision.file {
                    write!(f, "becomes the file {}", Shown(path))?;
                    if let Some(variable) = variable {
                        write!(f, ", named by {}", Bare(variable))?;
                    }
                }
                match decision.reads {
                    Some(Reads::Files) => f.write_str(", which its image reads")?,
                    _ => f.write_str("; the program must be told to read it")?,
                }
            }
            (None, Outcome::Allowed) => match &rule.action {
                Action::Allow(Some(exception)) => {
                    write!(f, "allowed until {}: {}", exception.expires, OneLine(&exception.reason))?;
                }
                _ => f.write_str("allowed")?,
            },
            (None, Outcome::Denied | Outcome::Warned) => match own {
                Some(message) => write!(f, "{message}")?,
                None => f.write_str(help(self.kind))?,
            },
        }
        for note in &decision.notes {
            if let Note::ExceptionEnded(policy, rule, day) = note {
                write!(f, "; the exception {policy}/{rule} ended on {day}")?;
            }
        }
        Ok(())
    }
}

/// A note in words.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::ExceptionEnded(policy, rule, day) => write!(f, "the exception {policy}/{rule} ended on {day}"),
            Note::ExceptionEnds(day) => write!(f, "the exception ends on {day}; what follows then is another rule's"),
            Note::OptionalFile => {
                f.write_str("the Secret is optional: without it the variable names a file that is not there")
            }
            Note::BesideEnvFrom => {
                f.write_str("an envFrom stands beside it: a value of the same name there would show through")
            }
            Note::ListedKeys => f.write_str("a key of the Secret that is not listed is lost to the program"),
            Note::ImageVariable => f.write_str("an ENV of the same name in the image itself would show through"),
        }
    }
}

/// A whole finding: `<what> (<pointer>): <advice> [<policy>/<rule>]`, within [`FINDING_BYTES`].
pub fn finding(reference: &Reference<'_>, decision: &Decision<'_>, spec: &PodSpec<'_>, template: &str) -> String {
    let mut text = String::with_capacity(192);
    let advice = Advice { decision, kind: reference.kind };
    let (policy, rule) = decision.decided_by();
    // Writing to a String cannot fail.
    let _ = write!(text, "{} ({})", Does { reference, spec }, Shown(&reference.site.pointer(template)));
    let room = FINDING_BYTES.saturating_sub(text.len() + policy.len() + rule.len() + 8).max(64);
    let mut advice = advice.to_string();
    cut(&mut advice, room);
    let _ = write!(text, ": {advice} [{policy}/{rule}]");
    cut(&mut text, FINDING_BYTES);
    text
}

/// Cuts a text to so many bytes, at a character's end, with a mark.
pub fn cut(text: &mut String, bytes: usize) {
    if text.len() <= bytes {
        return;
    }
    let mut end = bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
}

/// A text of a policy's author, on one line.
struct OneLine<'t>(&'t str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .trim()
            .chars()
            .try_for_each(|character| f.write_char(if character.is_control() { ' ' } else { character }))
    }
}
