//! The API server's HTTP interface, as far as the tests need it.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

#[derive(Clone)]
pub struct Api {
    agent: Agent,
    url: String,
    token: &'static str,
}

/// What the API server says to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    /// Without their code and agent.
    pub warnings: Vec<String>,
}

impl Api {
    pub fn new(url: String, token: &'static str, authority: &str) -> Api {
        let authority = Certificate::from_pem(authority.as_bytes()).unwrap();
        let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(vec![authority]))).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Api { agent: config.into(), url, token }
    }

    /// Status and text of a GET, where the server answers at all.
    pub fn text(&self, path: &str) -> Option<(u16, String)> {
        let response = self.send("GET", path, "", Vec::new()).ok()?;
        let status = response.status().as_u16();
        Some((status, response.into_body().read_to_string().ok()?))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, "", &Value::Null)
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path, "application/json", &json!({}))
    }

    /// Creates an object. The query begins with `?`, or is empty.
    pub fn create(&self, object: &Value, query: &str) -> Reply {
        self.request("POST", &format!("{}{query}", collection(object)), "application/json", object)
    }

    pub fn merge(&self, path: &str, patch: &Value) -> Reply {
        self.request("PATCH", path, "application/merge-patch+json", patch)
    }

    /// Server-side apply, of JSON.
    pub fn apply(&self, object: &Value, manager: &str) -> Reply {
        let path = format!("{}?fieldManager={manager}&force=true", path(object));
        self.request("PATCH", &path, "application/apply-patch+yaml", object)
    }

    pub fn request(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Reply {
        self.try_request(method, path, content_type, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub fn try_request(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Reply, ureq::Error> {
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let response = self.send(method, path, content_type, bytes)?;
        let status = response.status().as_u16();
        let warnings = response.headers().get_all("warning").iter();
        let warnings = warnings.map(|value| unquoted(&String::from_utf8_lossy(value.as_bytes()))).collect();
        let text = response.into_body().with_config().limit(64 << 20).read_to_string()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Reply { status, body, warnings })
    }

    /// Begins to create something in a collection, and comes to its end when the reader does.
    pub fn begin(&self, collection: &str, body: impl Read + 'static) -> Result<u16, ureq::Error> {
        let request = self.agent.post(format!("{}{collection}", self.url));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let request = request.content_type("application/json");
        Ok(request.send(ureq::SendBody::from_owned_reader(body))?.status().as_u16())
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Response<ureq::Body>, ureq::Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json");
        if method == "GET" {
            return self.agent.run(request.body(()).unwrap());
        }
        // A DELETE with a body is not every server's, but it is the API server's.
        let request = request.header("content-type", content_type).body(body).unwrap();
        self.agent.run(self.agent.configure_request(request).allow_non_standard_methods(true).build())
    }
}

impl Reply {
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// The object, where it was made or changed.
    #[track_caller]
    pub fn done(self) -> Value {
        assert!(matches!(self.status, 200..=202), "{} {}", self.status, self.message());
        self.body
    }

    /// The message of the webhook that refused.
    #[track_caller]
    pub fn denied(&self) -> &str {
        let prefix = "admission webhook \"validate.secretfence.dev\" denied the request: ";
        assert_eq!(self.status, 403, "{self:#?}");
        self.message().strip_prefix(prefix).unwrap_or_else(|| panic!("denied by another: {}", self.message()))
    }
}

/// Where objects of this kind and namespace are.
pub fn collection(object: &Value) -> String {
    let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    let root = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
    let plural = match kind.to_lowercase() {
        name if name.ends_with('y') => format!("{}ies", name.trim_end_matches('y')),
        name if name.ends_with('s') => format!("{name}es"),
        name => format!("{name}s"),
    };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

/// Where this object is.
pub fn path(object: &Value) -> String {
    format!("{}/{}", collection(object), object["metadata"]["name"].as_str().expect("a name"))
}

/// The text of `299 - "text"`.
fn unquoted(warning: &str) -> String {
    let text = warning.split_once('"').map_or("", |(_, text)| text).trim_end_matches('"');
    text.replace("\\\"", "\"").replace("\\\\", "\\")
}
