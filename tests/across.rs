//! The ways to other namespaces and to stores outside: each kind denied, let through by its look-alike, warned of, in dry run,
//! by exception; in a pod and in the pods of a Deployment.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;

use secretfence::fence::access::{Access, Object};
use secretfence::fence::rules::copies::{MarkId, Origin, read};
use secretfence::fence::rules::provider_class::ProviderClass;
use secretfence::fence::{Evaluation, Facts, Finding, Kind, KindSet, Outcome, PolicySet, Question, evaluate};
use serde_json::{Value, json};
use support::*;

/// What a kind finds, and what looks like it and is none.
struct Case {
    kind: Kind,
    pod: Value,
    pointer: &'static str,
    look_alike: Value,
}

fn volume(source: Value) -> Value {
    let mut volume = source;
    volume["name"] = json!("v");
    with(pod(), "/spec/volumes", json!([volume]))
}

fn env(value: &str) -> Value {
    with(pod(), "/spec/containers/0/env", json!([{"name": "TOKEN", "value": value}]))
}

fn annotated(key: &str, value: &str) -> Value {
    with(pod(), "/metadata/annotations", json!({key: value}))
}

fn store_csi(class: &str) -> Value {
    volume(json!({"csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": class}}}))
}

fn as_account(name: &str) -> Value {
    with(pod(), "/spec/serviceAccountName", json!(name))
}

fn cases() -> Vec<Case> {
    let case = |kind, pod, pointer, look_alike| Case { kind, pod, pointer, look_alike };
    let shared = |driver: &str| volume(json!({"csi": {"driver": driver, "volumeAttributes": {"sharedSecret": "db"}}}));
    let secret = |name: &str| with(pod(), "/spec/containers/0/env", json!([secret_env("TOKEN", name, "token")]));
    let vault = "vault.hashicorp.com/agent-inject-secret-db";
    vec![
        case(
            Kind::ExternalEnv,
            env("vault:secret/data/db#password"),
            "/spec/containers/0/env/0",
            env("vault or no vault"),
        ),
        case(
            Kind::Injected,
            annotated(vault, "secret/data/db"),
            "/metadata/annotations/vault.hashicorp.com~1agent-inject-secret-db",
            annotated("example.com/agent-inject-secret-db", "secret/data/db"),
        ),
        case(
            Kind::Literal,
            env("amqp://app:8fk2PQx0d@queue"),
            "/spec/containers/0/env/0",
            env("amqp://app:$(PASSWORD)@queue"),
        ),
        case(Kind::StorePath, env("vault:secret/data/db#password"), "/spec/containers/0/env/0", env("secret/data/db")),
        case(Kind::StorePath, store_csi("db"), "/spec/volumes/0/csi", volume(json!({"emptyDir": {}}))),
        case(
            Kind::NodeAccess,
            volume(json!({"hostPath": {"path": "/var/lib"}})),
            "/spec/volumes/0/hostPath",
            volume(json!({"emptyDir": {}})),
        ),
        case(
            Kind::NodeAccess,
            with(pod(), "/spec/hostPID", json!(true)),
            "/spec/hostPID",
            with(pod(), "/spec/hostPID", json!(false)),
        ),
        case(
            Kind::NodeAccess,
            with(pod(), "/spec/containers/0/securityContext", json!({"privileged": true})),
            "/spec/containers/0/securityContext/privileged",
            with(pod(), "/spec/containers/0/securityContext", json!({"allowPrivilegeEscalation": true})),
        ),
        case(
            Kind::SharedSecret,
            shared("csi.sharedresource.openshift.io"),
            "/spec/volumes/0/csi",
            shared("csi.example.com"),
        ),
        case(Kind::Reach, as_account("robot"), "/spec/serviceAccountName", as_account("nobody")),
        case(Kind::Copied, secret("copy"), "/spec/containers/0/env/0", secret("own")),
    ]
}

