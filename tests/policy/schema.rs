//! The JSON Schema: it takes what compiles, and refuses what does not as far as a schema can.

use std::sync::LazyLock;

use jsonschema::Validator;
use secretfence::cli::policy::schema::schema;
use secretfence::manifest;
use serde_json::{Value, json};

use super::VALID;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft7::new(&schema()).unwrap());

/// What only compiling finds, by words of the error: it takes more than one place of the file to see, or more than a
/// pattern says.
const BEYOND_A_SCHEMA: [(&str, &str); 4] = [
    ("is taken: every", "names and keys are compared with others of the file, or with other files"),
    ("there is another PodTemplates document", "documents are looked at one by one"),
    ("a kind of a PodTemplates row", "the kinds that a table names are in another document"),
    ("after \"spec\" stands something", "the grammar of a path to a pod template"),
];

/// Holds the schema to what compiling said of the same file. What is no YAML is for nobody to judge.
pub(super) fn hold(yaml: &str, error: Option<&str>) {
    let manifest = manifest::parse(yaml.as_bytes());
    if !manifest.errors.is_empty() {
        return;
    }
    let documents: Vec<Value> = manifest
        .documents
        .into_iter()
        .filter(|document| !document.is_empty())
        .map(|document| serde_json::from_slice(&document.with_words().json().unwrap()).unwrap())
        .collect();
    let refusals: Vec<String> =
        documents.iter().flat_map(|document| VALIDATOR.iter_errors(document)).map(|error| error.to_string()).collect();
    match error {
        None => assert!(refusals.is_empty(), "the schema refuses what compiles: {refusals:?}\n{yaml}"),
        Some(error) => {
            let beyond = error.lines().all(|line| BEYOND_A_SCHEMA.iter().any(|(words, _)| line.contains(words)));
            assert!(!refusals.is_empty() || beyond, "the schema takes what does not compile: {error}\n{yaml}");
        }
    }
}

fn refuses(document: &Value) -> bool {
    !VALIDATOR.is_valid(document)
}

#[test]
fn it_is_a_schema_of_draft_7() {
    assert_eq!(schema()["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn it_takes_every_shipped_file() {
    let mut count = 0;
    let files = walkdir::WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"));
    for file in files.into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file()) {
        hold(&std::fs::read_to_string(file.path()).unwrap(), None);
        count += 1;
    }
    assert!(count > 20, "{count}");
}

/// As people hover over them.
#[test]
fn every_field_and_every_value_of_a_choice_is_described() {
    fn walk(schema: &Value, at: &str, bare: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let at = format!("{at}/{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                bare.push(at.clone());
            }
            for choice in field["oneOf"].as_array().into_iter().flatten() {
                if choice.get("const").is_some() && choice["description"].as_str().is_none_or(str::is_empty) {
                    bare.push(format!("{at}={}", choice["const"]));
                }
            }
            walk(field, &at, bare);
            walk(&field["items"], &format!("{at}[]"), bare);
            walk(&field["additionalProperties"], &format!("{at}{{}}"), bare);
        }
    }
    let mut bare = Vec::new();
    let schema = schema();
    walk(&schema, "", &mut bare);
    for kind in schema["allOf"].as_array().unwrap() {
        assert!(kind["then"]["properties"]["spec"].is_object());
        walk(&kind["then"], "", &mut bare);
    }
    assert!(bare.is_empty(), "{bare:?}");
}

#[test]
fn it_knows_every_kind_and_group() {
    use secretfence::fence::Kind;
    use secretfence::fence::policy::file::Group;
    let names = Kind::ALL.into_iter().map(Kind::name).chain(Group::ALL.into_iter().map(Group::name));
    for name in names {
        let yaml = VALID.replace("[env]", &format!("[{name}]"));
        assert!(super::compile(&yaml).is_ok(), "{name}");
    }
}

/// One mistake each.
#[test]
fn it_refuses_a_test_that_cannot_be_one() {
    let case = json!({"name": "a", "object": {"kind": "Pod"}, "expect": []});
    let test = |case: Value| {
        json!({
            "apiVersion": "secretfence.dev/v1alpha1", "kind": "PolicyTest", "metadata": {"name": "a"},
            "spec": {"policies": ["a.yaml"], "cases": [case]},
        })
    };
    assert!(!refuses(&test(case.clone())));
    let but = |field: &str, value: Value| {
        let mut case = case.clone();
        case[field] = value;
        test(case)
    };
    let without = |field: &str| {
        let mut case = case.clone();
        case.as_object_mut().unwrap().remove(field);
        test(case)
    };
    let expected = |its: Value| but("expect", json!([its]));
    assert!(!refuses(&expected(json!({"pointer": "/a", "outcome": "denied", "kind": "envFrom", "reads": "unsafe"}))));
    for wrong in [
        without("object"),
        without("expect"),
        but("file", "pod.yaml".into()),
        but("object", "pod.yaml".into()),
        but("objekt", json!({})),
        expected(json!({"pointer": "/a"})),
        expected(json!({"pointer": "/a", "outcome": "deny"})),
        expected(json!({"pointer": "/a", "outcome": "denied", "kind": "env"})),
    ] {
        assert!(refuses(&wrong), "{wrong}");
    }
}
