//! Each quadrant and rule once, with numbers worked out by hand.
//!
//! On the reference network a = b = 1: target 12 us, largest window 225,000 bytes, growth applied
//! every 32,768 bytes, eta 4,096 bytes, and quick adapt every 24 us below 28,125 bytes.

use core::time::Duration;

use super::*;
use crate::cc::testing::{BASE_RTT_NS, BDP, MTU, ack, at, config};

const TARGET_NS: u64 = 12_000;
const MAX_CWND: u64 = BDP * 3 / 2;
const PERIOD_NS: u64 = BASE_RTT_NS + TARGET_NS;
/// As many bytes as make growth apply.
const ADJUST_BYTES: u64 = 8 * MTU;

fn nscc() -> Nscc {
    Nscc::new(&config())
}

fn nscc_with_cwnd(cwnd_bytes: u64) -> Nscc {
    Nscc { cwnd: cwnd_bytes as f64, ..nscc() }
}

fn with_params(change: fn(&mut NsccParams)) -> Nscc {
    let mut config = config();
    change(&mut config.nscc);
    config.validate().unwrap();
    Nscc::new(&config)
}

fn marked(acked_bytes: u64, delay_ns: u64) -> AckSample {
    AckSample { ce: true, ..ack(acked_bytes, delay_ns) }
}

/// Floats end up a hair beside the hand's result.
#[track_caller]
fn assert_cwnd(nscc: &Nscc, expected_bytes: f64) {
    assert!((nscc.cwnd - expected_bytes).abs() < 0.01, "{} is not {expected_bytes}", nscc.cwnd);
}

#[test]
fn starts_at_the_largest_window() {
    assert_eq!(nscc().cwnd_bytes(), MAX_CWND);
    assert_eq!(with_params(|p| p.max_cwnd_bdp = 1.0).cwnd_bytes(), BDP);
    let config = CcConfig { max_cwnd_bytes: Some(70_000), ..config() };
    assert_eq!(Nscc::new(&config).cwnd_bytes(), 70_000);
}

#[test]
fn unmarked_below_target_grows_in_proportion_to_the_room() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.on_ack(at(0), &ack(ADJUST_BYTES, TARGET_NS / 2));
    // Half the room: 4 MTU * 1/2, per window.
    assert_cwnd(&nscc, 100_000.0 + 2.0 * 4096.0 * 32_768.0 / 100_000.0);
}

#[test]
fn unmarked_at_target_grows_by_the_fair_share() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.on_ack(at(0), &ack(ADJUST_BYTES, TARGET_NS));
    assert_cwnd(&nscc, 100_000.0 + 5.0 * 4096.0 * 32_768.0 / 100_000.0);
}

#[test]
fn marked_below_target_holds() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.on_ack(at(0), &marked(ADJUST_BYTES, TARGET_NS - 1));
    assert_cwnd(&nscc, 100_000.0);
}

#[test]
fn marked_at_target_shrinks_by_the_average_excess() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.avg_delay_ns = 24_000.0;
    nscc.on_ack(at(0), &marked(MTU, 24_000));
    // 0.8 * (24 - 12) / 24 of it is taken.
    assert_cwnd(&nscc, 60_000.0);
}

#[test]
fn marked_at_target_holds_while_the_average_disagrees() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.on_ack(at(0), &marked(MTU, 24_000));
    assert_cwnd(&nscc, 100_000.0);
    assert_eq!(nscc.avg_delay_ns(), 24_000 / 80);
}

#[test]
fn a_decrease_happens_once_per_round_trip() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.avg_delay_ns = 24_000.0;
    nscc.on_ack(at(50), &marked(1, 24_000));
    nscc.on_ack(at(50 + BASE_RTT_NS - 1), &marked(1, 24_000));
    assert_cwnd(&nscc, 60_000.0);
    nscc.next_adjust = Instant::NEVER;
    nscc.on_ack(at(50 + BASE_RTT_NS), &marked(1, 24_000));
    assert_cwnd(&nscc, 36_000.0);
}

#[test]
fn a_decrease_leaves_half() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.avg_delay_ns = 1e6;
    nscc.on_ack(at(0), &marked(MTU, 1_000_000));
    assert_cwnd(&nscc, 50_000.0);
}

