//! The guest for tests of `wasi:keyvalue`: a component that knows the contract's `handler` alone, and keeps its values as any other
//! host's would be kept.
//!
//! | message | effect |
//! |---|---|
//! | `open NAME` | replies with the error of opening that bucket, or `open` |
//! | `set K V`, `delete K` | changes the bucket; with `reject` behind it, the message fails after that |
//! | `get K` | replies with the value, or `none`, and whether the key exists |
//! | `keys` | replies with all keys |
//! | `add K N` | increments, and replies with the sum |
//! | `many` | sets, gets and deletes several keys at once, and replies with what it got |

#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic)]
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "
        package wasi:keyvalue@0.2.0-draft;

        interface store {
            variant error { no-such-store, access-denied, other(string) }
            record key-response { keys: list<string>, cursor: option<u64> }
            open: func(identifier: string) -> result<bucket, error>;
            resource bucket {
                get: func(key: string) -> result<option<list<u8>>, error>;
                set: func(key: string, value: list<u8>) -> result<_, error>;
                delete: func(key: string) -> result<_, error>;
                exists: func(key: string) -> result<bool, error>;
                list-keys: func(cursor: option<u64>) -> result<key-response, error>;
            }
        }

        interface atomics {
            use store.{bucket, error};
            increment: func(bucket: borrow<bucket>, key: string, delta: u64) -> result<u64, error>;
        }

        interface batch {
            use store.{bucket, error};
            get-many: func(bucket: borrow<bucket>, keys: list<string>)
                -> result<list<option<tuple<string, list<u8>>>>, error>;
            set-many: func(bucket: borrow<bucket>, key-values: list<tuple<string, list<u8>>>) -> result<_, error>;
            delete-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<_, error>;
        }

        world guest {
            import store;
            import atomics;
            import batch;
            include playhouse:actor/actor@0.2.0;
        }
    ",
    path: "../../../wit",
    generate_all,
});

use exports::playhouse::actor::handler::{Failure, Guest};
use wasi::keyvalue::store::{self, Bucket};
use wasi::keyvalue::{atomics, batch};

struct Component;

export!(Component);

impl Guest for Component {
    fn msg_handler(body: Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
        let text = String::from_utf8(body).map_err(|error| Failure::Reject(error.to_string()))?;
        let words: Vec<&str> = text.split(' ').collect();
        let done = if let ["open", name @ ..] = &words[..] {
            Ok(match store::open(&name.join(" ")) {
                Ok(_) => "open".to_owned(),
                Err(error) => format!("{error:?}"),
            })
        } else {
            store::open("").and_then(|bucket| act(&bucket, &words))
        };
        let reply = done.map_err(|error| Failure::Reject(format!("{error:?}")))?;
        if words.last() == Some(&"reject") {
            return Err(Failure::Reject("told to".to_owned()));
        }
        Ok(Some(reply.into_bytes()))
    }
}

fn act(bucket: &Bucket, words: &[&str]) -> Result<String, store::Error> {
    match words {
        ["set", key, value, ..] => bucket.set(key, value.as_bytes())?,
        ["delete", key, ..] => bucket.delete(key)?,
        ["get", key] => {
            let value =
                bucket.get(key)?.map_or("none".to_owned(), |value| String::from_utf8_lossy(&value).into_owned());
            return Ok(format!("{value} {}", bucket.exists(key)?));
        }
        ["keys"] => {
            let (mut keys, mut cursor) = (Vec::new(), None);
            loop {
                let page = bucket.list_keys(cursor)?;
                keys.extend(page.keys);
                cursor = page.cursor;
                if cursor.is_none() {
                    return Ok(keys.join(" "));
                }
            }
        }
        ["add", key, delta] => return Ok(atomics::increment(bucket, key, delta.parse().unwrap_or(1))?.to_string()),
        ["many"] => {
            let pairs: Vec<_> = (0..1500).map(|n| (format!("m{n:04}"), n.to_string().into_bytes())).collect();
            batch::set_many(bucket, &pairs)?;
            let gone: Vec<_> = (0..1499).map(|n| format!("m{n:04}")).collect();
            let before = bucket.list_keys(None)?.keys.len();
            batch::delete_many(bucket, &gone)?;
            let got = batch::get_many(bucket, &["m0000".to_owned(), "m1499".to_owned()])?;
            return Ok(format!("{before} {got:?}"));
        }
        _ => return Err(store::Error::Other(format!("no message: {words:?}"))),
    }
    Ok(String::new())
}
