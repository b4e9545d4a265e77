//! The Helm chart: what it renders is what kustomize makes of the same choices, object by object, and a value that is
//! wrong is refused. No API server is asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::binaries::{Program, skipped};
use crate::cluster::{from_yaml, shown};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/helm/secretfence");

/// Labels that Helm wants on every object, beside that of the manifests.
const LABELS_OF_HELM: [&str; 4] =
    ["app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"];

/// Kustomize's components, and the values that say the same.
const CHOICES: &[(&[&str], &[&str])] = &[
    (&[], &[]),
    (&["own-certificate"], &["certificates.mode=existing"]),
    (&["cert-manager"], &["certificates.mode=certManager"]),
    (&["own-certificate", "cluster-access"], &["certificates.mode=existing", "clusterAccess.enabled=true"]),
    (&["cert-manager", "cluster-access"], &["certificates.mode=certManager", "clusterAccess.enabled=true"]),
    (&["critical"], &["priorityClassName=system-cluster-critical"]),
    (&["host-network"], &["hostNetwork=true"]),
    (&["audit"], &["audit.enabled=true"]),
    (&["own-certificate", "audit"], &["certificates.mode=existing", "audit.enabled=true"]),
    (
        &["monitoring"],
        &[
            "monitoring.serviceMonitor.enabled=true",
            "monitoring.prometheusRule.enabled=true",
            "monitoring.dashboard.enabled=true",
        ],
    ),
    (
        &["own-certificate", "critical", "host-network"],
        &["certificates.mode=existing", "priorityClassName=system-cluster-critical", "hostNetwork=true"],
    ),
];

#[test]
fn the_chart_renders_what_kustomize_does() {
    if skipped() {
        return;
    }
    for registration in ["opt-in", "cluster-wide"] {
        for (components, values) in CHOICES {
            let by_kustomize = comparable(kustomized(registration, components));
            let registration = format!("registration={registration}");
            let values = [&[registration.as_str()], *values].concat();
            let by_helm = comparable(rendered(&values));
            let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&by_helm), names(&by_kustomize), "{values:?}");
            for (name, object) in &by_kustomize {
                assert_eq!(by_helm[name], *object, "{name} with {values:?}");
            }
        }
    }
}

/// All differences that there may be between the two.
fn comparable(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let mut comparable = BTreeMap::new();
    for mut object in objects {
        let kind = object["kind"].as_str().unwrap().to_owned();
        // The release's namespace is made by who installs it: `--create-namespace`.
        if kind == "Namespace" {
            continue;
        }
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata["labels"].as_object_mut().unwrap().retain(|label, _| !LABELS_OF_HELM.contains(&label.as_str()));
        if kind == "ConfigMap" && metadata["name"] != "secretfence-dashboard" {
            // Both are hashes of the content, and not of the same text. What kustomize made is never deleted; Helm is told.
            metadata["name"] = json!(without_hash(metadata["name"].as_str().unwrap()));
            metadata.remove("annotations").into_iter().for_each(|its| {
                assert_eq!(its, json!({"helm.sh/resource-policy": "keep"}));
            });
        }
        let pod = match kind.as_str() {
            "Deployment" => Some("/spec/template/spec"),
            "CronJob" => Some("/spec/jobTemplate/spec/template/spec"),
            _ => None,
        };
        if let Some(pod) = pod {
            let name = &mut object.pointer_mut(pod).unwrap()["volumes"][0]["configMap"]["name"];
            *name = json!(without_hash(name.as_str().unwrap()));
        }
        // The order of the namespaces that are never judged.
        for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
            let names = &mut webhook["namespaceSelector"]["matchExpressions"][0]["values"];
            names.as_array_mut().unwrap().sort_by_key(|name| name.as_str().unwrap().to_owned());
        }
        let name = format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap());
        assert!(comparable.insert(name.clone(), object).is_none(), "{name} stands twice");
    }
    comparable
}

fn without_hash(name: &str) -> &str {
    let (name, hash) = name.rsplit_once('-').unwrap();
    assert_eq!((name, hash.len()), ("secretfence-policies", 10));
    name
}

