//! The server within another program.

use std::time::Duration;

use secretfence::policy_dir;
use secretfence::webhook::{CertificateSource, PolicySource, SelfSigned, Server, Settings};

use crate::client::{Connection, DENIED, trusting};
use crate::process::PATIENCE;

#[test]
fn serves_with_a_certificate_and_policies_in_memory_until_told_to_stop() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let certificate = SelfSigned::generate().unwrap();
    let client = trusting(certificate.authority_pem());
    let policies = PolicySource::Set(policy_dir::built_in().into());
    let mut settings = Settings::new(CertificateSource::SelfSigned(certificate), policies);
    settings.listen = ([127, 0, 0, 1], 0).into();
    settings.admin_listen = ([127, 0, 0, 1], 0).into();
    settings.limits.shutdown_delay = Duration::ZERO;
    let server = runtime.block_on(async { Server::bind(settings) }).unwrap();
    let address = server.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = runtime.spawn(server.run(async {
        let _ = stopped.await;
    }));
    let answer = Connection::open(address, client).unwrap().post("/validate", DENIED);
    assert_eq!(answer.json()["response"]["allowed"], false);
    stop.send(()).unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, running).await }).unwrap().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
}
