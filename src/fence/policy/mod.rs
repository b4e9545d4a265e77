//! Policies: [`PolicyFile`](file::PolicyFile) as written, [`PolicySet`] as compiled. Only the second evaluates.

pub mod glob;

use jiff::civil::Date;

use super::kind::KindSet;
use glob::{Globs, ImageGlobs};

/// One compiled policy.
#[derive(Debug)]
pub struct Policy {
    /// `metadata.name`: unique in a set, and the order of a set.
    pub name: String,
    /// Whether it is enforced or only reported. Policies that are `off` are not in a set.
    pub mode: Mode,
    /// Whether findings of warn and of a dry run are said to the client.
    pub warnings: bool,
    /// Every field given must match.
    pub matches: Scope,
    /// Any field given that matches excludes.
    pub exclude: Scope,
    /// What becomes of a pod template at the webhook.
    pub templates: Templates,
    /// In order: the first that fits a reference decides it.
    pub rules: Vec<Rule>,
}

/// Whether a policy is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Denies and swaps.
    Enforce,
    /// Reports only.
    DryRun,
}

/// What the webhook makes of a finding in a pod template. Templates are never mutated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Templates {
    /// A denial of the pods becomes a warning on the template.
    Warn,
    /// The template is denied like its pods.
    Enforce,
    /// Not judged.
    Ignore,
}

/// The fields of `match` and `exclude`, all optional.
#[derive(Debug, Default)]
pub struct Scope {
    /// Of the request.
    pub namespaces: Option<Globs>,
    /// On the labels of the namespace.
    pub namespace_selector: Option<LabelSelector>,
    /// On the labels of the pod, or of the pod template.
    pub object_selector: Option<LabelSelector>,
    /// Of the pod.
    pub service_accounts: Option<Globs>,
    /// Names of kinds, exact: `Pod`, `Deployment`, a kind of a `PodTemplates` row.
    pub kinds: Option<Vec<String>>,
}

/// A Kubernetes label selector: every requirement must hold.
#[derive(Debug, Default)]
pub struct LabelSelector {
    /// `matchLabels` are `In` with one value.
    pub requirements: Vec<Requirement>,
}

/// One requirement of a label selector.
#[derive(Debug)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What is asked of its value.
    pub operator: Operator,
}

/// `NotIn` and `DoesNotExist` hold where the label is absent, as in Kubernetes.
#[derive(Debug)]
pub enum Operator {
    /// The value is one of these.
    In(Vec<String>),
    /// The label is absent, or its value is none of these.
    NotIn(Vec<String>),
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// One rule: kinds, a `where`, an action.
#[derive(Debug)]
pub struct Rule {
    /// Unique within its policy.
    pub name: String,
    /// The kinds that it is about.
    pub on: KindSet,
    /// What it selects among them; all given must match.
    pub selects: Where,
    /// What it decides.
    pub action: Action,
    /// Replaces the part of the message after the colon.
    pub message: Option<String>,
}

/// What a rule selects. A reference without the field that is named here does not fit.
#[derive(Debug, Default)]
pub struct Where {
    /// Of the request.
    pub namespaces: Option<Globs>,
    /// Names of containers.
    pub containers: Option<Globs>,
    /// Images of containers, normalised.
    pub images: Option<ImageGlobs>,
    /// Names of Secrets.
    pub secrets: Option<Globs>,
    /// Keys of Secrets.
    pub keys: Option<Globs>,
    /// Names of environment variables.
    pub variables: Option<Globs>,
    /// Whether the container's image is in the catalogue for the variable, and its own entrypoint runs.
    pub reads_files: Option<bool>,
}

/// What a rule decides.
#[derive(Debug)]
pub enum Action {
    /// Allowed; with a date it is an exception.
    Allow(Option<Exception>),
    /// Said, and let through.
    Warn,
    /// Swapped for a file.
    Mount(Mount),
    /// Refused.
    Deny,
}

impl Action {
    /// The name as a policy file writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Allow(_) => "allow",
            Action::Warn => "warn",
            Action::Mount(_) => "mount",
            Action::Deny => "deny",
        }
    }

    /// The strictest of several policies decides: deny, mount, warn, allow.
    pub fn strictness(&self) -> u8 {
        match self {
            Action::Allow(_) => 0,
            Action::Warn => 1,
            Action::Mount(_) => 2,
            Action::Deny => 3,
        }
    }
}

/// An `allow` with a reason and an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Why.
    pub reason: String,
    /// The last day on which it holds, in UTC.
    pub expires: Date,
}

/// How long before its end an exception is reported.
pub const EXCEPTION_NOTICE_DAYS: i32 = 14;

/// Where an exception stands on a given day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionState {
    /// Holds.
    Active,
    /// Holds, and ends within [`EXCEPTION_NOTICE_DAYS`].
    Ending,
    /// Past its date: never matches.
    Expired,
}

/// How a reference becomes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Root of the files in the container: absolute, clean.
    pub path: String,
    /// The variable that names the file.
    pub variable: Variable,
    /// The mode of the files.
    pub file_mode: FileMode,
    /// What an `envFrom` beside the reference does.
    pub beside_env_from: BesideEnvFrom,
    /// The keys of whole Secrets taken by `envFrom`: a glob on the Secret, and all its keys.
    pub keys: Vec<(Globs, Vec<String>)>,
    /// Whether a reference that cannot be swapped safely is denied (or else warned of).
    pub unsafe_is_denied: bool,
}

/// The variable that names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The catalogue's form, else `{name}_FILE`.
    Auto,
    /// A pattern that may hold `{name}`, `{secret}` and `{key}`.
    Pattern(String),
    /// No variable.
    None,
}

/// The mode of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// 0444, or 0440 where that is known to be readable.
    Auto,
    /// As given.
    Octal(u16),
}

/// What an `envFrom` beside a swapped reference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BesideEnvFrom {
    /// Makes it unsafe.
    Unsafe,
    /// Is noted.
    Swap,
}

/// STUB of this branch.
#[derive(Debug)]
pub struct PolicySet {
    policies: Vec<Policy>,
    revision: String,
}

impl PolicySet {
    /// STUB of this branch.
    pub fn stub(texts: &[String]) -> PolicySet {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        texts.hash(&mut hasher);
        let policies = (0..texts.len()).map(|index| Policy {
            name: format!("policy-{index}"),
            mode: Mode::Enforce,
            warnings: true,
            matches: Scope::default(),
            exclude: Scope::default(),
            templates: Templates::Warn,
            rules: Vec::new(),
        });
        PolicySet { policies: policies.collect(), revision: format!("{:016x}", hasher.finish()) }
    }

    /// STUB of this branch.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// STUB of this branch.
    pub fn revision(&self) -> &str {
        &self.revision
    }
}
