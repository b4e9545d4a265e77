//! What kustomize lays over an object: a patch of the same run that names a variable which would go would bring it back, beside
//! the file, and nobody would be told.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::file::{Fate, Fixed};
use crate::cli::check::files::Input;
use crate::fence::name::{Bare, Shown};
use crate::manifest::{self, Document, Object};
use crate::report::Fault;
use crate::report::text::Path as ShownPath;

/// Where pods have their spec in the kinds that are patched.
const SPECS: [&str; 4] = ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/template/spec"];
/// Lists of containers.
const LISTS: [&str; 2] = ["containers", "initContainers"];
/// What the API server refuses without a selector: so it is a part of one.
const SELECTING: [&str; 4] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"];

/// A reference that would be swapped.
pub struct Going {
    /// Its object.
    pub subject: Subject,
    /// The index of its document, and the way through lists.
    pub address: String,
    /// The reference in its object.
    pub pointer: String,
    /// The name of its container.
    pub container: String,
    /// The variables that would go. None: nobody knows all of them.
    pub variables: Option<Vec<String>>,
    /// Line and column.
    pub place: (usize, usize),
}

/// What an object is, or a patch is laid over. What is not said fits everything.
#[derive(Clone, Default)]
pub struct Subject {
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

/// What a patch reaches. Holds values: never shown.
pub struct Layer {
    subject: Subject,
    file: Arc<str>,
    /// Of its document in its file; empty for one that stands in a kustomization.
    address: String,
    place: (usize, usize),
    reach: Reach,
}

enum Reach {
    /// Of a patch that is merged: a list of containers, the name of one, its JSON text, and where it has its env entries.
    Container { list: &'static str, name: String, text: String, entries: Vec<(String, (usize, usize))> },
    /// Of a JSON patch: the pointer, whether it adds beside what is there, and the JSON text of its value.
    Operation { path: String, adds: bool, text: String },
}

impl Subject {
    fn of(object: &Value) -> Subject {
        let text = |pointer: &str| {
            object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Subject { kind: text("/kind"), namespace: text("/metadata/namespace"), name: text("/metadata/name") }
    }

    /// The `target` of a patch, whose names are regular expressions: what is more than a name fits everything.
    fn of_target(target: &Value) -> Subject {
        let plain = |text: &&str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) && !text.is_empty()
        };
        let field =
            |field: &str| target.get(field).and_then(Value::as_str).filter(|text| plain(text)).map(str::to_owned);
        Subject { kind: field("kind"), namespace: field("namespace"), name: field("name") }
    }

    fn fits(&self, other: &Subject) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        same(&self.kind, &other.kind) && same(&self.namespace, &other.namespace) && same(&self.name, &other.name)
    }
}

impl Going {
    /// The subject of an object.
    pub fn subject(object: &Object) -> Subject {
        serde_json::from_slice(&object.json).map(|object: Value| Subject::of(&object)).unwrap_or_default()
    }
}

impl Layer {
    /// Where it names a variable of the reference.
    fn meets(&self, going: &Going) -> Option<(usize, usize)> {
        if !self.subject.fits(&going.subject) {
            return None;
        }
        let names = |text: &str| match &going.variables {
            Some(variables) => variables.iter().any(|variable| has_word(text, variable)),
            None => text.contains("\"env\""),
        };
        let container = going.pointer.rsplitn(3, '/').nth(2)?;
        match &self.reach {
            Reach::Container { list, name, text, entries } => {
                let same = *name == going.container && container.rsplit('/').nth(1) == Some(list);
                // A list of `envFrom` takes the place of the other.
                let replaces = going.pointer.contains("/envFrom/") && text.contains("\"envFrom\"");
                let variables = going.variables.as_deref().unwrap_or_default();
                let entry = entries.iter().find(|(name, _)| variables.contains(name));
                (same && (names(text) || replaces)).then(|| entry.map_or(self.place, |(_, place)| *place))
            }
            Reach::Operation { path, adds, text } => {
                let is_above =
                    |above: &str, below: &str| below.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'));
                let same = !adds && *path == going.pointer;
                let reaches = same || is_above(path, &going.pointer) || is_above(&going.pointer, path);
                (reaches || is_above(container, path) && names(text)).then_some(self.place)
            }
        }
    }
}

