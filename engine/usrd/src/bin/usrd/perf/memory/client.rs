//! The client's side of a round.

use std::time::{Duration, Instant};

use usrd::{Access, Block, BytesMut, Region, RemoteRegion, TransferOptions};

use super::layout::Layout;
use super::page_aligned;
use super::report::{Rounds, Row};
use crate::args::OpArg;
use crate::failure::Failure;
use crate::perf::client::{Client, Extent};
use crate::perf::control::{Control, Kind, Trial};
use crate::perf::pattern::Pattern;
use crate::perf::session::Incoming;

/// What a measurement goes on with.
#[derive(Debug)]
struct Bench {
    local: Region,
    remote: RemoteRegion,
    pattern: Pattern,
    size: usize,
    block: usize,
    /// Contents of every so many rounds are compared.
    verify_every: u64,
    /// Of the contents that are next.
    number: u64,
}

/// What one timed operation took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) took: Duration,
    /// Until the call that submits it returned.
    pub(super) submitted: Duration,
}

impl Client {
    /// Rounds of these operations, each in its turn.
    pub(super) fn rounds(
        &mut self,
        trial: &Trial,
        ops: &[OpArg],
        extent: Extent,
    ) -> Result<Vec<Row>, Failure> {
        let mut bench = self.begin_memory(trial)?;
        let mut all: Vec<Rounds> = ops.iter().map(|_| Rounds::default()).collect();
        let start = Instant::now();
        // One round that does not count: contexts open, memory is there.
        let mut round = 0;
        while round == 0 || !extent.reached(round - 1, start) {
            for (&op, rounds) in ops.iter().zip(&mut all) {
                let (timing, fine) = self.round(&mut bench, op)?;
                if round > 0 {
                    rounds.note(timing, fine);
                }
            }
            round += 1;
        }
        let local = bench.local;
        self.session.say(&Control::End { messages: round })?;
        self.session.end.engine().deregister(local, 0).map_err(Failure::run)?;
        self.wait_for_done()?;
        let packet_bytes = self.max_packet_bytes()?;
        let layout = |op: OpArg| Layout::new(trial.size, op.is_vectored().then_some(bench.block));
        let rows = ops.iter().zip(&all);
        Ok(rows.map(|(&op, rounds)| rounds.row(op, layout(op), packet_bytes, &all[0])).collect())
    }

    fn begin_memory(&mut self, trial: &Trial) -> Result<Bench, Failure> {
        let Kind::Memory { block } = trial.kind else {
            unreachable!("measured elsewhere");
        };
        let local = self.session.end.register(page_aligned(trial.size), Access::LOCAL)?;
        self.session.say(&Control::Begin(trial.clone()))?;
        let handle = self.hear(|control| match control {
            Control::Memory { handle } => Some(handle),
            _ => None,
        })?;
        Ok(Bench {
            local,
            remote: RemoteRegion::from_bytes(&handle).map_err(Failure::run)?,
            pattern: Pattern::new(trial.key, trial.size),
            size: trial.size,
            block,
            verify_every: trial.verify_every.into(),
            number: 0,
        })
    }

    /// One operation, timed, and whether memory holds what it should.
    fn round(&mut self, bench: &mut Bench, op: OpArg) -> Result<(Timing, bool), Failure> {
        bench.number += 1;
        let layout = Layout::new(bench.size, op.is_vectored().then_some(bench.block));
        match op {
            OpArg::Send | OpArg::Tagged => unreachable!("measured elsewhere"),
            OpArg::Write | OpArg::Vwrite => self.write_round(bench, op, layout),
            OpArg::Read | OpArg::Vread => self.read_round(bench, op, layout),
            OpArg::Fadd => self.add_round(bench),
        }
    }

