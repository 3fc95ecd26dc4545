//! The ring against the real kernel on loopback: what each invariant of `kernel.rs` promises.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uringbench_ring::{
    BufferSizes, Completion, Config, Listener, Operation, PeerAddress, Ring, Room, SocketOptions,
    Wait,
};

const SMALL: Config = Config {
    slots: 4,
    small: BufferSizes { count: 4, size: 64 },
    large: BufferSizes { count: 2, size: 4_096 },
    completions: 2_048,
};

/// The next completion, waiting for it.
fn next(ring: &mut Ring) -> Completion {
    loop {
        if let Some(completion) = ring.next_completion() {
            return completion;
        }
        ring.enter(Wait::AtMost(5_000_000_000)).expect("waiting works");
    }
}

/// A ring with a connection in slot 0, and the other end of it.
fn connected(config: Config) -> (Ring, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let mut ring = Ring::new(config).expect("this machine has io_uring");
    connect(&mut ring, 0, 0, address).expect("a connection");
    let (peer, _) = listener.accept().expect("the connection arrives");
    (ring, peer)
}

fn connect(
    ring: &mut Ring,
    slot: u32,
    generation: u32,
    address: SocketAddr,
) -> Result<u32, String> {
    let address = PeerAddress::Tcp(address);
    let peer = ring.add_peer(&address);
    ring.open(slot, generation, &address, SocketOptions::default())
        .map_err(|error| error.to_string())?;
    ring.connect(slot, generation, peer);
    let mut completion = next(ring);
    while !completion.token.is_of(generation) {
        // The end of what was armed on the connection before may come after its closing.
        completion = next(ring);
    }
    assert_eq!(completion.token.operation(), Some(Operation::Connect));
    completion.result.map_err(|failure| failure.to_string())
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 % 251) as u8).collect()
}

/// Let `peer` send `bytes` without waiting for the reader.
fn send_from(mut peer: TcpStream, bytes: Vec<u8>) -> JoinHandle<TcpStream> {
    std::thread::spawn(move || {
        peer.write_all(&bytes).expect("the ring reads on");
        peer
    })
}

#[test]
fn bytes_survive_many_rounds_through_few_buffers() {
    let (mut ring, peer) = connected(SMALL);
    let sent = pattern(100_000);
    let sender = send_from(peer, sent.clone());
    ring.receive_multi(0, 0);
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let completion = next(&mut ring);
        match (completion.result, completion.buffer) {
            (Ok(length), Some(buffer)) => {
                assert_eq!(ring.bytes(&buffer).len(), length as usize);
                received.extend_from_slice(ring.bytes(&buffer));
                ring.recycle(buffer);
            }
            (Err(failure), None) => assert!(failure.is_out_of_buffers(), "{failure}"),
            (result, buffer) => panic!("{result:?} with {buffer:?}"),
        }
        if !completion.more {
            ring.receive_multi(0, 0);
        }
    }
    assert!(received == sent, "bytes were changed on the way");
    drop(sender.join());
}

#[test]
fn leased_buffers_are_left_alone_until_they_are_given_back() {
    let (mut ring, peer) = connected(SMALL);
    let sent = pattern(64 * 12);
    let peer = send_from(peer, sent.clone()).join().expect("all of it fits into the socket");
    ring.receive_multi(0, 0);
    let mut leases = Vec::new();
    loop {
        let completion = next(&mut ring);
        match completion.buffer {
            Some(buffer) => leases.push(buffer),
            None => {
                let failure = completion.result.expect_err("no bytes without a buffer");
                assert!(failure.is_out_of_buffers() && !completion.more);
                break;
            }
        }
    }
    // All four are ours, and hold what came first although more has arrived since.
    let held: Vec<u8> = leases.iter().flat_map(|lease| ring.bytes(lease).to_vec()).collect();
    assert_eq!(leases.len(), 4);
    assert_eq!(held, sent[..held.len()]);
    for lease in leases {
        ring.recycle(lease);
    }
    ring.receive_once(0, 0, Room::Small, false);
    let completion = next(&mut ring);
    let buffer = completion.buffer.expect("buffers are there again");
    assert_eq!(ring.bytes(&buffer)[0], sent[held.len()]);
    ring.recycle(buffer);
    drop(peer);
}

