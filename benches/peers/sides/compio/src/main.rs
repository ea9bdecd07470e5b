//! The side of compio, on io_uring.

use std::future::Future;
use std::io;
use std::time::Duration;

use compio::buf::{BufResult, IntoInner, IoBuf};
use compio::driver::ProactorBuilder;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::RuntimeBuilder;
use side_common::{BUFFER, Jobs, Net, Runtime, Timers};

struct Compio;

impl Runtime for Compio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut proactor = ProactorBuilder::new();
        proactor.thread_pool_limit(4);
        let runtime = RuntimeBuilder::new().with_proactor(proactor).build();
        let main = async { compio::runtime::spawn(future).await.expect("no panic") };
        runtime.expect("a runtime").block_on(main)
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        let task = compio::runtime::spawn(future);
        async { task.await.expect("no panic") }
    }
}

impl Timers for Compio {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        compio::time::sleep(duration)
    }
}

impl Jobs for Compio {
    fn blocking<T: Send + 'static>(
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        let job = compio::runtime::spawn_blocking(job);
        async { job.await.expect("no panic") }
    }
}

impl Net for Compio {
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
        let mut buffer = Vec::with_capacity(BUFFER);
        loop {
            let BufResult(length, read) = stream.read(buffer).await;
            let Ok(length @ 1..) = length else { return };
            let BufResult(written, sent) = stream.write_all(read.slice(..length)).await;
            if written.is_err() {
                return;
            }
            buffer = sent.into_inner();
            buffer.clear();
        }
    }

    fn detach(future: impl Future<Output = ()> + 'static) {
        compio::runtime::spawn(future).detach();
    }
}

fn main() {
    let mut workloads = side_common::tasks::<Compio>();
    workloads.extend(side_common::timers::<Compio>());
    workloads.extend(side_common::jobs::<Compio>());
    workloads.extend(side_common::wakes::<Compio>());
    workloads.extend(side_common::memory::<Compio>());
    side_common::main(&workloads, Some(side_common::serve::<Compio>));
}
