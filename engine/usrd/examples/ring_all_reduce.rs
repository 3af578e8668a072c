//! A ring all-reduce: every rank ends with the sum of all ranks' vectors.
//!
//! ```text
//!   step s, rank r:  chunk r-s  ----> rank r+1        reduce-scatter: add what comes
//!                    then the same, with sums, once around: all-gather: keep what comes
//! ```
//! Tags name step and phase, so a rank that is ahead confuses nobody, and chunks are long: they go
//! straight from one rank's memory into the other's receive.
//!
//! `ring_all_reduce` runs all eight ranks, each a thread with an engine of its own.
//! `ring_all_reduce RANK ADDRESS...` runs one of them, given the addresses of all eight in their order: its own
//! is where it binds. The others can be other processes, or on other hosts.

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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => all_here(),
        [rank, addresses @ ..] if addresses.len() == RANKS => {
            let rank: usize = rank.parse()?;
            let own = addresses.get(rank).ok_or("ranks are 0 to 7")?;
            let next = addresses[(rank + 1) % RANKS].as_str().into();
            reduce(rank, &open(own)?, next)
        }
        _ => Err("usage: ring_all_reduce [RANK ADDRESS0 ... ADDRESS7]".into()),
    }
}

fn all_here() -> Result<(), Failure> {
    let engines = (0..RANKS).map(|_| open("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let addresses: Vec<Address> = engines.iter().map(Engine::local_address).collect();
    thread::scope(|scope| {
        let ranks: Vec<_> = engines
            .into_iter()
            .enumerate()
            .map(|(rank, engine)| {
                let next = addresses[(rank + 1) % RANKS].clone();
                scope.spawn(move || reduce(rank, &engine, next))
            })
            .collect();
        ranks.into_iter().try_for_each(|rank| rank.join().map_err(|_| "a rank panicked")?)
    })
}

fn open(address: &str) -> Result<Engine, Failure> {
    // The next rank may be started a little later.
    let wait = |config: &mut usrd::Config| config.loss.peer_dead_after = PATIENCE;
    Ok(Engine::builder().udp(address).config(wait).spawn()?)
}

/// One rank: reduces, and checks the sum.
fn reduce(rank: usize, engine: &Engine, next: Address) -> Result<(), Failure> {
    let began = Instant::now();
    let next = engine.connect(next)?;
    let mut vector: Vec<u64> = (0..LEN).map(|at| number(rank, at)).collect();
    for step in 0..2 * (RANKS - 1) {
        // Around once to add, around once more to copy.
        let outgoing = (rank + 2 * RANKS - step) % RANKS;
        let incoming = (outgoing + RANKS - 1) % RANKS;
        let arrived = exchange(engine, next, step, chunk_bytes(&vector, outgoing))?;
        let numbers =
            arrived.chunks_exact(8).map(|it| it.iter().rfold(0, |n, &b| n << 8 | u64::from(b)));
        let chunk = &mut vector[incoming * CHUNK..][..CHUNK];
        for (own, number) in chunk.iter_mut().zip(numbers) {
            *own = if step < RANKS - 1 { *own + number } else { number };
        }
    }
    println!("rank {rank}: {} bytes in {:.2?}", LEN * 8, began.elapsed());
    for (at, value) in vector.iter().enumerate() {
        let expected: u64 = (0..RANKS).map(|it| number(it, at)).sum();
        assert_eq!(*value, expected, "rank {rank}, number {at}");
    }
    // What others still wait for has to leave before the engine does.
    engine.shutdown(PATIENCE)?;
    Ok(())
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
