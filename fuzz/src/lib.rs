//! The bodies of the fuzz targets: functions from bytes to nothing, that panic where a promise of
//! the core is broken.
//!
//! Being plain functions, they need no fuzzer: `cargo test -p usrd-fuzz` replays the corpus and
//! tries random inputs with a stable compiler. To let the fuzzer look for more:
//!
//! ```text
//! cargo +nightly fuzz run --features libfuzzer endpoint
//! ```
//!
//! | target | what is fed |
//! |---|---|
//! | [`wire_decode`] | any bytes, to the decoder |
//! | [`bundle`] | any bytes, as a bundle of datagrams and as a batch to be planned |
//! | [`endpoint`] | datagrams, true and forged, commands and time, to two endpoints that talk |
//! | [`structures`] | operations, to the timer wheel and the receive window beside naive ones |

mod bundle;
mod endpoint;
mod structures;
mod wire;

pub use bundle::bundle;
pub use endpoint::endpoint;
pub use structures::structures;
pub use wire::wire_decode;

/// A target's body.
pub type Target = fn(&[u8]);

/// Every target, by the name that its binary and its corpus folder have.
pub const TARGETS: [(&str, Target); 4] = [
    ("wire_decode", wire_decode),
    ("bundle", bundle),
    ("endpoint", endpoint),
    ("structures", structures),
];
