//! A restaurant: one manager who never cooks, and cooks who never serve.
//!
//! The manager is the loop's thread. He hands an order through a hatch and does not wait for the
//! dish: he goes on until there is nothing left to do, and only then he looks at all hatches at
//! once, which is the poll phase. A dish that stands there is a callback that comes back. The
//! cooks work at the same time, and each may take as long as he likes, because nobody stands and
//! waits for him.
//!
//! | restaurant | event loop |
//! |---|---|
//! | the manager | the thread of the loop: one, and never to be blocked |
//! | a cook | whatever works elsewhere: another thread, another computer, a disk |
//! | the hatch | a socket |
//! | looking at the hatches | the poll phase |
//! | the alarm clock | the timers phase |
//!
//! A cook who falls ill says nothing, and so he looks like one who takes his time. The manager
//! can't ask him; all he can do is to set an alarm with every order.
//!
//! The order of the lines hangs on nobody's speed: Ben has to prepare his steak, and to "fire" it
//! (a kitchen's word for "make it now") only when Ana's soup is served. The clock is a real one. A
//! virtual clock jumps to the next timer when nothing else can run, and so to the alarm, before
//! any cook could answer; one that sockets hold (`io_holds_time`) would wait for Ben for ever.
//!
//! Compared with Node: exactly
//!
//! ```js
//! const net = require('node:net');
//! const readline = require('node:readline');
//! const { once } = require('node:events');
//! const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
//!
//! const PATIENCE = 500;
//!
//! if (isMainThread) manager();
//! else cook(workerData);
//!
//! // A cook is a thread with a server: whatever is fired, he makes.
//! function cook({ fallsIll }) {
//!   const server = net.createServer((hatch) => {
//!     readline.createInterface({ input: hatch }).on('line', (order) => {
//!       const [verb, dish] = order.split(' ');
//!       if (verb === 'fire' && dish !== fallsIll) hatch.write(`${dish}\n`);
//!     });
//!   });
//!   server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
//! }
//!
//! async function manager() {
//!   const ana = await hire('Ana', {});
//!   const ben = await hire('Ben', { fallsIll: 'coffee' });
//!   console.log('manager: two cooks, and a hatch to each of them');
//!
//!   order(ana, 'fire soup');
//!   order(ben, 'prepare steak');
//!   console.log('manager: both are at work, I look at the hatches');
//!   console.log(`poll:    Ana has made the ${await answer(ana)}`);
//!   await serve(ben, 'steak');
//!
//!   const [, coffee] = await Promise.all([serve(ana, 'cake'), serve(ben, 'coffee')]);
//!   if (!coffee) await serve(ana, 'coffee');
//!
//!   console.log('manager: the guests are happy, I close the hatches');
//!   for (const cook of [ana, ben]) {
//!     cook.hatch.on('close', () => console.log(`close:   the hatch to ${cook.name}`));
//!     cook.hatch.destroy();
//!   }
//! }
//!
//! async function hire(name, workerData) {
//!   const thread = new Worker(__filename, { workerData });
//!   thread.unref();
//!   const [port] = await once(thread, 'message');
//!   const hatch = net.connect(port, '127.0.0.1');
//!   await once(hatch, 'connect');
//!   return { name, hatch, lines: readline.createInterface({ input: hatch }) };
//! }
//!
//! async function serve(cook, dish) {
//!   order(cook, `fire ${dish}`);
//!   try {
//!     const made = await answer(cook, AbortSignal.timeout(PATIENCE));
//!     console.log(`poll:    ${cook.name} has made the ${made}`);
//!     return true;
//!   } catch {
//!     console.log(`timers:  ${PATIENCE} ms and no ${dish}: ${cook.name} must be ill`);
//!     return false;
//!   }
//! }
//!
//! function order(cook, text) {
//!   console.log(`order:   ${cook.name}, ${text}!`);
//!   cook.hatch.write(`${text}\n`);
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

