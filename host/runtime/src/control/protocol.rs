//! The protocol of the control socket, version 1. One JSON object per line each way:
//!
//! ```text
//! {"v":1,"request":"tell","to":"/count","body":"aGVsbG8="}   ->  {"v":1,"told":{"id":"5d1f…"}}
//! {"v":1,"request":"ask","to":"/count","body":"","timeout_ms":5000} -> {"v":1,"answer":{"body":"NDI="}}
//! {"v":1,"request":"tree"}                                   ->  {"v":1,"tree":{…}}
//! {"v":1,"request":"why","address":"/count"}                 ->  {"v":1,"why":{…}}
//! {"v":1,"request":"health"}                                 ->  {"v":1,"health":{"healthy":true,"ready":true,…}}
//! {"v":1,"request":"stop","address":"/count"}                ->  {"v":1,"moved":{"before":"idle","now":"stopped"}}
//! {"v":1,"request":"limit","to":"/count"}                    ->  {"v":1,"limit":{"message_bytes":1048576}}
//! {"v":1,"request":"dead-letters","which":{},"bodies":true}  ->  {"v":1,"dead-letters":{…}}
//! {"v":1,"request":"dead-letter","id":"5d1f"}                ->  {"v":1,"dead-letter":{…}}
//! {"v":1,"request":"replay-letter","id":"5d1f"}              ->  {"v":1,"replayed":{"letter":"5d1f…","to":"/count","id":"77aa…"}}
//! {"v":1,"request":"replay-letters","which":{"to":"/count"}} ->  {"v":1,"letters-moved":{"done":3,"failed":[]}}
//! {"v":1,"request":"drop-letter","id":"5d1f"}                ->  {"v":1,"dropped":{"letter":"5d1f…","to":"/count"}}
//! {"v":1,"request":"drop-letters","which":{"reason":"failed"}} ->  {"v":1,"letters-moved":{"done":3,"failed":[]}}
//! {"v":1,"request":"logs","level":"warn","follow":true}      ->  {"v":1,"log":{…}}, {"v":1,"lost":{"lines":9}}, …, {"v":1,"end":{…}}
//! {"v":1,"request":"log-levels"}                             ->  {"v":1,"log-levels":{"levels":[…]}}
//! {"v":1,"request":"set-log-level","actors":"/count","level":"debug","for_ms":600000} -> {"v":1,"log-level-set":{"matching":1,…}}
//! {"v":1,"request":"reset-log-level","actors":"/count"}      ->  {"v":1,"log-level-reset":{"level":"debug"}}
//! {"v":1,"request":"state-keys","of":"/till","prefix":"","most":1000} ->  {"v":1,"state-keys":{"keys":["sum"]}}
//! {"v":1,"request":"state-value","of":"/till","key":"sum"}   ->  {"v":1,"state-value":{"value":"NDI="}}
//! {"v":1,"request":"state-entries","of":"/till","prefix":""} ->  {"v":1,"state-entries":{"entries":[{"key":"sum","value":"NDI="}]}}
//! {"v":1,"request":"change-state","of":"/till","changes":[{"key":"sum","value":"NDM="}]} -> {"v":1,"state-changed":{"keys":1}}
//! {"v":1,"request":"tell-all","to":"/count","bodies":["aGk="]} -> {"v":1,"told-all":{"told":1,"dropped":0}}
//! {"v":1,"request":"store-info"}                             ->  {"v":1,"store-info":{…}}
//! {"v":1,"request":"check-store"}                            ->  {"v":1,"store-checked":{"damages":[],…}}
//! {"v":1,"request":"back-up-store","to":"/backups/monday.db"} -> {"v":1,"store-backed-up":{"bytes":9,"last_entry":5}}
//! {"v":1,"request":"mailboxes"}                              ->  {"v":1,"mailboxes":[…]}
//! {"v":1,"request":"messages","of":"/till","from":0,"most":20} -> {"v":1,"messages":{"waiting":3,"messages":[…]}}
//! {"v":1,"request":"drop-messages","of":"/till","id":"5d1f"} ->  {"v":1,"messages-dropped":{"dropped":1,"left":0}}
//! {"v":1,"request":"import-messages","to":"/till","messages":[…]} -> {"v":1,"messages-imported":{"imported":2,"there":1}}
//! anything else                                              ->  {"v":1,"error":{"kind":"…","message":"…"}}
//! ```
//! Bodies are base64. A connection may carry any number of requests, one after another. While a request takes longer, the host
//! sends `{"v":1,"working":{}}` every two seconds. A host that has too many connections closes the one that has been idle
//! longest, with an error of the kind `closed-idle`: requests without an answer at that time were not done.
//!
//! A request for logs is answered by any number of lines: one for each event, one where events were lost because the client was
//! too slow, and an end. With `follow`, the end comes when the play is over. `working` comes while there are no events.

