//! Credentials in clear: every format in every place, what only looks like one, and that none of them is ever shown.
#![cfg(feature = "cli")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/corpus.rs"]
mod corpus;
mod found;

mod formats;
mod objects;
mod places;
mod secrecy;
