//! The compiled set: immutable, swapped as a whole.

use std::fmt;

use serde_json::Value;

use super::error::PolicyError;
use super::glob::{Globs, ImageGlobs};
use super::scope::ScopeIndex;
use super::template_path::TemplatePath;
use super::{Action, Exception, Mode, Policy, Rule, compile};
use crate::fence::kind::KindSet;
use crate::fence::rules::copies::CustomMark;

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
    pub(super) copy_marks: Vec<CustomMark>,
    pub(super) index: ScopeIndex,
    /// How many policies in dry run count as if they enforced.
    pub(super) as_enforced: usize,
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
    ///     "spec.rules[0].action: \"denny\" is not known here (did you mean \"deny\"?); \
    ///      expected one of allow, warn, mount, deny",
    /// );
    /// # Ok::<(), Vec<secretfence::fence::policy::PolicyError>>(())
    /// ```
    pub fn compile(documents: &[PolicyDocument]) -> Result<PolicySet, Vec<PolicyError>> {
        compile::compile(documents)
    }

    /// The same set, once the policies in dry run enforce: what would be, by one decision for each reference. What is `off`
    /// stays off, and the revision is that of the documents.
    ///
    /// ```
    /// use secretfence::fence::policy::{Mode, PolicyDocument, PolicySet};
    ///
    /// let document = serde_json::json!({
    ///     "apiVersion": "secretfence.dev/v1alpha1",
    ///     "kind": "SecretPolicy",
    ///     "metadata": {"name": "later"},
    ///     "spec": {"mode": "dryRun", "rules": [{"name": "deny", "on": ["env"], "action": "deny"}]},
    /// });
    /// let set = PolicySet::compile(&[PolicyDocument { source: 0, value: document }]).unwrap();
    /// let revision = set.revision().to_owned();
    ///
    /// let set = set.as_enforced();
    /// assert_eq!((set.policies()[0].mode, set.counts_as_enforced()), (Mode::Enforce, 1));
    /// assert_eq!(set.revision(), revision);
    /// ```
    #[must_use]
    pub fn as_enforced(mut self) -> PolicySet {
        for policy in self.policies.iter_mut().filter(|policy| policy.mode == Mode::DryRun) {
            policy.mode = Mode::Enforce;
            self.as_enforced += 1;
        }
        self
    }

    /// How many of the policies are in dry run, and count [as if they enforced](PolicySet::as_enforced).
    pub fn counts_as_enforced(&self) -> usize {
        self.as_enforced
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

    /// More marks of copies, of all policies.
    pub fn copy_marks(&self) -> &[CustomMark] {
        &self.copy_marks
    }

    /// The kinds that some rule is about.
    pub fn kinds(&self) -> KindSet {
        let rules = self.policies.iter().flat_map(|policy| &policy.rules);
        rules.fold(KindSet::NONE, |all, rule| all.union(rule.on))
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;
    use crate::fence::policy::glob::Glob;
    use crate::fence::policy::{BesideEnvFrom, ExceptionState, FileMode, Mount, Templates, Variable};

    fn policy(name: &str, spec: Value) -> Value {
        json!({
            "apiVersion": "secretfence.dev/v1alpha1",
            "kind": "SecretPolicy",
            "metadata": {"name": name},
            "spec": spec,
        })
    }

    fn rule(rule: Value) -> Value {
        json!({"rules": [rule]})
    }

    fn deny() -> Value {
        rule(json!({"name": "deny", "on": ["env"], "action": "deny"}))
    }

    fn compile(documents: Vec<Value>) -> PolicySet {
        let documents: Vec<_> =
            documents.into_iter().enumerate().map(|(source, value)| PolicyDocument { source, value }).collect();
        PolicySet::compile(&documents).unwrap()
    }

    fn mount(block: Value) -> Mount {
        let set =
            compile(vec![policy("a", rule(json!({"name": "a", "on": ["env"], "action": "mount", "mount": block})))]);
        match &set.policies()[0].rules[0].action {
            Action::Mount(mount) => mount.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn exception(expires: &str) -> Exception {
        let allow = json!({"name": "a", "on": ["env"], "action": "allow", "reason": "because", "expires": expires});
        let set = compile(vec![policy("a", rule(allow))]);
        set.exceptions().next().unwrap().2.clone()
    }

    #[test]
    fn what_is_left_out_has_the_documented_defaults() {
        let set = compile(vec![policy("a", deny())]);
        let policy = &set.policies()[0];
        assert_eq!((policy.mode, policy.warnings, policy.templates), (Mode::Enforce, true, Templates::Warn));
        assert!(policy.matches.namespaces.is_none() && policy.exclude.namespaces.is_none());
        assert_eq!(mount(json!({})), Mount::default());
        assert_eq!(Mount::default().path, "/run/secretfence");
        assert!(Mount::default().unsafe_is_denied);
    }

    #[test]
    fn what_is_given_is_kept() {
        let given = json!({
            "path": "/etc/secrets", "variable": "FILE__{name}", "fileMode": "0440", "besideEnvFrom": "swap",
            "unsafe": "warn",
        });
        assert_eq!(
            mount(given),
            Mount {
                path: "/etc/secrets".to_owned(),
                variable: Variable::Pattern("FILE__{name}".to_owned()),
                file_mode: FileMode::Octal(0o440),
                beside_env_from: BesideEnvFrom::Swap,
                keys: Vec::new(),
                unsafe_is_denied: false,
            }
        );
        assert_eq!(mount(json!({"variable": ""})).variable, Variable::None);
        assert_eq!(mount(json!({"variable": "auto", "fileMode": "auto"})), Mount::default());
    }

    #[test]
    fn the_most_specific_glob_on_keys_comes_first() {
        let keys = mount(json!({"keys": {"*": ["a"], "db-*": ["b"], "db-main": ["c"], "db-main-*": ["d"]}})).keys;
        let order: Vec<Vec<String>> =
            keys.iter().map(|(globs, _)| globs.included().iter().map(Glob::to_string).collect()).collect();
        assert_eq!(order, [vec!["db-main"], vec!["db-main-*"], vec!["db-*"], vec!["*"]]);
    }

    #[test]
    fn policies_are_sorted_by_name_and_those_that_are_off_bring_nothing() {
        let off = json!({
            "mode": "off",
            "rules": [{"name": "deny", "on": ["env"], "action": "deny"}],
            "readers": [{"images": ["a/*"], "variables": ["*"], "form": "{name}_FILE", "source": "x"}],
            "secretDrivers": ["csi.example.com"],
        });
        let set = compile(vec![policy("c", deny()), policy("b", off), policy("a", deny())]);
        let names: Vec<_> = set.policies().iter().map(|policy| &*policy.name).collect();
        assert_eq!(names, ["a", "c"]);
        assert!(set.readers().is_empty() && set.secret_drivers().is_empty());
    }

    #[test]
    fn a_policy_in_dry_run_brings_its_readers_and_needs_no_rules_for_them() {
        let readers = json!({
            "mode": "dryRun",
            "readers": [{"images": ["a/*"], "variables": ["*"], "form": "{name}_FILE", "source": "x"}],
        });
        let set = compile(vec![policy("a", readers), policy("b", json!({"secretDrivers": ["b.io", "a.io"]}))]);
        assert_eq!(set.readers()[0].source, "x");
        assert_eq!(set.secret_drivers(), ["a.io", "b.io"]);
    }

    #[test]
    fn the_last_day_of_an_exception_is_included() {
        let exception = exception("2026-11-21");
        assert!(exception.holds(date(2026, 11, 21)));
        assert!(!exception.holds(date(2026, 11, 22)));
    }

    #[test]
    fn an_exception_that_ends_within_fourteen_days_is_ending() {
        let exception = exception("2026-12-05");
        assert_eq!(exception.state(date(2026, 11, 20)), ExceptionState::Active);
        assert_eq!(exception.state(date(2026, 11, 21)), ExceptionState::Ending);
        assert_eq!(exception.state(date(2026, 12, 5)), ExceptionState::Ending);
        assert_eq!(exception.state(date(2026, 12, 6)), ExceptionState::Expired);
    }

    #[test]
    fn an_exception_past_its_date_still_loads() {
        assert_eq!(exception("1999-12-31").state(date(2026, 11, 21)), ExceptionState::Expired);
        assert_eq!(exception("9999-12-31").state(date(9999, 12, 30)), ExceptionState::Ending);
    }

    #[test]
    fn an_allow_without_reason_and_date_is_no_exception() {
        let set = compile(vec![policy("a", rule(json!({"name": "a", "on": ["env"], "action": "allow"})))]);
        assert_eq!(set.exceptions().count(), 0);
    }

    #[test]
    fn policy_tests_are_ignored_and_do_not_count_in_the_revision() {
        let test = json!({"apiVersion": "secretfence.dev/v1alpha1", "kind": "PolicyTest", "spec": {"cases": 3}});
        let alone = compile(vec![policy("a", deny())]);
        assert_eq!(compile(vec![test, policy("a", deny())]).revision(), alone.revision());
    }

    #[test]
    fn the_revision_tells_documents_apart() {
        let revision = |documents| compile(documents).revision().to_owned();
        let (a, b) = (policy("a", deny()), policy("b", deny()));
        assert_eq!(revision(vec![a.clone(), b.clone()]), revision(vec![b.clone(), a.clone()]));
        assert_ne!(revision(vec![a.clone()]), revision(vec![b]));
        let mut described = a.clone();
        described["spec"]["description"] = "x".into();
        assert_ne!(revision(vec![a]), revision(vec![described]));
    }
}
