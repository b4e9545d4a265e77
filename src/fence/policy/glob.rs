//! Globs: anchored; `*` is any run of characters, `/` included, and `?` is one; `!` in front excludes.

mod relate;

use std::fmt;

use super::image::{self, ImageName};

/// A list of globs. With only excluding ones, everything else is meant.
#[derive(Clone, PartialEq, Eq)]
pub struct Globs {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
}

/// One glob.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob {
    pattern: Box<str>,
    shape: Shape,
}

/// Globs on images: both sides are normalised (see [`ImageName`]).
#[derive(Clone, PartialEq, Eq)]
pub struct ImageGlobs {
    include: Vec<ImageGlob>,
    exclude: Vec<ImageGlob>,
}

/// One glob on images. A part that the pattern does not name is not looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageGlob {
    written: Box<str>,
    repository: Glob,
    tag: Option<Glob>,
    digest: Option<Glob>,
}

/// A glob that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct GlobError {
    /// Which one of the list.
    pub index: usize,
    /// What is wrong with it.
    pub problem: GlobProblem,
}

/// Why a glob does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobProblem {
    /// Nothing but the empty string would match.
    #[error("an empty glob matches nothing: name something, or write \"*\" for everything")]
    Empty,
    /// A `!` that excludes nothing.
    #[error("\"!\" excludes nothing: a glob follows it, such as \"!kube-*\"")]
    LoneExclamation,
    /// A `!` where only a single glob has its place.
    #[error("a single glob cannot exclude: leave out the \"!\", or name what is meant")]
    Excludes,
    /// A character that means something in other glob languages.
    #[error(
        "{0:?} is not part of a glob here: globs know \"*\" (any run of characters), \"?\" (one character) and a \"!\" in front"
    )]
    Character(char),
    /// A control character.
    #[error("the glob holds the control character {0:?}: no name has one")]
    Control(char),
}

/// How to match without walking the pattern. `General` is the pattern itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Everything,
    Literal,
    /// The pattern without its last character.
    Prefix,
    /// The pattern without its first character.
    Suffix,
    General,
}

impl Globs {
    /// Compiles a list. The error names the first glob that does not compile.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Globs, GlobError> {
        let mut globs = Globs { include: Vec::new(), exclude: Vec::new() };
        for (index, pattern) in patterns.iter().enumerate() {
            let at = |problem| GlobError { index, problem };
            match split_exclamation(pattern.as_ref()).map_err(at)? {
                (false, pattern) => globs.include.push(Glob::parse(pattern).map_err(at)?),
                (true, pattern) => globs.exclude.push(Glob::parse(pattern).map_err(at)?),
            }
        }
        Ok(globs)
    }

    /// Whether the text fits one of the globs and none of the excluding ones.
    pub fn matches(&self, text: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|glob| glob.matches(text)))
            && !self.exclude.iter().any(|glob| glob.matches(text))
    }

    /// Whether the list is exactly `*`: then even what is not known fits.
    pub fn is_everything(&self) -> bool {
        self.exclude.is_empty() && matches!(&self.include[..], [glob] if glob.shape == Shape::Everything)
    }

    /// Whether something other than `*` must be fitted. A list that only excludes bounds nothing.
    pub fn is_bounded(&self) -> bool {
        !self.include.is_empty() && self.include.iter().all(|glob| glob.shape != Shape::Everything)
    }

    /// The globs that include.
    pub fn included(&self) -> &[Glob] {
        &self.include
    }

    /// The globs that exclude, without their `!`.
    pub fn excluded(&self) -> &[Glob] {
        &self.exclude
    }
}

impl fmt::Debug for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let excluded = self.exclude.iter().map(|glob| format!("!{}", glob.pattern));
        f.debug_list().entries(self.include.iter().map(|glob| glob.pattern.to_string()).chain(excluded)).finish()
    }
}

impl Glob {
    /// Compiles one glob, which cannot exclude.
    pub fn parse(pattern: &str) -> Result<Glob, GlobProblem> {
        if pattern.is_empty() {
            return Err(GlobProblem::Empty);
        }
        for character in pattern.chars() {
            match character {
                '[' | ']' | '{' | '}' | '\\' => return Err(GlobProblem::Character(character)),
                _ if character.is_control() => return Err(GlobProblem::Control(character)),
                _ => {}
            }
        }
        Ok(Glob { pattern: pattern.into(), shape: shape_of(pattern) })
    }

