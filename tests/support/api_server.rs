//! An API server that is as slow, forgetful and strict as a test needs. Of whatever is listed it has the same, where
//! it is not told otherwise.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What the API server says, and what it was asked.
#[derive(Default)]
pub struct State {
    /// Paths and queries.
    pub asked: Vec<String>,
    /// What was written: method and path, and the body.
    pub written: Vec<(String, String)>,
    /// Without rights.
    pub forbids: bool,
    /// Knows nobody.
    pub unauthorized: bool,
    /// So many pages break off.
    pub breaks: usize,
    /// So many pages that go on from another are of a version that is gone.
    pub outlives: usize,
    /// Each watch ends at once, with this status: 410 is that whatever is watched from is too old.
    pub ends: Option<u16>,
    /// In pages of two, or of one where no more is asked for.
    pub listed: Vec<Value>,
    /// By the plural name of the resource, in the place of `listed`.
    pub lists: BTreeMap<&'static str, Vec<Value>>,
    /// The same, of what is there once pods were asked for.
    pub later: BTreeMap<&'static str, Vec<Value>>,
    /// By the plural name of the resource, or by what is at the end of a path, with the method before it where something is
    /// written: the status, its `Retry-After`, and how often.
    pub refuses: BTreeMap<&'static str, (u16, Option<u32>, usize)>,
    /// By path, where one object is asked for.
    pub objects: BTreeMap<String, Value>,
    /// Paths that may not be asked for.
    pub forbidden: Vec<&'static str>,
    /// Known to who asks by name, and not in the list.
    pub unlisted: BTreeMap<String, Value>,
    /// Never answers who asks by name.
    pub hangs: bool,
    /// Of the watch.
    pub lines: Vec<String>,
    /// Watches of an older age end.
    pub age: usize,
}

