//! Events of the log as types: each has a name, a level, fields with their meanings, and a text for readers. All events of the
//! host, in each crate, are declared with [`log_events!`](crate::log_events) and reach the log through `tracing`.

use tracing::Level;

use crate::words::address::Address;
use crate::words::message::{Envelope, FlowId, MessageId};

/// The target of the host's events.
pub const HOST_TARGET: &str = "playhouse";
/// The target of the decisions that must reach an operator: no limit on log lines leaves them out.
pub const DECISION_TARGET: &str = "playhouse::decision";

/// A type of event, as documents list it.
#[derive(Debug, Clone, Copy)]
pub struct EventType {
    /// The name: the field `event` of its lines.
    pub name: &'static str,
    /// The level.
    pub level: Level,
    /// The part of the host that reports it.
    pub target: &'static str,
    /// The meaning, in sentences.
    pub meaning: &'static str,
    /// The action of an operator; empty where the meaning says enough.
    pub advice: &'static str,
    /// A text of such an event.
    pub example: &'static str,
    /// The standard fields that its subject gives.
    pub subject: SubjectFields,
    /// The fields of its own.
    pub fields: &'static [EventField],
}

/// A field of an event's own.
#[derive(Debug, Clone, Copy)]
pub struct EventField {
    /// The name.
    pub name: &'static str,
    /// The meaning, with the unit.
    pub meaning: &'static str,
    /// Whether every such event has it.
    pub occurs: Occurs,
}

/// How often events of a type have a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurs {
    /// No event has it.
    Never,
    /// Some have it.
    Sometimes,
    /// All have it.
    Always,
}

/// The standard fields of an event.
#[derive(Debug, Clone, Copy)]
pub struct SubjectFields {
    /// `actor`.
    pub actor: Occurs,
    /// `plugin`.
    pub plugin: Occurs,
    /// `incarnation`.
    pub incarnation: Occurs,
    /// `flow`, `id`, `attempt` and `hops`.
    pub message: Occurs,
}

impl EventType {
    /// The names of all fields between the text's own, in the order of a line, and how often each occurs.
    pub fn all_fields(&self) -> Vec<(&'static str, Occurs)> {
        let SubjectFields { actor, plugin, incarnation, message } = self.subject;
        let standard = [
            ("event", Occurs::Always),
            ("actor", actor),
            ("plugin", plugin),
            ("incarnation", incarnation),
            ("flow", message),
            ("id", message),
            ("attempt", message),
            ("hops", message),
        ];
        let own = self.fields.iter().map(|field| (field.name, field.occurs));
        standard.into_iter().chain(own).filter(|(_, occurs)| *occurs != Occurs::Never).collect()
    }
}

/// The subject of an event: the host, an actor, an incarnation, a message.
pub trait Subject {
    /// The standard fields that it gives.
    const FIELDS: SubjectFields;

    /// The address of the actor, if the event is about one.
    fn address(&self) -> Option<&Address>;
    /// The plugin of the actor, if the event is about one.
    fn plugin(&self) -> Option<&str>;
    /// The incarnation, if the event is about one.
    fn incarnation(&self) -> Option<u64>;
    /// The message, if the event is about one.
    fn message(&self) -> Option<AboutMessage>;
}

/// The host itself.
#[derive(Debug, Clone, Copy)]
pub struct AboutHost;

/// A plugin.
#[derive(Debug, Clone, Copy)]
pub struct AboutPlugin<'a>(pub &'a str);

/// An actor; with `P = Option<&str>` one that may be gone.
#[derive(Debug, Clone, Copy)]
pub struct AboutActor<'a, P = &'a str> {
    /// Its address.
    pub address: &'a Address,
    /// The plugin of its code.
    pub plugin: P,
}

/// The owner of a mailbox, as the mailbox's events name it: a mailbox itself has no name, since each address would pay for it.
pub(crate) trait Described {
    fn about(&self) -> AboutActor<'_>;
}

impl Described for AboutActor<'_> {
    fn about(&self) -> AboutActor<'_> {
        *self
    }
}

/// An incarnation of an actor; with `N = Option<u64>` perhaps none.
#[derive(Debug, Clone, Copy)]
pub struct AboutRun<'a, N = u64> {
    /// The actor.
    pub actor: AboutActor<'a>,
    /// The number of the incarnation.
    pub incarnation: N,
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct AboutMessage {
    /// The flow.
    pub flow: FlowId,
    /// The id.
    pub id: MessageId,
    /// Failed attempts so far.
    pub attempt: u32,
    /// Number of sends since the message from outside.
    pub hops: u32,
}

