//! The JSON Schema of a policy file, for editors: made of the very types that read it, with what `compile` asks beyond
//! their shape as far as a schema can say it.
//!
//! Draft 7, since that is what editors know best. It never refuses what `compile` takes; tests hold both.

use std::io::{self, Write};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::fence::kind::Kind;
use crate::fence::policy::PolicyTest;
use crate::fence::policy::file::{API_VERSION, DOCUMENT_KINDS, Group, PodTemplates, SecretPolicy, Selected};

/// Writes the schema, indented.
pub(super) fn write(out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &schema())?;
    writeln!(out)
}

/// The schema of one document of a policy file.
pub fn schema() -> Value {
    let kinds = [policy(), pod_templates(), policy_test()];
    let by_kind: Vec<Value> = DOCUMENT_KINDS
        .iter()
        .zip(kinds)
        .map(|(kind, schema)| {
            json!({"if": {"required": ["kind"], "properties": {"kind": {"const": kind}}}, "then": schema})
        })
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Secretfence policy file",
        "description": "A document of a policy file: SecretPolicy, PodTemplates, or PolicyTest.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": {"const": API_VERSION, "description": format!("Always {API_VERSION}.")},
            "kind": {"enum": DOCUMENT_KINDS, "description": "Which sort of document."},
        },
        "allOf": by_kind,
    })
}

fn policy() -> Value {
    let mut schema = of::<SecretPolicy>();
    let mut at = At(&mut schema);
    at.document("SecretPolicy");
    at.each(&["/spec/match", "/spec/exclude"], |at| {
        at.globs(&["/namespaces", "/serviceAccounts"]);
        at.each(&["/namespaceSelector", "/objectSelector"], selector);
    });
    let one_of_these = ["rules", "readers", "secretDrivers", "copyMarks"].map(|field| json!({"required": [field]}));
    at.add("/spec", json!({"anyOf": one_of_these}));
    at.each(&["/spec/rules[]"], rule);
    at.each(&["/spec/readers[]"], |at| {
        at.globs(&["/images", "/variables"]);
        at.add(
            "/form",
            json!({"pattern": r"^(?!\{name\}$)(?=.*\{name\})([A-Za-z_.-]|\{name\})([A-Za-z0-9_.-]|\{name\})*$"}),
        );
        at.add("/source", sentence());
    });
    at.add("/spec/secretDrivers[]", subdomain());
    at.add("/spec/copyMarks[]", json!({"oneOf": [{"required": ["annotation"]}, {"required": ["label"]}]}));
    schema
}

fn pod_templates() -> Value {
    let mut schema = of::<PodTemplates>();
    let mut at = At(&mut schema);
    at.document("PodTemplates");
    at.each(&["/spec/rows[]"], |at| {
        at.add("/group", json!({"not": {"enum": ["", "apps", "batch"]}}));
        at.add("/group", subdomain());
        at.add("/versions[]", label());
        at.add("/resource", label());
        at.add("/kind", json!({"pattern": "^[A-Za-z][A-Za-z0-9]{0,62}$"}));
        at.add("/versions", json!({"uniqueItems": true}));
        at.add("/paths", json!({"uniqueItems": true}));
    });
    schema
}

fn policy_test() -> Value {
    let mut schema = of::<PolicyTest>();
    let mut at = At(&mut schema);
    at.document("PolicyTest");
    at.each(&["/spec/cases[]"], |at| {
        at.add("/name", json!({"pattern": r"\S"}));
        at.add(
            "",
            json!({
                "oneOf": [{"required": ["object"]}, {"required": ["file"]}],
                "anyOf": [{"required": ["expect"]}, {"required": ["patched"]}],
            }),
        );
        at.remove("/expect", "minItems");
        at.remove("/facts/objects", "minItems");
    });
    schema
}

fn rule(at: &mut At<'_>) {
    at.add("/name", json!({"pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"}));
    at.add("/message", sentence());
    at.add("/reason", sentence());
    let fields = ["namespaces", "containers", "images", "secrets", "keys", "variables", "reach", "from"];
    fields.iter().for_each(|field| at.globs(&[&format!("/where/{field}")]));
    at.add("/where/paths[]", json!({"minLength": 1, "not": {"const": "!"}, "pattern": "^(@node-secrets$|(?!!*@))"}));
    // What is neither above, at nor below the place of the ServiceAccount's token, absolute and clean.
    let path = r"^(?!(/var)?/run/secrets(/|$))(?!(/var)?/run$)(?!/var$)(/(?!\.{1,2}(/|$))[^/:$\\\u0000-\u001f\u007f-\u009f]+)+$";
    at.add("/mount/path", json!({"pattern": path, "maxLength": 1024}));
    let variable = r"^(?!\{name\}$)(|([A-Za-z_.-]|\{(name|secret|key)\})([A-Za-z0-9_.-]|\{(name|secret|key)\})*)$";
    at.add("/mount/variable", json!({"pattern": variable}));
    at.add("/mount/keys", json!({"minProperties": 1, "propertyNames": {"pattern": single_glob()}}));
    at.add("/mount/keys{}", json!({"uniqueItems": true, "minItems": 1}));
    at.add("/mount/keys{}[]", json!({"pattern": r"^(?!\.\.)(?!\.$)[A-Za-z0-9._-]{1,253}$"}));
    let no_swap: Vec<&str> = Kind::ALL.into_iter().filter(|kind| !kind.has_swap()).map(Kind::name).collect();
    let about_copies: Vec<&str> = Some(Kind::Copied.name())
        .into_iter()
        .chain(
            Group::ALL
                .into_iter()
                .filter(|group| Selected::Group(*group).kinds().contains(Kind::Copied))
                .map(Group::name),
        )
        .collect();
    let action = |name: &str| json!({"required": ["action"], "properties": {"action": {"const": name}}});
    at.add(
        "",
        json!({
            "dependencies": {"reason": ["expires"], "expires": ["reason"]},
            "allOf": [
                {
                    "if": action("mount"),
                    "then": {"properties": {"on": {"items": {"not": {"enum": no_swap}}}}},
                    "else": {"properties": {"mount": false}},
                },
                {"if": action("allow"), "else": {"properties": {"reason": false, "expires": false}}},
                {
                    "if": {"required": ["missing"]},
                    "then": {"properties": {"on": {"contains": {"enum": about_copies}}}},
                },
            ],
        }),
    );
}

