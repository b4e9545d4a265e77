//! What kustomize makes of the shipped folders together, where there is a kubectl; the other tests read the files as they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::{
    CONFIGURATIONS, REGISTRATIONS, below, container, expression, files, find, objects, parsed, path, pod, root, text,
    volume, webhooks, webhooks_of, with_own_certificate,
};

#[test]
fn kustomize_composes_either_registration_with_the_certificate() {
    let Some(beside) = beside_a_clone() else { return };
    for registration in REGISTRATIONS {
        let alone = rendered(&path(registration));
        let policies = find(&alone, "ConfigMap");
        let name = text(&policies["metadata"]["name"]);
        assert!(name.strip_prefix("secretfence-policies-").is_some_and(|hash| hash.len() == 10), "{name}");
        assert_eq!(policies["immutable"], true);
        assert_eq!(policies["data"].as_object().unwrap().len(), 1);
        assert_eq!(volume(&find(&alone, "Deployment"), "policies")["configMap"]["name"], name);

        let composed = beside.render(&kustomization(registration, &["cert-manager"]));
        for kind in CONFIGURATIONS {
            let (with, without) = (find(&composed, kind), find(&alone, kind));
            assert_eq!(with["metadata"]["annotations"]["cert-manager.io/inject-ca-from"], "secretfence/secretfence");
            assert_eq!(with["webhooks"], without["webhooks"]);
        }
        // Two Issuers and two Certificates, in the place of a Secret and the rights to it.
        let of_managed = objects("managed-certificates/rights.yaml").len() + 1;
        assert_eq!(composed.len(), alone.len() + 4 - of_managed);
        assert!(!composed.iter().any(|object| object["kind"] == "Secret"
            || text(&object["kind"]).ends_with("Binding") && object.get("roleRef").is_some()));
    }
}

