//! What holds for every controller, and for configurations.

use alloc::string::ToString;

use proptest::prelude::*;

use super::testing::{BDP, MTU, ack, at, config};
use super::*;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Nscc, Algorithm::Swift, Algorithm::Fixed];

fn controller(algorithm: Algorithm) -> Controller {
    Controller::new(&CcConfig { algorithm, ..config() })
}

#[test]
fn each_algorithm_knows_its_name() {
    let names = ALGORITHMS.map(|algorithm| controller(algorithm).name());
    assert_eq!(names, ["nscc", "swift", "fixed"]);
}

#[test]
fn the_default_network_has_a_bdp_of_150_kb() {
    assert_eq!(config().validate(), Ok(()));
    assert_eq!(config().bdp_bytes() as u64, BDP);
}

#[test]
fn the_fixed_window_stays() {
    let mut fixed = controller(Algorithm::Fixed);
    fixed.on_ack(at(1), &AckSample { ce: true, ..ack(MTU, 1_000_000) });
    fixed.on_loss(at(2), MTU, BDP);
    fixed.on_nack(at(3), MTU);
    fixed.on_timeout(at(4));
    assert_eq!(fixed.cwnd_bytes(), 150_000);
}

#[test]
fn a_configuration_that_cannot_work_is_named() {
    let rejected = |change: fn(&mut CcConfig)| {
        let mut config = config();
        change(&mut config);
        let CcConfigError::OutOfRange(field) = config.validate().unwrap_err();
        field
    };
    assert_eq!(rejected(|c| c.link_bps = 0), "link_bps");
    assert_eq!(rejected(|c| c.base_rtt = Duration::ZERO), "base_rtt");
    assert_eq!(rejected(|c| c.base_rtt = Duration::from_secs(2)), "base_rtt");
    assert_eq!(rejected(|c| c.mtu_bytes = 0), "mtu_bytes");
    assert_eq!(rejected(|c| c.max_cwnd_bytes = Some(4095)), "max_cwnd_bytes");
    assert_eq!(rejected(|c| c.fixed_cwnd_bytes = 1), "fixed_cwnd_bytes");
    assert_eq!(rejected(|c| c.nscc.ewma = f64::NAN), "nscc.ewma");
    assert_eq!(rejected(|c| c.nscc.fair_gain = f64::INFINITY), "nscc.fair_gain");
    assert_eq!(rejected(|c| c.nscc.decrease_floor = 1.0), "nscc.decrease_floor");
    assert_eq!(rejected(|c| c.swift.beta = 0.0), "swift.beta");
    assert_eq!(rejected(|c| c.swift.base_target = Duration::ZERO), "swift.base_target");
    let error = CcConfigError::OutOfRange("link_bps");
    assert_eq!(error.to_string(), "congestion control: link_bps is out of range");
}

#[derive(Clone, Debug)]
enum Op {
    Ack(AckSample),
    Loss(u64, u64),
    Nack(u64),
    Timeout,
}

fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 1u64..20_000, 1 => Just(0), 1 => any::<u64>()]
}

fn time_ns() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 1_000u64..200_000, 2 => 12_000u64..13_000, 1 => Just(0), 1 => any::<u64>()]
}

fn sample() -> impl Strategy<Value = AckSample> {
    let rtts = (prop::option::weighted(0.9, time_ns()), time_ns(), time_ns());
    (bytes(), rtts, any::<bool>(), bytes(), any::<bool>()).prop_map(
        |(acked_bytes, (rtt_ns, base_rtt_ns, srtt_ns), ce, in_flight_bytes, cwnd_limited)| {
            AckSample {
                acked_bytes,
                rtt_ns,
                base_rtt_ns,
                srtt_ns,
                ce,
                in_flight_bytes,
                cwnd_limited,
            }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        16 => sample().prop_map(Op::Ack),
        2 => (bytes(), bytes()).prop_map(|(lost, in_flight)| Op::Loss(lost, in_flight)),
        2 => bytes().prop_map(Op::Nack),
        1 => Just(Op::Timeout),
    ]
}

fn apply(controller: &mut Controller, now: Instant, op: &Op) {
    match op {
        Op::Ack(ack) => controller.on_ack(now, ack),
        Op::Loss(lost, in_flight) => controller.on_loss(now, *lost, *in_flight),
        Op::Nack(bytes) => controller.on_nack(now, *bytes),
        Op::Timeout => controller.on_timeout(now),
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_window_stays_in_range(
        which in 0usize..3,
        max in prop::option::of(MTU..10_000_000),
        trimming in any::<bool>(),
        ops in prop::collection::vec((op(), time_ns()), 1..200),
    ) {
        let config = CcConfig {
            algorithm: ALGORITHMS[which], max_cwnd_bytes: max, trimming, ..config()
        };
        let mut controller = Controller::new(&config);
        let most = max.unwrap_or(BDP * 4).max(config.fixed_cwnd_bytes);
        let mut now = Instant::ZERO;
        for (op, step) in ops {
            now = now.plus_nanos(step);
            let before = controller.cwnd_bytes();
            apply(&mut controller, now, &op);
            let after = controller.cwnd_bytes();
            prop_assert!((MTU..=most).contains(&after), "{op:?}: {after}");
            if !matches!(op, Op::Ack(_)) {
                prop_assert!(after <= before, "bad news raised the window: {op:?}");
            }
        }
    }

    #[test]
    fn without_demand_nothing_grows(
        which in 0usize..3,
        ops in prop::collection::vec((sample(), time_ns()), 1..100),
    ) {
        let mut controller = controller(ALGORITHMS[which]);
        controller.on_timeout(Instant::ZERO);
        let start = controller.cwnd_bytes();
        let mut now = Instant::ZERO;
        for (sample, step) in ops {
            now = now.plus_nanos(step);
            controller.on_ack(now, &AckSample { cwnd_limited: false, ..sample });
            prop_assert!(controller.cwnd_bytes() <= start);
        }
    }

    /// Above both targets, where each algorithm's answer is ordered; marked, for NSCC. Growth
    /// that was gathered before, and quick adapt, which believes what was achieved, have laws of
    /// their own.
    #[test]
    fn more_delay_never_leaves_a_larger_window(
        which in 0usize..2,
        history in prop::collection::vec((25_000u64..1_000_000, time_ns()), 0..50),
        delays in (25_000u64..1_000_000, 0u64..1_000_000),
    ) {
        let mut config = CcConfig { algorithm: ALGORITHMS[which], ..config() };
        config.nscc.quick_adapt_gate = 0.0;
        let mut controller = Controller::new(&config);
        let marked = |delay_ns| AckSample { ce: true, ..ack(MTU, delay_ns) };
        let mut now = Instant::ZERO;
        for (delay_ns, step) in history {
            now = now.plus_nanos(step);
            controller.on_ack(now, &marked(delay_ns));
        }
        let window_after = |delay_ns| {
            let mut controller = controller.clone();
            controller.on_ack(now.plus_nanos(20_000), &marked(delay_ns));
            controller.cwnd_bytes()
        };
        prop_assert!(window_after(delays.0 + delays.1) <= window_after(delays.0));
    }
}
