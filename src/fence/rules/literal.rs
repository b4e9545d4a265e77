//! Credentials in clear in a pod. Listed only where some rule is about them.

use super::credential::{self, Credential};
use crate::fence::kind::Kind;
use crate::fence::name::{Hidden, Text};
use crate::fence::pod::{Attributes, Container, FieldRef, Handler, HttpGet, List, Volume};
use crate::fence::reference::{ContainerAt, ContainerList, Reference, Site, VolumePart};
use crate::fence::swap::plan::Pod;

/// Appends what stands in clear: containers first, then volumes.
pub fn references<'t>(pod: Pod<'t>, found: &mut Vec<Reference<'t>>) {
    for list in ContainerList::ALL {
        for (index, container) in list.of(pod.spec).iter().enumerate() {
            let at = ContainerAt { list, index };
            environment(pod, at, container, found);
            words(at, container, found);
        }
    }
    for (index, volume) in pod.spec.volumes.items.iter().enumerate() {
        attributes(index, volume, found);
    }
}

/// What is found, as a reference without its place.
pub fn reference<'t>(credential: Credential<'_>, site: Site) -> Reference<'t> {
    Reference { detail: credential.what, guess: credential.guess, ..Reference::bare(Kind::Literal, site) }
}

fn environment<'t>(pod: Pod<'t>, at: ContainerAt, container: &'t Container<'_>, found: &mut Vec<Reference<'t>>) {
    for (index, entry) in container.env.items.iter().enumerate() {
        let name = entry.name.as_str();
        let from_annotation = entry.value_from.as_ref().and_then(|source| {
            let key = annotation(source.field_ref.read::<FieldRef<'_>>().field_path.as_str())?.to_owned();
            let annotations = pod.metadata.and_then(|metadata| metadata.annotations.as_ref())?;
            annotations.others.iter().find(|(its, _)| its.as_str() == key).map(|(_, value)| value.read::<Hidden<'_>>())
        });
        let value = from_annotation.as_ref().unwrap_or(&entry.value).as_str();
        if let Some(credential) = credential::in_value(name, value) {
            found.push(Reference { variable: Some(name), ..reference(credential, Site::Env(at, index)) });
        }
    }
}

/// The key in `metadata.annotations['key']`, as the API server takes it (`SplitMaybeSubscriptedPath`, pkg/fieldpath).
fn annotation(path: &str) -> Option<&str> {
    path.strip_prefix("metadata.annotations['")?.strip_suffix("']")
}

fn words<'t>(at: ContainerAt, container: &'t Container<'_>, found: &mut Vec<Reference<'t>>) {
    list_of_words(at, "/command/", &container.command, found);
    list_of_words(at, "/args/", &container.args, found);
    let hooks = container.lifecycle.as_ref();
    let handlers = [
        (&container.liveness_probe, "/livenessProbe/exec/command/", "/livenessProbe/httpGet/httpHeaders/"),
        (&container.readiness_probe, "/readinessProbe/exec/command/", "/readinessProbe/httpGet/httpHeaders/"),
        (&container.startup_probe, "/startupProbe/exec/command/", "/startupProbe/httpGet/httpHeaders/"),
        (
            hooks.map_or(&None, |hooks| &hooks.post_start),
            "/lifecycle/postStart/exec/command/",
            "/lifecycle/postStart/httpGet/httpHeaders/",
        ),
        (
            hooks.map_or(&None, |hooks| &hooks.pre_stop),
            "/lifecycle/preStop/exec/command/",
            "/lifecycle/preStop/httpGet/httpHeaders/",
        ),
    ];
    for (handler, command, headers) in handlers {
        let Some(Handler { exec, http_get }) = handler else { continue };
        if let Some(exec) = exec {
            list_of_words(at, command, &exec.command, found);
        }
        for (index, header) in http_get.read::<HttpGet<'t>>().http_headers.items.into_iter().enumerate() {
            if let Some(credential) = credential::in_value(header.name.as_str(), header.value.as_str()) {
                let site = Site::Listed(at, headers, index);
                found.push(Reference { variable: borrowed(header.name), ..reference(credential, site) });
            }
        }
    }
}

fn list_of_words<'t>(at: ContainerAt, list: &'static str, words: &'t List<Hidden<'_>>, found: &mut Vec<Reference<'t>>) {
    let mut before = None;
    for (index, word) in words.items.iter().enumerate() {
        let word = word.as_str();
        if let Some(credential) = credential::in_word(before, word) {
            let site = Site::Listed(at, list, index);
            found.push(Reference { variable: credential.name, ..reference(credential, site) });
        }
        before = Some(word);
    }
}

fn attributes<'t>(index: usize, volume: &'t Volume<'_>, found: &mut Vec<Reference<'t>>) {
    let mut push = |entries, name: Option<&'t str>, value: &str| {
        if let Some(credential) = credential::in_value(name.unwrap_or(""), value) {
            let site = Site::Volume(index, VolumePart::Entry(entries));
            let volume = Some(volume.name.as_str());
            found.push(Reference { variable: name, volume, ..reference(credential, site) });
        }
    };
    let told = volume.csi.iter().filter_map(|csi| csi.volume_attributes.as_ref()).flat_map(|attributes| &attributes.0);
    for (name, value) in told {
        push("/csi/volumeAttributes/", Some(name.as_str()), value.as_str());
    }
    for (name, value) in volume.flex_options.read::<Attributes<'t>>().0 {
        push("/flexVolume/options/", borrowed(name), value.as_str());
    }
}

/// A name that lives as long as the pod. One that was escaped in the JSON does not, and is not shown: no usual name is.
fn borrowed<'t>(name: Text<'t>) -> Option<&'t str> {
    match name.0 {
        std::borrow::Cow::Borrowed(name) => Some(name),
        std::borrow::Cow::Owned(_) => None,
    }
}
