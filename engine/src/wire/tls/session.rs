//! TLS on one connection: records in, plaintext out, and the reverse.
//!
//! It uses rustls's unbuffered connection, which keeps no queues of its own: decrypted bytes go to
//! the caller's vector, encrypted bytes are written to the buffer that is sent.

use std::fmt;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError,
    UnbufferedStatus,
};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, HandshakeKind, PeerMisbehaved,
    ProtocolVersion,
};

use super::trust::{is_authority, is_old_version, says};
use super::words;

/// Largest plaintext of one record (RFC 8446 section 5.1), and the most that encryption adds:
/// header, explicit nonce or inner type, tag.
const RECORD_MAX: usize = 16_384;
const RECORD_ADDS: usize = 64;

const NO_PROTOCOL: &str =
    "it does not speak what is asked for in ALPN: enable HTTP/1.1 there, or HTTP/2 for --http2";

/// One connection's session.
pub(crate) struct Tls {
    session: UnbufferedClientConnection,
    /// Bytes that are useless until more arrive: the first part of a record, and for a handshake
    /// message the records before it. The library stores positions within these bytes and reads
    /// them in every call, so they must be passed to it each time.
    carry: Vec<u8>,
    /// Why the session failed, if it did: the library is not called again.
    failure: Option<TlsFailure>,
    is_established: bool,
    is_closed_by_peer: bool,
}

/// The result of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Established {
    /// Whether an earlier session was resumed.
    pub(crate) is_resumed: bool,
    /// Whether it is TLS 1.2, not 1.3.
    pub(crate) is_tls12: bool,
}

/// The result of received records besides plaintext.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// They completed the handshake.
    pub(crate) established: Option<Established>,
    /// The peer has sent close_notify.
    pub(crate) is_closed: bool,
}

/// Why a session failed, in words for the user.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsFailure(Error);

impl Tls {
    /// A new session; its first flight is added to `out`.
    pub(crate) fn begin(
        config: &Arc<ClientConfig>,
        name: &ServerName<'static>,
        out: &mut Vec<u8>,
    ) -> Result<Self, TlsFailure> {
        let session = UnbufferedClientConnection::new(Arc::clone(config), name.clone())
            .map_err(TlsFailure)?;
        let mut tls = Self {
            session,
            carry: Vec::new(),
            failure: None,
            is_established: false,
            is_closed_by_peer: false,
        };
        tls.receive(&mut [], &mut Vec::new(), out)?;
        Ok(tls)
    }

