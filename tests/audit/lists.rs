//! What one list brings and another does not: what was made in between, what a row names that is not there, and what is added
//! on the way.

use serde_json::{Value, json};

use crate::{Cluster, POLICIES, env, namespace, pod, shop, spec, workload};

const JOB: [&str; 3] = ["batch/v1", "Job", "nightly-1"];

fn owners(audit: &Value) -> Vec<Value> {
    let owners = audit["owners"].as_array().unwrap().iter();
    owners.map(|its| json!([its["kind"], its["name"], its["template"], its["pods"]])).collect()
}

fn denied() -> Value {
    spec("api", "api:1", &[env("KEY", "other")])
}

fn cron_job() -> Value {
    let mut cron = workload("shop", "nightly", None, &json!({}));
    cron["spec"] = json!({"jobTemplate": {"spec": {"template": {"spec": denied()}}}});
    cron
}

/// A CronJob, and five pods of a Job of it that no list has.
fn between() -> Cluster {
    let pods: Vec<Value> =
        (0..5).map(|number| pod("shop", &format!("nightly-1-{number}"), Some(JOB), &denied())).collect();
    Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("cronjobs", json!([cron_job()])),
        ("pods", json!(pods)),
    ])
}

fn rows(row: &str) -> String {
    format!(
        "{POLICIES}---\napiVersion: secretfence.dev/v1alpha1\nkind: PodTemplates\nmetadata: {{name: rows}}\nspec:\n  rows:\n{row}"
    )
}

const ROLLOUT: &str =
    "    - {group: argoproj.io, versions: [v1], resource: rollouts, kind: Rollout, paths: [spec.template]}\n";

#[test]
fn pods_of_a_job_that_was_made_after_its_list_was_read_are_its_cron_jobs() {
    let cluster = between().change(|state| {
        state
            .later
            .insert("jobs", vec![workload("shop", "nightly-1", Some(["batch/v1", "CronJob", "nightly"]), &denied())]);
    });
    let audit = cluster.json(&[]);
    assert_eq!(owners(&audit), [json!(["CronJob", "nightly", "judged", 5])], "{audit:#}");
    let summary = &audit["summary"];
    assert_eq!(json!([summary["owners"], summary["pods"], summary["denied"]]), json!([1, 5, 1]));
    assert_eq!(audit["errors"], json!([]));
    // Once more, and not for each page of pods.
    assert_eq!([cluster.api.asked("/v1/jobs"), cluster.api.asked("/v1/cronjobs")], [2, 1]);
}

/// In each of two namespaces a CronJob, and a pod of a Job that was made after the Jobs were read.
fn between_in_two() -> Cluster {
    let mut state = [Vec::new(), Vec::new(), Vec::new()];
    for name in ["a", "b"] {
        let mut cron = cron_job();
        cron["metadata"]["namespace"] = json!(name);
        state[0].push(cron);
        state[1].push(workload(name, "nightly-1", Some(["batch/v1", "CronJob", "nightly"]), &denied()));
        state[2].push(pod(name, "nightly-1-a", Some(JOB), &denied()));
    }
    let [crons, jobs, pods] = state;
    let namespaces = json!([namespace("a", None), namespace("b", None)]);
    let cluster = Cluster::new([("namespaces", namespaces), ("cronjobs", json!(crons)), ("pods", json!(pods))]);
    cluster.api.change(|state| drop(state.later.insert("jobs", jobs)));
    cluster
}

#[test]
fn each_namespace_that_is_asked_for_by_name_is_read_again_by_itself() {
    let cluster = between_in_two();
    let audit = cluster.json(&["-n", "a", "-n", "b"]);
    assert_eq!(owners(&audit), vec![json!(["CronJob", "nightly", "judged", 1]); 2], "{audit:#}");
    assert_eq!(["a", "b"].map(|name| cluster.api.asked(&format!("/namespaces/{name}/jobs"))), [2, 2]);
}

