//! What in a container would change for the program beyond the variable that goes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use smallvec::SmallVec;

use crate::fence::name::Bare;
use crate::fence::pod::{Container, EnvVar};

/// Above this many names, the texts of a container are cut into words once instead of being searched for each name: both
/// give the same answer, and the second does not grow with names times text.
const SEARCHED_ONE_BY_ONE: usize = 8;

/// A text of a container in which a variable may be mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Command(usize),
    Args(usize),
    Exec(&'static str),
    Env(usize),
    SubPathExpr(usize),
}

impl Place {
    /// In words, with the name of an entry of `env`: who reads a list need not count.
    pub fn of(self, container: &Container<'_>) -> String {
        let entry = match self {
            Place::Env(index) => container.env.items.get(index),
            _ => None,
        };
        match entry {
            Some(entry) => format!("the value of env {} ({self})", Bare(entry.name.as_str())),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Command(index) => write!(f, "command[{index}]"),
            Place::Args(index) => write!(f, "args[{index}]"),
            Place::Exec(field) => write!(f, "{field}.exec.command"),
            Place::Env(index) => write!(f, "env[{index}]"),
            Place::SubPathExpr(index) => write!(f, "volumeMounts[{index}].subPathExpr"),
        }
    }
}

/// Every text of the container that the kubelet expands or a program may read a variable's name from.
fn texts<'c>(container: &'c Container<'_>) -> impl Iterator<Item = (Place, &'c str)> {
    let commands = container.command.items.iter().enumerate().map(|(index, word)| (Place::Command(index), word));
    let args = container.args.items.iter().enumerate().map(|(index, word)| (Place::Args(index), word));
    let exec = container.exec_commands().map(|(field, word)| (Place::Exec(field), word));
    let env = container.env.items.iter().enumerate().map(|(index, entry)| (Place::Env(index), &entry.value));
    let mounts = container.volume_mounts.items.iter().enumerate();
    let paths = mounts.map(|(index, mount)| (Place::SubPathExpr(index), &mount.sub_path_expr));
    commands.chain(args).chain(exec).chain(env).chain(paths).map(|(place, text)| (place, text.as_str()))
}

/// Where names of variables occur in the texts of one container.
pub struct Mentions<'c> {
    texts: SmallVec<[(Place, &'c str); 24]>,
    /// Where each word occurs first; made only when needed.
    words: Option<HashMap<&'c str, Place>>,
    /// `$(NAME)`, in the order of the texts.
    expansions: Vec<(Place, &'c str)>,
    /// The same by name; made only when there are many names.
    places: Option<HashMap<&'c str, Vec<Place>>>,
}

impl<'c> Mentions<'c> {
    /// `skip` tells the values that we put there ourselves.
    pub fn of(container: &'c Container<'_>, names: usize, skip: impl Fn(&str) -> bool) -> Mentions<'c> {
        let texts: SmallVec<[_; 24]> = texts(container).filter(|(_, text)| !text.is_empty() && !skip(text)).collect();
        let expansions = texts
            .iter()
            .filter(|(_, text)| memchr::memchr(b'$', text.as_bytes()).is_some())
            .flat_map(|&(place, text)| expansions(text).map(move |name| (place, name)))
            .collect();
        let mut mentions = Mentions { texts, words: None, expansions, places: None };
        if names > SEARCHED_ONE_BY_ONE {
            mentions.cut_into_words();
            mentions.index_expansions();
        }
        mentions
    }

    /// Where the name is a whole word of a text. A name with other characters counts as mentioned where all its words
    /// are, anywhere: what cannot be told apart is taken for a mention, and the reference stays as it is.
    pub fn of_word(&mut self, name: &str) -> Option<Place> {
        if !name.is_empty() && name.bytes().all(is_word_byte) {
            return match &self.words {
                Some(words) => words.get(name).copied(),
                None => self.texts.iter().find(|(_, text)| has_word(text, name)).map(|(place, _)| *place),
            };
        }
        let mut found = self.texts.first().map(|(place, _)| *place);
        let words = self.cut_into_words();
        for word in words_of(name) {
            found = Some(*words.get(word)?);
        }
        found
    }

    /// Where `$(name)` would resolve for an entry at `from` of `env`: the kubelet expands values of `env` only by what
    /// comes before them (`makeEnvironmentVariables`, kubelet_pods.go).
    pub fn of_expansion(&self, name: &str, from: Option<usize>) -> Option<Place> {
        let resolves = |place: Place| match (place, from) {
            (Place::Env(index), Some(from)) => index > from,
            _ => true,
        };
        let Some(places) = &self.places else {
            return self.expansions.iter().find(|(place, found)| *found == name && resolves(*place)).map(|its| its.0);
        };
        // What comes before the values of `env` resolves, and so does all that follows the first of them that does.
        let places = places.get(name)?;
        let first = places.first().copied().filter(|first| resolves(*first));
        first.or_else(|| places.get(places.partition_point(|place| !resolves(*place))).copied())
    }

    fn index_expansions(&mut self) {
        let mut places: HashMap<&str, Vec<Place>> = HashMap::new();
        for &(place, name) in &self.expansions {
            places.entry(name).or_default().push(place);
        }
        self.places = Some(places);
    }

    fn cut_into_words(&mut self) -> &HashMap<&'c str, Place> {
        self.words.get_or_insert_with(|| {
            let mut words = HashMap::new();
            for &(place, text) in &self.texts {
                for word in words_of(text) {
                    words.entry(word).or_insert(place);
                }
            }
            words
        })
    }
}

