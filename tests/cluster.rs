//! Secretfence in front of a real API server, with the controllers that make pods and `kubectl`.
//!
//! Where the programs of the control plane come from is said in [`binaries`].
#![allow(unreachable_pub)]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

#[path = "cluster/across.rs"]
mod across;
#[path = "cluster/api.rs"]
mod api;
#[path = "cluster/audit.rs"]
mod audit;
#[path = "cluster/audit_job.rs"]
mod audit_job;
#[path = "cluster/audit_publish.rs"]
mod audit_publish;
#[path = "cluster/audit_scale.rs"]
mod audit_scale;
#[path = "cluster/binaries.rs"]
mod binaries;
#[path = "cluster/cluster.rs"]
mod cluster;
#[path = "cluster/connections.rs"]
mod connections;
#[path = "cluster/control_plane.rs"]
mod control_plane;
#[path = "support/corpus.rs"]
mod corpus;
#[path = "cluster/crowd.rs"]
mod crowd;
#[path = "cluster/denials.rs"]
mod denials;
#[path = "cluster/figures.rs"]
mod figures;
#[path = "cluster/guarded.rs"]
mod guarded;
#[path = "cluster/guide.rs"]
mod guide;
#[path = "cluster/kubectl.rs"]
mod kubectl;
#[path = "cluster/live_check.rs"]
mod live_check;
#[path = "cluster/modes.rs"]
mod modes;
#[path = "cluster/objects.rs"]
mod objects;
#[path = "cluster/other_webhooks.rs"]
mod other_webhooks;
#[path = "cluster/outages.rs"]
mod outages;
#[path = "cluster/proxy.rs"]
mod proxy;
#[path = "cluster/reach.rs"]
mod reach;
#[path = "cluster/served_corpus.rs"]
mod served_corpus;
#[path = "cluster/served_templates.rs"]
mod served_templates;
#[path = "cluster/templates.rs"]
mod templates;
#[path = "cluster/updates.rs"]
mod updates;
#[path = "cluster/watch_faults.rs"]
mod watch_faults;
#[path = "cluster/watch_scale.rs"]
mod watch_scale;
#[path = "cluster/watches.rs"]
mod watches;
#[path = "cluster/webhook.rs"]
mod webhook;
