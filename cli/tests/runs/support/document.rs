//! The result document as the tests read it: by key; a failure prints everything about the run.

use serde_json::Value;

/// Every outcome a slot can have.
pub(crate) const OUTCOMES: [&str; 9] = [
    "ok",
    "status",
    "timeout",
    "reset",
    "connect_failed",
    "malformed",
    "check_failed",
    "not_sent",
    "censored",
];

/// The document of one run.
pub(crate) struct Document {
    value: Value,
    story: String,
}

impl Document {
    /// `story` is printed when a check fails.
    pub(crate) const fn new(value: Value, story: String) -> Self {
        Self { value, story }
    }

    /// The value at a path of keys separated by `.`; it must be there.
    pub(crate) fn at(&self, path: &str) -> &Value {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.value
            .pointer(&pointer)
            .unwrap_or_else(|| panic!("no {path} in the document\n{}", self.story))
    }

    /// The elements of a list that is left out when it is empty.
    pub(crate) fn list(&self, key: &str) -> &[Value] {
        self.value[key].as_array().map_or(&[], Vec::as_slice)
    }

    /// The whole number at a path.
    pub(crate) fn count(&self, path: &str) -> u64 {
        self.at(path)
            .as_u64()
            .unwrap_or_else(|| panic!("{path} is {}, not a count\n{}", self.at(path), self.story))
    }

    /// The number at a path.
    pub(crate) fn number(&self, path: &str) -> f64 {
        self.at(path)
            .as_f64()
            .unwrap_or_else(|| panic!("{path} is {}, no number\n{}", self.at(path), self.story))
    }

    /// The text at a path.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.at(path)
            .as_str()
            .unwrap_or_else(|| panic!("{path} is {}, not text\n{}", self.at(path), self.story))
    }

    /// Slots released.
    pub(crate) fn released(&self) -> u64 {
        self.count("counts.released")
    }

    /// Slots with this outcome.
    pub(crate) fn outcome(&self, key: &str) -> u64 {
        self.count(&format!("counts.outcomes.{key}"))
    }

    /// Answers with this status code.
    pub(crate) fn status(&self, code: u16) -> u64 {
        let counted = self.at("counts.by_status").get(code.to_string());
        counted.map_or(0, |n| n.as_u64().expect("by_status holds counts"))
    }

    /// released = Σ outcomes; every complete answer has a status, a word or a kind; every released
    /// slot is in the response times, and every complete answer in the service times.
    pub(crate) fn assert_law(&self) {
        assert_eq!(self.text("schema"), "uringbench.run/1", "{}", self.story);
        let listed = self.at("counts.outcomes").as_object().map_or(0, serde_json::Map::len);
        assert_eq!(listed, OUTCOMES.len(), "outcomes listed\n{}", self.story);
        let ended: u64 = OUTCOMES.iter().map(|key| self.outcome(key)).sum();
        assert_eq!(ended, self.released(), "released = Σ outcomes\n{}", self.story);
        let completed: u64 =
            ["ok", "status", "check_failed"].iter().map(|key| self.outcome(key)).sum();
        assert_eq!(self.count("counts.completed"), completed, "completed\n{}", self.story);
        let by_status = self.at("counts.by_status").as_object().expect("by_status is an object");
        let reported: u64 = by_status.values().filter_map(Value::as_u64).sum();
        let by_code = self.at("counts.by_code").as_object().expect("by_code is an object");
        let errors: u64 = by_code.values().filter_map(Value::as_u64).sum();
        let others = ["messages", "hits", "misses", "acknowledged"];
        let others: u64 = others.iter().map(|key| self.count(&format!("counts.{key}"))).sum();
        assert_eq!(reported + errors + others, completed, "answers by kind\n{}", self.story);
        let responses = self.count("latency_ns.response.count");
        assert_eq!(responses, self.released(), "response times, one per slot\n{}", self.story);
        let services = self.count("latency_ns.service.count");
        assert_eq!(services, completed, "service times, one per answer\n{}", self.story);
    }

    /// Every released slot must have one of these outcomes, and each of them must occur.
    pub(crate) fn expect_only(&self, keys: &[&str]) {
        for key in OUTCOMES {
            let happened = self.outcome(key) > 0;
            assert_eq!(happened, keys.contains(&key), "outcome {key}\n{}", self.story);
        }
    }

    /// Every released slot must have one of these outcomes.
    pub(crate) fn expect_none_but(&self, keys: &[&str]) {
        let others = OUTCOMES.iter().filter(|key| !keys.contains(key));
        for key in others {
            assert_eq!(self.outcome(key), 0, "outcome {key}\n{}", self.story);
        }
    }

    /// Fails with the story unless `holds`.
    #[track_caller]
    pub(crate) fn expect(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{}", self.story);
    }
}
