//! A minute's walk round the wheel: `cargo run --example tour`, and read along.
//!
//! Nothing here is simulated: there is a file, a socket, jobs on other threads, and the clock of
//! the machine. Still the lines come in the same order every time, here and in Node. Where two
//! things could arrive in either order, the program asks for the second when the first is there.
//!
//! Two ways to be called back are to be seen:
//! - A *callback* (`set_timeout`, `queue_work`, `close`) is itself the thing that a stop of the
//!   wheel calls. Behind it come its ticks, then its microtasks.
//! - The code behind an *`await`* is a microtask. What a stop calls is only the one who wakes it.
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
//!                           A WALK ROUND THE WHEEL
//!
//!       +--> timers --> pending --> poll --> check --> close --+
//!       |                                                      |
//!       +------------------------------------------------------+
//!
//!   Every stop calls its callbacks, one at a time. Behind each callback two
//!   queues are emptied: first all ticks, then all microtasks. Then the next.`);
//!
//! const heading = (stop, what) => console.log(`\n${stop.padEnd(8)} ${what}`);
//! const say = (text) => console.log(`         ${text}`);
//!
//! heading('SCRIPT', 'your program: it runs to its end before the wheel turns');
//! say('I set a timer for 1 ms, queue a microtask, queue a tick,');
//! setTimeout(firstTimer, 1);
//! queueMicrotask(() => say('  microtask: queued before the tick, and called behind it'));
//! process.nextTick(() => say('  tick: called as soon as the script has ended'));
//! busy();
//! say('and am busy for 5 ms. The timer is overdue, and still has to wait.');
//!
//! function firstTimer() {
//!   heading('TIMERS', 'callbacks whose time has come');
//!   say('Here is the timer. I connect to a socket that does not exist.');
//!   net.connect('no/such/socket').on('error', noSuchSocket);
//! }
//!
//! function noSuchSocket() {
//!   heading('PENDING', 'results that were known without waiting');
//!   say('There is none, and that was known at once. I write to myself, by TCP.');
//!   letter();
//! }
//!
//! async function letter() {
//!   const server = net.createServer().listen(0, '127.0.0.1');
//!   await once(server, 'listening');
//!   const sender = net.connect(server.address().port, '127.0.0.1');
//!   const [socket] = await once(server, 'connection');
//!   server.close();
//!   sender.unref().write('hello');
//!   const [text] = await once(socket, 'data');
//!   heading('POLL', 'here the loop sleeps until there is news from the world');
//!   say(`My letter has come: ${text.length} bytes. I ask for my own source file.`);
//!   fs.readFile(__filename, 'utf8', (error, source) => fileIsRead(source, socket));
//! }
//!
//! function fileIsRead(source, socket) {
//!   heading('POLL', 'the wheel came round, and had nothing to do but to wait here');
//!   say(`The file has come: ${source.length} bytes, read by another thread.`);
//!   say('I order one thing from every stop of the wheel, the last one first:');
//!   setTimeout(() => secondTimer(source), 1);
//!   socket.on('close', () => {
//!     heading('CLOSE', 'the last word of what was closed');
//!     say('The socket of the letter is closed.');
//!   });
//!   socket.destroy();
//!   setImmediate(() => {
//!     heading('CHECK', 'immediates: as soon as poll is over');
//!     say('The immediate has its turn.');
//!   });
//!   queueMicrotask(() => say('  microtask: behind all ticks, and before the wheel moves'));
//!   process.nextTick(() => say('  tick: behind this callback'));
//!   say('a timer, a socket to close, an immediate, a microtask, a tick.');
//!   busy();
//! }
//!
//! async function secondTimer(source) {
//!   heading('TIMERS', 'and round again');
//!   say('The timer was ordered first and comes last. Now two jobs which would');
//!   say('block the wheel: two other threads do them, and I await both results.');
//!   // Node's pool takes no function of ours: a hash stands for the job.
//!   const job = promisify(crypto.pbkdf2);
//!   const [lines, words] = await Promise.all([
//!     job(source, '', 1, 8, 'sha256').then(() => source.split('\n').length - 1),
//!     job(source, '', 1, 8, 'sha256').then(() => source.trim().split(/\s+/).length),
//!   ]);
//!   heading('POLL', 'results come back as callbacks');
//!   say('  microtask: the code behind an await. It says that my source has');
//!   say(`  ${lines} lines and ${words} words.`);
//! }
//!
//! process.on('exit', () => {
//!   console.log('\n  Nothing is left to wait for: the wheel stops, and the program ends.');
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

