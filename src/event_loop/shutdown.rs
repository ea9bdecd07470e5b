//! The end of a loop: everything is cancelled, on the loop's thread, before the door closes.
//!
//! Destructors run user code, which may call into the loop again: what is scheduled meanwhile is
//! dropped ([`LoopStatus::Cancelling`]), and so are tasks spawned meanwhile. A task is cancelled by
//! waking it: it finds the loop cancelling and drops its future instead of polling it. A wake
//! from another thread may be on its way to the door; its task stays registered until the wake
//! has arrived, so an empty registry means that no [`Runnable`](async_task::Runnable) is left
//! anywhere, and the door can close.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Waker;

use crate::event_loop::current::enter;
use crate::event_loop::state::{LoopState, LoopStatus};
use crate::hooks::uncaught::drop_quietly;
use crate::phases::queues::Microtask;
use crate::reactor::remote_queue::Message;

impl LoopState {
    /// Cancels every task and drops every callback. The loop can be used again afterwards.
    pub(crate) fn cancel_all(self: &Rc<Self>) {
        let _entered = enter(self);
        self.set_status(LoopStatus::Cancelling);
        loop {
            self.drop_callbacks();
            self.wake_waiting();
            self.wake_all_tasks();
            self.run_cancelled_tasks();
            self.drop_messages();
            if self.tasks.borrow().is_empty()
                && self.queues.is_empty()
                && self.remote_queue.is_empty()
            {
                break;
            }
            self.wait_for_wakes_in_flight();
        }
        self.observers.forget_entries();
        let _ = self.take_stop();
        self.set_status(LoopStatus::Open);
    }

    /// The end: cancels everything and lets nothing in any more.
    pub(crate) fn shut_down(self: &Rc<Self>) {
        self.cancel_all();
        let _entered = enter(self);
        self.set_status(LoopStatus::Cancelling); // for good
        self.remote_queue.close();
        self.drop_messages(); // what came in between
        drop_quietly(self.hooks.take_all());
        drop_quietly(self.observers.take_all());
    }

    fn drop_callbacks(&self) {
        // Each list is taken out whole before the first of it is dropped.
        let timers = self.timers.borrow_mut().take_all();
        timers.into_iter().for_each(drop_quietly);
        let pending = self.pending.borrow_mut().take_all();
        pending.into_iter().for_each(drop_quietly);
        self.drop_arrived();
        let immediates = self.check.borrow_mut().take_all();
        immediates.into_iter().for_each(drop_quietly);
        let closed = self.close.borrow_mut().take_all();
        closed.into_iter().for_each(drop_quietly);
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        idle.into_iter().for_each(drop_quietly);
        drop_quietly(self.pool.take_all());
        drop_quietly(self.signals.take_all(&self.poll.registrations));
        let late = std::iter::from_fn(|| self.rejections.take_late());
        late.for_each(drop_quietly);
        drop_quietly(self.rejections.take_round());
        while let Some(tick) = self.queues.pop_tick() {
            drop_quietly(tick.callback);
        }
    }

    /// Whoever waits for a source without being a task of this loop learns of the end.
    fn wake_waiting(&self) {
        let waiting = self.poll.registrations.borrow_mut().take_waiting();
        waiting.into_iter().for_each(wake_quietly);
    }

    fn wake_all_tasks(&self) {
        let tasks = self.tasks.borrow();
        // A wake only pushes to the microtask queue, so the borrow may last.
        tasks.iter().for_each(|(_, task)| task.waker.wake_by_ref());
    }

    fn run_cancelled_tasks(&self) {
        while let Some(microtask) = self.queues.pop_microtask() {
            match microtask {
                Microtask::Task(runnable) => drop(runnable.run()),
                Microtask::Callback(job) => drop_quietly(job.callback),
            }
        }
    }

    fn drop_arrived(&self) {
        let (arrived, messages) = self.poll.take_all();
        arrived.into_iter().for_each(drop_quietly);
        messages.into_iter().for_each(drop_message);
    }

    fn drop_messages(&self) {
        while let Some(envelope) = self.remote_queue.pop() {
            drop_message(envelope.message);
        }
    }

    /// A task is registered and not scheduled here: another thread is between marking it as
    /// scheduled and pushing it. That thread runs no user code meanwhile, so it will arrive.
    fn wait_for_wakes_in_flight(&self) {
        if !self.tasks.borrow().is_empty() && self.queues.is_empty() && self.remote_queue.is_empty()
        {
            let _ = self
                .poll
                .wait_for_external_event(&self.poll_context(), None);
            self.drop_arrived();
        }
    }
}

fn drop_message(message: Message) {
    match message {
        Message::Wake(runnable) => drop(runnable.run()),
        message => drop_quietly(message),
    }
}

fn wake_quietly(waker: Waker) {
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}