/// A certificate from elsewhere leaves what there is without any: no token, no rights, nobody called.
#[test]
fn the_way_to_the_api_server_goes_with_the_managed_certificates_and_comes_with_a_component() {
    let Some(beside) = beside_a_clone() else { return };
    let token = |rendered: &[Value]| pod(&find(rendered, "Deployment"))["automountServiceAccountToken"].clone();
    let egress = |rendered: &[Value]| find(rendered, "NetworkPolicy")["spec"]["egress"].clone();
    let ports = json!([{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]);
    for registration in REGISTRATIONS {
        let managed = rendered(&path(registration));
        assert_eq!((token(&managed), egress(&managed)), (json!(true), json!([{"ports": ports}])));
        let with_access = beside.render(&kustomization(registration, &["cluster-access"]));
        assert_eq!(with_access, managed, "they have it already");

        let own = beside.render(&kustomization(registration, &["own-certificate"]));
        assert_eq!((token(&own), egress(&own)), (json!(false), Value::Null));
        assert_eq!(pod(&find(&own, "Deployment")), pod(&with_own_certificate_and(&find(&own, "ConfigMap"))));
        let both = beside.render(&kustomization(registration, &["own-certificate", "cluster-access"]));
        assert_eq!((token(&both), egress(&both)), (json!(true), json!([{"ports": ports}])));
        let changed: Vec<_> =
            both.iter().filter(|object| !own.contains(object)).map(|object| text(&object["kind"])).collect();
        assert_eq!(changed, ["Deployment", "NetworkPolicy"]);
    }
}

/// Which class, and whose network, is no matter of what is registered or how it is certified.
#[test]
fn components_for_full_nodes_and_far_control_planes_change_the_pod_and_nothing_else() {
    let Some(beside) = beside_a_clone() else { return };
    let alone = rendered(&path("opt-in"));
    for (component, kinds) in [("critical", &["Deployment"][..]), ("host-network", &["Namespace", "Deployment"])] {
        let composed = beside.render(&kustomization("opt-in", &[component]));
        let changed: Vec<_> =
            composed.iter().filter(|object| !alone.contains(object)).map(|object| text(&object["kind"])).collect();
        assert_eq!((changed, composed.len()), (kinds.to_vec(), alone.len()));
    }
    let critical = find(&beside.render(&kustomization("opt-in", &["critical"])), "Deployment");
    assert_eq!(pod(&critical)["priorityClassName"], "system-cluster-critical");
    let on_the_host = find(&beside.render(&kustomization("opt-in", &["host-network"])), "Deployment");
    assert_eq!(pod(&on_the_host)["hostNetwork"], true);
    // As many replicas as nodes: a surge would find every port taken.
    assert_eq!(on_the_host["spec"]["strategy"]["rollingUpdate"], json!({"maxUnavailable": 1, "maxSurge": 0}));
}

#[test]
fn the_kustomization_of_the_guide_does_what_it_says() {
    let Some(beside) = beside_a_clone() else { return };
    let guide = std::fs::read_to_string(root().join("docs/install.md")).unwrap();
    let blocks = guide.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let blocks: Vec<_> = blocks.filter(|block| block.contains("kind: Kustomization")).collect();
    let [tailored] = blocks[..] else { panic!("expected one: {blocks:#?}") };
    let mine = std::fs::read(root().join("policies/baseline.yaml")).unwrap();
    std::fs::write(beside.folder("fence").join("mine.yaml"), mine).unwrap();
    let rendered = beside.render(tailored);
    assert_eq!(find(&rendered, "Secret")["metadata"]["name"], "secretfence-certificates");
    let image = container(&find(&rendered, "Deployment"))["image"].clone();
    assert_eq!(image, format!("registry.example.com/secretfence:{}", env!("CARGO_PKG_VERSION")));
    let shipped = expression(&webhooks("opt-in")[0].1, "kubernetes.io/metadata.name")["values"].clone();
    for webhook in CONFIGURATIONS.into_iter().flat_map(|kind| webhooks_of(&find(&rendered, kind))) {
        let names = expression(&webhook, "kubernetes.io/metadata.name")["values"].as_array().unwrap().clone();
        assert!(names.starts_with(shipped.as_array().unwrap()));
        assert_eq!(names[shipped.as_array().unwrap().len()..], ["my-network"]);
    }
    assert_eq!(find(&rendered, "ConfigMap")["data"].as_object().unwrap().keys().collect::<Vec<_>>(), ["mine.yaml"]);
    assert_eq!(find(&rendered, "ConfigMap")["immutable"], true);
}

/// A clone of this repository in a folder, and beside it one for what a reader writes.
struct Beside(tempfile::TempDir);

impl Beside {
    fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn render(&self, kustomization: &str) -> Vec<Value> {
        std::fs::write(self.folder("fence").join("kustomization.yaml"), kustomization).unwrap();
        rendered(&self.folder("fence"))
    }
}

/// `None` where nothing can render.
fn beside_a_clone() -> Option<Beside> {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        println!("left out: there is no kubectl here to render manifests/");
        return None;
    }
    let beside = Beside(tempfile::tempdir().unwrap());
    std::fs::create_dir(beside.folder("fence")).unwrap();
    for file in files(&path("")) {
        let to = beside.folder("secretfence/manifests").join(below(&file, &path("")));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
    Some(beside)
}

fn rendered(folder: &Path) -> Vec<Value> {
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parsed(&output.stdout, "kubectl kustomize").into_iter().flatten().collect()
}

/// The same with the policies that are mounted by their name.
fn with_own_certificate_and(policies: &Value) -> Value {
    let mut deployment = with_own_certificate();
    let volumes = &mut deployment["spec"]["template"]["spec"]["volumes"];
    volumes[0]["configMap"]["name"] = policies["metadata"]["name"].clone();
    deployment
}

fn kustomization(registration: &str, components: &[&str]) -> String {
    let manifests = "../secretfence/manifests";
    let components: Vec<_> = components.iter().map(|component| format!("{manifests}/{component}")).collect();
    format!("resources: [{manifests}/{registration}]\ncomponents: [{}]\n", components.join(", "))
}
