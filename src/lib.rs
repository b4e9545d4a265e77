//! Secretfence: a Kubernetes admission webhook, and the same engine as a command line. It finds every way in which a pod
//! takes a Secret as an environment variable, or reaches a Secret of another namespace; rejects it, or swaps the environment
//! reference for a read-only file, as declarative policy files say.
//!
//! This page is the map of the code. What the program does is in `README.md`, what policies can say in
//! `docs/policies.md`, how to change something in `CONTRIBUTING.md`.
//!
//! # From bytes to bytes
//!
//! ```text
//!                       policy files                             manifests
//!                            │ policy_dir                            │ manifest: YAML and JSON, each place known
//!                            ▼                                       ▼
//!  review  ──► webhook ──► answer()                             evaluate() ◄── cli::check
//!  (HTTPS)     rustls,       │  fence::review: the envelope, borrowed │
//!              limits,       └───────────────┬───────────────────────┘
//!              deadlines                     ▼
//!                            fence::workload    which object holds pods, and where
//!                            fence::pod         the fields that matter, borrowed from the bytes
//!                            fence::reference   one pass: every place that names a Secret
//!                            fence::rules       where a rule asks: the ways to other namespaces and stores ◄── facts
//!                            fence::verdict     references × policies: what is decided of each, and why
//!                            fence::swap        what the pod becomes, what would not be safe
//!                                            │
//!                       ┌────────────────────┴───────────────┐
//!                       ▼                                    ▼
//!            answer: patch, denial, warnings,       findings, with file and line
//!            audit annotations, as bytes            report: text, JSON
//!                       │                                    │
//!             telemetry: log, metrics                  exit code
//! ```
//!
//! The facts ([`Facts`](fence::Facts)) are what is known beside the object, as plain data: who may do what, which Secrets are
//! copies, the paths of SecretProviderClasses, labels of Namespaces. `webhook` has them from watches of `cluster`, which exist where a loaded
//! rule needs them; `cli::check` from its input, and with `--cluster` from lists. Nothing is asked while a pod waits, but for a Namespace
//! that the watch does not know.
//!
//! The object is never a tree of `serde_json::Value` on this path, nor a typed `Pod`, and is never serialised again: what is
//! read is borrowed from the body, and the patch is written straight to bytes against it.
//!
//! # Layout
//!
//! | module | what | may use |
//! | --- | --- | --- |
//! | [`fence`] | the core: [`evaluate`](fence::evaluate()) and [`answer`](fence::answer()) are the two ways in | nothing here |
#![cfg_attr(
    feature = "cli",
    doc = "| [`manifest`] | YAML and JSON with source positions, as kubectl reads them; edits that keep the layout | `fence` |
| [`policy_dir`] | policy files from disk | `fence`, `manifest` |
| [`report`] | what was found, as text and as JSON | `fence`, `manifest` |
| [`cli`] | arguments, resolved to settings, run | everything |"
)]
#![cfg_attr(
    feature = "cluster",
    doc = "| [`cluster`] | lists and watches of what the rules ask of a live cluster; what is registered there | `fence`, `manifest` |"
)]
#![cfg_attr(
    feature = "webhook",
    doc = "| [`telemetry`] | log and metrics, in a registry that is passed in | `fence` |
| [`webhook`] | HTTPS, limits, reload, shutdown | `fence`, `cluster`, `policy_dir`, `telemetry` |"
)]
//!
//! Within [`fence`]: `review` (the wire), `workload`, `pod`, `reference` and `rules/` (the inventory), `kind` (its sorts and
//! their groups), `facts` (what is known beside the object), `access/` (RBAC in memory: who gets at what), `policy/` (as written, as
//! compiled, which match, what is probably not meant), `verdict` and `ratchet` (what is decided, what an update is forgiven), `swap/`
//! (plan, safety, patch, catalogue), `explain` (how that came about), `message` and `finding` (the words), `name` (what makes a name safe to show).
//!
//! # Rules
//!
//! - **Dependencies point inward**: `cli → {webhook, cluster, report, policy_dir, manifest} → fence`, and `webhook → cluster → manifest`,
//!   never back. The features are the wall: `cargo check --lib --no-default-features` builds the core alone, `--features cli` all but the server.
//! - **The core is pure**: no async, files, clock, network or log. The date and whatever else is known beside the object
//!   come in as [`Facts`](fence::Facts).
//! - **One engine**: the webhook and `check` differ in how they ask, never in what is decided.
//! - **Parse, don't validate**: a policy as written ([`policy::file`](fence::policy::file)) and as compiled
//!   ([`PolicySet`](fence::PolicySet)) are two types, and only the second evaluates.
//! - **No value is shown**: messages, logs, metrics, annotations and `Debug` hold names and places. Names go through
//!   [`fence::name`].
//! - **Input never panics**: `unwrap`, `expect` and `panic!` are lints, and `unsafe` is forbidden.
//!
//! # Where to add what
//!
//! | what | where |
//! | --- | --- |
//! | a kind of reference | `fence/kind.rs`, `fence/pod.rs`, `fence/reference.rs` or a file in `fence/rules/`, `fence/message.rs`, `fence/tests/` |
//! | a right that reaches Secrets | a row in `fence/access/table.rs` |
//! | a form of an external store | a row in `fence/rules/store.rs`, `store/annotation.rs` or `store/vals.rs`; a provider of the CSI driver in `fence/rules/provider_class.rs` |
//! | a mark of a copy | a row in `fence/rules/copies.rs` |
//! | a place on the node | a row in `fence/rules/node_path.rs` |
//! | a field of a policy | `fence/policy/file.rs`, `policy/mod.rs`, `policy/compile/`, then where it decides: `policy/scope.rs`, `verdict.rs` (and `verdict/trace.rs`), `swap/`; `cli/policy/schema.rs` |
//! | a format of a credential | `fence/rules/credential/table.rs`, `tests/clear/formats.rs` |
//! | an image that reads files | `fence/swap/catalogue/rows.rs` |
//! | a layout that `fix` keeps | `manifest/edit/`, a case in `tests/fix/layout.rs`, the generator in `tests/fix/properties.rs` |
//! | a reason why a swap is unsafe | `fence/swap/mod.rs` (`Unsafe`), `swap/room.rs` or `swap/safety.rs` |
//! | a form of report | a file in `report/`, `cli/check/mod.rs`; of an audit: a file in `report/audit/`, `cli/audit/mod.rs` |
//! | something on the page of an audit | `report/audit/html/`; then look at it: `CONTRIBUTING.md` says how |
//! | a kind of object that `audit` lists | `fence/workload.rs`, `cluster/audit/kinds.rs` |
//! | a metric | `telemetry/metrics.rs` |
//! | something to know of the cluster | `fence/facts.rs`, `cluster/needs.rs`, `cluster/kept.rs` |
//! | a flag of `serve` | `cli/serve.rs`, `webhook/settings.rs` |
#![forbid(unsafe_code)]

pub mod fence;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cluster")]
pub mod cluster;
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
