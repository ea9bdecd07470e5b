//! A job queue for many processes, in a PostgreSQL database.
//!
//! Producers add jobs, and workers in any number of processes claim and run them. A job ends with an
//! effect, a row that is written in the same transaction, so that it happens once even though a
//! worker may die at any point. `README.md` describes the tables and the program.
//!
//! [`database`] connects over a stream of the loop. [`queue`] contains all statements. [`worker`]
//! is the loop of a worker. [`handlers`] are the kinds of jobs that the program knows.

pub mod database;
pub mod handlers;
pub mod queue;
pub mod worker;

/// Any error of the queue.
pub type Error = Box<dyn std::error::Error>;
