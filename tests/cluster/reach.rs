//! Reach against the truth: what RBAC in memory says is what the API server says.

#[path = "reach/generator.rs"]
mod generator;
#[path = "reach/truth.rs"]
mod truth;

use std::collections::BTreeMap;

use secretfence::fence::access::{Access, ROWS};
use serde_json::json;

use crate::binaries::skipped;
use crate::control_plane::ControlPlane;
use generator::{Random, Set};
use truth::{Answers, Truth};

/// How many sets are generated.
const SETS: usize = 500;
/// One set in so many has bindings that speak of every ServiceAccount everywhere: it is in the cluster alone.
const ALONE: usize = 10;
/// How many of the others are in the cluster together, in namespaces of their own.
const TOGETHER: usize = 45;

#[test]
fn reach_is_what_the_api_server_says() {
    if skipped() {
        return;
    }
    let seed =
        std::env::var("REACH_SEED").ok().map_or(20_261_121, |seed| seed.parse().expect("REACH_SEED is a number"));
    println!("REACH_SEED={seed}");
    let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    let truth = Truth::new(&control_plane, TOGETHER);
    let mut random = Random::new(seed);
    let mut answers = Answers::default();
    let (alone, together): (Vec<usize>, Vec<usize>) = (0..SETS).partition(|set| set % ALONE == 0);
    for set in alone {
        judge(&truth, &[Set::generate(&mut random, set, 0, true)], &mut answers);
    }
    for batch in together.chunks(TOGETHER) {
        let sets = batch.iter().enumerate().map(|(slot, set)| Set::generate(&mut random, *set, slot, false));
        judge(&truth, &sets.collect::<Vec<_>>(), &mut answers);
    }
    answers.assert_telling();
}

/// Puts the sets into the cluster, asks everything, and takes them out again.
fn judge(truth: &Truth, sets: &[Set], answers: &mut Answers) {
    // As they were written: what the aggregation controller makes of them is ours to know.
    let access = Access::of(sets.iter().flat_map(Set::parsed));
    truth.apply(sets);
    let questions = sets.iter().flat_map(Set::questions).collect::<Vec<_>>();
    let said = truth.ask(&questions);
    let mut by_question = BTreeMap::new();
    for (question, said) in questions.iter().zip(said) {
        let (namespace, account) = question.account;
        let reach = access.reach(namespace, account);
        let row = &ROWS[question.row];
        let ours = reach.allows(row, question.namespace, question.name);
        assert_eq!(ours, said.is_some(), "{row}: {question:?}\n{said:?}\n{:#}", json!(question.set.objects));
        answers.count(question, said.as_deref());
        by_question.insert((question.account, question.row, question.namespace, question.name), said.is_some());
    }
    let allows = |account, row, namespace, name| by_question[&(account, row, namespace, name)];
    sets.iter().for_each(|set| set.assert_reached(&access, allows));
    truth.clear(sets);
}
