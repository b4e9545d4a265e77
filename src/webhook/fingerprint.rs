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

/// Files that cannot all be looked at, so that a change of them could pass unseen.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwatchableError {
    /// More than is looked at every second.
    #[error(
        "{}: more than {most} files, too many to look for changes: name the directory of the policies alone (--policies)",
        path.display()
    )]
    TooMany {
        /// Where it was enough.
        path: PathBuf,
        /// How many are looked at.
        most: usize,
    },
    /// Deeper than is looked at.
    #[error("{}: deeper than {MAX_DEPTH} directories: remove the loop of links, or name the directory of the policies itself (--policies)", path.display())]
    TooDeep {
        /// The first that is.
        path: PathBuf,
    },
}

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
    pub(super) fn of(paths: &[PathBuf]) -> Result<Fingerprint, UnwatchableError> {
        Fingerprint::of_at_most(paths, MAX_ENTRIES)
    }

    fn of_at_most(paths: &[PathBuf], most: usize) -> Result<Fingerprint, UnwatchableError> {
        let mut found = Fingerprint::default();
        for path in paths {
            found.add(path, 0, most)?;
        }
        Ok(found)
    }

    fn add(&mut self, path: &Path, depth: usize, most: usize) -> Result<(), UnwatchableError> {
        if depth > MAX_DEPTH {
            return Err(UnwatchableError::TooDeep { path: path.to_owned() });
        }
        if self.0.len() >= most {
            return Err(UnwatchableError::TooMany { path: path.to_owned(), most });
        }
        let looked = fs::metadata(path).and_then(|metadata| {
            if metadata.is_dir() { Ok(Some(entries(path)?)) } else { self.add_file(path, &metadata).map(|()| None) }
        });
        match looked {
            Ok(entries) => entries.into_iter().flatten().try_for_each(|entry| self.add(&entry, depth + 1, most)),
            Err(error) => {
                self.0.insert(path.to_owned(), Stamp::Failed(error.kind()));
                Ok(())
            }
        }
    }

    fn add_file(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
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

/// What is in a directory, but for names that begin with a dot.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            entries.push(entry.path());
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn more_files_than_are_looked_at_are_an_error_and_not_silence() {
        let directory = TempDir::new().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let paths = [directory.path().to_owned()];
        assert!(Fingerprint::of_at_most(&paths, 3).is_ok());
        let error = Fingerprint::of_at_most(&paths, 2).unwrap_err();
        assert!(matches!(error, UnwatchableError::TooMany { most: 2, .. }), "{error}");
    }

    #[test]
    fn a_loop_of_links_is_an_error_and_not_silence() {
        let directory = TempDir::new().unwrap();
        std::os::unix::fs::symlink(directory.path(), directory.path().join("again")).unwrap();
        let error = Fingerprint::of(&[directory.path().to_owned()]).unwrap_err();
        assert!(matches!(error, UnwatchableError::TooDeep { .. }), "{error}");
    }
}
