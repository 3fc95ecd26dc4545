//! What the simulated server answers: well-formed responses of every framing, and worse.

use rand_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// How one request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These bytes, and the connection goes on.
    Bytes(Vec<u8>),
    /// These bytes, then the end of the stream.
    ThenClose(Vec<u8>),
    /// These bytes, then a reset.
    ThenReset(Vec<u8>),
    /// Nothing, ever, to this request nor to those behind it.
    Silence,
}

/// How often the server misbehaves, in thousandths of its answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) fault_share: u64,
    pub(crate) large_share: u64,
}

pub(crate) fn answer(random: &mut Xoshiro256PlusPlus, manners: Manners, is_head: bool) -> Answer {
    if random.next_u64() % 1_000 < manners.fault_share {
        return fault(random, is_head);
    }
    let length = if random.next_u64() % 1_000 < manners.large_share {
        20_000 + random.next_u64() % 60_000
    } else {
        random.next_u64() % 300
    };
    Answer::Bytes(well_formed(random, length as usize, is_head))
}

fn well_formed(random: &mut Xoshiro256PlusPlus, length: usize, is_head: bool) -> Vec<u8> {
    let body = if is_head { Vec::new() } else { vec![b'x'; length] };
    match random.next_u64() % 8 {
        0 => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        1 => with_length("503 Service Unavailable", length, &body, ""),
        2 => with_length("404 Not Found", length, &body, "X-Id: 7\r\n"),
        3 if !is_head => chunked(random, &body),
        4 => [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), with_length("200 OK", length, &body, "")]
            .concat(),
        _ => with_length("200 OK", length, &body, "Server: simulated\r\n"),
    }
}

fn with_length(status: &str, length: usize, body: &[u8], extra: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{extra}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn chunked(random: &mut Xoshiro256PlusPlus, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let size = 1 + random.next_u64() as usize % 9_000;
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x};ext=1\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nTrailer: t\r\n\r\n");
    bytes
}

fn fault(random: &mut Xoshiro256PlusPlus, is_head: bool) -> Answer {
    let good = well_formed(random, 500, is_head);
    let part = good[..random.next_u64() as usize % good.len()].to_vec();
    match random.next_u64() % 8 {
        0 => Answer::Silence,
        1 => Answer::ThenClose(part),
        2 => Answer::ThenReset(part),
        3 => Answer::Bytes(b"SMTP 220 ready\r\n\r\n".to_vec()),
        4 => Answer::Bytes([good.clone(), good].concat()),
        5 => {
            Answer::ThenClose(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end".to_vec())
        }
        6 => Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        _ => Answer::ThenClose(good),
    }
}
