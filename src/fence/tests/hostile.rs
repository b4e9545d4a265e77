//! Arbitrary bytes, broken reviews, and pods made to be slow: no panic, no value told, no work that grows faster than
//! the body.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::generate::{HIDDEN, likely};
use super::{MUTATE, VALIDATE, ask, cases, facts, go_encoded, mutated, policies, review, rule};
use crate::fence::policy::PolicyDocument;
use crate::fence::{Endpoint, Evaluation, PolicySet, Question, answer, evaluate};

/// What one body of the sizes below may take in an unoptimised build on a busy machine. What is quadratic takes minutes.
const BOUND: Duration = Duration::from_secs(20);

fn anything() -> PolicySet {
    let rules = json!([
        {"name": "swap", "on": ["env"], "action": "mount", "mount": {"keys": {"*": ["a", "b"]}}},
        {"name": "rest", "on": ["any"], "action": "deny"},
    ]);
    policies([("policy".to_owned(), json!({"rules": rules}))])
}

/// Neither may panic, nor say a value in what it refuses with.
fn hear(body: &[u8], policies: &PolicySet) {
    for gate in [MUTATE, VALIDATE] {
        for dry_run in [false, true] {
            let said = match answer(body, Endpoint { dry_run, ..gate }, policies, &facts()) {
                Ok(answer) => format!("{:?} {}", answer.record, String::from_utf8(answer.body).unwrap()),
                Err(error) => error.to_string(),
            };
            assert!(!said.contains(HIDDEN), "{said}");
        }
    }
    for (api_version, kind) in [("v1", "Pod"), ("apps/v1", "Deployment"), ("batch/v1", "CronJob"), ("", "")] {
        let question = Question { api_version, kind, namespace: "shop", all: true, patch: true };
        if let Err(error) = evaluate(body, &question, policies, &facts()) {
            let said = format!("{error} {error:?}");
            assert!(!said.contains(HIDDEN), "{said}");
        }
    }
}

/// Puts something of another type in place of the value that is the `wanted`th, counted from the root.
fn mistake(value: &mut Value, at: &mut usize, wanted: usize, new: &[Value]) {
    if *at == wanted {
        // Where null stands, a name may stand, too: it would be shown.
        let name = |new: &Value| value.is_null() && new.is_string();
        let fits = |new: &&Value| std::mem::discriminant(*new) != std::mem::discriminant(value) && !name(new);
        *value = new.iter().find(fits).unwrap().clone();
    }
    *at += 1;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mistake(item, at, wanted, new)),
        Value::Object(members) => members.values_mut().for_each(|member| mistake(member, at, wanted, new)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn arbitrary_bytes_are_answered_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
        let policies = anything();
        hear(&body, &policies);
        hear(text.as_bytes(), &policies);
    }

    #[test]
    fn a_broken_review_is_answered_or_refused(
        pod in likely::pod(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..4, any::<u8>()), 1..4),
    ) {
        let policies = anything();
        let object = go_encoded(&pod);
        for mut body in [review("Pod", &object), object.into_bytes()] {
            for (at, what, byte) in &edits {
                let at = at.index(body.len() + 1).min(body.len().saturating_sub(1));
                match what {
                    0 => body.truncate(at),
                    1 => body.insert(at, *byte),
                    2 => drop(body.get_mut(at).map(|its| *its ^= 1 << (byte % 8))),
                    _ => body.splice(at..at, br#"","x":[{"y":null}],""#.iter().copied()).for_each(drop),
                }
                if body.is_empty() {
                    break;
                }
            }
            hear(&body, &policies);
        }
    }

    #[test]
    fn an_object_of_another_shape_is_refused_without_its_values(
        pod in likely::pod(),
        at in any::<prop::sample::Index>(),
        new in Just(vec![
            json!("s3cr3t, expected s3cr3t"), json!(["s3cr3t"]), json!([["s3cr3t"]]), json!({"a": "s3cr3t"}),
            json!(-1.5e300), json!(true), Value::Null,
        ]).prop_shuffle(),
        old in any::<bool>(),
    ) {
        let policies = anything();
        let mut body: Value = serde_json::from_slice(&review("Pod", &go_encoded(&pod))).unwrap();
        let mut count = 0;
        mistake(&mut body["request"]["object"], &mut count, usize::MAX, &new);
        mistake(&mut body["request"]["object"], &mut 0, at.index(count), &new);
        if old {
            body["request"]["oldObject"] = body["request"]["object"].clone();
            body["request"]["operation"] = json!("UPDATE");
        }
        hear(go_encoded(&body).as_bytes(), &policies);
        hear(go_encoded(&body["request"]["object"]).as_bytes(), &policies);
    }
}

