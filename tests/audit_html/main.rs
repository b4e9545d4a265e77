//! The HTML report of an audit: what is in the file, and what a browser makes of it.
#![cfg(feature = "cli")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests say what they leave out, and fail by panicking"
)]

mod browser;
mod figures;
mod filters;
mod looks;
mod sample;
mod text;

use secretfence::report::audit::{Audit, html};

/// The whole file.
fn page(audit: &Audit) -> Vec<u8> {
    let mut page = Vec::new();
    html::write(audit, &mut page).unwrap();
    page
}
