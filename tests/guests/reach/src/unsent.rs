//! Requests that are made and not sent.

use wasip2::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme};

#[derive(Default)]
pub(crate) struct Unsent {
    requests: Vec<OutgoingRequest>,
    fields: Vec<Fields>,
}

impl Unsent {
    /// Makes a number of requests, or of fields, that have a part of this size.
    pub(crate) fn act(&mut self, rest: &str) -> Result<String, String> {
        let words: Vec<_> = rest.split(' ').collect();
        let [part, bytes, count] = words.as_slice() else { return Err(format!("unknown {rest}")) };
        let number = |word: &str| word.parse::<usize>().map_err(|error| error.to_string());
        let (bytes, count) = (number(bytes)?, number(count)?);
        for _ in 0..count {
            self.make(part, bytes)?;
        }
        Ok("done".to_owned())
    }

    pub(crate) fn let_go(&mut self) {
        self.requests.clear();
        self.fields.clear();
    }

    fn make(&mut self, part: &str, bytes: usize) -> Result<(), String> {
        match part {
            "append" | "name" | "set" | "list" => {
                let made = fields(part, bytes)?;
                self.fields.push(made);
            }
            // Clones of fields that exist already, if there are any.
            "clones" => {
                let made = self.fields.pop().map_or_else(|| fields("append", bytes), Ok)?;
                self.fields.push(Fields::clone(&made));
                self.fields.push(made);
            }
            _ => {
                // A request with several parts.
                let request = OutgoingRequest::new(Fields::new());
                part.split('+').try_for_each(|part| change(&request, part, bytes))?;
                self.requests.push(request);
            }
        }
        Ok(())
    }
}

fn change(request: &OutgoingRequest, part: &str, bytes: usize) -> Result<(), String> {
    let changed = match part {
        "method" => request.set_method(&Method::Other("M".repeat(bytes))),
        "scheme" => request.set_scheme(Some(&Scheme::Other("s".repeat(bytes)))),
        "authority" => request.set_authority(Some(&"a".repeat(bytes))),
        "path" => request.set_path_with_query(Some(&format!("/{}", "p".repeat(bytes - 1)))),
        "body" => request.body().map(drop),
        "trailers" => {
            let body = request.body().expect("it has one");
            OutgoingBody::finish(body, Some(fields("append", bytes)?)).map_err(|error| format!("{error:?}"))?;
            Ok(())
        }
        other => return Err(format!("unknown {other}")),
    };
    changed.map_err(|()| "refused".to_owned())
}

fn fields(how: &str, bytes: usize) -> Result<Fields, String> {
    let value = vec![b'v'; bytes];
    let fields = Fields::new();
    let made = match how {
        "append" => fields.append("x", &value).map(|()| fields),
        "name" => fields.append(&"n".repeat(bytes), b"").map(|()| fields),
        // The same values twice: the second call replaces the first one's.
        "set" => {
            let halves: Vec<_> = value.chunks(bytes.div_ceil(2)).map(<[u8]>::to_vec).collect();
            fields.set("x", &halves).and_then(|()| fields.set("x", &halves)).map(|()| fields)
        }
        "list" => Fields::from_list(&[("x".to_owned(), value)]),
        other => return Err(format!("unknown {other}")),
    };
    made.map_err(|error| format!("{error:?}"))
}
