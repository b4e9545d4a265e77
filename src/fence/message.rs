//! Findings in words: what, where, and what to do. The same text on every surface.

use std::fmt::{self, Write as _};

use super::kind::Kind;
use super::name::{Bare, Shown, ShownPointer};
use super::pod::PodSpec;
use super::policy::Action;
use super::policy::error::near_miss;
use super::reference::{Across, Keys, Known, Reference, Site};
use super::swap::Unsafe;
use super::verdict::{Decision, Note, Outcome, Reads, Reason};

/// The longest that one finding gets, in bytes: names and messages are cut before it is.
pub const FINDING_BYTES: usize = 800;
/// What is left of them for the way out, however long the names are.
const ADVICE_BYTES: usize = 64;

/// Appends what a reference does: the part of a message before the pointer.
pub fn describe(text: &mut String, reference: &Reference<'_>, spec: &PodSpec<'_>) {
    let mut push = Pusher(text);
    if let Some(at) = reference.site.container() {
        let name = at.of(spec).map_or("", |container| container.name.as_str());
        push.plain(at.list.noun()).plain(" ").quoted(name).plain(" ");
    } else if let Some(volume) = reference.volume {
        push.plain("volume ").quoted(volume).plain(" ");
    }
    let secret = reference.secret.unwrap_or("");
    let detail = reference.detail;
    let variable = Bare(reference.variable.unwrap_or(""));
    let across = reference.across.as_deref();
    match reference.kind {
        Kind::SecretKeyRef => {
            push.plain("takes Secret ").quoted(secret).keys(&reference.keys).plain(" as env ").bare(variable)
        }
        Kind::EnvFrom => {
            push.plain("takes all keys of Secret ").quoted(secret).plain(" as env");
            match reference.variable {
                Some(_) => push.plain(" with prefix ").bare(variable),
                None => &mut push,
            }
        }
        Kind::FileKeyRef => {
            let volume = reference.volume.unwrap_or("");
            push.plain("takes file ").quoted(detail).plain(" of volume ").quoted(volume);
            push.keys(&reference.keys).plain(" as env ").bare(variable)
        }
        Kind::UnknownSource => {
            match reference.site {
                Site::Env(..) => push.plain("takes env ").bare(variable).plain(" from "),
                Site::EnvFrom(..) => push.plain("takes env from "),
                _ => push.plain("has "),
            };
            push.quoted(detail).plain(", a source unknown to this version");
            match meant(reference.site, detail) {
                Some(known) => push.plain(" (did you mean ").plain(&known).plain("?)"),
                None => &mut push,
            }
        }
        Kind::Volume => push.plain("holds Secret ").quoted(secret).keys(&reference.keys),
        Kind::Csi => match reference.secret {
            Some(_) => push.plain("hands Secret ").quoted(secret).plain(" to CSI driver ").quoted(detail),
            None => push.plain("takes secrets from CSI driver ").quoted(detail),
        },
        Kind::LegacyVolume => push.plain("hands Secret ").quoted(secret).plain(" to ").plain(detail),
        Kind::ImagePull => push.plain("the pod pulls images with Secret ").quoted(secret),
        Kind::ExternalEnv => push.plain("takes env ").bare(variable).plain(" from ").plain(detail).path(across),
        Kind::Injected => push.plain("the pod has secrets injected by annotation ").quoted(detail).path(across),
        Kind::StorePath => {
            let named = reference.site.container().is_some() || reference.volume.is_some();
            push.plain(if named { "reads" } else { "the pod reads" }).plain(" an external store").path(across)
        }
        Kind::NodeAccess => match reference.site {
            Site::Privileged(_) => push.plain("is privileged"),
            Site::HostProcess(Some(_)) => push.plain("is a host process"),
            Site::HostProcess(None) => push.plain("the pod's containers are host processes"),
            Site::Spec(_) => push.plain("the pod shares the node's processes"),
            _ => push.plain("shows the node's").path(across),
        },
        Kind::SharedSecret => {
            push.plain("mounts SharedSecret ").quoted(detail);
            match across.and_then(|across| across.from.as_ref()).and_then(Known::text) {
                Some(from) => push.plain(" of namespace ").quoted(from),
                None => &mut push,
            }
        }
        Kind::Reach => {
            match across.and_then(|across| across.token.as_deref()) {
                Some(token) => push.plain("holds a token, in Secret ").quoted(token).plain(", that can "),
                None => push.plain("the pod's ServiceAccount can "),
            };
            push.plain(across.map_or("", |across| across.why));
            match across.and_then(|across| across.reaches.as_deref()) {
                Some("*") | None => push.plain(" in every namespace"),
                Some(namespace) => push.plain(" in namespace ").quoted(namespace),
            };
            if let Some(right) = across.and_then(|across| across.right.as_deref()) {
                push.plain(" (").plain(right).plain(")");
            }
            let chain = across.and_then(|across| across.chain.as_deref()).unwrap_or("");
            push.plain(", by ").plain(chain)
        }
        Kind::Literal => {
            if let Site::Member(_) = reference.site {
                push.plain("the ConfigMap's").keys(&reference.keys).plain(" ");
            }
            push.plain("has ").plain(if reference.guess { "what may be " } else { "" });
            push.plain("a credential in clear (").plain(detail).plain(")");
            match reference.site {
                Site::Env(..) => push.plain(" as env ").bare(variable),
                Site::Volume(..) => push.plain(" in attribute ").bare(variable),
                Site::Listed(_, list, _) => {
                    push_list(&mut push, list, variable);
                    &mut push
                }
                _ => &mut push,
            }
        }
        Kind::RawSecret => {
            push.plain("Secret ").quoted(secret).plain(" is written with its").keys(&reference.keys).plain(" in clear")
        }
        Kind::Copied => {
            if reference.site.container().is_none() && reference.volume.is_none() {
                push.plain("the pod ");
            }
            push.plain("takes Secret ").quoted(secret).plain(", ");
            match across {
                Some(Across { missing: true, .. }) => push.plain("of which nothing is known: it may be a copy"),
                Some(Across { from: Some(Known::As(from)), .. }) => push.plain("a copy from namespace ").quoted(from),
                // What made it is known, and no more: it may as well be of this namespace.
                _ => push.plain(across.map_or("", |across| across.why)),
            }
        }
    };
}

