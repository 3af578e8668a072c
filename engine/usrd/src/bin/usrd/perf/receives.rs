//! The receives that an end has posted, all of one size, replaced when the size changes.

use usrd::{BytesMut, RecvOptions};

use super::end::End;
use crate::failure::Failure;

/// Posted receives. Those of a generation that has been replaced are not posted again.
#[derive(Debug, Default)]
pub(crate) struct Receives {
    generation: u32,
    /// How many of this generation there are, posted or being looked at.
    count: u32,
    /// From this one on they are for messages with this tag.
    tagged: Option<(u32, u64)>,
    /// How many of earlier ones have still to come back.
    retiring: u32,
}

impl Receives {
    /// Posts `count` receives with room for a message of either length, or, with a tag, as many for
    /// the first and for the second; and takes back those before.
    pub(crate) fn replace(
        &mut self,
        end: &End,
        count: u32,
        (len, other_len): (usize, usize),
        tag: Option<u64>,
    ) -> Result<(), Failure> {
        for index in 0..self.count {
            end.engine().cancel_recv(self.context(index)).map_err(Failure::run)?;
        }
        self.retiring += self.count;
        self.generation += 1;
        self.count = if tag.is_some() { 2 * count } else { count };
        self.tagged = tag.map(|tag| (count, tag));
        for index in 0..self.count {
            let len = match (tag, index < count) {
                (None, _) => len.max(other_len),
                (Some(_), true) => other_len,
                (Some(_), false) => len,
            };
            end.recv(touched(len), self.options(index))?;
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
            return end.recv(buffer, self.options(context as u32));
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

    fn options(&self, index: u32) -> RecvOptions {
        let options = RecvOptions::new(self.context(index));
        match self.tagged {
            Some((from, tag)) if index >= from => options.tag(tag),
            _ => options,
        }
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
