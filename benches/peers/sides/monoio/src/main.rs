//! The side of monoio: its `FusionDriver`, which uses io_uring where the kernel has it.

use std::future::Future;
use std::io;
use std::time::Duration;

use monoio::blocking::DefaultThreadPool;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{FusionDriver, RuntimeBuilder};
use side_common::{BUFFER, Jobs, Net, Runtime, Timers};

/// With or without a pool of threads, which starts them all with the runtime.
struct Monoio<const POOL: bool>;

impl<const POOL: bool> Runtime for Monoio<POOL> {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut builder = RuntimeBuilder::<FusionDriver>::new();
        if POOL {
            builder = builder.attach_thread_pool(Box::new(DefaultThreadPool::new(4)));
        }
        let mut runtime = builder.enable_all().build().expect("a runtime");
        runtime.block_on(async { monoio::spawn(future).await })
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        monoio::spawn(future)
    }
}

impl Timers for Monoio<false> {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep(duration)
    }
}

impl Jobs for Monoio<true> {
    fn blocking<T: Send + 'static>(
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        let job = monoio::spawn_blocking(job);
        async { job.await.unwrap_or_else(|_| panic!("the job was lost")) }
    }
}

impl Net for Monoio<false> {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn listen() -> io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
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
            let (length, read) = stream.read(buffer).await;
            if !matches!(length, Ok(1..)) {
                return;
            }
            let (written, sent) = stream.write_all(read).await;
            if written.is_err() {
                return;
            }
            buffer = sent;
            buffer.clear();
        }
    }

    fn detach(future: impl Future<Output = ()> + 'static) {
        drop(monoio::spawn(future));
    }
}

fn main() {
    let mut workloads = side_common::tasks::<Monoio<false>>();
    workloads.extend(side_common::timers::<Monoio<false>>());
    workloads.extend(side_common::jobs::<Monoio<true>>());
    workloads.extend(side_common::wakes::<Monoio<false>>());
    workloads.extend(side_common::memory::<Monoio<false>>());
    side_common::main(&workloads, Some(side_common::serve::<Monoio<false>>));
}