#[test]
fn skipped_bytes_are_counted_and_the_next_are_whole() {
    let (mut ring, peer) = connected(SMALL);
    let mut sent = pattern(300_000);
    sent.extend_from_slice(b"after");
    let sender = send_from(peer, sent);
    let mut left = 300_000;
    while left > 0 {
        ring.skip(0, 0, left);
        let completion = next(&mut ring);
        assert_eq!(completion.token.operation(), Some(Operation::Skip));
        let skipped = completion.result.expect("bytes to skip");
        assert!((1..=left).contains(&skipped), "{skipped} of {left}");
        left -= skipped;
    }
    ring.receive_once(0, 0, Room::Small, true);
    let buffer = next(&mut ring).buffer.expect("five bytes are left");
    assert_eq!(ring.bytes(&buffer), b"after");
    ring.recycle(buffer);
    drop(sender.join());
    ring.skip(0, 0, 1);
    assert_eq!(next(&mut ring).result, Ok(0), "the end of the stream");
}

#[test]
fn more_sends_than_the_queue_holds_all_go_out_whole_and_in_silence() {
    let (mut ring, mut peer) = connected(SMALL);
    let template = ring.add_template(&pattern(1_000));
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).map(|_| bytes)
    });
    for _ in 0..500 {
        ring.send(0, 0, template, 0..1_000);
    }
    ring.cancel(0, 0, Operation::Receive);
    ring.close(0, 0);
    // No completion for any send, and none for the cancellation of a receive that is not there.
    let completion = next(&mut ring);
    assert_eq!(completion.token.operation(), Some(Operation::Close));
    let bytes = reader.join().expect("the reader ends").expect("reading works");
    assert_eq!(bytes.len(), 500_000);
    assert!(bytes.chunks(1_000).all(|chunk| chunk == pattern(1_000)));
}

#[test]
fn bytes_sent_once_are_kept_until_they_are_gone_and_then_given_back() {
    let (mut ring, mut peer) = connected(SMALL);
    // More than the sockets hold, so that the kernel reads on after the call has returned.
    let sent = pattern(8 << 20);
    ring.send_bytes(0, 0, sent.clone());
    ring.enter(Wait::No).expect("submitting works");
    // What was freed too early would be written over by these.
    let others: Vec<Vec<u8>> = (0..8).map(|fill| vec![fill; sent.len()]).collect();
    let reader = std::thread::spawn(move || {
        let mut received = vec![0; 8 << 20];
        peer.read_exact(&mut received).expect("all of it comes");
        received
    });
    let completion = next(&mut ring);
    assert_eq!(completion.token.operation(), Some(Operation::SendNotify));
    assert_eq!(completion.result.expect("sent"), 8 << 20);
    assert_eq!(ring.sent(completion.token).as_deref(), Some(&sent[..]));
    assert_eq!(ring.sent(completion.token), None, "they are given back once");
    assert!(reader.join().expect("the reader ends") == sent, "bytes were changed on the way");
    drop(others);
}

#[test]
fn ranges_of_a_template_are_told_of_and_records_are_changed_in_place() {
    let (mut ring, mut peer) = connected(SMALL);
    let template = ring.add_template(b"0123456789");
    for range in [3..7, 0..10, 9..10] {
        ring.send_range(0, 0, template, range.clone());
        let completion = next(&mut ring);
        assert_eq!(completion.result.expect("sent") as usize, range.len());
        assert_eq!(ring.sent(completion.token), None, "it had no bytes of its own");
        let mut received = vec![0; range.len()];
        peer.read_exact(&mut received).expect("the range comes");
        assert_eq!(received, b"0123456789"[range]);
    }
    peer.write_all(b"abc").expect("the peer is there");
    ring.receive_at_most(0, 0, 2);
    let mut buffer = next(&mut ring).buffer.expect("bytes came");
    assert_eq!(ring.bytes(&buffer), b"ab", "no more than was asked for");
    ring.bytes_mut(&mut buffer).make_ascii_uppercase();
    assert_eq!(ring.bytes(&buffer), b"AB");
    ring.recycle(buffer);
}

