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
    let (not_after, failure) = shared.certificates.state();
    let until = Timestamp::from_second(not_after).map_or_else(|_| not_after.to_string(), |at| at.to_string());
    check(&mut text, "certificate", failure, &format!("good until {until}"));
    let mut is_ready = serving.is_ready;
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
