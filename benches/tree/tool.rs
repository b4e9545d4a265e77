//! The tools: how each is asked, and how its report is read.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::process::{self, Cost};
use crate::tree::Tree;

/// What a tool is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Secrets in the environment alone.
    Secrets,
    /// What it does where nothing is said.
    Default,
}

/// A program that judges manifests, and writes a report in JSON.
pub struct Tool {
    program: PathBuf,
    flavour: Flavour,
    version: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Secretfence,
    KubeLinter,
    Checkov,
}

/// What a report says of Secrets in the environment.
#[derive(Default)]
pub struct Found {
    /// File, kind and name of objects in which there is one.
    pub objects: BTreeSet<(String, String, String)>,
    /// File, kind, name and pointer within the object, of what is named by its place.
    pub pointers: BTreeSet<(String, String, String, String)>,
    /// File, kind, name and variable, of what is named by its variable.
    pub variables: BTreeSet<(String, String, String, String)>,
}

/// The tools of others that are on `PATH`.
pub fn peers() -> Vec<Tool> {
    let peers = [("kube-linter", Flavour::KubeLinter, "version"), ("checkov", Flavour::Checkov, "--version")];
    let find = |(name, flavour, ask): (&str, Flavour, &str)| {
        let path = env::var_os("PATH").unwrap_or_default();
        let program = env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
        let Some(program) = program else {
            println!("{name} is not on PATH: left out\n");
            return None;
        };
        Some(Tool { version: format!("{name} {}", said(&program, ask)), program, flavour })
    };
    peers.into_iter().filter_map(find).collect()
}

impl Tool {
    pub fn secretfence(program: &Path) -> Tool {
        Tool { version: said(program, "--version"), program: program.to_owned(), flavour: Flavour::Secretfence }
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    /// Ours asks for nothing else.
    pub fn scopes(&self) -> &'static [Scope] {
        if self.flavour == Flavour::Secretfence { &[Scope::Default] } else { &[Scope::Secrets, Scope::Default] }
    }

    /// Runs it on a folder: what it took, and its report.
    pub fn run(&self, scope: Scope, folder: &Path) -> (Cost, Value) {
        let mut command = Command::new(&self.program);
        command.current_dir(folder);
        match self.flavour {
            Flavour::Secretfence => command.args(["check", "--format", "json", "."]),
            Flavour::KubeLinter => {
                command.args(["lint", "--format", "json", "."]);
                let only = ["--do-not-auto-add-defaults", "--include", "read-secret-from-env-var,env-var-secret"];
                if scope == Scope::Secrets { command.args(only) } else { &mut command }
            }
            Flavour::Checkov => {
                command.args(["-d", ".", "--output", "json", "--quiet", "--compact", "--skip-download"]);
                let only = ["--framework", "kubernetes", "--check", "CKV_K8S_35"];
                if scope == Scope::Secrets { command.args(only) } else { &mut command }
            }
        };
        let output = NamedTempFile::new().expect("a temporary file");
        let cost = process::run(&mut command, output.path());
        let text = std::fs::read(output.path()).expect("its output");
        (cost, serde_json::from_slice(&text).unwrap_or(Value::Null))
    }

    /// How many, of whatever sort; none where there is no report.
    pub fn findings(&self, report: &Value) -> Option<usize> {
        match self.flavour {
            Flavour::Secretfence => report["findings"].as_array().map(Vec::len),
            Flavour::KubeLinter => report["Reports"].as_array().map(Vec::len),
            Flavour::Checkov if report.is_null() => None,
            Flavour::Checkov => Some(failed_checks(report).count()),
        }
    }

