//! `--cluster`: what the policies ask about is read of a live cluster, beside the input.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use secretfence::cluster::{Connection, Needs, Snapshot};
use serde_json::{Value, json};

use crate::api_server::{ApiServer, State};
use crate::{CLEAN, Folder, POD, shown};

const TIER: &str =
    "match: {namespaceSelector: {matchLabels: {tier: prod}}}\nrules: [{name: env, on: [env], action: deny}]";
const REACH: &str = "rules: [{name: reach, on: [reach], action: deny}]";
const COPIED: &str = "rules: [{name: copied, on: [copied], missing: deny, action: deny}]";
const ALL: &str = "match: {namespaceSelector: {matchLabels: {tier: prod}}}\nrules: [{name: all, on: [crossNamespace], \
                   where: {from: [billing]}, action: deny}]";

/// The right to read the Secrets of `billing`, for the ServiceAccount `web` of `default`.
const ROLE: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reader}, rules: \
                    [{apiGroups: [\"\"], resources: [secrets], verbs: [get]}]}";

fn role() -> Value {
    json!({"metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]})
}

fn binding() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "billing"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "default"}],
    })
}

fn namespace(name: &str, tier: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"tier": tier}}})
}

/// The pod's Secret, a copy from a namespace.
fn copy(from: &str) -> Value {
    let annotations = json!({"reflector.v1.k8s.emberstack.com/reflects": format!("{from}/db")});
    json!({"metadata": {"name": "db", "namespace": "default", "annotations": annotations}})
}

