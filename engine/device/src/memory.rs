//! Whose memory a payload lies in, where a device may read it later than when it was handed over.

use std::ptr::NonNull;

use bytes::Bytes;

/// What a payload is a part of.
#[derive(Clone, Copy, Debug)]
pub enum Memory<'a> {
    /// The device may keep a reference to it.
    Shared(&'a Bytes),
    /// It was [lent](crate::Device::lend).
    Lent(Loan),
}

/// Memory that was lent to a device: good until it is [taken back](crate::Device::take_back).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loan(pub u32);

/// Memory that can be lent.
#[derive(Debug)]
pub struct Lendable {
    start: NonNull<u8>,
    len: usize,
}

impl Lendable {
    /// Memory of `len` bytes.
    ///
    /// # Safety
    /// While it is lent, that is until [`Device::take_back`](crate::Device::take_back) has returned true,
    /// or the device was dropped, it stays where it is. It may change meanwhile: what is sent then may
    /// be a mixture.
    pub const unsafe fn new(start: NonNull<u8>, len: usize) -> Self {
        Self { start, len }
    }

    /// The address of its first byte.
    pub fn address(&self) -> usize {
        self.start.addr().get()
    }

    /// How long it is, in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}
