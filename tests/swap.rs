//! The swap: which references become files, the exact patch, and every situation in which it is not safe.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use secretfence::fence::{Facts, Finding, Outcome, PolicySet};
use serde_json::{Value, json};
use support::*;

const API: &str = "/spec/containers/0";

/// [`pod_with_secret`] with one field of its container set.
fn container(field: &str, value: Value) -> Value {
    with(pod_with_secret(), &format!("{API}/{field}"), value)
}

fn env(entries: Value) -> Value {
    with(pod(), &format!("{API}/env"), entries)
}

/// The reference to the Secret `db`.
fn its_finding(pod: &Value, policies: &PolicySet, facts: &Facts) -> Finding {
    let findings = judge_with(pod, policies, facts).findings;
    let its = findings.into_iter().find(|finding| finding.secret.as_deref() == Some("db"));
    its.unwrap_or_else(|| panic!("{pod:#} names no Secret db"))
}

/// It is swapped: the verdict, the patch, and `/validate` of the patched pod say so alike.
fn assert_safe(pod: &Value) {
    assert_safe_under(pod, &mount_env());
}

fn assert_safe_under(pod: &Value, policies: &PolicySet) {
    let finding = its_finding(pod, policies, &facts());
    assert_eq!(finding.outcome, Outcome::Swapped, "{}", finding.message);
    let after = swapped(pod, policies);
    assert_ne!(&after, pod);
    assert!(!names_db_in_env(&after), "{after:#}");
    assert_files_are_there(&after);
}

/// It is left as it is, with a reason; `/validate` refuses it.
fn assert_unsafe(pod: &Value) {
    assert_unsafe_under(pod, &mount_env());
}

fn assert_unsafe_under(pod: &Value, policies: &PolicySet) {
    let finding = its_finding(pod, policies, &facts());
    assert_eq!((finding.outcome, finding.reads), (Outcome::Denied, Some("unsafe")), "{}", finding.message);
    assert!(finding.reason.is_some());
    assert!(finding.message.contains("cannot be swapped safely: "), "{}", finding.message);
    assert!(names_db_in_env(&swapped(pod, policies)));
    assert!(!validate(pod, policies).allowed());
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    lists.into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten())
}

fn names_db_in_env(pod: &Value) -> bool {
    containers(pod).any(|container| {
        let env = container["env"].as_array().into_iter().flatten();
        let env_from = container["envFrom"].as_array().into_iter().flatten();
        env.chain(env_from)
            .any(|its| its["valueFrom"]["secretKeyRef"]["name"] == "db" || its["secretRef"]["name"] == "db")
    })
}

/// Every variable that names a file of ours names one that a read-only mount of its container holds.
fn assert_files_are_there(pod: &Value) {
    for container in containers(pod) {
        for entry in container["env"].as_array().into_iter().flatten() {
            let Some(path) = entry["value"].as_str().filter(|value| value.starts_with("/run/secretfence/")) else {
                continue;
            };
            assert!(files(pod, container).iter().any(|(file, _)| file == path), "{path} is not mounted: {pod:#}");
        }
    }
}

/// The files of a container in our volumes: path, and whether it may be missing.
fn files(pod: &Value, container: &Value) -> Vec<(String, bool)> {
    let mut files = Vec::new();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let name = mount["name"].as_str().unwrap();
        if !name.starts_with("secretfence-") {
            continue;
        }
        assert_eq!(mount["readOnly"], true);
        assert!(mount.get("subPath").is_none(), "rotated Secrets must arrive");
        for source in own_volume(pod, name)["projected"]["sources"].as_array().unwrap() {
            let optional = source["secret"]["optional"] == true;
            for item in source["secret"]["items"].as_array().unwrap() {
                let path = format!("{}/{}", mount["mountPath"].as_str().unwrap(), item["path"].as_str().unwrap());
                files.push((path, optional));
            }
        }
    }
    files.sort();
    files
}

fn own_volume<'p>(pod: &'p Value, name: &str) -> &'p Value {
    pod["spec"]["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == name).unwrap()
}

fn own_volumes(pod: &Value) -> Vec<&Value> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.filter(|volume| volume["name"].as_str().is_some_and(|name| name.starts_with("secretfence-"))).collect()
}

fn default_mode(pod: &Value) -> i64 {
    own_volumes(pod)[0]["projected"]["defaultMode"].as_i64().unwrap()
}

// The patch.

#[test]
fn the_patch_of_a_simple_pod_is_exactly_this() {
    let patch = mutate(&pod_with_secret(), &mount_env()).patch().unwrap();
    assert_eq!(
        patch,
        json!([
            {"op": "add", "path": "/spec/volumes", "value": [{
                "name": "secretfence-3037552ca2ca1e3b",
                "projected": {"defaultMode": 0o444, "sources": [
                    {"secret": {"name": "db", "items": [{"key": "password", "path": "db/password"}]}},
                ]},
            }]},
            {"op": "replace", "path": "/spec/containers/0/env/0",
                "value": {"name": "DB_PASSWORD_FILE", "value": "/run/secretfence/db/password"}},
            {"op": "add", "path": "/spec/containers/0/volumeMounts", "value": [
                {"name": "secretfence-3037552ca2ca1e3b", "mountPath": "/run/secretfence", "readOnly": true},
            ]},
            {"op": "add", "path": "/metadata/annotations", "value": {
                "secretfence.dev/swapped": "api: DB_PASSWORD -> /run/secretfence/db/password [files-only/files]",
            }},
        ])
    );
}

#[test]
fn the_swapped_pod_is_exactly_this() {
    let mut after = swapped(&pod_with_secret(), &mount_env());
    let name = own_volumes(&after)[0]["name"].as_str().unwrap().to_owned();
    assert!(after["metadata"]["annotations"]["secretfence.dev/swapped"].is_string());
    after["metadata"].as_object_mut().unwrap().remove("annotations");
    let mut expected = pod();
    expected["spec"]["containers"][0]["env"] =
        json!([{"name": "DB_PASSWORD_FILE", "value": "/run/secretfence/db/password"}]);
    expected["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": name, "mountPath": "/run/secretfence", "readOnly": true}]);
    expected["spec"]["volumes"] = json!([{"name": name, "projected": {
        "sources": [{"secret": {"name": "db", "items": [{"key": "password", "path": "db/password"}]}}],
        "defaultMode": 0o444,
    }}]);
    assert_eq!(after, expected);
}

#[test]
fn copes_with_absent_null_and_empty_lists() {
    for list in [Value::Null, json!([])] {
        let pod = with(pod_with_secret(), "/spec/volumes", list.clone());
        assert_safe(&pod);
        let pod = with(pod, &format!("{API}/volumeMounts"), list.clone());
        assert_safe(&pod);
        let other = json!({"name": "other", "image": "i", "env": list, "envFrom": list, "volumeMounts": list});
        assert_safe(&with(pod, "/spec/containers/-", other));
    }
    for empty in [Value::Null, json!({})] {
        assert_safe(&with(pod_with_secret(), "/metadata/annotations", empty));
    }
    let mut bare = pod_with_secret();
    bare["metadata"] = json!({"generateName": "web-"});
    assert_safe(&bare);
}

