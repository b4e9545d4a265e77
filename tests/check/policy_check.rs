//! `secretfence policy check`.

use insta::assert_snapshot;

use crate::Folder;

#[test]
fn good_policies_are_counted_with_their_revision() {
    let folder = Folder::new().rules("[{name: no, on: [env], action: deny}]");
    assert_snapshot!(folder.run(&["policy", "check", "policy.yaml"]));
    assert_eq!(folder.run(&["policy", "check", "."]), folder.run(&["policy", "check", "-p", "policy.yaml"]));
}

#[test]
fn warnings_are_exit_0() {
    let folder = Folder::new().rules("[{name: open, on: [env], where: {containers: [a]}, action: allow}]");
    assert_snapshot!(folder.run(&["policy", "check", "policy.yaml"]));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let folder = Folder::new().rules("[{name: no, on: [envs], action: deny}]").file(
        "other.yaml",
        "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: x}\nspec: {mod: off}\n",
    );
    assert_snapshot!(folder.run(&["policy", "check", "."]));
}

#[test]
fn nothing_there_is_an_error() {
    let folder = Folder::new();
    assert_snapshot!(folder.run(&["policy", "check", "nowhere"]));
    assert_snapshot!(folder.run(&["policy", "check", "."]));
}
