//! What Node does not guarantee, decided by a seed (SEMANTICS.md §8).
//!
//! Wherever the world could have answered in more than one order, the loop asks here which of the
//! legal orders it is to be. Without a seed nobody asks. Every decision is a function of the seed
//! and of the number of the question, so a run can be repeated, and one decision can be taken out
//! of it without changing the others: number 0 is always the plain order.
//!
//! It decides and remembers; it never touches a queue.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::str::FromStr;

/// Names one run of an exploration: `17`, or `17:2,5` for the run of seed 17 in which only the
/// decisions 2 and 5 are other than the plain order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Seed {
    number: u64,
    only: Option<Vec<usize>>,
}

impl Seed {
    /// The seed of this number. Number 0 takes the plain order everywhere.
    pub const fn new(number: u64) -> Seed {
        Seed { number, only: None }
    }

    /// The same seed with the plain order everywhere but in these decisions.
    pub(crate) fn only(&self, decisions: Vec<usize>) -> Seed {
        Seed {
            number: self.number,
            only: Some(decisions),
        }
    }

    fn draw(&self, question: usize, options: usize) -> usize {
        let is_asked = self
            .only
            .as_ref()
            .is_none_or(|only| only.contains(&question));
        if self.number == 0 || !is_asked {
            return 0;
        }
        let mixed = mix(mix(self.number).wrapping_add(question as u64));
        (mixed % options as u64) as usize
    }
}

/// The finalizer of SplitMix64: every bit of the result hangs on every bit of the number.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        for (index, decision) in self.only.iter().flatten().enumerate() {
            write!(f, "{}{decision}", if index == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

/// The text is no [`Seed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSeed;

impl fmt::Display for InvalidSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a seed is a number such as `17`, or a number and decisions such as `17:2,5`")
    }
}

impl std::error::Error for InvalidSeed {}

impl FromStr for Seed {
    type Err = InvalidSeed;

    fn from_str(text: &str) -> Result<Seed, InvalidSeed> {
        let (number, only) = match text.split_once(':') {
            Some((number, only)) => (number, Some(only)),
            None => (text, None),
        };
        let parse = |decision: &str| decision.trim().parse().map_err(|_| InvalidSeed);
        let only = only.map(|only| only.split(',').map(parse).collect());
        Ok(Seed {
            number: number.trim().parse().map_err(|_| InvalidSeed)?,
            only: only.transpose()?,
        })
    }
}

/// A decision that was not the plain order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) question: usize,
    pub(crate) text: String,
}

/// The questions of one run and their answers.
#[derive(Default)]
pub(crate) struct Explorer {
    seed: Option<Seed>,
    questions: Cell<usize>,
    decisions: RefCell<Vec<Decision>>,
}

impl Explorer {
    pub(crate) fn new(seed: Option<Seed>) -> Explorer {
        Explorer {
            seed,
            ..Explorer::default()
        }
    }

    /// The seed, if there is one.
    pub(crate) fn seed(&self) -> Option<Seed> {
        self.seed.clone()
    }

    /// Whether anything is decided here.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.seed.is_some()
    }

    /// One of `0..options`; 0 is the plain order. `describe` says what another one means.
    pub(crate) fn choose(&self, options: usize, describe: impl FnOnce(usize) -> String) -> usize {
        let Some(seed) = self.seed.as_ref().filter(|_| options > 1) else {
            return 0;
        };
        let question = self.questions.get();
        self.questions.set(question + 1);
        let chosen = seed.draw(question, options);
        if chosen > 0 {
            let text = describe(chosen);
            self.decisions
                .borrow_mut()
                .push(Decision { question, text });
        }
        chosen
    }

    /// Whether to do something else than the plain thing.
    pub(crate) fn choose_bool(&self, describe: impl FnOnce() -> String) -> bool {
        self.choose(2, |_| describe()) == 1
    }

    /// The decisions so far that were not the plain order.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        self.decisions.borrow().clone()
    }
}
