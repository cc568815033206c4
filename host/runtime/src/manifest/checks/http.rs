//! `[[http]]`: the server's address and bounds.

use std::net::SocketAddr;
use std::ops::Range;

use playhouse_gateway::http::{HttpBounds, HttpSettings};
use playhouse_observe::is_public;
use toml::Spanned;

use super::addresses::Addresses;
use super::findings::Checks;
use crate::manifest::play::{HttpServer, PlayActor};
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Http, Manifest};
use crate::manifest::units::ByteSize;
use crate::printable::Printable;

/// The name of a server without one.
const NAME: &str = "http";

impl Checks {
    pub(super) fn http(&mut self, manifest: &Manifest, actors: &[PlayActor], addresses: &Addresses) -> Vec<HttpServer> {
        let mut servers = Vec::new();
        let mut unnamed: Option<Range<usize>> = None;
        for server in &manifest.http {
            let header = server.span().start..server.span().start + "[[http]]".len();
            let server = server.get_ref();
            let name = match (&server.name, &unnamed) {
                (Some(name), _) => name.clone(),
                (None, None) => {
                    unnamed = Some(header.clone());
                    Spanned::new(header, NAME.to_owned())
                }
                (None, Some(first)) => {
                    let problem = Problem::at(header, "two [[http]] have no `name`", "again here");
                    self.add(
                        problem
                            .and_at(first.clone(), "first here")
                            .help("add a name to one of them, as in name = \"admin\""),
                    );
                    continue;
                }
            };
            let address = self.gate_name(&name);
            let listen = self.http_listen(server);
            let bounds = self.http_bounds(server);
            let routes = self.http_routes(server, actors, addresses, manifest);
            if server.route.is_empty() {
                let help = "add a [[http.route]] with `path`, and `ask` or `tell`";
                self.add(Problem::at(server.listen.span(), "the server has no route", "this one").help(help));
            }
            let bounds = HttpBounds { bodies_bytes: self.http_bodies(server, &routes, bounds.bodies_bytes), ..bounds };
            let tls = self.http_tls(server.tls.as_ref());
            let bearers = self.http_bearers(server, routes.len());
            let proxies = self.http_proxies(&server.trusted_proxies);
            let (cors, rate) = (self.http_cors(server.cors.as_ref()), self.http_rate(server.rate.as_ref()));
            if let (Some(address), Some(listen)) = (address, listen) {
                let name = address.name().to_owned();
                let access_log = server.access_log;
                // All that is reserved is known later.
                let reserved = Vec::new();
                let settings = HttpSettings { name, listen, bounds, routes, reserved, proxies, cors, rate, access_log };
                servers.push(HttpServer { settings, place: server.listen.span(), tls, bearers });
            }
        }
        self.http_ports(&servers);
        servers
    }

    fn http_listen(&mut self, written: &Http) -> Option<SocketAddr> {
        let listen = &written.listen;
        let Ok(address) = listen.get_ref().parse::<SocketAddr>() else {
            let what = format!("`{}` is no IP address with a port", Printable(listen.get_ref()));
            self.add(
                Problem::at(listen.span(), what, "here").help("write it as in \"127.0.0.1:8080\" or \"[::1]:8080\""),
            );
            return None;
        };
        let exposed = written.expose.as_ref().filter(|expose| *expose.get_ref());
        if is_public(address) {
            if exposed.is_none() {
                let what = format!("other machines can reach `{address}`");
                self.add(Problem::at(listen.span(), what, "here").help("listen at 127.0.0.1, or add expose = true"));
            }
        } else if let Some(expose) = exposed {
            let what = format!("`expose` has no effect: only this machine can reach `{address}`");
            self.add(Problem::at(expose.span(), what, "here").help("leave it out, or listen at another address"));
        }
        Some(address)
    }

    /// Two servers at one port: the second could not be bound.
    fn http_ports(&mut self, servers: &[HttpServer]) {
        for (n, server) in servers.iter().enumerate() {
            let listen = server.settings.listen;
            let same = servers[..n].iter().find(|other| other.settings.listen == listen && listen.port() != 0);
            if let Some(first) = same {
                let problem =
                    Problem::at(server.place.clone(), format!("two servers listen at {listen}"), "again here");
                let problem = problem.and_at(first.place.clone(), "first here");
                self.add(problem.help("choose another port, or put the routes into one [[http]]"));
            }
        }
    }

    fn http_bounds(&mut self, written: &Http) -> HttpBounds {
        let default = HttpBounds::default();
        let (least, most) = (ByteSize(HttpBounds::LEAST_HEAD as u64), ByteSize(HttpBounds::MOST_HEAD as u64));
        self.at_least(written.head.as_ref(), "http.head", least, "that much is read at once");
        self.at_most(written.head.as_ref(), "http.head", most, "each connection may hold that much");
        let connections = written.connections.map_or(default.connections, |n| n.0 as usize);
        let per_client = written.connections_per_client.as_ref();
        if let Some(most) = per_client.filter(|most| most.get_ref().0 as usize >= connections) {
            let what = "`connections_per_client` has no effect: one client could have all `connections`";
            let problem = Problem::at(most.span(), what, format!("it must be less than {connections}"));
            self.add(problem.help("lower it, leave it out, or raise `connections`"));
        }
        HttpBounds {
            connections,
            connections_per_client: per_client.map(|most| most.get_ref().0 as usize),
            head_bytes: written.head.as_ref().map_or(default.head_bytes, |size| size.get_ref().in_memory()),
            headers: written.headers.map_or(default.headers, |n| n.0 as usize),
            head_time: self.above_zero(written.head_timeout.as_ref(), "http.head_timeout", default.head_time),
            idle: self.above_zero(written.idle.as_ref(), "http.idle", default.idle),
            requests: written.requests.map_or(default.requests, |n| n.0.into()),
            ..default
        }
    }
}
