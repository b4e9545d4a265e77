//! The ways to another namespace's secrets, and to stores outside the cluster.
//!
//! Listed only where some rule is about them: most are a second look at what another kind has listed already.

use std::collections::BTreeSet;

use super::node_path::NodePath;
use super::store;
use crate::fence::access::{Access, Scope, holds_token};
use crate::fence::facts::Facts;
use crate::fence::kind::{Kind, KindSet};
use crate::fence::name::{Hidden, Shown, Text};
use crate::fence::pod::{Container, CsiVolume, PodSpec, SecurityContext, Volume};
use crate::fence::reference::{Across, ContainerAt, ContainerList, Known, Reference, Site, VolumePart};
use crate::fence::swap::plan::Pod;

/// The driver that mounts a Secret of any namespace by the pod's own spec.
const SHARED_RESOURCE_DRIVER: &str = "csi.sharedresource.openshift.io";
/// The driver whose volumes name a SecretProviderClass.
const SECRETS_STORE_DRIVER: &str = "secrets-store.csi.k8s.io";
/// The key of a Secret of type `kubernetes.io/service-account-token` that holds the token (`ServiceAccountTokenKey`,
/// k8s.io/api/core/v1/types.go).
const TOKEN_KEY: &str = "token";

/// Appends what leads across, of the kinds wanted: containers first, then volumes, then the pod's own.
pub fn references<'t>(pod: Pod<'t>, namespace: &str, wanted: KindSet, facts: &Facts, found: &mut Vec<Reference<'t>>) {
    let listed = found.len();
    let overrides = store::Overrides::among(injectors(pod).map(|(key, value)| (key.as_str(), value.as_str())));
    let values = store::OfPod::of(pod, namespace);
    let mut seek = Seek { values: &values, overrides: &overrides, namespace, wanted, facts, found };
    for list in ContainerList::ALL {
        for (index, container) in list.of(pod.spec).iter().enumerate() {
            seek.container(ContainerAt { list, index }, container);
        }
    }
    for (index, volume) in pod.spec.volumes.items.iter().enumerate() {
        seek.volume(index, volume, pod.spec);
    }
    if pod.spec.security_context.as_ref().is_some_and(SecurityContext::is_host_process) {
        seek.host_process(None);
    }
    if pod.spec.host_pid == Some(true) && wanted.contains(Kind::NodeAccess) {
        seek.found.push(Reference::bare(Kind::NodeAccess, Site::Spec("hostPID")));
    }
    seek.annotations(pod);
    seek.reach(pod, listed);
    if wanted.contains(Kind::Copied) {
        for index in 0..listed {
            seek.copy(index);
        }
    }
}

struct Seek<'s, 't> {
    values: &'s store::OfPod<'s>,
    overrides: &'s store::Overrides,
    namespace: &'s str,
    wanted: KindSet,
    facts: &'s Facts,
    found: &'s mut Vec<Reference<'t>>,
}

