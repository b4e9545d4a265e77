//! The five minutes of README.md, command by command, by either installer: the reader sees what it shows. Then the commands of
//! docs/install.md, and its other ways to a certificate.
//!
//! There are no nodes here, so a thread does what a kubelet and a network would: it runs the webhook with what its pod mounts,
//! leads the Service to this machine, and says that the pods are ready. Nor is there a cert-manager: the same thread signs
//! what a Certificate asks for. All else is as the reader does it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::api::Api;
use crate::binaries::{Program, skipped};
use crate::cluster::from_yaml;
use crate::connections::End;
use crate::control_plane::{ADMIN, ControlPlane, eventually, free_port};
use crate::objects;
use crate::webhook::Webhook;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What only a machine with a registry or a kind cluster can do.
const NOT_RUN: &str = "docker ";

/// The ways through the guide, and what is for all of them.
const WAYS: [&str; 6] = ["kustomize", "helm", "cert-manager", "by hand", "by hand with helm", "any"];

const CONFIGURATIONS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/zz-secretfence",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretfence",
];
const NAMESPACE: &str = "/api/v1/namespaces/secretfence";

/// A block of commands, for whom it is, and what is shown below it, if anything is.
#[derive(Clone)]
struct Step {
    mark: Mark,
    ways: Vec<String>,
    commands: String,
    shown: Option<String>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Mark {
    /// In the place of what README.md says about the installation.
    Install,
    Guide,
    None,
}

#[test]
fn the_five_minutes_of_the_readme_by_kustomize() {
    follow("kustomize");
}

#[test]
fn the_five_minutes_of_the_readme_by_helm() {
    follow("helm");
}

#[test]
fn the_same_with_a_certificate_by_cert_manager() {
    follow("cert-manager");
}

#[test]
fn the_same_with_a_certificate_by_hand() {
    follow("by hand");
}

#[test]
fn the_same_by_helm_with_a_certificate_by_hand() {
    follow("by hand with helm");
}

/// Of README.md what is for this way, or where it has another way to install it, that; then the rest of docs/install.md, the
/// last of which uninstalls.
fn follow(way: &str) {
    if skipped() {
        return;
    }
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let (_, five_minutes) = readme.split_once("\n## Five minutes").unwrap();
    let five_minutes = steps(five_minutes.split("\n## ").next().unwrap());
    assert_eq!(five_minutes.iter().filter(|step| step.commands.starts_with(NOT_RUN)).count(), 1);
    let further = steps(&fs::read_to_string(format!("{ROOT}/docs/install.md")).unwrap());
    let of = |steps: &'_ [Step], mark: Mark| {
        let is_it = |step: &&Step| step.mark == mark && step.is_for(way);
        steps.iter().filter(is_it).cloned().collect::<Vec<_>>()
    };
    let reader = Reader::start();
    if way == "cert-manager" {
        reader.define_certificates();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = End(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                reader.sign_what_is_asked_for();
                reader.lead_the_service_here();
                reader.run_what_is_scheduled();
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let instead = of(&further, Mark::Install);
        let installs_itself = five_minutes.iter().any(|step| step.ways.iter().any(|its| its == way));
        assert_eq!(instead.is_empty(), installs_itself, "{way} has one way to install it");
        for step in instead.iter().chain(&of(&five_minutes, Mark::Guide)) {
            reader.run(step);
            reader.wait_as_long_as_it_takes_to_read();
        }
        let gone = || reader.api.get("/api/v1/namespaces/shop").status == 404;
        assert!(eventually(|| gone().then_some(())).is_some());
        // Somebody whom it runs for already.
        for page in ["rollout", "operations"] {
            let page = marked(&fs::read_to_string(format!("{ROOT}/docs/{page}.md")).unwrap());
            of(&page, Mark::Guide).iter().for_each(|step| reader.run(step));
        }
        // The policies of the reader's own.
        fs::create_dir_all(reader.folder.join("fence")).unwrap();
        symlink(format!("{ROOT}/policies/across-namespaces.yaml"), reader.folder.join("fence/mine.yaml")).unwrap();
        of(&further, Mark::Guide).iter().for_each(|step| reader.run(step));
        for path in [CONFIGURATIONS[0], CONFIGURATIONS[1], "/api/v1/namespaces/secretfence"] {
            let is_gone = || reader.api.get(path).status == 404;
            assert!(eventually(|| is_gone().then_some(())).is_some(), "{path}");
        }
    });
}

