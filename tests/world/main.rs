//! The simulated world: hosts on one virtual clock, their network, and its faults.

mod hosts;
