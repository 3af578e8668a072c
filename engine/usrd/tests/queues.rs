//! Completion queues: several engines report into one, one engine into several.

mod common;

use std::collections::HashMap;
use std::thread;

use common::{Net, PATIENCE, connect, pattern};
use usrd::device::loopback::{Fabric, LoopbackConfig};
use usrd::{
    BuildError, Builder, BytesMut, Completion, CompletionQueue, Engine, Peer, RecvOptions,
    SubmitError,
};

/// An engine on a fabric, with this id.
fn on(fabric: &Fabric, id: u32) -> Builder {
    let device = fabric.device(LoopbackConfig::default()).unwrap();
    Engine::builder().device(Box::new(device)).seed(u64::from(id) + 1).id(id)
}

/// Takes completions until there are so many.
fn take(queue: &CompletionQueue, count: usize) -> Vec<Completion> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let missing = count - taken.len();
        let more = queue.wait(&mut taken, missing, PATIENCE);
        assert!(more > 0, "{} of {count} came", taken.len());
    }
    taken
}

/// Shards: engines with threads of their own that share a queue. Every message arrives once, at the
/// shard that it was sent to, and every operation completes once.
#[test]
fn shards_report_into_one_queue() {
    const MESSAGES: u64 = 200;
    let fabric = Fabric::new();
    let queue = CompletionQueue::new(20_000);
    let shard = |id| on(&fabric, id).completion_queue(&queue).spawn().unwrap();
    let shards: Vec<Engine> = [10, 20, 30].map(shard).into();
    let client = on(&fabric, 0).spawn().unwrap();
    let mut expected = HashMap::new();
    for shard in &shards {
        let id = shard.info().id;
        let peer = client.connect(shard.local_address()).unwrap();
        for n in 0..MESSAGES {
            let context = u64::from(id) << 32 | n;
            shard.recv(BytesMut::zeroed(5_000), context).unwrap();
            client.send(peer, pattern(5_000, context), context).unwrap();
            expected.insert(context, id);
        }
    }
    assert_eq!(queue.outstanding(), expected.len());
    let mut messages = HashMap::new();
    for completion in take(&queue, expected.len()) {
        let (engine, receive) = (completion.engine(), completion.into_recv().unwrap());
        assert_eq!(expected.remove(&receive.context), Some(engine), "once, and there");
        receive.result.unwrap();
        *messages.entry((engine, receive.message().to_vec())).or_insert(0) += 1;
    }
    for (id, n) in [10, 20, 30].iter().flat_map(|&id| (0..MESSAGES).map(move |n| (id, n))) {
        let message = pattern(5_000, u64::from(id) << 32 | n);
        assert_eq!(messages.remove(&(id, message)), Some(1));
    }
    assert_eq!((queue.outstanding(), messages.len()), (0, 0));
    let sent = take(client.completion_queue(), 3 * MESSAGES as usize);
    assert!(sent.into_iter().all(|it| it.engine() == 0 && it.into_send().unwrap().result.is_ok()));
}

/// Each thread submits through a handle of its own, and finds what it submitted, and nothing else.
#[test]
fn threads_have_their_own_queues() {
    const THREADS: u64 = 4;
    const MESSAGES: u64 = 100;
    let (a, b, peer) = connect(Net::Loopback.pair());
    for context in 0..THREADS * MESSAGES {
        b.recv(BytesMut::zeroed(8), context).unwrap();
    }
    thread::scope(|scope| {
        for number in 0..THREADS {
            let mine = a.reporting_to(&CompletionQueue::new(MESSAGES as usize));
            scope.spawn(move || {
                for n in 0..MESSAGES {
                    mine.send(peer, vec![0; 8], number << 32 | n).unwrap();
                }
                let taken = take(mine.completion_queue(), MESSAGES as usize);
                let mut contexts: Vec<u64> = taken.iter().map(Completion::context).collect();
                contexts.sort_unstable();
                assert!(contexts.into_iter().eq((0..MESSAGES).map(|n| number << 32 | n)));
                assert_eq!(mine.outstanding(), 0);
            });
        }
    });
    take(b.completion_queue(), (THREADS * MESSAGES) as usize);
    assert_eq!(a.poll(&mut Vec::new(), 1), 0, "nothing in the engine's own queue");
}