/// Of a page that also has commands which are for a bad day, the blocks that say that they are run.
fn marked(page: &str) -> Vec<Step> {
    let page = page.split("\n<!-- guide: ").skip(1).map(|part| {
        let block = part.split("```").take(2).collect::<Vec<_>>().join("```");
        let shown = part.split_once("```\n\n```output\n").map(|(_, shown)| shown.split("```").next().unwrap());
        let shown = shown.map_or_else(String::new, |shown| format!("\n```output\n{shown}```\n"));
        format!("<!-- guide: {block}```\n{shown}")
    });
    steps_of(&page.collect::<String>())
}

/// The blocks of commands of a page, each with the output below it.
fn steps(page: &str) -> Vec<Step> {
    let steps = steps_of(page);
    assert!(steps.len() > 7, "{} steps", steps.len());
    steps
}

fn steps_of(page: &str) -> Vec<Step> {
    let blocks: Vec<&str> = page.split("```").collect();
    let mut steps: Vec<Step> = Vec::new();
    // Outside, inside, outside: every second part is a block.
    for pair in blocks.chunks_exact(2) {
        let (language, text) = pair[1].split_once('\n').unwrap();
        match language {
            "sh" => steps.push(Step::read(pair[0], text)),
            "output" => steps.last_mut().unwrap().shown = Some(text.to_owned()),
            "yaml" => {}
            _ => panic!("a block of {language}"),
        }
    }
    steps
}

impl Step {
    /// A block with what is said of it right before: `<!-- guide: kustomize, helm -->`.
    fn read(before: &str, commands: &str) -> Step {
        let mark = before.rsplit_once("<!-- ").and_then(|(_, mark)| mark.strip_suffix(" -->\n"));
        let (mark, ways) = match mark.and_then(|mark| mark.split_once(": ")) {
            Some(("guide", ways)) => (Mark::Guide, ways),
            Some(("install", ways)) => (Mark::Install, ways),
            _ => (Mark::None, ""),
        };
        let ways: Vec<String> = ways.split(", ").filter(|way| !way.is_empty()).map(str::to_owned).collect();
        assert!(ways.iter().all(|way| WAYS.contains(&way.as_str())), "{ways:?} is not run: {commands}");
        assert_eq!(ways.is_empty(), commands.starts_with(NOT_RUN), "{ways:?} is not run: {commands}");
        Step { mark, ways, commands: commands.to_owned(), shown: None }
    }

    fn is_for(&self, way: &str) -> bool {
        self.ways.iter().any(|its| its == way || its == "any")
    }
}

/// Here the network's part is played by changes of what Helm made, which it would not take back by itself.
const FORCED: &str = "if [ \"$1\" = upgrade ]; then set -- \"$@\" --force-conflicts; fi\n";

/// A person in front of a cluster, in the folder that holds the clone.
struct Reader {
    api: Api,
    folder: PathBuf,
    port: u16,
    webhook: Mutex<Option<Webhook>>,
    control_plane: ControlPlane,
}

