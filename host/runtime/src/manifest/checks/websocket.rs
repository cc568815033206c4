//! `websocket` of a route: the plugin of its handlers, and its bounds.

use playhouse_gateway::websocket::{Origins, WebSocketSettings};
use playhouse_kernel::{ActorLimits, Address};
use toml::Spanned;

use super::findings::Checks;
use super::instances::connections_of;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{HttpRoute, Manifest};
use crate::printable::Printable;

/// The actor below which connections are, if there may be some: actors may send to all of them.
pub(super) fn spawning(manifest: &Manifest) -> Option<Address> {
    let mut routes = manifest.http.iter().flat_map(|server| &server.get_ref().route);
    routes.any(|route| route.get_ref().websocket.is_some()).then(|| Address::parse(playhouse_gateway::GATES).ok())?
}

impl Checks {
    /// The settings of a route for connections.
    pub(super) fn websocket(
        &mut self,
        written: &HttpRoute,
        plugin: &Spanned<String>,
        manifest: &Manifest,
    ) -> Option<WebSocketSettings> {
        let other = [
            ("ask", written.ask.as_ref().map(Spanned::span)),
            ("tell", written.tell.as_ref().map(Spanned::span)),
            ("methods", written.methods.as_ref().map(Spanned::span)),
            ("body", written.body.as_ref().map(Spanned::span)),
            ("timeout", written.timeout.as_ref().map(Spanned::span)),
            ("reply_headers", written.reply_headers.as_ref().map(|_| written.path.span())),
        ];
        for (key, place) in other.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            let problem = Problem::at(place, format!("a route with `websocket` has no `{key}`"), "here");
            self.add(problem.help("leave it out: the handler of a connection gets its messages"));
        }
        let name = plugin.get_ref();
        let known = manifest.plugin.iter().map(Spanned::get_ref).find(|known| known.name.get_ref() == name);
        let Some(handler) = known else {
            let names: Vec<_> = manifest.plugin.iter().map(|known| known.get_ref().name.get_ref().clone()).collect();
            let near = self.near(name, names.iter().map(String::as_str));
            let remark = near.map_or_else(|| "here".to_owned(), |near| format!("did you mean \"{near}\"?"));
            let name = Printable(name);
            let problem = Problem::at(plugin.span(), format!("there is no [[plugin]] with the name `{name}`"), remark);
            self.add(
                problem.help(format!("add [[plugin]] with name = \"{name}\": it has the settings of the handlers")),
            );
            return None;
        };
        let message = handler.limits.message.as_ref().map(|size| size.get_ref().in_memory());
        let queue = written.queue.as_ref().map(|size| size.get_ref().in_memory());
        Some(WebSocketSettings {
            plugin: name.clone(),
            connections: connections_of(written),
            origins: self.origins(written.origins.as_ref()),
            subprotocols: self.subprotocols(written),
            message_bytes: message.unwrap_or_else(|| ActorLimits::default().message_bytes),
            queue_bytes: queue.unwrap_or(WebSocketSettings::QUEUE_BYTES),
            ping: self.above_zero(written.ping.as_ref(), "http.route.ping", WebSocketSettings::PING),
        })
    }

    /// Refuses the keys of a route for connections in another one.
    pub(super) fn no_websocket(&mut self, written: &HttpRoute) {
        let keys = [
            ("connections", written.connections.as_ref().map(Spanned::span)),
            ("origins", written.origins.as_ref().map(Spanned::span)),
            ("subprotocols", written.subprotocols.as_ref().map(Spanned::span)),
            ("queue", written.queue.as_ref().map(Spanned::span)),
            ("ping", written.ping.as_ref().map(Spanned::span)),
        ];
        for (key, place) in keys.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            let problem = Problem::at(place, format!("`{key}` is for a route with `websocket`"), "here");
            self.add(problem.help("leave it out, or add websocket = \"PLUGIN\""));
        }
    }

    fn origins(&mut self, written: Option<&Spanned<Vec<Spanned<String>>>>) -> Origins {
        let Some(written) = written else { return Origins::Same };
        let list = written.get_ref();
        if list.iter().any(|origin| origin.get_ref() == "*") {
            return Origins::Any;
        }
        for origin in list {
            let text = origin.get_ref();
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['/', '?', '#', '@'])) {
                let what = format!("`{}` is no origin", Printable(text));
                let help =
                    "an origin is scheme, host and, if it is not the scheme's own, port, as in \"https://example.com\"";
                self.add(Problem::at(origin.span(), what, "here").help(help));
            }
        }
        Origins::Listed(list.iter().map(|origin| origin.get_ref().clone()).collect())
    }

    fn subprotocols(&mut self, written: &HttpRoute) -> Vec<String> {
        let Some(list) = &written.subprotocols else { return Vec::new() };
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        for name in list.get_ref() {
            if name.get_ref().is_empty() || !name.get_ref().chars().all(is_token) {
                let what = format!("`{}` is no name of a subprotocol", Printable(name.get_ref()));
                self.add(
                    Problem::at(name.span(), what, "here").help("it has letters, digits and signs such as `.` and `-`"),
                );
            }
        }
        list.get_ref().iter().map(|name| name.get_ref().clone()).collect()
    }
}
