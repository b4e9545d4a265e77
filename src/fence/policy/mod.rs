//! Policies: [`PolicyFile`](file::PolicyFile) as written, [`PolicySet`] as compiled. Only the second evaluates.
//!
//! ```text
//! file.rs      the fields, as a person writes them
//! decode.rs    a document into those, with the place of the first mistake
//! compile/     what serde cannot say: globs, dates, selectors, mounts, names; every mistake is collected
//! set.rs       the immutable set
//! scope.rs     which policies match a pod, by index
//! test_file.rs unit tests of policies, as a person writes them
//! lint.rs      what is allowed and probably not meant
//! ```

mod compile;
mod decode;
pub mod error;
pub mod file;
pub mod glob;
pub mod image;
pub mod lint;
mod scope;
mod set;
pub mod template_path;
pub mod test_file;

use jiff::Span;
use jiff::civil::Date;

pub use error::{Part, PolicyError, Problem};
pub use file::Missing;
pub use image::ImageName;
pub use lint::Warning;
pub use scope::{ScopeField, Subject};
pub use set::{PodTemplateRow, PolicyDocument, PolicySet, Reader};
pub use template_path::{Step, TemplatePath};
pub use test_file::PolicyTest;

use super::kind::KindSet;
use super::rules::store_path::PathGlobs;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
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
    /// What becomes of a Secret that is not known, for `copied`.
    pub missing: Missing,
    /// Replaces the part of the message after the colon.
    pub message: Option<String>,
}

impl Rule {
    /// How strict it is: of several policies the strictest decides. A Secret that is not known has a word of its own.
    pub fn strictness(&self, is_missing: bool) -> u8 {
        match (&self.action, is_missing) {
            (Action::Warn | Action::Deny, true) => match self.missing {
                Missing::Allow => 0,
                Missing::Warn => 1,
                Missing::Deny => 3,
            },
            (action, _) => action.strictness(),
        }
    }
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
    /// Paths of the node or of an external store.
    pub paths: Option<Paths>,
    /// Namespaces that a ServiceAccount gets at.
    pub reach: Option<Globs>,
    /// Namespaces that a Secret comes from.
    pub from: Option<Globs>,
}

/// Paths that a rule selects.
#[derive(Debug)]
pub struct Paths {
    /// The places of a node where Secrets lie (`@node-secrets`).
    pub node_secrets: bool,
    /// The others, of a node or of a store.
    pub globs: Option<PathGlobs>,
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

impl Exception {
    /// Where it stands on a day. The last day is included.
    pub fn state(&self, today: Date) -> ExceptionState {
        if self.expires < today {
            ExceptionState::Expired
        } else if self.expires <= today.saturating_add(Span::new().days(EXCEPTION_NOTICE_DAYS)) {
            ExceptionState::Ending
        } else {
            ExceptionState::Active
        }
    }

    /// Whether it holds on a day: one past its date never matches.
    pub fn holds(&self, today: Date) -> bool {
        self.state(today) != ExceptionState::Expired
    }
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
    /// The keys of whole Secrets taken by `envFrom`: a glob on the Secret, and all its keys. The most specific glob
    /// comes first, and the first that fits counts.
    pub keys: Vec<(Globs, Vec<String>)>,
    /// Whether a reference that cannot be swapped safely is denied (or else warned of).
    pub unsafe_is_denied: bool,
}

impl Default for Mount {
    fn default() -> Mount {
        Mount {
            path: "/run/secretfence".to_owned(),
            variable: Variable::Auto,
            file_mode: FileMode::Auto,
            beside_env_from: BesideEnvFrom::Unsafe,
            keys: Vec::new(),
            unsafe_is_denied: true,
        }
    }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum BesideEnvFrom {
    /// Makes it unsafe.
    Unsafe,
    /// Is noted.
    Swap,
}
