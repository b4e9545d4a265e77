//! Secrets and ConfigMaps of manifests: `check` looks at them, the webhook does not.

use secretfence::fence::{Evaluation, Outcome, PolicySet, Question, evaluate};
use serde_json::{Value, json};

use crate::formats::{Dice, ROWS};
use crate::places::{denies, findings};
use crate::support::{facts, rules, validate};

fn secret(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "labels": {"team": "shop"}}, "stringData": data})
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data})
}

fn pointers(object: &Value, policies: &PolicySet) -> Vec<(String, Outcome)> {
    findings(object, policies).into_iter().map(|finding| (finding.pointer, finding.outcome)).collect()
}

fn denied(object: &Value, rule: &str) -> bool {
    pointers(object, &rules(&[rule])).iter().any(|(_, outcome)| *outcome == Outcome::Denied)
}

#[test]
fn every_format_is_found_in_a_config_map_and_its_look_alike_is_not() {
    let policies = denies();
    for (index, row) in ROWS.iter().enumerate() {
        let (credential, look_alike) = (row.make)(&mut Dice::new(index as u64 + 77));
        let key = row.variable.unwrap_or("settings.conf");
        let found = findings(&config_map(json!({"a": "b", key: credential})), &policies);
        assert_eq!(found.len(), 1, "{}", row.format);
        assert_eq!((found[0].format.as_deref(), found[0].outcome), (Some(row.format), Outcome::Denied));
        assert_eq!((found[0].pointer.as_str(), found[0].key.as_deref()), (&*format!("/data/{key}"), Some(key)));
        let found = findings(&config_map(json!({"a": "b", key: look_alike})), &policies);
        assert!(found.iter().all(|finding| finding.guess), "{}", row.format);
    }
}

#[test]
fn every_format_is_found_in_binary_data_and_as_a_key_of_a_secret() {
    let policies = denies();
    for (index, row) in ROWS.iter().enumerate() {
        let (credential, look_alike) = (row.make)(&mut Dice::new(index as u64 + 177));
        let key = row.variable.unwrap_or("settings.conf");
        let encoded = |value: &str| base64_simd::STANDARD.encode_to_string(value);
        let binary = |value: &str| {
            let data = json!({"a": encoded("b"), key: encoded(value)});
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "binaryData": data})
        };
        let found = findings(&binary(&credential), &policies);
        assert_eq!(found.len(), 1, "{}", row.format);
        assert_eq!((found[0].format.as_deref(), found[0].outcome), (Some(row.format), Outcome::Denied));
        assert!(findings(&binary(&look_alike), &policies).is_empty(), "{}", row.format);
        // A Secret's value is one, whatever it looks like.
        let written = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
            "stringData": {key: credential}, "data": {key: encoded(&look_alike)}});
        let denied = |list: &str| (format!("/{list}/{key}"), Outcome::Denied);
        assert_eq!(pointers(&written, &policies), [denied("data"), denied("stringData")], "{}", row.format);
    }
}

#[test]
fn a_binary_value_that_is_text_is_read() {
    let (credential, _) = (ROWS[0].make)(&mut Dice::new(1));
    let encoded = base64_simd::STANDARD.encode_to_string(format!("x\n{credential}\n"));
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "binaryData": {"x": encoded, "y": "/w=="}});
    assert_eq!(pointers(&object, &denies()), [("/binaryData/x".to_owned(), Outcome::Denied)]);
}

#[test]
fn a_config_maps_key_is_guessed_by_its_name() {
    let guessed = pointers(
        &config_map(json!({"DB_PASSWORD": "correct-horse", "DB_USER": "shop", "PASSWORD_FILE": "/x"})),
        &denies(),
    );
    assert_eq!(guessed, [("/data/DB_PASSWORD".to_owned(), Outcome::Warned)]);
}

#[test]
fn a_secret_in_clear_is_found_key_by_key() {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"},
        "data": {"a": "aHVudGVyMg==", "empty": ""}, "stringData": {"b/c": "hunter2", "n": 1, "null": null}});
    let denied = |key: &str| (key.to_owned(), Outcome::Denied);
    assert_eq!(pointers(&object, &denies()), [denied("/data/a"), denied("/stringData/b~1c"), denied("/stringData/n")]);
    let message = &findings(&object, &denies())[0].message;
    assert!(
        message.starts_with("Secret \"db\" is written with its key \"a\" in clear (/data/a): keep it out"),
        "{message}"
    );
}