/// How long the manager waits for a dish: far longer than a healthy cook takes.
const PATIENCE: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    let (ana, ana_at_work) = hire(None)?;
    let (ben, ben_at_work) = hire(Some("coffee"))?;
    run(manager(ana, ben))?;
    // The hatches are closed, and so the cooks go home, the ill one too.
    for cook in [ana_at_work, ben_at_work] {
        cook.join().expect("no cook has panicked")?;
    }
    Ok(())
}

/// A cook is a thread with a server, of the standard library only. Whatever is fired, he makes,
/// except for the dish at which he falls ill.
fn hire(falls_ill: Option<&'static str>) -> io::Result<(SocketAddr, JoinHandle<io::Result<()>>)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let cook = move || {
        let (mut hatch, _) = listener.accept()?;
        // Here a thread waits for one thing only: it is blocked until an order comes.
        for order in BufReader::new(hatch.try_clone()?).lines() {
            let order = order?;
            if let Some(dish) = order.strip_prefix("fire ")
                && falls_ill != Some(dish)
            {
                writeln!(hatch, "{dish}")?;
            }
        }
        Ok(())
    };
    Ok((address, thread::spawn(cook)))
}

async fn manager(ana: SocketAddr, ben: SocketAddr) -> io::Result<()> {
    let mut ana = Cook::meet("Ana", ana).await?;
    let mut ben = Cook::meet("Ben", ben).await?;
    println!("manager: two cooks, and a hatch to each of them");

    ana.order("fire soup").await?;
    ben.order("prepare steak").await?;
    println!("manager: both are at work, I look at the hatches");
    println!("poll:    Ana has made the {}", ana.answer().await?);
    ben.serve("steak").await?;

    // Two orders are out, each with an alarm of its own. Whichever is answered, goes on.
    let (cake, coffee) = futures::join!(ana.serve("cake"), ben.serve("coffee"));
    cake?;
    if coffee? == Outcome::GivenUp {
        ana.serve("coffee").await?;
    }

    println!("manager: the guests are happy, I close the hatches");
    ana.close(); // the close phase is a stack: Ben's callback comes first
    ben.close();
    Ok(())
}

/// A cook, as far as the manager can see: a name and a hatch.
struct Cook {
    name: &'static str,
    hatch: AsyncBufReader<TcpStream>,
}

#[derive(PartialEq)]
enum Outcome {
    Served,
    GivenUp,
}

impl Cook {
    async fn meet(name: &'static str, address: SocketAddr) -> io::Result<Cook> {
        let hatch = AsyncBufReader::new(TcpStream::connect(address).await?);
        Ok(Cook { name, hatch })
    }

    async fn serve(&mut self, dish: &str) -> io::Result<Outcome> {
        self.order(&format!("fire {dish}")).await?;
        let name = self.name;
        // Whatever comes first: the dish, in the poll phase, or the alarm, in the timers phase.
        match time::timeout(PATIENCE, self.answer()).await {
            Ok(made) => {
                println!("poll:    {name} has made the {}", made?);
                Ok(Outcome::Served)
            }
            Err(time::Elapsed) => {
                let patience_ms = PATIENCE.as_millis();
                println!("timers:  {patience_ms} ms and no {dish}: {name} must be ill");
                Ok(Outcome::GivenUp)
            }
        }
    }

    /// Sending takes no time: the system takes the line and delivers it.
    async fn order(&mut self, text: &str) -> io::Result<()> {
        println!("order:   {}, {text}!", self.name);
        let line = format!("{text}\n");
        self.hatch.get_mut().write_all(line.as_bytes()).await
    }

    /// Waiting is what the manager does not do: at this `await` he turns to whatever else there
    /// is, and he comes back here when the line has arrived.
    async fn answer(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.hatch.read_line(&mut line).await?;
        Ok(line.trim_end().to_owned())
    }

    fn close(self) {
        let name = self.name;
        let hatch = self.hatch.into_inner();
        hatch.close_with(move || println!("close:   the hatch to {name}"));
    }
}
