//! `manifests/audit` and `manifests/audit-textfile` on a real API server: the pod is let in where Pod Security is restricted, or
//! privileged, and its rights are enough for what its command does, and each of them is used.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{Api, path};
use crate::audit_publish::APIS;
use crate::binaries::{Program, skipped};
use crate::cluster::{from_yaml, shown};
use crate::control_plane::{ADMIN, ControlPlane, eventually};
use crate::objects::{API, api, workload};

const PAGE: &str = include_str!("../../docs/audit.md");
/// What a reader's own policies are.
const MINE: &str = include_str!("../../policies/secrets-as-files.yaml");

/// Namespace and name of a ServiceAccount.
type Account = (&'static str, &'static str);

const PUBLISHES: Account = ("secretfence", "secretfence-audit");
const WRITES_A_FILE: Account = ("secretfence-audit", "secretfence-audit-textfile");

/// What kustomize makes of a kustomization beside a clone.
fn rendered(kustomization: &str) -> Vec<Value> {
    // A kustomization has its bases by relative paths.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    for entry in walkdir::WalkDir::new(&from).into_iter().map(Result::unwrap) {
        let to = folder.path().join("secretfence/manifests").join(entry.path().strip_prefix(&from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
    let mine = folder.path().join("fence");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("kustomization.yaml"), kustomization).unwrap();
    fs::write(mine.join("mine.yaml"), MINE).unwrap();
    let kubectl = Program::find("kubectl").unwrap_or_else(|error| panic!("{error}"));
    let output = kubectl.command().arg("kustomize").arg(&mine).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    from_yaml(&String::from_utf8(output.stdout).unwrap())
}

/// The command of the CronJob, by its ServiceAccount and with a folder for each volume by its name.
fn run(cron_job: &Value, mounted: &Path, kubeconfig: &Path) -> Output {
    let container = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let mounts = container["volumeMounts"].as_array().unwrap();
    let arguments = container["args"].as_array().unwrap().iter().map(|its| its.as_str().unwrap());
    let here = |argument: &str| {
        mounts.iter().fold(argument.to_owned(), |argument, mount| {
            let here = mounted.join(mount["name"].as_str().unwrap());
            argument.replace(mount["mountPath"].as_str().unwrap(), here.to_str().unwrap())
        })
    };
    let arguments = arguments.map(here);
    Command::new(env!("CARGO_BIN_EXE_secretfence"))
        .args(arguments)
        .env("SECRETFENCE_KUBECONFIG", kubeconfig)
        .output()
        .unwrap()
}

/// What the user was let do: verb, group and resource. What is found by discovery is everybody's.
fn used(control_plane: &ControlPlane, (namespace, name): Account) -> BTreeSet<[String; 3]> {
    let log = fs::read_to_string(control_plane.audit_log()).unwrap();
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let user = format!("system:serviceaccount:{namespace}:{name}");
    let its = events
        .filter(|event| event["user"]["username"] == *user && event["responseStatus"]["code"].as_u64() < Some(300));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let its = its.filter(|event| event["objectRef"]["resource"].is_string());
    its.map(|event| {
        let about = &event["objectRef"];
        [text(&event["verb"]), text(&about["apiGroup"]), text(&about["resource"])]
    })
    .collect()
}

fn given(role: &Value) -> BTreeSet<[String; 3]> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|its| its.as_str().unwrap().to_owned()).collect()
    };
    let mut given = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for verb in texts(&rule["verbs"]) {
            for group in texts(&rule["apiGroups"]) {
                given.extend(texts(&rule["resources"]).into_iter().map(|its| [verb.clone(), group.clone(), its]));
            }
        }
    }
    given
}

/// A job in a cluster, and a folder with what its pod would have.
struct Installed {
    role: Value,
    cron_job: Value,
    policies: Value,
    folder: TempDir,
}