#[test]
fn deep_nesting_is_answered_or_refused() {
    let policies = anything();
    for (open, close) in [("[", "]"), (r#"{"spec":"#, "}"), (r#"{"containers":[{"env":["#, "]}]}")] {
        for depth in [100, 1_000, 50_000] {
            for end in [close, ""] {
                let deep = format!("{}1{}", open.repeat(depth), end.repeat(depth));
                hear(deep.as_bytes(), &policies);
                hear(&review("Pod", &deep), &policies);
                hear(&review("Pod", &format!(r#"{{"spec":{{"unknown":{deep}}}}}"#)), &policies);
                hear(
                    &review(
                        "Pod",
                        &format!(r#"{{"spec":{{"containers":[{{"env":[{{"valueFrom":{{"newRef":{deep}}}}}]}}]}}}}"#),
                    ),
                    &policies,
                );
                hear(&review("Node", &deep), &policies);
            }
        }
    }
}

/// Asks everything there is to ask of an object, and tells how long the slowest answer took.
fn slowest(object: &str, kind: (&str, &str, &str), policies: &PolicySet) -> (&'static str, Duration) {
    let (group, version, kind) = kind;
    let body = |operation: &str, old: &str| {
        format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u-1","kind":
            {{"group":"{group}","version":"{version}","kind":"{kind}"}},"operation":"{operation}","namespace":"shop",
            "object":{object},"oldObject":{old}}}}}"#
        )
    };
    let mut slowest = ("", Duration::ZERO);
    let mut time = |what, ask: &dyn Fn()| {
        let start = Instant::now();
        ask();
        let took = start.elapsed();
        if took > slowest.1 {
            slowest = (what, took);
        }
    };
    let (create, update) = (body("CREATE", "null"), body("UPDATE", object));
    time("mutate", &|| drop(answer(create.as_bytes(), MUTATE, policies, &facts()).unwrap()));
    time("validate a creation", &|| drop(answer(create.as_bytes(), VALIDATE, policies, &facts()).unwrap()));
    time("validate an update", &|| drop(answer(update.as_bytes(), VALIDATE, policies, &facts()).unwrap()));
    time("evaluate", &|| {
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let question = Question { api_version: &api_version, kind, namespace: "shop", all: true, patch: true };
        assert!(matches!(evaluate(object.as_bytes(), &question, policies, &facts()), Ok(Evaluation::Judged(_))));
    });
    slowest
}

fn assert_fast(name: &str, object: &str, policies: &PolicySet) {
    assert_fast_as(("", "v1", "Pod"), name, object, policies);
}

fn assert_fast_as(kind: (&str, &str, &str), name: &str, object: &str, policies: &PolicySet) {
    let (what, took) = slowest(object, kind, policies);
    // Shown with --nocapture.
    println!("{name}: {} KiB, slowest: {what}, {} ms", object.len() / 1024, took.as_millis());
    assert!(took < BOUND, "{name}: {what} took {took:?}");
}

fn repeated(count: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for index in 0..count {
        if index > 0 {
            text.push(',');
        }
        let _ = write!(text, "{}", item(index));
    }
    text
}

