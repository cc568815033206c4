//! Secrets: sent in one header to one host, and shown nowhere.

use std::io::{BufRead, BufReader, Write};
use std::sync::mpsc;

use expect_test::expect;
use rustix::process::Signal;

use crate::grants::{reaching, serve_tls_by};
use crate::harness::{Host, command};

/// A server with TLS that tells the headers of each request: its url, its certificate, the headers.
fn telling() -> (String, String, mpsc::Receiver<Vec<String>>) {
    let (sender, headers) = mpsc::channel();
    let (address, certificate) = serve_tls_by(move |mut stream| {
        let lines = BufReader::new(&mut stream).lines().map_while(Result::ok);
        let head: Vec<_> = lines.skip(1).take_while(|line| !line.is_empty()).collect();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage");
        let _ = stream.flush();
        let _ = sender.send(head);
    });
    (format!("https://localhost:{}", address.port()), certificate, headers)
}

/// The value of a header of the next request.
fn header(requests: &mpsc::Receiver<Vec<String>>, name: &str) -> String {
    let head = requests.recv().unwrap();
    let value = head.iter().find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name));
    value.unwrap_or_else(|| panic!("no {name} in {head:?}")).1.to_owned()
}

/// The values of the secrets of [`manifest`]; each has this text.
const SECRET: &str = "hunter2";

/// An actor `/a` that sends secrets to `host`, and other requests to `other`.
fn manifest(host: &str, other: &str) -> String {
    format!(
        r#"
[secrets]
API = {{ env = "API_TOKEN" }}
KEY = {{ file = "key.txt" }}
UNIT = {{ credential = "unit" }}
[[actor]]
address = "/a"
plugin = "reach"
spawns = ["reach"]
restart = {{ attempts = 1 }}
[actor.grants]
hosts = ["{host}", "{other}"]
secrets = [
    {{ name = "API", hosts = ["{host}"], header = "authorization" }},
    {{ name = "KEY", hosts = ["{host}"], header = "X-Api-Key" }},
    {{ name = "UNIT", hosts = ["{host}"], header = "authorization" }},
]
[[plugin]]
name = "reach"
recursive = true
[plugin.grants]
hosts = ["{host}", "{other}"]
secrets = [
    {{ name = "API", hosts = ["{host}", "{other}"], header = "authorization" }},
    {{ name = "UNIT", hosts = ["{other}"], header = "authorization" }},
]
"#
    )
}

