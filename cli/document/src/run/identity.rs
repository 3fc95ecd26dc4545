//! Which run it is: its revision, its request, and the fingerprints that say whether two runs can
//! be compared.

use serde::{Deserialize, Serialize};

use super::{Environment, PlanFigures};

/// Key `git`: the revision of the source beside which the run was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitRevision {
    /// The whole commit hash.
    pub commit: String,
    /// The branch; `null` if none is checked out and the CI system names none.
    pub branch: Option<String>,
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// A part; the zero byte after it keeps two parts from reading as one.
    fn part(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn digits(&self) -> String {
        format!("{:016x}", self.0)
    }
}

/// 16 hexadecimal digits that stand for these texts in this order.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Fnv::new();
    parts.into_iter().for_each(|part| hash.part(part));
    hash.digits()
}

impl Environment {
    /// The fingerprint of everything here that decides how fast the load and its target run. The
    /// name is left out: machines of one kind have one fingerprint.
    pub fn compute_fingerprint(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let cores = self.cores.map(|cores| cores.to_string());
        let parts = [
            text(&self.kernel),
            text(&self.cpu),
            text(&cores),
            text(&self.governor),
            text(&self.clock),
            text(&self.congestion_control),
            text(&self.engine),
        ];
        fingerprint(parts.iter().map(String::as_str))
    }
}

impl PlanFigures {
    /// The fingerprint of the load: every key of the plan but the target's address, the CPUs, the
    /// seed and the name; and the names of the steps.
    pub fn compute_fingerprint<'a>(&self, steps: impl IntoIterator<Item = &'a str>) -> String {
        let cleared = Self {
            url: self.path().to_owned(),
            cores: Vec::new(),
            seed: 0,
            name: None,
            peers: Vec::new(),
            source_ips: Vec::new(),
            fingerprint: None,
            tls: self
                .tls
                .clone()
                .map(|tls| super::TlsPlanned { server_name: String::new(), ..tls }),
            ..self.clone()
        };
        // Figures are plain numbers and texts, which always have a form in JSON.
        let keys = serde_json::to_string(&cleared).unwrap_or_default();
        let mut hash = Fnv::new();
        hash.part(&keys);
        steps.into_iter().for_each(|step| hash.part(step));
        hash.digits()
    }

    /// Host and port of the target.
    pub fn authority(&self) -> &str {
        self.authority_and_path().0
    }

    /// The path of the target, with its query.
    pub fn path(&self) -> &str {
        self.authority_and_path().1
    }

    /// Of `http://host:80/path`.
    fn authority_and_path(&self) -> (&str, &str) {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_scheme, rest)| rest);
        rest.split_at(rest.find('/').unwrap_or(rest.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    const FIRST: &str = include_str!("../../tests/run-v1-first.json");

    /// `printf 'a\0' | ...` by the reference code of Fowler, Noll and Vo; the empty one is the
    /// offset basis.
    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fingerprint([]), "cbf29ce484222325");
        let mut hash = Fnv::new();
        "foobar".bytes().for_each(|byte| {
            hash.0 = (hash.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        });
        assert_eq!(hash.0, 0x8594_4171_f739_67e8, "the test vector of `foobar`");
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
    }

    #[test]
    fn a_plan_is_the_same_wherever_its_target_is_and_another_with_another_load() {
        let plan = Document::read(FIRST).expect("it is one").plan;
        let of = |change: fn(&mut PlanFigures)| {
            let mut plan = plan.clone();
            change(&mut plan);
            plan.compute_fingerprint(["request"])
        };
        let same = of(|_| ());
        let moved = of(|plan| {
            plan.url = format!("http://elsewhere:81{}", plan.path());
            plan.seed += 1;
            plan.name = Some("x".to_owned());
            plan.cores = vec![7];
        });
        assert_eq!(same, moved);
        for other in [
            of(|plan| plan.connections += 1),
            of(|plan| plan.url.push_str("?q=1")),
            of(|plan| plan.duration_s = Some(77.0)),
            of(|plan| plan.method = "PUT".to_owned()),
            plan.compute_fingerprint(["first", "second"]),
        ] {
            assert_ne!(same, other);
        }
    }

    #[test]
    fn a_machine_keeps_its_fingerprint_under_another_name() {
        let host = Document::read(FIRST).expect("it is one").host;
        let renamed = Environment { hostname: Some("other".to_owned()), ..host.clone() };
        assert_eq!(host.compute_fingerprint(), renamed.compute_fingerprint());
        let updated = Environment { kernel: Some("9.9".to_owned()), ..host.clone() };
        assert_ne!(host.compute_fingerprint(), updated.compute_fingerprint());
    }
}
