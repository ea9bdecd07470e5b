//! Sockets that are reset, and the order of their close callbacks.
//!
//! Two connected sockets are reset in one callback of the poll phase. Their descriptors are closed
//! at once. The close callbacks run in the close phase of the same turn, after the immediates and
//! before the timers. The closing sockets form a stack (libuv's `uv__make_close_pending`), so the
//! callback of the socket closed last runs first.
//!
//! Compared with Node: exactly
//!
//! ```js
//! const net = require('node:net');
//!
//! const server = net.createServer((peer) => peer.on('error', () => {}));
//! server.listen(0, '127.0.0.1', () => {
//!   let connected = 0;
//!   const connect = () => net.connect(server.address().port, '127.0.0.1', () => {
//!     connected += 1;
//!     if (connected === 2) destroyBoth();
//!   });
//!   const [first, second] = [connect(), connect()];
//!
//!   function destroyBoth() {
//!     for (const [socket, name] of [[first, 'first'], [second, 'second']]) {
//!       socket.on('close', () => {
//!         console.log(`close: the ${name} socket`);
//!         process.nextTick(() => console.log(`tick: after the ${name} socket's callback`));
//!       });
//!       socket.resetAndDestroy();
//!     }
//!     server.close();
//!     setTimeout(() => console.log('timers: the end of the turn'), 1);
//!     setImmediate(() => console.log('check: after the poll phase'));
//!     Promise.resolve().then(() => console.log('microtask: after the running callback'));
//!     Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // the timer is due
//!     console.log('poll: both are destroyed');
//!   }
//! });
//! ```

use std::error::Error;
use std::time::Duration;

use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::recording::println;
use nodeloop::{EventLoop, next_tick, queue_microtask, set_immediate, set_timeout, time};

fn main() -> Result<(), Box<dyn Error>> {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    let mut event_loop = EventLoop::builder().virtual_time().build()?;
    event_loop.run(async {
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let address = server.local_addr()?;
        let (first, second) =
            futures::try_join!(TcpStream::connect(address), TcpStream::connect(address),)?;
        // The poll phase has reported both connections, so this code runs in that phase.
        destroy_both(&first, &second)
    })??;
    Ok(())
}

fn destroy_both(first: &TcpStream, second: &TcpStream) -> std::io::Result<()> {
    for (socket, name) in [(first, "first"), (second, "second")] {
        socket.reset(move || {
            println!("close: the {name} socket");
            next_tick(move || println!("tick: after the {name} socket's callback"));
        })?;
    }
    set_timeout(Duration::from_millis(1), || {
        println!("timers: the end of the turn");
    });
    set_immediate(|| println!("check: after the poll phase"));
    queue_microtask(|| println!("microtask: after the running callback"));
    time::block_for(Duration::from_millis(5)); // the timer is due
    println!("poll: both are destroyed");
    Ok(())
}
