//! A session against rustls's own server, in memory: however the server's bytes are split, joined
//! or damaged on the way, nothing comes out that was not sent, and nothing panics.

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use uringbench_core::plan::{Roots, TlsPlan, TlsVersions, Trust};

use super::*;
use crate::wire::tls::client_config;

const NAME: &str = "split.test";
/// Every record of the server's ends within so many bytes, the least that rustls allows: a
/// ticket, and a certificate, are then spread over many.
const FRAGMENT_MIN: usize = 32;
/// Rounds without a byte from either side, after which a conversation is over.
const QUIET_ROUNDS: usize = 3;

struct Chance(Xoshiro256PlusPlus);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

/// The certificate and its key.
static SHOWN: LazyLock<(CertificateDer<'static>, Vec<u8>)> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new([NAME.to_owned()])
        .and_then(|parameters| parameters.self_signed(&key))
        .expect("a certificate");
    (certificate.der().clone(), key.serialize_der())
});

fn server_config(fragment: Option<usize>) -> Arc<ServerConfig> {
    let (certificate, key) = &*SHOWN;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.clone()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a certificate and its key");
    config.max_fragment_size = fragment;
    Arc::new(config)
}

fn versions(is_tls12: bool) -> (Arc<ClientConfig>, ServerName<'static>) {
    let plan = TlsPlan {
        server_name: NAME.to_owned(),
        trust: Trust::Roots(Roots { file: None, certificates: vec![SHOWN.0.to_vec()] }),
        identity: None,
        versions: if is_tls12 { TlsVersions::Only12 } else { TlsVersions::Both },
        alpn: Vec::new(),
        resumes: true,
        tolerates_truncation: false,
    };
    client_config(&plan).expect("a plan that can be kept")
}

/// What is done to the server's bytes on their way.
type Damage<'a> = &'a mut dyn FnMut(&mut Chance, &mut Vec<u8>);

/// One conversation, and what came of it.
struct Talk {
    client: Tls,
    server: ServerConnection,
    /// The server's bytes that the client has not been given yet.
    on_the_way: Vec<u8>,
    /// The client's bytes that the server has not been given yet.
    to_server: Vec<u8>,
    /// What the server said within the session, and what the client made of it.
    said: Vec<u8>,
    heard: Vec<u8>,
    /// What the client said, and what the server made of it.
    asked: Vec<u8>,
    understood: Vec<u8>,
    established: Vec<Established>,
    is_closed: bool,
    failure: Option<TlsFailure>,
}

