//! `policies/`: each file by itself, and all of them together.

use std::path::{Path, PathBuf};

use jiff::civil::date;
use secretfence::fence::policy::{Action, Mode, Warning};
use secretfence::fence::{Kind, KindSet};
use secretfence::policy_dir::{self, LoadedPolicies};

fn load(name: &str) -> LoadedPolicies {
    policy_dir::load(&[directory().join(name)]).unwrap_or_else(|error| panic!("{error}"))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn files() -> Vec<PathBuf> {
    let in_directory = |path: PathBuf| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let files = in_directory(directory()).chain(in_directory(directory().join("examples")));
    files.filter(|path| path.is_file()).collect()
}

#[test]
fn every_file_compiles_by_itself() {
    let files = files();
    assert!(files.len() >= 18, "{files:?}");
    for file in files {
        policy_dir::load(&[file]).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_whole_library_compiles_together() {
    let loaded = load("");
    // One policy in each file; the tests beside them are passed by.
    assert_eq!(loaded.set.policies().len(), files().len());
    assert_eq!(loaded.policies, files().len());
}

#[test]
fn the_built_in_policy_is_the_baseline() {
    let built_in = policy_dir::built_in();
    assert_eq!(built_in.revision(), load("baseline.yaml").set.revision());
    let [policy] = built_in.policies() else { panic!("one policy") };
    let [rule] = &policy.rules[..] else { panic!("one rule") };
    assert_eq!((policy.mode, rule.on), (Mode::Enforce, KindSet::ENV));
    assert!(matches!(rule.action, Action::Deny));
}

#[test]
fn the_starter_changes_nothing() {
    let starter = load("starter.yaml").set;
    assert!(starter.policies().iter().all(|policy| policy.mode == Mode::DryRun));
}

#[test]
fn secrets_as_files_mounts_what_reads_files_and_denies_the_rest_of_env() {
    let set = load("secrets-as-files.yaml").set;
    let [mount, deny] = &set.policies()[0].rules[..] else { panic!("two rules") };
    assert!(matches!(mount.action, Action::Mount(_)) && mount.selects.reads_files == Some(true));
    assert!(matches!(deny.action, Action::Deny) && deny.on.contains(Kind::FileKeyRef));
}

/// What each example with a warning is there to show, and says so itself.
const SHOWN: [(&str, &str); 2] =
    [("example-opt-by-label", "namespaceSelector"), ("example-opt-by-label", "exclude.objectSelector")];

#[test]
fn no_shipped_policy_is_warned_of_but_for_what_it_shows() {
    for file in files() {
        let warnings = policy_dir::load(&[file]).unwrap().set.warnings(date(2026, 11, 21));
        let shows = |warning: &&Warning| {
            !SHOWN.iter().any(|(policy, field)| warning.policy == *policy && warning.message.starts_with(field))
        };
        let odd: Vec<&Warning> = warnings.iter().filter(shows).collect();
        assert!(odd.is_empty(), "{odd:?}");
    }
}

#[test]
fn the_tests_beside_the_library_pass_and_reach_every_rule() {
    let said = crate::run(&directory(), &["policy", "test", "--strict", "."]);
    assert!(said.starts_with("exit: 0\n"), "{said}");
    let rules: usize = load("").set.policies().iter().map(|policy| policy.rules.len()).sum();
    assert!(said.ends_with(&format!("; {rules} of {rules} rules reached\n")), "{said}");
}

#[test]
fn custom_resources_with_pod_templates_are_known_by_group_version_and_kind() {
    let set = load("examples/custom-resources.yaml").set;
    let paths = set.pod_templates("ray.io", "v1", "RayCluster").unwrap();
    let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["spec.headGroupSpec.template", "spec.workerGroupSpecs[*].template"]);
    assert!(set.pod_templates("ray.io", "v2", "RayCluster").is_none());
    assert!(set.pod_templates("example.com", "v1", "RayCluster").is_none());
    assert!(set.pod_template_rows().iter().any(|row| row.kind == "Rollout" && row.resource == "rollouts"));
}

#[test]
fn readers_and_drivers_of_policies_are_in_the_set() {
    let set = load("").set;
    assert_eq!(set.readers().len(), 1);
    assert_eq!(set.readers()[0].form, "{name}_FILE");
    assert_eq!(set.secret_drivers(), ["csi.example.com"]);
}
