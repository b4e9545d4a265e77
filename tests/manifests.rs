//! The shipped manifests, held against the program and against one another: whom the API server asks about what, what runs,
//! and who may say where.
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "manifests/composed.rs"]
mod composed;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use secretfence::cli::serve::ServeArguments;
use secretfence::fence::workload::BUILT_IN;
use secretfence::{manifest, policy_dir};
use serde_json::{Value, json};

/// The ways to register, each a folder.
const REGISTRATIONS: [&str; 2] = ["opt-in", "cluster-wide"];

/// What kustomize composes: what is installed, and components.
const FOLDERS: [&str; 11] = [
    "audit",
    "audit-textfile",
    "base",
    "opt-in",
    "cluster-wide",
    "managed-certificates",
    "own-certificate",
    "cert-manager",
    "cluster-access",
    "critical",
    "host-network",
];

const CONFIGURATIONS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

const MODE: &str = "secretfence.dev/mode";

#[test]
fn every_file_is_one_that_kubectl_reads_and_is_named_by_its_kustomization() {
    for folder in FOLDERS {
        let kustomization = &objects(&format!("{folder}/kustomization.yaml"))[0];
        let mut named = BTreeSet::from(["kustomization.yaml".to_owned()]);
        let lists =
            ["/resources", "/components", "/patches", "/configMapGenerator"].map(|list| kustomization.pointer(list));
        for entry in lists.into_iter().flatten().flat_map(|list| list.as_array().unwrap()) {
            let files = entry["files"].as_array().cloned().unwrap_or_default();
            named.extend(entry.as_str().map(str::to_owned));
            named.extend(entry["path"].as_str().map(str::to_owned));
            named.extend(files.iter().map(|file| text(file).to_owned()));
        }
        let bases: BTreeSet<_> = named.iter().filter(|name| name.starts_with("../")).cloned().collect();
        assert!(bases.iter().all(|base| path(&format!("{folder}/{base}/kustomization.yaml")).exists()), "{bases:?}");
        let found: BTreeSet<_> = files(&path(folder)).iter().map(|file| below(file, &path(folder))).collect();
        assert_eq!(found, &named - &bases, "manifests/{folder}");
        for file in found {
            assert!(!documents(&format!("{folder}/{file}")).is_empty(), "{folder}/{file}");
        }
    }
}

#[test]
fn the_api_server_is_told_how_long_to_wait_and_what_to_do_without_an_answer() {
    for registration in REGISTRATIONS {
        let table: Vec<_> = webhooks(registration)
            .into_iter()
            .map(|(configuration, webhook)| {
                let service = &webhook["clientConfig"]["service"];
                assert_eq!((text(&service["namespace"]), text(&service["name"])), ("secretfence", "secretfence"));
                assert_eq!(service["port"], find(&base(), "Service")["spec"]["ports"][0]["port"]);
                assert_eq!(webhook["matchPolicy"], "Equivalent");
                assert_eq!(webhook["sideEffects"], "None");
                assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]));
                format!(
                    "{configuration} {} {} {} {}s {}",
                    text(&webhook["name"]),
                    text(&service["path"]),
                    text(&webhook["failurePolicy"]),
                    webhook["timeoutSeconds"],
                    webhook["reinvocationPolicy"].as_str().unwrap_or("-"),
                )
            })
            .collect();
        assert_eq!(
            table,
            [
                "MutatingWebhookConfiguration/zz-secretfence mutate.secretfence.dev /mutate Ignore 2s IfNeeded",
                "MutatingWebhookConfiguration/zz-secretfence mutate-dry-run.secretfence.dev /dry-run/mutate Ignore 2s IfNeeded",
                "ValidatingWebhookConfiguration/secretfence validate.secretfence.dev /validate Fail 5s -",
                "ValidatingWebhookConfiguration/secretfence validate-dry-run.secretfence.dev /dry-run/validate Ignore 5s -",
            ],
            "{registration}"
        );
    }
}