fn take(name: &str, secret: &str, key: &str) -> String {
    format!(r#"{{"name":"{name}","valueFrom":{{"secretKeyRef":{{"name":"{secret}","key":"{key}"}}}}}}"#)
}

fn pod_of(containers: &str, rest: &str) -> String {
    format!(r#"{{"spec":{{"containers":[{containers}]{rest}}}}}"#)
}

fn container_of(env: &str, rest: &str) -> String {
    format!(r#"{{"name":"c","image":"shop/api","env":[{env}]{rest}}}"#)
}

fn mounting() -> PolicySet {
    rule(&["env"], "mount", json!({"keys": {"*": ["a", "b"]}}))
}

#[test]
fn many_containers_are_judged_in_time() {
    let containers = repeated(10_000, |index| {
        let env = repeated(4, |entry| take(&format!("VARIABLE_{entry}"), &format!("secret-{index}"), "a"));
        format!(r#"{{"name":"c-{index}","image":"shop/api","env":[{env}]}}"#)
    });
    assert_fast("many containers", &pod_of(&containers, ""), &mounting());
    let refused = repeated(10_000, |index| {
        let env = repeated(4, |entry| take(&format!("VARIABLE_{entry}"), &format!("secret-{index}"), "a"));
        format!(r#"{{"name":"c-{index}","image":"shop/api","args":["VARIABLE_1"],"env":[{env}]}}"#)
    });
    assert_fast("many containers that cannot be swapped", &pod_of(&refused, ""), &mounting());
}

#[test]
fn many_entries_are_judged_in_time() {
    for (name, env) in [
        ("entries of one name", repeated(40_000, |index| take("A", "db", &format!("k{index}")))),
        ("entries of many names", repeated(40_000, |index| take(&format!("V{index}"), "db", &format!("k{index}")))),
        ("entries of odd names", repeated(40_000, |index| take(&format!("/{index}/é.{index}/"), "db", "a"))),
        ("entries of names without a word", repeated(40_000, |index| take(&"/".repeat(index % 60), "db", "a"))),
        (
            "entries that name one another",
            repeated(40_000, |index| take(&format!("A{}", "_FILE".repeat(index % 9)), "db", "a")),
        ),
        (
            "entries of one new name",
            repeated(40_000, |index| take(&format!("V{}", index % 20_000), "db", &format!("k{}", index % 7))),
        ),
    ] {
        let args = format!(r#","args":["{}"]"#, "x y z é / ".repeat(100_000));
        assert_fast(name, &pod_of(&container_of(&env, &args), ""), &mounting());
    }
}

#[test]
fn many_expansions_are_judged_in_time() {
    let env = repeated(20_000, |index| take(&format!("V{index}"), "db", "a"));
    let unclosed = "$(".repeat(1_000_000);
    let unlike = (0..400_000).fold(String::new(), |text, index| text + "$(W" + &(index % 1_000).to_string() + ")");
    let alike = "$(W)".repeat(600_000);
    for (name, text) in [("unclosed", unclosed), ("of many names", unlike), ("of one name", alike)] {
        let args = format!(r#","args":["{text}"]"#);
        assert_fast(&format!("expansions {name}"), &pod_of(&container_of(&env, &args), ""), &mounting());
    }
    let words = format!(r#","args":[{}]"#, repeated(300_000, |_| "\"$(W)\"".to_owned()));
    assert_fast("expansions in many words", &pod_of(&container_of(&env, &words), ""), &mounting());
    let values = repeated(40_000, |index| {
        if index % 2 == 0 {
            take(&format!("V{index}"), "db", "a")
        } else {
            format!(r#"{{"name":"X{index}","value":"$(W{index})"}}"#)
        }
    });
    assert_fast("expansions in values", &pod_of(&container_of(&values, ""), ""), &mounting());
}

#[test]
fn many_sources_of_whole_secrets_are_judged_in_time() {
    let same = repeated(60_000, |_| r#"{"secretRef":{"name":"db"}}"#.to_owned());
    let other = repeated(40_000, |index| format!(r#"{{"prefix":"P{index}_","secretRef":{{"name":"db{index}"}}}}"#));
    for (name, sources) in [("one Secret many times", same), ("many Secrets", other)] {
        let rest = format!(r#","envFrom":[{sources}]"#);
        assert_fast(name, &pod_of(&container_of("", &rest), ""), &mounting());
    }
}

#[test]
fn many_volumes_of_names_that_we_want_are_judged_in_time() {
    let containers = repeated(6_000, |index| {
        format!(r#"{{"name":"c-{index}","image":"x","env":[{}]}}"#, take("A", &format!("s-{index}"), "a"))
    });
    let pod: Value = serde_json::from_str(&pod_of(&containers, "")).unwrap();
    let after = mutated(&pod, &mounting()).unwrap();
    let volumes = after["spec"]["volumes"].as_array().unwrap();
    let taken = repeated(volumes.len(), |index| format!(r#"{{"name":{},"emptyDir":{{}}}}"#, volumes[index]["name"]));
    assert_fast("names that are taken", &pod_of(&containers, &format!(r#","volumes":[{taken}]"#)), &mounting());
}

/// A pod that was swapped before: one volume of ours with many files, and who mounts it.
fn swapped_with(files: usize) -> Value {
    let env = repeated(files, |index| take(&format!("V{index}"), "db", &format!("k{index}")));
    let pod: Value = serde_json::from_str(&pod_of(&container_of(&env, ""), "")).unwrap();
    let mut after = mutated(&pod, &mounting()).unwrap();
    after["spec"]["containers"][0]["env"] = Value::Null;
    after
}

#[test]
fn many_mounts_of_one_big_volume_of_ours_are_judged_in_time() {
    let big = swapped_with(10_000);
    let mount = big["spec"]["containers"][0]["volumeMounts"].clone();

    // Each takes one file more: all of them together would be more than any pod can hold.
    let mut pod = big.clone();
    let containers = pod["spec"]["containers"].as_array_mut().unwrap();
    for index in 0..5_000 {
        let entry: Value = serde_json::from_str(&take("A", &format!("s-{index}"), "a")).unwrap();
        containers.push(json!({"name": format!("c-{index}"), "image": "x", "env": [entry], "volumeMounts": mount}));
    }
    assert_fast("a big volume that many would change", &pod.to_string(), &mounting());

    // Nothing new but in one container.
    let mut pod = big.clone();
    let containers = pod["spec"]["containers"].as_array_mut().unwrap();
    for index in 0..20_000 {
        containers.push(json!({"name": format!("c-{index}"), "image": "x", "volumeMounts": mount}));
    }
    let entry: Value = serde_json::from_str(&take("A", "s", "a")).unwrap();
    containers.push(json!({"name": "last", "image": "x", "env": [entry]}));
    assert_fast("a big volume that many mount", &pod.to_string(), &mounting());

    let mut pod = big;
    let entry: Value = serde_json::from_str(&take("A", "s", "a")).unwrap();
    let container = &mut pod["spec"]["containers"][0];
    container["env"] = json!([entry]);
    container["volumeMounts"] = Value::Array(vec![mount[0].clone(); 50_000]);
    assert_fast("a volume that one mounts many times", &pod.to_string(), &mounting());
}

#[test]
fn long_names_are_judged_in_time() {
    let long = "a".repeat(2_000_000);
    let env = repeated(20_000, |index| take(&format!("V{index}"), "db", "a"));
    let policies = policies([(
        "policy".to_owned(),
        json!({"rules": [
            {"name": "a", "on": ["env"], "where": {"containers": ["*a*b*a*c*"]}, "action": "warn"},
            {"name": "b", "on": ["env"], "where": {"images": ["*a*b*a*c*"]}, "action": "warn"},
            {"name": "c", "on": ["env"], "action": "deny"},
        ]}),
    )]);
    let named = format!(r#"{{"name":"{long}","image":"x","env":[{env}]}}"#);
    assert_fast("a container of a long name", &pod_of(&named, ""), &policies);
    let imaged = format!(r#"{{"name":"c","image":"{long}","env":[{env}]}}"#);
    assert_fast("a container of a long image", &pod_of(&imaged, ""), &policies);
    let object = format!(r#"{{"metadata":{{"name":"{long}"}},"spec":{{"containers":[{}]}}}}"#, container_of(&env, ""));
    assert_fast("a pod of a long name", &object, &policies);
    let variable = take(&"é".repeat(1_000_000), &long, &long);
    assert_fast("a variable of a long name", &pod_of(&container_of(&variable, ""), ""), &mounting());
}

#[test]
fn many_templates_below_a_long_member_are_judged_in_time() {
    let table = json!({
        "apiVersion": "secretfence.dev/v1alpha1", "kind": "PodTemplates", "metadata": {"name": "custom"},
        "spec": {"rows": [{"group": "example.com", "versions": ["v1"], "resource": "fleets", "kind": "Fleet",
            "paths": ["spec.groups[*].workers[*].template"]}]},
    });
    let policy = json!({
        "apiVersion": "secretfence.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "policy"},
        "spec": {"templates": "enforce", "rules": [{"name": "rule", "on": ["env"], "action": "deny"}]},
    });
    let documents = [table, policy].map(|value| PolicyDocument { source: 0, value });
    let policies = PolicySet::compile(&documents).unwrap();
    let workers = repeated(20_000, |_| {
        r#"{"template":{"spec":{"containers":[{"envFrom":[{"secretRef":{"name":"db"}}]}]}}}"#.to_owned()
    });
    let object =
        |length: usize| format!(r#"{{"spec":{{"groups":{{"{}":{{"workers":[{workers}]}}}}}}}}"#, "g".repeat(length));
    assert_fast_as(("example.com", "v1", "Fleet"), "many templates", &object(200), &policies);

    // Each template's pointer would repeat it.
    let body = review("Pod", &object(1_000_000));
    let body = String::from_utf8(body).unwrap().replacen(
        r#""group":"","version":"v1","kind":"Pod""#,
        r#""group":"example.com","version":"v1","kind":"Fleet""#,
        1,
    );
    let heard = ask(body.as_bytes(), VALIDATE, &policies);
    assert_eq!(heard.response["allowed"], false);
}
