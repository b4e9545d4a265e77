//! What a review costs: the whole beside the borrowed parse alone, and beside `serde_json`'s way of ignoring it.
#![allow(missing_docs, reason = "the macros make undocumented items")]

mod support;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use secretfence::fence::answer;
use secretfence::fence::review::Request;
use serde::de::IgnoredAny;

fn reviews(criterion: &mut Criterion) {
    let (ten, thousand, facts) = (support::ten(), support::thousand(), support::facts());
    for (name, body) in support::bodies() {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("ignored_any", |bencher| {
            bencher.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(&body)).is_ok());
        });
        group.bench_function("borrowed_parse", |bencher| {
            bencher.iter_batched(|| (), |()| Request::read(black_box(&body), &ten), BatchSize::SmallInput);
        });
        for (label, policies) in [("", &ten), ("_of_1000", &thousand)] {
            for (gate, endpoint) in [("mutate", support::MUTATE), ("validate", support::VALIDATE)] {
                group.bench_function(format!("{gate}{label}"), |bencher| {
                    bencher.iter(|| answer(black_box(&body), endpoint, policies, &facts));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, reviews);
criterion_main!(benches);
