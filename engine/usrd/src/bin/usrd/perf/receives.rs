//! The receives that an end has posted, all of one size, replaced when the size changes.

use usrd::BytesMut;

use super::end::End;
use crate::failure::Failure;

/// Posted receives. Those of a generation that has been replaced are not posted again.
#[derive(Debug, Default)]
pub(crate) struct Receives {
    generation: u32,
    /// How many of this generation there are, posted or being looked at.
    count: u32,
    /// How many of earlier ones have still to come back.
    retiring: u32,
}

impl Receives {
    /// Posts `count` receives of `len` bytes, and takes back the others.
    pub(crate) fn replace(&mut self, end: &End, count: u32, len: usize) -> Result<(), Failure> {
        for index in 0..self.count {
            end.engine().cancel_recv(self.context(index)).map_err(Failure::run)?;
        }
        self.retiring += self.count;
        self.generation += 1;
        self.count = count;
        for index in 0..count {
            end.recv(touched(len), self.context(index))?;
        }
        Ok(())
    }

    /// Posts a receive again, unless it has been replaced.
    pub(crate) fn repost(
        &mut self,
        end: &End,
        buffer: BytesMut,
        context: u64,
    ) -> Result<(), Failure> {
        if (context >> 32) as u32 == self.generation {
            return end.recv(buffer, context);
        }
        self.retiring -= 1;
        Ok(())
    }

    /// A receive was taken back.
    pub(crate) const fn cancelled(&mut self) {
        self.retiring -= 1;
    }

    /// Whether all that were replaced have come back.
    pub(crate) const fn is_settled(&self) -> bool {
        self.retiring == 0
    }

    fn context(&self, index: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(index)
    }
}

/// A buffer whose pages are there: the system would otherwise supply them during the measurement.
fn touched(len: usize) -> BytesMut {
    let mut buffer = BytesMut::zeroed(len);
    for page in buffer.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
    }
    buffer
}

/// The smallest page of the systems that this runs on.
const PAGE_BYTES: usize = 4096;
