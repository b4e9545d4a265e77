//! The tree that every tool is given: manifests, repeated, in a folder that goes away.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::ways;

/// What the tree is made of.
pub enum Source {
    /// The manifests of real projects; the folder that holds them, and what is known of them.
    Corpus(PathBuf),
    /// Our own.
    Own,
}

impl Source {
    pub fn find() -> Source {
        let shared =
            std::env::var_os("SECRETFENCE_SHARED").map(PathBuf::from).unwrap_or_else(|| root().join("../shared"));
        let corpus = shared.join("corpus");
        if corpus.join("real").is_dir() { Source::Corpus(corpus) } else { Source::Own }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Source::Corpus(_) => "the corpus, repeated",
            Source::Own => "our own manifests, repeated",
        }
    }

    /// Relative paths and contents, in order.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        match self {
            Source::Corpus(corpus) => read_all(&corpus.join("real"), Path::new(""), &mut files),
            Source::Own => {
                read_all(&root().join("examples/workloads"), Path::new("examples"), &mut files);
                read_all(&root().join("benches/bodies"), Path::new("bodies"), &mut files);
                files.retain(|(path, _)| path.extension().is_some_and(|extension| extension == "yaml"));
                files.extend(ways::all().into_iter().map(|way| (PathBuf::from(way.file), way.content.into_bytes())));
            }
        }
        files.sort();
        assert!(!files.is_empty(), "no manifests");
        files
    }
}

/// A folder of manifests.
pub struct Tree {
    folder: TempDir,
    pub files: usize,
    bytes: usize,
}

impl Tree {
    /// The first so many files of the source repeated, each time in a folder of its own.
    pub fn of(source: &Source, files: usize) -> Tree {
        let manifests = source.files();
        let folder = TempDir::new().expect("a temporary folder");
        let mut bytes = 0;
        for (index, (path, content)) in manifests.iter().cycle().take(files).enumerate() {
            let path = folder.path().join(format!("{:04}", index / manifests.len())).join(path);
            write(&path, content);
            bytes += content.len();
        }
        Tree { folder, files, bytes }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn megabytes(&self) -> f64 {
        self.bytes as f64 / 1e6
    }

    /// One that may be changed.
    pub fn copy(&self) -> TempDir {
        let copy = TempDir::new().expect("a temporary folder");
        let mut files = Vec::new();
        read_all(self.root(), Path::new(""), &mut files);
        files.iter().for_each(|(path, content)| write(&copy.path().join(path), content));
        copy
    }
}

pub fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder can be made");
    fs::write(path, content).expect("a file can be written");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read_all(folder: &Path, shown: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry of a folder");
        let (path, shown) = (entry.path(), shown.join(entry.file_name()));
        if path.is_dir() {
            read_all(&path, &shown, files);
        } else {
            files.push((shown, fs::read(&path).expect("a file")));
        }
    }
}
