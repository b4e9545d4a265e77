//! What every swap must hold, over generated pods and policies.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::generate::{HIDDEN, likely};
use super::kubelet::Cluster;
use super::{Heard, MUTATE, VALIDATE, ask, cases, facts, go_encoded, mutated, policies, review, rule};

use crate::fence::reference::{ContainerAt, ContainerList, Site};
use crate::fence::swap::Candidate;
use crate::fence::verdict::{Outcome, Place, Reason, Stage, judge};
use crate::fence::workload::{Shape, Workload};
use crate::fence::{Evaluation, PolicySet, Question, evaluate};

const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// What the swap takes out of one container, and puts in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Change {
    /// Indices in `env`, each with the variable and the path that stand there instead, if any.
    env: BTreeMap<usize, Option<(String, String)>>,
    /// Indices in `envFrom`.
    env_from: BTreeSet<usize>,
    /// Entries behind the others.
    appended: Vec<(String, String)>,
    /// The names that go.
    gone: BTreeSet<String>,
    /// Whether a rule lets an `envFrom` stay beside what it swaps.
    beside: bool,
    /// What the Secrets that are taken whole are said to hold.
    listed: BTreeMap<String, BTreeSet<String>>,
}

type Changes = BTreeMap<ContainerAt, Change>;

/// What `/mutate` decides, from the inside.
fn changes(pod: &Value, policies: &PolicySet) -> Changes {
    let object = go_encoded(pod);
    let workload = Workload::parse(&object, Shape::Pod).unwrap();
    let place = Place {
        namespace: "shop",
        kinds: &["Pod"],
        is_pod: true,
        stage: Stage::Mutate,
        dry_run: false,
        set_aside: &[],
    };
    let mut changes = Changes::new();
    let (_, pod) = workload.pods().next().unwrap();
    let facts = facts();
    let verdict = judge(pod, &place, policies, &facts, false);
    for candidate in verdict.plan.swapped.iter().map(|index| &verdict.candidates[*index]) {
        changes.entry(candidate.at).or_default().add(candidate);
    }
    changes
}

impl Change {
    fn add(&mut self, candidate: &Candidate<'_, '_>) {
        let mut named = candidate.files.iter().filter_map(|file| {
            let path = format!("{}/{}/{}", candidate.mount.path, candidate.secret, file.key);
            Some((file.names.clone()?, path))
        });
        match candidate.site {
            Site::Env(_, index) => {
                self.env.insert(index, named.next_back());
            }
            Site::EnvFrom(_, index) => {
                self.env_from.insert(index);
                self.appended.extend(named);
                let keys: BTreeSet<String> = candidate.files.iter().map(|file| file.key.clone().into_owned()).collect();
                // Taken twice, by rules that say otherwise: what both say.
                let listed = self.listed.entry(candidate.secret.to_owned()).or_insert_with(|| keys.clone());
                listed.retain(|key| keys.contains(key));
            }
            site => panic!("{site:?} is swapped"),
        }
        self.gone.extend(candidate.files.iter().map(|file| file.variable.clone().into_owned()));
        self.beside |= candidate.mount.beside_env_from == crate::fence::policy::BesideEnvFrom::Swap;
    }
}

fn container(pod: &Value, at: ContainerAt) -> &Value {
    &pod["spec"][at.list.field()][at.index]
}

fn containers(pod: &Value) -> impl Iterator<Item = (ContainerAt, &Value)> {
    ContainerList::ALL.into_iter().flat_map(move |list| {
        let items = pod["spec"].get(list.field()).and_then(Value::as_array).into_iter().flatten();
        items.enumerate().map(move |(index, container)| (ContainerAt { list, index }, container))
    })
}

