//! The simulated world: hosts on one virtual clock, their network, and its faults.

mod durability;
mod faults;
mod files;
mod hosts;
mod notes;
mod repeatable;
mod tcp;
mod udp;