#[test]
fn what_is_encrypted_or_to_be_replaced_is_not_in_clear() {
    for value in [
        "",
        "  ",
        "${PASSWORD}",
        "$(PASSWORD)",
        "$PASSWORD",
        "{{ .Values.password }}",
        "<path:secret/data/db#password>",
        "<password>",
        "ref+vault://secret/data/db#/password",
        "vault:secret/data/db#password",
        "@@PASSWORD@@",
        "ENC[AES256_GCM,data:p673w==,iv:YY=,aad:UQ=,tag:A==,type:str]",
    ] {
        assert!(pointers(&secret(json!({"a": value})), &denies()).is_empty(), "{value}");
        let encoded = base64_simd::STANDARD.encode_to_string(value);
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": {"a": encoded}});
        assert!(pointers(&object, &denies()).is_empty(), "{value} in base64");
    }
    for value in ["hunter2", "prefix-${PASSWORD}", "changeme", "<a> and <b>"] {
        assert_eq!(pointers(&secret(json!({"a": value})), &denies()).len(), 1, "{value}");
    }
    let sealed = json!({"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": {"name": "db"}, "spec": {"encryptedData": {"a": "AgBy3i4OJSWK+PiTySYZZA=="}}});
    let question = Question {
        api_version: "bitnami.com/v1alpha1",
        kind: "SealedSecret",
        namespace: "shop",
        all: true,
        patch: false,
    };
    assert_eq!(
        evaluate(sealed.to_string().as_bytes(), &question, &denies(), &facts()).unwrap(),
        Evaluation::NotAWorkload
    );
}

#[test]
fn rules_select_secrets_by_name_key_and_namespace() {
    let object = secret(json!({"password": "hunter2"}));
    for (selects, fits) in [
        ("{secrets: [db]}", true),
        ("{secrets: [\"other-*\"]}", false),
        ("{keys: [pass*]}", true),
        ("{keys: [user*]}", false),
        ("{namespaces: [shop]}", true),
        ("{namespaces: [other]}", false),
        ("{variables: [\"*\"]}", false),
        ("{containers: [\"*\"]}", false),
    ] {
        assert_eq!(
            denied(&object, &format!("{{name: r, on: [rawSecret], where: {selects}, action: deny}}")),
            fits,
            "{selects}"
        );
    }
    let map = config_map(json!({"url": "amqp://shop:8fk2PQx0d@queue"}));
    assert!(denied(&map, "{name: r, on: [literal], where: {keys: [url]}, action: deny}"));
    assert!(!denied(&map, "{name: r, on: [literal], where: {keys: [other]}, action: deny}"));
    assert!(
        !denied(&map, "{name: r, on: [rawSecret], action: deny}")
            && !denied(&object, "{name: r, on: [literal], action: deny}")
    );
}

#[test]
fn match_and_exceptions_hold_for_them_too() {
    let object = secret(json!({"password": "hunter2"}));
    let with = |scope: &str, rules: &str| {
        let policies = crate::support::policies(&crate::support::policy("p", &format!("{scope}\nrules:\n{rules}")));
        pointers(&object, &policies).len()
    };
    let deny = "- {name: d, on: [rawSecret], action: deny}";
    assert_eq!(with("match: {kinds: [Secret]}", deny), 1);
    assert_eq!(with("match: {kinds: [Pod, ConfigMap]}", deny), 0);
    assert_eq!(with("match: {namespaces: [\"other-*\"]}", deny), 0);
    assert_eq!(with("match: {objectSelector: {matchLabels: {team: shop}}}", deny), 1);
    assert_eq!(with("match: {objectSelector: {matchLabels: {team: other}}}", deny), 0);
    assert_eq!(with("templates: ignore", deny), 1);
    let exception = |day| {
        format!(
            "- {{name: a, on: [rawSecret], where: {{secrets: [db]}}, action: allow, reason: T-1, expires: {day}}}\n{deny}"
        )
    };
    assert_eq!(with("", &exception("2026-11-21")), 0);
    assert_eq!(with("", &exception("2026-11-20")), 1);
}

#[test]
fn a_rule_on_any_is_about_credentials_in_pods_and_about_no_secret_of_a_manifest() {
    let any = "{name: r, on: [any], action: deny}";
    assert!(!denied(&secret(json!({"password": "hunter2"})), any));
    assert!(denied(&config_map(json!({"url": "amqp://shop:8fk2PQx0d@queue"})), any));
}

#[test]
fn the_webhook_says_nothing_of_them() {
    for object in [secret(json!({"password": "hunter2"})), config_map(json!({"password": "hunter2"}))] {
        let answer = validate(&object, &denies());
        assert!(answer.allowed() && answer.warnings().is_empty() && answer.annotations().is_empty());
    }
}

#[test]
fn a_secret_of_another_shape_is_an_error_with_its_place() {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": {"a": {"hunter2": "hunter2"}}});
    let question = Question { api_version: "v1", kind: "Secret", namespace: "shop", all: true, patch: false };
    let error = evaluate(object.to_string().as_bytes(), &question, &denies(), &facts()).unwrap_err();
    assert_eq!(error.to_string(), "/data/a: expected a string");
}

#[test]
fn the_built_in_baseline_does_not_look_for_credentials_and_the_shipped_example_does() {
    let policies = |yaml: &str| crate::support::policies(yaml);
    let token = (ROWS[0].make)(&mut Dice::new(7)).0;
    let key = ROWS[0].variable.unwrap_or("settings.conf");
    let object = config_map(json!({key: token}));
    assert!(pointers(&object, &policies(include_str!("../../policies/baseline.yaml"))).is_empty());
    let found = pointers(&object, &policies(include_str!("../../policies/examples/clear.yaml")));
    assert_eq!(found, [(format!("/data/{key}"), Outcome::Denied)]);
}
