//! Builds the journal of a loop, and keeps the settings of the loop in it.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::{Builder, EntryMode, StuckPolicy};
use crate::event_loop::release::NodeRelease;
use crate::flight_recorder::FlightRecorder;
use crate::reactor::journal::value::{Input, Output};
use crate::reactor::journal::{Journal, Reader};

/// Whether a loop is recorded or replayed.
#[derive(Clone)]
pub(crate) enum JournalMode {
    Record(FlightRecorder),
    /// Replays the recording, which only one loop can take.
    Replay(Rc<RefCell<Option<Reader>>>),
}

impl JournalMode {
    pub(super) fn begin(&self, loop_settings: &[u8], is_virtual: bool) -> io::Result<Journal> {
        match self {
            JournalMode::Record(recorder) => {
                recorder.check()?;
                let settings = recorder.settings();
                let journal = Journal::recording(settings, loop_settings, is_virtual)?;
                if let Journal::Recording(recording) = &journal {
                    recorder.begin(recording);
                }
                Ok(journal)
            }
            JournalMode::Replay(reader) => match reader.take() {
                Some(reader) => Ok(Journal::replaying(reader)),
                None => Err(io::Error::other("a recording is replayed by one loop only")),
            },
        }
    }
}

impl Builder {
    /// Returns the settings that a replay needs, as a journal contains them.
    pub(super) fn recorded_settings(&self) -> Vec<u8> {
        let mut out = Output::default();
        out.number(u64::from(self.node.major()));
        let flags = [
            self.virtual_time,
            self.io_holds_time,
            self.jobs_hold_time,
            self.auto_advance,
            self.entry == EntryMode::Module,
            self.stuck_policy == StuckPolicy::Error,
        ];
        let flags = flags.iter().rev();
        out.number(flags.fold(0, |bits, flag| bits << 1 | u64::from(*flag)));
        out.number(self.blocking_threads as u64);
        out.into_bytes()
    }

    /// Returns a builder with the settings of a recording; `None` if this version does not know them.
    pub(crate) fn of_recording(reader: Reader) -> Option<Builder> {
        let mut input = Input::new(reader.settings());
        let node = NodeRelease::from_major(u32::try_from(input.number()?).ok()?)?;
        let flags = input.number()?;
        let threads = usize::try_from(input.number()?)
            .ok()
            .filter(|count| *count > 0)?;
        let flag = |bit: u32| flags >> bit & 1 == 1;
        let mut builder = Builder::default()
            .node(node)
            .blocking_threads(threads)
            .io_holds_time(flag(1))
            .jobs_hold_time(flag(2))
            .auto_advance(flag(3));
        if flag(0) {
            builder = builder.virtual_time();
        }
        if flag(4) {
            builder = builder.entry(EntryMode::Module);
        }
        if flag(5) {
            builder = builder.stuck_policy(StuckPolicy::Error);
        }
        Some(builder.replaying(reader))
    }

    /// Sets the recording that the loop replays.
    pub(crate) fn replaying(mut self, reader: Reader) -> Builder {
        self.journal = Some(JournalMode::Replay(Rc::new(RefCell::new(Some(reader)))));
        self
    }
}