impl Talk {
    fn begin(
        (config, name): &(Arc<ClientConfig>, ServerName<'static>),
        server: &Arc<ServerConfig>,
    ) -> Self {
        let mut to_server = Vec::new();
        let client = Tls::begin(config, name, &mut to_server).expect("a first flight");
        let mut server = ServerConnection::new(Arc::clone(server)).expect("a session");
        server.set_buffer_limit(None);
        Self {
            client,
            server,
            on_the_way: Vec::new(),
            to_server,
            said: Vec::new(),
            heard: Vec::new(),
            asked: Vec::new(),
            understood: Vec::new(),
            established: Vec::new(),
            is_closed: false,
            failure: None,
        }
    }

    /// Talk until both have nothing left to say.
    fn go_on(&mut self, chance: &mut Chance, damage: Damage<'_>) {
        let (mut quiet, mut turns) = (0, 8);
        while quiet < QUIET_ROUNDS {
            let before = (self.to_server.len(), self.on_the_way.len());
            self.serve(chance, &mut turns, damage);
            self.deliver(chance);
            if self.failure.is_some() {
                break;
            }
            if !self.established.is_empty() && !self.is_closed && chance.below(3) == 0 {
                self.ask(chance);
            }
            let is_quiet = before == (0, 0) && self.on_the_way.is_empty() && turns == 0;
            quiet = if is_quiet { quiet + 1 } else { 0 };
        }
    }

    /// The server takes what came and says something, or changes its keys, or closes.
    fn serve(&mut self, chance: &mut Chance, turns: &mut u32, damage: Damage<'_>) {
        let mut bytes = self.to_server.as_slice();
        while !bytes.is_empty() {
            self.server.read_tls(&mut bytes).expect("memory can be read");
            // The client's alerts end up here as errors, and matter to nobody.
            if self.server.process_new_packets().is_err() {
                break;
            }
            // Nothing more to read now is an error of its own kind.
            let _ = self.server.reader().read_to_end(&mut self.understood);
        }
        self.to_server.clear();
        if self.server.is_handshaking() {
            // Whatever keeps it from going on, it will not for ever.
            *turns -= u32::from(*turns > 0 && self.on_the_way.is_empty());
        } else if *turns > 0 && chance.below(2) == 0 {
            *turns -= 1;
            self.speak(chance, *turns == 0);
        }
        let mut out = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut out).expect("memory takes everything");
        }
        damage(chance, &mut out);
        self.on_the_way.append(&mut out);
    }

    fn speak(&mut self, chance: &mut Chance, is_last: bool) {
        let length = [1, 40, 1_000, 40_000][chance.below(4)];
        let words = chance.bytes(length);
        self.server.writer().write_all(&words).expect("memory takes everything");
        self.said.extend_from_slice(&words);
        if chance.below(4) == 0 {
            // TLS 1.2 has no such thing.
            let _ = self.server.refresh_traffic_keys();
        }
        if is_last {
            self.server.send_close_notify();
        }
    }

    /// A part of what is on the way comes, of any length: a byte, a record, all of it.
    fn deliver(&mut self, chance: &mut Chance) {
        let most = [1, 5, 40, 3_000, usize::MAX][chance.below(5)].min(self.on_the_way.len());
        let length = if chance.below(2) == 0 { most } else { chance.below(most + 1) };
        let mut part: Vec<u8> = self.on_the_way.drain(..length).collect();
        match self.client.receive(&mut part, &mut self.heard, &mut self.to_server) {
            Ok(received) => {
                self.established.extend(received.established);
                assert!(!(self.is_closed && received.is_closed), "an end is reported once");
                self.is_closed |= received.is_closed;
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    fn ask(&mut self, chance: &mut Chance) {
        let length = [1, 100, 20_000][chance.below(3)];
        let words = chance.bytes(length);
        self.client.seal(&words, &mut self.to_server).expect("an established session");
        self.asked.extend_from_slice(&words);
    }

    /// After a failure there is nothing left to do with a session, and nothing that may panic.
    fn is_over_for_good(&mut self) {
        let mut out = Vec::new();
        let heard = self.heard.len();
        assert!(self.client.seal(b"more", &mut out).is_err(), "a broken session sends nothing");
        self.client.close(&mut out);
        assert!(out.is_empty(), "nor says goodbye");
        let again = self.client.receive(&mut [23, 3, 3, 0, 1, 0], &mut self.heard, &mut out);
        assert!(again.is_err(), "nor hears any more");
        assert_eq!(self.heard.len(), heard, "nor hears any more");
    }
}

fn untouched(_: &mut Chance, _: &mut Vec<u8>) {}

#[test]
fn bytes_split_anywhere_say_the_same() {
    let configs = [None, Some(FRAGMENT_MIN), Some(200)].map(server_config);
    for seed in 0..200 {
        let mut chance = Chance::new(seed);
        let server = &configs[chance.below(configs.len())];
        let is_tls12 = chance.below(2) == 0;
        let client = versions(is_tls12);
        for is_resumed in [false, true] {
            let mut talk = Talk::begin(&client, server);
            talk.go_on(&mut chance, &mut untouched);
            assert_eq!(talk.failure, None, "seed {seed}");
            assert!(talk.heard == talk.said, "seed {seed}: what was said is heard");
            assert!(talk.understood == talk.asked, "seed {seed}: what was asked is understood");
            let expected = Established { is_resumed, is_tls12 };
            assert_eq!(talk.established, [expected], "seed {seed}: one handshake");
            assert!(talk.is_closed, "seed {seed}: the end is reported");
        }
    }
}

#[test]
fn damaged_bytes_never_become_words() {
    let configs = [None, Some(FRAGMENT_MIN)].map(server_config);
    let mut failed = 0;
    for seed in 0..1_000 {
        let mut chance = Chance::new(seed);
        let server = &configs[chance.below(configs.len())];
        let client = versions(chance.below(2) == 0);
        let mut talk = Talk::begin(&client, server);
        // One byte in so many.
        let rarity = [300, 3_000, 30_000][chance.below(3)];
        talk.go_on(&mut chance, &mut |chance, bytes| {
            for byte in bytes {
                if chance.below(rarity) == 0 {
                    *byte ^= 1 << chance.below(8);
                }
            }
        });
        assert!(talk.said.starts_with(&talk.heard), "seed {seed}: nothing but what was said");
        if talk.failure.is_some() {
            failed += 1;
            talk.is_over_for_good();
        }
    }
    assert!(failed > 500, "damage is noticed: {failed}");
}

#[test]
fn records_lost_doubled_or_exchanged_never_become_words() {
    let configs = [None, Some(FRAGMENT_MIN)].map(server_config);
    for seed in 0..1_000 {
        let mut chance = Chance::new(seed);
        let server = &configs[chance.below(configs.len())];
        let client = versions(chance.below(2) == 0);
        let mut talk = Talk::begin(&client, server);
        talk.go_on(&mut chance, &mut |chance, bytes| {
            let mut records = records(bytes);
            if !records.is_empty() && chance.below(2) == 0 {
                let at = chance.below(records.len());
                match chance.below(4) {
                    0 => drop(records.remove(at)),
                    1 => records.insert(at, records[at].clone()),
                    2 => records.insert(at, foreign_record(chance)),
                    _ => {
                        let other = chance.below(records.len());
                        records.swap(at, other);
                    }
                }
            }
            *bytes = records.concat();
        });
        assert!(talk.said.starts_with(&talk.heard), "seed {seed}: nothing but what was said");
        if talk.failure.is_some() {
            talk.is_over_for_good();
        }
    }
}

#[test]
fn records_of_anyone_never_become_words() {
    let client = versions(false);
    for seed in 0..20_000 {
        let mut chance = Chance::new(seed);
        let mut session = Tls::begin(&client.0, &client.1, &mut Vec::new()).expect("a flight");
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let mut bytes = match chance.below(4) {
                0 => {
                    let length = chance.below(40);
                    chance.bytes(length)
                }
                _ => foreign_record(&mut chance),
            };
            // Even what comes after a failure must do no harm.
            let _ = session.receive(&mut bytes, &mut plain, &mut out);
        }
        session.close(&mut out);
        assert!(plain.is_empty(), "seed {seed}");
    }
}

/// A handshake message whose rest has not come, and a record of another kind: rustls answers
/// with an error but no alert, and is then asked for one.
#[test]
fn an_alert_amid_a_handshake_message_is_a_failure_and_no_panic() {
    let client = versions(false);
    let mut session = Tls::begin(&client.0, &client.1, &mut Vec::new()).expect("a flight");
    let mut bytes = [&[22, 3, 3, 0, 4, 2, 0, 0, 80][..], &[21, 3, 3, 0, 2, 2, 40]].concat();
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    assert!(session.receive(&mut bytes, &mut plain, &mut out).is_err());
}

#[test]
fn an_alert_is_told_with_its_remedy() {
    for (alert, part) in [
        (40, "--cert"),
        (42, "--cert"),
        (48, "--cert"),
        (70, "--tls"),
        (112, "knows no server of that name"),
        (116, "--cert"),
        (120, "enable HTTP/1.1"),
        (80, "target's log"),
    ] {
        let client = versions(false);
        let mut session = Tls::begin(&client.0, &client.1, &mut Vec::new()).expect("a flight");
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        let failure = session.receive(&mut [21, 3, 3, 0, 2, 2, alert], &mut plain, &mut out);
        let failure = failure.expect_err("an alert ends it");
        assert!(failure.is_alert());
        let reported = failure.to_string();
        assert!(
            reported.starts_with("the target ended TLS (") && reported.contains(part),
            "{reported}"
        );
    }
}

/// A record of any kind, shaped like one of a handshake's if it is of that kind.
fn foreign_record(chance: &mut Chance) -> Vec<u8> {
    let kind = 20 + chance.below(5) as u8;
    let length = chance.below(64);
    let mut payload = chance.bytes(length);
    if kind == 22 && payload.len() >= 4 {
        let kinds = [0, 2, 4, 8, 11, 12, 14, 20, 24];
        payload[0] = kinds[chance.below(kinds.len())];
        payload[1] = 0;
        payload[2] = 0;
    }
    let mut record = vec![kind, 3, 3, 0, payload.len() as u8];
    record.append(&mut payload);
    record
}

fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = 5 + usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        let (record, rest) = bytes.split_at(length);
        records.push(record.to_vec());
        bytes = rest;
    }
    records
}