#[test]
fn pods_are_mutated_when_made_and_never_again() {
    for registration in REGISTRATIONS {
        for (_, webhook) in webhooks(registration).iter().filter(|(configuration, _)| configuration.starts_with("Mut"))
        {
            assert_eq!(asked(webhook), BTreeSet::from(["CREATE /v1/pods".to_owned()]));
            assert!(webhook.get("matchConditions").is_none());
        }
    }
}

#[test]
fn every_built_in_workload_is_validated_when_made_and_when_changed_and_nothing_else_is() {
    let mut expected = BTreeSet::from(["UPDATE /v1/pods/ephemeralcontainers".to_owned()]);
    // No API server serves "extensions" any more; the table has it for old manifests.
    for (group, kind, _) in BUILT_IN.iter().filter(|(group, _, _)| *group != "extensions") {
        for operation in ["CREATE", "UPDATE"] {
            // The plural of each of them is regular.
            expected.insert(format!("{operation} {group}/v1/{}s", kind.to_lowercase()));
        }
    }
    for registration in REGISTRATIONS {
        for (_, webhook) in webhooks(registration).iter().filter(|(configuration, _)| configuration.starts_with("Val"))
        {
            assert_eq!(asked(webhook), expected, "{registration}");
        }
    }
}

#[test]
fn an_update_that_leaves_the_spec_alone_never_waits() {
    for registration in REGISTRATIONS {
        for (_, webhook) in webhooks(registration).iter().filter(|(configuration, _)| configuration.starts_with("Val"))
        {
            let conditions = webhook["matchConditions"].as_array().unwrap();
            assert_eq!(conditions.len(), 1);
            assert_eq!(
                conditions[0]["expression"],
                "request.operation != 'UPDATE' || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec"
            );
        }
    }
}

#[test]
fn the_label_of_a_namespace_chooses_the_webhook() {
    let modes = |registration: &str| -> Vec<(String, Value)> {
        let webhooks = webhooks(registration).into_iter();
        webhooks.map(|(_, webhook)| (text(&webhook["name"]).to_owned(), expression(&webhook, MODE))).collect()
    };
    let is = |mode: &str| json!({"key": MODE, "operator": "In", "values": [mode]});
    let is_not = json!({"key": MODE, "operator": "NotIn", "values": ["off", "dry-run"]});
    let named = |name: &str, selector: &Value| (format!("{name}.secretfence.dev"), selector.clone());
    assert_eq!(
        modes("opt-in"),
        [
            named("mutate", &is("enforce")),
            named("mutate-dry-run", &is("dry-run")),
            named("validate", &is("enforce")),
            named("validate-dry-run", &is("dry-run")),
        ]
    );
    assert_eq!(
        modes("cluster-wide"),
        [
            named("mutate", &is_not),
            named("mutate-dry-run", &is("dry-run")),
            named("validate", &is_not),
            named("validate-dry-run", &is("dry-run")),
        ]
    );
}

