//! `secretfence policy check`.

use insta::assert_snapshot;

use crate::Folder;

#[test]
fn good_policies_are_counted_with_their_revision() {
    let folder = Folder::new().rules("[{name: no, on: [env], action: deny}]");
    assert_snapshot!(folder.run(&["policy", "check", "policy.yaml"]), @"
    exit: 0
    --- stdout
    ok: 1 policy, revision 754dc612b806
    ");
    assert_eq!(folder.run(&["policy", "check", "."]), folder.run(&["policy", "check", "-p", "policy.yaml"]));
}

#[test]
fn warnings_are_exit_0() {
    let folder = Folder::new().rules("[{name: open, on: [env], where: {containers: [a]}, action: allow}]");
    assert_snapshot!(folder.run(&["policy", "check", "policy.yaml"]), @"
    exit: 0
    --- stdout
    warning: test/open: nothing that a tenant cannot choose bounds this allow: add where.namespaces, where.secrets, or where.images with a registry such as registry.example.com/vendor/*
    ok: 1 policy, revision e53fd8b34740
    ");
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let folder = Folder::new().rules("[{name: no, on: [envs], action: deny}]").file(
        "other.yaml",
        "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: x}\nspec: {mod: off}\n",
    );
    assert_snapshot!(folder.run(&["policy", "check", "."]), @r#"
    exit: 2
    --- stderr
    ./other.yaml:4:8: spec.mod: unknown field (did you mean "mode"?); known here: description, mode, warnings, match, exclude, templates, rules, readers, secretDrivers, copyMarks
    ./policy.yaml:5:27: spec.rules[0].on[0]: "envs" is not known here (did you mean "env"?); expected one of secretKeyRef, envFrom, fileKeyRef, unknownSource, volume, csi, legacyVolume, imagePull, externalEnv, injected, nodeAccess, storePath, sharedSecret, reach, copied, literal, rawSecret, env, clear, file, crossNamespace, any
    error: 2 mistakes in the policies, the first of a document that does not have the shape of its kind: more are told once it has: correct them, and check again
    "#);
}

#[test]
fn nothing_there_is_an_error() {
    let folder = Folder::new();
    assert_snapshot!(folder.run(&["policy", "check", "nowhere"]), @"
    exit: 2
    --- stderr
    nowhere: cannot be read: No such file or directory (os error 2)
    error: 1 mistake in the policies: correct it, and check again
    ");
    assert_snapshot!(folder.run(&["policy", "check", "."]), @"
    exit: 2
    --- stderr
    no policy in .: expected *.yaml, *.yml or *.json files with documents of kind: SecretPolicy
    error: 1 mistake in the policies: correct it, and check again
    ");
}