#[test]
fn keeps_the_other_volumes_mounts_variables_and_unknown_fields() {
    let pod = with(pod_with_secret(), "/spec/volumes", json!([{"name": "data", "emptyDir": {}, "future": {"a": 1}}]));
    let pod =
        with(pod, &format!("{API}/volumeMounts"), json!([{"name": "data", "mountPath": "/data", "future": true}]));
    let pod = with(
        pod,
        &format!("{API}/env"),
        json!([
        {"name": "A", "value": "1", "future": [1]}, db_password(), {"name": "Z", "value": "1"}]),
    );
    let pod = with(with(pod, "/spec/future", json!({"x": null})), "/metadata/annotations", json!({"a/b~c": "d"}));
    let after = swapped(&pod, &mount_env());
    assert_eq!(after["spec"]["volumes"][0], pod["spec"]["volumes"][0]);
    assert_eq!(after["spec"]["volumes"].as_array().unwrap().len(), 2);
    assert_eq!(after["spec"]["future"], pod["spec"]["future"]);
    assert_eq!(after["metadata"]["annotations"]["a/b~c"], "d");
    let container = &after["spec"]["containers"][0];
    assert_eq!(container["volumeMounts"][0], pod["spec"]["containers"][0]["volumeMounts"][0]);
    let names: Vec<_> = container["env"].as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, ["A", "DB_PASSWORD_FILE", "Z"], "replaced in its place");
    assert_eq!(container["env"][0], pod["spec"]["containers"][0]["env"][0]);
}

#[test]
fn swaps_in_init_containers_and_native_sidecars() {
    for restart in [Value::Null, json!("Always")] {
        let init = json!([{"name": "init", "image": "i", "restartPolicy": restart, "env": [db_password()]}]);
        let pod = with(pod(), "/spec/initContainers", init);
        assert_safe(&pod);
    }
}

#[test]
fn containers_that_need_the_same_files_share_a_volume() {
    let pod = with(pod_with_secret(), "/spec/containers/-", json!({"name": "b", "image": "b", "env": [db_password()]}));
    let after = swapped(&pod, &mount_env());
    assert_eq!(own_volumes(&after).len(), 1);
    assert_eq!(after["spec"]["containers"][0]["volumeMounts"], after["spec"]["containers"][1]["volumeMounts"]);
}

#[test]
fn no_container_sees_a_file_that_it_did_not_see_as_env() {
    let other = json!({"name": "b", "image": "b", "env": [secret_env("ROOT", "db", "root")]});
    let plain = json!({"name": "c", "image": "c"});
    let pod = with(with(pod_with_secret(), "/spec/containers/-", other), "/spec/containers/-", plain);
    let after = swapped(&pod, &mount_env());
    assert_eq!(own_volumes(&after).len(), 2);
    assert_eq!(files(&after, &after["spec"]["containers"][0]), [("/run/secretfence/db/password".to_owned(), false)]);
    assert_eq!(files(&after, &after["spec"]["containers"][1]), [("/run/secretfence/db/root".to_owned(), false)]);
    assert_eq!(after["spec"]["containers"][2], pod["spec"]["containers"][2]);
}

#[test]
fn the_order_of_references_does_not_change_the_volume() {
    let both = [db_password(), secret_env("TOKEN", "api", "token")];
    let name = |entries: Vec<&Value>| own_volumes(&swapped(&env(json!(entries)), &mount_env()))[0]["name"].clone();
    assert_eq!(name(vec![&both[0], &both[1]]), name(vec![&both[1], &both[0]]));
    assert_ne!(name(vec![&both[0]]), name(vec![&both[0], &both[1]]));
}

#[test]
fn one_source_for_each_secret_with_the_keys_as_items() {
    let entries = json!([db_password(), secret_env("DB_USER", "db", "user"), secret_env("TOKEN", "api", "token")]);
    let after = swapped(&env(entries), &mount_env());
    let sources = own_volumes(&after)[0]["projected"]["sources"].as_array().unwrap().clone();
    assert_eq!(sources.len(), 2);
    assert_eq!(files(&after, &after["spec"]["containers"][0]).len(), 3);
}

#[test]
fn two_variables_of_one_key_share_its_file() {
    let after = swapped(&env(json!([db_password(), secret_env("PGPASSWORD", "db", "password")])), &mount_env());
    let values: Vec<_> =
        after["spec"]["containers"][0]["env"].as_array().unwrap().iter().map(|its| &its["value"]).collect();
    assert_eq!(values, ["/run/secretfence/db/password"; 2]);
    assert_eq!(files(&after, &after["spec"]["containers"][0]).len(), 1);
}

#[test]
fn a_swapped_pod_passes_validate_and_says_what_was_swapped() {
    let after = swapped(&pod_with_secret(), &mount_env());
    assert!(admits(&mount_env(), &after));
    assert!(admits(&rules(&["{name: no, on: [env], action: deny}"]), &after));
    let note = after["metadata"]["annotations"]["secretfence.dev/swapped"].as_str().unwrap();
    assert!(note.contains("DB_PASSWORD") && note.contains("files-only"), "{note}");
}

#[test]
fn no_decision_reads_the_annotation() {
    let pod = with(pod_with_secret(), "/metadata/annotations", json!({"secretfence.dev/swapped": "everything"}));
    assert_safe(&pod);
    assert!(!admits(&mount_env(), &pod));
}

// The variable and the path.

fn first_variable(pod: &Value) -> (&str, &str) {
    let entry = &pod["spec"]["containers"][0]["env"][0];
    (entry["name"].as_str().unwrap_or(""), entry["value"].as_str().unwrap_or(""))
}

#[test]
fn variable_auto_takes_the_form_of_the_catalogue_else_file() {
    let after = swapped(&pod_with_secret(), &mount_with("{variable: auto}"));
    assert_eq!(first_variable(&after).0, "DB_PASSWORD_FILE");
    let yaml = "readers:\n- {images: ['registry.example.com/*'], variables: ['DB_*'], form: 'FILE__{name}', source: 'https://example.com'}\nrules:\n- {name: m, on: [env], action: mount}";
    let after = swapped(&pod_with_secret(), &policies(&policy("p", yaml)));
    assert_eq!(first_variable(&after).0, "FILE__DB_PASSWORD");
    let postgres =
        with(env(json!([secret_env("POSTGRES_PASSWORD", "db", "p")])), &format!("{API}/image"), json!("postgres"));
    assert_eq!(first_variable(&swapped(&postgres, &mount_env())).0, "POSTGRES_PASSWORD_FILE");
}

#[test]
fn variable_pattern_knows_name_secret_and_key() {
    let after = swapped(&pod_with_secret(), &mount_with("{variable: 'F_{name}_{secret}_{key}'}"));
    assert_eq!(first_variable(&after), ("F_DB_PASSWORD_db_password", "/run/secretfence/db/password"));
}

