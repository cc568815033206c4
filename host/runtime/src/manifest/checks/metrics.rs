//! `[play.metrics]`: the address of the server, and the names under which others reach it.

use std::net::SocketAddr;

use playhouse_observe::{Hosts, is_public};
use toml::Spanned;

use super::findings::Checks;
use crate::manifest::play::MetricsSettings;
use crate::manifest::problem::Problem;
use crate::manifest::schema::Metrics;
use crate::printable::Printable;

/// The longest name of a host: see RFC 1035.
const MOST_NAME_BYTES: usize = 253;

impl Checks {
    pub(super) fn metrics(&mut self, written: &Metrics) -> Option<MetricsSettings> {
        let names = written.hosts.as_ref().map_or(&[][..], |hosts| hosts.get_ref());
        for name in names {
            self.host_name(name);
        }
        let exposed = written.expose.as_ref().filter(|expose| *expose.get_ref());
        let Some(listen) = &written.listen else {
            let others = written.expose.as_ref().map(Spanned::span).into_iter();
            for place in others.chain(written.hosts.as_ref().map(Spanned::span)) {
                let problem = Problem::at(place, "[play.metrics] has no `listen`, so that this has no effect", "here");
                self.add(problem.help("add listen = \"127.0.0.1:9464\", or leave this out"));
            }
            return None;
        };
        let Ok(address) = listen.get_ref().parse::<SocketAddr>() else {
            let what = format!("`{}` is no IP address with a port", Printable(listen.get_ref()));
            self.add(
                Problem::at(listen.span(), what, "here").help("write it as in \"127.0.0.1:9464\" or \"[::1]:9464\""),
            );
            return None;
        };
        if is_public(address) {
            let (what, remark) = (format!("other machines can reach `{address}`"), "here");
            if exposed.is_none() {
                let help = "listen at 127.0.0.1, or add expose = true and hosts = [\"...\"]: the names of this host";
                self.add(Problem::at(listen.span(), what, remark).help(help));
            } else if names.is_empty() {
                let help = "add hosts = [\"...\"]: the names of this host that requests may have";
                self.add(Problem::at(listen.span(), format!("{what}, and `hosts` is empty"), remark).help(help));
            }
        } else if let Some(expose) = exposed {
            let what = format!("`expose` has no effect: only this machine can reach `{address}`");
            self.add(Problem::at(expose.span(), what, "here").help("leave it out, or listen at another address"));
        }
        let hosts = Hosts::new(names.iter().map(|name| name.get_ref().clone()));
        Some(MetricsSettings { listen: address, place: listen.span(), hosts })
    }

    pub(super) fn host_name(&mut self, name: &Spanned<String>) {
        let text = name.get_ref();
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if text.len() > MOST_NAME_BYTES || !text.split('.').all(is_label) {
            let what = format!("`{}` is no name of a host", Printable(text));
            self.add(Problem::at(name.span(), what, "here").help("write the name alone, as in \"metrics.example\""));
        }
    }
}
