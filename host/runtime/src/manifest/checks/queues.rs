//! `[[source]]` and `[[sink]]`: the keys that each kind needs, and those that it does not have.

use std::ops::Range;
use std::time::Duration;

use playhouse_gateway::sink::SinkSettings;
use playhouse_gateway::source::SourceSettings;
use playhouse_kernel::{Address, Backoff, MailboxSpec};
use toml::Spanned;

use super::addresses::Addresses;
use super::files::most_bytes;
use super::findings::Checks;
use super::mailbox::overflow_rule;
use crate::manifest::play::{PlayActor, PlaySink, PlaySource, SinkTarget, SourceOrigin};
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Sink, SinkKind, SinkMailbox, Source, SourceKind, UrlText};
use crate::manifest::secrets::UrlSettings;
use crate::manifest::units::ByteSize;
#[cfg(feature = "redis")]
use crate::manifest::units::Time;
#[cfg(feature = "nats")]
use crate::printable::Printable;

/// Default of `in_flight`.
pub(super) const IN_FLIGHT: usize = 256;
/// Default of `attempts` of a sink.
pub(super) const ATTEMPTS: u32 = 10;
/// Default of `backoff` of a sink.
pub(super) const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(10) };
/// Default of `capacity` of a stream.
#[cfg(feature = "redis")]
pub(super) const STREAM_CAPACITY: u64 = 100_000;
/// Default of `message` of a sink.
const MESSAGE: ByteSize = ByteSize(1 << 20);
/// Default of `claim_after`.
#[cfg(feature = "redis")]
pub(super) const CLAIM_AFTER: Duration = Duration::from_mins(1);
/// The shortest `claim_after`: a busy host must be heard of several times in it.
#[cfg(feature = "redis")]
const LEAST_CLAIM_AFTER: Duration = Duration::from_secs(1);

