//! The seed of an exploration, and the choices that it makes.
//!
//! Every choice is a function of the seed and of the number of the question. A run can therefore be
//! repeated, and one choice can be reset to 0, the plain order, without changing the others. The seed
//! of one order lists its answers instead, and asks the questions of [`every_order`](super::every_order).
//!
//! This file never touches a queue.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::str::FromStr;

/// Identifies one run of an exploration.
///
/// As text it is `17`, or `17:2,5` for the run of seed 17 in which only the decisions 2 and 5 differ
/// from the plain order. `order:2=1,5=3` is an order that
/// [`explore_all`](crate::test::explore_all) found: decision 2 takes alternative 1, decision 5
/// alternative 3, and all others the plain order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Seed {
    number: u64,
    only: Option<Vec<usize>>,
    /// The answers of one order other than 0, by their questions.
    answers: Option<Vec<(usize, usize)>>,
}

impl Seed {
    /// Creates the seed with this number. Number 0 chooses the plain order everywhere.
    pub const fn new(number: u64) -> Seed {
        Seed {
            number,
            only: None,
            answers: None,
        }
    }

    /// Creates the seed of one order from its answers other than 0, sorted by their questions.
    pub(crate) fn of_order(answers: Vec<(usize, usize)>) -> Seed {
        Seed {
            number: 0,
            only: None,
            answers: Some(answers),
        }
    }

    /// Returns whether it is the seed of one order.
    pub(crate) fn is_order(&self) -> bool {
        self.answers.is_some()
    }

    /// Returns the number of the seed.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the same seed with the plain order everywhere except in these decisions.
    pub(crate) fn with_only(&self, decisions: &[Decision]) -> Seed {
        match self.answers {
            Some(_) => Seed::of_decisions(decisions),
            None => Seed {
                number: self.number,
                only: Some(decisions.iter().map(|it| it.question).collect()),
                answers: None,
            },
        }
    }

    /// Returns the seed of the order with exactly these decisions.
    pub(crate) fn of_decisions(decisions: &[Decision]) -> Seed {
        Seed::of_order(
            decisions
                .iter()
                .map(|it| (it.question, it.answer))
                .collect(),
        )
    }

    /// Returns the questions that the seed lists.
    fn listed(&self) -> Vec<usize> {
        match &self.answers {
            Some(answers) => answers.iter().map(|(question, _)| *question).collect(),
            None => self.only.clone().unwrap_or_default(),
        }
    }

    /// Returns the answer that the seed of an order lists.
    fn listed_answer(&self, question: usize) -> Option<usize> {
        let answers = self.answers.as_ref()?;
        let index = answers.binary_search_by_key(&question, |(question, _)| *question);
        index.ok().map(|index| answers[index].1)
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

/// What the text of the seed of an order begins with.
const ORDER: &str = "order";

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(answers) = &self.answers {
            f.write_str(ORDER)?;
            for (index, (question, answer)) in answers.iter().enumerate() {
                let before = if index == 0 { ':' } else { ',' };
                write!(f, "{before}{question}={answer}")?;
            }
            return Ok(());
        }
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
        f.write_str("invalid seed: use a number such as `17`, or with decisions such as `17:2,5` or `order:2=1,5=3`")
    }
}

impl std::error::Error for InvalidSeed {}

impl FromStr for Seed {
    type Err = InvalidSeed;

    fn from_str(text: &str) -> Result<Seed, InvalidSeed> {
        if let Some(answers) = text.trim().strip_prefix(ORDER) {
            return parse_answers(answers).map(Seed::of_order);
        }
        let (number, only) = match text.split_once(':') {
            Some((number, only)) => (number, Some(only)),
            None => (text, None),
        };
        let parse = |decision: &str| decision.trim().parse().map_err(|_| InvalidSeed);
        let only = only.map(|only| only.split(',').map(parse).collect());
        Ok(Seed {
            number: number.trim().parse().map_err(|_| InvalidSeed)?,
            only: only.transpose()?,
            answers: None,
        })
    }
}

/// Parses the answers of an order, which are empty or `:2=1,5=3`.
fn parse_answers(text: &str) -> Result<Vec<(usize, usize)>, InvalidSeed> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let list = text.strip_prefix(':').ok_or(InvalidSeed)?;
    let parse = |number: &str| number.trim().parse().map_err(|_| InvalidSeed);
    let answers = list.split(',').map(|answer| {
        let (question, answer) = answer.split_once('=').ok_or(InvalidSeed)?;
        Ok((parse(question)?, parse(answer)?))
    });
    let mut answers: Vec<(usize, usize)> = answers.collect::<Result<_, _>>()?;
    answers.sort_unstable();
    match answers.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        true => Err(InvalidSeed),
        false => Ok(answers),
    }
}

/// A choice that differed from the plain order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) question: usize,
    pub(crate) answer: usize,
    pub(crate) text: String,
}

/// The questions of one run and their answers.
#[derive(Default)]
pub(super) struct Choices {
    pub(super) seed: Seed,
    questions: Cell<usize>,
    decisions: RefCell<Vec<Decision>>,
    /// The questions whose listed answer was not among the options.
    inapplicable: RefCell<Vec<usize>>,
}

impl Choices {
    pub(super) fn new(seed: Seed) -> Choices {
        Choices {
            seed,
            ..Choices::default()
        }
    }

    /// Returns how many questions have been asked, which is the number of the next one.
    pub(super) fn asked(&self) -> usize {
        self.questions.get()
    }

    /// Returns one of `0..options`; 0 is the plain order. `describe` returns the text of any other
    /// choice.
    pub(super) fn choose(&self, options: usize, describe: impl FnOnce(usize) -> String) -> usize {
        if options < 2 {
            return 0;
        }
        let question = self.questions.get();
        let chosen = match self.seed.is_order() {
            true => self.listed(options).unwrap_or(0),
            false => self.seed.draw(question, options),
        };
        self.record(chosen, describe)
    }

    /// Returns the answer that the seed lists for the next question, if it is one of `0..options`.
    pub(super) fn listed(&self, options: usize) -> Option<usize> {
        let question = self.questions.get();
        let answer = self.seed.listed_answer(question)?;
        if answer >= options {
            self.inapplicable.borrow_mut().push(question);
            return None;
        }
        Some(answer)
    }

    /// Records the answer to the next question, and returns it.
    pub(super) fn record(&self, chosen: usize, describe: impl FnOnce(usize) -> String) -> usize {
        let question = self.questions.get();
        self.questions.set(question + 1);
        if chosen > 0 {
            let text = describe(chosen);
            self.decisions.borrow_mut().push(Decision {
                question,
                answer: chosen,
                text,
            });
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

    /// Returns the decisions that the seed lists and that this run did not make: their question was
    /// not asked, or did not have their answer.
    pub(super) fn inapplicable(&self) -> Vec<usize> {
        let asked = self.questions.get();
        let (listed, refused) = (self.seed.listed(), self.inapplicable.borrow());
        let is_inapplicable = |question: &usize| *question >= asked || refused.contains(question);
        listed.into_iter().filter(is_inapplicable).collect()
    }
}
