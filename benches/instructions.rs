//! Instruction counts of a review: the guard in CI, since time on shared machines is noise.
//!
//! The limits are 3 % above what was measured with the compiler of `rust-toolchain.toml`. Whoever makes something
//! dearer on purpose measures anew, and says so in the commit.
#![allow(missing_docs, reason = "the macros make undocumented items")]

mod support;

use std::hint::black_box;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use secretfence::fence::review::Request;
use secretfence::fence::{Answer, Evaluation, Facts, PolicySet, Question, ReviewError, answer, evaluate};
use secretfence::manifest;
use serde::de::IgnoredAny;

type Case = (Vec<u8>, PolicySet, Facts);
/// The case comes back, so that its end is not counted.
type Answered = (Result<Answer, ReviewError>, Case);

fn ten(body: &[u8]) -> Case {
    warm((body.to_vec(), support::ten(), support::facts()))
}

fn thousand(body: &[u8]) -> Case {
    warm((body.to_vec(), support::thousand(), support::facts()))
}

/// Once before it counts: the allocator sorts out what making the policies left behind, and what is lazy is made.
fn warm(case: Case) -> Case {
    for endpoint in [support::MUTATE, support::VALIDATE] {
        black_box(answer(&case.0, endpoint, &case.1, &case.2).is_ok());
    }
    case
}

fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

#[library_benchmark]
#[bench::small(args = (ten(support::SMALL)), config = at_most(52_370))]
#[bench::typical(args = (ten(support::TYPICAL)), config = at_most(190_595))]
#[bench::big(args = (ten(support::BIG)), config = at_most(3_341_022))]
fn ignored_any(case: Case) -> (bool, Case) {
    (black_box(serde_json::from_slice::<IgnoredAny>(black_box(&case.0)).is_ok()), case)
}

#[library_benchmark]
#[bench::small(args = (ten(support::SMALL)), config = at_most(78_621))]
#[bench::typical(args = (ten(support::TYPICAL)), config = at_most(245_609))]
#[bench::big(args = (ten(support::BIG)), config = at_most(4_386_796))]
#[bench::escaped(args = (ten(&support::escaped())), config = at_most(263_351))]
fn borrowed_parse(case: Case) -> (bool, Case) {
    (black_box(Request::read(black_box(&case.0), &case.1).is_ok()), case)
}

#[library_benchmark]
#[bench::small(args = (ten(support::SMALL)), config = at_most(123_165))]
#[bench::typical(args = (ten(support::TYPICAL)), config = at_most(367_124))]
#[bench::big(args = (ten(support::BIG)), config = at_most(6_655_570))]
#[bench::escaped(args = (ten(&support::escaped())), config = at_most(384_886))]
#[bench::small_of_1000(args = (thousand(support::SMALL)), config = at_most(123_861))]
#[bench::typical_of_1000(args = (thousand(support::TYPICAL)), config = at_most(367_123))]
#[bench::big_of_1000(args = (thousand(support::BIG)), config = at_most(6_708_636))]
fn mutate(case: Case) -> Answered {
    (answer(black_box(&case.0), support::MUTATE, &case.1, &case.2), case)
}

#[library_benchmark]
#[bench::small(args = (ten(support::SMALL)), config = at_most(125_710))]
#[bench::typical(args = (ten(support::TYPICAL)), config = at_most(367_186))]
#[bench::big(args = (ten(support::BIG)), config = at_most(6_344_108))]
#[bench::escaped(args = (ten(&support::escaped())), config = at_most(385_079))]
#[bench::small_of_1000(args = (thousand(support::SMALL)), config = at_most(126_866))]
fn validate(case: Case) -> Answered {
    (answer(black_box(&case.0), support::VALIDATE, &case.1, &case.2), case)
}

#[library_benchmark]
#[bench::yaml_alone(args = (support::MANIFESTS.as_bytes().to_vec(), support::ten(), support::facts()), config = at_most(811_303))]
fn parse_manifests(bytes: Vec<u8>, policies: PolicySet, facts: Facts) -> (usize, Case) {
    (black_box(manifest::parse(black_box(&bytes)).documents.len()), (bytes, policies, facts))
}

#[library_benchmark]
#[bench::judged(args = (support::MANIFESTS.as_bytes().to_vec(), support::ten(), support::facts()), config = at_most(1_143_057))]
fn judge_manifests(bytes: Vec<u8>, policies: PolicySet, facts: Facts) -> (usize, Case) {
    let mut findings = 0;
    for object in manifest::parse(black_box(&bytes)).documents.iter().flat_map(|its| its.objects()).flatten() {
        let (api_version, kind) = (object.api_version.as_str(), object.kind.as_str());
        let question = Question { api_version, kind, namespace: "default", all: false, patch: false };
        if let Ok(Evaluation::Judged(judgement)) = evaluate(&object.json, &question, &policies, &facts) {
            findings += judgement.findings.len();
        }
    }
    (black_box(findings), (bytes, policies, facts))
}

library_benchmark_group!(name = reviews, benchmarks = [ignored_any, borrowed_parse, mutate, validate]);
library_benchmark_group!(name = manifests, benchmarks = [parse_manifests, judge_manifests]);
main!(library_benchmark_groups = reviews, manifests);
