//! Operations on the memory of the peer.

use usrd::{Access, Block, BytesMut, Completion, Notice, Region, RegionAddress, TransferOptions};

use super::common::{assert_same, collect, pattern};
use super::ends::Ends;
use super::{COUNT, Operation};

pub(crate) fn all() -> Vec<Box<dyn Operation>> {
    use What::{Add, Notify, Read, ReadBlocks, Swap, Write, WriteBlocks};
    [Write, WriteBlocks, Read, ReadBlocks, Add, Swap, Notify]
        .map(|what| Box::new(Memory { what, regions: None }) as Box<dyn Operation>)
        .into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Write,
    WriteBlocks,
    Read,
    ReadBlocks,
    Add,
    Swap,
    Notify,
}

struct Memory {
    what: What,
    regions: Option<Regions>,
}

#[derive(Clone, Copy)]
struct Regions {
    here: Region,
    there: Region,
}

/// What one operation moves, more than a packet, in blocks that are taken in turns by the operations.
const LEN: usize = 40_000;
const BLOCK: usize = 5_000;
const ALL: usize = LEN * COUNT as usize;

impl Memory {
    /// The blocks of one operation, in another order there than here.
    fn blocks(regions: Regions, number: u64) -> Vec<Block> {
        let per_operation = (LEN / BLOCK) as u64;
        let block = |nth: u64| {
            let here = number + nth * COUNT;
            let there = number + (nth * 3 % per_operation) * COUNT;
            let at = |index: u64| index * BLOCK as u64;
            let there = regions.there.remote().at(at(there));
            Block::new(regions.here.at(at(here)), there, BLOCK as u64)
        };
        (0..per_operation).map(block).collect()
    }

    /// What the other side's memory is after all blocks have been moved there from these contents, or,
    /// the other way round, this side's.
    fn moved(contents: &[u8], regions: Regions, writes: bool) -> Vec<u8> {
        let mut moved = vec![0; ALL];
        for block in (0..COUNT).flat_map(|number| Self::blocks(regions, number)) {
            let (here, there) = (block.local.offset() as usize, block.remote.offset() as usize);
            let (from, to) = if writes { (here, there) } else { (there, here) };
            moved[to..to + BLOCK].copy_from_slice(&contents[from..from + BLOCK]);
        }
        moved
    }

    fn options(number: u64) -> TransferOptions {
        TransferOptions::new(number).notify(notice(number))
    }

    fn place(&self, number: u64) -> RegionAddress {
        let regions = self.regions.unwrap();
        match self.what {
            What::Add => regions.there.remote().at(0),
            What::Swap => regions.there.remote().at(8 * number),
            _ => regions.there.remote().at(LEN as u64 * number),
        }
    }

    /// Each was told once, and what it said is right.
    fn check_notifications(ends: &Ends, bytes: u64) {
        let told = collect(&ends.b, COUNT as usize);
        let mut told: Vec<_> = told.into_iter().map(|it| it.into_notification().unwrap()).collect();
        told.sort_unstable_by_key(|it| it.immediate);
        for (number, told) in (0..).zip(&told) {
            let Notice { immediate, note } = notice(number);
            assert_eq!((told.immediate, &told.note, told.bytes), (immediate, &note, bytes));
        }
    }

    fn check_values(&self, memory: &[u8], mut values: Vec<(u64, u64)>) {
        let word = |at: usize| u64::from_ne_bytes(memory[8 * at..][..8].try_into().unwrap());
        values.sort_unstable();
        match self.what {
            What::Add => {
                let mut before: Vec<u64> = values.iter().map(|&(_, value)| value).collect();
                before.sort_unstable();
                assert_eq!(before, (0..COUNT).collect::<Vec<_>>(), "each saw another value");
                assert_eq!(word(0), COUNT);
            }
            _ => {
                assert_eq!(values, (0..COUNT).map(|number| (number, 0)).collect::<Vec<_>>());
                assert!((0..COUNT).all(|number| word(number as usize) == number + 1));
            }
        }
    }
}

