//! A restaurant as an event loop: a manager who never waits for one cook, and cooks on threads.
//!
//! The manager is the thread of the loop. He sends an order over a socket and does not wait for the
//! dish. When he has nothing else to do he waits for all sockets at once, which is the poll phase.
//! An answer wakes the code that awaits it. The cooks are other threads: they work at the same
//! time, and a slow cook blocks only himself.
//!
//! | restaurant | event loop |
//! |---|---|
//! | the manager | the thread of the loop, which must never be blocked |
//! | a cook | other threads, other computers, a disk |
//! | the connection to a cook | a socket |
//! | waiting for all connections | the poll phase |
//! | the time limit of an order | a timer, in the timers phase |
//!
//! A cook that has failed sends nothing, like a cook that is slow. The manager can only set a time
//! limit for each order.
//!
//! The order of the lines does not depend on speed: Ben is asked to prepare his steak early, but to
//! make it only after Ana's soup has arrived. The clock is real. A virtual clock jumps to the next
//! timer when nothing else can run, so the time limit would expire before a cook could answer. With
//! `io_holds_time`, where sockets hold the virtual clock, the wait for Ben would never end.
//!
//! Compared with Node: exactly
//!
//! ```js
//! const net = require('node:net');
//! const readline = require('node:readline');
//! const { once } = require('node:events');
//! const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
//!
//! const TIME_LIMIT = 500;
//!
//! if (isMainThread) manager();
//! else cook(workerData);
//!
//! // A cook is a thread with a server. It makes each dish, except for one at which it fails.
//! function cook({ failsAt }) {
//!   const server = net.createServer((connection) => {
//!     readline.createInterface({ input: connection }).on('line', (order) => {
//!       const [verb, dish] = order.split(' ');
//!       if (verb === 'make' && dish !== failsAt) connection.write(`${dish}\n`);
//!     });
//!   });
//!   server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
//! }
//!
//! async function manager() {
//!   const ana = await start('Ana', {});
//!   const ben = await start('Ben', { failsAt: 'coffee' });
//!   console.log('manager: connected to two cooks');
//!
//!   order(ana, 'make soup');
//!   order(ben, 'prepare steak');
//!   console.log('manager: both are working, waits for either');
//!   console.log(`poll:    Ana has made the ${await answer(ana)}`);
//!   await serve(ben, 'steak');
//!
//!   const [, coffee] = await Promise.all([serve(ana, 'cake'), serve(ben, 'coffee')]);
//!   if (!coffee) await serve(ana, 'coffee');
//!
//!   console.log('manager: everything is served, closes the connections');
//!   for (const cook of [ana, ben]) {
//!     cook.connection.on('close', () => console.log(`close:   the connection to ${cook.name}`));
//!     cook.connection.destroy();
//!   }
//! }
//!
//! async function start(name, workerData) {
//!   const thread = new Worker(__filename, { workerData });
//!   thread.unref();
//!   const [port] = await once(thread, 'message');
//!   const connection = net.connect(port, '127.0.0.1');
//!   await once(connection, 'connect');
//!   return { name, connection, lines: readline.createInterface({ input: connection }) };
//! }
//!
//! async function serve(cook, dish) {
//!   order(cook, `make ${dish}`);
//!   try {
//!     const dishMade = await answer(cook, AbortSignal.timeout(TIME_LIMIT));
//!     console.log(`poll:    ${cook.name} has made the ${dishMade}`);
//!     return true;
//!   } catch {
//!     console.log(`timers:  no ${dish} after ${TIME_LIMIT} ms, ${cook.name} has failed`);
//!     return false;
//!   }
//! }
//!
//! function order(cook, text) {
//!   console.log(`order:   ${cook.name}, ${text}`);
//!   cook.connection.write(`${text}\n`);
//! }
//!
//! async function answer(cook, signal) {
//!   const [line] = await once(cook.lines, 'line', { signal });
//!   return line;
//! }
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::io::{AsyncBufReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use nodeloop::net::TcpStream;
use nodeloop::recording::println;
use nodeloop::{run, time};

/// How long the manager waits for a dish, far longer than a working cook needs.
const TIME_LIMIT: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    let (ana, ana_thread) = start_cook(None)?;
    let (ben, ben_thread) = start_cook(Some("coffee"))?;
    run(manager(ana, ben))?;
    // The connections are closed, so both cooks return, including the one that failed.
    for cook in [ana_thread, ben_thread] {
        cook.join().expect("no cook panics")?;
    }
    Ok(())
}

