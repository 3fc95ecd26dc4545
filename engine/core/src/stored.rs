//! Bytes in a stored plan: text if they are UTF-8, otherwise base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The stored form of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    /// UTF-8.
    Text(String),
    /// Other bytes.
    Binary {
        /// RFC 4648 section 4.
        base64: String,
    },
}

/// A byte string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StoredBytes(#[serde(with = "crate::stored")] pub(crate) Vec<u8>);

impl From<&[u8]> for Form {
    fn from(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Binary { base64: BASE64.encode(bytes) },
        }
    }
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    Form::from(bytes).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    match Form::deserialize(deserializer)? {
        Form::Text(text) => Ok(text.into_bytes()),
        Form::Binary { base64 } => BASE64.decode(base64).map_err(de::Error::custom),
    }
}

/// An optional byte string.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Serialize, Serializer, StoredBytes};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.clone().map(StoredBytes).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<StoredBytes>::deserialize(deserializer)?.map(|bytes| bytes.0))
    }
}

/// A list of byte strings that are shared.
pub(crate) mod shared_list {
    use std::sync::Arc;

    use super::{Deserializer, Serializer, list};

    pub(crate) fn serialize<S: Serializer>(
        list: &Arc<Vec<Vec<u8>>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        list::serialize(list, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Vec<Vec<u8>>>, D::Error> {
        list::deserialize(deserializer).map(Arc::new)
    }
}

/// A list of byte strings.
pub(crate) mod list {
    use super::{Deserialize, Deserializer, Serializer, StoredBytes};

    pub(crate) fn serialize<S: Serializer>(
        list: &[Vec<u8>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|bytes| StoredBytes(bytes.clone())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        Ok(Vec::<StoredBytes>::deserialize(deserializer)?
            .into_iter()
            .map(|bytes| bytes.0)
            .collect())
    }
}
