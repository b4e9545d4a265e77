//! Workloads: which kinds embed pod templates, and where.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::name::{ShownPointer, Text};
use super::pod::{Metadata, PodSpec, PodTemplate, begin_object};
use super::policy::PolicySet;
use super::policy::error::escape;
use super::policy::template_path::{Step, TemplatePath};

/// The built-in workloads, by group and kind, with the path to the pod template. Every served version of a kind has its
/// template at the same place (`pkg/apis/{core,apps,batch,extensions}`).
pub const BUILT_IN: [(&str, &str, &[&str]); 12] = [
    ("", "Pod", &[]),
    ("", "PodTemplate", &["template"]),
    ("", "ReplicationController", &["spec", "template"]),
    ("apps", "ReplicaSet", &["spec", "template"]),
    ("apps", "Deployment", &["spec", "template"]),
    ("apps", "StatefulSet", &["spec", "template"]),
    ("apps", "DaemonSet", &["spec", "template"]),
    ("batch", "Job", &["spec", "template"]),
    ("batch", "CronJob", &["spec", "jobTemplate", "spec", "template"]),
    ("extensions", "ReplicaSet", &["spec", "template"]),
    ("extensions", "Deployment", &["spec", "template"]),
    ("extensions", "DaemonSet", &["spec", "template"]),
];

/// The two parts of an `apiVersion`; the core group is empty.
pub fn group_and_version(api_version: &str) -> (&str, &str) {
    api_version.rsplit_once('/').unwrap_or(("", api_version))
}

/// Where the pod templates of one kind are.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'p> {
    /// The object is a pod.
    Pod,
    /// A built-in workload.
    BuiltIn(&'static [&'static str]),
    /// A custom resource that a `PodTemplates` document names.
    Custom(&'p [TemplatePath]),
}

impl<'p> Shape<'p> {
    /// Of a kind, or `None` where no table names it.
    pub fn of(group: &str, version: &str, kind: &str, policies: &'p PolicySet) -> Option<Shape<'p>> {
        let built_in = BUILT_IN.iter().find(|(its_group, its_kind, _)| *its_kind == kind && *its_group == group);
        match built_in {
            Some((_, _, [])) => Some(Shape::Pod),
            Some((_, _, path)) => Some(Shape::BuiltIn(path)),
            None => policies.pod_templates(group, version, kind).map(Shape::Custom),
        }
    }

    /// Whether the object is a pod, and not something that makes pods.
    pub fn is_pod(self) -> bool {
        matches!(self, Shape::Pod)
    }
}

/// How long the pointer of a pod template may be.
const POINTER_BYTES: usize = 1024;

/// An object with the pods or pod templates in it.
#[derive(Debug, Default)]
pub struct Workload<'a> {
    /// Of the object itself.
    pub metadata: Option<Metadata<'a>>,
    /// Each with its JSON pointer.
    pub templates: Vec<(String, PodTemplate<'a>)>,
}

/// Why an object of a known kind could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: expected {expected}", ShownPointer(pointer))]
pub struct ObjectError {
    /// Where in the object: a JSON pointer, exact.
    pub pointer: String,
    /// What should stand there. Never what stands there: it may be a secret.
    pub expected: String,
}

impl<'a> Workload<'a> {
    /// Reads an object of a known shape.
    ///
    /// # Errors
    /// Where the JSON is broken, or a field that the fence reads has another type than the API gives it.
    pub fn parse(object: &'a str, shape: Shape<'_>) -> Result<Workload<'a>, ObjectError> {
        begin_object();
        let mut deserializer = serde_json::Deserializer::from_str(object);
        let read = WorkloadSeed(shape).deserialize(&mut deserializer).and_then(|workload| {
            deserializer.end()?;
            Ok(workload)
        });
        read.map_err(|error| ObjectError::locate(object, shape, &error))
    }
}

impl ObjectError {
    /// Of bytes that are no text.
    pub(super) fn not_text() -> ObjectError {
        ObjectError { pointer: "/".to_owned(), expected: "JSON in UTF-8".to_owned() }
    }

    /// Reads the object once more, slowly, to say where it is broken.
    fn locate(object: &str, shape: Shape<'_>, first: &serde_json::Error) -> ObjectError {
        begin_object();
        let mut deserializer = serde_json::Deserializer::from_str(object);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        let again = WorkloadSeed(shape).deserialize(tracked);
        ObjectError::at(&track.path(), again.as_ref().err().unwrap_or(first))
    }

    /// What this error says of this place.
    pub(super) fn at(path: &serde_path_to_error::Path, error: &serde_json::Error) -> ObjectError {
        let mut pointer = String::new();
        for segment in path.iter() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        if pointer.is_empty() {
            pointer.push('/');
        }
        ObjectError { pointer, expected: expectation(error) }
    }
}

/// What the error expected. Its text also says what it found, which may be a secret: only what follows the last
/// `expected` is ours.
pub(super) fn expectation(error: &serde_json::Error) -> String {
    if !error.is_data() {
        return "well-formed JSON".to_owned();
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if let Some((_, expected)) = text.rsplit_once(", expected ") {
        return expected.to_owned();
    }
    if text.starts_with("duplicate field `") { "each field once".to_owned() } else { "a Kubernetes object".to_owned() }
}

/// Reads a workload of a known shape from wherever JSON comes.
#[derive(Clone, Copy)]
pub struct WorkloadSeed<'p>(pub Shape<'p>);