fn items(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn is_our_name(name: &Value) -> bool {
    name.as_str().is_some_and(|name| name.starts_with("secretfence-"))
}

/// What the API server's validation would say of the parts that a swap touches, as sentences without indices.
fn complaints(pod: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut names = BTreeSet::new();
    for volume in items(&pod["spec"]["volumes"]) {
        let name = volume["name"].as_str().unwrap_or("").to_owned();
        let label = name.len() <= 63
            && !name.is_empty()
            && !name.starts_with('-')
            && !name.ends_with('-')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !label {
            found.insert(format!("volume {name:?} is no DNS label"));
        }
        let mut paths = BTreeSet::new();
        for source in items(&volume["projected"]["sources"]) {
            for item in items(&source["secret"]["items"]) {
                let path = item["path"].as_str().unwrap_or("").to_owned();
                let clean = !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
                if !clean {
                    found.insert(format!("path {path:?} is not clean and relative"));
                }
                if path.contains(':') || !paths.insert(path.clone()) {
                    found.insert(format!("path {path:?} conflicts"));
                }
            }
        }
        let inside = |a: &String, b: &String| a != b && a.starts_with(&format!("{b}/"));
        if paths.iter().any(|a| paths.iter().any(|b| inside(a, b))) {
            found.insert(format!("a path of {name:?} is below another"));
        }
        if !names.insert(name.clone()) {
            found.insert(format!("volume {name:?} twice"));
        }
    }
    for (at, container) in containers(pod) {
        let mut paths = BTreeSet::new();
        for mount in items(&container["volumeMounts"]) {
            let path = mount["mountPath"].as_str().unwrap_or("").to_owned();
            if path.is_empty() || path.contains(':') || !paths.insert(path.clone()) {
                found.insert(format!("{at}: mountPath {path:?}"));
            }
            if !names.contains(mount["name"].as_str().unwrap_or("")) {
                found.insert(format!("{at}: no volume {}", mount["name"]));
            }
        }
        for entry in items(&container["env"]) {
            let name = entry["name"].as_str().unwrap_or("");
            if name.is_empty() || name.contains('=') {
                found.insert(format!("{at}: env name {name:?}"));
            }
            let both = entry.get("value").is_some_and(|value| value != "" && !value.is_null());
            if both && entry.get("valueFrom").is_some_and(Value::is_object) {
                found.insert(format!("{at}: value and valueFrom of {name:?}"));
            }
        }
    }
    found
}

/// The pod without what only a swap may have changed; and the pod before, without what it was allowed to.
fn rest(pod: &Value) -> Value {
    let mut rest = pod.clone();
    for list in LISTS {
        for container in rest["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let members = container.as_object_mut().unwrap();
            members.retain(|name, _| !["env", "envFrom", "volumeMounts"].contains(&&**name));
        }
    }
    rest["spec"].as_object_mut().unwrap().remove("volumes");
    let mut metadata = rest.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut annotations = metadata.get("annotations").and_then(Value::as_object).cloned().unwrap_or_default();
    annotations.remove("secretfence.dev/swapped");
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
    rest["metadata"] = Value::Object(metadata);
    rest
}

fn expected_env(container: &Value, change: &Change) -> Vec<Value> {
    let env = items(&container["env"]);
    // One that is there already, which names the same file then, is not written twice.
    let entry = |(name, path): &(String, String)| {
        env.iter().all(|before| before["name"] != *name).then(|| json!({"name": name, "value": path}))
    };
    let kept = env.iter().enumerate().filter_map(|(index, before)| match change.env.get(&index) {
        None => Some(before.clone()),
        Some(new) => new.as_ref().and_then(entry),
    });
    kept.chain(change.appended.iter().filter_map(entry)).collect()
}

fn check_touches_nothing_else(before: &Value, after: &Value, changes: &Changes) {
    assert_eq!(rest(before), rest(after));
    let volumes = (items(&before["spec"]["volumes"]), items(&after["spec"]["volumes"]));
    let kept: Vec<Value> = volumes
        .0
        .iter()
        .filter(|volume| !is_our_name(&volume["name"]) || volumes.1.contains(volume))
        .cloned()
        .collect();
    assert_eq!(kept.as_slice(), &volumes.1[..kept.len()]);
    for volume in &volumes.1[kept.len()..] {
        assert!(is_our_name(&volume["name"]), "{volume}");
        let members: Vec<&String> = volume.as_object().unwrap().keys().collect();
        assert_eq!(members, ["name", "projected"]);
    }
    for (at, was) in containers(before) {
        let is = container(after, at);
        let change = changes.get(&at).cloned().unwrap_or_default();
        assert_eq!(items(&is["env"]), expected_env(was, &change), "{at}");
        let env_from = items(&was["envFrom"]).into_iter().enumerate();
        let kept: Vec<Value> =
            env_from.filter(|(index, _)| !change.env_from.contains(index)).map(|(_, its)| its).collect();
        assert_eq!(items(&is["envFrom"]), kept, "{at}");
        let mounts = (items(&was["volumeMounts"]), items(&is["volumeMounts"]));
        for (index, mount) in mounts.1.iter().enumerate() {
            match mounts.0.get(index) {
                Some(old) => {
                    let mut pointed = old.clone();
                    if is_our_name(&old["name"]) {
                        pointed["name"] = mount["name"].clone();
                    }
                    assert_eq!(mount, &pointed, "{at}");
                }
                None => {
                    let path = mount["mountPath"].as_str().unwrap();
                    assert_eq!(mount, &json!({"name": mount["name"], "mountPath": path, "readOnly": true}));
                    assert!(is_our_name(&mount["name"]) && !change.gone.is_empty(), "{at}");
                }
            }
        }
        assert!(mounts.1.len() >= mounts.0.len());
    }
}

/// Each file that a new variable names is in the container, from the right Secret; and no other file is.
fn check_files(before: &Value, after: &Value, changes: &Changes) {
    let volumes = items(&after["spec"]["volumes"]);
    let mut used = BTreeSet::new();
    for (at, is) in containers(after) {
        let mut files = BTreeSet::new();
        for mount in items(&is["volumeMounts"]).iter().filter(|mount| is_our_name(&mount["name"])) {
            used.insert(mount["name"].clone().to_string());
            let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
            for source in items(&volume["projected"]["sources"]) {
                let secret = &source["secret"];
                for item in items(&secret["items"]) {
                    let (name, key) = (secret["name"].as_str().unwrap(), item["key"].as_str().unwrap());
                    let path = format!("{name}/{key}");
                    assert_eq!(item["path"], path);
                    files.insert(format!("{}/{path}", mount["mountPath"].as_str().unwrap()));
                }
            }
        }
        let change = changes.get(&at).cloned().unwrap_or_default();
        for (_, path) in change.env.values().flatten().chain(&change.appended) {
            assert!(files.contains(path), "{at}: no file {path} in {files:?}");
        }
        // No container sees a file of which it did not have the key before.
        let was = container(before, at);
        for file in &files {
            let had = items(&was["env"]).iter().any(|entry| {
                let reference = &entry["valueFrom"]["secretKeyRef"];
                let (secret, key) = (reference["name"].as_str().unwrap_or(""), reference["key"].as_str().unwrap_or(""));
                !secret.is_empty() && file.ends_with(&format!("/{secret}/{key}"))
            });
            let whole = items(&was["envFrom"]).iter().any(|source| {
                let secret = source["secretRef"]["name"].as_str().unwrap_or("");
                !secret.is_empty() && file.contains(&format!("/{secret}/"))
            });
            let mounted = items(&was["volumeMounts"]).iter().any(|mount| is_our_name(&mount["name"]));
            assert!(had || whole || mounted, "{at}: {file}");
        }
    }
    for volume in volumes.iter().filter(|volume| is_our_name(&volume["name"])) {
        assert!(used.contains(&volume["name"].to_string()), "{volume} is mounted by nobody");
    }
}

/// A reference as the ratchet tells one from another, without its place.
fn identity(finding: &crate::fence::Finding) -> String {
    let place = finding.pointer.split('/').nth(2).unwrap_or("").to_owned();
    format!(
        "{place} {:?} {} {:?} {:?} {:?}",
        finding.container, finding.kind, finding.secret, finding.key, finding.variable
    )
}

fn denied_by_check(pod: &Value, policies: &PolicySet) -> Vec<String> {
    let question = Question { api_version: "v1", kind: "Pod", namespace: "shop", all: false, patch: false };
    let Evaluation::Judged(judgement) = evaluate(go_encoded(pod).as_bytes(), &question, policies, &facts()).unwrap()
    else {
        panic!("a pod is a workload")
    };
    let enforced = |finding: &&crate::fence::Finding| finding.mode == Some(crate::fence::policy::Mode::Enforce);
    let denied = judgement.findings.iter().filter(|its| its.outcome == Outcome::Denied).filter(enforced);
    let mut denied: Vec<String> = denied.map(identity).collect();
    denied.sort_unstable();
    denied
}

/// What the gate denies, from the inside: an answer names only the first twenty.
fn denied_by_gate(pod: &Value, policies: &PolicySet) -> Vec<String> {
    let object = go_encoded(pod);
    let workload = Workload::parse(&object, Shape::Pod).unwrap();
    let place =
        Place { namespace: "shop", kinds: &["Pod"], is_pod: true, stage: Stage::Final, dry_run: false, set_aside: &[] };
    let (template, pod) = workload.pods().next().unwrap();
    let facts = facts();
    let verdict = judge(pod, &place, policies, &facts, false);
    let subject = crate::fence::finding::Subject { kind: "Pod", namespace: "shop", name: "" };
    let mut denied = Vec::new();
    for its in &verdict.judged {
        let Some(decision) = its.enforced.as_ref().filter(|decision| decision.outcome == Outcome::Denied) else {
            continue;
        };
        assert_ne!(decision.reason.as_deref(), Some(&Reason::NotSwapped), "{:?}", its.reference);
        let findings = crate::fence::Finding::of(its, pod.spec, template, subject, false);
        denied
            .extend(findings.iter().filter(|its| its.mode == Some(crate::fence::policy::Mode::Enforce)).map(identity));
    }
    denied.sort_unstable();
    denied
}

/// Everything but the names that go and come is as it was.
fn check_programs(before: &Value, after: &Value, changes: &Changes, cluster: &Cluster) {
    for (at, change) in changes {
        let mut cluster = cluster.clone();
        for (secret, keys) in &change.listed {
            // `mount.keys` is said to list all: what is left out is lost, as the note says.
            let Some(data) = cluster.secrets.get_mut(secret) else { continue };
            data.retain(|key, _| keys.contains(key));
        }
        let Some(was) = cluster.start(container(before, *at)) else { continue };
        let is = cluster.start(container(after, *at)).unwrap_or_else(|| panic!("{at} does not start any more"));
        let come: BTreeMap<&String, &String> =
            change.env.values().flatten().chain(&change.appended).map(|(name, path)| (name, path)).collect();
        let names: BTreeSet<&String> = was.environment.keys().chain(is.environment.keys()).collect();
        for name in names {
            if let Some(path) = come.get(name) {
                assert_eq!(is.environment.get(name), Some(*path), "{at}: {name}");
            } else if change.gone.contains(name) {
                assert!(change.beside || !is.environment.contains_key(name), "{at}: {name} still resolves");
            } else {
                assert_eq!(was.environment.get(name), is.environment.get(name), "{at}: {name}");
            }
        }
        let mut texts = is.texts.clone();
        texts.retain(|place, _| was.texts.contains_key(place));
        assert_eq!(was.texts, texts, "{at}");
    }
}

fn clusters() -> impl Strategy<Value = Cluster> {
    use proptest::collection::btree_map;
    use proptest::sample::select;
    let data = || {
        let names: Vec<&str> = likely::KEYS.iter().chain(&likely::VARIABLES).copied().collect();
        btree_map(select(names).prop_map(str::to_owned), "[a-c$()A]{0,5}", 0..9)
    };
    let objects = |names: &'static [&'static str]| {
        names.iter().map(|name| data().prop_map(move |data| ((*name).to_owned(), data))).collect::<Vec<_>>()
    };
    (objects(&likely::SECRETS), objects(&likely::CONFIG_MAPS)).prop_map(|(secrets, config_maps)| Cluster {
        secrets: secrets.into_iter().collect(),
        config_maps: config_maps.into_iter().collect(),
    })
}

