//! From paths as they were named to files, and their bytes.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use crate::report::Fault;
use crate::report::text::Path as ShownPath;

/// What a manifest in a folder is called.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The most bytes that are read of a file. A document may have a quarter of that; what is larger is no manifest, and
/// several files are in memory at a time.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// A file to judge.
#[derive(Debug)]
pub struct Input {
    /// As it was named or found; `-` for standard input. Not safe to show.
    pub name: Arc<str>,
    from: Source,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    /// It can be read only once, and perhaps is needed twice.
    Held(Vec<u8>),
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The system said no.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The path leads nowhere.
    #[error("there is no such file or folder")]
    Absent,
    /// A device, a socket or a pipe, which may never end.
    #[error("neither a file nor a folder: what comes through a pipe is named -")]
    Special,
    /// More than we hold in memory.
    #[error("a file of more than {} MiB: split it", MAX_FILE_BYTES >> 20)]
    TooLarge,
    /// Nothing to judge, which is never what was meant: a gate must not open on a path that is misspelt.
    #[error("no manifest here: name a file, or a folder that holds *.yaml, *.yml or *.json")]
    NoFiles,
    /// As [`InputError::NoFiles`]: the command before the pipe may have failed, and its exit code is lost.
    #[error("standard input is empty: did the command before the pipe fail?")]
    NothingPiped,
}

impl InputError {
    /// As a report says it.
    pub fn into_fault(self, name: &Arc<str>) -> Fault {
        Fault { file: Arc::clone(name), document: None, place: None, message: ShownPath(&self.to_string()).to_string() }
    }
}

impl Input {
    /// What lies at the path.
    pub(crate) fn file(path: PathBuf) -> Input {
        Input { name: path.to_string_lossy().into(), from: Source::File(path) }
    }

    /// What is held already.
    pub(crate) fn held(name: &str, bytes: Vec<u8>) -> Input {
        Input { name: name.into(), from: Source::Held(bytes) }
    }

    /// Where it lies; none for standard input.
    pub fn path(&self) -> Option<&Path> {
        match &self.from {
            Source::File(path) => Some(path),
            Source::Held(_) => None,
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// What cannot be read, or is too large.
    pub fn read(&self) -> Result<std::borrow::Cow<'_, [u8]>, InputError> {
        match &self.from {
            Source::Held(bytes) => Ok(bytes.into()),
            Source::File(path) => {
                let file = File::open(path)?;
                let length = file.metadata()?.len();
                if length > MAX_FILE_BYTES {
                    return Err(InputError::TooLarge);
                }
                bounded(file, length).map(Into::into)
            }
        }
    }
}

/// The files at the paths, each once, sorted by their path as it was named or found; and what is wrong with the paths.
pub fn find(paths: &[PathBuf]) -> (Vec<Input>, Vec<Fault>) {
    let mut found = Found::default();
    paths.iter().for_each(|path| found.path(path));
    if paths.len() > 1 {
        found.files = once_each(found.files);
    } else {
        found.files.sort();
    }
    let mut inputs: Vec<Input> = found.files.into_iter().map(Input::file).collect();
    inputs.extend(found.standard_input.map(|bytes| Input { name: STANDARD_INPUT.into(), from: Source::Held(bytes) }));
    if inputs.is_empty() && found.faults.is_empty() {
        let fault = |path: &PathBuf| InputError::NoFiles.into_fault(&path.to_string_lossy().into());
        found.faults.extend(paths.iter().map(fault));
    }
    (inputs, found.faults)
}

#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    standard_input: Option<Vec<u8>>,
    faults: Vec<Fault>,
}

impl Found {
    fn path(&mut self, path: &Path) {
        if path == Path::new(STANDARD_INPUT) {
            if self.standard_input.is_none() {
                match standard_input() {
                    Ok(bytes) => self.standard_input = Some(bytes),
                    Err(error) => self.fault(path, error),
                }
            }
            return;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.folder(path),
            // Whatever it is called.
            Ok(metadata) if metadata.is_file() => self.files.push(path.to_owned()),
            Ok(_) => self.fault(path, InputError::Special),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.fault(path, InputError::Absent),
            Err(error) => self.fault(path, error.into()),
        }
    }

    fn folder(&mut self, folder: &Path) {
        // Links within are not followed: they lead out of the folder, or in circles.
        let walk = WalkDir::new(folder).into_iter().filter_entry(|entry| !is_hidden_folder(entry));
        for entry in walk {
            match entry {
                Ok(entry) if !is_manifest(&entry) => {}
                Ok(entry) if entry.file_type().is_file() => self.files.push(entry.into_path()),
                Ok(entry) if is_special(entry.file_type()) => self.fault(entry.path(), InputError::Special),
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(folder).to_owned();
                    let error = error.into_io_error().unwrap_or_else(|| io::Error::other("a link in a circle"));
                    self.fault(&path, error.into());
                }
            }
        }
    }

    fn fault(&mut self, path: &Path, error: InputError) {
        self.faults.push(error.into_fault(&path.to_string_lossy().into()));
    }
}

/// Sorted, without what is the same file under another name.
fn once_each(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.sort();
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    files
}

fn is_hidden_folder(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_type().is_dir() && entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn is_manifest(entry: &DirEntry) -> bool {
    let extension = entry.path().extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

fn is_special(kind: FileType) -> bool {
    !(kind.is_file() || kind.is_dir() || kind.is_symlink())
}

fn standard_input() -> Result<Vec<u8>, InputError> {
    let bytes = bounded(io::stdin().lock(), 0)?;
    if bytes.iter().all(u8::is_ascii_whitespace) { Err(InputError::NothingPiped) } else { Ok(bytes) }
}

/// What is there, and never much more than the limit, whatever the size was said to be.
fn bounded(from: impl Read, expected: u64) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default().saturating_add(1));
    from.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES { Err(InputError::TooLarge) } else { Ok(bytes) }
}