/// Everything that a handle submits is reported to its queue, whatever it is and however it ends.
#[test]
fn all_operations_follow_their_handle() {
    let (a, b, peer) = connect(Net::Loopback.pair());
    let elsewhere = a.reporting_to(&CompletionQueue::new(100));
    let queue = elsewhere.completion_queue();
    let mine = a.register(BytesMut::zeroed(64), usrd::Access::LOCAL).unwrap();
    let theirs = b.register(BytesMut::zeroed(64), usrd::Access::ALL).unwrap();
    let at = theirs.remote().at(0);
    elsewhere.write(peer, vec![1; 8], at, 1).unwrap();
    elsewhere.read(peer, at, BytesMut::zeroed(8), 2).unwrap();
    let block = usrd::Block::new(mine.at(0), at, 8);
    elsewhere.write_v(peer, vec![block], 3).unwrap();
    elsewhere.fetch_add(peer, at, 1, 4).unwrap();
    elsewhere.notify(peer, 9, 5).unwrap();
    elsewhere.send(peer, "for whom it may concern", 6).unwrap();
    let mut contexts: Vec<u64> = take(queue, 6).iter().map(Completion::context).collect();
    contexts.sort_unstable();
    assert_eq!(contexts, [1, 2, 3, 4, 5, 6]);
    // What ends without its driver's having done it.
    elsewhere.deregister(mine, 7).unwrap();
    elsewhere.deregister(theirs, 8).unwrap();
    elsewhere.recv(BytesMut::zeroed(8), RecvOptions::new(9).tag(1)).unwrap();
    elsewhere.cancel_recv(9).unwrap();
    elsewhere.recv(BytesMut::zeroed(8), 10).unwrap();
    take(queue, 3);
    drop(a);
    elsewhere.shutdown(PATIENCE).unwrap();
    assert_eq!(take(queue, 1)[0].context(), 10);
    let refused = elsewhere.send(peer, "too late", 11).unwrap_err();
    assert_eq!((refused.error, queue.outstanding()), (SubmitError::Closed, 0));
    assert_eq!(elsewhere.wait(&mut Vec::new(), 1, PATIENCE), 0, "it does not wait for nothing");
}

/// The limit is the queue's, whoever reports to it.
#[test]
fn a_full_queue_takes_no_more() {
    let (a, b, peer) = connect(Net::Loopback.pair());
    let queue = CompletionQueue::new(3);
    let [a_here, b_here] = [&a, &b].map(|engine| engine.reporting_to(&queue));
    b_here.recv(BytesMut::zeroed(8), 1).unwrap();
    b_here.recv(BytesMut::zeroed(8), 2).unwrap();
    a_here.send(peer, "first", 3).unwrap();
    let full = a_here.send(peer, "second", 4).unwrap_err();
    assert_eq!(full.error, SubmitError::TooManyOutstanding { limit: 3 });
    a.send(peer, "second", 4).unwrap();
    take(&queue, 3);
    a_here.send(peer, "third", 5).unwrap();
}

/// Notifications go to the engine's queue, in places of their own. Those are free again when the
/// engine is gone and they have been taken.
#[test]
fn places_for_notifications_come_back() {
    let fabric = Fabric::new();
    let queue = CompletionQueue::new(10);
    for round in 0..5 {
        let few = |builder: Builder| builder.config(|config| config.max_notifications = 8);
        let owner = few(on(&fabric, 2 * round)).completion_queue(&queue).spawn().unwrap();
        assert_eq!((queue.outstanding(), queue.limit()), (0, 2));
        let second = few(on(&fabric, 99)).completion_queue(&queue).manual().unwrap_err();
        assert!(matches!(second, BuildError::CompletionQueue { needed: 8, limit: 2 }));
        let peer = on(&fabric, 2 * round + 1).spawn().unwrap();
        let to: Peer = peer.connect(owner.local_address()).unwrap();
        // More than there are places: the rest waits until some are taken.
        (0..20).for_each(|immediate| peer.notify(to, immediate, 0).unwrap());
        let mut said: Vec<u64> = take(&queue, 19).iter().map(Completion::context).collect();
        drop(owner);
        // One or none has been left there.
        let mut last = Vec::new();
        queue.poll(&mut last, 20);
        said.extend(last.iter().map(Completion::context));
        said.sort_unstable();
        said.dedup();
        assert!(said.len() >= 19, "each once: {said:?}");
        assert_eq!((queue.outstanding(), queue.limit()), (0, 10));
    }
}

/// An engine lives as long as the last of its handles.
#[test]
fn the_last_handle_closes() {
    let (a, b, peer) = connect(Net::Loopback.pair());
    let (again, queue) = (a.clone(), CompletionQueue::new(10));
    let elsewhere = b.reporting_to(&queue);
    drop(a);
    drop(b);
    elsewhere.recv(BytesMut::zeroed(8), 1).unwrap();
    again.send(peer, "here", 2).unwrap();
    assert_eq!(take(&queue, 1).remove(0).into_recv().unwrap().message(), b"here");
    elsewhere.recv(BytesMut::zeroed(8), 3).unwrap();
    drop(elsewhere);
    let left = take(&queue, 1).remove(0).into_recv().unwrap();
    assert_eq!(left.result, Err(usrd::RecvFailure::Closed));
}
