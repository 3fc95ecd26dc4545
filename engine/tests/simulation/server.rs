//! What the simulated server answers: well-formed responses of every framing, and worse.

use rand_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use uringbench_core::http::request::RequestTemplate;
use uringbench_core::websocket::frame::{self, Kind, Masks};

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

/// What servers say before they close a connection that nothing has come on.
pub(crate) const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How a server leaves a connection that nothing comes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// It closes it.
    Closing,
    /// It breaks it off.
    Breaking,
    /// It says 408 first (RFC 9110 section 15.5.9).
    Saying,
    /// It stays, and says something that nobody has asked for.
    Pushing,
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

/// What a simulated server knows of a WebSocket.
#[derive(Clone, Debug)]
pub(crate) struct Websocket {
    /// What proves that it has read the opening.
    pub(crate) accept: String,
    /// What its messages carry.
    pub(crate) payload: Vec<u8>,
}

/// A message of the client's.
pub(crate) fn message(payload: &[u8]) -> RequestTemplate {
    let bytes = frame::message(payload, Kind::Binary, None, &mut Masks::new(1));
    RequestTemplate::of_bytes(bytes)
}

/// The answer to an opening.
pub(crate) fn opened(
    random: &mut Xoshiro256PlusPlus,
    manners: Manners,
    websocket: &Websocket,
) -> Answer {
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        websocket.accept
    );
    if random.next_u64() % 1_000 >= manners.fault_share {
        return Answer::Bytes(head.into_bytes());
    }
    match random.next_u64() % 7 {
        0 => Answer::Silence,
        4 => Answer::Bytes([head.as_bytes(), b"\x83\x00"].concat()),
        5 => Answer::ThenClose([head.as_bytes(), b"\x88\x02\x03\xe8"].concat()),
        1 => Answer::ThenClose(head.as_bytes()[..20].to_vec()),
        2 => Answer::Bytes(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()),
        3 => Answer::Bytes(head.replace("Accept: ", "Accept: x").into_bytes()),
        _ => Answer::ThenReset(Vec::new()),
    }
}

/// The answer to a message: the same payload, in frames of all kinds, or worse.
pub(crate) fn replied(
    random: &mut Xoshiro256PlusPlus,
    manners: Manners,
    websocket: &Websocket,
) -> Answer {
    let payload = &websocket.payload;
    let ping = b"\x89\x02hi".to_vec();
    let whole = unmasked(0x82, payload);
    if random.next_u64() % 1_000 >= manners.fault_share {
        let at = random.next_u64() as usize % (payload.len() + 1);
        let (first, rest) = payload.split_at(at);
        return Answer::Bytes(match random.next_u64() % 4 {
            0 => [ping, whole].concat(),
            1 => [unmasked(0x02, first), ping, unmasked(0x80, rest)].concat(),
            _ => whole,
        });
    }
    match random.next_u64() % 7 {
        0 => Answer::Silence,
        1 => Answer::ThenClose(b"\x88\x02\x03\xe8".to_vec()),
        2 => Answer::Bytes(unmasked(0x82, b"another message")),
        3 => Answer::Bytes(b"\x83\x00".to_vec()),
        4 => Answer::ThenReset(whole[..whole.len() / 2].to_vec()),
        5 => Answer::Bytes([whole.clone(), whole].concat()),
        _ => Answer::ThenClose(whole),
    }
}

/// A frame as servers send them.
fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let head = match length {
        0..126 => vec![first, length as u8],
        _ => [&[first, 126][..], &(length as u16).to_be_bytes()].concat(),
    };
    [head, payload.to_vec()].concat()
}

/// What the header of a request is answered whose body waits for consent.
pub(crate) fn consent(random: &mut Xoshiro256PlusPlus) -> Answer {
    let refused = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n".to_vec();
    match random.next_u64() % 6 {
        0 => Answer::Silence,
        1 => Answer::Bytes(refused),
        2 => Answer::ThenClose(refused),
        _ => Answer::Bytes(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
    }
}

/// A stream of events.
pub(crate) fn events(random: &mut Xoshiro256PlusPlus) -> Answer {
    let body = "data: tick\n\n".repeat(random.next_u64() as usize % 6);
    if random.next_u64().is_multiple_of(2) {
        return Answer::Bytes(chunked(random, body.as_bytes()));
    }
    Answer::Bytes(with_length("200 OK", body.len(), body.as_bytes(), "Cache-Control: no-store\r\n"))
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
    match random.next_u64() % 9 {
        0 => Answer::Silence,
        // Which of the two ends it is not clear.
        8 => Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n\
              2\r\nok\r\n0\r\n\r\n"
                .to_vec(),
        ),
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

/// The reply of Redis to a command, after a push if one comes.
pub(crate) fn redis_reply(
    random: &mut Xoshiro256PlusPlus,
    manners: Manners,
    pushes: bool,
) -> Answer {
    let push = if pushes { &b">2\r\n+invalidate\r\n$1\r\nk\r\n"[..] } else { b"" };
    let length = if random.next_u64() % 1_000 < manners.large_share { 50_000 } else { 3 };
    let reply = match random.next_u64() % 8 {
        0 => b"$-1\r\n".to_vec(),
        1 => b"-LOADING Redis is loading the dataset in memory\r\n".to_vec(),
        2 => b"*2\r\n$1\r\na\r\n*1\r\n:5\r\n".to_vec(),
        3 => b"|1\r\n+ttl\r\n:9\r\n_\r\n".to_vec(),
        4 => {
            let text = "x".repeat(length);
            format!("${length}\r\n{text}\r\n").into_bytes()
        }
        _ => b"+OK\r\n".to_vec(),
    };
    if random.next_u64() % 1_000 >= manners.fault_share {
        return Answer::Bytes([push, &reply].concat());
    }
    let part = reply[..random.next_u64() as usize % reply.len()].to_vec();
    match random.next_u64() % 6 {
        0 => Answer::Silence,
        1 => Answer::ThenClose(part),
        2 => Answer::ThenReset(part),
        3 => Answer::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        4 => Answer::Bytes([reply.clone(), reply].concat()),
        _ => Answer::ThenClose(reply),
    }
}

/// The reply to a command of the opening.
pub(crate) fn redis_opened(random: &mut Xoshiro256PlusPlus, manners: Manners) -> Answer {
    if random.next_u64() % 1_000 >= manners.fault_share {
        return Answer::Bytes(b"+OK\r\n".to_vec());
    }
    match random.next_u64() % 6 {
        0 => Answer::Silence,
        1 => Answer::ThenClose(b"-ERR max number of clients reached\r\n".to_vec()),
        2 => Answer::Bytes(b"-NOAUTH Authentication required.\r\n".to_vec()),
        3 => Answer::Bytes(b"\x15\x03\x03\x00\x02".to_vec()),
        4 => Answer::Bytes(b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n".to_vec()),
        _ => Answer::ThenReset(Vec::new()),
    }
}
