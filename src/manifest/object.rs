//! The Kubernetes objects of a document: itself, or the items of a `List`.

use std::borrow::Cow;
use std::fmt;

use super::Document;
use super::error::{MAX_DEPTH, ManifestError, Problem};
use super::render::{Budget, write_string};
use super::scalar::Scalar;
use super::tree::NodeId;

/// One Kubernetes object of a document.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// The index of its document, then its way through lists: `2`, `2.items.3`, `2.items.3.items.0`.
    pub address: String,
    /// The same way as a JSON pointer from the root of the document: empty, `/items/3`.
    pub pointer: String,
    /// The `apiVersion`.
    pub api_version: String,
    /// The `kind`.
    pub kind: String,
    /// The object as JSON text.
    pub json: Vec<u8>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("address", &self.address)
            .field("bytes", &self.json.len())
            .finish_non_exhaustive()
    }
}

impl Document<'_> {
    /// The Kubernetes objects that the document holds; none where it is something else. Items of lists, and of lists in
    /// lists, stand for their list. An item of a typed list that names neither its version nor its kind has the list's,
    /// as for kubectl (`unstructuredJSONScheme.decodeToList`).
    ///
    /// # Errors
    /// A value that JSON cannot hold, or aliases that expand to more than the limits allow.
    pub fn objects(&self) -> Result<Vec<Object>, ManifestError> {
        let mut found = Found { document: self, budget: Budget::new(), objects: Vec::new() };
        let path = Path { address: self.index.to_string(), pointer: String::new(), shared: false, depth: 0 };
        found.object(0, path, None)?;
        Ok(found.objects)
    }
}

struct Path {
    address: String,
    pointer: String,
    /// Whether it passed through an alias: what is found then may be found again and again.
    shared: bool,
    depth: usize,
}

struct Found<'d, 's> {
    document: &'d Document<'s>,
    budget: Budget,
    objects: Vec<Object>,
}

impl Found<'_, '_> {
    fn object(&mut self, id: NodeId, mut path: Path, inherited: Option<(&str, &str)>) -> Result<(), ManifestError> {
        let document = self.document;
        let tree = &document.tree;
        let fail = |problem| ManifestError::at(document.index, tree.position(id), problem);
        let target = tree.target(id);
        path.shared |= target != id;
        if path.shared {
            self.budget.keep(path.address.len() + path.pointer.len()).map_err(fail)?;
        }
        if path.depth == MAX_DEPTH {
            return Err(fail(Problem::TooDeep));
        }
        if !tree.node(target).is_some_and(|node| node.style.is_mapping()) {
            return Ok(());
        }
        let header = Header::read(document, target, &mut self.budget)?;
        let (api_version, kind, inherits) = match (header.api_version, header.kind, inherited) {
            (Field::Text(api_version), Field::Text(kind), _) => (api_version, kind, false),
            (Field::Absent, Field::Absent, Some((api_version, kind))) => (api_version.into(), kind.into(), true),
            _ => return Ok(()),
        };
        if let Some(items) = header.items.filter(|_| kind.ends_with("List")) {
            let item_kind = kind.strip_suffix("List").unwrap_or_default();
            let inherited = (!item_kind.is_empty()).then_some((&*api_version, item_kind));
            for (index, item) in tree.children(items).enumerate() {
                let address = format!("{}.items.{index}", path.address);
                let pointer = format!("{}/items/{index}", path.pointer);
                self.object(item, Path { address, pointer, shared: path.shared, depth: path.depth + 1 }, inherited)?;
            }
            return Ok(());
        }
        let mut json = Vec::with_capacity(tree.node(target).map_or(0, |node| (node.end - node.start) as usize));
        document.render(id, &mut self.budget, &mut json)?;
        if inherits {
            json = with_header(&api_version, &kind, &json);
        }
        let (api_version, kind) = (api_version.into_owned(), kind.into_owned());
        let Path { address, pointer, .. } = path;
        self.objects.push(Object { address, pointer, api_version, kind, json });
        Ok(())
    }
}

/// What tells an object from other mappings.
struct Header<'d> {
    api_version: Field<'d>,
    kind: Field<'d>,
    /// The sequence of `items`.
    items: Option<NodeId>,
}

enum Field<'d> {
    Absent,
    /// A string, and not the empty one.
    Text(Cow<'d, str>),
    Other,
}

impl<'d> Header<'d> {
    fn read(document: &'d Document<'_>, id: NodeId, budget: &mut Budget) -> Result<Header<'d>, ManifestError> {
        let tree = &document.tree;
        let mut header = Header { api_version: Field::Absent, kind: Field::Absent, items: None };
        let mut take = |key: &str, value: NodeId| {
            let value = tree.target(value);
            match key {
                "apiVersion" => header.api_version = Field::read(document, value),
                "kind" => header.kind = Field::read(document, value),
                "items" => header.items = tree.node(value).filter(|node| node.style.is_sequence()).map(|_| value),
                _ => {}
            }
        };
        if tree.node(id).is_some_and(|node| node.has_merge()) {
            let entries = tree
                .merged_entries(id, budget)
                .map_err(|(id, problem)| ManifestError::at(document.index, tree.position(id), problem))?;
            entries.iter().for_each(|(key, value)| take(key, *value));
        } else {
            for (key, value) in tree.entries(id) {
                let key = tree.target(key);
                tree.node(key).into_iter().for_each(|node| take(tree.text(node), value));
            }
        }
        Ok(header)
    }
}

impl<'d> Field<'d> {
    fn read(document: &'d Document<'_>, id: NodeId) -> Field<'d> {
        let Some(node) = document.tree.node(id) else { return Field::Other };
        if node.style.is_mapping() || node.style.is_sequence() {
            return Field::Other;
        }
        match document.tree.scalar(id, node) {
            Ok(Scalar::Text(text)) if !text.is_empty() => Field::Text(text),
            _ => Field::Other,
        }
    }
}

fn with_header(api_version: &str, kind: &str, json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() + api_version.len() + kind.len() + 32);
    out.extend_from_slice(b"{\"apiVersion\":");
    write_string(&mut out, api_version);
    out.extend_from_slice(b",\"kind\":");
    write_string(&mut out, kind);
    let rest = json.strip_prefix(b"{").unwrap_or(json);
    if rest != b"}" {
        out.push(b',');
    }
    out.extend_from_slice(rest);
    out
}
