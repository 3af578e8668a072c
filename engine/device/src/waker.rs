//! Ending another thread's wait.
//!
//! An event descriptor is a counter that reads as ready once it is not zero. So a wake-up that
//! comes before the wait is not lost, many of them merge into one, and a device waits for it and
//! for its sockets in the same call.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::DeviceError;
use crate::readiness::{self, Interest};

/// Ends a device's [`wait`](crate::Device::wait) from any thread. Clones wake the same device.
#[derive(Clone, Debug)]
pub struct Waker {
    event: Arc<File>,
}

impl Waker {
    /// A waker for a new device.
    pub fn new() -> Result<Self, DeviceError> {
        let descriptor = event_descriptor().map_err(|source| DeviceError::Unsupported {
            feature: "an event descriptor",
            advice: "raise the limit of open files (ulimit -n)",
            source,
        })?;
        Ok(Self { event: Arc::new(File::from(descriptor)) })
    }

    /// Ends the wait that is going on, or else the next one. One system call.
    pub fn wake(&self) {
        // The only failure is a full counter, and then the waiter has been woken already.
        let _ = (&*self.event).write(&1_u64.to_ne_bytes());
    }

    /// Forgets the wake-ups so far: for a device, at the end of its wait.
    pub fn clear(&self) {
        // Fails if there were none.
        let _ = (&*self.event).read(&mut [0; 8]);
    }

    /// Sleeps until woken or until `timeout` is over (`None`: for as long as it takes): the whole
    /// wait of a device that has no descriptors of its own. It may return early.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<(), DeviceError> {
        let mut interests = [Interest::readable(self.as_fd())];
        let ready = readiness::wait(&mut interests, timeout)
            .map_err(DeviceError::io("waiting for a wake-up"))?;
        if ready > 0 {
            self.clear();
        }
        Ok(())
    }
}

impl AsFd for Waker {
    /// Readable once woken.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.event.as_raw_fd()
    }
}

fn event_descriptor() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, open, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_before_the_wait_is_not_lost() {
        let waker = Waker::new().unwrap();
        waker.clone().wake();
        waker.wake();
        waker.wait(None).unwrap();
    }

    #[test]
    fn another_thread_ends_the_wait() {
        let waker = Waker::new().unwrap();
        let remote = waker.clone();
        let thread = std::thread::spawn(move || remote.wake());
        waker.wait(None).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn clearing_forgets_all_wake_ups() {
        let waker = Waker::new().unwrap();
        waker.wake();
        waker.wake();
        waker.clear();
        let mut interests = [Interest::readable(waker.as_fd())];
        let ready = readiness::wait(&mut interests, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready, 0);
    }
}
