//! What `--in-place` does to files.
#![cfg(unix)]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::{Folder, POD};

#[test]
fn the_mode_of_a_file_stays() {
    let folder = Folder::with(POD);
    let path = folder.path().join("pod.yaml");
    for mode in [0o600, 0o640, 0o755] {
        std::fs::write(&path, POD).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        folder.fix(&["--in-place", "pod.yaml"]);
        assert!(folder.read("pod.yaml").contains("DB_PASSWORD_FILE"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
    }
}

#[test]
fn the_owner_of_a_file_stays_where_this_user_may_say_so() {
    let folder = Folder::with(POD);
    let path = folder.path().join("pod.yaml");
    if std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).is_err() {
        println!("left out: only root may give files away");
        return;
    }
    folder.fix(&["--in-place", "pod.yaml"]);
    let metadata = std::fs::metadata(&path).unwrap();
    assert!(folder.read("pod.yaml").contains("DB_PASSWORD_FILE"));
    assert_eq!((metadata.uid(), metadata.gid()), (12_345, 54_321));
}

#[test]
fn a_link_that_is_named_stays_a_link_and_its_target_changes() {
    let folder = Folder::new().file("base/pod.yaml", POD);
    symlink("base/pod.yaml", folder.path().join("link.yaml")).unwrap();
    folder.fix(&["--in-place", "link.yaml"]);
    assert!(std::fs::symlink_metadata(folder.path().join("link.yaml")).unwrap().is_symlink());
    assert!(folder.read("base/pod.yaml").contains("DB_PASSWORD_FILE"));
}

#[test]
fn a_file_that_does_not_change_is_not_written() {
    let folder = Folder::with(POD);
    folder.fix(&["--in-place", "pod.yaml"]);
    let path = folder.path().join("pod.yaml");
    let inode = std::fs::metadata(&path).unwrap().ino();
    folder.fix(&["--in-place", "pod.yaml"]);
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_nothing_is_left_over() {
    let folder = Folder::new().file("closed/pod.yaml", POD);
    let closed = folder.path().join("closed");
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
    if std::fs::write(closed.join("probe"), "").is_ok() {
        println!("left out: root may write anywhere");
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o755)).unwrap();
        return;
    }
    let text = folder.fix(&["--in-place", "closed"]);
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(text.starts_with("exit: 2\n") && text.contains("cannot be written"), "{text}");
    assert_eq!(folder.read("closed/pod.yaml"), POD);
    assert_eq!(std::fs::read_dir(&closed).unwrap().count(), 1);
}

#[test]
fn nothing_is_left_over() {
    let folder = Folder::new().file("manifests/pod.yaml", POD);
    folder.fix(&["--in-place", "manifests"]);
    assert_eq!(std::fs::read_dir(folder.path().join("manifests")).unwrap().count(), 1);
}
