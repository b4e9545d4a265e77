//! The kinds of reference, and the groups of kinds that a rule may name.

use std::fmt;

/// Which sort of reference to secret material.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `env[].valueFrom.secretKeyRef`
    SecretKeyRef,
    /// `envFrom[].secretRef`
    EnvFrom,
    /// `env[].valueFrom.fileKeyRef`
    FileKeyRef,
    /// A member of a source that this version does not know.
    UnknownSource,
    /// `volumes[].secret` and `volumes[].projected.sources[].secret`
    Volume,
    /// A CSI volume of a driver that hands out secrets, or that names one.
    Csi,
    /// The Secret of a storage plugin older than CSI.
    LegacyVolume,
    /// `imagePullSecrets[]`
    ImagePull,
    /// `env[].value` that an injector resolves when the container starts.
    ExternalEnv,
    /// An annotation that makes an agent write secrets into the pod.
    Injected,
    /// The node's disk or processes, where other pods' Secrets lie.
    NodeAccess,
    /// A path in an external store.
    StorePath,
    /// A Secret that a CSI driver mounts from another namespace by the pod's own spec.
    SharedSecret,
    /// What the pod's ServiceAccount may read, or get at, in another namespace.
    Reach,
    /// A Secret that carries the marks of a copy from another namespace.
    Copied,
    /// A credential in clear, where the pod or a ConfigMap holds it.
    Literal,
    /// A Secret whose manifest holds its data in clear. No pod has one: only manifests are looked at for it.
    RawSecret,
}

impl Kind {
    /// Every kind that this version finds, in the order in which they are documented.
    pub const ALL: [Kind; 17] = [
        Kind::SecretKeyRef,
        Kind::EnvFrom,
        Kind::FileKeyRef,
        Kind::UnknownSource,
        Kind::Volume,
        Kind::Csi,
        Kind::LegacyVolume,
        Kind::ImagePull,
        Kind::ExternalEnv,
        Kind::Injected,
        Kind::NodeAccess,
        Kind::StorePath,
        Kind::SharedSecret,
        Kind::Reach,
        Kind::Copied,
        Kind::Literal,
        Kind::RawSecret,
    ];

    /// The name as a policy file writes it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::SecretKeyRef => "secretKeyRef",
            Kind::EnvFrom => "envFrom",
            Kind::FileKeyRef => "fileKeyRef",
            Kind::UnknownSource => "unknownSource",
            Kind::Volume => "volume",
            Kind::Csi => "csi",
            Kind::LegacyVolume => "legacyVolume",
            Kind::ImagePull => "imagePull",
            Kind::ExternalEnv => "externalEnv",
            Kind::Injected => "injected",
            Kind::NodeAccess => "nodeAccess",
            Kind::StorePath => "storePath",
            Kind::SharedSecret => "sharedSecret",
            Kind::Reach => "reach",
            Kind::Copied => "copied",
            Kind::Literal => "literal",
            Kind::RawSecret => "rawSecret",
        }
    }

    /// Whether a reference of this kind can become a file at all.
    pub fn has_swap(self) -> bool {
        matches!(self, Kind::SecretKeyRef | Kind::EnvFrom)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct KindSet(u32);

impl KindSet {
    /// The empty set.
    pub const NONE: KindSet = KindSet(0);
    /// The group `env`: what ends in a container's environment.
    pub const ENV: KindSet = KindSet::NONE.with(Kind::SecretKeyRef).with(Kind::EnvFrom).with(Kind::FileKeyRef);
    /// The group `file`: what arrives as files.
    pub const FILE: KindSet =
        KindSet::NONE.with(Kind::Volume).with(Kind::Csi).with(Kind::LegacyVolume).with(Kind::Injected);
    /// The group `crossNamespace`: the ways by which a pod gets at another namespace's Secrets.
    pub const CROSS_NAMESPACE: KindSet = KindSet::NONE
        .with(Kind::NodeAccess)
        .with(Kind::StorePath)
        .with(Kind::SharedSecret)
        .with(Kind::Reach)
        .with(Kind::Copied);
    /// The group `clear`: what stands in the manifest itself, or names what an injector puts there.
    pub const CLEAR: KindSet = KindSet::NONE.with(Kind::Literal).with(Kind::ExternalEnv).with(Kind::RawSecret);
    /// What nothing in the pod tells: it takes a watch of the cluster, with rights of its own.
    pub const OF_THE_CLUSTER: KindSet = KindSet::NONE.with(Kind::Reach).with(Kind::Copied);
    /// What the inventory lists only where some rule is about it: a second look at what another kind has listed, or at
    /// what names no Secret.
    pub const ON_DEMAND: KindSet =
        KindSet::CROSS_NAMESPACE.with(Kind::ExternalEnv).with(Kind::Injected).with(Kind::Literal);
    /// What is no pod's, but an object's of its own.
    pub const OF_MANIFESTS: KindSet = KindSet::NONE.with(Kind::RawSecret);

    /// The group `any`: every kind that the pod itself tells. What takes a watch is asked for by name, or by
    /// `crossNamespace`: a rule on everything shall not need the right to read every Secret of the cluster. What is no
    /// pod's is asked for by name, or by `clear`: a rule on pods shall not refuse Secrets.
    pub fn any() -> KindSet {
        let told = |kind: &Kind| !KindSet::OF_THE_CLUSTER.union(KindSet::OF_MANIFESTS).contains(*kind);
        Kind::ALL.into_iter().filter(told).fold(KindSet::NONE, KindSet::with)
    }

    /// This set and one kind more.
    #[must_use]
    pub const fn with(self, kind: Kind) -> KindSet {
        KindSet(self.0 | 1 << kind as u8)
    }

    /// This set and one kind less.
    #[must_use]
    pub const fn without(self, kind: Kind) -> KindSet {
        KindSet(self.0 & !(1 << kind as u8))
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: KindSet) -> KindSet {
        KindSet(self.0 | other.0)
    }

    /// Whether the kind is in the set.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether the two share a kind.
    pub const fn intersects(self, other: KindSet) -> bool {
        self.0 & other.0 != 0
    }

    /// Its kinds, in documented order.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
