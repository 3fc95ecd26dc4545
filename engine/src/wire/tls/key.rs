//! The kind of a private key, for the message about one that cannot sign.
//!
//! It reads only the part of the DER that names the kind (RFC 5958, 5915 and 8017); the library
//! decides whether a key can be used.

use rustls::pki_types::PrivateKeyDer;
use uringbench_core::summary::Grouped;

/// Smallest and largest RSA key that can sign, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]`, in which SEC 1 names the curve.
const TAGGED_0: u8 = 0xa0;

const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const ELLIPTIC: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";

/// Prefixes of the identifiers of algorithms and curves. Those that can sign are marked.
const KINDS: [(&[u8], &str, bool); 18] = [
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "RSA-PSS", false),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01", "Diffie-Hellman", false),
    (b"\x2a\x86\x48\xce\x38\x04\x01", "DSA", false),
    (b"\x2b\x65\x6e", "X25519", false),
    (b"\x2b\x65\x6f", "X448", false),
    (b"\x2b\x65\x70", "Ed25519", true),
    (b"\x2b\x65\x71", "Ed448", false),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03", "ML-DSA or SLH-DSA", false),
    (b"\x2a\x86\x48\xce\x3d\x03\x01\x01", "P-192", false),
    (b"\x2a\x86\x48\xce\x3d\x03\x01\x07", "P-256", true),
    (b"\x2b\x81\x04\x00\x21", "P-224", false),
    (b"\x2b\x81\x04\x00\x22", "P-384", true),
    (b"\x2b\x81\x04\x00\x23", "P-521", false),
    (b"\x2b\x81\x04\x00\x0a", "secp256k1", false),
    (b"\x2b\x81\x04\x00", "another curve of SEC 2", false),
    (b"\x2b\x24\x03\x03\x02\x08\x01\x01", "a Brainpool curve", false),
    (b"\x2a\x81\x1c\xcf\x55\x01\x82\x2d", "SM2", false),
    (b"\x2a\x85\x03", "GOST", false),
];

/// The kind in words, and whether keys of it can sign.
pub(super) fn kind(key: &PrivateKeyDer<'_>) -> (String, bool) {
    let kind = match key {
        PrivateKeyDer::Pkcs8(key) => of_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => of_pkcs1(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => of_sec1(key.secret_sec1_der()),
        _ => None,
    };
    // If its form is broken, the kind does not matter.
    kind.unwrap_or_else(|| ("unreadable".to_owned(), true))
}

fn of_pkcs8(der: &[u8]) -> Option<(String, bool)> {
    let (_, after_version) = next(next(der, SEQUENCE)?.0, INTEGER)?;
    let (algorithm, after) = next(after_version, SEQUENCE)?;
    let (name, parameters) = next(algorithm, OBJECT)?;
    match name {
        RSA => of_pkcs1(next(after, OCTETS)?.0),
        ELLIPTIC => named(next(parameters, OBJECT)?.0),
        name => named(name),
    }
}

fn of_pkcs1(der: &[u8]) -> Option<(String, bool)> {
    let (_, after_version) = next(next(der, SEQUENCE)?.0, INTEGER)?;
    let (modulus, _) = next(after_version, INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    let bits = (modulus.len() - zeros) * 8 - first.leading_zeros() as usize;
    Some((format!("RSA of {} bits", Grouped(bits as u64)), RSA_BITS.contains(&bits)))
}

fn of_sec1(der: &[u8]) -> Option<(String, bool)> {
    let (_, after_version) = next(next(der, SEQUENCE)?.0, INTEGER)?;
    let (_, after_key) = next(after_version, OCTETS)?;
    named(next(next(after_key, TAGGED_0)?.0, OBJECT)?.0)
}

fn named(name: &[u8]) -> Option<(String, bool)> {
    let known = KINDS.iter().find(|(begin, ..)| name.starts_with(begin));
    let (_, kind, is_used) = known.unwrap_or(&(b"", "of an unknown kind", false));
    Some(((*kind).to_owned(), *is_used))
}

/// The content of the next element, which must have this tag, and the bytes after it.
fn next(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        ..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

    use super::*;

    fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let length = content.len();
        let length = match u8::try_from(length) {
            Ok(length @ 0..0x80) => vec![length],
            _ => vec![0x82, (length >> 8) as u8, length as u8],
        };
        [vec![tag], length, content].concat()
    }

    fn pkcs1(bits: usize) -> Vec<u8> {
        let modulus = [&[0, 0x80][..], &vec![1; bits / 8 - 1]].concat();
        let version = element(INTEGER, &[&[0]]);
        element(SEQUENCE, &[&version, &element(INTEGER, &[&modulus])])
    }

    fn pkcs8(name: &[u8], parameters: &[u8], key: &[u8]) -> PrivateKeyDer<'static> {
        let version = element(INTEGER, &[&[0]]);
        let algorithm = element(SEQUENCE, &[&element(OBJECT, &[name]), parameters]);
        let der = element(SEQUENCE, &[&version, &algorithm, &element(OCTETS, &[key])]);
        PrivatePkcs8KeyDer::from(der).into()
    }

    #[test]
    fn kinds_of_keys_are_named_in_all_three_forms() {
        let used = |kind: &str| (kind.to_owned(), true);
        let unused = |kind: &str| (kind.to_owned(), false);
        let p521 = element(OBJECT, &[b"\x2b\x81\x04\x00\x23"]);
        assert_eq!(kind(&pkcs8(ELLIPTIC, &p521, b"")), unused("P-521"));
        assert_eq!(kind(&pkcs8(b"\x2b\x65\x71", b"", b"")), unused("Ed448"));
        assert_eq!(kind(&pkcs8(b"\x2b\x65\x70", b"", b"")), used("Ed25519"));
        let pss = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
        assert_eq!(kind(&pkcs8(pss, b"", &pkcs1(2048))), unused("RSA-PSS"));
        for (bits, is_used) in [(1024, false), (2048, true), (4096, true), (8192, false)] {
            let expected = (format!("RSA of {} bits", Grouped(bits as u64)), is_used);
            assert_eq!(kind(&pkcs8(RSA, b"\x05\0", &pkcs1(bits))), expected);
            assert_eq!(kind(&PrivatePkcs1KeyDer::from(pkcs1(bits)).into()), expected);
        }
        let sec1 = [
            element(INTEGER, &[&[1]]),
            element(OCTETS, &[&[7; 32]]),
            element(TAGGED_0, &[&element(OBJECT, &[b"\x2b\x81\x04\x00\x0a"])]),
        ];
        let sec1 = element(SEQUENCE, &[&sec1.concat()]);
        assert_eq!(kind(&PrivateSec1KeyDer::from(sec1).into()), unused("secp256k1"));
        let unknown = unused("of an unknown kind");
        assert_eq!(kind(&pkcs8(b"\x01", b"", b"")), unknown);
        let unreadable = used("unreadable");
        for cut in 0..40 {
            let PrivateKeyDer::Pkcs8(key) = pkcs8(RSA, b"\x05\0", &pkcs1(2048)) else { continue };
            let cut = key.secret_pkcs8_der()[..cut].to_vec();
            assert_eq!(kind(&PrivatePkcs8KeyDer::from(cut).into()), unreadable);
        }
    }
}
