//! What a reader of manifests promises, over all its parts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const POD: &str = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: api\n    env:\n    - name: A\n      value: a\n    - name: B\n      value: b\n    - name: C\n      value: c\n";

fn only(source: &str) -> Document<'_> {
    let mut manifest = parse(source.as_bytes());
    assert_eq!(manifest.errors, [], "{source}");
    assert_eq!(manifest.documents.len(), 1, "{source}");
    manifest.documents.remove(0)
}

fn value(source: &str) -> Value {
    serde_json::from_slice(&only(source).json().unwrap()).unwrap()
}

/// The only error of the file: (document, line, column, problem).
fn error(source: &[u8]) -> (usize, usize, usize, Problem) {
    let manifest = parse(source);
    let [error] = manifest.errors.as_slice() else { panic!("{:?}", manifest.errors) };
    (error.document, error.line, error.column, error.problem.clone())
}

fn place(document: &Document<'_>, pointer: &str) -> Option<(usize, usize)> {
    document.locate(pointer).map(|position| (position.line, position.column))
}

fn kinds(source: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for document in parse(source.as_bytes()).documents {
        for object in document.objects().unwrap() {
            found.push((object.address, object.pointer, object.kind));
        }
    }
    found
}

mod reading {
    use super::*;

    /// Each row: YAML as a JSON string, a tab, and what sigs.k8s.io/yaml v1.6.0 `YAMLToJSON` made of it (`!`: an error).
    #[test]
    fn reads_scalars_keys_and_merges_as_kubectl_does() {
        let mut rows = 0;
        for row in include_str!("kubectl.tsv").lines() {
            let (yaml, expected) = row.split_once('\t').unwrap();
            let yaml: String = serde_json::from_str(yaml).unwrap();
            let manifest = parse(yaml.as_bytes());
            let json = match (manifest.errors.first(), manifest.documents.first()) {
                (Some(error), _) => Err(error.clone()),
                (None, None) => Ok(b"null".to_vec()),
                (None, Some(document)) => document.json(),
            };
            match json {
                Err(error) => assert_eq!(expected, "!", "{yaml:?}: {error}"),
                Ok(json) => {
                    assert_ne!(expected, "!", "{yaml:?}");
                    let (ours, theirs): (Value, Value) =
                        (serde_json::from_slice(&json).unwrap(), serde_json::from_str(expected).unwrap());
                    assert_eq!(ours, theirs, "{yaml:?}");
                }
            }
            rows += 1;
        }
        assert_eq!(rows, 594);
    }

