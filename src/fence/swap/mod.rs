//! The swap: plan, safety, catalogue, patch.
