//! What an `envFrom` takes is told by the Secrets of the input.

use insta::assert_snapshot;

use crate::Folder;

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers:
    - name: api
      image: api
      envFrom:
        - secretRef:
            name: db
";

fn with(secret: &str) -> String {
    format!("{POD}---\n{secret}\n")
}

#[test]
fn an_env_from_is_swapped_where_the_secret_is_in_the_same_stream() {
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: db, namespace: shop}, stringData: {USER: me, PASSWORD: hunter2}}";
    assert_snapshot!(Folder::new().piped(&["fix", "-p", "policy.yaml", "-"], &with(secret)), @r#"
    exit: 0
    --- stdout
    apiVersion: v1
    kind: Pod
    metadata: {name: web, namespace: shop, annotations: {secretfence.dev/swapped: "api: PASSWORD -> /run/secretfence/db/PASSWORD USER -> /run/secretfence/db/USER [all/files]"}}
    spec:
      containers:
        - name: api
          image: api
          env:
            - name: PASSWORD_FILE
              value: /run/secretfence/db/PASSWORD
            - name: USER_FILE
              value: /run/secretfence/db/USER
          volumeMounts:
            - name: secretfence-34a7ec215557f4c8
              mountPath: /run/secretfence
              readOnly: true
      volumes:
        - name: secretfence-34a7ec215557f4c8
          projected:
            defaultMode: 0444
            sources:
              - secret:
                  name: db
                  items:
                    - key: PASSWORD
                      path: db/PASSWORD
                    - key: USER
                      path: db/USER
    ---
    {apiVersion: v1, kind: Secret, metadata: {name: db, namespace: shop}, stringData: {USER: me, PASSWORD: hunter2}}
    --- stderr
    1 file: 1 fixed; 1 reference swapped, 1 of which the program must be told to read
    "#);
}

#[test]
fn an_env_from_is_swapped_where_the_secret_is_in_another_file() {
    let secret = "{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, metadata: {name: db}, spec: {encryptedData: {PASSWORD: AgB}}}";
    let folder = Folder::with(POD).file("secret.yaml", secret);
    let text = folder.fix(&["-n", "shop", "--diff", "pod.yaml", "secret.yaml"]);
    assert!(text.contains("+        - name: PASSWORD_FILE\n"), "{text}");
    let alone = folder.fix(&["-n", "shop", "pod.yaml"]);
    assert!(alone.contains("0 fixed"), "{alone}");
}

#[test]
fn check_says_the_same() {
    let secret = "{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: x, namespace: shop}, spec: {target: {name: db}, data: [{secretKey: PASSWORD, remoteRef: {key: db}}]}}";
    let check = ["check", "-p", "policy.yaml", "-"];
    let text = Folder::new().piped(&check, &with(secret));
    assert!(text.contains("1 swapped"), "{text}");
    let text = Folder::new().piped(&check, POD);
    assert!(text.contains("the keys of the Secret are not known"), "{text}");
}

#[test]
fn a_secret_of_another_namespace_tells_nothing() {
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: db, namespace: bank}, data: {PASSWORD: eA==}}";
    let text = Folder::new().piped(&["fix", "-p", "policy.yaml", "-"], &with(secret));
    assert!(text.contains("0 fixed"), "{text}");
}

#[test]
fn two_secrets_that_differ_tell_nothing() {
    let secret = |key: &str| {
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: db, namespace: shop}}, data: {{{key}: eA==}}}}")
    };
    let both = format!("{}\n---\n{}", secret("A"), secret("B"));
    let text = Folder::new().piped(&["fix", "-p", "policy.yaml", "-"], &with(&both));
    assert!(text.contains("0 fixed"), "{text}");
    let same = format!("{}\n---\n{}", secret("A"), secret("A"));
    let text = Folder::new().piped(&["fix", "-p", "policy.yaml", "-"], &with(&same));
    assert!(text.contains("1 fixed"), "{text}");
}
