//! Processor time and placement of threads.

use std::io;
use std::mem::MaybeUninit;

/// The processor time that this thread has used, user and system.
pub(crate) fn thread_ns() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the place for the result is valid, and the clock exists on every Linux.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()) };
    assert_eq!(result, 0, "the thread's clock can be read");
    // SAFETY: the call has succeeded, so the result is there.
    let time = unsafe { time.assume_init() };
    // Neither is negative.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The processors that this process may run on.
pub(crate) fn allowed() -> Vec<usize> {
    // SAFETY: all zeros is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid and has the size that is named.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    if result != 0 {
        return Vec::new();
    }
    let limit = libc::CPU_SETSIZE as usize;
    // SAFETY: the set is initialised, and the number is below its size.
    (0..limit).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Keeps this thread on one processor.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    // SAFETY: all zeros is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number came from such a set, so it is below its size.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set is valid and has the size that is named.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
