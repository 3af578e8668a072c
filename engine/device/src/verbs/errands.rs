//! A thread for what may take long: the driver asks, goes on with its work, and is told later.
//!
//! ```text
//!   driver   -- question -->  errands' thread: works at one after the other
//!            <-- answer ----  and wakes the device, should it sleep
//! ```
//! At the end nothing that is still waiting is begun any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use crate::Waker;

/// Questions of one kind, and their answers.
#[derive(Debug)]
pub(super) struct Errands<Q, A> {
    /// None at the end.
    questions: Option<Sender<Q>>,
    answers: Receiver<A>,
    /// Asked and not answered.
    pending: usize,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<Q: Send + 'static, A: Send + 'static> Errands<Q, A> {
    /// Starts the thread, which answers by `answer` and uses `waker` each time.
    pub(super) fn start(
        mut answer: impl FnMut(Q) -> A + Send + 'static,
        waker: Waker,
    ) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel::<Q>();
        let (answered, answers) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let work = move || {
            for question in asked {
                if is_over.load(Ordering::Relaxed) || answered.send(answer(question)).is_err() {
                    return;
                }
                waker.wake();
            }
        };
        let thread = std::thread::Builder::new().name("usrd-errands".to_owned()).spawn(work)?;
        Ok(Self { questions: Some(questions), answers, pending: 0, over, thread: Some(thread) })
    }

    /// Asks, and does not wait.
    pub(super) fn ask(&mut self, question: Q) {
        let asked = self.questions.as_ref().is_some_and(|to| to.send(question).is_ok());
        self.pending += usize::from(asked);
    }

    /// The next answer, if there is one by now.
    pub(super) fn answer(&mut self) -> Option<A> {
        if self.pending == 0 {
            return None;
        }
        let answer = self.answers.try_recv().ok()?;
        self.pending -= 1;
        Some(answer)
    }
}

impl<Q, A> Drop for Errands<Q, A> {
    /// Waits for the question that is being worked at, and for no other.
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.questions = None;
        if let Some(thread) = self.thread.take() {
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
    fn slow() -> (Errands<u32, u32>, Sender<()>, Waker) {
        let (permit, permitted) = mpsc::channel();
        let waker = Waker::new().unwrap();
        let answer = move |question: u32| {
            let _ = permitted.recv();
            question + 100
        };
        (Errands::start(answer, waker.clone()).unwrap(), permit, waker)
    }

    #[test]
    fn asking_does_not_wait_and_answers_wake() {
        let (mut errands, permit, waker) = slow();
        errands.ask(1);
        errands.ask(2);
        assert_eq!(errands.answer(), None);
        for expected in [101, 102] {
            permit.send(()).unwrap();
            let answer = loop {
                // Ends with the answer, or is not the test's business.
                waker.wait(Some(Duration::from_secs(20))).unwrap();
                if let Some(answer) = errands.answer() {
                    break answer;
                }
            };
            assert_eq!(answer, expected);
        }
        assert_eq!(errands.answer(), None);
    }

    #[test]
    fn at_the_end_nothing_more_is_begun() {
        let (begun, begins) = mpsc::channel();
        let (permit, permitted) = mpsc::channel::<()>();
        let answer = move |question: u32| {
            begun.send(question).unwrap();
            let _ = permitted.recv();
        };
        let mut errands = Errands::start(answer, Waker::new().unwrap()).unwrap();
        (0..5).for_each(|question| errands.ask(question));
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
