//! The command as a person meets it: exit codes and both streams.

use insta::assert_snapshot;

use crate::{Folder, POD};

#[test]
fn prints_the_fixed_manifest() {
    assert_snapshot!(Folder::with(POD).fix(&["pod.yaml"]), @r#"
    exit: 0
    --- stdout
    apiVersion: v1
    kind: Pod
    metadata:
      name: web
      annotations:
        secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"
    spec:
      containers:
        - name: api
          image: registry.example.com/api:1
          env:
            - name: DB_PASSWORD_FILE
              value: /run/secretfence/db/password
          volumeMounts:
            - name: secretfence-3037552ca2ca1e3b
              mountPath: /run/secretfence
              readOnly: true
      volumes:
        - name: secretfence-3037552ca2ca1e3b
          projected:
            defaultMode: 0444
            sources:
              - secret:
                  name: db
                  items:
                    - key: password
                      path: db/password
    --- stderr
    1 file: 1 fixed; 1 reference swapped, 1 of which the program must be told to read
    "#);
}

#[test]
fn files_one_after_the_other_are_documents_of_one_stream() {
    let folder = Folder::with(POD).file("a.yaml", "a: 1\n").file("b.yaml", "--- # b\nb: 2\n");
    assert_snapshot!(folder.fix(&["a.yaml", "b.yaml", "pod.yaml"]), @r#"
    exit: 0
    --- stdout
    a: 1
    --- # b
    b: 2
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: web
      annotations:
        secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"
    spec:
      containers:
        - name: api
          image: registry.example.com/api:1
          env:
            - name: DB_PASSWORD_FILE
              value: /run/secretfence/db/password
          volumeMounts:
            - name: secretfence-3037552ca2ca1e3b
              mountPath: /run/secretfence
              readOnly: true
      volumes:
        - name: secretfence-3037552ca2ca1e3b
          projected:
            defaultMode: 0444
            sources:
              - secret:
                  name: db
                  items:
                    - key: password
                      path: db/password
    --- stderr
    3 files: 1 fixed; 1 reference swapped, 1 of which the program must be told to read
    "#);
}

#[test]
fn a_file_without_a_line_break_at_its_end_is_parted_from_the_next() {
    let folder =
        Folder::new().file("a.yaml", "a: 1").file("b.yaml", "b: 2\r\n").file("c.yaml", "# c\n%YAML 1.1\n---\nc: 3");
    let printed = folder.fix(&["a.yaml", "b.yaml", "c.yaml"]);
    assert!(printed.contains("\na: 1\n---\nb: 2\r\n...\n# c\n%YAML 1.1\n---\nc: 3--- stderr"), "{printed}");
}

#[test]
fn nothing_to_do_is_no_failure() {
    assert_snapshot!(Folder::new().file("a.yaml", "a: 1\n").fix(&["--diff", "a.yaml"]), @"
    exit: 0
    --- stderr
    1 file: 0 would be fixed; 0 references would be swapped
    ");
}

#[test]
fn a_file_with_a_document_that_cannot_be_read_is_left() {
    let source = format!("{POD}---\nname: {{{{ .Values.name }}}}\n");
    let folder = Folder::with(&source);
    assert_snapshot!(folder.fix(&["--in-place", "pod.yaml"]), @"
    exit: 2
    --- stderr
    error: pod.yaml:16:8: this is an unrendered Helm template: render it first: helm template … | secretfence fix -
    1 file: 0 fixed, 1 error; 0 references swapped; 1 finding remains, which secretfence check lists
    ");
    assert_eq!(folder.read("pod.yaml"), source);
}

#[test]
fn a_patch_of_a_kustomization_is_left() {
    let source = POD.replace("      image: registry.example.com/api:1\n", "");
    let folder = Folder::with(&source);
    assert_snapshot!(folder.fix(&["--in-place", "pod.yaml"]), @"
    exit: 2
    --- stderr
    declined: pod.yaml:9:11: no whole Pod but a part that is laid over one: the container has no image here, so what it is laid over is not seen; fix that one, or what is built of both
    1 file: 0 fixed, 1 declined; 0 references swapped; 1 finding remains, which secretfence check lists
    ");
    assert_eq!(folder.read("pod.yaml"), source);
}

#[test]
fn a_file_that_is_declined_leaves_the_others_to_be_fixed() {
    let shared = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: a, image: a, env: &env [{name: A, valueFrom: {secretKeyRef: {name: db, key: a}}}]}
  - {name: b, image: b, args: [$(A)], env: *env}
";
    let folder = Folder::with(POD).file("shared.yaml", shared);
    assert_snapshot!(folder.fix(&["--in-place", "."]), @"
    exit: 2
    --- stderr
    declined: ./shared.yaml:6:1: the change would reach what is shared by an anchor, an alias or a merge key here: write the value out
    3 files: 1 fixed, 1 declined; 1 reference swapped, 1 of which the program must be told to read; 2 findings remain, which secretfence check lists
    ");
    assert_eq!(folder.read("shared.yaml"), shared);
    assert!(folder.read("pod.yaml").contains("DB_PASSWORD_FILE"));
}

#[test]
fn findings_that_no_swap_settles_are_counted() {
    let source = POD.replace("      env:\n", "      args: [--password=$(DB_PASSWORD)]\n      env:\n");
    assert_snapshot!(Folder::with(&source).fix(&["--diff", "pod.yaml"]), @"
    exit: 0
    --- stderr
    1 file: 0 would be fixed; 0 references would be swapped; 1 finding remains, which secretfence check lists
    ");
}

#[test]
fn policies_that_swap_nothing_are_said_to() {
    assert_snapshot!(Folder::with(POD).run(&["fix", "--diff", "pod.yaml"]), @"
    exit: 0
    --- stderr
    nothing is swapped by these policies: give -p a policy with action: mount, such as a copy of policies/secrets-as-files.yaml of the source
    1 file: 0 would be fixed; 0 references would be swapped; 1 finding remains, which secretfence check lists
    ");
}

#[test]
fn what_policies_in_dry_run_swap_is_left() {
    let folder = Folder::with(POD).file("dry.yaml", crate::ALL.replace("spec:\n", "spec:\n  mode: dryRun\n"));
    assert_snapshot!(folder.run(&["fix", "-p", "dry.yaml", "--diff", "pod.yaml"]), @"
    exit: 0
    --- stderr
    1 file: 0 would be fixed; 0 references would be swapped; 1 left that only policies in dry run swap
    ");
}

#[test]
fn standard_input_is_not_changed_in_place() {
    assert_snapshot!(Folder::new().piped(&["fix", "-p", "policy.yaml", "--in-place", "-"], POD), @"
    exit: 2
    --- stderr
    error: standard input cannot be changed in place: leave out --in-place, and what is fixed is printed
    ");
}

#[test]
fn a_diff_and_a_change_in_place_exclude_each_other() {
    let text = Folder::with(POD).fix(&["--in-place", "--diff", "pod.yaml"]);
    assert!(text.starts_with("exit: 2\n") && text.contains("cannot be used with"), "{text}");
}

#[test]
fn a_path_that_leads_nowhere_is_an_error() {
    assert_snapshot!(Folder::with(POD).fix(&["--diff", "absent.yaml"]), @"
    exit: 2
    --- stderr
    error: absent.yaml: there is no such file or folder
    0 files: 0 would be fixed, 1 error; 0 references would be swapped
    ");
}

#[test]
fn a_diff_shows_no_value() {
    let source = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {token: s3cret}
spec:
  containers:
    - name: api
      image: api
      args: [--token=s3cret]
      env: [{name: A, value: s3cret}, {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]
      # s3cret
      tty: true # s3cret
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: api
      image: api
      env:
        - name: A
          value: s3cret
        # s3cret
        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef: # s3cret
              name: db # s3cret
              key: password
        - name: B
          value: |
            s3cret
            s3cret: s3cret
---
{apiVersion: v1, kind: Secret, metadata: {name: x}, stringData: {name: s3cret, key: s3cret, image: s3cret, kind: s3cret}}
";
    let text = Folder::with(source).fix(&["--diff", "pod.yaml"]);
    assert!(text.contains("DB_PASSWORD_FILE"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    assert_snapshot!(text, @r#"
    exit: 0
    --- stdout
    --- pod.yaml
    +++ pod.yaml
    @@ -2,19 +2,33 @@
     kind: Pod
     metadata:
       name: web
    -  annotations: {token: …
    +  annotations: {token: … secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"}
     spec:
       containers:
         - name: api
           image: api
           args: …
    -      env: [{name: A, value: … name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]
    +      env: [{name: A, value: … name: DB_PASSWORD_FILE, value: /run/secretfence/db/password}]
    +      volumeMounts:
    +        - name: secretfence-3037552ca2ca1e3b
    +          mountPath: /run/secretfence
    +          readOnly: true
           …
           tty: …
    +  volumes:
    +    - name: secretfence-3037552ca2ca1e3b
    +      projected:
    +        defaultMode: 0444
    +        sources:
    +          - secret:
    +              name: db
    +              items:
    +                - key: password
    +                  path: db/password
     ---
     apiVersion: v1
     kind: Pod
    -metadata: {name: web}
    +metadata: {name: web, annotations: {secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"}}
     spec:
       containers:
         - name: api
    @@ -23,14 +37,27 @@
             - name: A
               value: …
             …
    -        - name: DB_PASSWORD
    -          valueFrom:
    -            secretKeyRef: …
    -              name: db …
    -              key: password
    +        - name: DB_PASSWORD_FILE
    +          …
    +          …
    +          value: /run/secretfence/db/password
             - name: B
               value: …
                 …
                 …
    +      volumeMounts:
    +        - name: secretfence-3037552ca2ca1e3b
    +          mountPath: /run/secretfence
    +          readOnly: true
    +  volumes:
    +    - name: secretfence-3037552ca2ca1e3b
    +      projected:
    +        defaultMode: 0444
    +        sources:
    +          - secret:
    +              name: db
    +              items:
    +                - key: password
    +                  path: db/password
     ---
     {apiVersion: v1, kind: Secret, metadata: {name: x}, stringData: {name: … key: … image: … kind: …
    --- stderr
    1 file: 1 would be fixed; 2 references would be swapped, 2 of which the program must be told to read
    "#);
}
