//! TLS in front of a scripted server, on threads: it decrypts the client's bytes and passes them to
//! the server, and encrypts the server's bytes and its end.
//!
//! It causes faults in TLS itself; the script causes faults in the content.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::certificates::{Certificates, Kind};
use super::script::Behaviour;
use super::server::Server;

/// The behaviour of the front, with one fault at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Correct TLS.
    Proper,
    /// Connections end without a close notify: FIN alone.
    NoNotice,
    /// Every byte on the wire is sent separately.
    ByteByByte,
    /// Records have at most this many bytes with their header: at least 32.
    Records(usize),
    /// Keys are updated before every answer.
    NewKeys,
    /// One byte of the record with this answer, from 0, is wrong.
    Corrupt(u32),
    /// A damaged record follows the one with this answer, from 0, in one write.
    CorruptBehind(u32),
    /// The request of this number, from 0, is treated as damaged, which ends in a fatal alert.
    Alert(u32),
    /// It offers only HTTP/2.
    OnlyH2,
    /// It demands a certificate of the client.
    AsksForCertificate,
    /// Bytes that are no TLS answer the first bytes, after this many correct connections.
    Garbage(u64),
    /// Nothing answers the first bytes, after this many correct connections.
    Silent(u64),
    /// The connection closes in the middle of the server's first flight.
    CutOff,
}

/// A running front with its server; on drop both stop and their connections end.
pub(crate) struct Front {
    address: SocketAddr,
    listener: Arc<TcpListener>,
    certificates: Arc<Certificates>,
    /// Stopped first, so that no connection's thread waits for it.
    server: Option<Server>,
    accepting: Option<JoinHandle<()>>,
}

impl Front {
    /// Starts one on a free port of 127.0.0.1, in front of a server with this behaviour.
    pub(crate) fn start(behaviour: &Behaviour, manner: Manner) -> Self {
        Self::start_at("127.0.0.1:0", behaviour, manner, Arc::new(Certificates::make()))
    }

    /// Starts one on `address`, with a certificate of this authority.
    pub(crate) fn start_at(
        address: &str,
        behaviour: &Behaviour,
        manner: Manner,
        certificates: Arc<Certificates>,
    ) -> Self {
        let server = Server::start(behaviour);
        let behind = server.address();
        let mut front = Self::before(address, behind, manner, certificates);
        front.server = Some(server);
        front
    }

    /// Starts one on `address`, in front of another kind of server, which must close its side of a
    /// connection when the other side has closed.
    pub(crate) fn before(
        address: &str,
        behind: SocketAddr,
        manner: Manner,
        certificates: Arc<Certificates>,
    ) -> Self {
        let listener = TcpListener::bind(address)
            .unwrap_or_else(|e| panic!("the front cannot listen on {address}: {e}"));
        let address = listener.local_addr().expect("a bound socket has an address");
        let listener = Arc::new(listener);
        let door = Door { config: config(&certificates, manner), behind, manner };
        let accepting = {
            let listener = Arc::clone(&listener);
            thread::spawn(move || accept_all(&listener, &door))
        };
        Self { address, listener, certificates, server: None, accepting: Some(accepting) }
    }

    /// The address it listens on.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificates of its authority.
    pub(crate) const fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// The arguments for uringbench: the URL, and the authority to trust.
    pub(crate) fn target(&self) -> String {
        self.target_of("https")
    }

    /// The same for another scheme.
    pub(crate) fn target_of(&self, scheme: &str) -> String {
        let authority = self.certificates.authority().display();
        format!("--cacert {authority} {scheme}://{}/", self.address)
    }

    /// The scripted server.
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("the front was started with one")
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server = None;
        // Wakes the accepting thread: on Linux, accept on a shut-down listener fails at once.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Read);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().expect("the accepting thread does not panic");
        }
    }
}

fn config(certificates: &Certificates, manner: Manner) -> Arc<ServerConfig> {
    let shown = certificates.leaf(Kind::Good);
    let pem = |path| CertificateDer::from_pem_file(path).expect("a certificate just written");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the default versions");
    let builder = if manner == Manner::AsksForCertificate {
        let mut roots = RootCertStore::empty();
        roots.add(pem(certificates.authority())).expect("an authority's certificate");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().expect("there is a root"))
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(&shown.key).expect("a key just written");
    let mut config = builder
        .with_single_cert(vec![pem(&shown.certificate)], key)
        .expect("a certificate and its key");
    match manner {
        Manner::OnlyH2 => config.alpn_protocols = vec![b"h2".to_vec()],
        Manner::Records(most) => config.max_fragment_size = Some(most),
        _ => {}
    }
    Arc::new(config)
}

/// The settings for every connection.
struct Door {
    config: Arc<ServerConfig>,
    behind: SocketAddr,
    manner: Manner,
}

fn accept_all(listener: &TcpListener, door: &Door) {
    let mut serving: Vec<JoinHandle<()>> = Vec::new();
    let mut open = Vec::new();
    let mut accepted = 0;
    while let Ok((stream, _)) = listener.accept() {
        let stream = Arc::new(stream);
        open.retain(|stream: &std::sync::Weak<TcpStream>| stream.strong_count() > 0);
        open.push(Arc::downgrade(&stream));
        serving.retain(|thread| !thread.is_finished());
        serving.extend(meet(stream, door, accepted));
        accepted += 1;
    }
    for stream in open.iter().filter_map(std::sync::Weak::upgrade) {
        let _ = stream.shutdown(Shutdown::Both);
    }
    for thread in serving {
        thread.join().expect("a connection's thread does not panic");
    }
}

