//! The events that HTTP gateways log.

use playhouse_kernel::{AboutActor, HOST_TARGET, log_events};

log_events! {
    /// All events of HTTP gateways.
    pub const HTTP_EVENTS;

    /// An HTTP gateway takes requests.
    pub(crate) struct HttpListening<'a>("http-listening", INFO, HOST_TARGET) about AboutActor<'a, Option<&'a str>> {
        /// Its address, with the port.
        listen: &'a str,
    }
    text() "takes requests at {listen}";
    example "takes requests at 127.0.0.1:8080";

    /// A reply is no response of HTTP: its status or a header that its metadata sets is not possible. The client got a status
    /// of 500. At most one line in each second.
    pub(crate) struct ReplyRefused<'a>("reply-refused", WARN, HOST_TARGET) about AboutActor<'a, Option<&'a str>> {
        /// The path of the route.
        route: &'a str,
        /// The fault.
        why: &'a str,
    }
    text() "its reply is no response for {route}: {why}";
    example "its reply is no response for /orders/:id: the status \"20\" is no number from 200 to 599";
    advice "Correct the metadata with which the actor replies.";

    /// A connection could not be accepted. The gateway tries again; a line comes for the first of several failures.
    pub(crate) struct AcceptFailed<'a>("accept-failed", WARN, HOST_TARGET) about AboutActor<'a, Option<&'a str>> {
        /// The error of the system.
        why: &'a str,
    }
    text() "cannot accept a connection: {why}";
    example "cannot accept a connection: Too many open files (os error 24)";
    advice "With too many open files, raise the limit of the system (`LimitNOFILE=` in systemd), or lower `connections`.";
}
