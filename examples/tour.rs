//! A tour of the event loop: one line of output for each thing that the loop does.
//!
//! Nothing here is simulated: the program uses a file, a socket, jobs on other threads and the
//! real clock. The lines have the same order in every run, here and in Node. Where two results
//! could arrive in either order, the program requests the second after the first has arrived.
//!
//! It shows the two ways in which the loop runs code of the program:
//! - A *callback* (`set_timeout`, `queue_work`, `close_with`) is called by a phase. After it, the
//!   loop drains the ticks, then the microtasks.
//! - The code after an *`await`* is a microtask. The phase only wakes its task.
//!
//! Compared with Node: up to numbers
//!
//! ```js
//! const crypto = require('node:crypto');
//! const fs = require('node:fs');
//! const net = require('node:net');
//! const { once } = require('node:events');
//! const { promisify } = require('node:util');
//!
//! console.log(`
//!                          A TOUR OF THE EVENT LOOP
//!
//!       +--> timers --> pending --> poll --> check --> close --+
//!       |                                                      |
//!       +------------------------------------------------------+
//!
//!   Each phase calls its callbacks, one at a time. After each callback the loop
//!   drains two queues: first all ticks, then all microtasks.`);
//!
//! const heading = (phase, what) => console.log(`\n${phase.padEnd(8)} ${what}`);
//! const detail = (text) => console.log(`         ${text}`);
//!
//! heading('SCRIPT', 'the main script runs before any phase');
//! detail('Sets a timer for 1 ms, queues a microtask, queues a tick,');
//! setTimeout(firstTimer, 1);
//! queueMicrotask(() => detail('  microtask: queued before the tick, but called after it'));
//! process.nextTick(() => detail('  tick: called as soon as the script has returned'));
//! busy();
//! detail('and blocks for 5 ms. The timer is overdue, but has to wait for its phase.');
//!
//! function firstTimer() {
//!   heading('TIMERS', 'callbacks of timers that are due');
//!   detail('The timer is called. It connects to a socket that does not exist.');
//!   net.connect('no/such/socket').on('error', noSuchSocket);
//! }
//!
//! function noSuchSocket() {
//!   heading('PENDING', 'results available without waiting');
//!   detail('The connection failed at once. Sends data to this process, over TCP.');
//!   sendToSelf();
//! }
//!
//! async function sendToSelf() {
//!   const server = net.createServer().listen(0, '127.0.0.1');
//!   await once(server, 'listening');
//!   const sender = net.connect(server.address().port, '127.0.0.1');
//!   const [socket] = await once(server, 'connection');
//!   server.close();
//!   sender.unref().write('hello');
//!   const [text] = await once(socket, 'data');
//!   heading('POLL', 'the only phase in which the loop waits');
//!   detail(`Received ${text.length} bytes. Starts to read the source file of this program.`);
//!   fs.readFile(__filename, 'utf8', (error, source) => fileIsRead(source, socket));
//! }
//!
//! function fileIsRead(source, socket) {
//!   heading('POLL', 'a later turn without other callbacks');
//!   detail(`The file has ${source.length} bytes. Another thread has read it.`);
//!   detail('Queues a callback for each phase that follows, the last phase first:');
//!   setTimeout(() => secondTimer(source), 1);
//!   socket.on('close', () => {
//!     heading('CLOSE', 'callbacks of closed resources');
//!     detail('The socket is closed.');
//!   });
//!   socket.destroy();
//!   setImmediate(() => {
//!     heading('CHECK', 'immediates: right after poll');
//!     detail('The immediate is called.');
//!   });
//!   queueMicrotask(() => detail('  microtask: after all ticks, before the next phase'));
//!   process.nextTick(() => detail('  tick: after this callback'));
//!   detail('a timer, a socket to close, an immediate, a microtask, a tick.');
//!   busy();
//! }
//!
//! async function secondTimer(source) {
//!   heading('TIMERS', 'the last phase of the turn');
//!   detail('The timer was set first and is called last. Starts two jobs that would');
//!   detail('block the loop, on two other threads, and awaits both results.');
//!   // Node's pool runs no JavaScript functions, so each job is a hash.
//!   const job = promisify(crypto.pbkdf2);
//!   const [lines, words] = await Promise.all([
//!     job(source, '', 1, 8, 'sha256').then(() => source.split('\n').length - 1),
//!     job(source, '', 1, 8, 'sha256').then(() => source.trim().split(/\s+/).length),
//!   ]);
//!   heading('POLL', 'results of other threads arrive as callbacks');
//!   detail('  microtask: the code after an await. The source file has');
//!   detail(`  ${lines} lines and ${words} words.`);
//! }
//!
//! process.on('exit', () => {
//!   console.log('\n  Nothing keeps the loop alive: it stops, and the program ends.');
//! });
//!
//! function busy() {
//!   Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
//! }
//! ```

