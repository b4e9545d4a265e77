//! Pods and policies: small alphabets, so that names meet.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Part of every value that no output may hold.
pub const HIDDEN: &str = "s3cr3t";

type Json = BoxedStrategy<Value>;
type Member = BoxedStrategy<Option<Value>>;

fn always(value: impl Strategy<Value = Value> + 'static) -> Member {
    value.prop_map(Some).boxed()
}

/// There, absent or null.
fn maybe(value: impl Strategy<Value = Value> + 'static) -> Member {
    prop_oneof![6 => value.prop_map(Some), 3 => Just(None), 1 => Just(Some(Value::Null))].boxed()
}

fn seldom(value: impl Strategy<Value = Value> + 'static) -> Member {
    prop_oneof![1 => value.prop_map(Some), 30 => Just(None)].boxed()
}

fn object(members: Vec<(&'static str, Member)>) -> Json {
    let (names, values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    let join = move |values: Vec<Option<Value>>| {
        let present = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Object(present.collect::<Map<_, _>>())
    };
    values.prop_map(join).boxed()
}

fn list(item: impl Strategy<Value = Value> + 'static, most: usize) -> Json {
    vec(item, 0..=most).prop_map(Value::Array).boxed()
}

fn one_of(words: &'static [&'static str]) -> Json {
    select(words).prop_map(|word| json!(word)).boxed()
}

fn flag() -> Json {
    any::<bool>().prop_map(|flag| json!(flag)).boxed()
}

/// Pods of every sort, for the inventory: nothing in them needs to be valid but its type.
pub mod wild {
    use super::*;

    fn text() -> Json {
        let odd = one_of(&[
            "",
            "db",
            "PASSWORD",
            "a\"b\\c",
            "a && b > c < d",
            "\u{2028}\u{2029}",
            "\u{0}\u{1b}[31m\u{7f}",
            "\u{202e}é漢字🦀",
            "~0/~1",
            "$(DB_PASSWORD)",
            "secretName",
        ]);
        prop_oneof![3 => odd, 1 => any::<String>().prop_map(|text| json!(text))].boxed()
    }

    fn items() -> Member {
        maybe(nullable(object(vec![
            ("key", maybe(text())),
            ("path", maybe(text())),
            ("mode", maybe(Just(json!(288)))),
        ])))
    }

    /// A list of objects, some of which are null.
    fn nullable(item: Json) -> Json {
        list(prop_oneof![12 => item, 1 => Just(Value::Null)], 3)
    }

    fn key_ref() -> Json {
        object(vec![("name", maybe(text())), ("key", maybe(text())), ("optional", maybe(flag()))])
    }

    fn env() -> Json {
        let source = object(vec![
            ("secretKeyRef", maybe(key_ref())),
            ("configMapKeyRef", seldom(key_ref())),
            ("fieldRef", seldom(object(vec![("fieldPath", always(text()))]))),
            ("resourceFieldRef", seldom(object(vec![("resource", always(text()))]))),
            (
                "fileKeyRef",
                seldom(object(vec![
                    ("volumeName", maybe(text())),
                    ("path", maybe(text())),
                    ("key", maybe(text())),
                    ("optional", maybe(flag())),
                ])),
            ),
        ]);
        object(vec![("name", maybe(text())), ("value", maybe(text())), ("valueFrom", maybe(source))])
    }

    fn env_from() -> Json {
        let named = || object(vec![("name", maybe(text())), ("optional", maybe(flag()))]);
        object(vec![("prefix", maybe(text())), ("secretRef", maybe(named())), ("configMapRef", seldom(named()))])
    }

    fn exec() -> Json {
        object(vec![("exec", maybe(object(vec![("command", maybe(list(text(), 2)))])))])
    }

    fn container() -> Json {
        object(vec![
            ("name", maybe(text())),
            ("image", maybe(text())),
            ("command", maybe(list(text(), 2))),
            ("args", maybe(list(text(), 2))),
            ("env", maybe(nullable(env()))),
            ("envFrom", maybe(nullable(env_from()))),
            ("livenessProbe", maybe(exec())),
            ("lifecycle", maybe(object(vec![("preStop", maybe(exec()))]))),
            ("volumeMounts", maybe(nullable(object(vec![("name", maybe(text())), ("mountPath", maybe(text()))])))),
        ])
    }

    fn volume() -> Json {
        let reference = || object(vec![("name", maybe(text()))]);
        let secret = object(vec![("secretName", maybe(text())), ("items", items()), ("optional", maybe(flag()))]);
        let projection = object(vec![("name", maybe(text())), ("items", items()), ("optional", maybe(flag()))]);
        let source = object(vec![
            ("secret", maybe(projection)),
            ("configMap", seldom(reference())),
            ("serviceAccountToken", seldom(object(vec![("path", always(text()))]))),
        ]);
        let drivers = one_of(&["secrets-store.csi.k8s.io", "csi.spiffe.io", "ebs.csi.aws.com", "disk"]);
        let attribute = prop_oneof![
            one_of(&[
                "secretName",
                "csi.example.com/SECRETNAME",
                "sharedSecret",
                "secretNamespace",
                "csi.storage.k8s.io/node-stage-secret-namespace",
                "attribute",
            ]),
            text(),
        ];
        let attributes = vec((attribute, text()), 0..4).prop_map(|pairs| {
            pairs.into_iter().map(|(name, value)| (name.as_str().unwrap_or_default().to_owned(), value)).collect()
        });
        let csi = object(vec![
            ("driver", maybe(prop_oneof![3 => drivers, 1 => text()])),
            ("nodePublishSecretRef", maybe(reference())),
            ("volumeAttributes", maybe(attributes.prop_map(Value::Object))),
        ]);
        let plain = || maybe(object(vec![("secretRef", maybe(reference())), ("user", maybe(text()))]));
        let sources: Vec<(&'static str, Member)> = vec![
            ("secret", maybe(secret)),
            ("projected", maybe(object(vec![("sources", maybe(nullable(source)))]))),
            ("csi", maybe(csi)),
            ("azureFile", maybe(object(vec![("secretName", always(text())), ("shareName", maybe(text()))]))),
            ("cephfs", plain()),
            ("cinder", plain()),
            ("flexVolume", plain()),
            ("iscsi", plain()),
            ("rbd", plain()),
            ("scaleIO", maybe(object(vec![("secretRef", always(reference()))]))),
            ("storageos", plain()),
            ("emptyDir", maybe(object(vec![]))),
            ("configMap", maybe(reference())),
            ("downwardAPI", maybe(object(vec![]))),
            ("image", maybe(object(vec![("reference", maybe(text()))]))),
            ("persistentVolumeClaim", maybe(object(vec![("claimName", maybe(text()))]))),
        ];
        // One source mostly; a second where the object is broken in that way, too.
        let each: Vec<Json> = sources.into_iter().map(|(name, value)| object(vec![(name, value)])).collect();
        let any = proptest::strategy::Union::new(each);
        (text(), vec(any, 0..=2))
            .prop_map(|(name, sources)| {
                let mut volume = json!({"name": name});
                for source in sources {
                    for (name, value) in source.as_object().into_iter().flatten() {
                        volume[name] = value.clone();
                    }
                }
                volume
            })
            .boxed()
    }

    /// A pod, or the pod template of something else.
    pub fn template() -> Json {
        let named = || object(vec![("name", maybe(text()))]);
        let spec = object(vec![
            ("containers", maybe(nullable(container()))),
            ("initContainers", maybe(nullable(container()))),
            ("ephemeralContainers", maybe(nullable(container()))),
            ("volumes", maybe(nullable(volume()))),
            ("imagePullSecrets", maybe(nullable(named()))),
            ("serviceAccountName", maybe(text())),
            ("serviceAccount", maybe(text())),
            ("hostNetwork", maybe(flag())),
        ]);
        object(vec![("metadata", maybe(named())), ("spec", maybe(spec))])
    }
}

/// Pods that an API server might admit, made of few names.
pub mod likely {
    use super::*;

    pub const VARIABLES: [&str; 14] = [
        "A",
        "B",
        "C",
        "USER",
        "TOKEN",
        "P_a",
        "A_FILE",
        "DB_PASSWORD",
        "DB_PASSWORD_FILE",
        "db_a",
        "app.token",
        "a",
        "X/Y",
        "É",
    ];
    pub const KEYS: [&str; 6] = ["a", "b", "A", "DB_PASSWORD", "..", "k é"];
    pub const SECRETS: [&str; 5] = ["db", "api", "api.v1", "Not_Valid", "db2"];
    pub const CONFIG_MAPS: [&str; 2] = ["settings", "more"];

    fn variable() -> Json {
        prop_oneof![8 => one_of(&VARIABLES[..12]), 1 => one_of(&VARIABLES)].boxed()
    }

    fn key() -> Json {
        prop_oneof![12 => one_of(&KEYS[..4]), 1 => one_of(&KEYS)].boxed()
    }

    fn secret() -> Json {
        prop_oneof![12 => one_of(&SECRETS[..3]), 1 => one_of(&SECRETS)].boxed()
    }

    /// Text that a container gets: mostly about nothing, now and then about a variable.
    fn text() -> Json {
        let about = (variable(), select(&["$()", "$$()", "$$$()", "x$(", "--p=", "-", "$(A)-$()"][..]));
        let mentions = about.prop_map(|(name, form)| {
            let name = name.as_str().unwrap_or_default();
            if form.contains("()") {
                format!("{HIDDEN}-{}", form.replace("()", &format!("({name})")))
            } else {
                format!("{HIDDEN} {form}{name}")
            }
        });
        let plain = select(&["s3cr3t-1", "s3cr3t && \"x\" > y", "s3cr3t$", "s3cr3t\u{2028}", "s3cr3t é"][..]);
        prop_oneof![6 => plain.prop_map(str::to_owned), 1 => mentions].prop_map(|text| json!(text)).boxed()
    }

    fn optional() -> Member {
        prop_oneof![4 => Just(None), 1 => flag().prop_map(Some), 1 => Just(Some(Value::Null))].boxed()
    }

    fn secret_key_ref() -> Json {
        object(vec![("name", always(secret())), ("key", always(key())), ("optional", optional())])
    }

    fn env() -> Json {
        let from = |source: Json, name: &'static str| {
            object(vec![("name", always(variable())), ("valueFrom", always(object(vec![(name, always(source))])))])
        };
        let config_map = || {
            let name = always(one_of(&CONFIG_MAPS));
            object(vec![("name", name), ("key", always(key())), ("optional", always(Just(json!(true))))])
        };
        let file = object(vec![
            ("volumeName", always(one_of(&["data"]))),
            ("path", always(one_of(&["env"]))),
            ("key", always(key())),
            ("optional", optional()),
        ]);
        let both = object(vec![
            ("name", always(variable())),
            ("value", always(text())),
            ("valueFrom", always(object(vec![("secretKeyRef", always(secret_key_ref()))]))),
        ]);
        let unknown = object(vec![("newKeyRef", always(Just(json!({"name": "x"}))))]);
        prop_oneof![
            60 => from(secret_key_ref(), "secretKeyRef"),
            20 => object(vec![("name", always(variable())), ("value", maybe(text()))]),
            8 => from(config_map(), "configMapKeyRef"),
            4 => from(Just(json!({"fieldPath": "metadata.name"})).boxed(), "fieldRef"),
            2 => from(file, "fileKeyRef"),
            1 => both,
            1 => object(vec![("name", always(variable())), ("valueFrom", always(unknown))]),
        ]
        .boxed()
    }

    fn env_from() -> Json {
        let named = |names: Json| object(vec![("name", always(names)), ("optional", optional())]);
        let prefix = || prop_oneof![2 => Just(None), 1 => one_of(&["P_", "DB_", ""]).prop_map(Some)].boxed();
        prop_oneof![
            3 => object(vec![("prefix", prefix()), ("secretRef", always(named(secret())))]),
            1 => object(vec![("prefix", prefix()), ("configMapRef", always(named(one_of(&CONFIG_MAPS))))]),
        ]
        .boxed()
    }

    fn mounts() -> Json {
        let paths =
            &["/data", "/var/lib/x", "/run/x/", "/run/secretfence", "/var/run//secretfence/db", "/etc/x", "/var"];
        let path = prop_oneof![5 => one_of(&paths[..3]), 1 => one_of(paths)];
        let mount = object(vec![
            ("name", always(one_of(&["data"]))),
            ("mountPath", always(path)),
            ("subPathExpr", seldom(text())),
            ("readOnly", maybe(flag())),
        ]);
        list(mount, 2)
            .prop_map(|mut mounts| {
                let mut seen = Vec::new();
                if let Some(mounts) = mounts.as_array_mut() {
                    mounts.retain(|mount| {
                        let path = mount["mountPath"].clone();
                        let new = !seen.contains(&path);
                        seen.push(path);
                        new
                    });
                }
                mounts
            })
            .boxed()
    }

    fn exec() -> Json {
        object(vec![
            ("exec", always(object(vec![("command", always(list(text(), 2)))]))),
            ("periodSeconds", always(Just(json!(3)))),
        ])
    }

    pub fn container() -> Json {
        let env_from =
            prop_oneof![5 => Just(None), 2 => list(env_from(), 2).prop_map(Some), 1 => Just(Some(Value::Null))];
        let image = prop_oneof![
            20 => one_of(&["shop/api:1", "postgres:16"]).prop_map(Some),
            1 => Just(None),
            1 => Just(Some(json!(""))),
        ];
        let security = object(vec![
            ("runAsUser", maybe(select(&[0, 1000][..]).prop_map(|id| json!(id)))),
            ("runAsNonRoot", maybe(flag())),
        ]);
        object(vec![
            ("image", image.boxed()),
            ("command", maybe(list(text(), 1))),
            ("args", maybe(list(text(), 2))),
            ("env", maybe(list(env(), 5))),
            ("envFrom", env_from.boxed()),
            ("volumeMounts", maybe(mounts())),
            ("volumeDevices", seldom(Just(json!([{"name": "disk", "devicePath": "/run/secretfence"}])))),
            ("livenessProbe", seldom(exec())),
            ("lifecycle", seldom(object(vec![("preStop", always(exec()))]))),
            ("securityContext", maybe(security)),
            ("aNewMember", maybe(Just(json!({"deep": [1, 2.5, "é", null]})))),
        ])
    }

    fn named(containers: Value, prefix: &str) -> Value {
        let mut containers = containers;
        for (index, container) in containers.as_array_mut().into_iter().flatten().enumerate() {
            container["name"] = json!(format!("{prefix}-{index}"));
        }
        containers
    }

    pub fn pod() -> Json {
        let containers = |least: usize, most: usize, prefix: &'static str| {
            vec(container(), least..=most).prop_map(move |items| named(Value::Array(items), prefix))
        };
        let volume = prop_oneof![
            Just(json!({"name": "files", "secret": {"secretName": "db", "items": [{"key": "a", "path": "a"}]}})),
            Just(json!({"name": "host", "hostPath": {"path": "/x"}, "unknownSource": null})),
            Just(json!({"name": "new", "brandNew": {"x": "s3cr3t"}})),
            Just(
                json!({"name": "csi", "csi": {"driver": "csi.spiffe.io", "volumeAttributes": {"password": "s3cr3t"}}})
            ),
            Just(json!({"name": "flex", "flexVolume": {"driver": "x/y", "options": {"password": "s3cr3t"}}})),
        ];
        let volumes = prop::option::of(volume).prop_map(|more| {
            let mut volumes = vec![json!({"name": "data", "emptyDir": {}}), json!({"name": "disk", "emptyDir": {}})];
            volumes.extend(more);
            Value::Array(volumes)
        });
        let annotations = prop_oneof![
            10 => Just(json!({"team": "a", "x/y": "s3cr3t"})),
            4 => Just(json!({"secretfence.dev/swapped": "earlier: A -> /x [p/r]"})),
            1 => Just(json!({"kubernetes.io/config.mirror": "x"})),
        ];
        let metadata = object(vec![
            ("name", maybe(one_of(&["web"]))),
            ("labels", maybe(Just(json!({"app": "web"})))),
            ("annotations", maybe(annotations)),
            ("managedFields", maybe(Just(json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}])))),
        ]);
        let ephemeral = prop_oneof![8 => Just(None), 1 => containers(0, 1, "e").prop_map(Some)];
        let spec = object(vec![
            ("containers", always(containers(1, 3, "c"))),
            ("initContainers", maybe(containers(0, 2, "i"))),
            ("ephemeralContainers", ephemeral.boxed()),
            ("volumes", always(volumes)),
            (
                "securityContext",
                maybe(object(vec![("fsGroup", maybe(Just(json!(2000)))), ("runAsNonRoot", maybe(flag()))])),
            ),
            ("os", seldom(Just(json!({"name": "windows"})))),
            ("nodeSelector", seldom(Just(json!({"kubernetes.io/os": "windows"})))),
            ("restartPolicy", maybe(one_of(&["Always"]))),
            ("aNewMember", maybe(Just(json!([{"x": "~/"}])))),
        ]);
        object(vec![
            ("apiVersion", always(one_of(&["v1"]))),
            ("kind", always(one_of(&["Pod"]))),
            ("metadata", maybe(metadata)),
            ("spec", always(spec)),
        ])
        .prop_map(without_mounts_of_nothing)
        .boxed()
    }

    /// Half of the pods that mount nothing have no list of volumes either.
    fn without_mounts_of_nothing(mut pod: Value) -> Value {
        let spec = &pod["spec"];
        let lists = ["containers", "initContainers", "ephemeralContainers"];
        let mut containers = lists.iter().filter_map(|list| spec.get(list)?.as_array()).flatten();
        let mounts = containers.any(|container| {
            ["volumeMounts", "volumeDevices"].iter().any(|list| container.get(list).is_some_and(Value::is_array))
        });
        let odd = spec["containers"].as_array().map_or(0, Vec::len) % 2 == 1;
        if !mounts && odd {
            let no_metadata = pod.get("metadata").is_none();
            if let Some(spec) = pod["spec"].as_object_mut() {
                if no_metadata {
                    spec.insert("volumes".to_owned(), Value::Null);
                } else {
                    spec.remove("volumes");
                }
            }
        }
        pod
    }

    fn globs(words: &'static [&'static str]) -> Member {
        prop_oneof![14 => Just(None), 1 => vec(select(words), 1..=2).prop_map(|globs| Some(json!(globs)))].boxed()
    }

    fn mount() -> Json {
        let keys = vec(select(&KEYS[..4]), 1..=3).prop_map(|mut keys| {
            keys.sort_unstable();
            keys.dedup();
            json!({"db*": keys, "api": ["A", "b"]})
        });
        object(vec![
            ("path", maybe_one(&["/run/secretfence", "/run/secretfence/x", "/etc/keys", "/var/run/sf"])),
            (
                "variable",
                maybe_one(&["auto", "{name}_FILE", "FILE__{name}", "{secret}_{key}", "", "THE_FILE", "{name}__FILE"]),
            ),
            ("fileMode", maybe_one(&["auto", "0440", "0400"])),
            ("besideEnvFrom", maybe_one(&["unsafe", "swap"])),
            ("keys", prop_oneof![1 => Just(None), 5 => keys.prop_map(Some)].boxed()),
            ("unsafe", maybe_one(&["deny", "warn"])),
        ])
    }

    fn maybe_one(words: &'static [&'static str]) -> Member {
        prop_oneof![2 => Just(None), 1 => one_of(words).prop_map(Some)].boxed()
    }

    fn rule() -> Json {
        let selects = object(vec![
            ("containers", globs(&["c-*", "*-0", "i-?", "*"])),
            ("secrets", globs(&["db*", "api", "!api", "*"])),
            ("keys", globs(&["a", "A", "b", "?", "*"])),
            ("variables", globs(&["A*", "DB_*", "*_FILE", "!B"])),
            ("images", globs(&["postgres", "shop/*"])),
        ]);
        let mounted = vec(prop_oneof![9 => select(&["env", "secretKeyRef", "envFrom"][..]), 1 => Just("any")], 1..=2);
        let other =
            vec(select(&["env", "any", "secretKeyRef", "volume", "file", "unknownSource", "envFrom"][..]), 1..=2);
        let action = prop_oneof![
            5 => (mounted, prop::option::of(mount())).prop_map(|(on, mount)| (on, "mount", mount)),
            1 => (other, select(&["deny", "warn", "allow"][..])).prop_map(|(on, action)| (on, action, None)),
        ];
        (action, selects)
            .prop_map(|((mut on, action, mount), selects)| {
                on.sort_unstable();
                on.dedup();
                let mut rule = json!({"on": on, "action": action, "where": selects});
                if rule["where"].as_object().is_some_and(Map::is_empty) {
                    rule.as_object_mut().map(|rule| rule.remove("where"));
                }
                if let Some(mount) = mount {
                    rule["mount"] = mount;
                }
                rule
            })
            .boxed()
    }

    /// A few policies, each with a name and a `spec`.
    pub fn policies() -> impl Strategy<Value = Vec<(String, Value)>> {
        let policy = (vec(rule(), 1..=3), select(&["enforce", "enforce", "enforce", "dryRun"][..]));
        let spec = policy.prop_map(|(mut rules, mode)| {
            for (index, rule) in rules.iter_mut().enumerate() {
                rule["name"] = json!(format!("r{index}"));
            }
            json!({"mode": mode, "rules": rules})
        });
        // Whoever says which files a pod may have says so of the files that a swap makes, too.
        let of_files = (vec(select(&["a", "A", "b", "*"][..]), 1..=2), select(&["allow", "warn", "deny"][..]));
        let of_files = of_files.prop_map(|(mut keys, action)| {
            keys.sort_unstable();
            keys.dedup();
            json!({"on": ["volume"], "where": {"keys": keys}, "action": action})
        });
        let files = vec(of_files, 1..=3).prop_map(|mut rules| {
            for (index, rule) in rules.iter_mut().enumerate() {
                rule["name"] = json!(format!("f{index}"));
            }
            json!({"rules": rules})
        });
        let specs = (vec(spec, 1..=3), prop_oneof![6 => Just(None), 1 => files.prop_map(Some)]);
        specs.prop_map(|(mut specs, files)| {
            specs.extend(files);
            specs.into_iter().enumerate().map(|(index, spec)| (format!("p{index}"), spec)).collect()
        })
    }
}
