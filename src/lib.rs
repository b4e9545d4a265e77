//! Secretfence: a Kubernetes admission webhook, and the same engine as a command line.
#![forbid(unsafe_code)]

pub mod fence;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod manifest;
#[cfg(feature = "cli")]
pub mod policy_dir;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "webhook")]
pub mod telemetry;
#[cfg(feature = "webhook")]
pub mod webhook;
