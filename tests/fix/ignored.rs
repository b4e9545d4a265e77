//! What comments set aside is left alone.

use crate::{Folder, POD};

const COMMENT: &str = "# secretfence: ignore all/files the vendor's image reads no files\n";

/// The pod, with another reference, and a comment on the first one.
fn pod(comment: &str) -> String {
    let commented =
        POD.replace("        - name: DB_PASSWORD\n", &format!("        {comment}        - name: DB_PASSWORD\n"));
    format!("{commented}        - name: OTHER\n          valueFrom: {{secretKeyRef: {{name: other, key: token}}}}\n")
}

#[test]
fn leaves_a_reference_that_a_comment_sets_aside_and_swaps_the_next() {
    let folder = Folder::with(&pod(COMMENT));
    let said = folder.fix(&["--in-place", "pod.yaml"]);
    assert!(said.starts_with("exit: 0\n") && said.contains("1 fixed; 1 reference swapped"), "{said}");
    let fixed = folder.read("pod.yaml");
    let entry = &POD[POD.find("        - name: DB_PASSWORD").unwrap()..];
    assert!(fixed.contains(&format!("        {COMMENT}{entry}")), "{fixed}");
    assert!(fixed.contains("OTHER_FILE") && !fixed.contains("DB_PASSWORD_FILE"), "{fixed}");
    assert!(!said.contains("remain"), "what is set aside is not left over: {said}");
    folder.fix(&["--in-place", "pod.yaml"]);
    assert_eq!(folder.read("pod.yaml"), fixed, "the comment still sets it aside");
}

#[test]
fn without_the_comment_both_are_swapped() {
    let folder = Folder::with(&pod("# a note\n"));
    folder.fix(&["--in-place", "pod.yaml"]);
    let fixed = folder.read("pod.yaml");
    assert!(fixed.contains("OTHER_FILE") && fixed.contains("DB_PASSWORD_FILE"), "{fixed}");
}

#[test]
fn a_comment_on_another_rule_leaves_nothing_alone() {
    let folder = Folder::with(&pod("# secretfence: ignore all/other the vendor's image reads no files\n"));
    folder.fix(&["--in-place", "pod.yaml"]);
    assert!(folder.read("pod.yaml").contains("DB_PASSWORD_FILE"));
}

#[test]
fn another_policy_swaps_what_is_set_aside_from_the_first() {
    let second = crate::ALL.replace("name: all", "name: second");
    let folder = Folder::with(&pod(COMMENT)).file("second.yaml", second);
    folder.run(&["fix", "-p", "policy.yaml", "-p", "second.yaml", "--in-place", "pod.yaml"]);
    assert!(folder.read("pod.yaml").contains("DB_PASSWORD_FILE"));
}

#[test]
fn a_file_with_a_comment_that_says_too_little_is_left_as_it_is() {
    for comment in ["# secretfence: ignore all/files\n", "# secretfence: ignore\n"] {
        let folder = Folder::with(&pod(comment));
        let said = folder.fix(&["--in-place", "pod.yaml"]);
        assert!(said.starts_with("exit: 2\n") && said.contains("pod.yaml:10:9: the comment "), "{said}");
        assert_eq!(folder.read("pod.yaml"), pod(comment));
    }
}

/// A whole Secret as variables: the entry is left, not only some of its keys.
#[test]
fn leaves_an_env_from_that_a_comment_sets_aside() {
    let content = "\
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {PASSWORD: '${PASSWORD}'}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
      envFrom:
        - secretRef: {name: db}
";
    let folder = Folder::with(content);
    folder.fix(&["--in-place", "pod.yaml"]);
    assert!(folder.read("pod.yaml").contains("PASSWORD_FILE"));
    let commented = content.replace("        - secretRef", &format!("        {COMMENT}        - secretRef"));
    let folder = Folder::with(&commented);
    folder.fix(&["--in-place", "pod.yaml"]);
    assert_eq!(folder.read("pod.yaml"), commented);
}