#[test]
fn an_empty_variable_is_none() {
    let after = swapped(&pod_with_secret(), &mount_with("{variable: ''}"));
    let entries = after["spec"]["containers"][0].get("env").and_then(Value::as_array);
    assert!(entries.is_none_or(Vec::is_empty), "{after:#}");
    assert_eq!(files(&after, &after["spec"]["containers"][0]).len(), 1);
}

#[test]
fn the_path_is_the_rules() {
    let after = swapped(&pod_with_secret(), &mount_with("{path: /etc/files}"));
    assert_eq!(first_variable(&after).1, "/etc/files/db/password");
    assert_eq!(after["spec"]["containers"][0]["volumeMounts"][0]["mountPath"], "/etc/files");
}

#[test]
fn the_path_is_absolute_clean_and_away_from_the_service_account_token() {
    for path in [
        "run/x",
        "/run/../etc",
        "/run//x",
        "/x/",
        "/",
        "/run",
        "/run/secrets",
        "/var/run/secrets/x",
        "/var/run",
        "/var",
    ] {
        let yaml = policy_of_rules("p", &[&format!("{{name: m, on: [env], action: mount, mount: {{path: {path}}}}}")]);
        assert!(try_policies(&yaml).is_err(), "{path}");
    }
    for path in ["/run/secretfence", "/var/run/files", "/run/secretsx", "/etc"] {
        let yaml = policy_of_rules("p", &[&format!("{{name: m, on: [env], action: mount, mount: {{path: {path}}}}}")]);
        assert!(try_policies(&yaml).is_ok(), "{path}");
    }
}

// The table: what is unsafe, and what looks like it.

#[test]
fn mentioned_in_command_args_probe_hook_another_env_or_sub_path_expr() {
    let exec = |text: &str| json!({"exec": {"command": ["sh", "-c", text]}});
    for text in
        ["$(DB_PASSWORD)", "echo $DB_PASSWORD", "${DB_PASSWORD}", "DB_PASSWORD", "a,DB_PASSWORD;b", "$$(DB_PASSWORD)"]
    {
        assert_unsafe(&container("command", json!([text])));
        assert_unsafe(&container("args", json!(["--x", text])));
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            assert_unsafe(&container(probe, exec(text)));
        }
        for hook in ["postStart", "preStop"] {
            assert_unsafe(&container("lifecycle", json!({hook: exec(text)})));
        }
        assert_unsafe(&env(json!([db_password(), {"name": "URL", "value": text}])));
        let mount = json!([{"name": "data", "mountPath": "/data", "subPathExpr": text}]);
        assert_unsafe(&with(
            container("volumeMounts", mount),
            "/spec/volumes",
            json!([{"name": "data", "emptyDir": {}}]),
        ));
    }
}

#[test]
fn a_longer_word_is_not_mentioned() {
    for text in ["DB_PASSWORDS", "XDB_PASSWORD", "$(DB_PASSWORD_2)", "db_password", "DB-PASSWORD", "$(DB_PASS)"] {
        assert_safe(&container("args", json!([text])));
        assert_safe(&container("livenessProbe", json!({"exec": {"command": [text]}})));
        assert_safe(&env(json!([db_password(), {"name": "URL", "value": text}])));
    }
}

#[test]
fn mentioned_in_another_container_is_safe() {
    let other = json!({"name": "b", "image": "b", "args": ["$(DB_PASSWORD)"]});
    assert_safe(&with(pod_with_secret(), "/spec/containers/-", other));
}

#[test]
fn mentioned_in_an_earlier_env_value_is_unsafe_too() {
    assert_unsafe(&env(json!([{"name": "URL", "value": "x$(DB_PASSWORD)"}, db_password()])));
}

#[test]
fn the_new_name_would_resolve_somewhere() {
    assert_unsafe(&container("args", json!(["$(DB_PASSWORD_FILE)"])));
    assert_unsafe(&env(json!([db_password(), {"name": "F", "value": "$(DB_PASSWORD_FILE)"}])));
    assert_unsafe(&container("livenessProbe", json!({"exec": {"command": ["cat", "$(DB_PASSWORD_FILE)"]}})));
    assert_safe_under(&container("args", json!(["$(DB_PASSWORD_FILE)"])), &mount_with("{variable: ''}"));
    let other = json!({"name": "b", "image": "b", "args": ["$(DB_PASSWORD_FILE)"]});
    assert_safe(&with(pod_with_secret(), "/spec/containers/-", other));
}

#[test]
fn the_new_name_by_a_word_that_kubernetes_does_not_resolve_is_safe() {
    assert_safe(&container("args", json!(["cat \"$DB_PASSWORD_FILE\""])));
}

#[test]
fn the_same_name_twice_is_unsafe_unless_all_of_that_name_go() {
    assert_unsafe(&env(json!([{"name": "DB_PASSWORD", "value": "default"}, db_password()])));
    assert_unsafe(&env(json!([db_password(), {"name": "DB_PASSWORD", "value": "override"}])));
    assert_safe(&env(json!([{"name": "DB_PASSWORD_2", "value": "x"}, db_password()])));
    // Both go, and both would be named by one new variable: the later one won before.
    let pod = env(json!([secret_env("DB_PASSWORD", "db", "old"), db_password()]));
    let policies = mount_with("{variable: ''}");
    assert_safe_under(&pod, &policies);
    let half =
        rules(&["{name: keep, on: [env], where: {keys: [old]}, action: allow}", "{name: m, on: [env], action: mount}"]);
    let findings = judge(&pod, &half).findings;
    assert_eq!(findings[1].reads, Some("unsafe"), "{findings:#?}");
}

#[test]
fn the_same_name_twice_with_one_new_variable_names_the_file_that_won() {
    let pod = env(json!([secret_env("DB_PASSWORD", "db", "old"), db_password()]));
    let after = swapped(&pod, &mount_env());
    let entries = after["spec"]["containers"][0]["env"].as_array().unwrap();
    assert_eq!(entries.last().unwrap()["value"], "/run/secretfence/db/password", "later wins: {after:#}");
}

#[test]
fn an_env_from_beside_the_entry_is_unsafe() {
    for source in
        [json!({"configMapRef": {"name": "defaults"}}), json!({"prefix": "X_", "configMapRef": {"name": "c"}})]
    {
        assert_unsafe(&container("envFrom", json!([source])));
    }
    assert_unsafe(&container("envFrom", json!([{"secretRef": {"name": "other"}}])));
    let other = json!({"name": "b", "image": "b", "envFrom": [{"configMapRef": {"name": "defaults"}}]});
    assert_safe(&with(pod_with_secret(), "/spec/containers/-", other));
    assert_safe(&container("envFrom", json!([])));
    assert_safe(&container("envFrom", Value::Null));
}

