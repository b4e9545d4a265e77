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
            Kind::NodeAccess,
            with(pod(), "/spec/containers/0/securityContext", host_process(true)),
            "/spec/containers/0/securityContext/windowsOptions/hostProcess",
            with(pod(), "/spec/containers/0/securityContext", host_process(false)),
        ),
        case(
            Kind::NodeAccess,
            with(pod(), "/spec/securityContext", host_process(true)),
            "/spec/securityContext/windowsOptions/hostProcess",
            with(pod(), "/spec/securityContext", host_process(false)),
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

fn host_process(is: bool) -> Value {
    json!({"windowsOptions": {"hostProcess": is, "runAsUserName": "NT AUTHORITY\\SYSTEM"}})
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
fn a_path_of_a_store_is_looked_at_as_the_kubelet_expands_it() {
    let outside = r#"{paths: ["!secret/data/{namespace}/*"]}"#;
    let env = |entries: Value| {
        let pod = with(pod(), "/metadata/annotations", json!({"x": "vault:secret/data/payments/db#password"}));
        with(pod, "/spec/containers/0/env", entries)
    };
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let value = |name: &str, value: &str| json!({"name": name, "value": value});
    let from_map = json!({"name": "CM", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}});
    for denied in [
        json!([value("UP", ".."), value("X", "vault:secret/data/shop/$(UP)/payments/db#password")]),
        json!([from_map, value("X", "vault:secret/data/shop/$(CM)#password")]),
        json!([value("V", "vault"), value("X", "$(V):secret/data/payments/db#password")]),
        json!([value("V", "vault:secret/data/payments/db#password"), value("X", "$(V)")]),
        json!([field("F", "metadata.annotations['x']")]),
    ] {
        assert!(denies(&env(denied.clone()), Kind::StorePath, outside), "{denied}");
        assert!(denies(&env(denied.clone()), Kind::ExternalEnv, outside), "{denied}");
        // No exception for what is not known.
        let exception = "{name: own, on: [storePath], where: {paths: ['secret/data/{namespace}/*']}, action: allow, reason: r, expires: 2027-12-31}";
        let but = rules(&[exception, "{name: no, on: [storePath], action: deny}"]);
        assert!(!outcomes_of(&env(denied.clone()), &but, &known()).is_empty(), "{denied}");
    }
    let own = json!([
        field("NS", "metadata.namespace"),
        field("LABEL", "metadata.labels['x']"),
        value("X", "vault:secret/data/$(NS)/db#$(LABEL)"),
    ]);
    assert!(!denies(&env(own), Kind::StorePath, outside));
}

#[test]
fn a_path_in_a_store_that_is_named_beside_it_is_nobodys_own() {
    let outside = r#"{paths: ["!secret/data/{namespace}/*"]}"#;
    let own = env("vault:secret/data/shop/db#password");
    let annotate = |pod: Value, key: &str, value: &str| {
        with(pod, &format!("/metadata/annotations/{}", key.replace('/', "~1")), json!(value))
    };
    let injected = annotated("vault.hashicorp.com/agent-inject-secret-a", "secret/data/shop/a");
    assert!(!denies(&own, Kind::StorePath, outside) && !denies(&injected, Kind::StorePath, outside));
    for pod in [
        annotate(injected, "vault.hashicorp.com/namespace", "payments"),
        annotate(own.clone(), "vault.security.banzaicloud.io/vault-namespace", "payments"),
        with(own, "/spec/containers/0/env/1", json!({"name": "VAULT_NAMESPACE", "value": "payments"})),
        env("ref+vault://secret/data/shop/db?namespace=payments#/password"),
    ] {
        assert!(denies(&pod, Kind::StorePath, outside), "{pod}");
        let message = only_finding(&pod, &on(Kind::StorePath, "action: deny")).message;
        assert!(
            message.contains(
                "at a path that is not known, since the namespace or the account of the store is named beside it"
            ),
            "{message}"
        );
    }
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
    for path in ["/srv/data", "/var/lib/kubelet-2", "/opt/data", "/local/data"] {
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
fn a_host_process_counts_in_every_list_of_containers() {
    let deny = on(Kind::NodeAccess, "action: deny");
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let at = format!("/spec/{list}/0");
        let container = json!([{"name": "a", "image": "a", "securityContext": host_process(true)}]);
        let container = with(pod(), &format!("/spec/{list}"), container);
        let finding = only_finding(&container, &deny);
        assert_eq!(finding.pointer, format!("{at}/securityContext/windowsOptions/hostProcess"));
        assert!(finding.message.contains("container \"a\" is a host process ("), "{}", finding.message);
    }
    let whole = only_finding(&with(pod(), "/spec/securityContext", host_process(true)), &deny);
    assert!(whole.message.starts_with("the pod's containers are host processes ("), "{}", whole.message);
}

#[test]
fn a_privileged_container_that_becomes_a_host_process_is_new() {
    let deny = on(Kind::NodeAccess, "action: deny");
    let privileged = with(pod(), "/spec/containers/0/securityContext", json!({"privileged": true}));
    let both =
        with(privileged.clone(), "/spec/containers/0/securityContext/windowsOptions", json!({"hostProcess": true}));
    assert!(!send_with(&update(&privileged, &both), VALIDATE, &deny, &known()).allowed());
    assert!(send_with(&update(&both, &privileged), VALIDATE, &deny, &known()).allowed());
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
        "the pod's ServiceAccount can read Secrets in namespace \"payments\" (get secrets), by ServiceAccount \"robot\", \
         RoleBinding \"payments/robot\", ClusterRole \"reader\", rule 0 (/spec/serviceAccountName): give it a ServiceAccount \
         with fewer rights, or automountServiceAccountToken: false [files-only/rule]"
    );
}

/// `weak` may read one Secret of `payments`, `strong` everything.
fn weak_and_strong() -> Facts {
    let rbac = "rbac.authorization.k8s.io/v1";
    let bind = |name: &str, role: &str| {
        json!({"apiVersion": rbac, "kind": "RoleBinding", "metadata": {"name": name, "namespace": "payments"},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
               "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]})
    };
    let role = |name: &str, rule: Value| json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]});
    let named = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"],
        "resourceNames": ["root-ca", "a\u{202e}b", "x".repeat(100), "z", "y"]});
    let objects = [
        role("few", named),
        role("all", json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})),
        bind("weak", "few"),
        bind("strong", "all"),
    ];
    let objects = objects.iter().map(|object| Object::parse(object.to_string().as_bytes()).unwrap().unwrap());
    Facts { access: Some(Arc::new(Access::of(objects))), ..facts() }
}