#[test]
fn what_may_not_be_read_in_one_namespace_is_read_again_in_another() {
    let cluster = between_in_two().change(|state| state.forbidden = vec!["/apis/batch/v1/namespaces/a/jobs"]);
    let audit = cluster.json(&["-n", "a", "-n", "b"]);
    let of = |namespace: &str| {
        let mut owners = audit["owners"].as_array().unwrap().iter().filter(|its| its["namespace"] == namespace);
        (owners.next().unwrap()["kind"].clone(), owners.map(|its| its["name"].clone()).collect::<Vec<_>>())
    };
    assert_eq!(of("a"), (json!("CronJob"), vec![json!("nightly-1")]), "{audit:#}");
    assert_eq!(of("b"), (json!("CronJob"), Vec::new()), "{audit:#}");
    assert_eq!(audit["errors"].as_array().unwrap().len(), 1, "{audit:#}");
    assert_eq!(["a", "b"].map(|name| cluster.api.asked(&format!("/namespaces/{name}/jobs"))), [1, 2]);
}

#[test]
fn a_list_that_is_read_again_counts_what_it_brings_once() {
    let mut ended = workload("shop", "ended", None, &denied());
    ended["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    ended["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000001");
    let mut broken = workload("shop", "broken", None, &json!({"containers": "hunter2"}));
    broken["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000002");
    let cluster = between().change(|state| drop(state.lists.insert("jobs", vec![ended, broken])));
    let audit = cluster.json(&[]);
    assert_eq!(cluster.api.asked("/v1/jobs"), 2);
    assert_eq!(audit["notJudged"], json!(["1 Job that has ended: it makes no pods any more"]), "{audit:#}");
    assert_eq!(audit["errors"].as_array().unwrap().len(), 1, "{audit:#}");
}

#[test]
fn a_night_is_no_news() {
    let made = || workload("shop", "nightly-1", Some(["batch/v1", "CronJob", "nightly"]), &denied());
    let cluster = between().change(|state| {
        state.lists.insert("jobs", vec![made()]);
    });
    cluster.json(&["--save", "evening.json"]);
    cluster.api.change(|state| {
        state.lists.insert("jobs", Vec::new());
        state.later.insert("jobs", vec![made()]);
    });
    let audit = cluster.json(&["--compare", "evening.json"]);
    assert_eq!(json!([audit["compared"]["new"], audit["compared"]["gone"]]), json!([0, []]), "{audit:#}");
}

#[test]
fn a_deployment_that_was_made_in_between_is_read_with_its_template() {
    let set = Some(["apps/v1", "ReplicaSet", "web-1"]);
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("deployments", json!([workload("shop", "old", None, &denied())])),
        ("pods", json!([pod("shop", "web-1-a", set, &denied()), pod("shop", "web-1-b", set, &denied())])),
    ]);
    cluster.api.change(|state| {
        let old = state.lists["deployments"][0].clone();
        state.later.insert("deployments", vec![old, workload("shop", "web", None, &denied())]);
        let made = workload("shop", "web-1", Some(["apps/v1", "Deployment", "web"]), &denied());
        state.later.insert("replicasets", vec![made]);
    });
    let audit = cluster.json(&[]);
    let expected = [json!(["Deployment", "old", "judged", 0]), json!(["Deployment", "web", "judged", 2])];
    assert_eq!(owners(&audit), expected, "{audit:#}");
    assert_eq!(audit["owners"][1]["findings"][0]["pointer"], "/spec/template/spec/containers/0/env/0");
    assert_eq!(audit["summary"]["denied"], 2);
}

#[test]
fn pods_that_outlive_what_made_them_are_all_that_is_known() {
    let cluster = between();
    let audit = cluster.json(&[]);
    let expected = [json!(["CronJob", "nightly", "judged", 0]), json!(["Job", "nightly-1", "unknown", 5])];
    assert_eq!(owners(&audit), expected, "{audit:#}");
    assert_eq!(cluster.api.asked("/v1/jobs"), 2);
    // Of each namespace by itself.
    let cluster = between();
    cluster.json(&["-n", "shop"]);
    assert_eq!(cluster.api.asked("/namespaces/shop/jobs"), 2);
}

