//! The swap: references that become one read-only projected volume per container.
//!
//! `plan` decides what the pod becomes: `room` which references of a container can go, by what `safety` finds in it,
//! `layout` which volumes that takes, `volume` what each holds. `patch` writes it down. [`catalogue`] knows the images
//! that read files.

pub mod catalogue;
mod layout;
pub(super) mod patch;
pub(super) mod plan;
mod room;
mod safety;
mod volume;

use std::borrow::Cow;
use std::fmt;

pub(super) use safety::{clean_path, overlaps};
use smallvec::SmallVec;

use super::kind::Kind;
use super::name::{Bare, Shown};
use super::policy::Mount;
use super::reference::{ContainerAt, Site};

/// A reference that a rule says to mount, before it is known whether it can be.
#[derive(Debug)]
pub struct Candidate<'t, 'p> {
    /// The caller's index of the reference.
    pub reference: usize,
    /// Its kind.
    pub kind: Kind,
    /// Where it stands.
    pub site: Site,
    /// Its container.
    pub at: ContainerAt,
    /// The Secret.
    pub secret: &'t str,
    /// Whether the pod starts without it.
    pub optional: bool,
    /// How the rule mounts.
    pub mount: &'p Mount,
    /// One for each key; none where the keys are not known.
    pub files: SmallVec<[File<'t>; 1]>,
    /// The policy and the rule, for the annotation.
    pub decided_by: (&'p str, &'p str),
}

/// One key of a Secret, and the variables that go and come.
#[derive(Clone, Debug)]
pub struct File<'t> {
    /// The key.
    pub key: Cow<'t, str>,
    /// The variable that goes.
    pub variable: Cow<'t, str>,
    /// The variable that names the file, if one does.
    pub names: Option<String>,
    /// Whether the image is documented to read it.
    pub reads: bool,
}

/// Why a reference cannot be swapped safely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsafe {
    /// The kind has no swap.
    NoSwap(Kind),
    /// Ephemeral containers take no volumes of their own.
    EphemeralContainer,
    /// The API server accepts no change to a mirror pod.
    MirrorPod,
    /// Secret files lie in clear on a Windows node's disk.
    Windows,
    /// A patch or a dump: what it is laid over is not seen.
    NoImage,
    /// The keys of an `envFrom` are not known.
    UnknownKeys,
    /// Not a DNS subdomain.
    SecretName,
    /// Not a key of a Secret.
    KeyName(String),
    /// Both `value` and `valueFrom`.
    ValueBeside,
    /// The kubelet may set the name for a Service, too.
    ServiceVariable(String),
    /// More than one source in one entry.
    SourceBeside,
    /// The new variable's name would not be accepted by every API server.
    VariableName(String),
    /// The old name is a word of some text that the container gets.
    Mentioned {
        /// The old name.
        variable: String,
        /// The field.
        place: String,
    },
    /// `$(NEW)` stands somewhere, and would resolve from now on.
    WouldResolve {
        /// The new name.
        variable: String,
        /// The field.
        place: String,
    },
    /// Another entry of that name would show through.
    SameName(String),
    /// An `envFrom` beside it may hold the name, too.
    BesideEnvFrom,
    /// An `env` entry has one of the names of the `envFrom`.
    NamedInEnv(String),
    /// The new variable is already set to something else.
    VariableSet(String),
    /// Two entries would be named by the same variable.
    VariableTaken(String),
    /// Something is mounted at, above or below the target.
    Mounted {
        /// The directory of the files.
        target: String,
        /// What is in the way.
        path: String,
    },
    /// A volume that is named as ours, and does not hold what its name says, is mounted at the target.
    Renamed {
        /// The directory of the files.
        target: String,
        /// The volume.
        volume: String,
    },
    /// A volume of our name holds something else.
    VolumeTaken(String),
    /// More than any pod can hold.
    TooManyFiles,
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsafe::NoSwap(kind) => write!(f, "{kind} has no swap"),
            Unsafe::EphemeralContainer => f.write_str("an ephemeral container cannot take a new volume"),
            Unsafe::MirrorPod => f.write_str("a mirror pod cannot be changed"),
            Unsafe::Windows => f.write_str("files of a Secret lie in clear on the disk of a Windows node"),
            Unsafe::NoImage => f.write_str("the container has no image here, so what it is laid over is not seen"),
            Unsafe::UnknownKeys => f.write_str("the keys of the Secret are not known: list them in mount.keys"),
            Unsafe::SecretName => f.write_str("the Secret's name is no DNS subdomain"),
            Unsafe::KeyName(key) => write!(f, "\"{}\" is no valid key of a Secret", Shown(key)),
            Unsafe::ValueBeside => f.write_str("the entry has both a value and a valueFrom"),
            Unsafe::ServiceVariable(name) => {
                write!(f, "{} is also a name that Kubernetes sets for a Service", Bare(name))
            }
            Unsafe::SourceBeside => f.write_str("the entry has another source beside the Secret"),
            Unsafe::VariableName(name) => write!(f, "{} is not accepted as a variable's name everywhere", Bare(name)),
            Unsafe::Mentioned { variable, place } => write!(f, "{} is mentioned in {place}", Bare(variable)),
            Unsafe::WouldResolve { variable, place } => {
                write!(f, "$({}) in {place} would resolve from now on", Shown(variable))
            }
            Unsafe::SameName(name) => write!(f, "another env entry named {} would show through", Bare(name)),
            Unsafe::BesideEnvFrom => f.write_str("an envFrom beside it may hold the same name"),
            Unsafe::NamedInEnv(name) => write!(f, "an env entry named {} covers one of its keys", Bare(name)),
            Unsafe::VariableSet(name) => write!(f, "{} is already set to something else", Bare(name)),
            Unsafe::VariableTaken(name) => write!(f, "{} would name two files", Bare(name)),
            Unsafe::Mounted { target, path } => {
                write!(f, "\"{}\" is mounted at, above or below {target}", Shown(path))
            }
            Unsafe::Renamed { target, volume } => write!(
                f,
                "volume {volume} at {target} holds other Secrets than it was made for, as where kustomize renamed them: \
                 run fix on what is rendered, not on its base, or take another mount.path"
            ),
            Unsafe::TooManyFiles => f.write_str("the pod would hold more files than an API server stores"),
            Unsafe::VolumeTaken(name) => write!(f, "a volume named {name} holds something else"),
        }
    }
}
