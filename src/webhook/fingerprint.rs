//! Whether files have changed, without reading them.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Deeper is a loop of links.
const MAX_DEPTH: usize = 32;
/// More is a mistake, such as a path that names the root of a disk.
const MAX_ENTRIES: usize = 100_000;

/// What can be seen of files from outside: a file replaced by name, by a link above it, or written in place differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(BTreeMap<PathBuf, Stamp>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    /// Where it really is, its device and inode, its length, and when it was changed, in seconds and nanoseconds.
    File { target: PathBuf, inode: (u64, u64), length: u64, changed: [(i64, i64); 2] },
    /// It cannot be looked at, and why.
    Failed(io::ErrorKind),
}

impl Fingerprint {
    /// Looks at files and, through links, at directories. Entries whose name begins with a dot are passed by, as where
    /// policies are read: a mounted ConfigMap's files are links through `..data`.
    pub(super) fn of(paths: &[PathBuf]) -> Fingerprint {
        let mut found = Fingerprint::default();
        for path in paths {
            found.add(path, 0);
        }
        found
    }

    fn add(&mut self, path: &Path, depth: usize) {
        if depth > MAX_DEPTH || self.0.len() >= MAX_ENTRIES {
            return;
        }
        match fs::metadata(path).and_then(|metadata| self.add_found(path, &metadata, depth)) {
            Ok(()) => {}
            Err(error) => {
                self.0.insert(path.to_owned(), Stamp::Failed(error.kind()));
            }
        }
    }

    fn add_found(&mut self, path: &Path, metadata: &Metadata, depth: usize) -> io::Result<()> {
        if metadata.is_dir() {
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                    self.add(&entry.path(), depth + 1);
                }
            }
            return Ok(());
        }
        let stamp = Stamp::File {
            target: fs::canonicalize(path)?,
            inode: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            changed: [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())],
        };
        self.0.insert(path.to_owned(), stamp);
        Ok(())
    }
}
