//! One module for each piece.

mod doorbell;
mod life;
mod places;
mod waiters;

#[cfg(loom)]
use loom::{sync, thread};
#[cfg(not(loom))]
use std::{sync, thread};

/// All interleavings with up to three preemptions of a running thread; those that have no bug
/// to show with three are not known to have one with more, and take hours.
#[cfg(loom)]
fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

#[cfg(not(loom))]
fn model(body: impl Fn() + Send + Sync + 'static) {
    for _ in 0..1000 {
        body();
    }
}
