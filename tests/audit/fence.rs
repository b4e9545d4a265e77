//! What is said of a namespace's fence, once somebody has changed what is registered.

use serde_json::{Value, json};

use crate::{Cluster, namespace, pod, program, registrations, shop, spec};

/// Namespaces of every label, with one clean pod each.
fn fenced(change: impl FnOnce(&mut [Value], &mut [Value])) -> Cluster {
    let [(mutating_list, mut mutating), (validating_list, mut validating)] = registrations("opt-in");
    let webhooks = |list: &mut Value| list[0]["webhooks"].as_array().unwrap().clone();
    let (mut mutates, mut validates) = (webhooks(&mut mutating), webhooks(&mut validating));
    change(&mut mutates, &mut validates);
    let without_null = |all: Vec<Value>| all.into_iter().filter(|webhook| !webhook.is_null()).collect::<Vec<_>>();
    mutating[0]["webhooks"] = json!(without_null(mutates));
    validating[0]["webhooks"] = json!(without_null(validates));
    let clean = spec("api", "api:1", &[]);
    Cluster::new([
        (mutating_list, mutating),
        (validating_list, validating),
        (
            "namespaces",
            json!([
                namespace("bare", None),
                namespace("dry", Some("dry-run")),
                namespace("kube-system", None),
                namespace("shop", Some("enforce"))
            ]),
        ),
        ("pods", json!(["bare", "dry", "kube-system", "shop"].map(|name| pod(name, "a", None, &clean)))),
    ])
}

/// The fences of `bare`, `dry` and `shop`.
fn fences(audit: &Value) -> [&str; 3] {
    let lines = audit["namespaces"].as_array().unwrap();
    let of = |name: &str| {
        let line = lines.iter().find(|line| line["name"] == name);
        line.unwrap_or_else(|| panic!("{name}: {audit:#}"))["fence"].as_str().unwrap()
    };
    ["bare", "dry", "shop"].map(of)
}

fn left_out(audit: &Value) -> Vec<&str> {
    audit["leftOut"].as_array().unwrap().iter().map(|its| its["namespace"].as_str().unwrap()).collect()
}

fn sentences(audit: &Value) -> Vec<&str> {
    audit["notJudged"].as_array().unwrap().iter().map(|its| its.as_str().unwrap()).collect()
}

#[test]
fn what_is_shipped_enforces() {
    let audit = fenced(|_, _| {}).json(&[]);
    assert_eq!(fences(&audit), ["open", "dryRun", "enforced"]);
    assert_eq!((left_out(&audit), sentences(&audit)), (vec!["kube-system"], Vec::new()));
}