#[test]
fn the_release_may_have_another_namespace() {
    if skipped() {
        return;
    }
    for mode in ["managed", "certManager", "existing"] {
        let values = [
            &*format!("certificates.mode={mode}"),
            "clusterAccess.enabled=true",
            r"podAnnotations.a=b",
            "audit.enabled=true",
        ];
        let output = template("fences", &values);
        let text = String::from_utf8(output.stdout).unwrap();
        for object in from_yaml(&text) {
            if let Some(namespace) = object["metadata"].get("namespace") {
                assert_eq!(namespace, "fences", "{}", object["kind"]);
            }
            for subject in object["subjects"].as_array().into_iter().flatten() {
                assert_eq!(subject["namespace"], "fences");
            }
            for webhook in object["webhooks"].as_array().into_iter().flatten() {
                assert_eq!(webhook["clientConfig"]["service"]["namespace"], "fences");
                let never = &webhook["namespaceSelector"]["matchExpressions"][0]["values"];
                assert!(never.as_array().unwrap().contains(&json!("fences")));
            }
            if object["kind"] == "Certificate" && object["metadata"]["name"] == "secretfence" {
                assert_eq!(object["spec"]["dnsNames"][0], "secretfence.fences.svc");
            }
            if mode == "certManager" && object["kind"] == "ValidatingWebhookConfiguration" {
                let from = &object["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
                assert_eq!(from, "fences/secretfence");
            }
        }
    }
}

#[test]
fn policies_are_values_or_a_config_map() {
    if skipped() {
        return;
    }
    let mine = format!("{ROOT}/policies/across-namespaces.yaml");
    let arguments = ["--set-file", &*format!(r"policies.mine\.yaml={mine}")];
    let output = helm_in(None, &[&["template", "secretfence", CHART, "-n", "secretfence"], &arguments[..]].concat());
    assert!(output.status.success(), "{}", shown(&output));
    let objects = from_yaml(&String::from_utf8(output.stdout).unwrap());
    let made = |objects: &[Value]| objects.iter().find(|object| object["kind"] == "ConfigMap").cloned();
    let mounted = |objects: &[Value]| {
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
        deployment["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"].clone()
    };
    let config_map = made(&objects).unwrap();
    assert_eq!(config_map["data"], json!({"mine.yaml": fs::read_to_string(mine).unwrap()}));
    assert_eq!((&config_map["immutable"], &config_map["metadata"]["name"]), (&json!(true), &mounted(&objects)));
    let shipped = rendered(&[]);
    assert_ne!(mounted(&objects), mounted(&shipped), "another content has another name");

    let theirs = rendered(&["existingConfigMap=of-mine"]);
    assert_eq!((made(&theirs), mounted(&theirs)), (None, json!("of-mine")));
}

#[test]
fn what_can_be_set_arrives() {
    if skipped() {
        return;
    }
    let values = [
        "image.repository=registry.example.com/secretfence",
        "image.tag=1.2.3",
        "imagePullSecrets[0].name=registry",
        "replicas=3",
        "nodeSelector.disk=fast",
        "tolerations[0].operator=Exists",
        "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
        "resources.limits.memory=1Gi",
        "ports.reviews=9443",
        "ports.admin=9080",
        "log.format=text",
        r"log.level=info\,secretfence=debug",
        "extraArgs={--max-body=8Mi,--idle-timeout=60s}",
        "extraSystemNamespaces={my-network}",
        "podDisruptionBudget.minAvailable=2",
        "networkPolicy.apiServerPorts={16443}",
        "modeGuard.enabled=false",
        "registrationAnnotations.example\\.com/inject=yes",
    ];
    let objects = rendered(&values);
    let find = |kind: &str| objects.iter().find(|object| object["kind"] == kind).cloned();
    let deployment = find("Deployment").unwrap();
    assert_eq!(deployment["spec"]["replicas"], 3);
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "registry.example.com/secretfence:1.2.3");
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux", "disk": "fast"}));
    assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]));
    assert!(pod["affinity"]["nodeAffinity"].is_object());
    assert_eq!(container["resources"]["limits"], json!({"memory": "1Gi"}));
    let arguments: Vec<_> = container["args"].as_array().unwrap().iter().map(|its| its.as_str().unwrap()).collect();
    assert!(arguments.ends_with(&[
        "--listen=[::]:9443",
        "--admin-listen=[::]:9080",
        "--max-body=8Mi",
        "--idle-timeout=60s"
    ]));
    for argument in ["--log-format=text", "--log-level=info,secretfence=debug"] {
        assert!(arguments.contains(&argument), "{arguments:?}");
    }
    assert_eq!(container["terminationMessagePolicy"], "FallbackToLogsOnError");
    assert_eq!([&container["ports"][0]["containerPort"], &container["ports"][1]["containerPort"]], [9443, 9080]);
    assert_eq!(find("PodDisruptionBudget").unwrap()["spec"]["minAvailable"], 2);
    let egress = find("NetworkPolicy").unwrap()["spec"]["egress"].clone();
    assert_eq!(egress, json!([{"ports": [{"port": 16443, "protocol": "TCP"}]}]));
    assert_eq!(find("ValidatingAdmissionPolicy"), None);
    let registration = find("ValidatingWebhookConfiguration").unwrap();
    assert_eq!(registration["metadata"]["annotations"], json!({"example.com/inject": "yes"}));
    let never = &registration["webhooks"][0]["namespaceSelector"]["matchExpressions"][0]["values"];
    assert!(never.as_array().unwrap().contains(&json!("my-network")));

    let digest = format!("image.digest=sha256:{}", "0f".repeat(32));
    let objects = rendered(&[&digest, "podDisruptionBudget.enabled=false", "networkPolicy.enabled=false"]);
    let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind);
    let image = &of("Deployment").unwrap()["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(*image, format!("secretfence@sha256:{}", "0f".repeat(32)));
    assert!(of("PodDisruptionBudget").is_none() && of("NetworkPolicy").is_none());
}

