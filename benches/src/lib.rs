//! What usrd's core costs, measured without sockets, threads or payload.
//!
//! [`Pair`] joins two endpoints by an in-memory queue in virtual time, which is all that the
//! benchmarks need; [`CountingAllocator`] sees what they allocate.
//!
//! | run | tells |
//! |---|---|
//! | `cargo bench -p usrd-benches --bench core` | time per packet, with 1 and with 1,000 peers |
//! | `cargo bench -p usrd-benches --bench instructions` | instructions per packet (needs valgrind) |
//! | `cargo bench -p usrd-benches --bench memory` | bytes per idle peer, of 100,000 |
//! | `cargo bench -p usrd-benches --bench peers` | what 10,000 peers cost beside one: time per packet, bytes per idle peer |
//! | `cargo bench -p usrd-benches --bench simulator` | packet-hops per second, instructions and memory of the simulator (needs valgrind) |
//! | `cargo bench -p usrd-benches --bench structures` | the timer wheel and the receive window alone |
//! | `cargo test -p usrd-benches` | no allocation per packet, and at most 400 bytes per idle peer |

pub mod callgrind;
mod clock;
mod counting;
mod end;
mod link;
mod pair;

pub use clock::processor_time;
pub use counting::CountingAllocator;
pub use pair::{Load, Pair};
