//! The registration cache: which of the users' memory the NICs know.
//!
//! To send from where the data is, a NIC has to know the pages, and telling it takes a system call
//! and pins them. So what was registered once is kept. The classic trap of such caches is memory that
//! is freed and mapped anew, while the NIC still knows the old pages. It cannot happen here: each entry
//! keeps a reference to the [`Bytes`] that it was made for, so the memory is not freed before the
//! entry is gone.
//!
//! ```text
//!   message >= threshold, or pinned --> entry: pages, memory, a region for each rail
//!                                         | nobody else has the memory any more (swept)
//!                                         | not used for a second or two (swept)
//!                                         | longest unused, when there are too many
//!                                         | unpinned
//!                                         v gone; the region goes with the last request using it
//! ```
//! Memory that was lent is apart from this: it is registered once, when it is lent, and until it is
//! taken back, which has to wait for the requests that use it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::sys::{Domain, Region, pages_of};
use crate::{DeviceError, Lendable, Loan, Memory};

/// All registered memory of one device.
#[derive(Debug)]
pub(super) struct Registry {
    domains: Vec<Arc<Domain>>,
    /// By the address of the first page.
    entries: BTreeMap<usize, Entry>,
    /// By loan, the regions of each rail.
    lent: Vec<Option<Vec<Arc<Region>>>>,
    /// Messages of at least this many bytes are registered on their own.
    threshold_bytes: usize,
    /// How many more registrations may fail before no more are tried.
    patience: u32,
    /// Counts uses.
    clock: u64,
    /// When the current period of a second began, and the clock at its beginning and at that of the
    /// one before.
    period: Instant,
    period_clocks: [u64; 2],
}

#[derive(Debug)]
struct Entry {
    end: usize,
    memory: Arc<Bytes>,
    /// By rail.
    regions: Vec<Option<Arc<Region>>>,
    pinned: bool,
    used: u64,
}

impl Registry {
    pub(super) fn new(domains: Vec<Arc<Domain>>, threshold_bytes: usize) -> Self {
        Self {
            domains,
            entries: BTreeMap::new(),
            lent: Vec::new(),
            threshold_bytes,
            patience: PATIENCE,
            clock: 0,
            period: Instant::now(),
            period_clocks: [0; 2],
        }
    }

    /// The region in which `payload`, a part of `memory`, can be sent from where it is along a rail.
    /// None if it is to be copied.
    pub(super) fn find(
        &mut self,
        rail: usize,
        memory: Memory<'_>,
        payload: &[u8],
    ) -> Option<&Arc<Region>> {
        if payload.len() < COPY_BYTES {
            return None;
        }
        let memory = match memory {
            Memory::Shared(memory) => memory,
            Memory::Lent(Loan(number)) => {
                return self.lent.get(number as usize)?.as_ref()?.get(rail);
            }
        };
        let start = self.entry_of(payload).or_else(|| self.enter_large(memory))?;
        self.clock += 1;
        let entry = self.entries.get_mut(&start)?;
        entry.used = self.clock;
        if entry.regions[rail].is_none() {
            match Region::lend(&self.domains[rail], &entry.memory) {
                Ok(region) => entry.regions[rail] = Some(Arc::new(region)),
                Err(error) => {
                    self.entries.remove(&start);
                    self.lose_patience(&error);
                    return None;
                }
            }
        }
        self.entries.get(&start)?.regions[rail].as_ref()
    }

    /// Registers memory with every rail until it is unpinned.
    pub(super) fn pin(&mut self, memory: &Bytes) -> Result<(), DeviceError> {
        if memory.is_empty() {
            return Ok(());
        }
        let memory = Arc::new(memory.clone());
        let region = |domain| Region::lend(domain, &memory).map(|region| Some(Arc::new(region)));
        let regions = self.domains.iter().map(region).collect::<Result<_, _>>()?;
        let pages = pages_of(&memory);
        self.insert(pages.start, Entry { end: pages.end, memory, regions, pinned: true, used: 0 });
        Ok(())
    }

