//! What each tool finds of what is there: of one object for each way, and of the references that the corpus lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::table::Table;
use crate::tool::{Found, Scope, Tool};
use crate::tree::{Source, Tree, write};
use crate::ways;

/// By way, and with the corpus by what it lists.
pub fn tables(tools: &[Tool], source: &Source) -> Vec<Table> {
    let mut tables = vec![by_way(tools)];
    if let Source::Corpus(corpus) = source {
        tables.push(by_oracle(tools, source, corpus));
    }
    tables
}

/// What the tool says where it is asked for Secrets in the environment alone.
fn ask(tool: &Tool, folder: &Path) -> Found {
    let scope = tool.scopes().first().copied().unwrap_or(Scope::Default);
    let (_, report) = tool.run(scope, folder);
    tool.found(&report)
}

fn head(tools: &[Tool], before: &[&str], columns: &[&str]) -> Table {
    let of_tool = |tool: &Tool| columns.iter().map(|column| format!("{}{column}", tool.version())).collect::<Vec<_>>();
    let mut head: Vec<String> = before.iter().map(|cell| (*cell).to_owned()).collect();
    head.extend(tools.iter().flat_map(of_tool));
    Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>())
}

fn by_way(tools: &[Tool]) -> Table {
    let folder = TempDir::new().expect("a temporary folder");
    let ways = ways::all();
    ways.iter().for_each(|way| write(&folder.path().join(&way.file), way.content.as_bytes()));
    let found: Vec<Found> = tools.iter().map(|tool| ask(tool, folder.path())).collect();
    let mut table = head(tools, &["a Secret in the env of a pod, in the way of"], &[""]);
    for way in &ways {
        let has = |found: &Found| found.objects.iter().any(|(file, ..)| *file == way.file);
        let cells = found.iter().map(|found| if has(found) { "found" } else { "**missed**" }.to_owned());
        table.row(std::iter::once(way.name.to_owned()).chain(cells));
    }
    table
}

/// An object of the corpus that takes Secrets as env, or does not.
struct Object {
    file: String,
    kind: String,
    name: String,
    /// Whether it is an item of a `List`.
    listed: bool,
    references: Vec<Reference>,
}

struct Reference {
    pointer: String,
    variable: String,
}

/// What a row counts.
type Counts = fn(&Object, &Reference) -> bool;

const ROWS: [(&str, Counts); 12] = [
    ("all", |_, _| true),
    ("`env` of a container", |_, it| it.pointer.contains("/containers/") && it.pointer.contains("/env/")),
    ("`envFrom` of a container", |_, it| it.pointer.contains("/containers/") && it.pointer.contains("/envFrom/")),
    ("init containers", |_, it| it.pointer.contains("/initContainers/")),
    ("ephemeral containers", |_, it| it.pointer.contains("/ephemeralContainers/")),
    ("in a Pod", |object, _| object.kind == "Pod"),
    ("in a Deployment", |object, _| object.kind == "Deployment"),
    ("in a StatefulSet", |object, _| object.kind == "StatefulSet"),
    ("in a DaemonSet", |object, _| object.kind == "DaemonSet"),
    ("in a Job or CronJob", |object, _| object.kind == "Job" || object.kind == "CronJob"),
    ("in an item of a `List`", |object, _| object.listed),
    // Of these the corpus gives no pointers.
    ("in a custom resource with a pod template", |_, it| !it.pointer.starts_with('/')),
];

fn by_oracle(tools: &[Tool], source: &Source, corpus: &Path) -> Table {
    let tree = Tree::of(source, source.files().len());
    // Of the tree's one copy.
    let within = "0000/";
    let objects = objects(corpus, within);
    let found: Vec<Found> = tools.iter().map(|tool| ask(tool, tree.root())).collect();
    let before = ["the corpus lists", "references", "objects that have one"];
    let mut table = head(tools, &before, &[": names", ": flags"]);
    for (name, counts) in ROWS {
        let such = |object: &Object| object.references.iter().filter(|it| counts(object, it)).count();
        let having: Vec<&Object> = objects.iter().filter(|object| such(object) > 0).collect();
        if having.is_empty() {
            continue;
        }
        let references: usize = having.iter().map(|object| such(object)).sum();
        let mut cells = vec![name.to_owned(), references.to_string(), having.len().to_string()];
        for found in &found {
            let named = |object: &&Object| {
                object.references.iter().filter(|it| counts(object, it) && names(found, object, it)).count()
            };
            cells.push(having.iter().map(named).sum::<usize>().to_string());
            cells.push(having.iter().filter(|object| flags(found, object)).count().to_string());
        }
        table.row(cells);
    }
    let mut cells = vec!["objects without any that are flagged".to_owned(), String::new(), String::new()];
    let with: BTreeSet<_> =
        objects.iter().filter(|object| !object.references.is_empty()).map(Object::identity).collect();
    for found in &found {
        let wrong: Vec<_> = found.objects.iter().filter(|object| !with.contains(object)).collect();
        wrong.iter().for_each(|object| eprintln!("flagged, and not by the corpus: {object:?}"));
        cells.extend([String::new(), wrong.len().to_string()]);
    }
    table.row(cells);
    table
}

impl Object {
    fn identity(&self) -> (String, String, String) {
        (self.file.clone(), self.kind.clone(), self.name.clone())
    }
}

fn flags(found: &Found, object: &Object) -> bool {
    found.objects.contains(&object.identity())
}

fn names(found: &Found, object: &Object, reference: &Reference) -> bool {
    let (file, kind, name) = object.identity();
    let by = |word: &str| (file.clone(), kind.clone(), name.clone(), word.to_owned());
    found.pointers.contains(&by(&reference.pointer)) || found.variables.contains(&by(&reference.variable))
}

fn objects(corpus: &Path, within: &str) -> Vec<Object> {
    let text = fs::read_to_string(corpus.join("oracle.tsv")).expect("what is known of the corpus");
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().expect("a header");
    let column = |name: &str| head.iter().position(|cell| *cell == name).expect("a column");
    let columns = ["file", "doc", "kind", "name", "pointers(secret/key->VAR)"].map(column);
    let object = |line: Vec<&str>| {
        let [file, document, kind, name, pointers] =
            columns.map(|column| line.get(column).copied().unwrap_or_default());
        Object {
            file: format!("{within}{}", file.strip_prefix("real/").unwrap_or(file)),
            kind: kind.to_owned(),
            name: name.to_owned(),
            listed: document.contains("items"),
            references: pointers.split_whitespace().map(reference).collect(),
        }
    };
    lines.map(object).collect()
}

/// `/spec/containers/0/env/2(database/password->PASSWORD)`
fn reference(text: &str) -> Reference {
    let (pointer, rest) = text.split_once('(').unwrap_or((text, ""));
    let variable = rest.split_once("->").map_or("", |(_, variable)| variable.trim_end_matches(')'));
    Reference { pointer: pointer.to_owned(), variable: variable.to_owned() }
}
