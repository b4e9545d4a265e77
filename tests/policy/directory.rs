//! What `-p` takes.

use std::fs;
use std::path::{Path, PathBuf};

use secretfence::policy_dir::{LoadFault, load};
use tempfile::TempDir;

use super::VALID;

fn named(name: &str) -> String {
    VALID.replace("no-env", name)
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    let loaded = load(paths).unwrap_or_else(|error| panic!("{error}"));
    loaded.set.policies().iter().map(|policy| policy.name.clone()).collect()
}

fn at(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(name)
}

#[test]
fn takes_yaml_yml_and_json_below_a_directory_and_nothing_else() {
    let json = r#"{"apiVersion": "secretfence.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "d"},
        "spec": {"rules": [{"name": "deny", "on": ["env"], "action": "deny"}]}}"#;
    let files = [
        ("a.yaml", &*named("a")),
        ("deep/er/b.yml", &named("b")),
        ("c.json", json),
        ("README.md", "# no policy"),
        ("e.yaml.bak", "{"),
        (".hidden.yaml", "{"),
        (".git/f.yaml", "{"),
    ];
    let directory = directory(&files);
    assert_eq!(names(&[directory.path().to_owned()]), ["a", "b", "d"]);
}

#[test]
fn takes_several_paths_and_a_file_of_any_name() {
    let directory = directory(&[("a.yaml", &named("a")), ("policy", &named("b")), ("c.yaml", &named("c"))]);
    assert_eq!(names(&[at(&directory, "a.yaml"), at(&directory, "policy")]), ["a", "b"]);
}

#[test]
fn a_file_that_is_named_twice_counts_once() {
    let directory = directory(&[("a.yaml", &named("a"))]);
    assert_eq!(names(&[at(&directory, "a.yaml"), directory.path().to_owned(), at(&directory, "./a.yaml")]), ["a"]);
}

#[test]
fn takes_several_documents_and_skips_empty_ones() {
    let text = format!("---\n# nothing\n---\n{}---\n{}---\n", named("b"), named("a"));
    let directory = directory(&[("a.yaml", &text)]);
    let loaded = load(&[directory.path().to_owned()]).unwrap();
    assert_eq!((loaded.files, loaded.documents, loaded.policies), (1, 2, 2));
}

#[cfg(unix)]
#[test]
fn a_mounted_config_map_counts_each_file_once() {
    use std::os::unix::fs::symlink;
    let directory = directory(&[("..2026_11_21/a.yaml", &named("a")), ("..2026_11_21/sub/b.yaml", &named("b"))]);
    symlink("..2026_11_21", at(&directory, "..data")).unwrap();
    symlink("..data/a.yaml", at(&directory, "a.yaml")).unwrap();
    symlink("..data/sub", at(&directory, "sub")).unwrap();
    symlink("nowhere", at(&directory, ".#a.yaml")).unwrap();
    assert_eq!(names(&[directory.path().to_owned()]), ["a", "b"]);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_or_in_a_circle_is_an_error_that_names_it() {
    use std::os::unix::fs::symlink;
    for target in ["nowhere", "."] {
        let directory = directory(&[("a.yaml", &named("a"))]);
        symlink(target, at(&directory, "b.yaml")).unwrap();
        let error = load(&[directory.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("b.yaml: cannot be read"), "{error}");
    }
}

#[test]
fn a_path_that_cannot_be_read_is_an_error_that_names_it() {
    let error = load(&[PathBuf::from("/nowhere/policies")]).unwrap_err();
    assert!(matches!(&error.0[..], [LoadFault::Unreadable { path, .. }] if path == Path::new("/nowhere/policies")));
}

#[test]
fn no_policy_at_all_is_an_error() {
    let files = [("a.yaml", "# nothing yet\n"), ("t.yaml", "apiVersion: secretfence.dev/v1alpha1\nkind: PolicyTest\n")];
    let directory = directory(&files);
    let error = load(&[directory.path().to_owned()]).unwrap_err().to_string();
    assert!(error.starts_with("no policy in ") && error.contains("kind: SecretPolicy"), "{error}");
}

#[test]
fn all_mistakes_of_all_files_are_told_in_order() {
    let broken = VALID.replace("action", "actoin");
    let worse = VALID.replace("[env]", "[environment]");
    let directory = directory(&[("b.yaml", &broken), ("a.yaml", &worse), ("c.yaml", "a: [\n"), ("d.yaml", VALID)]);
    let error = load(&[directory.path().to_owned()]).unwrap_err().to_string();
    let places: Vec<_> =
        error.lines().map(|line| line.rsplit('/').next().unwrap().split(": ").next().unwrap()).collect();
    assert_eq!(places.len(), 3, "{error}");
    assert!(
        places[0].starts_with("a.yaml:8:") && places[1].starts_with("b.yaml:9:7") && places[2].starts_with("c.yaml:")
    );
}

#[test]
fn the_revision_depends_on_neither_files_nor_layout() {
    let one = directory(&[("a.yaml", &format!("{}---\n{}", named("a"), named("b")))]);
    let two = directory(&[("x.yaml", &named("b")), ("y.yaml", &format!("# a comment\n{}", named("a")))]);
    let other = directory(&[("x.yaml", &named("b"))]);
    let revision = |directory: &TempDir| load(&[directory.path().to_owned()]).unwrap().set.revision().to_owned();
    assert_eq!(revision(&one), revision(&two));
    assert_ne!(revision(&one), revision(&other));
    assert!(revision(&one).len() == 12 && revision(&one).bytes().all(|byte| byte.is_ascii_hexdigit()));
}
