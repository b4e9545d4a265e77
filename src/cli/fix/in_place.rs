//! A file's content becomes another: wholly or not at all, whenever the process or the machine ends.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why a file was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Somebody else wrote it meanwhile.
    #[error("it was changed meanwhile: run the command again")]
    Changed,
}

/// Replaces the content of the file at `path`, which was `before`. A link is followed: its target is replaced. The mode is
/// kept, and owner and group where this user may set them.
///
/// # Errors
/// Where the new content cannot be written beside the old one, or take its place. Then the old one is still there.
pub fn replace(path: &Path, before: &[u8], content: &[u8]) -> Result<(), WriteError> {
    let target = fs::canonicalize(path)?;
    let metadata = fs::metadata(&target)?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let (mut file, temporary) = create_beside(&target)?;
    let written = fill(&mut file, &metadata, content).map_err(WriteError::from).and_then(|()| {
        if fs::read(&target)? != before {
            return Err(WriteError::Changed);
        }
        Ok(fs::rename(&temporary, &target)?)
    });
    if let Err(error) = written {
        // What is left over is only in the way.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // Without this the name may lead to the old content after a power cut, which is whole, too.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// A new file in the same folder, so that it can take the place of the other. Nobody takes it for a manifest.
fn create_beside(target: &Path) -> io::Result<(File, PathBuf)> {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut attempt = 0;
    loop {
        let temporary = target.with_file_name(format!(".{name}.secretfence-{}-{attempt}", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 16 => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

fn fill(file: &mut File, metadata: &Metadata, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    keep_owner(file, metadata);
    file.set_permissions(metadata.permissions())?;
    file.sync_all()
}

/// Only root may give files away; for others the file becomes their own, as with any editor.
#[cfg(unix)]
fn keep_owner(file: &File, metadata: &Metadata) {
    use std::os::unix::fs::{MetadataExt, fchown};
    if fchown(file, Some(metadata.uid()), Some(metadata.gid())).is_err() {
        let _ = fchown(file, None, Some(metadata.gid()));
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Metadata) {}
