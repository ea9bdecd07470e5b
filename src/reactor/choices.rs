//! The seed of an exploration, and the choices that it makes.
//!
//! Every choice is a function of the seed and of the number of the question. A run can therefore be
//! repeated, and one choice can be reset to 0, the plain order, without changing the others. The seed
//! of one order lists its answers instead, and asks the questions of
//! [`every_order`](crate::phases::poll::delivery).
//!
//! A loop has one source of questions, numbered from 0. A simulated world has many, each with numbers of
//! its own, so that a choice about one link does not change the numbers of those about another:
//! question 5 of source 3 is `3.5`.
//!
//! This file never touches a queue.

use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Identifies one run of an exploration.
///
/// As text it is `17`, or `17:2,5` for the run of seed 17 in which only the decisions 2 and 5 differ
/// from the plain order. A simulated [`World`](crate::test::World) has decisions such as `3.5`, the fifth
/// of its source 3. `order:2=1,5=3` is an order that
/// [`explore_all`](crate::test::explore_all) found: decision 2 takes alternative 1, decision 5
/// alternative 3, and all others the plain order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Seed {
    number: u64,
    /// The questions that may differ from the plain order, sorted.
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

    /// Returns the same seed with the plain order everywhere except in these decisions.
    pub(crate) fn with_only(&self, decisions: &[Decision]) -> Seed {
        match self.answers {
            Some(_) => Seed::of_decisions(decisions),
            None if decisions.is_empty() => Seed::new(0), // the text of an empty list is that of the whole seed
            None => Seed {
                number: self.number,
                only: Some(sorted(decisions.iter().map(|it| it.question).collect())),
                answers: None,
            },
        }
    }

    /// Returns the seed of the order with exactly these decisions.
    pub(crate) fn of_decisions(decisions: &[Decision]) -> Seed {
        let answers = decisions.iter().map(|it| (it.question, it.answer));
        let mut answers: Vec<(usize, usize)> = answers.collect();
        answers.sort_unstable();
        Seed::of_order(answers)
    }

    /// Returns the questions that the seed lists.
    pub(crate) fn listed(&self) -> Vec<usize> {
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

    /// Returns a number that looks random, or `None` if the plain order is taken.
    fn draw(&self, question: usize) -> Option<u64> {
        let may_deviate = self
            .only
            .as_ref()
            .is_none_or(|only| only.binary_search(&question).is_ok());
        if self.number == 0 || !may_deviate {
            return None;
        }
        Some(mix(mix(self.number).wrapping_add(question as u64)))
    }
}

fn sorted(mut questions: Vec<usize>) -> Vec<usize> {
    questions.sort_unstable();
    questions.dedup();
    questions
}

/// The number of bits of a question that count within its source. The others are the source.
const INDEX_BITS: u32 = usize::BITS / 2;

/// Prints the number of a question: `5`, or `3.5` for that of source 3.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuestionNumber(pub(crate) usize);

impl fmt::Display for QuestionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.0 >> INDEX_BITS;
        let index = self.0 & ((1 << INDEX_BITS) - 1);
        match source {
            0 => f.pad(&index.to_string()),
            _ => f.pad(&format!("{source}.{index}")),
        }
    }
}

fn parse_question(text: &str) -> Result<usize, InvalidSeed> {
    let parse = |number: &str| number.parse::<usize>().map_err(|_| InvalidSeed);
    let Some((source, index)) = text.trim().split_once('.') else {
        return parse(text.trim());
    };
    let (source, index) = (parse(source)?, parse(index)?);
    match (source >> INDEX_BITS, index >> INDEX_BITS) {
        (0, 0) => Ok(source << INDEX_BITS | index),
        _ => Err(InvalidSeed),
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
                write!(f, "{before}{}={answer}", QuestionNumber(*question))?;
            }
            return Ok(());
        }
        write!(f, "{}", self.number)?;
        for (index, question) in self.only.iter().flatten().enumerate() {
            let before = if index == 0 { ':' } else { ',' };
            write!(f, "{before}{}", QuestionNumber(*question))?;
        }
        Ok(())
    }
}

/// The error of parsing a [`Seed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSeed;

