//! Workers: computations on other threads while the loop continues.
//!
//! Each worker has its own loop, and a port to the loop that started it. A message is moved to its
//! receiver, so nothing is shared. `join` returns the error of a worker that fails.
//!
//! Compared with Node: exactly
//!
//! ```js
//! const { Worker } = require('node:worker_threads');
//!
//! const SOURCE = `
//!   const { parentPort } = require('node:worker_threads');
//!   parentPort.on('message', ([first, last]) => {
//!     if (first > last) throw new RangeError('an empty range');
//!     let count = 0;
//!     for (let number = first; number <= last; number += 1) {
//!       let divisor = 2;
//!       while (divisor * divisor <= number && number % divisor !== 0) divisor += 1;
//!       if (number > 1 && divisor * divisor > number) count += 1;
//!     }
//!     parentPort.postMessage(count);
//!   });
//! `;
//!
//! const RANGES = [[1, 25000], [25001, 50000], [50001, 75000], [75001, 100000]];
//! const workers = RANGES.map((range) => {
//!   const worker = new Worker(SOURCE, { eval: true });
//!   worker.postMessage(range);
//!   return worker;
//! });
//!
//! let turns = 0;
//! const turn = () => { turns += 1; immediate = setImmediate(turn); };
//! let immediate = setImmediate(turn);
//!
//! Promise.all(workers.map((worker) => new Promise((resolve) => {
//!   worker.once('message', resolve);
//! }))).then(async (counts) => {
//!   console.log('primes:', counts.join(' + '), '=', counts.reduce((sum, count) => sum + count));
//!   clearImmediate(immediate);
//!   console.log('the loop completed turns meanwhile:', turns > 10);
//!   for (const worker of workers.slice(1)) await worker.terminate();
//!   workers[0].on('error', (error) => console.log(`failed: ${error.message}`));
//!   workers[0].on('exit', () => console.log('all workers have ended'));
//!   workers[0].postMessage([2, 1]);
//! });
//! ```

use std::cell::Cell;
use std::rc::Rc;

use futures::future::join_all;
use nodeloop::worker::{Worker, WorkerPort};
use nodeloop::{RunError, set_immediate};

type Range = (u32, u32);

const RANGES: [Range; 4] = [(1, 25000), (25001, 50000), (50001, 75000), (75001, 100000)];

/// The worker: answers each range with the number of primes in it.
async fn count_primes(mut port: WorkerPort<Range, usize>) {
    while let Some((first, last)) = port.recv().await {
        if first > last {
            std::panic::resume_unwind(Box::new("an empty range")); // `panic!` prints, too
        }
        let is_prime = |number: &u32| {
            let mut divisors = (2..).take_while(|divisor| divisor * divisor <= *number);
            *number > 1 && divisors.all(|divisor| !number.is_multiple_of(divisor))
        };
        let count = (first..=last).filter(is_prime).count();
        if port.post(count).is_err() {
            return; // the loop that started this worker has ended
        }
    }
}

fn main() -> std::io::Result<()> {
    nodeloop::run(async {
        let turns = Turns::default();
        turns.clone().count();

        let mut workers = Vec::new();
        for range in RANGES {
            let worker = Worker::spawn(count_primes)?;
            worker.post(range).expect("the worker is running");
            workers.push(worker);
        }
        let counts = join_all(workers.iter_mut().map(Worker::recv)).await;
        let counts: Vec<_> = counts.into_iter().flatten().collect();
        let terms: Vec<_> = counts.iter().map(usize::to_string).collect();
        println!(
            "primes: {} = {}",
            terms.join(" + "),
            counts.iter().sum::<usize>()
        );
        println!("the loop completed turns meanwhile: {}", turns.stop() > 10);

        let first = workers.swap_remove(0);
        for worker in workers {
            worker.terminate();
            worker
                .join()
                .await
                .expect("a terminated worker is no error");
        }
        first.post((2, 1)).expect("the worker is running");
        if let Err(RunError::Uncaught(error)) = first.join().await {
            println!("failed: {}", error.message());
        }
        println!("all workers have ended");
        Ok(())
    })
}

/// Counts the turns of the loop until [`stop`](Turns::stop) is called.
#[derive(Clone, Default)]
struct Turns {
    count: Rc<Cell<u32>>,
    stopped: Rc<Cell<bool>>,
}

impl Turns {
    fn count(self) {
        self.count.set(self.count.get() + 1);
        if !self.stopped.get() {
            set_immediate(|| self.count());
        }
    }

    fn stop(&self) -> u32 {
        self.stopped.set(true);
        self.count.get()
    }
}
