//! Documents of every kind but runs, with figures as real ones have them.

use serde::de::DeserializeOwned;
use serde_json::Value;
use uringbench_page::ComparisonPage;

/// What a document is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Made {
    Comparison,
    Suite,
    Capacity,
    Trend,
}

/// Every kind.
pub(crate) const ALL: [Made; 4] = [Made::Comparison, Made::Suite, Made::Capacity, Made::Trend];

impl Made {
    /// The document.
    pub(crate) fn document(self) -> Value {
        let text = match self {
            Self::Comparison => include_str!("comparison.json"),
            Self::Suite => include_str!("suite.json"),
            Self::Capacity => include_str!("capacity.json"),
            Self::Trend => include_str!("trend.json"),
        };
        serde_json::from_str(text).expect("it is JSON")
    }
}

/// The page of a document.
pub(crate) fn made(kind: Made, document: &Value) -> String {
    fn read<T: DeserializeOwned>(document: &Value) -> T {
        serde_json::from_value(document.clone()).expect("it is one")
    }
    match kind {
        Made::Comparison => {
            let document = &read(document);
            uringbench_page::comparison(&ComparisonPage { document, details: &[] })
        }
        Made::Suite => uringbench_page::suite(&read(document)),
        Made::Capacity => uringbench_page::capacity(&read(document)),
        Made::Trend => uringbench_page::trend(&read(document)),
    }
}