/// Starts the threads of one connection.
fn meet(stream: Arc<TcpStream>, door: &Door, accepted: u64) -> Vec<JoinHandle<()>> {
    let nothing = |stream: Arc<TcpStream>, answer: &'static [u8]| {
        // The peer may disconnect at any moment; that ends the connection and is no failure.
        thread::spawn(move || drop(answer_with(&stream, answer)))
    };
    match door.manner {
        Manner::Garbage(proper) if accepted >= proper => {
            return vec![nothing(stream, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")];
        }
        Manner::Silent(proper) if accepted >= proper => return vec![nothing(stream, b"")],
        _ => {}
    }
    // A stopped server closes its connections; so does its front.
    let Ok(behind) = TcpStream::connect(door.behind) else { return Vec::new() };
    let mut session = ServerConnection::new(Arc::clone(&door.config)).expect("a session");
    session.set_buffer_limit(None);
    let line = Arc::new(Line { session: Mutex::new(session), stream, behind, manner: door.manner });
    let inward = Arc::clone(&line);
    vec![thread::spawn(move || drop(inward.inward())), thread::spawn(move || drop(line.outward()))]
}

/// Reads until the peer disconnects; answers its first bytes with these.
fn answer_with(mut stream: &TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut chunk = [0; 4096];
    let mut answer = Some(answer);
    while stream.read(&mut chunk)? > 0 {
        if let Some(answer) = answer.take() {
            stream.write_all(answer)?;
        }
    }
    Ok(())
}

/// One connection: one thread reads from the client, another from the server.
struct Line {
    session: Mutex<ServerConnection>,
    stream: Arc<TcpStream>,
    behind: TcpStream,
    manner: Manner,
}

impl Line {
    /// Copies from the client to the server until either ends.
    fn inward(&self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.behind.set_nodelay(true)?;
        let ended = self.forward();
        if ended.is_err() {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        // The server then closes its side too, which the other thread sees.
        self.behind.shutdown(Shutdown::Write)
    }

    fn forward(&self) -> io::Result<()> {
        let mut chunk = vec![0; 32 * 1024];
        let mut plain = Vec::new();
        let mut requests = 0;
        loop {
            let length = (&*self.stream).read(&mut chunk)?;
            if length == 0 {
                return Ok(());
            }
            let mut session = self.session.lock().expect("no thread panics with it");
            if !session.is_handshaking() {
                if self.manner == Manner::Alert(requests) {
                    chunk[length - 1] ^= 1;
                }
                requests += 1;
            }
            let mut bytes = &chunk[..length];
            while !bytes.is_empty() {
                session.read_tls(&mut bytes)?;
                let processed = session.process_new_packets();
                // It is an error of its own kind if there is nothing more to read.
                let _ = session.reader().read_to_end(&mut plain);
                if let Err(why) = processed {
                    self.flush(&mut session, None)?;
                    return Err(io::Error::other(why));
                }
            }
            self.flush(&mut session, None)?;
            drop(session);
            (&self.behind).write_all(&plain)?;
            plain.clear();
        }
    }

    /// Copies from the server to the client until either ends.
    fn outward(&self) -> io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        for answer in 0.. {
            match (&self.behind).read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => self.say(&chunk[..length], answer)?,
                Err(why) if why.kind() == io::ErrorKind::ConnectionReset => {
                    // Closing with a linger time of zero sends RST instead of FIN.
                    set_socket_linger(&*self.stream, Some(Duration::ZERO))?;
                    return self.stream.shutdown(Shutdown::Read);
                }
                Err(why) => return Err(why),
            }
        }
        let mut session = self.session.lock().expect("no thread panics with it");
        if self.manner != Manner::NoNotice {
            session.send_close_notify();
            self.flush(&mut session, None)?;
        }
        self.stream.shutdown(Shutdown::Both)
    }

    fn say(&self, words: &[u8], answer: u32) -> io::Result<()> {
        let mut session = self.session.lock().expect("no thread panics with it");
        if self.manner == Manner::NewKeys {
            session.refresh_traffic_keys().map_err(io::Error::other)?;
        }
        session.writer().write_all(words)?;
        self.flush(&mut session, Some(answer))
    }

    /// Sends the session's bytes in the way of this manner.
    fn flush(&self, session: &mut ServerConnection, answer: Option<u32>) -> io::Result<()> {
        let mut out = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut out)?;
        }
        let mut stream = &*self.stream;
        match self.manner {
            Manner::Corrupt(which) if answer == Some(which) => {
                *out.last_mut().expect("an answer has bytes") ^= 1;
                stream.write_all(&out)
            }
            Manner::CorruptBehind(which) if answer == Some(which) => {
                out.extend_from_slice(&[23, 3, 3, 0, 32]);
                out.extend_from_slice(&[7; 32]);
                stream.write_all(&out)
            }
            Manner::CutOff if session.is_handshaking() && out.len() > 100 => {
                stream.write_all(&out[..100])?;
                Err(io::ErrorKind::Interrupted.into())
            }
            Manner::ByteByByte => out.iter().try_for_each(|byte| {
                thread::sleep(Duration::from_micros(10));
                stream.write_all(&[*byte])
            }),
            _ => stream.write_all(&out),
        }
    }
}