impl From<&Envelope> for AboutMessage {
    fn from(envelope: &Envelope) -> Self {
        let Envelope { flow, id, attempt, hops, .. } = *envelope;
        Self { flow, id, attempt, hops }
    }
}

const HOST_FIELDS: SubjectFields =
    SubjectFields { actor: Occurs::Never, plugin: Occurs::Never, incarnation: Occurs::Never, message: Occurs::Never };

impl Subject for AboutHost {
    const FIELDS: SubjectFields = HOST_FIELDS;

    fn address(&self) -> Option<&Address> {
        None
    }

    fn plugin(&self) -> Option<&str> {
        None
    }

    fn incarnation(&self) -> Option<u64> {
        None
    }

    fn message(&self) -> Option<AboutMessage> {
        None
    }
}

impl Subject for AboutPlugin<'_> {
    const FIELDS: SubjectFields = SubjectFields { plugin: Occurs::Always, ..HOST_FIELDS };

    fn address(&self) -> Option<&Address> {
        None
    }

    fn plugin(&self) -> Option<&str> {
        Some(self.0)
    }

    fn incarnation(&self) -> Option<u64> {
        None
    }

    fn message(&self) -> Option<AboutMessage> {
        None
    }
}

impl<'a, P: EventValue + Copy + Into<Option<&'a str>>> Subject for AboutActor<'a, P> {
    const FIELDS: SubjectFields = SubjectFields { actor: Occurs::Always, plugin: P::OCCURS, ..HOST_FIELDS };

    fn address(&self) -> Option<&Address> {
        Some(self.address)
    }

    fn plugin(&self) -> Option<&str> {
        self.plugin.into()
    }

    fn incarnation(&self) -> Option<u64> {
        None
    }

    fn message(&self) -> Option<AboutMessage> {
        None
    }
}

impl<N: EventValue + Copy + Into<Option<u64>>> Subject for AboutRun<'_, N> {
    const FIELDS: SubjectFields = SubjectFields { incarnation: N::OCCURS, ..<AboutActor<'_>>::FIELDS };

    fn address(&self) -> Option<&Address> {
        Some(self.actor.address)
    }

    fn plugin(&self) -> Option<&str> {
        Some(self.actor.plugin)
    }

    fn incarnation(&self) -> Option<u64> {
        self.incarnation.into()
    }

    fn message(&self) -> Option<AboutMessage> {
        None
    }
}

impl<S: Subject> Subject for (S, AboutMessage) {
    const FIELDS: SubjectFields = SubjectFields { message: Occurs::Always, ..S::FIELDS };

    fn address(&self) -> Option<&Address> {
        self.0.address()
    }

    fn plugin(&self) -> Option<&str> {
        self.0.plugin()
    }

    fn incarnation(&self) -> Option<u64> {
        self.0.incarnation()
    }

    fn message(&self) -> Option<AboutMessage> {
        Some(self.1)
    }
}

impl<S: Subject> Subject for (S, Option<AboutMessage>) {
    const FIELDS: SubjectFields = SubjectFields { message: Occurs::Sometimes, ..S::FIELDS };

    fn address(&self) -> Option<&Address> {
        self.0.address()
    }

    fn plugin(&self) -> Option<&str> {
        self.0.plugin()
    }

    fn incarnation(&self) -> Option<u64> {
        self.0.incarnation()
    }

    fn message(&self) -> Option<AboutMessage> {
        self.1
    }
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(u64),
    /// Any other number.
    Float(f64),
    /// A fact.
    Flag(bool),
}

/// A type of values of fields.
pub trait EventValue {
    /// Whether there is always a value.
    const OCCURS: Occurs = Occurs::Always;

    /// The value, if there is one.
    fn value(&self) -> Option<FieldValue>;
}

macro_rules! event_values {
    ($($type:ty: $value:ident => $made:expr;)*) => {
        $(impl EventValue for $type {
            fn value(&self) -> Option<FieldValue> {
                let $value = self;
                Some($made)
            }
        })*
    };
}

event_values! {
    u64: number => FieldValue::Number(*number);
    u32: number => FieldValue::Number(u64::from(*number));
    usize: number => FieldValue::Number(*number as u64);
    f64: number => FieldValue::Float(*number);
    bool: flag => FieldValue::Flag(*flag);
    &str: text => FieldValue::Text((*text).to_owned());
    String: text => FieldValue::Text(text.clone());
}

impl<T: EventValue> EventValue for Option<T> {
    const OCCURS: Occurs = Occurs::Sometimes;

    fn value(&self) -> Option<FieldValue> {
        self.as_ref().and_then(EventValue::value)
    }
}