fn check_says_no_value(heard: &Heard) {
    let Heard { response, patch, answer } = heard;
    for output in [response.to_string(), format!("{:?}", answer.record), format!("{answer:?}")] {
        assert!(!output.contains(HIDDEN), "{output}");
    }
    if let Some(patch) = patch {
        assert!(!patch.contains(HIDDEN), "{patch}");
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_swap_applies_touches_nothing_else_and_leaves_nothing_to_swap(pod in likely::pod(), specs in likely::policies()) {
        let policies = policies(specs);
        let changes = changes(&pod, &policies);
        let after = mutated(&pod, &policies);
        prop_assert_eq!(after.is_some(), !changes.is_empty());
        let after = after.unwrap_or_else(|| pod.clone());

        let new: Vec<String> = complaints(&after).difference(&complaints(&pod)).cloned().collect();
        prop_assert!(new.is_empty(), "{:?}", new);
        check_touches_nothing_else(&pod, &after, &changes);
        check_files(&pod, &after, &changes);
        prop_assert_eq!(mutated(&after, &policies), None);

        let heard = ask(&review("Pod", &go_encoded(&after)), VALIDATE, &policies);
        let denied = denied_by_gate(&after, &policies);
        prop_assert!(!heard.response.to_string().contains("could be swapped but was not"), "{}", heard.response);
        prop_assert_eq!(heard.response["allowed"].as_bool(), Some(denied.is_empty()));
        prop_assert_eq!(denied, denied_by_check(&pod, &policies));
    }

    #[test]
    fn a_swap_changes_no_other_variable_and_no_text(
        pod in likely::pod(), specs in likely::policies(), cluster in clusters()
    ) {
        let policies = policies(specs);
        if let Some(after) = mutated(&pod, &policies) {
            check_programs(&pod, &after, &changes(&pod, &policies), &cluster);
        }
    }

    #[test]
    fn a_container_that_comes_later_is_swapped_as_if_it_had_been_there(pod in likely::pod(), specs in likely::policies()) {
        let policies = policies(specs);
        let mut earlier = pod.clone();
        let late = earlier["spec"]["containers"].as_array_mut().unwrap().pop().unwrap();
        let Some(mut between) = mutated(&earlier, &policies) else { return Ok(()) };
        between["spec"]["containers"].as_array_mut().unwrap().push(late);
        let after = mutated(&between, &policies).unwrap_or_else(|| between.clone());
        let at_once = mutated(&pod, &policies).unwrap();

        prop_assert_eq!(mutated(&after, &policies), None);
        for (at, was) in containers(&earlier) {
            prop_assert_eq!(&container(&after, at)["env"], &container(&between, at)["env"], "{}", was);
        }
        for (at, expected) in containers(&at_once) {
            let is = container(&after, at);
            for member in ["env", "envFrom"] {
                prop_assert_eq!(&is[member], &expected[member], "{} {}", at, member);
            }
            // The runtime orders mounts by their depth.
            let mounts = |container: &Value| {
                let mut mounts = items(&container["volumeMounts"]);
                mounts.sort_by_key(|mount| mount["mountPath"].to_string());
                mounts
            };
            prop_assert_eq!(mounts(is), mounts(expected), "{}", at);
        }
        let ours = |pod: &Value| -> BTreeSet<String> {
            items(&pod["spec"]["volumes"]).iter().filter(|its| is_our_name(&its["name"])).map(Value::to_string).collect()
        };
        prop_assert_eq!(ours(&after), ours(&at_once));
        let new: Vec<String> = complaints(&after).difference(&complaints(&pod)).cloned().collect();
        prop_assert!(new.is_empty(), "{:?}", new);
    }

    #[test]
    fn an_entry_that_comes_later_joins_the_files_that_are_there(
        pod in likely::pod(), specs in likely::policies(), cluster in clusters()
    ) {
        let policies = policies(specs);
        let mut earlier = pod.clone();
        let Some(late) = earlier["spec"]["containers"][0].get_mut("env").and_then(Value::as_array_mut).and_then(Vec::pop)
        else { return Ok(()) };
        let Some(mut between) = mutated(&earlier, &policies) else { return Ok(()) };
        // A list of which nothing stayed is gone.
        let first = between["spec"]["containers"][0].as_object_mut().unwrap();
        let env = first.entry("env").or_insert_with(|| json!([]));
        env.as_array_mut().unwrap().push(late);
        let changes = changes(&between, &policies);
        let after = mutated(&between, &policies).unwrap_or_else(|| between.clone());
        let new: Vec<String> = complaints(&after).difference(&complaints(&between)).cloned().collect();
        prop_assert!(new.is_empty(), "{:?}", new);
        check_touches_nothing_else(&between, &after, &changes);
        check_files(&between, &after, &changes);
        check_programs(&between, &after, &changes, &cluster);
        prop_assert_eq!(mutated(&after, &policies), None);
    }

    #[test]
    fn no_answer_holds_a_value(pod in likely::pod(), specs in likely::policies()) {
        let policies = policies(specs);
        let object = go_encoded(&pod);
        let template = format!(r#"{{"spec":{{"template":{object}}}}}"#);
        for gate in [MUTATE, VALIDATE] {
            for dry_run in [false, true] {
                let endpoint = crate::fence::Endpoint { dry_run, ..gate };
                check_says_no_value(&ask(&review("Pod", &object), endpoint, &policies));
                check_says_no_value(&ask(&review("Deployment", &template), endpoint, &policies));
            }
        }
        for (kind, api_version, object) in [("Pod", "v1", &object), ("Deployment", "apps/v1", &template)] {
            let question = Question { api_version, kind, namespace: "shop", all: true, patch: true };
            let Evaluation::Judged(mut judgement) = evaluate(object.as_bytes(), &question, &policies, &facts()).unwrap()
            else { panic!("{kind} is a workload") };
            let patch = String::from_utf8(std::mem::take(&mut judgement.patch)).unwrap();
            let output = format!("{judgement:?} {patch}");
            prop_assert!(!output.contains(HIDDEN), "{}", output);
        }
        for (kind, object) in [("Pod", &object), ("Deployment", &template), ("Node", &template)] {
            let mut body: Value = serde_json::from_slice(&review(kind, object)).unwrap();
            body["request"]["oldObject"] = body["request"]["object"].clone();
            let body = body.to_string();
            let request = crate::fence::review::Request::read(body.as_bytes(), &policies).unwrap();
            let output = format!("{request:?}");
            prop_assert!(!output.contains(HIDDEN), "{}", output);
        }
    }
}

#[test]
fn whoever_holds_the_name_of_our_volume_keeps_it() {
    let policies = rule(&["env"], "mount", Value::Null);
    let pod = json!({"metadata": {}, "spec": {"containers": [{"name": "c", "image": "x", "env": [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "a"}}}]}]}});
    let after = mutated(&pod, &policies).unwrap();
    let mut taken = pod.clone();
    taken["spec"]["volumes"] = json!([{"name": after["spec"]["volumes"][0]["name"], "emptyDir": {}}]);
    assert_eq!(mutated(&taken, &policies), None);
    assert_eq!(denied_by_gate(&taken, &policies), denied_by_check(&taken, &policies));
    assert_eq!(denied_by_gate(&taken, &policies).len(), 1);
}

