//! A request from its head to its response.

use std::net::IpAddr;
use std::time::Duration;

use ::http::request::Parts;
use ::http::{HeaderName, Request, Response, StatusCode};
use hyper::body::Incoming as IncomingBody;
use hyper::upgrade::OnUpgrade;
use playhouse_kernel::{AboutActor, Address, Incoming, LogEvent, MessageId};

use super::activity::Activity;
use super::events::ReplyRefused;
use super::pattern::Path;
use super::request::{self, Facts};
use super::response::{self, Body, Refusal, close_after};
use super::router::Found;
use super::settings::{Action, HttpRoute, Receiver};
use super::shared::Incarnation;
use super::{trace, upgrade};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A client is given this time to read a response that no route bounds.
const READ_TIME: Duration = HttpRoute::TIMEOUT;

/// The facts of the connection of a request.
pub(super) struct Connection {
    /// The other end of the socket.
    pub(super) peer: IpAddr,
    pub(super) activity: std::sync::Arc<Activity>,
}

/// Answers a request.
pub(super) async fn answer(
    incarnation: &Incarnation,
    connection: &Connection,
    request: Request<IncomingBody>,
) -> Response<Body> {
    let number = connection.activity.begin();
    let id = incarnation.ingress.next_id();
    let (mut head, body) = request.into_parts();
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let (route, result) = match find(incarnation, &head) {
        Ok((route, path)) => {
            (Some(route), take(incarnation, connection, &head, (body, upgrade), (route, path), id).await)
        }
        Err(refusal) => (None, Err(refusal)),
    };
    let mut response = result.unwrap_or_else(|refusal| refusal.response(id));
    if number >= incarnation.gate.bounds.requests || incarnation.gate.is_draining() {
        close_after(&mut response);
    }
    incarnation.gate.counts.responded(route, response.status());
    connection.activity.respond(route.map_or(READ_TIME, |route| incarnation.route(route).timeout));
    response
}

/// The values of the parameters of a path.
type Values<'r> = Vec<std::borrow::Cow<'r, str>>;

/// The number of the request's route, and the values of its parameters.
fn find<'r>(incarnation: &Incarnation, head: &'r Parts) -> Result<(usize, Values<'r>), Refusal> {
    let router = &incarnation.gate.router;
    let host = request::host(head)?;
    // `OPTIONS *` and `CONNECT` have no path.
    let raw = head.uri.path();
    let path = Path::of(raw)
        .ok_or_else(|| if raw.starts_with('/') { Refusal::bad_request() } else { Refusal::unknown_route() })?;
    match router.find(host, &path, &head.method) {
        Found::Route(route, values) => Ok((route, values)),
        Found::OtherMethod(routes) => Err(Refusal::other_method(router.methods(&routes))),
        Found::Nothing => Err(Refusal::unknown_route()),
    }
}

/// Carries out the action of a route.
async fn take(
    incarnation: &Incarnation,
    connection: &Connection,
    head: &Parts,
    (body, upgrade): (IncomingBody, Option<OnUpgrade>),
    (number, values): (usize, Values<'_>),
    id: MessageId,
) -> Result<Response<Body>, Refusal> {
    let route = incarnation.route(number);
    let facts = Facts { host: request::host(head)?, client: connection.peer };
    let metadata = request::metadata(head, route, &values, &facts)?;
    let filled;
    let to: &Address = match &route.action {
        Action::WebSocket(_) => return upgrade::open(incarnation, head, upgrade, number, &metadata),
        Action::Ask(Receiver::Fixed(address)) | Action::Tell(Receiver::Fixed(address)) => address,
        Action::Ask(Receiver::Template(template)) | Action::Tell(Receiver::Template(template)) => {
            filled = template.fill(|n| &values[n]).map_err(|_| Refusal::new(StatusCode::NOT_FOUND, "bad-address"))?;
            &filled
        }
    };
    let body = request::body(body, route.body_bytes, route.timeout).await?;
    let flow =
        head.headers.get(TRACEPARENT).and_then(|trace| trace::flow(trace.as_bytes())).unwrap_or_else(|| id.flow());
    let message = Incoming { flow, ..Incoming::new(id, &metadata, &body) };
    match &route.action {
        Action::Ask(_) => {
            let reply =
                incarnation.ingress.ask(to, &message, route.timeout).await.map_err(|error| Refusal::from(&error))?;
            response::of_reply(reply, &route.reply_headers, id).map_err(|why| {
                if incarnation.gate.replies_refused.passes() {
                    let subject = AboutActor { address: to, plugin: None };
                    ReplyRefused { subject, route: &route.path.to_string(), why: &why.to_string() }.log();
                }
                Refusal::bad_reply()
            })
        }
        Action::Tell(_) | Action::WebSocket(_) => {
            incarnation.ingress.tell(to, &message, route.timeout).await.map_err(|error| Refusal::from(&error))?;
            Ok(response::accepted(id))
        }
    }
}
