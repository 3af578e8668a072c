//! The handle that application threads use.

mod completions;
mod one_sided;

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use usrd_device::Address;
use usrd_proto::wire::DATA_HEADER_BYTES;
use usrd_proto::{CompletionLevel, Service};

use crate::life::Life;
use crate::shared::Shared;
use crate::submission::{Answer, Command, Operation, Submission};

pub use one_sided::CopyError;

use crate::{
    Builder, CommandError, CompletionQueue, ConnectError, EngineInfo, EngineStats, Event, Peeked,
    Peer, PeerReport, PeerSnapshot, PinError, RecvOptions, Rejected, SendOptions, ShutdownReport,
    SubmitError, Tags, UpdateAddressError,
};

/// An endpoint that sends and receives messages, and reads and writes memory of peers.
///
/// All methods take `&self` and can be called from any thread. Operations are only handed over
/// here: they happen in the [driver](crate::Driver), and what became of them comes out of
/// [`poll`](Self::poll) or [`wait`](Self::wait), exactly one completion for each operation that was
/// taken, whatever happens. Those two are short for the methods of the
/// [`completion_queue`](Self::completion_queue).
///
/// This is a handle, cheap to clone. A handle from [`reporting_to`](Self::reporting_to) is the same
/// engine, and what is submitted through it completes in another [`CompletionQueue`].
///
/// Dropping the last handle gives up what is pending at once; [`shutdown`](Self::shutdown) lets it
/// finish first.
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    /// Where what is submitted here is reported, if not in the engine's queue.
    to: Option<CompletionQueue>,
    life: Arc<Lifetime>,
}

/// What all handles of an engine hold together. It ends with the last of them.
#[derive(Debug)]
struct Lifetime {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    has_thread: bool,
}

