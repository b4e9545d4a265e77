//! Certificates that the webhook makes for itself: an authority and a leaf in one Secret of its own namespace.
//!
//! ```text
//!  Secret secretfence-certificates ── read, watched ──► Stored ─┐
//!  caBundle of each webhook ──────── Trust ──► Trusted ─────────┼──► View ──► plan: pure ──► Plan
//!  the clock, what serves ──────────────────────────────────────┘               ┌─────────────┴──────┐
//!                                                                    compare and swap            Trust::trust
//! ```
//!
//! Every replica does the same, and needs no other: of two that write at once one is refused, and looks again.

mod issue;
mod keeper;
mod plan;
mod secret;
mod store;
mod trust;

pub use issue::Names;
pub use keeper::{Keeper, Managed, Renewed, Status, StatusObserver};
pub use plan::Ages;
pub use secret::Served;
pub use trust::Trust;
