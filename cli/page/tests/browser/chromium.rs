//! A headless Chromium, driven through its debugging pipe: messages of JSON that end with NUL, on
//! its file descriptors 3 and 4. No port, no driver, no network. And what is looked for in a page.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The descriptors are mapped by a shell: between fork and exec Rust could do it only unsafely.
const START: &str = "exec chromium --headless=new --no-sandbox --disable-gpu --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync \
    --user-data-dir=\"$1\" --remote-debugging-pipe about:blank \
    3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
/// So long nothing takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Elements whose text has less contrast than people need (WCAG 2.2, 1.4.3).
pub(crate) const FAINT: &str = r#"(() => {
    const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const parse = (text) => text.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const ground = (it) => {
        for (; it; it = it.parentElement) {
            const found = parse(getComputedStyle(it).backgroundColor);
            if (found.length < 4 || found[3] > 0.5) return found;
        }
        return [255, 255, 255];
    };
    const faint = [];
    const all = 'h1,h2,h3,p,li,td,th,dt,dd,summary,button,label,span,code,a';
    for (const it of document.querySelectorAll(all)) {
        const has_text = [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!has_text || it.offsetParent === null || it.disabled) continue;
        const [a, b] = [light(parse(getComputedStyle(it).color)), light(ground(it))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const name = `${it.tagName} ${it.className} ${it.textContent.slice(0, 40)}`;
        if (ratio < 4.5) faint.push(`${ratio.toFixed(1)} ${name}`);
    }
    return faint;
})()"#;

/// A browser with one tab; ended on drop.
pub(crate) struct Chromium {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    last: u64,
    session: Option<String>,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one, or says that it is not installed: then there is nothing to test, unless `CI` is
    /// set.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let is_there = Command::new("chromium").arg("--version").output().is_ok();
        if !is_there {
            let why = "chromium is not installed (apt-get install chromium)";
            // Past the capture of the test's output; a closed stderr is no reason to fail.
            let _ = writeln!(std::io::stderr(), "SKIP {test}: {why}");
            assert!(std::env::var_os("CI").is_none(), "{test} must not be skipped in CI: {why}");
            return None;
        }
        let profile = tempfile::tempdir().expect("the machine has room for a folder");
        let mut child = Command::new("bash")
            .args(["-c", START, "bash"])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let to = child.stdin.take().expect("it was piped");
        let mut out = BufReader::new(child.stdout.take().expect("it was piped"));
        let (send, from) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|bytes| bytes > 0) {
                message.pop();
                let read = serde_json::from_slice(&message);
                message.clear();
                if read.is_ok_and(|value| send.send(value).is_err()) {
                    return;
                }
            }
        });
        let mut chromium =
            Self { child, to, from, last: 0, session: None, events: Vec::new(), _profile: profile };
        chromium.attach();
        Some(chromium)
    }

    fn attach(&mut self) {
        let tab = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = self
            .call("Target.attachToTarget", json!({ "targetId": tab["targetId"], "flatten": true }));
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Runtime", "Log", "Network", "Page", "Accessibility", "DOM"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        let watch = "window.violations = []; document.addEventListener(\
            'securitypolicyviolation', \
            (event) => window.violations.push(event.violatedDirective));";
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": watch }));
    }

    /// The result of a command.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("chromium reads");
        loop {
            let found = self.from.recv_timeout(PATIENCE);
            let found = found.unwrap_or_else(|why| panic!("{method}: no answer: {why}"));
            if found["id"] == json!(self.last) {
                assert!(found["error"].is_null(), "{method}: {}", found["error"]);
                return found["result"].clone();
            }
            if found["method"].is_string() {
                self.events.push(found);
            }
        }
    }

    /// Opens a file and waits until its scripts have drawn; `has_scripts` says whether it has any.
    pub(crate) fn open(&mut self, file: &Path, has_scripts: bool) {
        self.go(&format!("file://{}", file.display()));
        self.wait(match has_scripts {
            true => "document.documentElement?.dataset.ready === 'yes'",
            false => "document.readyState === 'complete'",
        });
    }

    /// Opens an address.
    pub(crate) fn go(&mut self, url: &str) {
        self.events.clear();
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&mut self, is_done: &str) {
        for _ in 0..1_200 {
            if self.evaluate(is_done) == json!(true) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("never {is_done}: {:?}", self.faults());
    }

    /// The value of an expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let result = self.call(
            "Runtime.evaluate",
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        let fault = &result["exceptionDetails"];
        assert!(fault.is_null(), "{expression}: {fault}");
        result["result"]["value"].clone()
    }

    /// The text of the first element that a selector finds.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let expression = format!("document.querySelector({}).textContent", json!(selector));
        self.evaluate(&expression).as_str().expect("a text").to_owned()
    }

    /// Gives an element the focus.
    pub(crate) fn focus(&mut self, selector: &str) {
        self.evaluate(&format!("document.querySelector({}).focus()", json!(selector)));
    }

    /// Presses and releases a key.
    pub(crate) fn press(&mut self, key: &str, has_shift: bool) {
        let modifiers = if has_shift { 8 } else { 0 };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": key, "code": key, "modifiers": modifiers });
            if key == "Enter" {
                // Only a key with a text presses a button.
                event["text"] = json!("\r");
                event["windowsVirtualKeyCode"] = json!(13);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Draws with the mouse from one place to another.
    pub(crate) fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        let steps = [
            ("mouseMoved", from, "none"),
            ("mousePressed", from, "left"),
            ("mouseMoved", to, "left"),
            ("mouseReleased", to, "left"),
        ];
        for (kind, (x, y), button) in steps {
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Everything that went wrong since the page was opened: exceptions, entries of the console,
    /// violations of the policy, and requests other than that of the file.
    pub(crate) fn faults(&mut self) -> Vec<String> {
        let violations = self.evaluate("JSON.stringify(window.violations)");
        let mut faults: Vec<String> = match violations.as_str() {
            Some("[]") | None => Vec::new(),
            Some(list) => vec![format!("violations: {list}")],
        };
        let mut requests = 0;
        for event in &self.events {
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" | "Log.entryAdded" | "Runtime.consoleAPICalled" => {
                    faults.push(event["params"].to_string());
                }
                "Network.requestWillBeSent" => {
                    requests += 1;
                    if requests > 1 {
                        faults.push(format!("requests {}", event["params"]["request"]["url"]));
                    }
                }
                _ => {}
            }
        }
        faults
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its helpers end when their pipe to it does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
