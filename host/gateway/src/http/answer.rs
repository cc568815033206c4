//! A request from its head to its response.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ::http::header::EXPECT;
use ::http::request::Parts;
use ::http::{HeaderName, Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming as IncomingBody};
use hyper::upgrade::OnUpgrade;
use playhouse_kernel::{
    AboutActor, AboutMessage, Address, AskError, FlowId, Incoming, LogEvent, MessageId, RequestKey,
};

use super::body::ReplyBody;
use super::clients::Place;
use super::connection::{Connection, Ticket};
use super::cors;
use super::events::{HttpRequest, ReplyRefused};
use super::pattern::Path;
use super::proxies;
use super::request::{self, BodyLimits, Facts};
use super::response::{self, Refusal};
use super::router::Found;
use super::settings::{Action, HttpRoute, Receiver};
use super::shared::Incarnation;
use super::{trace, unread, upgrade};
use crate::request_digest;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A client is given this time to read a response that no route bounds.
const READ_TIME: Duration = HttpRoute::TIMEOUT;

/// The longest path in a log line, in bytes.
const MOST_LOGGED: usize = 256;

/// A request on its way.
struct Exchange<'r> {
    incarnation: &'r Incarnation,
    connection: &'r Connection,
    ticket: &'r Ticket,
    head: &'r Parts,
    client: IpAddr,
    id: MessageId,
    flow: FlowId,
}

/// The values of the parameters of a path.
type Values<'r> = Vec<Cow<'r, str>>;

/// Answers a request.
pub(super) async fn answer(
    incarnation: &Incarnation,
    connection: &Connection,
    request: Request<IncomingBody>,
) -> Response<ReplyBody> {
    let ticket = connection.begin();
    let gate = &*incarnation.gate;
    let begun = gate.access_log.as_ref().map(|_| Instant::now());
    let (mut head, mut body) = request.into_parts();
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let id = incarnation.ingress.next_id();
    let trace = head.headers.get(TRACEPARENT).and_then(|trace| trace::flow(trace.as_bytes()));
    let client = proxies::client(connection.peer, &gate.proxies, &head.headers);
    let flow = trace.unwrap_or_else(|| id.flow());
    let exchange = Exchange { incarnation, connection, ticket: &ticket, head: &head, client, id, flow };
    let (number, result) = exchange.response(&mut body, upgrade).await;
    let route = number.map(|number| incarnation.route(number));
    let mut response = match result {
        Ok(response) => response,
        // In a box, so that all other requests have a smaller future.
        Err(refusal) => Box::pin(exchange.refused(&refusal, body)).await,
    };
    if let Some(allowed) = &gate.cors {
        if let Some(origin) = cors::allowed(allowed, &head.headers) {
            cors::allow(allowed, &mut response, origin, route.map_or(&[], |route| &route.reply_headers));
        }
        cors::vary(&mut response);
    }
    gate.counts.responded(number, response.status());
    if let Some(begun) = begun {
        exchange.log(&response, begun.elapsed());
    }
    if head.method == Method::HEAD && connection.is_http2() {
        response::without_body(&mut response);
    }
    let is_last = ticket.number >= gate.bounds.requests || gate.is_draining();
    let read_time = route.map_or(READ_TIME, |route| route.timeout);
    connection.respond(ticket, &mut response, read_time, is_last);
    response
}

impl<'r> Exchange<'r> {
    /// The response, and the number of the route.
    async fn response(
        &self,
        body: &mut IncomingBody,
        upgrade: Option<OnUpgrade>,
    ) -> (Option<usize>, Result<Response<ReplyBody>, Refusal>) {
        if let Some(rates) = &self.incarnation.gate.rates
            && let Err(wait) = rates.pass(self.client)
        {
            return (None, Err(Refusal::too_many_requests(wait)));
        }
        let host = match request::host(self.head) {
            Ok(host) => host,
            Err(refusal) => return (None, Err(refusal)),
        };
        if let Some(answer) = self.preflight(host) {
            return (None, answer);
        }
        match self.find(host) {
            Ok((number, values)) => {
                let facts = Facts { host, client: self.client };
                (Some(number), self.carry_out(number, &values, &facts, (body, upgrade)).await)
            }
            Err(refusal) => (None, Err(refusal)),
        }
    }