#[test]
fn the_bytes_of_a_connection_that_has_ended_are_kept_beside_the_next_one_s() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let mut ring = Ring::new(SMALL).expect("this machine has io_uring");
    connect(&mut ring, 0, 0, address).expect("a connection");
    let (_silent, _) = listener.accept().expect("the connection arrives");
    ring.send_bytes(0, 0, pattern(32 << 20));
    ring.enter(Wait::No).expect("submitting works");
    ring.cancel(0, 0, Operation::SendNotify);
    ring.close(0, 0);
    let mut seen = Vec::new();
    while !seen.contains(&Some(Operation::Close)) {
        seen.push(next(&mut ring).token.operation());
    }
    connect(&mut ring, 0, 1, address).expect("another connection in its slot");
    let (mut peer, _) = listener.accept().expect("the connection arrives");
    ring.send_bytes(0, 1, b"second".to_vec());
    let mut completion = next(&mut ring);
    while !completion.token.is_of(1) {
        completion = next(&mut ring);
    }
    assert_eq!(ring.sent(completion.token), Some(b"second".to_vec()));
    let mut received = [0; 6];
    peer.read_exact(&mut received).expect("the second connection carries");
    assert_eq!(&received, b"second");
}

#[test]
fn sockets_take_their_options_whoever_makes_them() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = PeerAddress::Tcp(listener.local_addr().expect("a bound listener"));
    let mut ring = Ring::new(SMALL).expect("this machine has io_uring");
    let peer = ring.add_peer(&address);
    let source = "127.0.0.3".parse().expect("an address");
    let resetting = SocketOptions { resets: true, ..SocketOptions::default() };
    let reported =
        SocketOptions { source: Some(source), chooses_port: true, ..SocketOptions::default() };
    let silent = SocketOptions { source: Some(source), ..SocketOptions::default() };
    for (generation, options) in [resetting, reported, silent].into_iter().enumerate() {
        let generation = generation as u32;
        let local = ring.open(0, generation, &address, options).expect("a socket");
        ring.connect(0, generation, peer);
        let completion = next(&mut ring);
        assert_eq!(completion.token.operation(), Some(Operation::Connect));
        completion.result.expect("connected");
        let (mut accepted, from) = listener.accept().expect("the connection arrives");
        assert_eq!(local, options.chooses_port.then_some(from), "its local address is reported");
        assert!(options.source.is_none_or(|source| source == from.ip()));
        ring.close(0, generation);
        assert_eq!(next(&mut ring).token.operation(), Some(Operation::Close));
        let ended = accepted.read(&mut [0; 1]);
        assert_eq!(ended.is_err(), options.resets, "FIN or RST: {ended:?}");
    }
}

#[test]
fn closing_cancels_what_is_armed_and_frees_the_slot_for_another_generation() {
    let (mut ring, mut peer) = connected(SMALL);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    ring.receive_multi(0, 0);
    ring.cancel(0, 0, Operation::Receive);
    ring.close(0, 0);
    let mut seen = Vec::new();
    while !seen.contains(&Some(Operation::Close)) {
        let completion = next(&mut ring);
        assert!(completion.token.is_of(0));
        seen.push(completion.token.operation());
    }
    assert_eq!(peer.read(&mut [0; 1]).expect("the connection ends in order"), 0);
    let address = listener.local_addr().expect("a bound listener");
    connect(&mut ring, 0, 1, address).expect("the slot is free");
}

#[test]
fn cancelling_a_receive_ends_it_and_leaves_the_connection() {
    let (mut ring, mut peer) = connected(SMALL);
    ring.receive_multi(0, 0);
    ring.cancel(0, 0, Operation::Receive);
    let completion = next(&mut ring);
    assert!(completion.result.expect_err("nothing arrived").is_cancelled() && !completion.more);
    let template = ring.add_template(b"still here");
    ring.send(0, 0, template, 0..10);
    ring.enter(Wait::No).expect("submitting works");
    let mut bytes = [0; 10];
    peer.read_exact(&mut bytes).expect("the connection stands");
    assert_eq!(&bytes, b"still here");
}

#[test]
fn a_ring_may_go_while_everything_is_under_way() {
    for _ in 0..50 {
        let (mut ring, peer) = connected(SMALL);
        let template = ring.add_template(&pattern(4 << 20));
        ring.receive_multi(0, 0);
        ring.send(0, 0, template, 0..4 << 20);
        ring.enter(Wait::No).expect("submitting works");
        drop(ring);
        drop(peer);
    }
}

#[test]
fn a_refused_connection_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    drop(listener);
    let mut ring = Ring::new(SMALL).expect("this machine has io_uring");
    let refused = connect(&mut ring, 0, 0, address).expect_err("nobody listens");
    assert!(refused.contains("refused"), "{refused}");
}

