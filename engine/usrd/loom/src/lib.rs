//! The lock-free pieces of usrd, model-checked.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p usrd-loom --release --target-dir target/loom
//! ```
//! tries the interleavings, and for each the memory orders that the language allows. Without the
//! flag the same tests run on threads, a thousand times.
//!
//! | piece | what it must do | model |
//! |---|---|---|
//! | `doorbell` | no wake-up is lost | `models/doorbell` |
//! | `waiters` | whoever waits for a completion is woken by it | `models/waiters` |
//! | `places` | a place that was reserved is free; what is given back is counted once | `models/places` |
//! | `life` | what is submitted while the driver ends is answered | `models/life` |
//!
//! The queues between them are crossbeam's. Models stand in for them with the least that they promise.

#[cfg(test)]
#[path = "../../src/doorbell.rs"]
mod doorbell;
#[cfg(test)]
#[path = "../../src/life.rs"]
#[allow(dead_code, reason = "the models need a part of it")]
mod life;
#[cfg(test)]
#[path = "../../src/places.rs"]
#[allow(dead_code, reason = "the models need a part of it")]
mod places;
#[cfg(test)]
#[path = "../../src/waiters.rs"]
mod waiters;

#[cfg(test)]
mod models;
