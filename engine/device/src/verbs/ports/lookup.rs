//! What may take long: asking for the way to a port, and giving ways up.

use std::time::{Duration, Instant};

use super::super::sys::Way;
use super::Place;
use crate::DeviceError;

/// Something for another thread to do.
#[derive(Debug)]
pub(super) enum Errand<H> {
    /// Ways to find from the rail of that number to a port.
    Find {
        rail: usize,
        port: usize,
        ways: Vec<(usize, Way)>,
    },
    GiveUp(Vec<H>),
}

/// What came of looking for ways.
#[derive(Debug)]
pub(super) enum Answer<H> {
    Found(Place, H),
    /// No more are to come for this port. These were not found, and why, and how long that took.
    Done {
        port: usize,
        lost: Vec<usize>,
        error: Option<(DeviceError, Duration)>,
    },
}

/// Does an errand, with ways found by `make`.
pub(super) fn run<H>(
    errand: Errand<H>,
    make: &impl Fn(usize, &Way) -> Result<H, DeviceError>,
    answer: &dyn Fn(Answer<H>),
) {
    let (rail, port, ways) = match errand {
        Errand::Find { rail, port, ways } => (rail, port, ways),
        Errand::GiveUp(ways) => return drop(ways),
    };
    let mut ways = ways.into_iter();
    let mut error = None;
    let mut lost = Vec::new();
    while let Some((index, way)) = ways.next() {
        let began = Instant::now();
        match make(rail, &way) {
            Ok(found) => answer(Answer::Found(Place { port, index }, found)),
            Err(reason) => {
                error = Some((reason, began.elapsed()));
                // A host that is not there is not there along the other paths either.
                lost.push(index);
                lost.extend(ways.by_ref().map(|(index, _)| index));
            }
        }
    }
    answer(Answer::Done { port, lost, error });
}

/// 20 bits, not zero: NICs take zero for "none of its own".
pub(super) fn flow_label(salt: u32, turn: u32) -> u32 {
    // Fibonacci hashing; the labels of one endpoint are all different, as the factor is odd.
    let mixed = (salt.wrapping_add(turn)).wrapping_mul(0x9e37_79b1) >> 12;
    if mixed == 0 { 1 } else { mixed }
}