    /// Whether the whole text fits. Allocates nothing; time is at most the product of the lengths.
    pub fn matches(&self, text: &str) -> bool {
        match self.shape {
            Shape::Everything => true,
            Shape::Literal => text == &*self.pattern,
            Shape::Prefix => text.as_bytes().starts_with(&self.pattern.as_bytes()[..self.pattern.len() - 1]),
            Shape::Suffix => text.as_bytes().ends_with(&self.pattern.as_bytes()[1..]),
            Shape::General => general(self.pattern.as_bytes(), text.as_bytes()),
        }
    }

    /// The text that is meant, where the glob has no wildcard.
    pub fn literal(&self) -> Option<&str> {
        (self.shape == Shape::Literal).then_some(&*self.pattern)
    }

    /// What every match begins with; empty where nothing is certain.
    pub fn literal_prefix(&self) -> &str {
        self.pattern.split(['*', '?']).next().unwrap_or_default()
    }

    /// What every match ends with; empty where nothing is certain.
    pub fn literal_suffix(&self) -> &str {
        self.pattern.rsplit(['*', '?']).next().unwrap_or_default()
    }

    /// How much of the pattern is fixed, in bytes: of two globs that match, the one with more is the more specific.
    pub fn specificity(&self) -> usize {
        self.pattern.bytes().filter(|byte| !matches!(byte, b'*' | b'?')).count()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.pattern, f)
    }
}

impl ImageGlobs {
    /// Compiles a list. The error names the first glob that does not compile.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<ImageGlobs, GlobError> {
        let mut globs = ImageGlobs { include: Vec::new(), exclude: Vec::new() };
        for (index, pattern) in patterns.iter().enumerate() {
            let at = |problem| GlobError { index, problem };
            match split_exclamation(pattern.as_ref()).map_err(at)? {
                (false, pattern) => globs.include.push(ImageGlob::parse(pattern).map_err(at)?),
                (true, pattern) => globs.exclude.push(ImageGlob::parse(pattern).map_err(at)?),
            }
        }
        Ok(globs)
    }

    /// Whether the image fits one of the globs and none of the excluding ones.
    pub fn matches(&self, image: &ImageName<'_>) -> bool {
        (self.include.is_empty() || self.include.iter().any(|glob| glob.matches(image)))
            && !self.exclude.iter().any(|glob| glob.matches(image))
    }

    /// Whether the list is exactly `*`: then even what is not known fits.
    pub fn is_everything(&self) -> bool {
        self.exclude.is_empty() && matches!(&self.include[..], [glob] if &*glob.written == "*")
    }

    /// The globs that include.
    pub fn included(&self) -> &[ImageGlob] {
        &self.include
    }
}

impl fmt::Debug for ImageGlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let excluded = self.exclude.iter().map(|glob| format!("!{}", glob.written));
        f.debug_list().entries(self.include.iter().map(|glob| glob.written.to_string()).chain(excluded)).finish()
    }
}

impl ImageGlob {
    /// Compiles one glob. A pattern that begins with `*` is not given a registry.
    pub fn parse(pattern: &str) -> Result<ImageGlob, GlobProblem> {
        Glob::parse(pattern)?;
        let parts = image::split(pattern);
        let repository =
            if pattern.starts_with('*') { parts.repository.into() } else { image::normalise(parts.repository) };
        Ok(ImageGlob {
            written: pattern.into(),
            repository: Glob::parse(&repository)?,
            tag: parts.tag.map(Glob::parse).transpose()?,
            digest: parts.digest.map(Glob::parse).transpose()?,
        })
    }

    /// Whether the image fits. A tag of `*` fits an image without one; a digest must be there.
    pub fn matches(&self, image: &ImageName<'_>) -> bool {
        self.repository.matches(&image.repository)
            && self.tag.as_ref().is_none_or(|glob| glob.matches(image.tag.unwrap_or_default()))
            && self.digest.as_ref().is_none_or(|glob| image.digest.is_some_and(|digest| glob.matches(digest)))
    }

