//! What `fix` has written goes to the API server: of what it handled nothing is left there to swap, to deny or to warn of.
//!
//! Each object goes in as it was, too, so that it shows that there was something to do; and without a webhook, so that what
//! the API server makes of it by itself, or refuses by itself, is not taken for ours.

#[path = "fixed_corpus/compared.rs"]
mod compared;
#[path = "fixed_corpus/manifests.rs"]
mod manifests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use secretfence::fence::{Judgement, Outcome, PolicySet};
use serde_json::Value;

use crate::api::Reply;
use crate::cluster::{Cluster, shown};
use crate::corpus::Corpus;
use crate::program;
use crate::served_corpus::{
    self, built_in, check, class, comparable, each, make_what_they_name, objects, pod_of, says_what_check_says, within,
};
use crate::served_templates::{owned_by_nobody, says, written};
use crate::swap_all::ALL;
use compared::{but_the_token, causes, handled, references, settled, templates};
use manifests::{CUSTOM_RESOURCES, KEYS_OF_BACKUP, OTHER_LAYOUTS};

/// Namespaces of these beginnings are under the policy that `fix` is given, and under one that denies what it leaves.
const LENIENT: &str = "own-policy-fixed";
const STRICT: &str = "own-policy-strict";

const SWAPPED: &str = "secretfence.dev/swapped";

/// Of the namespaces here: as `fix` has it, and stricter, at the apply of templates, too.
pub fn policies() -> String {
    let of = |namespaces: &str, more: &str| format!("\nspec:\n  match: {{namespaces: [\"{namespaces}-*\"]}}\n{more}");
    let strict = ALL.replace("name: all", "name: strict").replace("unsafe: warn", "unsafe: deny");
    let lenient = ALL.replace("\nspec:\n", &of(LENIENT, ""));
    lenient + "---\n" + &strict.replace("\nspec:\n", &of(STRICT, "  templates: enforce\n"))
}

#[test]
fn what_fix_wrote_of_the_corpus_is_let_alone() {
    let Some(corpus) = Corpus::find("the fixed corpus through a real API server") else { return };
    let Some(cluster) = Cluster::shared() else { return };
    let files: Vec<String> = ["real", "peers"].iter().flat_map(|folder| corpus.files(folder)).collect();
    let manifests = files.iter().filter(|file| [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end)));
    let read = |file: &String| (file.clone(), std::fs::read(corpus.root.join(file)).unwrap());
    let told = Fence::new(cluster).take(&manifests.map(read).collect::<Vec<_>>());
    assert!(told.files >= 150, "only {} files", told.files);
    // Not one of them for what `fix` wrote: each is refused for the same without it.
    insta::assert_snapshot!(told.refusals(), @"
    1 CronJob: … Unsupported value: … supported values: … … … spec.jobTemplate.spec.template.spec.restartPolicy: Unsupported value: … supported
    1 DaemonSet: … Invalid value: … a lowercase RFC … subdomain must consist of lower case
    1 Deployment: … Required value, spec.template.metadata.labels: Invalid value: … `selector` does not match template `labels`]
    1 Job: spec.template.spec.serviceAccountName: Invalid value: … a lowercase RFC … subdomain must consist of lower case
    1 pod: spec.restartPolicy: Unsupported value: … supported values: … … …
    1 pod: … Invalid value: … a lowercase RFC … subdomain must consist of lower case
    ");
    for (what, least) in [
        ("pods: nothing is left to do", 190),
        ("pods, before: swapped", 195),
        ("pods, before: warned of, since only the file tells the keys", 30),
        ("pods, before, strictly: swapped", 155),
        ("pods, before, strictly: denied for what fix handles", 30),
        ("workloads: nothing is left to do", 115),
    ] {
        assert!(told.counts.get(what).is_some_and(|count| *count >= least), "{what}: {:#?}", told.counts);
    }
}

