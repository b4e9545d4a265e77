//! placeholder
pub mod issue;
pub mod plan;
pub mod secret;