impl fmt::Display for InvalidSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "invalid seed: use a number of 64 bits such as `17`, or with decisions such as `17:2,5`, \
             `17:6.64,9.0` of a world, or `order:2=1,5=3`",
        )
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
        let only = only.map(|only| only.split(',').map(parse_question).collect());
        let only: Option<Vec<usize>> = only.transpose()?;
        Ok(Seed {
            number: number.trim().parse().map_err(|_| InvalidSeed)?,
            only: only.map(sorted),
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
        Ok((parse_question(question)?, parse(answer)?))
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

/// What the sources of one run share.
#[derive(Default)]
struct Made {
    decisions: Vec<Decision>,
    /// The time of a simulated world.
    now: Option<Duration>,
}

/// The most questions of a group.
const GROUP: usize = 8;

/// The questions of one source of a run and their answers.
#[derive(Default)]
pub(crate) struct Choices {
    seed: Seed,
    source: usize,
    /// What the texts of its decisions begin with; empty for a loop that is no host.
    name: String,
    questions: Cell<usize>,
    made: Arc<Mutex<Made>>,
}

impl Choices {
    pub(crate) fn new(seed: Seed) -> Choices {
        Choices {
            seed,
            ..Choices::default()
        }
    }

    /// Returns another source of the same run.
    pub(crate) fn of_source(&self, source: usize, name: String) -> Choices {
        Choices {
            seed: self.seed.clone(),
            source,
            name,
            questions: Cell::new(0),
            made: self.made.clone(),
        }
    }

    pub(crate) fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Sets the time of a simulated world, which is part of the texts of all decisions of the run.
    pub(crate) fn set_now(&self, now: Duration) {
        self.made().now = Some(now);
    }

    /// Returns how many questions have been asked.
    pub(crate) fn asked(&self) -> usize {
        self.questions.get()
    }

    /// Begins a group of at most [`GROUP`] questions, such as those about one packet: what is asked in one
    /// group changes no number of the next.
    pub(crate) fn begin_group(&self) {
        let asked = self.questions.get();
        self.questions.set(asked.next_multiple_of(GROUP));
    }

    /// Returns the number of the next question.
    fn next_question(&self) -> usize {
        self.source << INDEX_BITS | self.questions.get()
    }

    /// Returns one of `0..options`; 0 is the plain order. `describe` returns the text of any other
    /// choice.
    pub(crate) fn choose(&self, options: usize, describe: impl FnOnce(usize) -> String) -> usize {
        if options < 2 {
            return 0;
        }
        let chosen = match self.seed.is_order() {
            true => self.listed(options),
            false => {
                let drawn = self.seed.draw(self.next_question());
                drawn.map(|drawn| (drawn % options as u64) as usize)
            }
        };
        self.record(chosen.unwrap_or(0), describe)
    }

    /// Returns the answer that the seed lists for the next question, if it is one of `0..options`.
    pub(crate) fn listed(&self, options: usize) -> Option<usize> {
        let answer = self.seed.listed_answer(self.next_question())?;
        (answer < options).then_some(answer)
    }

    /// Records the answer to the next question, and returns it.
    pub(crate) fn record(&self, chosen: usize, describe: impl FnOnce(usize) -> String) -> usize {
        let question = self.next_question();
        self.questions.set(self.questions.get() + 1);
        if chosen > 0 {
            let text = describe(chosen);
            let mut made = self.made();
            let text = match (made.now, self.name.as_str()) {
                (None, "") => text,
                (None, name) => format!("{name}: {text}"),
                (Some(now), "") => format!("at {now:?}: {text}"),
                (Some(now), name) => format!("at {now:?}, {name}: {text}"),
            };
            made.decisions.push(Decision {
                question,
                answer: chosen,
                text,
            });
        }
        chosen
    }

    /// Returns whether to deviate from the plain order.
    pub(crate) fn choose_bool(&self, describe: impl FnOnce() -> String) -> bool {
        self.choose(2, |_| describe()) == 1
    }

    /// Returns whether something happens that has this probability. What is certain is no question.
    pub(crate) fn happens(&self, probability: f64, describe: impl FnOnce() -> String) -> bool {
        if probability <= 0.0 || probability >= 1.0 {
            return probability >= 1.0;
        }
        let happens = match self.seed.is_order() {
            true => self.listed(2) == Some(1),
            false => {
                // 53 bits, as many as the mantissa of a double has.
                let fraction = |drawn: u64| (drawn >> 11) as f64 / (1_u64 << 53) as f64;
                let drawn = self.seed.draw(self.next_question());
                drawn.is_some_and(|drawn| fraction(drawn) < probability)
            }
        };
        self.record(usize::from(happens), |_| describe()) == 1
    }

    /// Returns a duration of a range; the shortest one is the plain order.
    pub(crate) fn choose_duration(
        &self,
        range: &RangeInclusive<Duration>,
        describe: impl FnOnce(Duration) -> String,
    ) -> Duration {
        let shortest = *range.start();
        let span = range.end().saturating_sub(shortest).as_nanos();
        let options = usize::try_from(span).map_or(usize::MAX, |span| span.saturating_add(1));
        let longer = |chosen: usize| shortest + Duration::from_nanos(chosen as u64);
        longer(self.choose(options, |chosen| describe(longer(chosen))))
    }

    /// Returns the decisions so far, of all sources of the run.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        self.made().decisions.clone()
    }

    /// Returns the decisions that the seed lists and that this run did not make: their question was
    /// not asked, or did not have their answer.
    pub(crate) fn inapplicable(&self) -> Vec<usize> {
        let made = self.made();
        let is_made = |question: &usize| made.decisions.iter().any(|it| it.question == *question);
        let mut listed = self.seed.listed();
        listed.retain(|question| !is_made(question));
        listed
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        // No user code runs under the lock, so the contents of a poisoned one are consistent.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certain_is_no_question() {
        let choices = Choices::new(Seed::new(17));
        for (probability, happens) in [(1.0, true), (1.5, true), (0.0, false), (-0.5, false)] {
            let is_so = choices.happens(probability, || unreachable!("no decision is made"));
            assert_eq!(is_so, happens, "{probability}");
        }
        assert_eq!(
            choices.next_question(),
            Choices::new(Seed::new(17)).next_question()
        );
    }

    #[test]
    fn the_text_of_a_part_of_a_seed_is_that_part() {
        let decision = |question| Decision {
            question,
            answer: 1,
            text: String::new(),
        };
        for seed in [Seed::new(17), Seed::of_order(vec![(5, 1)])] {
            for decisions in [&[][..], &[decision(5)], &[decision(3 << INDEX_BITS | 7)]] {
                let part = seed.with_only(decisions);
                let parsed: Seed = part.to_string().parse().unwrap();
                assert_eq!(parsed.draw(5), part.draw(5), "{part}");
                assert_eq!(parsed, part);
            }
        }
    }
}
