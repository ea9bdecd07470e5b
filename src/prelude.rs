//! What most programs need: `use nodeloop::prelude::*;`.
//!
//! | from | names |
//! |---|---|
//! | this crate | the callbacks ([`next_tick`], [`set_timeout`], …), the tasks ([`spawn`], [`try_spawn`], [`spawn_blocking`]), [`sleep`], [`timeout`] and [`interval`], [`Promise`] and [`TryPromise`], [`AbortController`] and [`AbortSignal`] with [`AbortExt`], [`TaskGroup`] |
//! | `futures` | the traits of streams, sinks and I/O, with the extension traits that contain their methods; [`mpsc`] and [`oneshot`] channels; with the feature `macros` also `join!`, `try_join!`, `select!` and `select_biased!` |
//! | `std` | [`Duration`] |
//!
//! ```
//! use nodeloop::net::{TcpListener, TcpStream};
//! use nodeloop::prelude::*;
//!
//! #[nodeloop::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     spawn(async move {
//!         let (mut stream, _) = listener.accept().await?;
//!         stream.write_all(b"hello\n").await?;
//!         stream.close().await
//!     })
//!     .detach();
//!
//!     let mut text = String::new();
//!     let (stream, ()) = join!(TcpStream::connect(address), sleep(Duration::from_millis(1)));
//!     stream?.read_to_string(&mut text).await?;
//!     assert_eq!(text, "hello\n");
//!
//!     let (mut sender, mut receiver) = mpsc::channel(8);
//!     set_immediate(move || sender.try_send(7).unwrap());
//!     assert_eq!(receiver.next().await, Some(7));
//!     Ok(())
//! }
//! ```
//!
//! The rest of `futures` is at [`nodeloop::futures`](crate::futures), so that a program needs no other
//! dependency for it, except for `futures::executor`, which this build of it does not contain. Its version is
//! the one whose traits the types of this crate implement.
//!
//! # Order
//!
//! `select!` polls its branches in a random order; `select_biased!` polls them as they are written, and
//! can therefore be part of a test of order. See also
//! [exactness](mod@crate::guide::exactness#the-combinators-of-futures-and-their-effect-on-order).
//!
//! # Methods with the same name
//!
//! `then`, `map`, `map_err` and `catch` of [`Promise`] and [`TryPromise`] come before those of
//! [`FutureExt`] and [`TryFutureExt`], because methods of a type do. One exception: `then` of
//! [`SharedPromise`](crate::promise::SharedPromise) and
//! [`SharedTryPromise`](crate::promise::SharedTryPromise) takes a reference, so that of [`FutureExt`] comes
//! before it. Write `SharedPromise::then(&promise, …)`.

pub use futures::channel::{mpsc, oneshot};
pub use futures::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite,
    AsyncWriteExt, Future, FutureExt, Sink, SinkExt, Stream, StreamExt, TryFutureExt, TryStream,
    TryStreamExt,
};
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use futures::{join, select, select_biased, try_join};
pub use std::time::Duration;

pub use crate::abort::{AbortController, AbortExt, AbortSignal};
pub use crate::blocking::spawn_blocking;
pub use crate::promise::{Promise, TryPromise, spawn, try_spawn};
pub use crate::schedule::yield_now::yield_now;
pub use crate::schedule::{next_tick, queue_microtask, set_immediate, set_interval, set_timeout};
pub use crate::task_group::TaskGroup;
pub use crate::time::{interval, sleep, timeout};