#[test]
fn an_env_from_beside_the_entry_that_goes_too_with_other_names_is_safe() {
    let pod = container("envFrom", json!([{"secretRef": {"name": "api"}}]));
    assert_safe_under(&pod, &mount_with("{keys: {api: [TOKEN]}}"));
    assert_unsafe_under(&pod, &mount_with("{keys: {api: [TOKEN, DB_PASSWORD]}}"));
    let prefixed = container("envFrom", json!([{"prefix": "DB_", "secretRef": {"name": "api"}}]));
    assert_unsafe_under(&prefixed, &mount_with("{keys: {api: [PASSWORD]}}"));
    assert_safe_under(&prefixed, &mount_with("{keys: {api: [DB_PASSWORD]}}"));
    let stays = container("envFrom", json!([{"secretRef": {"name": "api"}}, {"configMapRef": {"name": "c"}}]));
    assert_unsafe_under(&stays, &mount_with("{keys: {api: [TOKEN]}}"));
}

#[test]
fn beside_env_from_swap_swaps_with_a_note() {
    let pod = container("envFrom", json!([{"configMapRef": {"name": "defaults"}}]));
    let policies = mount_with("{besideEnvFrom: swap}");
    assert_safe_under(&pod, &policies);
    let notes = its_finding(&pod, &policies, &facts()).notes;
    assert!(notes.iter().any(|note| note.contains("envFrom")), "{notes:?}");
    let plain = its_finding(&pod_with_secret(), &policies, &facts()).notes;
    assert!(!plain.iter().any(|note| note.contains("envFrom")), "{plain:?}");
}

#[test]
fn the_images_own_env_of_that_name_is_noted() {
    let notes = its_finding(&pod_with_secret(), &mount_env(), &facts()).notes;
    assert!(notes.iter().any(|note| note.contains("image")), "{notes:?}");
}