#[test]
fn an_update_may_keep_its_account_and_not_take_another_that_reaches_the_same_place() {
    let facts = weak_and_strong();
    let rule = "templates: enforce\nrules:\n  - {name: rule, on: [reach], action: deny}\n";
    let deny = policies(&policy("files-only", rule));
    let labelled = |pod: &Value| with(pod.clone(), "/metadata/labels", json!({"a": "b"}));
    let shapes: [fn(Value) -> Value; 2] = [|pod| pod, |pod| deployment(&pod)];
    for of in shapes {
        let [weak, strong] = ["weak", "strong"].map(|account| of(as_account(account)));
        let allowed = |body: &Value| send_with(body, VALIDATE, &deny, &facts).allowed();
        assert!(!allowed(&update(&of(as_account("nobody")), &strong)));
        assert!(!allowed(&update(&weak, &strong)), "{weak}");
        assert!(!allowed(&update(&strong, &weak)), "another account");
        assert!(allowed(&update(&strong, &of(labelled(&as_account("strong"))))));
        assert!(allowed(&update(&weak, &of(labelled(&as_account("weak"))))));
    }
}

#[test]
fn the_finding_names_the_right_and_a_few_of_the_objects_that_it_is_for() {
    let finding = findings_of(&as_account("weak"), &on(Kind::Reach, "action: deny"), &weak_and_strong()).remove(0);
    let right = format!(
        "(get secrets, only \"a\\u{{202e}}b\", \"root-ca\", \"{}…\" (+2 more)), by ServiceAccount \"weak\"",
        "x".repeat(64)
    );
    assert!(finding.message.contains(&right), "{}", finding.message);
    let finding = findings_of(&as_account("strong"), &on(Kind::Reach, "action: deny"), &weak_and_strong()).remove(0);
    assert!(finding.message.contains("in namespace \"payments\" (get secrets), by"), "{}", finding.message);
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
fn a_copy_from_who_knows_where_says_what_made_it() {
    let message = |labels: &[(&'static str, &'static str)], annotations: &[(&'static str, &'static str)]| {
        let copy = read(NAMESPACE, labels.iter().copied(), annotations.iter().copied(), [], &[]);
        let copies = [((NAMESPACE.to_owned(), "db".to_owned()), copy)].into_iter().collect();
        let facts = Facts { secrets: Arc::new(copies), ..facts() };
        let pod = with(pod(), "/spec/containers/0/env", json!([secret_env("TOKEN", "db", "token")]));
        findings_of(&pod, &on(Kind::Copied, "action: deny"), &facts).remove(0).message
    };
    let made = message(&[("reconcile.external-secrets.io/managed", "true")], &[]);
    assert!(
        made.contains("takes Secret \"db\", made by External Secrets; where its store reads is not known (/spec/"),
        "{made}"
    );
    let sealed = message(&[], &[("sealedsecrets.bitnami.com/cluster-wide", "true")]);
    assert!(sealed.contains("takes Secret \"db\", sealed cluster-wide; it may come from anywhere (/spec/"), "{sealed}");
    let pushed = message(&[], &[("replicator.v1.mittwald.de/replicated-from-version", "1")]);
    assert!(pushed.contains("a copy made by kubernetes-replicator; from where is not known"), "{pushed}");
}

#[test]
fn a_copy_says_by_which_mark() {
    let Origin { mark, from }: Origin =
        read(NAMESPACE, [], [("reflector.v1.k8s.emberstack.com/reflects", "payments/db")], [], &[]).unwrap();
    assert_eq!((MarkId::name(mark, &[]), from.as_deref()), ("reflector", Some("payments")));
}