/// `robot` of the pods' namespace reads Secrets in `payments`; the Secret `copy` is from there, `own` is not.
fn known() -> Facts {
    let rbac = "rbac.authorization.k8s.io/v1";
    let objects = [
        json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "reader"},
               "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}),
        json!({"apiVersion": rbac, "kind": "RoleBinding", "metadata": {"name": "robot", "namespace": "payments"},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
               "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": NAMESPACE}]}),
    ];
    let objects = objects.iter().map(|object| Object::parse(object.to_string().as_bytes()).unwrap().unwrap());
    let copy = read(NAMESPACE, [], [("reflector.v1.k8s.emberstack.com/reflects", "payments/db")], [], &[]);
    let class = ProviderClass { name: "db".to_owned(), paths: vec!["secret/data/db".to_owned()], ..Default::default() };
    let named = |name: &str| (NAMESPACE.to_owned(), name.to_owned());
    Facts {
        access: Some(Arc::new(Access::of(objects))),
        secrets: Arc::new([(named("copy"), copy), (named("own"), None)].into_iter().collect()),
        provider_classes: Arc::new([(named("db"), class)].into_iter().collect()),
        ..facts()
    }
}

/// Of the reviews that the support makes.
const NAMESPACE: &str = "shop";

fn on(kind: Kind, rest: &str) -> PolicySet {
    rules(&[&format!("{{name: rule, on: [{}], {rest}}}", kind.name())])
}

fn deployment(pod: &Value) -> Value {
    let template = json!({"metadata": pod["metadata"], "spec": pod["spec"]});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": NAMESPACE},
           "spec": {"template": template}})
}