#[test]
fn who_has_no_fence_is_named_with_a_label_that_says_so_and_one_that_nobody_knows() {
    let cluster = fenced(|_, _| {});
    cluster.api.change(|state| {
        let namespaces = state.lists.get_mut("namespaces").unwrap();
        let more = [("off", Some("off")), ("typo", Some("Enforce")), ("hostile", Some("\u{202e}<b>"))];
        namespaces.extend(more.map(|(name, mode)| namespace(name, mode)));
    });
    let text = cluster.audit(&[]);
    let odd = "the label secretfence.dev/mode";
    for line in [
        "\nwithout a fence: bare, hostile (\\u{202e}<b>), off (off), typo (Enforce)\n".to_owned(),
        format!("\nlabel: typo: {odd}=Enforce is none of enforce, dry-run and off, so there is no fence\n"),
        format!("\nlabel: hostile: {odd}=\\u{{202e}}<b> is none of "),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert_eq!(text.matches(odd).count(), 2, "{text}");
    let page = cluster.audit(&["--format", "html"]);
    assert!(page.contains(&format!("typo: {odd}=Enforce is none of enforce, dry-run and off, so there is no fence")));
    assert!(page.contains(&format!("hostile: {odd}=\\u{{202e}}&lt;b&gt; is none of")), "{page}");
}

#[test]
fn of_many_without_a_fence_twenty_are_named() {
    let cluster = fenced(|_, _| {});
    let more = (0..30).map(|number| namespace(&format!("team-{number:02}"), Some("Enforce")));
    cluster.api.change(|state| state.lists.get_mut("namespaces").unwrap().extend(more));
    let text = cluster.audit(&[]);
    assert!(text.contains(", team-18 (Enforce), and 11 more\n"), "{text}");
    assert_eq!(text.matches("label: team-").count(), 20, "{text}");
    assert!(text.contains("\nlabel: 10 more of such values\n"), "{text}");
}

#[test]
fn a_webhook_that_denies_and_is_not_asked_about_pods_leaves_the_namespace_open() {
    let audit = fenced(|_, validates| validates[0]["rules"].as_array_mut().unwrap().truncate(0)).json(&[]);
    assert_eq!(fences(&audit), ["open", "dryRun", "open"]);
    let [sentence] = sentences(&audit)[..] else { panic!("{audit:#}") };
    assert!(sentence.contains("misses: all, since its rules are without CREATE pods"), "{sentence}");
}

#[test]
fn a_webhook_that_some_pods_get_past_narrows_the_fence_and_nobody_is_told_twice() {
    for (field, value, why) in [
        ("objectSelector", json!({"matchLabels": {"team": "a"}}), "its objectSelector asks for team=a"),
        ("failurePolicy", json!("Ignore"), "its failurePolicy is Ignore"),
        ("matchConditions", json!([{"name": "no-one", "expression": "false"}]), "its matchConditions have \"no-one\""),
    ] {
        let cluster = fenced(|_, validates| validates[0][field] = value);
        let audit = cluster.json(&[]);
        assert_eq!(fences(&audit), ["open", "dryRun", "narrowed"], "{field}");
        let [sentence] = sentences(&audit)[..] else { panic!("{audit:#}") };
        assert!(sentence.contains(&format!("misses: some, since {why}")), "{sentence}");
        assert!(
            sentence
                .ends_with(": apply the shipped registrations again, or let serve keep them (--manage-registration)")
        );
    }
}

#[test]
fn webhooks_that_lead_to_two_places_are_a_fence_and_a_sentence() {
    let audit = fenced(|_, validates| validates[0]["clientConfig"]["service"]["namespace"] = json!("other")).json(&[]);
    assert_eq!(fences(&audit), ["open", "dryRun", "enforced"]);
    let [sentence] = sentences(&audit)[..] else { panic!("{audit:#}") };
    let places = "they lead to 2 places, other/secretfence (validate.secretfence.dev) and secretfence/secretfence (";
    assert!(sentence.starts_with(&format!("who answers our webhooks: {places}")), "{sentence}");
    assert_eq!(audit["errors"], json!([]));
}

#[test]
fn only_one_that_swaps_is_no_fence() {
    let audit = fenced(|_, validates| validates[0] = Value::Null).json(&[]);
    assert_eq!(fences(&audit), ["open", "dryRun", "open"]);
    let [sentence] = sentences(&audit)[..] else { panic!("{audit:#}") };
    assert!(
        sentence.starts_with("which pods webhook validate.secretfence.dev misses: all, since no Validating"),
        "{sentence}"
    );
    // Where both are there, and one of them leaves the namespace out.
    let audit =
        fenced(|_, validates| validates[0]["namespaceSelector"] = json!({"matchLabels": {"team": "a"}})).json(&[]);
    assert_eq!(fences(&audit), ["open", "dryRun", "open"]);
    let [sentence] = sentences(&audit)[..] else { panic!("{audit:#}") };
    assert!(
        sentence.starts_with("what should be denied in shop: nothing is, since the namespaceSelector of the"),
        "{sentence}"
    );
}

#[test]
fn without_one_that_swaps_the_fence_stands_and_denies_more_than_is_foretold() {
    let audit = fenced(|mutates, _| mutates[0] = Value::Null).json(&[]);
    assert_eq!(fences(&audit), ["open", "dryRun", "enforced"]);
    let [sentence] = sentences(&audit)[..] else { panic!("{audit:#}") };
    assert!(
        sentence.starts_with("which pods webhook mutate.secretfence.dev misses: all, since no Mutating"),
        "{sentence}"
    );
    let audit = fenced(|mutates, _| mutates[0]["namespaceSelector"] = json!({"matchLabels": {"team": "a"}})).json(&[]);
    assert_eq!(fences(&audit), ["open", "dryRun", "enforced"]);
    let [sentence] = sentences(&audit)[..] else { panic!("{audit:#}") };
    assert!(sentence.starts_with("what could be swapped in shop: all of it is denied, since the"), "{sentence}");
}

#[test]
fn a_label_of_ones_own_leaves_no_namespace_out_of_the_audit() {
    let of_team = |webhooks: &mut [Value]| {
        for webhook in webhooks {
            webhook["namespaceSelector"]["matchLabels"] = json!({"team": "a"});
        }
    };
    let cluster = fenced(|mutates, validates| {
        of_team(mutates);
        of_team(validates);
    });
    let audit = cluster.json(&[]);
    assert_eq!(fences(&audit), ["open"; 3]);
    assert_eq!(left_out(&audit), ["kube-system"], "by its name");
    assert_eq!(audit["summary"]["pods"], 3);
}

#[test]
fn sentences_name_a_few_namespaces_and_count_the_others() {
    let cluster = fenced(|mutates, _| mutates[0]["namespaceSelector"] = json!({"matchLabels": {"team": "a"}}));
    let all: Vec<Value> = (10..30).map(|index| namespace(&format!("n-{index}"), Some("enforce"))).collect();
    cluster.api.change(|state| drop(state.lists.insert("namespaces", all)));
    let audit = cluster.json(&[]);
    let [sentence] = sentences(&audit)[..] else { panic!("{audit:#}") };
    assert!(sentence.contains(" in n-10, n-11, n-12, n-13, n-14, n-15, n-16, n-17 (+12 more): "), "{sentence}");
}

#[test]
fn every_form_says_that_a_fence_is_narrowed() {
    let narrowed = |cluster: Cluster| {
        cluster.change(|state| {
            let list = state.lists.get_mut("validatingwebhookconfigurations").unwrap();
            list[0]["webhooks"][0]["objectSelector"] =
                json!({"matchExpressions": [{"key": "<hr>", "operator": "Exists"}]});
        })
    };
    // With findings and without.
    let (found, clean) = (narrowed(shop()), narrowed(fenced(|_, _| {})));
    let html = |cluster: &Cluster| {
        let output =
            program::command(cluster.folder.path(), &cluster.arguments(&["--format", "html"])).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = found.audit(&[]);
    assert!(text.lines().any(|line| line.starts_with("shop ") && line.contains("  enforce  narrowed ")), "{text}");
    assert!(text.contains("\nnot judged: which pods webhook validate.secretfence.dev of "), "{text}");
    let page = html(&found);
    assert!(
        page.contains("<td class=\"fence narrowed\">narrowed</td>") && !page.contains("<td class=\"fence enforced\">")
    );
    assert!(page.contains("its objectSelector asks for &lt;hr&gt;") && !page.contains("<hr>"));
    let text = clean.audit(&[]);
    let summary = "3 namespaces without findings, 1 of them without a fence, 1 of them with a narrowed one";
    assert!(text.contains(summary), "{text}");
    let page = html(&clean);
    assert!(page.contains(summary) && page.contains("<li>shop <span class=\"fence narrowed\">narrowed</span></li>"));
}
