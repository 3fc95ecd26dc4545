//! `uringbench serve`: pages that are made on request, behind the same door as those of a run.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use crate::access::Access;
use crate::answer::{self, HTML};
use crate::listener::{self, Serve};
use crate::{LiveError, open, request};

/// A page, or what is said in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// It is there.
    Found(String),
    /// There is nothing of this name, or it cannot be shown; this page says why.
    Missing(String),
}

/// Makes pages.
pub trait Pages: Send + Sync + 'static {
    /// The page at a path such as `run/12ab`, with the query behind `?`; both as they were sent,
    /// by whoever knows the address.
    fn page(&self, path: &str, query: &str) -> Page;
}

/// Shows pages until the process ends.
#[derive(Debug)]
pub struct PageServer {
    url: String,
}

struct Behind<P> {
    access: Access,
    pages: P,
}

impl PageServer {
    /// Begin.
    ///
    /// # Errors
    /// If the address cannot be served, or no thread can be started.
    pub fn start(address: SocketAddr, pages: impl Pages) -> Result<Self, LiveError> {
        let (listener, access, url) = open(address)?;
        let behind = Arc::new(Behind { access, pages });
        listener::listen(listener, &behind, || ()).map_err(LiveError::Start)?;
        Ok(Self { url })
    }

    /// The address of the first page, with its token.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl<P: Pages> Serve for Behind<P> {
    fn serve(&self, stream: &mut TcpStream) -> io::Result<()> {
        let Some(read) = request::read(stream) else { return Ok(()) };
        let found = read.and_then(|request| {
            let (path, query) = {
                let wanted = self.access.check(&request)?;
                wanted.split_once('?').unwrap_or((wanted, ""))
            };
            Ok((self.pages.page(path, query), request.method == "HEAD"))
        });
        match found {
            Ok((Page::Found(page), is_head)) => {
                answer::whole(stream, "200 OK", HTML, &page, is_head)
            }
            Ok((Page::Missing(page), is_head)) => {
                answer::whole(stream, "404 Not Found", HTML, &page, is_head)
            }
            Err(why) => answer::refuse(stream, why),
        }
    }
}
