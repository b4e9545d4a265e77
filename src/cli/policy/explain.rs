//! `secretfence policy explain`: which rule decides each reference of a manifest, and why the others do not.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use serde::Serialize;

use super::super::check::{facts, files, files::Input};
use super::super::{FAILED, OK, day, namespace_name, today, unless_closed};
use crate::fence::explain::{Bystander, PolicyTrace};
use crate::fence::name::{Shown, ShownPointer};
use crate::fence::policy::Mode;
use crate::fence::rules::data::OBJECT_KINDS;
use crate::fence::{Explanation, Facts, Finding, PolicySet, Question, explain};
use crate::manifest::{self, Document, ManifestError, Object};
use crate::policy_dir;
use crate::report::explanation;
use crate::report::text::{FaultLine, Path as ShownPath};

/// Say which rule decides each reference of a manifest, and why the rules before it do not
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  secretfence policy explain -p my-policies/ deploy.yaml
  secretfence policy explain -p my-policies/ deploy.yaml --pointer /spec/template/spec/containers/0/env/2
  kustomize build overlays/prod | secretfence policy explain -p my-policies/ --namespace shop -

Exit code: 0 explained, whatever is decided; 2 something could not be read, or there is nothing to explain")]
pub struct PolicyExplainArguments {
    /// A manifest, or a folder of *.yaml, *.yml and *.json; - is standard input
    #[arg(value_name = "PATH")]
    file: PathBuf,

    /// A policy file or a directory of them; may be repeated [default: the built-in baseline]
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAME", default_value = "default", value_parser = namespace_name)]
    namespace: String,

    /// Only the reference at this JSON pointer in its object, and those below it
    #[arg(long, value_name = "POINTER", value_parser = a_pointer)]
    pointer: Option<String>,

    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// The day on which exceptions are judged [default: today, UTC]
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,
}

/// The forms of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For machines: one object
    Json,
}

/// One object of the file.
struct Explained {
    place: String,
    line: usize,
    kind: String,
    explanation: Explanation,
    /// The line of each reference.
    lines: Vec<usize>,
}

/// Explains a file.
///
/// # Errors
/// Where the policies cannot be used, or standard output or standard error cannot be written.
pub fn run(arguments: PolicyExplainArguments) -> anyhow::Result<ExitCode> {
    let PolicyExplainArguments { file, policies, namespace, pointer, format, as_of } = arguments;
    let set = if policies.is_empty() {
        policy_dir::built_in()
    } else {
        policy_dir::load(&policies)
            .map_err(|error| anyhow::anyhow!("the policies cannot be used, so nothing was explained:\n{error}"))?
            .set
    };
    let (inputs, found) = files::find(std::slice::from_ref(&file));
    let mut faults: Vec<String> = found.iter().map(|fault| FaultLine(fault).to_string()).collect();
    let mut facts = Facts::on(as_of.unwrap_or_else(today));
    facts::add(&mut facts, None, &set, &namespace, &inputs);
    let asked = Asked { policies: &set, facts: &facts, namespace: &namespace, pointer: pointer.as_deref() };
    let mut explained = Vec::new();
    for input in &inputs {
        match input.read() {
            Ok(bytes) => asked.file(input, &bytes, &mut explained, &mut faults),
            Err(error) => faults.push(FaultLine(&error.into_fault(&input.name)).to_string()),
        }
    }
    if explained.is_empty() && faults.is_empty() {
        let shown = ShownPath(&file.to_string_lossy()).to_string();
        faults.push(match &pointer {
            Some(pointer) => format!("{shown}: no reference to a Secret at {}", ShownPointer(pointer).text()),
            None => format!("{shown}: no workload in it, so nothing to explain"),
        });
    }
    unless_closed(write(&explained, format))?;
    for fault in &faults {
        unless_closed(writeln!(io::stderr(), "error: {fault}"))?;
    }
    Ok(ExitCode::from(if faults.is_empty() { OK } else { FAILED }))
}

fn a_pointer(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err("a JSON pointer begins with /, as in /spec/containers/0/env/2".to_owned())
}

struct Asked<'a> {
    policies: &'a PolicySet,
    facts: &'a Facts,
    namespace: &'a str,
    pointer: Option<&'a str>,
}

