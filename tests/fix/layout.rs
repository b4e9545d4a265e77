//! What is written where, for the layouts that people use.

use insta::assert_snapshot;

use crate::{ALL, Folder, POD, held};

/// The file after `fix`, which checks what holds of every edit.
fn fixed(source: &str) -> String {
    let fixed = held::fix(source.as_bytes(), &held::policies(ALL), &held::facts());
    String::from_utf8(fixed.unwrap_or_else(|why| panic!("{why}")).expect("something to do")).unwrap()
}

/// Why it is left as it is.
fn declined(source: &str) -> String {
    held::fix(source.as_bytes(), &held::policies(ALL), &held::facts()).expect_err("it cannot be edited").to_string()
}

/// A pod with these lines in its only container.
fn pod(container: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:{container}")
}

#[test]
fn an_entry_is_replaced_in_its_place_and_what_is_new_is_indented_as_the_rest() {
    assert_snapshot!(fixed(POD), @r#"
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
    "#);
}

#[test]
fn lists_at_the_column_of_their_key_stay_so() {
    assert_snapshot!(fixed(&pod(r#"
  - name: api
    image: api
    env:
    - name: A
      value: a
    - name: DB_PASSWORD
      valueFrom:
        secretKeyRef:
          name: db
          key: password
    ports:
    - containerPort: 80
  restartPolicy: Always
"#)), @r#"
    apiVersion: v1
    kind: Pod
    metadata: {name: web, annotations: {secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"}}
    spec:
      containers:
      - name: api
        image: api
        env:
        - name: A
          value: a
        - name: DB_PASSWORD_FILE
          value: /run/secretfence/db/password
        volumeMounts:
        - name: secretfence-3037552ca2ca1e3b
          mountPath: /run/secretfence
          readOnly: true
        ports:
        - containerPort: 80
      restartPolicy: Always
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
    "#);
}

#[test]
fn every_comment_stays() {
    assert_snapshot!(fixed(&pod(r#"
  - name: api # the program
    image: api
    env: # its settings
    # the password
    - name: DB_PASSWORD # of the database
      valueFrom:
        # made by terraform
        secretKeyRef:
          name: db # the database
          key: password
    # and no more
    # - name: OLD
    #   value: x

    # where it listens
    ports: []
"#)), @r#"
    apiVersion: v1
    kind: Pod
    metadata: {name: web, annotations: {secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"}}
    spec:
      containers:
      - name: api # the program
        image: api
        env: # its settings
        # the password
        - name: DB_PASSWORD_FILE # of the database
          # made by terraform
          # the database
          value: /run/secretfence/db/password
        # and no more
        # - name: OLD
        #   value: x
        volumeMounts:
        - name: secretfence-3037552ca2ca1e3b
          mountPath: /run/secretfence
          readOnly: true

        # where it listens
        ports: []
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
    "#);
}

#[test]
fn one_comment_at_the_end_of_a_line_stays_at_the_end_of_the_line() {
    assert_snapshot!(fixed(&pod(r#"
  - name: api
    image: api
    env:
    - name: DB_PASSWORD
      valueFrom: # from the vault
        secretKeyRef: {name: db, key: password}
"#)), @r#"
    apiVersion: v1
    kind: Pod
    metadata: {name: web, annotations: {secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"}}
    spec:
      containers:
      - name: api
        image: api
        env:
        - name: DB_PASSWORD_FILE
          value: /run/secretfence/db/password # from the vault
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
    "#);
}

#[test]
fn quotes_and_flow_style_are_taken_over() {
    assert_snapshot!(fixed(&pod(r#"
    - name: "api"
      image: "api"
      env:
        - {name: "A", value: "a"}
        - {name: 'DB_PASSWORD', valueFrom: {secretKeyRef: {name: db, key: password}}}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
  volumes: [{name: tmp, emptyDir: {}}]
"#)), @r#"
    apiVersion: v1
    kind: Pod
    metadata: {name: web, annotations: {secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"}}
    spec:
      containers:
        - name: "api"
          image: "api"
          env:
            - {name: "A", value: "a"}
            - {name: 'DB_PASSWORD_FILE', value: '/run/secretfence/db/password'}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: secretfence-3037552ca2ca1e3b, mountPath: /run/secretfence, readOnly: true}
      volumes: [{name: tmp, emptyDir: {}}, {name: secretfence-3037552ca2ca1e3b, projected: {defaultMode: 292, sources: [{secret: {name: db, items: [{key: password, path: db/password}]}}]}}]
    "#);
}

#[test]
fn nulls_and_empty_lists_are_filled() {
    assert_snapshot!(fixed(&pod(r#"
    - name: api
      image: api
      env:
        - name: DB_PASSWORD
          valueFrom: {secretKeyRef: {name: db, key: password}}
      volumeMounts: # none
  volumes: []
"#)), @r#"
    apiVersion: v1
    kind: Pod
    metadata: {name: web, annotations: {secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"}}
    spec:
      containers:
        - name: api
          image: api
          env:
            - name: DB_PASSWORD_FILE
              value: /run/secretfence/db/password
          volumeMounts: # none
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
    "#);
}

#[test]
fn a_template_without_metadata_gets_some() {
    assert_snapshot!(fixed("\
apiVersion: apps/v1
kind: Deployment
metadata:
    name: web
spec:
    template:
        spec:
            containers:
                -   name: api
                    image: api
                    env:
                        -   name: DB_PASSWORD
                            valueFrom:
                                secretKeyRef:
                                    name: db
                                    key: password
"), @r#"
    apiVersion: apps/v1
    kind: Deployment
    metadata:
        name: web
    spec:
        template:
            metadata:
                annotations:
                    secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"
            spec:
                containers:
                    -   name: api
                        image: api
                        env:
                            -   name: DB_PASSWORD_FILE
                                value: /run/secretfence/db/password
                        volumeMounts:
                            -   name: secretfence-3037552ca2ca1e3b
                                mountPath: /run/secretfence
                                readOnly: true
                volumes:
                    -   name: secretfence-3037552ca2ca1e3b
                        projected:
                            defaultMode: 0444
                            sources:
                                -   secret:
                                        name: db
                                        items:
                                            -   key: password
                                                path: db/password
    "#);
}

#[test]
fn the_items_of_a_list_are_objects() {
    assert_snapshot!(fixed("\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: web}
- apiVersion: v1
  kind: Pod
  metadata:
    name: web
  spec:
    containers:
    - name: api
      image: api
      env: [{name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: web}
"), @r#"
    apiVersion: v1
    kind: List
    items:
    - apiVersion: v1
      kind: Service
      metadata: {name: web}
    - apiVersion: v1
      kind: Pod
      metadata:
        name: web
        annotations:
          secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"
      spec:
        containers:
        - name: api
          image: api
          env: [{name: DB_PASSWORD_FILE, value: /run/secretfence/db/password}]
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
    - apiVersion: v1
      kind: ConfigMap
      metadata: {name: web}
    "#);
}

#[test]
fn json_on_several_lines_stays_so() {
    assert_snapshot!(fixed(r#"{
  "apiVersion": "v1",
  "kind": "Pod",
  "metadata": {
    "name": "web"
  },
  "spec": {
    "containers": [
      {
        "name": "api",
        "image": "api",
        "env": [
          {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
        ]
      }
    ]
  }
}
"#), @r#"
    {
      "apiVersion": "v1",
      "kind": "Pod",
      "metadata": {
        "name": "web",
        "annotations": {
          "secretfence.dev/swapped": "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"
        }
      },
      "spec": {
        "containers": [
          {
            "name": "api",
            "image": "api",
            "env": [
              {"name": "DB_PASSWORD_FILE", "value": "/run/secretfence/db/password"}
            ],
            "volumeMounts": [
              {
                "name": "secretfence-3037552ca2ca1e3b",
                "mountPath": "/run/secretfence",
                "readOnly": true
              }
            ]
          }
        ],
        "volumes": [
          {
            "name": "secretfence-3037552ca2ca1e3b",
            "projected": {
              "defaultMode": 292,
              "sources": [
                {
                  "secret": {
                    "name": "db",
                    "items": [
                      {
                        "key": "password",
                        "path": "db/password"
                      }
                    ]
                  }
                }
              ]
            }
          }
        ]
      }
    }
    "#);
}

#[test]
fn json_with_tabs_stays_so() {
    let source = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\",\n\t\"spec\": {\n\t\t\"containers\": [\n\t\t\t{\"name\": \"a\", \"image\": \"a\", \"env\": [{\"name\": \"A\", \"valueFrom\": {\"secretKeyRef\": {\"name\": \"db\", \"key\": \"a\"}}}]}\n\t\t]\n\t}\n}\n";
    let fixed = fixed(source);
    assert!(fixed.contains("\n\t\t\t{\"name\": \"a\""), "{fixed}");
    assert!(fixed.contains("],\n\t\t\"volumes\": [\n\t\t\t{\n\t\t\t\t\"name\": \"secretfence-"), "{fixed}");
    assert!(!fixed.contains("\n "), "{fixed}");
}

#[test]
fn json_on_one_line_stays_so() {
    let source = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"api","image":"api","env":[{"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"db","key":"password"}}}]}]}}"#;
    assert_snapshot!(fixed(source), @r#"
    {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","annotations":{"secretfence.dev/swapped":"api: DB_PASSWORD -> /run/secretfence/db/password [all/files]"}},"spec":{"containers":[{"name":"api","image":"api","env":[{"name":"DB_PASSWORD_FILE","value":"/run/secretfence/db/password"}],"volumeMounts":[{"name":"secretfence-3037552ca2ca1e3b","mountPath":"/run/secretfence","readOnly":true}]}],"volumes":[{"name":"secretfence-3037552ca2ca1e3b","projected":{"defaultMode":292,"sources":[{"secret":{"name":"db","items":[{"key":"password","path":"db/password"}]}}]}}]}}
    "#);
}

#[test]
fn kyaml_stays_so() {
    assert_snapshot!(fixed("\
---
{
  apiVersion: \"v1\",
  kind: \"Pod\",
  metadata: {
    name: \"web\",
  },
  spec: {
    containers: [{
      name: \"api\",
      image: \"api\",
      env: [{
        name: \"A\",
        value: \"a\", # the first
      }, {
        name: \"DB_PASSWORD\",
        valueFrom: {
          secretKeyRef: {
            name: \"db\",
            key: \"password\",
          },
        },
      }],
    }],
  },
}
"), @r#"
    ---
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "web",
        annotations: {
          secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]",
        },
      },
      spec: {
        containers: [{
          name: "api",
          image: "api",
          env: [{
            name: "A",
            value: "a", # the first
          }, {
            name: "DB_PASSWORD_FILE",
            value: "/run/secretfence/db/password",
          }],
          volumeMounts: [{
            name: "secretfence-3037552ca2ca1e3b",
            mountPath: "/run/secretfence",
            readOnly: true,
          }],
        }],
        volumes: [{
          name: "secretfence-3037552ca2ca1e3b",
          projected: {
            defaultMode: 292,
            sources: [{
              secret: {
                name: "db",
                items: [{
                  key: "password",
                  path: "db/password",
                }],
              },
            }],
          },
        }],
      },
    }
    "#);
}

#[test]
fn what_containers_of_one_pod_share_changes_for_all_of_them() {
    assert_snapshot!(fixed(&pod(r#"
  - name: api
    image: api
    env: &env
    - name: DB_PASSWORD
      valueFrom: {secretKeyRef: {name: db, key: password}}
  - name: worker
    image: api
    env: *env
"#)), @r#"
    apiVersion: v1
    kind: Pod
    metadata: {name: web, annotations: {secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [all/files]; worker: DB_PASSWORD -> /run/secretfence/db/password [all/files]"}}
    spec:
      containers:
      - name: api
        image: api
        env: &env
        - name: DB_PASSWORD_FILE
          value: /run/secretfence/db/password
        volumeMounts:
        - name: secretfence-3037552ca2ca1e3b
          mountPath: /run/secretfence
          readOnly: true
      - name: worker
        image: api
        env: *env
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
    "#);
}

#[test]
fn what_one_that_stays_shares_is_left() {
    let source = pod(r#"
  - name: api
    image: api
    env: &env
    - name: DB_PASSWORD
      valueFrom: {secretKeyRef: {name: db, key: password}}
  - name: worker
    image: api
    args: [$(DB_PASSWORD)]
    env: *env
"#);
    assert_snapshot!(declined(&source), @"
    line 9: the change would reach what is shared by an anchor, an alias or a merge key here: write the value out
    ");
}

#[test]
fn what_is_merged_into_another_is_left() {
    let source = format!(
        "base: &base\n  env:\n  - name: A\n    valueFrom: {{secretKeyRef: {{name: db, key: a}}}}\n{}",
        pod(r#"
  - name: api
    image: api
    <<: *base
"#)
    );
    assert_snapshot!(declined(&source), @"
    line 3: the change would reach what is shared by an anchor, an alias or a merge key here: write the value out
    ");
}

#[test]
fn the_first_key_of_a_container_makes_room_for_the_next() {
    let secret = "\n---\n{apiVersion: v1, kind: Secret, metadata: {name: db}, data: {PASSWORD: eA==}}\n";
    let text = Folder::new().piped(
        &["fix", "-p", "policy.yaml", "-"],
        &(pod(r#"
  - envFrom:
    # all of it
    - secretRef: {name: db} # of the database
    name: api
    image: api
"#) + secret),
    );
    assert_snapshot!(text, @r#"
    exit: 0
    --- stdout
    apiVersion: v1
    kind: Pod
    metadata: {name: web, annotations: {secretfence.dev/swapped: "api: PASSWORD -> /run/secretfence/db/PASSWORD [all/files]"}}
    spec:
      containers:
      # all of it
      # of the database
      - name: api
        image: api
        env:
        - name: PASSWORD_FILE
          value: /run/secretfence/db/PASSWORD
        volumeMounts:
        - name: secretfence-49cb461c2c7d063b
          mountPath: /run/secretfence
          readOnly: true
      volumes:
      - name: secretfence-49cb461c2c7d063b
        projected:
          defaultMode: 0444
          sources:
          - secret:
              name: db
              items:
              - key: PASSWORD
                path: db/PASSWORD

    ---
    {apiVersion: v1, kind: Secret, metadata: {name: db}, data: {PASSWORD: eA==}}
    --- stderr
    1 file: 1 fixed; 1 reference swapped, 1 of which the program must be told to read
    "#);
}

#[test]
fn line_breaks_the_end_of_the_file_and_the_byte_order_mark_stay() {
    let source = format!("\u{feff}{}", POD.replace('\n', "\r\n").trim_end());
    let fixed = fixed(&source);
    assert!(fixed.starts_with("\u{feff}apiVersion") && fixed.ends_with("path: db/password"), "{fixed:?}");
    assert_eq!(fixed.matches('\n').count(), fixed.matches("\r\n").count());
    assert_eq!(fixed.replace("\r\n", "\n") + "\n", format!("\u{feff}{}", self::fixed(POD)));
}

/// A line break at its end would become part of the text.
#[test]
fn what_would_follow_an_open_block_scalar_at_the_end_of_the_file_stands_before_it() {
    let source = pod(r#"
  # of the shop
  - name: api
    image: api
    env:
    - {name: A, valueFrom: {secretKeyRef: {name: db, key: a}}}
    # what to do
    args:
    - -c
    - |
      one
      two"#);
    assert_snapshot!(fixed(&source), @r#"
    apiVersion: v1
    kind: Pod
    metadata: {name: web, annotations: {secretfence.dev/swapped: "api: A -> /run/secretfence/db/a [all/files]"}}
    spec:
      volumes:
      - name: secretfence-e3558f28ea45026f
        projected:
          defaultMode: 0444
          sources:
          - secret:
              name: db
              items:
              - key: a
                path: db/a
      containers:
      # of the shop
      - name: api
        image: api
        env:
        - {name: A_FILE, value: /run/secretfence/db/a}
        volumeMounts:
        - name: secretfence-e3558f28ea45026f
          mountPath: /run/secretfence
          readOnly: true
        # what to do
        args:
        - -c
        - |
          one
          two
    "#);
    let in_env = POD.replace("      env:\n", "      # for all\n      env:\n")
        + "        - name: TEXT\n          value: >\n            text";
    assert!(fixed(&in_env).contains("          readOnly: true\n      # for all\n      env:\n"), "{}", fixed(&in_env));
    let stripped = fixed(&source.replace("- |", "- |-"));
    assert!(stripped.contains("      two\n") && stripped.ends_with("path: db/a"), "{stripped}");
}

#[test]
fn documents_that_do_not_change_keep_their_bytes() {
    let odd = "# first\n--- # a marker\n{a: [1,2 , 3]}\n...\n%YAML 1.1\n---\nb:   'x'\n\n\n";
    let source = format!("{odd}---\n{POD}---\n# last\nc: |\n  x  \n\n");
    let fixed = fixed(&source);
    assert!(
        fixed.starts_with(&format!("{odd}---\napiVersion")) && fixed.ends_with("---\n# last\nc: |\n  x  \n\n"),
        "{fixed}"
    );
}
