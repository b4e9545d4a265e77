//! Manifests of real projects: every one that has a swappable reference.

use std::collections::BTreeMap;

use crate::shared::Corpus;
use crate::{ALL, held};

#[test]
fn every_file_of_the_corpus_that_can_be_swapped_is_fixed_or_says_why_not() {
    let Some(corpus) = Corpus::find("fix over real/ and peers/") else { return };
    let policies = held::policies(ALL);
    let facts = held::facts();
    let mut fixed = BTreeMap::new();
    let mut declined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut references = 0;
    for folder in ["real", "peers"] {
        for file in corpus.files(folder) {
            if ![".yaml", ".yml", ".json"].iter().any(|extension| file.ends_with(extension)) {
                continue;
            }
            let source = std::fs::read(corpus.root.join(&file)).unwrap();
            match held::fix(&source, &policies, &facts) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    references += held::patches(&source, &policies, &facts).1;
                    *fixed.entry(folder).or_insert(0) += 1;
                }
                Err(why) => declined.entry(why.reason.to_string()).or_default().push(file),
            }
        }
    }
    println!("fixed: {fixed:?}, {references} references; declined: {declined:#?}");
    let left: usize = declined.values().map(Vec::len).sum();
    let all = fixed.values().sum::<usize>();
    assert!(fixed["real"] >= 85, "{fixed:?}");
    assert!(left * 20 < all + left, "{left} of {} are declined", all + left);
}
