//! A text that an answer is compared with: as written, or put together from what the user knows
//! by then.

use serde::{Deserialize, Serialize};

use super::text::Text;
use super::value::Scope;
use crate::statistics::random::Random;

/// What something should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    written: String,
    text: Text,
}

impl Expected {
    /// `text`, whose values should stay the same while a flow lasts; reports show it as
    /// `written`.
    pub fn new(written: &str, text: Text) -> Self {
        Self { written: written.to_owned(), text }
    }

    /// As its author wrote it.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// What it comes to; put together in `scratch` where that is needed.
    pub fn bytes<'a>(&'a self, scope: &Scope<'_>, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if let Some(bytes) = self.text.constant() {
            return bytes;
        }
        scratch.clear();
        // Values that stay the same draw nothing.
        let mut random = Random::new(0);
        self.text.pieces(scope, &mut random, &mut |piece| scratch.extend_from_slice(piece));
        scratch
    }
}

impl From<&str> for Expected {
    fn from(text: &str) -> Self {
        Self::new(text, text.into())
    }
}
