//! What the documentation says of `fix` is what it does.

use secretfence::fence::swap::Unsafe;
use secretfence::manifest::edit::Reason;

use crate::held;

#[test]
fn every_reason_to_decline_a_file_is_explained_word_for_word() {
    let page = include_str!("../../docs/fix.md");
    for reason in [Reason::Shared, Reason::Comment, Reason::Layout, Reason::Unequal] {
        assert!(page.contains(&format!("| `{reason}` |")), "docs/fix.md does not explain: {reason}");
    }
    assert!(page.contains(&format!("| `{}` |", Unsafe::NoImage)));
}

/// The lines of its diff that are there before and after, each behind the head of a pod.
#[test]
fn the_readme_shows_what_comes_of_a_pod() {
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once("<!-- fix -->\n```diff\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let side = |sign: char| -> String {
        block.lines().filter(|line| line.starts_with([' ', sign])).map(|line| format!("{}\n", &line[1..])).collect()
    };
    let head = "apiVersion: v1\nkind: Pod\nmetadata: {name: database}\nspec:\n  containers:\n";
    let policy = include_str!("../../policies/secrets-as-files.yaml");
    let fixed = held::fix((head.to_owned() + &side('-')).as_bytes(), &held::policies(policy), &held::facts());
    let fixed = String::from_utf8(fixed.unwrap().unwrap()).unwrap();
    assert!(fixed.contains(&side('+')), "{fixed}");
}
