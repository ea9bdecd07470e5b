//! Promises: reactions, resolvers, combinators, shared promises.

use fastrand::Rng;
use nodeloop::promise::{self, try_with_resolver};
use nodeloop::{TryPromise, set_immediate, set_timeout, time, try_spawn, yield_now};

use super::short;
use crate::account::{Item, Ledger};

type Outcome = Result<u64, u64>;

/// A promise that settles at once, or in a task, an immediate or a timer.
fn later(rng: &mut Rng, result: Outcome) -> TryPromise<u64, u64> {
    let delay = short(rng, 3);
    let (promise, resolver) = try_with_resolver();
    match rng.u8(0..4) {
        0 => resolver.settle(result),
        1 => drop(set_timeout(delay, move || resolver.settle(result))),
        2 => drop(set_immediate(move || resolver.settle(result))),
        _ => {
            return try_spawn(async move {
                time::sleep(delay).await;
                yield_now().await;
                result
            });
        }
    }
    promise
}

/// Chains of reactions, with the value that each of them must pass on.
pub async fn promises(ledger: Ledger, mut rng: Rng) {
    let mut chains = Vec::new();
    for _ in 0..rng.usize(1..8) {
        let mut expected = Ok(rng.u64(..1 << 32));
        let mut chain = later(&mut rng, expected);
        for _ in 0..rng.usize(1..12) {
            (chain, expected) = reaction(&ledger, &mut rng, chain, expected);
        }
        chain.mark_handled();
        chains.push((chain, expected));
    }
    for (chain, expected) in chains {
        assert_eq!(chain.await, expected, "a chain has another value");
    }
}

/// Adds a reaction to a chain. Returns the chain, and what it settles with.
fn reaction(
    ledger: &Ledger,
    rng: &mut Rng,
    chain: TryPromise<u64, u64>,
    expected: Outcome,
) -> (TryPromise<u64, u64>, Outcome) {
    ledger.owe(Item::Callback, 1);
    let (own, too, step) = (ledger.clone(), ledger.clone(), rng.u64(..1 << 16));
    match rng.u8(0..4) {
        0 => {
            let follows = move |value: u64| {
                own.back(Item::Callback, 1);
                promise::resolve::<u64, u64>(value + step)
            };
            let stays = move |reason| {
                too.back(Item::Callback, 1);
                Err::<u64, u64>(reason)
            };
            let chain = chain.then_or_else(follows, stays);
            (chain, expected.map(|value| value + step))
        }
        1 => {
            let rejects = move |value| {
                own.back(Item::Callback, 1);
                Err::<u64, u64>(value + step)
            };
            let recovers = move |reason| {
                too.back(Item::Callback, 1);
                Ok::<u64, u64>(reason + step)
            };
            let expected = match expected {
                Ok(value) => Err(value + step),
                Err(reason) => Ok(reason + step),
            };
            (chain.then_or_else(rejects, recovers), expected)
        }
        2 => (chain.finally(move || own.back(Item::Callback, 1)), expected),
        _ => {
            let chain = chain.map(move |result: Outcome| {
                own.back(Item::Callback, 1);
                result.map(|value| value + step)
            });
            (chain, expected.map(|value| value + step))
        }
    }
}

/// `all`, `all_settled`, `race` and `any` of members that settle in any order.
pub async fn combinators(ledger: Ledger, mut rng: Rng) {
    let values: Vec<u64> = (0..rng.u64(1..16)).collect();
    ledger.owe(Item::Reply, 5);
    let members: Vec<_> = values
        .iter()
        .map(|value| later(&mut rng, Ok(*value)))
        .collect();
    assert_eq!(promise::all(members).await, Ok(values.clone()));
    ledger.back(Item::Reply, 1);

    let wanted = |value: u64| {
        if value.is_multiple_of(2) {
            Ok(value)
        } else {
            Err(value)
        }
    };
    let members: Vec<_> = values
        .iter()
        .map(|value| later(&mut rng, wanted(*value)))
        .collect();
    let settled = promise::all_settled(members).await;
    let settled: Vec<Outcome> = settled
        .into_iter()
        .map(|result| result.map_err(|rejected| rejected.error().expect("a reason")))
        .collect();
    assert_eq!(
        settled,
        values
            .iter()
            .map(|value| wanted(*value))
            .collect::<Vec<_>>()
    );
    ledger.back(Item::Reply, 1);

    let members: Vec<_> = values
        .iter()
        .map(|value| later(&mut rng, wanted(*value)))
        .collect();
    let first = promise::race(members).await;
    assert!(values.contains(&first.unwrap_or_else(|reason| reason)));
    ledger.back(Item::Reply, 1);

    let members: Vec<_> = values
        .iter()
        .map(|value| later(&mut rng, wanted(*value)))
        .collect();
    assert_eq!(promise::any(members).await.expect("zero is a value") % 2, 0);
    ledger.back(Item::Reply, 1);

    let members: Vec<_> = values
        .iter()
        .map(|value| later(&mut rng, Err(*value)))
        .collect();
    let errors = promise::any(members)
        .await
        .expect_err("all are rejected")
        .errors;
    let errors: Vec<u64> = errors
        .into_iter()
        .filter_map(|rejected| rejected.error())
        .collect();
    assert_eq!(errors, values, "each reason, in the order of the members");
    ledger.back(Item::Reply, 1);
}

/// Promises that several tasks await.
pub async fn shared_promises(ledger: Ledger, mut rng: Rng) {
    let expected = if rng.bool() {
        Ok(rng.u64(..))
    } else {
        Err(rng.u64(..))
    };
    let shared = later(&mut rng, expected).shared();
    shared.mark_handled();
    let waiters = rng.u64(1..16);
    ledger.owe(Item::Reply, waiters);
    let mut tasks = Vec::new();
    for _ in 0..waiters {
        let (shared, own, delay) = (shared.clone(), ledger.clone(), short(&mut rng, 4));
        tasks.push(ledger.spawn(async move {
            time::sleep(delay).await;
            assert_eq!(shared.await, expected);
            own.back(Item::Reply, 1);
        }));
    }
    for task in tasks {
        task.await;
    }
    assert!(shared.is_finished());
}