impl Installed {
    fn new(control_plane: &ControlPlane, cluster: &Api, objects: &[Value], (namespace, name): Account) -> Installed {
        let find = |kind: &str, name: &str| {
            let is_it = |object: &&Value| {
                let its = &object["metadata"];
                object["kind"] == kind
                    && its["name"]
                        .as_str()
                        .is_some_and(|its| its == name || kind == "ConfigMap" && its.starts_with(name))
                    && its.get("namespace").is_none_or(|its| its == namespace)
            };
            objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}")).clone()
        };
        cluster.create(&find("Namespace", namespace), "").done();
        let policies = find("ConfigMap", "secretfence-policies");
        cluster.create(&policies, "?fieldValidation=Strict").done();
        for kind in ["ServiceAccount", "ClusterRoleBinding", "NetworkPolicy", "ClusterRole", "CronJob"] {
            cluster.create(&find(kind, name), "?fieldValidation=Strict").done();
        }
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        for (name, text) in policies["data"].as_object().unwrap() {
            fs::write(folder.path().join("policies").join(name), text.as_str().unwrap()).unwrap();
        }
        fs::write(folder.path().join("kubeconfig"), control_plane.kubeconfig_of_account(namespace, name)).unwrap();
        Installed { role: find("ClusterRole", name), cron_job: find("CronJob", name), policies, folder }
    }

    fn run(&self) -> Output {
        run(&self.cron_job, self.folder.path(), &self.folder.path().join("kubeconfig"))
    }

    /// With further flags, as `audit.extraArgs` of the chart are.
    fn run_with(&self, more: &[&str]) -> Output {
        let mut cron_job = self.cron_job.clone();
        let container = &mut cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
        container["args"].as_array_mut().unwrap().extend(more.iter().map(|flag| json!(flag)));
        run(&cron_job, self.folder.path(), &self.folder.path().join("kubeconfig"))
    }

    /// As the Job's controller would make it.
    fn pod(&self) -> Value {
        let template = &self.cron_job["spec"]["jobTemplate"]["spec"]["template"];
        let name = &self.policies["metadata"]["name"];
        assert_eq!(template["spec"]["volumes"][0]["configMap"]["name"], *name, "with its hash");
        let namespace = &self.cron_job["metadata"]["namespace"];
        let metadata = json!({"name": "audit", "namespace": namespace, "labels": template["metadata"]["labels"]});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    }
}

#[test]
fn the_shipped_job_may_do_what_it_does_and_nothing_more() {
    if skipped() {
        return;
    }
    let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    control_plane.stop_controllers();
    let cluster = control_plane.api(ADMIN);
    let kustomization = kustomization_of_the_page("manifests/audit]");
    let job = Installed::new(&control_plane, &cluster, &rendered(kustomization), PUBLISHES);
    the_pod_is_let_in(&cluster, &job);
    the_role_view_lacks_what_the_page_says(&cluster);

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    cluster.create(&namespace, "").done();
    let (dirty, clean) =
        (workload("Deployment", "shop", "web", json!([api()])), json!([{"name": "api", "image": API}]));
    for (version, _, resource, definition) in APIS {
        cluster.create(&from_yaml(definition).remove(0), "").done();
        cluster.create(&dirty, "").done();
        let report = format!("/apis/{version}/namespaces/shop/{resource}/secretfence");
        // Made, changed, and removed; and each time the job ends well, and has nothing to complain of. A moment after its
        // definition the API may not be there yet, and the one before takes its reports.
        let group = version.split('/').next().unwrap();
        let published = |count: &str| {
            let sentence = format!("published: {count} in {resource} of {group}, ");
            let is_it = |output: &Output| output.status.success() && shown(output).contains(&sentence);
            let output = eventually(|| Some(job.run()).filter(is_it));
            let said = shown(&output.unwrap_or_else(|| panic!("{sentence}: {}", shown(&job.run()))));
            assert!(!said.contains("may not"), "{said}");
        };
        published("1 namespace");
        assert_eq!(cluster.get(&report).done()["summary"]["fail"], 1);
        cluster.merge(&report, &json!({"results": []})).done();
        published("1 namespace");
        assert_eq!(cluster.get(&report).done()["results"].as_array().unwrap().len(), 1);
        let mended = json!([{"op": "replace", "path": "/spec/template/spec/containers", "value": clean}]);
        cluster.request("PATCH", &path(&dirty), "application/json-patch+json", &mended).done();
        published("0 namespaces");
        assert_eq!(cluster.get(&report).status, 404);
        cluster.delete(&path(&dirty)).done();
    }
    cluster.create(&dirty, "").done();
    one_namespace_takes_no_other_right(&cluster, &job);
    let (used, given) = (used(&control_plane, PUBLISHES), given(&job.role));
    assert_eq!(used, given, "left, what is used; right, what is given");
}

