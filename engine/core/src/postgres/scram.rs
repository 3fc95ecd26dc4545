//! SCRAM-SHA-256 (RFC 5802, RFC 7677) as a client, without channel binding.
//!
//! Deriving keys from a password takes thousands of hashes, by design. They depend on the password
//! and what the server stores of it, not on the connection: they are derived once and kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::statistics::random::Random;

/// The name of the mechanism.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";
/// No channel binding, and no other user than that of the start-up.
const HEADER: &str = "n,,";
/// The same in base64.
const HEADER_BASE64: &str = "biws";
/// The most rounds of hashing that are done for a server: a hostile one could ask for hours.
const ROUNDS_MAX: u32 = 1_000_000;
const BLOCK: usize = 64;

/// The keys of a password, as far as they do not depend on the connection.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    salt: Vec<u8>,
    rounds: u32,
    client: [u8; 32],
    server: [u8; 32],
}

impl fmt::Debug for ScramKeys {
    /// They stand for the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(…)")
    }
}

/// Why a server's message is not what SCRAM expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramError {
    /// It does not have the attributes of its place.
    Form,
    /// Its nonce does not begin with this side's.
    Nonce,
    /// It asks for this many rounds.
    Rounds(u32),
    /// It does not know the password either.
    Unproved,
}

impl fmt::Display for ScramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("the server's message of SCRAM cannot be read"),
            Self::Nonce => f.write_str("the server answers another SCRAM exchange than this one"),
            Self::Rounds(rounds) => write!(
                f,
                "the server asks for {rounds} rounds of SCRAM, and at most {ROUNDS_MAX} are done: \
                 lower its scram_iterations, and set the password again"
            ),
            Self::Unproved => f.write_str(
                "the server does not prove that it knows the password: it may be another server",
            ),
        }
    }
}

/// One exchange.
#[derive(Debug)]
pub struct ScramExchange {
    user: String,
    nonce: String,
    /// What the server has to sign, once that is known, and with which key.
    awaited: Option<(String, [u8; 32])>,
}

impl ScramExchange {
    /// An exchange whose nonce this source of chance makes.
    pub(super) fn new(random: &mut Random) -> Self {
        Self::with("", format!("{:016x}{:016x}", random.bits(), random.bits()))
    }

