//! The forms of an audit.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{Cluster, env, namespace, pod, program, sarif_schema, shop, spec, workload};

#[test]
fn json_has_everything() {
    let mut audit = shop().json(&[]);
    audit["tool"]["version"] = json!("…");
    audit["policies"]["revision"] = json!("…");
    insta::assert_snapshot!(serde_json::to_string_pretty(&audit).unwrap());
}

/// By the same keys.
#[test]
fn a_finding_says_what_check_says_of_the_manifest() {
    const OF_A_FILE: [&str; 6] = ["file", "document", "line", "column", "endColumn", "object"];
    const OF_AN_OWNER: [&str; 5] = ["change", "inTemplate", "pods", "missed", "slipped"];
    let mut spec = spec("api", "registry.example.com/api:1", &[env("DB_PASSWORD", "db")]);
    spec["containers"][0]["env"].as_array_mut().unwrap().push(json!({"name": "API_TOKEN", "value": "hunter2hunter2"}));
    let mut web = workload("shop", "web", None, &spec);
    let lists = [("namespaces", json!([namespace("shop", None)])), ("deployments", json!([web]))];
    let clear = "    - {name: clear, on: [literal], action: deny}\n";
    let cluster = Cluster::new(lists).policies(&format!("{}{clear}", crate::POLICIES));
    let audit = cluster.json(&[]);
    (web["apiVersion"], web["kind"]) = (json!("apps/v1"), json!("Deployment"));
    std::fs::write(cluster.folder.path().join("web.json"), web.to_string()).unwrap();
    let arguments = ["check", "--format", "json", "-p", "policies.yaml", "--as-of", "2026-11-21", "web.json"];
    let output = program::command(cluster.folder.path(), &arguments).output().unwrap();
    let check: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (ours, its) = (&audit["owners"][0]["findings"], &check["findings"]);
    let without = |findings: &Value, keys: &[&str]| {
        let mut findings = findings.as_array().unwrap().clone();
        for finding in &mut findings {
            let fields = finding.as_object_mut().unwrap();
            keys.iter().for_each(|key| assert!(fields.remove(*key).is_some(), "{key}"));
        }
        findings
    };
    assert_eq!(
        ours.as_array().unwrap().iter().map(|its| its["guess"].as_bool()).collect::<Vec<_>>(),
        [Some(false), Some(true)]
    );
    assert_eq!(without(ours, &OF_AN_OWNER), without(its, &OF_A_FILE));
}

#[test]
fn every_key_of_the_json_is_described() {
    fn collect(value: &Value, keys: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                keys.extend(fields.keys().cloned());
                fields.values().for_each(|value| collect(value, keys));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
            _ => {}
        }
    }
    let cluster = shop();
    cluster.audit(&["--save", "before.json"]);
    cluster.api.change(|state| state.lists.get_mut("pods").unwrap().retain(|pod| pod["metadata"]["name"] != "unsafe"));
    let audit = cluster.json(&["--compare", "before.json"]);
    for list in ["/owners", "/namespaces", "/exceptions", "/leftOut", "/compared/gone"] {
        assert!(!audit.pointer(list).unwrap().as_array().unwrap().is_empty(), "{list}");
    }
    let mut keys = BTreeSet::new();
    collect(&audit, &mut keys);
    let page = include_str!("../../docs/audit.md");
    let missing: Vec<_> = keys.iter().filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/audit.md does not describe {missing:?}");
}

#[test]
fn html_has_every_finding_and_what_is_to_be_changed() {
    let cluster = shop();
    let output = program::command(cluster.folder.path(), &cluster.arguments(&["--format", "html"])).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let page = String::from_utf8(output.stdout).unwrap();
    let escaped =
        |value: &Value| value.as_str().unwrap().replace('&', "&amp;").replace('"', "&quot;").replace('\'', "&#39;");
    let mut rows = 0;
    for owner in cluster.json(&[])["owners"].as_array().unwrap() {
        for finding in owner["findings"].as_array().unwrap() {
            assert!(page.contains(&escaped(&finding["message"])), "{finding}");
            assert!(finding["change"].is_null() || page.contains(&escaped(&finding["change"])), "{finding}");
            rows += 1;
        }
    }
    assert!(rows > 3 && page.contains(&format!("<p id=\"shown\" role=\"status\">{rows} findings</p>")));
}

