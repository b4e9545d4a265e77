//! Any layout that YAML allows: what holds of one edit holds of all.

use proptest::prelude::*;
use secretfence::manifest::edit::Reason;

use crate::{ALL, held};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_layout_is_kept(choices in prop::collection::vec(any::<u8>(), 0..400)) {
        let source = Writer::file(&choices);
        let (patches, _) = held::patches(source.as_bytes(), &held::policies(ALL), &facts());
        match held::fix(source.as_bytes(), &held::policies(ALL), &facts()) {
            Ok(fixed) => prop_assert_eq!(fixed.is_some(), !patches.is_empty()),
            // What two workloads share cannot change for one; a comment in braces has nowhere to go.
            Err(why) => prop_assert!(
                matches!(why.reason, Reason::Shared if source.contains('*'))
                    || matches!(why.reason, Reason::Comment if source.contains(['{', '['])),
                "{why}\n{source}"
            ),
        }
    }
}

/// Declining is an answer, too, and shall not be the usual one.
#[test]
fn few_layouts_are_declined() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = prop::collection::vec(any::<u8>(), 0..400);
    let (mut fixed, mut declined) = (0, std::collections::BTreeMap::<String, usize>::new());
    for _ in 0..500 {
        let source = Writer::file(&strategy.new_tree(&mut runner).unwrap().current());
        match held::fix(source.as_bytes(), &held::policies(ALL), &facts()) {
            Ok(Some(_)) => fixed += 1,
            Ok(None) => {}
            Err(why) => *declined.entry(why.reason.to_string()).or_default() += 1,
        }
    }
    println!("{fixed} fixed, declined: {declined:#?}");
    assert!(fixed > 300, "{fixed}");
    assert!(declined.values().sum::<usize>() * 5 < fixed, "{declined:#?}");
}

fn facts() -> secretfence::fence::Facts {
    let mut facts = held::facts();
    facts.secret_keys.insert(("default".into(), "known".into()), vec!["USER".into(), "PASSWORD".into()]);
    facts
}

/// What is written.
#[derive(Clone)]
enum Tree {
    Map(Vec<(&'static str, Tree)>),
    List(Vec<Tree>),
    Word(String),
    /// Several lines.
    Text,
    Null,
    /// With an anchor.
    Named(String, Box<Tree>),
    /// An alias.
    Same(String),
}

impl Tree {
    fn json(&self) -> serde_json::Value {
        match self {
            Tree::Map(members) => members.iter().map(|(key, value)| ((*key).to_owned(), value.json())).collect(),
            Tree::List(items) => items.iter().map(Tree::json).collect(),
            Tree::Word(word) if word == "true" => true.into(),
            Tree::Word(word) => word.trim_matches(['\'', '"']).into(),
            Tree::Text => "several\nlines".into(),
            Tree::Named(_, value) => value.json(),
            Tree::Null | Tree::Same(_) => serde_json::Value::Null,
        }
    }
}

/// Writes a file as its choices say. Where there are none left the choice is 0, which is the plainest.
struct Writer<'c> {
    choices: std::slice::Iter<'c, u8>,
    comments: usize,
    anchors: usize,
    /// A line that is deeper than a block scalar's is part of it.
    after_text: bool,
    aliases: bool,
}

/// A line, relative to what holds it unless it is a comment at the edge.
struct Line {
    text: String,
    at_edge: bool,
}

impl Line {
    fn new(text: String) -> Line {
        Line { text, at_edge: false }
    }
}

impl Writer<'_> {
    fn file(choices: &[u8]) -> String {
        let mut writer = Writer { choices: choices.iter(), comments: 0, anchors: 0, after_text: false, aliases: false };
        if writer.one_in(8) {
            return writer.json();
        }
        let mut text = String::new();
        let documents = 1 + writer.pick(3);
        for index in 0..documents {
            if index > 0 || writer.one_in(4) {
                text.push_str(if writer.one_in(4) { "--- # marker\n" } else { "---\n" });
            }
            writer.after_text = false;
            writer.aliases = writer.one_in(3);
            let object = writer.object();
            for line in writer.block(&object) {
                text.push_str(&line.text);
                text.push('\n');
            }
            if writer.one_in(8) {
                text.push_str("...\n");
            }
        }
        let ends_in_text = writer.after_text;
        if writer.one_in(8) && !ends_in_text {
            text.pop();
        }
        if writer.one_in(6) {
            text = text.replace('\n', "\r\n");
        }
        if writer.one_in(10) {
            text.insert(0, '\u{feff}');
        }
        text
    }