/// Starts a cook: a thread with a server that uses only the standard library. It makes every dish
/// except for the one at which it fails.
fn start_cook(
    fails_at: Option<&'static str>,
) -> io::Result<(SocketAddr, JoinHandle<io::Result<()>>)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let cook = move || {
        let (mut connection, _) = listener.accept()?;
        // This thread waits for one thing only: it is blocked until an order arrives.
        for order in BufReader::new(connection.try_clone()?).lines() {
            let order = order?;
            if let Some(dish) = order.strip_prefix("make ")
                && fails_at != Some(dish)
            {
                writeln!(connection, "{dish}")?;
            }
        }
        Ok(())
    };
    Ok((address, thread::spawn(cook)))
}

async fn manager(ana: SocketAddr, ben: SocketAddr) -> io::Result<()> {
    let mut ana = Cook::connect("Ana", ana).await?;
    let mut ben = Cook::connect("Ben", ben).await?;
    println!("manager: connected to two cooks");

    ana.order("make soup").await?;
    ben.order("prepare steak").await?;
    println!("manager: both are working, waits for either");
    println!("poll:    Ana has made the {}", ana.answer().await?);
    ben.serve("steak").await?;

    // Two orders at the same time, each with its own time limit.
    let (cake, coffee) = futures::join!(ana.serve("cake"), ben.serve("coffee"));
    cake?;
    if coffee? == Outcome::TimedOut {
        ana.serve("coffee").await?;
    }

    println!("manager: everything is served, closes the connections");
    ana.close(); // the close phase is a stack: Ben's callback runs first
    ben.close();
    Ok(())
}

/// A cook as the manager sees it: a name and a connection.
struct Cook {
    name: &'static str,
    connection: AsyncBufReader<TcpStream>,
}

#[derive(PartialEq)]
enum Outcome {
    Served,
    TimedOut,
}

impl Cook {
    async fn connect(name: &'static str, address: SocketAddr) -> io::Result<Cook> {
        let connection = AsyncBufReader::new(TcpStream::connect(address).await?);
        Ok(Cook { name, connection })
    }

    async fn serve(&mut self, dish: &str) -> io::Result<Outcome> {
        self.order(&format!("make {dish}")).await?;
        let name = self.name;
        // Either the dish arrives, in the poll phase, or the timer is due, in the timers phase.
        match time::timeout(TIME_LIMIT, self.answer()).await {
            Ok(dish) => {
                println!("poll:    {name} has made the {}", dish?);
                Ok(Outcome::Served)
            }
            Err(time::Elapsed) => {
                let limit_ms = TIME_LIMIT.as_millis();
                println!("timers:  no {dish} after {limit_ms} ms, {name} has failed");
                Ok(Outcome::TimedOut)
            }
        }
    }

    /// Sends a line. The operating system buffers it, so this does not wait for the cook.
    async fn order(&mut self, text: &str) -> io::Result<()> {
        println!("order:   {}, {text}", self.name);
        let line = format!("{text}\n");
        self.connection.get_mut().write_all(line.as_bytes()).await
    }

    /// Receives a line. The `await` does not block the loop: other code runs until the line has
    /// arrived.
    async fn answer(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.connection.read_line(&mut line).await?;
        Ok(line.trim_end().to_owned())
    }

    fn close(self) {
        let name = self.name;
        let connection = self.connection.into_inner();
        connection.close_with(move || println!("close:   the connection to {name}"));
    }
}
