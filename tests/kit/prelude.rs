//! The prelude: its names do not hide the methods of this crate.

use nodeloop::prelude::*;
use nodeloop::promise::{self, SharedPromise, SharedTryPromise};

/// The annotated types are those of the inherent methods: the traits would return their own futures,
/// which start when they are polled.
#[nodeloop::test]
async fn methods_of_promises_come_before_those_of_futures() {
    let fulfilled = || promise::resolve::<u32, &'static str>(1);
    let mapped: Promise<u32> = promise::ready(1).map(|n| n + 1);
    let then: Promise<u32> = promise::ready(1).then(|n| n + 1);
    let map_err: TryPromise<u32, usize> = fulfilled().map_err(str::len);
    let try_then: TryPromise<u32, &str> = fulfilled().then(|n| Ok(n + 1));
    let shared = promise::ready(1).shared();
    let shared_then: Promise<u32> = SharedPromise::then(&shared, |n| n + 1);
    let try_shared = fulfilled().shared();
    let try_shared_then: TryPromise<u32, &str> = SharedTryPromise::then(&try_shared, |n| Ok(n + 1));
    assert_eq!((mapped.await, then.await, shared_then.await), (2, 2, 2));
    assert_eq!(map_err.await, Ok(1));
    assert_eq!((try_then.await, try_shared_then.await), (Ok(2), Ok(2)));
}

#[nodeloop::test]
async fn the_macros_of_futures_work() {
    let (mut sender, mut receiver) = mpsc::channel(1);
    set_timeout(Duration::from_millis(5), move || {
        sender.try_send(1).unwrap()
    });
    let first = select_biased! {
        value = receiver.next() => format!("{value:?}"),
        () = sleep(Duration::from_millis(10)).fuse() => "late".to_owned(),
    };
    assert_eq!(first, "Some(1)");
    let only = select! {
        value = oneshot_of(2).fuse() => value,
    };
    assert_eq!(join!(async { only }, oneshot_of(3)), (2, 3));
    assert_eq!(
        try_join!(promise::resolve::<_, ()>(4), async { Ok(5) }),
        Ok((4, 5))
    );
}

async fn oneshot_of(value: u32) -> u32 {
    let (sender, receiver) = oneshot::channel();
    next_tick(move || sender.send(value).unwrap());
    receiver.await.unwrap()
}

/// The crate is re-exported.
#[nodeloop::test]
async fn futures_needs_no_dependency() {
    let all = nodeloop::futures::future::join_all([1, 2].map(promise::ready));
    assert_eq!(all.await, [1, 2]);
}