#[test]
fn both_address_families_and_accepted_connections_work() {
    let wanted = [SocketAddr::from(([127, 0, 0, 1], 0)), (Ipv6Addr::LOCALHOST, 0).into()];
    for wanted in wanted {
        let listener = Listener::bind(wanted).expect("both families are there");
        let address = listener.local_address().expect("a bound listener");
        let mut server = Ring::new(SMALL).expect("this machine has io_uring");
        server.accept_multi(&listener);
        server.enter(Wait::No).expect("submitting works");
        let mut client = TcpStream::connect(address).expect("the ring listens");
        let slot = next(&mut server).result.expect("a connection is accepted");
        let template = server.add_template(b"welcome");
        server.send(slot, 0, template, 0..7);
        server.close(slot, 0);
        server.enter(Wait::No).expect("submitting works");
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).expect("bytes and an end");
        assert_eq!(bytes, b"welcome");
    }
}

#[test]
fn waiting_ends_by_itself_and_costs_one_call() {
    let mut ring = Ring::new(SMALL).expect("this machine has io_uring");
    let before = ring.enters();
    ring.enter(Wait::AtMost(1_000_000)).expect("waiting works");
    ring.enter(Wait::No).expect("submitting works");
    assert!(ring.next_completion().is_none() && !ring.is_work_pending());
    assert_eq!((ring.enters() - before, ring.overflows()), (2, 0));
}

#[test]
fn several_completions_are_waited_for_and_one_is_enough_after_a_while() {
    let (mut ring, mut first) = connected(SMALL);
    if !ring.features().minimum_wait {
        return eprintln!("SKIPPED minimum waits: they came with Linux 6.12");
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    connect(&mut ring, 1, 0, address).expect("a connection");
    let (mut second, _) = listener.accept().expect("the connection arrives");
    ring.receive_multi(0, 0);
    ring.receive_multi(1, 0);
    ring.enter(Wait::No).expect("submitting works");
    let mut gather = |patience| {
        let (before, started) = (ring.enters(), Instant::now());
        let wait = Wait::Several { count: 2, patience, at_most: 60_000_000_000 };
        ring.enter(wait).expect("waiting works");
        assert!(started.elapsed() < Duration::from_secs(59), "{patience} µs");
        assert_eq!(ring.enters() - before, 1);
        let mut slots = Vec::new();
        while let Some(completion) = ring.next_completion() {
            slots.push(completion.token.slot());
            ring.recycle(completion.buffer.expect("bytes have arrived"));
        }
        slots.sort_unstable();
        slots
    };
    first.write_all(b"alone").expect("the socket has room");
    assert_eq!(gather(1_000), [0]);
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        second.write_all(b"late").map(|()| second)
    });
    first.write_all(b"early").expect("the socket has room");
    assert_eq!(gather(50_000_000), [0, 1]);
    late.join().expect("no panic").expect("the socket has room");
}

#[test]
fn a_table_larger_than_the_limit_of_files_is_refused_with_its_remedy() {
    let slots = u32::MAX >> 1;
    let refused = Ring::new(Config { slots, ..SMALL }).err().expect("no limit is that high");
    assert!(refused.to_string().contains("ulimit -n") || refused.to_string().contains("memory"));
}

#[test]
fn receives_that_find_no_buffer_and_are_armed_again_at_once_make_progress() {
    const CONNECTIONS: u32 = 900;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let mut ring = Ring::new(Config { slots: CONNECTIONS, ..SMALL }).expect("io_uring is there");
    let mut peers = Vec::new();
    for slot in 0..CONNECTIONS {
        connect(&mut ring, slot, 0, address).expect("a connection");
        let (mut peer, _) = listener.accept().expect("the connection arrives");
        peer.write_all(&[7; 64]).expect("the socket has room");
        peers.push(peer);
    }
    // All have data and there are four buffers: more is armed again than the queue holds.
    for slot in 0..CONNECTIONS {
        ring.receive_multi(slot, 0);
    }
    let mut received = 0;
    for _ in 0..1_000_000 {
        let completion = next(&mut ring);
        if let Some(buffer) = completion.buffer {
            received += ring.bytes(&buffer).len();
            ring.recycle(buffer);
        }
        if !completion.more {
            ring.receive_multi(completion.token.slot(), 0);
        }
        if received == 64 * CONNECTIONS as usize {
            return;
        }
    }
    panic!("{received} bytes of {} after a million completions", 64 * CONNECTIONS);
}

