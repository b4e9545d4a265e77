//! Every drift is one change away from what is shipped.

use base64_simd::STANDARD;
use serde_json::json;

use super::diagnosis::diagnose;
use super::selector::NAME_LABEL;
use super::*;

const TRUSTED: &str = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n";

/// As the manifests have it.
pub(super) fn wanted() -> Wanted {
    let service = ServiceAddress { namespace: "secretfence".to_owned(), name: "secretfence".to_owned(), port: 8443 };
    Wanted { breadth: Breadth::OptIn, service, is_managed: false }
}

fn of(breadth: Breadth) -> Wanted {
    Wanted { breadth, ..wanted() }
}

/// As it is applied, and trusts what serves.
fn applied(configuration: Configuration, breadth: Breadth) -> Value {
    repair::made(&shipped::configuration(configuration, &of(breadth)), TRUSTED)
}

fn trusts(bundle: &str) -> Option<Result<(), String>> {
    Some(if bundle == TRUSTED { Ok(()) } else { Err("its issuer is not trusted".to_owned()) })
}

fn drift_from(breadth: Breadth, configuration: Configuration, found: Option<&Value>) -> Vec<Drift> {
    diagnose(configuration, &shipped::configuration(configuration, &of(breadth)), found, &trusts)
}

/// What is wrong after this change of a webhook of the opt-in registration.
#[track_caller]
fn after(configuration: Configuration, index: usize, change: impl Fn(&mut Value)) -> Vec<Drift> {
    let mut found = applied(configuration, Breadth::OptIn);
    change(&mut found["webhooks"][index]);
    let drift = drift_from(Breadth::OptIn, configuration, Some(&found));
    // Whatever is found can be put right, but for what is trusted.
    let shipped = shipped::configuration(configuration, &wanted());
    if let Some(restored) = repair::restored(&drift, &shipped, &found, Some(TRUSTED)) {
        let left = drift_from(Breadth::OptIn, configuration, Some(&restored));
        assert!(left.iter().all(|drift| drift.problem == Problem::CaBundle), "{left:#?}\n{restored:#}");
        assert_eq!(repair::restored(&left, &shipped, &restored, Some(TRUSTED)), None, "once is enough");
    } else {
        assert!(drift.iter().all(|drift| drift.problem == Problem::CaBundle), "{drift:#?}");
    }
    drift
}

#[track_caller]
fn one(drift: &[Drift]) -> (Problem, &str, &str) {
    let [drift] = drift else { panic!("{drift:#?}") };
    (drift.problem, drift.field, &drift.found)
}

const VALIDATE: (Configuration, usize) = (Configuration::Validating, 0);
const MUTATE: (Configuration, usize) = (Configuration::Mutating, 0);
const MUTATE_DRY_RUN: (Configuration, usize) = (Configuration::Mutating, 1);

#[test]
fn what_is_shipped_has_no_drift() {
    for configuration in Configuration::ALL {
        for breadth in [Breadth::OptIn, Breadth::ClusterWide] {
            let found = applied(configuration, breadth);
            assert_eq!(drift_from(breadth, configuration, Some(&found)), []);
        }
        let cluster_wide = applied(configuration, Breadth::ClusterWide);
        assert_eq!(drift_from(Breadth::OptIn, configuration, Some(&cluster_wide)), [], "it asks about more");
    }
}

#[test]
fn opt_in_is_less_than_cluster_wide() {
    let opt_in = applied(Configuration::Validating, Breadth::OptIn);
    let drift = drift_from(Breadth::ClusterWide, Configuration::Validating, Some(&opt_in));
    let enforce = "secretfence.dev/mode in (enforce)";
    assert_eq!(one(&drift), (Problem::Narrowed, "namespaceSelector", enforce));
}

#[test]
fn what_the_api_server_fills_in_is_no_drift() {
    for (configuration, index) in [VALIDATE, MUTATE] {
        let drift = after(configuration, index, |webhook| {
            webhook["objectSelector"] = json!({});
            for field in ["matchPolicy", "scope"] {
                webhook.as_object_mut().unwrap().remove(field);
            }
        });
        assert_eq!(drift, []);
    }
    let (configuration, index) = VALIDATE;
    let drift = after(configuration, index, |webhook| drop(webhook.as_object_mut().unwrap().remove("failurePolicy")));
    assert_eq!(drift, [], "it is Fail where nothing is written");
}

#[test]
fn one_that_is_gone_is_missing() {
    let drift = drift_from(Breadth::OptIn, Configuration::Validating, None);
    assert_eq!(one(&drift), (Problem::Missing, "", ""));
    let said = "ValidatingWebhookConfiguration \"secretfence\" is missing: nothing is asked of this webhook";
    assert_eq!(drift[0].to_string(), said);
}

