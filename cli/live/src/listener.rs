//! The listener: a bounded number of connections, a thread and one request for each.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Connections at once; further ones are closed.
const CONNECTIONS_MAX: usize = 32;
/// Pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers one request on a connection.
pub(crate) trait Serve: Send + Sync + 'static {
    fn serve(&self, stream: &mut TcpStream) -> io::Result<()>;
}

/// A connection that counts as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// `None` if there are too many.
    fn enter(connections: &Arc<AtomicUsize>) -> Option<Self> {
        let before = connections.fetch_add(1, Ordering::Relaxed);
        let counted = Self(Arc::clone(connections));
        (before < CONNECTIONS_MAX).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serve as long as the process lives. `begin` prepares the thread, such as its CPUs; those of the
/// connections inherit them.
pub(crate) fn listen(
    listener: TcpListener,
    served: &Arc<impl Serve>,
    begin: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let served = Arc::clone(served);
    let accept = move || {
        begin();
        let connections = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else {
                // Such as no file left: the same error would come again at once.
                std::thread::sleep(PAUSE);
                continue;
            };
            let Some(counted) = Counted::enter(&connections) else { continue };
            let thread = std::thread::Builder::new().name("viewer".to_owned());
            // Without a thread the connection closes.
            let _ = thread.spawn({
                let served = Arc::clone(&served);
                move || {
                    let _counted = counted;
                    // A client that leaves early is its own fault.
                    let _ = served.serve(&mut stream);
                }
            });
        }
    };
    std::thread::Builder::new().name("listener".to_owned()).spawn(accept).map(drop)
}
