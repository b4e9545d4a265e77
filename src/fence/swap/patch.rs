//! The plan as a JSON patch (RFC 6902), written straight to bytes against the raw object.
//!
//! Only `add`, `replace` and `remove`, no `test`: the API server refuses the pod when a patch does not apply, even under
//! `failurePolicy: Ignore`. Every path is one that the object was just read from.

use std::fmt::Write as _;
use std::io::Write as _;

use super::plan::{MountChange, Plan, Pod, file_path};
use super::volume::Contents;
use super::{Candidate, File};
use crate::fence::name::Bare;
use crate::fence::pod::SWAPPED_ANNOTATION;
use crate::fence::reference::{ContainerAt, Site};

/// How much of the annotation is ours: what is more is counted.
const ANNOTATION_BYTES: usize = 4096;

/// The patch of a plan; empty where nothing is swapped. `template` is the pointer of the pod template, empty for a pod.
pub fn write(pod: Pod<'_>, template: &str, candidates: &[Candidate<'_, '_>], plan: &Plan<'_>) -> Vec<u8> {
    if plan.swapped.is_empty() {
        return Vec::new();
    }
    let mut patch = Patch { bytes: Vec::with_capacity(512), template };
    patch.add_volumes(pod, plan);
    let swapped: Vec<&Candidate<'_, '_>> = plan.swapped.iter().filter_map(|index| candidates.get(*index)).collect();
    for group in swapped.chunk_by(|a, b| a.at == b.at) {
        patch.change_variables(pod, group);
    }
    for group in plan.mounts.chunk_by(|a, b| a.0 == b.0) {
        patch.change_mounts(pod, group);
    }
    for index in plan.removed.iter().rev() {
        patch.operation("remove", format_args!("/spec/volumes/{index}"), None::<fn(&mut Vec<u8>)>);
    }
    patch.annotate(pod, &swapped);
    patch.bytes.push(b']');
    patch.bytes
}

struct Patch<'p> {
    bytes: Vec<u8>,
    template: &'p str,
}

impl Patch<'_> {
    fn operation(&mut self, name: &str, path: std::fmt::Arguments<'_>, value: Option<impl FnOnce(&mut Vec<u8>)>) {
        let before = if self.bytes.is_empty() { "[" } else { "," };
        // Writing to a Vec cannot fail. The template's pointer may hold any character; the rest is ours.
        let _ = write!(self.bytes, "{before}{{\"op\":\"{name}\",\"path\":\"");
        let escaped = escape(self.template);
        let _ = write!(self.bytes, "{escaped}{path}\"");
        if let Some(value) = value {
            self.bytes.extend_from_slice(b",\"value\":");
            value(&mut self.bytes);
        }
        self.bytes.push(b'}');
    }

    fn add_volumes(&mut self, pod: Pod<'_>, plan: &Plan<'_>) {
        if plan.added.is_empty() {
            return;
        }
        if pod.spec.volumes.written {
            for (name, mode, contents) in &plan.added {
                let value = |bytes: &mut Vec<u8>| volume(bytes, name, *mode, contents);
                self.operation("add", format_args!("/spec/volumes/-"), Some(value));
            }
            return;
        }
        let value = |bytes: &mut Vec<u8>| {
            list(bytes, &plan.added, |bytes, (name, mode, contents)| volume(bytes, name, *mode, contents));
        };
        self.operation("add", format_args!("/spec/volumes"), Some(value));
    }

    /// Entries are replaced in their place; those without a successor go last to first, so that indices hold; what was an
    /// `envFrom` comes after them.
    fn change_variables(&mut self, pod: Pod<'_>, group: &[&Candidate<'_, '_>]) {
        let Some(at) = group.first().map(|candidate| candidate.at) else { return };
        let mut gone = Vec::new();
        let mut appended = Vec::new();
        let mut env_from = Vec::new();
        for candidate in group {
            let entries = candidate.files.iter().filter_map(|file| Some((candidate, file, file.names.as_deref()?)));
            match candidate.site {
                Site::EnvFrom(_, index) => {
                    env_from.push(index);
                    appended.extend(entries);
                }
                Site::Env(_, index) => {
                    let mut replaced = false;
                    for (candidate, file, name) in entries {
                        replaced = true;
                        let value = |bytes: &mut Vec<u8>| variable(bytes, name, candidate, file);
                        self.operation("replace", format_args!("/spec{at}/env/{index}"), Some(value));
                    }
                    if !replaced {
                        gone.push(index);
                    }
                }
                _ => {}
            }
        }
        for index in gone.into_iter().rev() {
            self.operation("remove", format_args!("/spec{at}/env/{index}"), None::<fn(&mut Vec<u8>)>);
        }
        for index in env_from.into_iter().rev() {
            self.operation("remove", format_args!("/spec{at}/envFrom/{index}"), None::<fn(&mut Vec<u8>)>);
        }
        self.append(
            at.of(pod.spec).is_some_and(|container| container.env.written),
            at,
            "env",
            &appended,
            |bytes, (candidate, file, name)| variable(bytes, name, candidate, file),
        );
    }

    fn change_mounts(&mut self, pod: Pod<'_>, changes: &[(ContainerAt, MountChange)]) {
        let Some(at) = changes.first().map(|(at, _)| *at) else { return };
        let mut added = Vec::new();
        for (_, change) in changes {
            match change {
                MountChange::Point(index, name) => {
                    let path = format_args!("/spec{at}/volumeMounts/{index}/name");
                    self.operation("replace", path, Some(|bytes: &mut Vec<u8>| string(bytes, name)));
                }
                MountChange::Add(name, path) => added.push((name, path)),
            }
        }
        self.append(
            at.of(pod.spec).is_some_and(|container| container.volume_mounts.written),
            at,
            "volumeMounts",
            &added,
            |bytes, (name, path)| {
                bytes.extend_from_slice(b"{\"name\":");
                string(bytes, name);
                bytes.extend_from_slice(b",\"mountPath\":");
                string(bytes, path);
                bytes.extend_from_slice(b",\"readOnly\":true}");
            },
        );
    }

    /// Appends to a list of a container, or makes it: `add` on a member replaces a null.
    fn append<T>(
        &mut self,
        written: bool,
        at: ContainerAt,
        field: &str,
        items: &[T],
        write: impl Fn(&mut Vec<u8>, &T),
    ) {
        if items.is_empty() {
            return;
        }
        if !written {
            let value = |bytes: &mut Vec<u8>| list(bytes, items, write);
            self.operation("add", format_args!("/spec{at}/{field}"), Some(value));
            return;
        }
        for item in items {
            let value = |bytes: &mut Vec<u8>| write(bytes, item);
            self.operation("add", format_args!("/spec{at}/{field}/-"), Some(value));
        }
    }

    fn annotate(&mut self, pod: Pod<'_>, swapped: &[&Candidate<'_, '_>]) {
        let annotations = pod.metadata.and_then(|metadata| metadata.annotations.as_ref());
        let before = annotations.and_then(|annotations| annotations.swapped.as_ref()).map_or("", |text| text.as_str());
        let text = annotation(before, pod, swapped);
        let key = SWAPPED_ANNOTATION;
        let member = |bytes: &mut Vec<u8>| {
            bytes.push(b'{');
            string(bytes, key);
            bytes.push(b':');
            string(bytes, &text);
            bytes.push(b'}');
        };
        if annotations.is_some() {
            let path = format_args!("/metadata/annotations/secretfence.dev~1swapped");
            self.operation("add", path, Some(|bytes: &mut Vec<u8>| string(bytes, &text)));
        } else if pod.metadata.is_some() {
            self.operation("add", format_args!("/metadata/annotations"), Some(member));
        } else {
            let value = |bytes: &mut Vec<u8>| {
                bytes.extend_from_slice(b"{\"annotations\":");
                member(bytes);
                bytes.push(b'}');
            };
            self.operation("add", format_args!("/metadata"), Some(value));
        }
    }
}

