//! A browser without a window, driven over the DevTools protocol: pages are opened, and expressions are evaluated in them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// Far longer than any step takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Chromium with a profile of its own. It ends when this is dropped.
pub struct Browser {
    child: Child,
    /// Its address of the DevTools protocol.
    address: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser on a free port.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
            .args(["--remote-debugging-port=0", "--remote-allow-origins=*"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromium is installed: apt-get install chromium");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let ready = lines.find_map(|line| Some(line.split_once("DevTools listening on ws://")?.1.to_owned()));
        let ready = ready.expect("the browser says where it listens");
        let address = ready.split('/').next().expect("an address").to_owned();
        // The browser must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _profile: profile }
    }

    /// Opens a page.
    pub fn open(&self, url: &str) -> Page {
        let page = self.request(&format!("PUT /json/new?{url} HTTP/1.1"));
        let socket = page["webSocketDebuggerUrl"].as_str().expect("a page has its own socket").to_owned();
        let stream = TcpStream::connect(&self.address).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let (socket, _) = client(socket, stream).expect("the browser takes the connection");
        Page { socket, last_id: 0 }
    }

    /// One request of the browser's own HTTP interface.
    fn request(&self, line: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        write!(stream, "{line}\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).expect("the browser reads");
        let (mut head, mut reader) = (String::new(), BufReader::new(stream));
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).expect("a response") > 0, "no response");
        }
        let bytes =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; bytes.expect("a length")];
        reader.read_exact(&mut body).expect("the whole body");
        serde_json::from_slice(&body).expect("JSON")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page in the browser.
pub struct Page {
    socket: WebSocket<TcpStream>,
    last_id: u64,
}

impl Page {
    /// The value of an expression, which may be a promise.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        self.last_id += 1;
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let request = json!({ "id": self.last_id, "method": "Runtime.evaluate", "params": parameters });
        self.socket.send(Message::text(request.to_string())).expect("the page listens");
        loop {
            let message = self.socket.read().unwrap_or_else(|error| panic!("no answer to {expression}: {error}"));
            let Message::Text(text) = message else { continue };
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            if answer["id"] == self.last_id {
                assert!(answer["result"]["exceptionDetails"].is_null(), "{expression}: {answer}");
                return answer["result"]["result"]["value"].clone();
            }
        }
    }

    /// Closes the page, as a visitor closes a tab.
    pub fn close(mut self) {
        self.last_id += 1;
        let request = json!({ "id": self.last_id, "method": "Page.close" });
        self.socket.send(Message::text(request.to_string())).expect("the page listens");
    }

    /// Waits until an expression is true.
    pub fn wait_until(&mut self, expression: &str) {
        let look = format!(
            "new Promise(resolve => {{
                const holds = () => {{ try {{ return {expression}; }} catch {{ return false; }} }};
                const look = () => holds() ? resolve(true) : setTimeout(look, 10);
                look();
            }})"
        );
        // A page that is being loaded replaces the one that was asked.
        let until = Instant::now() + PATIENCE;
        while self.evaluate(&look) != true {
            assert!(Instant::now() < until, "{expression}");
        }
    }
}
