//! One file per kind of finding that needs thought.

pub mod csi;