/// The patches of a file: its objects that are parts of others, and those that a kustomization holds or names.
pub fn layers(input: &Input, document: &Document<'_>, objects: &[Object], found: &mut Vec<Layer>) {
    for object in objects {
        let is_kustomization = object.api_version.starts_with("kustomize.config.k8s.io/");
        // Most other objects have nothing that could be laid over a container.
        if !is_kustomization && memchr::memmem::find(&object.json, b"ontainers\"").is_none() {
            continue;
        }
        let Ok(value) = serde_json::from_slice::<Value>(&object.json) else { continue };
        if is_kustomization {
            kustomization(input, document, &value, found);
        } else {
            let place = |pointer: &str| at(document, &format!("{}{pointer}", object.pointer));
            let subject = Subject::of(&value);
            merged(&input.name, &object.address, &value, &subject, false, &place, found);
        }
    }
    if objects.is_empty() && is_kustomization(&input.name) {
        let value = document.json().ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        value.iter().for_each(|value| kustomization(input, document, value, found));
    }
}

/// Leaves the files as they are of which a patch says something else; and that patch's own, if it would change.
pub fn decline(inputs: &[Input], fixed: &mut [Fixed]) {
    let mut meetings: Vec<(usize, Fault)> = Vec::new();
    let layers: Vec<&Layer> = fixed.iter().flat_map(|file| &file.layers).collect();
    for (index, (input, file)) in inputs.iter().zip(fixed.iter()).enumerate() {
        for going in &file.going {
            let is_other = |layer: &&&Layer| layer.file != input.name || layer.address != going.address;
            let mut met = layers.iter().filter(is_other).filter_map(|layer| Some((layer, layer.meets(going)?)));
            let Some((layer, place)) = met.next() else { continue };
            let what = match going.variables.as_deref() {
                Some([variable]) => Bare(variable).to_string(),
                _ => "variables that go".to_owned(),
            };
            let message = format!(
                "{}:{} is laid over this and names {what} of container \"{}\", too: fix what is built of both, or change \
                 both by hand",
                ShownPath(&layer.file),
                place.0,
                Shown(&going.container),
            );
            meetings.push((index, fault(&input.name, &going.address, going.place, message)));
            let other = inputs.iter().position(|input| input.name == layer.file).filter(|other| *other != index);
            if let Some(other) = other {
                let message = format!(
                    "what is laid over {}:{}, which is left as it is: fix what is built of both",
                    ShownPath(&input.name),
                    going.place.0
                );
                meetings.push((other, fault(&layer.file, &layer.address, place, message)));
            }
        }
    }
    for (index, fault) in meetings {
        let Some(file) = fixed.get_mut(index).filter(|file| matches!(file.fate, Fate::Changed(_))) else { continue };
        file.fate = Fate::Left;
        file.declined.get_or_insert(fault);
        file.tally.leave();
    }
}

fn fault(file: &Arc<str>, address: &str, place: (usize, usize), message: String) -> Fault {
    let document = (!address.is_empty()).then(|| address.to_owned());
    Fault { file: Arc::clone(file), document, place: Some(place), message }
}

fn is_kustomization(name: &str) -> bool {
    let name = Path::new(name).file_name().and_then(|name| name.to_str());
    matches!(name, Some("kustomization.yaml" | "kustomization.yml" | "Kustomization"))
}

fn at(document: &Document<'_>, pointer: &str) -> (usize, usize) {
    let position = document.locate_nearest(pointer);
    (position.line, position.column)
}

