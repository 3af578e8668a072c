//! Remote addresses, as the small numbers that the driver uses for them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::{Address, DeviceError, RouteId};

/// All routes of one device.
#[derive(Debug)]
pub(super) struct Routes {
    /// Whether the device is bound to IPv6; remotes must be of the same family.
    ipv6: bool,
    routes: Vec<Option<Route>>,
    /// Numbers of routes that were forgotten.
    free: Vec<RouteId>,
    known: HashMap<SocketAddr, RouteId>,
}

/// One remote address, ready for the system.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) address: SocketAddr,
    pub(super) name: SocketName,
}

impl Routes {
    pub(super) fn new(bound: IpAddr) -> Self {
        Self { ipv6: bound.is_ipv6(), routes: Vec::new(), free: Vec::new(), known: HashMap::new() }
    }

    /// The route that a user's text names.
    pub(super) fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError> {
        let bad = |expected| DeviceError::BadAddress { address: address.clone(), expected };
        let parsed: SocketAddr = (address.as_str().parse())
            .map_err(|_| bad("IP:PORT, such as 192.0.2.1:4791 or [2001:db8::1]:4791"))?;
        if parsed.port() == 0 {
            return Err(bad("a port other than 0"));
        }
        if parsed.ip().is_unspecified() {
            return Err(bad("the address of one host"));
        }
        match (self.ipv6, parsed.is_ipv6()) {
            (true, false) => Err(bad("an IPv6 address, because this device is bound to one")),
            (false, true) => Err(bad("an IPv4 address, because this device is bound to one")),
            _ => Ok(self.intern(parsed)),
        }
    }

    /// The route to an address that the system told us.
    pub(super) fn intern(&mut self, address: SocketAddr) -> RouteId {
        let address = without_label(address);
        *self.known.entry(address).or_insert_with(|| {
            let route = Some(Route { address, name: SocketName::new(address) });
            if let Some(id) = self.free.pop() {
                self.routes[id.0 as usize] = route;
                return id;
            }
            let id = RouteId(u32::try_from(self.routes.len()).expect("fewer routes than 2^32"));
            self.routes.push(route);
            id
        })
    }

    /// The route to an address, if there is one.
    pub(super) fn find(&self, address: SocketAddr) -> Option<RouteId> {
        self.known.get(&without_label(address)).copied()
    }

    /// Nothing more is sent along a route.
    pub(super) fn forget(&mut self, id: RouteId) {
        if let Some(route) = self.routes.get_mut(id.0 as usize).and_then(Option::take) {
            self.known.remove(&route.address);
            self.free.push(id);
        }
    }

    pub(super) fn get(&self, route: RouteId) -> Option<&Route> {
        self.routes.get(route.0 as usize)?.as_ref()
    }
}

/// A flow label is one of a packet, not a part of who sent it.
fn without_label(mut address: SocketAddr) -> SocketAddr {
    if let SocketAddr::V6(v6) = &mut address {
        v6.set_flowinfo(0);
    }
    address
}

/// An address in the system's form.
#[derive(Clone, Copy)]
pub(super) enum SocketName {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
}

impl SocketName {
    fn new(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self::V4(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(v6) => Self::V6(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            }),
        }
    }

    /// Where it lies and how long it is.
    pub(super) fn as_raw(&self) -> (*const libc::c_void, libc::socklen_t) {
        match self {
            Self::V4(name) => (std::ptr::from_ref(name).cast(), size_of_val(name) as _),
            Self::V6(name) => (std::ptr::from_ref(name).cast(), size_of_val(name) as _),
        }
    }
}

impl std::fmt::Debug for SocketName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V4(_) => "V4",
            Self::V6(_) => "V6",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_addresses_are_one_route() {
        let mut routes = Routes::new("127.0.0.1".parse().unwrap());
        let first = routes.resolve(&"192.0.2.1:5".into()).unwrap();
        let other = routes.resolve(&"192.0.2.1:6".into()).unwrap();
        assert_eq!((first, other), (RouteId(0), RouteId(1)));
        assert_eq!(routes.resolve(&"192.0.2.1:5".into()).unwrap(), first);
        assert_eq!(routes.intern("192.0.2.1:6".parse().unwrap()), other);
        assert!(routes.get(RouteId(2)).is_none());
    }

    #[test]
    fn a_forgotten_route_makes_room() {
        let mut routes = Routes::new("127.0.0.1".parse().unwrap());
        let at = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        assert_eq!(routes.find(at(5)), None, "looking makes none");
        let first = routes.intern(at(5));
        let second = routes.intern(at(6));
        routes.forget(first);
        routes.forget(first);
        assert!(routes.get(first).is_none() && routes.find(at(5)).is_none());
        assert_eq!(routes.find(at(6)), Some(second));
        assert_eq!((routes.intern(at(7)), routes.intern(at(8))), (first, RouteId(2)));
    }

    #[test]
    fn flow_labels_do_not_tell_routes_apart() {
        let mut routes = Routes::new("::1".parse().unwrap());
        let plain = routes.resolve(&"[2001:db8::1]:5".into()).unwrap();
        let mut labelled: std::net::SocketAddrV6 = "[2001:db8::1]:5".parse().unwrap();
        labelled.set_flowinfo(77);
        assert_eq!(routes.intern(labelled.into()), plain);
    }

    #[test]
    fn addresses_that_cannot_work_are_refused() {
        for (bound, text) in [
            ("127.0.0.1", "[::1]:5"),
            ("::1", "127.0.0.1:5"),
            ("127.0.0.1", "127.0.0.1:0"),
            ("127.0.0.1", "0.0.0.0:5"),
            ("127.0.0.1", "localhost:5"),
            ("127.0.0.1", "loopback:5"),
        ] {
            let error = Routes::new(bound.parse().unwrap()).resolve(&text.into());
            assert!(matches!(error, Err(DeviceError::BadAddress { .. })), "{text}");
        }
    }
}