    fn write_round(
        &mut self,
        bench: &Bench,
        op: OpArg,
        layout: Layout,
    ) -> Result<(Timing, bool), Failure> {
        let contents = bench.pattern.message(bench.number);
        if op == OpArg::Vwrite {
            self.session.end.copy_into(bench.local, &contents)?;
        }
        let blocks = bench.blocks(layout);
        let timing = self.timed(|engine, peer| {
            let options = TransferOptions::new(0).delivered();
            let result = match op {
                OpArg::Vwrite => engine.write_v(peer, blocks, options).map_err(|it| it.error),
                _ => {
                    engine.write(peer, contents, bench.remote.at(0), options).map_err(|it| it.error)
                }
            };
            result.map_err(Failure::run)
        })?;
        if !bench.number.is_multiple_of(bench.verify_every) {
            return Ok((timing, true));
        }
        let block = layout.bytes as usize;
        self.session.say(&Control::Look { number: bench.number, block })?;
        Ok((timing, self.hear_verdict()?))
    }

    fn read_round(
        &mut self,
        bench: &Bench,
        op: OpArg,
        layout: Layout,
    ) -> Result<(Timing, bool), Failure> {
        self.session.say(&Control::Fill { number: bench.number })?;
        self.hear_verdict()?;
        let blocks = bench.blocks(layout);
        // The same one each time: fresh memory would cost page faults.
        let wanted_bytes = if op == OpArg::Read { bench.size } else { 0 };
        let spare = self.read_buffer.take_if(|it| it.len() == wanted_bytes);
        let buffer = spare.unwrap_or_else(|| BytesMut::zeroed(wanted_bytes));
        let timing = self.timed(|engine, peer| {
            let result = match op {
                OpArg::Vread => engine.read_v(peer, blocks, 0).map_err(|it| it.error),
                _ => engine.read(peer, bench.remote.at(0), buffer, 0).map_err(|it| it.error),
            };
            result.map_err(Failure::run)
        })?;
        if !bench.number.is_multiple_of(bench.verify_every) {
            return Ok((timing, true));
        }
        let contents = bench.pattern.message(bench.number);
        let fine = match &self.read_buffer {
            Some(buffer) if op == OpArg::Read => *buffer == contents,
            _ => {
                let memory = self.session.end.copy_from(bench.local, bench.size)?;
                layout.is_moved(&contents, &memory, true)
            }
        };
        Ok((timing, fine))
    }

    /// One addition after the other. Each must see what the one before has left.
    fn add_round(&mut self, bench: &Bench) -> Result<(Timing, bool), Failure> {
        let at = bench.remote.at(0);
        let (mut took, mut submitted, mut fine) = (Duration::ZERO, Duration::ZERO, true);
        let mut expected = None;
        for _ in 0..ADDITIONS {
            let timing =
                self.timed(|engine, peer| engine.fetch_add(peer, at, 1, 0).map_err(Failure::run))?;
            let value = self.value;
            fine &= expected.is_none_or(|expected| expected == value);
            expected = Some(value.wrapping_add(1));
            took += timing.took;
            submitted += timing.submitted;
        }
        let timing = Timing { took: took / ADDITIONS, submitted: submitted / ADDITIONS };
        Ok((timing, fine))
    }

    /// Submits an operation and waits until it has completed.
    fn timed(
        &mut self,
        submit: impl FnOnce(&usrd::Engine, usrd::Peer) -> Result<(), Failure>,
    ) -> Result<Timing, Failure> {
        let start = Instant::now();
        submit(self.session.end.engine(), self.peer)?;
        let submitted = start.elapsed();
        loop {
            match self.session.next()? {
                Incoming::Transferred(transfer) => {
                    let took = start.elapsed();
                    self.value = transfer.result.map_err(Failure::run)?;
                    self.read_buffer = transfer.buffer.or_else(|| self.read_buffer.take());
                    return Ok(Timing { took, submitted });
                }
                Incoming::Message(message) => self.session.repost(message)?,
                _ => {}
            }
        }
    }

    fn hear_verdict(&mut self) -> Result<bool, Failure> {
        self.hear(|control| match control {
            Control::Seen { fine } => Some(fine),
            _ => None,
        })
    }

    fn wait_for_done(&mut self) -> Result<(), Failure> {
        self.hear(|control| matches!(control, Control::Done(_)).then_some(()))
    }
}

impl Bench {
    fn blocks(&self, layout: Layout) -> Vec<Block> {
        let block =
            |(here, there)| Block::new(self.local.at(here), self.remote.at(there), layout.bytes);
        layout.places().map(block).collect()
    }
}

/// Enough for a mean that means something.
const ADDITIONS: u32 = 1000;