impl<'t> Seek<'_, 't> {
    fn wants(&self, kind: Kind) -> bool {
        self.wanted.contains(kind)
    }

    fn push(&mut self, reference: Reference<'t>, across: Across) {
        if self.wants(reference.kind) {
            self.found.push(Reference { across: Some(Box::new(across)), ..reference });
        }
    }

    fn container(&mut self, at: ContainerAt, container: &'t Container<'_>) {
        if self.wants(Kind::ExternalEnv) || self.wants(Kind::StorePath) {
            let mut by_client = None;
            let mut values = store::Values::of(container, self.values);
            for (index, entry) in container.env.items.iter().enumerate() {
                let value = values.next(entry);
                let Some(external) = value.external() else { continue };
                let by_client = matches!(external.store, "Vault" | "OpenBao")
                    && *by_client.get_or_insert_with(|| self.overrides.concern_env() || names_its_store(container));
                let elsewhere = external.elsewhere || by_client;
                for kind in [Kind::ExternalEnv, Kind::StorePath] {
                    let reference = Reference {
                        variable: Some(entry.name.as_str()),
                        detail: external.store,
                        ..Reference::bare(kind, Site::Env(at, index))
                    };
                    self.each_path(&reference, &external.paths, external.unknown, elsewhere);
                }
            }
        }
        let context = container.security_context.as_ref();
        if context.is_some_and(|context| context.privileged == Some(true)) && self.wants(Kind::NodeAccess) {
            self.found.push(Reference::bare(Kind::NodeAccess, Site::Privileged(at)));
        }
        if context.is_some_and(SecurityContext::is_host_process) {
            self.host_process(Some(at));
        }
    }

    /// Windows' counterpart of a privileged container. One may be both: the detail tells the findings apart.
    fn host_process(&mut self, at: Option<ContainerAt>) {
        if self.wants(Kind::NodeAccess) {
            let bare = Reference::bare(Kind::NodeAccess, Site::HostProcess(at));
            self.found.push(Reference { detail: "hostProcess", ..bare });
        }
    }

    fn volume(&mut self, index: usize, volume: &'t Volume<'_>, spec: &'t PodSpec<'_>) {
        let bare = |kind, part| Reference {
            volume: Some(volume.name.as_str()),
            ..Reference::bare(kind, Site::Volume(index, part))
        };
        if let Some(host_path) = volume.host_path.as_ref().filter(|_| self.wants(Kind::NodeAccess)) {
            for path in shown_paths(host_path.path.as_str(), volume.name.as_str(), spec) {
                let why = NodePath::normalise(&path).secret().map_or("", |secret| secret.what);
                let across = Across { path: Some(Known::As(path)), why, on_node: true, ..Across::default() };
                self.push(bare(Kind::NodeAccess, VolumePart::Field("hostPath")), across);
            }
        }
        if let Some(csi) = &volume.csi {
            self.csi(csi, bare);
        }
    }

    fn csi(&mut self, csi: &'t CsiVolume<'_>, bare: impl Fn(Kind, VolumePart) -> Reference<'t>) {
        let attribute = |name: &str| {
            let mut attributes = csi.volume_attributes.iter().flat_map(|attributes| &attributes.0);
            attributes.find(|(key, _)| key.as_str() == name).map(|(_, value)| value.as_str())
        };
        match csi.driver.as_str() {
            SHARED_RESOURCE_DRIVER if self.wants(Kind::SharedSecret) => {
                let Some(name) = attribute("sharedSecret") else { return };
                let from = self.facts.shared_secrets.get(name).cloned();
                let across = Across { from: Some(from.map_or(Known::Not, Known::As)), ..Across::default() };
                self.push(Reference { detail: name, ..bare(Kind::SharedSecret, VolumePart::Field("csi")) }, across);
            }
            SECRETS_STORE_DRIVER if self.wants(Kind::StorePath) => {
                let Some(name) = attribute("secretProviderClass") else { return };
                let class = self.facts.provider_classes.get(self.namespace, name);
                let reference = Reference { detail: name, ..bare(Kind::StorePath, VolumePart::Field("csi")) };
                match class {
                    Some(class) => self.each_path(&reference, &class.paths, class.unknown, class.elsewhere),
                    None => self.each_path::<&str>(&reference, &[], true, false),
                }
            }
            _ => {}
        }
    }

    fn annotations(&mut self, pod: Pod<'t>) {
        let overrides = self.overrides;
        for (index, (key, value)) in injectors(pod).enumerate() {
            let Some(injected) = store::injected(key.as_str(), value.as_str()) else { continue };
            let elsewhere = overrides.concern(key.as_str());
            for kind in [Kind::Injected, Kind::StorePath] {
                let reference = Reference { detail: key.as_str(), ..Reference::bare(kind, Site::Annotation(index)) };
                self.each_path(&reference, &injected.paths, injected.unknown, elsewhere);
            }
        }
    }

    /// One reference for each path, and one for all of them where they are paths of another store; one without where there is none, but for `storePath`, which is about nothing else.
    fn each_path<P: AsRef<str>>(&mut self, reference: &Reference<'t>, paths: &[P], unknown: bool, elsewhere: bool) {
        if elsewhere && (unknown || !paths.is_empty()) {
            let across = Across { path: Some(Known::Not), why: store::ELSEWHERE, ..Across::default() };
            return self.push(reference.clone(), across);
        }
        let known = paths.iter().map(|path| Some(Known::As(path.as_ref().to_owned())));
        let none = (paths.is_empty() && !unknown && reference.kind != Kind::StorePath).then_some(None);
        for path in known.chain(unknown.then_some(Some(Known::Not))).chain(none) {
            self.push(reference.clone(), Across { path, ..Across::default() });
        }
    }

    /// What the pod's ServiceAccount gets at, where the pod holds a token for the API: the most direct way to each place.
    fn reach(&mut self, pod: Pod<'t>, listed: usize) {
        let Some(access) = self.facts.access.as_deref().filter(|_| self.wants(Kind::Reach)) else { return };
        let account = pod.spec.service_account();
        let automount = pod.spec.automount_service_account_token;
        if holds_token(automount, access.automount(self.namespace, account), audiences(pod.spec)) {
            self.reach_of(access, account, None, &Reference::bare(Kind::Reach, Site::Spec("serviceAccountName")));
        }
        if self.facts.token_secrets.is_empty() {
            return;
        }
        let mut followed = BTreeSet::new();
        for index in 0..listed {
            let Some(Reference { kind, site, secret: Some(secret), volume, keys, .. }) = self.found.get(index) else {
                continue;
            };
            let (secret, volume) = (*secret, *volume);
            let is_held = matches!(kind, Kind::SecretKeyRef | Kind::EnvFrom | Kind::Volume)
                && keys.one().is_none_or(|key| key == TOKEN_KEY);
            let held = (self.namespace.to_owned(), secret.to_owned());
            let Some(account) = self.facts.token_secrets.get(&held).filter(|_| is_held) else { continue };
            let reference = Reference { volume, ..Reference::bare(Kind::Reach, *site) };
            if followed.insert(secret) {
                self.reach_of(access, account, Some(secret), &reference);
            }
        }
    }

    fn reach_of(&mut self, access: &Access, account: &str, token: Option<&str>, reference: &Reference<'t>) {
        for reached in access.reach(self.namespace, account).strongest_of_each_place() {
            let reaches = match reached.namespaces {
                Scope::Cluster => "*",
                Scope::Namespace(name) => name,
            };
            let across = Across {
                reaches: Some(reaches.to_owned()),
                chain: Some(format!("ServiceAccount \"{}\", {}", Shown(account), reached.chain)),
                account: Some(account.to_owned()),
                token: token.map(str::to_owned),
                right: Some(reached.to_string()),
                why: reached.row.reason,
                ..Across::default()
            };
            self.push(reference.clone(), across);
        }
    }

    /// Whether the Secret of a reference that is listed already is a copy.
    fn copy(&mut self, index: usize) {
        let Some(Reference { secret: Some(secret), site, keys, variable, optional, volume, detail, .. }) =
            self.found.get(index)
        else {
            return;
        };
        if matches!(site, Site::Volume(_, VolumePart::Attribute(_))) && *detail == SHARED_RESOURCE_DRIVER {
            // It names a SharedSecret: a Secret of that name in this namespace is another.
            return;
        }
        let across = match self.facts.secrets.get(self.namespace, secret) {
            // Known, and no copy.
            Some(None) => return,
            Some(Some(copy)) => {
                let from = copy.from.as_deref().map_or(Known::Not, |from| Known::As(from.to_owned()));
                Across { from: Some(from), why: copy.untold(), ..Across::default() }
            }
            None => Across { from: Some(Known::Not), missing: true, ..Across::default() },
        };
        let reference = Reference {
            secret: Some(secret),
            keys: keys.clone(),
            variable: *variable,
            optional: *optional,
            volume: *volume,
            ..Reference::bare(Kind::Copied, *site)
        };
        self.push(reference, across);
    }
}

