//! Programs that are built with Go, once for each change of their sources.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest, Sha256};

/// A Go module of this repository, and the program of it.
pub struct Sources<'s> {
    /// Of the module, below the repository's root.
    pub folder: &'s str,
    /// That holds `main`.
    pub package: &'s str,
    pub version: &'s str,
    /// `package.variable=value`, for the linker.
    pub variables: &'s [String],
}

impl Sources<'_> {
    /// Builds the program into a folder of the target directory, unless that was done for the same sources.
    pub fn build(&self, below_target: &str, name: &str) -> Result<PathBuf, String> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.folder);
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join(below_target);
        fs::create_dir_all(&target).unwrap();
        let built = target.join(format!("{name}-{}", self.fingerprint(&sources)));
        // Other test processes wait here for the one that builds.
        let lock = File::create(target.join("lock")).unwrap();
        lock.lock().unwrap();
        if built.is_file() {
            return Ok(built);
        }
        let start = Instant::now();
        let _ = writeln!(std::io::stderr(), "building {name} with Go, once: this takes minutes");
        let half_built = target.join("half-built");
        let variables: String = self.variables.iter().map(|variable| format!(" -X {variable}")).collect();
        let output = Command::new("go")
            .args(["build", "-mod=readonly", "-trimpath", "-ldflags", &format!("-s -w{variables}"), "-o"])
            .arg(&half_built)
            .arg(self.package)
            .current_dir(&sources)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-buildvcs=false")
            .env("GOWORK", "off")
            .output()
            .map_err(|error| format!("go: {error}."))?;
        if !output.status.success() {
            return Err(format!("go build: {}", String::from_utf8_lossy(&output.stderr)));
        }
        fs::rename(&half_built, &built).unwrap();
        let _ = writeln!(std::io::stderr(), "built {name} in {} s", start.elapsed().as_secs());
        Ok(built)
    }

    /// Of everything that the build is made from.
    fn fingerprint(&self, sources: &Path) -> String {
        let mut names: Vec<_> = fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let mut hash = Sha256::new();
        hash.update(self.version);
        for name in names {
            hash.update(name.file_name().unwrap().as_encoded_bytes());
            hash.update(fs::read(&name).unwrap());
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
