//! Bodies and addresses as JSON text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use playhouse_kernel::Address;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A message's body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body(pub Vec<u8>);

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64
            .decode(text)
            .map(Self)
            .map_err(|error| serde::de::Error::custom(format!("the body is no base64: {error}")))
    }
}

/// An address as JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddressText(#[serde(with = "as_text")] pub Address);

/// Like [`AddressText`], for a field that is not optional.
pub(super) mod as_text {
    use super::{Address, Deserialize, Deserializer, Serializer};

    pub(in crate::control) fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(address.as_str())
    }

    pub(in crate::control) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        Address::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
