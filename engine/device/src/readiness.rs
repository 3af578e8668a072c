//! Sleeping until one of several descriptors is ready.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// A descriptor, what to wait for on it, and whether that came. Layout of `pollfd`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Interest(libc::pollfd);

impl Interest {
    /// Waits until `descriptor` can be read.
    ///
    /// It does not keep the descriptor open: whoever keeps the interest keeps the descriptor.
    pub(crate) fn readable(descriptor: BorrowedFd<'_>) -> Self {
        Self(libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 })
    }

    /// Whether to wait until it can be written as well.
    pub(crate) fn set_writable(&mut self, wanted: bool) {
        self.0.events = libc::POLLIN | if wanted { libc::POLLOUT } else { 0 };
    }

    /// Whether the last wait found it readable (or broken, which a read will tell).
    pub(crate) fn is_readable(&self) -> bool {
        self.0.revents & !libc::POLLOUT != 0
    }

    /// The same, but true only once per wait.
    pub(crate) fn take_readable(&mut self) -> bool {
        let readable = self.is_readable();
        self.0.revents = 0;
        readable
    }
}

impl std::fmt::Debug for Interest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Interest({})", self.0.fd)
    }
}

/// Sleeps until one of `interests` is ready or `timeout` is over, and returns how many are ready.
/// A signal ends it early.
pub(crate) fn wait(interests: &mut [Interest], timeout: Option<Duration>) -> io::Result<usize> {
    let timeout = timeout.map(timespec);
    let timeout_pointer = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `Interest` has the layout of `pollfd`, the length is the slice's, the timeout is
    // null or outlives the call, and a null signal mask leaves the mask alone.
    let ready = unsafe {
        libc::ppoll(
            interests.as_mut_ptr().cast(),
            interests.len() as libc::nfds_t,
            timeout_pointer,
            ptr::null(),
        )
    };
    if let Ok(ready) = usize::try_from(ready) {
        return Ok(ready);
    }
    for interest in interests {
        interest.0.revents = 0;
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        error => Err(error),
    }
}

fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        // A wait of more seconds than fit is one that never times out.
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
