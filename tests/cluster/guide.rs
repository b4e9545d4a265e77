//! The five minutes of README.md, command by command: the reader sees what it shows. Then the commands of
//! docs/install.md.
//!
//! There are no nodes here, so a thread does what a kubelet would: it runs the webhook with what its pod mounts, and says
//! that the pods are ready. Nor is there a cert-manager: the same thread signs what a Certificate asks for. The Service
//! leads to this machine. All else is as the reader does it.

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
use crate::binaries::skipped;
use crate::cluster::from_yaml;
use crate::connections::End;
use crate::control_plane::{ADMIN, ControlPlane, eventually, free_port};
use crate::objects;
use crate::webhook::Webhook;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What only a machine with a registry or a kind cluster can do.
const NOT_RUN: &str = "docker ";

/// A block of commands, for whom it is, and what is shown below it, if anything is.
struct Step {
    of: String,
    commands: String,
    shown: Option<String>,
}

#[test]
fn the_five_minutes_of_the_readme_with_a_certificate_by_hand() {
    follow("by hand");
}

#[test]
fn the_five_minutes_of_the_readme_with_cert_manager() {
    follow("cert-manager");
}

fn follow(way: &str) {
    if skipped() {
        return;
    }
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let (_, guide) = readme.split_once("\n## Five minutes").unwrap();
    let steps = steps(guide.split("\n## ").next().unwrap());
    assert_eq!(steps.iter().filter(|step| step.commands.starts_with(NOT_RUN)).count(), 1);
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
                reader.run_what_is_scheduled();
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let is_mine = |step: &&Step| [way, "both"].contains(&step.of.as_str());
        for step in steps.iter().filter(is_mine) {
            reader.run(step);
            reader.wait_as_long_as_it_takes_to_read();
        }
        let gone = || reader.api.get("/api/v1/namespaces/shop").status == 404;
        assert!(eventually(|| gone().then_some(())).is_some());
        // The policies of the reader's own.
        symlink(format!("{ROOT}/policies/across-namespaces.yaml"), reader.folder.join("fence/mine.yaml")).unwrap();
        further_steps().iter().filter(is_mine).for_each(|step| reader.run(step));
        for path in [
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretfence",
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/zz-secretfence",
            "/api/v1/namespaces/secretfence",
        ] {
            assert_eq!(reader.api.get(path).status, 404, "{path}");
        }
    });
}

/// The blocks of commands that are marked as steps, each with the output below it.
fn steps(guide: &str) -> Vec<Step> {
    let blocks: Vec<&str> = guide.split("```").collect();
    let mut steps: Vec<Step> = Vec::new();
    // Outside, inside, outside: every second part is a block.
    for pair in blocks.chunks_exact(2) {
        let (language, text) = pair[1].split_once('\n').unwrap();
        let mark = pair[0].rsplit_once("<!-- guide: ").map(|(_, mark)| mark.trim_end_matches(" -->\n").to_owned());
        match language {
            "sh" => steps.push(Step { of: mark.unwrap_or_default(), commands: text.to_owned(), shown: None }),
            "output" => steps.last_mut().unwrap().shown = Some(text.to_owned()),
            _ => panic!("a block of {language}"),
        }
    }
    for Step { of, commands, .. } in &steps {
        let is_run = ["by hand", "cert-manager", "both"].contains(&of.as_str());
        assert!(is_run || commands.starts_with(NOT_RUN), "marked as {of:?}, which is not run: {commands}");
    }
    assert!(steps.len() > 7, "{} steps", steps.len());
    steps
}