#[test]
fn the_system_namespaces_are_the_same_everywhere_and_its_own_is_one_of_them() {
    let lists: Vec<_> = REGISTRATIONS
        .into_iter()
        .flat_map(webhooks)
        .map(|(_, webhook)| expression(&webhook, "kubernetes.io/metadata.name"))
        .collect();
    assert_eq!(lists.len(), 8);
    assert!(lists.iter().all(|list| *list == lists[0]), "{lists:#?}");
    assert_eq!(lists[0]["operator"], "NotIn");
    let names: Vec<_> = lists[0]["values"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name stands twice");
    let own = find(&base(), "Namespace");
    for needed in ["kube-system", "kube-public", "kube-node-lease", "cert-manager", text(&own["metadata"]["name"])] {
        assert!(names.contains(&needed), "{needed}");
    }
}

#[test]
fn the_two_registrations_differ_in_nothing_but_the_label() {
    let [opt_in, cluster_wide] = REGISTRATIONS.map(|registration| {
        let mut webhooks = webhooks(registration);
        for (_, webhook) in &mut webhooks {
            webhook["namespaceSelector"]["matchExpressions"].as_array_mut().unwrap().retain(|its| its["key"] != MODE);
        }
        webhooks
    });
    assert_eq!(opt_in, cluster_wide);
}

#[test]
fn the_shipped_policies_are_those_of_the_library_and_compile() {
    let swapping = "secrets-as-files.yaml";
    for (folder, policy) in [("base", swapping), ("audit-textfile", swapping), ("cluster-wide", "starter.yaml")] {
        let shipped = path(folder).join("policies");
        let loaded = policy_dir::load(std::slice::from_ref(&shipped)).unwrap();
        assert_eq!((loaded.files, loaded.policies), (1, 1));
        let library = root().join("policies").join(policy);
        assert_eq!(std::fs::read(shipped.join(policy)).unwrap(), std::fs::read(library).unwrap(), "{folder}/{policy}");
    }
}

#[test]
fn a_change_of_policy_is_a_rollout_that_stops_where_the_policy_is_bad() {
    let deployment = find(&base(), "Deployment");
    for folder in ["base", "cluster-wide"] {
        let kustomization = &objects(&format!("{folder}/kustomization.yaml"))[0];
        let [generator] = &kustomization["configMapGenerator"].as_array().unwrap()[..] else { panic!("one") };
        assert_eq!(generator["options"]["immutable"], true);
        assert_eq!(generator["name"], volume(&deployment, "policies")["configMap"]["name"]);
        assert_eq!(generator["namespace"], deployment["metadata"]["namespace"]);
        let suffix =
            [&kustomization["generatorOptions"], &generator["options"]].map(|its| &its["disableNameSuffixHash"]);
        assert_eq!(suffix, [&Value::Null, &Value::Null]);
    }
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(
        deployment["spec"]["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}})
    );
}

#[test]
fn the_deployment_starts_the_program_with_flags_that_it_has() {
    let managed = with_managed_certificates("cluster-wide");
    let arguments = container(&managed)["args"].as_array().unwrap().iter().map(text);
    ServeArguments::augment_args(clap::Command::new("serve")).try_get_matches_from(arguments).unwrap();

    let deployment = with_own_certificate();
    let container = container(&deployment);
    let arguments: Vec<_> = container["args"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(arguments[0], "serve");
    let serve = ServeArguments::augment_args(clap::Command::new("serve"));
    let matches = serve.try_get_matches_from(&arguments).unwrap();
    let given = |flag: &str| matches.get_raw(flag).unwrap().next().unwrap().to_str().unwrap().to_owned();

    for (flag, mount, file) in
        [("policies", "policies", ""), ("tls_cert", "tls", "/tls.crt"), ("tls_key", "tls", "/tls.key")]
    {
        let mounts = container["volumeMounts"].as_array().unwrap();
        let mounted = mounts.iter().find(|its| its["name"] == mount).unwrap();
        assert_eq!(given(flag), format!("{}{file}", text(&mounted["mountPath"])));
        assert_eq!(mounted["readOnly"], true);
    }
    for (flag, port) in [("listen", "reviews"), ("admin_listen", "admin")] {
        let ports = container["ports"].as_array().unwrap();
        let number = ports.iter().find(|its| its["name"] == port).unwrap();
        assert!(given(flag).ends_with(&format!(":{}", number["containerPort"])), "{flag}");
    }
    let seconds = |flag: &str| given(flag).trim_end_matches('s').parse::<u64>().unwrap();
    let grace = seconds("shutdown_grace");
    assert!(seconds("shutdown_delay") < grace, "what came last is still answered");
    assert_eq!(pod(&deployment)["terminationGracePeriodSeconds"], grace + 5);
    let started = &container["startupProbe"];
    assert_eq!(started["httpGet"], container["livenessProbe"]["httpGet"]);
    assert_eq!(started["periodSeconds"], 1, "what is ready is not kept waiting");
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/readyz", "port": "admin"}));
    assert_eq!(container["livenessProbe"]["httpGet"], json!({"path": "/livez", "port": "admin"}));
}

#[test]
fn the_pod_has_no_right_that_it_does_not_need() {
    let deployment = find(&base(), "Deployment");
    let pod = pod(&deployment);
    let context = &pod["securityContext"];
    assert_eq!(
        (&context["runAsNonRoot"], &context["seccompProfile"]["type"]),
        (&json!(true), &json!("RuntimeDefault"))
    );
    assert_eq!(
        container(&deployment)["securityContext"],
        json!({
            "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(find(&base(), "ServiceAccount")["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], find(&base(), "ServiceAccount")["metadata"]["name"]);
    // Those of the Service would look like flags.
    assert_eq!(pod["enableServiceLinks"], false);
    let labels = find(&base(), "Namespace")["metadata"]["labels"].clone();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    let bound = base().into_iter().filter(|object| text(&object["kind"]).ends_with("RoleBinding")).count();
    assert_eq!(bound, 0, "nothing of the API is needed");
    assert_eq!(with_own_certificate()["spec"]["template"]["spec"]["automountServiceAccountToken"], false);
    let memory = |which: &str| {
        let amount = text(&container(&deployment)["resources"][which]["memory"]).to_owned();
        secretfence::webhook::quantity::bytes(&amount).unwrap()
    };
    // The defaults of --max-in-flight and --max-connections, and what docs/performance.md measures of a connection and at rest.
    assert!(memory("limits") > (64 << 20) + 4096 * (28 << 10) + 20_000_000);
    assert!(memory("requests") > 51_000_000);
}

#[test]
fn certificates_that_it_makes_take_one_secret_and_two_registrations() {
    let rights = objects("managed-certificates/rights.yaml");
    let secret = objects("managed-certificates/secret.yaml").remove(0);
    let role = find(&rights, "Role");
    let name = &secret["metadata"]["name"];
    assert_eq!(
        role["rules"],
        json!([
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": ["get", "watch", "update"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
        ])
    );
    assert!(secret.get("data").is_none() && secret.get("stringData").is_none(), "what is set here is put back");
    let registrations = objects("opt-in/registrations.yaml");
    let rule = |kind: &str| {
        let resource = format!("{}s", kind.to_lowercase());
        let name = find(&registrations, kind)["metadata"]["name"].clone();
        let verbs = ["list", "watch", "update"];
        json!({"apiGroups": ["admissionregistration.k8s.io"], "resources": [resource], "resourceNames": [name], "verbs": verbs})
    };
    assert_eq!(find(&rights, "ClusterRole")["rules"], json!(CONFIGURATIONS.map(rule)));
    let account = find(&base(), "ServiceAccount")["metadata"].clone();
    let subject = json!({"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]});
    for (binding, role) in [("RoleBinding", "Role"), ("ClusterRoleBinding", "ClusterRole")] {
        let binding = find(&rights, binding);
        assert_eq!(binding["subjects"], json!([subject]));
        assert_eq!(binding["roleRef"]["kind"], role);
        assert_eq!(binding["roleRef"]["name"], find(&rights, role)["metadata"]["name"]);
    }
    for object in [&secret, &role, &find(&rights, "RoleBinding")] {
        assert_eq!(object["metadata"]["namespace"], account["namespace"]);
    }
    let managed = with_managed_certificates("opt-in");
    assert_eq!(pod(&managed)["automountServiceAccountToken"], true);
    for registration in REGISTRATIONS {
        let managed = with_managed_certificates(registration);
        let arguments = container(&managed)["args"].as_array().unwrap();
        assert!(arguments.contains(&json!(format!("--watch-registration={registration}"))), "{arguments:?}");
    }
    let arguments = container(&managed)["args"].as_array().unwrap();
    assert!(
        arguments.contains(&json!("--manage-certificates"))
            && !arguments.iter().any(|its| text(its).starts_with("--tls"))
    );
    let field = |name: &str| {
        let variables = container(&managed)["env"].as_array().unwrap();
        variables.iter().find(|its| its["name"] == name).unwrap()["valueFrom"]["fieldRef"]["fieldPath"].clone()
    };
    let fields = ["POD_NAME", "POD_NAMESPACE", "POD_UID"].map(field);
    assert_eq!(fields, ["metadata.name", "metadata.namespace", "metadata.uid"]);
}

#[test]
fn every_selector_finds_the_pods() {
    let deployment = find(&base(), "Deployment");
    let labels = deployment["spec"]["template"]["metadata"]["labels"].clone();
    assert_eq!(find(&base(), "Service")["spec"]["selector"], labels);
    for kind in ["Deployment", "PodDisruptionBudget"] {
        assert_eq!(find(&base(), kind)["spec"]["selector"]["matchLabels"], labels, "{kind}");
    }
    for constraint in pod(&deployment)["topologySpreadConstraints"].as_array().unwrap() {
        assert_eq!(constraint["labelSelector"]["matchLabels"], labels);
    }
    let network = find(&base(), "NetworkPolicy");
    assert_eq!(network["spec"]["podSelector"]["matchLabels"], labels);
    let ports = container(&deployment)["ports"].as_array().unwrap();
    let ports: Vec<_> = ports.iter().map(|port| text(&port["name"])).collect();
    let ingress = network["spec"]["ingress"].as_array().unwrap();
    assert_eq!(ingress.iter().map(|rule| text(&rule["ports"][0]["port"])).collect::<Vec<_>>(), ports);
    assert_eq!(network["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert!(network["spec"].get("egress").is_none(), "it calls nobody");
    assert_eq!(find(&base(), "Service")["spec"]["ports"][0]["targetPort"], ports[0]);
    for object in
        base().iter().filter(|object| object["kind"] != "Namespace" && object["metadata"].get("namespace").is_some())
    {
        assert_eq!(object["metadata"]["namespace"], "secretfence");
    }
}

#[test]
fn the_guard_knows_the_modes_that_the_registrations_know_and_asks_for_the_right() {
    let mut modes = BTreeSet::new();
    for (_, webhook) in REGISTRATIONS.into_iter().flat_map(webhooks) {
        modes.extend(expression(&webhook, MODE)["values"].as_array().unwrap().iter().map(|mode| text(mode).to_owned()));
    }
    let guard = find(&base(), "ValidatingAdmissionPolicy");
    let [values, right] = &guard["spec"]["validations"].as_array().unwrap()[..] else { panic!("two validations") };
    let (_, list) = text(&values["expression"]).split_once(" in ").unwrap();
    let allowed: BTreeSet<_> = list.split('\'').skip(1).step_by(2).map(str::to_owned).collect();
    modes.insert("(none)".to_owned());
    assert_eq!(allowed, modes);

    let role = find(&base(), "ClusterRole");
    let [rule] = &role["rules"].as_array().unwrap()[..] else { panic!("one rule") };
    assert_eq!(*rule, json!({"apiGroups": ["secretfence.dev"], "resources": ["modes"], "verbs": ["set"]}));
    let asks =
        "authorizer.group('secretfence.dev').resource('modes').name(object.metadata.name).check('set').allowed()";
    assert_eq!(right["expression"], asks);

    assert_eq!(guard["spec"]["failurePolicy"], "Fail");
    let binding = find(&base(), "ValidatingAdmissionPolicyBinding");
    assert_eq!(binding["spec"], json!({"policyName": guard["metadata"]["name"], "validationActions": ["Deny"]}));
}

#[test]
fn the_certificate_is_for_the_service_and_where_the_deployment_looks() {
    let objects = objects("cert-manager/certificate.yaml");
    let named = |name: &str, kind: &str| {
        let found = objects.iter().find(|its| its["kind"] == kind && its["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}")).clone()
    };
    let certificate = named("secretfence", "Certificate");
    let service = find(&base(), "Service");
    let name = format!("{}.{}.svc", text(&service["metadata"]["name"]), text(&service["metadata"]["namespace"]));
    assert_eq!(certificate["spec"]["dnsNames"][0], name);
    assert_eq!(certificate["spec"]["secretName"], volume(&with_own_certificate(), "tls")["secret"]["secretName"]);

    let issuer = named(text(&certificate["spec"]["issuerRef"]["name"]), "Issuer");
    let authority = named("secretfence-authority", "Certificate");
    assert_eq!(issuer["spec"]["ca"]["secretName"], authority["spec"]["secretName"]);
    assert_eq!(authority["spec"]["isCA"], true);
    assert_eq!(authority["spec"]["privateKey"]["rotationPolicy"], "Never");
    named(text(&authority["spec"]["issuerRef"]["name"]), "Issuer");

    let kustomization = &self::objects("cert-manager/kustomization.yaml")[0];
    let patched: BTreeSet<_> = kustomization["patches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|patch| format!("{}/{}", text(&patch["target"]["kind"]), text(&patch["target"]["name"])))
        .collect();
    let registered: BTreeSet<_> = webhooks("opt-in").into_iter().map(|(configuration, _)| configuration).collect();
    assert_eq!(patched, registered);
    let patch = &documents("cert-manager/inject-authority.yaml")[0][0];
    let from = format!("{}/{}", text(&certificate["metadata"]["namespace"]), text(&certificate["metadata"]["name"]));
    assert_eq!(patch["value"], json!({"cert-manager.io/inject-ca-from": from}));
}

#[test]
fn the_image_is_of_this_version_built_by_this_compiler_for_this_user() {
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let toolchain = std::fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    assert!(dockerfile.contains(&format!("\nFROM docker.io/library/rust:{channel}-alpine AS build\n")));
    let deployment = find(&base(), "Deployment");
    assert_eq!(container(&deployment)["image"], format!("secretfence:{}", env!("CARGO_PKG_VERSION")));
    let context = &pod(&deployment)["securityContext"];
    assert!(dockerfile.contains(&format!("\nUSER {}:{}\n", context["runAsUser"], context["runAsGroup"])));
    let (_, last) = dockerfile.rsplit_once("\nFROM ").unwrap();
    assert!(last.starts_with("scratch\n"));
}

#[test]
fn the_rung_for_new_applies_denies_a_deployment_and_lets_its_pods_run() {
    let guide = std::fs::read_to_string(root().join("docs/rollout.md")).unwrap();
    let block = guide.split("```yaml\n").find(|block| block.contains("name: new-applies")).unwrap();
    let policies = support::policies(block.split("```").next().unwrap());
    let pod = support::pod_with_secret();
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {}, "spec": pod["spec"]}},
    });
    assert_eq!(support::validate(&deployment, &policies).0["allowed"], false);
    assert_eq!(support::validate(&pod, &policies).0["allowed"], true);
}

/// The Deployment with its certificate in a Secret of the user's, as kustomize's patches make it.
fn with_own_certificate() -> Value {
    patched(with_managed_certificates("opt-in"), "own-certificate/deployment.yaml")
}

/// The Deployment as it is with a registration, which says what it is to watch.
fn with_managed_certificates(registration: &str) -> Value {
    let mut deployment = patched(find(&base(), "Deployment"), "managed-certificates/deployment.yaml");
    let kustomization = &objects(&format!("{registration}/kustomization.yaml"))[0];
    let patch = manifest::parse(text(&kustomization["patches"][0]["patch"]).as_bytes()).documents.remove(0);
    let patch: json_patch::Patch = serde_json::from_slice(&patch.json().unwrap()).unwrap();
    json_patch::patch(&mut deployment, &patch).unwrap();
    deployment
}

/// An object with the operations of a file.
fn patched(mut object: Value, file: &str) -> Value {
    let operations = Value::Array(documents(file).remove(0));
    let operations: json_patch::Patch = serde_json::from_value(operations).unwrap();
    json_patch::patch(&mut object, &operations).unwrap();
    object
}

/// The webhooks of a registration, each with the kind and name of its configuration.
fn webhooks(registration: &str) -> Vec<(String, Value)> {
    let named = |object: Value| {
        let configuration = format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]));
        webhooks_of(&object).into_iter().map(move |webhook| (configuration.clone(), webhook))
    };
    objects(&format!("{registration}/registrations.yaml")).into_iter().flat_map(named).collect()
}

fn webhooks_of(configuration: &Value) -> Vec<Value> {
    configuration["webhooks"].as_array().unwrap().clone()
}

/// `OPERATION group/version/resource`, everything that the rules of a webhook say.
fn asked(webhook: &Value) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for rule in webhook["rules"].as_array().unwrap() {
        assert_eq!(rule["scope"], "Namespaced");
        let list =
            |name: &str| rule[name].as_array().unwrap().iter().map(|its| text(its).to_owned()).collect::<Vec<_>>();
        for group in list("apiGroups") {
            for version in list("apiVersions") {
                for operation in list("operations") {
                    for resource in list("resources") {
                        let one = format!("{operation} {group}/{version}/{resource}");
                        assert!(asked.insert(one.clone()), "{one} stands twice");
                    }
                }
            }
        }
    }
    asked
}

/// The only expression on a label in the selector of a webhook.
fn expression(webhook: &Value, key: &str) -> Value {
    let selector = webhook["namespaceSelector"].as_object().unwrap();
    assert_eq!(selector.keys().collect::<Vec<_>>(), ["matchExpressions"]);
    let expressions = selector["matchExpressions"].as_array().unwrap();
    let [one] = &expressions.iter().filter(|its| its["key"] == key).collect::<Vec<_>>()[..] else {
        panic!("one {key}")
    };
    (*one).clone()
}

fn base() -> Vec<Value> {
    let kustomization = &objects("base/kustomization.yaml")[0];
    let resources = kustomization["resources"].as_array().unwrap();
    resources.iter().flat_map(|file| objects(&format!("base/{}", text(file)))).collect()
}

fn find(objects: &[Value], kind: &str) -> Value {
    let [one] = &objects.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>()[..] else {
        panic!("expected one {kind}")
    };
    (*one).clone()
}

fn pod(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]
}

