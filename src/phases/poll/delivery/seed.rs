//! The seed of an exploration, and the choices that it makes.
//!
//! Every choice is a function of the seed and of the number of the question. A run can therefore be
//! repeated, and one choice can be reset to 0, the plain order, without changing the others.
//!
//! This file never touches a queue.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::str::FromStr;

/// Identifies one run of an exploration.
///
/// As text it is `17`, or `17:2,5` for the run of seed 17 in which only the decisions 2 and 5 differ
/// from the plain order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Seed {
    number: u64,
    only: Option<Vec<usize>>,
}

impl Seed {
    /// Creates the seed with this number. Number 0 chooses the plain order everywhere.
    pub const fn new(number: u64) -> Seed {
        Seed { number, only: None }
    }

    /// Returns the number of the seed.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the same seed with the plain order everywhere except in these decisions.
    pub(crate) fn only(&self, decisions: Vec<usize>) -> Seed {
        Seed {
            number: self.number,
            only: Some(decisions),
        }
    }

    fn draw(&self, question: usize, options: usize) -> usize {
        let may_deviate = self
            .only
            .as_ref()
            .is_none_or(|only| only.contains(&question));
        if self.number == 0 || !may_deviate {
            return 0;
        }
        let mixed = mix(mix(self.number).wrapping_add(question as u64));
        (mixed % options as u64) as usize
    }
}

/// Applies the finalizer of SplitMix64: every bit of the result depends on every bit of `number`.
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

/// The error of parsing a [`Seed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSeed;

impl fmt::Display for InvalidSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid seed: use a number such as `17`, or with decisions such as `17:2,5`")
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

/// A choice that differed from the plain order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) question: usize,
    pub(crate) text: String,
}

/// The questions of one run and their answers.
#[derive(Default)]
pub(super) struct Choices {
    pub(super) seed: Seed,
    questions: Cell<usize>,
    decisions: RefCell<Vec<Decision>>,
}

impl Choices {
    pub(super) fn new(seed: Seed) -> Choices {
        Choices {
            seed,
            ..Choices::default()
        }
    }

    /// Returns one of `0..options`; 0 is the plain order. `describe` returns the text of any other
    /// choice.
    pub(super) fn choose(&self, options: usize, describe: impl FnOnce(usize) -> String) -> usize {
        if options < 2 {
            return 0;
        }
        let question = self.questions.get();
        self.questions.set(question + 1);
        let chosen = self.seed.draw(question, options);
        if chosen > 0 {
            let text = describe(chosen);
            self.decisions
                .borrow_mut()
                .push(Decision { question, text });
        }
        chosen
    }

    /// Returns whether to deviate from the plain order.
    pub(super) fn choose_bool(&self, describe: impl FnOnce() -> String) -> bool {
        self.choose(2, |_| describe()) == 1
    }

    /// Returns the decisions so far.
    pub(super) fn decisions(&self) -> Vec<Decision> {
        self.decisions.borrow().clone()
    }
}