#[test]
fn a_queue_that_is_too_small_is_counted_and_loses_nothing() {
    const CONNECTIONS: u32 = 64;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let small = BufferSizes { count: 64, size: 64 };
    let config = Config { slots: CONNECTIONS, small, completions: 8, ..SMALL };
    let mut ring = Ring::new(config).expect("io_uring is there");
    let mut peers = Vec::new();
    for slot in 0..CONNECTIONS {
        connect(&mut ring, slot, 0, address).expect("a connection");
        peers.push(listener.accept().expect("the connection arrives").0);
        ring.receive_multi(slot, 0);
    }
    ring.enter(Wait::No).expect("submitting works");
    assert_eq!(ring.overflows(), 0, "nothing has completed that was not taken");
    for round in 1..=3 {
        for peer in &mut peers {
            peer.write_all(b"x").expect("the socket has room");
        }
        let before = ring.overflows();
        let mut received = 0;
        while received < CONNECTIONS {
            let completion = next(&mut ring);
            if let Some(buffer) = completion.buffer {
                received += 1;
                ring.recycle(buffer);
            }
            // A receive may end where it found no room to go on.
            if !completion.more {
                ring.receive_multi(completion.token.slot(), 0);
            }
        }
        assert!(ring.overflows() > before, "64 completions through 8 places, round {round}");
    }
    assert_eq!(ring.dropped(), 0);
}

#[test]
fn large_buffers_are_beside_the_small_ones_and_come_back_to_their_own() {
    let (mut ring, peer) = connected(SMALL);
    let sent = pattern(300_000);
    let sender = send_from(peer, sent.clone());
    let mut received = Vec::new();
    let (mut longest, mut rooms) = ([0; 2], 0..);
    while received.len() < sent.len() {
        // In turn, and far more often than there are buffers of either size.
        let room = [Room::Small, Room::Large][rooms.next().unwrap_or(0) % 2];
        ring.receive_once(0, 0, room, false);
        let buffer = next(&mut ring).buffer.expect("all were given back");
        let bytes = ring.bytes(&buffer);
        longest[room as usize] = longest[room as usize].max(bytes.len());
        received.extend_from_slice(bytes);
        ring.recycle(buffer);
    }
    assert!(received == sent, "bytes were changed on the way");
    assert_eq!(longest, [64, 4_096]);
    drop(sender.join());
    // The large ones run out by themselves.
    let (mut ring, peer) = connected(SMALL);
    let _peer = send_from(peer, pattern(20_000)).join().expect("it fits into the socket");
    let mut leases = Vec::new();
    for _ in 0..2 {
        ring.receive_once(0, 0, Room::Large, false);
        leases.extend(next(&mut ring).buffer);
    }
    ring.receive_once(0, 0, Room::Large, false);
    assert!(next(&mut ring).result.expect_err("both are leased").is_out_of_buffers());
    ring.receive_once(0, 0, Room::Small, false);
    leases.extend(next(&mut ring).buffer);
    let held: Vec<u8> = leases.iter().flat_map(|lease| ring.bytes(lease).to_vec()).collect();
    assert_eq!(held, pattern(20_000)[..2 * 4_096 + 64]);
    leases.into_iter().for_each(|lease| ring.recycle(lease));
}

#[test]
fn connections_are_asked_what_tcp_knows_of_them() {
    let (mut ring, mut peer) = connected(SMALL);
    // The other slots are empty.
    for slot in 0..4 {
        ring.inspect(slot, 0);
    }
    let mut reported = 0;
    for _ in 0..4 {
        let completion = next(&mut ring);
        assert_eq!(completion.token.operation(), Some(Operation::Inspect));
        let Some(info) = ring.inspected(completion.token) else {
            assert!(completion.result.is_err());
            continue;
        };
        assert_eq!((completion.token.slot(), completion.result), (0, Ok(0)));
        assert!((1..1_000_000).contains(&info.rtt_us), "loopback within a second: {info:?}");
        assert_eq!(info.retransmits, 0, "{info:?}");
        assert!(ring.inspected(completion.token).is_none(), "reported once");
        reported += 1;
    }
    assert_eq!(reported, i32::from(ring.features().tcp_info));
    // The connection is none the worse for it, and no descriptor holds it open.
    ring.close(0, 0);
    let mut left = Vec::new();
    while next(&mut ring).token.operation() != Some(Operation::Close) {}
    peer.read_to_end(&mut left).expect("it ends in order");
}
