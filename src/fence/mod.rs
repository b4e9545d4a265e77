//! The pure core: policies, references, verdicts and the swap.
//!
//! Nothing here knows async, files, the clock, the network or a log. Everything that is known beside the object is
//! handed in as [`Facts`].

pub mod answer;
pub mod facts;
pub mod kind;
pub mod message;
pub mod name;
pub mod pod;
pub mod policy;
pub mod reference;
pub mod review;
pub mod rules;
pub mod swap;
pub mod verdict;
pub mod workload;

pub use facts::Facts;
pub use kind::{Kind, KindSet};
pub use policy::PolicySet;