    /// Registers memory with every rail until it is taken back. If that cannot be, it is copied.
    pub(super) fn lend(&mut self, memory: &Lendable) -> Option<Loan> {
        if memory.len() < COPY_BYTES || self.patience == 0 {
            return None;
        }
        let regions = self.domains.iter().map(|domain| Region::lent(domain, memory).map(Arc::new));
        let regions = match regions.collect::<Result<Vec<_>, _>>() {
            Ok(regions) => regions,
            Err(error) => {
                self.lose_patience(&error);
                return None;
            }
        };
        let free = self.lent.iter().position(Option::is_none);
        let number = free.unwrap_or(self.lent.len());
        if free.is_none() {
            self.lent.push(None);
        }
        self.lent[number] = Some(regions);
        Some(Loan(number as u32))
    }

    /// Whether no request reads any more from what was lent; then it is registered no longer.
    pub(super) fn take_back(&mut self, Loan(number): Loan) -> bool {
        let Some(lent) = self.lent.get_mut(number as usize) else {
            return true;
        };
        let is_free = lent.iter().flatten().all(|region| Arc::strong_count(region) == 1);
        if is_free {
            *lent = None;
        }
        is_free
    }

    /// Forgets everything that overlaps with `memory`, pinned or not.
    pub(super) fn unpin(&mut self, memory: &[u8]) {
        let pages = pages_of(memory);
        self.entries.retain(|&start, entry| entry.end <= pages.start || pages.end <= start);
    }

    /// Forgets what nobody but this cache has any more, and what was not used for a while: of some
    /// memory it cannot be told who has it.
    pub(super) fn sweep(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        if self.period.elapsed() >= PERIOD {
            self.period = Instant::now();
            self.period_clocks = [self.clock, self.period_clocks[0]];
        }
        let [_, stale] = self.period_clocks;
        self.entries
            .retain(|_, entry| entry.pinned || (entry.used > stale && !entry.memory.is_unique()));
    }

    /// When to sweep next, if there is anything to sweep.
    pub(super) fn sweep_after(&self) -> Option<Duration> {
        self.entries.values().any(|entry| !entry.pinned).then_some(PERIOD)
    }

    fn entry_of(&self, payload: &[u8]) -> Option<usize> {
        let range = payload.as_ptr_range();
        let (&start, entry) = self.entries.range(..=range.start.addr()).next_back()?;
        (range.end.addr() <= entry.end).then_some(start)
    }

    /// Makes an entry for a message that is worth it.
    fn enter_large(&mut self, memory: &Bytes) -> Option<usize> {
        if memory.len() < self.threshold_bytes || self.patience == 0 {
            return None;
        }
        self.make_room();
        let pages = pages_of(memory);
        let regions = vec![None; self.domains.len()];
        let (memory, used) = (Arc::new(memory.clone()), self.clock + 1);
        self.insert(pages.start, Entry { end: pages.end, memory, regions, pinned: false, used });
        Some(pages.start)
    }

    /// Of two that begin at the same page, the pinned one and then the longer one stays.
    fn insert(&mut self, start: usize, entry: Entry) {
        let rank = |entry: &Entry| (entry.pinned, entry.end);
        if self.entries.get(&start).is_none_or(|old| rank(old) <= rank(&entry)) {
            self.entries.insert(start, entry);
        }
    }

    fn make_room(&mut self) {
        if self.entries.len() < MOST_ENTRIES {
            return;
        }
        self.sweep();
        let idle = self.entries.iter().filter(|(_, entry)| !entry.pinned);
        let oldest = idle.min_by_key(|(_, entry)| entry.used).map(|(&start, _)| start);
        if self.entries.len() >= MOST_ENTRIES
            && let Some(oldest) = oldest
        {
            self.entries.remove(&oldest);
        }
    }

    fn lose_patience(&mut self, error: &DeviceError) {
        self.patience = self.patience.saturating_sub(1);
        tracing::warn!(
            %error,
            given_up = self.patience == 0,
            "memory could not be registered; its messages are copied"
        );
    }
}

/// Below this a copy is cheaper than a second entry for the NIC to fetch.
pub(super) const COPY_BYTES: usize = 512;
/// As many large messages as are under way at a time, with plenty to spare.
const MOST_ENTRIES: usize = 512;
/// Memory that is sent from again and again is sent from more often than this.
const PERIOD: Duration = Duration::from_secs(1);
/// Some memory cannot be registered, and then other memory still can; a limit that is reached stays.
const PATIENCE: u32 = 8;