#[test]
fn a_webhook_that_is_gone_is_missing() {
    let mut found = applied(Configuration::Mutating, Breadth::OptIn);
    found["webhooks"].as_array_mut().unwrap().remove(0);
    let drift = drift_from(Breadth::OptIn, Configuration::Mutating, Some(&found));
    assert_eq!(one(&drift), (Problem::Missing, "", ""));
    assert_eq!(drift[0].webhook.as_deref(), Some("mutate.secretfence.dev"));
    let shipped = shipped::configuration(Configuration::Mutating, &wanted());
    // Made without anybody whom it trusts it would refuse everything.
    assert_eq!(repair::restored(&drift, &shipped, &found, None), None);
    let restored = repair::restored(&drift, &shipped, &found, Some(TRUSTED)).unwrap();
    assert_eq!(drift_from(Breadth::OptIn, Configuration::Mutating, Some(&restored)), []);
    found["webhooks"] = json!(null);
    assert_eq!(drift_from(Breadth::OptIn, Configuration::Mutating, Some(&found)).len(), 2);
}

#[test]
fn what_is_asked_about_no_more_is_narrowed() {
    let (configuration, index) = VALIDATE;
    let narrowed = |change: &dyn Fn(&mut Value)| {
        let drift = after(configuration, index, |webhook| change(webhook));
        let (problem, field, found) = one(&drift);
        assert_eq!((problem, field), (Problem::Narrowed, "rules"));
        found.to_owned()
    };
    let without = |text: &str| format!("without {text}");
    assert_eq!(
        narrowed(&|webhook| webhook["rules"][0]["operations"] = json!(["CREATE"])),
        without("UPDATE pods, UPDATE podtemplates, UPDATE replicationcontrollers")
    );
    assert_eq!(
        narrowed(&|webhook| webhook["rules"][2]["resources"] = json!(["deployments", "replicasets", "statefulsets"])),
        without("CREATE apps/daemonsets, UPDATE apps/daemonsets")
    );
    assert_eq!(
        narrowed(&|webhook| drop(webhook["rules"].as_array_mut().unwrap().remove(1))),
        without("UPDATE pods/ephemeralcontainers")
    );
    assert_eq!(
        narrowed(&|webhook| webhook["rules"][1]["scope"] = json!("Cluster")),
        without("UPDATE pods/ephemeralcontainers")
    );
    assert_eq!(
        narrowed(&|webhook| webhook["rules"][1]["apiVersions"] = json!(["v2"])),
        without("UPDATE pods/ephemeralcontainers")
    );
    let all = narrowed(&|webhook| webhook["rules"] = json!([]));
    assert!(all.ends_with(" (+11 more)"), "{all}");
}

