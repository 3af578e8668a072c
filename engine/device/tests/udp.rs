//! What is particular to UDP sockets: ECN, coalescing, errors of binding. Loopback interface only.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use usrd_device::udp::{JUMBO_MTU_BYTES, UdpConfig, UdpDevice};
use usrd_device::{Arrival, Device, DeviceError, DeviceKind, Outgoing, RouteId};

const HOSTS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];
const DEADLINE: Duration = Duration::from_secs(20);

fn device(host: &str) -> UdpDevice {
    UdpDevice::bind(&UdpConfig::new(host.parse().unwrap())).unwrap()
}

fn outgoing(route: RouteId, payload: &[u8]) -> Outgoing<'_> {
    Outgoing { route, path: 0, ecn_capable: true, header: b"head", payload, memory: None }
}

fn poll(device: &mut UdpDevice) -> Vec<Arrival> {
    let deadline = Instant::now() + DEADLINE;
    let mut arrivals = Vec::new();
    while device.poll(&mut arrivals).unwrap() == 0 {
        device.wait(Some(Duration::from_millis(10))).unwrap();
        assert!(Instant::now() < deadline, "nothing arrives");
    }
    arrivals
}

/// A socket that shows, and sets, the ECN bits.
struct Observer {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Observer {
    fn new(host: &str) -> Self {
        let socket = UdpSocket::bind(host).unwrap();
        let state = UdpSocketState::new((&socket).into()).unwrap();
        forget_times(&socket);
        Self { socket, state }
    }