    /// Whether the pattern itself says which registry, so that nobody else's image fits.
    pub fn names_registry(&self) -> bool {
        self.written
            .split_once('/')
            .is_some_and(|(registry, _)| image::is_registry(registry) && !registry.contains(['*', '?']))
    }
}

impl fmt::Display for ImageGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn split_exclamation(pattern: &str) -> Result<(bool, &str), GlobProblem> {
    match pattern.strip_prefix('!') {
        None => Ok((false, pattern)),
        Some("") => Err(GlobProblem::LoneExclamation),
        Some(rest) => Ok((true, rest)),
    }
}

fn shape_of(pattern: &str) -> Shape {
    let stars = pattern.bytes().filter(|byte| *byte == b'*').count();
    if stars == pattern.len() {
        return Shape::Everything;
    }
    if pattern.contains('?') || stars > 1 {
        return Shape::General;
    }
    match (stars, pattern.ends_with('*'), pattern.starts_with('*')) {
        (0, ..) => Shape::Literal,
        (1, true, _) => Shape::Prefix,
        (1, _, true) => Shape::Suffix,
        _ => Shape::General,
    }
}

/// Only the last `*` is ever taken up again: what an earlier one took can stay as short as possible.
fn general(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, from));
                continue;
            }
            Some(b'?') => {
                at += 1;
                from += character_length(text[from]);
                continue;
            }
            Some(byte) if *byte == text[from] => {
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
    pattern[at..].iter().all(|byte| *byte == b'*')
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

    fn globs(patterns: &[&str]) -> Globs {
        Globs::parse(patterns).unwrap()
    }

    fn images(patterns: &[&str]) -> ImageGlobs {
        ImageGlobs::parse(patterns).unwrap()
    }

    /// By the definition: `*` takes every possible run.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            Some(('?', rest)) => !text.is_empty() && naive(rest, &text[1..]),
            Some((character, rest)) => text.first() == Some(character) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn matches_what_a_naive_matcher_matches(pattern in "[ab/é*?]{1,8}", text in "[ab/é🦀]{0,10}") {
            let expected = naive(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
            prop_assert_eq!(Glob::parse(&pattern).unwrap().matches(&text), expected);
        }

        #[test]
        fn every_match_begins_and_ends_as_promised(pattern in "[ab*?]{1,6}", text in "[ab]{0,8}") {
            let glob = Glob::parse(&pattern).unwrap();
            if glob.matches(&text) {
                prop_assert!(text.starts_with(glob.literal_prefix()));
                prop_assert!(text.ends_with(glob.literal_suffix()));
            }
        }
    }

    #[test]
    fn globs_are_anchored() {
        assert!(globs(&["team"]).matches("team"));
        assert!(!globs(&["team"]).matches("team-a"));
        assert!(!globs(&["team"]).matches("a-team"));
    }

    #[test]
    fn a_star_crosses_slashes() {
        assert!(globs(&["a/*/d"]).matches("a/b/c/d"));
        assert!(globs(&["a*"]).matches("a/b"));
    }

    #[test]
    fn a_question_mark_is_one_character() {
        assert!(globs(&["t?"]).matches("té"));
        assert!(!globs(&["t?"]).matches("t"));
        assert!(!globs(&["t?"]).matches("tab"));
    }

    #[test]
    fn an_exclamation_mark_excludes_from_what_is_included() {
        let globs = globs(&["team-*", "!team-b"]);
        assert!(globs.matches("team-a"));
        assert!(!globs.matches("team-b"));
        assert!(!globs.matches("other"));
    }

    #[test]
    fn only_excluding_globs_mean_everything_else() {
        let globs = globs(&["!kube-*", "!istio"]);
        assert!(globs.matches("team-a"));
        assert!(!globs.matches("kube-system"));
        assert!(!globs.is_everything());
    }

    #[test]
    fn only_a_lone_star_is_everything() {
        assert!(globs(&["*"]).is_everything());
        assert!(!globs(&["*", "a"]).is_everything());
        assert!(!globs(&["*", "!a"]).is_everything());
        assert!(!globs(&["?*"]).is_everything());
        assert!(images(&["*"]).is_everything());
        assert!(!images(&["*:*"]).is_everything());
    }

    #[test]
    fn what_other_glob_languages_know_does_not_compile() {
        for pattern in ["a[bc]", "a]", "{a,b}", "a}", "a\\*"] {
            let error = Globs::parse(&["fine", pattern]).unwrap_err();
            assert_eq!(error.index, 1);
            assert!(error.to_string().contains("globs know \"*\""), "{error}");
        }
        assert_eq!(Globs::parse(&[""]).unwrap_err().problem, GlobProblem::Empty);
        assert_eq!(Globs::parse(&["!"]).unwrap_err().problem, GlobProblem::LoneExclamation);
        assert_eq!(Globs::parse(&["a\u{1b}"]).unwrap_err().problem, GlobProblem::Control('\u{1b}'));
    }

    #[test]
    fn many_stars_do_not_blow_up() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!Glob::parse(&pattern).unwrap().matches(&"a".repeat(20_000)));
    }

    #[test]
    fn an_image_pattern_without_tag_or_digest_ignores_both() {
        for image in ["nginx", "nginx:1.27", "docker.io/library/nginx@sha256:abc", "index.docker.io/nginx:1@sha256:abc"]
        {
            assert!(images(&["nginx"]).matches(&ImageName::parse(image)), "{image}");
        }
        assert!(!images(&["nginx"]).matches(&ImageName::parse("registry.example.com/nginx")));
        assert!(!images(&["nginx"]).matches(&ImageName::parse("bitnami/nginx")));
    }

    #[test]
    fn an_image_pattern_with_a_tag_ignores_the_digest() {
        assert!(images(&["nginx:1.*"]).matches(&ImageName::parse("nginx:1.27@sha256:abc")));
        assert!(!images(&["nginx:1.*"]).matches(&ImageName::parse("nginx:2")));
        assert!(!images(&["nginx:1.*"]).matches(&ImageName::parse("nginx@sha256:abc")));
    }

    #[test]
    fn an_image_pattern_with_a_digest_ignores_the_tag() {
        assert!(images(&["nginx@sha256:a*"]).matches(&ImageName::parse("nginx:1@sha256:abc")));
        assert!(!images(&["nginx@sha256:a*"]).matches(&ImageName::parse("nginx:1@sha256:bcd")));
        assert!(!images(&["nginx@*"]).matches(&ImageName::parse("nginx:1")));
    }

    #[test]
    fn an_image_without_tag_and_digest_is_the_latest() {
        assert!(images(&["nginx:latest"]).matches(&ImageName::parse("nginx")));
        assert!(!images(&["nginx:latest"]).matches(&ImageName::parse("nginx@sha256:abc")));
    }

    #[test]
    fn a_port_is_not_a_tag() {
        assert!(images(&["localhost:5000/*"]).matches(&ImageName::parse("localhost:5000/team/app:3")));
        assert!(!images(&["localhost:5000/*"]).matches(&ImageName::parse("localhost:5001/team/app")));
    }

    #[test]
    fn an_image_pattern_that_begins_with_a_star_is_left_as_it_is() {
        assert!(images(&["*/vendor/*"]).matches(&ImageName::parse("registry.example.com/vendor/app")));
        assert!(images(&["*nginx*"]).matches(&ImageName::parse("bitnami/nginx-exporter:1")));
        assert!(images(&["*:latest"]).matches(&ImageName::parse("quay.io/a/b")));
    }

    #[test]
    fn a_registry_as_a_whole_can_be_named() {
        assert!(images(&["docker.io/*"]).matches(&ImageName::parse("bitnami/redis")));
        assert!(images(&["docker.io/*"]).matches(&ImageName::parse("redis")));
        assert!(images(&["bitnami/*"]).matches(&ImageName::parse("docker.io/bitnami/redis:7")));
        assert!(!images(&["registry.example.com/*"]).matches(&ImageName::parse("registry.example.com.evil.io/a")));
    }

    #[test]
    fn knows_whether_a_pattern_names_its_registry() {
        let names = |pattern| ImageGlob::parse(pattern).unwrap().names_registry();
        assert!(names("registry.example.com/vendor/*"));
        assert!(names("localhost:5000/a"));
        assert!(names("docker.io/library/nginx:1"));
        assert!(!names("nginx"));
        assert!(!names("vendor/*"));
        assert!(!names("*.example.com/vendor"));
        assert!(!names("*/vendor/*"));
    }
}