#[test]
fn a_list_that_cannot_be_read_is_not_asked_for_again() {
    let cluster = between().change(|state| state.forbidden = vec!["/apis/batch/v1/jobs"]);
    let audit = cluster.json(&[]);
    assert_eq!(owners(&audit).len(), 2, "{audit:#}");
    assert_eq!((audit["errors"].as_array().unwrap().len(), cluster.api.asked("/v1/jobs")), (1, 1));
}

#[test]
fn what_was_broken_in_the_first_list_is_one_error_in_two() {
    let mut broken = workload("shop", "broken", None, &denied());
    broken["spec"]["template"]["spec"]["containers"] = json!("hunter2");
    let cluster = between().change(|state| {
        state.lists.insert("jobs", vec![broken]);
    });
    let audit = cluster.json(&[]);
    assert_eq!(cluster.api.asked("/v1/jobs"), 2);
    assert_eq!(audit["errors"].as_array().unwrap().len(), 1, "{audit:#}");
}

/// As the runbook of SecretfenceAuditIncomplete tells.
#[test]
fn of_what_is_broken_a_hundred_are_errors_of_their_own_and_the_others_are_one() {
    let broken = |number: usize| {
        let mut broken = workload("shop", &format!("broken-{number:03}"), None, &denied());
        broken["spec"]["template"]["spec"]["containers"] = json!("hunter2");
        broken
    };
    let namespaces = json!([namespace("shop", None)]);
    let of = |count: usize| {
        let broken: Vec<Value> = (0..count).map(broken).collect();
        let cluster = Cluster::new([("namespaces", namespaces.clone()), ("deployments", json!(broken))]);
        let audit = cluster.json(&["--metrics-file", "a.prom"]);
        let numbers = std::fs::read_to_string(cluster.folder.path().join("a.prom")).unwrap();
        let number =
            numbers.lines().find_map(|line| line.strip_prefix("secretfence_audit_errors ")).unwrap().to_owned();
        let errors = audit["errors"].as_array().unwrap().clone();
        (number, errors.len(), errors.last().unwrap().as_str().unwrap().to_owned())
    };
    let (number, errors, last) = of(100);
    assert_eq!((&*number, errors), ("100", 100));
    assert!(last.starts_with("Deployment shop/broken-099: "), "{last}");
    assert_eq!(of(130), ("101".to_owned(), 101, "30 more objects could not be judged".to_owned()));
}

