//! The rest of a request that is answered before its body was read. It is read and thrown away, within limits: a client that is
//! cut off while it sends may lose the answer, and one of HTTP/2 may take the reset of its stream for a failure.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};

/// The time for the rest of a body.
pub(super) const TIME: Duration = Duration::from_secs(1);
/// Bytes that are read before the answer, so that the connection can be used again.
const MOST_BEFORE: usize = 64 << 10;
/// Bytes that are read beside the answer.
const MOST_BESIDE: usize = 16 << 20;

/// Reads the rest of a short body; false if it is longer, or does not come in time.
pub(super) async fn read_short(body: &mut Incoming) -> bool {
    throw_away(body, MOST_BEFORE).await
}

/// Reads the rest of a body, as far as the limits go.
pub(super) fn reading(mut body: Incoming) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        throw_away(&mut body, MOST_BESIDE).await;
    })
}

async fn throw_away(body: &mut Incoming, most: usize) -> bool {
    if body.size_hint().lower() > most as u64 {
        return false;
    }
    let read = async {
        let mut left = most;
        while let Some(frame) = body.frame().await {
            let bytes = frame.ok().map(|frame| frame.data_ref().map_or(0, Bytes::len));
            let Some(rest) = bytes.and_then(|bytes| left.checked_sub(bytes)) else { return false };
            left = rest;
        }
        true
    };
    tokio::time::timeout(TIME, read).await.unwrap_or(false)
}