/// Something counted by name: a list where names are few, a map where they are many.
#[derive(Debug)]
pub struct Tally<'s, T> {
    few: SmallVec<[(&'s str, T); 8]>,
    many: Option<HashMap<&'s str, T>>,
}

impl<'s, T: Default> Tally<'s, T> {
    /// For about so many names.
    pub fn for_names(names: usize) -> Tally<'s, T> {
        Tally { few: SmallVec::new(), many: (names > SEARCHED_ONE_BY_ONE).then(HashMap::new) }
    }

    /// What is counted under the name, made on first use.
    pub fn entry(&mut self, name: &'s str) -> &mut T {
        if let Some(many) = &mut self.many {
            return many.entry(name).or_default();
        }
        let at = self.few.iter().position(|(its, _)| *its == name).unwrap_or_else(|| {
            self.few.push((name, T::default()));
            self.few.len() - 1
        });
        &mut self.few[at].1
    }

    /// What is counted under the name.
    pub fn of(&self, name: &str) -> Option<&T> {
        match &self.many {
            Some(many) => many.get(name),
            None => self.few.iter().find(|(its, _)| *its == name).map(|(_, count)| count),
        }
    }
}

/// The `env` entries of a container by name: searched where they are few, by a map where they are many.
pub enum Entries<'c, 'a> {
    Few(&'c [EnvVar<'a>]),
    Many(HashMap<&'c str, Named<'c>>),
}

/// The entries of one name.
#[derive(Clone, Copy)]
pub struct Named<'c> {
    /// How many there are.
    pub count: usize,
    /// Their value, where all have the same.
    value: Option<&'c str>,
}

impl<'c, 'a> Entries<'c, 'a> {
    /// For about so many questions.
    pub fn of(env: &'c [EnvVar<'a>], questions: usize) -> Entries<'c, 'a> {
        if env.len().saturating_mul(questions) <= 1024 {
            return Entries::Few(env);
        }
        let mut map: HashMap<&str, Named<'_>> = HashMap::with_capacity(env.len());
        for entry in env {
            let value = entry.value.as_str();
            map.entry(entry.name.as_str()).and_modify(|named| named.add(value)).or_insert_with(|| Named::first(value));
        }
        Entries::Many(map)
    }

    /// The entries of that name.
    pub fn named(&self, name: &str) -> Option<Named<'c>> {
        match self {
            Entries::Many(map) => map.get(name).copied(),
            Entries::Few(env) => {
                let mut values =
                    env.iter().filter(|entry| entry.name.as_str() == name).map(|entry| entry.value.as_str());
                let mut named = Named::first(values.next()?);
                values.for_each(|value| named.add(value));
                Some(named)
            }
        }
    }
}

impl<'c> Named<'c> {
    fn first(value: &'c str) -> Named<'c> {
        Named { count: 1, value: Some(value) }
    }

    fn add(&mut self, value: &str) {
        self.count += 1;
        self.value = self.value.filter(|its| *its == value);
    }

    /// Whether every entry of the name has this value.
    pub fn all_are(&self, value: &str) -> bool {
        self.value == Some(value)
    }
}

/// Absolute, without `.`, `..`, empty segments, and with `/var/run` as `/run`, which it links to in most images.
pub fn clean_path(path: &str) -> Cow<'_, str> {
    if is_clean(path) {
        let below_run = path.strip_prefix("/var").filter(|rest| *rest == "/run" || rest.starts_with("/run/"));
        return Cow::Borrowed(below_run.unwrap_or(path));
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    if let ["var", "run", ..] = segments.as_slice() {
        segments.remove(0);
    }
    let mut clean = String::with_capacity(path.len() + 1);
    for segment in &segments {
        clean.push('/');
        clean.push_str(segment);
    }
    if clean.is_empty() { Cow::Borrowed("/") } else { Cow::Owned(clean) }
}

/// As nearly every path of a manifest is written. What is not surely clean is cleaned.
fn is_clean(path: &str) -> bool {
    path.starts_with('/')
        && !path.ends_with('/')
        && path.as_bytes().windows(2).all(|pair| pair[0] != b'/' || !matches!(pair[1], b'/' | b'.'))
}

/// Whether one clean path is the other, above it or below it. `/var` holds `/var/run`, and so `/run`.
pub fn overlaps(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        outer == "/" || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let in_run = |path: &str| within(path, "/run");
    within(a, b) || within(b, a) || (a == "/var" && in_run(b)) || (b == "/var" && in_run(a))
}

/// The names in `$(NAME)` of a text; `$$` escapes (third_party/forked/golang/expansion of Kubernetes).
fn expansions(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at + 1 < bytes.len() {
            if bytes[at] != b'$' {
                at += 1;
                continue;
            }
            if bytes[at + 1] != b'(' {
                // `$$` is one character that is done with; `$x` is two plain ones.
                at += 2;
                continue;
            }
            let start = at + 2;
            match memchr::memchr(b')', &bytes[start..]) {
                Some(length) => {
                    at = start + length + 1;
                    return text.get(start..start + length);
                }
                // An unclosed `$(` is plain; with no `)` left, nothing behind it closes either.
                None => return None,
            }
        }
        None
    })
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .filter(|word| !word.is_empty())
}