#[test]
fn a_row_that_nothing_fits_is_said() {
    let other =
        "    - {group: ray.io, versions: [v1, v2], resource: rayclusters, kind: RayCluster, paths: [spec.template]}\n";
    let said = |rows: &str, absent: &[(&'static str, usize)]| {
        let cluster = shop().policies(rows).change(|state| {
            state.refuses.extend(absent.iter().map(|(resource, times)| (*resource, (404, None, *times))));
        });
        let audit = cluster.json(&["-n", "shop", "-n", "batch"]);
        assert_eq!(audit["errors"], json!([]));
        audit["notJudged"].as_array().unwrap().iter().map(|said| said.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let both = rows(&format!("{ROLLOUT}{other}"));
    assert_eq!(
        said(&both, &[("rollouts", usize::MAX), ("rayclusters", usize::MAX)]),
        [
            "rollouts of argoproj.io (v1), rayclusters of ray.io (v1, v2): the cluster has none of these versions, so nothing of \
          them was judged: where it should have, look at group, versions and resource of their rows in PodTemplates"
        ]
    );
    assert_eq!(
        said(&rows(ROLLOUT), &[("rollouts", usize::MAX)]),
        [
            "rollouts of argoproj.io (v1): the cluster has none of these versions, so nothing of it was judged: where it should \
          have, look at group, versions and resource of its row in PodTemplates"
        ]
    );
    // Where one of the versions is there, all is well; and where it has no objects, too.
    assert!(said(&both, &[("rayclusters", 1)]).is_empty());
    assert!(said(&rows(ROLLOUT), &[]).is_empty());
}

#[test]
fn of_many_rows_that_nothing_fits_the_first_are_named() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(|name| (name, name.to_uppercase()));
    let row = |(name, kind): &(&str, String)| {
        format!("    - {{group: {name}.io, versions: [v1], resource: absents, kind: {kind}, paths: [spec.template]}}\n")
    };
    let rows = rows(&names.iter().map(row).collect::<String>());
    let cluster = shop().policies(&rows).change(|state| {
        state.refuses.insert("absents", (404, None, usize::MAX));
    });
    let audit = cluster.json(&[]);
    let [sentence] = &audit["notJudged"].as_array().unwrap()[..] else { panic!("{audit:#}") };
    let sentence = sentence.as_str().unwrap();
    assert!(sentence.contains("absents of h.io (v1) (+2 more): the cluster has none"), "{sentence}");
}

/// What the API server says of a resource, as `GET /apis/argoproj.io/v1`.
fn discovered(resource: &str, namespaced: bool) -> Value {
    json!({"kind": "APIResourceList", "resources": [{"name": resource, "namespaced": namespaced, "kind": "Rollout"}]})
}

/// Of what is in no namespace the API server has no list that asks for namespaces, nor one in a namespace.
fn cluster_scoped() -> Cluster {
    let by = Some(["argoproj.io/v1", "Rollout", "web"]);
    let pods: Vec<Value> = ["shop", "batch", "quiet"]
        .iter()
        .flat_map(|namespace| ["a", "b", "c"].map(|name| pod(namespace, name, by, &denied())))
        .collect();
    let mut template = workload("", "web", None, &denied());
    template["metadata"].as_object_mut().unwrap().remove("namespace");
    shop().policies(&rows(ROLLOUT)).change(|state| {
        state.objects.insert("/apis/argoproj.io/v1".to_owned(), discovered("rollouts", false));
        state.refuses.insert("rollouts", (400, None, usize::MAX));
        state.lists.insert("rollouts", vec![template]);
        state.lists.insert("pods", pods);
    })
}

#[test]
fn templates_in_no_namespace_are_said_and_their_pods_are_judged_where_they_are() {
    let expected = "templates of rollouts of argoproj.io (v1): they are in no namespace, and what is decided of their pods goes \
                    by the one that these are made in: pods that are there were judged";
    let all: &[&str] = &[];
    for (part, namespaces) in [(all, ["batch", "quiet", "shop"].as_slice()), (&["-n", "shop"], &["shop"])] {
        let cluster = cluster_scoped();
        let audit = cluster.json(part);
        assert_eq!(audit["errors"], json!([]), "{audit:#}");
        let said = audit["notJudged"].as_array().unwrap().iter();
        let said: Vec<&str> =
            said.map(|said| said.as_str().unwrap()).filter(|said| said.contains("rollouts")).collect();
        assert_eq!(said, [expected], "{audit:#}");
        let found = audit["owners"].as_array().unwrap().iter().filter(|its| its["kind"] == "Rollout");
        let found: Vec<Value> =
            found.map(|its| json!([its["namespace"], its["name"], its["template"], its["pods"]])).collect();
        let expected: Vec<Value> = namespaces.iter().map(|its| json!([its, "web", "unknown", 3])).collect();
        assert_eq!(found, expected, "{audit:#}");
        // Not once: neither at first, nor for pods of which it is missing.
        assert_eq!(cluster.api.asked("/rollouts"), 0);
    }
    assert!(cluster_scoped().audit(&[]).starts_with("exit: 1\n"));
}

#[test]
fn what_is_in_namespaces_is_listed_there_whatever_else_its_group_has() {
    let mut said = discovered("rollouts", true);
    said["resources"].as_array_mut().unwrap().insert(0, json!({"name": "plugins", "namespaced": false}));
    let cluster = rollout();
    cluster.api.change(|state| drop(state.objects.insert("/apis/argoproj.io/v1".to_owned(), said)));
    let audit = cluster.json(&[]);
    assert_eq!(owners(&audit), [json!(["Rollout", "web", "judged", 2])], "{audit:#}");
}

/// A Rollout of a version that the row names, and a ReplicaSet that names it by another.
fn rollout() -> Cluster {
    let by = Some(["argoproj.io/v1alpha1", "Rollout", "web"]);
    let set = Some(["apps/v1", "ReplicaSet", "web-1"]);
    Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("rollouts", json!([workload("shop", "web", None, &denied())])),
        ("replicasets", json!([workload("shop", "web-1", by, &denied())])),
        ("pods", json!([pod("shop", "web-1-a", set, &denied()), pod("shop", "web-1-b", set, &denied())])),
    ])
    .policies(&rows(ROLLOUT))
}

