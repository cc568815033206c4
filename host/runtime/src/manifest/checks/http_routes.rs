//! `[[http.route]]`: each route is sound, has a receiver, and hides no other one.

use playhouse_gateway::http::{
    self, Action, BadReceiver, HeaderName, HttpRoute, MetaItem, Method, PathPattern, Receiver,
};
use playhouse_kernel::ActorLimits;
use toml::Spanned;

use super::addresses::{Addresses, address_fault, address_meant};
use super::findings::Checks;
use crate::manifest::play::PlayActor;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{self, Http, Manifest};
use crate::manifest::units::ByteSize;
use crate::printable::Printable;

/// The methods that a route may have.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

impl Checks {
    pub(super) fn http_routes(
        &mut self,
        server: &Http,
        actors: &[PlayActor],
        addresses: &Addresses,
        manifest: &Manifest,
    ) -> Vec<HttpRoute> {
        let mut routes: Vec<(HttpRoute, &Spanned<String>)> = Vec::new();
        for written in server.route.iter().map(Spanned::get_ref) {
            let Some(route) = self.http_route(written, actors, addresses, manifest) else { continue };
            if let Some((first, place)) = routes.iter().find(|(other, _)| route.hides(other)) {
                let what =
                    format!("`{}` is hidden by the route `{}`: they take the same requests", route.path, first.path);
                let problem = Problem::at(written.path.span(), what, "this one never gets a request");
                let problem = problem.and_at(place.span(), "this one has them");
                self.add(problem.help("leave one of them out, or give them different methods or hosts"));
            }
            routes.push((route, &written.path));
        }
        routes.into_iter().map(|(route, _)| route).collect()
    }

    fn http_route(
        &mut self,
        written: &schema::HttpRoute,
        actors: &[PlayActor],
        addresses: &Addresses,
        manifest: &Manifest,
    ) -> Option<HttpRoute> {
        let path = self.http_path(&written.path);
        let host = written.host.as_ref().map(|host| {
            self.host_name(host);
            host.get_ref().to_ascii_lowercase()
        });
        let methods = self.http_methods(written.methods.as_ref());
        let meta = written.meta.iter().filter_map(|item| self.http_meta(item)).collect();
        let reply_headers = self.http_reply_headers(written.reply_headers.as_deref());
        let timeout = self.above_zero(written.timeout.as_ref(), "http.route.timeout", HttpRoute::TIMEOUT);
        if let Some(plugin) = &written.websocket {
            let settings = self.websocket(written, plugin, manifest);
            let (path, settings) = (path?, settings?);
            let route = HttpRoute {
                host,
                path,
                methods: vec![Method::GET],
                action: Action::WebSocket(settings),
                timeout,
                body_bytes: 0,
                meta,
                reply_headers: Vec::new(),
                bearer: None,
            };
            self.http_pairs(&route, written);
            return Some(route);
        }
        self.no_websocket(written);
        let (key, receiver) = match (&written.ask, &written.tell) {
            (Some(ask), None) => ("ask", ask),
            (None, Some(tell)) => ("tell", tell),
            (ask, tell) => {
                let (what, place) = match (ask, tell) {
                    (Some(_), Some(tell)) => ("the route has both `ask` and `tell`", tell.span()),
                    _ => ("the route has no receiver", written.path.span()),
                };
                let help = "add ask = \"/ADDRESS\" for a reply, tell = \"/ADDRESS\" for a 202 at once, or websocket = \"PLUGIN\"";
                self.add(Problem::at(place, what, "here").help(help));
                return None;
            }
        };
        let path = path?;
        let to = self.http_receiver(receiver, key, &path, addresses)?;
        let body_bytes = self.http_body(written, &to, actors);
        let route = HttpRoute {
            host,
            path,
            methods,
            action: if key == "ask" { Action::Ask(to) } else { Action::Tell(to) },
            timeout,
            body_bytes,
            meta,
            reply_headers,
            // Its value is read later.
            bearer: None,
        };
        self.http_pairs(&route, written);
        Some(route)
    }

    fn http_path(&mut self, written: &Spanned<String>) -> Option<PathPattern> {
        match PathPattern::parse(written.get_ref()) {
            Ok(path) => Some(path),
            Err(error) => {
                let what = format!("`{}` is no path of a route: {error}", Printable(written.get_ref()));
                let help = "a path is text, or has parameters, or ends with a prefix: \"/orders/:id\", \"/files/*\"";
                self.add(Problem::at(written.span(), what, "here").help(help));
                None
            }
        }
    }

