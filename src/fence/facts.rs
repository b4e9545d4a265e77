//! What is known beside the object: plain data, handed in.
//!
//! A clone shares everything, and a map that is changed while somebody judges by it is copied shallowly: so a watch of ten
//! thousand Secrets hands out a new state for the price of one namespace.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::civil::Date;

use super::access::Access;
use super::kind::KindSet;
use super::rules::copies::Origin;
use super::rules::provider_class::ProviderClass;

/// What is known beside the object.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The day on which exceptions are judged, in UTC.
    pub today: Date,
    /// The labels of the namespaces that are known, by name.
    pub namespaces: Arc<HashMap<Arc<str>, Labels>>,
    /// The key names of Secrets that are known, by namespace and name. Never their values.
    pub secret_keys: HashMap<(String, String), Vec<String>>,
    /// What is known of Secrets: whether each is a copy. One that is not here is not known.
    pub secrets: Arc<ByNamespace<Option<Origin>>>,
    /// The namespaces of the Secrets behind SharedSecrets, by the SharedSecret's name.
    pub shared_secrets: Arc<HashMap<String, String>>,
    /// The paths that SecretProviderClasses read.
    pub provider_classes: Arc<ByNamespace<ProviderClass>>,
    /// The ServiceAccounts whose tokens Secrets hold, by the Secret's namespace and name. Only manifests tell: a watch would need
    /// the right to all Secrets.
    pub token_secrets: Arc<HashMap<(String, String), String>>,
    /// Who may do what; absent where nobody has told: then `reach` is not judged.
    pub access: Option<Arc<Access>>,
    /// The kinds of which nobody has told, though somebody was asked: none of them is judged, since what is not known would
    /// fit a rule, or not, by accident. Of those that the inventory lists [on demand](KindSet::ON_DEMAND).
    pub not_told: KindSet,
}

impl Facts {
    /// Nothing is known but the date.
    pub fn on(today: Date) -> Facts {
        Facts {
            today,
            namespaces: Arc::default(),
            secret_keys: HashMap::new(),
            secrets: Arc::default(),
            shared_secrets: Arc::default(),
            provider_classes: Arc::default(),
            token_secrets: Arc::default(),
            access: None,
            not_told: KindSet::NONE,
        }
    }
}

/// Labels, sorted by key: a clone shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.binary_search_by(|(its, _)| (**its).cmp(key)).ok().map(|index| &*self.0[index].1)
    }

    /// Every key with its value, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }
}

/// Of two of one key the later counts.
impl<K: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(labels: I) -> Labels {
        let sorted: BTreeMap<Arc<str>, Arc<str>> =
            labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Labels(sorted.into_iter().collect())
    }
}

/// Something of each object of a kind, by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByNamespace<T> {
    /// Sorted by name; none is empty.
    namespaces: HashMap<Arc<str>, Arc<Shelf<T>>>,
}

/// What is kept of the objects of one namespace, with their names.
type Shelf<T> = Vec<(Arc<str>, T)>;

impl<T> ByNamespace<T> {
    /// Of this object, if it is known.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        let shelf = self.namespaces.get(namespace)?;
        find(shelf, name).ok().map(|index| &shelf[index].1)
    }

    /// How many objects are known.
    pub fn len(&self) -> usize {
        self.namespaces.values().map(|shelf| shelf.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }
}

impl<T: Clone> ByNamespace<T> {
    /// Adds what is known of an object, or replaces it.
    pub fn insert(&mut self, namespace: &str, name: &str, value: T) {
        if !self.namespaces.contains_key(namespace) {
            self.namespaces.insert(namespace.into(), Arc::default());
        }
        let Some(shelf) = self.namespaces.get_mut(namespace) else { return };
        let shelf = Arc::make_mut(shelf);
        match find(shelf, name) {
            Ok(index) => shelf[index].1 = value,
            Err(index) => shelf.insert(index, (name.into(), value)),
        }
    }

    /// Forgets an object. Whether it was known.
    pub fn remove(&mut self, namespace: &str, name: &str) -> bool {
        let Some(shelf) = self.namespaces.get_mut(namespace) else { return false };
        let Ok(index) = find(shelf, name) else { return false };
        let shelf = Arc::make_mut(shelf);
        shelf.remove(index);
        if shelf.is_empty() {
            self.namespaces.remove(namespace);
        }
        true
    }

    /// Gives back the room that growing has left over.
    pub fn shrink(&mut self) {
        self.namespaces.shrink_to_fit();
        self.namespaces.values_mut().filter_map(Arc::get_mut).for_each(Vec::shrink_to_fit);
    }
}

impl<T> Default for ByNamespace<T> {
    fn default() -> ByNamespace<T> {
        ByNamespace { namespaces: HashMap::new() }
    }
}

impl<N: AsRef<str>, M: AsRef<str>, T: Clone> FromIterator<((N, M), T)> for ByNamespace<T> {
    fn from_iter<I: IntoIterator<Item = ((N, M), T)>>(objects: I) -> ByNamespace<T> {
        let mut known = ByNamespace::default();
        objects.into_iter().for_each(|((namespace, name), value)| {
            known.insert(namespace.as_ref(), name.as_ref(), value);
        });
        known
    }
}

fn find<T>(shelf: &Shelf<T>, name: &str) -> Result<usize, usize> {
    // A list comes sorted: what is put in next is behind all others.
    match shelf.last() {
        Some((last, _)) if &**last < name => Err(shelf.len()),
        _ => shelf.binary_search_by(|(its, _)| (**its).cmp(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_objects_is_found_by_both_names() {
        let mut known: ByNamespace<u8> = [(("a", "y"), 1), (("a", "x"), 2), (("b", "x"), 3)].into_iter().collect();
        assert_eq!([known.get("a", "x"), known.get("a", "y"), known.get("b", "x")], [Some(&2), Some(&1), Some(&3)]);
        assert_eq!([known.get("b", "y"), known.get("c", "x")], [None, None]);
        known.insert("a", "x", 4);
        assert_eq!((known.get("a", "x"), known.len()), (Some(&4), 3));
        assert!(known.remove("b", "x") && !known.remove("b", "x") && !known.remove("a", "z"));
        assert_eq!((known.get("b", "x"), known.len()), (None, 2));
        assert!(known.remove("a", "x") && known.remove("a", "y") && known.is_empty());
    }

    #[test]
    fn a_change_leaves_alone_what_others_judge_by() {
        let mut known: Arc<ByNamespace<u8>> = Arc::new([(("a", "x"), 1), (("b", "x"), 1)].into_iter().collect());
        let judged_by = Arc::clone(&known);
        Arc::make_mut(&mut known).insert("a", "x", 2);
        assert_eq!((judged_by.get("a", "x"), known.get("a", "x")), (Some(&1), Some(&2)));
        assert!(Arc::ptr_eq(&judged_by.namespaces["b"], &known.namespaces["b"]), "the other namespace is shared");
    }

    #[test]
    fn labels_are_found_by_key() {
        let labels: Labels = [("tier", "test"), ("app", "web"), ("tier", "prod")].into_iter().collect();
        assert_eq!([labels.get("tier"), labels.get("app"), labels.get("x")], [Some("prod"), Some("web"), None]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("app", "web"), ("tier", "prod")]);
    }
}
