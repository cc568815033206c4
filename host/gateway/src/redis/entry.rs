//! A message as the fields of an entry, and back. `body` is the body; `id`, `flow` and `hops` are those of Playhouse; each other
//! field is a pair of the metadata. A pair whose key is one of these names gets the prefix `meta:`.

use playhouse_kernel::{FlowId, MessageId, Metadata};

use crate::broker::{flow, flow_of_traceparent};
use crate::sink::Outgoing;
use crate::source::{Handle, Taken};

/// The fields that are no metadata.
const OWN: [&str; 4] = ["body", "id", "flow", "hops"];
const PREFIX: &str = "meta:";

/// The fields of a message.
pub(super) fn fields(message: &Outgoing) -> Vec<(String, Vec<u8>)> {
    let mut fields = vec![
        ("body".to_owned(), message.body.clone()),
        ("id".to_owned(), message.id.to_string().into_bytes()),
        ("flow".to_owned(), message.flow.to_string().into_bytes()),
        ("hops".to_owned(), message.hops.to_string().into_bytes()),
    ];
    for (key, value) in message.metadata.pairs() {
        let is_taken = OWN.contains(&key) || key.starts_with(PREFIX);
        let key = if is_taken { format!("{PREFIX}{key}") } else { key.to_owned() };
        fields.push((key, value.as_bytes().to_vec()));
    }
    fields
}

/// The message of an entry. `wanted`: the fields that become metadata, `None` for all that fit.
pub(super) fn taken(
    stream: &str,
    entry: &str,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    deliveries: u32,
    wanted: Option<&[String]>,
) -> Taken {
    let find =
        |name: &str| fields.iter().find(|(field, _)| field == name.as_bytes()).map(|(_, value)| value.as_slice());
    let text = |name: &str| find(name).and_then(|value| std::str::from_utf8(value).ok());
    let written = text("flow").and_then(flow);
    // Only an entry that Playhouse wrote names its message: two entries with one id are the same message.
    let own_id = written.and_then(|_| text("id")).filter(|id| id.len() == 32).and_then(|id| id.parse().ok());
    let traced = || text("traceparent").and_then(flow_of_traceparent);
    let flow: Option<FlowId> = written.or_else(traced);
    let mut metadata = Metadata::new();
    for (field, value) in &fields {
        let (Ok(field), Ok(value)) = (std::str::from_utf8(field), std::str::from_utf8(value)) else { continue };
        if OWN.contains(&field) {
            continue;
        }
        let key = field.strip_prefix(PREFIX).unwrap_or(field);
        if wanted.is_none_or(|wanted| wanted.iter().any(|name| name == key)) {
            // A pair beyond the bounds is left out.
            let _ = metadata.push(key, value);
        }
    }
    let id = own_id.unwrap_or_else(|| MessageId::seeded(&format!("redis {stream} {entry}"), 0));
    let body = match fields.iter().position(|(field, _)| field == b"body") {
        Some(at) => fields.into_iter().nth(at).map(|(_, body)| body).unwrap_or_default(),
        None => as_json(&fields),
    };
    let handle = Handle::from(entry);
    let position = handle.clone().into();
    Taken { id, position, handle, flow, deliveries, place: None, fault: None, metadata, body: body.into() }
}

/// All fields as one JSON object; bytes that are no UTF-8 are replaced.
fn as_json(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let object: serde_json::Map<_, _> =
        fields.iter().map(|(field, value)| (text(field), serde_json::Value::String(text(value)))).collect();
    serde_json::Value::Object(object).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(fields: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        fields.iter().map(|(field, value)| (field.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn message_comes_back_from_its_fields() {
        let metadata = Metadata::collect([("tenant", "a"), ("id", "mine"), ("meta:x", "y")]).expect("few");
        let sent = Outgoing { id: MessageId(7), flow: FlowId(9), hops: 3, metadata, body: b"\xff\0".to_vec() };
        let fields = fields(&sent).into_iter().map(|(field, value)| (field.into_bytes(), value)).collect();
        let Taken { id, flow, metadata, body, deliveries, .. } = taken("s", "1-1", fields, 2, None);
        assert_eq!((id, flow, deliveries), (MessageId(7), Some(FlowId(9)), 2));
        assert_eq!((metadata, body), (sent.metadata, sent.body.into()));
    }

    #[test]
    fn entry_without_body_is_json_and_has_an_id_of_its_position() {
        let entry = || raw(&[("a", "1"), ("b", "\"x\"")]);
        let first = taken("s", "1-1", entry(), 1, Some(&["b".to_owned()]));
        assert_eq!(*first.body, *br#"{"a":"1","b":"\"x\""}"#);
        assert_eq!(first.metadata.pairs().collect::<Vec<_>>(), [("b", "\"x\"")]);
        assert_eq!(first.id, taken("s", "1-1", entry(), 5, None).id);
        assert_ne!(first.id, taken("s", "1-2", entry(), 1, None).id);
        assert_ne!(first.id, taken("t", "1-1", entry(), 1, None).id);
    }

    #[test]
    fn foreign_id_is_no_id_of_a_message() {
        let entry = taken("s", "1-1", raw(&[("body", "x"), ("id", &"0".repeat(32))]), 1, None);
        assert_ne!(entry.id, MessageId(0));
    }
}
