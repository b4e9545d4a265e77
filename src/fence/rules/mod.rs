//! Kinds of finding that need thought, one file each.

pub mod across;
pub mod csi;
pub mod node_path;
pub mod store;
pub mod store_path;
