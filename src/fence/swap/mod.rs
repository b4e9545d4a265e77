//! The swap: plan, safety, catalogue, patch.

pub mod catalogue;
