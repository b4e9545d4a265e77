//! The plan as a JSON patch (RFC 6902), written straight to bytes against the raw object.
//!
//! Only `add`, `replace` and `remove`, no `test`: the API server refuses the pod when a patch does not apply, even under
//! `failurePolicy: Ignore`. Every path is one that the object was just read from.

use smallvec::SmallVec;

use super::plan::{MountChange, Plan, Pod};
use super::safety::Entries;
use super::volume::Contents;
use super::{Candidate, File};
use crate::fence::json::{escape, list, string};
use crate::fence::name::Bare;
use crate::fence::pod::SWAPPED_ANNOTATION;
use crate::fence::reference::{ContainerAt, Site};

/// How much of the annotation is ours: what is more is counted.
const ANNOTATION_BYTES: usize = 4096;
/// All annotations of an object, keys and values.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// The patch of a plan; empty where nothing is swapped. `template` is the pointer of the pod template, empty for a pod.
pub fn write(pod: Pod<'_>, template: &str, candidates: &[Candidate<'_, '_>], plan: &Plan<'_>) -> Vec<u8> {
    if plan.swapped.is_empty() {
        return Vec::new();
    }
    let mut patch = Patch { text: String::with_capacity(256 + 384 * plan.swapped.len()), template };
    patch.add_volumes(pod, plan);
    let swapped: Vec<&Candidate<'_, '_>> = plan.swapped.iter().filter_map(|index| candidates.get(*index)).collect();
    for group in swapped.chunk_by(|a, b| a.at == b.at) {
        patch.change_variables(pod, group);
    }
    for group in plan.mounts.chunk_by(|a, b| a.0 == b.0) {
        patch.change_mounts(pod, plan, group);
    }
    for index in plan.removed.iter().rev() {
        patch.operation("remove").push("/spec/volumes/").push(itoa::Buffer::new().format(*index)).push("\"");
    }
    patch.annotate(pod, &swapped);
    patch.push("}]");
    patch.text.into_bytes()
}

struct Patch<'p> {
    text: String,
    template: &'p str,
}

