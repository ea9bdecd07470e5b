//! The side of tokio: a `current_thread` runtime with everything enabled, as
//! `#[tokio::main(flavor = "current_thread")]` builds it, with a `LocalSet`. With the argument
//! `--local-runtime` before the others, a `LocalRuntime`.

use std::future::Future;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use side_common::{BUFFER, Jobs, Net, Runtime, Timers, Yields};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

/// Whether to use a `LocalRuntime`.
static IS_LOCAL: OnceLock<bool> = OnceLock::new();

struct Tokio;

impl Runtime for Tokio {
    /// The future is a task, because a task of a `LocalSet` is cheaper to wake than the future of
    /// `block_on`.
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().max_blocking_threads(4);
        let main = async { spawn_local(future).await.expect("no panic") };
        if IS_LOCAL.get() == Some(&true) {
            let runtime = builder.build_local(Default::default()).expect("a runtime");
            return runtime.block_on(main);
        }
        LocalSet::new().block_on(&builder.build().expect("a runtime"), main)
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        let task = spawn_local(future);
        async { task.await.expect("no panic") }
    }
}

impl Timers for Tokio {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(duration)
    }

    fn unlimited<F: Future + Unpin>(future: F) -> impl Future<Output = F::Output> {
        tokio::task::unconstrained(future)
    }
}

impl Yields for Tokio {
    fn yield_now() -> impl Future<Output = ()> + 'static {
        tokio::task::yield_now()
    }
}

impl Jobs for Tokio {
    fn blocking<T: Send + 'static>(
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        let job = spawn_blocking(job);
        async { job.await.expect("no panic") }
    }
}

impl Net for Tokio {
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
        spawn_local(future);
    }
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_local = arguments
        .first()
        .is_some_and(|first| first == "--local-runtime");
    IS_LOCAL.set(is_local).expect("set once");
    if is_local {
        arguments.remove(0);
    }
    let mut workloads = side_common::tasks::<Tokio>();
    workloads.extend(side_common::chain_of_yields::<Tokio>());
    workloads.extend(side_common::timers::<Tokio>());
    workloads.extend(side_common::jobs::<Tokio>());
    workloads.extend(side_common::wakes::<Tokio>());
    workloads.extend(side_common::memory::<Tokio>());
    side_common::main_with(&arguments, &workloads, Some(side_common::serve::<Tokio>));
}
