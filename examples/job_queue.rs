//! Promise jobs run before timers, in the drain after the main script.
//!
//! Compared with Node: exactly
//!
//! ```js
//! console.log('Script start');
//! setTimeout(() => console.log('setTimeout'), 0);
//! new Promise((resolve) => resolve('Promise 1 resolved')).then((text) => console.log(text));
//! new Promise((resolve) => resolve('Promise 2 resolved')).then((text) => {
//!   console.log(text);
//!   return new Promise((resolve) => resolve('Promise 3 resolved'));
//! }).then((text) => console.log(text));
//! console.log('Script End');
//! ```

use std::time::Duration;

use nodeloop::recording::println;
use nodeloop::{promise, run_script, set_timeout};

fn main() {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    run_script(|| {
        println!("Script start");
        set_timeout(Duration::ZERO, || println!("setTimeout"));
        let first = resolved("Promise 1 resolved");
        first.then(|text| println!("{text}")).detach();
        let second = resolved("Promise 2 resolved");
        let third = second.then_follow(|text| {
            println!("{text}");
            resolved("Promise 3 resolved")
        });
        third.then(|text| println!("{text}")).detach();
        println!("Script End");
    });
}

/// `new Promise((resolve) => resolve(text))`
fn resolved(text: &'static str) -> nodeloop::Promise<&'static str> {
    let (promise, resolver) = promise::with_resolver();
    resolver.resolve(text);
    promise
}
