//! JUnit XML: well-formed, of the shape that its readers take, and what is in it.

use insta::assert_snapshot;
use roxmltree::{Document, Node};

use crate::{CLEAN, Folder, POD};

#[test]
fn a_suite_is_a_file_and_a_case_a_reference() {
    let pod = format!("{POD}  volumes: [{{name: v, secret: {{secretName: tls}}}}]\n");
    let folder = Folder::with(&pod)
        .file("clean.yaml", CLEAN)
        .file("broken.yaml", "a: [")
        .rules("[{name: no, on: [env], action: deny, message: mount it}, {name: hm, on: [volume], action: warn}]");
    let shown = folder.check(&["--format", "junit", "pod.yaml", "clean.yaml", "broken.yaml", "absent.yaml"]);
    assert_shape(&shown);
    assert_snapshot!(shown, @r#"
    exit: 2
    --- stdout
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="secretfence" tests="5" failures="1" errors="2">
      <testsuite name="broken.yaml" tests="1" failures="0" errors="1" skipped="0">
        <testcase classname="broken.yaml" name="document 0 can be judged">
          <error type="error" message="unclosed bracket '[': correct the YAML here">broken.yaml:1:4: unclosed bracket '[': correct the YAML here</error>
        </testcase>
      </testsuite>
      <testsuite name="clean.yaml" tests="1" failures="0" errors="0" skipped="0">
        <testcase classname="clean.yaml" name="nothing to say"/>
      </testsuite>
      <testsuite name="pod.yaml" tests="2" failures="1" errors="0" skipped="0">
        <testcase classname="pod.yaml" name="Pod default/web /spec/containers/0/env/0 [test/no] in document 0">
          <failure type="test/no" message="denied: container &quot;api&quot; takes Secret &quot;db&quot; key &quot;password&quot; as env DB_PASSWORD (/spec/containers/0/env/0): mount it [test/no]">pod.yaml:10:11: denied: container &quot;api&quot; takes Secret &quot;db&quot; key &quot;password&quot; as env DB_PASSWORD (/spec/containers/0/env/0): mount it [test/no]</failure>
        </testcase>
        <testcase classname="pod.yaml" name="Pod default/web /spec/volumes/0/secret [test/hm] in document 0">
          <system-out>pod.yaml:15:31: warned: volume &quot;v&quot; holds Secret &quot;tls&quot; (/spec/volumes/0/secret): this policy does not let the pod have this volume [test/hm]</system-out>
        </testcase>
      </testsuite>
      <testsuite name="absent.yaml" tests="1" failures="0" errors="1" skipped="0">
        <testcase classname="absent.yaml" name="can be judged">
          <error type="error" message="there is no such file or folder">absent.yaml: there is no such file or folder</error>
        </testcase>
      </testsuite>
      <testsuite name="the check itself" tests="0" failures="0" errors="0" skipped="0">
        <system-out>3 files, 2 workloads: 1 denied, 1 warned, 0 swapped, 0 allowed; 2 errors</system-out>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn what_the_baseline_has_is_skipped() {
    let folder = Folder::with(POD);
    std::fs::write(folder.path().join("known.json"), folder.json(&["pod.yaml"]).to_string()).unwrap();
    let shown = folder.run(&["check", "--format", "junit", "--baseline", "known.json", "pod.yaml"]);
    assert_shape(&shown);
    assert!(
        shown.starts_with("exit: 0\n") && shown.contains("<skipped message=\"in the baseline: denied: "),
        "{shown}"
    );
}

fn assert_shape(shown: &str) {
    assert_valid(shown.split_once("--- stdout\n").unwrap().1);
}

/// What an element of the de-facto schema may have and must have. After `junit-10.xsd` of Jenkins' xUnit plugin.
struct Element {
    name: &'static str,
    attributes: &'static [&'static str],
    required: &'static [&'static str],
    children: &'static [&'static str],
}

const ELEMENTS: [Element; 7] = [
    Element {
        name: "testsuites",
        attributes: &["name", "time", "tests", "failures", "errors"],
        required: &[],
        children: &["testsuite"],
    },
    Element {
        name: "testsuite",
        attributes: &["name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id"],
        required: &["name", "tests", "failures", "errors"],
        children: &["testsuite", "properties", "testcase", "system-out", "system-err"],
    },
    Element {
        name: "testcase",
        attributes: &["name", "time", "classname", "group"],
        required: &["name"],
        children: &["skipped", "error", "failure", "system-out", "system-err"],
    },
    Element { name: "failure", attributes: &["type", "message"], required: &[], children: &[] },
    Element { name: "error", attributes: &["type", "message"], required: &[], children: &[] },
    Element { name: "skipped", attributes: &["type", "message"], required: &[], children: &[] },
    Element { name: "system-out", attributes: &[], required: &[], children: &[] },
];

/// Well-formed, of that shape, and with numbers that are those of its cases.
pub fn assert_valid(text: &str) {
    let document = Document::parse(text).expect(text);
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    for node in root.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        let Element { attributes, required, children, .. } =
            ELEMENTS.iter().find(|element| element.name == name).expect(name);
        assert!(node.attributes().all(|attribute| attributes.contains(&attribute.name())), "{name}\n{text}");
        assert!(required.iter().all(|attribute| node.has_attribute(*attribute)), "{name}\n{text}");
        let mut inner = node.children().filter(Node::is_element);
        assert!(inner.all(|child| children.contains(&child.tag_name().name())), "{name}\n{text}");
    }
    let count = |node: Node<'_, '_>, name: &str| node.descendants().filter(|node| node.has_tag_name(name)).count();
    for suite in root.descendants().filter(|node| ["testsuite", "testsuites"].contains(&node.tag_name().name())) {
        for (attribute, element) in
            [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
        {
            let said = suite.attribute(attribute).map(|number| number.parse::<usize>().unwrap());
            assert!(said.is_none_or(|said| said == count(suite, element)), "{attribute}\n{text}");
        }
    }
}
