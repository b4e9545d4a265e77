//! `where.paths` on the paths of external stores: globs in which `{namespace}` and `{serviceAccount}` stand for the
//! pod's own.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use crate::fence::policy::glob::{Glob, GlobProblem};

const NAMESPACE: &str = "{namespace}";
const SERVICE_ACCOUNT: &str = "{serviceAccount}";

/// A list of globs on store paths. With only excluding ones, everything else is meant.
#[derive(Clone, PartialEq, Eq)]
pub struct PathGlobs {
    include: Vec<PathGlob>,
    exclude: Vec<PathGlob>,
}

/// Whether a path fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// The path cannot be compared: it holds `..` or `$(VAR)`, or is not known at all. Like every fact that is not known it fits a rule
    /// that denies, mounts or warns, and one that allows only where [`PathGlobs::is_everything`].
    Unknown,
}

/// A list that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct PathGlobError {
    /// Which one of the list.
    pub index: usize,
    /// What is wrong with it.
    pub problem: PathGlobProblem,
}

/// Why a glob on paths does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathGlobProblem {
    /// As in any glob.
    #[error(transparent)]
    Glob(#[from] GlobProblem),
    /// `team-{namespace}` would let `a-b` of one namespace be the `b` of another.
    #[error(
        "{0} stands for a whole segment of the path, such as in \"secret/data/{0}/*\": with more beside it the names of two namespaces could be one"
    )]
    Partial(&'static str),
    /// No path that is compared holds it.
    #[error(
        "a path with an empty segment, \".\" or \"..\" is never compared, so this would match nothing: write the path clean"
    )]
    NotClean,
    /// Paths are decoded first.
    #[error("paths are compared decoded: write the character itself instead of \"%\" and two digits")]
    Encoded,
}

/// One glob.
#[derive(Clone, PartialEq, Eq)]
struct PathGlob {
    written: Box<str>,
    tokens: Box<[Token]>,
    /// Whether a namespace or a ServiceAccount is filled in.
    needs_subject: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// One character.
    One,
    /// Any run of characters, `/` included.
    Any,
    Namespace,
    ServiceAccount,
}

impl PathGlobs {
    /// Compiles a list.
    ///
    /// # Errors
    /// Names the first glob that does not compile.
    pub fn compile<S: AsRef<str>>(patterns: &[S]) -> Result<PathGlobs, PathGlobError> {
        let mut globs = PathGlobs { include: Vec::new(), exclude: Vec::new() };
        for (index, pattern) in patterns.iter().enumerate() {
            let at = |problem| PathGlobError { index, problem };
            match pattern.as_ref().strip_prefix('!') {
                None => globs.include.push(PathGlob::compile(pattern.as_ref()).map_err(at)?),
                Some("") => return Err(at(GlobProblem::LoneExclamation.into())),
                Some(pattern) => globs.exclude.push(PathGlob::compile(pattern).map_err(at)?),
            }
        }
        Ok(globs)
    }

    /// Whether the path fits one of the globs and none of the excluding ones, for a pod of this namespace and
    /// ServiceAccount. The path is as it is written: it is decoded here. `None` is a path that is not known.
    pub fn fit(&self, path: Option<&str>, namespace: &str, service_account: &str) -> Fit {
        let Some(path) = path.and_then(comparable) else { return Fit::Unknown };
        let fits = |glob: &PathGlob| glob.matches(&path, namespace, service_account);
        let included = self.include.is_empty() || self.include.iter().any(fits);
        if included && !self.exclude.iter().any(fits) { Fit::Yes } else { Fit::No }
    }

    /// The same where nobody asks what the rule does: a path that cannot be compared is in no glob, and so in no `!` either.
    pub fn matches(&self, path: &str, namespace: &str, service_account: &str) -> bool {
        match self.fit(Some(path), namespace, service_account) {
            Fit::Yes => true,
            Fit::No => false,
            Fit::Unknown => self.include.is_empty(),
        }
    }

    /// Whether the list is exactly `*`: then even what is not known fits.
    pub fn is_everything(&self) -> bool {
        self.exclude.is_empty() && matches!(&self.include[..], [glob] if glob.is_everything())
    }

    /// Whether something other than `*` must be fitted. A list that only excludes bounds nothing.
    pub fn is_bounded(&self) -> bool {
        !self.include.is_empty() && !self.include.iter().any(PathGlob::is_everything)
    }
}

impl fmt::Debug for PathGlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let excluded = self.exclude.iter().map(|glob| format!("!{}", glob.written));
        f.debug_list().entries(self.include.iter().map(|glob| glob.written.to_string()).chain(excluded)).finish()
    }
}

