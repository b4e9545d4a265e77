//! What `check` costs over the YAML library alone, on manifests of real projects.
//!
//! `yaml` reads every file into the form that `check` judges: JSON text of each object. `check` does that and all the
//! rest: parsing the objects, judging every reference, finding lines, and (`check-text`) putting excerpts together.
//! The manifests are those of `SECRETFENCE_SHARED`, and without them a few of our own.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use secretfence::cli::check::judge::Judge;
use secretfence::fence::Facts;
use secretfence::{manifest, policy_dir};

fn check(criterion: &mut Criterion) {
    let files = files();
    let bytes: usize = files.iter().map(Vec::len).sum();
    let policies = policy_dir::built_in();
    let facts = Facts::on(jiff::civil::date(2026, 11, 21));
    let judge = |excerpts| Judge { policies: &policies, facts: &facts, namespace: "default", all: false, excerpts };
    let name: Arc<str> = "pod.yaml".into();

    let mut group = criterion.benchmark_group("check");
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
    group.bench_function("yaml", |bencher| {
        bencher.iter(|| {
            for file in &files {
                for document in &manifest::parse(file).documents {
                    black_box(document.objects().map_or(0, |objects| objects.len()));
                }
            }
        });
    });
    for (id, excerpts) in [("check-json", false), ("check-text", true)] {
        let judge = judge(excerpts);
        group.bench_function(id, |bencher| {
            bencher.iter(|| files.iter().for_each(|file| drop(black_box(judge.file(&name, file)))));
        });
    }
    group.finish();
}

fn files() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("SECRETFENCE_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let mut files = Vec::new();
    for folder in [shared.join("corpus/real"), root.join("examples")] {
        read_all(&folder, &mut files);
        if !files.is_empty() {
            return files;
        }
    }
    files
}

fn read_all(folder: &Path, files: &mut Vec<Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_manifest =
            path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json");
        if path.is_dir() {
            read_all(&path, files);
        } else if is_manifest {
            files.extend(std::fs::read(&path));
        }
    }
}

criterion_group!(benches, check);
criterion_main!(benches);