    /// The next receive: ECN bits, and the datagrams as far as coalesced.
    fn receive(&self) -> (Option<EcnCodepoint>, Vec<Vec<u8>>) {
        let deadline = Instant::now() + DEADLINE;
        let mut buffer = vec![0; 65_536];
        let mut meta = [RecvMeta::default()];
        loop {
            let buffers = &mut [IoSliceMut::new(&mut buffer)];
            match self.state.recv((&self.socket).into(), buffers, &mut meta) {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
            assert!(Instant::now() < deadline, "nothing arrives");
        }
        let whole = buffer[..meta[0].len].chunks(meta[0].stride);
        (meta[0].ecn, whole.map(<[u8]>::to_vec).collect())
    }

    /// Sends `contents`, cut into pieces of `segment` bytes.
    fn send(&self, to: SocketAddr, ecn: Option<EcnCodepoint>, contents: &[u8], segment: usize) {
        let transmit =
            Transmit { destination: to, ecn, contents, segment_size: Some(segment), src_ip: None };
        self.state.try_send((&self.socket).into(), &transmit).unwrap();
    }
}

/// Stops the time of arrival from being told: with it, a train's ECN bits do not fit into what
/// the library that receives has room for.
fn forget_times(socket: &UdpSocket) {
    let (off, size) = (0_i32, size_of::<i32>() as libc::socklen_t);
    let pointer = (&raw const off).cast();
    // SAFETY: the value outlives the call, and its size is the one named.
    let result = unsafe {
        let descriptor = socket.as_raw_fd();
        libc::setsockopt(descriptor, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, pointer, size)
    };
    assert_eq!(result, 0);
}

#[test]
fn datagrams_are_ecn_capable_where_they_say_so() {
    for host in HOSTS {
        let observer = Observer::new(host);
        let mut device = device(host);
        let route = device.resolve(&observer.socket.local_addr().unwrap().into()).unwrap();
        for ecn_capable in [true, false, true] {
            // Singles and trains.
            for count in [1, 3] {
                let batch = vec![Outgoing { ecn_capable, ..outgoing(route, b"") }; count];
                assert_eq!(device.transmit(&batch).unwrap(), count);
                let mut left = count;
                while left > 0 {
                    let (ecn, datagrams) = observer.receive();
                    assert_eq!(ecn, ecn_capable.then_some(EcnCodepoint::Ect0), "{host} {count}");
                    left -= datagrams.len();
                }
            }
        }
    }
}

#[test]
fn marks_of_congestion_are_seen() {
    for host in HOSTS {
        let observer = Observer::new(host);
        let mut device = device(host);
        for (ecn, ce) in [
            (Some(EcnCodepoint::Ce), true),
            (Some(EcnCodepoint::Ect0), false),
            (None, false),
            (Some(EcnCodepoint::Ce), true),
        ] {
            // A single, and a train that arrives in one piece.
            for segment in [8, 2] {
                observer.send(device.socket_address(), ecn, b"marked??", segment);
                let mut left = 8;
                while left > 0 {
                    let arrivals = poll(&mut device);
                    for arrival in &arrivals {
                        assert_eq!(arrival.ce, ce, "{host} {ecn:?}");
                        left -= arrival.len;
                    }
                    device.release(&arrivals);
                }
            }
        }
    }
}

#[test]
fn trains_leave_in_one_piece() {
    for host in HOSTS {
        let observer = Observer::new(host);
        let mut device = device(host);
        assert!(device.capabilities().transmit_offload.is_some(), "as on every supported Linux");
        let route = device.resolve(&observer.socket.local_addr().unwrap().into()).unwrap();
        let payload = vec![9; JUMBO_MTU_BYTES - 100];
        let batch = [&payload[..], &payload, &payload, &payload[..10], &payload];
        let batch = batch.map(|payload| outgoing(route, payload));
        assert_eq!(device.transmit(&batch).unwrap(), 5);
        let sizes = |datagrams: Vec<Vec<u8>>| datagrams.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(observer.receive().1), [8904, 8904, 8904, 14], "{host}");
        assert_eq!(sizes(observer.receive().1), [8904], "{host}");
    }
}

#[test]
fn replies_to_side_sockets_are_found_by_waiting_and_by_polling() {
    for waiting in [true, false] {
        let observer = Observer::new(HOSTS[0]);
        let mut device = device(HOSTS[0]);
        let route = device.resolve(&observer.socket.local_addr().unwrap().into()).unwrap();
        for path in 0..device.capabilities().paths as u8 {
            let batch = [Outgoing { path, ..outgoing(route, b"") }];
            assert_eq!(device.transmit(&batch).unwrap(), 1);
        }
        let mut buffer = [0; 100];
        for _ in 0..device.capabilities().paths {
            observer.socket.set_nonblocking(false).unwrap();
            let (_, source) = observer.socket.recv_from(&mut buffer).unwrap();
            observer.send(source, None, b"reset", 5);
            let deadline = Instant::now() + DEADLINE;
            let mut arrivals = Vec::new();
            while device.poll(&mut arrivals).unwrap() == 0 {
                if waiting {
                    device.wait(None).unwrap();
                }
                assert!(Instant::now() < deadline, "the reply to {source} does not arrive");
            }
            assert_eq!(device.bytes(&arrivals[0]), b"reset");
            device.release(&arrivals);
        }
    }
}

#[test]
fn the_largest_datagrams_of_all_go_one_by_one() {
    // No train is large enough for two of them.
    let config =
        UdpConfig { max_datagram_bytes: Some(65_507), ..UdpConfig::new(HOSTS[0].parse().unwrap()) };
    let mut a = UdpDevice::bind(&config).unwrap();
    let mut b = UdpDevice::bind(&config).unwrap();
    let route = a.resolve(&b.local_address()).unwrap();
    let payload = vec![1; 65_507 - 4];
    let batch = [outgoing(route, &payload), outgoing(route, &payload)];
    assert_eq!(a.transmit(&batch).unwrap(), 2);
    for _ in 0..2 {
        let arrivals = poll(&mut b);
        assert_eq!((arrivals.len(), arrivals[0].len), (1, 65_507));
        b.release(&arrivals);
    }
}

#[test]
fn bind_errors_say_what_to_do() {
    let taken = device(HOSTS[0]);
    let again = UdpDevice::bind(&UdpConfig::new(taken.socket_address())).unwrap_err();
    assert!(matches!(again, DeviceError::Bind { .. }));
    assert!(again.to_string().contains("choose another"), "{again}");
    // 192.0.2.0/24 is for documentation: no host has it.
    let foreign = UdpConfig::new("192.0.2.1:0".parse().unwrap());
    let foreign = UdpDevice::bind(&foreign).unwrap_err().to_string();
    assert!(foreign.contains("ip address"), "{foreign}");
}

#[test]
fn probing_tells_the_capabilities() {
    let capabilities = UdpDevice::probe("127.0.0.1".parse().unwrap()).unwrap();
    assert_eq!(capabilities.kind, DeviceKind::Udp);
    assert_eq!(capabilities.max_datagram_bytes, 8972);
    assert!(capabilities.ecn && capabilities.receive_capacity_bytes > 0);
    assert_ne!(capabilities.locator, 0);
    assert!(UdpDevice::probe("192.0.2.1".parse().unwrap()).is_err());
}

#[test]
fn without_offload_there_is_none() {
    let config = UdpConfig { offload: false, ..UdpConfig::new(HOSTS[0].parse().unwrap()) };
    let device = UdpDevice::bind(&config).unwrap();
    assert_eq!(device.capabilities().transmit_offload, None);
    assert!(!device.capabilities().receive_offload);
}
