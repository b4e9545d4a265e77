//! `--publish` where the API server comes late, or goes away.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Cluster, env, namespace, program, shop, spec, workload};

/// Passes connections on to the API server of a cluster, from some time on; and breaks those that would make something.
fn way(cluster: &Cluster, opens_after: Duration, breaks_posts: bool) {
    let file = cluster.folder.path().join("kubeconfig");
    let kubeconfig = std::fs::read_to_string(&file).unwrap();
    let to = kubeconfig.split("http://").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // Nobody listens there until it is opened.
    let from = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(&file, kubeconfig.replace(&to, &from.to_string())).unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(opens_after);
        for stream in TcpListener::bind(from).unwrap().incoming().map_while(Result::ok) {
            let to = to.clone();
            // Whoever goes away is nothing to fail for.
            std::thread::spawn(move || drop(pass(stream, &to, breaks_posts)));
        }
    });
}

fn pass(mut client: TcpStream, to: &str, breaks_posts: bool) -> std::io::Result<()> {
    let mut begin = [0; 4];
    client.read_exact(&mut begin)?;
    if breaks_posts && &begin == b"POST" {
        return client.shutdown(Shutdown::Both);
    }
    let mut server = TcpStream::connect(to)?;
    server.write_all(&begin)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// In a pod, or on the machine of a person.
fn audit(cluster: &Cluster, is_pod: bool, more: &[&str]) -> String {
    let mut command = program::command(cluster.folder.path(), &cluster.arguments(more));
    if is_pod {
        command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1");
    }
    program::shown(&command.output().unwrap())
}

#[test]
fn a_pod_waits_for_a_network_that_comes_after_it() {
    // By the address of the way.
    let found =
        |audit: String| audit.lines().filter(|line| !line.starts_with("cluster: ")).collect::<Vec<_>>().join("\n");
    let expected = found(shop().audit(&[]));
    assert!(expected.starts_with("exit: 1\n"), "{expected}");
    let cluster = shop();
    way(&cluster, Duration::from_millis(1500), false);
    let start = Instant::now();
    assert_eq!(found(audit(&cluster, true, &[])), expected);
    assert!(start.elapsed() >= Duration::from_millis(1500), "there was no need to wait");
}

#[test]
fn a_person_hears_at_once_that_nothing_is_there() {
    let cluster = shop();
    way(&cluster, Duration::from_secs(120), false);
    let start = Instant::now();
    let output = audit(&cluster, false, &[]);
    assert!(output.starts_with("exit: 2\n") && output.contains("the API server cannot be reached"), "{output}");
    // Less than the waits of a pod are together.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn an_api_server_that_goes_away_is_not_waited_for_in_each_namespace() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let denied = spec("api", "api:1", &[env("KEY", "other")]);
    let cluster = Cluster::new([
        ("namespaces", json!(names.map(|name| namespace(name, None)))),
        ("deployments", json!(names.map(|name| workload(name, "web", None, &denied)))),
    ]);
    let resources = json!({"kind": "APIResourceList", "resources": [{"name": "reports"}]});
    cluster.api.change(|state| drop(state.objects.insert("/apis/openreports.io/v1alpha1".to_owned(), resources)));
    way(&cluster, Duration::ZERO, true);
    // It listens a moment later.
    let output = audit(&cluster, true, &["--publish"]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    let written = |places: &str, why: &str| {
        format!(
            "error: reports of openreports.io in {places} could not be written: the API server cannot be reached{why}"
        )
    };
    assert!(output.contains(&written(r#"namespaces "a", "b""#, ": ")), "{output}");
    let rest = written(r#"namespaces "c", "d", "e", "f", "g" and 1 more namespace"#, ", and was not asked again\n");
    assert!(output.contains(&rest), "{output}");
    // What was found is told all the same.
    assert!(output.contains("Deployment h/web"), "{output}");
}
