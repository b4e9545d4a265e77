//! Policy files from disk: files and directories, YAML and JSON, and a mounted ConfigMap with its links.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::fence::policy::error::Field;
use crate::fence::policy::{Part, PolicyDocument, PolicyError, PolicySet};
use crate::manifest::{self, Document, ManifestError, Position};

/// The policy that is used where none is given.
pub const BUILT_IN: &str = include_str!("../policies/baseline.yaml");

/// What a policy file in a directory is called.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Policies, and how much was read for them.
#[derive(Debug)]
pub struct LoadedPolicies {
    /// The compiled set.
    pub set: PolicySet,
    /// Files that were read.
    pub files: usize,
    /// Documents in them, empty ones apart.
    pub documents: usize,
    /// Documents of kind `SecretPolicy`, those that are `off` too.
    pub policies: usize,
}

/// Policies that cannot be used: every reason, in order of the files and lines.
#[derive(Debug, thiserror::Error)]
pub struct LoadError(
    /// At least one.
    pub Vec<LoadFault>,
);

impl LoadError {
    /// Whether some document does not have the shape of its kind: of such a one only the first mistake is here.
    pub fn tells_only_the_first(&self) -> bool {
        self.0.iter().any(|fault| matches!(fault, LoadFault::Invalid { first: true, .. }))
    }
}

