//! Threads for what may take long: the driver asks, goes on with its work, and is told later.
//!
//! ```text
//!   driver   -- errands -->  threads: each works at one, and then at the next that waits
//!            <-- answers --  and wakes the device, should it sleep
//! ```
//! At the end nothing that is still waiting is begun any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam::channel::{self, Receiver, Sender};

use crate::Waker;

/// Errands of one kind, and their answers.
#[derive(Debug)]
pub(super) struct Errands<E, A> {
    /// None at the end.
    errands: Option<Sender<E>>,
    answers: Receiver<A>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl<E: Send + 'static, A: Send + 'static> Errands<E, A> {
    /// Starts so many threads, which do errands by `work`, and use `waker` with each answer.
    pub(super) fn start(
        threads: usize,
        work: impl Fn(E, &dyn Fn(A)) + Send + Sync + 'static,
        waker: Waker,
    ) -> io::Result<Self> {
        let (errands, waiting) = channel::unbounded::<E>();
        let (answered, answers) = channel::unbounded();
        let over = Arc::new(AtomicBool::new(false));
        let work = Arc::new(work);
        let mut started = Self { errands: Some(errands), answers, over, threads: Vec::new() };
        for _ in 0..threads {
            let (waiting, answered, waker) = (waiting.clone(), answered.clone(), waker.clone());
            let (over, work) = (started.over.clone(), work.clone());
            let run = move || {
                for errand in waiting {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    work(errand, &|answer| {
                        // At the end nobody is interested any more.
                        let _ = answered.send(answer);
                        waker.wake();
                    });
                }
            };
            let thread = std::thread::Builder::new().name("usrd-errands".to_owned());
            started.threads.push(thread.spawn(run)?);
        }
        Ok(started)
    }

    /// Has something done, and does not wait.
    pub(super) fn tell(&self, errand: E) {
        if let Some(errands) = &self.errands {
            // Fails only if all threads have panicked, which they have told.
            let _ = errands.send(errand);
        }
    }

    /// The next answer, if there is one by now.
    pub(super) fn answer(&mut self) -> Option<A> {
        self.answers.try_recv().ok()
    }
}

impl<E, A> Drop for Errands<E, A> {
    /// Waits for what is being worked at, and for nothing else.
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.errands = None;
        for thread in self.threads.drain(..) {
            // It has said why, if it panicked.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Errands that take as long as the test likes: each waits for a permission.
    fn slow(threads: usize) -> (Errands<u32, u32>, Sender<()>, Receiver<u32>, Waker) {
        let (permit, permitted) = channel::unbounded();
        let (begun, begins) = channel::unbounded();
        let waker = Waker::new().unwrap();
        let work = move |errand: u32, answer: &dyn Fn(u32)| {
            begun.send(errand).unwrap();
            let _ = permitted.recv();
            // As many answers as it says.
            (0..errand).for_each(|n| answer(100 * errand + n));
        };
        (Errands::start(threads, work, waker.clone()).unwrap(), permit, begins, waker)
    }

    #[test]
    fn asking_does_not_wait_and_answers_wake() {
        let (mut errands, permit, _begins, waker) = slow(1);
        (0..3).for_each(|errand| errands.tell(errand));
        assert_eq!(errands.answer(), None);
        (0..3).for_each(|_| permit.send(()).unwrap());
        for expected in [100, 200, 201] {
            let answer = loop {
                if let Some(answer) = errands.answer() {
                    break answer;
                }
                // Ends with the answer, or is not the test's business.
                waker.wait(Some(Duration::from_secs(20))).unwrap();
            };
            assert_eq!(answer, expected);
        }
        assert_eq!(errands.answer(), None);
    }

    #[test]
    fn one_that_takes_long_does_not_hold_up_the_others() {
        let (errands, permit, begins, _waker) = slow(2);
        (0..4).for_each(|errand| errands.tell(errand));
        assert_eq!([begins.recv(), begins.recv()].map(Result::unwrap).iter().sum::<u32>(), 1);
        assert!(begins.is_empty(), "there are two threads");
        // The other one of the first two stays where it is.
        for _ in 0..2 {
            permit.send(()).unwrap();
            begins.recv().unwrap();
        }
        (0..2).for_each(|_| permit.send(()).unwrap());
    }

    #[test]
    fn at_the_end_nothing_more_is_begun() {
        let (errands, permit, begins, _waker) = slow(1);
        (0..5).for_each(|errand| errands.tell(errand));
        assert_eq!(begins.recv(), Ok(0));
        // The one that is being worked at gets its permission when the others are too late.
        let over = errands.over.clone();
        let permitting = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            permit.send(()).unwrap();
        });
        drop(errands);
        permitting.join().unwrap();
        assert_eq!(begins.recv().ok(), None);
    }
}