#[test]
fn rules_that_ask_about_more_are_no_drift() {
    let (configuration, index) = VALIDATE;
    let everything = json!([
        {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"], "scope": "*"},
    ]);
    assert_eq!(after(configuration, index, |webhook| webhook["rules"] = everything.clone()), []);
    let split = json!([
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
        {"apiGroups": ["", "x"], "apiVersions": ["v1", "v2"], "operations": ["DELETE", "CREATE"], "resources": ["pods/*"]},
    ]);
    let (configuration, index) = MUTATE;
    assert_eq!(after(configuration, index, |webhook| webhook["rules"] = split.clone()), []);
}

#[test]
fn selectors_that_leave_out_more_are_narrowed() {
    for (configuration, index) in [VALIDATE, MUTATE, MUTATE_DRY_RUN] {
        let drift = after(configuration, index, |webhook| {
            webhook["namespaceSelector"] = json!({"matchLabels": {"team": "a"}});
        });
        assert_eq!(one(&drift), (Problem::Narrowed, "namespaceSelector", "team=a"));
        let drift = after(configuration, index, |webhook| {
            webhook["objectSelector"] = json!({"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]});
        });
        assert_eq!(one(&drift), (Problem::Narrowed, "objectSelector", "!skip"));
        // The list of names is of namespaces: whoever makes a pod writes that label as he likes.
        let names = json!([{"key": NAME_LABEL, "operator": "NotIn", "values": ["a"]}]);
        let drift =
            after(configuration, index, |webhook| webhook["objectSelector"] = json!({"matchExpressions": names}));
        assert_eq!(one(&drift), (Problem::Narrowed, "objectSelector", "kubernetes.io/metadata.name notin (a)"));
        let drift = after(configuration, index, |webhook| {
            webhook["matchConditions"] = json!([{"name": "few", "expression": "object.metadata.name != 'x'"}]);
        });
        assert_eq!(one(&drift), (Problem::Narrowed, "matchConditions", "\"few\""));
    }
}

#[test]
fn a_condition_that_is_shipped_is_known_by_what_it_says() {
    let (configuration, index) = VALIDATE;
    let drift = after(configuration, index, |webhook| {
        let words = webhook["matchConditions"][0]["expression"].as_str().unwrap().replace(' ', "\n  ");
        webhook["matchConditions"][0]["expression"] = json!(words);
    });
    assert_eq!(drift, []);
    let drift = after(configuration, index, |webhook| webhook["matchConditions"][0]["expression"] = json!("false"));
    assert_eq!(one(&drift), (Problem::Narrowed, "matchConditions", "\"made-or-changed-in-spec\""));
}

#[test]
fn the_list_of_namespaces_by_name_is_the_users() {
    let lists = |webhook: &mut Value| {
        let values = webhook["namespaceSelector"]["matchExpressions"][0]["values"].as_array_mut().unwrap();
        values.retain(|value| value != "trident");
        values.push(json!("our-storage"));
    };
    let (configuration, index) = VALIDATE;
    assert_eq!(after(configuration, index, lists), []);

    // And stays, when something else of the selector is put right.
    let mut found = applied(configuration, Breadth::OptIn);
    lists(&mut found["webhooks"][index]);
    let list = found["webhooks"][index]["namespaceSelector"]["matchExpressions"][0].clone();
    let also = json!({"key": "team", "operator": "Exists"});
    found["webhooks"][index]["namespaceSelector"]["matchExpressions"].as_array_mut().unwrap().push(also);
    let drift = drift_from(Breadth::OptIn, configuration, Some(&found));
    let shipped = shipped::configuration(configuration, &wanted());
    let restored = repair::restored(&drift, &shipped, &found, None).unwrap();
    let expressions = restored["webhooks"][index]["namespaceSelector"]["matchExpressions"].as_array().unwrap();
    assert_eq!((expressions.len(), &expressions[0]), (2, &list));
    assert_eq!(list["key"], NAME_LABEL);
    assert_eq!(drift_from(Breadth::OptIn, configuration, Some(&restored)), []);
}

#[test]
fn another_server_is_elsewhere() {
    let (configuration, index) = MUTATE;
    for (field, value) in
        [("name", json!("other")), ("namespace", json!("other")), ("path", json!("/validate")), ("port", json!(443))]
    {
        let drift = after(configuration, index, |webhook| webhook["clientConfig"]["service"][field] = value.clone());
        let (problem, at, found) = one(&drift);
        assert_eq!((problem, at), (Problem::Elsewhere, "clientConfig"), "{found}");
    }
    let drift = after(configuration, index, |webhook| {
        webhook["clientConfig"] = json!({"url": "https://user:hunter2@example.com/mutate"});
    });
    assert_eq!(one(&drift), (Problem::Elsewhere, "clientConfig", "a url"));
    assert!(!drift[0].to_string().contains("hunter2"));
    assert_eq!(drift[0].expected, "service secretfence/secretfence:8443/mutate");
}

#[test]
fn what_happens_without_an_answer_is_as_shipped_or_said() {
    let (configuration, index) = VALIDATE;
    let drift = after(configuration, index, |webhook| webhook["failurePolicy"] = json!("Ignore"));
    assert_eq!(one(&drift), (Problem::FailurePolicy, "failurePolicy", "Ignore"));
    for (configuration, index) in [MUTATE, MUTATE_DRY_RUN] {
        let drift = after(configuration, index, |webhook| webhook["failurePolicy"] = json!("Fail"));
        assert_eq!(one(&drift), (Problem::FailurePolicy, "failurePolicy", "Fail"));
        let drift = after(configuration, index, |webhook| drop(webhook["failurePolicy"].take()));
        assert_eq!(drift.len(), 1);
    }
}

#[test]
fn what_does_not_trust_the_certificate_that_serves_is_said_and_left_to_the_certificates() {
    let (configuration, index) = VALIDATE;
    let drift = after(configuration, index, |webhook| {
        webhook["clientConfig"]["caBundle"] = json!(STANDARD.encode_to_string("other"));
    });
    let why = "one by which its issuer is not trusted";
    assert_eq!(one(&drift), (Problem::CaBundle, "clientConfig.caBundle", why));
    let drift = after(configuration, index, |webhook| drop(webhook["clientConfig"]["caBundle"].take()));
    assert_eq!(one(&drift), (Problem::CaBundle, "clientConfig.caBundle", "empty"));
    // Before something serves there is nothing to be trusted.
    let shipped = shipped::configuration(configuration, &wanted());
    assert_eq!(diagnose(configuration, &shipped, Some(&shipped), &|_| None), []);
}

#[test]
fn less_time_is_said_and_more_is_not() {
    let (configuration, index) = VALIDATE;
    let drift = after(configuration, index, |webhook| webhook["timeoutSeconds"] = json!(4));
    assert_eq!(one(&drift), (Problem::Timeout, "timeoutSeconds", "4 s"));
    assert_eq!(after(configuration, index, |webhook| webhook["timeoutSeconds"] = json!(30)), []);
    let drift = after(configuration, index, |webhook| drop(webhook.as_object_mut().unwrap().remove("timeoutSeconds")));
    assert_eq!(drift, [], "it is ten seconds where nothing is written");
}

#[test]
fn other_settings_are_said() {
    for (field, value, (configuration, index)) in [
        ("matchPolicy", json!("Exact"), VALIDATE),
        ("sideEffects", json!("NoneOnDryRun"), VALIDATE),
        ("admissionReviewVersions", json!(["v1beta1"]), VALIDATE),
        ("reinvocationPolicy", json!("Never"), MUTATE),
    ] {
        let drift = after(configuration, index, |webhook| webhook[field] = value.clone());
        let (problem, at, _) = one(&drift);
        assert_eq!((problem, at), (Problem::Settings, field));
    }
    let drift =
        after(MUTATE.0, MUTATE.1, |webhook| drop(webhook.as_object_mut().unwrap().remove("reinvocationPolicy")));
    assert_eq!(one(&drift), (Problem::Settings, "reinvocationPolicy", "Never"));
}

#[test]
fn webhooks_of_others_and_what_others_wrote_stay() {
    let mut found = applied(Configuration::Validating, Breadth::OptIn);
    let other = json!({"name": "validate.example.com", "clientConfig": {"service": {"namespace": "a", "name": "b"}}});
    found["webhooks"].as_array_mut().unwrap().insert(0, other.clone());
    found["metadata"]["annotations"] = json!({"cert-manager.io/inject-ca-from": "secretfence/secretfence"});
    found["webhooks"][1]["aFieldOfTheFuture"] = json!(1);
    found["webhooks"][1]["failurePolicy"] = json!("Ignore");
    let drift = drift_from(Breadth::OptIn, Configuration::Validating, Some(&found));
    let shipped = shipped::configuration(Configuration::Validating, &wanted());
    let restored = repair::restored(&drift, &shipped, &found, None).unwrap();
    let mut expected = found.clone();
    expected["webhooks"][1]["failurePolicy"] = json!("Fail");
    assert_eq!(restored, expected);

    let renewed = repair::with_bundle(&shipped, &found, "new");
    assert_eq!(renewed["webhooks"][0], other);
    assert_eq!(bundles(&shipped, &renewed), ["new", "new"]);
    assert_eq!(renewed["metadata"], found["metadata"]);
}

#[test]
fn authorities_are_not_given_to_another_server() {
    let mut found = applied(Configuration::Validating, Breadth::OptIn);
    found["webhooks"][0]["clientConfig"] = json!({"url": "https://example.com"});
    let shipped = shipped::configuration(Configuration::Validating, &wanted());
    let renewed = repair::with_bundle(&shipped, &found, "new");
    assert_eq!(renewed["webhooks"][0], found["webhooks"][0]);
    assert_eq!(bundles(&shipped, &renewed), ["new"]);
}

#[test]
fn what_is_told_is_bounded_and_plain() {
    let (configuration, index) = VALIDATE;
    let drift = after(configuration, index, |webhook| {
        webhook["namespaceSelector"] = json!({"matchLabels": {"x".repeat(300): "\u{1b}[31m\u{202e}"}});
    });
    let said = drift[0].to_string();
    assert!(drift[0].found.len() <= 256 && said.is_ascii() && !said.contains('\u{1b}'), "{said}");
    // Everything at once.
    let mut found = applied(configuration, Breadth::OptIn);
    for webhook in found["webhooks"].as_array_mut().unwrap() {
        *webhook = json!({
            "name": webhook["name"], "clientConfig": {"service": {"namespace": "a", "name": "b"}}, "timeoutSeconds": 1,
            "objectSelector": {"matchLabels": {"a": "b"}}, "namespaceSelector": {"matchLabels": {"a": "b"}},
            "matchConditions": [{"name": "few", "expression": "false"}], "failurePolicy": "Never", "matchPolicy": "Exact",
        });
    }
    let drift = drift_from(Breadth::OptIn, configuration, Some(&found));
    assert_eq!(drift.len(), 2 * 11, "{drift:#?}");
    assert_eq!(drift, drift_from(Breadth::OptIn, configuration, Some(&found)));
}
