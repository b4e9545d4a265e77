//! A Prometheus of our own, on the loopback, that asks often.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

use crate::process::{Server, eventually};
use crate::rules;

pub struct Prometheus {
    child: Child,
    port: u16,
    folder: TempDir,
    agent: Agent,
}

impl Prometheus {
    /// Asks the servers four times a second, under the labels that the ServiceMonitor gives, and has the shipped rules.
    pub fn of(servers: &[&Server]) -> Prometheus {
        let folder = TempDir::new().unwrap();
        let targets = servers.iter().enumerate().map(|(number, server)| {
            let pod = format!("secretfence-{number}");
            let labels = json!({"job": "secretfence", "namespace": "secretfence", "pod": pod});
            json!({"targets": [server.admin.to_string()], "labels": labels})
        });
        let targets: Vec<Value> = targets.collect();
        let config = json!({
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "secretfence", "static_configs": targets}],
        });
        std::fs::write(folder.path().join("prometheus.yaml"), config.to_string()).unwrap();
        std::fs::write(folder.path().join("rules.yaml"), rules::spec().to_string()).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("prometheus")
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yaml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address=127.0.0.1:{free}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        let prometheus = Prometheus { child, port: free, folder, agent };
        let ready = || (prometheus.get("/-/ready", &[])?.0 == 200).then_some(());
        assert!(eventually(ready).is_some(), "{}", prometheus.log());
        // It takes some seconds until it asks for the first time.
        let asked = || (prometheus.query("up") == vec![1.0; servers.len()]).then_some(());
        assert!(eventually(asked).is_some(), "{}", prometheus.log());
        prometheus
    }

    /// What a query returns: the finite values.
    pub fn query(&self, query: &str) -> Vec<f64> {
        let answer = self.api("query", &[("query", query)]);
        let samples = answer["result"].as_array().unwrap_or_else(|| panic!("{query}: {answer}"));
        let values = samples.iter().map(|sample| sample["value"][1].as_str().unwrap().parse::<f64>().unwrap());
        values.filter(|value| value.is_finite()).collect()
    }

    /// What a call of the API returns. A query that does not parse fails here.
    pub fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let (_, body) = self.get(&format!("/api/v1/{path}"), parameters).unwrap_or_else(|| panic!("{}", self.log()));
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["status"], "success", "{parameters:?}: {body}");
        answer["data"].clone()
    }

    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Option<(u16, String)> {
        let mut request = self.agent.get(format!("http://127.0.0.1:{}{path}", self.port));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        let mut answer = request.call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
