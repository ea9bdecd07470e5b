//! The attributes `#[nodeloop::main]` and `#[nodeloop::test]`. Their errors: `macros/tests`.
//!
//! A function with `#[nodeloop::test]` is a test of this binary.

use std::time::Duration;

use nodeloop::test::Test;
use nodeloop::{next_tick, set_timeout, time};

use crate::common::limit::limit;

#[nodeloop::test]
async fn time_is_virtual() {
    let before = nodeloop::time::Instant::now();
    time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(before.elapsed(), Duration::from_secs(3600));
}

#[nodeloop::test]
async fn the_argument_is_the_test(t: Test) {
    let log = t.log();
    set_timeout(Duration::from_millis(1), log.callback("timeout"));
    next_tick(log.callback("tick"));
    t.until_idle().await;
    log.assert_order(["tick", "timeout"]);
}

#[nodeloop::test]
async fn question_marks_work(_: Test) -> Result<(), std::num::ParseIntError> {
    let _: u8 = "20".parse()?;
    Ok(())
}

/// The attribute of std and its companions still apply.
#[nodeloop::test]
#[should_panic(expected = "on purpose")]
async fn a_panic_of_the_body_is_the_panic_of_the_test() {
    panic!("on purpose");
}

const LINE_OF_STUCK: u32 = line!() + 4;

#[nodeloop::test]
#[should_panic(expected = "the main future")]
async fn a_body_that_is_stuck_fails() {
    std::future::pending::<()>().await;
}

/// A report about the main future has the line of the function.
#[test]
fn the_location_of_the_body_is_that_of_the_function() {
    let payload = std::panic::catch_unwind(a_body_that_is_stuck_fails).unwrap_err();
    let report = payload.downcast_ref::<String>().expect("a report");
    let location = format!("attributes.rs:{LINE_OF_STUCK}");
    assert!(report.contains(&location), "{location}: {report}");
}

/// `#[ignore]` still applies: otherwise this test would fail.
#[nodeloop::test]
#[ignore = "the next test calls it"]
async fn an_err_is_returned() -> Result<(), std::num::ParseIntError> {
    let _: u8 = "256".parse()?;
    Ok(())
}

/// The harness fails a test that returns an `Err`.
#[test]
fn an_err_of_the_body_is_returned_to_the_harness() {
    assert!(an_err_is_returned().is_err());
}

#[nodeloop::test(real_time)]
async fn real_time_is_that_of_the_system() -> std::io::Result<()> {
    let _limit = limit();
    let listener = nodeloop::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (client, server) = futures::join!(
        nodeloop::net::TcpStream::connect(address),
        listener.accept()
    );
    assert_eq!(server?.1, client?.local_addr()?);
    Ok(())
}

#[nodeloop::test(explore = 20)]
#[should_panic(expected = "fails; replay it with")]
async fn exploration_finds_a_race(t: Test) {
    let log = t.log();
    for name in ["a", "b"] {
        let mut add = log.callback(name);
        nodeloop::queue_work(|| (), move |()| add());
    }
    t.until_idle().await;
    log.assert_order(["a", "b"]);
}

#[nodeloop::test(explore = 5)]
async fn exploration_needs_no_argument() {
    time::sleep(Duration::from_millis(1)).await;
}

mod renamed {
    pub use ::nodeloop as another_name;
}

#[nodeloop::test(crate = renamed::another_name)]
async fn the_crate_can_have_another_name() {
    time::sleep(Duration::from_millis(1)).await;
}

mod with_an_import {
    use nodeloop::test;

    /// `use nodeloop::test` also imports the attribute, which leaves this function as it is.
    #[test]
    fn an_ordinary_test_stays_one() {
        test::run(async |_| ());
    }

    #[test]
    async fn a_short_attribute(_t: test::Test) {}
}

/// What a macro inserts stands in groups that have no brackets.
mod made_by_a_macro {
    macro_rules! make {
        ($(#[$meta:meta])* $visibility:vis $name:ident -> $output:ty $body:block) => {
            #[nodeloop::test]
            $(#[$meta])*
            $visibility async fn $name() -> $output $body
        };
    }

    make! {
        /// Documented.
        #[allow(clippy::unused_unit)]
        pub(crate) a_test -> Result<(), String> {
            nodeloop::time::sleep(std::time::Duration::from_millis(1)).await;
            Ok(())
        }
    }
}

mod a_program {
    #[nodeloop::main]
    pub(super) async fn main() -> Result<(), std::num::ParseIntError> {
        nodeloop::time::sleep(std::time::Duration::from_millis(1)).await;
        let _: u8 = "256".parse()?;
        Ok(())
    }
}

#[test]
fn main_returns_the_output_of_the_function() {
    let _limit = limit();
    assert!(a_program::main().is_err());
}