    /// The path of the request. `OPTIONS *` and `CONNECT` have none.
    fn path(&self) -> Result<Path<'r>, Refusal> {
        let raw = self.head.uri.path();
        let refusal = || if raw.starts_with('/') { Refusal::bad_request() } else { Refusal::unknown_route() };
        Path::of(raw).ok_or_else(refusal)
    }

    /// The answer to a preflight of a browser; `None` for another request.
    fn preflight(&self, host: Option<&str>) -> Option<Result<Response<ReplyBody>, Refusal>> {
        let allowed = self.incarnation.gate.cors.as_ref()?;
        cors::preflight(self.head)?;
        let answer = || {
            cors::allowed(allowed, &self.head.headers).ok_or_else(Refusal::other_origin)?;
            let router = &self.incarnation.gate.router;
            let routes = router.all(host, &self.path()?);
            if routes.is_empty() {
                Err(Refusal::unknown_route())
            } else {
                Ok(cors::answer(allowed, &router.methods(&routes)))
            }
        };
        Some(answer())
    }

    /// The number of the request's route, and the values of its parameters.
    fn find(&self, host: Option<&str>) -> Result<(usize, Values<'r>), Refusal> {
        let router = &self.incarnation.gate.router;
        match router.find(host, &self.path()?, &self.head.method) {
            Found::Route(route, values) => Ok((route, values)),
            Found::OtherMethod(routes) => Err(Refusal::other_method(router.methods(&routes))),
            Found::Nothing => Err(Refusal::unknown_route()),
        }
    }

    /// Carries out the action of a route.
    async fn carry_out(
        &self,
        number: usize,
        values: &Values<'_>,
        facts: &Facts<'_>,
        (body, upgrade): (&mut IncomingBody, Option<OnUpgrade>),
    ) -> Result<Response<ReplyBody>, Refusal> {
        let Self { incarnation, head, id, .. } = *self;
        let route = incarnation.route(number);
        if route.bearer.as_ref().is_some_and(|tokens| !request::has_token(head, tokens)) {
            return Err(Refusal::unauthorized());
        }
        let metadata = request::metadata(head, route, values, facts)?;
        let filled;
        let to: &Address = match &route.action {
            Action::WebSocket(_) => {
                let place = self.place()?;
                return upgrade::open(incarnation, head, upgrade, number, &metadata, place);
            }
            Action::Ask(Receiver::Fixed(address)) | Action::Tell(Receiver::Fixed(address)) => address,
            Action::Ask(Receiver::Template(template)) | Action::Tell(Receiver::Template(template)) => {
                let bad = || Refusal::new(StatusCode::NOT_FOUND, "bad-address");
                filled = template.fill(|n| &values[n]).map_err(|_| bad())?;
                if template.strays(&filled, &incarnation.gate.reserved) {
                    return Err(bad());
                }
                &filled
            }
        };
        let limits = BodyLimits { bodies: &incarnation.gate.bodies, most: route.body_bytes, time: route.timeout };
        let body = request::body(&head.headers, body, limits, || self.connection.receive(self.ticket)).await?;
        let message = Incoming { flow: self.flow, ..Incoming::new(id, &metadata, &body) };
        if let Some(key) = request::key(head).filter(|_| incarnation.ingress.is_stored(to)) {
            return Box::pin(self.repeatable(key?, route, to, &message)).await;
        }
        match &route.action {
            Action::Ask(_) => {
                let reply = incarnation.ingress.ask(to, &message, route.timeout).await;
                let reply = reply.map_err(|error| Refusal::from(&error))?;
                response::of_reply(reply, &route.reply_headers, id).map_err(|why| self.bad_reply(to, route, &why))
            }
            Action::Tell(_) | Action::WebSocket(_) => {
                let sent = incarnation.ingress.tell(to, &message, route.timeout).await;
                sent.map_err(|error| Refusal::from(&error))?;
                Ok(response::accepted(id))
            }
        }
    }

    /// Carries out a request with a key for a durable actor: a repetition is the first one.
    async fn repeatable(
        &self,
        key: &str,
        route: &HttpRoute,
        to: &Address,
        message: &Incoming<'_>,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let Self { incarnation, head, .. } = self;
        let via = format!("{} {} {}", incarnation.gate.address, head.method, route.path);
        let [path, query, allowed] = request::parts(head);
        let key = RequestKey { via: &via, key, digest: request_digest(&[path, query, allowed, message.body]) };
        match &route.action {
            Action::Ask(_) => {
                // The id in the response is that of the question that was answered.
                let (id, reply) = incarnation.ingress.ask_under(&key, to, message, route.timeout).await;
                match reply {
                    Ok(reply) => response::of_reply(reply, &route.reply_headers, id)
                        .map_err(|why| self.bad_reply(to, route, &why)),
                    Err(error @ AskError::NoReply) => Ok(Refusal::from(&error).response(id)),
                    Err(error) => Err(Refusal::from(&error)),
                }
            }
            Action::Tell(_) | Action::WebSocket(_) => {
                let sent = incarnation.ingress.tell_under(&key, to, message, route.timeout).await;
                Ok(response::accepted(sent.map_err(|error| Refusal::from(&error))?))
            }
        }
    }

    /// The place of a WebSocket connection among those of its client, which may be behind a proxy.
    fn place(&self) -> Result<Place, Refusal> {
        if self.client == self.connection.peer {
            return Ok(self.connection.place.clone());
        }
        self.incarnation.gate.clients.enter(self.client).map_err(|_| Refusal::too_many_connections())
    }

    /// The response of an error. The request is read to its end, so that the client gets the response.
    async fn refused(&self, refusal: &Refusal, mut body: IncomingBody) -> Response<ReplyBody> {
        let mut response = refusal.response(self.id);
        if body.is_end_stream() {
            return response;
        }
        if self.connection.is_http2() {
            response.body_mut().end_after(unread::reading(body));
        } else if !refusal.closes() {
            // A client that waits for `100 Continue` sends no body after an error.
            let is_read = !self.head.headers.contains_key(EXPECT) && unread::read_to_end(&mut body).await;
            if !is_read {
                response::close_after(&mut response);
            }
        }
        response
    }

    fn bad_reply(&self, to: &Address, route: &HttpRoute, why: &response::BadReply) -> Refusal {
        if let Some(left_out) = self.incarnation.gate.replies_refused.pass() {
            let subject = (AboutActor { address: to, plugin: None }, self.message());
            let left_out = Some(left_out).filter(|lines| *lines > 0);
            ReplyRefused { subject, route: &route.path.to_string(), why: &why.to_string(), left_out }.log();
        }
        Refusal::bad_reply()
    }

    fn message(&self) -> AboutMessage {
        AboutMessage { flow: self.flow, id: self.id, attempt: 0, hops: 0 }
    }

    /// Writes the line of the access log.
    fn log(&self, response: &Response<ReplyBody>, took: Duration) {
        let gate = &*self.incarnation.gate;
        let Some(left_out) = gate.access_log.as_ref().and_then(super::line_budget::LineBudget::pass) else { return };
        let path = self.head.uri.path();
        let end = (0..=MOST_LOGGED.min(path.len())).rev().find(|end| path.is_char_boundary(*end)).unwrap_or_default();
        let bytes = if self.head.method == Method::HEAD { 0 } else { response.body().len() };
        HttpRequest {
            subject: (AboutActor { address: &gate.address, plugin: None }, self.message()),
            method: self.head.method.as_str(),
            path: &path[..end],
            status: response.status().as_u16().into(),
            bytes,
            seconds: took.as_secs_f64(),
            client: &self.client.to_string(),
            left_out: Some(left_out).filter(|lines| *lines > 0),
        }
        .log();
    }
}
