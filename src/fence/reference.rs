//! The inventory: every place in a pod that hands it secret material, in one pass and in a stable order.
//!
//! A superset of what the API server itself visits (`VisitPodSecretNames`, pkg/api/v1/pod/util.go): it does not look at
//! `envFrom` prefixes, CSI attributes or sources that it does not know.

use std::fmt;

use super::kind::Kind;
use super::name::Text;
use super::pod::{Container, PodSpec, Volume};
use super::policy::error::escape;
use super::rules;

/// One place in a pod that hands it secret material.
#[derive(Clone, Debug)]
pub struct Reference<'t> {
    /// Which sort.
    pub kind: Kind,
    /// Where it stands.
    pub site: Site,
    /// The Secret that it names. Absent where it names none: a driver, an unknown source, a file.
    pub secret: Option<&'t str>,
    /// The keys that it takes.
    pub keys: Keys<'t>,
    /// The variable, or the prefix of an `envFrom` where there is one.
    pub variable: Option<&'t str>,
    /// Whether the pod starts without the Secret.
    pub optional: bool,
    /// The volume, for what is in one.
    pub volume: Option<&'t str>,
    /// What else the message says: a driver, a plugin, an unknown member, a path, the key of an
    /// annotation, the format of a credential.
    pub detail: &'t str,
    /// Whether only a name tells that it is a credential.
    pub guess: bool,
    /// What only the ways to other namespaces have.
    pub across: Option<Box<Across>>,
}

/// What a reference that leads to another namespace, or to a store outside, says of the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Across {
    /// The path on the node or in the store.
    pub path: Option<Known>,
    /// The namespace that a Secret comes from.
    pub from: Option<Known>,
    /// The namespace that a ServiceAccount gets at; `*` is every one but its own.
    pub reaches: Option<String>,
    /// By what: ServiceAccount, binding, role, rule.
    pub chain: Option<String>,
    /// The ServiceAccount that gets there, as the pod names it.
    pub account: Option<String>,
    /// The Secret that holds its token, where the pod takes it from there.
    pub token: Option<String>,
    /// Its right, as in `get secrets, only "root-ca"`; safe to show.
    pub right: Option<String>,
    /// Whether the path is one of the node.
    pub on_node: bool,
    /// Why it counts, in words of ours.
    pub why: &'static str,
    /// Nothing is known of the Secret: it may be a copy.
    pub missing: bool,
}

/// Something that is there, but perhaps not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// As it is.
    As(String),
    /// Nobody can say.
    Not,
}

impl Known {
    /// What it is, where that is known.
    pub fn text(&self) -> Option<&str> {
        match self {
            Known::As(text) => Some(text),
            Known::Not => None,
        }
    }
}

/// The keys that a reference takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Keys<'t> {
    /// It is not about keys.
    None,
    /// This one.
    One(&'t str),
    /// These.
    Some(Vec<&'t str>),
    /// All of the Secret's, and nothing in the pod tells which they are.
    All,
}

impl<'t> Keys<'t> {
    /// The key, where it is exactly one.
    pub fn one(&self) -> Option<&'t str> {
        match self {
            Keys::One(key) => Some(key),
            _ => None,
        }
    }
}

/// One of the three lists of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerList {
    /// `spec.initContainers`, native sidecars too.
    Init,
    /// `spec.containers`
    Main,
    /// `spec.ephemeralContainers`
    Ephemeral,
}

impl ContainerList {
    /// In the order in which references are listed.
    pub const ALL: [ContainerList; 3] = [ContainerList::Main, ContainerList::Init, ContainerList::Ephemeral];

