//! What a SARIF log has to be.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

/// By the schema of OASIS, as the package of the types has it; and by those types.
pub(crate) fn assert_valid(log: &Value) {
    let errors = errors(log);
    assert!(errors.is_empty(), "{errors:#?}");
    serde_json::from_value::<serde_sarif::sarif::Sarif>(log.clone()).unwrap();
}

pub(crate) fn errors(log: &Value) -> Vec<String> {
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
        let schema = std::fs::read_to_string(package("serde-sarif").join("src/schema.json")).unwrap();
        // A bracket too many, which makes a pattern none; nothing of ours has a language.
        let schema = schema.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}?$");
        let schema: Value = serde_json::from_str(&schema).unwrap();
        assert_eq!(schema["title"], "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema");
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    });
    SCHEMA.iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The folder of a package that the tests depend on.
fn package(name: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("what cargo knows of the package");
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let found = packages.find(|package| package["name"] == name).expect("a dependency");
    PathBuf::from(found["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}