    /// Process received bytes: plaintext is added to `plain`, records to send in answer to `out`.
    ///
    /// # Errors
    /// If the bytes are not TLS, or not trusted. `out` then ends with the alert for the peer. The
    /// plaintext in `plain` was received before that and is valid.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Received, TlsFailure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let mut received = Received::default();
        let processed = if self.carry.is_empty() {
            self.process(bytes, plain, out, &mut received).map(|taken| {
                self.carry.extend_from_slice(&bytes[taken..]);
            })
        } else {
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(bytes);
            self.process(&mut carry, plain, out, &mut received).map(|taken| {
                carry.drain(..taken);
                self.carry = carry;
            })
        };
        self.failure = processed.err();
        self.failure.clone().map_or(Ok(received), Err)
    }

    /// Add `plaintext`, encrypted, to `out`. Only once established.
    pub(crate) fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), TlsFailure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        loop {
            let UnbufferedStatus { state, .. } = self.session.process_tls_records(&mut self.carry);
            match state.map_err(TlsFailure)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let records = plaintext.len().div_ceil(RECORD_MAX);
                    let room = plaintext.len() + records * RECORD_ADDS;
                    return grow(out, room, |place| {
                        traffic.encrypt(plaintext, place).map_err(Refused::from)
                    });
                }
                ConnectionState::EncodeTlsData(encode) => encode_into(encode, out)?,
                ConnectionState::TransmitTlsData(transmit) => transmit.done(),
                _ => return Err(TlsFailure(Error::HandshakeNotComplete)),
            }
        }
    }

    /// Add a close_notify to `out`.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        if self.failure.is_some() {
            return;
        }
        let UnbufferedStatus { state, .. } = self.session.process_tls_records(&mut self.carry);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            // The connection ends in any case.
            let _ = grow(out, RECORD_ADDS, |place| {
                traffic.queue_close_notify(place).map_err(Refused::from)
            });
        }
    }

    /// The application protocol that was agreed on, if any.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }

    /// Whether the peer has sent close_notify.
    pub(crate) const fn is_closed_by_peer(&self) -> bool {
        self.is_closed_by_peer
    }

    /// Process all complete records at the start of `incoming`. Returns their length.
    fn process(
        &mut self,
        incoming: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
        received: &mut Received,
    ) -> Result<usize, TlsFailure> {
        let mut taken = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process_tls_records(&mut incoming[taken..]);
            let goes_on = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(TlsFailure)?;
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    true
                }
                Ok(ConnectionState::EncodeTlsData(encode)) => {
                    encode_into(encode, out)?;
                    true
                }
                Ok(ConnectionState::TransmitTlsData(transmit)) => {
                    transmit.done();
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    received.is_closed = true;
                    self.is_closed_by_peer = true;
                    true
                }
                Ok(ConnectionState::WriteTraffic(_)) => {
                    received.established = self.note_established();
                    false
                }
                Ok(_) => false,
                Err(why) => {
                    self.add_alert(&mut incoming[taken + discard..], out);
                    return Err(TlsFailure(why));
                }
            };
            taken += discard;
            if !goes_on {
                return Ok(taken);
            }
        }
    }

    /// The result of the handshake, once.
    fn note_established(&mut self) -> Option<Established> {
        if std::mem::replace(&mut self.is_established, true) {
            return None;
        }
        Some(Established {
            is_resumed: self.session.handshake_kind() == Some(HandshakeKind::Resumed),
            is_tls12: self.session.protocol_version() == Some(ProtocolVersion::TLSv1_2),
        })
    }

    /// Add the alert about the session's failure.
    fn add_alert(&mut self, left: &mut [u8], out: &mut Vec<u8>) {
        let UnbufferedStatus { state, .. } = self.session.process_tls_records(left);
        if let Ok(ConnectionState::EncodeTlsData(encode)) = state {
            // The failure itself is reported.
            let _ = encode_into(encode, out);
        }
    }
}

/// Why bytes could not be written.
enum Refused {
    /// This much room is needed.
    Room(usize),
    /// The session failed.
    Failed(Error),
}

impl From<EncodeError> for Refused {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::Room(required_size)
            }
            EncodeError::AlreadyEncoded => Self::Failed(Error::General(error.to_string())),
        }
    }
}

impl From<EncryptError> for Refused {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::Room(required_size)
            }
            EncryptError::EncryptExhausted => Self::Failed(Error::EncryptError),
        }
    }
}

fn encode_into(
    mut encode: EncodeTlsData<'_, ClientConnectionData>,
    out: &mut Vec<u8>,
) -> Result<(), TlsFailure> {
    grow(out, 0, |place| encode.encode(place).map_err(Refused::from))
}

/// Let `write` append to `out`, with as much room as it needs.
fn grow(
    out: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Refused>,
) -> Result<(), TlsFailure> {
    let start = out.len();
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(Refused::Room(required)) if required > room => room = required,
            Err(Refused::Room(_)) => {
                out.truncate(start);
                return Err(TlsFailure(Error::EncryptError));
            }
            Err(Refused::Failed(error)) => {
                out.truncate(start);
                return Err(TlsFailure(error));
            }
        }
    }
}

impl TlsFailure {
    /// Whether the peer ended it with an alert.
    pub(crate) const fn is_alert(&self) -> bool {
        matches!(self.0, Error::AlertReceived(_))
    }

    /// PostgreSQL, asked for TLS, has answered with this instead of consent.
    pub(crate) fn not_offered(answer: &[u8]) -> Self {
        let why = match answer {
            b"N" => "the server has no TLS: turn `ssl` on there, or leave sslmode out",
            b"" | [b'S', ..] => "there are bytes behind the server's consent that are not its own",
            _ => "the target does not speak PostgreSQL: check the port",
        };
        Self(Error::General(why.to_owned()))
    }
}