/// What was swapped, by which policy: one clause a reference, after those of an earlier call.
fn annotation(before: &str, pod: Pod<'_>, swapped: &[&Candidate<'_, '_>]) -> String {
    let mut text = String::from(before);
    let mut left = swapped.len();
    for candidate in swapped {
        let container = candidate.at.of(pod.spec).map_or("", |container| container.name.as_str());
        let mut clause = String::new();
        // Writing to a String cannot fail.
        let _ = write!(clause, "{}:", Bare(container));
        for file in &candidate.files {
            let path = file_path(&candidate.mount.path, candidate.secret, &file.key);
            let _ = write!(clause, " {} -> {path}", Bare(&file.variable));
        }
        let _ = write!(clause, " [{}/{}]", candidate.decided_by.0, candidate.decided_by.1);
        if text.len() + clause.len() > ANNOTATION_BYTES {
            break;
        }
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&clause);
        left -= 1;
    }
    if left > 0 {
        let _ = write!(text, " (+{left} more)");
    }
    text
}

fn volume(bytes: &mut Vec<u8>, name: &str, mode: u16, contents: &Contents<'_>) {
    let _ = write!(bytes, "{{\"name\":\"{name}\",\"projected\":{{\"defaultMode\":{mode},\"sources\":[");
    for (index, source) in contents.sources().enumerate() {
        let Some(first) = source.first() else { continue };
        bytes.extend_from_slice(if index == 0 { b"" } else { b"," });
        bytes.extend_from_slice(b"{\"secret\":{\"name\":");
        string(bytes, &first.secret);
        bytes.extend_from_slice(b",\"items\":");
        list(bytes, source, |bytes, file| {
            bytes.extend_from_slice(b"{\"key\":");
            string(bytes, &file.key);
            // Both are checked to need no escape before anything is swapped.
            let _ = write!(bytes, ",\"path\":\"{}/{}\"}}", file.secret, file.key);
        });
        bytes.extend_from_slice(if first.optional { b",\"optional\":true}}" } else { b"}}" });
    }
    bytes.extend_from_slice(b"]}}");
}

fn variable(bytes: &mut Vec<u8>, name: &str, candidate: &Candidate<'_, '_>, file: &File<'_>) {
    bytes.extend_from_slice(b"{\"name\":");
    string(bytes, name);
    bytes.extend_from_slice(b",\"value\":");
    string(bytes, &file_path(&candidate.mount.path, candidate.secret, &file.key));
    bytes.push(b'}');
}

fn list<T>(bytes: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    bytes.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        write(bytes, item);
    }
    bytes.push(b']');
}

/// A JSON string. Serialising a `&str` into a Vec cannot fail.
fn string(bytes: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(bytes, text);
}

/// The inside of a JSON string.
fn escape(text: &str) -> std::borrow::Cow<'_, str> {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return text.into();
    }
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned().into()
}