#[derive(Clone)]
pub struct ApiServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl ApiServer {
    /// On a port of its own.
    pub fn start(state: State) -> ApiServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = ApiServer { port: listener.local_addr().unwrap().port(), state: Arc::new(Mutex::new(state)) };
        let its = api.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let its = its.clone();
                // A client that goes away is nothing to fail for.
                std::thread::spawn(move || drop(its.serve(stream)));
            }
        });
        api
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The way to it, as a kubeconfig.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: t\nusers: [{{name: t, user: {{}}}}]\n\
             clusters: [{{name: t, cluster: {{server: \"{}\"}}}}]\n\
             contexts: [{{name: t, context: {{cluster: t, user: t}}}}]\n",
            self.address()
        )
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut request, mut line) = (String::new(), String::new());
        reader.read_line(&mut request)?;
        let mut length = 0;
        while reader.read_line(&mut line)? > 2 {
            let header = line.to_ascii_lowercase();
            length = header.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let method = request.split(' ').next().unwrap_or_default().to_owned();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let value = |name: &str| {
            let pairs = path.split_once('?').map_or("", |(_, query)| query).split('&');
            pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let resource = path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let (answer, hangs, breaks, again) = {
            let mut state = self.state.lock().unwrap();
            state.asked.push(path.clone());
            let breaks = value("continue").is_some() && state.breaks > 0;
            state.breaks -= usize::from(breaks);
            let limit = value("limit").map_or(2, |limit| limit.parse().unwrap());
            let outlives = value("continue").is_some() && state.outlives > 0;
            state.outlives -= usize::from(outlives);
            let place = path.split('?').next().unwrap_or_default();
            let is_write = method != "GET";
            let refused = if is_write { format!("{method} {resource}") } else { resource.to_owned() };
            if is_write {
                state.written.push((format!("{method} {place}"), String::from_utf8_lossy(&body).into_owned()));
            }
            let (answer, again) = match state.refusal(&refused) {
                Some(refusal) => refusal,
                None if is_write => ((200, json!({})), None),
                None if outlives => {
                    ((410, json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"})), None)
                }
                None => match state.object(place) {
                    Some(answer) => (answer, None),
                    None => (state.answer(place, value("fieldSelector"), value("continue"), limit), None),
                },
            };
            if resource == "pods" {
                let mut later = std::mem::take(&mut state.later);
                state.lists.append(&mut later);
            }
            (answer, state.hangs, breaks, again)
        };
        if value("watch").is_some() && answer.0 == 200 {
            return self.watch(&mut stream);
        }
        if hangs && value("fieldSelector").is_some() {
            std::thread::sleep(Duration::from_secs(60));
        }
        let (status, body) = (answer.0, answer.1.to_string());
        let length = body.len() + usize::from(breaks);
        let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}");
        let head = again.map_or(head.clone(), |again| format!("{head}\r\nretry-after: {again}"));
        write!(stream, "{head}\r\nconnection: close\r\n\r\n{body}")
    }

    /// Writes the lines that are there and those that come, until this age is over.
    fn watch(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")?;
        let age = self.state.lock().unwrap().age;
        loop {
            let lines = {
                let mut state = self.state.lock().unwrap();
                if state.age != age {
                    return Ok(());
                }
                if let Some(code) = state.ends {
                    let reason = if code == 410 { "Expired" } else { "InternalError" };
                    let status = json!({"kind": "Status", "code": code, "reason": reason});
                    return writeln!(stream, "{}", json!({"type": "ERROR", "object": status}));
                }
                std::mem::take(&mut state.lines)
            };
            for line in lines {
                writeln!(stream, "{line}")?;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// How often something with this in its path was asked for.
    pub fn asked(&self, part: &str) -> usize {
        self.state.lock().unwrap().asked.iter().filter(|path| path.contains(part)).count()
    }
}

impl State {
    /// Refuses, as often as it is told to, and says when to come again.
    fn refusal(&mut self, resource: &str) -> Option<((u16, Value), Option<u32>)> {
        let (status, again, times) = self.refuses.get_mut(resource)?;
        *times = times.checked_sub(1)?;
        Some(((*status, json!({"kind": "Status", "status": "Failure", "code": *status})), *again))
    }

    /// What is said of one path.
    fn object(&self, path: &str) -> Option<(u16, Value)> {
        if self.forbidden.contains(&path) {
            return Some((403, json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"})));
        }
        self.objects.get(path).map(|object| (200, object.clone()))
    }

    fn answer(&self, path: &str, field: Option<&str>, from: Option<&str>, limit: usize) -> (u16, Value) {
        let resource = path.rsplit('/').next().unwrap_or_default();
        if self.unauthorized {
            return (401, json!({"kind": "Status", "status": "Failure", "code": 401, "reason": "Unauthorized"}));
        }
        if self.forbids {
            return (403, json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"}));
        }
        let list = |items: &[Value], more: String| {
            let metadata = json!({"resourceVersion": "7", "continue": more});
            (200, json!({"kind": "PartialObjectMetadataList", "metadata": metadata, "items": items}))
        };
        let listed = self.lists.get(resource).unwrap_or(&self.listed);
        let without = field.filter(|field| field.contains("metadata.namespace"));
        if let Some(field) = field.filter(|_| without.is_none()) {
            let name = field.rsplit("%3D").next().unwrap();
            let is_it = |its: &&Value| its["metadata"]["name"] == name;
            let known: Vec<Value> = match self.unlisted.get(name) {
                Some(object) => vec![object.clone()],
                None => listed.iter().filter(is_it).cloned().collect(),
            };
            return list(&known, String::new());
        }
        let namespace = path.split("/namespaces/").nth(1).and_then(|rest| rest.split_once('/')).map(|(name, _)| name);
        let is_asked = |its: &&Value| {
            let own = its["metadata"]["namespace"].as_str().unwrap_or_default();
            let is_left_out = without.is_some_and(|field| field.contains(&format!("%21%3D{own}")));
            namespace.is_none_or(|namespace| namespace == own) && !is_left_out
        };
        let listed: Vec<Value> = listed.iter().filter(is_asked).cloned().collect();
        let from: usize = from.map_or(0, |from| from.parse().unwrap());
        let end = (from + limit.min(2)).min(listed.len());
        list(&listed[from..end], if end < listed.len() { end.to_string() } else { String::new() })
    }
}