/// A key with its place, if it is written.
type Written = (&'static str, Option<Range<usize>>);

fn place<T>(written: Option<&Spanned<T>>) -> Option<Range<usize>> {
    written.map(Spanned::span)
}

impl Checks {
    pub(super) fn sources(
        &mut self,
        written: &[Source],
        actors: &[PlayActor],
        addresses: &Addresses,
    ) -> Vec<PlaySource> {
        written.iter().filter_map(|source| self.source(source, actors, addresses)).collect()
    }

    fn source(&mut self, written: &Source, actors: &[PlayActor], addresses: &Addresses) -> Option<PlaySource> {
        let address = self.gate_name(&written.name);
        let tell = self.receiver(&written.tell, "tell", addresses);
        if *written.kind.get_ref() != SourceKind::File {
            self.not_of_kind(written.kind.get_ref().name(), [("path", place(written.path.as_ref()))]);
        }
        let from = match written.kind.get_ref() {
            SourceKind::Redis => self.redis_source(written, address.as_ref()),
            SourceKind::Nats => self.nats_source(written),
            SourceKind::File => self.file_source(written, most_bytes(tell.as_ref(), actors)),
        };
        let in_flight = written.in_flight.map_or(IN_FLIGHT, |n| n.0 as usize);
        let required = written.required.then(|| self.required_name(&written.name, addresses)).flatten();
        let settings = SourceSettings { address: address?, tell: tell?, in_flight, required };
        Some(PlaySource { settings, from: from? })
    }

    /// The address of the actor that needs the broker: directly under `/`, and of no other actor.
    fn required_name(&mut self, name: &Spanned<String>, addresses: &Addresses) -> Option<Address> {
        let address = Address::parse(&format!("/required-{}", name.get_ref())).ok();
        let free = address.filter(|address| !addresses.has(address));
        if free.is_none() {
            let what = "a required source needs the address `/required-NAME`, which is too long or taken";
            self.add(Problem::at(name.span(), what, "here").help("give the source another name"));
        }
        free
    }

    #[cfg(feature = "redis")]
    fn redis_source(&mut self, written: &Source, address: Option<&Address>) -> Option<SourceOrigin> {
        use playhouse_gateway::redis::{From, RedisSource};

        use crate::manifest::schema::SourceFrom;
        use crate::manifest::secrets::REDIS_SCHEMES;

        self.not_of_kind(
            "redis",
            [("create", place(written.create.as_ref())), ("subjects", place(written.subjects.as_ref()))],
        );
        let url = self.broker_url(written.url.as_ref(), &written.kind.span(), &REDIS_SCHEMES);
        let stream = self.needed(written.stream.as_ref(), &written.kind.span(), "stream", "orders");
        let claim_after = self.claim_after(written.claim_after.as_ref());
        let text = |written: Option<&Spanned<String>>| written.map(|text| text.get_ref().clone());
        let address = address?;
        let source = RedisSource {
            stream: stream?,
            group: text(written.group.as_ref()).unwrap_or_else(|| "playhouse".into()),
            consumer: text(written.consumer.as_ref()).unwrap_or_else(|| self.consumer_name(address)),
            from: match written.from.as_ref().map(Spanned::get_ref) {
                None | Some(SourceFrom::Start) => From::Start,
                Some(SourceFrom::New) => From::New,
            },
            claim_after,
            dead: text(written.dead.as_ref()),
            meta: written.meta.as_ref().map(|meta| meta.get_ref().clone()),
        };
        Some(SourceOrigin::Redis(url?, source))
    }

    #[cfg(not(feature = "redis"))]
    fn redis_source(&mut self, written: &Source, _: Option<&Address>) -> Option<SourceOrigin> {
        self.left_out("redis", &written.kind.span())
    }

    #[cfg(feature = "nats")]
    fn nats_source(&mut self, written: &Source) -> Option<SourceOrigin> {
        use playhouse_gateway::nats::NatsSource;

        use crate::manifest::secrets::NATS_SCHEMES;

        self.not_of_kind(
            "nats",
            [
                ("group", place(written.group.as_ref())),
                ("from", place(written.from.as_ref())),
                ("claim_after", place(written.claim_after.as_ref())),
                ("dead", place(written.dead.as_ref())),
            ],
        );
        let create = written.create.as_ref().is_some_and(|create| *create.get_ref());
        if let (Some(subjects), false) = (&written.subjects, create) {
            let what = "`subjects` is for a stream that is created, and `create` is not `true`";
            self.add(Problem::at(subjects.span(), what, "here").help("add create = true, or leave `subjects` out"));
        }
        let url = self.broker_url(written.url.as_ref(), &written.kind.span(), &NATS_SCHEMES);
        let stream = self.needed(written.stream.as_ref(), &written.kind.span(), "stream", "ORDERS");
        let consumer = written.consumer.as_ref().map_or_else(|| "playhouse".into(), |name| name.get_ref().clone());
        for (key, name) in [("stream", written.stream.as_ref()), ("consumer", written.consumer.as_ref())] {
            if let Some(name) = name.filter(|name| name.get_ref().contains(['.', '*', '>', '/', '\\', ' ', '\t'])) {
                let what = format!("`{}` is no name of a {key}", Printable(name.get_ref()));
                self.add(
                    Problem::at(name.span(), what, "here").help("such a name has no `.`, `*`, `>`, `/` and no space"),
                );
            }
        }
        let stream = stream?;
        let subjects = written.subjects.as_ref().map_or_else(|| vec![stream.clone()], |all| all.get_ref().clone());
        let meta = written.meta.as_ref().map(|meta| meta.get_ref().clone());
        Some(SourceOrigin::Nats(url?, NatsSource { stream, consumer, create: create.then_some(subjects), meta }))
    }

    #[cfg(not(feature = "nats"))]
    fn nats_source(&mut self, written: &Source) -> Option<SourceOrigin> {
        self.left_out("nats", &written.kind.span())
    }

    pub(super) fn sinks(&mut self, written: &[Sink], addresses: &Addresses) -> Vec<PlaySink> {
        let sinks = written.iter().zip(&addresses.sinks);
        sinks.filter_map(|(sink, address)| self.sink(sink, address.clone())).collect()
    }

    fn sink(&mut self, written: &Sink, address: Option<Address>) -> Option<PlaySink> {
        self.sink_keys(written);
        let to = match written.kind.get_ref() {
            SinkKind::Redis => self.redis_sink(written),
            SinkKind::Nats => self.nats_sink(written),
            SinkKind::File => self.file_sink(written),
            SinkKind::Http => self.http_sink(written),
        };
        let message = written.message.as_ref().map_or(MESSAGE, |size| *size.get_ref());
        let mailbox = sink_mailbox(&written.mailbox);
        if mailbox.capacity_bytes < message.in_memory() {
            let place = place(written.mailbox.bytes.as_ref()).or_else(|| place(written.message.as_ref()));
            let problem = Problem::at(place.unwrap_or_default(), "`mailbox.bytes` is less than `message`", "here");
            self.add(problem.help("a message must fit into the queue: raise `mailbox.bytes`, or lower `message`"));
        }
        let settings = SinkSettings {
            address: address?,
            mailbox,
            attempts: written.attempts.map_or(ATTEMPTS, |n| n.0),
            backoff: self.backoff(&written.backoff, BACKOFF),
            message_bytes: message.in_memory(),
        };
        Some(PlaySink { settings, to: to? })
    }

    /// Refuses the keys of a sink that its kind does not have.
    fn sink_keys(&mut self, written: &Sink) {
        use SinkKind::{File, Http, Nats, Redis};

        let keys: [(_, _, &[SinkKind]); 10] = [
            ("url", place(written.url.as_ref()), &[Nats, Redis, Http]),
            ("subject", place(written.subject.as_ref()), &[Nats]),
            ("stream", place(written.stream.as_ref()), &[Redis]),
            ("capacity", place(written.capacity.as_ref()), &[Redis]),
            ("auth", place(written.auth.as_ref()), &[Http]),
            ("timeout", place(written.timeout.as_ref()), &[Http]),
            ("path", place(written.path.as_ref()), &[File]),
            ("frame", place(written.frame.as_ref()), &[File]),
            ("rotate", place(written.rotate.as_ref()), &[File]),
            ("sync", place(written.sync.as_ref()), &[File]),
        ];
        let kind = *written.kind.get_ref();
        let others = keys.into_iter().filter(|(_, _, kinds)| !kinds.contains(&kind));
        self.not_of_kind(kind.name(), others.map(|(key, place, _)| (key, place)));
    }

    #[cfg(feature = "redis")]
    fn redis_sink(&mut self, written: &Sink) -> Option<SinkTarget> {
        use playhouse_gateway::redis::RedisSink;

        use crate::manifest::secrets::REDIS_SCHEMES;

        let url = self.broker_url(written.url.as_ref(), &written.kind.span(), &REDIS_SCHEMES);
        let stream = self.needed(written.stream.as_ref(), &written.kind.span(), "stream", "billing");
        let capacity = written.capacity.as_ref().map_or(STREAM_CAPACITY, |n| n.get_ref().0.into());
        Some(SinkTarget::Redis(url?, RedisSink { stream: stream?, capacity }))
    }

    #[cfg(not(feature = "redis"))]
    fn redis_sink(&mut self, written: &Sink) -> Option<SinkTarget> {
        self.left_out("redis", &written.kind.span())
    }

    #[cfg(feature = "nats")]
    fn nats_sink(&mut self, written: &Sink) -> Option<SinkTarget> {
        use playhouse_gateway::nats::NatsSink;

        use crate::manifest::secrets::NATS_SCHEMES;

        let url = self.broker_url(written.url.as_ref(), &written.kind.span(), &NATS_SCHEMES);
        let subject = self.needed(written.subject.as_ref(), &written.kind.span(), "subject", "billing");
        if let Some(subject) = written.subject.as_ref().filter(|subject| !is_subject(subject.get_ref())) {
            let what = format!("`{}` is no subject to publish to", Printable(subject.get_ref()));
            self.add(
                Problem::at(subject.span(), what, "here")
                    .help("a subject is names with dots, without `*`, `>` and spaces"),
            );
        }
        Some(SinkTarget::Nats(url?, NatsSink { subject: subject? }))
    }

    #[cfg(not(feature = "nats"))]
    fn nats_sink(&mut self, written: &Sink) -> Option<SinkTarget> {
        self.left_out("nats", &written.kind.span())
    }

    /// Refuses a kind that this program was built without.
    #[cfg(not(all(feature = "nats", feature = "redis")))]
    pub(super) fn left_out<T>(&mut self, kind: &str, place: &Range<usize>) -> Option<T> {
        let what = format!("this program was built without `{kind}`");
        self.add(Problem::at(place.clone(), what, "here").help(format!("build it with the feature `{kind}`")));
        None
    }

    /// Refuses keys of other kinds.
    pub(super) fn not_of_kind(&mut self, kind: &str, keys: impl IntoIterator<Item = Written>) {
        for (key, place) in keys.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            let problem = Problem::at(place, format!("`{key}` has no meaning with kind = \"{kind}\""), "here");
            self.add(problem.help("leave it out, or choose another kind"));
        }
    }

    /// The time after which entries of a silent host are taken over.
    #[cfg(feature = "redis")]
    pub(super) fn claim_after(&mut self, written: Option<&Spanned<Time>>) -> Duration {
        let Some(written) = written else { return CLAIM_AFTER };
        let time = written.get_ref().0;
        if time < LEAST_CLAIM_AFTER {
            let help = "within this time the broker must hear of a busy host several times";
            self.add(
                Problem::at(written.span(), "`claim_after` is too short", "it must be at least \"1s\"").help(help),
            );
        }
        time
    }

    /// A key that must be there.
    pub(super) fn needed(
        &mut self,
        written: Option<&Spanned<String>>,
        kind: &Range<usize>,
        key: &str,
        example: &str,
    ) -> Option<String> {
        match written {
            Some(text) if !text.get_ref().is_empty() => Some(text.get_ref().clone()),
            Some(empty) => {
                self.add(Problem::at(empty.span(), format!("`{key}` is empty"), "here"));
                None
            }
            None => {
                let problem = Problem::at(kind.clone(), format!("`{key}` is missing"), "this kind needs it");
                self.add(problem.help(format!("add it, as in {key} = \"{example}\"")));
                None
            }
        }
    }

    /// The url of a broker. One that is secret is looked at when the broker is connected to.
    pub(super) fn broker_url(
        &mut self,
        written: Option<&Spanned<UrlText>>,
        kind: &Range<usize>,
        schemes: &[&str],
    ) -> Option<UrlSettings> {
        let listed: Vec<_> = schemes.iter().map(|scheme| format!("`{scheme}://`")).collect();
        let form = format!("a url begins with {}", listed.join(" or "));
        let Some(written) = written else {
            let problem = Problem::at(kind.clone(), "`url` is missing", "this kind needs it");
            self.add(problem.help(form));
            return None;
        };
        let url = self.url(written.get_ref())?;
        if let UrlSettings::Plain(plain) = &url {
            let parts = plain.expose().split_once("://");
            if parts.is_none_or(|(scheme, rest)| !schemes.contains(&scheme) || rest.is_empty()) {
                self.add(Problem::at(written.span(), "this is no url of such a broker", "here").help(form));
                return None;
            }
        }
        Some(url)
    }

    /// The name of this host's consumer: the same after a restart, and of no other host.
    #[cfg(feature = "redis")]
    pub(super) fn consumer_name(&self, address: &Address) -> String {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let folder = self.beside.join(".").canonicalize().unwrap_or_else(|_| self.beside.clone());
        let folder = playhouse_kernel::MessageId::seeded(&folder.to_string_lossy(), 0).short();
        format!("{}-{folder}{address}", machine.trim())
    }
}

fn sink_mailbox(written: &SinkMailbox) -> MailboxSpec {
    let default = MailboxSpec::default();
    MailboxSpec {
        capacity: written.capacity.map_or(default.capacity, |n| n.0 as usize),
        capacity_bytes: written.bytes.as_ref().map_or(default.capacity_bytes, |size| size.get_ref().in_memory()),
        overflow: written.overflow.as_ref().map_or(default.overflow, |rule| overflow_rule(*rule.get_ref())),
        block_timeout: written.timeout.map_or(default.block_timeout, |time| time.0),
        // Its messages are on their way to a queue outside.
        keep: default.keep,
        memory_bytes: default.memory_bytes,
    }
}

#[cfg(feature = "nats")]
fn is_subject(text: &str) -> bool {
    let is_token = |token: &str| !token.is_empty() && !token.contains(|c: char| c.is_whitespace() || "*>".contains(c));
    text.split('.').all(is_token)
}
