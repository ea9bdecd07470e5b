//! The side of glommio, on io_uring.

use std::future::Future;
use std::io;
use std::time::Duration;

use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement, PoolPlacement};
use side_common::{Jobs, Net, Runtime, Timers, Yields};

struct Glommio;

impl Runtime for Glommio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let executor = LocalExecutorBuilder::new(Placement::Unbound)
            .blocking_thread_pool_placement(PoolPlacement::Unbound(4))
            .make();
        let main = async { glommio::spawn_local(future).await };
        executor.expect("an executor").run(main)
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        glommio::spawn_local(future)
    }
}

impl Timers for Glommio {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        glommio::timer::sleep(duration)
    }
}

impl Yields for Glommio {
    async fn yield_now() {
        glommio::executor().yield_now().await;
    }
}

impl Jobs for Glommio {
    fn blocking<T: Send + 'static>(
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        glommio::executor().spawn_blocking(job)
    }
}

impl Net for Glommio {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn listen() -> io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let stream = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn echo(stream: TcpStream) {
        side_common::echo(stream).await;
    }

    fn detach(future: impl Future<Output = ()> + 'static) {
        glommio::spawn_local(future).detach();
    }
}

fn main() {
    let mut workloads = side_common::tasks::<Glommio>();
    workloads.extend(side_common::chain_of_yields::<Glommio>());
    workloads.extend(side_common::timers::<Glommio>());
    workloads.extend(side_common::jobs::<Glommio>());
    workloads.extend(side_common::wakes::<Glommio>());
    workloads.extend(side_common::memory::<Glommio>());
    // A task can have no more than 32,767 wakers, so one task cannot hold so many sleeps.
    workloads.retain(|each| !["sleep-drop-200k", "memory-timer"].contains(&each.name));
    side_common::main(&workloads, Some(side_common::serve::<Glommio>));
}
