//! Two endpoints that talk, and use each other's memory, on a network that does what the bytes say.
//!
//! The first byte chooses between two networks:
//! * an *unkind* one loses, repeats, delays and reorders, and adds garbage. Then messages arrive
//!   whole, once per context and, where that was asked for, in order; and in the end, once the
//!   network is kind, every operation completes;
//! * a *hostile* one alters datagrams as well, and forges them with addresses that are valid. Nobody
//!   can promise anything about the messages then; but whatever comes, memory outside of what was
//!   posted is not touched, nothing completes twice, everything stays bounded, and what is dropped
//!   is counted and changes nothing else.
//!
//! Its highest bit says whether the endpoints use each other's memory as well. Some receives are for several
//! messages.

mod driver;
mod forge;
mod memory;
mod node;
mod one_sided;
mod op;
mod world;

use arbitrary::{Arbitrary, Unstructured};

use op::Op;
use world::World;

/// Reads the bytes as operations on two endpoints and the network between them.
pub fn endpoint(bytes: &[u8]) {
    let Some((&choices, rest)) = bytes.split_first() else {
        return;
    };
    let mut world = World::new(choices);
    let mut input = Unstructured::new(rest);
    for _ in 0..MAX_OPS {
        if input.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut input) else {
            break;
        };
        world.perform(op);
    }
    world.finish();
}

/// Enough to get anywhere; more only makes inputs slow.
const MAX_OPS: usize = 300;
