//! The ends of the connection between a worker and its parent.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use futures::future::FusedFuture;

use super::channel::Channel;
use crate::runtime::handle::{Handle, KeepAlive};

/// One end of the connection between a worker and its parent: sends `S` and receives `R`.
///
/// Dropping it closes the connection: the other end receives the messages that were sent before,
/// and then `None`.
#[doc(alias = "parentPort")]
pub struct MessagePort<S: Send + 'static, R: Send + 'static> {
    sends: Arc<Channel<S>>,
    receives: Arc<Channel<R>>,
    /// The loop of this end.
    handle: Handle,
    refed: bool,
    /// Set while a task waits for a message.
    keep_alive: Option<KeepAlive>,
}

/// The worker's end of the port of a [`Worker<I, O, T>`](super::Worker): it receives `I` and sends `O`.
pub type WorkerPort<I, O> = MessagePort<O, I>;

impl<S: Send + 'static, R: Send + 'static> MessagePort<S, R> {
    pub(super) fn new(
        sends: Arc<Channel<S>>,
        receives: Arc<Channel<R>>,
        handle: Handle,
    ) -> MessagePort<S, R> {
        receives.set_receiver(handle.clone());
        MessagePort {
            sends,
            receives,
            handle,
            refed: true,
            keep_alive: None,
        }
    }

    pub(super) fn loop_handle(&self) -> &Handle {
        &self.handle
    }

    /// Sends a message to the other end.
    ///
    /// The queue of messages is unbounded.
    ///
    /// # Errors
    ///
    /// Returns the message if the other end was dropped or its loop has ended.
    #[doc(alias = "postMessage")]
    pub fn post(&self, message: S) -> Result<(), S> {
        self.sends.send(message)
    }

    /// Waits for the next message.
    ///
    /// Resolves to `None` if the other end was dropped.
    ///
    /// Waiting keeps the loop alive unless the port is unref'd.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message.
    pub fn recv(&mut self) -> Recv<'_, S, R> {
        Recv {
            port: self,
            is_done: false,
        }
    }

    /// Makes waiting for a message keep the loop alive (R6), which is the default.
    #[doc(alias = "ref")]
    pub fn ref_(&mut self) -> &mut Self {
        self.refed = true;
        self
    }

    /// Makes waiting for a message not keep the loop alive.
    pub fn unref(&mut self) -> &mut Self {
        self.refed = false;
        self.keep_alive = None;
        self
    }

    /// Returns whether waiting for a message keeps the loop alive.
    pub fn has_ref(&self) -> bool {
        self.refed
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<R>> {
        let polled = self.receives.poll_recv(cx);
        if polled.is_ready() {
            self.keep_alive = None;
        } else if self.refed && self.keep_alive.is_none() {
            self.keep_alive = Some(self.handle.keep_alive());
        }
        polled
    }
}

/// The stream of messages. A pending poll keeps the loop alive until the next poll is ready or the
/// port is dropped.
impl<S: Send + 'static, R: Send + 'static> Stream for MessagePort<S, R> {
    type Item = R;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        self.poll_recv(cx)
    }
}

impl<S: Send + 'static, R: Send + 'static> Drop for MessagePort<S, R> {
    fn drop(&mut self) {
        // In this order, a peer that has seen the end can send no message that nobody receives.
        let unreceived = self.receives.close_receiver();
        self.sends.close_sender();
        drop(unreceived); // may call code of the user
    }
}

impl<S: Send + 'static, R: Send + 'static> fmt::Debug for MessagePort<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessagePort").field(&self.handle).finish()
    }
}

/// The future returned by [`MessagePort::recv`].
///
/// Dropping it loses no message.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Recv<'a, S: Send + 'static, R: Send + 'static> {
    port: &'a mut MessagePort<S, R>,
    is_done: bool,
}

impl<S: Send + 'static, R: Send + 'static> Future for Recv<'_, S, R> {
    type Output = Option<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        let polled = self.port.poll_recv(cx);
        self.is_done |= polled.is_ready();
        polled
    }
}

impl<S: Send + 'static, R: Send + 'static> FusedFuture for Recv<'_, S, R> {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

impl<S: Send + 'static, R: Send + 'static> Drop for Recv<'_, S, R> {
    fn drop(&mut self) {
        self.port.keep_alive = None;
    }
}