#[test]
fn eta_is_added_once_per_round_trip() {
    let mut nscc = nscc_with_cwnd(100_000);
    for now in [0, BASE_RTT_NS - 1, BASE_RTT_NS, BASE_RTT_NS + 1, 2 * BASE_RTT_NS - 1] {
        nscc.on_ack(at(now), &marked(MTU, 5_000));
    }
    assert_cwnd(&nscc, 100_000.0 + 4096.0);
    nscc.on_ack(at(2 * BASE_RTT_NS), &marked(MTU, 5_000));
    assert_cwnd(&nscc, 100_000.0 + 2.0 * 4096.0);
}

#[test]
fn growth_waits_for_eight_mtu() {
    let mut nscc = nscc_with_cwnd(100_000);
    (0..7).for_each(|n| nscc.on_ack(at(n), &ack(MTU, TARGET_NS)));
    assert_cwnd(&nscc, 100_000.0);
    nscc.on_ack(at(7), &ack(MTU, TARGET_NS));
    assert_cwnd(&nscc, 100_000.0 + 5.0 * 4096.0 * 32_768.0 / 100_000.0);
}

#[test]
fn growth_waits_for_a_round_trip_at_most() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.on_ack(at(0), &ack(1_000, TARGET_NS));
    nscc.on_ack(at(BASE_RTT_NS), &ack(1_000, TARGET_NS));
    assert_cwnd(&nscc, 100_000.0 + 5.0 * 4096.0 * 2_000.0 / 100_000.0 + 4096.0);
}

/// Only fast increase grows this one.
fn fast_only() -> Nscc {
    let nscc = with_params(|p| (p.proportional_gain, p.eta_mtu) = (1e-9, 0.0));
    Nscc { cwnd: 40_000.0, ..nscc }
}

#[test]
fn fast_increase_follows_a_full_window_without_delay() {
    let mut nscc = fast_only();
    nscc.on_ack(at(0), &ack(40_000, 999));
    assert_cwnd(&nscc, 40_000.0);
    nscc.on_ack(at(1), &ack(4_000, 999));
    assert_cwnd(&nscc, 41_000.0);
    nscc.on_ack(at(2), &ack(4_000, 0));
    assert_cwnd(&nscc, 42_000.0);
}

#[test]
fn delay_a_mark_or_a_loss_ends_fast_increase() {
    type Step = fn(&mut Nscc);
    let ends: [Step; 4] = [
        |nscc| nscc.on_ack(at(2), &ack(0, 1_000)),
        |nscc| nscc.on_ack(at(2), &marked(0, TARGET_NS)),
        |nscc| nscc.on_loss(at(2), 0, 0),
        |nscc| nscc.on_nack(0),
    ];
    for end in ends {
        let mut nscc = fast_only();
        nscc.on_ack(at(0), &ack(41_000, 0));
        let grown = 40_000.0 + 0.25 * 41_000.0;
        assert_cwnd(&nscc, grown);
        end(&mut nscc);
        nscc.on_ack(at(3), &ack(4_000, 0));
        assert_cwnd(&nscc, grown);
    }
}

#[test]
fn quick_adapt_takes_what_was_achieved_after_a_long_delay() {
    let mut nscc = nscc();
    nscc.on_ack(at(5), &ack(MTU, 4 * TARGET_NS));
    nscc.on_ack(at(5 + PERIOD_NS), &ack(MTU, 4 * TARGET_NS + 1));
    assert_cwnd(&nscc, 2.0 * 4096.0);
}

#[test]
fn quick_adapt_needs_more_than_four_targets_of_delay() {
    let mut nscc = nscc();
    nscc.on_ack(at(5), &ack(MTU, 4 * TARGET_NS));
    nscc.on_ack(at(5 + PERIOD_NS), &ack(MTU, 4 * TARGET_NS));
    assert_eq!(nscc.cwnd_bytes(), MAX_CWND);
}

