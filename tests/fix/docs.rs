//! What the documentation says of `fix` is what it does.

use secretfence::fence::swap::Unsafe;
use secretfence::manifest::edit::Reason;

use crate::Folder;

#[test]
fn every_reason_to_decline_a_file_is_explained_word_for_word() {
    let page = include_str!("../../docs/fix.md");
    for reason in [Reason::Shared, Reason::Comment, Reason::Layout, Reason::Unequal] {
        assert!(page.contains(&format!("| `{reason}` |")), "docs/fix.md does not explain: {reason}");
    }
    assert!(page.contains(&format!("| `{}` |", Unsafe::NoImage)));
}

/// Line by line what `--diff` prints of the pod that its lines are of.
#[test]
fn the_readme_shows_what_the_diff_of_a_pod_says() {
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once("<!-- fix -->\n```diff\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let before = block.lines().filter(|line| line.starts_with([' ', '-'])).map(|line| format!("{}\n", &line[1..]));
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: database}\nspec:\n".to_owned() + &before.collect::<String>();
    let policy = include_str!("../../policies/secrets-as-files.yaml");
    let folder = Folder::with(&pod).file("policy.yaml", policy);
    let shown = folder.fix(&["--diff", "pod.yaml"]);
    assert!(shown.contains(&format!("\n{block}")), "{shown}");
}