use std::io;
use std::time::Duration;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::recording::println;
use nodeloop::{
    next_tick, on_exit, queue_microtask, queue_work, run_script, set_immediate, set_timeout, spawn,
    spawn_blocking, time,
};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tour.rs");
const ONE_MS: Duration = Duration::from_millis(1);

const INTRODUCTION: &str = "
                         A TOUR OF THE EVENT LOOP

      +--> timers --> pending --> poll --> check --> close --+
      |                                                      |
      +------------------------------------------------------+

  Each phase calls its callbacks, one at a time. After each callback the loop
  drains two queues: first all ticks, then all microtasks.";

fn main() {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    println!("{INTRODUCTION}");
    run_script(script);
}

fn script() {
    on_exit(|_| {
        println!("\n  Nothing keeps the loop alive: it stops, and the program ends.");
    });
    heading("SCRIPT", "the main script runs before any phase");
    detail("Sets a timer for 1 ms, queues a microtask, queues a tick,");
    set_timeout(ONE_MS, first_timer);
    queue_microtask(|| detail("  microtask: queued before the tick, but called after it"));
    next_tick(|| detail("  tick: called as soon as the script has returned"));
    busy();
    detail("and blocks for 5 ms. The timer is overdue, but has to wait for its phase.");
}

fn first_timer() {
    heading("TIMERS", "callbacks of timers that are due");
    detail("The timer is called. It connects to a socket that does not exist.");
    spawn(async {
        #[cfg(unix)] // other systems have no such sockets: the task continues at once
        nodeloop::net::UnixStream::connect("no/such/socket")
            .await
            .expect_err("the socket does not exist");
        no_such_socket();
    })
    .detach();
}

fn no_such_socket() {
    heading("PENDING", "results available without waiting");
    detail("The connection failed at once. Sends data to this process, over TCP.");
    spawn(async { send_to_self().await.expect("the loopback interface works") }).detach();
}

async fn send_to_self() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut sender = TcpStream::connect(listener.local_addr()?).await?;
    let (mut socket, _) = listener.accept().await?;
    sender.write_all(b"hello").await?;
    let mut text = [0; 80];
    let length = socket.read(&mut text).await?;
    heading("POLL", "the only phase in which the loop waits");
    detail(&format!(
        "Received {length} bytes. Starts to read the source file of this program."
    ));
    queue_work(
        || std::fs::read_to_string(SOURCE),
        |source| {
            file_is_read(
                source.expect("the example runs on the machine that built it"),
                socket,
            )
        },
    );
    Ok(())
}

fn file_is_read(source: String, socket: TcpStream) {
    heading("POLL", "a later turn without other callbacks");
    let length = source.len();
    detail(&format!(
        "The file has {length} bytes. Another thread has read it."
    ));
    detail("Queues a callback for each phase that follows, the last phase first:");
    set_timeout(ONE_MS, || drop(spawn(second_timer(source))));
    socket.close_with(|| {
        heading("CLOSE", "callbacks of closed resources");
        detail("The socket is closed.");
    });
    set_immediate(|| {
        heading("CHECK", "immediates: right after poll");
        detail("The immediate is called.");
    });
    queue_microtask(|| detail("  microtask: after all ticks, before the next phase"));
    next_tick(|| detail("  tick: after this callback"));
    detail("a timer, a socket to close, an immediate, a microtask, a tick.");
    busy();
}

async fn second_timer(source: String) {
    heading("TIMERS", "the last phase of the turn");
    detail("The timer was set first and is called last. Starts two jobs that would");
    detail("block the loop, on two other threads, and awaits both results.");
    let copy = source.clone();
    let lines = spawn_blocking(move || source.lines().count());
    let words = spawn_blocking(move || copy.split_whitespace().count());
    // Both jobs are running. Their order does not matter.
    let (lines, words) = (lines.await, words.await);
    heading("POLL", "results of other threads arrive as callbacks");
    detail("  microtask: the code after an await. The source file has");
    detail(&format!("  {lines} lines and {words} words."));
}

#[track_caller] // so that a recording shows the line of the caller
fn heading(phase: &str, what: &str) {
    println!("\n{phase:8} {what}");
}

#[track_caller]
fn detail(text: &str) {
    println!("         {text}");
}

/// Blocks the thread for 5 ms, like a long computation. Nothing else runs in that time.
fn busy() {
    time::block_for(5 * ONE_MS);
}