#[test]
fn the_new_variable_set_to_something_else_or_taken_by_another_entry_is_unsafe() {
    let new = |entry: Value| env(json!([db_password(), entry]));
    assert_unsafe(&new(json!({"name": "DB_PASSWORD_FILE", "value": "/elsewhere"})));
    assert_unsafe(&new(json!({"name": "DB_PASSWORD_FILE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}})));
    assert_unsafe(&new(json!({"name": "DB_PASSWORD_FILE"})));
    assert_safe(&new(json!({"name": "DB_PASSWORD_FILES", "value": "/elsewhere"})));
    // Two entries that one pattern would name alike.
    let pod = env(json!([db_password(), secret_env("DB_USER", "db", "user")]));
    let findings = judge(&pod, &mount_with("{variable: 'SECRET_FILE'}")).findings;
    assert!(findings.iter().any(|finding| finding.reads == Some("unsafe")), "{findings:#?}");
    let other = json!({"name": "b", "image": "b", "env": [{"name": "DB_PASSWORD_FILE", "value": "/elsewhere"}]});
    assert_safe(&with(pod_with_secret(), "/spec/containers/-", other));
}

#[test]
fn the_new_variable_already_set_to_the_very_file_is_safe() {
    let pod = env(json!([db_password(), {"name": "DB_PASSWORD_FILE", "value": "/run/secretfence/db/password"}]));
    let finding = its_finding(&pod, &mount_env(), &facts());
    assert_eq!(finding.outcome, Outcome::Swapped, "{}", finding.message);
    let after = swapped(&pod, &mount_env());
    // Once, where it was: server-side apply refuses two entries of one name.
    let file = json!({"name": "DB_PASSWORD_FILE", "value": "/run/secretfence/db/password"});
    assert_eq!(after["spec"]["containers"][0]["env"], json!([file]));
    assert_files_are_there(&after);
    let before = env(json!([file, {"name": "A", "value": "a"}, db_password()]));
    let after = swapped(&before, &mount_env());
    assert_eq!(after["spec"]["containers"][0]["env"], json!([file, {"name": "A", "value": "a"}]));
}

#[test]
fn a_key_of_an_env_from_whose_new_variable_is_set_to_the_very_file_is_not_written_twice() {
    // The prefix keeps the value from mentioning the variable.
    let file = |key: &str| json!({"name": format!("DB_{key}_FILE"), "value": format!("/run/secretfence/db/{key}")});
    let pod = container("envFrom", json!([{"prefix": "DB_", "secretRef": {"name": "db"}}]));
    let pod = with(pod, "/spec/containers/0/env", json!([file("USER")]));
    let policies = mount_with("{keys: {db: [USER, PASSWORD]}}");
    assert_safe_under(&pod, &policies);
    let after = swapped(&pod, &policies);
    assert_eq!(after["spec"]["containers"][0]["env"], json!([file("USER"), file("PASSWORD")]));
}

#[test]
fn a_mount_at_above_or_below_the_target_directory_is_unsafe() {
    let mounted = |path: &str| {
        let pod = with(pod_with_secret(), "/spec/volumes", json!([{"name": "data", "emptyDir": {}}]));
        with(pod, &format!("{API}/volumeMounts"), json!([{"name": "data", "mountPath": path}]))
    };
    for path in [
        "/run/secretfence",
        "/run/secretfence/",
        "/run",
        "/",
        "/run/secretfence/db",
        "/var/run",
        "/var/run/secretfence",
        "/run/./secretfence",
        "/x/../run",
        "run",
        "//run//secretfence",
        "/var/run/secretfence/deep/er",
    ] {
        assert_unsafe(&mounted(path));
    }
    for path in ["/runner", "/run/secretfence2", "/run/secret", "/data", "/data/run/secretfence", "/var/runs"] {
        assert_safe(&mounted(path));
    }
    let policies = mount_with("{path: /var/run/files}");
    for path in ["/run", "/run/files", "/var/run/files", "/var/run/files/x", "/run/files/x"] {
        assert_unsafe_under(&mounted(path), &policies);
    }
    assert!(swaps(&mounted("/var/files"), &policies));
}

#[test]
fn a_mount_of_another_container_is_safe() {
    let other = json!({"name": "b", "image": "b", "volumeMounts": [{"name": "data", "mountPath": "/run"}]});
    let pod = with(pod_with_secret(), "/spec/volumes", json!([{"name": "data", "emptyDir": {}}]));
    assert_safe(&with(pod, "/spec/containers/-", other));
}

#[test]
fn a_device_path_at_above_or_below_the_target_directory_is_unsafe() {
    let device = |path: &str| {
        let pod = with(
            pod_with_secret(),
            "/spec/volumes",
            json!([{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]),
        );
        with(pod, &format!("{API}/volumeDevices"), json!([{"name": "d", "devicePath": path}]))
    };
    for path in ["/run/secretfence", "/var/run/secretfence/db", "/run"] {
        assert_unsafe(&device(path));
    }
    assert_safe(&device("/dev/xvda"));
}

#[test]
fn a_volume_of_our_name_with_other_content_is_unsafe() {
    let name = own_volumes(&swapped(&pod_with_secret(), &mount_env()))[0]["name"].clone();
    let taken = with(pod_with_secret(), "/spec/volumes", json!([{"name": name, "emptyDir": {}}]));
    assert_unsafe(&taken);
    let other = with(pod_with_secret(), "/spec/volumes", json!([{"name": "secretfence-other", "emptyDir": {}}]));
    let after = swapped(&other, &mount_env());
    assert_eq!(after["spec"]["volumes"][0], other["spec"]["volumes"][0], "not ours: recognised by content");
    assert_eq!(its_finding(&other, &mount_env(), &facts()).outcome, Outcome::Swapped);
}

#[test]
fn a_volume_of_our_name_with_our_content_is_shared() {
    let once = swapped(&pod_with_secret(), &mount_env());
    let mut again = pod_with_secret();
    again["spec"]["volumes"] = once["spec"]["volumes"].clone();
    let after = swapped(&again, &mount_env());
    assert_eq!(after["spec"]["volumes"], once["spec"]["volumes"]);
}

#[test]
fn optional_true_has_its_own_source_and_a_note() {
    let pod = env(json!([optional_env("DB_PASSWORD", "db", "password"), secret_env("DB_USER", "db", "user")]));
    let after = swapped(&pod, &mount_env());
    let expected = [("/run/secretfence/db/password".to_owned(), true), ("/run/secretfence/db/user".to_owned(), false)];
    assert_eq!(files(&after, &after["spec"]["containers"][0]), expected);
    let notes = judge(&pod, &mount_env()).findings.into_iter().map(|its| its.notes.join(" ")).collect::<Vec<_>>();
    assert!(notes[0].contains("optional"), "{notes:?}");
    assert!(!notes[1].contains("optional"), "{notes:?}");
}

#[test]
fn optional_false_is_required() {
    let mut entry = db_password();
    entry["valueFrom"]["secretKeyRef"]["optional"] = json!(false);
    assert_eq!(
        swapped(&env(json!([entry])), &mount_env())["spec"]["volumes"],
        swapped(&pod_with_secret(), &mount_env())["spec"]["volumes"]
    );
}

#[test]
fn a_key_required_in_one_place_and_optional_in_another_is_one_required_source() {
    let pod = env(json!([optional_env("MAYBE", "db", "password"), db_password()]));
    let after = swapped(&pod, &mount_env());
    assert_eq!(files(&after, &after["spec"]["containers"][0]), [("/run/secretfence/db/password".to_owned(), false)]);
}

#[test]
fn file_mode_auto_is_0440_only_with_fs_group_and_users_that_are_not_root() {
    let mode = |pod: Value, container: Value| {
        let after = with(pod_with_secret(), "/spec/securityContext", pod);
        let after = with(after, &format!("{API}/securityContext"), container);
        default_mode(&swapped(&after, &mount_env()))
    };
    let none = || Value::Null;
    assert_eq!(mode(none(), none()), 0o444);
    assert_eq!(mode(json!({"fsGroup": 2000}), none()), 0o444);
    assert_eq!(mode(json!({"runAsNonRoot": true}), none()), 0o444);
    assert_eq!(mode(json!({"fsGroup": 2000, "runAsNonRoot": true}), none()), 0o440);
    assert_eq!(mode(json!({"fsGroup": 2000, "runAsUser": 1000}), none()), 0o440);
    assert_eq!(mode(json!({"fsGroup": 2000, "runAsUser": 0}), none()), 0o444);
    assert_eq!(mode(json!({"fsGroup": 2000, "runAsNonRoot": false}), none()), 0o444);
    assert_eq!(mode(json!({"fsGroup": 2000}), json!({"runAsUser": 1000})), 0o440);
    assert_eq!(mode(json!({"fsGroup": 2000}), json!({"runAsNonRoot": true})), 0o440);
    assert_eq!(mode(json!({"fsGroup": 2000, "runAsUser": 1000}), json!({"runAsUser": 0})), 0o444);
    assert_eq!(mode(json!({"fsGroup": 2000, "runAsNonRoot": true}), json!({"runAsNonRoot": false})), 0o444);
}

#[test]
fn file_mode_auto_asks_every_container_that_mounts_it() {
    let safe = json!({"runAsUser": 1000});
    let pod = with(pod_with_secret(), "/spec/securityContext", json!({"fsGroup": 2000}));
    let pod = with(pod, &format!("{API}/securityContext"), safe);
    let other = json!({"name": "b", "image": "b", "env": [db_password()]});
    let plain = json!({"name": "c", "image": "c"});
    assert_eq!(default_mode(&swapped(&with(pod.clone(), "/spec/containers/-", plain), &mount_env())), 0o440);
    let after = swapped(&with(pod, "/spec/containers/-", other), &mount_env());
    let mounted = &after["spec"]["containers"][1]["volumeMounts"][0]["name"];
    assert_eq!(own_volume(&after, mounted.as_str().unwrap())["projected"]["defaultMode"], 0o444);
}

#[test]
fn an_explicit_file_mode_is_taken_and_fs_group_never_set() {
    let after = swapped(&pod_with_secret(), &mount_with("{fileMode: \"0400\"}"));
    assert_eq!(default_mode(&after), 0o400);
    assert!(after["spec"].get("securityContext").is_none());
}

#[test]
fn a_secret_name_that_is_no_dns_subdomain_is_unsafe() {
    for name in ["..", "../x", "UPPER", "a/b", "", "under_score", "-x", "x-", "a..b", &"x".repeat(254)] {
        let pod = env(json!([secret_env("DB_PASSWORD", name, "password")]));
        let finding = finding(&pod, &mount_env());
        assert_eq!(finding.reads, Some("unsafe"), "{name:?}");
        assert!(!swaps(&pod, &mount_env()), "{name:?}");
    }
    for name in ["a", "a.b-c", "1", &"x".repeat(253)] {
        assert!(swaps(&env(json!([secret_env("DB_PASSWORD", name, "password")])), &mount_env()), "{name:?}");
    }
}

#[test]
fn a_key_that_is_no_valid_key_is_unsafe() {
    for key in ["..", ".", "", "a/b", "../../etc", "a b", "..data", "ü", &"x".repeat(254)] {
        let pod = env(json!([secret_env("DB_PASSWORD", "db", key)]));
        let finding = finding(&pod, &mount_env());
        assert_eq!(finding.reads, Some("unsafe"), "{key:?}");
        assert!(!swaps(&pod, &mount_env()), "{key:?}");
    }
    for key in ["a", ".hidden", "A_b-c.d", "tls.key", "a..b"] {
        assert!(swaps(&env(json!([secret_env("DB_PASSWORD", "db", key)])), &mount_env()), "{key:?}");
    }
}

#[test]
fn env_names_that_hold_slashes_dots_or_non_ascii_make_no_path() {
    for name in ["a/b", "../../etc/passwd", "wörter", "with space", "x=y"] {
        let after = swapped(&env(json!([secret_env(name, "db", "password")])), &mount_with("{variable: F}"));
        let files = files(&after, &after["spec"]["containers"][0]);
        assert!(files.iter().all(|(path, _)| path == "/run/secretfence/db/password"), "{name}: {files:?}");
        let after = swapped(&env(json!([secret_env(name, "db", "password")])), &mount_env());
        assert!(!after["spec"]["volumes"].to_string().contains(name), "{name}");
    }
}

fn pod_with_env_from() -> Value {
    with(pod(), &format!("{API}/envFrom"), json!([{"secretRef": {"name": "db"}}]))
}

#[test]
fn env_from_with_keys_of_the_policy_becomes_one_variable_per_key() {
    let policies = mount_with("{keys: {'d*': [USER, PASSWORD]}}");
    assert_safe_under(&pod_with_env_from(), &policies);
    let after = swapped(&pod_with_env_from(), &policies);
    let container = &after["spec"]["containers"][0];
    let mut entries: Vec<_> = container["env"].as_array().unwrap().clone();
    entries.sort_by_key(|entry| entry["name"].to_string());
    assert_eq!(
        json!(entries),
        json!([
            {"name": "PASSWORD_FILE", "value": "/run/secretfence/db/PASSWORD"},
            {"name": "USER_FILE", "value": "/run/secretfence/db/USER"},
        ])
    );
    assert!(container.get("envFrom").is_none(), "an empty list goes, too");
    let notes = its_finding(&pod_with_env_from(), &policies, &facts()).notes;
    assert!(notes.iter().any(|note| note.contains("lost")), "{notes:?}");
}

#[test]
fn env_from_keeps_its_prefix() {
    let pod = with(pod_with_env_from(), &format!("{API}/envFrom/0/prefix"), json!("DB_"));
    let after = swapped(&pod, &mount_with("{keys: {db: [PASSWORD]}}"));
    assert_eq!(first_variable(&after), ("DB_PASSWORD_FILE", "/run/secretfence/db/PASSWORD"));
}

#[test]
fn env_from_with_keys_known_from_the_input_is_swapped() {
    let mut facts = facts();
    facts.secret_keys.insert(("shop".to_owned(), "db".to_owned()), vec!["PASSWORD".to_owned()]);
    assert_eq!(its_finding(&pod_with_env_from(), &mount_env(), &facts).outcome, Outcome::Swapped);
    facts.secret_keys.clear();
    facts.secret_keys.insert(("bank".to_owned(), "db".to_owned()), vec!["PASSWORD".to_owned()]);
    assert_eq!(its_finding(&pod_with_env_from(), &mount_env(), &facts).outcome, Outcome::Denied);
}

#[test]
fn env_from_with_unknown_keys_is_unsafe() {
    assert_unsafe(&pod_with_env_from());
    assert_unsafe_under(&pod_with_env_from(), &mount_with("{keys: {api: [PASSWORD]}}"));
}

#[test]
fn env_from_is_unsafe_where_an_env_entry_has_one_of_its_names() {
    let policies = mount_with("{keys: {db: [USER, PASSWORD]}}");
    let beside = |name: &str| with(pod_with_env_from(), &format!("{API}/env"), json!([{"name": name, "value": "x"}]));
    assert_unsafe_under(&beside("PASSWORD"), &policies);
    assert_unsafe_under(&beside("USER_FILE"), &policies);
    assert_safe_under(&beside("OTHER"), &policies);
}

#[test]
fn env_from_is_unsafe_beside_another_env_from_that_stays() {
    let policies = mount_with("{keys: {db: [PASSWORD]}}");
    let pod = with(pod_with_env_from(), &format!("{API}/envFrom/-"), json!({"configMapRef": {"name": "c"}}));
    assert_unsafe_under(&pod, &policies);
    assert_safe_under(&pod, &mount_with("{besideEnvFrom: swap, keys: {db: [PASSWORD]}}"));
    let first = with(
        pod_with_env_from(),
        &format!("{API}/envFrom"),
        json!([{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "db"}}]),
    );
    assert_unsafe_under(&first, &policies);
}

#[test]
fn two_env_from_that_both_go_are_safe_unless_they_share_a_name() {
    let pod = with(pod_with_env_from(), &format!("{API}/envFrom/-"), json!({"secretRef": {"name": "api"}}));
    assert_safe_under(&pod, &mount_with("{keys: {db: [PASSWORD], api: [TOKEN]}}"));
    assert_unsafe_under(&pod, &mount_with("{keys: {db: [PASSWORD], api: [PASSWORD]}}"));
}

#[test]
fn env_from_is_unsafe_where_a_key_is_mentioned() {
    let pod = with(pod_with_env_from(), &format!("{API}/args"), json!(["$(PASSWORD)"]));
    assert_unsafe_under(&pod, &mount_with("{keys: {db: [USER, PASSWORD]}}"));
    assert_safe_under(&pod, &mount_with("{keys: {db: [USER]}}"));
}

#[test]
fn windows_is_unsafe() {
    let affinity = |expression: Value| {
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}})
    };
    let os = |value: &str| json!({"key": "kubernetes.io/os", "operator": "In", "values": [value]});
    assert_unsafe(&with(pod_with_secret(), "/spec/os", json!({"name": "windows"})));
    assert_unsafe(&with(pod_with_secret(), "/spec/nodeSelector", json!({"kubernetes.io/os": "windows"})));
    assert_unsafe(&with(pod_with_secret(), "/spec/affinity", affinity(os("windows"))));

    assert_safe(&with(pod_with_secret(), "/spec/os", json!({"name": "linux"})));
    assert_safe(&with(pod_with_secret(), "/spec/nodeSelector", json!({"kubernetes.io/os": "linux"})));
    assert_safe(&with(pod_with_secret(), "/spec/nodeSelector", json!({"team": "windows"})));
    assert_safe(&with(pod_with_secret(), "/spec/affinity", affinity(os("linux"))));
    let not_windows = json!({"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]});
    assert_safe(&with(pod_with_secret(), "/spec/affinity", affinity(not_windows)));
    let preferred = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [{"weight": 1, "preference": {"matchExpressions": [os("windows")]}}]}});
    assert_safe(&with(pod_with_secret(), "/spec/affinity", preferred));
}