/// An event of the log.
pub trait LogEvent {
    /// Its type.
    const TYPE: EventType;

    /// Sends it to the log. At a level that is off, this costs one check.
    fn log(&self);
    /// The actor that it is about.
    fn subject(&self) -> &impl Subject;
    /// The values of the fields of its own.
    fn own_fields(&self) -> Vec<(&'static str, FieldValue)>;
    /// The text for readers.
    fn text(&self) -> String;
}

/// Declares types of events, and the list of their [`EventType`]s.
///
/// ```
/// use playhouse_kernel::{AboutHost, HOST_TARGET, LogEvent, log_events};
///
/// log_events! {
///     /// All events of this example.
///     pub const EVENTS;
///
///     /// The disk has little space left.
///     pub struct DiskShort<'a>("disk-short", WARN, HOST_TARGET) about AboutHost {
///         /// The folder.
///         folder: &'a str,
///         /// Bytes that are left.
///         left_bytes: u64,
///     }
///     text(advice: &'a str) "{folder} has {left_bytes} bytes left: {advice}";
///     example "/var has 12 bytes left: delete files";
///     advice "Delete files.";
/// }
///
/// let event = DiskShort { subject: AboutHost, folder: "/var", left_bytes: 12, advice: "delete files" };
/// event.log();
/// assert_eq!(event.text(), DiskShort::TYPE.example);
/// assert_eq!(EVENTS[0].name, "disk-short");
/// ```
#[macro_export]
macro_rules! log_events {
    (
        $(#[doc = $list_doc:literal])+
        $list_vis:vis const $list:ident;
        $(
            $(#[doc = $meaning:literal])+
            $vis:vis struct $event:ident $(<$life:lifetime>)? ($name:literal, $level:ident, $target:expr) about $subject:ty {
                $(
                    $(#[doc = $field_meaning:literal])+
                    $field:ident: $type:ty,
                )*
            }
            text($($part:ident: $part_type:ty),*) $text:literal;
            example $example:literal;
            $(advice $advice:literal;)?
        )*
    ) => {
        $(#[doc = $list_doc])+
        #[allow(elided_lifetimes_in_paths)] // one list for types with and without a lifetime
        $list_vis const $list: &[$crate::EventType] = &[$(<$event as $crate::LogEvent>::TYPE),*];

        $(
            $(#[doc = $meaning])+
            $vis struct $event $(<$life>)? {
                /// The subject.
                $vis subject: $subject,
                $(
                    $(#[doc = $field_meaning])+
                    $vis $field: $type,
                )*
                $(
                    /// A part of the text.
                    $vis $part: $part_type,
                )*
            }

            impl $(<$life>)? $crate::LogEvent for $event $(<$life>)? {
                const TYPE: $crate::EventType = $crate::EventType {
                    name: $name,
                    level: ::tracing::Level::$level,
                    target: $target,
                    meaning: concat!($($meaning),+),
                    advice: concat!("" $(, $advice)?),
                    example: $example,
                    subject: <$subject as $crate::Subject>::FIELDS,
                    fields: &[$($crate::EventField {
                        name: stringify!($field),
                        meaning: concat!($($field_meaning),+),
                        occurs: <$type as $crate::EventValue>::OCCURS,
                    }),*],
                };

                fn log(&self) {
                    let Self { subject, $($field,)* $($part,)* } = self;
                    let message = || $crate::Subject::message(subject);
                    ::tracing::event!(
                        target: $target,
                        ::tracing::Level::$level,
                        event = $name,
                        address = $crate::Subject::address(subject).map(::tracing::field::display),
                        plugin = $crate::Subject::plugin(subject),
                        incarnation = $crate::Subject::incarnation(subject),
                        flow = message().map(|message| ::tracing::field::display(message.flow)),
                        id = message().map(|message| ::tracing::field::display(message.id)),
                        attempt = message().map(|message| message.attempt),
                        hops = message().map(|message| message.hops),
                        $($field = $field,)*
                        $text
                    );
                }

                fn subject(&self) -> &impl $crate::Subject {
                    &self.subject
                }

                fn own_fields(&self) -> Vec<(&'static str, $crate::FieldValue)> {
                    let fields: [(&'static str, Option<$crate::FieldValue>); _] =
                        [$((stringify!($field), $crate::EventValue::value(&self.$field))),*];
                    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
                }

                #[allow(unused_variables)] // not every field stands in the text
                fn text(&self) -> String {
                    let Self { subject, $($field,)* $($part,)* } = self;
                    format!($text)
                }
            }
        )*
    };
}