impl PathGlob {
    fn compile(pattern: &str) -> Result<PathGlob, PathGlobProblem> {
        // With the placeholders out of the way, what is left is a glob like any other.
        Glob::parse(&pattern.replace(NAMESPACE, "n").replace(SERVICE_ACCOUNT, "n"))?;
        if pattern.contains('%') {
            return Err(PathGlobProblem::Encoded);
        }
        let relative = pattern.strip_prefix('/').unwrap_or(pattern);
        let mut tokens = Vec::with_capacity(relative.len());
        for (index, segment) in relative.split('/').enumerate() {
            if matches!(segment, "" | "." | "..") {
                return Err(PathGlobProblem::NotClean);
            }
            if index > 0 {
                tokens.push(Token::Byte(b'/'));
            }
            push_segment(segment, &mut tokens)?;
        }
        let needs_subject = tokens.iter().any(|token| matches!(token, Token::Namespace | Token::ServiceAccount));
        Ok(PathGlob { written: pattern.into(), tokens: tokens.into(), needs_subject })
    }

    fn is_everything(&self) -> bool {
        self.tokens.iter().all(|token| *token == Token::Any)
    }

    fn matches(&self, path: &str, namespace: &str, service_account: &str) -> bool {
        if !self.needs_subject {
            return general(&self.tokens, path.as_bytes());
        }
        let mut tokens: SmallVec<[Token; 128]> = SmallVec::new();
        for token in &self.tokens {
            let name = match token {
                Token::Namespace => namespace,
                Token::ServiceAccount => service_account,
                other => {
                    tokens.push(*other);
                    continue;
                }
            };
            // Two segments are nobody's own. No other name needs a look: a path that is compared has no empty segment, no `.`.
            if name.contains('/') {
                return false;
            }
            tokens.extend(name.bytes().map(Token::Byte));
        }
        general(&tokens, path.as_bytes())
    }
}

fn push_segment(segment: &str, tokens: &mut Vec<Token>) -> Result<(), PathGlobProblem> {
    match segment {
        NAMESPACE => tokens.push(Token::Namespace),
        SERVICE_ACCOUNT => tokens.push(Token::ServiceAccount),
        _ if segment.contains(NAMESPACE) => return Err(PathGlobProblem::Partial(NAMESPACE)),
        _ if segment.contains(SERVICE_ACCOUNT) => return Err(PathGlobProblem::Partial(SERVICE_ACCOUNT)),
        _ => tokens.extend(segment.bytes().map(|byte| match byte {
            b'*' => Token::Any,
            b'?' => Token::One,
            byte => Token::Byte(byte),
        })),
    }
    Ok(())
}

/// The path decoded and without its leading slash; nothing where two programs could read it as two paths. Vault's client
/// resolves `..` and `//` before it asks (`path.Join` in `NewRequest` of its api package), others take them as they stand.
///
/// Nor where the kubelet has yet to expand it: `$(VAR)` may become anything.
fn comparable(path: &str) -> Option<Cow<'_, str>> {
    if path.contains("$(") {
        return None;
    }
    let decoded = decode(path)?;
    let clean = |text: &str| {
        let relative = text.strip_prefix('/').unwrap_or(text);
        relative.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
            && !text.contains(|character: char| character == '\\' || character.is_control())
    };
    if !clean(&decoded) {
        return None;
    }
    Some(match decoded {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('/').unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(text.strip_prefix('/').map(str::to_owned).unwrap_or(text)),
    })
}

/// Decodes `%2F` and its like once. A `%` that is left, or stands for nothing, could be read in two ways.
fn decode(path: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'%', path.as_bytes()).is_none() {
        return Some(Cow::Borrowed(path));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = u8::try_from(digit()? * 16 + digit()?).ok()?;
        if value == b'%' {
            return None;
        }
        decoded.push(value);
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// As in `policy::glob`: only the last `*` is ever taken up again, what an earlier one took can stay as short as possible.
fn general(pattern: &[Token], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(Token::Any) => {
                at += 1;
                retry = Some((at, from));
                continue;
            }
            Some(Token::One) => {
                at += 1;
                from += character_length(text[from]);
                continue;
            }
            Some(Token::Byte(byte)) if *byte == text[from] => {
                at += 1;
                from += 1;
                continue;
            }
            _ => {}
        }
        let Some((after_star, taken)) = retry else { return false };
        let taken = taken + character_length(text[taken]);
        retry = Some((after_star, taken));
        (at, from) = (after_star, taken);
    }
    pattern[at..].iter().all(|token| *token == Token::Any)
}

