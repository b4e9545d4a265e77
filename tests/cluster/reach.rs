//! Reach against the truth: what RBAC in memory says is what the API server says.

#[path = "reach/generator.rs"]
mod generator;
#[path = "reach/line.rs"]
mod line;
#[path = "reach/truth.rs"]
mod truth;

use secretfence::fence::access::{Access, ROWS};
use serde_json::{Value, json};

use crate::api::{Reply, collection, path};
use crate::binaries::skipped;
use crate::cluster::Cluster;
use crate::control_plane::{ControlPlane, TENANT};
use generator::{Answered, Question, Random, Set};
use truth::{Answers, Truth};

/// What the sets are generated from: another number, other sets.
const SEED: u64 = 20_261_121;
/// How many sets are generated.
const SETS: usize = 500;
/// One set in so many has bindings that speak of every ServiceAccount everywhere: it is in the cluster alone.
const ALONE: usize = 10;
/// How many of the others are in the cluster together, in namespaces of their own.
const TOGETHER: usize = 45;

#[test]
fn reach_is_what_the_api_server_says() {
    if skipped() {
        return;
    }
    println!("seed {SEED}");
    let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    let truth = Truth::new(&control_plane, TOGETHER);
    let mut random = Random::new(SEED);
    let mut answers = Answers::default();
    let (alone, together): (Vec<usize>, Vec<usize>) = (0..SETS).partition(|set| set % ALONE == 0);
    for set in alone {
        judge(&truth, &[Set::generate(&mut random, set, 0, true)], &mut answers);
    }
    for batch in together.chunks(TOGETHER) {
        let sets = batch.iter().enumerate().map(|(slot, set)| Set::generate(&mut random, *set, slot, false));
        judge(&truth, &sets.collect::<Vec<_>>(), &mut answers);
    }
    answers.assert_telling();
}

#[test]
fn whoever_may_delete_or_patch_a_secret_reads_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("reach-answers", None);
    let rbac = |kind: &str, fields: Value| {
        let mut object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind});
        object["metadata"] = json!({"name": "no-read", "namespace": namespace});
        object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        cluster.api.create(&object, "").done();
    };
    let verbs = ["delete", "deletecollection", "patch", "update"];
    rbac("Role", json!({"rules": [{"verbs": verbs, "apiGroups": [""], "resources": ["secrets"]}]}));
    let group = "rbac.authorization.k8s.io";
    let role_ref = json!({"apiGroup": group, "kind": "Role", "name": "no-read"});
    let subjects = json!([{"apiGroup": group, "kind": "User", "name": "tenant"}]);
    rbac("RoleBinding", json!({"roleRef": role_ref, "subjects": subjects}));

    let metadata = json!({"name": "db", "namespace": namespace});
    let empty = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata});
    let mut secret = empty.clone();
    secret["stringData"] = json!({"password": "hunter2"});
    cluster.api.create(&secret, "").done();

    let tenant = cluster.control_plane.api(TENANT);
    let (one, all) = (path(&empty), collection(&empty));
    cluster.eventually(|| tenant.merge(&one, &json!({})), |reply| reply.status == 200);
    let read = |reply: Reply| {
        assert_eq!(reply.status, 200, "{}", reply.message());
        // A deleted collection is a list.
        let secret = reply.body.pointer("/items/0").unwrap_or(&reply.body);
        secret["data"]["password"] == "aHVudGVyMg=="
    };
    assert_eq!([tenant.get(&one).status, tenant.get(&all).status], [403, 403]);
    assert!(read(tenant.merge(&one, &json!({}))));
    // Nothing is even deleted.
    let delete = |path: &str, options: Value| tenant.request("DELETE", path, "application/json", &options);
    assert!(read(delete(&all, json!({"dryRun": ["All"]}))));
    assert!(read(delete(&one, json!({"dryRun": ["All"], "propagationPolicy": "Foreground"}))));
    assert!(!read(delete(&one, json!({"dryRun": ["All"]}))));
    // An update answers with what was sent.
    assert!(!read(tenant.request("PUT", &format!("{one}?dryRun=All"), "application/json", &empty)));
}

#[test]
fn the_fixtures_are_the_roles_of_a_new_cluster() {
    let Some(cluster) = Cluster::shared() else { return };
    for resource in ["clusterroles", "clusterrolebindings", "roles", "rolebindings"] {
        let fixture = format!("{}/tests/fixtures/rbac/{resource}.json", env!("CARGO_MANIFEST_DIR"));
        let fixture: Vec<Value> = serde_json::from_slice(&std::fs::read(fixture).unwrap()).unwrap();
        let label = "kubernetes.io%2Fbootstrapping%3Drbac-defaults";
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{resource}?labelSelector={label}");
        let list = cluster.eventually(
            || cluster.api.get(&path),
            |reply| {
                let items = reply.body["items"].as_array().unwrap();
                // The controller fills the aggregated ones.
                items.len() >= fixture.len()
                    && items.iter().all(|item| !item["aggregationRule"].is_object() || item["rules"].is_array())
            },
        );
        let of = |object: &Value| {
            let metadata = &object["metadata"];
            let fields = ["rules", "aggregationRule", "roleRef", "subjects"].map(|field| object[field].clone());
            (metadata["namespace"].to_string(), metadata["name"].to_string(), metadata["labels"].clone(), fields)
        };
        let sorted = |objects: &[Value]| {
            let mut objects: Vec<_> = objects.iter().map(of).collect();
            objects.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            objects
        };
        assert_eq!(sorted(list.body["items"].as_array().unwrap()), sorted(&fixture), "{resource}");
    }
}

/// Puts the sets into the cluster, asks everything, and takes them out again.
fn judge(truth: &Truth, sets: &[Set], answers: &mut Answers) {
    // As they were written: what the aggregation controller makes of them is ours to know.
    let access = Access::of(sets.iter().flat_map(Set::parsed));
    truth.apply(sets);
    let questions: Vec<Vec<Question<'_>>> = sets.iter().map(Set::questions).collect();
    let mut said = truth.ask(&questions.concat()).into_iter();
    for (set, questions) in sets.iter().zip(questions) {
        let answered: Vec<Answered<'_>> = questions.into_iter().zip(said.by_ref()).collect();
        for (question, said) in &answered {
            let (namespace, account) = question.account;
            let row = &ROWS[question.row];
            let ours = access.reach(namespace, account).allows(row, question.namespace, question.name);
            assert_eq!(ours, said.is_some(), "{question:?}\n{said:?}\n{:#}", json!(set.objects));
        }
        answers.count(set, &answered);
        set.assert_reached(&access, &answered);
    }
    truth.clear(sets);
}