#[test]
fn what_can_be_set_of_the_audit_arrives() {
    if skipped() {
        return;
    }
    let values = [
        "audit.enabled=true",
        "audit.schedule=0 3 * * 1",
        "audit.timeZone=Europe/Berlin",
        "audit.publish=false",
        "audit.resources.limits.memory=1Gi",
        "audit.nodeSelector.disk=fast",
        "audit.tolerations[0].operator=Exists",
        "audit.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
        "audit.podAnnotations.a=b",
        "audit.extraArgs={--namespace=shop,--include-left-out}",
        // Of the webhook and of the audit.
        "image.repository=registry.example.com/secretfence",
        "image.pullPolicy=Always",
        "imagePullSecrets[0].name=registry",
        "networkPolicy.apiServerPorts={16443}",
        "existingConfigMap=of-mine",
        // Of the webhook alone.
        "nodeSelector.zone=one",
        "priorityClassName=system-cluster-critical",
        "hostNetwork=true",
    ];
    let objects = rendered(&values);
    let find = |kind: &str| of_the_audit(&objects, kind).unwrap();
    let job = &find("CronJob")["spec"];
    assert_eq!([&job["schedule"], &job["timeZone"]], ["0 3 * * 1", "Europe/Berlin"]);
    let template = &job["jobTemplate"]["spec"]["template"];
    assert_eq!(template["metadata"]["annotations"], json!({"a": "b"}));
    let pod = &template["spec"];
    let container = &pod["containers"][0];
    assert_eq!(
        container["args"],
        json!([
            "audit",
            "--policies=/etc/secretfence/policies",
            "--exit-zero",
            "--namespace=shop",
            "--include-left-out"
        ])
    );
    let image = format!("registry.example.com/secretfence:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!([&container["image"], &container["imagePullPolicy"]], [&image, "Always"]);
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "of-mine");
    assert_eq!(container["resources"]["limits"], json!({"memory": "1Gi"}));
    assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux", "disk": "fast"}));
    assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]));
    assert!(pod["affinity"]["nodeAffinity"].is_object());
    assert!(pod.get("hostNetwork").is_none() && pod.get("priorityClassName").is_none());
    let egress = &find("NetworkPolicy")["spec"]["egress"];
    assert_eq!(*egress, json!([{"ports": [{"port": 16443, "protocol": "TCP"}]}]));
    // Who publishes nothing writes nothing.
    for rule in find("ClusterRole")["rules"].as_array().unwrap() {
        assert_eq!(rule["verbs"], json!(["list"]), "{rule}");
    }

    assert_eq!(of_the_audit(&rendered(&["audit.enabled=true", "networkPolicy.enabled=false"]), "NetworkPolicy"), None);
    assert_eq!(of_the_audit(&rendered(&[]), "CronJob"), None, "it is asked for");
}

