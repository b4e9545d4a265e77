//! Who creates the pods: each client on a connection of its own, one request after the other.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::control_plane::{ADMIN, ControlPlane};

/// A pod to create.
pub struct Request {
    pub namespace: &'static str,
    pub body: Vec<u8>,
}

pub struct Clients<'a> {
    agents: Vec<Agent>,
    url: String,
    requests: &'a [Request],
}

impl<'a> Clients<'a> {
    pub fn connect(control_plane: &ControlPlane, count: usize, requests: &'a [Request]) -> Clients<'a> {
        let authority = control_plane.authority.pem();
        let agent = || {
            let authority = Certificate::from_pem(authority.as_bytes()).expect("a certificate");
            let roots = RootCerts::Specific(Arc::new(vec![authority]));
            let tls = TlsConfig::builder().root_certs(roots).build();
            Agent::from(Agent::config_builder().tls_config(tls).http_status_as_error(false).build())
        };
        Clients { agents: (0..count).map(|_| agent()).collect(), url: url(control_plane), requests }
    }

    /// Each client sends each request so often, all of them in turn. How long each took, by request.
    pub fn round(&mut self, times: usize) -> Vec<Vec<Duration>> {
        let this = &*self;
        let by_client: Vec<_> = std::thread::scope(|scope| {
            let send = |(first, agent)| scope.spawn(move || this.send(agent, first, times));
            let clients: Vec<_> = this.agents.iter().enumerate().map(send).collect();
            clients.into_iter().map(|client| client.join().expect("every pod is admitted")).collect()
        });
        let of = |request: usize| by_client.iter().flat_map(|took| took[request].iter().copied()).collect();
        (0..self.requests.len()).map(of).collect()
    }

    /// Each client begins elsewhere, so that they do not go in step.
    fn send(&self, agent: &Agent, first: usize, times: usize) -> Vec<Vec<Duration>> {
        let count = self.requests.len();
        let mut took = vec![Vec::with_capacity(times); count];
        for step in 0..times * count {
            let request = (2 * first + step) % count;
            took[request].push(self.create(agent, &self.requests[request]));
        }
        took
    }

    fn create(&self, agent: &Agent, request: &Request) -> Duration {
        let url = format!("{}/api/v1/namespaces/{}/pods?dryRun=All", self.url, request.namespace);
        let post = agent
            .post(url)
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("accept", "application/json")
            .header("content-type", "application/json");
        let begin = Instant::now();
        let response = post.send(&request.body[..]).expect("an answer");
        let status = response.status().as_u16();
        let answer = response.into_body().read_to_vec().expect("the whole answer");
        let took = begin.elapsed();
        assert_eq!(status, 201, "in {}: {}", request.namespace, String::from_utf8_lossy(&answer));
        took
    }
}

/// Where the API server is.
fn url(control_plane: &ControlPlane) -> String {
    let kubeconfig = fs::read_to_string(control_plane.path("admin.kubeconfig")).expect("read a kubeconfig");
    let url = kubeconfig.split('"').find(|text| text.starts_with("https://")).expect("a server");
    url.to_owned()
}
