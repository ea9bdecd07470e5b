//! The side of runite, on io_uring. A thread keeps its runtime, so there is no start-up to measure.

use std::future::Future;
use std::io;
use std::time::Duration;

use runite::io::{AsyncReadExt, AsyncWriteExt};
use runite::net::{TcpListener, TcpStream};
use side_common::{BUFFER, Jobs, Net, Runtime, Timers, Yields};

struct Runite;

impl Runtime for Runite {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        runite::block_on(async { runite::spawn(future).await.expect("no panic") })
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        let task = runite::spawn(future);
        async { task.await.expect("no panic") }
    }
}

impl Timers for Runite {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        runite::time::sleep(duration)
    }
}

impl Yields for Runite {
    fn yield_now() -> impl Future<Output = ()> + 'static {
        runite::yield_now()
    }
}

impl Jobs for Runite {
    fn blocking<T: Send + 'static>(
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        let job = runite::spawn_blocking(job).expect("a place in the queue");
        async { job.await.expect("no panic") }
    }
}

impl Net for Runite {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn listen() -> io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn echo(mut stream: TcpStream) {
        let mut buffer = vec![0; BUFFER];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    }

    fn detach(future: impl Future<Output = ()> + 'static) {
        drop(runite::spawn(future));
    }
}

fn main() {
    let mut workloads = side_common::tasks::<Runite>();
    workloads.retain(|workload| workload.name != "start-up");
    workloads.extend(side_common::chain_of_yields::<Runite>());
    workloads.extend(side_common::timers::<Runite>());
    workloads.extend(side_common::jobs::<Runite>());
    workloads.extend(side_common::wakes::<Runite>());
    workloads.extend(side_common::memory::<Runite>());
    // Its queue refuses so many jobs.
    workloads.retain(|workload| workload.name != "jobs-at-once");
    side_common::main(&workloads, Some(side_common::serve::<Runite>));
}
