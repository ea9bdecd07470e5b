//! Arrivals that are recorded in a journal, or come from one.
//!
//! While a loop is recorded, the poll phase collects as usual, and the batch is appended to the journal.
//! In a replay the operating system is not asked. Readiness, signals and the results of jobs are made from
//! the recording. Callbacks, wakes and jobs without a recorded result can't be: the threads of the program
//! run again, and the replay waits for what they send and delivers it where it was delivered in the
//! recording. What arrives early is kept, and what never arrives ends the replay.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mio::Token;

use super::super::{Batched, PollContext, PollOutcome, PollPhase, Wait};
use super::explorer::name;
use super::peers::Peers;
use crate::blocking::pool::JobId;
use crate::reactor::choices::Choices;
use crate::reactor::clock::machine_now;
use crate::reactor::journal::format::{ArrivalRecord, JobRecord};
use crate::reactor::journal::value::Output;
use crate::reactor::journal::{Journal, Reader, Recorder, put_with_length};
use crate::reactor::registrations::{Readiness, Registrations, parts_of};
use crate::reactor::remote_queue::{Envelope, Message};

pub(crate) struct Replayed {
    pub(super) reader: Rc<Reader>,
    pub(super) journal: Journal,
    /// Messages that have arrived before their turn in a replay.
    early: RefCell<VecDeque<Envelope>>,
    pub(super) peers: Peers,
}