/// As `check` does without `--all`: what is allowed is no finding.
fn findings_of(object: &Value, policies: &PolicySet, facts: &Facts) -> Vec<Finding> {
    let (api_version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    let question = Question { api_version, kind, namespace: NAMESPACE, all: false, patch: false };
    match evaluate(object.to_string().as_bytes(), &question, policies, facts).unwrap() {
        Evaluation::Judged(judgement) => judgement.findings,
        other => panic!("not judged: {other:?}"),
    }
}

fn only_finding(object: &Value, policies: &PolicySet) -> Finding {
    let mut findings = findings_of(object, policies, &known());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn outcomes_of(object: &Value, policies: &PolicySet, facts: &Facts) -> Vec<(String, Outcome)> {
    findings_of(object, policies, facts).into_iter().map(|finding| (finding.pointer, finding.outcome)).collect()
}

#[test]
fn every_kind_has_a_case() {
    let tried = cases().iter().fold(KindSet::NONE, |all, case| all.with(case.kind));
    let missing: Vec<Kind> = KindSet::ON_DEMAND.iter().filter(|kind| !tried.contains(*kind)).collect();
    assert!(missing.is_empty(), "without a case: {missing:?}");
}

#[test]
fn each_kind_is_denied_warned_of_and_told_in_dry_run() {
    for Case { kind, pod, pointer, look_alike } in cases() {
        let facts = known();
        let deny = on(kind, "action: deny");
        assert_eq!(outcomes_of(&pod, &deny, &facts), [(pointer.to_owned(), Outcome::Denied)], "{kind}");
        assert_eq!(outcomes_of(&look_alike, &deny, &facts), [], "{kind}");
        let in_template = format!("/spec/template{pointer}");
        assert_eq!(outcomes_of(&deployment(&pod), &deny, &facts), [(in_template, Outcome::Denied)], "{kind}");
        let warn = on(kind, "action: warn");
        assert_eq!(outcomes_of(&pod, &warn, &facts), [(pointer.to_owned(), Outcome::Warned)], "{kind}");
        let dry = policies(&policy("dry", &format!("mode: dryRun\nrules: [{{name: r, on: [{kind}], action: deny}}]")));
        let told = findings_of(&pod, &dry, &facts);
        assert_eq!(told.len(), 1, "{kind}");
        assert_eq!(told[0].mode.map(|mode| format!("{mode:?}")).as_deref(), Some("DryRun"), "{kind}");
    }
}

#[test]
fn each_kind_is_denied_by_the_webhook_with_the_text_of_check() {
    for Case { kind, pod, look_alike, .. } in cases() {
        let (facts, deny) = (known(), on(kind, "action: deny"));
        let response = send_with(&create(&pod), VALIDATE, &deny, &facts);
        assert!(!response.allowed(), "{kind}");
        let message = &findings_of(&pod, &deny, &facts)[0].message;
        assert!(response.message().contains(message.as_str()), "{}\n{message}", response.message());
        assert!(send_with(&create(&look_alike), VALIDATE, &deny, &facts).allowed(), "{kind}");
    }
}

#[test]
fn each_kind_has_exceptions_that_end() {
    for Case { kind, pod, .. } in cases() {
        let exception = |day: &str| {
            let allow = format!("{{name: yes, on: [{kind}], action: allow, reason: known, expires: {day}}}");
            rules(&[&allow, &format!("{{name: no, on: [{kind}], action: deny}}")])
        };
        assert_eq!(outcomes_of(&pod, &exception("2027-12-31"), &known()), [], "{kind}");
        assert_eq!(outcomes_of(&pod, &exception("2020-12-31"), &known())[0].1, Outcome::Denied, "{kind}");
    }
}

#[test]
fn an_update_may_keep_what_was_denied_before_and_add_nothing() {
    for Case { kind, pod, look_alike, .. } in cases() {
        let (facts, deny) = (known(), on(kind, "action: deny"));
        let labelled = with(pod.clone(), "/metadata/labels", json!({"a": "b"}));
        assert!(send_with(&update(&pod, &labelled), VALIDATE, &deny, &facts).allowed(), "{kind}");
        assert!(!send_with(&update(&look_alike, &pod), VALIDATE, &deny, &facts).allowed(), "{kind}");
    }
}

#[test]
fn a_rule_on_everything_asks_for_no_watch() {
    let any = rules(&["{name: r, on: [any], action: deny}"]);
    assert!(!any.kinds().intersects(KindSet::OF_THE_CLUSTER));
    assert!(rules(&["{name: r, on: [crossNamespace], action: deny}"]).kinds().contains(Kind::Reach));
}

// Where.

fn denies(pod: &Value, kind: Kind, selects: &str) -> bool {
    !outcomes_of(pod, &on(kind, &format!("where: {selects}, action: deny")), &known()).is_empty()
}

#[test]
fn paths_of_a_store_know_the_pods_own_names() {
    let outside = r#"{paths: ["!secret/data/{namespace}/*"]}"#;
    assert!(!denies(&env("vault:secret/data/shop/db#password"), Kind::StorePath, outside));
    assert!(denies(&env("vault:secret/data/shop-2/db#password"), Kind::StorePath, outside));
    assert!(denies(&env("vault:secret/data/shop/../payments/db#password"), Kind::StorePath, outside));
}

#[test]
fn paths_of_a_class_that_is_not_known_fit_what_denies() {
    assert!(denies(&store_csi("nobody-knows"), Kind::StorePath, r#"{paths: ["secret/data/payments/*"]}"#));
    assert!(!denies(&store_csi("db"), Kind::StorePath, r#"{paths: ["secret/data/payments/*"]}"#));
}

#[test]
fn a_path_of_the_node_shows_what_is_above_and_below() {
    let node = |path: &str| volume(json!({"hostPath": {"path": path}}));
    let secrets = r#"{paths: ["@node-secrets"]}"#;
    for path in [
        "/",
        "/var",
        "/var/lib/kubelet",
        "/var/lib/kubelet/pods/x",
        "/var/lib/../lib/kubelet/",
        "/etc/kubernetes",
        "/run/containerd/containerd.sock",
    ] {
        assert!(denies(&node(path), Kind::NodeAccess, secrets), "{path}");
    }
    for path in ["/srv", "/var/lib/kubelet-2", "/opt/data"] {
        assert!(!denies(&node(path), Kind::NodeAccess, secrets), "{path}");
    }
}

#[test]
fn a_sub_path_narrows_a_volume_only_where_every_mount_has_one() {
    let mounted = |mounts: Value| {
        let pod = volume(json!({"hostPath": {"path": "/var"}}));
        denies(&with(pod, "/spec/containers/0/volumeMounts", mounts), Kind::NodeAccess, r#"{paths: ["@node-secrets"]}"#)
    };
    let mount = |more: Value| {
        let mut mount = json!({"name": "v", "mountPath": "/v"});
        mount.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        mount
    };
    assert!(!mounted(json!([mount(json!({"subPath": "cache/nginx"}))])));
    assert!(mounted(json!([mount(json!({"subPath": "lib"}))])));
    assert!(mounted(json!([mount(json!({"subPath": "cache/nginx"})), mount(json!({}))])));
    assert!(mounted(json!([mount(json!({"subPathExpr": "cache/$(POD)"}))])));
}

#[test]
fn what_has_no_path_is_not_selected_by_one() {
    let pod = with(pod(), "/spec/hostPID", json!(true));
    assert!(!denies(&pod, Kind::NodeAccess, r#"{paths: ["*"]}"#));
}

#[test]
fn reach_selects_the_namespaces_that_are_reached() {
    assert!(denies(&as_account("robot"), Kind::Reach, "{reach: [pay*]}"));
    assert!(!denies(&as_account("robot"), Kind::Reach, "{reach: [kube-*]}"));
}

#[test]
fn a_pod_without_a_token_reaches_nothing() {
    let pod = with(as_account("robot"), "/spec/automountServiceAccountToken", json!(false));
    assert!(!denies(&pod, Kind::Reach, "{reach: ['*']}"));
    let token = |audience: Value| json!([{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": audience}}]}}]);
    assert!(denies(&with(pod.clone(), "/spec/volumes", token(Value::Null)), Kind::Reach, "{reach: ['*']}"));
    assert!(!denies(&with(pod, "/spec/volumes", token(json!("vault"))), Kind::Reach, "{reach: ['*']}"));
}

#[test]
fn reach_is_not_judged_where_nobody_told_who_may_do_what() {
    assert_eq!(outcomes_of(&as_account("robot"), &on(Kind::Reach, "action: deny"), &facts()), []);
}

#[test]
fn copies_are_selected_by_where_they_are_from() {
    let pod = with(pod(), "/spec/containers/0/env", json!([secret_env("TOKEN", "copy", "token")]));
    assert!(denies(&pod, Kind::Copied, "{from: [payments]}"));
    assert!(!denies(&pod, Kind::Copied, "{from: [kube-*]}"));
    assert!(denies(&pod, Kind::Copied, "{from: [payments], secrets: [copy]}"));
    assert!(!denies(&pod, Kind::Copied, "{secrets: [own]}"));
}

#[test]
fn a_secret_that_nobody_knows_is_what_the_rule_says_of_missing_ones() {
    let pod = with(pod(), "/spec/containers/0/env", json!([secret_env("TOKEN", "new", "token")]));
    let outcome = |rest: &str| outcomes_of(&pod, &on(Kind::Copied, rest), &known()).pop().map(|(_, outcome)| outcome);
    assert_eq!(outcome("action: deny"), Some(Outcome::Warned));
    assert_eq!(outcome("action: deny, missing: deny"), Some(Outcome::Denied));
    assert_eq!(outcome("action: deny, missing: allow"), None);
    assert_eq!(outcome("action: warn, missing: deny"), Some(Outcome::Denied));
}

#[test]
fn the_name_of_a_shared_secret_is_no_secret_of_the_pods_namespace() {
    let attributes = json!({"sharedSecret": "copy"});
    let pod = volume(json!({"csi": {"driver": "csi.sharedresource.openshift.io", "volumeAttributes": attributes}}));
    assert!(!denies(&pod, Kind::Copied, "{secrets: ['*']}"));
    assert!(denies(&pod, Kind::SharedSecret, "{from: ['*']}"));
}

#[test]
fn the_finding_names_the_chain() {
    let finding = only_finding(&as_account("robot"), &on(Kind::Reach, "action: deny"));
    assert_eq!(
        finding.chain.as_deref(),
        Some("ServiceAccount \"robot\", RoleBinding \"payments/robot\", ClusterRole \"reader\", rule 0")
    );
    assert_eq!(
        finding.message,
        "the pod's ServiceAccount can read Secrets in namespace \"payments\", by ServiceAccount \"robot\", RoleBinding \
         \"payments/robot\", ClusterRole \"reader\", rule 0 (/spec/serviceAccountName): give it a ServiceAccount with fewer \
         rights, or automountServiceAccountToken: false [files-only/rule]"
    );
}

#[test]
fn no_value_of_an_env_entry_is_in_a_finding() {
    let pod = env("vault:secret/data/db#S3CR3T-KEY");
    for kind in [Kind::ExternalEnv, Kind::StorePath] {
        let finding = format!("{:?}", only_finding(&pod, &on(kind, "action: deny")));
        assert!(!finding.contains("S3CR3T-KEY"), "{finding}");
    }
}

/// The type is used, so that a mark can be told from another.
#[test]
fn a_copy_says_by_which_mark() {
    let Origin { mark, from }: Origin =
        read(NAMESPACE, [], [("reflector.v1.k8s.emberstack.com/reflects", "payments/db")], [], &[]).unwrap();
    assert_eq!((MarkId::name(mark, &[]), from.as_deref()), ("reflector", Some("payments")));
}
