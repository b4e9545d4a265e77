//! The compiled set: immutable, swapped as a whole.

use std::fmt;

use serde_json::Value;

use super::error::PolicyError;
use super::glob::{Globs, ImageGlobs};
use super::scope::ScopeIndex;
use super::template_path::TemplatePath;
use super::{Action, Exception, Policy, Rule, compile};

/// A document as it was read, and the caller's number for where it came from.
#[derive(Clone, Debug)]
pub struct PolicyDocument {
    /// The caller's number for file and document: errors carry it.
    pub source: usize,
    /// The document.
    pub value: Value,
}

/// Every policy that counts, compiled.
#[derive(Default)]
pub struct PolicySet {
    pub(super) policies: Vec<Policy>,
    pub(super) revision: String,
    pub(super) pod_templates: Vec<PodTemplateRow>,
    pub(super) readers: Vec<Reader>,
    pub(super) secret_drivers: Vec<String>,
    pub(super) index: ScopeIndex,
}

/// A custom resource that holds pod templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTemplateRow {
    /// The API group.
    pub group: String,
    /// The versions whose objects have these paths.
    pub versions: Vec<String>,
    /// The plural name.
    pub resource: String,
    /// The kind.
    pub kind: String,
    /// Where the pod templates stand.
    pub paths: Vec<TemplatePath>,
}

/// A row that a policy adds to the catalogue of images that read files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Of the container.
    pub images: ImageGlobs,
    /// Of the environment variable.
    pub variables: Globs,
    /// How the variable that names the file is called; holds `{name}`.
    pub form: String,
    /// Where that is documented.
    pub source: String,
}

impl PolicySet {
    /// Compiles documents, in any order, into a set. All mistakes are reported, in the order of the documents; a
    /// document that cannot be decoded reports its first.
    ///
    /// ```
    /// use secretfence::fence::policy::{PolicyDocument, PolicySet};
    ///
    /// let mut document = serde_json::json!({
    ///     "apiVersion": "secretfence.dev/v1alpha1",
    ///     "kind": "SecretPolicy",
    ///     "metadata": {"name": "no-env"},
    ///     "spec": {"rules": [{"name": "deny", "on": ["env"], "action": "deny"}]},
    /// });
    /// let set = PolicySet::compile(&[PolicyDocument { source: 0, value: document.clone() }])?;
    /// assert_eq!(set.policies()[0].name, "no-env");
    ///
    /// document["spec"]["rules"][0]["action"] = "denny".into();
    /// let errors = PolicySet::compile(&[PolicyDocument { source: 0, value: document }]).unwrap_err();
    /// assert_eq!(errors[0].pointer, "/spec/rules/0/action");
    /// assert_eq!(
    ///     errors[0].to_string(),
    ///     "spec.rules[0].action: \"denny\" is not known here: did you mean \"deny\"?; \
    ///      expected one of allow, warn, mount, deny",
    /// );
    /// # Ok::<(), Vec<secretfence::fence::policy::PolicyError>>(())
    /// ```
    pub fn compile(documents: &[PolicyDocument]) -> Result<PolicySet, Vec<PolicyError>> {
        compile::compile(documents)
    }

    /// Sorted by name. What is `off` is not among them.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Twelve hexadecimal digits of the SHA-256 over the documents, whatever their order, layout and comments.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Where objects of a custom resource hold pod templates. `None` where no row names it.
    pub fn pod_templates(&self, group: &str, version: &str, kind: &str) -> Option<&[TemplatePath]> {
        self.pod_templates
            .iter()
            .find(|row| row.kind == kind && row.group == group && row.versions.iter().any(|known| known == version))
            .map(|row| &row.paths[..])
    }

    /// The custom resources that hold pod templates, as they were written.
    pub fn pod_template_rows(&self) -> &[PodTemplateRow] {
        &self.pod_templates
    }

    /// What the policies add to the catalogue of images that read files, in order of the policies.
    pub fn readers(&self) -> &[Reader] {
        &self.readers
    }

    /// What the policies add to the CSI drivers that hand out secrets, sorted.
    pub fn secret_drivers(&self) -> &[String] {
        &self.secret_drivers
    }

    /// Every exception, in order of policies and rules, expired ones too.
    pub fn exceptions(&self) -> impl Iterator<Item = (&Policy, &Rule, &Exception)> {
        self.policies.iter().flat_map(|policy| {
            policy.rules.iter().filter_map(move |rule| match &rule.action {
                Action::Allow(Some(exception)) => Some((policy, rule, exception)),
                _ => None,
            })
        })
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet")
            .field("revision", &self.revision)
            .field("policies", &self.policies.iter().map(|policy| &policy.name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
