//! How two globs relate. Every "yes" here is certain; a "no" may only be unproven, so that nobody is warned wrongly.

use super::{Glob, Globs, ImageGlob, ImageGlobs, Shape};

impl Globs {
    /// Whether whatever fits the other list certainly fits this one.
    pub fn covers(&self, other: &Globs) -> bool {
        covers(&self.include, &other.include, Glob::covers)
            && self.exclude.iter().all(|excluded| {
                other.exclude.iter().any(|its| its.covers(excluded))
                    || !other.include.is_empty() && other.include.iter().all(|its| !its.may_meet(excluded))
            })
    }

    /// Whether certainly nothing fits both lists.
    pub fn never_meets(&self, other: &Globs) -> bool {
        let excludes = |exclude: &[Glob], glob: &Glob| exclude.iter().any(|its| its.covers(glob));
        let gone = |globs: &Globs, glob: &Glob| excludes(&globs.exclude, glob);
        match (&self.include[..], &other.include[..]) {
            ([], []) => false,
            (include, []) | ([], include) => include.iter().all(|glob| gone(self, glob) || gone(other, glob)),
            (mine, others) => mine.iter().all(|a| {
                gone(self, a)
                    || gone(other, a)
                    || others.iter().all(|b| gone(self, b) || gone(other, b) || !a.may_meet(b))
            }),
        }
    }

    /// Whether certainly nothing fits the list.
    pub fn is_nothing(&self) -> bool {
        if self.include.is_empty() {
            return self.exclude.iter().any(|glob| glob.shape == Shape::Everything);
        }
        self.include.iter().all(|glob| self.exclude.iter().any(|its| its.covers(glob)))
    }

    /// Whether certainly everything fits the list.
    pub fn fits_all(&self) -> bool {
        self.exclude.is_empty() && self.include.iter().any(|glob| glob.shape == Shape::Everything)
    }
}

impl Glob {
    /// Whether whatever fits the other glob certainly fits this one: the other's pattern is read as a text in which only
    /// `*` takes a `*`, and only `*` and `?` take a `?`.
    pub fn covers(&self, other: &Glob) -> bool {
        let (mine, others) = (self.characters(), other.characters());
        table(&mine, &others, |mine, others, rest| match (mine, others) {
            (None, None) => true,
            (Some('*'), None) => rest(1, 0),
            (Some('*'), Some(_)) => rest(1, 0) || rest(0, 1),
            (Some('?'), Some(other)) => other != '*' && rest(1, 1),
            (Some(mine), Some(other)) => mine == other && rest(1, 1),
            (None, Some(_)) | (Some(_), None) => false,
        })
    }

    /// Whether something may fit both.
    pub fn may_meet(&self, other: &Glob) -> bool {
        let (mine, others) = (self.characters(), other.characters());
        table(&mine, &others, |mine, others, rest| match (mine, others) {
            (None, None) => true,
            (Some('*'), Some(_)) => rest(1, 0) || rest(0, 1),
            (Some('*'), None) => rest(1, 0),
            (Some(_), Some('*')) => rest(0, 1) || rest(1, 0),
            (None, Some('*')) => rest(0, 1),
            (Some(mine), Some(other)) => (mine == '?' || other == '?' || mine == other) && rest(1, 1),
            (None, Some(_)) | (Some(_), None) => false,
        })
    }

    fn characters(&self) -> Vec<char> {
        self.pattern.chars().collect()
    }
}

impl ImageGlobs {
    /// Whether whatever image fits the other list certainly fits this one.
    pub fn covers(&self, other: &ImageGlobs) -> bool {
        // What an excluding glob leaves is not looked into: only the same one is known to leave the same.
        covers(&self.include, &other.include, ImageGlob::covers)
            && self.exclude.iter().all(|excluded| other.exclude.iter().any(|its| its.covers(excluded)))
    }
}

