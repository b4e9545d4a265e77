//! No part of a credential leaves the program: in no form of report, answer, record or `Debug`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;
use secretfence::cli::check::{Settings, check};
use secretfence::fence::{Question, answer, evaluate};
use secretfence::report;
use serde_json::{Value, json};

use crate::formats::{Dice, ROWS};
use crate::places::{denies, findings, places};
use crate::support::{ENDPOINTS, create, facts, rules, today};

/// Every six characters of the credential but those that another of its format has, too: what is the same for everybody is
/// no secret, and may be a word of ours.
struct Hidden(Vec<String>);

impl Hidden {
    fn of(credential: &str, another: &str) -> Hidden {
        let runs = |text: &str| -> BTreeSet<String> {
            let characters: Vec<char> = text.chars().collect();
            characters.windows(6).map(|run| run.iter().collect()).collect()
        };
        let hidden: Vec<String> = runs(credential).difference(&runs(another)).cloned().collect();
        assert!(hidden.len() > 5, "nothing to look for: {credential}");
        Hidden(hidden)
    }

    fn is_not_in(&self, shown: &str) {
        self.0.iter().for_each(|run| assert!(!shown.contains(run), "{run} in {shown}"));
    }
}

/// The same document in several layouts.
fn layouts(object: &Value) -> Vec<String> {
    let value = object.to_string();
    let pretty = serde_json::to_string_pretty(object).unwrap();
    vec![value.clone(), pretty, format!("# a comment\n{value} # another\n"), yaml(object)]
}

fn one(mut of: Vec<String>, seed: u64) -> String {
    of.swap_remove(seed as usize % of.len())
}

/// Block style, strings of several lines as block scalars.
fn yaml(object: &Value) -> String {
    fn write(value: &Value, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (key, value) in members {
                    out.push_str(&format!("\n{pad}{}:", json!(key)));
                    write(value, indent + 2, out);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for item in items {
                    out.push_str(&format!("\n{pad}-"));
                    write(item, indent + 2, out);
                }
            }
            Value::String(text) if text.contains('\n') => {
                out.push_str(" |-");
                for line in text.lines() {
                    out.push_str(&format!("\n{pad}{line}"));
                }
            }
            other => out.push_str(&format!(" {other}")),
        }
    }
    let mut out = String::from("---");
    write(object, 0, &mut out);
    out + "\n"
}

fn reports(source: &str, all: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("object.yaml");
    std::fs::write(&path, source).unwrap();
    let policies = rules(&["{name: clear, on: [clear, any], action: deny}"]);
    let settings = Settings {
        policies,
        paths: vec![path],
        namespace: "shop".to_owned(),
        today: today(),
        all,
        excerpts: true,
        cluster: None,
    };
    let report = check(&settings);
    let mut shown = Vec::new();
    report::text::write_findings(&report, &mut shown).unwrap();
    report::text::write_faults(&report, &mut shown).unwrap();
    report::text::write_summary(&report, &mut shown).unwrap();
    report::json::write(&report, &mut shown).unwrap();
    report::sarif::write(&report, 1, &mut shown).unwrap();
    report::junit::write(&report, &mut shown).unwrap();
    report::github::write(&report, &mut shown).unwrap();
    let shown = String::from_utf8(shown).unwrap() + &format!("{report:?}");
    assert!(report.faults.is_empty() && report.counts.denied > 0, "{shown}\n{source}");
    shown
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 6 } else { 100 }))]

    #[test]
    fn no_run_of_a_credential_is_in_any_output(seed in any::<u64>(), all in any::<bool>()) {
        for (index, row) in ROWS.iter().enumerate() {
            let make = |seed: u64| (row.make)(&mut Dice::new(seed)).0;
            let (credential, another) = (make(seed ^ index as u64), make(!seed));
            let hidden = Hidden::of(&credential, &another);
            let encoded = |text: &str| base64_simd::STANDARD.encode_to_string(text);
            let hidden_encoded = Hidden::of(&encoded(&credential), &encoded(&another));
            let mut objects = places(row.variable, &credential);
            let (object, _) = objects.swap_remove(seed as usize % objects.len());
            hidden.is_not_in(&reports(&one(layouts(&object), seed), all));
            hidden.is_not_in(&format!("{:?}", findings(&object, &denies())));
            for endpoint in ENDPOINTS {
                let review = create(&object).to_string();
                let answer = answer(review.as_bytes(), endpoint, &denies(), &facts()).unwrap();
                hidden.is_not_in(&String::from_utf8_lossy(&answer.body));
                hidden.is_not_in(&format!("{answer:?}"));
            }
            let key = row.variable.unwrap_or("settings");
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {key: credential}});
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {key: credential},
                "data": {"encoded": encoded(&credential)}});
            let layouts = layouts(&map).into_iter().chain(layouts(&secret)).collect();
            let shown = reports(&one(layouts, seed >> 8), all);
            hidden.is_not_in(&shown);
            hidden_encoded.is_not_in(&shown);
        }
    }
}

#[test]
fn an_error_beside_a_credential_does_not_show_it() {
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [
        {"name": "a", "args": ["--password=hunter2-hunter2"], "env": [{"name": "A", "value": {"hunter2-hunter2": 1}}]}]}});
    let question = Question { api_version: "v1", kind: "Pod", namespace: "shop", all: true, patch: true };
    let error = evaluate(object.to_string().as_bytes(), &question, &denies(), &facts()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}
