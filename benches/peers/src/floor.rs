//! The floor probe: the kernel's own cost per request.
//!
//! A bare loop over the ring: it sends, counts received bytes until the length of the first
//! response is reached, and sends again. It does not parse, record, schedule or reconnect. The cost
//! of uringbench above this floor is its own. With `--upload` each request has a body of the given
//! size; all connections send the same bytes. With `--protocol h2` it speaks HTTP/2.

mod h2_floor;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use uringbench_ring::{
    Config, Operation, PeerAddress, PeerId, Ring, Room, SocketOptions, TemplateId, Wait,
};

/// The options of the command line.
struct Options {
    address: SocketAddr,
    connections: u32,
    seconds: u64,
    cpu: Option<usize>,
    pipeline: usize,
    path: String,
    receive: Receive,
    upload: Option<usize>,
    is_http2: bool,
}

/// How response bytes are received.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Receive {
    /// With multishot receives, into small buffers.
    Small,
    /// The header into a buffer; the kernel drops the rest (MSG_TRUNC).
    Trunc,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("floor: {message}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        address: SocketAddr::from(([127, 0, 0, 1], 8080)),
        connections: 64,
        seconds: 5,
        cpu: None,
        pipeline: 1,
        path: "/".to_owned(),
        receive: Receive::Small,
        upload: None,
        is_http2: false,
    };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let bad = |what: &dyn std::fmt::Display| format!("{flag} {value}: {what}");
        match flag.as_str() {
            "--addr" => options.address = value.parse().map_err(|e| bad(&e))?,
            "--connections" => options.connections = value.parse().map_err(|e| bad(&e))?,
            "--seconds" => options.seconds = value.parse().map_err(|e| bad(&e))?,
            "--cpu" => options.cpu = Some(value.parse().map_err(|e| bad(&e))?),
            "--pipeline" => options.pipeline = value.parse().map_err(|e| bad(&e))?,
            "--path" => options.path = value,
            "--upload" => options.upload = Some(value.parse().map_err(|e| bad(&e))?),
            "--protocol" => {
                options.is_http2 = match value.as_str() {
                    "http1" => false,
                    "h2" => true,
                    _ => return Err(bad(&"http1 or h2")),
                }
            }
            "--receive" => {
                options.receive = match value.as_str() {
                    "small" => Receive::Small,
                    "trunc" => Receive::Trunc,
                    _ => return Err(bad(&"small or trunc")),
                }
            }
            _ => return Err(format!("unknown option {flag}")),
        }
    }
    Ok(options)
}

/// Bytes that each connection must still receive before it sends again.
struct Probe {
    ring: Ring,
    template: TemplateId,
    request_length: usize,
    pipeline: usize,
    receive: Receive,
    is_upload: bool,
    response_length: u64,
    missing: Vec<u64>,
    /// Connections whose upload is in progress: an answer may arrive before the body is sent.
    is_sending: Vec<bool>,
    responses: u64,
}

fn run(options: &Options) -> Result<String, String> {
    if let Some(cpu) = options.cpu {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None::<Pid>, &set).map_err(|error| format!("CPU {cpu}: {error}"))?;
    }
    if options.is_http2 {
        return run_http2(options);
    }
    let request = request(options);
    let response_length = measure_response(options.address, &request)?;
    let mut ring = Ring::new(Config::small_responses(options.connections))
        .map_err(|error| error.to_string())?;
    let template = ring.add_template(&request.repeat(options.pipeline));
    let mut probe = Probe {
        ring,
        template,
        request_length: request.len() * options.pipeline,
        pipeline: options.pipeline,
        receive: options.receive,
        is_upload: options.upload.is_some(),
        response_length,
        missing: vec![0; options.connections as usize],
        is_sending: vec![false; options.connections as usize],
        responses: 0,
    };
    connect_all(&mut probe.ring, options)?;
    for slot in 0..options.connections {
        if probe.receive == Receive::Small {
            probe.ring.receive_multi(slot, 0);
        }
        probe.send(slot);
    }
    let (started, before, enters) = (Instant::now(), cpu_seconds(), probe.ring.enters());
    let end = started + Duration::from_secs(options.seconds);
    while Instant::now() < end {
        probe.ring.enter(Wait::AtMost(100_000_000)).map_err(|error| error.to_string())?;
        probe.turn()?;
    }
    Ok(report(probe.responses, probe.ring.enters() - enters, (started, before)))
}

