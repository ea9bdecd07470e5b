//! The side of smol: async-executor's `LocalExecutor`, async-io and blocking, without the crate `smol`,
//! which only re-exports them.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use side_common::{Jobs, Net, Runtime, Timers};

thread_local! {
    static EXECUTOR: &'static LocalExecutor<'static> = Box::leak(Box::default());
}

fn executor() -> &'static LocalExecutor<'static> {
    EXECUTOR.with(|executor| *executor)
}

struct Smol;

impl Runtime for Smol {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let main = executor().spawn(future);
        async_io::block_on(executor().run(main))
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        executor().spawn(future)
    }
}

impl Timers for Smol {
    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }
}

impl Jobs for Smol {
    fn blocking<T: Send + 'static>(
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        blocking::unblock(job)
    }
}

impl Net for Smol {
    type Listener = Async<TcpListener>;
    type Stream = Async<std::net::TcpStream>;

    async fn listen() -> io::Result<(Self::Listener, u16)> {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
        let port = listener.get_ref().local_addr()?.port();
        Ok((listener, port))
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(stream)
    }

    async fn echo(stream: Self::Stream) {
        side_common::echo(stream).await;
    }

    fn detach(future: impl Future<Output = ()> + 'static) {
        executor().spawn(future).detach();
    }
}

fn main() {
    // The number of threads that the other sides have.
    let threads = std::env::var_os("BLOCKING_MAX_THREADS");
    assert!(
        threads.is_some_and(|threads| threads == "4"),
        "set BLOCKING_MAX_THREADS=4"
    );
    let mut workloads = side_common::tasks::<Smol>();
    workloads.extend(side_common::timers::<Smol>());
    workloads.extend(side_common::jobs::<Smol>());
    workloads.extend(side_common::wakes::<Smol>());
    workloads.extend(side_common::memory::<Smol>());
    side_common::main(&workloads, Some(side_common::serve::<Smol>));
}