impl<'de> DeserializeSeed<'de> for WorkloadSeed<'_> {
    type Value = Workload<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Workload<'de>, D::Error> {
        deserializer.deserialize_map(RootVisitor(self.0))
    }
}

struct RootVisitor<'p>(Shape<'p>);

impl<'de> Visitor<'de> for RootVisitor<'_> {
    type Value = Workload<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut workload = Workload::default();
        let mut pod = PodTemplate::default();
        let mut specified = false;
        let mut pointer = String::new();
        let paths = Paths::of(self.0);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "metadata" => workload.metadata = map.next_value()?,
                "spec" if self.0.is_pod() => {
                    // Two of them: which one counts is not ours to say.
                    if std::mem::replace(&mut specified, true) {
                        return Err(serde::de::Error::duplicate_field("spec"));
                    }
                    pod.spec = map.next_value::<Option<PodSpec<'de>>>()?.unwrap_or_default();
                }
                key => paths.follow_member(key, &mut map, &mut pointer, &mut workload.templates)?,
            }
        }
        if self.0.is_pod() {
            workload.templates.push((String::new(), pod));
        }
        Ok(workload)
    }
}

/// What is left of the paths at one place of the object.
struct Paths<'p> {
    left: smallvec::SmallVec<[Left<'p>; 2]>,
}

#[derive(Clone, Copy)]
enum Left<'p> {
    BuiltIn(&'static [&'static str]),
    Custom(&'p [Step]),
}

impl<'p> Left<'p> {
    fn after_member(self, name: &str) -> Option<Left<'p>> {
        match self {
            Left::BuiltIn([first, rest @ ..]) if *first == name => Some(Left::BuiltIn(rest)),
            Left::Custom([Step::Member(first), rest @ ..]) if **first == *name => Some(Left::Custom(rest)),
            // `[*]` means every value of an object, too.
            Left::Custom([Step::Each, rest @ ..]) => Some(Left::Custom(rest)),
            _ => None,
        }
    }

    fn after_item(self) -> Option<Left<'p>> {
        match self {
            Left::Custom([Step::Each, rest @ ..]) => Some(Left::Custom(rest)),
            _ => None,
        }
    }

    fn is_here(self) -> bool {
        matches!(self, Left::BuiltIn([]) | Left::Custom([]))
    }
}

impl<'p> Paths<'p> {
    fn of(shape: Shape<'p>) -> Paths<'p> {
        let left = match shape {
            Shape::Pod => smallvec::SmallVec::new(),
            Shape::BuiltIn(path) => smallvec::smallvec![Left::BuiltIn(path)],
            Shape::Custom(paths) => paths.iter().map(|path| Left::Custom(&path.steps)).collect(),
        };
        Paths { left }
    }

    fn follow_member<'de, A: MapAccess<'de>>(
        &self,
        key: &str,
        map: &mut A,
        pointer: &mut String,
        found: &mut Vec<(String, PodTemplate<'de>)>,
    ) -> Result<(), A::Error> {
        let next = Paths { left: self.left.iter().filter_map(|left| left.after_member(key)).collect() };
        if next.left.is_empty() {
            map.next_value::<IgnoredAny>()?;
            return Ok(());
        }
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&escape(key));
        // Every template below holds a copy.
        if pointer.len() > POINTER_BYTES {
            return Err(serde::de::Error::custom(format_args!(
                "a long member, expected at most {POINTER_BYTES} bytes on the way to a pod template"
            )));
        }
        map.next_value_seed(Descent { paths: next, pointer, found })?;
        pointer.truncate(length);
        Ok(())
    }
}

struct Descent<'p, 'f, 'de> {
    paths: Paths<'p>,
    pointer: &'f mut String,
    found: &'f mut Vec<(String, PodTemplate<'de>)>,
}

impl<'de> DeserializeSeed<'de> for Descent<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.paths.left.iter().any(|left| left.is_here()) {
            if let Some(template) = <Option<PodTemplate<'de>> as serde::Deserialize>::deserialize(deserializer)? {
                self.found.push((self.pointer.clone(), template));
            }
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Descent<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list on the way to a pod template")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Text<'de>>()? {
            self.paths.follow_member(key.as_str(), &mut map, self.pointer, self.found)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let next: smallvec::SmallVec<[Left<'_>; 2]> =
            self.paths.left.iter().filter_map(|left| left.after_item()).collect();
        let mut index = 0usize;
        loop {
            let length = self.pointer.len();
            self.pointer.push_str(&format!("/{index}"));
            let paths = Paths { left: next.clone() };
            let more = if paths.left.is_empty() {
                sequence.next_element::<IgnoredAny>()?.is_some()
            } else {
                sequence.next_element_seed(Descent { paths, pointer: self.pointer, found: self.found })?.is_some()
            };
            self.pointer.truncate(length);
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }
}
