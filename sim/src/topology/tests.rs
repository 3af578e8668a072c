use super::shapes::Wiring;
use super::*;

const WIRING: Wiring = Wiring {
    edge: Rate { bps: 100_000_000_000 },
    trunk: Rate { bps: 100_000_000_000 },
    latency: Time::from_ns(1_000),
};

/// From every host to every other, whatever the hash, in as many links as it should be.
fn check_reach(network: &Network, steps: impl Fn(u32, u32) -> usize) {
    for from in 0..network.hosts() {
        for to in (0..network.hosts()).filter(|&to| to != from) {
            for hash in [0, 0x5555_5555, u32::MAX] {
                let (mut link, mut count) = (from, 1);
                while let Node::Switch(switch) = network.links()[link as usize].to {
                    link = network.routes().next(switch, to, hash);
                    count += 1;
                }
                assert_eq!(network.links()[link as usize].to, Node::Host(to));
                assert_eq!(count, steps(from, to), "{from} -> {to}");
            }
        }
    }
}

#[test]
fn a_pair_is_one_cable() {
    let network = Network::new(Shape::pair(&WIRING)).unwrap();
    assert_eq!((network.links().len(), network.switches()), (2, 0));
    assert_eq!(network.way(0, 1).count(), 1);
    assert_eq!(network.one_way(0, 1, 0), Time::from_ns(1_000));
}

#[test]
fn a_fat_tree_of_16_hosts_has_20_switches() {
    let network = Network::new(Shape::fat_tree_3(16, 1, 1, &WIRING).unwrap()).unwrap();
    assert_eq!(network.switches(), 8 + 8 + 4);
    assert_eq!(network.links().len(), 2 * (16 + 16 + 16));
    check_reach(&network, |from, to| match (from / 2 == to / 2, from / 4 == to / 4) {
        (true, _) => 2,
        (false, true) => 4,
        (false, false) => 6,
    });
    let Node::Switch(leaf) = network.links()[0].to else { unreachable!("a host's switch") };
    assert_eq!(network.routes().choices(leaf, 15).len(), 2);
    assert_eq!(network.farthest(), (0, 4));
}

#[test]
fn oversubscribed_leaves_have_more_hosts_than_ports_up() {
    let network = Network::new(Shape::fat_tree_2(16, 2, 1, &WIRING).unwrap()).unwrap();
    assert_eq!(network.switches(), 4 + 2);
    check_reach(&network, |from, to| if from / 4 == to / 4 { 2 } else { 4 });
}

#[test]
fn rails_put_the_interfaces_of_a_server_on_different_leaves() {
    let network = Network::new(Shape::leaf_spine(16, (4, 2), 2, &WIRING).unwrap()).unwrap();
    let leaf = |host: u32| network.links()[host as usize].to;
    assert_eq!((leaf(0), leaf(2), leaf(6)), (Node::Switch(0), Node::Switch(0), Node::Switch(0)));
    assert_eq!((leaf(1), leaf(3)), (Node::Switch(1), Node::Switch(1)));
    assert_eq!((leaf(8), leaf(9)), (Node::Switch(2), Node::Switch(3)));
}

#[test]
fn sizes_that_do_not_work_are_named() {
    let error = Shape::fat_tree_3(100, 1, 1, &WIRING).unwrap_err().to_string();
    assert!(error.contains("topology.hosts is 100") && error.contains("128"), "{error}");
    let error = Shape::leaf_spine(10, (4, 2), 1, &WIRING).unwrap_err().to_string();
    assert!(error.contains("multiple of 4"), "{error}");
    let cable = |a, b| Cable { a, b, rate: WIRING.edge, latency: WIRING.latency };
    let (one, two) = (Node::Host(0), Node::Host(1));
    let apart = vec![cable(one, Node::Switch(0)), cable(two, Node::Switch(1))];
    assert_eq!(Network::new(Shape::custom(2, 2, apart)).unwrap_err(), ShapeError::Split);
    let lonely = vec![cable(one, Node::Switch(0))];
    let error = Network::new(Shape::custom(2, 1, lonely)).unwrap_err();
    assert_eq!(error, ShapeError::NoCable { host: 1 });
    let twice = vec![cable(one, Node::Switch(0)), cable(one, Node::Switch(0))];
    let error = Network::new(Shape::custom(2, 1, twice)).unwrap_err();
    assert_eq!(error, ShapeError::SecondCable { host: 0 });
}

#[test]
fn links_have_names() {
    let network = Network::new(Shape::leaf_spine(4, (2, 2), 1, &WIRING).unwrap()).unwrap();
    for link in 0..network.links().len() as LinkId {
        assert_eq!(network.links_named(&network.link_name(link)), Ok(vec![link]));
    }
    assert_eq!(network.links_named("leaf0-spine1").unwrap().len(), 2);
    assert_eq!(network.links_named("spine1").unwrap().len(), 4);
    for wrong in ["leaf2>spine0", "host9", "leaf0-leaf1", "", "spine0>leaf0#3"] {
        assert!(network.links_named(wrong).is_err(), "{wrong}");
    }
    let twice = Network::new(Shape::dumbbell(2, 2, &WIRING).unwrap()).unwrap();
    assert_eq!(twice.links_named("switch0>switch1").unwrap().len(), 2);
    assert_eq!(twice.links_named("switch0>switch1#1").unwrap().len(), 1);
}

#[test]
fn hashes_spread_evenly() {
    let mut counts = [0; 8];
    for bits in 0..8_000u64 {
        counts[((u64::from(mix(bits)) * 8) >> 32) as usize] += 1;
    }
    assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
}