const WHEEL: &str = "
                          A WALK ROUND THE WHEEL

      +--> timers --> pending --> poll --> check --> close --+
      |                                                      |
      +------------------------------------------------------+

  Every stop calls its callbacks, one at a time. Behind each callback two
  queues are emptied: first all ticks, then all microtasks. Then the next.";

fn main() {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    println!("{WHEEL}");
    run_script(script);
}

fn script() {
    on_exit(|_| {
        println!("\n  Nothing is left to wait for: the wheel stops, and the program ends.");
    });
    heading(
        "SCRIPT",
        "your program: it runs to its end before the wheel turns",
    );
    say("I set a timer for 1 ms, queue a microtask, queue a tick,");
    set_timeout(ONE_MS, first_timer);
    queue_microtask(|| say("  microtask: queued before the tick, and called behind it"));
    next_tick(|| say("  tick: called as soon as the script has ended"));
    busy();
    say("and am busy for 5 ms. The timer is overdue, and still has to wait.");
}

fn first_timer() {
    heading("TIMERS", "callbacks whose time has come");
    say("Here is the timer. I connect to a socket that does not exist.");
    spawn(async {
        #[cfg(unix)] // elsewhere there are no such sockets, and it goes on at once
        nodeloop::net::UnixStream::connect("no/such/socket")
            .await
            .expect_err("nobody listens there");
        no_such_socket();
    });
}

fn no_such_socket() {
    heading("PENDING", "results that were known without waiting");
    say("There is none, and that was known at once. I write to myself, by TCP.");
    spawn(async { letter().await.expect("a computer can write to itself") });
}

async fn letter() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut sender = TcpStream::connect(listener.local_addr()?).await?;
    let (mut socket, _) = listener.accept().await?;
    sender.write_all(b"hello").await?;
    let mut text = [0; 80];
    let length = socket.read(&mut text).await?;
    heading(
        "POLL",
        "here the loop sleeps until there is news from the world",
    );
    say(&format!(
        "My letter has come: {length} bytes. I ask for my own source file."
    ));
    queue_work(
        || std::fs::read_to_string(SOURCE),
        |source| {
            file_is_read(
                source.expect("the example is run where it was built"),
                socket,
            )
        },
    );
    Ok(())
}

fn file_is_read(source: String, socket: TcpStream) {
    heading(
        "POLL",
        "the wheel came round, and had nothing to do but to wait here",
    );
    let length = source.len();
    say(&format!(
        "The file has come: {length} bytes, read by another thread."
    ));
    say("I order one thing from every stop of the wheel, the last one first:");
    set_timeout(ONE_MS, || drop(spawn(second_timer(source))));
    socket.close_with(|| {
        heading("CLOSE", "the last word of what was closed");
        say("The socket of the letter is closed.");
    });
    set_immediate(|| {
        heading("CHECK", "immediates: as soon as poll is over");
        say("The immediate has its turn.");
    });
    queue_microtask(|| say("  microtask: behind all ticks, and before the wheel moves"));
    next_tick(|| say("  tick: behind this callback"));
    say("a timer, a socket to close, an immediate, a microtask, a tick.");
    busy();
}

async fn second_timer(source: String) {
    heading("TIMERS", "and round again");
    say("The timer was ordered first and comes last. Now two jobs which would");
    say("block the wheel: two other threads do them, and I await both results.");
    let copy = source.clone();
    let lines = spawn_blocking(move || source.lines().count());
    let words = spawn_blocking(move || copy.split_whitespace().count());
    // Both are under way. Which one is done first does not matter.
    let (lines, words) = (lines.await, words.await);
    heading("POLL", "results come back as callbacks");
    say("  microtask: the code behind an await. It says that my source has");
    say(&format!("  {lines} lines and {words} words."));
}

#[track_caller] // so that the picture shows who says it
fn heading(stop: &str, what: &str) {
    println!("\n{stop:8} {what}");
}

#[track_caller]
fn say(text: &str) {
    println!("         {text}");
}

/// Keeps the thread for 5 ms, as a long computation does. Nothing else runs meanwhile.
fn busy() {
    time::block_for(5 * ONE_MS);
}
