//! As much of an API server as the webhook's own objects need: what is written is kept, by compare and swap, and watched.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// Objects by the path of each.
#[derive(Clone)]
pub struct Kept {
    port: u16,
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Kept {
    /// On a port of its own, with these objects.
    pub fn start(objects: impl IntoIterator<Item = (String, Value)>) -> Kept {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Kept { port, objects: Arc::default() };
        for (path, object) in objects {
            kept.put(&path, object);
        }
        let its = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let its = its.clone();
                // A client that goes away is nothing to fail for.
                std::thread::spawn(move || drop(its.serve(stream)));
            }
        });
        kept
    }

    /// The way to it, as a kubeconfig.
    pub fn kubeconfig(&self) -> String {
        let server = format!("http://127.0.0.1:{}", self.port);
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "t", "users": [{"name": "t", "user": {}}],
            "clusters": [{"name": "t", "cluster": {"server": server}}],
            "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
        })
        .to_string()
    }

    /// Writes an object, whatever was there.
    pub fn put(&self, path: &str, object: Value) -> Value {
        put(&mut self.objects.lock().unwrap(), path, object)
    }

    pub fn get(&self, path: &str) -> Option<Value> {
        self.objects.lock().unwrap().get(path).cloned()
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut request, mut line, mut length) = (String::new(), String::new(), 0);
        reader.read_line(&mut request)?;
        while reader.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut words = request.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
        let value = |name: &str| pairs().find(|(key, _)| *key == name).map(|(_, value)| value);
        let name = value("fieldSelector").and_then(|field| field.rsplit("%3D").next());
        if value("watch").is_some() {
            return self.watch(&mut stream, path, name, value("resourceVersion").and_then(|its| its.parse().ok()));
        }
        let body = || serde_json::from_slice(&body).unwrap();
        let (status, answer) = self.answer(method, path, name, body);
        let answer = answer.to_string();
        write!(
            stream,
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            answer.len()
        )?;
        write!(stream, "connection: close\r\n\r\n{answer}")
    }

    fn answer(&self, method: &str, path: &str, name: Option<&str>, body: impl Fn() -> Value) -> (u16, Value) {
        let mut objects = self.objects.lock().unwrap();
        let status = |code: u16, reason: &str| {
            (code, json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason}))
        };
        match method {
            "GET" if is_list(path) => {
                let metadata = json!({"resourceVersion": latest(&objects).to_string()});
                (200, json!({"kind": "List", "metadata": metadata, "items": below(&objects, path, name)}))
            }
            "GET" => objects.get(path).map_or_else(|| status(404, "NotFound"), |object| (200, object.clone())),
            "PUT" => match objects.get(path) {
                None => status(404, "NotFound"),
                Some(now) if version(now) != version(&body()) => status(409, "Conflict"),
                Some(_) => (200, put(&mut objects, path, body())),
            },
            "POST" => {
                let at = format!("{path}/{}", body()["metadata"]["name"].as_str().unwrap_or("generated"));
                (201, put(&mut objects, &at, body()))
            }
            _ => status(405, "MethodNotAllowed"),
        }
    }

    /// What was written after a version, and whatever is written from then on. Without a version, what is there too.
    fn watch(&self, stream: &mut TcpStream, path: &str, name: Option<&str>, from: Option<u64>) -> std::io::Result<()> {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")?;
        let mut seen = from.unwrap_or(0);
        loop {
            let news = {
                let objects = self.objects.lock().unwrap();
                let news = below(&objects, path, name).into_iter().filter(|object| version(object) > seen);
                let news: Vec<_> = news.collect();
                seen = latest(&objects);
                news
            };
            for object in news {
                writeln!(stream, "{}", json!({"type": "MODIFIED", "object": object}))?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn put(objects: &mut BTreeMap<String, Value>, path: &str, mut object: Value) -> Value {
    object["metadata"]["resourceVersion"] = json!((latest(objects) + 1).to_string());
    objects.insert(path.to_owned(), object.clone());
    object
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn latest(objects: &BTreeMap<String, Value>) -> u64 {
    objects.values().map(version).max().unwrap_or(0)
}

/// Nothing that is asked for here by name is named like a kind.
fn is_list(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    ["namespaces", "secrets", "mutatingwebhookconfigurations", "validatingwebhookconfigurations"].contains(&last)
}

fn below(objects: &BTreeMap<String, Value>, path: &str, name: Option<&str>) -> Vec<Value> {
    let of_list = |at: &&String| at.strip_prefix(path).is_some_and(|rest| rest.matches('/').count() == 1);
    let found = objects.iter().filter(|(at, _)| of_list(at)).map(|(_, object)| object);
    found.filter(|object| name.is_none_or(|name| object["metadata"]["name"] == name)).cloned().collect()
}