impl Reader {
    fn start() -> Reader {
        let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
        let folder = control_plane.directory.join("reader");
        let programs = folder.join("programs");
        fs::create_dir_all(&programs).unwrap();
        symlink(ROOT, folder.join("secretfence")).unwrap();
        symlink(env!("CARGO_BIN_EXE_secretfence"), programs.join("secretfence")).unwrap();
        let reader = Reader {
            api: control_plane.api(ADMIN),
            port: free_port(),
            webhook: Mutex::default(),
            folder,
            control_plane,
        };
        let kubectl = Program::find("kubectl").unwrap_or_else(|error| panic!("{error}"));
        let helm = Program::helm().unwrap_or_else(|error| panic!("{error}"));
        for (name, program, more) in [("kubectl", kubectl, ""), ("helm", helm, FORCED)] {
            let words: Vec<_> = std::iter::once(program.file.display().to_string())
                .chain(program.arguments(&[]))
                .map(|word| format!("'{word}'"))
                .collect();
            let text = format!("#!/bin/sh\n{more}exec {} \"$@\"\n", words.join(" "));
            fs::write(programs.join(name), text).unwrap();
            fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        reader
    }

    /// Runs the commands of a step: they print what is shown, or all end well.
    fn run(&self, step: &Step) {
        let path = format!("{}:{}", self.folder.join("programs").display(), std::env::var("PATH").unwrap());
        let stop_at_an_error = if step.shown.is_some() { "" } else { "set -e\n" };
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1\n{stop_at_an_error}{}", step.commands)]).current_dir(&self.folder);
        for (name, value) in self.control_plane.kubectl().get_envs() {
            shell.env(name, value.unwrap());
        }
        let output = shell.env("PATH", path).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        match &step.shown {
            Some(shown) => {
                assert!(
                    is_shown(&printed.lines().collect::<Vec<_>>(), &shown.lines().collect::<Vec<_>>()),
                    "{}\nprinted:\n{printed}\nshown:\n{shown}",
                    step.commands
                )
            }
            None => assert!(output.status.success(), "{}\n{printed}", step.commands),
        }
    }

    /// A namespace has its ServiceAccount, and the API server has heard of a label, sooner than a person types.
    fn wait_as_long_as_it_takes_to_read(&self) {
        let namespace = self.api.get("/api/v1/namespaces/shop").body;
        if namespace["metadata"]["labels"]["secretfence.dev/mode"] == "enforce"
            && namespace["status"]["phase"] == "Active"
        {
            let denied = || self.api.create(&objects::denied("shop"), "?dryRun=All").status == 403;
            let account = || self.api.get("/api/v1/namespaces/shop/serviceaccounts/default").status == 200;
            assert!(eventually(|| (account() && denied()).then_some(())).is_some(), "the label does nothing");
        }
    }

    /// The network's part: what goes to the Service comes here.
    fn lead_the_service_here(&self) {
        let path = format!("{NAMESPACE}/services/secretfence");
        if self.api.get(&path).body["spec"]["type"] == "ClusterIP" {
            let spec =
                json!({"type": "ExternalName", "externalName": "localhost", "clusterIP": null, "clusterIPs": null});
            self.api.merge(&path, &json!({"spec": spec}));
        }
        for path in CONFIGURATIONS {
            self.change_clients(path, |client| client["service"]["port"] = json!(self.port));
        }
    }

    /// Changes how the webhooks of a configuration are called, unless it is not there or somebody else just changed it.
    fn change_clients(&self, path: &str, change: impl Fn(&mut Value)) {
        let mut configuration = self.api.get(path).body;
        let before = configuration["webhooks"].clone();
        for webhook in configuration["webhooks"].as_array_mut().into_iter().flatten() {
            change(&mut webhook["clientConfig"]);
        }
        if configuration["webhooks"] != before {
            let metadata = json!({"resourceVersion": configuration["metadata"]["resourceVersion"]});
            self.api.merge(path, &json!({"metadata": metadata, "webhooks": configuration["webhooks"]}));
        }
    }

    fn is_led_here(&self) -> bool {
        let leads =
            |path: &&str| self.api.get(path).body["webhooks"][1]["clientConfig"]["service"]["port"] == self.port;
        CONFIGURATIONS.iter().all(leads)
    }

    /// The kubelet's part.
    fn run_what_is_scheduled(&self) {
        let pods = self.api.get(&format!("{NAMESPACE}/pods")).body["items"].as_array().cloned();
        let is_ready = |pod: &Value| pod["status"]["phase"] == "Running";
        for pod in pods.unwrap_or_default().iter().filter(|pod| !is_ready(pod)) {
            let volumes = pod["spec"]["volumes"].as_array().unwrap();
            let volume = |name: &str| volumes.iter().find(|volume| volume["name"] == name);
            let mounted = |resource: &str, name: &Value| {
                self.api.get(&format!("{NAMESPACE}/{resource}/{}", name.as_str().unwrap()))
            };
            let policies = mounted("configmaps", &volume("policies").unwrap()["configMap"]["name"]);
            let secret = volume("tls").map(|tls| mounted("secrets", &tls["secret"]["secretName"]));
            let waits = secret.as_ref().is_some_and(|secret| secret.status != 200) || policies.status != 200;
            if waits || !self.is_led_here() {
                continue;
            }
            self.webhook.lock().unwrap().get_or_insert_with(|| {
                let files: Vec<(&str, &str)> = policies.body["data"].as_object().unwrap().iter().map(file).collect();
                match &secret {
                    Some(secret) => {
                        let data = &secret.body["data"];
                        let decoded = |key: &str| STANDARD.decode_to_vec(data[key].as_str().unwrap()).unwrap();
                        let certificate = (decoded("tls.crt"), decoded("tls.key"));
                        Webhook::mounted(self.port, &self.control_plane, "reader/webhook", &files, &certificate)
                    }
                    None => {
                        let flags = self.flags_in_a_pod(pod);
                        Webhook::managed(self.port, &self.control_plane, "reader/webhook", &files, &flags)
                    }
                }
            });
            let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
            let name = pod["metadata"]["name"].as_str().unwrap();
            // It may be gone by now.
            self.api.merge(&format!("{NAMESPACE}/pods/{name}/status"), &json!({"status": ready}));
        }
    }

    /// The arguments of the Deployment but for paths and ports, and what a pod has from its surroundings: a token with the
    /// rights that came with the Deployment, and names.
    fn flags_in_a_pod(&self, pod: &Value) -> Vec<String> {
        assert_eq!(pod["spec"]["automountServiceAccountToken"], true, "it has a token");
        let account = pod["spec"]["serviceAccountName"].as_str().unwrap();
        let kubeconfig = self.control_plane.path("reader/kubeconfig");
        fs::write(&kubeconfig, self.control_plane.kubeconfig_of_account("secretfence", account)).unwrap();
        let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap();
        let arguments = arguments.iter().map(|argument| argument.as_str().unwrap().to_owned());
        arguments
            .filter(|argument| argument != "serve" && !argument.starts_with("--policies="))
            .chain([
                format!("--kubeconfig={kubeconfig}"),
                format!("--namespace={}", pod["metadata"]["namespace"].as_str().unwrap()),
                format!("--pod-name={}", pod["metadata"]["name"].as_str().unwrap()),
                format!("--service-port={}", self.port),
            ])
            .collect()
    }

    /// The kinds of cert-manager that the manifests use. `SECRETFENCE_CERT_MANAGER_CRDS` names the folder `deploy/crds` of
    /// its sources; without it they have no schema.
    fn define_certificates(&self) {
        let folder = std::env::var_os("SECRETFENCE_CERT_MANAGER_CRDS").map(PathBuf::from);
        for (kind, plural) in [("Certificate", "certificates"), ("Issuer", "issuers")] {
            let definition = match &folder {
                Some(folder) => {
                    let text = fs::read_to_string(folder.join(format!("cert-manager.io_{plural}.yaml"))).unwrap();
                    from_yaml(&text).remove(0)
                }
                None => without_schema(kind, plural),
            };
            self.api.create(&definition, "").done();
            let served = format!("/apis/cert-manager.io/v1/{plural}");
            assert!(eventually(|| (self.api.get(&served).status == 200).then_some(())).is_some());
        }
    }

    /// The part of cert-manager and its injector: a Secret for the Certificate, and its authority where that is asked for.
    fn sign_what_is_asked_for(&self) {
        let certificate = self.api.get("/apis/cert-manager.io/v1/namespaces/secretfence/certificates/secretfence").body;
        let Some(names) = certificate["spec"]["dnsNames"].as_array() else { return };
        let names: Vec<&str> = names.iter().map(|name| name.as_str().unwrap()).collect();
        let (chain, key) = self.control_plane.authority.server("secretfence", &names);
        let encode = |text: &str| json!(STANDARD.encode_to_string(text));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": certificate["spec"]["secretName"], "namespace": "secretfence"},
            "data": {"tls.crt": encode(&chain), "tls.key": encode(&key)},
        });
        // Once: it is there the next time.
        if self.api.create(&secret, "").status != 201 {
            return;
        }
        let authority = encode(&self.control_plane.authority.pem());
        for path in CONFIGURATIONS {
            let found = eventually(|| Some(self.api.get(path)).filter(|reply| reply.status == 200));
            let annotations = found.expect("a registration").body["metadata"]["annotations"].clone();
            assert_eq!(annotations["cert-manager.io/inject-ca-from"], "secretfence/secretfence");
            self.change_clients(path, |client| client["caBundle"] = authority.clone());
        }
    }
}

