//! What the documentation quotes is what the program says.

use secretfence::fence::Kind;
use secretfence::fence::swap::Unsafe;

#[test]
fn every_reason_against_a_swap_is_explained_word_for_word() {
    let page = include_str!("../docs/swap.md");
    let (variable, new) = (|| "DB_PASSWORD".to_owned(), || "DB_PASSWORD_FILE".to_owned());
    let place = || "args[0]".to_owned();
    let reasons = [
        Unsafe::NoSwap(Kind::FileKeyRef),
        Unsafe::EphemeralContainer,
        Unsafe::MirrorPod,
        Unsafe::Windows,
        Unsafe::NoImage,
        Unsafe::UnknownKeys,
        Unsafe::SecretName,
        Unsafe::KeyName("../password".to_owned()),
        Unsafe::ValueBeside,
        Unsafe::SourceBeside,
        Unsafe::VariableName("DB PASSWORD_FILE".to_owned()),
        Unsafe::Mentioned { variable: variable(), place: place() },
        Unsafe::WouldResolve { variable: new(), place: place() },
        Unsafe::SameName(variable()),
        Unsafe::BesideEnvFrom,
        Unsafe::NamedInEnv(variable()),
        Unsafe::VariableSet(new()),
        Unsafe::VariableTaken(new()),
        Unsafe::Mounted { target: "/run/secretfence".to_owned(), path: "/run".to_owned() },
        Unsafe::VolumeTaken("secretfence-1f2e3d4c5b6a7988".to_owned()),
        Unsafe::TooManyFiles,
        Unsafe::ServiceVariable("DB_PORT".to_owned()),
        Unsafe::Renamed { target: "/run/secretfence".to_owned(), volume: "secretfence-1f2e3d4c5b6a7988".to_owned() },
    ];
    for (index, reason) in reasons.iter().enumerate() {
        assert_eq!(place_in_the_table(reason), index);
        assert!(page.contains(&format!("| `{reason}` |")), "docs/swap.md does not explain: {reason}");
    }
}

/// Who installs what the page names has what the tests publish to.
#[test]
fn the_api_for_reports_is_got_in_the_versions_that_are_tested() {
    let page = include_str!("../docs/audit.md");
    let (_, section) = page.split_once("### The API for reports\n").unwrap();
    let fixtures =
        [include_str!("fixtures/reports/openreports.yaml"), include_str!("fixtures/reports/wgpolicyk8s.yaml")];
    for fixture in fixtures {
        let mut words = fixture.split_whitespace().skip(2);
        let repository = words.next().unwrap().strip_prefix("https://github.com/").unwrap();
        let (version, path) = (words.next().unwrap(), words.next().unwrap().trim_matches(['(', ',']));
        let command = format!("\nkubectl apply -f https://raw.githubusercontent.com/{repository}/{version}/{path}\n");
        assert!(section.contains(&command), "docs/audit.md does not say: {command}");
    }
}

/// A clone has examples below `policies/`, each of which would judge a whole cluster along with what was meant.
#[test]
fn no_audit_is_by_all_the_policies_of_a_clone() {
    let pages = ["README.md", "docs/audit.md", "docs/audit-html.md", "docs/install.md", "docs/rollout.md"];
    for page in pages {
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let mut audits = text.lines().filter(|line| line.starts_with("secretfence audit "));
        assert!(audits.all(|line| !line.contains("-p policies/ ")), "{page}");
    }
}

/// A new reason does not compile until it has a row.
fn place_in_the_table(reason: &Unsafe) -> usize {
    match reason {
        Unsafe::NoSwap(_) => 0,
        Unsafe::EphemeralContainer => 1,
        Unsafe::MirrorPod => 2,
        Unsafe::Windows => 3,
        Unsafe::NoImage => 4,
        Unsafe::UnknownKeys => 5,
        Unsafe::SecretName => 6,
        Unsafe::KeyName(_) => 7,
        Unsafe::ValueBeside => 8,
        Unsafe::SourceBeside => 9,
        Unsafe::VariableName(_) => 10,
        Unsafe::Mentioned { .. } => 11,
        Unsafe::WouldResolve { .. } => 12,
        Unsafe::SameName(_) => 13,
        Unsafe::BesideEnvFrom => 14,
        Unsafe::NamedInEnv(_) => 15,
        Unsafe::VariableSet(_) => 16,
        Unsafe::VariableTaken(_) => 17,
        Unsafe::Mounted { .. } => 18,
        Unsafe::VolumeTaken(_) => 19,
        Unsafe::TooManyFiles => 20,
        Unsafe::ServiceVariable(_) => 21,
        Unsafe::Renamed { .. } => 22,
    }
}
