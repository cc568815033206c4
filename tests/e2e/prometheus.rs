//! A real Prometheus that scrapes hosts and sends its alerts to the test. Nothing polls it, and its own port is not needed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far longer than any alert of a test takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// A Prometheus that ends with the test.
pub struct Prometheus {
    process: Child,
    folder: TempDir,
    alerts: mpsc::Receiver<Alert>,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alert {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Alert {
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    pub fn name(&self) -> &str {
        self.label("alertname")
    }
}

/// A host to scrape: its name in the label `instance`, its address, and the time of a scrape in milliseconds.
pub struct Scraped<'a> {
    pub name: &'a str,
    pub at: SocketAddr,
    pub every_ms: u64,
}

impl Prometheus {
    /// Starts one with these hosts and rules.
    pub fn start(hosts: &[Scraped<'_>], rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (receiver, alerts) = receive();
        let mut config = format!(
            "global:\n  evaluation_interval: 200ms\nrule_files: [rules.yml]\nalerting:\n  alertmanagers:\n  - \
             static_configs:\n    - targets: ['{receiver}']\nscrape_configs:\n"
        );
        let host = |Scraped { name, at, every_ms }: &Scraped<'_>| {
            format!(
                "- job_name: {name}\n  scrape_interval: {every_ms}ms\n  scrape_timeout: {every_ms}ms\n  static_configs:\n  \
                 - targets: ['{at}']\n    labels: {{ job: playhouse, instance: {name} }}\n"
            )
        };
        config.extend(hosts.iter().map(host));
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new("prometheus")
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"])
            // Targets are known after a second, and not after five.
            .arg("--scrape.discovery-reload-interval=1s")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("`apt-get install prometheus`");
        Self { process, folder, alerts }
    }

    /// The next alert; none when `until` has passed.
    pub fn alert_until(&mut self, until: Instant) -> Option<Alert> {
        match self.alerts.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(alert) => Some(alert),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the receiver of alerts ended"),
        }
    }

    /// Waits for alerts until `is_enough` holds for all that came.
    pub fn wait_for(&mut self, what: &str, seen: &mut Vec<Alert>, is_enough: impl Fn(&[Alert]) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_enough(seen) {
            match self.alert_until(until) {
                Some(alert) => seen.push(alert),
                None => panic!("no {what}; alerts: {:#?}\n{}", names(seen), self.log()),
            }
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The names, hosts and actors of alerts, each once.
pub fn names(alerts: &[Alert]) -> Vec<String> {
    let name = |alert: &Alert| format!("{} {} {}", alert.name(), alert.label("instance"), alert.label("actor"));
    let all: std::collections::BTreeSet<_> = alerts.iter().map(name).collect();
    all.into_iter().collect()
}

/// Receives alerts as an Alertmanager does, for as long as the test lives.
fn receive() -> (SocketAddr, mpsc::Receiver<Alert>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Prometheus opens connections that it may never use.
            let sender = sender.clone();
            std::thread::spawn(move || take_alerts(&stream, &sender));
        }
    });
    (at, receiver)
}

/// Takes the alerts of one request.
fn take_alerts(mut stream: &TcpStream, sender: &mpsc::Sender<Alert>) -> Option<()> {
    let body = body_of_request(stream)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    for alert in serde_json::from_slice::<Vec<serde_json::Value>>(&body).ok()? {
        let texts = |key: &str| serde_json::from_value(alert[key].clone()).unwrap_or_default();
        sender.send(Alert { labels: texts("labels"), annotations: texts("annotations") }).ok()?;
    }
    Some(())
}

fn body_of_request(stream: &TcpStream) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

/// An address that leads to a host's port, also after the host was started again at another one. Without a host it closes each
/// connection.
pub struct Gateway {
    pub at: SocketAddr,
    to: Arc<Mutex<Option<SocketAddr>>>,
}

impl Gateway {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, to) = (listener.local_addr().unwrap(), Arc::<Mutex<Option<SocketAddr>>>::default());
        let now = to.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Some(to) = *now.lock().unwrap() else { continue };
                std::thread::spawn(move || forward(&client, to));
            }
        });
        Self { at, to }
    }

    pub fn leads_to(&self, at: &str) {
        *self.to.lock().unwrap() = Some(at.parse().unwrap());
    }
}

/// Forwards a request, and the response until its end.
fn forward(client: &TcpStream, to: SocketAddr) -> Option<u64> {
    let mut host = TcpStream::connect(to).ok()?;
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    host.write_all(head.as_bytes()).ok()?;
    std::io::copy(&mut host, &mut &*client).ok()
}

/// Runs promtool, which must find no fault.
pub fn promtool(arguments: &[&str], stdin: &[u8], folder: &Path) {
    let mut promtool = Command::new("promtool");
    let promtool = promtool.args(arguments).current_dir(folder).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.stdout(Stdio::piped()).spawn().expect("`apt-get install prometheus`");
    promtool.stdin.take().unwrap().write_all(stdin).unwrap();
    let ended = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert!(ended.status.success(), "{said}");
    assert!(!["warning", "lint", "error"].iter().any(|word| said.to_lowercase().contains(word)), "{said}");
}
