//! The plain listener: health, metrics and, where this process made it, the authority to trust.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;

use super::{Shared, registration};
use crate::cluster::Progress;

/// `/livez`, `/readyz`, `/metrics` and `/certificate`.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/certificate", get(certificate))
        .fallback(async || (StatusCode::NOT_FOUND, "try /livez, /readyz, /metrics or /certificate\n"))
        .with_state(shared)
}

/// A failed reload does not make it unready: the last good set or pair serves, and another replica would fail as well.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = String::new();
    let serving = shared.policies.judgement();
    let count = serving.set.policies().len();
    check(
        &mut text,
        "policies",
        shared.policies.failure(),
        &format!("revision {} ({count} polic{})", serving.set.revision(), if count == 1 { "y" } else { "ies" }),
    );
    let has_certificate = tell_certificate(&shared, &mut text);
    let mut is_ready = serving.is_ready && has_certificate;
    for Progress { resource, synced, failure } in shared.policies.watches() {
        is_ready &= synced;
        let name = resource.name();
        let _ = match (synced, failure) {
            (true, None) => writeln!(text, "[+]watch {name} ok"),
            (true, Some(why)) => writeln!(text, "[-]watch {name} stands, what it knew serves: {why}"),
            (false, why) => writeln!(text, "[-]watch {name} {}", why.as_deref().unwrap_or("not listed yet")),
        };
    }
    if let Some(its) = &shared.registration {
        registration::tell(its, &mut text);
    }
    let is_serving = shared.shutdown.is_serving();
    let status = if is_serving && is_ready {
        text.push_str("[+]shutdown none\nready\n");
        StatusCode::OK
    } else if is_serving {
        text.push_str("[+]shutdown none\nnot ready\n");
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        text.push_str("[-]shutdown under way\nnot ready\n");
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, text).into_response()
}

/// What serves, how it is looked after, and whether there is anything to serve with.
fn tell_certificate(shared: &Shared, text: &mut String) -> bool {
    let until = |ends: i64| Timestamp::from_second(ends).map_or_else(|_| ends.to_string(), |at| at.to_string());
    let (not_after, failure) = shared.certificates.state();
    let status = shared.certificates.status();
    let Some(not_after) = not_after else {
        let status = status.unwrap_or_default();
        let waits = status.waits.as_deref().unwrap_or("the Secret to be read");
        let why = status.failure.map(|why| format!(": {}", why.replace('\n', "\n    "))).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(text, "[-]certificate none yet, waits for {waits}{why}");
        return false;
    };
    if not_after <= Timestamp::now().as_second() {
        // Unready would help nobody: the others have the same one, or soon will.
        let why = failure.map(|why| format!("; reload failed: {}", why.replace('\n', "\n    "))).unwrap_or_default();
        let _ = writeln!(text, "[-]certificate ended at {}: no API server takes it{why}", until(not_after));
    } else {
        check(text, "certificate", failure, &format!("good until {}", until(not_after)));
    }
    if let Some(status) = status {
        let ends = status.authority_ends.map_or_else(|| "unknown".to_owned(), until);
        let _ = match status.failure {
            None => writeln!(text, "[+]authority ok good until {ends} ({} trusted)", status.authorities),
            Some(why) => {
                writeln!(text, "[-]authority good until {ends} is not looked after: {}", why.replace('\n', "\n    "))
            }
        };
    }
    true
}

fn check(text: &mut String, name: &str, failure: Option<String>, serving: &str) {
    // Writing to a string does not fail.
    let _ = match failure {
        None => writeln!(text, "[+]{name} ok {serving}"),
        Some(why) => {
            writeln!(text, "[-]{name} reload failed, still serving {serving}: {}", why.replace('\n', "\n    "))
        }
    };
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    match shared.metrics.render(shared.room.taken()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn certificate(State(shared): State<Arc<Shared>>) -> Response {
    match shared.certificates.authority_pem() {
        Some(pem) => ([(header::CONTENT_TYPE, "application/x-pem-file")], pem.to_owned()).into_response(),
        None => (StatusCode::NOT_FOUND, "the certificate comes from files: trust its issuer\n").into_response(),
    }
}