fn container(deployment: &Value) -> &Value {
    let [container] = &pod(deployment)["containers"].as_array().unwrap()[..] else { panic!("one container") };
    container
}

fn volume(deployment: &Value, name: &str) -> Value {
    let volumes = pod(deployment)["volumes"].as_array().unwrap();
    volumes.iter().find(|volume| volume["name"] == name).unwrap().clone()
}

/// Every object of a file.
fn objects(file: &str) -> Vec<Value> {
    let objects: Vec<_> = documents(file).into_iter().flatten().collect();
    assert!(objects.iter().all(|object| object["kind"].is_string() && object["apiVersion"].is_string()), "{file}");
    objects
}

/// Of each document its object, or the items of its list.
fn documents(file: &str) -> Vec<Vec<Value>> {
    parsed(&std::fs::read(path(file)).unwrap(), file)
}

fn parsed(source: &[u8], name: &str) -> Vec<Vec<Value>> {
    let manifest = manifest::parse(source);
    assert!(manifest.errors.is_empty(), "{name}: {:?}", manifest.errors);
    let documents = manifest.documents.iter().filter(|document| !document.is_empty());
    let values = documents.map(|document| serde_json::from_slice(&document.json().unwrap()).unwrap());
    values.map(|value| if let Value::Array(items) = value { items } else { vec![value] }).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("expected text: {value}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path(file: &str) -> PathBuf {
    root().join("manifests").join(file)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    walk.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

fn below(file: &Path, folder: &Path) -> String {
    file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()
}
