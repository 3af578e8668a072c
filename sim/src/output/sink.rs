//! Where a recorder writes while a run goes on. A run does not stop for a full disk: the first
//! error is kept, and told when the run is over.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// A writer that keeps its first error.
#[derive(Debug)]
pub struct Sink<W> {
    out: W,
    error: Rc<RefCell<Option<io::Error>>>,
}

/// The error of a sink, if it had one.
#[derive(Clone, Debug, Default)]
pub struct SinkError(Rc<RefCell<Option<io::Error>>>);

impl SinkError {
    /// What went wrong, once.
    pub fn take(&self) -> io::Result<()> {
        self.0.borrow_mut().take().map_or(Ok(()), Err)
    }
}

impl<W: Write> Sink<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> (Self, SinkError) {
        let error = SinkError::default();
        (Self { out, error: Rc::clone(&error.0) }, error)
    }

    /// Writes some bytes, unless something has gone wrong before.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.error.borrow().is_none() {
            let result = self.out.write_all(bytes);
            self.keep(result);
        }
    }

    /// Everything is written.
    pub(super) fn finish(&mut self) {
        let result = self.out.flush();
        self.keep(result);
    }

    fn keep(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.error.borrow_mut().get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("no room"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_error_is_kept_to_the_end() {
        let (mut sink, error) = Sink::new(Full);
        sink.write(b"one");
        sink.write(b"two");
        sink.finish();
        assert_eq!(error.take().unwrap_err().to_string(), "no room");
        error.take().unwrap();
    }
}