#[test]
fn windows_among_several_required_affinity_terms_is_unsafe() {
    let term =
        |value: &str| json!({"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": [value]}]});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms": [term("linux"), term("windows")]}}});
    assert_unsafe(&with(pod_with_secret(), "/spec/affinity", affinity));
}

#[test]
fn an_ephemeral_container_is_unsafe() {
    let debugger = json!([{"name": "debug", "image": "busybox", "env": [db_password()]}]);
    assert_unsafe(&with(pod(), "/spec/ephemeralContainers", debugger));
}

#[test]
fn a_mirror_pod_is_unsafe() {
    let annotation = |key: &str| with(pod_with_secret(), "/metadata/annotations", json!({key: "x"}));
    assert_unsafe(&annotation("kubernetes.io/config.mirror"));
    assert_safe(&annotation("kubernetes.io/config.hash"));
}

#[test]
fn a_file_key_ref_reached_by_a_group_is_unsafe_with_its_own_reason() {
    let file = json!([{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "A"}}}]);
    let file = finding(&with(pod(), &format!("{API}/env"), file), &mount_env());
    assert_eq!(file.reads, Some("unsafe"));
    let mirror = with(pod_with_secret(), "/metadata/annotations", json!({"kubernetes.io/config.mirror": "x"}));
    assert_ne!(file.reason, finding(&mirror, &mount_env()).reason, "each with its reason");
}

