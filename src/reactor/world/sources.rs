//! Where the choices of a world come from: each link, and several parts of each host, ask questions of
//! their own.
//!
//! A choice about one of them changes no number of another, so that a list of decisions still applies
//! when some of them are left out.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::HostId;
use crate::reactor::choices::{Choices, Seed};

/// A source of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Which host runs next.
    Turns,
    /// When the actions of the script are due.
    Script,
    /// The loop of a host.
    Loop(HostId),
    /// Which packet of those that arrive at one instant comes first.
    Arrivals(HostId),
    /// The calls of sockets.
    Sockets(HostId),
    Jobs(HostId),
    Disk(HostId),
    /// A link in one direction.
    Link(HostId, HostId),
}

impl Source {
    /// Returns a number that depends only on the source.
    fn number(self) -> usize {
        const KINDS: usize = 5;
        let of_host = |host: HostId, kind: usize| 1 + 2 * (KINDS * host.0 + kind);
        match self {
            Source::Turns => 0,
            Source::Script => 2, // that of a link from the first host to itself, which asks nothing
            Source::Loop(host) => of_host(host, 0),
            Source::Arrivals(host) => of_host(host, 1),
            Source::Sockets(host) => of_host(host, 2),
            Source::Jobs(host) => of_host(host, 3),
            Source::Disk(host) => of_host(host, 4),
            // The pairs are counted along the edges of growing squares (the pairing of Szudzik).
            Source::Link(HostId(from), HostId(to)) if from < to => 2 + 2 * (to * to + from),
            Source::Link(HostId(from), HostId(to)) => 2 + 2 * (from * from + from + to),
        }
    }
}

/// The choices of a world.
pub(crate) struct WorldChoices {
    turns: Rc<Choices>,
    by_source: BTreeMap<usize, Rc<Choices>>,
    /// The names of the hosts.
    names: Vec<String>,
    permutes: bool,
}

/// The number of the seed of a world that was given none: its faults happen, and nothing is permuted.
const WITHOUT_SEED: u64 = u64::MAX;

impl WorldChoices {
    pub(crate) fn new(seed: Option<Seed>) -> WorldChoices {
        let permutes = seed.is_some();
        let turns = Choices::new(seed.unwrap_or(Seed::new(WITHOUT_SEED)));
        turns.set_now(Duration::ZERO);
        WorldChoices {
            turns: Rc::new(turns),
            by_source: BTreeMap::new(),
            names: Vec::new(),
            permutes,
        }
    }

    pub(super) fn add_host(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    pub(super) fn name(&self, host: HostId) -> &str {
        &self.names[host.0]
    }

    /// Returns whether a seed permutes what happens at one instant.
    pub(crate) fn permutes(&self) -> bool {
        self.permutes
    }

    /// Returns the choices of a source, which every call for it shares.
    pub(crate) fn of(&mut self, source: Source) -> Rc<Choices> {
        let number = source.number();
        if let Some(known) = self.by_source.get(&number) {
            return known.clone();
        }
        let choices = match source {
            Source::Turns => self.turns.clone(),
            source => Rc::new(self.new_choices(source)),
        };
        self.by_source.insert(number, choices.clone());
        choices
    }

    /// Returns the choices of a source that only one caller asks for.
    pub(super) fn new_choices(&self, source: Source) -> Choices {
        let name = match source {
            Source::Turns | Source::Script => String::new(),
            Source::Link(from, to) => format!("{} to {}", self.name(from), self.name(to)),
            Source::Loop(host)
            | Source::Arrivals(host)
            | Source::Sockets(host)
            | Source::Jobs(host) => self.name(host).to_owned(),
            Source::Disk(host) => format!("the disk of {}", self.name(host)),
        };
        self.turns.of_source(source.number(), name)
    }

    pub(super) fn set_now(&self, now: Duration) {
        self.turns.set_now(now);
    }
}

impl Default for WorldChoices {
    fn default() -> WorldChoices {
        WorldChoices::new(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{HostId, Source};

    #[test]
    fn no_two_sources_have_the_same_number() {
        let hosts = || (0..20).map(HostId);
        let mut numbers = BTreeSet::from([Source::Turns.number(), Source::Script.number()]);
        let mut count = 2;
        for host in hosts() {
            let of_host = [
                Source::Loop(host),
                Source::Arrivals(host),
                Source::Sockets(host),
                Source::Jobs(host),
                Source::Disk(host),
            ];
            let others = hosts().filter(|to| *to != host);
            let links = others.map(|to| Source::Link(host, to));
            for source in of_host.into_iter().chain(links) {
                numbers.insert(source.number());
                count += 1;
            }
        }
        assert_eq!(numbers.len(), count);
    }
}
