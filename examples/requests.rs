//! A server that answers quick questions at once and gives slow ones to the worker pool.
//!
//! The loop has one thread. A question that blocks it, even for a second, blocks all clients; so
//! whatever blocks (a long computation, a library that knows nothing of loops) goes to a thread
//! of the pool, and the loop goes on. Its answer comes back in the poll phase. That is why quick
//! answers overtake slow ones.
//!
//! Here the slow jobs wait for a gate, which a client opens when all quick answers have arrived.
//! If one slow job blocked the loop, the gate would never open, and nothing more be printed. Who
//! is first among the quick ones, or among the slow ones, is promised by nobody, so the lines
//! don't tell.
//!
//! With an address it serves for ever:
//!
//! ```text
//! cargo run --example requests 127.0.0.1:7070
//! nc 127.0.0.1 7070        # in another terminal: write `slow`, and then `quick`
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
//! const QUESTIONS = ['slow', 'quick', 'slow', 'quick', 'slow', 'quick'];
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
//!   readline.createInterface({ input: socket }).on('line', (question) => {
//!     if (question === 'slow') slowJob(() => socket.write('slow\n'));
//!     else socket.write(`${question}\n`);
//!   });
//! });
//!
//! server.listen(0, '127.0.0.1', async () => {
//!   console.log(`asked, all at once: ${QUESTIONS.join(', ')}`);
//!   const answers = [];
//!   await Promise.all(QUESTIONS.map((question) => ask(question, answers)));
//!   server.close();
//!   fs.rmSync(directory, { recursive: true });
//! });
//!
//! async function ask(question, answers) {
//!   const socket = net.connect(server.address().port, '127.0.0.1');
//!   socket.write(`${question}\n`);
//!   for await (const answer of readline.createInterface({ input: socket })) {
//!     answers.push(answer);
//!     console.log(`answer ${answers.length}: ${answer}`);
//!     if (answers.length === 3) {
//!       console.log('the slow jobs may go on');
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

const QUESTIONS: [&str; 6] = ["slow", "quick", "slow", "quick", "slow", "quick"];

/// The slow jobs wait until it is set.
static GATE: OnceLock<()> = OnceLock::new();

fn main() -> io::Result<()> {
    match std::env::args().nth(1) {
        None => run(burst()),
        Some(address) => run(async move {
            let listener = TcpListener::bind(address).await?;
            println!("listening on {}", listener.local_addr()?);
            // The sleep stands for a call that blocks its thread.
            serve(listener, || thread::sleep(Duration::from_secs(3))).await
        }),
    }
}

/// Accepts for ever. Every connection is a task of its own, on the same thread.
async fn serve(listener: TcpListener, slow_job: fn()) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        spawn(async move {
            if let Err(error) = answer_all(Rc::new(stream), slow_job).await {
                eprintln!("{peer}: {error}"); // one client has gone; the others stay
            }
        });
    }
}

async fn answer_all(stream: Rc<TcpStream>, slow_job: fn()) -> io::Result<()> {
    let mut questions = BufReader::new(&*stream).lines();
    while let Some(question) = questions.try_next().await? {
        if question == "slow" {
            // Another task: the next question of this client does not wait for it, either.
            let stream = stream.clone();
            spawn(async move {
                spawn_blocking(slow_job).await;
                let _ = (&*stream).write_all(b"slow\n").await; // the client may have gone
            });
        } else {
            let answer = format!("{question}\n");
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
    }));

    println!("asked, all at once: {}", QUESTIONS.join(", "));
    let answers = Rc::new(Cell::new(0));
    let clients = QUESTIONS.map(|question| spawn(ask(address, question, answers.clone())));
    for client in clients {
        client.await?; // all are under way; this only waits for the last one
    }
    server.abort(); // or it would keep the loop alive: somebody might call
    Ok(())
}

async fn ask(address: SocketAddr, question: &str, answers: Rc<Cell<u32>>) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{question}\n").as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    answers.set(answers.get() + 1);
    println!("answer {}: {}", answers.get(), answer.trim_end());
    if answers.get() == 3 {
        println!("the slow jobs may go on");
        GATE.set(()).expect("the third answer comes once");
    }
    Ok(())
}