/// One reason why policies cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadFault {
    /// A file or a directory that cannot be read.
    #[error("{}: cannot be read: {reason}", Quiet(path))]
    Unreadable {
        /// As it was given or found.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A mistake in a file.
    #[error("{}:{line}:{column}: {field}{}{message}", Quiet(path), if field.is_empty() { "" } else { ": " })]
    Invalid {
        /// As it was given or found.
        path: PathBuf,
        /// 1-based.
        line: usize,
        /// 1-based, in characters.
        column: usize,
        /// As a person writes it: `spec.rules[0].action`. Empty where the YAML itself is broken.
        field: String,
        /// What was found, what was expected, and the next step.
        message: String,
        /// Whether nothing behind it was looked at.
        first: bool,
    },
    /// Nothing to enforce, which nobody means who names a path.
    #[error("no policy in {0}: expected *.yaml, *.yml or *.json files with documents of kind: SecretPolicy")]
    NoPolicies(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Reads and compiles every policy file at the paths: files as they are, directories with everything below that is
/// called `*.yaml`, `*.yml` or `*.json`. What begins with a dot is skipped, links are followed, and a file that is
/// named twice counts once.
///
/// # Errors
/// All mistakes of all files; a path that cannot be read; no policy at all.
pub fn load(paths: &[PathBuf]) -> Result<LoadedPolicies, LoadError> {
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for path in paths.iter().flat_map(|path| files_at(path, &mut faults)).collect::<Vec<_>>() {
        match fs::canonicalize(&path)
            .and_then(|real| if seen.insert(real) { fs::read(&path).map(Some) } else { Ok(None) })
        {
            Ok(Some(content)) => files.push((path, content)),
            Ok(None) => {}
            Err(error) => faults.push(LoadFault::Unreadable { path, reason: error.to_string() }),
        }
    }
    match compile(&files) {
        Ok(loaded) if faults.is_empty() && loaded.policies == 0 => {
            let paths: Vec<_> = paths.iter().map(|path| Quiet(path).to_string()).collect();
            Err(LoadError(vec![LoadFault::NoPolicies(paths.join(", "))]))
        }
        Ok(loaded) if faults.is_empty() => Ok(loaded),
        Ok(_) => Err(LoadError(faults)),
        Err(LoadError(more)) => Err(LoadError(faults.into_iter().chain(more).collect())),
    }
}

/// Compiles files that were read already. Their paths are for messages only.
///
/// # Errors
/// All mistakes of all files.
pub fn compile(files: &[(PathBuf, Vec<u8>)]) -> Result<LoadedPolicies, LoadError> {
    let mut faults = Vec::new();
    let mut sources = Vec::new();
    let mut documents = Vec::new();
    for (number, (path, content)) in files.iter().enumerate() {
        let manifest = manifest::parse(content);
        faults.extend(manifest.errors.iter().map(|error| (number, broken(path, error))));
        // For kubectl `on` is a boolean, and `off` too; a policy file is not for kubectl.
        for document in manifest.documents.into_iter().filter(|document| !document.is_empty()).map(Document::with_words)
        {
            match value(&document) {
                Ok(value) => documents.push(PolicyDocument { source: sources.len(), value }),
                Err(error) => faults.push((number, broken(path, &error))),
            }
            sources.push((number, path, document));
        }
    }
    let policies = documents.iter().filter(|document| document.value["kind"] == "SecretPolicy").count();
    match PolicySet::compile(&documents) {
        Ok(set) if faults.is_empty() => {
            Ok(LoadedPolicies { set, files: files.len(), documents: sources.len(), policies })
        }
        Ok(_) => Err(in_order(faults)),
        Err(errors) => {
            for error in &errors {
                if let Some((number, path, document)) = sources.get(error.source) {
                    faults.push((*number, invalid(path, document, error)));
                }
            }
            Err(in_order(faults))
        }
    }
}

/// The policy that is used where none is given: no Secret in an environment variable.
pub fn built_in() -> PolicySet {
    match compile(&[(PathBuf::from("baseline.yaml"), BUILT_IN.into())]) {
        Ok(loaded) => loaded.set,
        // Going on without a policy would admit everything. That this cannot happen, a test holds.
        Err(error) => unreachable!("the built-in policy does not compile: {error}"),
    }
}

/// The policy files at a path, in a fixed order. A path that is a file is taken whatever it is called.
pub(crate) fn files_at(path: &Path, faults: &mut Vec<LoadFault>) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let mut files = Vec::new();
    // Links are followed: in a mounted ConfigMap every file is one, through `..data`.
    let walk = WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.path())) {
        match entry {
            Ok(entry) if is_policy_file(&entry) => files.push(entry.into_path()),
            Ok(_) => {}
            // An editor's lock is a link to nowhere, and has a dot.
            Err(error) if error.depth() > 0 && error.path().is_some_and(is_hidden) => {}
            Err(error) => {
                let path = error.path().unwrap_or(path).to_owned();
                let reason = match error.loop_ancestor() {
                    Some(_) => "a link leads back to a directory above it".to_owned(),
                    None => error.io_error().map_or_else(|| error.to_string(), ToString::to_string),
                };
                faults.push(LoadFault::Unreadable { path, reason });
            }
        }
    }
    files
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_policy_file(entry: &DirEntry) -> bool {
    let extension = entry.path().extension().and_then(OsStr::to_str);
    entry.file_type().is_file() && extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

fn value(document: &Document<'_>) -> Result<serde_json::Value, ManifestError> {
    let json = document.json()?;
    serde_json::from_slice(&json).map_err(|_| ManifestError {
        document: document.index,
        line: document.locate_nearest("").line,
        column: document.locate_nearest("").column,
        offset: document.locate_nearest("").offset,
        problem: manifest::Problem::Syntax("a value that JSON cannot hold".to_owned()),
    })
}

fn broken(path: &Path, error: &ManifestError) -> LoadFault {
    let (field, message) = (String::new(), error.problem.to_string());
    let (path, line, column) = (path.to_owned(), error.line, error.column);
    LoadFault::Invalid { path, line, column, field, message, first: true }
}

fn invalid(path: &Path, document: &Document<'_>, error: &PolicyError) -> LoadFault {
    let Position { line, column, .. } = match error.part {
        Part::Key => document.locate_key(&error.pointer),
        Part::Value => document.locate(&error.pointer),
    }
    .unwrap_or_else(|| document.locate_nearest(&error.pointer));
    let (field, message) = (Field(&error.pointer).to_string(), error.problem.to_string());
    LoadFault::Invalid { path: path.to_owned(), line, column, field, message, first: error.problem.is_of_shape() }
}

fn in_order(mut faults: Vec<(usize, LoadFault)>) -> LoadError {
    faults.sort_by_key(|(file, fault)| match fault {
        LoadFault::Invalid { line, column, .. } => (*file, *line, *column),
        _ => (*file, 0, 0),
    });
    LoadError(faults.into_iter().map(|(_, fault)| fault).collect())
}

/// A path without anything that acts on a terminal or breaks a line.
struct Quiet<'a>(&'a Path);

impl fmt::Display for Quiet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.to_string_lossy().chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                fmt::Write::write_char(f, character)?;
            }
        }
        Ok(())
    }
}