/// The source that was probably meant, where it is only misspelt.
fn meant(site: Site, found: &str) -> Option<String> {
    match site {
        Site::Env(..) => {
            near_miss(found, ["secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef"])
        }
        Site::EnvFrom(..) => near_miss(found, ["secretRef", "configMapRef"]),
        _ => None,
    }
}

/// Where in a container's lists a word or a header stands.
fn push_list(push: &mut Pusher<'_>, list: &str, name: Bare<'_>) {
    let mut parts = list.trim_matches('/').split('/');
    let (first, last) = (parts.next().unwrap_or(""), parts.next_back());
    let hook = parts.next().filter(|_| first == "lifecycle");
    match last {
        None => {
            push.plain(" in its ").plain(first);
            if !name.0.is_empty() {
                push.plain(" as ").bare(name);
            }
        }
        Some(last) => {
            push.plain(" in ");
            if last == "httpHeaders" {
                push.plain("header ").bare(name)
            } else {
                push.plain("the command")
            };
            push.plain(" of its ").plain(hook.unwrap_or(first));
        }
    }
}

/// Builds a sentence piece by piece.
struct Pusher<'s>(&'s mut String);

impl Pusher<'_> {
    fn plain(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    fn quoted(&mut self, name: &str) -> &mut Self {
        self.0.push('"');
        Shown(name).push_to(self.0);
        self.0.push('"');
        self
    }

    fn bare(&mut self, name: Bare<'_>) -> &mut Self {
        name.push_to(self.0);
        self
    }

    fn path(&mut self, across: Option<&Across>) -> &mut Self {
        let Some(across) = across else { return self };
        match &across.path {
            Some(Known::As(path)) => self.plain(" path ").quoted(path),
            Some(Known::Not) => self.plain(" at a path that is not known"),
            None => self,
        };
        if !across.why.is_empty() {
            self.plain(", ").plain(across.why);
        }
        self
    }

    fn keys(&mut self, keys: &Keys<'_>) -> &mut Self {
        match keys {
            Keys::None | Keys::All => self,
            Keys::One(key) => self.plain(" key ").quoted(key),
            Keys::Some(keys) => self.plain(&format!(" ({} keys)", keys.len())),
        }
    }
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
        Kind::ExternalEnv => "let the injector write a file, and have the program read it",
        Kind::Injected => "this policy does not let the pod have secrets injected",
        Kind::NodeAccess => {
            "the node holds other pods' Secrets: do without, or ask who runs the cluster for an exception"
        }
        Kind::StorePath => "this policy does not let the pod read this path of the store",
        Kind::SharedSecret => "this policy does not let the pod mount a Secret of another namespace",
        Kind::Reach => "give it a ServiceAccount with fewer rights, or automountServiceAccountToken: false",
        Kind::Copied => "use a Secret that belongs to this namespace",
        Kind::Literal => "take it from a Secret as a file, and change it: whoever reads the manifest knows it",
        Kind::RawSecret => "keep it out of the manifest: a SealedSecret, SOPS, or an ExternalSecret",
    }
}

