//! `kind = "redis"` in `[actor.mailbox]`: a source that feeds the actor from a stream, and a sink that writes to the stream what
//! others tell to the actor.

use playhouse_kernel::Address;
use toml::Spanned;

use super::addresses::Addresses;
use super::findings::Checks;
use super::mailbox::is_redis;
use crate::manifest::play::{PlayActor, PlaySink, PlaySource};
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Actor, Mailbox};

/// The address above the sinks of such mailboxes.
#[cfg(feature = "redis")]
const MAILBOXES: &str = "/mailboxes";

impl Checks {
    /// The source and the sink of each mailbox in Redis. The actors learn of their sinks. `play`: its name.
    pub(super) fn redis_mailboxes(
        &mut self,
        written: &[Spanned<Actor>],
        addresses: &Addresses,
        actors: &mut [PlayActor],
        play: &str,
    ) -> Vec<(PlaySource, PlaySink)> {
        let mut made = Vec::new();
        for (actor, address) in written.iter().zip(&addresses.of_actor) {
            let (actor, Some(address)) = (actor.get_ref(), address) else { continue };
            let Some(settled) = actors.iter_mut().find(|one| one.address == *address) else { continue };
            if is_redis(&actor.mailbox) {
                made.extend(self.redis_mailbox(actor, address, addresses, settled, play));
            }
        }
        made
    }

    #[cfg(feature = "redis")]
    fn redis_mailbox(
        &mut self,
        written: &Actor,
        address: &Address,
        addresses: &Addresses,
        actor: &mut PlayActor,
        play: &str,
    ) -> Option<(PlaySource, PlaySink)> {
        use playhouse_gateway::redis::{From, RedisSink, RedisSource};
        use playhouse_gateway::sink::SinkSettings;
        use playhouse_gateway::source::SourceSettings;

        use super::queues::{ATTEMPTS, BACKOFF, IN_FLIGHT, STREAM_CAPACITY};
        use crate::manifest::play::{SinkTarget, SourceOrigin};
        use crate::manifest::schema::SourceFrom;
        use crate::manifest::secrets::REDIS_SCHEMES;

        let mailbox = &written.mailbox;
        let place = mailbox.kind.as_ref().map(Spanned::span).unwrap_or_default();
        let url = self.broker_url(mailbox.url.as_ref(), &place, &REDIS_SCHEMES)?;
        let claim_after = self.claim_after(mailbox.claim_after.as_ref());
        let name = address.as_str().trim_start_matches('/').replace('/', "-");
        let source = self.gate_name(&Spanned::new(written.address.span(), format!("mailbox-{name}")))?;
        let sink = Address::parse(&format!("{MAILBOXES}/{name}")).ok()?;
        if let Some(taken) = addresses.all().find(|other| other.top().as_str() == MAILBOXES) {
            let what = format!("`{taken}` is in the place of the mailboxes in Redis");
            let help = "`/mailboxes` holds what kind = \"redis\" places there: choose another name";
            self.add(Problem::at(place, what, "this needs the place").help(help));
            return None;
        }
        let text = |written: &Option<Spanned<String>>| written.as_ref().map(|text| text.get_ref().clone());
        let stream = text(&mailbox.stream).unwrap_or_else(|| format!("playhouse:{play}{address}"));
        let from = RedisSource {
            stream: stream.clone(),
            group: text(&mailbox.group).unwrap_or_else(|| "playhouse".into()),
            consumer: self.consumer_name(&source),
            from: match mailbox.from.as_ref().map(Spanned::get_ref) {
                None | Some(SourceFrom::Start) => From::Start,
                Some(SourceFrom::New) => From::New,
            },
            claim_after,
            dead: text(&mailbox.dead),
            meta: None,
        };
        actor.relay = Some(sink.clone());
        let settings = SourceSettings { address: source, tell: address.clone(), in_flight: IN_FLIGHT, required: None };
        let of_sink = SinkSettings {
            address: sink,
            mailbox: actor.settings.mailbox,
            attempts: ATTEMPTS,
            backoff: BACKOFF,
            message_bytes: actor.settings.limits.message_bytes,
        };
        let capacity = mailbox.capacity.map_or(STREAM_CAPACITY, |n| n.0.into());
        Some((
            PlaySource { settings, from: SourceOrigin::Redis(url.clone(), from) },
            PlaySink { settings: of_sink, to: SinkTarget::Redis(url, RedisSink { stream, capacity }) },
        ))
    }

    #[cfg(not(feature = "redis"))]
    fn redis_mailbox(
        &mut self,
        written: &Actor,
        _: &Address,
        _: &Addresses,
        _: &mut PlayActor,
        _: &str,
    ) -> Option<(PlaySource, PlaySink)> {
        let place = written.mailbox.kind.as_ref().map(Spanned::span).unwrap_or_default();
        self.left_out("redis", &place)
    }

    /// Refuses a mailbox in Redis where there can be none.
    pub(super) fn no_redis_mailbox(&mut self, written: &Mailbox, why: &str) {
        if let Some(kind) = written.kind.as_ref().filter(|_| is_redis(written)) {
            let problem = Problem::at(kind.span(), format!("no mailbox in Redis is possible here: {why}"), "here");
            self.add(problem.help("give such a mailbox to an [[actor]]"));
        }
    }

    /// Refuses keys that would do nothing without a mailbox in Redis.
    pub(super) fn no_redis_keys(&mut self, written: &Mailbox) {
        let places = [
            ("url", written.url.as_ref().map(Spanned::span)),
            ("stream", written.stream.as_ref().map(Spanned::span)),
            ("group", written.group.as_ref().map(Spanned::span)),
            ("from", written.from.as_ref().map(Spanned::span)),
            ("claim_after", written.claim_after.as_ref().map(Spanned::span)),
            ("dead", written.dead.as_ref().map(Spanned::span)),
        ];
        for (key, place) in places.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            let problem = Problem::at(place, format!("`mailbox.{key}` is for a mailbox in Redis"), "here");
            self.add(problem.help("add kind = \"redis\" to the mailbox, or leave the key out"));
        }
    }
}
