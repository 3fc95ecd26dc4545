//! Files below `/static`: `bench.bin`, which always exists, and those of one folder.
//!
//! Whole or by one range of bytes. The kernel opens a path only beneath the folder, so that no `..`
//! and no link leads out of it; hidden files are refused by name. Nothing is compressed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::error_response::ErrorResponse;
use crate::extract::PathParams;
use crate::router::AppState;

const BENCH_NAME: &str = "bench.bin";
const BENCH_LENGTH: usize = 100 << 10;
/// Bytes read, and kept in memory, at a time.
const CHUNK: u64 = 64 << 10;

/// The files there are.
pub(crate) struct Files {
    bench: Bytes,
    folder: Option<File>,
}

/// The part of a file to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// From the first to the last byte, both included.
    Range {
        first: u64,
        last: u64,
    },
    /// None of the requested bytes exists.
    Nothing,
}

impl Files {
    /// With the files of this folder too, if there is one.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, io::Error> {
        let bench = (0..BENCH_LENGTH).map(|index| b'a' + (index % 26) as u8).collect();
        let folder = folder.map(File::open).transpose()?;
        if folder.as_ref().is_some_and(|folder| !folder.metadata().is_ok_and(|it| it.is_dir())) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { bench, folder })
    }

    /// An open file beneath the folder, and its length.
    fn find(&self, path: &str) -> Result<(File, u64), ErrorResponse> {
        const MISSING: ErrorResponse = ErrorResponse::NotFound("file");
        let Some(folder) = &self.folder else { return Err(MISSING) };
        // A pipe of this name must not block the opening thread.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = openat2(folder, path, flags, Mode::empty(), ResolveFlags::BENEATH);
        let file = File::from(opened.map_err(|errno| match errno {
            Errno::XDEV => ErrorResponse::Forbidden("this leads out of the folder"),
            Errno::ACCESS | Errno::PERM => ErrorResponse::Forbidden("this file may not be read"),
            Errno::MFILE | Errno::NFILE => ErrorResponse::Busy("too many files are open"),
            _ => MISSING,
        })?);
        let kind = file.metadata().map_err(|_| MISSING)?;
        if kind.is_file() { Ok((file, kind.len())) } else { Err(MISSING) }
    }
}

/// A file, or the requested range of it.
pub(crate) async fn serve(
    State(app): State<Arc<AppState>>,
    PathParams(path): PathParams<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ErrorResponse> {
    if path.split('/').any(|part| part == "..") {
        return Err(ErrorResponse::Forbidden("no path leads upwards"));
    }
    if path.split('/').any(|part| part.starts_with('.')) {
        return Err(ErrorResponse::Forbidden("hidden files are not for others"));
    }
    // A range is meaningless for HEAD.
    let asked = headers.get(header::RANGE).filter(|_| method == Method::GET);
    let asked = asked.and_then(|range| range.to_str().ok());
    if path == BENCH_NAME {
        let length = app.files.bench.len() as u64;
        let part = part(asked, length);
        let bytes = match part {
            Part::Whole | Part::Nothing => app.files.bench.clone(),
            // Inside the length, which fits memory.
            Part::Range { first, last } => app.files.bench.slice(first as usize..=last as usize),
        };
        return Ok(answer(&path, part, length, || Body::from(bytes)));
    }
    let (file, length) = app.files.find(&path)?;
    let part = part(asked, length);
    let (first, end) = match part {
        Part::Whole | Part::Nothing => (0, length),
        Part::Range { first, last } => (first, last + 1),
    };
    Ok(answer(&path, part, length, || streamed(file, first, end)))
}

/// The part of a file of this length that a `Range` requests (RFC 9110, section 14). Several
/// ranges, other units and invalid ranges may be answered with everything.
fn part(asked: Option<&str>, length: u64) -> Part {
    let Some((first, last)) = asked
        .and_then(|asked| asked.strip_prefix("bytes="))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit mean more bytes than any file has.
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last.min(length.saturating_sub(1))),
        (Some(first), None) if last.is_empty() => (first, length.saturating_sub(1)),
        (None, Some(0)) if first.is_empty() => return Part::Nothing,
        (None, Some(count)) if first.is_empty() => {
            (length.saturating_sub(count), length.saturating_sub(1))
        }
        _ => return Part::Whole,
    };
    if first < length { Part::Range { first, last } } else { Part::Nothing }
}

fn answer(path: &str, part: Part, length: u64, body: impl FnOnce() -> Body) -> Response {
    let (status, body, sent, range) = match part {
        Part::Whole => (StatusCode::OK, body(), length, None),
        Part::Range { first, last } => {
            let range = format!("bytes {first}-{last}/{length}");
            (StatusCode::PARTIAL_CONTENT, body(), last - first + 1, Some(range))
        }
        Part::Nothing => {
            let range = format!("bytes */{length}");
            (StatusCode::RANGE_NOT_SATISFIABLE, Body::empty(), 0, Some(range))
        }
    };
    let mut answer = (status, body).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind_of(path)));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(sent));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(range) = range.and_then(|range| HeaderValue::try_from(range).ok()) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    answer
}

/// Bytes of a file, a chunk at a time. They are read where the request is served: files that are
/// read often are in the kernel's cache, and another thread would cost more.
fn streamed(file: File, first: u64, end: u64) -> Body {
    Body::from_stream(stream::try_unfold((file, first), move |(file, at)| async move {
        if at == end {
            return Ok(None);
        }
        // At most a chunk, so it fits.
        let mut chunk = vec![0; (end - at).min(CHUNK) as usize];
        // Ends the connection if a file has become shorter: the length was sent already.
        file.read_exact_at(&mut chunk, at)?;
        let next = at + chunk.len() as u64;
        Ok::<_, io::Error>(Some((Bytes::from(chunk), (file, next))))
    }))
}

fn kind_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, kind)| kind) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_defined() {
        let range = |first, last| Part::Range { first, last };
        let cases = [
            ("bytes=0-0", range(0, 0)),
            ("bytes=10-19", range(10, 19)),
            ("bytes=90-", range(90, 99)),
            ("bytes=90-200", range(90, 99)),
            ("bytes=-10", range(90, 99)),
            ("bytes=-200", range(0, 99)),
            ("bytes=99999999999999999999999-", Part::Nothing),
            ("bytes=100-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=20-10", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=0-1", Part::Whole),
        ];
        for (asked, expected) in cases {
            assert_eq!(part(Some(asked), 100), expected, "{asked}");
        }
        assert_eq!(part(None, 100), Part::Whole);
        assert_eq!(part(Some("bytes=0-0"), 0), Part::Nothing);
    }
}
