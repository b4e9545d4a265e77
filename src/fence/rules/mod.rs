//! One file per kind of finding that needs thought.

pub mod across;
pub mod copies;
pub mod credential;
pub mod csi;
pub mod data;
pub mod literal;
pub mod node_path;
pub mod provider_class;
pub mod store;
pub mod store_path;
