//! The order of system calls: nothing that confirms a message, a reply or a response goes out before the sync that covers it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Host, folder};

/// Messages and questions of the test.
const EACH: usize = 20;

const CALLS: &str = "trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg";

/// A call in the order of its start, with the place of its end among all starts and ends.
struct Call {
    /// Its name and arguments; of one that another call interrupted, the part before that.
    text: String,
    began: usize,
    ended: usize,
}

/// The calls of a trace: `PID call(…) = result`, or in two parts, of which the first ends with `<unfinished ...>`.
fn calls(trace: &str) -> Vec<Call> {
    let (mut calls, mut open) = (Vec::<Call>::new(), BTreeMap::new());
    for (place, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if text.starts_with("<... ") {
            if let Some(index) = open.remove(thread) {
                let call: &mut Call = &mut calls[index];
                call.ended = place;
            }
            continue;
        }
        if text.ends_with("<unfinished ...>") {
            open.insert(thread.to_owned(), calls.len());
        }
        calls.push(Call { text: text.to_owned(), began: place, ended: place });
    }
    calls
}

fn request(stream: &mut TcpStream, path: &str, body: &str) -> String {
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.1\r\nHost: till\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    // The responses are short: their heads have a length, and come with their bodies.
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server closed the connection after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        if body.len() >= length {
            return text;
        }
    }
}

/// Ends the host in order. The process of the host is the child of the one that traces it.
fn end(host: Host, store: &Path) {
    let holder = std::fs::read_to_string(store.join("lock")).unwrap();
    let pid = Pid::from_raw(holder.split_whitespace().next().unwrap().parse().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn nothing_is_confirmed_before_it_is_synced() {
    let home = tempfile::tempdir().unwrap();
    let (store, trace) = (home.path().join("store"), home.path().join("trace"));
    let manifest = format!(
        "[play.store]\npath = {:?}\n[[http]]\nlisten = \"127.0.0.1:0\"\n\
         [[http.route]]\npath = \"/pay\"\nask = \"/till\"\n\
         [[http.route]]\npath = \"/post\"\ntell = \"/box\"\n\
         [[actor]]\naddress = \"/till\"\nplugin = \"till\"\nmailbox = {{ kind = \"durable\" }}\nstate = {{}}\n\
         [[actor]]\naddress = \"/box\"\nplugin = \"echo\"\nstart = \"manual\"\nmailbox = {{ kind = \"durable\" }}\n",
        store.display().to_string()
    );
    let mut host = Host::start_traced(folder(&manifest), CALLS, &trace);
    let line = host.wait_for("takes requests at ");
    let at = line.split_once("takes requests at ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    host.wait_for(" is up: ");
    let mut stream = TcpStream::connect(&at).unwrap();
    stream.set_nodelay(true).unwrap();
    // Each sum and each body is unlike all others, and is on the disk as text.
    let sums: Vec<_> = (1..=EACH).map(|n| (n * 1_000_003).to_string()).collect();
    for sum in &sums {
        let response = request(&mut stream, "/pay", "1000003");
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with(sum), "{response}");
    }
    let bodies: Vec<_> = (0..EACH).map(|n| format!("marked-{n}-")).collect();
    for body in &bodies {
        let response = request(&mut stream, "/post", body);
        assert!(response.starts_with("HTTP/1.1 202 "), "{response}");
    }
    host.ok(&["tell", "/box", "told-by-command"]);
    end(host, &store);
    let text = std::fs::read_to_string(&trace).unwrap();
    let calls = calls(&text);
    check(&calls, &sums, &bodies);
}

fn check(calls: &[Call], sums: &[String], bodies: &[String]) {
    let is_log = |call: &Call| call.text.contains("store.db-wal>");
    let is_sync = |call: &Call| call.text.starts_with("fdatasync(") || call.text.starts_with("fsync(");
    let writes: Vec<_> = calls.iter().filter(|call| call.text.starts_with("pwrite64(") && is_log(call)).collect();
    let syncs: Vec<_> = calls.iter().filter(|call| is_sync(call) && is_log(call)).collect();
    let sends: Vec<_> = calls
        .iter()
        .filter(|call| ["write(", "writev(", "sendto(", "sendmsg("].iter().any(|name| call.text.starts_with(name)))
        .collect();
    let responses: Vec<_> = sends.iter().filter(|call| call.text.contains("HTTP/1.1 2")).collect();
    assert_eq!(responses.len(), sums.len() + bodies.len(), "all responses are in the trace");
    // Requests follow one another on one connection, and so do their responses.
    for (mark, response) in sums.iter().chain(bodies).zip(&responses) {
        covered(mark, &writes, &syncs, response.began);
    }
    // One sync for each of them: no entry is written a second time.
    let (first, last) = (responses[0].began, responses[responses.len() - 1].began);
    let between = syncs.iter().filter(|sync| first < sync.began && sync.began < last).count();
    assert_eq!(between, responses.len() - 1, "a group for each response");
    // The answer to the command is what the control socket sent last.
    let answer = sends.iter().rfind(|call| call.text.contains("\\\"id\\\"")).expect("an answer to the command");
    covered("told-by-command", &writes, &syncs, answer.began);
}

/// Checks that the write of the mark ended before a sync began, which ended before the call at `out` began.
fn covered(mark: &str, writes: &[&Call], syncs: &[&Call], out: usize) {
    let write = writes.iter().find(|call| call.text.contains(mark)).unwrap_or_else(|| panic!("{mark} is not written"));
    let sync = syncs.iter().find(|sync| sync.began > write.ended).unwrap_or_else(|| panic!("{mark} is not synced"));
    assert!(sync.ended < out, "{mark} goes out in line {out}, before its sync ends in line {}", sync.ended);
}
