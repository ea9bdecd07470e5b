//! Jobs on the pool of threads.

use std::hint::black_box;

use crate::{Jobs, Workload, sum_below, timed, workload};

pub fn jobs<R: Jobs>() -> Vec<Workload> {
    vec![
        workload("jobs-at-once", at_once::<R>),
        workload("jobs-in-turn", in_turn::<R>),
    ]
}

fn at_once<R: Jobs>(count: u64) -> f64 {
    timed::<R, _>(move || async move {
        let job = |number| R::blocking(move || black_box(number));
        let mut sum = 0;
        for result in (0..count).map(job).collect::<Vec<_>>() {
            sum += result.await;
        }
        assert_eq!(sum, sum_below(count));
    })
}

fn in_turn<R: Jobs>(count: u64) -> f64 {
    timed::<R, _>(move || async move {
        let mut sum = 0;
        for number in 0..count {
            sum += R::blocking(move || black_box(number)).await;
        }
        assert_eq!(sum, sum_below(count));
    })
}
