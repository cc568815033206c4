//! The texts of scrapes. They are written one after another, and a client that waited while a text was begun gets that text too, so
//! that a storm of scrapes costs one or two.

use std::sync::{Arc, Weak};
use std::time::Instant;

use hyper::body::Bytes;
use tokio::sync::Mutex;

use crate::exposition::Format;

/// The latest text of each format, as long as somebody sends it.
#[derive(Default)]
pub(super) struct Texts(Mutex<Latest>);

#[derive(Default)]
struct Latest {
    /// Number of texts so far.
    number: u64,
    /// The size of the latest text.
    bytes: usize,
    texts: Vec<(Format, Weak<Written>)>,
}

struct Written {
    number: u64,
    /// The time before any count was read.
    began: Instant,
    bytes: Vec<u8>,
}

/// The text of a scrape, shared by all clients that get it.
#[derive(Clone)]
pub(super) struct Text(Arc<Written>);

impl Text {
    /// The number of this text, from 1.
    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    /// The text for a response, which it is shared with.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Texts {
    /// A text that begins after this call: one that another client waits for, or a new one.
    pub(super) async fn next(&self, format: Format, write: impl AsyncFnOnce(Vec<u8>) -> Vec<u8>) -> Text {
        let asked = Instant::now();
        let mut latest = self.0.lock().await;
        let same = latest.texts.iter().filter(|text| text.0 == format).find_map(|text| text.1.upgrade());
        if let Some(text) = same.filter(|text| text.began >= asked) {
            return Text(text);
        }
        let began = Instant::now();
        // A little more than the last time, so that the text is not copied while it grows.
        let bytes = write(Vec::with_capacity(latest.bytes + latest.bytes / 16 + 4096)).await;
        (latest.number, latest.bytes) = (latest.number + 1, bytes.len());
        let text = Arc::new(Written { number: latest.number, began, bytes });
        latest.texts.retain(|text| text.0 != format);
        latest.texts.push((format, Arc::downgrade(&text)));
        Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_that_wait_share_the_next_text() {
        let texts = Texts::default();
        let written = std::cell::Cell::new(0);
        let scrape = || {
            texts.next(Format::Prometheus, async |mut text| {
                written.set(written.get() + 1);
                tokio::task::yield_now().await;
                text.push(b'x');
                text
            })
        };
        let (first, second, third) = tokio::join!(scrape(), scrape(), scrape());
        assert_eq!([&first, &second, &third].map(Text::number), [1, 2, 2], "the first began before the others came");
        assert_eq!((scrape().await.number(), written.get()), (3, 3), "a text from before the call is old");
    }
}
