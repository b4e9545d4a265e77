//! Unit tests of policies as written: objects, what is known beside them, and what shall become of them.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::de::{self, Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::decode::decode_test;
use super::error::{Part, PolicyError, Problem};
use super::file::{Day, Metadata, Mode};
use crate::fence::kind::Kind;
use crate::fence::validation;

/// `kind: PolicyTest`: unit tests of policies. Everything but `policy test` passes it by.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyTest {
    /// Always `secretfence.dev/v1alpha1`.
    pub api_version: String,
    /// Always `PolicyTest`.
    pub kind: String,
    /// The name of the tests.
    pub metadata: Metadata,
    /// The tests.
    pub spec: PolicyTestSpec,
}

/// Unit tests of one policy set.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyTestSpec {
    /// The policy files, or directories of them, that are one policy set here. Relative to this file.
    pub policies: Vec<String>,
    /// The day on which exceptions are judged, in UTC: `2027-03-31`. Without it today, so that a test of an exception
    /// fails once that has ended.
    pub as_of: Option<Day>,
    /// Each with one object.
    pub cases: Vec<Case>,
}

/// One object, and what shall become of it.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What is tested, in a few words. Unique in its document.
    pub name: String,
    /// The object, as a manifest would hold it. This or `file`.
    pub object: Option<Map<String, Value>>,
    /// A manifest with one workload (or, without one, with one Secret or ConfigMap), relative to this file; what else is in
    /// it is known beside it. This or `object`.
    pub file: Option<String>,
    /// The namespace, where the object names none. Default `default`.
    pub namespace: Option<String>,
    /// What is known beside the object.
    pub facts: Option<CaseFacts>,
    /// What shall be found: every reference that is not simply allowed, once, in any order. One that is allowed may be
    /// named, too. `[]` is nothing but what is allowed.
    pub expect: Option<Vec<Expected>>,
    /// The object after the swap, whole: every field of it, and no other. The order of fields does not count. Only what
    /// enforcing policies swap is in it.
    pub patched: Option<Map<String, Value>>,
}

/// What is known beside an object.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseFacts {
    /// Objects of the cluster that rules ask for: Namespaces with labels, Secrets, roles and bindings,
    /// SecretProviderClasses.
    pub objects: Vec<Map<String, Value>>,
}

/// What shall become of one reference.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    /// Where it stands in the object: `/spec/containers/0/env/2`.
    pub pointer: String,
    /// What comes of it.
    pub outcome: ExpectedOutcome,
    /// The rule that decides: its name, or `policy/rule`. Not looked at where it is left out, and so with all below.
    pub rule: Option<String>,
    /// Whether the program will still work once it is a file.
    pub reads: Option<ExpectedReads>,
    /// The kind of reference, where one place has several.
    pub kind: Option<KindName>,
    /// Whether a policy decides that enforces, or one in dry run.
    pub mode: Option<Mode>,
}

/// What comes of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ExpectedOutcome {
    /// Let through.
    Allowed,
    /// Let through, and said.
    Warned,
    /// Replaced by a file.
    Swapped,
    /// Refused.
    Denied,
}

/// Whether the program will still work once the reference is a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ExpectedReads {
    /// The image is documented to read the file, and its own entrypoint runs.
    Files,
    /// Nothing is known.
    MustBeTold,
    /// It is not swapped.
    Unsafe,
}

/// A kind of reference, and no group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindName(pub Kind);

static KIND_NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| Kind::ALL.into_iter().map(Kind::name).collect());

impl PolicyTest {
    /// Reads a document whose `kind` is `PolicyTest`.
    ///
    /// # Errors
    /// Every mistake, with the number that the caller gave the document; of one that does not have the shape, the first.
    pub fn read(document: &Value, source: usize) -> Result<PolicyTest, Vec<PolicyError>> {
        let test = decode_test(document).map_err(|error| vec![error.of(source)])?;
        let mut errors = Vec::new();
        test.check(&mut |pointer, problem| {
            errors.push(PolicyError { source, pointer, part: Part::Value, problem });
        });
        if errors.is_empty() { Ok(test) } else { Err(errors) }
    }

    fn check(&self, fault: &mut dyn FnMut(String, Problem)) {
        if !validation::is_dns_subdomain(&self.metadata.name) {
            let (found, expected) = (self.metadata.name.clone(), validation::DNS_SUBDOMAIN.to_owned());
            fault("/metadata/name".to_owned(), Problem::WrongValue { found, expected });
        }
        if self.spec.policies.is_empty() {
            fault("/spec/policies".to_owned(), Problem::Empty("name the policy files that are tested"));
        }
        if self.spec.cases.is_empty() {
            fault("/spec/cases".to_owned(), Problem::Empty("add a case, or leave the document out"));
        }
        let mut names = HashSet::new();
        for (index, case) in self.spec.cases.iter().enumerate() {
            let at = format!("/spec/cases/{index}");
            if !names.insert(&case.name) {
                let (what, within) = ("case name", "in a document");
                fault(format!("{at}/name"), Problem::Duplicate { what, name: case.name.clone(), within });
            }
            if case.name.trim().is_empty() {
                fault(format!("{at}/name"), Problem::Empty("say what is tested"));
            }
            for (number, its) in
                case.expect.iter().flatten().enumerate().filter(|(_, its)| !its.pointer.starts_with('/'))
            {
                let expected = "a JSON pointer, which begins with /: /spec/containers/0/env/2".to_owned();
                let problem = Problem::WrongValue { found: its.pointer.clone(), expected };
                fault(format!("{at}/expect/{number}/pointer"), problem);
            }
            if case.object.is_some() == case.file.is_some() {
                fault(at.clone(), Problem::Other("a case has one object: give object, or file".to_owned()));
            }
            if case.expect.is_none() && case.patched.is_none() {
                fault(at, Problem::Other("a case that expects nothing cannot fail: add expect, or patched".to_owned()));
            }
        }
    }
}

impl ExpectedOutcome {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            ExpectedOutcome::Allowed => "allowed",
            ExpectedOutcome::Warned => "warned",
            ExpectedOutcome::Swapped => "swapped",
            ExpectedOutcome::Denied => "denied",
        }
    }
}

impl ExpectedReads {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            ExpectedReads::Files => "files",
            ExpectedReads::MustBeTold => "mustBeTold",
            ExpectedReads::Unsafe => "unsafe",
        }
    }
}

impl<'de> Deserialize<'de> for KindName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KindName, D::Error> {
        let name = String::deserialize(deserializer)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        kind.map(KindName).ok_or_else(|| de::Error::unknown_variant(&name, &KIND_NAMES))
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for KindName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KindName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "enum": *KIND_NAMES})
    }
}
