//! Generated programs: real runs are recorded and replayed label for label.
//!
//! A program is a tree of actions that a seed chooses: sockets, files, jobs, threads, signals, children
//! and timers, in tasks that run at once. Each action logs what it has received. The quick form runs 20
//! programs; `NODELOOP_RECORDINGS=1000` sets another number, and `NODELOOP_FIRST_RECORDING` the first
//! seed, so that a long run can be done in parts.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::join_all;
use futures::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use nodeloop::flight_recorder::FlightRecorder;
use nodeloop::net::{TcpListener, TcpStream, UdpSocket};
use nodeloop::test::{Log, Replay, Replayed};
use nodeloop::{EventLoop, Handle, fs, next_tick, set_immediate, set_timeout, spawn};

use crate::common::limit::limit_of_case;

/// Numbers from a seed (SplitMix64), the same in the recording and in the replay.
#[derive(Clone)]
struct Choices(u64);

impl Choices {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns the choices of a task, which do not depend on how tasks alternate.
    fn of_task(&mut self) -> Choices {
        Choices(self.next())
    }
}

/// Runs the program of a seed.
async fn program(seed: u64, directory: &Path, log: Log) {
    let mut choices = Choices(seed);
    let tasks = 1 + choices.below(4);
    let tasks = (0..tasks).map(|task| {
        let choices = choices.of_task();
        let (log, directory) = (log.clone(), directory.join(format!("{task}")));
        spawn(async move {
            let mut task = Task {
                name: task,
                choices,
                log,
            };
            for _ in 0..=task.choices.below(4) {
                task.act(&directory).await;
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    join_all(tasks).await;
    log.add("end");
}

struct Task {
    name: u64,
    choices: Choices,
    log: Log,
}

impl Task {
    fn log(&self, text: impl std::fmt::Display) {
        self.log.add(format!("{}: {text}", self.name));
    }

    async fn act(&mut self, directory: &Path) {
        match self.choices.below(11) {
            0 => self.stream().await,
            1 => self.datagrams().await,
            2 => self.file(directory).await,
            3 => self.folder(directory).await,
            4 => self.jobs().await,
            5 => self.threads().await,
            6 => self.timers().await,
            7 => self.callbacks().await,
            8 => self.refused().await,
            9 => self.worker().await,
            _ => self.system().await,
        }
    }

    /// A server in a task of its own, and one to three clients.
    async fn stream(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients = 1 + self.choices.below(3);
        let (log, name) = (self.log.clone(), self.name);
        let server = spawn(async move {
            let mut connections = Vec::new();
            for _ in 0..clients {
                let (mut stream, peer) = listener.accept().await.unwrap();
                log.add(format!("{name}: accepted {peer}"));
                let log = log.clone();
                connections.push(spawn(async move {
                    let mut buffer = vec![0; 1000];
                    loop {
                        let length = stream.read(&mut buffer).await.unwrap();
                        log.add(format!("{name}: {length} bytes of {peer}"));
                        if length == 0 {
                            break;
                        }
                        stream.write_all(&buffer[..length]).await.unwrap();
                    }
                }));
            }
            join_all(connections).await;
        });
        let clients = (0..clients).map(|client| {
            let mut choices = self.choices.of_task();
            let (log, name) = (self.log.clone(), self.name);
            spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                for _ in 0..=choices.below(3) {
                    let sent = vec![choices.next() as u8; 1 + choices.below(3000) as usize];
                    stream.write_all(&sent).await.unwrap();
                    let mut answer = vec![0; sent.len()];
                    stream.read_exact(&mut answer).await.unwrap();
                    assert_eq!(answer, sent);
                    log.add(format!("{name}: answer to client {client}"));
                }
                stream.close().await.unwrap();
                let left = stream.read_to_end(&mut Vec::new()).await.unwrap();
                log.add(format!("{name}: {left} bytes left"));
            })
        });
        let clients: Vec<_> = clients.collect();
        join_all(clients).await;
        server.await;
    }

    async fn datagrams(&mut self) {
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = other.local_addr().unwrap();
        for _ in 0..=self.choices.below(5) {
            let sent = vec![7; self.choices.below(100) as usize];
            one.send_to(&sent, address).await.unwrap();
            let mut buffer = [0; 64];
            let (length, sender) = other.recv_from(&mut buffer).await.unwrap();
            self.log(format!("{length} bytes from {sender}"));
        }
    }

    async fn file(&mut self, path: &Path) {
        let mut options = fs::File::options();
        options.read(true).write(true).create(true).truncate(true);
        let mut file = options.open(path).await.unwrap();
        let text = "text ".repeat(self.choices.below(2000) as usize);
        file.write_all(text.as_bytes()).await.unwrap();
        file.flush().await.unwrap();
        let middle = self.choices.below(100);
        let position = file.seek(std::io::SeekFrom::Start(middle)).await.unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        self.log(format!("{} bytes from {position}", rest.len()));
        let metadata = fs::metadata(path).await.unwrap();
        self.log(format!("{}, {:?}", metadata.len(), metadata.modified()));
        fs::remove_file(path).await.unwrap();
    }

    async fn folder(&mut self, path: &Path) {
        fs::create_dir_all(path).await.unwrap();
        let names = 1 + self.choices.below(4);
        let texts: Vec<String> = (0..names)
            .map(|_| self.choices.next().to_string())
            .collect();
        let writes = texts.iter().enumerate().map(|(name, text)| {
            let path = path.join(format!("{name}"));
            fs::write(path, text.clone())
        });
        let writes: Vec<_> = writes.collect();
        for write in writes {
            write.await.unwrap();
        }
        for name in 0..=names {
            match fs::read_to_string(path.join(format!("{name}"))).await {
                Ok(text) => {
                    assert_eq!(texts.get(name as usize), Some(&text), "another file");
                    self.log(text);
                }
                Err(error) => self.log(format!("{:?}", error.kind())),
            }
        }
        fs::remove_dir_all(path).await.unwrap();
        self.log(fs::try_exists(path).await.unwrap());
    }

    /// Jobs that run again in a replay, and jobs with recorded results.
    async fn jobs(&mut self) {
        let jobs = (0..=self.choices.below(6)).map(|job| {
            let (log, name) = (self.log.clone(), self.name);
            let (pause, is_recorded) = (self.choices.below(300), self.choices.below(2) == 0);
            spawn(async move {
                let work = move || {
                    busy(pause);
                    job
                };
                let result = match is_recorded {
                    true => {
                        nodeloop::flight_recorder::spawn_blocking(move || Number(work()))
                            .await
                            .0
                    }
                    false => nodeloop::spawn_blocking(work).await,
                };
                assert_eq!(result, job, "the result of another job");
                log.add(format!("{name}: job {result}"));
            })
        });
        let jobs: Vec<_> = jobs.collect();
        join_all(jobs).await;
    }

    /// Threads that send callbacks, and then wake the task that waits for them. They wait until the last
    /// callback was called: a wake has a place of its own only while its task is neither polled nor
    /// queued.
    async fn threads(&mut self) {
        let handle = Handle::current();
        let threads = (0..=self.choices.below(4)).map(|thread| {
            let (handle, log, name) = (handle.clone(), self.log.clone(), self.name);
            let (messages, pause) = (1 + self.choices.below(4), self.choices.below(300));
            let posted = log.clone();
            let start = move |waker: Waker| {
                std::thread::spawn(move || {
                    let (called, is_called) = std::sync::mpsc::channel();
                    for message in 0..messages {
                        busy(pause);
                        let (log, called) = (posted.clone(), called.clone());
                        let text = format!("{name}: message {message} of thread {thread}");
                        let callback = move || {
                            log.add(text);
                            called.send(()).unwrap();
                        };
                        handle.post(callback).unwrap();
                    }
                    is_called.iter().take(messages as usize).for_each(drop);
                    waker.wake();
                });
            };
            spawn(async move {
                WokenByThread(Some(start)).await;
                log.add(format!("{name}: thread {thread} has ended"));
            })
        });
        let threads: Vec<_> = threads.collect();
        join_all(threads).await;
    }

    async fn timers(&mut self) {
        for _ in 0..=self.choices.below(3) {
            let started = nodeloop::time::Instant::now();
            nodeloop::time::sleep(Duration::from_micros(self.choices.below(3000))).await;
            self.log(format!("slept {:?}", started.elapsed()));
        }
    }

    async fn callbacks(&mut self) {
        for index in 0..=self.choices.below(4) {
            let label = format!("{}: callback {index}", self.name);
            match self.choices.below(3) {
                0 => {
                    set_timeout(Duration::from_millis(1), self.log.callback(label));
                }
                1 => {
                    set_immediate(self.log.callback(label));
                }
                _ => next_tick(self.log.callback(label)),
            }
        }
        nodeloop::yield_now().await;
    }

    async fn refused(&mut self) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpStream::connect(("127.0.0.1", 1)).await;
        self.log(closed.map(drop).unwrap_err());
        drop(listener);
        let taken = TcpListener::bind("192.0.2.1:0").await;
        self.log(taken.map(drop).unwrap_err().kind());
    }

    async fn worker(&mut self) {
        let doubled = nodeloop::spawn_blocking(|| 21).await * 2;
        self.log(doubled);
        let names = nodeloop::net::lookup_host(("localhost", 80)).await;
        self.log(format!("{names:?}"));
    }

    #[cfg(unix)] // children and pipes of Windows are not recorded
    async fn system(&mut self) {
        use nodeloop::process::Command;
        use nodeloop::signal::{SignalKind, signal};

        if self.choices.below(2) == 0 {
            let mut signals = signal(SignalKind::window_change()).unwrap();
            signal_hook::low_level::raise(SignalKind::window_change().as_raw()).unwrap();
            signals.recv().await;
            self.log("signal");
            return;
        }
        let text = self.choices.next().to_string();
        let script = format!("echo {text}; exit {}", self.choices.below(3));
        let output = Command::new("sh").args(["-c", &script]).output().await;
        let output = output.unwrap();
        assert_eq!(
            output.stdout,
            format!("{text}\n").into_bytes(),
            "another child"
        );
        self.log(format!("{output:?}"));
    }

    #[cfg(not(unix))]
    async fn system(&mut self) {}
}

/// The result of a job that is recorded.
struct Number(u64);

impl nodeloop::flight_recorder::Recordable for Number {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Number> {
        Some(Number(u64::from_le_bytes(bytes.try_into().ok()?)))
    }
}

/// Is ready when it is polled again. It shares nothing with the thread that wakes it.
struct WokenByThread<S>(Option<S>);

impl<S: FnOnce(Waker) + Unpin> Future for WokenByThread<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.take() {
            Some(start) => {
                start(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

/// Does `rounds` of work, so that threads finish in different orders.
fn busy(rounds: u64) {
    let mut choices = Choices(rounds);
    for _ in 0..rounds * 100 {
        std::hint::black_box(choices.next());
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        let parsed = text.parse();
        parsed.unwrap_or_else(|_| panic!("{variable} is no number: {text}"))
    })
}

#[test]
fn recordings_of_generated_programs_replay_label_for_label() {
    let first = number("NODELOOP_FIRST_RECORDING", 0);
    let count = number("NODELOOP_RECORDINGS", 20);
    let (mut labels, mut records) = (0, 0);
    for seed in first..first + count {
        let _limit = limit_of_case(&format!("recording {seed}"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.flight");
        let files = directory.path().join("files");
        std::fs::create_dir(&files).unwrap();
        let recorder = FlightRecorder::to_file(&path).payloads(true);
        let mut event_loop = EventLoop::builder().record(recorder).build().unwrap();
        let recorded = Log::new();
        event_loop
            .run(program(seed, &files, recorded.clone()))
            .unwrap();
        drop(event_loop);
        // In the replay there is no place for files.
        std::fs::remove_dir_all(&files).unwrap();
        let again = Log::new();
        let replay = Replay::open(&path).unwrap();
        assert_eq!(replay.damage(), None, "recording {seed}");
        let length = replay.lines().len();
        let replayed = replay.run(async || program(seed, &files, again.clone()).await);
        match replayed {
            Ok(replayed) => assert_eq!(replayed, Replayed::Finished(()), "recording {seed}"),
            Err(failure) => panic!("recording {seed} of {length} records: {failure}"),
        }
        assert_eq!(recorded.labels(), again.labels(), "recording {seed}");
        labels += recorded.labels().len();
        records += length;
    }
    println!("{count} recordings with {records} records and {labels} labels were replayed");
}

/// Each program checks what it reads and what its jobs return, so that a result of another source, job or
/// child would fail it. None may fail in an order that can be followed.
#[test]
fn generated_programs_pass_in_every_order_that_can_be_followed() {
    let first = number("NODELOOP_FIRST_RECORDING", 0);
    let count = number("NODELOOP_RECORDINGS", 20);
    let (mut explored, mut orders, mut runs, mut not_followed) = (0, 0, 0, 0);
    for seed in first..first + count {
        let _limit = limit_of_case(&format!("other orders of recording {seed}"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.flight");
        let files = directory.path().join("files");
        std::fs::create_dir(&files).unwrap();
        let recorder = FlightRecorder::to_file(&path).payloads(true);
        let mut event_loop = EventLoop::builder().record(recorder).build().unwrap();
        event_loop.run(program(seed, &files, Log::new())).unwrap();
        drop(event_loop);
        std::fs::remove_dir_all(&files).unwrap();
        let replay = Replay::open(&path).unwrap();
        let of_threads = ["a callback of handle", "a wake of", "external operation"];
        let mut lines = replay.lines().iter();
        if lines.any(|line| of_threads.iter().any(|it| line.contains(it))) {
            continue; // refused
        }
        let result = replay.explore(10, async |log| program(seed, &files, log).await);
        explored += 1;
        orders += result.orders().len();
        runs += result.runs();
        not_followed += result.not_followed();
    }
    assert!(explored > 0, "every recording has messages of threads");
    println!(
        "{explored} of {count} recordings in {runs} runs: {orders} orders, {not_followed} runs not followed"
    );
}
