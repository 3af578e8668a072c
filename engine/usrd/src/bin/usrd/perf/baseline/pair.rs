//! Two threads, each on a processor of its own if there are two.

use std::thread;

use crate::failure::Failure;
use crate::perf::cpu;

/// Runs both at the same time, `second` on this thread's stead in another one, and returns what
/// they return.
pub(super) fn run<A: Send, B: Send>(
    first: impl FnOnce() -> Result<A, Failure> + Send,
    second: impl FnOnce() -> Result<B, Failure> + Send,
) -> Result<(A, B), Failure> {
    let cpus = cpu::allowed();
    let place = |index: usize| {
        // Without one of its own, a thread goes where the system puts it.
        if let [_, _, ..] = cpus.as_slice() {
            let _ = cpu::pin(cpus[index]);
        }
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            place(0);
            first()
        });
        let second = scope.spawn(|| {
            place(1);
            second()
        });
        let panicked = |_| Failure::Run("a measuring thread panicked".to_owned());
        let first = first.join().map_err(panicked)?;
        let second = second.join().map_err(panicked)?;
        Ok((first?, second?))
    })
}