impl fmt::Display for TlsFailure {
    /// Cause and fix in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fix = match &self.0 {
            Error::InvalidCertificate(certificate) => return explain(f, certificate),
            Error::InvalidMessage(_) => {
                "the answer is not TLS: use http:// or ws://, or fix the port"
            }
            Error::AlertReceived(alert) => return explain_alert(f, *alert),
            Error::PeerIncompatible(_) => {
                "no version or cipher in common: check --tls and the target's TLS settings"
            }
            Error::NoApplicationProtocol => NO_PROTOCOL,
            // The library's ciphers of TLS 1.2 know fewer signatures than this side may offer.
            Error::PeerMisbehaved(PeerMisbehaved::SignedKxWithWrongAlgorithm) => {
                "the TLS library of uringbench does not support the key of the target's \
                 certificate here (P-521 and Ed448 work with -k and TLS 1.3 only)"
            }
            Error::PeerMisbehaved(_) => "the target violates the TLS protocol",
            Error::General(why) => return write!(f, "TLS failed: {why}"),
            Error::DecryptError => "a record was damaged, or belongs to another connection",
            _ => "the target or a proxy before it ended TLS",
        };
        write!(f, "TLS failed ({}): {fix}", words::of(&self.0))
    }
}

fn explain(f: &mut fmt::Formatter<'_>, error: &CertificateError) -> fmt::Result {
    let (cause, fix) = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired", "renew it, set the clock, or accept it with -k")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet", "set the clock, or accept it with -k")
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => (
            "has no name (a subjectAltName; its common name does not count, RFC 9525)",
            "create it again with `-addext subjectAltName=DNS:NAME`, or accept it with -k",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("is for another name", "use that name (--connect-to says where it is), or -k")
        }
        CertificateError::UnknownIssuer => (
            "is not signed by an authority that this machine trusts",
            "name its authority with --cacert FILE, or accept it with -k",
        ),
        // Two authorities may have the same name, such as one that was created again.
        CertificateError::BadSignature => (
            "is signed with another key than that of the trusted authority of this name",
            "name its authority with --cacert FILE, or accept it with -k",
        ),
        CertificateError::Revoked => ("has been revoked", "renew it"),
        _ if is_authority(error) => (
            "is that of an authority, not of a server",
            "name this certificate with --cacert FILE, create one that is not an authority's \
             (`-addext basicConstraints=CA:FALSE`), or accept it with -k",
        ),
        _ if is_old_version(error) => (
            "has X.509 version 1 or 2, which cannot be verified",
            "create one of version 3, or accept it with -k",
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            "has a signature or a kind of key that uringbench cannot verify",
            "use RSA from 2,048 bits on, P-256, P-384 or Ed25519, or accept it with -k",
        ),
        _ if says(error, "UnsupportedCriticalExtension") => (
            "has a critical extension that uringbench does not know",
            "create it again without that, or accept it with -k",
        ),
        _ if says(error, "NameConstraintViolation") => (
            "is for a name that its authority may not certify (nameConstraints)",
            "use another authority, or accept it with -k",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "is not for servers (extendedKeyUsage)",
            "create it again with `-addext extendedKeyUsage=serverAuth`, or accept it with -k",
        ),
        _ => {
            return write!(
                f,
                "the target's certificate is refused ({}): create it again, or accept it with -k",
                words::of_certificate(error),
            );
        }
    };
    write!(f, "the target's certificate {cause}: {fix}")
}

fn explain_alert(f: &mut fmt::Formatter<'_>, alert: AlertDescription) -> fmt::Result {
    let fix = match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::AccessDenied => {
            "it wants a client certificate that it trusts: give one with --cert and --key"
        }
        AlertDescription::ProtocolVersion => "it supports no version that --tls allows",
        // TLS 1.2 uses the same alert for a missing certificate (RFC 5246 section 7.4.6).
        AlertDescription::HandshakeFailure => {
            "the TLS library of uringbench supports none of its ciphers (check --tls), or not the \
             key of its certificate (P-521 and Ed448 work with -k and TLS 1.3 only), or it wants a \
             client certificate (--cert, --key)"
        }
        AlertDescription::NoApplicationProtocol => NO_PROTOCOL,
        AlertDescription::UnrecognisedName => {
            "it knows no server of that name: use the name of its certificate"
        }
        _ => "check the target's log",
    };
    write!(f, "the target ended TLS ({}): {fix}", words::of_alert(alert))
}

#[cfg(test)]
mod tests;
