//! A text that an answer is compared with: constant, or built from the user's values.

use serde::{Deserialize, Serialize};

use super::text::Text;
use super::value::Scope;
use crate::statistics::random::Random;

/// An expected text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    written: String,
    text: Text,
}

impl Expected {
    /// `text`, whose values must stay the same during a flow; reports show it as `written`.
    pub fn new(written: &str, text: Text) -> Self {
        Self { written: written.to_owned(), text }
    }

    /// The text as written in the scenario.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Its bytes; built in `scratch` if it varies.
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
