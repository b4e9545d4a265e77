//! A browser without a window, told what to do through a pair of pipes: no port, no driver, no socket.
//!
//! <https://chromedevtools.github.io/devtools-protocol/>: messages of JSON, a NUL behind each.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// For one answer, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Browser {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    session: Option<String>,
    asked: u64,
    /// What the page did of its own accord, in order.
    events: Vec<Value>,
    /// Holds the profile.
    directory: tempfile::TempDir,
}

impl Browser {
    /// None where there is no Chromium, which only the CI is held to have.
    pub fn start() -> Option<Browser> {
        let Some(program) = program() else {
            assert!(std::env::var_os("CI").is_none(), "no Chromium in PATH: install chromium");
            println!("no Chromium in PATH: how the page looks and works is not tested; install chromium");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        // The pipes have to be file descriptors 3 and 4, which only a shell gives without unsafe code.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program)
            .args(["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"])
            // In a container there is no sandbox to be had, and the only pages are those of these tests.
            .args(["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND", "--force-color-profile=srgb"])
            .arg(format!("--user-data-dir={}", directory.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, out) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, from) = channel();
        thread::spawn(move || {
            for message in out.split(0) {
                let Ok(message) = message else { return };
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser = Browser { child, to, from, session: None, asked: 0, events: Vec::new(), directory };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let session = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        // Time of the thread: what others do on the machine counts little.
        browser.call("Performance.enable", json!({"timeDomain": "threadTicks"}));
        browser.size(1280, 900);
        Some(browser)
    }

    /// Writes the page into a file and opens that.
    pub fn open(&mut self, page: &[u8]) {
        let path = self.directory.path().join("audit.html");
        std::fs::write(&path, page).unwrap();
        self.events.clear();
        self.call("Page.navigate", json!({"url": format!("file://{}", path.display())}));
        self.wait_for("Page.loadEventFired");
    }

    /// The value of an expression, in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    pub fn text(&mut self, expression: &str) -> String {
        self.eval(expression).as_str().unwrap_or_else(|| panic!("{expression} is no text")).to_owned()
    }

    pub fn number(&mut self, expression: &str) -> f64 {
        self.eval(expression).as_f64().unwrap_or_else(|| panic!("{expression} is no number"))
    }

    /// How long the main thread of the page has been at work, since it began.
    pub fn milliseconds_of_work(&mut self) -> f64 {
        let metrics = self.call("Performance.getMetrics", json!({}));
        let mut metrics = metrics["metrics"].as_array().unwrap().iter();
        metrics.find(|metric| metric["name"] == "TaskDuration").unwrap()["value"].as_f64().unwrap() * 1000.0
    }

    /// Presses a key and lets go of it.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            _ => panic!("no code is known for {key}"),
        };
        let event =
            |kind: &str| json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", event("keyDown"));
        self.call("Input.dispatchKeyEvent", event("keyUp"));
    }

    pub fn size(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// `screen` or `print`, and `light` or `dark`.
    pub fn medium(&mut self, medium: &str, scheme: &str) {
        let features = [json!({"name": "prefers-color-scheme", "value": scheme})];
        self.call("Emulation.setEmulatedMedia", json!({"media": medium, "features": features}));
    }

    pub fn hide_scrollbars(&mut self) {
        self.call("Emulation.setScrollbarsHidden", json!({"hidden": true}));
    }

    pub fn without_script(&mut self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    }

    /// PNG of what is on the screen.
    pub fn picture(&mut self) -> Vec<u8> {
        decode(&self.call("Page.captureScreenshot", json!({"format": "png"})))
    }

    pub fn print(&mut self) -> Vec<u8> {
        decode(&self.call("Page.printToPDF", json!({"preferCSSPageSize": true, "printBackground": false})))
    }

    /// The role of every node that assistive technology is shown.
    pub fn roles(&mut self) -> Vec<String> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] == false);
        nodes.map(|node| node["role"]["value"].as_str().unwrap().to_owned()).collect()
    }

    /// Errors and warnings of the console, what the policy of the page refused, and everything that was fetched beside it.
    pub fn complaints(&mut self) -> Vec<String> {
        // What was logged before is told before the answer.
        self.eval_nothing();
        let mut complaints = Vec::new();
        for event in &self.events {
            let params = &event["params"];
            match event["method"].as_str().unwrap() {
                "Log.entryAdded"
                | "Runtime.exceptionThrown"
                | "Runtime.consoleAPICalled"
                | "Page.javascriptDialogOpening" => {
                    complaints.push(event.to_string());
                }
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap();
                    if !url.ends_with("/audit.html") && url != "data:," {
                        complaints.push(format!("fetched {url}"));
                    }
                }
                _ => {}
            }
        }
        complaints
    }

    fn eval_nothing(&mut self) {
        self.call("Runtime.getIsolateId", json!({}));
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.as_mut().unwrap().write_all(&bytes).unwrap();
        loop {
            let message = self.receive(method);
            if message["id"] == self.asked {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|seen| seen["method"] == event) {
            let message = self.receive(event);
            self.events.push(message);
        }
    }

    fn receive(&self, what: &str) -> Value {
        self.from.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no answer of the browser to {what}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends where its pipe does, and gives up its children.
        self.to = None;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(10) {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found =
        |name: &str| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| Path::is_file(file));
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(found)
}

fn decode(answer: &Value) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(answer["data"].as_str().unwrap()).unwrap()
}