#[test]
fn an_update_is_not_swapped() {
    let review = update(&pod(), &pod_with_secret());
    assert!(send(&review, MUTATE, &mount_env()).patch().is_none());
}

#[test]
fn a_container_without_image_is_unsafe() {
    let mut pod = pod_with_secret();
    pod["spec"]["containers"][0].as_object_mut().unwrap().remove("image");
    assert_unsafe(&pod);
    assert_unsafe(&container("image", json!("")));
}

#[test]
fn what_is_unsafe_beside_what_is_safe_stays_alone() {
    let pod = env(json!([db_password(), secret_env("TOKEN", "api", "token")]));
    let pod = with(pod, &format!("{API}/args"), json!(["$(DB_PASSWORD)"]));
    let after = swapped(&pod, &mount_env());
    let container = &after["spec"]["containers"][0];
    assert_eq!(container["env"][0], db_password());
    assert_eq!(container["env"][1]["name"], "TOKEN_FILE");
}

// Called again.

#[test]
fn a_swapped_pod_is_left_as_it_is() {
    let entries = json!([optional_env("A", "db", "a"), db_password(), secret_env("T", "api", "t")]);
    let init = json!([{"name": "init", "image": "i", "env": [db_password()]}]);
    let pod = with(env(entries), "/spec/initContainers", init);
    let once = swapped(&pod, &mount_env());
    assert!(!swaps(&once, &mount_env()));
}

#[test]
fn reinvoked_with_more_in_the_same_container_points_its_mount_at_a_new_volume() {
    let once = swapped(&pod_with_secret(), &mount_env());
    let more = with(once.clone(), &format!("{API}/env/-"), secret_env("TOKEN", "api", "token"));
    let twice = swapped(&more, &mount_env());
    assert_eq!(own_volumes(&twice).len(), 1, "the one that no container mounts any more is removed: {twice:#}");
    assert_ne!(own_volumes(&twice)[0]["name"], own_volumes(&once)[0]["name"]);
    let container = &twice["spec"]["containers"][0];
    assert_eq!(container["volumeMounts"].as_array().unwrap().len(), 1);
    let expected =
        [("/run/secretfence/api/token".to_owned(), false), ("/run/secretfence/db/password".to_owned(), false)];
    assert_eq!(files(&twice, container), expected);
    assert_files_are_there(&twice);
    assert!(admits(&mount_env(), &twice));
    let at_once = swapped(&env(json!([db_password(), secret_env("TOKEN", "api", "token")])), &mount_env());
    assert_eq!(twice["spec"], at_once["spec"], "as if it had come at once");
}

#[test]
fn reinvoked_with_a_new_sidecar_keeps_what_is_there() {
    let once = swapped(&pod_with_secret(), &mount_env());
    let same = json!({"name": "proxy", "image": "p", "env": [db_password()]});
    let twice = swapped(&with(once.clone(), "/spec/containers/-", same), &mount_env());
    assert_eq!(twice["spec"]["containers"][0], once["spec"]["containers"][0]);
    assert_eq!(own_volumes(&twice).len(), 1, "shared: {twice:#}");
    let other = json!({"name": "proxy", "image": "p", "env": [secret_env("TOKEN", "api", "token")]});
    let twice = swapped(&with(once.clone(), "/spec/containers/-", other), &mount_env());
    assert_eq!(twice["spec"]["containers"][0], once["spec"]["containers"][0]);
    assert_eq!(own_volumes(&twice).len(), 2);
    assert_files_are_there(&twice);
}

#[test]
fn reinvoked_keeps_a_volume_that_another_container_still_mounts() {
    let pod = with(pod_with_secret(), "/spec/containers/-", json!({"name": "b", "image": "b", "env": [db_password()]}));
    let once = swapped(&pod, &mount_env());
    let more = with(once.clone(), &format!("{API}/env/-"), secret_env("TOKEN", "api", "token"));
    let twice = swapped(&more, &mount_env());
    assert_eq!(own_volumes(&twice).len(), 2);
    assert_eq!(twice["spec"]["containers"][1], once["spec"]["containers"][1]);
    assert_files_are_there(&twice);
}

#[test]
fn reinvoked_annotations_tell_of_both_calls() {
    let once = swapped(&pod_with_secret(), &mount_env());
    let more = with(once, &format!("{API}/env/-"), secret_env("TOKEN", "api", "token"));
    let twice = swapped(&more, &mount_env());
    let note = twice["metadata"]["annotations"]["secretfence.dev/swapped"].as_str().unwrap();
    assert!(note.contains("DB_PASSWORD") && note.contains("TOKEN"), "{note}");
}

