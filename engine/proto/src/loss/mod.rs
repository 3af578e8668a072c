//! Round-trip times, from which every wait is derived.

pub mod rtt;
