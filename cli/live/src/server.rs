//! The resources of a run: its page, its course as events and as one document, its report.

use std::net::TcpStream;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uringbench_page::LiveCourse;

use crate::access::{Access, Refused};
use crate::answer::{self, HTML, TEXT};
use crate::course::Course;
use crate::listener::Serve;
use crate::request;
use crate::viewers::{Update, Viewers};

/// A stream without updates says that it lives.
const ALIVE: Duration = Duration::from_secs(15);
/// Longest time in which a viewer reads nothing of an update.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who asked for the state so shortly before looks on.
const POLLED: Duration = Duration::from_secs(5);
/// How long viewers may take to fetch the report at the end.
const FAREWELL: Duration = Duration::from_secs(1);

const JSON: &str = "application/json";

/// What is served.
pub(crate) struct Served {
    access: Access,
    page: String,
    course: Mutex<Course>,
    pub(crate) viewers: Viewers,
    state: Mutex<State>,
    is_fetched: Condvar,
}

/// The part of a run that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    Page,
    Events,
    State,
    Report,
}

impl Resource {
    /// By its path below the token.
    fn named(path: &str) -> Result<Self, Refused> {
        match path {
            "" => Ok(Self::Page),
            "events" => Ok(Self::Events),
            "state.json" => Ok(Self::State),
            "report.html" => Ok(Self::Report),
            _ => Err(Refused::NotFound),
        }
    }
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

impl Serve for Served {
    fn serve(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let Some(read) = request::read(stream) else { return Ok(()) };
        let checked = read.and_then(|request| {
            let resource = Resource::named(self.access.check(&request)?)?;
            Ok((resource, request))
        });
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
                answer::whole(stream, "404 Not Found", TEXT, text, is_head)
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
}

/// What the stream says at the end of the run.
fn last_event(has_report: bool) -> Update {
    Update::new(if has_report { "done" } else { "failed" }, "{}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_resources_are_there() {
        assert_eq!(Resource::named(""), Ok(Resource::Page));
        assert_eq!(Resource::named("events"), Ok(Resource::Events));
        for path in ["x", "/", "../", "events/", "report.html?x", "?"] {
            assert_eq!(Resource::named(path), Err(Refused::NotFound), "{path}");
        }
    }
}
