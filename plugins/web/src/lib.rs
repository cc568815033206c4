//! A small JSON API of notes, with a page that uses it. The notes live in the actor's memory: a restart begins without any.
//!
//! - Config: none.
//! - Messages: requests of the HTTP gateway, with `method`, `path` and the path parameter `param:id` in their metadata.
//!   `GET /` is the page; `GET /notes` lists the notes, `POST /notes` adds one, `GET` and `DELETE /notes/ID` are about one.
//! - Replies: JSON, with `content-type`, `location` and `status` in their metadata.

use std::collections::BTreeMap;

use playhouse_sdk::{Actor, Context, Message, Result, export_actor, reject};
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("page.html");

/// The most notes that are kept.
const MOST_NOTES: usize = 1000;

#[derive(Default)]
struct Web {
    last_id: u64,
    notes: BTreeMap<u64, String>,
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

#[derive(Serialize)]
struct Note<'a> {
    id: u64,
    text: &'a str,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

impl Actor for Web {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let metadata = msg.metadata();
        let (method, path) = (metadata.get("method").unwrap_or_default(), metadata.get("path").unwrap_or_default());
        match (method, path, metadata.get("param:id")) {
            ("GET", "/", None) => {
                ctx.with_metadata("content-type", "text/html; charset=utf-8").reply(PAGE)?;
                Ok(())
            }
            ("GET", _, None) => {
                let notes: Vec<_> = self.notes.iter().map(|(id, text)| Note { id: *id, text }).collect();
                reply_json(ctx, 200, &notes)
            }
            ("POST", _, None) => self.add(msg.json()?, ctx),
            ("GET" | "DELETE", _, Some(id)) => self.one(method, id, ctx),
            _ => Err(reject("only GET, POST and DELETE requests of the HTTP gateway are handled")),
        }
    }
}

impl Web {
    fn add(&mut self, note: NewNote, ctx: &Context) -> Result {
        if self.notes.len() == MOST_NOTES {
            return reply_json(ctx, 409, &Refusal { error: "there are 1000 notes: delete one first" });
        }
        self.last_id += 1;
        let id = self.last_id;
        let text = self.notes.entry(id).or_insert(note.text);
        let reply = ctx.with_metadata("status", "201").and("location", &format!("/notes/{id}"));
        reply.and("content-type", "application/json").reply_json(&Note { id, text })
    }

    fn one(&mut self, method: &str, id: &str, ctx: &Context) -> Result {
        let Some((id, text)) = id.parse().ok().and_then(|id| self.notes.get_key_value(&id)) else {
            return reply_json(ctx, 404, &Refusal { error: "no note has this id" });
        };
        let id = *id;
        reply_json(ctx, 200, &Note { id, text })?;
        if method == "DELETE" {
            self.notes.remove(&id);
        }
        Ok(())
    }
}

fn reply_json<T: Serialize + ?Sized>(ctx: &Context, status: u16, value: &T) -> Result {
    let reply = ctx.with_metadata("status", &status.to_string()).and("content-type", "application/json");
    reply.reply_json(value)
}

export_actor!(Web);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    fn request(method: &str, path: &str, body: &str) -> Message {
        let message = Message::new(body).with("method", method).with("path", path);
        match path.strip_prefix("/notes/") {
            Some(id) => message.with("param:id", id),
            None => message,
        }
    }

    #[test]
    fn note_is_added_read_and_deleted() -> Result {
        let mut web = ActorHarness::<Web>::start()?;
        let mut send = |method: &str, path: &str, body: &str| {
            let reply = web.ask_message(request(method, path, body)).expect("an answer");
            let status = reply.metadata.get("status").unwrap_or("200").to_owned();
            (status, String::from_utf8(reply.body).expect("text"))
        };
        let note = r#"{"id":1,"text":"tea"}"#.to_owned();
        assert_eq!(send("POST", "/notes", r#"{"text":"tea"}"#), ("201".into(), note.clone()));
        assert_eq!(send("GET", "/notes", ""), ("200".into(), format!("[{note}]")));
        assert_eq!(send("DELETE", "/notes/1", ""), ("200".into(), note));
        assert_eq!(send("GET", "/notes/1", "").0, "404");
        assert!(send("GET", "/", "").1.contains("<title>Notes</title>"));
        Ok(())
    }

    #[test]
    fn body_of_another_shape_is_rejected() -> Result {
        let mut web = ActorHarness::<Web>::start()?;
        assert!(web.ask_message(request("POST", "/notes", "tea")).is_err());
        assert!(web.ask_message(request("PATCH", "/notes", "")).is_err());
        Ok(())
    }
}
