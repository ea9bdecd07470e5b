use nodeloop::{prelude::*, promise};

#[nodeloop::main]
async fn main() {
    set_timeout(Duration::from_secs(1), || println!("6 timer"));
    set_immediate(|| println!("5 immediate"));
    queue_microtask(|| println!("3 microtask"));
    next_tick(|| println!("2 tick"));
    println!("1 main future");
    promise::ready(()).await; // exactly one entry of the microtask queue
    println!("4 awaited");
}
