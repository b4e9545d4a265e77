//! The real binary, over real sockets.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[path = "support/api_server.rs"]
mod api_server;
#[path = "webhook/certificates.rs"]
mod certificates;
#[path = "webhook/client.rs"]
mod client;
#[path = "webhook/client_certificates.rs"]
mod client_certificates;
#[path = "webhook/embedded.rs"]
mod embedded;
#[path = "webhook/handshakes.rs"]
mod handshakes;
#[path = "webhook/lifecycle.rs"]
mod lifecycle;
#[path = "webhook/limits.rs"]
mod limits;
#[path = "webhook/logs.rs"]
mod logs;
#[path = "webhook/policies.rs"]
mod policies;
#[path = "webhook/process.rs"]
mod process;
#[path = "webhook/protocol.rs"]
mod protocol;
#[path = "webhook/robust.rs"]
mod robust;
#[path = "webhook/statuses.rs"]
mod statuses;
#[path = "webhook/watches.rs"]
mod watches;