use serde::{Deserialize, Serialize};

pub use super::refusal::Refusal;
pub use super::request::{LogsRequest, Request, SetLogLevel, StateEntry, Which};
pub use super::wire::{AddressText, Body};

use super::letter_views::{KeptLetter, Letter, Letters};
use super::store_views::{MessagesPage, StoreChecked, StoreInfo, StoredMailbox};
use super::views::Tree;
use super::why_views::WhyView;

/// The longest key of a message, in bytes.
pub const MOST_KEY_BYTES: usize = 255;
/// The version of the protocol that this host uses.
pub const VERSION: u64 = 1;

/// The kind of the refusal with which an idle connection is closed.
pub const CLOSED_IDLE: &str = "closed-idle";
/// The kind of the refusal of another user's connection.
pub const FOREIGN_USER: &str = "foreign-user";

/// The kind of the refusal of a request that a reader may not send.
pub const NOT_PERMITTED: &str = "not-permitted";

/// A response of a host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// The response to [`Request::Tree`].
    Tree(Tree),
    /// The response to [`Request::Why`].
    Why(Box<WhyView>),
    /// The response to [`Request::Health`].
    Health {
        /// Whether the kernel answers.
        healthy: bool,
        /// The state in words.
        health: String,
        /// Whether the play takes work.
        ready: bool,
        /// The state in words, with everything that is missing.
        readiness: String,
    },
    /// The response to [`Request::Tell`]: the message is in the mailbox.
    Told {
        /// The message's id.
        id: String,
    },
    /// The response to [`Request::TellAll`]: the messages are in the mailbox, and durable if the mailbox is.
    ToldAll {
        /// Number of messages in the mailbox.
        told: u64,
        /// Number of messages among them that the rule `drop-newest` dropped.
        dropped: u64,
        /// The reason why the next message was not sent, nor those after it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        refused: Option<Refusal>,
    },
    /// The response to [`Request::Ask`].
    Answer {
        /// The reply.
        body: Body,
    },
    /// The response to [`Request::Limit`].
    Limit {
        /// The size of the longest body, in bytes.
        message_bytes: u64,
    },
    /// A part of the response to [`Request::Logs`]: an event, as [`playhouse_observe::log::LogLine::json`] writes it.
    Log(serde_json::Value),
    /// A part of the response to [`Request::Logs`]: events that were lost here, because the client read too slowly.
    Lost {
        /// The number of events, selected or not.
        lines: u64,
    },
    /// The end of the response to [`Request::Logs`].
    End {
        /// Whether the play is over.
        stopped: bool,
    },
    /// Sent before a response that takes longer: the host is alive, and works on the request.
    Working {},
    /// The response to [`Request::Stop`] and [`Request::Start`].
    Moved {
        /// The actor's state before.
        before: String,
        /// The actor's state once it settled, or after ten seconds.
        now: String,
    },
    /// The response to [`Request::DeadLetters`].
    DeadLetters(Letters),
    /// The response to [`Request::DeadLetter`].
    DeadLetter(Box<Letter>),
    /// The response to [`Request::ReplayLetter`]: the new message is in the mailbox.
    Replayed {
        /// The letter's id.
        letter: String,
        /// The receiver of the new message.
        to: String,
        /// The new message's id.
        id: String,
    },
    /// The response to [`Request::DropLetter`].
    Dropped {
        /// The letter's id.
        letter: String,
        /// The receiver of the removed message.
        to: String,
    },
    /// The response to [`Request::ReplayLetters`] and [`Request::DropLetters`].
    LettersMoved {
        /// Number of letters that left the store.
        done: u64,
        /// The letters that are still in the store, although the request was to send or remove them.
        failed: Vec<KeptLetter>,
    },
    /// The response to [`Request::StateKeys`].
    StateKeys {
        /// The keys.
        keys: Vec<String>,
    },
    /// The response to [`Request::StateValue`].
    StateValue {
        /// The value; `None` when the key has none.
        value: Option<Body>,
    },
    /// The response to [`Request::StateEntries`].
    StateEntries {
        /// The keys with their values; none when there are no more.
        entries: Vec<StateEntry>,
    },
    /// The response to [`Request::ChangeState`]: the changes are on the disk.
    StateChanged {
        /// Number of changes.
        keys: u64,
    },
    /// The response to [`Request::StoreInfo`].
    StoreInfo(StoreInfo),
    /// The response to [`Request::CheckStore`].
    StoreChecked(StoreChecked),
    /// The response to [`Request::BackUpStore`].
    StoreBackedUp {
        /// The size of the file.
        bytes: u64,
        /// The number of the last entry in it.
        last_entry: u64,
    },
    /// The response to [`Request::Mailboxes`].
    Mailboxes(Vec<StoredMailbox>),
    /// The response to [`Request::Messages`].
    Messages(MessagesPage),
    /// The response to [`Request::DropMessages`].
    MessagesDropped {
        /// Number of messages that are gone.
        dropped: u64,
        /// Number of messages that stay, because they are being handled, or ended meanwhile.
        left: u64,
    },
    /// The response to [`Request::ImportMessages`].
    MessagesImported {
        /// Number of messages that came.
        imported: u64,
        /// Number of messages that were left out, because messages with their ids wait there.
        there: u64,
    },
    /// The response to [`Request::LogLevels`].
    LogLevels {
        /// The levels: first those of operators, which go before the others.
        levels: Vec<LevelLine>,
    },
    /// The response to [`Request::SetLogLevel`].
    LogLevelSet {
        /// Number of actors that match now.
        matching: u64,
        /// The level of the same pattern that an operator set before.
        replaced: Option<String>,
    },
    /// The response to [`Request::ResetLogLevel`].
    LogLevelReset {
        /// The level that ended.
        level: String,
    },
    /// The request was not done.
    Error(Refusal),
}