#[test]
fn what_fix_wrote_of_our_own_manifests_is_let_alone() {
    let Some(cluster) = Cluster::shared() else { return };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = std::fs::read_dir(repository.join("examples/workloads")).unwrap();
    let mut paths: Vec<_> = examples.map(|entry| entry.unwrap().path()).collect();
    paths.push(repository.join("benches/bodies/manifests.yaml"));
    let read = |path: &std::path::PathBuf| (path.display().to_string(), std::fs::read(path).unwrap());
    let mut files: Vec<_> = paths.iter().map(read).collect();
    files.extend(OTHER_LAYOUTS.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
    let told = Fence::new(cluster).take(&files);
    assert_eq!(told.refusals(), "");
    let counts: String = told.counts.iter().map(|(what, count)| format!("{count} {what}\n")).collect();
    insta::assert_snapshot!(format!("{} files\n{counts}", told.files), @"
    8 files
    1 pods, before, strictly: denied for what fix handles
    2 pods, before, strictly: denied for what fix leaves
    6 pods, before, strictly: swapped
    8 pods, before: swapped
    1 pods, before: warned of, since only the file tells the keys
    2 pods: denied for what fix left, where that is denied
    1 pods: not changed by fix
    7 pods: nothing is left to do
    2 workloads: denied for what fix left, where that is denied
    1 workloads: not changed by fix
    3 workloads: nothing is left to do
    ");
}

/// A rollout of what was swapped until now: the new pods are those of the file, by nobody else's doing.
#[test]
fn pods_of_a_fixed_deployment_are_as_the_file_says() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace(LENIENT, Some("enforce"));
    let apply = |manifest: &str| shown(&cluster.kubectl(&["apply", "-n", &namespace, "-f", "-"], manifest));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), ALL).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workloads/deployment.yaml");
    // The webhook cannot know the keys of the whole Secret; the file says them.
    let source = std::fs::read_to_string(path).unwrap() + "---\n" + KEYS_OF_BACKUP;
    insta::assert_snapshot!(apply(&source), @r#"
    exit: 0
    --- stdout
    deployment.apps/blog created
    secret/backup created
    --- stderr
    Warning: its pods will be swapped: container "wordpress" takes Secret "database" key "password" as env WORDPRESS_DB_PASSWORD (/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/database/password, named by WORDPRESS_DB_PASSWORD… [all/files]
    Warning: container "backup" takes all keys of Secret "backup" as env (/spec/template/spec/containers/1/envFrom/0): cannot be swapped safely: the keys of the Secret are not known: list them in mount.keys [all/files]
    "#);
    let is_new = |pod: &Value| references(pod).is_empty();
    let pods = cluster.pods(&namespace, |pods| !pods.is_empty());
    assert!(pods.iter().all(|pod| !is_new(pod) && pod["metadata"]["annotations"][SWAPPED].is_string()), "{pods:#?}");

    let fixed = program::piped(folder.path(), &["fix", "-p", "policy.yaml", "-"], &source);
    let (_, fixed) = fixed.split_once("--- stdout\n").unwrap();
    let (fixed, _) = fixed.split_once("--- stderr\n").unwrap();
    insta::assert_snapshot!(apply(fixed), @"
    exit: 0
    --- stdout
    deployment.apps/blog configured
    secret/backup configured
    ");
    let pods = cluster.pods(&namespace, |pods| pods.iter().any(is_new));
    let pod = pods.iter().find(|pod| is_new(pod)).unwrap();
    let template = &objects(fixed.as_bytes())[0].1["spec"]["template"];
    assert_eq!(pod["metadata"]["annotations"], template["metadata"]["annotations"]);
    assert_eq!(but_the_token(&pod["spec"]["volumes"]), template["spec"]["volumes"]);
    let containers = |spec: &Value| spec["containers"].as_array().unwrap().clone();
    for (is, written) in containers(&pod["spec"]).iter().zip(containers(&template["spec"])) {
        assert_eq!((&is["env"], is.get("envFrom")), (&written["env"], None));
        let mounts = but_the_token(&is["volumeMounts"]);
        assert_eq!(mounts, written["volumeMounts"]);
    }
}

/// The objects of files, as they were and as they are fixed, through the API server.
struct Fence<'c> {
    cluster: &'c Cluster,
    policies: PolicySet,
    /// Without a webhook.
    bare: String,
    lenient: String,
    strict: String,
    counts: Mutex<BTreeMap<String, usize>>,
    refused: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// What came of it.
struct Told {
    files: usize,
    counts: BTreeMap<String, usize>,
    /// What the API server refuses, before and after, whatever we say: by reason.
    refused: BTreeMap<String, BTreeSet<String>>,
}

/// The same object twice, or the same pod.
struct Pair {
    about: String,
    before: Value,
    after: Value,
}

impl Told {
    fn refusals(&self) -> String {
        self.refused.iter().map(|(reason, which)| format!("{} {reason}\n", which.len())).collect()
    }
}

impl<'c> Fence<'c> {
    fn new(cluster: &'c Cluster) -> Fence<'c> {
        Fence {
            cluster,
            policies: served_corpus::policies(),
            bare: cluster.namespace("fixed-bare", None),
            lenient: cluster.namespace(LENIENT, Some("enforce")),
            strict: cluster.namespace(STRICT, Some("enforce")),
            counts: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Fixes the files, and sends what comes of those that change.
    fn take(self, files: &[(String, Vec<u8>)]) -> Told {
        let fixed = fixed(files);
        let (mut workloads, mut pods) = (Vec::new(), Vec::new());
        for Pair { about, before, after } in &fixed.objects {
            let templates = templates(before).into_iter().zip(templates(after));
            for (number, (was, is)) in templates.enumerate() {
                let about = format!("{about} pod {number}");
                pods.push(Pair { about, before: pod_of(before, was), after: pod_of(after, is) });
            }
            if built_in(before).is_some_and(|path| !path.is_empty()) {
                let [before, after] = [before, after].map(owned_by_nobody);
                workloads.push(Pair { about: about.clone(), before, after });
            }
        }
        let named: Vec<(String, Value)> = pods.iter().map(|pair| (pair.about.clone(), pair.after.clone())).collect();
        make_what_they_name(&self.cluster.api, &named, &[&self.bare, &self.lenient, &self.strict].map(Clone::clone));
        each(&pods, |pair| self.pod(pair));
        each(&workloads, |pair| self.workload(pair));
        let (counts, refused) = (self.counts.into_inner().unwrap(), self.refused.into_inner().unwrap());
        println!("{} files, {} pods, {} workloads", fixed.files, pods.len(), workloads.len());
        counts.iter().for_each(|(what, count)| println!("{count:>4} {what}"));
        println!("refused by the API server itself: {refused:#?}");
        Told { files: fixed.files, counts, refused }
    }

    fn pod(&self, pair: &Pair) {
        let Pair { about, before, after } = pair;
        let Some(bare) = self.bare(pair, "pod") else { return };
        let handled = handled(before, after);
        let stored = self.is_let_alone(after, &bare, &handled, &self.lenient, comparable, about);
        let strictly = self.is_let_alone(after, &bare, &handled, &self.strict, comparable, about);
        let stored = stored.unwrap_or_else(|| panic!("{about}: a policy that only warns denies nothing"));
        self.count(match (handled.is_empty(), strictly.is_some()) {
            (true, _) => "pods: not changed by fix",
            (false, true) => "pods: nothing is left to do",
            (false, false) => "pods: denied for what fix left, where that is denied",
        });
        if handled.is_empty() {
            return;
        }
        // As it was, there was something to do.
        let was = self.create(before, &self.lenient);
        let left = references(&was.body);
        assert_eq!(was.status, 201, "{about}: {}", was.message());
        if handled.is_disjoint(&left) {
            assert_eq!(settled(&was.body), settled(&stored), "{about}: the webhook makes the same of it as fix");
            self.count("pods, before: swapped");
        } else {
            let told = was.warnings.join("\n");
            for reference in handled.intersection(&left) {
                assert!(told.contains(reference) || told.contains("\n(+"), "{about}: {reference}\n{told}");
            }
            self.count("pods, before: warned of, since only the file tells the keys");
        }
        let was = self.create(before, &self.strict);
        if was.status == 201 {
            assert!(handled.is_disjoint(&references(&was.body)), "{about}");
            self.count("pods, before, strictly: swapped");
        } else {
            let denial = was.denied();
            self.count(match handled.iter().any(|reference| denial.contains(reference)) {
                true => "pods, before, strictly: denied for what fix handles",
                false => "pods, before, strictly: denied for what fix leaves",
            });
        }
    }

    fn workload(&self, pair: &Pair) {
        let Pair { about, before, after } = pair;
        let Some(bare) = self.bare(pair, before["kind"].as_str().unwrap()) else { return };
        let handled = handled(before, after);
        let lenient = self.is_let_alone(after, &bare, &handled, &self.lenient, written, about);
        assert!(lenient.is_some(), "{about}: a policy that only warns denies nothing");
        let strictly = self.is_let_alone(after, &bare, &handled, &self.strict, written, about);
        self.count(match (handled.is_empty(), strictly.is_some()) {
            (true, _) => "workloads: not changed by fix",
            (false, true) => "workloads: nothing is left to do",
            (false, false) => "workloads: denied for what fix left, where that is denied",
        });
        // As it was, each of them is told of.
        let told = self.create(before, &self.lenient).warnings.join("\n");
        for reference in &handled {
            assert!(told.contains(reference) || told.contains("\n(+"), "{about}: {reference}\n{told}");
        }
    }

    /// What the API server makes of the fixed object without us. None where it does not take it, fixed or not.
    fn bare(&self, Pair { about, before, after }: &Pair, kind: &str) -> Option<Reply> {
        let reply = self.create(after, &self.bare);
        if reply.status == 201 {
            return Some(reply);
        }
        let was = self.create(before, &self.bare);
        assert_eq!(causes(&reply), causes(&was), "{about}: refused for what fix wrote: {}", reply.message());
        let reason = match reply.status {
            404 => format!("{kind}: {} is not served any more", after["apiVersion"]),
            _ => format!("{kind}: {}", class(reply.message())),
        };
        self.refused.lock().unwrap().entry(reason).or_default().insert(about.clone());
        None
    }

    /// It is stored as without a webhook; where it is not, for what `fix` left. What it handled is not spoken of.
    fn is_let_alone(
        &self,
        after: &Value,
        bare: &Reply,
        handled: &BTreeSet<String>,
        namespace: &str,
        seen: fn(&Value) -> String,
        about: &str,
    ) -> Option<Value> {
        let reply = self.create(after, namespace);
        let check = check(&within(after, namespace), &self.policies);
        for reference in handled {
            let said = reply.warnings.iter().map(String::as_str).chain([reply.message()]);
            assert!(said.into_iter().all(|said| !said.contains(reference)), "{about}: {reference}\n{reply:#?}");
        }
        assert_eq!(messages(&check, Outcome::Swapped), [""; 0], "{about}: fix left what can be swapped");
        if !messages(&check, Outcome::Denied).is_empty() {
            says_what_check_says(reply.denied(), &check, about);
            return None;
        }
        let told: Vec<&String> = reply.warnings.iter().filter(|warning| !bare.warnings.contains(warning)).collect();
        says(&told, &messages(&check, Outcome::Warned), about);
        let stored = reply.done();
        assert_eq!(seen(&stored), seen(&bare.body), "{about}: changed");
        Some(stored)
    }

    fn create(&self, object: &Value, namespace: &str) -> Reply {
        self.cluster.api.create(&within(object, namespace), "?dryRun=All")
    }

    fn count(&self, what: &str) {
        *self.counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }
}

/// What `fix` makes of files.
struct Fixed {
    /// How many it changed.
    files: usize,
    /// The objects of these.
    objects: Vec<Pair>,
}

/// Fixes each file by itself, in place, in a folder that is gone afterwards.
fn fixed(files: &[(String, Vec<u8>)]) -> Fixed {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), format!("{ALL}---{CUSTOM_RESOURCES}")).unwrap();
    let changed = Mutex::new(BTreeMap::new());
    let numbered: Vec<_> = files.iter().enumerate().collect();
    each(&numbered, |(number, (name, before))| {
        let file = format!("{number}.{}", name.rsplit_once('.').unwrap().1);
        std::fs::write(folder.path().join(&file), before).unwrap();
        let arguments = ["fix", "-p", "policy.yaml", "--in-place", &file];
        let output = program::command(folder.path(), &arguments).output().unwrap();
        let after = std::fs::read(folder.path().join(&file)).unwrap();
        if *before != after {
            assert!(output.status.success(), "{name}: {}", shown(&output));
            changed.lock().unwrap().insert(*number, after);
        }
    });
    let changed = changed.into_inner().unwrap();
    let mut pairs = Vec::new();
    for (number, after) in &changed {
        let (name, before) = &files[*number];
        let (before, after) = (objects(before), objects(after));
        assert_eq!(before.len(), after.len(), "{name}");
        pairs.extend(before.into_iter().zip(after).map(|((address, before), (_, after))| Pair {
            about: format!("{name} [{address}]"),
            before,
            after,
        }));
    }
    Fixed { files: changed.len(), objects: pairs }
}

fn messages(check: &Judgement, outcome: Outcome) -> Vec<String> {
    let of = check.findings.iter().filter(|finding| finding.outcome == outcome);
    of.map(|finding| finding.message.clone()).collect()
}