/// The commands of docs/install.md, the last of which uninstall.
fn further_steps() -> Vec<Step> {
    let guide = fs::read_to_string(format!("{ROOT}/docs/install.md")).unwrap();
    let blocks = guide.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks
        .map(|commands| {
            let of = if commands.contains("fence/tls.key") { "by hand" } else { "both" };
            Step { of: of.to_owned(), commands: commands.to_owned(), shown: None }
        })
        .collect()
}

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
        fs::write(programs.join("kubectl"), reader.kubectl()).unwrap();
        fs::set_permissions(programs.join("kubectl"), fs::Permissions::from_mode(0o755)).unwrap();
        reader
    }

    /// `kubectl`, which lays over what is applied by `-k` that the webhook is on this machine.
    fn kubectl(&self) -> String {
        let here =
            json!([{"op": "replace", "path": "/spec", "value": {"type": "ExternalName", "externalName": "localhost"}}]);
        let port = |index| {
            let path = format!("/webhooks/{index}/clientConfig/service/port");
            json!({"op": "replace", "path": path, "value": self.port})
        };
        let ports = json!([port(0), port(1)]);
        let patches = json!([
            {"target": {"kind": "Service"}, "patch": here.to_string()},
            {"target": {"kind": "(Mutating|Validating)WebhookConfiguration"}, "patch": ports.to_string()},
        ]);
        let here = json!({"kind": "Kustomization", "resources": ["../fence"], "patches": patches}).to_string();
        fs::create_dir_all(self.folder.join("here")).unwrap();
        fs::write(self.folder.join("here/kustomization.yaml"), here).unwrap();
        let kubectl = self.control_plane.kubectl();
        let words = std::iter::once(kubectl.get_program()).chain(kubectl.get_args());
        let program: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let program = program.join(" ");
        format!("#!/bin/sh\nif [ \"$*\" = 'apply -k fence' ]; then set -- apply -k here; fi\nexec {program} \"$@\"\n")
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

    /// The kubelet's part.
    fn run_what_is_scheduled(&self) {
        let pods = self.api.get("/api/v1/namespaces/secretfence/pods").body["items"].as_array().cloned();
        let is_ready = |pod: &Value| pod["status"]["phase"] == "Running";
        for pod in pods.unwrap_or_default().iter().filter(|pod| !is_ready(pod)) {
            let volumes = pod["spec"]["volumes"].as_array().unwrap();
            let volume = |name: &str| volumes.iter().find(|volume| volume["name"] == name).unwrap();
            let mounted = |resource: &str, name: &Value| {
                self.api.get(&format!("/api/v1/namespaces/secretfence/{resource}/{}", name.as_str().unwrap()))
            };
            let secret = mounted("secrets", &volume("tls")["secret"]["secretName"]);
            let policies = mounted("configmaps", &volume("policies")["configMap"]["name"]);
            if secret.status != 200 || policies.status != 200 {
                continue;
            }
            let decoded = |key: &str| STANDARD.decode_to_vec(secret.body["data"][key].as_str().unwrap()).unwrap();
            self.webhook.lock().unwrap().get_or_insert_with(|| {
                let files: Vec<(&str, &str)> = policies.body["data"].as_object().unwrap().iter().map(file).collect();
                let certificate = (decoded("tls.crt"), decoded("tls.key"));
                Webhook::mounted(self.port, &self.control_plane, "reader/webhook", &files, &certificate)
            });
            let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
            let name = pod["metadata"]["name"].as_str().unwrap();
            // It may be gone by now.
            self.api.merge(&format!("/api/v1/namespaces/secretfence/pods/{name}/status"), &json!({"status": ready}));
        }
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
        for configuration in
            ["mutatingwebhookconfigurations/zz-secretfence", "validatingwebhookconfigurations/secretfence"]
        {
            let path = format!("/apis/admissionregistration.k8s.io/v1/{configuration}");
            let found = eventually(|| Some(self.api.get(&path)).filter(|reply| reply.status == 200));
            let mut configuration = found.expect("a registration").body;
            assert_eq!(
                configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
                "secretfence/secretfence"
            );
            for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                webhook["clientConfig"]["caBundle"] = encode(&self.control_plane.authority.pem());
            }
            self.api.merge(&path, &json!({"webhooks": configuration["webhooks"]})).done();
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
        Some((line, rest)) => printed.split_first().is_some_and(|(first, others)| {
            let is_it = match line.split_once('…') {
                Some((begin, end)) => first.starts_with(begin) && first.ends_with(end),
                None => first == line,
            };
            is_it && is_shown(others, rest)
        }),
    }
}
