//! Files that are written wholly or not at all: beside what is there, and then in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// How many links may lead on from one to the next, as Linux has it (path_resolution(7)).
const LINKS: usize = 40;

/// Puts a file at `path`. Until all of it is there, whoever looks finds the one before, and finds that for ever where the
/// disk is full or the process ends. A link is followed, also to where nothing is yet, and the mode of the one before is kept.
///
/// # Errors
/// Where it cannot be written, or not be put in its place; where links lead round in a circle.
pub(super) fn put(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let before = fs::metadata(path).ok();
    // A pipe or a terminal is where somebody listens: nothing can take its place. Nor that of a file that is already open.
    if path.starts_with("/dev") || before.as_ref().is_some_and(|its| !its.is_file()) {
        return fill(&mut File::create(path)?, write);
    }
    let target = followed(path)?;
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

/// Where a link leads in the end, whether something is there or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if !fs::symlink_metadata(&path).is_ok_and(|its| its.is_symlink()) {
            return Ok(path);
        }
        // From where the link is; one that begins at the root stands as it is.
        let to = fs::read_link(&path)?;
        path.pop();
        path.push(to);
    }
    Err(io::Error::other("too many links lead on from one to the next"))
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
    fn a_link_to_where_nothing_is_yet_is_followed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let [kept, through, link] = ["kept", "through.json", "last.json"].map(|name| folder.path().join(name));
        fs::create_dir(&kept).unwrap();
        symlink("kept/monday.json", &through).unwrap();
        symlink(&through, &link).unwrap();
        put(&link, |out| out.write_all(b"monday")).unwrap();
        assert_eq!(fs::read(kept.join("monday.json")).unwrap(), b"monday");
        for its in [&through, &link] {
            assert!(fs::symlink_metadata(its).unwrap().is_symlink());
        }
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_round_in_a_circle_stay() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        symlink("b", &a).unwrap();
        symlink("a", &b).unwrap();
        assert!(put(&a, |out| out.write_all(b"{}")).is_err());
        assert_eq!(fs::read_link(&a).unwrap(), Path::new("b"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
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