fn of_the_audit(objects: &[Value], kind: &str) -> Option<Value> {
    let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == "secretfence-audit";
    objects.iter().find(is_it).cloned()
}

/// The rules of the ClusterRole that the program prints are a value as they stand.
#[test]
fn the_rights_that_policies_need_are_a_value() {
    if skipped() {
        return;
    }
    let printed = Command::new(env!("CARGO_BIN_EXE_secretfence"))
        .args(["manifests", "-p", &format!("{ROOT}/policies/across-namespaces.yaml")])
        .output()
        .unwrap();
    let printed = from_yaml(&String::from_utf8(printed.stdout).unwrap());
    let with_rules = |audit: bool| {
        let values = json!({"clusterAccess": {"rules": printed[0]["rules"]}, "audit": {"enabled": audit}}).to_string();
        let arguments = ["template", "secretfence", CHART, "-n", "secretfence", "-f", "-"];
        let output = helm_in(Some(&values), &arguments);
        assert!(output.status.success(), "{}", shown(&output));
        from_yaml(&String::from_utf8(output.stdout).unwrap())
    };
    let find = |objects: &[Value], like: &Value| {
        let is_it =
            |object: &&Value| object["kind"] == like["kind"] && object["metadata"]["name"] == like["metadata"]["name"];
        objects.iter().find(is_it).unwrap().clone()
    };
    let objects = with_rules(false);
    for of_program in &printed {
        let of_chart = find(&objects, of_program);
        for field in ["rules", "roleRef", "subjects"] {
            assert_eq!(of_chart[field], of_program[field]);
        }
    }
    // An audit by the same policies asks the same.
    let mut subjects = printed[1]["subjects"].clone();
    let audit = json!({"kind": "ServiceAccount", "name": "secretfence-audit", "namespace": "secretfence"});
    subjects.as_array_mut().unwrap().push(audit);
    assert_eq!(find(&with_rules(true), &printed[1])["subjects"], subjects);
}

/// Helm shows notes where it has a cluster alone: here a ConfigMap of a copy of the chart has them.
#[test]
fn notes_of_an_upgrade_do_not_say_what_holds_of_a_first_installation_alone() {
    if skipped() {
        return;
    }
    let copy = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    assert!(Command::new("cp").args(["-r", CHART]).arg(copy.path()).status().unwrap().success());
    let chart = copy.path().join("secretfence");
    let notes = r#"{apiVersion: v1, kind: Notes, metadata: {name: notes}, text: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}}"#;
    fs::write(chart.join("templates/notes.yaml"), notes).unwrap();
    let said = |more: &[&str]| {
        let arguments = [&["template", "secretfence", chart.to_str().unwrap(), "-n", "secretfence"], more].concat();
        let output = helm(&arguments);
        assert!(output.status.success(), "{}", shown(&output));
        let objects = from_yaml(&String::from_utf8(output.stdout).unwrap());
        let notes = objects.iter().find(|object| object["kind"] == "Notes").unwrap();
        notes["text"].as_str().unwrap().to_owned()
    };
    let audited = said(&["--set", "audit.enabled=true"]);
    assert!(audited.contains("--from=cronjob/secretfence-audit\n"), "{audited}");
    let (installed, upgraded) = (said(&[]), said(&["--is-upgrade"]));
    assert!(!installed.contains("audit"), "{installed}");
    assert!(installed.contains("is installed in") && installed.contains("Nothing is fenced yet."), "{installed}");
    assert!(upgraded.contains("is upgraded in") && !upgraded.contains("Nothing is fenced yet."), "{upgraded}");
    for text in [installed, upgraded] {
        assert!(
            text.contains("first in dry run:\n\n  kubectl label namespace NAME secretfence.dev/mode=dry-run"),
            "{text}"
        );
    }
}