/// How long a replay waits for a message that another thread sent in the recording.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Replayed {
    pub(super) fn new(reader: Rc<Reader>) -> Replayed {
        Replayed {
            journal: Journal::Replaying(reader.clone()),
            reader,
            early: RefCell::default(),
            peers: Peers::default(),
        }
    }

    pub(super) fn take_held(&self) -> Vec<Batched> {
        self.early
            .take()
            .into_iter()
            .map(Batched::Journaled)
            .collect()
    }

    #[cold]
    #[inline(never)] // so that the poll phase of other loops stays short
    pub(super) fn poll(&self, phase: &PollPhase, cx: &PollContext<'_>) -> io::Result<PollOutcome> {
        let reader = &self.reader;
        let Some(poll) = reader.poll() else {
            return Ok(PollOutcome::ClockHeld); // stops the loop
        };
        match poll.now {
            Some(now) if cx.clock.is_virtual() => cx.clock.jump_to(now),
            Some(_) => {
                reader.diverge("a poll phase of a real clock".to_owned());
                return Ok(PollOutcome::ClockHeld);
            }
            None => {}
        }
        // Sources of which the budget was exhausted are in the recording, too.
        let mut registrations = phase.registrations.borrow_mut();
        registrations.merge_events(std::iter::empty(), |_, _| {});
        drop(registrations);
        let segment = reader.segments_of_poll(poll.arrivals.len());
        let mut parts = Vec::new();
        for arrival in &poll.arrivals {
            if self.replay_arrival(arrival, reader, phase, cx)?.is_none() {
                return Ok(PollOutcome::ClockHeld);
            }
            if segment.is_some() {
                parts.push(phase.batch.take());
            }
        }
        if let Some(first) = segment {
            let batch = merged(parts, first, reader.choices(), phase, cx);
            phase.batch.replace(batch);
        }
        Ok(match poll.is_held {
            true => PollOutcome::ClockHeld,
            false => PollOutcome::Arrivals,
        })
    }

    /// Appends an arrival to the batch. Returns `None` if the replay has to end.
    fn replay_arrival(
        &self,
        arrival: &ArrivalRecord,
        reader: &Reader,
        phase: &PollPhase,
        cx: &PollContext<'_>,
    ) -> io::Result<Option<()>> {
        let batched = match arrival {
            ArrivalRecord::Simulated(_) => {
                let before = phase.batch.borrow().len();
                phase.batch_due_completions(cx.clock);
                if phase.batch.borrow().len() == before {
                    let stalled = phase.simulated.take_stalled().into_iter();
                    phase
                        .batch
                        .borrow_mut()
                        .extend(stalled.map(Batched::Simulated));
                }
                return Ok(Some(()));
            }
            ArrivalRecord::Ready(number, flags) => {
                let mut registrations = phase.registrations.borrow_mut();
                let program = reader.program_source_of(*number);
                let token = program.and_then(|number| registrations.token_of(number));
                let Some(token) = token else {
                    reader.diverge(format!("no source {number} is open"));
                    return Ok(None);
                };
                if flags & KNOWN_AS_CLOSED != 0 {
                    registrations.set_read_closed(token);
                }
                Batched::Ready(token, Readiness::of_bits(*flags))
            }
            ArrivalRecord::Signal(number) => Batched::Signal(*number as i32),
            ArrivalRecord::Job(recorded, how) => {
                let Some(id) = reader.program_job_of(*recorded) else {
                    reader.diverge(format!("job {recorded} was not submitted"));
                    return Ok(None);
                };
                match self.job_done(id, how, reader, cx) {
                    Some(message) => Batched::Message(message),
                    None if matches!(how, JobRecord::Result(_)) => {
                        reader.diverge(format!("no job {id} whose result has the recorded type"));
                        return Ok(None);
                    }
                    None => match self.wait_for(&ArrivalRecord::Job(id, how.clone()), phase, cx)? {
                        Some(envelope) => Batched::Journaled(envelope),
                        None => return Ok(never_sent(reader)),
                    },
                }
            }
            ArrivalRecord::Unsupported => {
                reader.diverge("a message that a replay can't make".to_owned());
                return Ok(None);
            }
            of_thread => match self.wait_for(of_thread, phase, cx)? {
                Some(envelope) => Batched::Journaled(envelope),
                None => return Ok(never_sent(reader)),
            },
        };
        phase.batch.borrow_mut().push_back(batched);
        Ok(Some(()))
    }

    /// Returns the recorded result of a job; `None` if the job has to be run again.
    fn job_done(
        &self,
        id: JobId,
        how: &JobRecord,
        reader: &Reader,
        cx: &PollContext<'_>,
    ) -> Option<Message> {
        let codec = cx.pool.codec(id);
        let result = match how {
            JobRecord::Opaque => return None,
            JobRecord::Result(bytes) => {
                let take = codec?.take;
                Ok(reader.job_result(bytes, take)?)
            }
            JobRecord::Panicked(text) => {
                codec?;
                Err(Box::new(text.clone()) as _)
            }
        };
        Some(Message::JobDone(id, result))
    }

    /// Waits until a thread has sent this message.
    fn wait_for(
        &self,
        arrival: &ArrivalRecord,
        phase: &PollPhase,
        cx: &PollContext<'_>,
    ) -> io::Result<Option<Envelope>> {
        let began = machine_now();
        loop {
            let mut early = self.early.borrow_mut();
            while let Some(envelope) = cx.remote_queue.pop() {
                early.push_back(envelope);
            }
            if let Some(index) = early.iter().position(|it| is_message(it, arrival)) {
                return Ok(early.remove(index));
            }
            drop(early);
            let waited = machine_now().saturating_sub(began);
            let Some(left) = LONGEST_WAIT.checked_sub(waited) else {
                return Ok(None);
            };
            phase.wait_for_message(cx, left)?;
        }
    }
}

/// Collects what has arrived, and records it.
#[inline]
pub(super) fn poll_and_record(
    recorder: &Recorder,
    phase: &PollPhase,
    cx: &PollContext<'_>,
    wait: Wait,
    wait_now: impl Fn() -> Wait,
) -> io::Result<PollOutcome> {
    recorder.set_polling(true);
    let outcome = phase.collect(cx, wait, wait_now);
    recorder.set_polling(false);
    match is_one_ready(recorder, phase) {
        true => outcome,
        false => record_outcome(recorder, phase, cx, outcome),
    }
}

/// Records any other batch. It receives the outcome by value, so that the usual one is not copied.
#[inline(never)]
fn record_outcome(
    recorder: &Recorder,
    phase: &PollPhase,
    cx: &PollContext<'_>,
    outcome: io::Result<PollOutcome>,
) -> io::Result<PollOutcome> {
    let outcome = outcome?;
    record_batch(recorder, phase, cx, outcome);
    Ok(outcome)
}

