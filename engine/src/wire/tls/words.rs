//! Errors of the TLS library in plain words. Its own texts contain names of Rust types, which do
//! not help the operator of a server.

use std::fmt::Debug;

use rustls::{AlertDescription, CertificateError, Error, InconsistentKeys};

/// The error in words.
pub(super) fn of(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => of_certificate(why),
        Error::InvalidMessage(why) => format!("a message cannot be read: {}", of_name(why)),
        Error::PeerIncompatible(why) => of_name(why),
        Error::PeerMisbehaved(why) => of_name(why),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidCertRevocationList(why) => of_name(why),
        Error::InvalidEncryptedClientHello(why) => of_name(why),
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the key is another certificate's".to_owned()
        }
        Error::InappropriateMessage { .. } => "a message was unexpected".to_owned(),
        Error::InappropriateHandshakeMessage { .. } => {
            "a message of the handshake was unexpected".to_owned()
        }
        Error::General(why) => why.clone(),
        Error::Other(why) => why.to_string(),
        // A kind without content.
        other => of_name(other),
    }
}

/// The fault of a certificate in words.
pub(super) fn of_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::BadEncoding => "its encoding is damaged".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is for another purpose".to_owned()
        }
        other => of_name(other),
    }
}

/// The peer's alert in words.
pub(super) fn of_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::Unknown(number) => format!("alert {number}"),
        alert => of_name(&alert),
    }
}

/// The name of an error's kind as words: `UnsupportedCriticalExtension` is "unsupported critical
/// extension". Its content is left out, except for a kind within the one called other.
fn of_name(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    let mut name = text.as_str();
    while let Some(inner) =
        ["Other(", "OtherError("].iter().find_map(|outer| name.strip_prefix(outer))
    {
        name = inner;
    }
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name[..end].chars() {
        // A capital begins a word, unless it continues an abbreviation.
        match words.last_mut() {
            Some(word) if !c.is_ascii_uppercase() || before.is_ascii_uppercase() => word.push(c),
            _ => words.push(c.to_string()),
        }
        before = c;
    }
    let word = |word: &String| match word.as_str() {
        "Tls" | "TLS" => "TLS".to_owned(),
        "Tls12" => "TLS 1.2".to_owned(),
        "Tls13" => "TLS 1.3".to_owned(),
        "Or13" => "or 1.3".to_owned(),
        word if word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase()) => word.to_owned(),
        word => word.to_ascii_lowercase(),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{InvalidMessage, OtherError, PeerIncompatible, PeerMisbehaved};

    use super::*;

    #[test]
    fn errors_are_words() {
        #[derive(Debug)]
        struct UnsupportedCriticalExtension;
        impl std::fmt::Display for UnsupportedCriticalExtension {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("UnsupportedCriticalExtension")
            }
        }
        impl std::error::Error for UnsupportedCriticalExtension {}
        let other = CertificateError::Other(OtherError(Arc::new(UnsupportedCriticalExtension)));
        for (error, words) in [
            (Error::InvalidCertificate(other), "unsupported critical extension"),
            (Error::InvalidCertificate(CertificateError::BadEncoding), "its encoding is damaged"),
            (
                Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
                "server does not support TLS 1.2 or 1.3",
            ),
            (
                Error::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests),
                "too many renegotiation requests",
            ),
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "a message cannot be read: invalid content type",
            ),
            (Error::AlertReceived(AlertDescription::UnknownCA), "unknown CA"),
            (Error::AlertReceived(AlertDescription::Unknown(200)), "alert 200"),
            (
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
                "the key is another certificate's",
            ),
            (Error::PeerSentOversizedRecord, "peer sent oversized record"),
            (Error::General("as it is".to_owned()), "as it is"),
        ] {
            assert_eq!(of(&error), words);
        }
    }
}