/// What an object says of containers of another; with `is_part` whatever it has.
fn merged(
    file: &Arc<str>,
    address: &str,
    object: &Value,
    subject: &Subject,
    is_part: bool,
    place: &dyn Fn(&str) -> (usize, usize),
    found: &mut Vec<Layer>,
) {
    let selects = subject.kind.as_deref().is_some_and(|kind| SELECTING.contains(&kind));
    let is_part = is_part || selects && object.pointer("/spec/selector").is_none();
    for spec in SPECS {
        for list in LISTS {
            let containers = object.pointer(&format!("{spec}/{list}")).and_then(Value::as_array);
            for (index, container) in containers.into_iter().flatten().enumerate() {
                let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                if !is_part && container.get("image").and_then(Value::as_str).is_some() {
                    continue;
                }
                let pointer = format!("{spec}/{list}/{index}");
                let env = container.get("env").and_then(Value::as_array).into_iter().flatten().enumerate();
                let entries = env.filter_map(|(index, entry)| {
                    Some((entry.get("name")?.as_str()?.to_owned(), place(&format!("{pointer}/env/{index}"))))
                });
                let reach = Reach::Container { list, name, text: container.to_string(), entries: entries.collect() };
                let (file, address) = (Arc::clone(file), address.to_owned());
                found.push(Layer { subject: subject.clone(), file, address, place: place(&pointer), reach });
            }
        }
    }
}

fn kustomization(input: &Input, document: &Document<'_>, value: &Value, found: &mut Vec<Layer>) {
    for field in ["patches", "patchesStrategicMerge", "patchesJson6902"] {
        for (index, patch) in value.get(field).and_then(Value::as_array).into_iter().flatten().enumerate() {
            let here = at(document, &format!("/{field}/{index}"));
            let target = patch.get("target").map(Subject::of_target);
            let text = |key: &str| patch.get(key).and_then(Value::as_str);
            // In the oldest of the three, a text is a path or the patch itself.
            let bare = patch.as_str();
            if let Some(text) = text("patch").or(bare.filter(|text| text.contains('\n'))) {
                patch_text(&input.name, text.as_bytes(), target.as_ref(), Some(here), found);
            }
            let Some(path) = text("path").or(bare.filter(|text| !text.contains('\n'))) else { continue };
            let Some(path) = input.path().and_then(Path::parent).map(|folder| clean(&folder.join(path))) else {
                continue;
            };
            if !path.is_file() {
                continue;
            }
            let other = Input::file(path);
            if let Ok(bytes) = other.read() {
                patch_text(&other.name, &bytes, target.as_ref(), None, found);
            }
        }
    }
}

/// The patches in a text, merged ones and JSON patches, at a place of their own or at this one.
fn patch_text(
    file: &Arc<str>,
    text: &[u8],
    target: Option<&Subject>,
    here: Option<(usize, usize)>,
    found: &mut Vec<Layer>,
) {
    for document in &manifest::parse(text).documents {
        let objects = document.objects().unwrap_or_default();
        for object in &objects {
            let Ok(value) = serde_json::from_slice::<Value>(&object.json) else { continue };
            let subject = target.cloned().unwrap_or_else(|| Subject::of(&value));
            let place = |pointer: &str| here.unwrap_or_else(|| at(document, &format!("{}{pointer}", object.pointer)));
            let address = if here.is_some() { "" } else { &object.address };
            merged(file, address, &value, &subject, true, &place, found);
        }
        let Some(subject) = target.filter(|_| objects.is_empty()) else { continue };
        let value = document.json().ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        let operations = value.as_ref().and_then(Value::as_array);
        for (index, operation) in operations.into_iter().flatten().enumerate() {
            let text = |key: &str| operation.get(key).and_then(Value::as_str);
            let Some(path) = text("path").map(str::to_owned) else { continue };
            let value = operation.get("value").map(ToString::to_string).unwrap_or_default();
            let reach = Reach::Operation { path, adds: text("op") == Some("add"), text: value };
            let place = here.unwrap_or_else(|| at(document, &format!("/{index}")));
            let (subject, file) = (subject.clone(), Arc::clone(file));
            found.push(Layer { subject, file, address: String::new(), place, reach });
        }
    }
}

/// Without `..`, as the walk names it.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if matches!(clean.components().next_back(), Some(Component::Normal(_))) => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

/// Whether the text has the name as a whole word.
fn has_word(text: &str, name: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    !name.is_empty()
        && text
            .match_indices(name)
            .any(|(start, _)| !text[..start].ends_with(is_word) && !text[start + name.len()..].starts_with(is_word))
}
