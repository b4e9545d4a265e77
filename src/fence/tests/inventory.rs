//! The borrowed walk finds what the typed one finds.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PodSpec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::typed::{self, Found};
use super::{cases, generate, go_encoded, policies};
use crate::fence::PolicySet;
use crate::fence::policy::PolicyDocument;
use crate::fence::reference::{Keys, Reference, inventory};
use crate::fence::workload::{Shape, Workload};

/// Go reads a null item of a list as an empty object; the typed API does not.
fn null_items_as_empty(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| {
            if item.is_null() {
                *item = json!({});
            }
            null_items_as_empty(item);
        }),
        Value::Object(members) => members.values_mut().for_each(null_items_as_empty),
        _ => {}
    }
}

fn typed(template: &Value, at: &str) -> BTreeSet<Found> {
    let mut spec = template.get("spec").cloned().filter(|spec| !spec.is_null()).unwrap_or_else(|| json!({}));
    null_items_as_empty(&mut spec);
    let spec: PodSpec = serde_json::from_value(spec).unwrap();
    typed::walk(&spec, &format!("{at}/spec")).into_iter().collect()
}

fn as_found(reference: &Reference<'_>, template: &str) -> Found {
    let owned = |name: Option<&str>| name.map(str::to_owned);
    let keys = match &reference.keys {
        Keys::None => None,
        Keys::One(key) => Some(vec![(*key).to_owned()]),
        Keys::Some(keys) => Some(keys.iter().map(|key| (*key).to_owned()).collect()),
        Keys::All => Some(Vec::new()),
    };
    Found {
        kind: reference.kind.name(),
        pointer: reference.site.pointer(template),
        secret: owned(reference.secret),
        keys,
        variable: owned(reference.variable),
        optional: reference.optional,
    }
}

fn borrowed(object: &str, shape: Shape<'_>) -> BTreeSet<Found> {
    let workload = Workload::parse(object, shape).unwrap();
    let found = workload.templates.iter().flat_map(|(pointer, template)| {
        inventory(&template.spec, &[]).into_iter().map(|reference| as_found(&reference, pointer)).collect::<Vec<_>>()
    });
    found.collect()
}

fn custom() -> PolicySet {
    let document = json!({
        "apiVersion": "secretfence.dev/v1alpha1", "kind": "PodTemplates", "metadata": {"name": "custom"},
        "spec": {"rows": [{"group": "ray.io", "versions": ["v1"], "resource": "rayclusters", "kind": "RayCluster",
            "paths": ["spec.headGroupSpec.template", "spec.workerGroupSpecs[*].template"]}]},
    });
    PolicySet::compile(&[PolicyDocument { source: 0, value: document }]).unwrap()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_borrowed_walk_finds_in_a_pod_what_the_typed_walk_finds(pod in generate::wild::template()) {
        prop_assert_eq!(borrowed(&go_encoded(&pod), Shape::Pod), typed(&pod, ""));
    }

    #[test]
    fn the_borrowed_walk_finds_in_workloads_what_the_typed_walk_finds(
        template in generate::wild::template(), other in generate::wild::template()
    ) {
        let policies = policies([]);
        for (group, kind, path) in crate::fence::workload::BUILT_IN.into_iter().filter(|(_, _, path)| !path.is_empty()) {
            let at = format!("/{}", path.join("/"));
            let mut object = template.clone();
            for member in path.iter().rev() {
                object = json!({"before": [null], *member: object, "status": {"x": 1}});
            }
            let shape = Shape::of(group, "v1", kind, &policies).unwrap();
            prop_assert_eq!(borrowed(&go_encoded(&object), shape), typed(&template, &at));
        }

        let policies = custom();
        let shape = Shape::of("ray.io", "v1", "RayCluster", &policies).unwrap();
        let object = json!({"spec": {
            "headGroupSpec": {"template": &template},
            "workerGroupSpecs": [{"template": &other}, {"replicas": 1}, null, {"template": &template}, {"template": null}],
        }});
        let mut expected = typed(&template, "/spec/headGroupSpec/template");
        expected.extend(typed(&other, "/spec/workerGroupSpecs/0/template"));
        expected.extend(typed(&template, "/spec/workerGroupSpecs/3/template"));
        prop_assert_eq!(borrowed(&go_encoded(&object), shape), expected);
    }
}
