//! The listener: a bounded number of connections, a thread and one request for each.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uringbench_page::LiveCourse;

use crate::access::{Access, Resource};
use crate::course::Course;
use crate::viewers::{Update, Viewers};
use crate::{answer, request};

/// Connections at once; further ones are closed.
const CONNECTIONS_MAX: usize = 32;
/// Pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// A stream without updates says that it lives.
const ALIVE: Duration = Duration::from_secs(15);
/// Longest time in which a viewer reads nothing of an update.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who asked for the state so shortly before looks on.
const POLLED: Duration = Duration::from_secs(5);
/// How long viewers may take to fetch the report at the end.
const FAREWELL: Duration = Duration::from_secs(1);

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// What is served.
pub(crate) struct Served {
    access: Access,
    page: String,
    course: Mutex<Course>,
    pub(crate) viewers: Viewers,
    state: Mutex<State>,
    is_fetched: Condvar,
    connections: AtomicUsize,
}

#[derive(Default)]
struct State {
    report: Option<Arc<str>>,
    is_over: bool,
    /// How often the report was fetched.
    fetched: usize,
    /// When the state was asked for last.
    polled: Option<Instant>,
}

impl Served {
    pub(crate) fn new(access: Access, course: LiveCourse) -> Self {
        Self {
            access,
            page: course.page(),
            course: Mutex::new(Course::new(course)),
            viewers: Viewers::default(),
            state: Mutex::new(State::default()),
            is_fetched: Condvar::new(),
            connections: AtomicUsize::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run up to now.
    pub(crate) fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody looks.
    pub(crate) fn is_watched(&self) -> bool {
        self.viewers.count() > 0 || self.is_polled()
    }

    fn is_polled(&self) -> bool {
        self.state().polled.is_some_and(|at| at.elapsed() < POLLED)
    }

    /// The run is over. Waits until every viewer has the report, for a second at most. How many
    /// ask for the state is unknown: they have the whole second.
    pub(crate) fn end(&self, report: Option<String>) {
        let has_report = report.is_some();
        let mut state = self.state();
        state.is_over = true;
        state.report = report.map(Into::into);
        drop(state);
        let viewers = self.viewers.end(&last_event(has_report));
        if !has_report {
            return;
        }
        let is_polled = self.is_polled();
        let is_missing = |state: &mut State| is_polled || state.fetched < viewers;
        drop(self.is_fetched.wait_timeout_while(self.state(), FAREWELL, is_missing));
    }

    fn serve(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let Some(read) = request::read(stream) else { return Ok(()) };
        let checked = read.and_then(|request| Ok((self.access.check(&request)?, request)));
        let (resource, request) = match checked {
            Ok(found) => found,
            Err(why) => return answer::refuse(stream, why),
        };
        let is_head = request.method == "HEAD";
        let ok = "200 OK";
        let (report, is_over) = {
            let state = self.state();
            (state.report.clone(), state.is_over)
        };
        match (resource, report) {
            (Resource::Page, None) => answer::whole(stream, ok, HTML, &self.page, is_head),
            // A page that is loaded again after the end is the report.
            (Resource::Page | Resource::Report, Some(report)) => {
                answer::whole(stream, ok, HTML, &report, is_head)?;
                if !is_head {
                    self.state().fetched += 1;
                    self.is_fetched.notify_all();
                }
                Ok(())
            }
            (Resource::Report, None) => {
                let text = match is_over {
                    true => "the run ended without a result\n",
                    false => "the run is not over yet\n",
                };
                answer::whole(stream, "404 Not Found", "text/plain; charset=utf-8", text, is_head)
            }
            (Resource::State, report) if is_over => {
                let has_report = report.is_some();
                let text = format!("{{\"is_over\":true,\"has_report\":{has_report}}}");
                answer::whole(stream, ok, JSON, &text, is_head)
            }
            (Resource::State, _) => {
                self.state().polled = Some(Instant::now());
                let rows = self.course().state();
                answer::whole(stream, ok, JSON, rows.data(), is_head)
            }
            (Resource::Events, _) if is_head => {
                answer::whole(stream, ok, "text/event-stream", "", true)
            }
            (Resource::Events, _) => self.follow(stream),
        }
    }

    /// A stream of updates, until the run is over or the viewer leaves.
    fn follow(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let added = {
            let mut course = self.course();
            self.viewers.add(course.state())
        };
        let Some(updates) = added else { return answer::busy(stream) };
        let ended = {
            let state = self.state();
            state.is_over.then(|| last_event(state.report.is_some()))
        };
        if let Some(last) = ended {
            // Nobody sends any more.
            let over = format!("{}{}", answer::stream_head(), last.0);
            return answer::write_until(stream, over.as_bytes(), Instant::now() + PATIENCE);
        }
        let head = answer::stream_head();
        answer::write_until(stream, head.as_bytes(), Instant::now() + PATIENCE)?;
        loop {
            let text = match updates.next(ALIVE) {
                Ok(update) => update.0,
                Err(RecvTimeoutError::Timeout) => ": alive\n\n".into(),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            answer::write_while_read(stream, text.as_bytes(), PATIENCE)?;
        }
    }
}

/// What the stream says at the end of the run.
fn last_event(has_report: bool) -> Update {
    Update::new(if has_report { "done" } else { "failed" }, "{}")
}

/// A connection that counts as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serve as long as the process lives.
pub(crate) fn listen(
    listener: TcpListener,
    served: &Arc<Served>,
    begin: &Arc<impl Fn() + Send + Sync + 'static>,
) -> std::io::Result<()> {
    let (served, begin) = (Arc::clone(served), Arc::clone(begin));
    let accept = move || {
        begin();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else {
                // Such as no file left: the same error would come again at once.
                std::thread::sleep(PAUSE);
                continue;
            };
            if served.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                served.connections.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let thread = std::thread::Builder::new().name("live viewer".to_owned());
            let spawned = thread.spawn({
                let served = Arc::clone(&served);
                move || {
                    let _counted = Counted(&served.connections);
                    // A client that leaves early is its own fault.
                    let _ = served.serve(&mut stream);
                }
            });
            if spawned.is_err() {
                served.connections.fetch_sub(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::Builder::new().name("live listener".to_owned()).spawn(accept).map(drop)
}
