//! The verbs library, made safe: everything `unsafe` of this backend is in this folder.
//!
//! The idea of the boundary: **what the NIC may read or write belongs to a type in here until the NIC
//! is done with it.** A queue pair owns the header slots and holds on to the payloads of what it has
//! been handed until their completions; a receive queue owns its memory and shows a slot's bytes only
//! while that slot is not posted. So nothing that a caller does can make a NIC touch freed memory.
//!
//! ```text
//!   Context -- Domain --+-- ReceiveQueue   shared by the queue pairs; owns what the NIC writes
//!      |                +-- QueuePair      owns what the NIC reads
//!      |                +-- AddressHandle, Region
//!      +-- Channel -- CompletionQueue
//! ```
//! libibverbs is opened when the program runs: without it, everything here says what to install.

mod context;
mod memory;
mod queue;
mod receive;
mod send;
mod states;

use std::io;

pub(in crate::verbs) use context::{AsyncEvent, Context, Port, device_names};
pub(in crate::verbs) use memory::{AddressHandle, Domain, Region, Way, pages_of};
pub(in crate::verbs) use queue::{Channel, CompletionQueue, Done, WorkCompletion};
pub(in crate::verbs) use receive::{GRH_BYTES, ReceiveQueue, Shape};
pub(in crate::verbs) use send::{InPlace, Label, QueuePair, QueuePairSetup};

use crate::DeviceError;

/// What a call that returns an error number came to.
fn check(operation: &'static str, code: libc::c_int) -> Result<(), DeviceError> {
    match code {
        0 => Ok(()),
        // Some calls return -1 and set errno, others return the number.
        code if code > 0 => Err(failed(operation, io::Error::from_raw_os_error(code))),
        _ => Err(failed(operation, io::Error::last_os_error())),
    }
}

/// What a call that returns a pointer came to.
fn check_pointer<T>(
    operation: &'static str,
    pointer: *mut T,
) -> Result<std::ptr::NonNull<T>, DeviceError> {
    std::ptr::NonNull::new(pointer).ok_or_else(|| failed(operation, io::Error::last_os_error()))
}

fn failed(operation: &'static str, source: io::Error) -> DeviceError {
    if source.raw_os_error() == Some(libc::ENOMEM) {
        return DeviceError::Unsupported {
            feature: operation,
            advice: "raise the limit of locked memory (ulimit -l unlimited), or use fewer or \
                     smaller queues",
            source,
        };
    }
    DeviceError::Io { operation, source }
}