/// Length in bytes of the UTF-8 character that begins with this byte.
fn character_length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn globs(patterns: &[&str]) -> PathGlobs {
        PathGlobs::compile(patterns).unwrap()
    }

    fn matches(pattern: &str, path: &str, namespace: &str) -> bool {
        globs(&[pattern]).matches(path, namespace, "app")
    }

    fn problem(pattern: &str) -> PathGlobProblem {
        PathGlobs::compile(&["fine", pattern]).unwrap_err().problem
    }

    #[test]
    fn a_namespace_stands_for_the_whole_segment() {
        assert!(matches("secret/data/{namespace}", "secret/data/team-a", "team-a"));
        assert!(!matches("secret/data/{namespace}", "secret/data/team-a", "team"));
        assert!(!matches("secret/data/{namespace}", "secret/data/team", "team-a"));
        assert!(!matches("secret/data/{namespace}/*", "secret/data/team-a/x", "team"));
        assert!(matches("{namespace}", "team-a", "team-a"));
        assert!(matches("{namespace}/{serviceAccount}/?", "team-a/app/é", "team-a"));
        assert!(!matches("{namespace}/{serviceAccount}/?", "team-a/other/x", "team-a"));
    }

    #[test]
    fn a_path_that_climbs_is_in_no_glob() {
        for path in [
            "secret/data/team-a/../team-b/x",
            "secret/data/team-a/..",
            "secret/data/team-a/%2e%2e/team-b/x",
            "secret/data/team-a%2F..%2Fteam-b/x",
            "secret/data/team-a/%252e%252e/team-b/x",
            "secret/data/team-a/./x",
            "secret/data/team-a//x",
            "secret/data/team-a/",
            "//secret/data/team-a/x",
            "secret/data/team-a/..\\team-b",
            "secret/data/team-a/x\n",
            "secret/data/team-a/%zz",
            "secret/data/team-a/%2",
            "secret/data/team-a/%ff",
            "secret/data/team-a/%+1",
            "secret/data/team-a/$(UP)/team-b/x",
            "secret/data/team-a/x$(REST)",
            "",
        ] {
            assert!(!matches("secret/data/{namespace}/*", path, "team-a"), "{path:?}");
            assert!(globs(&["!secret/data/{namespace}/*"]).matches(path, "team-a", "app"), "{path:?}");
            assert!(globs(&["!*"]).matches(path, "team-a", "app"), "{path:?}");
            for patterns in [&["*"][..], &["!*"], &["secret/*"]] {
                assert_eq!(globs(patterns).fit(Some(path), "team-a", "app"), Fit::Unknown, "{path:?}");
            }
        }
        assert_eq!(globs(&["*"]).fit(None, "team-a", "app"), Fit::Unknown);
    }

    #[test]
    fn paths_are_decoded_before_they_are_compared() {
        assert!(matches("secret/data/{namespace}/*", "secret%2Fdata%2fteam-a/x", "team-a"));
        assert!(matches("secret/data/team-a/*", "secret/data/%74eam-a/x", "x"));
        assert!(matches("a/é", "a/%c3%A9", "x"));
        assert!(!matches("secret/data/{namespace}/*", "secret/data/team-b%2Fteam-a/x", "team-a"));
    }

    #[test]
    fn a_leading_slash_means_nothing_on_either_side() {
        assert!(matches("/prod/{namespace}/*", "prod/team-a/db", "team-a"));
        assert!(matches("prod/{namespace}/*", "/prod/team-a/db", "team-a"));
    }

    #[test]
    fn a_star_crosses_segments_and_an_exclamation_mark_excludes() {
        let own = globs(&["!secret/data/{namespace}/*", "!shared/*"]);
        assert!(!own.matches("secret/data/team-a/deep/down", "team-a", "app"));
        assert!(!own.matches("shared/x", "team-a", "app"));
        assert!(own.matches("secret/data/team-b/x", "team-a", "app"));
        assert!(own.matches("secret/data/team-ab/x", "team-a", "app"));
        let some = globs(&["secret/*", "!secret/data/{namespace}/*"]);
        assert!(some.matches("secret/data/team-b/x", "team-a", "app"));
        assert!(!some.matches("kv/team-b", "team-a", "app"));
        assert!(!some.matches("secret/../kv", "team-a", "app"));
    }

    #[test]
    fn a_hostile_name_is_taken_by_its_letters() {
        for namespace in ["*", "?", "t*", "{serviceAccount}", "", ".", "..", "a/b", "!x"] {
            assert!(!matches("secret/data/{namespace}/*", "secret/data/team-b/x", namespace), "{namespace}");
            assert!(
                globs(&["!secret/data/{namespace}/*"]).matches("secret/data/team-b/x", namespace, "*"),
                "{namespace}"
            );
        }
        assert!(!matches("secret/{namespace}/x", "secret/a/b/x", "a/b"));
        assert!(matches("secret/{namespace}/x", "secret/t*/x", "t*"));
    }

    #[test]
    fn what_does_not_compile_says_why() {
        assert_eq!(problem("secret/team-{namespace}/*"), PathGlobProblem::Partial("{namespace}"));
        assert_eq!(problem("secret/{namespace}*"), PathGlobProblem::Partial("{namespace}"));
        assert_eq!(problem("{serviceAccount}-db"), PathGlobProblem::Partial("{serviceAccount}"));
        assert_eq!(problem("{namespace}{serviceAccount}"), PathGlobProblem::Partial("{namespace}"));
        assert_eq!(problem("secret/{name}"), PathGlobProblem::Glob(GlobProblem::Character('{')));
        assert_eq!(problem("secret/[ab]"), PathGlobProblem::Glob(GlobProblem::Character('[')));
        assert_eq!(problem(""), PathGlobProblem::Glob(GlobProblem::Empty));
        assert_eq!(problem("!"), PathGlobProblem::Glob(GlobProblem::LoneExclamation));
        assert_eq!(problem("secret/../x"), PathGlobProblem::NotClean);
        assert_eq!(problem("secret//x"), PathGlobProblem::NotClean);
        assert_eq!(problem("secret/"), PathGlobProblem::NotClean);
        assert_eq!(problem("!secret%2Fx"), PathGlobProblem::Encoded);
        assert_eq!(PathGlobs::compile(&["a", "b%"]).unwrap_err().index, 1);
        let text = PathGlobs::compile(&["x-{namespace}"]).unwrap_err().to_string();
        assert!(text.contains("whole segment") && text.contains("secret/data/{namespace}/*"), "{text}");
    }

    #[test]
    fn only_a_lone_star_is_everything() {
        assert!(globs(&["*"]).is_everything() && !globs(&["*"]).is_bounded());
        assert!(!globs(&["*", "!a"]).is_everything());
        assert!(!globs(&["!a"]).is_bounded());
        assert!(globs(&["{namespace}/*"]).is_bounded());
    }

    #[test]
    fn many_stars_do_not_blow_up() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(20_000), "x"));
    }

    proptest! {
        #[test]
        fn without_placeholders_it_is_the_glob_that_policies_know(pattern in "[abé*?]{1,4}(/[abé*?]{1,3}){0,2}", path in "[abé]{1,4}(/[abé]{1,3}){0,3}") {
            prop_assert_eq!(matches(&pattern, &path, "n"), Glob::parse(&pattern).unwrap().matches(&path));
        }

        #[test]
        fn a_placeholder_is_the_name_written_out(namespace in "[a-c-]{1,4}", path in "[a-c/-]{1,12}") {
            let written = format!("*/{namespace}/*");
            prop_assert_eq!(matches("*/{namespace}/*", &path, &namespace), matches(&written, &path, &namespace));
        }

        #[test]
        fn what_is_allowed_lies_below_the_namespace_once_it_is_resolved(
            path in "(s(/|%2f|//)team(/|%2F))?(s|team|team-a|\\.|\\.\\.|/|%2[fFeE]|%25|%){0,6}",
        ) {
            if matches("s/{namespace}/*", &path, "team") {
                let decoded = path.replace("%2f", "/").replace("%2F", "/").replace("%2e", ".").replace("%2E", ".");
                let mut resolved = Vec::new();
                for segment in decoded.split('/') {
                    match segment {
                        "" | "." => {}
                        ".." => drop(resolved.pop()),
                        other => resolved.push(other),
                    }
                }
                prop_assert_eq!(&resolved[..2], &["s", "team"][..]);
            }
        }

        #[test]
        fn encoding_changes_nothing(path in "[a-c]{1,3}(/[a-c]{1,3}){0,3}", every in 1..4usize) {
            let encoded: String = path.bytes().enumerate().map(|(index, byte)| if index % every == 0 { format!("%{byte:02x}") } else { char::from(byte).to_string() }).collect();
            for pattern in ["a*", "{namespace}/*", "?/b*", "!a/*"] {
                prop_assert_eq!(matches(pattern, &encoded, "a"), matches(pattern, &path, "a"));
            }
        }
    }
}