#[test]
fn quick_adapt_waits_for_its_period() {
    let mut nscc = nscc();
    nscc.on_ack(at(5), &ack(MTU, 1_000_000));
    nscc.on_ack(at(5 + PERIOD_NS - 1), &ack(MTU, 1_000_000));
    assert_eq!(nscc.cwnd_bytes(), MAX_CWND);
}

#[test]
fn quick_adapt_leaves_a_sender_alone_that_achieves_an_eighth() {
    let adapts = |achieved_bytes| {
        let mut nscc = nscc();
        nscc.on_ack(at(5), &ack(achieved_bytes, 1_000_000));
        nscc.on_ack(at(5 + PERIOD_NS), &ack(0, 1_000_000));
        nscc.cwnd_bytes() < MAX_CWND
    };
    assert!(adapts(MAX_CWND / 8 - 1));
    assert!(!adapts(MAX_CWND / 8));
}

#[test]
fn quick_adapt_follows_a_loss_and_keeps_one_mtu() {
    let mut nscc = nscc();
    nscc.on_ack(at(5), &ack(100, 0));
    nscc.on_nack(MTU);
    assert_cwnd(&nscc, (MAX_CWND - MTU) as f64);
    nscc.on_ack(at(5 + PERIOD_NS), &ack(100, 0));
    assert_cwnd(&nscc, 4096.0);
}

#[test]
fn a_loss_can_close_the_period() {
    let mut nscc = nscc();
    nscc.on_ack(at(5), &ack(20_000, 0));
    nscc.on_loss(at(5 + PERIOD_NS), MTU, 50_000);
    assert_cwnd(&nscc, 20_000.0);
    assert_eq!(nscc.stale_bytes, 50_000);
}

#[test]
fn a_loss_counts_for_its_own_period_only() {
    let mut nscc = nscc();
    nscc.on_ack(at(5), &ack(BDP, 5_000));
    nscc.on_loss(at(6), 0, 0);
    nscc.on_ack(at(5 + PERIOD_NS), &ack(MTU, 5_000));
    nscc.on_ack(at(5 + 2 * PERIOD_NS), &ack(MTU, 5_000));
    assert_eq!(nscc.cwnd_bytes(), MAX_CWND);
}

#[test]
fn marks_from_before_quick_adapt_are_skipped() {
    let mut nscc = nscc();
    nscc.on_ack(at(5), &ack(20_000, 0));
    nscc.on_loss(at(5 + PERIOD_NS), MTU, 8_000);
    nscc.avg_delay_ns = 24_000.0;
    nscc.next_adjust = Instant::NEVER;
    let now = at(6 + PERIOD_NS);
    nscc.on_ack(now, &marked(4_000, 24_000));
    nscc.on_ack(now, &marked(4_000, 24_000));
    assert_cwnd(&nscc, 20_000.0);
    nscc.on_ack(now, &marked(1, 24_000));
    assert_cwnd(&nscc, 12_000.0);
}

#[test]
fn the_losses_of_a_round_trip_are_one_event() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.on_loss(at(100), 10_000, BDP);
    nscc.on_loss(at(100 + BASE_RTT_NS - 1), 10_000, BDP);
    assert_cwnd(&nscc, 90_000.0);
    nscc.on_loss(at(100 + BASE_RTT_NS), 80_000, BDP);
    assert_cwnd(&nscc, 45_000.0);
}

#[test]
fn each_nack_takes_its_bytes_unless_stale() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.on_nack(MTU);
    nscc.on_nack(MTU);
    assert_cwnd(&nscc, 100_000.0 - 8192.0);
    nscc.stale_bytes = MTU;
    nscc.on_nack(MTU);
    assert_cwnd(&nscc, 100_000.0 - 8192.0);
    nscc.on_nack(MTU);
    assert_cwnd(&nscc, 100_000.0 - 12_288.0);
}

#[test]
fn a_timeout_starts_over_and_an_empty_path_leads_back() {
    let mut nscc = nscc();
    nscc.avg_delay_ns = 1e6;
    nscc.on_timeout(at(1_000_000));
    assert_eq!((nscc.cwnd_bytes(), nscc.avg_delay_ns()), (MTU, 0));
    let mut now = 1_000_000;
    let mut round_trips = 0;
    while nscc.cwnd_bytes() < MAX_CWND {
        now += BASE_RTT_NS;
        nscc.on_ack(at(now), &ack(nscc.cwnd_bytes(), 0));
        round_trips += 1;
        assert!(round_trips < 30, "still at {} bytes", nscc.cwnd_bytes());
    }
}