/// A level of the log in a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelLine {
    /// A pattern, an address, or `spawned from` a plugin.
    pub actors: String,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The origin.
    pub from: LevelSource,
    /// The operator who set it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
    /// Milliseconds until it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left_ms: Option<u64>,
}

/// The origin of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LevelSource {
    /// The manifest.
    Manifest,
    /// An operator, while the play runs.
    Operator,
}

/// Reads one request, without its newline.
pub fn decode(line: &[u8]) -> Result<Request, Refusal> {
    let malformed = |error: serde_json::Error| Refusal::new("malformed", format!("this is no request: {error}"));
    let mut value: serde_json::Value = serde_json::from_slice(line).map_err(malformed)?;
    let version = value.as_object_mut().and_then(|object| object.remove("v"));
    match version.as_ref().and_then(serde_json::Value::as_u64) {
        Some(VERSION) => serde_json::from_value(value).map_err(malformed),
        Some(other) => Err(Refusal::new(
            "version",
            format!(
                "this host speaks version {VERSION} of the control protocol, not {other}: use the same `playhouse` for both"
            ),
        )),
        None => Err(Refusal::new(
            "malformed",
            format!("this is no request: it has no version, as in {{\"v\":{VERSION},…}}"),
        )),
    }
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u64,
    #[serde(flatten)]
    rest: T,
}

/// Writes a request or a response as one line.
pub fn encode<T: Serialize>(what: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Versioned { v: VERSION, rest: what })
        .expect("requests and responses are maps of texts and numbers, which JSON can say");
    line.push(b'\n');
    line
}