/// Records the usual batch, which is one source that the operating system has reported. Returns whether it
/// is that.
#[inline]
fn is_one_ready(recorder: &Recorder, phase: &PollPhase) -> bool {
    let batch = phase.batch.borrow();
    if batch.len() != 1 {
        return false;
    }
    let Some(Batched::Ready(token, readiness)) = batch.front() else {
        return false;
    };
    let (token, readiness) = (*token, *readiness);
    drop(batch); // before the recorder changes, so that the compiler can omit the counter of the borrow
    if readiness.is_served_again() {
        return false;
    }
    let (slot, generation) = parts_of(token);
    recorder.ready(slot, generation, readiness.bits())
}

fn record_batch(
    recorder: &Recorder,
    phase: &PollPhase,
    cx: &PollContext<'_>,
    outcome: PollOutcome,
) {
    let mut batch = phase.batch.borrow_mut();
    let is_in_queue = |batched: &Batched| matches!(batched, Batched::InRemoteQueue(_));
    if let Some(index) = batch.iter().position(is_in_queue)
        && let Some(Batched::InRemoteQueue(count)) = batch.remove(index)
    {
        let after_messages = batch.split_off(index);
        let messages = (0..count).map_while(|_| cx.remote_queue.pop());
        batch.extend(messages.map(Batched::Journaled));
        batch.extend(after_messages);
    }
    // The budget of a source may have been exhausted before the source was closed.
    let registrations = phase.registrations.borrow();
    batch.retain(|batched| match batched {
        Batched::Ready(token, _) => registrations.slot_of(*token).is_some(),
        _ => true,
    });
    let now = cx.clock.is_virtual().then(|| cx.clock.now());
    let is_held = outcome == PollOutcome::ClockHeld;
    recorder.poll(now, is_held, batch.len(), |out| {
        for batched in batch.iter() {
            record(batched, &registrations, cx, out);
        }
    });
}

/// Ends a replay because a message does not arrive.
fn never_sent(reader: &Reader) -> Option<()> {
    let seconds = LONGEST_WAIT.as_secs();
    reader.diverge(format!(
        "no thread of the program has sent it within {seconds} seconds"
    ));
    None
}

/// Returns a batch with the arrivals of one poll phase, each after its segment, in the order that `choices`
/// choose.
///
/// The events of one source keep their order, and so do simulated completions. Signals come last (R64), and a
/// job only if it can have had a thread (R60).
fn merged(
    parts: Vec<VecDeque<Batched>>,
    first_segment: usize,
    choices: Option<&Rc<Choices>>,
    phase: &PollPhase,
    cx: &PollContext<'_>,
) -> VecDeque<Batched> {
    let rest = Batched::Segment(first_segment + parts.len());
    let numbers = first_segment..;
    let lanes = parts.iter().map(lane_of).collect::<Vec<_>>();
    let mut left: Vec<(usize, Lane, VecDeque<Batched>)> = numbers
        .zip(lanes)
        .zip(parts)
        .map(|((number, lane), part)| (number, lane, part))
        .collect();
    let mut running = cx.pool.outstanding_ids();
    let mut batch = VecDeque::new();
    while !left.is_empty() {
        let has_others = left.iter().any(|(_, lane, _)| *lane != Lane::Signals);
        let may_come = |index: &usize| {
            let lane = left[*index].1;
            let is_first = left[..*index].iter().all(|(_, other, _)| *other != lane);
            let has_thread = match &lane {
                Lane::Job(id) => running[..running.len().min(cx.pool.limit())].contains(id),
                _ => true,
            };
            is_first && has_thread && (lane != Lane::Signals || !has_others)
        };
        let mut heads: Vec<usize> = (0..left.len()).filter(may_come).collect();
        if heads.is_empty() || heads[0] != 0 {
            heads = vec![0]; // the recorded order is possible in any case
        }
        let name = |head: usize| {
            let batched = left[heads[head]].2.front();
            batched.map_or_else(|| "nothing".to_owned(), |it| name(it, phase, cx))
        };
        let chosen = choices.map_or(0, |choices| {
            choices.choose(heads.len(), |chosen| {
                format!("{} came before {}", name(chosen), name(0))
            })
        });
        let (number, lane, part) = left.remove(heads[chosen]);
        if let Lane::Job(id) = lane {
            running.retain(|other| *other != id);
        }
        batch.push_back(Batched::Segment(number));
        batch.extend(part);
    }
    batch.push_back(rest);
    batch
}

