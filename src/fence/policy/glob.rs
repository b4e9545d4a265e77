//! Globs: anchored; `*` is any run of characters, `/` included, and `?` is one; `!` in front excludes.

use std::fmt;

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
}

/// Globs on images: both sides are normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageGlobs(pub Globs);

impl fmt::Debug for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let excluded = self.exclude.iter().map(|glob| format!("!{}", glob.pattern));
        f.debug_list().entries(self.include.iter().map(|glob| glob.pattern.to_string()).chain(excluded)).finish()
    }
}
