//! The keys of `[[http]]` for a public edge: certificate, tokens, proxies, pages of other origins, rate.

use std::time::Duration;

use playhouse_gateway::http::{Cors, HeaderName, HttpRoute, IpNet, Rate};
use toml::Spanned;

use super::findings::Checks;
use crate::manifest::play::{HttpKey, HttpTls};
use crate::manifest::problem::Problem;
use crate::manifest::schema::{self, Http, TlsKeyText};
use crate::manifest::secrets::{SecretId, SecretSettings, SecretSource};
use crate::manifest::units::ByteSize;
use crate::printable::Printable;

/// The headers that a page of another origin may send by default.
const HEADERS: [&str; 4] = ["authorization", "content-type", "idempotency-key", "traceparent"];

impl Checks {
    pub(super) fn http_tls(&mut self, written: Option<&schema::HttpTls>) -> Option<HttpTls> {
        let written = written?;
        let cert = self.beside.join(written.cert.get_ref());
        let key = match written.key.get_ref() {
            TlsKeyText::File(file) => {
                let path = self.beside.join(file);
                // Counts as a secret, so that no grant opens it.
                let source = SecretSource::File(path.clone());
                let place = written.key.span();
                let id = self.secrets.add(SecretSettings { name: file.clone(), source, place, is_named: false });
                self.secrets.used[id.0] = true;
                HttpKey::File(path)
            }
            TlsKeyText::Secret(name) => HttpKey::Secret(self.secret(name)?),
        };
        Some(HttpTls { cert, key, place: written.cert.span() })
    }

    /// By route: the secret with the tokens.
    pub(super) fn http_bearers(&mut self, server: &Http, routes: usize) -> Vec<Option<SecretId>> {
        let of_server = server.auth.as_ref().and_then(|auth| self.secret(&auth.bearer));
        let written = server.route.iter().map(|route| route.get_ref().auth.as_ref());
        let own: Vec<_> = written.map(|auth| auth.and_then(|auth| self.secret(&auth.bearer)).or(of_server)).collect();
        // With a faulty route, the play does not start.
        if own.len() == routes { own } else { vec![None; routes] }
    }

    pub(super) fn http_proxies(&mut self, written: &[Spanned<String>]) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for network in written {
            let text = network.get_ref();
            let one = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
            let Some(parsed) = text.parse::<IpNet>().ok().or_else(one) else {
                let what = format!("`{}` is no network", Printable(text));
                let help = "write the networks of proxies as in [\"10.0.0.0/8\", \"192.0.2.7\"]";
                self.add(Problem::at(network.span(), what, "here").help(help));
                continue;
            };
            if parsed.prefix_len() == 0 {
                let what = "every client could name any address as its own";
                self.add(Problem::at(network.span(), what, "here").help("name the networks of your proxies alone"));
            }
            networks.push(parsed);
        }
        networks
    }

    pub(super) fn http_cors(&mut self, written: Option<&schema::HttpCors>) -> Option<Cors> {
        let written = written?;
        let credentials = written.credentials.as_ref().is_some_and(|credentials| *credentials.get_ref());
        if written.origins.get_ref().is_empty() {
            let problem =
                Problem::at(written.origins.span(), "no origin is listed, so that `cors` has no effect", "here");
            self.add(problem.help("list origins as in [\"https://app.example\"], or leave `cors` out"));
        }
        for origin in written.origins.get_ref() {
            let text = origin.get_ref();
            if text == "*" {
                if credentials {
                    let what = "every page could act in the name of a browser's user";
                    let problem = Problem::at(origin.span(), what, "every origin");
                    self.add(problem.help("list the origins with `credentials`, or leave `credentials` out"));
                }
            } else if !Cors::is_origin(text) {
                let bare = text.trim_end_matches('/').to_ascii_lowercase();
                let meant = [bare.clone(), format!("https://{bare}")].into_iter().find(|text| Cors::is_origin(text));
                let remark = meant.map_or_else(|| "here".into(), |meant| format!("did you mean \"{meant}\"?"));
                let problem = Problem::at(origin.span(), format!("`{}` is no origin", Printable(text)), remark);
                self.add(problem.help("an origin is a scheme and a host in lower case, as in \"https://app.example\""));
            }
        }
        let headers = match &written.headers {
            None => HEADERS.iter().filter_map(|name| name.parse().ok()).collect(),
            Some(headers) => headers.iter().filter_map(|name| self.http_header(name)).collect(),
        };
        Some(Cors {
            origins: written.origins.get_ref().iter().map(|origin| origin.get_ref().clone()).collect(),
            headers,
            credentials,
            max_age: written.max_age.map_or(Duration::from_mins(10), |time| time.0),
        })
    }

    fn http_header(&mut self, written: &Spanned<String>) -> Option<HeaderName> {
        let name = written.get_ref().parse::<HeaderName>().ok();
        if name.is_none() {
            let what = format!("`{}` is no name of a header", Printable(written.get_ref()));
            self.add(Problem::at(written.span(), what, "here").help("leave it out, or correct it"));
        }
        name
    }

    pub(super) fn http_rate(&mut self, written: Option<&schema::HttpRate>) -> Option<Rate> {
        let written = written?;
        let per = self.above_zero(written.per.as_ref(), "http.rate.per", Duration::from_secs(1));
        Some(Rate { requests: written.requests.0, per })
    }

    /// The limit on all bodies, which has space for the largest one.
    pub(super) fn http_bodies(&mut self, written: &Http, routes: &[HttpRoute], default: usize) -> usize {
        let largest = routes.iter().map(|route| route.body_bytes).max().unwrap_or_default();
        let Some(bodies) = &written.bodies else { return default.max(largest) };
        let bytes = bodies.get_ref().in_memory();
        if bytes < largest {
            let largest = ByteSize(largest as u64);
            let what = format!("`bodies` ({}) is less than the `body` of a route ({largest})", bodies.get_ref());
            let problem = Problem::at(bodies.span(), what, format!("it must be at least \"{largest}\""));
            self.add(problem.help("raise `bodies`, or lower `body` of the routes"));
        }
        bytes
    }
}
