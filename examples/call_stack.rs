//! A call runs to its end before its caller continues, also the call of an `async` function.
//!
//! In JavaScript the body of an `async` function starts when the function is called. In Rust the
//! call only creates the future. `spawn` runs it at once, on the caller's stack, up to the first
//! `await` that has to wait.
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
    spawn(second()).detach(); // it has run when `spawn` returns, without an `await`
    println!("end of first");
}

async fn second() {
    println!("in second");
}
