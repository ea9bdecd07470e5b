//! Exits from a callback. Built with `panic = "abort"`, which leaves no callback by unwinding, it
//! must print `exit 3` and end with the code 3: `cargo run --profile abort -p nodeloop-panic-abort`.

use std::future::pending;
use std::time::Duration;

use nodeloop::{exit, on_exit, set_timeout};

fn main() {
    nodeloop::run(async {
        on_exit(|code| println!("exit {code}"));
        set_timeout(Duration::from_millis(1), || exit(3));
        pending::<()>().await;
    });
}