impl Asked<'_> {
    fn file(&self, input: &Input, bytes: &[u8], explained: &mut Vec<Explained>, faults: &mut Vec<String>) {
        let manifest = manifest::parse(bytes);
        let name = ShownPath(&input.name).to_string();
        let told = |error: &ManifestError| {
            format!("{name}:{}:{}: {}", error.line, error.column, error.problem.told_by("policy explain"))
        };
        faults.extend(manifest.errors.iter().map(told));
        for document in &manifest.documents {
            match document.objects() {
                Ok(objects) => {
                    for object in &objects {
                        self.object(&name, document, object, explained, faults);
                    }
                }
                Err(error) => faults.push(told(&error)),
            }
        }
    }

    fn object(
        &self,
        name: &str,
        document: &Document<'_>,
        object: &Object,
        explained: &mut Vec<Explained>,
        faults: &mut Vec<String>,
    ) {
        let (api_version, kind) = (object.api_version.as_str(), object.kind.as_str());
        let question = Question { api_version, kind, namespace: self.namespace, all: true, patch: false };
        let position = |pointer: &str| document.locate_nearest(&format!("{}{pointer}", object.pointer));
        match explain(&object.json, &question, self.policies, self.facts) {
            Ok(Some(mut explanation)) => {
                if let Some(asked) = self.pointer {
                    let below = |pointer: &str| {
                        pointer.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    };
                    explanation.references.retain(|reference| below(&reference.pointer));
                    if explanation.references.is_empty() {
                        return;
                    }
                }
                let start = position("");
                let lines = explanation.references.iter().map(|its| position(&its.pointer).line).collect();
                let (place, line) = (format!("{name}:{}:{}", start.line, start.column), start.line);
                explained.push(Explained { place, line, kind: Shown(kind).to_string(), explanation, lines });
            }
            Ok(None) => {}
            Err(error) => {
                let at = position(&error.pointer);
                faults.push(format!("{name}:{}:{}: this is no {}: {error}", at.line, at.column, Shown(kind)));
            }
        }
    }
}

fn write(explained: &[Explained], format: Format) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match format {
        Format::Text => explained.iter().try_for_each(|its| write_object(its, &mut out))?,
        Format::Json => write_json(explained, &mut out)?,
    }
    out.flush()
}

fn write_object(explained: &Explained, out: &mut dyn Write) -> io::Result<()> {
    let Explained { place, kind, explanation: Explanation { namespace, name, references, bystanders }, lines, .. } =
        explained;
    writeln!(out, "{place}: {kind} {namespace}/{name}")?;
    if references.is_empty() {
        let is_data = OBJECT_KINDS.contains(&&**kind);
        writeln!(out, "  {}", if is_data { "nothing in clear" } else { "no reference to a Secret" })?;
    }
    for (reference, line) in references.iter().zip(lines) {
        explanation::write_reference(reference, Some(*line), out)?;
    }
    explanation::write_bystanders(bystanders, out)?;
    writeln!(out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonReport<'e> {
    format_version: u8,
    objects: Vec<JsonObject<'e>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonObject<'e> {
    place: &'e str,
    line: usize,
    kind: &'e str,
    namespace: &'e str,
    name: &'e str,
    references: Vec<JsonReference<'e>>,
    not_about: &'e [Bystander],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonReference<'e> {
    pointer: &'e str,
    line: usize,
    sentence: &'e str,
    decided: Vec<JsonDecision<'e>>,
    policies: &'e [PolicyTrace],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonDecision<'e> {
    outcome: &'static str,
    mode: Option<&'static str>,
    policy: Option<&'e str>,
    rule: Option<&'e str>,
    reads: Option<&'static str>,
    reason: Option<&'e str>,
}

fn write_json(explained: &[Explained], out: &mut dyn Write) -> io::Result<()> {
    let decision = |finding: &'_ Finding| -> (&'static str, Option<&'static str>) {
        let mode = finding.mode.map(|mode| if mode == Mode::DryRun { "dryRun" } else { "enforce" });
        (finding.outcome.name(), mode)
    };
    let objects = explained
        .iter()
        .map(|its| JsonObject {
            place: &its.place,
            line: its.line,
            kind: &its.kind,
            namespace: &its.explanation.namespace,
            name: &its.explanation.name,
            references: its
                .explanation
                .references
                .iter()
                .zip(&its.lines)
                .map(|(reference, line)| JsonReference {
                    pointer: &reference.pointer,
                    line: *line,
                    sentence: &reference.sentence,
                    decided: reference
                        .findings
                        .iter()
                        .map(|finding| {
                            let (outcome, mode) = decision(finding);
                            let (policy, rule) = (finding.policy.as_deref(), finding.rule.as_deref());
                            JsonDecision {
                                outcome,
                                mode,
                                policy,
                                rule,
                                reads: finding.reads,
                                reason: finding.reason.as_deref(),
                            }
                        })
                        .collect(),
                    policies: &reference.policies,
                })
                .collect(),
            not_about: &its.explanation.bystanders,
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &JsonReport { format_version: 1, objects })?;
    writeln!(out)
}