fn has_word(text: &str, name: &str) -> bool {
    if text.len() < name.len() {
        return false;
    }
    let (bytes, name) = (text.as_bytes(), name.as_bytes());
    let Some(&first) = name.first() else { return false };
    // Texts are short, and the first letter of a variable is rare in them: no searcher is worth its making.
    memchr::memchr_iter(first, &bytes[..=bytes.len() - name.len()]).any(|start| {
        let end = start + name.len();
        if &bytes[start..end] != name {
            return false;
        }
        let starts = start == 0 || !is_word_byte(bytes[start - 1]);
        starts && (end == bytes.len() || !is_word_byte(bytes[end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_only_whole() {
        assert!(has_word("psql $DB_PASSWORD", "DB_PASSWORD"));
        assert!(has_word("DB_PASSWORD", "DB_PASSWORD"));
        assert!(!has_word("$DB_PASSWORD_FILE", "DB_PASSWORD"));
        assert!(!has_word("MY_DB_PASSWORD", "DB_PASSWORD"));
        assert!(has_word("aaa MY_DB_PASSWORD DB_PASSWORD", "DB_PASSWORD"));
    }

    #[test]
    fn expansions_are_read_as_the_kubelet_reads_them() {
        let names = |text| expansions(text).collect::<Vec<_>>();
        assert_eq!(names("$(A)-$(B)"), ["A", "B"]);
        assert_eq!(names("$$(A)"), Vec::<&str>::new());
        assert_eq!(names("$$$(A)"), ["A"]);
        assert_eq!(names("$(A"), Vec::<&str>::new());
        assert_eq!(names("$x$(A)"), ["A"]);
        assert_eq!(names("$"), Vec::<&str>::new());
    }

    #[test]
    fn many_names_are_looked_up_with_the_same_answer() {
        let container = r#"{"args": ["$(A)"], "env": [{"value": "$(B) $(A)"}, {"value": "$(B)$(C)"}, {"value": "$(B)"}],
            "volumeMounts": [{"subPathExpr": "$(C)"}]}"#;
        let container: Container<'_> = serde_json::from_str(container).unwrap();
        let [few, many] = [1, SEARCHED_ONE_BY_ONE + 1].map(|names| Mentions::of(&container, names, |_| false));
        for name in ["A", "B", "C", "D"] {
            for from in [None, Some(0), Some(1), Some(2), Some(3)] {
                assert_eq!(few.of_expansion(name, from), many.of_expansion(name, from), "{name} from {from:?}");
            }
        }
        assert_eq!(many.of_expansion("B", Some(0)), Some(Place::Env(1)));
        assert_eq!(many.of_expansion("C", Some(1)), Some(Place::SubPathExpr(0)));
    }

    #[test]
    fn paths_are_cleaned_and_var_run_is_run() {
        assert_eq!(clean_path("run/x/../secretfence/"), "/run/secretfence");
        assert_eq!(clean_path("/var/./run//secretfence"), "/run/secretfence");
        assert_eq!(clean_path("/var/running"), "/var/running");
        assert_eq!(clean_path("/../.."), "/");
    }

    #[test]
    fn paths_overlap_at_above_and_below() {
        for path in ["/", "/run", "/var", "/run/secretfence", "/run/secretfence/db"] {
            assert!(overlaps(path, "/run/secretfence"), "{path}");
        }
        for path in ["/run/secretfences", "/run/secrets", "/var/log", "/tmp"] {
            assert!(!overlaps(path, "/run/secretfence"), "{path}");
        }
    }
}
