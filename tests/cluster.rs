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
#[path = "cluster/audit_by_policy.rs"]
mod audit_by_policy;
#[path = "cluster/audit_job.rs"]
mod audit_job;
#[path = "cluster/audit_publish.rs"]
mod audit_publish;
#[path = "cluster/audit_scale.rs"]
mod audit_scale;
#[path = "cluster/audit_selector.rs"]
mod audit_selector;
#[cfg(target_os = "linux")]
#[path = "cluster/audit_throttled.rs"]
mod audit_throttled;
#[path = "cluster/availability.rs"]
mod availability;
#[path = "cluster/binaries.rs"]
mod binaries;
#[path = "cluster/broken.rs"]
mod broken;
#[path = "support/by_policy.rs"]
mod by_policy;
#[path = "cluster/certificates.rs"]
mod certificates;
#[path = "cluster/change_over.rs"]
mod change_over;
#[path = "cluster/chart.rs"]
mod chart;
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
#[path = "cluster/fixed_corpus.rs"]
mod fixed_corpus;
#[path = "cluster/guarded.rs"]
mod guarded;
#[path = "cluster/guide.rs"]
mod guide;
#[path = "cluster/installers.rs"]
mod installers;
#[path = "cluster/kubectl.rs"]
mod kubectl;
#[path = "cluster/kubelet.rs"]
mod kubelet;
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
#[path = "cluster/own_pods.rs"]
mod own_pods;
#[path = "support/program.rs"]
mod program;
#[path = "cluster/proxy.rs"]
mod proxy;
#[path = "cluster/reach.rs"]
mod reach;
#[path = "cluster/registration.rs"]
mod registration;
#[path = "cluster/served_corpus.rs"]
mod served_corpus;
#[path = "cluster/served_templates.rs"]
mod served_templates;
#[path = "cluster/service.rs"]
mod service;
#[path = "support/swap_all.rs"]
mod swap_all;
#[path = "cluster/templates.rs"]
mod templates;
#[path = "cluster/updates.rs"]
mod updates;
#[path = "cluster/upgrade.rs"]
mod upgrade;
#[path = "cluster/watch_faults.rs"]
mod watch_faults;
#[path = "cluster/watch_scale.rs"]
mod watch_scale;
#[path = "cluster/watches.rs"]
mod watches;
#[path = "cluster/webhook.rs"]
mod webhook;