#[test]
fn nothing_grows_while_the_application_is_the_limit() {
    for delay_ns in [0, 5_000, TARGET_NS] {
        let mut nscc = nscc_with_cwnd(100_000);
        for now in 0..10 {
            let idle = AckSample { cwnd_limited: false, ..ack(BDP, delay_ns) };
            nscc.on_ack(at(now * BASE_RTT_NS), &idle);
        }
        assert_cwnd(&nscc, 100_000.0);
    }
}

#[test]
fn without_a_round_trip_bytes_only_count_as_achieved() {
    let mut nscc = nscc_with_cwnd(100_000);
    let blind = AckSample { rtt_ns: None, ..ack(ADJUST_BYTES, 0) };
    nscc.on_ack(at(0), &blind);
    assert_cwnd(&nscc, 100_000.0);
    assert_eq!(nscc.achieved_bytes, ADJUST_BYTES);
}

#[test]
fn an_unmeasured_base_round_trip_is_taken_from_the_configuration() {
    let mut nscc = nscc_with_cwnd(100_000);
    nscc.on_ack(at(0), &AckSample { base_rtt_ns: 0, srtt_ns: 0, ..ack(MTU, 8_000) });
    assert_eq!(nscc.avg_delay_ns(), 100);
}

#[test]
fn trimming_lowers_the_target() {
    let mut nscc = Nscc::new(&CcConfig { trimming: true, ..config() });
    nscc.cwnd = 100_000.0;
    nscc.on_ack(at(0), &ack(ADJUST_BYTES, 9_000));
    assert_cwnd(&nscc, 100_000.0 + 5.0 * 4096.0 * 32_768.0 / 100_000.0);
    // b shrinks with the target: the slope per nanosecond of room stays.
    nscc.cwnd = 100_000.0;
    nscc.on_ack(at(1), &ack(ADJUST_BYTES, 6_000));
    assert_cwnd(&nscc, 100_000.0 + 4.0 * 4096.0 * 0.25 * 32_768.0 / 100_000.0);
}

#[test]
fn gains_scale_with_the_bdp() {
    let mut nscc = Nscc::new(&CcConfig { link_bps: 400_000_000_000, ..config() });
    assert_eq!(nscc.cwnd_bytes(), 4 * MAX_CWND);
    nscc.cwnd = 100_000.0;
    nscc.on_ack(at(0), &ack(ADJUST_BYTES, TARGET_NS));
    assert_cwnd(&nscc, 100_000.0 + 4.0 * 5.0 * 4096.0 * 32_768.0 / 100_000.0);
}

#[test]
fn every_parameter_has_its_effect() {
    let grown = |change: fn(&mut NsccParams), delay_ns| {
        let mut nscc = Nscc { cwnd: 100_000.0, ..with_params(change) };
        nscc.on_ack(at(0), &ack(ADJUST_BYTES, delay_ns));
        nscc.cwnd - 100_000.0
    };
    let fair = grown(|_| {}, TARGET_NS);
    let close = |left: f64, right: f64| assert!((left - right).abs() < 0.01, "{left}, {right}");
    close(grown(|p| p.fair_gain = 10.0, TARGET_NS), 2.0 * fair);
    close(grown(|p| p.reference_bdp_bytes = 75_000.0, TARGET_NS), 2.0 * fair);
    close(grown(|p| p.target_without_trimming_rtt = 0.5, TARGET_NS / 2), fair);
    close(grown(|p| p.adjust_mtu = 9, TARGET_NS), 0.0);
    let half_room = grown(|_| {}, TARGET_NS / 2);
    close(grown(|p| p.proportional_gain = 8.0, TARGET_NS / 2), 2.0 * half_room);
    close(grown(|p| p.reference_rtt = Duration::from_micros(6), TARGET_NS / 2), 2.0 * half_room);
}