    #[test]
    fn is_laxer_than_kubectl_with_tabs_and_escapes_and_judges_what_it_reads() {
        assert_eq!(value("\ta: 1"), json!({"a": 1}));
        assert_eq!(value("-\tx"), json!(["x"]));
        assert_eq!(value(r#"a: "\/""#), json!({"a": "/"}));
    }

    #[test]
    fn counts_empty_documents() {
        let manifest = parse(b"# nothing\n---\n---\na: 1\n---\n# nothing\n---\nnull\n");
        let found: Vec<_> = manifest.documents.iter().map(|document| (document.index, document.is_empty())).collect();
        assert_eq!(found, [(0, true), (1, false), (2, true), (3, true)]);
        assert_eq!(parse(b"").documents.len(), 0);
    }

    #[test]
    fn keeps_case_variant_keys_apart() {
        assert_eq!(value("Kind: a\nkind: b\n"), json!({"Kind": "a", "kind": "b"}));
    }

    #[test]
    fn reads_windows_line_ends_and_a_byte_order_mark() {
        let document = only("\u{feff}a: 1\r\nb:\r\n  c: |\r\n    x\r\n    y\r\nd: 2\r\n");
        let json: Value = serde_json::from_slice(&document.json().unwrap()).unwrap();
        assert_eq!(json, json!({"a": 1, "b": {"c": "x\ny\n"}, "d": 2}));
        assert_eq!(place(&document, "/a"), Some((1, 4)));
        assert_eq!(document.locate("/a").unwrap().offset, 6);
        assert_eq!(place(&document, "/d"), Some((6, 4)));
    }

    #[test]
    fn reads_json_with_tabs_and_values_one_after_the_other() {
        let source = "{\n\t\"a\": [1.50,\t-2e3, \"é\\u00e9\\ud83d\\ude00\\/\"],\n\t\"b\": null}\n\n[true]\n";
        let manifest = parse(source.as_bytes());
        assert_eq!(manifest.errors, []);
        let [first, second] = manifest.documents.as_slice() else { panic!() };
        let json: Value = serde_json::from_slice(&first.json().unwrap()).unwrap();
        assert_eq!(json, json!({"a": [1.5, -2000.0, "éé😀/"], "b": null}));
        assert_eq!(place(first, "/a/2"), Some((2, 20)));
        assert_eq!(place(first, "/b"), Some((3, 7)));
        assert_eq!((second.index, second.json().unwrap()), (1, b"[true]".to_vec()));
    }

    #[test]
    fn reads_flow_yaml_that_is_no_json() {
        assert_eq!(value("{a: b, c: [yes],}"), json!({"a": "b", "c": [true]}));
    }

    #[test]
    fn renders_every_character_that_json_escapes() {
        let document = only(r#"a: "\"\\\n\r\t\u0001\u001f\u2028é""#);
        assert_eq!(document.json().unwrap(), "{\"a\":\"\\\"\\\\\\n\\r\\t\\u0001\\u001f\u{2028}é\"}".as_bytes());
    }

    #[test]
    fn debug_shows_no_value() {
        let document = only("apiVersion: v1\nkind: Secret\nstringData: {password: hunter2}\n");
        let shown = format!("{document:?} {:?} {:?}", document.objects().unwrap(), parse(b"a: hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

mod errors {
    use super::*;

    #[test]
    fn one_broken_document_leaves_the_others() {
        let manifest = parse(b"a: 1\n---\nb: [\n---\nc: 3\n---\n d: 1\nx\n---\ne: 5\n");
        let read: Vec<_> = manifest.documents.iter().map(|document| document.index).collect();
        assert_eq!(read, [0, 2, 4]);
        let broken: Vec<_> = manifest.errors.iter().map(|error| (error.document, error.line)).collect();
        assert_eq!(broken.iter().map(|(document, _)| *document).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(broken[0].1, 3);
        assert_eq!(place(&manifest.documents[2], "/e"), Some((10, 4)));
    }

    #[test]
    fn a_duplicate_key_is_found_at_the_second() {
        let (document, line, column, problem) = error(b"---\nx: 1\n---\na:\n  env: 1\n  b: 2\n  env: 3\n");
        assert_eq!((document, line, column), (1, 7, 3));
        assert_eq!(problem, Problem::DuplicateKey { key: "env".into(), first_line: 5 });
    }

    #[test]
    fn keys_that_become_the_same_are_duplicates() {
        for source in ["1: a\n'1': b", "yes: a\ntrue: b", "0x10: a\n16: b", "{\"a\": 1, \"\\u0061\": 2}"] {
            assert!(matches!(error(source.as_bytes()).3, Problem::DuplicateKey { .. }), "{source}");
        }
    }

    #[test]
    fn a_duplicate_among_many_keys_is_found() {
        let mut source = String::new();
        (0..50).for_each(|number| writeln!(source, "key{number}: 1").unwrap());
        source += "key7: 2\n";
        assert_eq!(error(source.as_bytes()), (0, 51, 1, Problem::DuplicateKey { key: "key7".into(), first_line: 8 }));
    }

    #[test]
    fn the_way_out_is_in_the_message_and_no_value_is() {
        let broken: [&[u8]; 6] = [
            b"password: hunter2\npassword: hunter2\n",
            b"password: [hunter2\n",
            b"password: \"hunter2\\q\"\n",
            b"hunter2: *hunter2\n",
            b"password: hunter2\n\tx: hunter2\n",
            b"{\"password\": \"hunter2\", }}",
        ];
        for source in broken {
            let manifest = parse(source);
            let message = manifest.errors[0].to_string();
            assert!(message.starts_with("line ") && message.matches(": ").count() >= 2, "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_tab_in_the_indentation_is_found_on_its_line() {
        assert_eq!(error(b"a:\n  b: c\n\td: e\n"), (0, 3, 1, Problem::Tab));
        assert_eq!(error(b"a:\n\tb: 1\n"), (0, 2, 1, Problem::Tab));
    }

    #[test]
    fn control_characters_are_errors_wherever_they_stand() {
        assert_eq!(error(b"a: 1\n---\nb: x\0y\n"), (1, 2 + 1, 5, Problem::ControlCharacter(0)));
        assert_eq!(error(b"a: \x1b[31m\n"), (0, 1, 4, Problem::ControlCharacter(0x1b)));
        assert_eq!(error(b"a: 1 # \x07\nb: 2\n---\nc: 1\n"), (0, 1, 8, Problem::ControlCharacter(7)));
        assert_eq!(parse(b"a: 1\0\n---\nb: 2\n").documents[0].index, 1);
    }

    /// go-yaml: `is_break` in yamlprivateh.go.
    #[test]
    fn what_ends_a_line_for_kubectl_alone_is_an_error_outside_of_quotes() {
        let hidden = |document, line, column, name| (document, line, column, Problem::LineBreak(name));
        assert_eq!(error("a: 1 # x\u{85}b: 2\n".as_bytes()), hidden(0, 1, 9, "U+0085"));
        assert_eq!(error("# x\u{2028}b: 2\na: 1\n".as_bytes()), hidden(0, 1, 4, "U+2028"));
        assert_eq!(error("a: x\u{2029}- y\n".as_bytes()), hidden(0, 1, 5, "U+2029"));
        assert_eq!(error("a: |\n  x\u{2028}b\n".as_bytes()), hidden(0, 2, 4, "U+2028"));
        assert_eq!(error("a: 1\n---\nb: \"\u{85}\" # \u{85}\n---\nc: 1\n".as_bytes()), hidden(1, 3, 10, "U+0085"));
        assert_eq!(error("a: 1\n# x\u{85}b: 2\n".as_bytes()), hidden(0, 2, 4, "U+0085"));
        assert_eq!(error("# x\u{85}b: 2\n".as_bytes()), hidden(0, 1, 4, "U+0085"));
        assert_eq!(parse("a: 1\u{85}\n---\nb: 2\n".as_bytes()).documents[0].index, 1);
        let quoted = "a: \"x\u{2028}y\"\nb: 'x\u{85}y'\n---\n{\"c\": \"\u{2029}\"}\n";
        assert_eq!(parse(quoted.as_bytes()).documents.len(), 2);
        assert!(parse(quoted.as_bytes()).errors.is_empty());
        assert_eq!(parse("{\"a\": \"x\u{2028}y\"}".as_bytes()).documents.len(), 1);
    }

    #[test]
    fn bytes_that_are_no_utf8_break_only_their_document() {
        let manifest = parse(b"a: 1\n---\nb: \xc3\xa9\xff\nc: [\n---\nd: 1\n---\n\xfe\n---\ne: 2\n");
        let read: Vec<_> = manifest.documents.iter().map(|document| document.index).collect();
        assert_eq!(read, [0, 2, 4]);
        let broken: Vec<_> = manifest.errors.iter().map(|e| (e.document, e.line, e.column, e.offset)).collect();
        assert_eq!(broken, [(1, 3, 5, 14), (3, 8, 1, 34)]);
        assert!(manifest.errors.iter().all(|error| error.problem == Problem::NotUtf8));
        let position = manifest.documents[2].locate("/e").unwrap();
        assert_eq!((position.line, position.column, position.offset), (10, 4, 43));
    }

    #[test]
    fn wide_text_is_named() {
        assert_eq!(error(b"\xff\xfea\0:\0 \x001\0").3, Problem::WideText);
    }

    #[test]
    fn nesting_up_to_the_limit_is_read_and_beyond_is_an_error() {
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("{\"a\":", "}")] {
            let nested = |depth: usize| {
                let inner = if open == "[" { "" } else { "1" };
                format!("{}{inner}{}\n---\nb: 1\n", open.repeat(depth), close.repeat(depth))
            };
            let good = nested(MAX_DEPTH);
            let good = parse(good.as_bytes());
            assert_eq!(good.errors, []);
            assert!(good.documents[0].json().is_ok());
            let bad = nested(MAX_DEPTH + 1);
            let bad = parse(bad.as_bytes());
            assert_eq!(bad.errors[0].problem, Problem::TooDeep);
            assert_eq!((bad.errors.len(), bad.documents[0].index), (1, 1));
        }
        let block: String = (0..=MAX_DEPTH).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert_eq!(error(block.as_bytes()).3, Problem::TooDeep);
        assert_eq!(error(b"- ".repeat(MAX_DEPTH + 1).as_slice()).3, Problem::TooDeep);
    }

    #[test]
    fn json_beyond_the_limit_is_an_error() {
        let source = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert_eq!(error(source.as_bytes()).3, Problem::TooDeep);
    }

    #[test]
    fn a_huge_document_is_an_error_and_the_next_is_read() {
        let line = format!("- {}\n", "x".repeat(1000));
        let source = line.repeat(MAX_DOCUMENT_BYTES / line.len() + 2) + "---\nb: 1\n";
        let manifest = parse(source.as_bytes());
        assert_eq!(manifest.errors[0].problem, Problem::TooLarge);
        assert_eq!((manifest.errors.len(), manifest.documents.len(), manifest.documents[0].index), (1, 1, 1));
        let scalar = format!("a: {}", "x".repeat(MAX_DOCUMENT_BYTES));
        assert_eq!(error(scalar.as_bytes()).3, Problem::TooLarge);
        let json = format!("{{\"a\": \"{}\"}}", "x".repeat(MAX_DOCUMENT_BYTES));
        assert_eq!(error(json.as_bytes()).3, Problem::TooLarge);
    }
}

mod aliases {
    use super::*;

    fn bomb(first: &str, next: impl Fn(usize) -> String) -> String {
        (1..40).fold(format!("a0: &a0 {first}\n"), |text, level| {
            format!("{text}a{level}: &a{level} {}\n", next(level - 1))
        })
    }

    #[test]
    fn are_expanded_and_may_be_redefined() {
        let source = "a: &x {k: 1}\nb: [*x, *x]\nc: &x 2\nd: *x\n";
        assert_eq!(value(source), json!({"a": {"k": 1}, "b": [{"k": 1}, {"k": 1}], "c": 2, "d": 2}));
    }

    #[test]
    fn a_bomb_is_an_error_with_its_line() {
        for source in [
            bomb("[x, x]", |below| format!("[*a{below}, *a{below}, *a{below}]")),
            bomb("{x: 1}", |below| format!("{{<<: [*a{below}, *a{below}]}}")),
            bomb("{apiVersion: v1, kind: Pod}", |below| {
                format!("{{apiVersion: v1, kind: List, items: [*a{below}, *a{below}, *a{below}]}}")
            }) + "apiVersion: v1\nkind: List\nitems: [*a39]\n",
        ] {
            let document = only(&source);
            let error = document.json().unwrap_err();
            assert_eq!(error.problem, Problem::AliasBudget);
            assert!(error.line > 1);
            if source.contains("kind") {
                assert_eq!(document.objects().unwrap_err().problem, Problem::AliasBudget);
            }
            assert_eq!(document.locate("/a39/zzz"), None);
        }
    }

    #[test]
    fn the_expansion_is_bounded_in_bytes() {
        let source = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a,".repeat(64));
        let error = only(&source).json().unwrap_err();
        assert_eq!((error.line, error.problem), (2, Problem::AliasBudget));
    }

    #[test]
    fn an_anchor_that_holds_itself_is_an_error() {
        assert_eq!(error(b"a: 1\nb: &x [1, *x]\n"), (0, 2, 11, Problem::SelfAlias));
        assert_eq!(error(b"b: &x {<<: *x}\n").3, Problem::SelfAlias);
    }

    #[test]
    fn nesting_through_aliases_is_bounded() {
        let deep = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let source = format!("a: &a {}\nb: &b {}\n", deep(100), deep(100).replace('1', "*a"));
        let error = only(&source).json().unwrap_err();
        assert_eq!((error.line, error.problem), (2, Problem::TooDeep));
    }

    #[test]
    fn an_unknown_one_is_an_error() {
        assert_eq!(error(b"a: *x\n"), (0, 1, 4, Problem::UnknownAnchor));
        assert_eq!(parse(b"a: &x 1\n---\nb: *x\n").errors[0].problem, Problem::UnknownAnchor);
    }
}

mod templates {
    use super::*;

    #[test]
    fn are_named_wherever_yaml_breaks_on_them() {
        for (source, line) in [
            ("a: 1\nreplicas: {{ .Values.replicas }}\n", 2),
            ("{{- if .Values.enabled }}\na: 1\n{{- end }}\n", 1),
            ("metadata:\n  labels:\n    {{- include \"x\" . | nindent 4 }}\n", 3),
            ("name: {{ .Release.Name }}-x\n", 1),
            ("a: [{{ .Values.x }}]\n", 1),
            ("x: 'it'\nimage: \"{{ .Values.image }}:{{ .Values.tag | default \"x\" }}\"\nb: {{ .Values.b }}\n", 2),
            ("{{ .Values.x }}: 1\n", 1),
        ] {
            let found = error(source.as_bytes());
            assert_eq!(found.3, Problem::Template, "{source}");
            assert_eq!(found.1, line, "{source}");
        }
    }

    #[test]
    fn of_other_programs_are_fine_in_good_documents() {
        for source in [
            "run: \"${{ secrets.X }}\"\n",
            "run: ${{ secrets.X }}\n",
            "summary: '{{ $labels.instance }} is down'\n",
            "text: |\n  {{ range .Alerts }}\n  {{ end }}\n",
            "a: x {{ b }}\n",
            "# {{ a }}\na: {b: {c: d}}\n",
        ] {
            assert_eq!(parse(source.as_bytes()).errors, [], "{source}");
        }
    }

    #[test]
    fn of_other_programs_are_not_blamed_for_another_error() {
        for source in [
            "text: |\n  {{ range .Alerts }}\nb: [\n",
            "text: >-\n\n  x\n\n  {{ end }}\nb: [\n",
            "summary: '{{ $labels.instance }}'\nb: [\n",
            "# {{ x }}\nb: [\n",
            "a: 1 # {{ x }}\nrun: ${{ x }}\nb: [\n",
            "b: [\n---\na: {{ x }}\n",
            "a: '{{ x }}'\nb: \"x\" y\n",
        ] {
            assert_ne!(parse(source.as_bytes()).errors[0].problem, Problem::Template, "{source}");
        }
    }
}

mod objects {
    use super::*;

    #[test]
    fn what_is_no_object_gives_none() {
        for source in [
            "- a\n",
            "x\n",
            "a: 1\n",
            "kind: Pod\n",
            "apiVersion: 1\nkind: Pod\n",
            "apiVersion: v1\nkind: [Pod]\n",
            "apiVersion: v1\nkind:\n",
            "",
        ] {
            assert_eq!(kinds(source), [], "{source}");
        }
    }

    #[test]
    fn lists_stand_for_their_items_at_every_level() {
        let source = "a: 1\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n- null\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: apps/v1, kind: Deployment}\n";
        let expected = [("1.items.0", "/items/0", "Pod"), ("1.items.2.items.0", "/items/2/items/0", "Deployment")];
        let expected = expected.map(|(address, pointer, kind)| (address.into(), pointer.into(), kind.into()));
        assert_eq!(kinds(source), expected);
    }

    #[test]
    fn items_of_a_typed_list_have_its_version_and_kind() {
        let document =
            only("apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: x}\n- {}\n- kind: Pod\n");
        let objects = document.objects().unwrap();
        let found: Vec<Value> = objects.iter().map(|object| serde_json::from_slice(&object.json).unwrap()).collect();
        assert_eq!(
            found,
            [
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}}),
                json!({"apiVersion": "apps/v1", "kind": "Deployment"})
            ]
        );
        assert_eq!(objects[0].api_version, "apps/v1");
        assert_eq!(kinds("apiVersion: v1\nkind: List\nitems: [{metadata: {}}]\n"), []);
    }

    #[test]
    fn a_kind_that_ends_in_list_without_items_is_an_object() {
        assert_eq!(kinds("apiVersion: x/v1\nkind: AllowList\n"), [("0".into(), String::new(), "AllowList".into())]);
    }

    #[test]
    fn a_header_may_be_merged_in() {
        assert_eq!(kinds("<<: {apiVersion: v1, kind: Pod}\nmetadata: {}\n").len(), 1);
    }
}

mod places {
    use super::*;

    #[test]
    fn of_block_style() {
        let document = only(POD);
        assert_eq!(place(&document, "/spec/containers/0/env/2"), Some((11, 7)));
        assert_eq!(place(&document, "/spec/containers/0/env/2/value"), Some((12, 14)));
        assert_eq!(place(&document, "/spec/containers"), Some((5, 3)));
        assert_eq!(place(&document, ""), Some((1, 1)));
        let key = document.locate_key("/spec/containers/0/env").unwrap();
        assert_eq!((key.line, key.column), (6, 5));
        assert_eq!(document.locate_key("/spec/containers/0"), None);
    }

    #[test]
    fn of_flow_style_in_characters() {
        let document = only("{spec: {é: é, containers: [{env: [1,\n 2, {name: C}]}]}}");
        assert_eq!(place(&document, "/spec/containers/0/env/2"), Some((2, 5)));
        assert_eq!(place(&document, "/spec/containers/0/env/0"), Some((1, 35)));
    }

    #[test]
    fn in_a_list_item_and_a_later_document() {
        let indented: String = POD.lines().fold(String::new(), |text, line| text + "  " + line + "\n");
        let source = format!("x: 1\n---\napiVersion: v1\nkind: List\nitems:\n- a: 1\n- {}", indented.trim_start());
        let manifest = parse(source.as_bytes());
        let objects = manifest.documents[1].objects().unwrap();
        assert_eq!(objects[0].pointer, "/items/1");
        assert_eq!(place(&manifest.documents[1], "/items/1/spec/containers/0/env/2"), Some((17, 9)));
    }

    #[test]
    fn through_an_alias_and_a_merge() {
        let source = "x: &all\n- env:\n  - 1\n  - 2\n  - &third {name: C}\nspec:\n  containers: *all\nother:\n  <<: {a: 1}\n  b: 2\n";
        let document = only(source);
        assert_eq!(place(&document, "/spec/containers/0/env/2"), Some((5, 12)));
        assert_eq!(place(&document, "/other/a"), Some((9, 11)));
        assert_eq!(place(&document, "/other/b"), Some((10, 6)));
        assert!(document.span("/spec/containers/0/env/2").unwrap().shared);
        let span = document.span("/x/0/env/2").unwrap();
        assert_eq!((&source[span.bytes], span.style, span.shared), ("{name: C}", Style::FlowMapping, false));
        assert_eq!(&source[span.anchor.unwrap()], "&third");
        assert_eq!(&source[document.span("/spec/containers").unwrap().bytes], "*all");
    }

    #[test]
    fn of_what_is_not_there() {
        let document = only(POD);
        for pointer in
            ["/nothing", "/spec/containers/1", "/spec/containers/00", "/spec/containers/-", "/kind/x", "spec", "/"]
        {
            assert_eq!(document.locate(pointer), None, "{pointer}");
        }
        let nearest = document.locate_nearest("/spec/containers/0/env/7/valueFrom");
        assert_eq!((nearest.line, nearest.column), (7, 5));
    }

    #[test]
    fn of_escaped_and_spelt_keys() {
        let document = only("a/b: 1\n~x: 2\nyes: 3\n0x10: 4\n\"\": 5\n");
        for (pointer, line) in [("/a~1b", 1), ("/~0x", 2), ("/true", 3), ("/16", 4), ("/", 5)] {
            assert_eq!(place(&document, pointer).map(|place| place.0), Some(line), "{pointer}");
        }
    }

    #[test]
    fn a_span_ends_with_its_last_child() {
        let source = "a:\n  b: 1\n  c: 'x'\n\n# comment\nd: |\n  text\n";
        let document = only(source);
        assert_eq!(&source[document.span("/a").unwrap().bytes], "b: 1\n  c: 'x'");
        assert_eq!(&source[document.span("/a/c").unwrap().bytes], "'x'");
        assert_eq!(document.span("/d").unwrap().style, Style::Literal);
    }
}

mod properties {
    use super::*;
    use serde::Serialize;

    /// Everything that is done with a manifest; whatever comes back.
    fn use_up(source: &[u8]) {
        let manifest = parse(source);
        let mut seen: Vec<usize> = manifest.documents.iter().map(|document| document.index).collect();
        seen.extend(manifest.errors.iter().map(|error| error.document));
        seen.sort_unstable();
        let count = seen.len();
        seen.dedup();
        assert_eq!(seen.len(), count, "a document is read or an error, never both");
        assert!(manifest.errors.iter().all(|error| error.line > 0 && error.offset <= source.len()));
        for document in &manifest.documents {
            if let Ok(json) = document.json() {
                let value: Value = serde_json::from_slice(&json).unwrap();
                assert_eq!(document.is_empty(), value.is_null());
                every_pointer_has_a_place(document, &value, source);
            }
            for object in document.objects().unwrap_or_default() {
                assert!(serde_json::from_slice::<Value>(&object.json).unwrap().is_object());
                assert!(document.locate(&object.pointer).is_some());
            }
        }
    }

    fn every_pointer_has_a_place(document: &Document<'_>, value: &Value, source: &[u8]) {
        let mut rest = vec![(String::new(), value)];
        while let Some((pointer, value)) = rest.pop() {
            let span = document.span(&pointer).unwrap_or_else(|| panic!("{pointer:?} has no place"));
            assert!(span.bytes.start <= span.bytes.end && span.bytes.end <= source.len());
            assert!(document.locate(&pointer).is_some());
            match value {
                Value::Object(entries) => {
                    rest.extend(entries.iter().map(|(key, value)| {
                        (format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), value)
                    }))
                }
                Value::Array(items) => {
                    rest.extend(items.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)));
                }
                _ => {}
            }
        }
    }

    fn yaml_like() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "a",
            "b: ",
            "c:",
            "- ",
            "-\n",
            "\n",
            "\n  ",
            "\n    ",
            "\n---\n",
            "...\n",
            "[",
            "]",
            "{",
            "}",
            ", ",
            ": ",
            "? ",
            "&x ",
            "*x",
            "<<: ",
            "!!str ",
            "!!int ",
            "! ",
            "\"",
            "'",
            "|\n",
            ">-\n",
            "#",
            " # x\n",
            "\t",
            "\r\n",
            "1",
            "0x1",
            "yes",
            "~",
            "{{ ",
            " }}",
            "kind: List\n",
            "apiVersion: v1\n",
            "items:\n",
            "é",
            "\u{feff}",
            "\0",
            "%YAML 1.1\n",
            "\\u0041",
            "\\",
        ]);
        prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn arbitrary_bytes_never_panic(source in prop::collection::vec(any::<u8>(), 0..200)) {
            use_up(&source);
        }

        #[test]
        fn arbitrary_yaml_like_text_never_panics(source in yaml_like()) {
            use_up(source.as_bytes());
        }

        #[test]
        fn json_is_read_as_serde_reads_it(keys in prop::collection::btree_map("[a-z\"\\\\é\n]{0,4}", "\\PC{0,8}", 0..6), number in any::<i64>()) {
            let mut value = json!({"n": number, "l": [number, null, true, 0.5]});
            keys.into_iter().for_each(|(key, text)| value["m"][key] = text.into());
            let mut tabbed = Vec::new();
            let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut tabbed, formatter)).unwrap();
            for text in [serde_json::to_string(&value).unwrap(), String::from_utf8(tabbed).unwrap()] {
                prop_assert_eq!(&super::value(&text), &value);
            }
        }
    }

    #[test]
    fn hostile_shapes_end_in_an_error_or_a_document() {
        let size = 1 << 18;
        for shape in [
            "[",
            "{",
            "- ",
            "-\n",
            "&a ",
            "*a",
            "? ",
            "x ",
            "x",
            ": ",
            "\"",
            "'' ",
            "!a ",
            "%a\n",
            "|\n",
            "---\n",
            "---\n[\n",
            "[\n...\n",
            "a:\n\tb\n...\n",
            "\t",
            "\0",
            "{{",
            "[1],",
            "\u{feff}",
        ] {
            let source = shape.repeat(size / shape.len());
            let manifest = parse(source.as_bytes());
            manifest.documents.iter().for_each(|document| drop(document.json()));
        }
    }
}