    /// The field of the pod's `spec`.
    pub fn field(self) -> &'static str {
        match self {
            ContainerList::Init => "initContainers",
            ContainerList::Main => "containers",
            ContainerList::Ephemeral => "ephemeralContainers",
        }
    }

    /// What a message calls a container of the list.
    pub fn noun(self) -> &'static str {
        match self {
            ContainerList::Init => "init container",
            ContainerList::Main => "container",
            ContainerList::Ephemeral => "ephemeral container",
        }
    }

    /// The containers of the list.
    pub fn of<'t, 'a>(self, spec: &'t PodSpec<'a>) -> &'t [Container<'a>] {
        match self {
            ContainerList::Init => &spec.init_containers.items,
            ContainerList::Main => &spec.containers.items,
            ContainerList::Ephemeral => &spec.ephemeral_containers.items,
        }
    }
}

/// A container of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerAt {
    /// Its list.
    pub list: ContainerList,
    /// Its index there.
    pub index: usize,
}

impl ContainerAt {
    /// Appends the pointer of an item of one of its lists, below the pod's `spec`.
    pub fn push_item(self, pointer: &mut String, list: &str, index: usize) {
        push_all(pointer, &["/", self.list.field()]);
        push_item(pointer, "/", self.index);
        push_item(pointer, list, index);
    }

    /// The container itself.
    pub fn of<'t, 'a>(self, spec: &'t PodSpec<'a>) -> Option<&'t Container<'a>> {
        self.list.of(spec).get(self.index)
    }
}

impl fmt::Display for ContainerAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/{}", self.list.field(), self.index)
    }
}

