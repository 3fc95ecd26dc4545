//! The PROXY protocol: a header that names the client, sent first on a connection as if a proxy had
//! accepted it (haproxy's proxy-protocol.txt, 2020/03/05, sections 2.1 and 2.2).

use std::net::{IpAddr, SocketAddr};

use uringbench_core::plan::ProxyVersion;

/// The twelve bytes that begin version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, on behalf of a client.
const PROXIED: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

/// The header of a connection from `source` to `target`, both of one family.
pub(crate) fn header(version: ProxyVersion, source: SocketAddr, target: SocketAddr) -> Vec<u8> {
    match version {
        ProxyVersion::V1 => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.ip(), target.ip());
            let (source, target) = (source.port(), target.port());
            format!("PROXY {family} {from} {to} {source} {target}\r\n").into_bytes()
        }
        ProxyVersion::V2 => {
            let mut addresses = [octets(source.ip()), octets(target.ip())].concat();
            addresses.extend_from_slice(&source.port().to_be_bytes());
            addresses.extend_from_slice(&target.port().to_be_bytes());
            let family = if source.is_ipv4() { TCP_OVER_IPV4 } else { TCP_OVER_IPV6 };
            // 12 or 36 bytes.
            let length = (addresses.len() as u16).to_be_bytes();
            [&SIGNATURE[..], &[PROXIED, family], &length, &addresses].concat()
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(source: &str, target: &str) -> (SocketAddr, SocketAddr) {
        (source.parse().expect("an address"), target.parse().expect("an address"))
    }

    #[test]
    fn version_1_is_a_line() {
        // The example of section 2.1.
        let (source, target) = addresses("192.168.0.1:56324", "192.168.0.11:443");
        let line = header(ProxyVersion::V1, source, target);
        assert_eq!(line, b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
        let (source, target) = addresses("[::1]:1", "[2001:db8::2]:65535");
        let line = header(ProxyVersion::V1, source, target);
        assert_eq!(line, b"PROXY TCP6 ::1 2001:db8::2 1 65535\r\n");
        assert!(line.len() <= 107, "the longest line section 2.1 allows");
    }

    #[test]
    fn version_2_is_binary() {
        let (source, target) = addresses("192.168.0.1:56324", "192.168.0.11:443");
        let bytes = header(ProxyVersion::V2, source, target);
        let expected = [
            &b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A\x21\x11\x00\x0C"[..],
            &[192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb],
        ];
        assert_eq!(bytes, expected.concat());
        let (source, target) = addresses("[::1]:1", "[::2]:2");
        let bytes = header(ProxyVersion::V2, source, target);
        assert_eq!((bytes[13], &bytes[14..16], bytes.len()), (0x21, &[0, 36][..], 16 + 36));
        assert_eq!((bytes[31], bytes[47], &bytes[48..]), (1, 2, &[0, 1, 0, 2][..]));
    }
}
