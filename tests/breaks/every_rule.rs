//! Every test that keeps a rule, in one binary: one link for each deliberate break and each
//! mutant, instead of a dozen. The tests themselves stand in the files named here.

#![allow(clippy::duplicate_mod)] // each of them has `common` for itself

#[path = "../abort.rs"]
mod abort;
#[path = "../async_local.rs"]
mod async_local;
#[path = "../bad_input.rs"]
mod bad_input;
#[path = "../promise_api.rs"]
mod promise_api;
#[path = "../promise_waiters.rs"]
mod promise_waiters;
#[path = "../reactor.rs"]
mod reactor;
#[path = "../rules_drain.rs"]
mod rules_drain;
#[path = "../rules_errors.rs"]
mod rules_errors;
#[path = "../rules_immediates.rs"]
mod rules_immediates;
#[path = "../rules_listeners.rs"]
mod rules_listeners;
#[path = "../rules_loop.rs"]
mod rules_loop;
#[path = "../rules_pool.rs"]
mod rules_pool;
#[path = "../rules_promises.rs"]
mod rules_promises;
#[path = "../rules_reactions.rs"]
mod rules_reactions;
#[path = "../rules_throws.rs"]
mod rules_throws;
#[path = "../rules_timer_lists.rs"]
mod rules_timer_lists;
#[path = "../rules_timers.rs"]
mod rules_timers;
#[path = "../unix.rs"]
mod unix;
