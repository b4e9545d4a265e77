//! Files that are written wholly or not at all: beside what is there, and then in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Puts a file at `path`. Until all of it is there, whoever looks finds the one before, and finds that for ever where the
/// disk is full or the process ends. A link is followed, and the mode of the one before is kept.
///
/// # Errors
/// Where it cannot be written, or not be put in its place.
pub(super) fn put(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let before = fs::metadata(path).ok();
    // A pipe or a terminal is where somebody listens: nothing can take its place. Nor that of a file that is already open.
    if path.starts_with("/dev") || before.as_ref().is_some_and(|its| !its.is_file()) {
        return fill(&mut File::create(path)?, write);
    }
    let target = if before.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
    let name = target.file_name().ok_or_else(|| io::Error::other("expected a file"))?;
    // It begins with a dot, and has not the ending: no collector of metrics and no glob takes it for one of them.
    let beside = target.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    // Of a process of this number that was killed: that is nobody's any more.
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    let written = fill(&mut file, write)
        .and_then(|()| before.map_or(Ok(()), |its| file.set_permissions(its.permissions())))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        // Best effort: the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn fill(file: &mut File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_until_all_of_the_next_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("monday.json");
        fs::write(&path, "monday").unwrap();
        let error = put(&path, |out| {
            out.write_all(&[b'x'; 1 << 20])?;
            assert_eq!(fs::read(&path).unwrap(), b"monday");
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"monday");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        put(&path, |out| out.write_all(b"tuesday")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"tuesday");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_its_mode_is_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [target, link] = ["audit-1.json", "last.json"].map(|name| folder.path().join(name));
        fs::write(&target, "before").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("audit-1.json", &link).unwrap();
        put(&link, |out| out.write_all(b"after")).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"after");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_takes_the_place_of_what_is_no_file() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(put(&path, |out| out.write_all(b"{}")).is_err());
        assert!(fs::metadata(&path).unwrap().file_type().is_socket());
        put(Path::new("/dev/null"), |out| out.write_all(b"{}")).unwrap();
    }
}