    /// What a report says of Secrets in the environment.
    pub fn found(&self, report: &Value) -> Found {
        let mut found = Found::default();
        match self.flavour {
            Flavour::Secretfence => {
                for finding in rows(&report["findings"]) {
                    let (file, object) = (file(&finding["file"]), &finding["object"]);
                    found.pointer(file, text(&object["kind"]), text(&object["name"]), text(&finding["pointer"]));
                }
            }
            Flavour::KubeLinter => {
                for report in rows(&report["Reports"]) {
                    let object = &report["Object"]["K8sObject"];
                    let (kind, name) = (text(&object["GroupVersionKind"]["Kind"]), text(&object["Name"]));
                    let message = text(&report["Diagnostic"]["Message"]);
                    // environment variable "PASSWORD" in container "first" uses SecretKeyRef
                    let variable = message.split('"').nth(1).unwrap_or_default();
                    let file = file(&report["Object"]["Metadata"]["FilePath"]);
                    if text(&report["Check"]) == "read-secret-from-env-var" {
                        found.variable(file, kind, name, variable);
                    }
                }
            }
            Flavour::Checkov => {
                for failed in failed_checks(report).filter(|failed| text(&failed["check_id"]) == "CKV_K8S_35") {
                    // Kind.namespace.name, and the name may have more dots.
                    let mut parts = text(&failed["resource"]).splitn(3, '.');
                    let (kind, name) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
                    // spec/containers/[0]/env/[2]/valueFrom/secretKeyRef
                    for key in rows(&failed["check_result"]["evaluated_keys"]) {
                        let key = text(key).replace(['[', ']'], "");
                        let place =
                            ["/valueFrom/secretKeyRef", "/secretRef"].iter().find_map(|end| key.strip_suffix(end));
                        let pointer = format!("/{}", place.unwrap_or(&key));
                        found.pointer(file(&failed["file_path"]), kind, name, &pointer);
                    }
                }
            }
        }
        found
    }
}

impl Found {
    fn pointer(&mut self, file: &str, kind: &str, name: &str, pointer: &str) {
        let [file, kind, name, pointer] = [file, kind, name, pointer].map(str::to_owned);
        self.objects.insert((file.clone(), kind.clone(), name.clone()));
        self.pointers.insert((file, kind, name, pointer));
    }

    fn variable(&mut self, file: &str, kind: &str, name: &str, variable: &str) {
        let [file, kind, name, variable] = [file, kind, name, variable].map(str::to_owned);
        self.objects.insert((file.clone(), kind.clone(), name.clone()));
        self.variables.insert((file, kind, name, variable));
    }
}

/// Something that secretfence does with a tree.
pub struct Work {
    /// Its arguments, as a person gives them.
    pub shown: &'static str,
    program: PathBuf,
}

/// Swaps whatever can be swapped.
const POLICY: &str = "
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: to-files}
spec:
  rules: [{name: env, on: [env], action: mount, mount: {besideEnvFrom: swap, unsafe: warn}}]
";

impl Work {
    pub fn all(program: &Path) -> Vec<Work> {
        let all = ["check", "check --format json", "check --format sarif", "fix", "fix --in-place"];
        all.map(|shown| Work { shown, program: program.to_owned() }).into()
    }

    pub fn run(&self, tree: &Tree) -> Cost {
        let output = NamedTempFile::new().expect("a temporary file");
        let policy = NamedTempFile::with_suffix(".yaml").expect("a temporary file");
        crate::tree::write(policy.path(), POLICY.as_bytes());
        let copy = self.shown.contains("in-place").then(|| tree.copy());
        let mut command = Command::new(&self.program);
        command.args(self.shown.split(' ')).arg(copy.as_ref().map_or(tree.root(), |copy| copy.path()));
        if self.shown.starts_with("fix") {
            command.arg("--policies").arg(policy.path());
        }
        process::run(&mut command, output.path())
    }
}

/// Of one report, or of one for each of its frameworks.
fn failed_checks(report: &Value) -> impl Iterator<Item = &Value> {
    let reports = report.as_array().map_or(std::slice::from_ref(report), Vec::as_slice);
    reports.iter().flat_map(|report| rows(&report["results"]["failed_checks"]))
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// From the folder on, however a tool writes it.
fn file(value: &Value) -> &str {
    text(value).trim_start_matches("./").trim_start_matches('/')
}

fn said(program: &Path, ask: &str) -> String {
    let output = Command::new(program).arg(ask).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
