//! The run, its turns and phases, immediates and completions (R1–R12, R37–R40, R51–R58).

use super::{Model, Work};
use crate::program::*;

pub(super) struct Immediate {
    work: Work,
    refed: bool,
    is_pending: bool,
}

pub(super) struct Completion {
    due_ms: u64,
    work: Work,
}

impl Model {
    pub(super) fn run(&mut self, program: &Program) {
        let main = Work::Call(self.callback("main", &program.main));
        match program.module {
            true => self.microtasks.push_back(main), // R19
            false => _ = self.guarded(main),
        }
        self.drain(); // R1, R52
        let mut before_exit = Some(program.before_exit.clone());
        loop {
            self.run_while_alive();
            self.log("before exit");
            let body = before_exit.take().unwrap_or_default();
            if self.guarded(Work::Body(body)) {
                self.drain();
            }
            if !self.is_alive() {
                break;
            }
        }
        self.log("exit");
    }

    /// R3, R4.
    fn run_while_alive(&mut self) {
        let mut alive = self.is_alive();
        if alive {
            self.timers_phase();
        }
        while alive {
            self.poll_phase();
            self.check_phase();
            self.timers_phase();
            alive = self.is_alive();
        }
    }

    /// R6.
    fn is_alive(&self) -> bool {
        self.has_refed_timers() || self.has_refed_immediates() || !self.completions.is_empty()
    }

    fn has_refed_immediates(&self) -> bool {
        self.immediates.iter().any(|it| it.is_pending && it.refed)
    }

    /// R5, R61.
    fn poll_phase(&mut self) {
        let due = |model: &Model| {
            let due = model.completions.iter();
            due.filter(|it| it.due_ms <= model.now_ms).count()
        };
        let mut count = due(self);
        if count == 0 && !self.has_refed_immediates() && self.is_alive() {
            let completions = self.completions.iter().map(|it| it.due_ms);
            let first = completions.chain(self.timers.loop_timer_ms).min();
            let first = first.expect("what keeps the loop alive has a time");
            self.now_ms = self.now_ms.max(first);
            count = due(self);
        }
        self.completions.sort_by_key(|completion| completion.due_ms); // stable
        let arrived: Vec<_> = self.completions.drain(..count).collect();
        for completion in arrived {
            if self.guarded(completion.work) {
                self.drain(); // R55: not after a panic
            }
        }
    }

    fn check_phase(&mut self) {
        self.drain(); // R12
        let mut round = self.pending_immediates();
        loop {
            round.retain(|id| self.immediates[*id].is_pending);
            if round.is_empty() {
                return;
            }
            let id = round.remove(0);
            self.immediates[id].is_pending = false;
            let work = std::mem::replace(&mut self.immediates[id].work, Work::Nothing);
            if self.guarded(work) {
                self.drain(); // R12, R58
                continue;
            }
            round.retain(|id| self.immediates[*id].is_pending);
            if round.is_empty() {
                round = self.pending_immediates(); // R57
            }
        }
    }

    fn pending_immediates(&self) -> Vec<usize> {
        let all = 0..self.immediates.len();
        all.filter(|id| self.immediates[*id].is_pending).collect()
    }

    pub(super) fn push_immediate(&mut self, work: Work) -> usize {
        self.immediates.push(Immediate {
            work,
            refed: true,
            is_pending: true,
        });
        self.immediates.len() - 1
    }

    pub(super) fn clear_immediate(&mut self, id: usize) {
        self.immediates[id].is_pending = false;
    }

    pub(super) fn on_immediate(&mut self, op: ImmediateOp, index: Index) {
        let Some(id) = super::pick(&self.immediate_table, index) else {
            return;
        };
        let immediate = &mut self.immediates[id];
        match op {
            ImmediateOp::Clear => immediate.is_pending = false,
            ImmediateOp::Ref => immediate.refed = true,
            ImmediateOp::Unref => immediate.refed = false,
            ImmediateOp::Inspect => {
                let (pending, refed) = (immediate.is_pending, immediate.refed);
                self.log(format!("pending {pending} ref {}", pending && refed));
            }
        }
    }

    pub(super) fn complete_after(&mut self, ms: u64, body: &Body) {
        let work = Work::Call(self.callback("completion", body));
        let due_ms = self.now_ms + ms;
        self.completions.push(Completion { due_ms, work });
    }
}