impl Engine {
    /// Starts to describe an engine.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(shared: Arc<Shared>, thread: Option<JoinHandle<()>>) -> Self {
        let has_thread = thread.is_some();
        let thread = Mutex::new(thread);
        let life = Arc::new(Lifetime { shared: shared.clone(), thread, has_thread });
        Self { shared, to: None, life }
    }

    // ---- operations ----

    /// Sends a message. Its bytes are not copied: the engine keeps a reference until the send
    /// completes. To send from one large registered buffer, keep it as [`Bytes`] and pass slices.
    ///
    /// The completion can come back before this returns.
    pub fn send(
        &self,
        peer: Peer,
        data: impl Into<Bytes>,
        options: impl Into<SendOptions>,
    ) -> Result<(), Rejected<Bytes>> {
        let (data, options) = (data.into(), options.into());
        if let Err(error) = self.check(&data, &options) {
            return Err(Rejected { error, buffer: data });
        }
        self.submit(Operation::Send { peer, data, options }).map_err(|(error, operation)| {
            match operation {
                Operation::Send { data: buffer, .. } => Rejected { error, buffer },
                _ => unreachable!("a rejected operation comes back unchanged"),
            }
        })
    }

    /// Posts a buffer for one message: by default for any that has no tag, otherwise as the
    /// [`RecvOptions`] say; a `u64` alone is the context. The room for the message is the buffer's
    /// length ([`BytesMut::zeroed`] makes one); it comes back whole in the completion.
    pub fn recv(
        &self,
        buffer: BytesMut,
        options: impl Into<RecvOptions>,
    ) -> Result<(), Rejected<BytesMut>> {
        let options = options.into();
        self.submit(Operation::Recv { buffer, options }).map_err(|(error, operation)| {
            match operation {
                Operation::Recv { buffer, .. } => Rejected { error, buffer },
                _ => unreachable!("a rejected operation comes back unchanged"),
            }
        })
    }

    /// Takes back one posted receive with this context, if there is one that no message has begun
    /// to arrive in. It completes as [`Cancelled`](crate::RecvFailure::Cancelled); otherwise the
    /// receive completes as it would have. Looks at every posted receive.
    pub fn cancel_recv(&self, context: u64) -> Result<(), CommandError> {
        if self.is_closed() {
            return Err(CommandError::Closed);
        }
        self.shared.command(Command::CancelRecv(context));
        Ok(())
    }

    /// Takes back one operation with this peer and context: a send, or a one-sided one. What becomes of
    /// it is in its completion, which comes in any case, and can take as long as the peer takes to
    /// answer:
    ///
    /// * [`Cancelled::NotSent`](crate::Cancelled): it has had no effect.
    /// * [`Cancelled::Partly`](crate::Cancelled): the message was not delivered, nobody was notified.
    ///   Of a WRITE, some bytes may have been written.
    /// * [`Cancelled::Unknown`](crate::Cancelled): all of it had left, and may have been delivered or
    ///   carried out.
    /// * Anything else: it was too late. So a success is one.
    ///
    /// After the completion nothing more happens. The engine does not read the memory of a send or a
    /// WRITE again, and writes none of a READ's; nothing of a cancelled WRITE is placed at the peer
    /// any more, which has said so. (If the peer was lost before it could, the completion says
    /// `Unknown` with the reason.) Messages behind it are not held up, RD ones included; the
    /// receive of one that had begun to arrive waits for another message. Only a receive that is being
    /// filled with a tagged message fails, as [`Withdrawn`](crate::RecvFailure::Withdrawn). A NIC
    /// that was given a packet of a region twice may still read it a second time, and what it sends
    /// then is a copy of what has arrived before; deregistration waits for that.
    ///
    /// Looks at every pending operation.
    pub fn cancel(&self, peer: Peer, context: u64) -> Result<(), CommandError> {
        if self.is_closed() {
            return Err(CommandError::Closed);
        }
        self.shared.command(Command::Cancel(peer, context));
        Ok(())
    }

    /// The message that a receive for these tags would be given at once, if one waits. It goes on
    /// waiting: another thread's receive can have it first.
    ///
    /// Waits for the driver.
    pub fn peek(&self, tags: Tags) -> Result<Option<Peeked>, CommandError> {
        self.ask(|answer| Command::Peek(tags, answer))
    }

    // ---- events ----

    /// The next event, if there is one. Events that nobody takes are dropped and counted.
    pub fn poll_event(&self) -> Option<Event> {
        self.shared.poll_event()
    }

    // ---- peers and counters: these wait for the driver ----

    /// The peer at an address. It need not be there yet: nothing is sent before the first message,
    /// and the same address always gives the same peer.
    ///
    /// Waits for the driver. Where this thread is the one that drives, use
    /// [`Driver::connect`](crate::Driver::connect).
    pub fn connect(&self, address: impl Into<Address>) -> Result<Peer, ConnectError> {
        let address = address.into();
        self.ask(|answer| Command::Connect(address, answer))?
    }

    /// Gives a peer up once what is pending with it is complete, at most until `deadline` from now; and
    /// takes nothing more for it meanwhile. What is not complete by then completes with an error, as
    /// with [`disconnect`](Self::disconnect), and is counted in the report. The peer is told that this
    /// side leaves.
    ///
    /// Waits for all that. Where this thread is the one that drives, use
    /// [`Driver::close_peer`](crate::Driver::close_peer).
    pub fn close_peer(&self, peer: Peer, deadline: Duration) -> Result<PeerReport, CommandError> {
        let patience = deadline.saturating_add(COMMAND_PATIENCE);
        self.ask_within(patience, |answer| Command::ClosePeer(peer, deadline, answer))?
    }

    /// A peer is at another address now, and is still the same one: it goes on there with all that is
    /// pending, under the same handle. What is in flight is sent again at once.
    ///
    /// Only the user can know that: nothing that comes from the network changes an address, for anybody
    /// can write one on a datagram. What the peer sends from its new address is taken in any case, once
    /// it knows this engine's context; only answers need the change. A peer that opens from a new address
    /// is another peer.
    ///
    /// Waits for the driver. Where this thread is the one that drives, use
    /// [`Driver::update_address`](crate::Driver::update_address).
    pub fn update_address(
        &self,
        peer: Peer,
        address: impl Into<Address>,
    ) -> Result<(), UpdateAddressError> {
        let address = address.into();
        self.ask(|answer| Command::UpdateAddress(peer, address, answer))?
    }

    /// Gives a peer up. What is pending with it completes with an error, and the handle is no longer
    /// valid.
    pub fn disconnect(&self, peer: Peer) -> Result<(), CommandError> {
        self.ask(|answer| Command::Disconnect(peer, answer))?
    }

    /// The engine's counters.
    pub fn stats(&self) -> Result<EngineStats, CommandError> {
        self.ask(Command::Stats)
    }

    /// All peers, those included that connected to this engine.
    pub fn peers(&self) -> Result<Vec<Peer>, CommandError> {
        self.ask(Command::Peers)
    }

    /// How things stand with one peer and each path to it.
    pub fn peer_stats(&self, peer: Peer) -> Result<PeerSnapshot, CommandError> {
        self.ask(|answer| Command::PeerStats(peer, answer))?
    }

    /// Prepares memory that messages are sent from again and again, so that a device that reads it by
    /// itself (verbs) need not copy them; slices of it are sent from where they are. The engine keeps a
    /// reference until it is [unpinned](Self::unpin). On other devices this does nothing.
    pub fn pin(&self, memory: &Bytes) -> Result<(), PinError> {
        self.ask(|answer| Command::Pin(memory.clone(), answer))?
    }

    /// Forgets memory, pinned or remembered from large messages that were sent from it. To be called
    /// before something is done with its pages that the reference does not prevent, such as mapping
    /// them anew.
    pub fn unpin(&self, memory: &Bytes) -> Result<(), CommandError> {
        self.ask(|answer| Command::Unpin(memory.clone(), answer))
    }

    // ---- the engine itself ----

    /// What this engine is made of.
    pub fn info(&self) -> &EngineInfo {
        &self.shared.info
    }

    /// What remote engines connect to.
    pub fn local_address(&self) -> Address {
        self.shared.info.local_address.clone()
    }

    /// Whether operations are no longer taken.
    pub fn is_closed(&self) -> bool {
        self.shared.life() > Life::Open
    }

    /// Why the engine closed by itself: what its device reported.
    pub fn failure(&self) -> Option<String> {
        self.shared.failure().cloned()
    }

    /// Closes the engine: takes no more operations, finishes the sends that are pending, at most
    /// until `deadline` from now, and completes everything else with an error. Completions can be
    /// taken as long as the engine exists.
    ///
    /// Waits for the driver; where this thread is the one that drives, use
    /// [`Driver::shutdown`](crate::Driver::shutdown).
    pub fn shutdown(&self, deadline: Duration) -> Result<ShutdownReport, CommandError> {
        self.shared.advance(Life::Closing);
        let patience = deadline.saturating_add(COMMAND_PATIENCE);
        let report = self.ask_within(patience, |answer| Command::Shutdown(deadline, answer))?;
        self.life.join();
        Ok(report)
    }

    // ---- inside ----

    fn check(&self, data: &Bytes, options: &SendOptions) -> Result<(), SubmitError> {
        if options.tag.is_some() && options.service != Service::Srd {
            return Err(SubmitError::TaggedService { service: options.service });
        }
        if options.service != Service::Ud {
            return Ok(());
        }
        if options.level == CompletionLevel::Delivered {
            return Err(SubmitError::NoReport);
        }
        // The peer's limit may be lower, which only the driver knows.
        let max_bytes = self.shared.info.capabilities.max_datagram_bytes - DATA_HEADER_BYTES;
        if data.len() > max_bytes {
            return Err(SubmitError::TooLongForUd { max_bytes });
        }
        Ok(())
    }

    pub(crate) fn submit(&self, operation: Operation) -> Result<(), (SubmitError, Operation)> {
        let submission = Submission { to: self.to.clone(), operation };
        self.shared.submit(submission).map_err(|(error, submission)| (error, submission.operation))
    }

    /// Whether a thread of the engine's own drives, or has driven, it.
    pub(crate) fn has_thread(&self) -> bool {
        self.life.has_thread
    }

    /// As others that ask, but waits for as long as there is a driver that has the command.
    pub(crate) fn ask_patiently<T>(
        &self,
        command: impl FnOnce(Answer<T>) -> Command,
    ) -> Result<T, CommandError> {
        let (answer, answered): (Answer<T>, Receiver<T>) = sync_channel(1);
        self.shared.command(command(answer));
        loop {
            match answered.recv_timeout(COMMAND_PATIENCE) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) if self.shared.life() < Life::Gone => {}
                Err(_) => return Err(CommandError::Closed),
            }
        }
    }

    fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, CommandError> {
        self.ask_within(COMMAND_PATIENCE, command)
    }

    fn ask_within<T>(
        &self,
        patience: Duration,
        command: impl FnOnce(Answer<T>) -> Command,
    ) -> Result<T, CommandError> {
        let (answer, answered): (Answer<T>, Receiver<T>) = sync_channel(1);
        self.shared.command(command(answer));
        answered.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Disconnected => CommandError::Closed,
            RecvTimeoutError::Timeout => CommandError::NoAnswer(patience),
        })
    }
}

impl Lifetime {
    fn join(&self) {
        let thread = (self.thread.lock().unwrap_or_else(PoisonError::into_inner)).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            // The driver has completed everything while unwinding.
            tracing::error!("the driver's thread panicked");
        }
    }
}

impl Drop for Lifetime {
    fn drop(&mut self) {
        self.shared.advance(Life::Aborting);
        self.shared.ring();
        self.join();
    }
}

/// How long to wait for the driver. Turns take microseconds: after this long, nobody drives.
const COMMAND_PATIENCE: Duration = Duration::from_secs(5);
