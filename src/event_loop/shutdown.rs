//! The end of a loop: cancels everything, on the loop's thread, before the remote queue closes.
//!
//! Destructors run user code, which may call into the loop again. What is scheduled meanwhile is
//! dropped ([`LoopStatus::Cancelling`]), and so are tasks spawned meanwhile. A task is cancelled by
//! waking it: it finds the loop cancelling and drops its future instead of polling it. Other threads have
//! nothing of a task or of the main future but wakers, which are without effect when it has ended.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::event_loop::current::enter;
use crate::event_loop::runner::Runner;
use crate::event_loop::state::LoopState;
use crate::event_loop::status::LoopStatus;
use crate::hooks::uncaught::drop_quietly;
use crate::phases::check::Check;
use crate::phases::close::Close;
use crate::phases::macrotask::Waiter;
use crate::phases::pending::Pending;
use crate::phases::queues::Microtask;
use crate::phases::timers::Timers;
use crate::reactor::remote_queue::Message;

impl Runner<'_> {
    /// Cancels every task and drops every callback. The loop can be used again afterwards.
    pub(crate) fn cancel_all(&self) {
        let _entered = enter(self.shared());
        self.set_status(LoopStatus::Cancelling);
        loop {
            self.drop_callbacks();
            self.wake_waiting();
            self.schedule_all_tasks();
            self.run_cancelled_tasks();
            self.drop_messages();
            if self.is_all_cancelled() {
                break;
            }
        }
        self.observers.forget_entries();
        let _ = self.take_stop();
        self.set_status(LoopStatus::Open);
    }

    fn drop_callbacks(&self) {
        drop_queue(&self.timers, Timers::take_all);
        drop_queue(&self.pending, Pending::take_all);
        self.drop_arrived();
        drop_queue(&self.check, Check::take_all);
        drop_queue(&self.close, Close::take_all);
        drop_each(self.idle.take());
        drop_each(self.external.take_all());
        drop_quietly(self.pool.take_all());
        drop_quietly(self.signals.take_all(&self.poll.registrations));
        drop_each(std::iter::from_fn(|| self.rejections.take_late()));
        drop_quietly(self.rejections.take_round());
        drop_each(std::iter::from_fn(|| self.queues.pop_tick()).map(|tick| tick.callback));
    }

    fn drop_arrived(&self) {
        let (arrived, messages) = self.poll.take_all();
        drop_each(arrived);
        for message in messages {
            self.drop_message(message);
        }
    }

    /// Wakes everything that waits for a source, including tasks of other executors.
    fn wake_waiting(&self) {
        let waiting = self.poll.registrations.borrow_mut().take_waiting();
        waiting
            .into_iter()
            .for_each(|waiter| self.wake_quietly(waiter));
    }

    fn wake_quietly(&self, waiter: Waiter) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.wake_waiter(waiter)));
    }

    fn run_cancelled_tasks(&self) {
        while let Some(microtask) = self.queues.pop_microtask() {
            match microtask {
                Microtask::Task(index) => self.cancel_task(index),
                Microtask::Callback(queued) => drop_quietly(queued.callback),
                Microtask::Main => self.cancel_main(),
            }
        }
    }

    fn drop_messages(&self) {
        while let Some(envelope) = self.remote_queue.pop() {
            self.drop_message(envelope.message);
        }
    }

    fn drop_message(&self, message: Message) {
        match message {
            // The event is not reported again, and the source may outlive this run.
            Message::Source(token, event) => drop_quietly(self.poll.next_of_source(token, event)),
            message => drop_quietly(message),
        }
    }

    /// Drops the main future, if there is one. The loop must be cancelling, or its promise be aborted.
    pub(crate) fn cancel_main(&self) {
        if let Some(main) = self.main() {
            main.cancel(self);
        }
    }

    fn is_all_cancelled(&self) -> bool {
        self.tasks.borrow().is_empty() && self.queues.is_empty() && self.remote_queue.is_empty()
    }
}

impl LoopState {
    /// Cancels everything and accepts nothing afterwards.
    pub(crate) fn shut_down(self: &Rc<Self>) {
        Runner::new(self).cancel_all();
        let _entered = enter(self);
        self.set_status(LoopStatus::Cancelling); // permanently
        self.remote_queue.close();
        Runner::new(self).drop_messages(); // what arrived before the queue was closed
        drop_quietly(self.hooks.take_all());
        drop_quietly(self.observers.take_all());
    }
}

/// Removes everything from a queue, and drops it once the queue is no longer borrowed.
fn drop_queue<Q, I: IntoIterator>(queue: &RefCell<Q>, take_all: impl FnOnce(&mut Q) -> I) {
    let all = take_all(&mut queue.borrow_mut());
    drop_each(all);
}

fn drop_each<T>(all: impl IntoIterator<Item = T>) {
    all.into_iter().for_each(drop_quietly);
}