/// The annotations of injectors.
fn injectors<'t>(pod: Pod<'t>) -> impl Iterator<Item = &'t (Text<'t>, Hidden<'t>)> {
    pod.metadata.and_then(|metadata| metadata.annotations.as_ref()).into_iter().flat_map(|its| &its.injectors)
}

/// Whether the injector that runs in the container is told there where its store is.
fn names_its_store(container: &Container<'_>) -> bool {
    container.env.items.iter().any(|entry| store::is_client_variable(entry.name.as_str()))
}

/// The paths of the node that containers see through a volume: narrowed by `subPath` where all mounts are. A volume that
/// nothing mounts counts whole: an ephemeral container can mount it later.
fn shown_paths(path: &str, volume: &str, spec: &PodSpec<'_>) -> BTreeSet<String> {
    let containers = ContainerList::ALL.into_iter().flat_map(|list| list.of(spec));
    let mounts = containers.flat_map(|container| &container.volume_mounts.items);
    let mut shown: BTreeSet<String> = mounts
        .filter(|mount| mount.name.as_str() == volume)
        .map(|mount| {
            // What an expression becomes is not known: all of the volume.
            let below = Some(mount.sub_path.as_str()).filter(|below| !below.is_empty());
            NodePath::mounted(path, below).into_text().into_owned()
        })
        .collect();
    if shown.is_empty() {
        shown.insert(NodePath::normalise(path).into_text().into_owned());
    }
    shown
}

/// Of the tokens that are projected into the pod.
fn audiences<'s>(spec: &'s PodSpec<'_>) -> impl Iterator<Item = Option<&'s str>> {
    let projected = spec.volumes.items.iter().flat_map(|volume| &volume.projected);
    let tokens = projected.flat_map(|its| &its.sources.items).filter_map(|source| source.token.as_ref());
    tokens.map(|token| Some(token.audience.as_str()))
}
