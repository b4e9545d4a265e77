//! The corpus: manifests of real projects, and the test inputs of other tools, with what is known of each.
//!
//! It is other people's work and not part of this repository: `SECRETFENCE_SHARED` names the folder that holds it. Where
//! it is missing the tests that need it say what they left out; with `CI` set they fail.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "tests say what they leave out, and fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub struct Corpus {
    pub root: PathBuf,
}

impl Corpus {
    /// The corpus, or a sentence about what is left out.
    pub fn find(about: &str) -> Option<Corpus> {
        let shared = std::env::var_os("SECRETFENCE_SHARED")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
        let root = shared.join("corpus");
        if root.is_dir() {
            return Some(Corpus { root });
        }
        assert!(std::env::var_os("CI").is_none(), "no corpus at {}: set SECRETFENCE_SHARED", root.display());
        println!("left out, for want of a corpus at {}: {about}", root.display());
        None
    }

    /// The rows of a table, by its header.
    pub fn table(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        let text = std::fs::read_to_string(self.root.join(name)).unwrap();
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
        let row = |line: &str| {
            header.iter().map(|name| (*name).to_owned()).zip(line.split('\t').map(str::to_owned)).collect()
        };
        lines.map(row).collect()
    }

    /// Every file below a folder, in order, by its path from the root.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let mut files = Vec::new();
        walk(&self.root.join(folder), &mut files);
        files.sort();
        files.iter().map(|file| file.strip_prefix(&self.root).unwrap().to_str().unwrap().to_owned()).collect()
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}