/// The line of a run that began then, with this CPU time.
fn report(requests: u64, enters: u64, (started, before): (Instant, (f64, f64))) -> String {
    let (seconds, after) = (started.elapsed().as_secs_f64(), cpu_seconds());
    let (user, system) = (after.0 - before.0, after.1 - before.1);
    let times = format!(r#""seconds":{seconds:.6},"user_s":{user:.6},"system_s":{system:.6}"#);
    format!(r#"{{"requests":{requests},{times},"enters":{enters}}}"#)
}

fn run_http2(options: &Options) -> Result<String, String> {
    let request = h2_floor::FloorRequest::new(options.address, &options.path);
    let answer_length = request.measure_answer(options.address)?;
    let mut ring = Ring::new(Config::small_responses(options.connections))
        .map_err(|error| error.to_string())?;
    connect_all(&mut ring, options)?;
    let mut probe =
        h2_floor::Probe::new(request, answer_length, options.pipeline, options.connections);
    probe.open(&mut ring)?;
    for slot in 0..options.connections {
        probe.send(&mut ring, slot);
    }
    let (started, before, enters) = (Instant::now(), cpu_seconds(), ring.enters());
    let end = started + Duration::from_secs(options.seconds);
    while Instant::now() < end {
        ring.enter(Wait::AtMost(100_000_000)).map_err(|error| error.to_string())?;
        probe.turn(&mut ring)?;
    }
    Ok(report(probe.responses, ring.enters() - enters, (started, before)))
}

fn connect_all(ring: &mut Ring, options: &Options) -> Result<(), String> {
    let address = PeerAddress::Tcp(options.address);
    let peer: PeerId = ring.add_peer(&address);
    for slot in 0..options.connections {
        ring.open(slot, 0, &address, SocketOptions::default())
            .map_err(|error| error.to_string())?;
        ring.connect(slot, 0, peer);
        ring.enter(Wait::Completion).map_err(|error| error.to_string())?;
        while let Some(completion) = ring.next_completion() {
            completion.result.map_err(|error| format!("connecting: {error}"))?;
        }
    }
    Ok(())
}

/// The same bytes as uringbench sends, so that the kernel does the same work.
fn request(options: &Options) -> Vec<u8> {
    let (method, length) = match options.upload {
        Some(bytes) => ("POST", format!("Content-Length: {bytes}\r\n")),
        None => ("GET", String::new()),
    };
    let head = format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: uringbench/{}\r\n{length}\r\n",
        options.path,
        options.address,
        env!("CARGO_PKG_VERSION"),
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + options.upload.unwrap_or(0), b'x');
    request
}

impl Probe {
    fn send(&mut self, slot: u32) {
        self.missing[slot as usize] = self.response_length * self.pipeline as u64;
        if self.is_upload {
            self.is_sending[slot as usize] = true;
            self.ring.send_range(slot, 0, self.template, 0..self.request_length);
        } else {
            self.ring.send(slot, 0, self.template, 0..self.request_length);
        }
        if self.receive == Receive::Trunc {
            self.ring.receive_once(slot, 0, Room::Small, true);
        }
    }

    fn turn(&mut self) -> Result<(), String> {
        while let Some(completion) = self.ring.next_completion() {
            let slot = completion.token.slot();
            if let Some(buffer) = completion.buffer {
                self.ring.recycle(buffer);
            }
            let operation = completion.token.operation();
            let received = match completion.result {
                Ok(_) if operation == Some(Operation::SendNotify) => {
                    self.is_sending[slot as usize] = false;
                    0
                }
                Ok(0) => return Err("the server closed a connection".to_owned()),
                Ok(bytes) => u64::from(bytes),
                Err(failure) if failure.is_out_of_buffers() => 0,
                Err(failure) => return Err(failure.to_string()),
            };
            let missing = &mut self.missing[slot as usize];
            *missing = missing.saturating_sub(received);
            let left = *missing;
            let is_receive = operation == Some(Operation::Receive);
            if is_receive && self.receive == Receive::Small && !completion.more {
                self.ring.receive_multi(slot, 0);
            }
            if left == 0 && received > 0 {
                self.responses += self.pipeline as u64;
            }
            if left > 0 && self.receive == Receive::Trunc {
                self.ring.skip(slot, 0, u32::try_from(left).unwrap_or(u32::MAX));
            } else if left == 0 && !self.is_sending[slot as usize] {
                self.send(slot);
            }
        }
        Ok(())
    }
}

/// The bytes of one response, header and body, received over a plain socket.
fn measure_response(address: SocketAddr, request: &[u8]) -> Result<u64, String> {
    use std::io::{Read, Write};
    let fail = |error: std::io::Error| format!("{address}: {error}");
    let mut stream = std::net::TcpStream::connect(address).map_err(fail)?;
    stream.set_read_timeout(Some(Duration::from_millis(300))).map_err(fail)?;
    stream.write_all(request).map_err(fail)?;
    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
    while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
        total += bytes as u64;
    }
    if total == 0 { Err(format!("{address} did not answer")) } else { Ok(total) }
}

/// User and system seconds of this process so far, from /proc/self/stat (ticks of 10 ms).
fn cpu_seconds() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let field = |index: usize| {
        after_name.split(' ').nth(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (field(11) / 100.0, field(12) / 100.0)
}