fn lists<const N: usize>(lists: [(&'static str, Value); N]) -> State {
    State { lists: lists.map(|(name, object)| (name, vec![object])).into(), ..State::default() }
}

/// Refuses what follows, and forgets what was asked.
fn refuse(api: &ApiServer, resource: &'static str, how: (u16, Option<u32>, usize)) {
    api.change(|state| {
        state.asked.clear();
        state.refuses.insert(resource, how);
    });
}

impl Folder {
    /// With a kubeconfig for the API server.
    fn of(self, api: &ApiServer) -> Folder {
        self.file("kubeconfig", api.kubeconfig())
    }

    fn live(&self, more: &[&str]) -> String {
        self.check(&[&["--cluster", "--kubeconfig", "kubeconfig", "pod.yaml"], more].concat())
    }
}

#[test]
fn labels_of_namespaces_come_from_the_cluster_in_pages() {
    let listed = (0..4).map(|number| namespace(&format!("n{number}"), "test")).chain([namespace("default", "test")]);
    let api = ApiServer::start(State { listed: listed.collect(), ..State::default() });
    let folder = Folder::with(POD).policy(TIER).of(&api);
    assert!(folder.check(&["pod.yaml"]).starts_with("exit: 1\n"), "what is not known is matched");
    assert_snapshot!(folder.live(&[]), @r#"
    exit: 0
    --- stdout
    not judged: policy "test" is not about the workload: look at match, exclude and templates, and at --namespace
    cluster: read namespaces
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 1 allowed
    "#);
    assert!(api.asked("limit=500") == 3 && api.asked("continue=") == 2 && api.asked("/namespaces?") == 3);
    assert_eq!(api.asked("watch="), 0);
    api.change(|state| state.listed[4] = namespace("default", "prod"));
    assert!(folder.live(&[]).starts_with("exit: 1\n"));
}

#[test]
fn of_an_object_that_both_know_the_input_counts() {
    let labelled = |tier: &str| {
        format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: default, labels: {{tier: {tier}}}}}}}")
    };
    let api = ApiServer::start(lists([("namespaces", namespace("default", "prod"))]));
    let folder = Folder::with(POD).policy(TIER).of(&api).file("namespace.yaml", labelled("test"));
    assert!(folder.live(&[]).starts_with("exit: 1\n"));
    assert!(folder.live(&["namespace.yaml"]).starts_with("exit: 0\n"));
    // Two that differ tell nothing, and what is in the cluster will not last either.
    let folder = folder.file("other.yaml", labelled("other"));
    api.change(|state| drop(state.lists.insert("namespaces", vec![namespace("default", "test")])));
    assert!(folder.live(&["namespace.yaml", "other.yaml"]).starts_with("exit: 1\n"));

    let own = "{apiVersion: v1, kind: Secret, metadata: {name: db}}";
    let api = ApiServer::start(lists([("secrets", copy("billing"))]));
    let folder = Folder::with(POD).policy(COPIED).of(&api).file("secret.yaml", own);
    assert!(folder.live(&[]).contains(r#"copy from namespace "billing""#), "{}", folder.live(&[]));
    assert!(folder.live(&["secret.yaml"]).starts_with("exit: 0\n"));
}

#[test]
fn rbac_of_input_and_cluster_counts_together() {
    let api = ApiServer::start(lists([("rolebindings", binding())]));
    let folder = Folder::with(CLEAN).policy(REACH).of(&api).file("role.yaml", ROLE);
    assert_snapshot!(folder.check(&["pod.yaml"]), @"
    exit: 0
    --- stdout
    not judged: reach: no role or binding is in the input, so nobody can say what a ServiceAccount may do: add them, or ask a cluster for them with --cluster
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 0 allowed
    ");
    // A role that is not there gives nothing until somebody applies it, so it is named.
    assert_snapshot!(folder.live(&[]), @r#"
    exit: 0
    --- stdout
    not judged: reach of ClusterRole "reader", by RoleBinding "billing/web": the role is neither in the input nor in the cluster
    cluster: read serviceaccounts, clusterrolebindings, clusterroles, rolebindings, roles
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 0 allowed
    "#);
    let shown = folder.live(&["role.yaml"]);
    assert!(shown.starts_with("exit: 1\n") && shown.contains("RoleBinding \"billing/web\""), "{shown}");
    api.change(|state| drop(state.lists.insert("clusterroles", vec![role()])));
    assert!(folder.live(&[]).starts_with("exit: 1\n"));
    // The role of the input takes the place of the cluster's.
    let folder = folder.file("role.yaml", ROLE.replace("secrets", "configmaps"));
    assert!(folder.live(&["role.yaml"]).starts_with("exit: 0\n"));
}

#[test]
fn a_cluster_without_roles_has_been_asked_for_them() {
    let api = ApiServer::start(State::default());
    let json = Folder::with(CLEAN).policy(REACH).of(&api);
    let json = json.json(&["-p", "policy.yaml", "--cluster", "--kubeconfig", "kubeconfig", "pod.yaml"]);
    assert_eq!(json["summary"]["notJudged"], json!([]));
    let read = ["serviceaccounts", "clusterrolebindings", "clusterroles", "rolebindings", "roles"];
    assert_eq!(json["summary"]["cluster"], json!(read));
}

#[test]
fn a_secret_that_nobody_knows_is_missing() {
    let api = ApiServer::start(lists([("secrets", json!({"metadata": {"name": "db", "namespace": "other"}}))]));
    let folder = Folder::with(POD).policy(COPIED).of(&api);
    let shown = folder.live(&[]);
    assert!(shown.starts_with("exit: 1\n") && shown.contains("of which nothing is known"), "{shown}");
    api.change(|state| {
        drop(state.lists.insert("secrets", vec![json!({"metadata": {"name": "db", "namespace": "default"}})]))
    });
    assert!(folder.live(&[]).starts_with("exit: 0\n"));
}

#[test]
fn nothing_is_asked_where_no_policy_asks() {
    let folder = Folder::with(CLEAN).rules("[{name: env, on: [env], action: deny}]");
    // The kubeconfig is not even read.
    assert_snapshot!(folder.live(&[]), @"
    exit: 0
    --- stdout
    cluster: asked for nothing, since no policy asks about it
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 0 allowed
    ");
    let json = folder.json(&["--cluster", "pod.yaml"]);
    assert_eq!(json["summary"]["cluster"], json!([]));
    assert_eq!(folder.json(&["pod.yaml"])["summary"]["cluster"], Value::Null);
}

#[test]
fn a_missing_right_is_named_with_the_command_that_prints_it() {
    let api = ApiServer::start(State { forbids: true, ..State::default() });
    assert_snapshot!(Folder::with(POD).policy(ALL).of(&api).live(&[]), @r#"
    exit: 2
    --- stderr
    error: what the policies ask of the cluster cannot be read, so nothing was judged: by the kubeconfig kubeconfig, context "t":
    may not list namespaces, which rules on namespaceSelector need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints
    may not list serviceaccounts, which rules on reach need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints
    may not list clusterrolebindings (group rbac.authorization.k8s.io), which rules on reach need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints
    may not list clusterroles (group rbac.authorization.k8s.io), which rules on reach need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints
    may not list rolebindings (group rbac.authorization.k8s.io), which rules on reach need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints
    may not list roles (group rbac.authorization.k8s.io), which rules on reach need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints
    may not list secrets, which rules on copied need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints
    may not list secretproviderclasses (group secrets-store.csi.x-k8s.io), which rules on storePath need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints
    may not list sharedsecrets (group sharedresource.openshift.io), which rules on sharedSecret with where.from need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints
    "#);
}

#[test]
fn credentials_that_are_not_taken_are_said_once() {
    let resources = ["serviceaccounts", "clusterrolebindings", "clusterroles", "rolebindings", "roles"];
    let refuses = resources.map(|resource| (resource, (401, None, usize::MAX))).into();
    let api = ApiServer::start(State { refuses, ..State::default() });
    assert_snapshot!(Folder::with(POD).policy(REACH).of(&api).live(&[]), @r#"
    exit: 2
    --- stderr
    error: what the policies ask of the cluster cannot be read, so nothing was judged: by the kubeconfig kubeconfig, context "t":
    the API server does not take these credentials (401): renew them
    "#);
}

#[test]
fn a_cluster_that_is_not_there_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let kubeconfig = ApiServer::start(State::default()).kubeconfig();
    let line = kubeconfig.lines().find(|line| line.contains("server:")).unwrap();
    let nobody = format!("clusters: [{{name: t, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]");
    let folder = Folder::with(POD).policy(TIER).file("kubeconfig", kubeconfig.replace(line, &nobody));
    assert_snapshot!(folder.live(&[]), @r#"
    exit: 2
    --- stderr
    error: what the policies ask of the cluster cannot be read, so nothing was judged: by the kubeconfig kubeconfig, context "t":
    the API server cannot be reached: client error (Connect): tcp connect error: Connection refused (os error 111)
    "#);
}

#[test]
fn a_cluster_that_says_nothing_is_not_waited_for_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: t\nusers: []\n\
         clusters: [{{name: t, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]\n\
         contexts: [{{name: t, context: {{cluster: t, user: t}}}}]\n"
    );
    let folder = Folder::new().file("kubeconfig", text);
    let connection = Connection { kubeconfig: Some(folder.path().join("kubeconfig")), ..Connection::default() };
    let needs = Needs { namespaces: Some(["tier".to_owned()].into()), ..Needs::default() };
    let error = Snapshot::read(&connection, &needs, Duration::from_secs(1)).unwrap_err();
    assert!(error.to_string().ends_with("context \"t\":\nthe API server said nothing for 1 s"), "{error}");
}

#[test]
fn what_passes_is_waited_for() {
    let refuses = [("namespaces", (429, Some(1), 2))].into();
    let api = ApiServer::start(State { refuses, listed: vec![namespace("default", "test")], ..State::default() });
    let folder = Folder::with(POD).policy(TIER).of(&api);
    let start = Instant::now();
    assert!(folder.live(&[]).starts_with("exit: 0\n"));
    assert!(start.elapsed() >= Duration::from_secs(2), "it came again before it was told to");
    assert_eq!(api.asked("/namespaces?"), 3);
    // A server that is not well, by the backoff alone.
    refuse(&api, "namespaces", (500, None, 2));
    assert!(folder.live(&[]).starts_with("exit: 0\n"));
    // What does not pass is said, after four tries.
    refuse(&api, "namespaces", (503, Some(0), usize::MAX));
    assert!(folder.live(&[]).ends_with("the API server answered 503 ServiceUnavailable\n"));
    assert_eq!(api.asked("/namespaces?"), 4);
    // And so is one who says to come back tomorrow, at once.
    refuse(&api, "namespaces", (429, Some(86400), usize::MAX));
    assert!(folder.live(&[]).starts_with("exit: 2\n"));
    assert_eq!(api.asked("/namespaces?"), 1);
}

#[test]
fn a_connection_that_breaks_in_the_midst_of_a_list_is_taken_up_again() {
    let listed: Vec<Value> = (0..7).map(|index| namespace(&format!("n-{index}"), "test")).collect();
    let listed = [listed, vec![namespace("default", "prod")]].concat();
    let api = ApiServer::start(State { breaks: 2, listed, ..State::default() });
    let folder = Folder::with(POD).policy(TIER).of(&api);
    let output = folder.live(&[]);
    assert!(output.starts_with("exit: 1\n"), "{output}");
    // Four pages, of which the second was asked for three times.
    assert_eq!(api.asked("/api/v1/namespaces"), 6);
}

#[test]
fn pages_that_are_outlived_are_listed_anew() {
    let listed: Vec<Value> = ["a", "b", "default"].map(|name| namespace(name, "test")).into();
    let refuses = [("namespaces", (410, None, 1))].into();
    let api = ApiServer::start(State { refuses, listed, ..State::default() });
    assert!(Folder::with(POD).policy(TIER).of(&api).live(&[]).starts_with("exit: 0\n"));
    assert_eq!(api.asked("/namespaces?"), 3);
}

#[test]
fn what_is_not_installed_has_no_objects() {
    let policy = "rules: [{name: paths, on: [storePath], action: deny}, {name: shared, on: [sharedSecret], where: {from: \
                  [billing]}, action: deny}]";
    let absent = (404, None, usize::MAX);
    let refuses = [("secretproviderclasses", absent), ("sharedsecrets", absent)].into();
    let api = ApiServer::start(State { refuses, ..State::default() });
    let shown = Folder::with(CLEAN).policy(policy).of(&api).live(&[]);
    assert!(shown.starts_with("exit: 0\n") && shown.contains("read secretproviderclasses, sharedsecrets"), "{shown}");
    // A core without Namespaces is no cluster.
    refuse(&api, "namespaces", absent);
    let shown = Folder::with(CLEAN).policy(TIER).of(&api).live(&[]);
    assert!(shown.starts_with("exit: 2\n") && shown.contains("the API server has no namespaces of v1"), "{shown}");
}

#[test]
fn a_kubeconfig_without_cluster_is_an_error() {
    let folder = Folder::with(CLEAN);
    assert_snapshot!(folder.run(&["check", "--kubeconfig", "kubeconfig", "pod.yaml"]), @"
    exit: 2
    --- stderr
    error: the following required arguments were not provided:
      --cluster

    Usage: secretfence check --cluster --kubeconfig <FILE> <PATH>...

    For more information, try '--help'.
    ");
    assert!(folder.run(&["check", "--context", "t", "pod.yaml"]).starts_with("exit: 2\n"));
    // Who has set it for the webhook has not asked for the cluster.
    let output = folder.command(&["check", "pod.yaml"]).env("SECRETFENCE_KUBECONFIG", "kubeconfig").output().unwrap();
    assert!(shown(&output).starts_with("exit: 0\n"));
}

#[test]
fn the_kubeconfig_is_the_one_that_is_named_and_then_that_of_the_environment() {
    let api = ApiServer::start(lists([("namespaces", namespace("default", "test"))]));
    let folder = Folder::with(POD).policy(TIER).of(&api).file("broken", "{");
    let live = |variables: &[(&str, &str)], more: &[&str]| {
        let arguments = [&["check", "-p", "policy.yaml", "--cluster", "pod.yaml"], more].concat();
        let mut command = folder.command(&arguments);
        shown(&command.env("HOME", folder.path()).envs(variables.iter().copied()).output().unwrap())
    };
    let own = ("SECRETFENCE_KUBECONFIG", "kubeconfig");
    assert!(live(&[own], &[]).starts_with("exit: 0\n"));
    assert!(live(&[own], &["--kubeconfig", "broken"]).starts_with("exit: 2\n"));
    assert!(live(&[own, ("KUBECONFIG", "broken")], &[]).starts_with("exit: 0\n"));
    // In a pod of a build farm, which is in a cluster of its own.
    let farm = ("KUBERNETES_SERVICE_HOST", "127.0.0.1");
    assert!(live(&[("KUBECONFIG", "kubeconfig"), farm], &[]).starts_with("exit: 0\n"));
    let shown = live(&[farm], &[]);
    assert!(shown.starts_with("exit: 2\n") && shown.contains("in a cluster, but"), "{shown}");
    let shown = live(&[], &[]);
    assert!(shown.starts_with("exit: 2\n") && shown.contains("give --kubeconfig FILE"), "{shown}");
}

#[test]
fn a_context_is_one_of_the_kubeconfig() {
    let api = ApiServer::start(lists([("namespaces", namespace("default", "test"))]));
    let folder = Folder::with(POD).policy(TIER).of(&api);
    assert!(folder.live(&["--context", "t"]).starts_with("exit: 0\n"));
    assert_snapshot!(folder.live(&["--context", "prod"]), @r#"
    exit: 2
    --- stderr
    error: what the policies ask of the cluster cannot be read, so nothing was judged: no context "prod" in the kubeconfig kubeconfig: it has "t"
    "#);
}

#[test]
fn a_broken_kubeconfig_keeps_its_token() {
    let api = ApiServer::start(State::default());
    let text = api.kubeconfig().replace("user: {}", "user: {token: hunter2, tokenFile: [hunter2]}");
    for text in [text, "users: [{name: t, user: {token: hunter2}\n".to_owned()] {
        let shown = Folder::with(POD).policy(TIER).file("kubeconfig", text).live(&[]);
        assert!(shown.starts_with("exit: 2\n") && !shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("no YAML of a kubeconfig (line "), "{shown}");
    }
}

#[test]
fn a_credential_plugin_that_fails_keeps_its_token() {
    let api = ApiServer::start(State::default());
    let plugin = |script: &str| {
        let exec = format!(
            "user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, '{script}'], \
             interactiveMode: Never}}}}"
        );
        Folder::with(POD).policy(TIER).file("kubeconfig", api.kubeconfig().replace("user: {}", &exec)).live(&[])
    };
    for script in ["echo hunter2; exit 3", "echo \"{token: [hunter2\""] {
        let shown = plugin(script);
        assert!(shown.starts_with("exit: 2\n") && !shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("credential plugin of the kubeconfig"), "{shown}");
    }
}
