//! What is read from a live cluster: lists and watches in, [`Facts`](crate::fence::Facts) out; and what is registered there.
//!
//! ```text
//!  PolicySet ──► Needs ──► Watches ──► one task per resource: list in pages, watch, start anew ──► Kept
//!                  │          │                                                                     │ News: a moment later
//!                  ▼          ▼ state: synced? what is missing?                                     ▼
//!             ClusterRole   /readyz, metrics                                                 Known ──► Facts
//! ```
//!
//! Beside them [`Registration`] watches the webhook's own two configurations, and [`Events`] writes events about its own pod.
//!
//! Who asks once ([`Snapshot`]) takes the same lists and stops there. The watches all run on one thread of its own, which is there only while some rule needs a watch: a list of ten thousand
//! Secrets holds up no review.

pub mod audit;
#[cfg(feature = "webhook")]
pub mod certificates;
mod client;
mod error;
mod events;
mod kept;
mod list;
mod needs;
mod news;
mod registration;
mod role;
mod snapshot;
mod unit;
mod watch;
mod watches;
mod wire;

pub use client::{Caller, ConnectError, Connection, Credentials};
pub use error::WatchError;
pub use events::{Events, OwnPod, Reason};
pub use kept::Known;
pub use needs::{Needs, Resource, Topic};
pub use registration::{
    Breadth, Configuration, Drift, Problem, Registration, RegistrationError, RegistrationObserver, ServiceAddress,
    Wanted,
};
pub use role::cluster_role;
pub use snapshot::{ReadError, Snapshot, Unread};
pub use unit::Progress;
pub use watches::{Observer, State, Watches};
