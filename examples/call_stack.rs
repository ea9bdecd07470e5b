//! A call runs to its end before the caller goes on, also the call of an `async` function.
//!
//! In JavaScript the body of an `async` function starts when it is called. In Rust the call only
//! makes the future; `spawn` is what starts it, on the caller's stack, up to its first wait.
//!
//! Compared with Node: exactly
//!
//! ```js
//! async function first() {
//!   console.log('start of first');
//!   second();
//!   console.log('end of first');
//! }
//!
//! async function second() {
//!   console.log('in second');
//! }
//!
//! first();
//! ```

use nodeloop::recording::println;
use nodeloop::{run, spawn};

fn main() {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    run(first());
}

async fn first() {
    println!("start of first");
    spawn(second()); // nobody awaits it, and it has run when `spawn` returns
    println!("end of first");
}

async fn second() {
    println!("in second");
}