/// Where a reference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// `env[index]` of a container.
    Env(ContainerAt, usize),
    /// `envFrom[index]` of a container.
    EnvFrom(ContainerAt, usize),
    /// `volumes[index]`, and the part of it.
    Volume(usize, VolumePart),
    /// `imagePullSecrets[index]`
    PullSecret(usize),
    /// `securityContext.privileged` of a container.
    Privileged(ContainerAt),
    /// `securityContext.windowsOptions.hostProcess` of a container, or of the pod.
    HostProcess(Option<ContainerAt>),
    /// A field of the pod's `spec`.
    Spec(&'static str),
    /// An annotation, one of those that injectors read.
    Annotation(usize),
    /// A word or a header, in the list of a container that a pointer such as `/args/` leads to.
    Listed(ContainerAt, &'static str, usize),
    /// The key of a Secret or a ConfigMap, below a pointer such as `/data/`.
    Member(&'static str),
}

impl Site {
    /// The container, for what is in one.
    pub fn container(self) -> Option<ContainerAt> {
        match self {
            Site::Env(at, _) | Site::EnvFrom(at, _) | Site::Privileged(at) | Site::Listed(at, ..) => Some(at),
            Site::HostProcess(at) => at,
            Site::Volume(..) | Site::PullSecret(_) | Site::Spec(_) | Site::Annotation(_) | Site::Member(_) => None,
        }
    }

    /// The JSON pointer (RFC 6901), given that of the pod or template. `key` is that of an annotation, an attribute or of
    /// data.
    fn pointer(self, template: &str, key: &str) -> String {
        let mut pointer = String::with_capacity(template.len() + 48);
        pointer.push_str(template);
        if let Site::Annotation(_) = self {
            push_all(&mut pointer, &["/metadata/annotations/", &escape(key)]);
            return pointer;
        }
        if let Site::Member(list) = self {
            push_all(&mut pointer, &[list, &escape(key)]);
            return pointer;
        }
        pointer.push_str("/spec");
        match self {
            Site::Annotation(_) | Site::Member(_) => {}
            Site::Listed(at, list, index) => at.push_item(&mut pointer, list, index),
            Site::Spec(field) => push_all(&mut pointer, &["/", field]),
            Site::Privileged(at) => {
                push_all(&mut pointer, &["/", at.list.field()]);
                push_item(&mut pointer, "/", at.index);
                pointer.push_str("/securityContext/privileged");
            }
            Site::HostProcess(at) => {
                if let Some(at) = at {
                    push_all(&mut pointer, &["/", at.list.field()]);
                    push_item(&mut pointer, "/", at.index);
                }
                pointer.push_str("/securityContext/windowsOptions/hostProcess");
            }
            Site::Env(at, index) => at.push_item(&mut pointer, "/env/", index),
            Site::EnvFrom(at, index) => at.push_item(&mut pointer, "/envFrom/", index),
            Site::PullSecret(index) => push_item(&mut pointer, "/imagePullSecrets/", index),
            Site::Volume(index, part) => {
                push_item(&mut pointer, "/volumes/", index);
                match part {
                    VolumePart::Whole => {}
                    VolumePart::Field(field) => push_all(&mut pointer, &["/", field]),
                    VolumePart::Inner(field, inner) => push_all(&mut pointer, &["/", field, "/", inner]),
                    VolumePart::Source(source) => push_item(&mut pointer, "/projected/sources/", source),
                    VolumePart::Attribute(_) => pointer.push_str("/csi/volumeAttributes"),
                    VolumePart::Entry(entries) => push_all(&mut pointer, &[entries, &escape(key)]),
                }
            }
        }
        pointer
    }
}

/// The part of a volume that hands out the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumePart {
    /// A member that we do not know.
    Whole,
    /// `volumes[].<field>`
    Field(&'static str),
    /// `volumes[].<field>.<inner>`
    Inner(&'static str, &'static str),
    /// `volumes[].projected.sources[index]`
    Source(usize),
    /// `volumes[].csi.volumeAttributes`, the attribute at that place.
    Attribute(usize),
    /// An entry below a pointer such as `/csi/volumeAttributes/`.
    Entry(&'static str),
}

/// Everything in the pod that hands it secret material by its own `spec`: containers first, then volumes, then pull
/// secrets. The ways to other namespaces are `rules::across`'s.
pub fn inventory<'t>(spec: &'t PodSpec<'_>, secret_drivers: &[String]) -> Vec<Reference<'t>> {
    let mut found = Vec::with_capacity(16);
    for list in ContainerList::ALL {
        for (index, container) in list.of(spec).iter().enumerate() {
            container_references(ContainerAt { list, index }, container, &mut found);
        }
    }
    for (index, volume) in spec.volumes.items.iter().enumerate() {
        volume_references(index, volume, secret_drivers, &mut found);
    }
    for (index, secret) in spec.image_pull_secrets.items.iter().enumerate() {
        found.push(Reference {
            secret: Some(secret.name.as_str()),
            ..Reference::bare(Kind::ImagePull, Site::PullSecret(index))
        });
    }
    found
}

impl<'t> Reference<'t> {
    /// A reference that names nothing yet.
    pub fn bare(kind: Kind, site: Site) -> Reference<'t> {
        Reference {
            kind,
            site,
            secret: None,
            keys: Keys::None,
            variable: None,
            optional: false,
            volume: None,
            detail: "",
            guess: false,
            across: None,
        }
    }

    /// Whether nothing is known of the Secret, and that is what it is about.
    pub fn is_missing(&self) -> bool {
        self.across.as_deref().is_some_and(|across| across.missing)
    }

    /// The JSON pointer (RFC 6901), given that of the pod or template.
    pub fn pointer(&self, template: &str) -> String {
        let key = match self.site {
            Site::Member(_) => self.keys.one(),
            Site::Volume(_, VolumePart::Entry(_)) => self.variable,
            _ => Some(self.detail),
        };
        self.site.pointer(template, key.unwrap_or(""))
    }
}

fn container_references<'t>(at: ContainerAt, container: &'t Container<'_>, found: &mut Vec<Reference<'t>>) {
    for (index, variable) in container.env.items.iter().enumerate() {
        let Some(source) = &variable.value_from else { continue };
        let bare =
            |kind| Reference { variable: Some(variable.name.as_str()), ..Reference::bare(kind, Site::Env(at, index)) };
        if let Some(secret) = &source.secret_key_ref {
            found.push(Reference {
                secret: Some(secret.name.as_str()),
                keys: one(&secret.key),
                optional: secret.optional == Some(true),
                ..bare(Kind::SecretKeyRef)
            });
        }
        if let Some(file) = &source.file_key_ref {
            found.push(Reference {
                keys: one(&file.key),
                volume: Some(file.volume_name.as_str()),
                optional: file.optional == Some(true),
                detail: file.path.as_str(),
                ..bare(Kind::FileKeyRef)
            });
        }
        if let Some(unknown) = &source.unknown {
            found.push(Reference { detail: unknown.as_str(), ..bare(Kind::UnknownSource) });
        }
    }
    for (index, source) in container.env_from.items.iter().enumerate() {
        let site = Site::EnvFrom(at, index);
        if let Some(secret) = &source.secret_ref {
            found.push(Reference {
                secret: Some(secret.name.as_str()),
                keys: Keys::All,
                variable: Some(source.prefix.as_str()).filter(|prefix| !prefix.is_empty()),
                optional: secret.optional == Some(true),
                ..Reference::bare(Kind::EnvFrom, site)
            });
        }
        if let Some(unknown) = &source.unknown {
            found.push(Reference { detail: unknown.as_str(), ..Reference::bare(Kind::UnknownSource, site) });
        }
    }
}

fn volume_references<'t>(
    index: usize,
    volume: &'t Volume<'_>,
    secret_drivers: &[String],
    found: &mut Vec<Reference<'t>>,
) {
    let bare = |kind, part| Reference {
        volume: Some(volume.name.as_str()),
        ..Reference::bare(kind, Site::Volume(index, part))
    };
    if let Some(secret) = &volume.secret {
        found.push(Reference {
            secret: Some(secret.secret_name.as_str()),
            keys: items(secret.items.items.iter().map(|item| item.key.as_str())),
            optional: secret.optional == Some(true),
            ..bare(Kind::Volume, VolumePart::Field("secret"))
        });
    }
    for (at, source) in volume.projected.iter().flat_map(|projected| projected.sources.items.iter().enumerate()) {
        if let Some(secret) = &source.secret {
            found.push(Reference {
                secret: Some(secret.name.as_str()),
                keys: items(secret.items.items.iter().map(|item| item.key.as_str())),
                optional: secret.optional == Some(true),
                ..bare(Kind::Volume, VolumePart::Source(at))
            });
        }
        if let Some(unknown) = &source.unknown {
            let detail = unknown.as_str();
            found.push(Reference { detail, ..bare(Kind::UnknownSource, VolumePart::Source(at)) });
        }
    }
    if let Some(csi) = &volume.csi {
        rules::csi::references(csi, secret_drivers, bare, found);
    }
    for (plugin, secret) in &volume.legacy {
        found.push(Reference {
            secret: Some(secret.as_str()),
            detail: plugin.field(),
            ..bare(Kind::LegacyVolume, VolumePart::Inner(plugin.field(), plugin.secret_field()))
        });
    }
    if let Some(unknown) = &volume.unknown {
        found.push(Reference { detail: unknown.as_str(), ..bare(Kind::UnknownSource, VolumePart::Whole) });
    }
}

/// Appends a list's part of a pointer, and the index.
fn push_item(pointer: &mut String, list: &str, index: usize) {
    push_all(pointer, &[list, itoa::Buffer::new().format(index)]);
}

fn push_all(pointer: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| pointer.push_str(part));
}

fn one<'t>(key: &'t Text<'_>) -> Keys<'t> {
    Keys::One(key.as_str())
}

/// A Secret volume without `items` holds every key.
fn items<'t>(keys: impl Iterator<Item = &'t str>) -> Keys<'t> {
    let keys: Vec<_> = keys.collect();
    match keys.as_slice() {
        [] => Keys::All,
        [key] => Keys::One(key),
        _ => Keys::Some(keys),
    }
}