#[test]
fn a_service_account_token_that_comes_between_is_no_obstacle() {
    let token = json!([{"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}]);
    let pod =
        with(pod_with_secret(), "/spec/volumes", json!([{"name": "kube-api-access", "projected": {"sources": []}}]));
    assert_safe(&with(pod, &format!("{API}/volumeMounts"), token));
}

#[test]
fn an_offline_patch_is_that_of_the_webhook() {
    let offline: Value = serde_json::from_slice(&judge(&pod_with_secret(), &mount_env()).patch).unwrap();
    assert_eq!(Some(offline), mutate(&pod_with_secret(), &mount_env()).patch());
}

// Will the program still work?

#[test]
fn tells_which_of_the_three_holds() {
    let postgres =
        with(env(json!([secret_env("POSTGRES_PASSWORD", "db", "p")])), &format!("{API}/image"), json!("postgres:16"));
    assert_eq!(finding(&postgres, &mount_env()).reads, Some("files"));
    let told = with(postgres.clone(), &format!("{API}/command"), json!(["/bin/sh", "-c", "exec x"]));
    assert_eq!(finding(&told, &mount_env()).reads, Some("mustBeTold"));
    assert_eq!(finding(&pod_with_secret(), &mount_env()).reads, Some("mustBeTold"));
    assert_eq!(finding(&container("args", json!(["$(DB_PASSWORD)"])), &mount_env()).reads, Some("unsafe"));
}

// What the API server would refuse is not made into something that it accepts.

#[test]
fn an_entry_with_another_source_beside_the_secret_is_unsafe() {
    for (member, source) in [
        ("configMapKeyRef", json!({"name": "c", "key": "k"})),
        ("fieldRef", json!({"fieldPath": "metadata.uid"})),
        ("resourceFieldRef", json!({"resource": "limits.cpu"})),
        ("fileKeyRef", json!({"volumeName": "v", "path": "p", "key": "k"})),
        ("vaultKeyRef", json!({"path": "p"})),
    ] {
        assert_unsafe(&env(json!([with(db_password(), &format!("/valueFrom/{member}"), source)])));
        assert_safe(&env(json!([with(db_password(), &format!("/valueFrom/{member}"), Value::Null)])));
    }
    let policies = mount_with("{keys: {db: [PASSWORD]}}");
    let both = with(pod_with_env_from(), &format!("{API}/envFrom/0/configMapRef"), json!({"name": "c"}));
    assert_unsafe_under(&both, &policies);
    let unknown = with(pod_with_env_from(), &format!("{API}/envFrom/0/vaultRef"), json!({"path": "p"}));
    assert_unsafe_under(&unknown, &policies);
}

#[test]
fn an_entry_with_a_value_beside_the_secret_is_unsafe() {
    assert_unsafe(&env(json!([with(db_password(), "/value", json!("x"))])));
    assert_safe(&env(json!([with(db_password(), "/value", json!(""))])));
}

#[test]
fn an_entry_without_a_name_is_unsafe() {
    assert_unsafe(&env(json!([secret_env("", "db", "password")])));
    assert_unsafe_under(&env(json!([secret_env("", "db", "password")])), &mount_with("{variable: ''}"));
}

#[test]
fn a_new_variable_that_not_every_api_server_accepts_is_unsafe() {
    assert_unsafe_under(&env(json!([secret_env("A", "db", "1pass")])), &mount_with("{variable: '{key}'}"));
    assert_unsafe_under(&pod_with_env_from(), &mount_with("{keys: {db: ['1pass']}}"));
}

#[test]
fn two_rules_whose_paths_lie_in_one_another_are_unsafe_in_one_container() {
    let mounts = |first: &str, second: &str| {
        rules(&[
            &format!("{{name: a, on: [env], where: {{secrets: [db]}}, action: mount, mount: {{path: {first}}}}}"),
            &format!("{{name: b, on: [env], action: mount, mount: {{path: {second}}}}}"),
        ])
    };
    let pod = env(json!([db_password(), secret_env("TOKEN", "api", "token")]));
    assert_unsafe_under(&pod, &mounts("/files", "/files/sub"));
    let after = swapped(&pod, &mounts("/files", "/other"));
    assert_eq!(after["spec"]["containers"][0]["volumeMounts"].as_array().unwrap().len(), 2);
}

#[test]
fn the_annotation_is_bounded() {
    let many: Vec<Value> =
        (0..2000).map(|index| secret_env(&format!("V{index}"), "db", &format!("k{index}"))).collect();
    let after = swapped(&env(json!(many)), &mount_env());
    let note = after["metadata"]["annotations"]["secretfence.dev/swapped"].as_str().unwrap();
    assert!(note.len() <= 8192, "{}", note.len());
}

#[test]
fn annotations_stay_within_what_the_api_server_accepts() {
    let limit = 256 * 1024;
    let full = with(pod_with_secret(), "/metadata/annotations", json!({"a": "x".repeat(limit - 1)}));
    let after = swapped(&full, &mount_env());
    let annotations = after["metadata"]["annotations"].as_object().unwrap();
    let size: usize = annotations.iter().map(|(key, value)| key.len() + value.as_str().unwrap().len()).sum();
    assert!(size <= limit, "{size}");
}

// What a first review found.

#[test]
fn a_name_that_kubernetes_sets_for_a_service_is_unsafe() {
    let named = |name: &str| with(pod_with_secret(), "/spec/containers/0/env/0/name", json!(name));
    for name in [
        "DB_PORT",
        "DB_SERVICE_HOST",
        "DB_SERVICE_PORT",
        "DB_SERVICE_PORT_SQL",
        "DB_PORT_5432_TCP",
        "DB_PORT_5432_TCP_ADDR",
    ] {
        assert_unsafe(&named(name));
        assert_safe(&with(named(name), "/spec/enableServiceLinks", json!(false)));
    }
    for name in ["DB_PORTS", "PORT", "db_port", "DB_PORT_NUMBER", "DB_HOST", "DB_PORT_5432_HTTP"] {
        assert_safe(&named(name));
    }
    let always = with(named("KUBERNETES_SERVICE_HOST"), "/spec/enableServiceLinks", json!(false));
    assert_unsafe(&always);
}

#[test]
fn a_new_variable_that_kubernetes_sets_for_a_service_is_unsafe() {
    assert_unsafe_under(&pod_with_secret(), &mount_with("{variable: \"{name}_PORT\"}"));
}

#[test]
fn a_termination_message_below_the_target_is_unsafe() {
    let at = |path: &str| with(pod_with_secret(), "/spec/containers/0/terminationMessagePath", json!(path));
    assert_unsafe(&at("/run/secretfence/db/log"));
    assert_safe(&at("/dev/termination-log"));
}

#[test]
fn options_that_only_windows_has_are_windows() {
    assert_unsafe(&with(pod_with_secret(), "/spec/securityContext", json!({"windowsOptions": {}})));
    assert_unsafe(&with(pod_with_secret(), "/spec/containers/0/securityContext", json!({"windowsOptions": {}})));
    assert_safe(&with(pod_with_secret(), "/spec/securityContext", json!({"windowsOptions": null})));
}

#[test]
fn a_second_call_widens_no_mode_that_a_rule_gave() {
    let policies = rules(&[
        "{name: hot, on: [env], where: {secrets: [db]}, action: mount, mount: {fileMode: \"0440\"}}",
        "{name: files, on: [env], action: mount}",
    ]);
    let first = swapped(&pod_with_secret(), &policies);
    let more = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "other", "key": "token"}}});
    let again = swapped(&with(first, "/spec/containers/0/env/-", more), &policies);
    let modes: Vec<_> = own_volumes(&again).iter().map(|its| its["projected"]["defaultMode"].clone()).collect();
    assert_eq!(modes, [0o440]);
}

#[test]
fn a_mount_of_ours_at_another_spelling_of_the_path_is_in_the_way() {
    let policies = |path: &str| mount_with(&format!("{{path: {path}}}"));
    let first = swapped(&pod_with_secret(), &policies("/var/run/sf"));
    let more = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "db", "key": "token"}}});
    let pod = with(first, "/spec/containers/0/env/-", more);
    assert_unsafe_under(&pod, &policies("/run/sf"));
    assert_safe_under(&pod, &policies("/var/run/sf"));
}

#[test]
fn a_volume_of_ours_whose_secret_was_renamed_is_told_from_other_mounts() {
    let policies = mount_with("{}");
    let renamed = with(
        swapped(&pod_with_secret(), &policies),
        "/spec/volumes/0/projected/sources/0/secret/name",
        json!("prod-db"),
    );
    let more = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "prod-db", "key": "token"}}});
    let pod = with(renamed, "/spec/containers/0/env/-", more);
    let reason = |pod: &Value| judge(pod, &policies).findings.into_iter().find_map(|finding| finding.reason).unwrap();
    let said = reason(&pod);
    assert!(said.contains("other Secrets than it was made for") && said.contains("at /run/secretfence"), "{said}");
    // A volume of another name, or at another place, is somebody else's.
    for (pointer, value) in [("name", json!("certificates")), ("mountPath", json!("/run")), ("readOnly", json!(false))]
    {
        let other = with(pod.clone(), &format!("/spec/containers/0/volumeMounts/0/{pointer}"), value);
        assert!(reason(&other).contains("is mounted at, above or below"), "{pointer}");
    }
}
