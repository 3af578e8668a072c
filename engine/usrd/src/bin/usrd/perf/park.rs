//! Keeping one client alive while another one measures.
//!
//! An end that nobody drives does not acknowledge, and so is dead to its peer soon.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::client::Client;
use crate::failure::Failure;

/// Runs `busy`, and meanwhile drives `idle`, if there is one.
pub(crate) fn while_driving<T>(
    idle: Option<&mut Client>,
    busy: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(idle) = idle else {
        return busy();
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let driver = scope.spawn(|| idle.rest(&over));
        let result = busy();
        over.store(true, Ordering::Relaxed);
        let rested = driver.join().map_err(|_| Failure::Run("a client panicked".to_owned()))?;
        let result = result?;
        rested.map(|()| result)
    })
}
