//! What the demo tells.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use secretfence::manifest;
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use crate::api_server::{ApiServer, Verdict};
use crate::yaml;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Tells it, with the colours of a terminal.
pub fn tell(out: &mut dyn Write) -> Result<()> {
    let mut chapter = Chapter::open(out, "secrets-as-files.yaml", "shop")?;
    chapter.say("swap what the image is known to read from a file, deny the rest")?;
    chapter.create("clean.yaml", Diff::Whole)?;
    chapter.create("safe-to-swap.yaml", Diff::Whole)?;
    chapter.create("must-be-told.yaml", Diff::Whole)?;
    chapter.create("deployment.yaml", Diff::Whole)?;
    writeln!(out)?;
    let mut chapter = Chapter::open(out, "examples/mount-everything.yaml", "files-shop")?;
    chapter.say("swap whatever can be swapped safely: the programs have been told")?;
    chapter.create("must-be-told.yaml", Diff::Env)?;
    chapter.create("unsafe.yaml", Diff::Env)?;
    writeln!(out, "\n{BOLD}How to go on{PLAIN}")?;
    for (what, how) in [
        ("your own manifests", "secretfence check -p policies/secrets-as-files.yaml PATH…"),
        ("a webhook to play with", "secretfence serve --self-signed -p policies/secrets-as-files.yaml"),
        ("what is swapped, what is not, and why", "docs/swap.md"),
        ("the policies", "policies/ and policies/examples/"),
    ] {
        writeln!(out, "  {what:<38} {how}")?;
    }
    Ok(())
}

/// How much of a patch is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Diff {
    Whole,
    /// What becomes of the variables; the volume and its mount are like those of the first one.
    Env,
}

/// A webhook with one policy file, in one namespace.
struct Chapter<'o> {
    out: &'o mut dyn Write,
    api_server: ApiServer,
    namespace: &'static str,
}

impl<'o> Chapter<'o> {
    fn open(out: &'o mut dyn Write, policy: &str, namespace: &'static str) -> Result<Chapter<'o>> {
        let api_server = ApiServer::with_webhook(repository().join("policies").join(policy))?;
        let url = &api_server.url;
        writeln!(out, "{BOLD}policies/{policy}{PLAIN} {DIM}served at {url}, namespace {namespace}{PLAIN}")?;
        Ok(Chapter { out, api_server, namespace })
    }

    fn say(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.out, "{DIM}{text}{PLAIN}")?)
    }

    /// Creates the object of a file, as `kubectl create` would: mutated first, then validated as it has become.
    fn create(&mut self, file: &str, diff: Diff) -> Result<()> {
        let mut object = read(&repository().join("examples/workloads").join(file))?;
        object["metadata"]["namespace"] = json!(self.namespace);
        writeln!(self.out, "\n{BOLD}{file}{PLAIN}")?;
        // Only pods are registered for mutation.
        if object["kind"] == "Pod" {
            let verdict = self.api_server.create("/mutate", self.namespace, &object)?;
            match &verdict.patched {
                None => writeln!(self.out, "  /mutate    unchanged")?,
                Some(patched) => {
                    writeln!(self.out, "  /mutate    {YELLOW}swapped{PLAIN}")?;
                    match diff {
                        Diff::Whole => self.diff(&object, patched)?,
                        Diff::Env => {
                            self.diff(&env(&object), &env(patched))?;
                            writeln!(
                                self.out,
                                "      {DIM}… and the annotation, the mount and the volume, as above{PLAIN}"
                            )?;
                        }
                    }
                }
            }
            self.warnings(&verdict)?;
            object = verdict.patched.unwrap_or(object);
        }
        let verdict = self.api_server.create("/validate", self.namespace, &object)?;
        if verdict.allowed {
            writeln!(self.out, "  /validate  {GREEN}allowed{PLAIN}")?;
        } else {
            writeln!(self.out, "  /validate  {RED}denied{PLAIN}: {}", indented(&verdict.message))?;
        }
        self.warnings(&verdict)
    }

    fn warnings(&mut self, verdict: &Verdict) -> Result<()> {
        for warning in &verdict.warnings {
            writeln!(self.out, "  {YELLOW}Warning{PLAIN}: {warning}")?;
        }
        Ok(())
    }

    /// What is changed, and as much around it as it takes to find it.
    fn diff(&mut self, before: &Value, after: &Value) -> Result<()> {
        let (before, after) = (yaml::of(before), yaml::of(after));
        let diff = TextDiff::from_lines(&before, &after);
        for (index, hunk) in diff.grouped_ops(1).iter().enumerate() {
            if index > 0 {
                writeln!(self.out, "      {DIM}…{PLAIN}")?;
            }
            for change in hunk.iter().flat_map(|operation| diff.iter_changes(operation)) {
                let (colour, sign) = match change.tag() {
                    ChangeTag::Delete => (RED, '-'),
                    ChangeTag::Insert => (GREEN, '+'),
                    ChangeTag::Equal => (DIM, ' '),
                };
                writeln!(self.out, "    {colour}{sign} {}{PLAIN}", change.value().trim_end())?;
            }
        }
        Ok(())
    }
}

/// The containers of a pod, by name, with nothing but their variables.
fn env(pod: &Value) -> Value {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    containers.map(|container| json!({"name": container["name"], "env": container["env"]})).collect()
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n    ")
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The only object of a file.
fn read(path: &Path) -> Result<Value> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = manifest::parse(&bytes);
    if let Some(error) = manifest.errors.first() {
        bail!("{}: line {}: {}", path.display(), error.line, error.problem);
    }
    let Some(document) = manifest.documents.iter().find(|document| !document.is_empty()) else {
        bail!("{} is empty", path.display());
    };
    let json = document.json().map_err(|error| anyhow::anyhow!("{}: {}", path.display(), error.problem))?;
    Ok(serde_json::from_slice(&json)?)
}