    fn with(user: &str, nonce: String) -> Self {
        Self { user: user.to_owned(), nonce, awaited: None }
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("{HEADER}{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// The answer to the server's first message. `keys` are reused if they are those of the salt,
    /// and kept otherwise.
    pub(super) fn proof(
        &mut self,
        message: &[u8],
        password: &str,
        keys: &mut Option<ScramKeys>,
    ) -> Result<String, ScramError> {
        let message = std::str::from_utf8(message).map_err(|_| ScramError::Form)?;
        let mut attributes = message.split(',');
        let mut attribute = |name: &str| {
            attributes.next().and_then(|it| it.strip_prefix(name)).ok_or(ScramError::Form)
        };
        let (nonce, salt, rounds) = (attribute("r=")?, attribute("s=")?, attribute("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let salt = BASE64.decode(salt).map_err(|_| ScramError::Form)?;
        let rounds = rounds.parse().ok().filter(|&it: &u32| it > 0).ok_or(ScramError::Form)?;
        if rounds > ROUNDS_MAX {
            return Err(ScramError::Rounds(rounds));
        }
        let known = keys.take().filter(|keys| keys.salt == salt && keys.rounds == rounds);
        let keys = keys.insert(known.unwrap_or_else(|| ScramKeys::derive(password, salt, rounds)));
        let without_proof = format!("c={HEADER_BASE64},r={nonce}");
        let signed = format!("{},{message},{without_proof}", self.bare());
        let stored: [u8; 32] = Sha256::digest(keys.client).into();
        let mut proof = Hmac::new(&stored).of(&[signed.as_bytes()]);
        proof.iter_mut().zip(keys.client).for_each(|(byte, key)| *byte ^= key);
        self.awaited = Some((signed, keys.server));
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// The server's last message: it has to prove that it knows the password.
    pub(super) fn verify(&self, message: &[u8]) -> Result<(), ScramError> {
        let (signed, key) = self.awaited.as_ref().ok_or(ScramError::Form)?;
        let signature = message.strip_prefix(b"v=").ok_or(ScramError::Form)?;
        let signature = BASE64.decode(signature).map_err(|_| ScramError::Form)?;
        let expected = Hmac::new(key).of(&[signed.as_bytes()]);
        if signature == expected { Ok(()) } else { Err(ScramError::Unproved) }
    }
}

impl ScramKeys {
    /// RFC 5802 section 3: `rounds` hashes.
    fn derive(password: &str, salt: Vec<u8>, rounds: u32) -> Self {
        // As libpq: a password that cannot be prepared is used as it is.
        let prepared = stringprep::saslprep(password);
        let password = prepared.as_deref().unwrap_or(password);
        let hmac = Hmac::new(password.as_bytes());
        let mut last = hmac.of(&[&salt, &1_u32.to_be_bytes()]);
        let mut salted = last;
        for _ in 1..rounds {
            last = hmac.of(&[&last]);
            salted.iter_mut().zip(last).for_each(|(byte, more)| *byte ^= more);
        }
        let hmac = Hmac::new(&salted);
        Self { salt, rounds, client: hmac.of(&[b"Client Key"]), server: hmac.of(&[b"Server Key"]) }
    }
}

/// HMAC-SHA-256 (RFC 2104) with one key, which is hashed only once.
struct Hmac {
    inner: Sha256,
    outer: Sha256,
}

impl Hmac {
    fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        if key.len() > BLOCK {
            block[..32].copy_from_slice(&Sha256::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let padded = |pad: u8| Sha256::new_with_prefix(block.map(|byte| byte ^ pad));
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut inner = self.inner.clone();
        parts.iter().for_each(|part| inner.update(part));
        self.outer.clone().chain_update(inner.finalize()).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const LAST: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    /// RFC 7677 section 3.
    #[test]
    fn the_example_of_the_rfc_is_reproduced() {
        let mut keys = None;
        for _ in 0..2 {
            let mut exchange = ScramExchange::with("user", "rOprNGfwEbeRWgbNEkqO".to_owned());
            assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
            assert_eq!(exchange.verify(LAST), Err(ScramError::Form), "before its time");
            let proof = exchange.proof(FIRST.as_bytes(), "pencil", &mut keys).expect("it is one");
            assert_eq!(
                proof,
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                 p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
            );
            assert_eq!(exchange.verify(LAST), Ok(()));
            let other = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G0=";
            assert_eq!(exchange.verify(other), Err(ScramError::Unproved));
            // The second time with the keys of the first, which the wrong password shows.
            let kept = keys.clone();
            let again = exchange.proof(FIRST.as_bytes(), "crayon", &mut keys);
            assert_eq!(again, Ok(proof));
            assert_eq!(keys, kept);
        }
        // Another salt needs other keys.
        let mut exchange = ScramExchange::with("user", "r".to_owned());
        let kept = keys.clone();
        exchange.proof(b"r=r1,s=AAAA,i=1", "pencil", &mut keys).expect("it is one");
        assert_ne!(keys, kept);
        assert_eq!(format!("{keys:?}"), "Some(ScramKeys(…))");
    }

    /// RFC 4231 section 4.2, 4.3 and 4.7.
    #[test]
    fn hmacs_are_those_of_the_rfc() {
        for (key, text, begin) in [
            (&[0x0b; 20][..], &b"Hi There"[..], [0xb0, 0x34, 0x4c, 0x61]),
            (b"Jefe", b"what do ya want for nothing?", [0x5b, 0xdc, 0xc1, 0x46]),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                [0x60, 0xe4, 0x31, 0x59],
            ),
        ] {
            let (left, right) = text.split_at(4);
            assert_eq!(Hmac::new(key).of(&[left, right])[..4], begin);
        }
    }

    #[test]
    fn messages_that_are_none_are_refused() {
        for (message, why) in [
            (&b""[..], ScramError::Form),
            (b"r=abc", ScramError::Form),
            (b"r=abc,s=AAAA", ScramError::Form),
            (b"r=abcd,s=!,i=1", ScramError::Form),
            (b"r=abcd,s=AAAA,i=0", ScramError::Form),
            (b"r=abcd,s=AAAA,i=-1", ScramError::Form),
            (b"r=abc,s=AAAA,i=1", ScramError::Nonce),
            (b"r=xyz,s=AAAA,i=1", ScramError::Nonce),
            (b"r=abcd,s=AAAA,i=4000000000", ScramError::Rounds(4_000_000_000)),
            (b"\xff", ScramError::Form),
        ] {
            let mut exchange = ScramExchange::with("", "abc".to_owned());
            let refused = exchange.proof(message, "pw", &mut None);
            assert_eq!(refused, Err(why), "{}", message.escape_ascii());
        }
        let mut random = Random::new(1);
        let [one, two] = [(); 2].map(|()| ScramExchange::new(&mut random).first());
        assert!(one != two && one.len() == "n,,n=,r=".len() + 32);
    }
}
