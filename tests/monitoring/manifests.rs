//! The component, held against the base that it is added to.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{files, list, object, objects, read, root, text};

#[test]
fn prometheus_finds_every_replica_ready_or_not_and_nothing_else() {
    let monitor = object("manifests/monitoring/service-monitor.yaml");
    let service = object("manifests/monitoring/service.yaml");
    let deployment = object("manifests/base/deployment.yaml");
    let labels = |object: &Value| object["metadata"]["labels"].as_object().unwrap().clone();
    let selects = |object: &Value| {
        let wanted = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap().clone();
        wanted.iter().all(|(name, value)| labels(object).get(name) == Some(value))
    };
    assert!(selects(&service) && !selects(&object("manifests/base/service.yaml")));
    assert_eq!(service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]);
    assert_eq!(service["spec"]["publishNotReadyAddresses"], true);
    let [endpoint] = list(&monitor["spec"]["endpoints"]) else { panic!("one endpoint") };
    let [port] = list(&service["spec"]["ports"]) else { panic!("one port") };
    assert_eq!(endpoint["port"], port["name"]);
    assert_eq!(endpoint["path"], "/metrics");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let behind = list(&container["ports"]).iter().find(|its| its["name"] == port["targetPort"]).unwrap();
    assert_eq!(behind["containerPort"], port["port"]);
    // The rules and the dashboard ask for this job.
    assert_eq!(labels(&service)[text(&monitor["spec"]["jobLabel"])], "secretfence");
    for object in [&monitor, &service, &object("manifests/monitoring/prometheus-rule.yaml")] {
        assert_eq!(object["metadata"]["namespace"], "secretfence");
    }
}

#[test]
fn the_network_policy_of_the_base_lets_prometheus_in() {
    let network = object("manifests/base/network-policy.yaml");
    let rule = list(&network["spec"]["ingress"]).iter().find(|rule| rule["ports"][0]["port"] == "admin").unwrap();
    assert_eq!(rule["from"], json!([{"namespaceSelector": {}}]), "from every namespace, so also from Prometheus'");
}

#[test]
fn every_file_of_the_component_is_named_by_its_kustomization() {
    let kustomization = object("manifests/monitoring/kustomization.yaml");
    let mut named: Vec<String> = list(&kustomization["resources"]).iter().map(|its| text(its).to_owned()).collect();
    let [generator] = list(&kustomization["configMapGenerator"]) else { panic!("one ConfigMap") };
    assert_eq!(generator["options"]["labels"]["grafana_dashboard"], "1");
    named.extend(list(&generator["files"]).iter().map(|file| text(file).split('=').next_back().unwrap().to_owned()));
    named.push("kustomization.yaml".to_owned());
    named.sort();
    let mut found: Vec<_> = ["yaml", "json"].iter().flat_map(|its| files("manifests/monitoring", its)).collect();
    found.sort();
    let found: Vec<_> = found.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(found, named);
}

#[test]
fn kustomize_adds_it_to_either_registration_as_the_page_says() {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        println!("left out: there is no kubectl here to render manifests/");
        return;
    }
    let page = read("docs/runbooks/README.md");
    let written = page.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let written = written.filter(|block| block.contains("kind: Kustomization")).collect::<Vec<_>>();
    let [written] = written[..] else { panic!("one kustomization: {written:?}") };
    let beside = TempDir::new().unwrap();
    copy(&root().join("manifests"), &beside.path().join("secretfence/manifests"));
    let folder = beside.path().join("fence");
    std::fs::create_dir(&folder).unwrap();
    for registration in ["opt-in", "cluster-wide"] {
        let without = "components:\n  - ../secretfence/manifests/monitoring\n";
        assert!(written.contains(without) && written.contains("manifests/opt-in\n"));
        let mine = written.replace("manifests/opt-in\n", &format!("manifests/{registration}\n"));
        let alone = render(&folder, &format!("resources: [../secretfence/manifests/{registration}]\n"));
        let with = render(&folder, &mine);
        let added: Vec<_> = with.iter().filter(|object| !alone.contains(object)).collect();
        let kinds: Vec<_> = added.iter().map(|object| text(&object["kind"])).collect();
        assert_eq!(kinds, ["ConfigMap", "Service", "PrometheusRule", "ServiceMonitor"]);
        assert_eq!(with.len(), alone.len() + 4, "nothing else is changed");
        let config = added[0];
        assert_eq!(config["metadata"]["name"], "secretfence-dashboard");
        let shown: Value = serde_json::from_str(text(&config["data"]["secretfence.json"])).unwrap();
        assert_eq!(shown, object("manifests/monitoring/dashboard.json"));
        for selected in &added[2..] {
            assert_eq!(selected["metadata"]["labels"]["release"], "kube-prometheus-stack");
        }
        let shipped = crate::rules::rules();
        let groups = list(&added[2]["spec"]["groups"]).iter();
        let rendered: Vec<_> = groups.flat_map(|group| list(&group["rules"]).to_vec()).collect();
        assert_eq!(rendered.len(), shipped.len());
        for (mut rendered, mut shipped) in rendered.into_iter().zip(shipped) {
            let page =
                format!("https://git.example.org/platform/secretfence/docs/runbooks/{}.md", text(&shipped["alert"]));
            assert_eq!(rendered["annotations"]["runbook_url"].take(), page);
            shipped["annotations"]["runbook_url"].take();
            assert_eq!(rendered, shipped);
        }
    }
}

fn render(folder: &Path, kustomization: &str) -> Vec<Value> {
    std::fs::write(folder.join("kustomization.yaml"), kustomization).unwrap();
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    objects(std::str::from_utf8(&output.stdout).unwrap())
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