fn selector(at: &mut At<'_>) {
    at.add(
        "",
        json!({"anyOf": [
            {"required": ["matchLabels"], "properties": {"matchLabels": {"minProperties": 1}}},
            {"required": ["matchExpressions"], "properties": {"matchExpressions": {"minItems": 1}}},
        ]}),
    );
    let key = r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$";
    let value = "^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$";
    at.add("/matchLabels", json!({"propertyNames": {"pattern": key}}));
    at.add("/matchLabels{}", json!({"pattern": value}));
    at.remove("/matchExpressions", "minItems");
    at.each(&["/matchExpressions[]"], |at| {
        at.add("/key", json!({"pattern": key}));
        at.remove("/values", "minItems");
        at.add("/values[]", json!({"pattern": value}));
        at.add(
            "",
            json!({
                "if": {"required": ["operator"], "properties": {"operator": {"enum": ["In", "NotIn"]}}},
                "then": {"required": ["values"], "properties": {"values": {"minItems": 1}}},
                "else": {"properties": {"values": {"maxItems": 0}}},
            }),
        );
    });
}

fn subdomain() -> Value {
    json!({"pattern": r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", "maxLength": 253})
}

fn label() -> Value {
    json!({"pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"})
}

/// One line with something in it.
fn sentence() -> Value {
    json!({"pattern": r"^\s*[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*\s*$"})
}

fn single_glob() -> &'static str {
    r"^(?!!)[^\[\]{}\\\u0000-\u001f\u007f-\u009f]+$"
}

/// The schema of a type, without references, and without the `null` that an `Option` would take: a value that is left
/// out is an error, not a field that is left out.
fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    schema
}

fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => {
            without_null(fields);
            // Where the line ends in the source is not the reader's matter.
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            // A default of `null` says nothing that `required` does not.
            fields.retain(|key, value| !(key == "default" && value.is_null()));
            fields.values_mut().for_each(tidy);
            if fields.get("type").is_some_and(|its| its == "array") {
                fields.entry("minItems").or_insert_with(|| 1.into());
            }
        }
        _ => {}
    }
}

fn without_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|its| its != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    let is_null = |schema: &Value| schema == &json!({"type": "null"});
    let Some(Value::Array(any)) = fields.get_mut("anyOf") else { return };
    if !any.iter().any(is_null) {
        return;
    }
    any.retain(|schema| !is_null(schema));
    if let [Value::Object(only)] = &any[..] {
        let only = only.clone();
        fields.remove("anyOf");
        for (key, value) in only {
            // The field's own description is nearer than its type's.
            fields.entry(key).or_insert(value);
        }
    }
}

/// A schema whose parts are found as the values are that it describes: `/spec/rules[]/where`, `/keys{}`.
struct At<'s>(&'s mut Value);

impl At<'_> {
    /// What every document has.
    fn document(&mut self, kind: &str) {
        self.add("/apiVersion", json!({"const": API_VERSION}));
        self.add("/kind", json!({"const": kind}));
        self.add("/metadata/name", subdomain());
    }

    /// Does the same at several places.
    fn each(&mut self, paths: &[&str], change: impl Fn(&mut At<'_>)) {
        for path in paths {
            self.at(path, |schema| change(&mut At(schema)));
        }
    }

    /// Adds to what is asked there.
    fn add(&mut self, path: &str, more: Value) {
        self.at(path, |schema| {
            if let (Value::Object(fields), Value::Object(more)) = (schema, more) {
                fields.extend(more);
            }
        });
    }

    fn remove(&mut self, path: &str, field: &str) {
        self.at(path, |schema| {
            schema.as_object_mut().map(|fields| fields.remove(field));
        });
    }

    /// Lists of globs.
    fn globs(&mut self, paths: &[&str]) {
        for path in paths {
            let glob = r"^(?!!$)[^\[\]{}\\\u0000-\u001f\u007f-\u009f]+$";
            self.add(&format!("{path}[]"), json!({"pattern": glob}));
        }
    }

    fn at(&mut self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut schema = Some(&mut *self.0);
        for step in path.split('/').skip(1) {
            let (name, items) = match (step.strip_suffix("[]"), step.strip_suffix("{}"), step.strip_suffix("{}[]")) {
                (_, _, Some(name)) => (name, &["additionalProperties", "items"][..]),
                (Some(name), ..) => (name, &["items"][..]),
                (_, Some(name), _) => (name, &["additionalProperties"][..]),
                _ => (step, &[][..]),
            };
            schema = schema.and_then(|schema| schema.get_mut("properties")?.get_mut(name));
            for item in items {
                schema = schema.and_then(|schema| schema.get_mut(item));
            }
        }
        // A field that was renamed would else lose what is asked of it in silence.
        debug_assert!(schema.is_some(), "no field {path}");
        if let Some(schema) = schema {
            change(schema);
        }
    }
}
