//! A request from its head to its response.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ::http::request::Parts;
use ::http::{HeaderName, Method, Request, Response, StatusCode};
use hyper::body::Incoming as IncomingBody;
use hyper::upgrade::OnUpgrade;
use playhouse_kernel::{AboutActor, AboutMessage, Address, FlowId, Incoming, LogEvent, MessageId};

use super::body::ReplyBody;
use super::connection::Connection;
use super::cors;
use super::events::{HttpRequest, ReplyRefused};
use super::pattern::Path;
use super::proxies;
use super::request::{self, Facts};
use super::response::{self, Refusal};
use super::router::Found;
use super::settings::{Action, HttpRoute, Receiver};
use super::shared::Incarnation;
use super::{trace, upgrade};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A client is given this time to read a response that no route bounds.
const READ_TIME: Duration = HttpRoute::TIMEOUT;

/// The longest path in a log line, in bytes.
const MOST_LOGGED: usize = 256;

/// A request on its way.
struct Exchange<'r> {
    incarnation: &'r Incarnation,
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
    let (mut head, body) = request.into_parts();
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let id = incarnation.ingress.next_id();
    let trace = head.headers.get(TRACEPARENT).and_then(|trace| trace::flow(trace.as_bytes()));
    let client = proxies::client(connection.peer, &gate.proxies, &head.headers);
    let exchange = Exchange { incarnation, head: &head, client, id, flow: trace.unwrap_or_else(|| id.flow()) };
    let (number, result) = exchange.response(body, upgrade).await;
    let mut response = result.unwrap_or_else(|refusal| refusal.response(id));
    let route = number.map(|number| incarnation.route(number));
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
    let is_last = ticket.number >= gate.bounds.requests || gate.is_draining();
    connection.respond(ticket, &mut response, route.map_or(READ_TIME, |route| route.timeout), is_last);
    response
}

impl<'r> Exchange<'r> {
    /// The response, and the number of the route.
    async fn response(
        &self,
        body: IncomingBody,
        upgrade: Option<OnUpgrade>,
    ) -> (Option<usize>, Result<Response<ReplyBody>, Refusal>) {
        if let Some(rates) = &self.incarnation.gate.rates
            && let Err(wait) = rates.pass(self.client)
        {
            return (None, Err(Refusal::too_many_requests(wait)));
        }
        if let Some(answer) = self.preflight() {
            return (None, answer);
        }
        match self.find() {
            Ok((number, values, host)) => (Some(number), self.carry_out(number, &values, host, (body, upgrade)).await),
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
    fn preflight(&self) -> Option<Result<Response<ReplyBody>, Refusal>> {
        let allowed = self.incarnation.gate.cors.as_ref()?;
        cors::preflight(self.head)?;
        let answer = || {
            cors::allowed(allowed, &self.head.headers).ok_or_else(Refusal::other_origin)?;
            let router = &self.incarnation.gate.router;
            let routes = router.all(request::host(self.head)?, &self.path()?);
            if routes.is_empty() {
                Err(Refusal::unknown_route())
            } else {
                Ok(cors::answer(allowed, &router.methods(&routes)))
            }
        };
        Some(answer())
    }

    /// The number of the request's route, the values of its parameters, and the host.
    fn find(&self) -> Result<(usize, Values<'r>, Option<&'r str>), Refusal> {
        let router = &self.incarnation.gate.router;
        let host = request::host(self.head)?;
        match router.find(host, &self.path()?, &self.head.method) {
            Found::Route(route, values) => Ok((route, values, host)),
            Found::OtherMethod(routes) => Err(Refusal::other_method(router.methods(&routes))),
            Found::Nothing => Err(Refusal::unknown_route()),
        }
    }

    /// Carries out the action of a route.
    async fn carry_out(
        &self,
        number: usize,
        values: &Values<'_>,
        host: Option<&str>,
        (body, upgrade): (IncomingBody, Option<OnUpgrade>),
    ) -> Result<Response<ReplyBody>, Refusal> {
        let Self { incarnation, head, id, .. } = *self;
        let route = incarnation.route(number);
        if route.bearer.as_ref().is_some_and(|tokens| !request::has_token(head, tokens)) {
            return Err(Refusal::unauthorized());
        }
        let facts = Facts { host, client: self.client };
        let metadata = request::metadata(head, route, values, &facts)?;
        let filled;
        let to: &Address = match &route.action {
            Action::WebSocket(_) => return upgrade::open(incarnation, head, upgrade, number, &metadata),
            Action::Ask(Receiver::Fixed(address)) | Action::Tell(Receiver::Fixed(address)) => address,
            Action::Ask(Receiver::Template(template)) | Action::Tell(Receiver::Template(template)) => {
                let bad = |_| Refusal::new(StatusCode::NOT_FOUND, "bad-address");
                filled = template.fill(|n| &values[n]).map_err(bad)?;
                &filled
            }
        };
        let body = request::body(body, &incarnation.gate.bodies, route.body_bytes, route.timeout).await?;
        let message = Incoming { flow: self.flow, ..Incoming::new(id, &metadata, &body) };
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
