//! A log whose entries begin with the virtual time.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nodeloop::test::{Log, World};

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[derive(Clone)]
pub(crate) struct Notes {
    world: World,
    log: Log,
}

impl Notes {
    pub(crate) fn of(world: &World) -> Notes {
        Notes {
            world: world.clone(),
            log: world.log(),
        }
    }

    #[track_caller]
    pub(crate) fn add(&self, text: impl Display) {
        self.log.add(format!("{:?} {text}", self.world.now()));
    }

    #[track_caller]
    pub(crate) fn assert<'a>(&self, expected: impl AsRef<[&'a str]>) {
        self.log.assert_order(expected);
    }
}

/// Returns the message with which the run fails.
pub(crate) fn failure(world: &World) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| world.run())).expect_err("the run fails");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a text")).to_owned(),
    }
}