#[test]
fn lint_has_nothing_to_say() {
    if skipped() {
        return;
    }
    let output = helm(&["lint", "--strict", "--quiet", "-n", "secretfence", CHART]);
    assert_eq!(shown(&output), "exit: 0\n");
}

#[test]
fn a_value_that_is_wrong_is_refused_with_a_sentence() {
    if skipped() {
        return;
    }
    let mut said = String::new();
    for value in [
        "registration=everywhere",
        "certificates.mode=none",
        "certificates.secretName=secretfence-certificates",
        "replica=3",
        "image.name=mine",
        "image.digest=latest",
        "replicas=0",
        "replicas=1",
        "replicas=many",
        "systemNamespaces={my-network}",
        "extraSystemNamespaces={my_network}",
        r"policies.mine=text",
        r"policies.\.hidden\.yaml=text",
        r"policies.mine\.yaml=text,existingConfigMap=of-mine",
        "resources.limit.memory=1Gi",
        "ports.reviews=443",
        "ports.admin=8443",
        "log.format=xml",
        "log.level=",
        "extraArgs={serve}",
        "clusterAccess.rules[0].verbs={delete}",
        "monitoring.serviceMonitor=true",
        "audit=true",
        "audit.schedule=hourly",
        "audit.schedule=TZ=UTC 23 * * * *",
        "audit.extraArgs={audit}",
    ] {
        let output = template("secretfence", &[value]);
        assert!(!output.status.success(), "{value}");
        assert!(output.stdout.is_empty());
        let error = String::from_utf8(output.stderr).unwrap();
        let noise = ["secretfence:", "Error: values don't", "Use --debug", "level="];
        let is_told = |line: &&str| !line.is_empty() && !noise.iter().any(|begin| line.starts_with(begin));
        let of_template = |line| str::split_once(line, "1:4): ").map_or(line, |(_, sentence)| sentence);
        let sentences: Vec<_> = error.lines().filter(is_told).map(of_template).collect();
        said += &format!("{value}\n    {}\n", sentences.join("\n    "));
    }
    insta::assert_snapshot!(said);
    let output = template("default", &[]);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("a namespace of its own"), "{said}");
}

#[test]
fn the_schema_knows_every_value_and_nothing_else() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(format!("{CHART}/values.schema.json")).unwrap()).unwrap();
    let values = from_yaml(&fs::read_to_string(format!("{CHART}/values.yaml")).unwrap()).remove(0);
    let known: Vec<_> = schema["properties"].as_object().unwrap().keys().filter(|name| *name != "global").collect();
    let mut shown: Vec<_> = values.as_object().unwrap().keys().collect();
    shown.sort();
    let mut known = known;
    known.sort();
    assert_eq!(shown, known);
    strict(&schema, "");

    fn strict(schema: &Value, path: &str) {
        if schema.get("properties").is_some() {
            assert_eq!(schema["additionalProperties"], false, "{path}");
        }
        match schema {
            Value::Object(fields) => fields.iter().for_each(|(name, its)| strict(its, &format!("{path}/{name}"))),
            Value::Array(items) => items.iter().for_each(|its| strict(its, path)),
            _ => {}
        }
    }
}