/// Writes an event of the log, given as JSON, as one line.
pub(super) fn encode_log(json: &str, out: &mut Vec<u8>) {
    for part in [LOG_BEFORE, json, LOG_AFTER, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The text around an event in a line.
const LOG_BEFORE: &str = "{\"v\":1,\"log\":";
const LOG_AFTER: &str = "}";

/// The JSON of an event in a line, without its newline; `None` when the line is another response.
pub fn decode_log(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()?.strip_prefix(LOG_BEFORE)?.strip_suffix(LOG_AFTER)
}

/// Reads a response, without its newline.
pub fn decode_response(line: &[u8]) -> serde_json::Result<Response> {
    serde_json::from_slice::<Versioned<Response>>(line).map(|versioned| versioned.rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::store_views::PortableLine;
    use expect_test::{Expect, expect};
    use playhouse_kernel::Address;

    fn check(line: &str, expected: Expect) {
        expected.assert_eq(&match decode(line.as_bytes()) {
            Ok(request) => format!("{request:?}"),
            Err(Refusal { kind, message }) => format!("{kind}: {message}"),
        });
    }

    #[test]
    fn encoded_request_is_decoded_unchanged() {
        let to = || Address::parse("/a/b").expect("good");
        for request in [
            Request::Tree {},
            Request::Logs(LogsRequest::default()),
            Request::Logs(LogsRequest {
                actors: vec!["/a/**".into()],
                flow: Some("5d".into()),
                level: Some("warn".into()),
                since_ms: Some(1),
                lines: Some(2),
                follow: true,
            }),
            Request::Tell { to: to(), body: Body(vec![0, 255, b'\n']), key: None },
            Request::Tell { to: to(), body: Body::default(), key: Some("k".into()) },
            Request::Ask { to: to(), body: Body::default(), timeout_ms: 5 },
            Request::Limit { to: to() },
            Request::Stop { address: to() },
            Request::Start { address: to() },
            Request::DeadLetters { which: Which::default(), bodies: true },
            Request::DeadLetter { id: "5d1f".into() },
            Request::ReplayLetter { id: "5d1f-2".into() },
            Request::ReplayLetters { which: Which { to: Some(AddressText(to())), reason: None } },
            Request::DropLetter { id: String::new() },
            Request::DropLetters { which: Which { to: None, reason: Some("failed".into()) } },
            Request::StateKeys { of: to(), prefix: "a".into(), after: Some("ab".into()), most: 7 },
            Request::StateValue { of: to(), key: String::new() },
            Request::StateEntries { of: to(), prefix: String::new(), after: None },
            Request::ChangeState {
                of: to(),
                changes: vec![
                    StateEntry { key: "a".into(), value: Some(Body(vec![0, 255])) },
                    StateEntry { key: "b".into(), value: None },
                ],
            },
            Request::TellAll { to: to(), bodies: vec![Body(b"a".to_vec()), Body::default()] },
            Request::StoreInfo {},
            Request::CheckStore {},
            Request::BackUpStore { to: "/b".into() },
            Request::Mailboxes {},
            Request::Messages { of: to(), from: 3, most: 4 },
            Request::DropMessages { of: to(), id: None },
            Request::DropMessages { of: to(), id: Some("5d1f".into()) },
            Request::ImportMessages { to: to(), messages: vec![PortableLine::default()] },
            Request::LogLevels {},
            Request::SetLogLevel(SetLogLevel { actors: "/**".into(), level: "debug".into(), for_ms: Some(5) }),
            Request::SetLogLevel(SetLogLevel { actors: "/a".into(), level: "warn".into(), for_ms: None }),
            Request::ResetLogLevel { actors: "/a/*".into() },
        ] {
            let line = encode(&request);
            assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
            assert_eq!(decode(&line), Ok(request));
        }
    }

    #[test]
    fn a_response_is_read_back() {
        let line = encode(&Response::Moved { before: "idle".into(), now: "stopped".into() });
        assert_eq!(String::from_utf8_lossy(&line), "{\"v\":1,\"moved\":{\"before\":\"idle\",\"now\":\"stopped\"}}\n");
        assert!(matches!(decode_response(&line), Ok(Response::Moved { now, .. }) if now == "stopped"));
    }

    #[test]
    fn event_in_a_line_is_a_response_with_the_same_text() {
        let (json, mut line) = (r#"{"time":"x","message":"}\""}"#, Vec::new());
        encode_log(json, &mut line);
        let line = line.strip_suffix(b"\n").expect("one line");
        assert_eq!(decode_log(line), Some(json));
        let Ok(Response::Log(event)) = decode_response(line) else { panic!("it is a response") };
        assert_eq!(event["message"], "}\"");
        assert_eq!(decode_log(&encode(&Response::End { stopped: true })), None);
    }

    #[test]
    fn requests() {
        check(
            r#"{"v":1,"request":"tell","to":"/a","body":"aGk="}"#,
            expect!["Tell { to: /a, body: Body([104, 105]), key: None }"],
        );
        check(r#"{"request":"tree","v":1}"#, expect![["Tree"]]);
        check("GET / HTTP/1.1", expect![["malformed: this is no request: expected value at line 1 column 1"]]);
        check("[1]", expect![[r#"malformed: this is no request: it has no version, as in {"v":1,…}"#]]);
        check(
            r#"{"v":2,"request":"tree"}"#,
            expect![[
                "version: this host speaks version 1 of the control protocol, not 2: use the same `playhouse` for both"
            ]],
        );
        check(
            r#"{"v":1,"request":"dance"}"#,
            expect![[
                "malformed: this is no request: unknown variant `dance`, expected one of `tree`, `why`, `health`, `logs`, `tell`, `tell-all`, `ask`, `limit`, `stop`, `start`, `dead-letters`, `dead-letter`, `replay-letter`, `replay-letters`, `drop-letter`, `drop-letters`, `state-keys`, `state-value`, `state-entries`, `change-state`, `store-info`, `check-store`, `back-up-store`, `mailboxes`, `messages`, `drop-messages`, `import-messages`, `log-levels`, `set-log-level`, `reset-log-level`"
            ]],
        );
        check(
            r#"{"v":1,"request":"tell","to":"a","body":""}"#,
            expect!["malformed: this is no request: `a` is no address: it must begin with `/`, as in `/shop/cart`"],
        );
        check(
            r#"{"v":1,"request":"tell","to":"/a","body":"?"}"#,
            expect![["malformed: this is no request: the body is no base64: Invalid symbol 63, offset 0."]],
        );
        check(
            r#"{"v":1,"request":"stop","address":"/a","force":true}"#,
            expect![["malformed: this is no request: unknown field `force`, expected `address`"]],
        );
    }

    proptest::proptest! {
        #[test]
        fn decoding_any_bytes_does_not_panic(line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = decode(&line);
        }
    }
}