#[test]
fn secret_is_sent_in_its_header_to_its_host_alone() {
    let ((host_url, first, requests), (other_url, second, others)) = (telling(), telling());
    let play = reaching(&manifest(&host_url, &other_url));
    let at = |name: &str| play.path().join(name).display().to_string();
    std::fs::write(at("trusted.pem"), first + &second).unwrap();
    std::fs::write(at("key.txt"), format!("{SECRET}-key\n")).unwrap();
    std::fs::create_dir(at("credentials")).unwrap();
    std::fs::write(at("credentials/unit"), format!("{SECRET}-unit")).unwrap();
    let api = format!("{SECRET}-api");
    let environment = [
        ("SSL_CERT_FILE", at("trusted.pem")),
        ("CREDENTIALS_DIRECTORY", at("credentials")),
        ("API_TOKEN", api.clone()),
    ];
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let host = Host::start_with(play, &["--log", "trace"], &environment);
    let ask = |to: &str, what: &str| host.ok(&["ask", to, what]).trim_end().to_owned();

    let variables = ask("/a", "env");
    let placeholders: Vec<_> = variables.split(' ').filter_map(|variable| variable.split_once('=')).collect();
    let [("API", placeholder), ("KEY", _), ("UNIT", _)] = placeholders[..] else { panic!("{variables}") };
    assert!(placeholder.starts_with("placeholder-"));

    assert_eq!(ask("/a", &format!("with {host_url}/x authorization Bearer $API")), "200 page");
    assert_eq!(header(&requests, "authorization"), format!("Bearer {api}"));
    ask("/a", &format!("with {host_url}/x x-api-key $KEY"));
    assert_eq!(header(&requests, "x-api-key"), format!("{SECRET}-key"));
    ask("/a", &format!("with {host_url}/x authorization $UNIT and $API"));
    assert_eq!(header(&requests, "authorization"), format!("{SECRET}-unit and {api}"));

    // Another header, the url, and another host, such as one that a redirect leads to.
    ask("/a", &format!("with {host_url}/$API x-api-key $API"));
    assert_eq!(header(&requests, "x-api-key"), placeholder);
    ask("/a", &format!("with {other_url}/x authorization Bearer $API"));
    assert_eq!(header(&others, "authorization"), format!("Bearer {placeholder}"));

    // A child has what it and its parent have.
    assert_eq!(ask("/a", "spawn child"), "done");
    assert_eq!(ask("/a/child", "env"), format!("API={placeholder}"));
    ask("/a/child", &format!("with {host_url}/x authorization $API"));
    assert_eq!(header(&requests, "authorization"), api);
    ask("/a/child", &format!("with {other_url}/x authorization $API"));
    assert_eq!(header(&others, "authorization"), placeholder);

    let kept = std::fs::read(format!("/proc/{}/environ", host.process_id())).unwrap();
    let kept = String::from_utf8_lossy(&kept);
    assert!(kept.contains("API_TOKEN=\0") && !kept.contains(SECRET), "{kept:?}");

    // Bodies and crashes of a guest are shown; the guest has placeholders only.
    assert!(!host.run(&["ask", "/a", &format!("panic {placeholder}")]).status.success());
    let letter = host.ok(&["dead-letters", "list", "--json"]);
    assert!(letter.contains("panic"), "{letter}");
    let shown = [
        host.ok(&["tree", "--json"]),
        host.ok(&["logs", "--json"]),
        host.ok(&["check"]),
        host.ok(&["check", "--json"]),
        letter,
    ];
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert!(host.ok(&["check"]).contains(&format!("secrets API = authorization to {host_url}")));
    host.signal(Signal::INT);
    let ended = host.end();
    assert!(!ended.stderr.contains(SECRET) && !ended.stdout.contains(SECRET), "{}", ended.stderr);
}

#[test]
fn missing_secret_stops_the_start_with_its_name_and_place() {
    let play = reaching(&manifest("https://a.com", "https://b.com"));
    let run = |verb: &str| {
        let mut command = command(play.path());
        command.env_remove("CREDENTIALS_DIRECTORY").env_remove("API_TOKEN").arg(verb).output().unwrap()
    };
    assert!(run("check").status.success(), "the values are not needed to check");
    let refused = run("run");
    assert_eq!(refused.status.code(), Some(2));
    let folder = play.path().to_str().unwrap();
    let stderr = String::from_utf8_lossy(&refused.stderr).replace(folder, "FOLDER");
    expect![[r#"
          × the secret `API` is missing: the host's environment has no variable `API_TOKEN`
           ╭─[playhouse.toml:5:7]
         4 │ [secrets]
         5 │ API = { env = "API_TOKEN" }
           ·       ──────────┬──────────
           ·                 ╰── here
         6 │ KEY = { file = "key.txt" }
           ╰────
          help: set it for the host, as in `API_TOKEN=… playhouse run`

          × the secret `KEY` is missing: `key.txt` cannot be read: No such file or directory (os error 2)
           ╭─[playhouse.toml:6:7]
         5 │ API = { env = "API_TOKEN" }
         6 │ KEY = { file = "key.txt" }
           ·       ──────────┬─────────
           ·                 ╰── here
         7 │ UNIT = { credential = "unit" }
           ╰────
          help: a path is relative to the manifest; the host's user must be able to read the file

          × the secret `UNIT` is missing: systemd gives this process no credentials: `$CREDENTIALS_DIRECTORY` is not set
           ╭─[playhouse.toml:7:8]
         6 │ KEY = { file = "key.txt" }
         7 │ UNIT = { credential = "unit" }
           ·        ───────────┬───────────
           ·                   ╰── here
         8 │ [[actor]]
           ╰────
          help: hand it over in the unit, as in LoadCredential=unit:/path, or run the host by systemd-run

        3 problems in playhouse.toml
    "#]]
    .assert_eq(&stderr);
}
