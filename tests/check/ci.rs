//! The examples for CI systems, as far as a shell can run them: their scripts are taken out of the YAML.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use secretfence::manifest;
use serde_json::Value;

use crate::{CLEAN, Folder, POD, junit, sarif_schema, shown};

#[test]
fn the_action_annotates_writes_sarif_and_ends_as_the_check_does() {
    let folder = Folder::new().file("manifests/pod.yaml", POD).file("more files/clean.yaml", CLEAN);
    let run = run_action(&folder, &[("paths", "manifests\nmore files\n"), ("sarif-file", "out.sarif")]);
    assert_eq!(run.status.code(), Some(1), "{}", shown(&run));
    let annotations = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(annotations.contains("::error file=manifests/pod.yaml,line=10,"), "{annotations}");
    assert!(annotations.contains("::group::secretfence: 2 files, 2 workloads: 1 denied"), "{annotations}");
    sarif_schema::assert_valid(&serde_json::from_slice(&read(&folder, "out.sarif")).unwrap());
    assert_eq!(read(&folder, "github-output"), b"exit-code=1\n");
}

#[test]
fn the_action_takes_policies_and_a_baseline() {
    let folder = Folder::new().file("manifests/pod.yaml", POD).rules("[{name: no, on: [env], action: deny}]");
    let known = folder.json(&["-p", "policy.yaml", "manifests"]).to_string();
    let folder = folder.file("known.json", known);
    let run = run_action(&folder, &[("policies", "policy.yaml"), ("baseline", "known.json")]);
    assert_eq!(run.status.code(), Some(0), "{}", shown(&run));
    assert!(String::from_utf8_lossy(&run.stdout).contains("1 in the baseline, 0 gone"), "{}", shown(&run));
    assert_eq!(read(&folder, "github-output"), b"exit-code=0\n");
    let run = run_action(&folder, &[("paths", "absent")]);
    assert_eq!(run.status.code(), Some(2), "{}", shown(&run));
}

#[test]
fn an_input_of_the_action_is_no_part_of_its_script() {
    let action = example("github/action.yml");
    assert_eq!(
        (&action["runs"]["using"], &action["outputs"]["exit-code"]["value"]),
        (&"composite".into(), &"${{ steps.check.outputs.exit-code }}".into())
    );
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert_eq!(step["shell"], "bash");
        assert!(!step["run"].as_str().unwrap().contains("${{"), "{step}");
    }
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert!(input["description"].is_string() && input["default"].is_string(), "{name}");
    }
    let hostile = "$(touch made); `touch made` \"; touch made #";
    let folder = Folder::with(CLEAN);
    let run =
        run_action(&folder, &[("paths", &format!("--version\n{hostile}")), ("policies", ""), ("sarif-file", "--x")]);
    assert_eq!(run.status.code(), Some(2), "{}", shown(&run));
    assert!(!folder.path().join("made").exists());
}

#[test]
fn the_workflow_uses_the_action_as_it_is() {
    let (action, workflow) = (example("github/action.yml"), example("github/workflow.yml"));
    let steps = workflow["jobs"]["secretfence"]["steps"].as_array().unwrap();
    let ours = steps.iter().find(|step| step["uses"].as_str().unwrap().contains("/examples/ci/github@")).unwrap();
    for input in ours["with"].as_object().unwrap().keys() {
        assert!(action["inputs"][input].is_object(), "{input}");
    }
    let upload = steps.iter().find(|step| step["uses"].as_str().unwrap().contains("/upload-sarif@")).unwrap();
    assert_eq!((&upload["with"]["sarif_file"], &upload["if"]), (&ours["with"]["sarif-file"], &"always()".into()));
    assert_eq!(workflow["permissions"]["security-events"], "write");
}

