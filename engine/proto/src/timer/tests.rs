use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;

use proptest::prelude::*;

use super::*;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn pop_all(wheel: &mut TimerWheel, now: u64) -> Vec<u32> {
    core::iter::from_fn(|| wheel.pop_expired(at(now))).collect()
}

#[test]
fn fires_at_the_deadline_and_not_a_nanosecond_before() {
    for deadline in [1, 1023, 1024, 70_000, 5_000_001, 300_000_007, 61_000_000_013] {
        let mut wheel = TimerWheel::new();
        wheel.arm(3, at(deadline));
        assert_eq!(wheel.pop_expired(at(deadline - 1)), None);
        assert_eq!(wheel.next_deadline(), Some(at(deadline)));
        assert_eq!(wheel.pop_expired(at(deadline)), Some(3));
        assert_eq!(wheel.deadline(3), Instant::NEVER);
        assert_eq!(wheel.next_deadline(), None);
    }
}

#[test]
fn moving_a_deadline_back_leaves_the_key_in_its_slot() {
    let mut wheel = TimerWheel::new();
    wheel.arm(0, at(100_000));
    let filed = wheel.entries[0].filed_tick;
    (0..1000).for_each(|n| wheel.arm(0, at(100_000 + n * 50_000)));
    assert_eq!(wheel.entries[0].filed_tick, filed);
    assert_eq!(wheel.deadline(0), at(50_050_000));
    assert_eq!(wheel.pop_expired(at(50_049_999)), None);
    assert_eq!(wheel.pop_expired(at(50_050_000)), Some(0));
}

#[test]
fn moving_a_deadline_forward_takes_effect() {
    let mut wheel = TimerWheel::new();
    wheel.arm(0, at(80_000_000));
    wheel.arm(0, at(9_000));
    assert_eq!(wheel.next_deadline(), Some(at(9_000)));
    assert_eq!(wheel.pop_expired(at(9_000)), Some(0));
    assert_eq!(wheel.pop_expired(at(90_000_000)), None);
}

#[test]
fn a_deadline_in_the_past_fires_at_once() {
    let mut wheel = TimerWheel::new();
    wheel.arm(0, at(1_000_000));
    assert_eq!(pop_all(&mut wheel, 2_000_000), [0]);
    wheel.arm(1, at(5));
    assert_eq!(wheel.next_deadline(), Some(at(5)));
    assert_eq!(pop_all(&mut wheel, 2_000_000), [1]);
}

#[test]
fn never_disarms() {
    let mut wheel = TimerWheel::new();
    wheel.arm(7, at(10));
    wheel.arm(7, Instant::NEVER);
    wheel.disarm(7);
    wheel.disarm(1_000);
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(pop_all(&mut wheel, 1 << 40), []);
}

#[test]
fn deadlines_past_the_last_level_are_filed_again() {
    let mut wheel = TimerWheel::new();
    let hour_ns = 3_600_000_000_000;
    wheel.arm(0, at(hour_ns));
    wheel.arm(1, at(u64::MAX - 1));
    let mut wakes = 0;
    let mut popped = vec![];
    while popped.is_empty() {
        let wake = wheel.next_deadline().unwrap();
        popped.extend(pop_all(&mut wheel, wake.as_nanos()));
        wakes += 1;
    }
    assert_eq!(popped, [0]);
    assert_eq!(wheel.current_tick, hour_ns >> TICK_BITS);
    assert!(wakes < 20, "woken {wakes} times");
}

#[test]
fn keys_of_one_tick_come_out_as_filed() {
    let mut wheel = TimerWheel::new();
    [5, 2, 9].into_iter().for_each(|key| wheel.arm(key, at(40_000)));
    wheel.arm(4, at(39_999));
    assert_eq!(pop_all(&mut wheel, 39_999), [4]);
    assert_eq!(pop_all(&mut wheel, 40_000), [5, 2, 9]);
}

#[test]
fn a_hundred_thousand_keys_each_fire_once() {
    let mut wheel = TimerWheel::new();
    let deadline = |key: u32| u64::from(key).wrapping_mul(7_919) % 50_000_000 + 1;
    (0..100_000).for_each(|key| wheel.arm(key, at(deadline(key))));
    let mut fired = BTreeSet::new();
    while let Some(wake) = wheel.next_deadline() {
        while let Some(key) = wheel.pop_expired(wake) {
            assert_eq!(at(deadline(key)), wake, "key {key} fired late");
            assert!(fired.insert(key));
        }
    }
    assert_eq!(fired.len(), 100_000);
}

#[derive(Clone, Debug)]
enum Op {
    /// A key, and its deadline from now.
    Arm(u32, i64),
    Disarm(u32),
    /// Pop everything after so much time.
    Advance(u64),
    /// Pop one at the time the wheel asks for, as a driver would.
    Wake,
}

fn op() -> impl Strategy<Value = Op> {
    let ahead = prop_oneof![
        4 => -3_000i64..20_000,
        4 => 0i64..5_000_000,
        1 => 0i64..100_000_000_000,
        1 => 0i64..5_000_000_000_000,
    ];
    let step = prop_oneof![4 => 0u64..3_000, 2 => 0u64..1_000_000, 1 => 0u64..2_000_000_000_000];
    prop_oneof![
        6 => (0u32..20, ahead).prop_map(|(key, ahead)| Op::Arm(key, ahead)),
        1 => (0u32..20).prop_map(Op::Disarm),
        2 => step.prop_map(Op::Advance),
        3 => Just(Op::Wake),
    ]
}

/// Pops one key or all, checking each against the model and that none is left out.
fn pop(wheel: &mut TimerWheel, model: &mut BTreeMap<u32, Instant>, now: Instant, all: bool) {
    while let Some(key) = wheel.pop_expired(now) {
        let deadline = model.remove(&key).expect("it was armed");
        assert!(deadline <= now, "key {key} fired early");
        if !all {
            return;
        }
    }
    assert!(model.values().all(|&deadline| deadline > now), "a key was left out");
    assert!(wheel.next_deadline().is_none_or(|next| next > now), "no progress");
}

proptest! {
    #[test]
    fn agrees_with_a_map(start in 0u64..1 << 42, ops in prop::collection::vec(op(), 1..300)) {
        let mut wheel = TimerWheel::new();
        let mut model = BTreeMap::new();
        let mut now = at(start);
        for op in ops {
            match op {
                Op::Arm(key, ahead) => {
                    let deadline = at(now.as_nanos().saturating_add_signed(ahead));
                    wheel.arm(key, deadline);
                    model.insert(key, deadline);
                }
                Op::Disarm(key) => {
                    wheel.disarm(key);
                    model.remove(&key);
                }
                Op::Advance(nanos) => {
                    now = now.plus_nanos(nanos);
                    pop(&mut wheel, &mut model, now, true);
                }
                Op::Wake => {
                    now = wheel.next_deadline().map_or(now, |next| next.max(now));
                    pop(&mut wheel, &mut model, now, false);
                }
            }
            let earliest = model.values().min().copied();
            prop_assert_eq!(wheel.next_deadline().is_some(), earliest.is_some());
            prop_assert!(wheel.next_deadline() <= earliest);
            for key in 0..20 {
                let deadline = model.get(&key).copied().unwrap_or(Instant::NEVER);
                prop_assert_eq!(wheel.deadline(key), deadline);
            }
        }
    }
}
