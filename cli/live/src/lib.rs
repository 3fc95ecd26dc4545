//! Pages over HTTP: of a run while it lasts (`--live`), which becomes its report, and of stored
//! results (`uringbench serve`).
//!
//! Of a run, a thread takes each interval, makes data of it with `uringbench-page`, and gives them
//! to every viewer's own queue. Neither a slow viewer nor a hostile client delays the run: what a
//! queue cannot take is counted, and connections, heads and times are bounded.

mod access;
mod answer;
mod course;
mod listener;
mod pages;
mod request;
mod server;
mod viewers;

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::record::Interval;
use uringbench_page::LiveCourse;
use uringbench_report::live::{LiveRun, LiveSample};

use access::Access;
use server::Served;

pub use pages::{Page, PageServer, Pages};

/// Intervals that wait for the thread.
const WAITING_MAX: usize = 64;
/// Random bytes of the token: 128 bits.
const TOKEN_BYTES: usize = 16;

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The address is taken, or not of this machine.
    #[error("cannot show pages at {address}: {cause}; name another address or port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        cause: std::io::Error,
    },
    /// There is no randomness for the token, or no thread.
    #[error("cannot show pages: {0}; end other programs")]
    Start(std::io::Error),
}

/// Shows one run.
pub struct LiveServer {
    intervals: Option<SyncSender<(Interval, LatencyCounts)>>,
    worker: Option<JoinHandle<()>>,
    served: Arc<Served>,
    lost: Arc<AtomicU64>,
    url: String,
}

impl LiveServer {
    /// Begin, before the run does. `begin` prepares each thread, such as its CPUs; `sample` reads
    /// the machine, once for each interval.
    ///
    /// # Errors
    /// If the address cannot be served, or no thread can be started.
    pub fn start(
        address: SocketAddr,
        run: LiveRun,
        begin: impl Fn() + Send + Sync + 'static,
        sample: impl FnMut() -> LiveSample + Send + 'static,
    ) -> Result<Self, LiveError> {
        let (listener, access, url) = open(address)?;
        let served = Arc::new(Served::new(access, LiveCourse::new(run)));
        let lost = Arc::new(AtomicU64::new(0));
        let (intervals, received) = sync_channel(WAITING_MAX);
        let begin = Arc::new(begin);
        let listening = Arc::clone(&begin);
        listener::listen(listener, &served, move || listening()).map_err(LiveError::Start)?;
        let work = Work { served: Arc::clone(&served), lost: Arc::clone(&lost) };
        let thread = std::thread::Builder::new().name("live".to_owned());
        let worker = thread.spawn(move || {
            begin();
            work.run(&received, sample);
        });
        let worker = worker.map_err(LiveError::Start)?;
        Ok(Self { intervals: Some(intervals), worker: Some(worker), served, lost, url })
    }

    /// The address of the page, with its token.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// An interval is complete. Never waits.
    pub fn interval(&self, interval: &Interval, response: &LatencyCounts) {
        if let Some(sender) = &self.intervals
            && sender.try_send((interval.clone(), response.clone())).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether anybody looks, by a stream of events or by asking for the state.
    pub fn is_watched(&self) -> bool {
        self.served.is_watched()
    }

    /// The run is over: viewers get its report, for a second at most; `None` if there is none.
    /// Returns lines about what viewers did not get.
    pub fn finish(mut self, report: Option<String>) -> Vec<String> {
        self.intervals = None;
        let is_whole = self.worker.take().is_none_or(|worker| worker.join().is_ok());
        self.served.end(report);
        let mut lines = Vec::new();
        let dropped = self.served.viewers.dropped();
        if dropped > 0 {
            lines.push(format!(
                "--live: {dropped} updates were not sent to viewers that were too slow; the report \
                 has every second"
            ));
        }
        if !is_whole {
            lines.push(
                "--live: the thread that shows the run ended early; this is a bug".to_owned(),
            );
        }
        lines
    }
}

/// The thread between the run and its viewers.
struct Work {
    served: Arc<Served>,
    lost: Arc<AtomicU64>,
}

impl Work {
    fn run(
        self,
        intervals: &Receiver<(Interval, LatencyCounts)>,
        mut sample: impl FnMut() -> LiveSample,
    ) {
        while let Ok((interval, response)) = intervals.recv() {
            let sample = sample();
            // Nobody begins to look in between, or that viewer would miss a row.
            let mut course = self.served.course();
            course.lost(self.lost.load(Ordering::Relaxed));
            let row = course.add(&interval, &response, sample);
            self.served.viewers.send(&row, || course.state());
        }
    }
}

/// A token in hexadecimal digits, of the system's randomness.
fn token() -> std::io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A listener, who may look, and the address of the first page.
fn open(address: SocketAddr) -> Result<(TcpListener, Access, String), LiveError> {
    let refused = |cause| LiveError::Listen { address, cause };
    let listener = TcpListener::bind(address).map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    let token = token().map_err(LiveError::Start)?;
    let url = format!("http://{}/{token}/", shown(bound));
    Ok((listener, Access::new(bound, token), url))
}

/// An address to type: every address of this machine is that of loopback too.
fn shown(bound: SocketAddr) -> SocketAddr {
    let any = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(any, bound.port())
}