    /// One object, on one line or on many.
    fn json(&mut self) -> String {
        let value = self.object().json();
        let text = match self.pick(3) {
            0 => value.to_string(),
            1 => format!("{value:#}\n"),
            _ => format!("{value:#}\n").replace("  ", "\t"),
        };
        if self.one_in(6) { text.replace('\n', "\r\n") } else { text }
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::from(*self.choices.next().unwrap_or(&0)) % count
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.pick(count) == count - 1
    }

    fn comment(&mut self) -> String {
        self.comments += 1;
        format!("#c{}", self.comments)
    }

    fn object(&mut self) -> Tree {
        let name = self.word("web");
        let mut metadata = vec![("name", name)];
        if self.one_in(3) {
            metadata.push((
                "annotations",
                if self.one_in(2) { Tree::Null } else { Tree::Map(vec![("a", Tree::Word("b".into()))]) },
            ));
        }
        if self.one_in(4) {
            metadata.push(("labels", Tree::Map(vec![("app", Tree::Word("web".into()))])));
        }
        let spec = self.pod_spec();
        let metadata = Tree::Map(metadata);
        let kind = |kind: &str| Tree::Word(kind.into());
        match self.pick(4) {
            3 => {
                let template = if self.one_in(2) {
                    Tree::Map(vec![("spec", spec)])
                } else {
                    Tree::Map(vec![
                        ("metadata", Tree::Map(vec![("labels", Tree::Map(vec![("app", Tree::Word("web".into()))]))])),
                        ("spec", spec),
                    ])
                };
                Tree::Map(vec![
                    ("apiVersion", kind("apps/v1")),
                    ("kind", kind("Deployment")),
                    ("metadata", metadata),
                    ("spec", Tree::Map(vec![("template", template)])),
                ])
            }
            2 => {
                let pod =
                    vec![("apiVersion", kind("v1")), ("kind", kind("Pod")), ("spec", spec), ("metadata", metadata)];
                Tree::Map(vec![
                    ("apiVersion", kind("v1")),
                    ("kind", kind("List")),
                    ("items", Tree::List(vec![Tree::Map(pod)])),
                ])
            }
            _ => Tree::Map(vec![
                ("apiVersion", kind("v1")),
                ("kind", kind("Pod")),
                ("metadata", metadata),
                ("spec", spec),
            ]),
        }
    }

    fn pod_spec(&mut self) -> Tree {
        let mut env_name = None;
        let count = 1 + self.pick(3);
        let containers = (0..count).map(|index| self.container(index, &mut env_name)).collect();
        let mut members = vec![("containers", Tree::List(containers))];
        match self.pick(5) {
            0 => {}
            1 => members.push(("volumes", Tree::Null)),
            2 => members.push(("volumes", Tree::List(vec![]))),
            3 => members.push(("volumes", self.list_of_volumes())),
            _ => members.insert(0, ("volumes", self.list_of_volumes())),
        }
        if self.one_in(3) {
            members.push(("restartPolicy", Tree::Word("Always".into())));
        }
        Tree::Map(members)
    }

    fn list_of_volumes(&mut self) -> Tree {
        let volume = |name: &str| Tree::Map(vec![("name", Tree::Word(name.into())), ("emptyDir", Tree::Map(vec![]))]);
        Tree::List((0..1 + self.pick(2)).map(|index| volume(["a", "b"][index])).collect())
    }

    fn container(&mut self, index: usize, env_name: &mut Option<String>) -> Tree {
        let mut members =
            vec![("name", Tree::Word(["one", "two", "three"][index].into())), ("image", self.word("api:1"))];
        if self.one_in(4) {
            members.push(("args", Tree::List(vec![Tree::Text, Tree::Word("x".into())])));
        }
        let env = match (&*env_name, self.aliases && self.one_in(2)) {
            (Some(name), true) => Tree::Same(name.clone()),
            _ => {
                let env = self.env();
                if self.aliases && self.one_in(2) {
                    self.anchors += 1;
                    let name = format!("env{}", self.anchors);
                    *env_name = Some(name.clone());
                    Tree::Named(name, Box::new(env))
                } else {
                    env
                }
            }
        };
        let at = if self.one_in(4) { 0 } else { members.len() };
        members.insert(at, ("env", env));
        match self.pick(6) {
            3 => members.push(("volumeMounts", Tree::Null)),
            4 => members.push(("volumeMounts", Tree::List(vec![]))),
            5 => {
                let mount = Tree::Map(vec![("name", Tree::Word("a".into())), ("mountPath", Tree::Word("/a".into()))]);
                members.push(("volumeMounts", Tree::List(vec![mount])));
            }
            _ => {}
        }
        if self.one_in(3) {
            let reference = |name: &str| Tree::Map(vec![("name", Tree::Word(name.into()))]);
            let mut sources = vec![Tree::Map(vec![("secretRef", reference("known"))])];
            if self.one_in(2) {
                sources.push(Tree::Map(vec![("configMapRef", reference("defaults"))]));
            }
            if self.one_in(3) {
                sources.rotate_left(1);
            }
            let at = if self.one_in(3) { 0 } else { members.len() };
            members.insert(at, ("envFrom", Tree::List(sources)));
        }
        if self.one_in(3) {
            members.push(("command", Tree::List(vec![Tree::Word("run".into()), Tree::Text])));
        }
        if self.one_in(3) {
            members.push(("tty", Tree::Word("true".into())));
        }
        Tree::Map(members)
    }