impl ImageGlob {
    fn covers(&self, other: &ImageGlob) -> bool {
        let part = |mine: &Option<Glob>, others: &Option<Glob>| match (mine, others) {
            (None, _) => true,
            (Some(mine), Some(others)) => mine.covers(others),
            (Some(_), None) => false,
        };
        self.repository.covers(&other.repository) && part(&self.tag, &other.tag) && part(&self.digest, &other.digest)
    }
}

/// A list that includes nothing by name means everything.
fn covers<T>(mine: &[T], others: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    mine.is_empty() || !others.is_empty() && others.iter().all(|other| mine.iter().any(|mine| covers(mine, other)))
}

/// Decides every pair of remainders, the shortest first; `rest` is what was decided of a pair so many characters on.
fn table(
    mine: &[char],
    others: &[char],
    decide: impl Fn(Option<char>, Option<char>, &dyn Fn(usize, usize) -> bool) -> bool,
) -> bool {
    let width = others.len() + 1;
    let mut decided = vec![false; (mine.len() + 1) * width];
    for at in (0..=mine.len()).rev() {
        for from in (0..width).rev() {
            let rest = |a: usize, b: usize| {
                let inside = at + a <= mine.len() && from + b < width;
                inside && decided[(at + a) * width + from + b]
            };
            let answer = decide(mine.get(at).copied(), others.get(from).copied(), &rest);
            decided[at * width + from] = answer;
        }
    }
    decided[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(pattern: &str) -> Glob {
        Glob::parse(pattern).unwrap()
    }

    fn globs(patterns: &[&str]) -> Globs {
        Globs::parse(patterns).unwrap()
    }

    #[test]
    fn one_glob_covers_another() {
        for (wide, narrow) in [("*", "a"), ("a*", "a"), ("a*", "ab*"), ("*-db", "x-*-db"), ("?", "a"), ("a*c", "abc")] {
            assert!(glob(wide).covers(&glob(narrow)), "{wide} {narrow}");
        }
        for (wide, narrow) in [("a", "*"), ("ab*", "a*"), ("?", "*"), ("a?", "a*"), ("a", "b"), ("a*c", "a*")] {
            assert!(!glob(wide).covers(&glob(narrow)), "{wide} {narrow}");
        }
    }

    #[test]
    fn excluding_globs_count() {
        assert!(!globs(&["a*", "!ab"]).covers(&globs(&["a*"])));
        assert!(globs(&["a*", "!ab"]).covers(&globs(&["a*", "!a?"])));
        assert!(globs(&["!b"]).covers(&globs(&["a*"])));
        assert!(globs(&["a", "b*"]).covers(&globs(&["b1", "a"])));
        assert!(!globs(&["a"]).covers(&globs(&["!b"])));
        assert!(globs(&["a", "!a"]).is_nothing() && globs(&["!*"]).is_nothing() && !globs(&["a", "!b"]).is_nothing());
        assert!(globs(&["a"]).never_meets(&globs(&["!a"])) && globs(&["a*"]).never_meets(&globs(&["b*"])));
        assert!(!globs(&["a*"]).never_meets(&globs(&["*b"])) && !globs(&["!a"]).never_meets(&globs(&["!b"])));
    }

    proptest! {
        /// Over words of two letters every claim can be held against what really fits.
        #[test]
        fn no_claim_is_wrong(a in "!?[ab*?]{1,4}", b in "!?[ab*?]{1,4}", c in "[ab*?]{1,3}", text in "[ab]{0,5}") {
            prop_assume!(a != "!" && b != "!");
            let (list, other) = (globs(&[&a, &c]), globs(&[&b]));
            for (one, two) in [(&list, &other), (&other, &list)] {
                if one.covers(two) {
                    prop_assert!(!two.matches(&text) || one.matches(&text));
                }
                if one.never_meets(two) {
                    prop_assert!(!(two.matches(&text) && one.matches(&text)));
                }
                prop_assert!(!(one.is_nothing() && one.matches(&text)));
                prop_assert!(!one.fits_all() || one.matches(&text));
            }
        }
    }
}
