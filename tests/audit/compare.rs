//! Two audits: what is new, and what is gone.

use serde_json::{Value, json};

use crate::{Cluster, env, pod, program, shop, spec};

fn compared(cluster: &Cluster, more: &[&str]) -> Value {
    cluster.json(&[&["--compare", "before.json"], more].concat())
}

fn saved() -> Cluster {
    let cluster = shop();
    let output = cluster.audit(&["--save", "before.json"]);
    assert!(output.starts_with("exit: 1\n"), "{output}");
    cluster
}

#[test]
fn what_is_known_does_not_fail() {
    let cluster = saved();
    let output = cluster.audit(&["--compare", "before.json"]);
    assert!(output.starts_with("exit: 0\n"), "{output}");
    assert!(!output.contains("Deployment shop/web"), "{output}");
    assert!(output.contains("; since the audit of 2026-11-21: 0 new, 4 known, 0 gone\n"), "{output}");
}

/// What the file says is nobody's word: a day is a day or is not said.
#[test]
fn the_day_of_the_earlier_audit_is_said_where_it_says_one() {
    let cluster = saved();
    let path = cluster.folder.path().join("before.json");
    for (as_of, said, words) in [
        (json!("2026-11-20"), json!("2026-11-20"), "; since the audit of 2026-11-20: "),
        (json!("<b>\u{1b}[2J"), Value::Null, "; since the earlier audit: "),
        (Value::Null, Value::Null, "; since the earlier audit: "),
    ] {
        let mut earlier: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        earlier["asOf"] = as_of;
        std::fs::write(&path, earlier.to_string()).unwrap();
        assert_eq!(compared(&cluster, &[])["compared"]["asOf"], said);
        let output = cluster.audit(&["--compare", "before.json"]);
        assert!(output.contains(words), "{output}");
    }
}

#[test]
fn what_is_new_fails_and_what_is_gone_is_named() {
    let cluster = saved();
    cluster.api.change(|state| {
        let pods = state.lists.get_mut("pods").unwrap();
        pods.retain(|pod| pod["metadata"]["name"] != "unsafe");
        pods.push(pod("shop", "new", None, &spec("api", "api:1", &[env("KEY", "other")])));
    });
    let audit = compared(&cluster, &[]);
    assert_eq!(json!([audit["compared"]["new"], audit["compared"]["known"]]), json!([1, 3]), "{audit:#}");
    assert_eq!(audit["compared"]["gone"][0]["name"], "unsafe");
    let output = cluster.audit(&["--compare", "before.json"]);
    assert!(output.starts_with("exit: 1\n"), "{output}");
    assert!(output.contains("Pod shop/new"), "{output}");
    assert!(output.contains("  new, denied: container \"api\" takes Secret \"other\""), "{output}");
    assert!(output.contains("gone: Pod batch/unsafe: container \"api\" takes"), "{output}");
}

#[test]
fn another_address_may_be_another_cluster_and_fails_nothing() {
    let cluster = saved();
    let before = cluster.folder.path().join("before.json");
    let text = std::fs::read_to_string(&before).unwrap();
    let sentence =
        "whether it is the same cluster: the earlier audit asked https://test.example.com, and this one http://";
    assert!(!cluster.audit(&["--compare", "before.json"]).contains("the same cluster"));
    std::fs::write(&before, text.replace(&cluster.api.address(), "https://test.example.com")).unwrap();
    let output = cluster.audit(&["--compare", "before.json"]);
    assert!(output.starts_with("exit: 0\n") && output.contains(sentence), "{output}");
}

#[test]
fn a_move_of_the_variable_is_nothing_new() {
    let cluster = saved();
    cluster.api.change(|state| {
        let env =
            &mut state.lists.get_mut("deployments").unwrap()[0]["spec"]["template"]["spec"]["containers"][0]["env"];
        env.as_array_mut().unwrap().insert(0, json!({"name": "A", "value": "b"}));
    });
    assert_eq!(compared(&cluster, &[])["compared"]["new"], 0);
}