    fn env(&mut self) -> Tree {
        let count = 1 + self.pick(3);
        Tree::List((0..count).map(|index| self.variable(index)).collect())
    }

    fn variable(&mut self, index: usize) -> Tree {
        let name = ("name", self.word(["ALPHA", "BETA", "GAMMA"][index]));
        let reference = |field: &'static str, more: bool| {
            let mut members = vec![("name", Tree::Word("db".into())), ("key", Tree::Word("password".into()))];
            if more {
                members.push(("optional", Tree::Word("true".into())));
            }
            ("valueFrom", Tree::Map(vec![(field, Tree::Map(members))]))
        };
        let source = match self.pick(6) {
            4 => ("value", if self.one_in(2) { Tree::Text } else { Tree::Word("plain".into()) }),
            5 => reference("configMapKeyRef", false),
            choice => reference("secretKeyRef", choice == 3),
        };
        let mut members = vec![name, source];
        if self.one_in(5) {
            members.reverse();
        }
        Tree::Map(members)
    }

    fn word(&mut self, text: &str) -> Tree {
        Tree::Word(match self.pick(6) {
            4 => format!("'{text}'"),
            5 => format!("\"{text}\""),
            _ => text.to_owned(),
        })
    }

    /// The lines of a value in block style.
    fn block(&mut self, tree: &Tree) -> Vec<Line> {
        match tree {
            Tree::Map(members) if !members.is_empty() => {
                let mut lines = Vec::new();
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        self.between(&mut lines);
                    }
                    self.member(key, value, &mut lines);
                }
                lines
            }
            Tree::List(items) if !items.is_empty() => {
                let dash = 2 + self.pick(8) / 5;
                let mut lines = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.between(&mut lines);
                    }
                    self.item(item, dash, &mut lines);
                }
                lines
            }
            other => vec![Line::new(self.flow(other))],
        }
    }

    /// Comments and empty lines where they may stand.
    fn between(&mut self, lines: &mut Vec<Line>) {
        match self.pick(12) {
            7 if !self.after_text => lines.push(Line::new(String::new())),
            8 => {
                let text = self.comment();
                lines.push(Line { text, at_edge: true });
            }
            9 if !self.after_text => {
                let text = self.comment();
                lines.push(Line::new(text));
            }
            10 if !self.after_text => {
                let text = format!("    {}", self.comment());
                lines.push(Line::new(text));
            }
            11 if !self.after_text => {
                let text = format!("{} - name: GONE", self.comment());
                lines.push(Line::new(text));
            }
            _ => {}
        }
    }

    fn trailing(&mut self) -> String {
        if self.one_in(8) { format!(" {}", self.comment()) } else { String::new() }
    }

    fn member(&mut self, key: &str, value: &Tree, lines: &mut Vec<Line>) {
        let (anchor, value) = match value {
            Tree::Named(name, value) => (format!(" &{name}"), &**value),
            value => (String::new(), value),
        };
        match value {
            Tree::Map(members) if !members.is_empty() && !self.one_in(8) => {
                let step = 1 + (self.pick(8) + 1) % 4;
                lines.push(Line::new(format!("{key}:{anchor}{}", self.trailing())));
                self.after_text = false;
                lines.extend(deeper(self.block(value), step));
            }
            Tree::List(items) if !items.is_empty() && !self.one_in(8) => {
                let step = [0, 2, 2, 4, 1][self.pick(5)];
                lines.push(Line::new(format!("{key}:{anchor}{}", self.trailing())));
                self.after_text = false;
                if self.one_in(8) {
                    let text = self.comment();
                    lines.push(Line::new(text));
                }
                lines.extend(deeper(self.block(value), step));
            }
            Tree::Text => {
                lines.push(Line::new(format!("{key}:{anchor} {}", self.text_header())));
                lines.extend(self.text_lines());
            }
            Tree::Null => {
                let null = ["", " null", " ~"][self.pick(3)];
                lines.push(Line::new(format!("{key}:{anchor}{null}{}", self.trailing())));
                self.after_text = false;
            }
            value => self.flow_lines(&format!("{key}:{anchor} "), value, lines),
        }
    }

    fn item(&mut self, item: &Tree, dash: usize, lines: &mut Vec<Line>) {
        let gap = " ".repeat(dash - 1);
        match item {
            Tree::Map(members) if !members.is_empty() && !self.one_in(8) => {
                if self.one_in(8) {
                    let trailing = self.trailing();
                    lines.push(Line::new(format!("-{trailing}")));
                    self.after_text = false;
                    let block = self.block(item);
                    lines.extend(deeper(block, dash));
                    return;
                }
                let mut block = deeper(self.block(item), dash);
                if let Some(first) = block.first_mut() {
                    first.text.replace_range(..dash, &format!("-{gap}"));
                }
                lines.extend(block);
            }
            Tree::Text => {
                lines.push(Line::new(format!("-{gap}{}", self.text_header())));
                lines.extend(self.text_lines());
            }
            item => self.flow_lines(&format!("-{gap}"), item, lines),
        }
    }

    /// A value in flow style, on one line or on several.
    fn flow_lines(&mut self, before: &str, value: &Tree, lines: &mut Vec<Line>) {
        self.after_text = false;
        let collection = matches!(value, Tree::Map(members) if !members.is_empty())
            || matches!(value, Tree::List(items) if !items.is_empty());
        if !collection || !self.one_in(3) {
            let text = self.flow(value);
            let trailing = self.trailing();
            lines.push(Line::new(format!("{before}{text}{trailing}")));
            return;
        }
        let parts: Vec<String> = match value {
            Tree::Map(members) => members.iter().map(|(key, value)| format!("{key}: {}", self.flow(value))).collect(),
            Tree::List(items) => items.iter().map(|item| self.flow(item)).collect(),
            _ => Vec::new(),
        };
        let (open, close) = if matches!(value, Tree::Map(_)) { ('{', '}') } else { ('[', ']') };
        lines.push(Line::new(format!("{before}{open}")));
        let last = parts.len() - 1;
        let last_comma = self.one_in(2);
        for (index, part) in parts.into_iter().enumerate() {
            let comma = if index < last || last_comma { "," } else { "" };
            let trailing = self.trailing();
            lines.push(Line::new(format!("    {part}{comma}{trailing}")));
        }
        lines.push(Line::new(format!("  {close}")));
    }

    fn flow(&mut self, value: &Tree) -> String {
        self.after_text = false;
        match value {
            Tree::Map(members) => {
                let pad = if self.one_in(4) && !members.is_empty() { " " } else { "" };
                let quote = if self.one_in(4) { "\"" } else { "" };
                let parts: Vec<String> =
                    members.iter().map(|(key, value)| format!("{quote}{key}{quote}: {}", self.flow(value))).collect();
                format!("{{{pad}{}{pad}}}", parts.join(", "))
            }
            Tree::List(items) => {
                let parts: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", parts.join(", "))
            }
            Tree::Word(word) => word.clone(),
            Tree::Text => "\"several\\nlines\"".to_owned(),
            Tree::Null => "null".to_owned(),
            Tree::Named(name, value) => format!("&{name} {}", self.flow(value)),
            Tree::Same(name) => format!("*{name}"),
        }
    }

    fn text_header(&mut self) -> String {
        ["|", ">-", "|+", "|-", "| "][self.pick(5)].to_owned()
    }

    fn text_lines(&mut self) -> Vec<Line> {
        self.after_text = true;
        let mut lines: Vec<Line> =
            ["  first", "    deeper # no comment", "  - name: x"].map(|line| Line::new(line.to_owned())).into();
        if self.one_in(4) {
            lines.push(Line::new(String::new()));
        }
        lines
    }
}

fn deeper(lines: Vec<Line>, by: usize) -> Vec<Line> {
    let deeper = |line: Line| match line {
        Line { at_edge: true, .. } => line,
        Line { text, .. } if text.is_empty() => Line::new(text),
        Line { text, .. } => Line::new(format!("{:by$}{text}", "")),
    };
    lines.into_iter().map(deeper).collect()
}