/// Each key alone is let through by a rule of its own, both in one volume by none.
#[test]
fn a_volume_that_the_swap_makes_is_not_refused_by_a_rule_on_volumes() {
    let policies = policies([
        ("swap".to_owned(), json!({"rules": [{"name": "env", "on": ["env"], "action": "mount"}]})),
        (
            "volumes".to_owned(),
            json!({"rules": [
                {"name": "a", "on": ["volume"], "where": {"keys": ["a"]}, "action": "allow"},
                {"name": "b", "on": ["volume"], "where": {"keys": ["b"]}, "action": "allow"},
                {"name": "rest", "on": ["volume"], "action": "deny"},
            ]}),
        ),
    ]);
    let take = |name: &str, key: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "db", "key": key}}});
    let pod = json!({"spec": {"containers": [{"name": "c", "image": "x", "env": [take("A", "a"), take("B", "b")]}]}});
    let after = mutated(&pod, &policies).unwrap_or_else(|| pod.clone());
    assert_eq!(denied_by_gate(&after, &policies), denied_by_check(&pod, &policies));
}

/// The rule that fits a Secret whose keys nobody knows is not the one that fits the keys that are listed.
#[test]
fn a_volume_of_listed_keys_is_judged_by_them() {
    let volumes = json!([
        {"name": "b", "on": ["volume"], "where": {"keys": ["b"]}, "action": "warn"},
        {"name": "a", "on": ["volume"], "where": {"keys": ["a"]}, "action": "deny"},
    ]);
    let pod =
        json!({"spec": {"containers": [{"name": "c", "image": "x", "envFrom": [{"secretRef": {"name": "db"}}]}]}});
    for (listed, swapped) in [(["a", "c"], false), (["b", "c"], true)] {
        let mount = json!({"name": "env", "on": ["env"], "action": "mount", "mount": {"keys": {"db": listed}}});
        let policies = policies([
            ("swap".to_owned(), json!({"rules": [mount]})),
            ("volumes".to_owned(), json!({"rules": volumes})),
        ]);
        let after = mutated(&pod, &policies);
        assert_eq!(after.is_some(), swapped, "{listed:?}");
        let after = after.unwrap_or_else(|| pod.clone());
        assert_eq!(denied_by_gate(&after, &policies), denied_by_check(&pod, &policies));
        assert_eq!(denied_by_gate(&after, &policies).is_empty(), swapped);
    }
}