/// What keeps its order among the arrivals of a poll phase.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Simulated,
    Source(Token),
    Job(JobId),
    Signals,
}

fn lane_of(part: &VecDeque<Batched>) -> Lane {
    match part.front() {
        Some(Batched::Ready(token, _)) => Lane::Source(*token),
        Some(Batched::Signal(_)) => Lane::Signals,
        Some(Batched::Message(Message::JobDone(id, _))) => Lane::Job(*id),
        Some(Batched::Journaled(envelope)) => match &envelope.message {
            Message::JobDone(id, _) => Lane::Job(*id),
            _ => Lane::Simulated,
        },
        _ => Lane::Simulated,
    }
}

/// Set in the readiness of a source that is known to be closed for reading already.
const KNOWN_AS_CLOSED: u8 = 16;

fn record(
    batched: &Batched,
    registrations: &Registrations,
    cx: &PollContext<'_>,
    out: &mut Output,
) {
    match batched {
        Batched::Ready(token, readiness) => {
            let known = registrations.slot_of(*token);
            let (slot, is_closed) = known.expect("a source that is not registered was removed");
            out.byte(8);
            out.number(slot as u64);
            let known = if is_closed { KNOWN_AS_CLOSED } else { 0 };
            out.byte(readiness.bits() | known);
        }
        Batched::Simulated(_) => {
            out.byte(1);
            out.number(1);
        }
        Batched::Signal(number) => {
            out.byte(9);
            out.number(u64::from(number.cast_unsigned()));
        }
        Batched::Journaled(envelope) => record_message(envelope, cx, out),
        Batched::InRemoteQueue(_)
        | Batched::Message(_)
        | Batched::SignalCallback(_)
        | Batched::SimulatedJob(_)
        | Batched::Undecided
        | Batched::Segment(_) => out.byte(10),
    }
}

fn record_message(envelope: &Envelope, cx: &PollContext<'_>, out: &mut Output) {
    let mut numbered = |kind, number| {
        out.byte(kind);
        out.number(number);
    };
    match &envelope.message {
        Message::Wake(waker) => numbered(2, waker.task().promise),
        Message::WakeMain(_) => out.byte(3),
        Message::Post(..) | Message::Runnable(..) => numbered(4, envelope.handle),
        Message::External(id, _) => numbered(5, *id),
        Message::ExternalDropped(id) => numbered(6, *id),
        Message::JobDone(id, result) => {
            numbered(7, *id);
            match (cx.pool.codec(*id), result) {
                (Some(codec), Ok(value)) => {
                    out.byte(1);
                    put_with_length(out, |out| (codec.put)(&**value, out));
                }
                (Some(_), Err(payload)) => {
                    out.byte(2);
                    let text = payload.downcast_ref::<String>().map(String::as_str);
                    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
                    out.text(text.unwrap_or("a payload without a text").as_bytes());
                }
                (None, _) => out.byte(0),
            }
        }
        Message::Source(..) | Message::Signal(_) => out.byte(10),
    }
}

/// Returns whether a message is the one that was recorded.
fn is_message(envelope: &Envelope, recorded: &ArrivalRecord) -> bool {
    match (&envelope.message, recorded) {
        (Message::Wake(waker), ArrivalRecord::Wake(promise)) => waker.task().promise == *promise,
        (Message::WakeMain(_), ArrivalRecord::WakeMain) => true,
        (Message::Post(..) | Message::Runnable(..), ArrivalRecord::Post(handle)) => {
            envelope.handle == *handle
        }
        (Message::External(id, _), ArrivalRecord::External(recorded))
        | (Message::ExternalDropped(id), ArrivalRecord::ExternalDropped(recorded))
        | (Message::JobDone(id, _), ArrivalRecord::Job(recorded, _)) => id == recorded,
        _ => false,
    }
}
