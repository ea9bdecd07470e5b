//! One turn of the loop, with one line of output from each queue and phase.
//!
//! Everything is started by an I/O callback in the poll phase, because only there the order is
//! guaranteed: the turn continues with check, close and timers. If the main script started the
//! same, the speed of the machine would decide whether the timer or the immediate runs first.
//!
//! Compared with Node: exactly
//! On Windows: without line 4, because no connection fails at once there
//!
//! ```js
//! const fs = require('node:fs');
//! const net = require('node:net');
//!
//! const server = net.createServer((peer) => peer.on('error', () => {}).resume());
//! server.listen(0, '127.0.0.1', () => {
//!   const socket = net.connect(server.address().port, '127.0.0.1', () => {
//!     fs.stat('.', () => oneTurn(socket));
//!   });
//! });
//!
//! function oneTurn(socket) {
//!   console.log('poll: the callback itself');
//!   setTimeout(() => console.log('timers: the end of the turn'), 1);
//!   socket.on('close', () => console.log('close: after the immediates')).destroy();
//!   setImmediate(() => console.log('check: after the poll phase'));
//!   net.connect('/nonexistent/socket').on('error', () => {
//!     console.log('pending: a connection that failed at once');
//!   });
//!   queueMicrotask(() => console.log('microtask: after all ticks'));
//!   process.nextTick(() => console.log('tick: after the callback'));
//!   // The timer is due when the turn ends.
//!   Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
//!   server.close();
//! }
//! ```

use std::error::Error;
use std::io;
use std::time::Duration;

use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::recording::println;
use nodeloop::{EventLoop, next_tick, queue_microtask, queue_work};
use nodeloop::{set_immediate, set_timeout, spawn, time};

fn main() -> Result<(), Box<dyn Error>> {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    let mut event_loop = EventLoop::builder().virtual_time().build()?;
    event_loop.run(async {
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let socket = TcpStream::connect(server.local_addr()?).await?;
        queue_work(|| std::fs::metadata("."), move |_| one_turn(&socket));
        Ok::<(), io::Error>(())
    })??;
    Ok(())
}

fn one_turn(socket: &TcpStream) {
    println!("poll: the callback itself");
    set_timeout(Duration::from_millis(1), || {
        println!("timers: the end of the turn");
    });
    socket.close_with(|| println!("close: after the immediates"));
    set_immediate(|| println!("check: after the poll phase"));
    spawn(async {
        fail_to_connect().await;
        println!("pending: a connection that failed at once");
    })
    .detach();
    queue_microtask(|| println!("microtask: after all ticks"));
    next_tick(|| println!("tick: after the callback"));
    // The timer is due when the turn ends.
    time::block_for(Duration::from_millis(5));
}

#[cfg(unix)]
async fn fail_to_connect() {
    let connected = nodeloop::net::UnixStream::connect("/nonexistent/socket").await;
    connected.expect_err("the socket does not exist");
}

/// Only the connection of a Unix socket fails at once.
#[cfg(not(unix))]
async fn fail_to_connect() {
    std::future::pending().await
}
