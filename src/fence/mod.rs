//! The pure core: policies, references, verdicts and the swap.
//!
//! Nothing here knows async, files, the clock, the network or a log. Everything that is known beside the object is
//! handed in as [`Facts`].

pub mod access;
pub mod answer;
pub mod evaluate;
pub mod explain;
pub mod facts;
pub mod finding;
mod json;
pub mod kind;
mod message;
pub mod name;
mod pod;
pub mod policy;
mod ratchet;
mod reference;
pub mod review;
pub mod rules;
pub mod swap;
#[cfg(test)]
mod tests;
pub(crate) mod validation;
mod verdict;
pub mod workload;

pub use answer::{Answer, Endpoint, Gate, answer};
pub use evaluate::{Evaluation, Judgement, Question, evaluate, evaluate_but, evaluate_for};
pub use explain::{Explanation, explain};
pub use facts::Facts;
pub use finding::{Becomes, Finding, Subject};
pub use kind::{Kind, KindSet};
pub use message::help;
pub use policy::PolicySet;
pub use review::ReviewError;
pub use verdict::{Outcome, SetAside};
pub use workload::ObjectError;
