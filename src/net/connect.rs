//! Connecting, for streams of any kind: waiting for the outcome, and where a failure is reported.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use mio::event::Source;
use socket2::Socket;

use super::tcp::TcpStream;
use crate::event_loop::state::LoopState;
use crate::io::platform::is_in_progress;
use crate::io::{Direction, PollEvented, check_loop};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind};
use crate::promise::with_resolver;

/// Connects a TCP socket that is not watched yet.
pub(super) async fn connect_socket(
    state: &Rc<LoopState>,
    socket: Socket,
    address: SocketAddr,
    location: SourceLocation,
) -> io::Result<TcpStream> {
    check_loop(state)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Err(report_in_pending_phase(state, error, location).await);
        }
        Err(error) if !is_in_progress(&error) => return Err(error),
        _ => {}
    }
    let socket = mio::net::TcpStream::from_std(socket.into());
    let socket = PollEvented::new(state.clone(), socket, location)?;
    connected(&socket, |socket| socket.take_error()).await?;
    Ok(TcpStream::new(socket))
}

/// Waits for the first event that says writable, and asks the socket how it went.
pub(super) async fn connected<S: Source>(
    stream: &PollEvented<S>,
    take_error: impl FnOnce(&S) -> io::Result<Option<io::Error>>,
) -> io::Result<()> {
    // A fresh source counts as writable; here that is what is waited for.
    stream.registration().would_block(Direction::Write);
    stream.registration().ready(Direction::Write).await?;
    stream.with(take_error)?.map_or(Ok(()), Err)
}

/// R63: a connection that failed at once is reported by the pending phase (libuv's `tcp.c`
/// `uv__tcp_connect` and `pipe.c` `uv_pipe_connect`, which feed the request to the loop).
pub(super) async fn report_in_pending_phase(
    state: &Rc<LoopState>,
    error: io::Error,
    location: SourceLocation,
) -> io::Error {
    if let Err(error) = check_loop(state) {
        return error;
    }
    let (promise, resolver) = with_resolver();
    let origin = Origin::new(StepKind::Pending, location);
    state.push_pending(Macrotask::callback(move || resolver.resolve(()), origin));
    promise.await;
    error
}