#[test]
fn the_job_of_gitlab_writes_both_reports_and_fails() {
    if Command::new("jq").arg("--version").output().is_err() {
        println!("left out: there is no jq here");
        return;
    }
    let folder = Folder::new()
        .file("manifests/pod.yaml", format!("{POD}---\n{POD}"))
        .file("policies/p.yaml", std::fs::read(root().join("policies/baseline.yaml")).unwrap());
    let job = &example("gitlab/secretfence.gitlab-ci.yml")["secretfence"];
    // A runner stops at the first command that fails, in a pipe too.
    let script: Vec<&str> = job["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let script = script.join("\n");
    let mut command = bash(&folder, &script);
    for (name, value) in job["variables"].as_object().unwrap() {
        command.env(name, value.as_str().unwrap());
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    std::fs::copy(folder.path().join("secretfence.json"), folder.path().join("known findings.json")).unwrap();
    let output = command.env("BASELINE", "known findings.json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_eq!(read(&folder, job["artifacts"]["reports"]["codequality"].as_str().unwrap()).trim_ascii(), b"[]");
    let output = command.env("BASELINE", "").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let reports = &job["artifacts"]["reports"];
    junit::assert_valid(&String::from_utf8(read(&folder, reports["junit"].as_str().unwrap())).unwrap());
    let quality = read(&folder, reports["codequality"].as_str().unwrap());
    let quality: Vec<Value> = serde_json::from_slice(&quality).unwrap();
    assert_eq!(quality.len(), 2);
    assert_ne!(quality[0]["fingerprint"], quality[1]["fingerprint"]);
    assert_eq!(quality[0]["location"], serde_json::json!({"path": "manifests/pod.yaml", "lines": {"begin": 10}}));
    assert_eq!(
        (&quality[0]["severity"], &quality[0]["check_name"]),
        (&"major".into(), &"baseline/no-secrets-in-env".into())
    );
}

#[test]
fn the_hooks_of_pre_commit_judge_the_files_that_they_are_given() {
    let hooks = yaml(&root().join(".pre-commit-hooks.yaml"));
    let config = example("pre-commit-config.yaml");
    let used = &config["repos"][0]["hooks"][0];
    let mut ids = Vec::new();
    for hook in hooks.as_array().unwrap() {
        assert!(hook["name"].is_string() && ["rust", "system"].contains(&hook["language"].as_str().unwrap()), "{hook}");
        assert_eq!(hook["types"], serde_json::json!(["yaml"]));
        let folder = Folder::new()
            .file("manifests/pod.yaml", POD)
            .file("manifests/a b.yaml", CLEAN)
            .file("policies/p.yaml", std::fs::read(root().join("policies/baseline.yaml")).unwrap());
        // It splits the entry like a shell, and puts the arguments and then the files behind.
        let mut entry = hook["entry"].as_str().unwrap().split_whitespace();
        let program = entry.next().unwrap();
        let arguments: Vec<&str> = if hook["id"] == used["id"] {
            used["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()).collect()
        } else {
            Vec::new()
        };
        for (files, code) in [(&["manifests/a b.yaml"][..], 0), (&["manifests/a b.yaml", "manifests/pod.yaml"], 1)] {
            let output = Command::new(program)
                .args(entry.clone())
                .args(&arguments)
                .args(files)
                .env("PATH", path_with_ours())
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(code), "{}", shown(&output));
        }
        ids.push(hook["id"].clone());
    }
    assert!(ids.contains(&used["id"]));
}

/// Runs the steps as a runner does: inputs with their defaults, one after the other until one fails.
fn run_action(folder: &Folder, inputs: &[(&str, &str)]) -> Output {
    let action = example("github/action.yml");
    let output_file = folder.path().join("github-output");
    let _ = std::fs::remove_file(&output_file);
    let resolve =
        |expression: &str| match expression.strip_prefix("${{ inputs.").and_then(|rest| rest.strip_suffix(" }}")) {
            Some(input) => {
                let given = inputs.iter().find(|(name, _)| *name == input).map(|(_, value)| (*value).to_owned());
                given.unwrap_or_else(|| action["inputs"][input]["default"].as_str().unwrap().to_owned())
            }
            None => {
                assert_eq!(expression, "${{ github.action_path }}");
                root().join("examples/ci/github").to_str().unwrap().to_owned()
            }
        };
    let mut last = None;
    for step in action["runs"]["steps"].as_array().unwrap() {
        let mut command = bash(folder, step["run"].as_str().unwrap());
        command.env("GITHUB_OUTPUT", &output_file);
        for (name, expression) in step["env"].as_object().unwrap() {
            command.env(name, resolve(expression.as_str().unwrap()));
        }
        let output = command.output().unwrap();
        let failed = !output.status.success();
        last = Some(output);
        if failed {
            break;
        }
    }
    last.unwrap()
}

fn bash(folder: &Folder, script: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
    command.current_dir(folder.path()).env("PATH", path_with_ours());
    command
}

fn path_with_ours() -> String {
    let ours = Path::new(env!("CARGO_BIN_EXE_secretfence")).parent().unwrap();
    format!("{}:{}", ours.display(), std::env::var("PATH").unwrap())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.path().join(name)).unwrap()
}

fn example(name: &str) -> Value {
    yaml(&root().join("examples/ci").join(name))
}

fn yaml(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap();
    let mut manifest = manifest::parse(&bytes);
    assert!(manifest.errors.is_empty() && manifest.documents.len() == 1, "{}", path.display());
    serde_json::from_slice(&manifest.documents.remove(0).with_words().json().unwrap()).unwrap()
}
