//! The future of a source that is being closed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use crate::promise::Promise;

/// The future returned by the `close` methods of sockets and pipes.
///
/// It resolves in the close phase (R62). The source is closed even if the future is dropped, so
/// nothing is lost if it is not awaited.
#[derive(Debug)]
pub struct Closing {
    promise: Promise<()>,
}

impl Closing {
    pub(super) fn new(promise: Promise<()>) -> Closing {
        Closing { promise }
    }
}

impl Future for Closing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.promise).poll(cx)
    }
}

impl FusedFuture for Closing {
    fn is_terminated(&self) -> bool {
        self.promise.is_terminated()
    }
}