/// `audit.extraArgs: ["--namespace=shop"]` in the chart. A namespace that is named is got, which the job may not.
fn one_namespace_takes_no_other_right(cluster: &Api, job: &Installed) {
    cluster
        .merge("/api/v1/namespaces/shop", &json!({"metadata": {"labels": {"secretfence.dev/mode": "enforce"}}}))
        .done();
    let (all, one) = (job.run_with(&["--format=json"]), job.run_with(&["--format=json", "--namespace=shop"]));
    assert_eq!((all.status.code(), one.status.code()), (Some(0), Some(0)), "{}{}", shown(&all), shown(&one));
    assert!(!shown(&one).contains("may not"), "{}", shown(&one));
    let of_shop = |output: &Output| {
        let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
        let its = audit["namespaces"].as_array().unwrap().iter().find(|its| its["name"] == "shop").unwrap().clone();
        json!([its["label"], its["fence"], its["denied"], audit["registration"]])
    };
    assert_eq!([of_shop(&one), of_shop(&all)], [json!(["enforce", "open", 1, "missing"]), of_shop(&one)]);
    // By a policy that asks for labels, too.
    let policy = job.folder.path().join("policies/of-labels.yaml");
    let text = MINE.replace("name: secrets-as-files", "name: of-labels");
    let text = text.replacen("\nspec:\n", "\nspec:\n  match: {namespaceSelector: {matchLabels: {tier: prod}}}\n", 1);
    fs::write(&policy, text).unwrap();
    let one = job.run_with(&["--namespace=shop"]);
    assert!(one.status.success() && !shown(&one).contains("may not"), "{}", shown(&one));
    fs::remove_file(policy).unwrap();
}

