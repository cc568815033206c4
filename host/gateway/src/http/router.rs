//! Finds the route of a request: by host, path and method.

use std::borrow::Cow;
use std::collections::HashMap;

use ::http::Method;

use super::pattern::Path;
use super::settings::HttpRoute;

/// The routes of a server, in the order of the search.
#[derive(Debug)]
pub(super) struct Router {
    routes: Vec<HttpRoute>,
    /// Routes that name their host, and the others.
    named: Table,
    unnamed: Table,
}

/// The numbers of some routes.
#[derive(Debug, Default)]
struct Table {
    /// By path without its first slash: routes with one path alone.
    plain: HashMap<String, Vec<usize>>,
    /// The other routes, the more specific ones first, and those of the same path beside each other.
    patterns: Vec<usize>,
    /// All routes, the more specific ones first: for a path with encoded characters.
    all: Vec<usize>,
}

/// The result of a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'p> {
    /// The number of the route, and the values of its parameters.
    Route(usize, Vec<Cow<'p, str>>),
    /// Routes have the path, with other methods: the numbers of these routes.
    OtherMethod(Vec<usize>),
    /// No route has the path.
    Nothing,
}

impl Router {
    pub(super) fn new(routes: Vec<HttpRoute>) -> Self {
        let table = |is_named: bool| {
            let mut all: Vec<_> = (0..routes.len()).filter(|n| routes[*n].host.is_some() == is_named).collect();
            all.sort_by(|a, b| routes[*a].path.before(&routes[*b].path));
            let mut table = Table { all, ..Table::default() };
            for &n in &table.all {
                match routes[n].path.only_path() {
                    Some(path) => table.plain.entry(path[1..].to_owned()).or_default().push(n),
                    None => table.patterns.push(n),
                }
            }
            table
        };
        let (named, unnamed) = (table(true), table(false));
        Self { routes, named, unnamed }
    }

    pub(super) fn routes(&self) -> &[HttpRoute] {
        &self.routes
    }

    /// Finds a route. Routes that name the host go before those for all hosts.
    pub(super) fn find<'p>(&self, host: Option<&str>, path: &Path<'p>, method: &Method) -> Found<'p> {
        let mut other = Vec::new();
        for table in [&self.named, &self.unnamed] {
            for n in table.candidates(path) {
                let route = &self.routes[n];
                let Some(values) = values(route, host, path) else { continue };
                if route.methods.contains(method) {
                    return Found::Route(n, values);
                }
                other.push(n);
            }
        }
        if *method == Method::HEAD {
            // A route with `GET` and without `HEAD` of its own.
            let get = other.iter().copied().find(|n| self.routes[*n].methods.contains(&Method::GET));
            if let Some((n, values)) = get.and_then(|n| Some((n, values(&self.routes[n], host, path)?))) {
                return Found::Route(n, values);
            }
        }
        if other.is_empty() { Found::Nothing } else { Found::OtherMethod(other) }
    }

    /// The routes that have a path, whatever the method.
    pub(super) fn all(&self, host: Option<&str>, path: &Path<'_>) -> Vec<usize> {
        let tables = [&self.named, &self.unnamed];
        let candidates = tables.into_iter().flat_map(|table| table.candidates(path));
        candidates.filter(|n| values(&self.routes[*n], host, path).is_some()).collect()
    }

    /// The methods of some routes, for `Allow`.
    pub(super) fn methods(&self, routes: &[usize]) -> String {
        let mut methods: Vec<&str> = Vec::new();
        for method in routes.iter().flat_map(|n| &self.routes[*n].methods) {
            let with_head: &[&str] = if *method == Method::GET { &["GET", "HEAD"] } else { &[method.as_str()] };
            methods.extend(with_head.iter().filter(|method| !methods.contains(method)).collect::<Vec<_>>());
        }
        methods.join(", ")
    }
}

impl Table {
    fn candidates(&self, path: &Path<'_>) -> impl Iterator<Item = usize> {
        let (plain, patterns): (&[usize], &[usize]) = match path.plain() {
            Some(plain) => (self.plain.get(plain).map_or(&[], Vec::as_slice), &self.patterns),
            None => (&[], &self.all),
        };
        plain.iter().chain(patterns).copied()
    }
}

/// The values of the parameters, if a route fits a request.
fn values<'p>(route: &HttpRoute, host: Option<&str>, path: &Path<'p>) -> Option<Vec<Cow<'p, str>>> {
    match (&route.host, host) {
        (None, _) => {}
        (Some(wanted), Some(host)) if host.eq_ignore_ascii_case(wanted) => {}
        (Some(_), _) => return None,
    }
    route.path.values(path)
}

#[cfg(test)]
mod tests {
    use playhouse_kernel::Address;

    use super::*;
    use crate::http::pattern::PathPattern;
    use crate::http::settings::{Action, Receiver};

    fn router(routes: &[(&str, &str, &str)]) -> Router {
        let route = |(host, path, methods): &(&str, &str, &str)| HttpRoute {
            host: (!host.is_empty()).then(|| (*host).to_owned()),
            path: PathPattern::parse(path).expect("good"),
            methods: methods.split(' ').map(|method| method.parse().expect("good")).collect(),
            action: Action::Ask(Receiver::Fixed(Address::root())),
            timeout: HttpRoute::TIMEOUT,
            body_bytes: 1,
            meta: Vec::new(),
            reply_headers: Vec::new(),
            bearer: None,
        };
        Router::new(routes.iter().map(route).collect())
    }

    fn find(router: &Router, host: &str, path: &str, method: Method) -> String {
        match router.find(Some(host), &Path::of(path).expect("good"), &method) {
            Found::Route(n, values) => format!("{n} {}", values.join(" ")).trim_end().to_owned(),
            Found::OtherMethod(routes) => router.methods(&routes),
            Found::Nothing => "-".to_owned(),
        }
    }

    #[test]
    fn most_specific_route_with_the_method_is_found() {
        let router = router(&[
            ("", "/f/*", "GET"),
            ("", "/f/:name", "POST"),
            ("", "/f/new", "POST PUT"),
            ("api.example", "/f/:x", "GET"),
        ]);
        assert_eq!(find(&router, "x", "/f/new", Method::POST), "2");
        assert_eq!(find(&router, "x", "/f/n%65w", Method::POST), "2");
        assert_eq!(find(&router, "x", "/f/old", Method::POST), "1 old");
        assert_eq!(find(&router, "x", "/f/new", Method::GET), "0 new", "the other ones have other methods");
        assert_eq!(find(&router, "API.example", "/f/new", Method::GET), "3 new");
        assert_eq!(find(&router, "x", "/f/new", Method::DELETE), "POST, PUT, GET, HEAD");
        assert_eq!(find(&router, "x", "/g", Method::GET), "-");
    }

    #[test]
    fn head_is_served_by_get_unless_it_has_a_route() {
        let routes = router(&[("", "/a", "GET"), ("", "/b", "GET"), ("", "/b", "HEAD")]);
        assert_eq!(find(&routes, "x", "/a", Method::HEAD), "0");
        assert_eq!(find(&routes, "x", "/b", Method::HEAD), "2");
    }
}