#[test]
fn an_owner_is_one_by_whatever_version_it_is_named() {
    let audit = rollout().json(&[]);
    assert_eq!(owners(&audit), [json!(["Rollout", "web", "judged", 2])], "{audit:#}");
    assert_eq!(audit["owners"][0]["apiVersion"], "argoproj.io/v1");
}

#[test]
fn where_an_owner_cannot_be_read_by_the_versions_of_its_row_what_it_made_is_judged() {
    let cluster = rollout().change(|state| {
        state.refuses.insert("rollouts", (404, None, usize::MAX));
    });
    let audit = cluster.json(&[]);
    assert_eq!(owners(&audit), [json!(["ReplicaSet", "web-1", "judged", 2])], "{audit:#}");
}

#[test]
fn what_only_pods_have_is_explained() {
    let clean = spec("api", "api:1", &[]);
    let set = Some(["apps/v1", "ReplicaSet", "web-1"]);
    let told = spec("api", "api:1", &[env("KEY", "other"), env("DB_PASSWORD", "db")]);
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("deployments", json!([workload("shop", "web", None, &clean)])),
        ("replicasets", json!([workload("shop", "web-1", Some(["apps/v1", "Deployment", "web"]), &clean)])),
        (
            "pods",
            json!([
                pod("shop", "web-1-a", set, &clean),
                pod("shop", "web-1-b", set, &told),
                pod("shop", "web-1-c", set, &denied())
            ]),
        ),
    ]);
    insta::assert_snapshot!(cluster.audit(&["--explain", "shop/deploy/web"]), @r#"
    exit: 0
    --- stdout
    Deployment shop/web: 3 pods, 2 missed
      no reference to a Secret
      only pods have:
        2 pods, denied: container "api" takes Secret "other" key "password" as env KEY (/spec/containers/0/env/0): mount it as a file [files/deny]
        1 pod, swapped: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/1): becomes the file /run/secretfence/db/password, named by DB_PASSWORD_FILE; the program must be told to read it [files/swap]
          change: in the program: read the file that DB_PASSWORD_FILE names (/run/secretfence/db/password) where it is set, else DB_PASSWORD as now; the manifest stays as it is: the webhook, or secretfence fix, does the rest

    Nothing of it would be swapped.

    by 1 policy (revision 8702b18782b2)
    "#);
}

#[test]
fn a_rule_on_pull_secrets_says_what_no_template_has() {
    let said = |rule: &str| {
        let policy = "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: pulls}\nspec:\n  ";
        let audit = shop().policies(&format!("{policy}{rule}")).json(&[]);
        let sentences = audit["notJudged"].as_array().unwrap().clone();
        sentences.iter().any(|said| said.as_str().unwrap().starts_with("pull secrets that ServiceAccounts add: "))
    };
    assert!(said("rules: [{name: deny, on: [imagePull], action: deny}]"));
    assert!(said("mode: dryRun\n  rules: [{name: warn, on: [any], action: warn}]"));
    assert!(!said("rules: [{name: deny, on: [env], action: deny}]"));
    assert!(!said("mode: \"off\"\n  rules: [{name: deny, on: [imagePull], action: deny}]"));
    assert!(!said("rules: [{name: let, on: [imagePull], action: allow}, {name: deny, on: [env], action: deny}]"));
}