    fn http_methods(&mut self, written: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<Method> {
        let Some(written) = written else { return vec![Method::POST] };
        if written.get_ref().is_empty() {
            let problem = Problem::at(written.span(), "a route without a method takes no request", "here");
            self.add(problem.help("name its methods, or leave `methods` out for [\"POST\"]"));
        }
        let mut methods = Vec::new();
        for method in written.get_ref() {
            let Some(known) = http::method(method.get_ref()) else {
                let upper = method.get_ref().to_ascii_uppercase();
                let near = self.near(&upper, METHODS.into_iter());
                let remark = near.map_or_else(|| "here".into(), |near| format!("did you mean \"{near}\"?"));
                let what = format!("`{}` is no method of a route", Printable(method.get_ref()));
                self.add(Problem::at(method.span(), what, remark).help(format!("possible are {}", METHODS.join(", "))));
                continue;
            };
            methods.push(known);
        }
        methods
    }

    fn http_meta(&mut self, written: &Spanned<String>) -> Option<MetaItem> {
        let text = written.get_ref();
        let item = MetaItem::parse(text);
        if item.is_none() {
            let near = if text.starts_with("header:") { None } else { self.near(text, MetaItem::NAMES.into_iter()) };
            let remark = near.map_or_else(|| "here".into(), |near| format!("did you mean \"{near}\"?"));
            let what = match text.strip_prefix("header:") {
                Some(name) => format!("`{}` is no name of a header", Printable(name)),
                None => format!("a request has no `{}`", Printable(text)),
            };
            let help = format!("possible are {}, and header:NAME", MetaItem::NAMES.join(", "));
            self.add(Problem::at(written.span(), what, remark).help(help));
        }
        item
    }

    fn http_reply_headers(&mut self, written: Option<&[Spanned<String>]>) -> Vec<HeaderName> {
        let Some(written) = written else { return vec![HeaderName::from_static("content-type")] };
        let headers = written.iter().filter_map(|name| match http::reply_header(name.get_ref()) {
            // The status may always be set.
            _ if name.get_ref() == "status" => None,
            Ok(header) => Some(header),
            Err(why) => {
                let what = format!("`{}` {why}", Printable(name.get_ref()));
                self.add(Problem::at(name.span(), what, "here").help("leave it out, or name another header"));
                None
            }
        });
        headers.collect()
    }

    /// The receiver: an actor of the manifest, a native one, or one that may be spawned.
    fn http_receiver(
        &mut self,
        written: &Spanned<String>,
        key: &str,
        path: &PathPattern,
        addresses: &Addresses,
    ) -> Option<Receiver> {
        match Receiver::parse(written.get_ref(), path) {
            Ok(Receiver::Fixed(_)) => self.receiver(written, key, addresses).map(Receiver::Fixed),
            Ok(receiver) => {
                let top = receiver.top();
                if addresses.is_populated(&top) {
                    return Some(receiver);
                }
                let remark = match self.near_address(top.as_str(), addresses.all()) {
                    Some(near) if near != top.as_str() => format!("did you mean an actor below \"{near}\"?"),
                    _ => "here".into(),
                };
                let problem = Problem::at(written.span(), format!("no actor is below `{top}`"), remark);
                let help = format!("this manifest has no actor below `{top}`, and no actor there has `spawns`");
                self.add(problem.help(help));
                None
            }
            Err(BadReceiver::Address(error)) => {
                let problem = Problem::at(written.span(), address_fault(&error), address_meant(written.get_ref()));
                self.add(problem.help(format!("`{key}` is the address of an actor, as in {key} = \"/orders\"")));
                None
            }
            Err(error @ BadReceiver::NoParameter(_)) => {
                let known: Vec<_> = path.parameters().iter().map(|name| format!("`:{name}`")).collect();
                let problem = Problem::at(written.span(), error.to_string(), "here");
                self.add(problem.help(match known.len() {
                    0 => format!("the path `{path}` has none: add one, as in \"/orders/:id\""),
                    _ => format!("the path `{path}` has {}", known.join(", ")),
                }));
                None
            }
        }
    }

    /// The size limit of a body, which the receiver takes.
    fn http_body(&mut self, written: &schema::HttpRoute, to: &Receiver, actors: &[PlayActor]) -> usize {
        let receiver = actors.iter().find(|actor| match to {
            Receiver::Fixed(address) => actor.receives(address),
            Receiver::Template(_) => actor.family.is_some() && actor.address == to.top(),
        });
        let most = receiver.map(|actor| actor.settings.limits.message_bytes);
        let Some(body) = &written.body else {
            return most.unwrap_or_else(|| ActorLimits::default().message_bytes);
        };
        let bytes = body.get_ref().in_memory();
        if let (Some(most), Some(receiver)) = (most, receiver)
            && bytes > most
        {
            let limit = ByteSize(most as u64);
            let what = format!(
                "`body` ({}) is more than `limits.message` ({limit}) of `{}`",
                body.get_ref(),
                receiver.written()
            );
            let problem = Problem::at(body.span(), what, format!("it must be at most \"{limit}\""));
            self.add(problem.help(format!("lower it, or raise `limits.message` of `{}`", receiver.written())));
        }
        bytes
    }

    /// A message has only so many pairs of metadata.
    fn http_pairs(&mut self, route: &HttpRoute, written: &schema::HttpRoute) {
        let pairs = route.meta.len() + route.path.parameters().len();
        if pairs > HttpRoute::MOST_META {
            let most = HttpRoute::MOST_META;
            let what = format!("`meta` and the parameters of the path are {pairs} pairs of metadata");
            let problem = Problem::at(written.path.span(), what, format!("there may be at most {most}"));
            self.add(problem.help("leave some of `meta` out"));
        }
    }
}
