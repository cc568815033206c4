//! Requests, through the bindings of `wasi:http`.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

/// The requests that were sent without waiting.
#[derive(Default)]
pub(crate) struct Held(Vec<FutureIncomingResponse>);

/// The most redirects to follow; no test has as many.
const MOST_REDIRECTS: usize = 5;

impl Held {
    pub(crate) fn act(&mut self, verb: &str, rest: &str) -> Result<String, String> {
        let words: Vec<_> = rest.splitn(3, ' ').collect();
        match (verb, words.as_slice()) {
            ("get", [url]) => shown(send(Method::Get, url, None).and_then(wait)),
            ("drain", [url]) => send(Method::Get, url, None).and_then(wait).map(drain).map_err(|error| name(&error)),
            ("with", [url, name, value]) => with(url, name, value),
            ("follow", [url]) => follow(url),
            ("send", [method, url]) => shown(send(method_of(method), url, None).and_then(wait)),
            ("send", [method, url, body]) => shown(send(method_of(method), url, Some(body)).and_then(wait)),
            ("raw", [scheme, authority, path]) => {
                let scheme = if *scheme == "http" { Scheme::Http } else { Scheme::Other((*scheme).to_owned()) };
                shown(request(Fields::new(), Method::Get, &scheme, authority, path, None).and_then(wait))
            }
            ("hold", [url]) => {
                self.0.push(send(Method::Get, url, None).map_err(|error| name(&error))?);
                Ok(self.0.len().to_string())
            }
            ("let-go", _) => {
                self.0.clear();
                Ok("done".to_owned())
            }
            _ => Err(format!("unknown {verb}")),
        }
    }
}

fn method_of(word: &str) -> Method {
    match word {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "CONNECT" => Method::Connect,
        other => Method::Other(other.to_owned()),
    }
}

fn send(method: Method, url: &str, body: Option<&str>) -> Result<FutureIncomingResponse, ErrorCode> {
    send_with(Fields::new(), method, url, body)
}

fn send_with(
    headers: Fields,
    method: Method,
    url: &str,
    body: Option<&str>,
) -> Result<FutureIncomingResponse, ErrorCode> {
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    request(headers, method, &scheme, authority, path, body)
}

/// Sends a request with one header, in whose value `$NAME` stands for a variable.
fn with(url: &str, name: &str, value: &str) -> Result<String, String> {
    let mut value = value.to_owned();
    for (name, own) in std::env::vars() {
        value = value.replace(&format!("${name}"), &own);
    }
    let headers = Fields::from_list(&[(name.to_owned(), value.into_bytes())]).map_err(|error| error.to_string())?;
    shown(send_with(headers, Method::Get, url, None).and_then(wait))
}

fn request(
    headers: Fields,
    method: Method,
    scheme: &Scheme,
    authority: &str,
    path: &str,
    body: Option<&str>,
) -> Result<FutureIncomingResponse, ErrorCode> {
    let request = OutgoingRequest::new(headers);
    let said = request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(path)));
    said.map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let outgoing = body.map(|_| request.body().expect("it has one"));
    let response = handle(request, None)?;
    if let (Some(outgoing), Some(body)) = (outgoing, body) {
        let stream = outgoing.write().expect("it has one");
        for piece in body.as_bytes().chunks(4096) {
            stream.blocking_write_and_flush(piece).map_err(|_| ErrorCode::ConnectionTerminated)?;
        }
        drop(stream);
        OutgoingBody::finish(outgoing, None)?;
    }
    Ok(response)
}

fn wait(response: FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    response.subscribe().block();
    response.get().expect("it was waited for").expect("it is taken once")
}

fn shown(response: Result<IncomingResponse, ErrorCode>) -> Result<String, String> {
    let response = response.map_err(|error| name(&error))?;
    let status = response.status();
    let body = response.consume().expect("it has one");
    let stream = body.stream().expect("it has one");
    let mut text = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(bytes) => text.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Err(code.map_or_else(|| "stream".to_owned(), |code| name(&code)));
            }
        }
    }
    Ok(format!("{status} {}", String::from_utf8_lossy(&text)))
}

/// Reads a body to its end, and returns its number of bytes.
fn drain(response: IncomingResponse) -> String {
    let body = response.consume().expect("it has one");
    let stream = body.stream().expect("it has one");
    let mut bytes = 0;
    while let Ok(more) = stream.blocking_read(1 << 16) {
        bytes += more.len();
    }
    bytes.to_string()
}

/// Follows redirects as a client does: each is a request of its own.
fn follow(url: &str) -> Result<String, String> {
    let mut url = url.to_owned();
    for _ in 0..MOST_REDIRECTS {
        let response = send(Method::Get, &url, None).and_then(wait).map_err(|error| name(&error))?;
        let location = response.headers().get("location").pop();
        match location {
            Some(location) if response.status() / 100 == 3 => url = String::from_utf8_lossy(&location).into_owned(),
            _ => return shown(Ok(response)),
        }
    }
    Err("too many redirects".to_owned())
}

/// The name of the error, without its fields.
fn name(error: &ErrorCode) -> String {
    let text = format!("{error:?}");
    let text = text.strip_prefix("ErrorCode::").unwrap_or(&text);
    text.split(['(', ' ']).next().unwrap_or_default().to_owned()
}