fn the_pod_is_let_in(cluster: &Api, job: &Installed) {
    assert_eq!(job.cron_job["spec"]["concurrencyPolicy"], "Forbid");
    let mut pod = job.pod();
    assert_eq!(pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    cluster.create(&pod, "?dryRun=All").done();
    // And it is Pod Security that was asked.
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let refused = cluster.create(&pod, "?dryRun=All");
    assert!(refused.status == 403 && refused.message().contains("PodSecurity"), "{refused:#?}");
}

/// Of what an audit lists; the page tells what becomes of it without.
fn the_role_view_lacks_what_the_page_says(cluster: &Api) {
    // What the controller of aggregated roles makes `view` of.
    let view = given(&cluster.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregate-to-view").done());
    let role = PAGE.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let mut lacking = given(&from_yaml(role)[0]);
    lacking.retain(|right| right[0] == "list" && !view.contains(right));
    let lacking: BTreeSet<&str> = lacking.iter().map(|[.., resource]| &**resource).collect();
    let registrations = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];
    assert_eq!(lacking, ["podtemplates"].into_iter().chain(registrations).collect());
    assert!(PAGE.contains("It has no right to `podtemplates`") && PAGE.contains("and none to the registrations"));
}

/// As the page has it, beside a webhook with the job that publishes.
#[test]
fn the_job_of_the_textfile_writes_the_numbers_and_nothing_else() {
    if skipped() {
        return;
    }
    let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    control_plane.stop_controllers();
    let cluster = control_plane.api(ADMIN);
    let of_page = |name: &str| rendered(kustomization_of_the_page(name));
    let (published, mut objects) = (of_page("manifests/audit]"), of_page("manifests/audit-textfile]"));
    objects.extend(published);
    Installed::new(&control_plane, &cluster, &objects, PUBLISHES);
    let job = Installed::new(&control_plane, &cluster, &objects, WRITES_A_FILE);
    assert_eq!(job.policies["data"], json!({"mine.yaml": MINE}));

    let mut pod = job.pod();
    assert_eq!(pod["spec"]["nodeSelector"]["kubernetes.io/hostname"], "node-a");
    cluster.create(&pod, "?dryRun=All").done();
    // Of all that is restricted, the folder is what it takes another namespace for.
    pod["metadata"]["namespace"] = json!("secretfence");
    pod["spec"]["serviceAccountName"] = json!("secretfence-audit");
    let refused = cluster.create(&pod, "?dryRun=All");
    let violations = refused.message().split_once("\"restricted:latest\": ").unwrap().1.to_owned();
    assert_eq!(
        (refused.status, violations.as_str()),
        (403, r#"restricted volume types (volume "textfile" uses restricted volume type "hostPath")"#)
    );

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    cluster.create(&namespace, "").done();
    cluster.create(&workload("Deployment", "shop", "web", json!([api()])), "").done();
    let written = || fs::read_to_string(job.folder.path().join("textfile/secretfence.prom")).ok();
    // The folder is not made: what is missing there is somebody's to see.
    let without = eventually(|| Some(job.run()).filter(|output| shown(output).contains("--metrics-file")));
    assert_eq!((without.unwrap().status.code(), written()), (Some(2), None));
    fs::create_dir(job.folder.path().join("textfile")).unwrap();
    let output = eventually(|| Some(job.run()).filter(|output| output.status.success())).unwrap();
    assert!(!shown(&output).contains("may not"), "{}", shown(&output));
    let numbers = written().unwrap();
    for line in ["secretfence_audit_errors 0\n", "secretfence_audit_findings{outcome=\"denied\"} 1\n"] {
        assert!(numbers.contains(line), "{line}{numbers}");
    }
    let (used, given) = (used(&control_plane, WRITES_A_FILE), given(&job.role));
    assert_eq!(used, given, "left, what is used; right, what is given");
}

/// What one of the two is changed by, the other is, too.
#[test]
fn the_job_of_the_textfile_is_that_which_publishes_but_for_the_way_of_its_numbers() {
    let its = |folder: &str, file: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(folder).join(file);
        from_yaml(&fs::read_to_string(file).unwrap())
    };
    for file in ["service-account.yaml", "rights.yaml", "network-policy.yaml", "cron-job.yaml"] {
        let text = json!(its("audit", file)).to_string();
        let text = text.replace(r#""secretfence-audit""#, r#""secretfence-audit-textfile""#);
        let text = text.replace(r#""namespace":"secretfence""#, r#""namespace":"secretfence-audit""#);
        let mut expected: Vec<Value> = serde_json::from_str(&text).unwrap();
        for object in &mut expected {
            if let Some(rules) = object.get_mut("rules") {
                rules.as_array_mut().unwrap().retain(|rule| rule["verbs"] == json!(["list"]));
            }
            if object["kind"] == "CronJob" {
                object["spec"]["schedule"] = json!("53 * * * *");
                let pod = &mut object["spec"]["jobTemplate"]["spec"]["template"]["spec"];
                pod["nodeSelector"]["kubernetes.io/hostname"] = json!("name-your-node");
                let folder = "/var/lib/node_exporter/textfile";
                let container = &mut pod["containers"][0];
                let published = std::mem::replace(
                    &mut container["args"][2],
                    json!(format!("--metrics-file={folder}/secretfence.prom")),
                );
                assert_eq!(published, "--publish");
                let mount = json!({"name": "textfile", "mountPath": folder});
                container["volumeMounts"].as_array_mut().unwrap().push(mount);
                let volume = json!({"name": "textfile", "hostPath": {"path": folder, "type": "Directory"}});
                pod["volumes"].as_array_mut().unwrap().push(volume);
            }
        }
        assert_eq!(its("audit-textfile", file), expected, "{file}");
    }
}

/// In one kustomization no reference of the one leads to the other: kustomize follows names, and not who meant them.
#[test]
fn both_jobs_in_one_kustomization_are_what_they_are_in_two() {
    if skipped() {
        return;
    }
    let manifests = "../secretfence/manifests";
    let of = |resources: &[&str], components: &str| {
        let resources: Vec<_> = resources.iter().map(|its| format!("{manifests}/{its}")).collect();
        let text = format!("resources: [{}]\ncomponents: [{components}]\n", resources.join(", "));
        let mut objects: Vec<_> = rendered(&text).iter().map(Value::to_string).collect();
        objects.sort();
        objects
    };
    let audit = format!("{manifests}/audit");
    let mut apart = [of(&["opt-in"], &audit), of(&["audit-textfile"], "")].concat();
    apart.sort();
    assert_eq!(of(&["opt-in", "audit-textfile"], &audit), apart);
}

/// The kustomization of docs/audit.md that names this.
fn kustomization_of_the_page(name: &str) -> &'static str {
    let blocks = PAGE.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let blocks: Vec<_> = blocks.filter(|block| block.contains("kind: Kustomization") && block.contains(name)).collect();
    let [block] = blocks[..] else { panic!("{name}: {blocks:#?}") };
    block
}

/// What the page gives to a person is what is shipped, but for what `-n` asks.
#[test]
fn the_role_of_the_page_is_the_one_that_is_shipped() {
    let mut blocks = PAGE.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut expected = given(&from_yaml(blocks.next().unwrap())[0]);
    expected.retain(|[verb, ..]| verb == "list");
    expected.extend(given(&json!({"rules": from_yaml(blocks.next().unwrap())[0]})));
    let shipped = from_yaml(include_str!("../../manifests/audit/rights.yaml"));
    let mut found = given(&shipped[0]);
    found.retain(|[_, group, _]| group != "wgpolicyk8s.io");
    assert_eq!(found, expected);
}