fn without_schema(kind: &str, plural: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.cert-manager.io")},
        "spec": {
            "group": "cert-manager.io", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    })
}

fn file<'d>((name, text): (&'d String, &'d Value)) -> (&'d str, &'d str) {
    (name, text.as_str().unwrap())
}

/// Whether these lines were printed. A line `…` stands for any lines but errors, `…` within one for
/// any text.
fn is_shown(printed: &[&str], shown: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((&"…", rest)) => {
            let no_errors = printed.iter().take_while(|line| !line.to_lowercase().starts_with("error")).count();
            (0..=no_errors).any(|left_out| is_shown(&printed[left_out..], rest))
        }
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| is_line(first, line) && is_shown(others, rest))
        }
    }
}

fn is_line(printed: &str, shown: &str) -> bool {
    let Some((begin, end)) = shown.split_once('…') else { return printed == shown };
    printed
        .strip_prefix(begin)
        .is_some_and(|left| left.char_indices().any(|(at, _)| is_line(&left[at..], end)) || end.is_empty())
}

#[test]
fn what_is_left_out_of_a_line_is_any_text_and_the_rest_is_printed() {
    let line = "1 namespace, 2 owners: 1 denied, 2 swapped; 2 missed";
    for shown in [line, "…", "1 namespace…", "…: 1 denied, 2 swapped…", "1 …, 2 …; 2 missed", "…missed"] {
        assert!(is_line(line, shown), "{shown}");
    }
    for shown in ["", "…: 2 denied…", "…: 1 denied", "2 …", "…missed; …", "…denied…owners…"] {
        assert!(!is_line(line, shown), "{shown}");
    }
}