#[test]
fn a_namespace_that_is_no_more_takes_its_findings_along_and_one_that_was_not_looked_at_does_not() {
    let cluster = saved();
    assert_eq!(compared(&cluster, &["-n", "shop"])["compared"]["gone"], json!([]));
    cluster.api.change(|state| {
        state.lists.get_mut("namespaces").unwrap().retain(|namespace| namespace["metadata"]["name"] != "batch");
        state.lists.get_mut("pods").unwrap().retain(|pod| pod["metadata"]["namespace"] != "batch");
    });
    let gone = compared(&cluster, &[])["compared"]["gone"].as_array().unwrap().len();
    assert_eq!(gone, 2);
}

#[test]
fn nothing_is_called_gone_while_something_could_not_be_read() {
    let cluster = saved();
    cluster.api.change(|state| state.forbidden = vec!["/api/v1/pods"]);
    let audit = compared(&cluster, &[]);
    assert_eq!(audit["compared"]["gone"], json!([]), "{audit:#}");
    assert!(audit["notJudged"].to_string().contains("what is gone of the earlier audit"), "{audit:#}");
}

#[test]
fn what_is_saved_is_the_json_on_one_line() {
    let cluster = saved();
    let text = std::fs::read_to_string(cluster.folder.path().join("before.json")).unwrap();
    assert_eq!(text.lines().count(), 1);
    let text = text.replace(&cluster.api.address(), "https://prod.example.com:6443");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), cluster.json(&[]));
}

/// A limit on the size of files ends the process in the midst of the next one.
#[cfg(target_os = "linux")]
#[test]
fn an_audit_that_is_ended_while_it_saves_leaves_the_one_before() {
    let cluster = saved();
    let file = cluster.folder.path().join("before.json");
    let before = std::fs::read(&file).unwrap();
    assert!(before.len() > 1024);
    let arguments = cluster.arguments(&["--save", "before.json"]).join(" ");
    let script = format!("ulimit -c 0; ulimit -f 1; exec {} {arguments}", env!("CARGO_BIN_EXE_secretfence"));
    let mut shell = std::process::Command::new("bash");
    let status = shell.current_dir(cluster.folder.path()).args(["-c", &script]).output().unwrap().status;
    assert_eq!(status.code(), None, "it was to be ended: {status}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // What is left over of that is in nobody's way.
    assert!(cluster.audit(&["--compare", "before.json", "--save", "before.json"]).starts_with("exit: 0\n"));
}

#[test]
fn a_file_that_is_no_audit_is_an_error() {
    let cluster = shop();
    let run = |name: &str, text: &str| {
        std::fs::write(cluster.folder.path().join(name), text).unwrap();
        program::run(cluster.folder.path(), &cluster.arguments(&["--compare", name]))
    };
    for (text, expected) in [
        ("hunter2", "this is no audit (line 1, column 1)"),
        ("{\"formatVersion\": 1, \"findings\": []}", "this is no audit (line 1, column"),
        ("{\"formatVersion\": 9}", "its formatVersion is 9, and this version reads 1"),
    ] {
        let output = run("other.json", text);
        assert!(output.starts_with("exit: 2\n--- stderr\nerror: --compare other.json: "), "{output}");
        assert!(output.contains(expected) && !output.contains("hunter2"), "{output}");
    }
}

/// What the labels leave out is neither gone nor out of use.
#[test]
fn of_a_part_that_labels_choose_nothing_is_said_to_be_gone_or_unused() {
    let cluster = saved();
    let audit = compared(&cluster, &["--selector", "app=nothing"]);
    assert_eq!(audit["compared"]["gone"], json!([]), "{audit:#}");
    let sentence = "what is gone of the earlier audit: nobody can say of a part that labels choose (--selector)";
    assert!(audit.to_string().contains(sentence), "{audit:#}");
    let output = cluster.audit(&["--namespace", "shop"]);
    assert!(output.contains("nothing that was judged uses it") && !output.contains("end it\n"), "{output}");
}
