//! The events that HTTP gateways log.

use playhouse_kernel::{AboutActor, AboutMessage, HOST_TARGET, log_events};

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

    /// A request was answered. There is such a line with `access_log` alone, and there are at most 1,000 in each second.
    pub(crate) struct HttpRequest<'a>("http-request", INFO, HOST_TARGET)
        about (AboutActor<'a, Option<&'a str>>, AboutMessage) {
        /// The method.
        method: &'a str,
        /// The first 256 bytes of the path. The query is left out: it may have secrets.
        path: &'a str,
        /// The status of the response.
        status: u32,
        /// Bytes of the response's body.
        bytes: usize,
        /// The time from the head of the request to the response, in seconds.
        seconds: f64,
        /// The IP address of the client.
        client: &'a str,
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
    }
    text() "{method} {path}: {status}";
    example "POST /orders/7: 200";

    /// A reply is no response of HTTP: its status or a header that its metadata sets is not possible. The client got a status
    /// of 500. There is at most one such line in each second.
    pub(crate) struct ReplyRefused<'a>("reply-refused", WARN, HOST_TARGET)
        about (AboutActor<'a, Option<&'a str>>, AboutMessage) {
        /// The path of the route.
        route: &'a str,
        /// The fault.
        why: &'a str,
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
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

    /// A client has as many connections as `connections_per_client` says, and another one was closed. There is at most one such
    /// line in each second.
    pub(crate) struct ClientRefused<'a>("client-refused", WARN, HOST_TARGET) about AboutActor<'a, Option<&'a str>> {
        /// The IP address of the client.
        client: &'a str,
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
    }
    text(most: usize) "closed a connection of {client}, which has {most} already";
    example "closed a connection of 192.0.2.7, which has 50 already";
    advice "If the client is a proxy, name it in `trusted_proxies`. If many people share the address, raise `connections_per_client`.";

    /// The certificate of a gateway changed, and new connections have the new one.
    pub(crate) struct TlsReloaded<'a>("tls-reloaded", INFO, HOST_TARGET) about AboutActor<'a, Option<&'a str>> {
        /// The file of the certificate.
        file: &'a str,
    }
    text() "uses the new certificate of `{file}`";
    example "uses the new certificate of `/etc/shop/cert.pem`";

    /// The certificate of a gateway or its key changed, and cannot be used. New connections have the one from before.
    pub(crate) struct TlsKept<'a>("tls-kept", ERROR, HOST_TARGET) about AboutActor<'a, Option<&'a str>> {
        /// The fault.
        why: &'a str,
    }
    text() "keeps its certificate, since the new one is bad: {why}";
    example "keeps its certificate, since the new one is bad: the key is no private key in PEM";
    advice "Correct the files that `tls` names. They are read again when they change.";
}