impl Patch<'_> {
    /// Begins an operation: the pointer's parts follow.
    fn operation(&mut self, name: &str) -> &mut Self {
        self.text.push_str(if self.text.is_empty() { "[" } else { "}," });
        self.push("{\"op\":\"").push(name).push("\",\"path\":\"");
        // The template's pointer may hold any character of a custom resource; the rest is ours.
        escape(&mut self.text, self.template);
        self
    }

    fn push(&mut self, part: &str) -> &mut Self {
        self.text.push_str(part);
        self
    }

    fn item(&mut self, at: ContainerAt, list: &str, index: usize) -> &mut Self {
        self.push("/spec");
        at.push_item(&mut self.text, list, index);
        self
    }

    /// Ends the pointer of an operation that has a value.
    fn value(&mut self) -> &mut String {
        self.push("\",\"value\":");
        &mut self.text
    }

    fn add_volumes(&mut self, pod: Pod<'_>, plan: &Plan<'_>) {
        if plan.added.is_empty() {
            return;
        }
        if pod.spec.volumes.written {
            for (name, mode, contents) in &plan.added {
                let text = self.operation("add").push("/spec/volumes/-").value();
                volume(text, &plan.names[*name], *mode, contents);
            }
            return;
        }
        let text = self.operation("add").push("/spec/volumes").value();
        list(text, &plan.added, |text, (name, mode, contents)| volume(text, &plan.names[*name], *mode, contents));
    }

    /// Entries are replaced in their place; those without a successor go last to first, so that indices hold; what was an
    /// `envFrom` comes after them. A successor that is there already, which names the same file then, is not written twice:
    /// server-side apply refuses an `env` with two entries of one name.
    fn change_variables(&mut self, pod: Pod<'_>, group: &[&Candidate<'_, '_>]) {
        let Some(at) = group.first().map(|candidate| candidate.at) else { return };
        let mut gone = Vec::new();
        let mut appended = Vec::new();
        let mut env_from = Vec::new();
        let container = at.of(pod.spec);
        let files = group.iter().map(|candidate| candidate.files.len()).sum();
        let present = Entries::of(container.map_or(&[], |container| &container.env.items), files);
        for candidate in group {
            let new = |name: &&str| present.named(name).is_none();
            let mut entries =
                candidate.files.iter().filter_map(|file| Some((*candidate, file, file.names.as_deref().filter(new)?)));
            match candidate.site {
                Site::EnvFrom(_, index) => {
                    env_from.push(index);
                    appended.extend(entries);
                }
                // One entry, one key.
                Site::Env(_, index) => match entries.next() {
                    Some((candidate, file, name)) => {
                        variable(self.operation("replace").item(at, "/env/", index).value(), name, candidate, file);
                    }
                    None => gone.push(index),
                },
                _ => {}
            }
        }
        // A list of which nothing stays goes as a whole: nobody would write an empty one.
        if appended.is_empty() && container.is_some_and(|container| is_all(&gone, container.env.items.len())) {
            self.operation("remove").container(at).push("/env\"");
            gone.clear();
        }
        for index in gone.into_iter().rev() {
            self.operation("remove").item(at, "/env/", index).push("\"");
        }
        if container.is_some_and(|container| is_all(&env_from, container.env_from.items.len())) {
            self.operation("remove").container(at).push("/envFrom\"");
            env_from.clear();
        }
        for index in env_from.into_iter().rev() {
            self.operation("remove").item(at, "/envFrom/", index).push("\"");
        }
        let written = container.is_some_and(|container| container.env.written);
        self.append(written, at, "/env", &appended, |text, (candidate, file, name)| {
            variable(text, name, candidate, file)
        });
    }

    fn change_mounts(&mut self, pod: Pod<'_>, plan: &Plan<'_>, changes: &[(ContainerAt, MountChange<'_>)]) {
        let Some(at) = changes.first().map(|(at, _)| *at) else { return };
        let mut added: SmallVec<[(&str, &str); 1]> = SmallVec::new();
        for (_, change) in changes {
            match change {
                MountChange::Point { mount, volume } => {
                    let text = self.operation("replace").item(at, "/volumeMounts/", *mount).push("/name").value();
                    string(text, &plan.names[*volume]);
                }
                MountChange::Add { volume, path } => added.push((&plan.names[*volume], path)),
            }
        }
        let written = at.of(pod.spec).is_some_and(|container| container.volume_mounts.written);
        self.append(written, at, "/volumeMounts", &added, |text, (name, path)| {
            text.push_str("{\"name\":");
            string(text, name);
            text.push_str(",\"mountPath\":");
            string(text, path);
            text.push_str(",\"readOnly\":true}");
        });
    }

    /// Appends to a list of a container, or makes it: `add` on a member replaces a null.
    fn append<T>(&mut self, written: bool, at: ContainerAt, field: &str, items: &[T], write: impl Fn(&mut String, &T)) {
        if items.is_empty() {
            return;
        }
        if !written {
            return list(self.operation("add").container(at).push(field).value(), items, write);
        }
        for item in items {
            write(self.operation("add").container(at).push(field).push("/-").value(), item);
        }
    }

    fn container(&mut self, at: ContainerAt) -> &mut Self {
        self.push("/spec/").push(at.list.field()).push("/").push(itoa::Buffer::new().format(at.index))
    }

    fn annotate(&mut self, pod: Pod<'_>, swapped: &[&Candidate<'_, '_>]) {
        let annotations = pod.metadata.and_then(|metadata| metadata.annotations.as_ref());
        let before = annotations.and_then(|annotations| annotations.swapped.as_ref()).map_or("", |text| text.as_str());
        let note = annotation(before, pod, swapped);
        // The API server refuses a pod with more (`TotalAnnotationSizeLimitB`); the note is not worth that.
        let full = annotations.map_or(0, |annotations| annotations.bytes) + SWAPPED_ANNOTATION.len() + note.len();
        if full > ANNOTATIONS_LIMIT {
            return;
        }
        self.operation("add");
        if annotations.is_some() {
            return string(self.push("/metadata/annotations/secretfence.dev~1swapped").value(), &note);
        }
        let end = match pod.metadata {
            Some(_) => {
                self.push("/metadata/annotations").value();
                "}"
            }
            None => {
                self.push("/metadata").value().push_str("{\"annotations\":");
                "}}"
            }
        };
        self.push("{\"").push(SWAPPED_ANNOTATION).push("\":");
        string(&mut self.text, &note);
        self.push(end);
    }
}

/// Whether `indices` are all that a list has.
fn is_all(indices: &[usize], length: usize) -> bool {
    length > 0 && indices.len() == length
}

/// What was swapped, by which policy: one clause a reference, after those of an earlier call.
fn annotation(before: &str, pod: Pod<'_>, swapped: &[&Candidate<'_, '_>]) -> String {
    let mut text = String::with_capacity(before.len() + 96 * swapped.len().min(48));
    text.push_str(before);
    let mut left = swapped.len();
    for candidate in swapped {
        let length = text.len();
        text.push_str(if length == 0 { "" } else { "; " });
        let container = candidate.at.of(pod.spec).map_or("", |container| container.name.as_str());
        Bare(container).push_to(&mut text);
        text.push(':');
        for file in &candidate.files {
            text.push(' ');
            Bare(&file.variable).push_to(&mut text);
            text.push_str(" -> ");
            for part in [&candidate.mount.path, "/", candidate.secret, "/", &file.key] {
                text.push_str(part);
            }
        }
        for part in [" [", candidate.decided_by.0, "/", candidate.decided_by.1, "]"] {
            text.push_str(part);
        }
        if text.len() > ANNOTATION_BYTES {
            text.truncate(length);
            break;
        }
        left -= 1;
    }
    if left > 0 {
        for part in [" (+", itoa::Buffer::new().format(left), " more)"] {
            text.push_str(part);
        }
    }
    text
}

fn volume(text: &mut String, name: &str, mode: u16, contents: &Contents<'_>) {
    for part in
        ["{\"name\":\"", name, "\",\"projected\":{\"defaultMode\":", itoa::Buffer::new().format(mode), ",\"sources\":["]
    {
        text.push_str(part);
    }
    for (index, source) in contents.sources().enumerate() {
        let Some(first) = source.first() else { continue };
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str("{\"secret\":{\"name\":");
        string(text, &first.secret);
        text.push_str(",\"items\":");
        list(text, source, |text, file| {
            text.push_str("{\"key\":");
            string(text, &file.key);
            // Both are checked to need no escape before anything is swapped.
            for part in [",\"path\":\"", &file.secret, "/", &file.key, "\"}"] {
                text.push_str(part);
            }
        });
        text.push_str(if first.optional { ",\"optional\":true}}" } else { "}}" });
    }
    text.push_str("]}}");
}

fn variable(text: &mut String, name: &str, candidate: &Candidate<'_, '_>, file: &File<'_>) {
    text.push_str("{\"name\":");
    string(text, name);
    text.push_str(",\"value\":\"");
    escape(text, &candidate.mount.path);
    // The names of what is swapped are checked to need no escape.
    for part in ["/", candidate.secret, "/", &file.key, "\"}"] {
        text.push_str(part);
    }
}
