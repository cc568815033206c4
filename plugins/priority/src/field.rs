//! Reads one field of a JSON object of which only the beginning is known.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// The integer in `field`, as a number or as text. The bytes after the field may be missing.
pub(crate) fn number(json: &[u8], field: &str) -> Option<i64> {
    let mut found = None;
    // An error after the field was found comes from the missing bytes, so it is ignored.
    let _ = serde_json::Deserializer::from_slice(json).deserialize_map(Search { field, found: &mut found });
    found
}

struct Search<'a> {
    field: &'a str,
    found: &'a mut Option<i64>,
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key != self.field {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value::<serde_json::Value>()?;
            *self.found = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
            break;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_is_found_in_an_object_that_is_cut_off() {
        for (json, expected) in [
            (r#"{"p": 7}"#, Some(7)),
            (r#"{"p":7,"text":"cut off he"#, Some(7)),
            (r#"{"a": {"p": 1}, "b": [2, 3], "p": "-4", "c"#, Some(-4)),
            (r#"{"p": 7.5}"#, None),
            (r#"{"p": "#, None),
            (r#"{"text": "cut off before", "#, None),
            ("7 p", None),
            ("", None),
        ] {
            assert_eq!(number(json.as_bytes(), "p"), expected, "{json}");
        }
    }
}
