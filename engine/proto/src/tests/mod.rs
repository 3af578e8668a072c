//! Two endpoints, stepped in virtual time. Each file is about one part of docs/PROTOCOL.md; a test
//! names the rule that it covers.

mod cancel;
mod congestion;
mod context;
mod expiry;
mod farewell;
mod hostile;
mod immediates;
mod lifecycle;
mod look_ahead;
mod loss;
mod memory;
mod messages;
mod multi;
mod newcomers;
mod one_sided;
mod order_tail;
mod pair;
mod paths;
mod random;
mod soak;
mod tagged;
mod trimming;
mod turns;
