//! The `secretfence` binary: everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// A review is a few hundred small allocations. The allocator of musl, which the image is linked with, takes a lock for
/// each of them.
#[cfg(feature = "webhook")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    secretfence::cli::main()
}
