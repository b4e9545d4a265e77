//! Names that many objects hold, each once in memory: of 10,000 bindings they would be most of the weight.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A name that is shared. One pointer wide, not two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name(Arc<Box<str>>);

impl From<&str> for Name {
    fn from(name: &str) -> Name {
        Name(Arc::new(name.into()))
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The names in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    all: HashSet<Name>,
    /// At this many the unused ones are dropped.
    limit: usize,
}

impl Names {
    /// Makes it the one that others of this name are.
    pub(super) fn share(&mut self, name: &mut Name) {
        if let Some(shared) = self.all.get(&**name) {
            *name = shared.clone();
            return;
        }
        if self.all.len() >= self.limit {
            self.all.retain(|name| Arc::strong_count(&name.0) > 1);
            self.limit = 2 * self.all.len() + 1024;
        }
        self.all.insert(name.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_memory_once_and_not_for_ever() {
        let mut names = Names::default();
        let (mut first, mut second) = (Name::from("web"), Name::from("web"));
        names.share(&mut first);
        names.share(&mut second);
        assert!(Arc::ptr_eq(&first.0, &second.0));
        for index in 0..100_000 {
            names.share(&mut Name::from(index.to_string().as_str()));
        }
        assert!(names.all.len() < 4096, "{}", names.all.len());
        assert!(names.all.contains("web"));
    }
}