/// Appends the part of a message after the pointer: what comes of the reference, and the way out.
fn advise(text: &mut String, decision: &Decision<'_>, reference: &Reference<'_>) {
    let rule = decision.rule.1;
    let own = |text: &mut String| match &rule.message {
        Some(message) => push_line(text, message),
        None => text.push_str(help(reference.kind)),
    };
    match (decision.reason.as_deref(), decision.outcome) {
        (Some(Reason::Unsafe(reason)), _) => {
            // Writing to a String cannot fail.
            let _ = write!(text, "cannot be swapped safely: {reason}");
            // These two say themselves what to do, and it is not to be done in the pod.
            if rule.message.is_some() || !matches!(reason, Unsafe::UnknownKeys | Unsafe::NoImage) {
                text.push_str("; ");
                own(text);
            }
        }
        (Some(Reason::NotSwapped), _) => {
            text.push_str("could be swapped but was not: the mutating webhook did not run, or a later one put it back")
        }
        (None, Outcome::Swapped) => {
            if let Action::Mount(mount) = &rule.action {
                text.push_str(if decision.variable.is_some() { "becomes the file " } else { "becomes files in " });
                let mut push = Pusher(text);
                push.plain(&mount.path).plain("/").plain(reference.secret.unwrap_or(""));
                if let (Some(variable), Some(key)) = (&decision.variable, reference.keys.one()) {
                    push.plain("/").plain(key);
                    if let Some(variable) = variable {
                        push.plain(", named by ").bare(Bare(variable));
                    }
                }
            }
            text.push_str(match decision.reads {
                Some(Reads::Files) => ", which its image reads",
                _ => "; the program must be told to read it",
            });
        }
        (None, Outcome::Allowed) => match &rule.action {
            Action::Allow(Some(exception)) => {
                let _ = write!(text, "allowed until {}: ", exception.expires);
                push_line(text, &exception.reason);
            }
            _ => text.push_str("allowed"),
        },
        (None, Outcome::Denied | Outcome::Warned) => own(text),
    }
    for note in &decision.notes {
        if let Note::ExceptionEnded(..) | Note::OnlyAGuess(_) = note {
            let _ = write!(text, "; {note}");
        }
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
            Note::OnlyAGuess(action) => write!(f, "it is a guess, so a warning where the rule says {action}"),
            Note::ListedKeys => f.write_str("a key of the Secret that is not listed is lost to the program"),
        }
    }
}

/// A whole finding: `<what> (<pointer>): <advice> [<policy>/<rule>]`, within [`FINDING_BYTES`].
pub fn finding(reference: &Reference<'_>, decision: &Decision<'_>, spec: &PodSpec<'_>, template: &str) -> String {
    let mut text = String::with_capacity(320);
    let (policy, rule) = decision.decided_by();
    let pointer = reference.pointer(template);
    let pointer = ShownPointer(&pointer).text();
    let room = FINDING_BYTES.saturating_sub(pointer.len() + policy.len() + rule.len() + 9);
    describe(&mut text, reference, spec);
    // Escaped names may fill all of it, and then they are what is cut: not the place, nor the rule.
    cut(&mut text, room.saturating_sub(ADVICE_BYTES).max(ADVICE_BYTES));
    let left = room.saturating_sub(text.len()).max(ADVICE_BYTES);
    for part in [" (", &pointer, "): "] {
        text.push_str(part);
    }
    let start = text.len();
    advise(&mut text, decision, reference);
    cut(&mut text, start + left);
    for part in [" [", policy, "/", rule, "]"] {
        text.push_str(part);
    }
    cut(&mut text, FINDING_BYTES);
    text
}

/// Cuts a finding to so many bytes, in front of the rule that it ends with: whoever reads it can look that up.
pub fn cut_finding(text: &mut String, bytes: usize) {
    if text.len() <= bytes {
        return;
    }
    let rule =
        text.rfind(" [").filter(|at| text.len() - at < bytes / 2).map(|at| text.split_off(at)).unwrap_or_default();
    cut(text, bytes - rule.len());
    text.push_str(&rule);
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

/// Appends a text of a policy's author, on one line.
fn push_line(text: &mut String, line: &str) {
    text.extend(line.trim().chars().map(|character| if character.is_control() { ' ' } else { character }));
}
