//! The simulated world: hosts on one virtual clock, their network, and its faults.

mod faults;
mod hosts;
mod notes;
mod repeatable;
mod tcp;
mod udp;
