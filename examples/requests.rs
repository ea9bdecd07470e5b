//! A server that answers quick requests at once and passes slow ones to the worker pool.
//!
//! The loop has one thread. A request that blocks this thread blocks all clients. Blocking code (a
//! long computation, a synchronous library) therefore runs on a thread of the pool, and its result
//! arrives in the poll phase. Quick requests are answered in the meantime.
//!
//! Here the slow jobs wait for a gate, which a client opens after all quick answers have arrived.
//! If a slow job blocked the loop, the gate would never open and the program would hang. The order
//! among the quick answers is not specified, and neither is the order among the slow ones, so the
//! output does not show it.
//!
//! With an address as its argument the program serves forever:
//!
//! ```text
//! cargo run --example requests 127.0.0.1:7070
//! nc 127.0.0.1 7070        # in another terminal: type `slow`, then `quick`
//! ```
//!
//! Compared with Node: exactly
//!
//! ```js
//! const fs = require('node:fs');
//! const net = require('node:net');
//! const os = require('node:os');
//! const path = require('node:path');
//! const readline = require('node:readline');
//! const { execFileSync } = require('node:child_process');
//!
//! const REQUESTS = ['slow', 'quick', 'slow', 'quick', 'slow', 'quick'];
//!
//! // The slow job is a read from a pipe that is empty until the gate opens.
//! const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'requests-'));
//! const pipe = path.join(directory, 'pipe');
//! execFileSync('mkfifo', [pipe]);
//! const gate = fs.openSync(pipe, 'r+');
//! const slowJob = (done) => fs.read(gate, Buffer.alloc(1), 0, 1, null, done);
//! const openGate = () => fs.writeSync(gate, '123');
//!
//! const server = net.createServer((socket) => {
//!   readline.createInterface({ input: socket }).on('line', (request) => {
//!     if (request === 'slow') slowJob(() => socket.write('slow\n'));
//!     else socket.write(`${request}\n`);
//!   });
//! });
//!
//! server.listen(0, '127.0.0.1', async () => {
//!   console.log(`asked, all at once: ${REQUESTS.join(', ')}`);
//!   const answers = [];
//!   await Promise.all(REQUESTS.map((request) => ask(request, answers)));
//!   server.close();
//!   fs.rmSync(directory, { recursive: true });
//! });
//!
//! async function ask(request, answers) {
//!   const socket = net.connect(server.address().port, '127.0.0.1');
//!   socket.write(`${request}\n`);
//!   for await (const answer of readline.createInterface({ input: socket })) {
//!     answers.push(answer);
//!     console.log(`answer ${answers.length}: ${answer}`);
//!     if (answers.length === 3) {
//!       console.log('the slow jobs may continue');
//!       openGate();
//!     }
//!     socket.end();
//!   }
//! }
//! ```

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use futures::TryStreamExt;
use futures::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::{run, spawn, spawn_blocking, try_spawn};

const REQUESTS: [&str; 6] = ["slow", "quick", "slow", "quick", "slow", "quick"];

/// The slow jobs wait until it is set.
static GATE: OnceLock<()> = OnceLock::new();

fn main() -> io::Result<()> {
    match std::env::args().nth(1) {
        None => run(burst()),
        Some(address) => run(async move {
            let listener = TcpListener::bind(address).await?;
            println!("listening on {}", listener.local_addr()?);
            // The sleep represents any call that blocks its thread.
            serve(listener, || thread::sleep(Duration::from_secs(3))).await
        }),
    }
}

/// Accepts clients until `accept` fails. Each connection has its own task, on the same thread.
async fn serve(listener: TcpListener, slow_job: fn()) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        spawn(async move {
            if let Err(error) = answer_all(Rc::new(stream), slow_job).await {
                eprintln!("{peer}: {error}"); // the other clients are not affected
            }
        })
        .detach();
    }
}

async fn answer_all(stream: Rc<TcpStream>, slow_job: fn()) -> io::Result<()> {
    let mut requests = BufReader::new(&*stream).lines();
    while let Some(request) = requests.try_next().await? {
        if request == "slow" {
            // Another task, so that the next request of this client does not wait for it.
            let stream = stream.clone();
            spawn(async move {
                spawn_blocking(slow_job).await;
                let _ = (&*stream).write_all(b"slow\n").await; // the client may have disconnected
            })
            .detach();
        } else {
            let answer = format!("{request}\n");
            (&*stream).write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

/// The server and all its clients, in one loop.
async fn burst() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = try_spawn(serve(listener, || {
        GATE.wait();
    }))
    .settled();

    println!("asked, all at once: {}", REQUESTS.join(", "));
    let answers = Rc::new(Cell::new(0));
    let clients = REQUESTS.map(|request| spawn(ask(address, request, answers.clone())));
    for client in clients {
        client.await?; // all of them run; this only waits for the last one
    }
    server.abort(); // otherwise it would keep the loop alive
    Ok(())
}

async fn ask(address: SocketAddr, request: &str, answers: Rc<Cell<u32>>) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{request}\n").as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    answers.set(answers.get() + 1);
    println!("answer {}: {}", answers.get(), answer.trim_end());
    if answers.get() == 3 {
        println!("the slow jobs may continue");
        GATE.set(()).expect("the gate is opened once");
    }
    Ok(())
}
