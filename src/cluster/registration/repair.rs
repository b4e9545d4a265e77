//! A configuration put right: what differs becomes as shipped, and nothing else is touched.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::drift::{Drift, Problem};
use super::form::webhooks;
use super::selector::{Requirement, Selector};

/// The configuration that is there with everything put right that can be. None: nothing can.
///
/// What authorities are trusted is nobody's business here but the certificates'. A webhook that is missing is made only where some are known
/// to be right: with none, it would refuse everything that it is asked about.
pub(super) fn restored(drift: &[Drift], shipped: &Value, found: &Value, bundle: Option<&str>) -> Option<Value> {
    let mut restored = found.clone();
    for drift in drift {
        let name = drift.webhook.as_deref()?;
        let shipped = of_name(shipped, name)?;
        if drift.problem == Problem::Missing {
            if let Some(bundle) = bundle {
                let all = restored.as_object_mut()?.entry("webhooks").or_insert_with(|| json!([]));
                all.as_array_mut()?.push(trusting(shipped.clone(), bundle));
            }
            continue;
        }
        put_right(drift, shipped, of_name_mut(&mut restored, name)?);
    }
    (restored != *found).then_some(restored)
}

/// The shipped configuration, with these authorities.
pub(super) fn made(shipped: &Value, bundle: &str) -> Value {
    let mut made = shipped.clone();
    for webhook in made["webhooks"].as_array_mut().into_iter().flatten() {
        *webhook = trusting(webhook.take(), bundle);
    }
    made
}

/// The same with these authorities in every webhook of ours that leads to a Service.
pub(super) fn with_bundle(shipped: &Value, found: &Value, bundle: &str) -> Value {
    let mut all = found.clone();
    let ours: Vec<String> = webhooks(shipped).into_iter().map(|webhook| webhook.name).collect();
    for webhook in all["webhooks"].as_array_mut().into_iter().flatten() {
        let is_ours = ours.iter().any(|name| webhook["name"] == **name);
        if is_ours && webhook["clientConfig"]["service"].is_object() {
            *webhook = trusting(webhook.take(), bundle);
        }
    }
    all
}

fn put_right(drift: &Drift, shipped: &Value, found: &mut Value) {
    match (drift.problem, drift.field) {
        (Problem::CaBundle | Problem::Missing, _) => {}
        (Problem::Elsewhere, _) => {
            let config = &mut found["clientConfig"];
            config["service"] = shipped["clientConfig"]["service"].clone();
            // One of both: the API server takes no other.
            if let Some(config) = config.as_object_mut() {
                config.remove("url");
            }
        }
        (_, "namespaceSelector") => {
            found["namespaceSelector"] = selector(&shipped["namespaceSelector"], &found["namespaceSelector"]);
        }
        (_, field) => match shipped.get(field) {
            Some(value) => found[field] = value.clone(),
            None => {
                if let Some(found) = found.as_object_mut() {
                    found.remove(field);
                }
            }
        },
    }
}

/// As shipped, but that the namespaces which are left out by name are those of the user's list.
fn selector(shipped: &Value, found: &Value) -> Value {
    let is_list = |expression: &&Value| {
        serde_json::from_value::<Requirement>((*expression).clone()).is_ok_and(|its| Selector::is_name_list(&its))
    };
    let expressions = |selector: &Value| selector["matchExpressions"].as_array().cloned().unwrap_or_default();
    let lists: Vec<Value> = expressions(found).iter().filter(is_list).cloned().collect();
    if lists.is_empty() {
        return shipped.clone();
    }
    let shipped = expressions(shipped);
    json!({"matchExpressions": lists.into_iter().chain(shipped.iter().filter(|its| !is_list(its)).cloned()).collect::<Vec<_>>()})
}

fn trusting(mut webhook: Value, bundle: &str) -> Value {
    webhook["clientConfig"]["caBundle"] = json!(STANDARD.encode_to_string(bundle));
    webhook
}

fn of_name<'a>(configuration: &'a Value, name: &str) -> Option<&'a Value> {
    configuration["webhooks"].as_array()?.iter().find(|webhook| webhook["name"] == name)
}

fn of_name_mut<'a>(configuration: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    configuration["webhooks"].as_array_mut()?.iter_mut().find(|webhook| webhook["name"] == name)
}