#[test]
fn csv_is_a_line_for_each_finding() {
    insta::assert_snapshot!(shop().audit(&["--format", "csv"]).replace('\r', ""), @r#"
    exit: 1
    --- stdout
    namespace,kind,name,pods,container,reference,secret,key,variable,outcome,reads,mode,policy,rule,missed,inTemplate,change,reason,message,pointer,known,fingerprint,slipped
    batch,CloneSet,denied,1,api,secretKeyRef,other,password,KEY,denied,,enforce,files,deny,1,false,,,"container ""api"" takes Secret ""other"" key ""password"" as env KEY (/spec/containers/0/env/0): mount it as a file [files/deny]",/spec/containers/0/env/0,false,1b7831453d0585e4,0
    batch,Pod,unsafe,1,api,secretKeyRef,db,password,TOKEN,denied,unsafe,enforce,files,swap,1,true,,TOKEN is mentioned in args[0],"container ""api"" takes Secret ""db"" key ""password"" as env TOKEN (/spec/containers/0/env/0): cannot be swapped safely: TOKEN is mentioned in args[0]; mount it as a file [files/swap]",/spec/containers/0/env/0,false,b7ef7de1f679c9e3,0
    shop,Deployment,web,3,api,secretKeyRef,db,password,DB_PASSWORD,swapped,mustBeTold,enforce,files,swap,2,true,read the file named by DB_PASSWORD_FILE=/run/secretfence/db/password in place of DB_PASSWORD,,"container ""api"" takes Secret ""db"" key ""password"" as env DB_PASSWORD (/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by DB_PASSWORD_FILE; the program must be told to read it [files/swap]",/spec/template/spec/containers/0/env/0,false,2a2aa565f397f24a,0
    shop,StatefulSet,postgres,1,postgres,secretKeyRef,db,password,POSTGRES_PASSWORD,swapped,files,enforce,files,swap,1,true,,,"container ""postgres"" takes Secret ""db"" key ""password"" as env POSTGRES_PASSWORD (/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by POSTGRES_PASSWORD_FILE, which its image reads [files/swap]",/spec/template/spec/containers/0/env/0,false,a7e51d598494ae11,0
    "#);
}

#[test]
fn sarif_is_valid_and_has_every_finding() {
    let cluster = shop();
    let output = program::command(cluster.folder.path(), &cluster.arguments(&["--format", "sarif"])).output().unwrap();
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    sarif_schema::assert_valid(&log);
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    let uris: Vec<&Value> =
        results.iter().map(|its| &its["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]).collect();
    assert_eq!(uris, ["batch/CloneSet/denied", "batch/Pod/unsafe", "shop/Deployment/web", "shop/StatefulSet/postgres"]);
    // The worst come first, whatever its namespace is called.
    let denied = spec("api", "registry.example.com/api:1", &[env("KEY", "other")]);
    cluster.api.change(|state| state.lists.get_mut("pods").unwrap().push(pod("zoo", "last", None, &denied)));
    let output = program::command(cluster.folder.path(), &cluster.arguments(&["--format", "sarif"])).output().unwrap();
    let more: Value = serde_json::from_slice(&output.stdout).unwrap();
    let levels: Vec<&Value> = more["runs"][0]["results"].as_array().unwrap().iter().map(|its| &its["level"]).collect();
    assert_eq!(levels, ["error", "error", "error", "note", "note"]);
    for result in results {
        let rule = &log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
    }
}

#[test]
fn sarif_has_the_exit_code_with_which_it_ends() {
    for (flags, expected) in [(&["--format", "sarif"][..], 1), (&["--format", "sarif", "--exit-zero"], 0)] {
        let cluster = shop();
        let output = program::command(cluster.folder.path(), &cluster.arguments(flags)).output().unwrap();
        let log: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(expected));
        assert_eq!(log["runs"][0]["invocations"][0]["exitCode"], expected);
    }
}
