//! One service on several threads: shards are engines of their own, each with a thread and sockets,
//! that report into one completion queue.
//!
//! ```text
//!                 shard 0: sockets, driver thread --+
//!   client -----> shard 1: sockets, driver thread --+--> one queue --> workers, any number
//!    by key       shard 2: sockets, driver thread --+
//! ```
//! Engines share nothing but the queue, so shards do not slow each other down. A client chooses
//! one by whatever it likes, here by key. A completion tells which engine it comes from, since a
//! peer is a peer of one engine: that is where the answer has to be sent.

use std::thread;
use std::time::{Duration, Instant};

use usrd::{BytesMut, Completion, CompletionQueue, Engine, Peer};

const SHARDS: u32 = 3;
const WORKERS: usize = 2;
const REQUESTS: u64 = 3_000;
/// Requests under way at a time.
const AHEAD: u64 = 64;
/// Places for what each shard has under way, and for notifications.
const PLACES_PER_SHARD: usize = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let queue = CompletionQueue::new(PLACES_PER_SHARD * SHARDS as usize);
    let mut shards = Vec::new();
    for id in 0..SHARDS {
        let builder = Engine::builder().udp("127.0.0.1:0").id(id).completion_queue(&queue);
        let shard = builder.thread_name(format!("shard {id}")).spawn()?;
        for context in 0..AHEAD {
            shard.recv(BytesMut::zeroed(64), context)?;
        }
        shards.push(shard);
    }
    let client = Engine::builder().udp("127.0.0.1:0").spawn()?;
    let began = Instant::now();
    let served = thread::scope(|scope| -> Result<Vec<u64>, Failure> {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| work(&queue, &shards))).collect();
        let asked = ask(&client, &shards);
        // The workers end when the shards have.
        for shard in &shards {
            shard.shutdown(PATIENCE)?;
        }
        asked?;
        let mut served = vec![0; shards.len()];
        for worker in workers {
            let done = worker.join().map_err(|_| "a worker panicked")??;
            served.iter_mut().zip(done).for_each(|(all, done)| *all += done);
        }
        Ok(served)
    })?;
    assert_eq!(served.iter().sum::<u64>(), REQUESTS);
    println!("requests by shard {served:?}, in {:.2?}", began.elapsed());
    Ok(())
}

/// Answers requests of all shards until all are closed. Returns how many, by shard.
fn work(queue: &CompletionQueue, shards: &[Engine]) -> Result<Vec<u64>, Failure> {
    let mut served = vec![0; shards.len()];
    let mut completions = Vec::new();
    loop {
        if queue.wait(&mut completions, 32, Duration::from_millis(20)) == 0
            && shards.iter().all(Engine::is_closed)
            && queue.outstanding() == 0
        {
            return Ok(served);
        }
        for completion in completions.drain(..) {
            let shard = completion.engine() as usize;
            let Completion::Recv(request) = completion else { continue };
            // A shard that closes gives its buffers back.
            let Ok(from) = request.result else { continue };
            let mut answer = BytesMut::from(request.message());
            answer.reverse();
            shards[shard].send(from.peer, answer.freeze(), 0)?;
            shards[shard].recv(request.buffer, request.context)?;
            served[shard] += 1;
        }
    }
}

/// Sends requests, each to the shard of its key, and checks the answers.
fn ask(client: &Engine, shards: &[Engine]) -> Result<(), Failure> {
    let peers = shards.iter().map(|shard| client.connect(shard.local_address()));
    let peers: Vec<Peer> = peers.collect::<Result<_, _>>()?;
    let (mut asked, mut answered) = (0, 0);
    while answered < REQUESTS {
        while asked < REQUESTS && asked < answered + AHEAD {
            let key = asked.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let peer = peers[(key % peers.len() as u64) as usize];
            client.recv(BytesMut::zeroed(64), asked)?;
            client.send(peer, asked.to_be_bytes().to_vec(), asked)?;
            asked += 1;
        }
        let completion = client.wait_one(PATIENCE).ok_or("no answer")?;
        if let Completion::Recv(answer) = completion {
            answer.result?;
            let number = u64::from_le_bytes(answer.message().try_into()?);
            if number >= REQUESTS {
                return Err(format!("an answer to request {number}, which there is not").into());
            }
            answered += 1;
        }
    }
    Ok(())
}