/// Argo CD renders without a cluster, so a lookup would find nothing there; hooks are not run by everybody; and what is
/// rendered is put back at every sync.
#[test]
fn no_cluster_is_asked_and_no_certificate_is_rendered() {
    if skipped() {
        return;
    }
    for file in files(&Path::new(CHART).join("templates")) {
        let text = fs::read_to_string(&file).unwrap();
        for word in ["lookup", "helm.sh/hook", "caBundle:", "genCA", "genSigned", "randAlpha", "now |", "uuidv4"] {
            assert!(!text.contains(word), "{}: {word}", file.display());
        }
    }
    for mode in ["managed", "certManager", "existing"] {
        let mode = format!("certificates.mode={mode}");
        let (first, second) = (rendered(&[&mode]), rendered(&[&mode]));
        assert_eq!(first, second, "the same values are the same objects");
        for object in first {
            if object["kind"] == "Secret" {
                assert!(object.get("data").is_none() && object.get("stringData").is_none());
            }
            for webhook in object["webhooks"].as_array().into_iter().flatten() {
                assert!(webhook["clientConfig"].get("caBundle").is_none());
            }
        }
    }
}

/// A chart holds no links out of its folder, so it has copies: `UPDATE_DOCS=1 cargo test --test cluster chart` makes them anew.
#[test]
fn the_files_of_the_chart_are_those_of_the_repository() {
    let copies = files(&Path::new(CHART).join("files"));
    assert!(copies.len() >= 2);
    for copy in copies {
        let below = copy.strip_prefix(format!("{CHART}/files")).unwrap();
        let folder = if below.starts_with("policies") { ROOT.to_owned() } else { format!("{ROOT}/manifests") };
        let original = Path::new(&folder).join(below);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::copy(&original, &copy).unwrap();
        }
        assert!(
            fs::read(&copy).unwrap() == fs::read(&original).unwrap(),
            "{} is not {}: UPDATE_DOCS=1 makes it anew",
            copy.display(),
            original.display()
        );
    }
}

#[test]
fn the_chart_is_of_this_version() {
    let chart = from_yaml(&fs::read_to_string(format!("{CHART}/Chart.yaml")).unwrap()).remove(0);
    assert_eq!((&chart["version"], &chart["appVersion"]), (&json!(env!("CARGO_PKG_VERSION")), &chart["version"]));
}

/// What the chart makes of some values, in the namespace `secretfence`.
pub fn rendered(values: &[&str]) -> Vec<Value> {
    let output = template("secretfence", values);
    assert!(output.status.success(), "{values:?}\n{}", shown(&output));
    from_yaml(&String::from_utf8(output.stdout).unwrap())
}

fn template(namespace: &str, values: &[&str]) -> std::process::Output {
    let mut arguments = vec!["template", "secretfence", CHART, "--namespace", namespace];
    arguments.extend(values.iter().flat_map(|value| ["--set", value]));
    helm(&arguments)
}

/// What `kubectl kustomize` makes of a registration with components.
pub fn kustomized(registration: &str, components: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // Kustomize takes paths relative to the file alone.
    std::os::unix::fs::symlink(format!("{ROOT}/manifests"), folder.path().join("manifests")).unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    let components: Vec<_> = components.iter().map(|component| format!("../manifests/{component}")).collect();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": [format!("../manifests/{registration}")], "components": components,
    });
    fs::write(folder.path().join("mine/kustomization.yaml"), kustomization.to_string()).unwrap();
    let kubectl = Program::find("kubectl").unwrap_or_else(|error| panic!("{error}"));
    let output = kubectl.command().arg("kustomize").arg(folder.path().join("mine")).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    from_yaml(&String::from_utf8(output.stdout).unwrap())
}

fn helm(arguments: &[&str]) -> std::process::Output {
    helm_in(None, arguments)
}

/// Runs Helm away from the caller's own settings, with this on its standard input.
pub fn helm_in(input: Option<&str>, arguments: &[&str]) -> std::process::Output {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let helm = Program::helm().unwrap_or_else(|error| panic!("{error}"));
    let mut command = helm.command();
    command.args(arguments).env_remove("KUBECONFIG").env("HOME", home.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HELM_") || name.starts_with("XDG_")) {
        command.env_remove(name);
    }
    if let Some(input) = input {
        let file = home.path().join("input");
        fs::write(&file, input).unwrap();
        command.stdin(fs::File::open(file).unwrap());
    }
    command.output().unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    walk.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}