mod corpus {
    use super::*;

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn every_file_is_read_or_is_an_error_with_a_line() {
        let root = std::env::var_os("SECRETFENCE_SHARED")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
            .join("corpus");
        if !root.is_dir() {
            assert!(std::env::var_os("CI").is_none(), "no corpus in {}: set SECRETFENCE_SHARED", root.display());
            println!("left out: no corpus in {}", root.display());
            return;
        }
        for (folder, broken) in [("real", 2), ("peers", 0), ("invalid", 2)] {
            let mut found = Vec::new();
            files(&root.join(folder), &mut found);
            assert!(!found.is_empty());
            let mut errors = 0;
            for path in found {
                let source = std::fs::read(&path).unwrap();
                let manifest = parse(&source);
                errors += manifest.errors.len();
                assert!(!manifest.documents.is_empty() || !manifest.errors.is_empty(), "{}", path.display());
                assert!(manifest.errors.iter().all(|error| error.line > 1 && error.column > 0));
                for document in manifest.documents {
                    serde_json::from_slice::<Value>(&document.json().unwrap()).unwrap();
                    for object in document.objects().unwrap() {
                        let place = document.locate(&object.pointer).unwrap();
                        assert!(place.line > 0 && place.offset < source.len());
                    }
                }
            }
            assert_eq!(errors, broken, "{folder}");
        }
    }
}
