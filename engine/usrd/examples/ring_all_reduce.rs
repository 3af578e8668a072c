//! A ring all-reduce: every rank ends with the sum of all ranks' vectors.
//!
//! ```text
//!   step s, rank r:  chunk r-s  ----> rank r+1        reduce-scatter: add what comes
//!                    then the same, with sums, once around: all-gather: keep what comes
//! ```
//! Each rank is a thread with an engine of its own, here all in one process; over UDP they could as
//! well be on eight hosts. Tags name step and phase, so a rank that is ahead confuses nobody, and
//! chunks are long: they go straight from one rank's memory into the other's receive.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use usrd::{Address, Bytes, BytesMut, Completion, Engine, Peer, RecvOptions, SendOptions, Tags};

const RANKS: usize = 8;
/// Numbers in each rank's vector: 8 MiB.
const LEN: usize = 1 << 20;
const CHUNK: usize = LEN / RANKS;
const PATIENCE: Duration = Duration::from_secs(60);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..RANKS).map(|_| channel()).unzip();
    let began = Instant::now();
    let ranks: Vec<_> = receivers
        .into_iter()
        .enumerate()
        .map(|(rank, addresses)| {
            let to_previous = senders[(rank + RANKS - 1) % RANKS].clone();
            thread::spawn(move || run(rank, &to_previous, &addresses))
        })
        .collect();
    for (rank, handle) in ranks.into_iter().enumerate() {
        let sum = handle.join().map_err(|_| "a rank panicked")??;
        for (at, value) in sum.iter().enumerate() {
            let expected: u64 = (0..RANKS).map(|it| number(it, at)).sum();
            assert_eq!(*value, expected, "rank {rank}, number {at}");
        }
    }
    println!("{RANKS} ranks, {} bytes each, in {:.2?}", LEN * 8, began.elapsed());
    Ok(())
}

/// One rank: tells its predecessor where it is, and reduces.
fn run(
    rank: usize,
    to_previous: &Sender<Address>,
    addresses: &Receiver<Address>,
) -> Result<Vec<u64>, Failure> {
    let engine = Engine::builder().udp("127.0.0.1:0").spawn()?;
    to_previous.send(engine.local_address())?;
    let next = engine.connect(addresses.recv()?)?;
    let mut vector: Vec<u64> = (0..LEN).map(|at| number(rank, at)).collect();
    for step in 0..2 * (RANKS - 1) {
        // Around once to add, around once more to copy.
        let outgoing = (rank + 2 * RANKS - step) % RANKS;
        let incoming = (outgoing + RANKS - 1) % RANKS;
        let arrived = exchange(&engine, next, step, chunk_bytes(&vector, outgoing))?;
        let numbers =
            arrived.chunks_exact(8).map(|it| it.iter().rfold(0, |n, &b| n << 8 | u64::from(b)));
        let chunk = &mut vector[incoming * CHUNK..][..CHUNK];
        for (own, number) in chunk.iter_mut().zip(numbers) {
            *own = if step < RANKS - 1 { *own + number } else { number };
        }
    }
    // What others still wait for has to leave before the engine does.
    engine.shutdown(PATIENCE)?;
    Ok(vector)
}

/// Sends one chunk on, and returns the one that has come.
fn exchange(engine: &Engine, next: Peer, step: usize, chunk: Bytes) -> Result<BytesMut, Failure> {
    let (tag, len) = (step as u64, chunk.len());
    engine.recv(BytesMut::zeroed(len), RecvOptions::new(tag).tags(Tags::exact(tag)))?;
    engine.send(next, chunk, SendOptions::new(tag).tag(tag))?;
    let (mut arrived, mut sent) = (None, false);
    while arrived.is_none() || !sent {
        match engine.wait_one(PATIENCE).ok_or("nothing came")? {
            Completion::Recv(receive) => {
                receive.result?;
                arrived = Some(receive.buffer);
            }
            Completion::Send(send) => {
                send.result?;
                sent = true;
            }
            other => return Err(format!("nobody asked for {other:?}").into()),
        }
    }
    arrived.ok_or_else(|| "no chunk".into())
}

fn chunk_bytes(vector: &[u64], chunk: usize) -> Bytes {
    vector[chunk * CHUNK..][..CHUNK].iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// What rank `rank` brings along.
fn number(rank: usize, at: usize) -> u64 {
    (rank as u64 + 1) * (at as u64 % 1000)
}
