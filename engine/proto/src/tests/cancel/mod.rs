//! Operations are taken back: rule M8 of docs/PROTOCOL.md.

mod messages;
mod one_sided;

mod tagged;

use core::time::Duration;
use std::vec::Vec;

use super::pair::{A, B, Pair, Side};
use crate::boundary::{Event, SendFailure};
use crate::cancelled::Cancelled;
use crate::ids::{BufferId, Token};
use crate::wire::{Op, Packet};

const LIMIT: Duration = Duration::from_secs(20);

/// Several packets.
const LONG: usize = 60_000;

type Sent = (u64, Result<(), SendFailure>);

impl Pair {
    fn cancel_send(&mut self, side: Side, token: u64) -> bool {
        let now = self.now;
        self.node(side).endpoint.cancel_send(now, Token(token))
    }

    fn cancel_transfer(&mut self, side: Side, token: u64) -> bool {
        let now = self.now;
        self.node(side).endpoint.cancel_transfer(now, Token(token))
    }

    /// Takes the outcomes of sends out of the events, and their buffers away: whoever reads one after
    /// its completion panics.
    fn endings(&mut self, side: Side) -> Vec<Sent> {
        let node = self.node(side);
        let mut endings = Vec::new();
        let events = core::mem::take(&mut node.events);
        for event in events {
            match event {
                Event::SendCompleted { token, result, .. } => {
                    node.buffers.remove(&BufferId(token.0 as u32)).expect("it completes once");
                    endings.push((token.0, result));
                }
                event => node.events.push(event),
            }
        }
        endings
    }

    /// Runs in small steps, taking buffers away as soon as their operations are over.
    fn run_out_strictly(&mut self, side: Side, endings: &mut Vec<Sent>) {
        let end = self.now + LIMIT;
        loop {
            endings.extend(self.endings(side));
            let pending = self.a.endpoint.pending_sends() + self.b.endpoint.pending_sends();
            if pending == 0 && self.flights.is_empty() {
                break;
            }
            assert!(self.step(), "stuck at {:?}", self.now);
            assert!(self.now < end, "not over in time");
        }
        self.run_for(Duration::from_millis(20));
        endings.extend(self.endings(side));
    }

    fn trace_operations(&self, from: Side) -> Vec<Op> {
        let trace = self.trace.as_ref().unwrap().iter();
        let data = trace.filter_map(|&(_, side, packet)| match packet {
            Packet::Data(data) if side == from => Some(data.op),
            _ => None,
        });
        data.collect()
    }
}

/// How often something with this outcome may have been delivered.
fn may_arrive(result: Result<(), SendFailure>, times: usize) -> bool {
    match result {
        Ok(()) => times == 1,
        Err(SendFailure::Cancelled(Cancelled::NotSent | Cancelled::Partly)) => times == 0,
        Err(SendFailure::Cancelled(Cancelled::Unknown)) => times <= 1,
        Err(failure) => panic!("no peer was lost: {failure:?}"),
    }
}

/// Nothing is left of what was done, and both sides still understand each other.
#[track_caller]
fn assert_well(pair: &mut Pair) {
    for side in [A, B] {
        let down = pair.node(side).events.iter().any(|it| matches!(it, Event::PeerDown { .. }));
        assert!(!down, "no peer was lost");
        pair.node(side).endpoint.assert_at_rest();
    }
}