/// With some, and without a note.
fn notice(number: u64) -> Notice {
    Notice::from(number).with_note(pattern(number as usize % 3 * 900, number))
}

impl Operation for Memory {
    fn name(&self) -> &'static str {
        match self.what {
            What::Write => "write",
            What::WriteBlocks => "write_v",
            What::Read => "read",
            What::ReadBlocks => "read_v",
            What::Add => "fetch_add",
            What::Swap => "compare_swap",
            What::Notify => "notify",
        }
    }

    fn get_ready(&mut self, ends: &Ends) {
        let (mut here, mut there) = (BytesMut::zeroed(ALL), BytesMut::zeroed(ALL));
        match self.what {
            What::WriteBlocks => here.copy_from_slice(&pattern(ALL, 1)),
            What::Read | What::ReadBlocks => there.copy_from_slice(&pattern(ALL, 2)),
            _ => {}
        }
        let here = ends.a.register(here, Access::LOCAL).unwrap();
        let there = ends.b.register(there, Access::ALL).unwrap();
        self.regions = Some(Regions { here, there });
    }

    fn ask(&self, ends: &Ends, number: u64) {
        let (a, peer, regions) = (&ends.a, ends.peer, self.regions.unwrap());
        let (at, options) = (self.place(number), Self::options(number));
        match self.what {
            What::Write => a.write(peer, pattern(LEN, number), at, options).unwrap(),
            What::WriteBlocks => a.write_v(peer, Self::blocks(regions, number), options).unwrap(),
            What::Read => a.read(peer, at, BytesMut::zeroed(LEN), options).unwrap(),
            What::ReadBlocks => a.read_v(peer, Self::blocks(regions, number), options).unwrap(),
            What::Add => a.fetch_add(peer, at, 1, number).unwrap(),
            What::Swap => a.compare_swap(peer, at, 0, number + 1, number).unwrap(),
            What::Notify => a.notify(peer, notice(number), number).unwrap(),
        }
    }

    fn check(&mut self, ends: &Ends, completions: Vec<Completion>) {
        let Regions { here, there } = self.regions.unwrap();
        let mut values = Vec::new();
        for completion in completions {
            let done = completion.into_transfer().unwrap();
            values.push((done.context, done.result.unwrap()));
            if self.what == What::Read {
                let start = LEN * done.context as usize;
                assert_same(&done.buffer.unwrap(), &pattern(ALL, 2)[start..start + LEN]);
            }
        }
        match self.what {
            What::Write | What::WriteBlocks => Self::check_notifications(ends, LEN as u64),
            What::Read | What::ReadBlocks | What::Notify => Self::check_notifications(ends, 0),
            What::Add | What::Swap => {}
        }
        let (mine, theirs) =
            (ends.a.copy_from(here, 0, ALL).unwrap(), ends.b.copy_from(there, 0, ALL).unwrap());
        let regions = Regions { here, there };
        match self.what {
            What::Write => {
                let all: Vec<u8> = (0..COUNT).flat_map(|number| pattern(LEN, number)).collect();
                assert_same(&theirs, &all);
            }
            What::WriteBlocks => {
                assert_same(&theirs, &Self::moved(&pattern(ALL, 1), regions, true));
            }
            What::ReadBlocks => assert_same(&mine, &Self::moved(&pattern(ALL, 2), regions, false)),
            What::Add | What::Swap => self.check_values(&theirs, values),
            What::Read | What::Notify => {}
        }
        ends.a.deregister(here, 0).unwrap();
        ends.b.deregister(there, 0).unwrap();
        for engine in [&ends.a, &ends.b] {
            let over = collect(engine, 1).remove(0).into_deregistered().unwrap();
            assert!(over.result.unwrap().is_some());
        }
    }
}
